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
