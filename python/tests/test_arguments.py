"""What functions take and give, shown on a few: layouts, element types, out=, errors."""

import array
import gc
import inspect
import pickle
import sys

import numpy as np
import pytest
import torch

import lamina
from arrays import close, same_elements
from lamina import nn


def test_every_layout_gives_the_same(dtype, rng):
    x = rng.standard_normal((3, 4, 5)).astype(dtype)
    weight = rng.standard_normal((2, 5)).astype(dtype)
    expected = nn.linear(x, weight)
    for what, same in same_elements(x):
        close(nn.linear(same, weight), expected, terms=5)
        np.testing.assert_array_equal(nn.relu(same), np.maximum(x, 0), err_msg=what)


def test_broadcast_views_are_not_copied(dtype):
    x = np.broadcast_to(np.array([[-1], [2]], dtype), (2, 1000))
    np.testing.assert_array_equal(nn.relu(x), np.maximum(x, 0))


def test_elements_are_looked_at_where_they_lie():
    x = np.zeros(3, np.float32)
    tensor = torch.from_numpy(x)
    x[1] = 5
    np.testing.assert_array_equal(nn.relu(tensor), [0, 5, 0])


def test_results_own_their_memory(dtype):
    y = nn.relu(np.ones((2, 3), dtype))
    assert type(y) is np.ndarray and y.dtype == dtype
    assert y.flags.writeable and y.flags.c_contiguous and y.ctypes.data % 64 == 0
    shared = torch.from_dlpack(y)
    y[0, 0] = 7
    assert shared[0, 0] == 7
    del y
    assert shared[0, 0] == 7 and shared[1, 2] == 1


def test_rank_0_and_empty(dtype):
    assert nn.relu(np.array(-2, dtype)).shape == ()
    assert nn.relu(np.zeros((0, 3), dtype)).shape == (0, 3)
    assert nn.matmul(np.zeros((2, 0), dtype), np.zeros((0, 3), dtype)).tolist() == [[0] * 3] * 2


def test_numbers_and_lists_take_the_type_of_the_arrays():
    weight = np.ones((1, 2), np.float32)
    assert nn.linear([[1, 2]], weight).dtype == np.float32
    assert nn.linear(((1.5, 2.0),), weight, [1]).tolist() == [[4.5]]
    assert nn.relu([1, -2]).dtype == np.float64
    assert nn.relu(3).dtype == np.float64
    assert nn.relu([np.float32(1)] * 2).dtype == np.float32
    assert nn.relu(memoryview(array.array("f", [-1, 1]))).dtype == np.float32


@pytest.mark.parametrize("bad", ["int32", "int64", "uint8", "bool", "float16", "complex64", "longdouble"])
def test_other_element_types_are_told_what_to_do(bad):
    x = np.ones(3).astype(bad)
    with pytest.raises(TypeError, match=r"relu: x has element type .* pass x\.astype\(numpy\.float32\)"):
        nn.relu(x)


@pytest.mark.parametrize("bad", ["text", b"bytes", ["a"], [None], {}, object(), {1.0}, [[1, 2], [3]],
                                 np.array([1, None], object), np.array(["a"]), np.zeros(2, "f4,f4"),
                                 lambda: 0, 1j, float])
def test_what_is_no_array_is_a_type_error(bad):
    with pytest.raises(TypeError, match="^relu: x "):
        nn.relu(bad)


def test_none_is_no_array():
    with pytest.raises(ValueError, match="^relu: x is not defined"):
        nn.relu(None)


def test_mixed_types_are_not_cast():
    x, weight = np.ones((1, 2), np.float32), np.ones((1, 2))
    with pytest.raises(TypeError, match=r"x is float32 and weight float64.*weight\.astype\(numpy\.float32\)"):
        nn.linear(x, weight)


@pytest.mark.parametrize("tensor", [torch.ones(2, dtype=torch.float16), torch.ones(2, dtype=torch.bfloat16),
                                    torch.ones(2, dtype=torch.int64), torch.ones(2, dtype=torch.complex64)])
def test_other_torch_types(tensor):
    with pytest.raises(TypeError, match=r"x\.float\(\)"):
        nn.relu(tensor)


class OnDevice:
    def __init__(self, device):
        self.device = device

    def __dlpack__(self, stream=None):
        raise AssertionError("never asked for")

    def __dlpack_device__(self):
        return self.device, 0


def test_tensors_on_other_devices_are_refused():
    with pytest.raises(TypeError, match=r"x lies on DLPack device type 2.*x\.cpu\(\)"):
        nn.relu(OnDevice(2))


def test_dlpack_objects_that_are_none():
    class Liar(OnDevice):
        def __dlpack__(self, stream=None):
            return 3

    with pytest.raises(Exception):
        nn.relu(Liar(1))


def test_nine_axes_are_too_many(dtype):
    with pytest.raises(ValueError, match="x has 9 axes, at most 8"):
        nn.relu(np.zeros((1,) * 9, dtype))


def test_out(dtype, rng):
    x = rng.standard_normal((4, 6)).astype(dtype)
    weight = rng.standard_normal((5, 6)).astype(dtype)
    expected = nn.linear(x, weight)
    whole = np.full((4, 10), 9, dtype)
    out = whole[:, ::2]
    assert nn.linear(x, weight, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert (whole[:, 1::2] == 9).all()
    tensor = torch.zeros(4, 5, dtype=getattr(torch, dtype.name))
    assert nn.linear(x, weight, out=tensor) is tensor
    np.testing.assert_array_equal(tensor.numpy(), expected)
    np.testing.assert_array_equal(nn.relu(x, out=x), x)
    assert (x >= 0).all()


def test_out_that_cannot_be_written(dtype):
    x = np.ones((2, 3), dtype)
    other = np.dtype("float64" if dtype == np.float32 else "float32")
    frozen = np.ones((2, 3), dtype)
    frozen.flags.writeable = False
    for f in (nn.relu, lambda x, out: nn.pad(x, [0, 0], out=out)):
        with pytest.raises(TypeError, match=f"out has element type {other}"):
            f(x, out=np.ones((2, 3), other))
        with pytest.raises(TypeError, match="out has element type"):
            f(x, out=np.ones((2, 3), dtype.newbyteorder()))
        with pytest.raises(ValueError, match="out is read-only"):
            f(x, out=frozen)
        with pytest.raises(ValueError, match=r"out has shape \(3, 2\)"):
            f(x, out=np.ones((3, 2), dtype))
        with pytest.raises(TypeError, match="out is a list"):
            f(x, out=[[0.0] * 3] * 2)
        with pytest.raises(TypeError, match="out is not aligned"):
            f(x, out=np.zeros(x.nbytes + 1, np.uint8)[1:].view(dtype).reshape(2, 3))


def test_overlapping_out_is_refused(dtype):
    x = np.arange(6, dtype=dtype)
    with pytest.raises(ValueError, match="overlap"):
        nn.relu(x[:-1], out=x[1:])


def test_in_place(dtype):
    x = np.array([-1, 2], dtype)
    assert nn.relu_inplace(x) is x
    np.testing.assert_array_equal(x, [0, 2])
    with pytest.raises(TypeError, match="relu_inplace: x is a list"):
        nn.relu_inplace([1.0])


def test_arguments_that_do_not_fit_the_signature():
    x = np.ones(3, np.float32)
    with pytest.raises(TypeError, match=r"relu\(\) takes at most 1 positional arguments, 2 were given"):
        nn.relu(x, x)
    with pytest.raises(TypeError, match=r"relu\(\) has no parameter 'dim': relu\(x, \*, out=None\)"):
        nn.relu(x, dim=0)
    with pytest.raises(TypeError, match=r"relu\(\) misses the argument 'x'"):
        nn.relu()
    with pytest.raises(TypeError, match=r"elu\(\) got two values for 'alpha'"):
        nn.elu(x, 1.0, alpha=2.0)


@pytest.mark.parametrize("options, error", [
    ({"stride": 0}, ValueError), ({"stride": 1.5}, TypeError), ({"stride": (1, 2, 3)}, ValueError),
    ({"stride": "2"}, TypeError), ({"stride": True}, TypeError), ({"stride": 2**70}, ValueError),
    ({"padding": "some"}, ValueError), ({"padding": (1,)}, ValueError), ({"padding": ((1, 2, 3), 1)}, ValueError),
    ({"padding": -1}, ValueError), ({"padding": None}, TypeError), ({"groups": 3}, ValueError),
    ({"data_format": "CHWN"}, ValueError), ({"data_format": 3}, TypeError), ({"activation": "rel"}, ValueError),
    ({"activation": "elu", "a": "x"}, TypeError), ({"activation": "elu", "a": -1.0}, ValueError),
    ({"padding_value": "none"}, ValueError), ({"dilation": [[1], 1]}, TypeError),
])
def test_options_without_meaning(options, error):
    x, weight = np.ones((1, 2, 5, 5), np.float32), np.ones((2, 2, 3, 3), np.float32)
    with pytest.raises(error, match="^conv2d: "):
        nn.conv2d(x, weight, **options)


def test_functions_are_ordinary_functions():
    assert inspect.isbuiltin(nn.conv2d) and nn.conv2d.__module__ == "lamina.nn"
    assert repr(nn.conv2d) == "<built-in function conv2d>"
    parameters = inspect.signature(nn.conv2d).parameters
    assert list(parameters)[:8] == ["x", "weight", "bias", "stride", "padding", "dilation", "groups", "data_format"]
    assert parameters["data_format"].default == "NCHW"
    assert parameters["out"].kind is inspect.Parameter.KEYWORD_ONLY
    assert pickle.loads(pickle.dumps(nn.conv2d)) is nn.conv2d
    assert "weight             (O, C / groups, R, S)" in nn.conv2d.__doc__


def resident_pages():
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1])


def failing(x):
    for bad in (lambda: nn.relu(x.astype(int)), lambda: nn.linear(x, x[:, :3]), lambda: nn.relu(x, dim=1)):
        with pytest.raises((TypeError, ValueError)):
            bad()


def test_nothing_leaks():
    x, tensor = np.ones((64, 64), np.float32), torch.ones(64, 64)
    out = np.empty_like(x)
    leaf = lamina.Tensor(x, requires_grad=True)
    layer = lamina.layers.Linear(64, 64)
    for use in (lambda: nn.relu(x), lambda: nn.relu(tensor, out=out), lambda: nn.relu(x, out=tensor), lambda: failing(x),
                lambda: nn.sum(nn.exp(leaf) * x).backward(), lambda: layer(tensor), lambda: leaf.grad,
                lambda: torch.from_dlpack(leaf), lambda: nn.cross_entropy([1] * 64, x), lambda: nn.dropout(x, 0.5),
                lambda: nn.pad(x, [(1, 2), 0]), lambda: layer.state_dict(), lambda: nn.layer_norm_backward(x, x)):
        for _ in range(50):
            use()
        gc.collect()
        counts, pages = (sys.getrefcount(x), sys.getrefcount(tensor), sys.getrefcount(leaf)), resident_pages()
        for _ in range(300):
            use()
        gc.collect()
        assert (sys.getrefcount(x), sys.getrefcount(tensor), sys.getrefcount(leaf)) == counts
        assert resident_pages() - pages < 250  # 1 MB; each use makes 16 KB at least
