"""Arrays with the same elements in every layout that NumPy knows, and how close results must be."""

import numpy as np
import torch


def same_elements(x):
    """Pairs (what it is, an array equal to x)."""
    yield "contiguous", np.ascontiguousarray(x)
    yield "Fortran order", np.asfortranarray(x)
    wide = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
    spaced = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    spaced[...] = x
    yield "every second", spaced
    yield "reversed", x[(slice(None, None, -1),) * x.ndim].copy()[(slice(None, None, -1),) * x.ndim]
    frozen = x.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    bytes_ = np.zeros(x.nbytes + 1, np.uint8)
    crooked = bytes_[1:].view(x.dtype).reshape(x.shape)
    crooked[...] = x
    assert not crooked.flags.aligned or x.size == 0
    yield "not aligned", crooked
    yield "swapped bytes", x.astype(x.dtype.newbyteorder())
    yield "PyTorch tensor", torch.from_numpy(np.ascontiguousarray(x))
    yield "PyTorch tensor, strides", torch.from_numpy(np.asfortranarray(x))
    if x.dtype == np.float64:
        yield "list", x.tolist()


def tolerance(dtype, terms=1):
    """Relative error of a sum of `terms` products, with some room."""
    return 8 * np.finfo(dtype).eps * (terms + 4)


def close(actual, expected, terms=1, scale=None):
    """Equal up to rounding in the element type of `actual`."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    limit = tolerance(actual.dtype, terms)
    size = np.max(np.abs(expected), initial=0.0) if scale is None else scale
    np.testing.assert_allclose(actual, expected, rtol=limit, atol=limit * size)
