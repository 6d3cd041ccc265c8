"""Which instruction set functions run on, and what this machine has."""

import contextlib

from . import _core

_functions = [name for name in vars(_core.simd) if not name.startswith("_")]
globals().update({name: getattr(_core.simd, name) for name in _functions})


@contextlib.contextmanager
def forced(target):
    """Within it, every function runs on `target`, in all threads."""
    before = _core.simd.active_target()
    _core.simd.force(target)
    try:
        yield
    finally:
        _core.simd.force(before)


__all__ = [*_functions, "forced"]
