"""lamina.Tensor: arrays whose computation is recorded, so that backward() finds gradients."""

import contextlib
import functools
import types

import numpy as np

from . import _core

Tensor = _core.Tensor
_tensor = _core.tensor
_autograd = _core.autograd
_nn = _core.nn


def parameter(value, dtype=None):
    """A Tensor that is trained: Tensor(value, requires_grad=True)."""
    return _tensor.tensor(value, True, dtype)


class no_grad(contextlib.ContextDecorator):
    """Within it, operations of this thread record nothing: for inference and for changing parameters.

    with lamina.no_grad():
        ...
    """

    def __init__(self):
        self._guards = []

    def _recreate_cm(self):
        return no_grad()

    def __enter__(self):
        self._guards.append(_tensor.no_grad())
        return self

    def __exit__(self, *error):
        self._guards.pop()
        return False


class _Methods:
    """The methods of Tensor, which is a class of C++."""

    def __new__(cls, value, requires_grad=False, dtype=None):
        return _tensor.tensor(value, requires_grad, dtype)

    @property
    def shape(self):
        """Extents, a tuple."""
        return _tensor.shape(self)

    @property
    def ndim(self):
        """Number of axes."""
        return len(_tensor.shape(self))

    @property
    def size(self):
        """Number of elements."""
        product = 1
        for extent in _tensor.shape(self):
            product *= extent
        return product

    @property
    def dtype(self):
        """numpy.dtype of the elements: float32 or float64."""
        return np.dtype(_tensor.dtype(self))

    @property
    def T(self):
        """All axes reversed, as of a NumPy array."""
        return _autograd.permute(self, tuple(reversed(range(self.ndim))))

    @property
    def requires_grad(self):
        """Whether backward() gives it a gradient. Can be set for leaves."""
        return _tensor.requires_grad(self)

    @requires_grad.setter
    def requires_grad(self, wanted):
        _tensor.set_requires_grad(self, wanted)

    @property
    def is_leaf(self):
        """True of Tensors that no recorded operation made."""
        return _tensor.is_leaf(self)

    @property
    def grad(self):
        """The gradient, a copy as a NumPy array, or None. Can be set to None, or changed once it is there."""
        return _tensor.grad(self)

    @grad.setter
    def grad(self, value):
        _tensor.set_grad(self, value)

    def zero_grad(self):
        """Forgets the gradient."""
        _tensor.set_grad(self, None)

    def retain_grad(self):
        """Makes a result keep its gradient, as leaves always do."""
        _tensor.retain_grad(self)

    def backward(self, seed=None, retain_graph=False):
        """Adds d(self)/d(leaf) to the gradient of every leaf that requires it.

        seed          gradient of this Tensor, of its shape; None: 1, for a Tensor of one element
        retain_graph  keep the recorded computation for another backward()
        """
        _tensor.backward(self, seed, retain_graph)

    def detach(self):
        """The same elements, cut off from the computation."""
        return _tensor.detach(self)

    def numpy(self):
        """The elements where they lie, as a NumPy array that is read-only. assign() changes them."""
        return _tensor.elements(self)

    def item(self):
        """The number that a Tensor of one element holds."""
        return _tensor.elements(self).item()

    def assign(self, value):
        """Replaces the elements by `value`, which broadcasts. A backward() that needs the old ones then
        fails rather than being wrong."""
        _tensor.assign(self, value)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numpy(), dtype=dtype)

    def __dlpack__(self, stream=None, **options):
        return _tensor.elements(self, True).__dlpack__()

    def __dlpack_device__(self):
        return (1, 0)  # the CPU

    def __reduce__(self):
        return (Tensor, (self.numpy().copy(), self.requires_grad))

    def __len__(self):
        if not self.shape:
            raise TypeError("a Tensor of rank 0 has no length")
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        return bool(self.item())

    def __format__(self, form):
        return format(self.item(), form) if form else repr(self)

    def __repr__(self):
        text = np.array2string(self.numpy(), separator=", ", prefix="Tensor(")
        grad = ", requires_grad=True" if self.requires_grad else ""
        kind = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        return f"Tensor({text}{kind}{grad})"

    __hash__ = object.__hash__

    def __add__(self, other):
        return _nn.add(self, other)

    def __radd__(self, other):
        return _nn.add(other, self)

    def __sub__(self, other):
        return _nn.sub(self, other)

    def __rsub__(self, other):
        return _nn.sub(other, self)

    def __mul__(self, other):
        return _nn.mul(self, other)

    def __rmul__(self, other):
        return _nn.mul(other, self)

    def __truediv__(self, other):
        return _nn.div(self, other)

    def __rtruediv__(self, other):
        return _nn.div(other, self)

    def __pow__(self, other):
        return _nn.pow(self, other)

    def __rpow__(self, other):
        return _nn.pow(other, self)

    def __matmul__(self, other):
        return _nn.matmul(self, other)

    def __rmatmul__(self, other):
        return _nn.matmul(other, self)

    def __neg__(self):
        return _nn.neg(self)

    def __pos__(self):
        return self

    def __abs__(self):
        return _nn.abs(self)

    def _in_place(self, operation, other):
        if self.requires_grad and _tensor.grad_enabled():
            raise ValueError("a Tensor that requires a gradient is not changed in place while operations are "
                             "recorded: write a = a + b, or do it within lamina.no_grad()")
        _tensor.assign(self, operation(self.detach(), other))
        return self

    def __iadd__(self, other):
        return self._in_place(_nn.add, other)

    def __isub__(self, other):
        return self._in_place(_nn.sub, other)

    def __imul__(self, other):
        return self._in_place(_nn.mul, other)

    def __itruediv__(self, other):
        return self._in_place(_nn.div, other)

    def __lt__(self, other):
        return _nn.less(self, other)

    def __le__(self, other):
        return _nn.less_equal(self, other)

    def __gt__(self, other):
        return _nn.greater(self, other)

    def __ge__(self, other):
        return _nn.greater_equal(self, other)

    def __getitem__(self, key):
        """Parts by integers, slices, None and ..., as of NumPy arrays: views, recorded."""
        keys = key if isinstance(key, tuple) else (key,)
        used = sum(k is not None and k is not Ellipsis for k in keys)
        if used > self.ndim or sum(k is Ellipsis for k in keys) > 1:
            raise IndexError(f"too many indices for a Tensor of shape {self.shape}")
        if not any(k is Ellipsis for k in keys):
            keys += (Ellipsis,)
        x, axis = self, 0
        for k in keys:
            if k is Ellipsis:
                axis += self.ndim - used
            elif k is None:
                x, axis = _autograd.expand_dims(x, axis), axis + 1
            elif isinstance(k, slice):
                if k != slice(None):
                    x = _autograd.slice(x, axis, k.start, k.stop, 1 if k.step is None else k.step)
                axis += 1
            else:
                x = _autograd.select(x, axis, k)
        return x

    def reshape(self, *shape):
        """The same elements under another shape; one extent may be -1."""
        return _autograd.reshape(self, shape[0] if len(shape) == 1 else shape)

    def flatten(self, first=0):
        """All axes from `first` on as one."""
        return _autograd.flatten(self, first)

    def transpose(self, a=-2, b=-1):
        """Two axes swapped."""
        return _autograd.transpose(self, a, b)

    def permute(self, *order):
        """The axes in the order given."""
        return _autograd.permute(self, order[0] if len(order) == 1 else order)

    def squeeze(self, axis=None):
        """Without axes of extent 1, or without that one."""
        return _autograd.squeeze(self, axis)

    def expand_dims(self, axis):
        """With a new axis of extent 1."""
        return _autograd.expand_dims(self, axis)

    def broadcast_to(self, shape):
        """Repeated to a shape."""
        return _autograd.broadcast_to(self, shape)

    def sum(self, axis=None, keepdims=False):
        """As lamina.nn.sum."""
        return _nn.sum(self, axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        """As lamina.nn.mean."""
        return _nn.mean(self, axis, keepdims)

    def max(self, axis=None, keepdims=False):
        """As lamina.nn.max."""
        return _nn.max(self, axis, keepdims)

    def min(self, axis=None, keepdims=False):
        """As lamina.nn.min."""
        return _nn.min(self, axis, keepdims)

    def argmax(self, axis=None, keepdims=False):
        """As lamina.nn.argmax."""
        return _nn.argmax(self, axis, keepdims)


def _attach():
    for name, member in vars(_Methods).items():
        if name in ("__module__", "__qualname__", "__dict__", "__weakref__", "__doc__"):
            continue
        if isinstance(member, types.FunctionType):
            member.__qualname__ = f"Tensor.{name}"
        setattr(Tensor, name, member)
    # pybind11 gives its classes an __init__ that refuses; __new__ has done all there is to do.
    Tensor.__init__ = lambda self, value, requires_grad=False, dtype=None: None
    Tensor.__array_priority__ = 1000
    Tensor.__array_ufunc__ = None  # numpy_array + tensor is the Tensor's business
    Tensor.__doc__ = """Tensor(value, requires_grad=False, dtype=None)

    An array of float32 or float64 whose use is recorded: functions of lamina.nn that are given Tensors give
    Tensors, and backward() of a result gives gradients to those that require it.

    value          anything array-like; copied
    requires_grad  whether backward() gives it a gradient
    dtype          of numbers and lists, which have none of their own: "float32" or "float64"
    """


_attach()
grad_enabled = functools.wraps(_tensor.grad_enabled)(lambda: _tensor.grad_enabled())
