"""Functions on arrays: activations, convolutions, normalization, attention, losses and more, with
their gradients.

Arguments are NumPy arrays of float32 or float64 with any strides, or anything with DLPack such as
PyTorch tensors; they are looked at where they lie. Numbers and lists take the element type of the
other arguments. All arrays of one call have one element type. The result is a new NumPy array, or
`out` where that is given. Where a `lamina.Tensor` is given, the result is a Tensor, and what was
computed is recorded for its gradient.

The gradient of f is f_backward(dy, ...): dy is the gradient of the result.
"""

from . import _core

__all__ = [name for name in vars(_core.nn) if not name.startswith("_")]
globals().update({name: getattr(_core.nn, name) for name in __all__})


class KvCache:
    """Keys and values of all positions so far, for attention that goes on position by position.

    capacity  room for so many positions, so that nothing is moved up to there
    dtype     "float32" or "float64"
    """

    def __init__(self, capacity=0, dtype="float32"):
        self._cache = _core.kv_cache.make(capacity, dtype)

    def append(self, k, v):
        """Adds positions: k (..., G, n, D), v (..., G, n, Dv)."""
        _core.kv_cache.append(self._cache, k, v)

    def __len__(self):
        return _core.kv_cache.sizes(self._cache)[0]

    @property
    def capacity(self):
        """For how many positions there is room."""
        return _core.kv_cache.sizes(self._cache)[1]

    @property
    def keys(self):
        """A copy, (..., G, size, D); None before the first append."""
        return _core.kv_cache.contents(self._cache)[0]

    @property
    def values(self):
        """A copy, (..., G, size, Dv); None before the first append."""
        return _core.kv_cache.contents(self._cache)[1]

    def reserve(self, positions):
        """Makes room for `positions` in all."""
        _core.kv_cache.reserve(self._cache, positions)

    def truncate(self, positions):
        """Forgets all but the first `positions`."""
        _core.kv_cache.truncate(self._cache, positions)

    def attend(self, q, mask=None, **options):
        """scaled_dot_product_attention of q (..., H, n, D) with what the cache holds; with causal=True the queries
        are its last n positions."""
        return _core.kv_cache.attend(self._cache, q, mask, **options)


__all__ += ["KvCache"]
