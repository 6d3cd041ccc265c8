"""Shapes of Tensors, and checks of gradients.

Arithmetic on Tensors is in lamina.nn, whose functions take them as they take arrays.
"""

from . import _core
from .tensor import Tensor, grad_enabled, no_grad, parameter

_functions = [name for name in vars(_core.autograd) if not name.startswith("_")]
globals().update({name: getattr(_core.autograd, name) for name in _functions})
__all__ = [*_functions, "Tensor", "grad_enabled", "no_grad", "parameter"]
