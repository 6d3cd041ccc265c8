"""lamina.Tensor and the tape."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import torch

import lamina
from lamina import Tensor, autograd, nn


def test_making(dtype):
    x = np.arange(6, dtype=dtype).reshape(2, 3)
    t = Tensor(x)
    assert t.shape == (2, 3) and t.ndim == 2 and t.size == 6 and t.dtype == dtype and len(t) == 2
    assert not t.requires_grad and t.is_leaf and t.grad is None
    x[0, 0] = 9
    assert t.numpy()[0, 0] == 0  # a copy
    assert Tensor([1, 2]).dtype == np.float64 and Tensor([1, 2], dtype="float32").dtype == np.float32
    assert Tensor(torch.ones(2)).dtype == np.float32 and Tensor(3.0).item() == 3
    assert lamina.parameter(x).requires_grad
    assert Tensor(t).numpy().ctypes.data != t.numpy().ctypes.data
    for bad in (None, "x", np.ones(2, int)):
        with pytest.raises(TypeError):
            Tensor(bad)
    with pytest.raises(TypeError, match="nothing is cast silently"):
        Tensor(x, dtype="float64" if dtype == np.float32 else "float32")


def test_elements(dtype):
    t = Tensor(np.ones((2, 2), dtype), requires_grad=True)
    view = t.numpy()
    assert not view.flags.writeable
    t.assign(5)
    assert view[0, 0] == 5  # shared
    shared = torch.from_dlpack(t)
    t.assign([[1, 2], [3, 4]])
    assert shared.tolist() == [[1, 2], [3, 4]]
    assert np.asarray(t).tolist() == [[1, 2], [3, 4]] and np.from_dlpack(t)[1, 1] == 4
    del t
    gc.collect()
    assert view[1, 0] == 3 and shared[1, 0] == 3
    with pytest.raises(ValueError, match="assign"):
        Tensor(np.ones(2)).assign(np.ones(3))


def test_arithmetic_and_gradients():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(1, 2, (2, 3, 4))

    def formula(x, y):
        return (((x + y) * 2 - y / x + (-x) ** 2 - 1 / y + abs(x) + 3 * y - (2 - x)) @ y.T).sum()

    ours = [Tensor(v, requires_grad=True) for v in (a, b)]
    theirs = [torch.tensor(v, requires_grad=True) for v in (a, b)]
    y, expected = formula(*ours), formula(*theirs)
    y.backward()
    expected.backward()
    np.testing.assert_allclose(y.item(), expected.item(), rtol=1e-12)
    for t, at in zip(ours, theirs):
        np.testing.assert_allclose(t.grad, at.grad.numpy(), rtol=1e-10)


def test_arrays_and_numbers_on_either_side(dtype):
    t = Tensor(np.ones(3, dtype), requires_grad=True)
    x = np.full(3, 2, dtype)
    for result in (x + t, t + x, x * t, x - t, x / t, 1 + t, 1.5 - t, 2 / t, t ** 2, 2 ** t, np.float64(2) * t,
                   t + torch.ones(3, dtype=getattr(torch, dtype.name))):
        assert isinstance(result, Tensor) and result.dtype == dtype and result.requires_grad
    assert isinstance(x @ t, Tensor)
    with pytest.raises(TypeError, match="one type"):
        t + np.ones(3, "float64" if dtype == np.float32 else "float32")
    np.testing.assert_array_equal(t < x, [True] * 3)
    assert (t >= 2).tolist() == [False] * 3


@pytest.mark.parametrize("key", [0, -1, slice(1, 3), slice(None, None, -1), (0, 1), (slice(None), 2), (..., 1), None,
                                 (None, 0), (slice(0, 2), None, slice(None, None, 2)), (0, ..., None), ()])
def test_parts(key):
    x = np.arange(12.0).reshape(3, 4)
    t = Tensor(x, requires_grad=True)
    np.testing.assert_array_equal(t[key].numpy(), x[key])
    t[key].sum().backward()
    expected = np.zeros_like(x)
    expected[key] = 1
    np.testing.assert_array_equal(t.grad, expected)


def test_parts_that_are_not_there():
    t = Tensor(np.ones((2, 3)))
    for key in (2, (0, 3), (0, 0, 0), (..., ...)):
        with pytest.raises(IndexError):
            t[key]
    with pytest.raises(TypeError):
        t["a"]
    assert [row.shape for row in t] == [(3,), (3,)]


def test_shapes():
    x = np.arange(24.0).reshape(2, 3, 4)
    t = Tensor(x, requires_grad=True)
    for ours, theirs in ((t.reshape(6, 4), x.reshape(6, 4)), (t.reshape((-1, 2)), x.reshape(-1, 2)), (t.T, x.T),
                         (t.flatten(1), x.reshape(2, 12)), (t.transpose(), x.swapaxes(1, 2)),
                         (t.permute(2, 0, 1), x.transpose(2, 0, 1)), (t.expand_dims(1), x[:, None]),
                         (t.expand_dims(1).squeeze(1), x), (t[:1].broadcast_to((5, 3, 4)), np.broadcast_to(x[:1], (5, 3, 4))),
                         (autograd.concatenate([t, t], 1), np.concatenate([x, x], 1)),
                         (autograd.stack([t, t]), np.stack([x, x])), (t.mean(0), x.mean(0)), (t.max(), x.max()),
                         (t.min(1, keepdims=True), x.min(1, keepdims=True)), (+t, x)):
        np.testing.assert_array_equal(ours.numpy(), theirs)
        assert ours.requires_grad
    assert t.argmax() == 23
    with pytest.raises(ValueError, match="reshape"):
        t.reshape(5, 5)
    with pytest.raises(ValueError, match="parts"):
        autograd.stack([])
    with pytest.raises(TypeError):
        autograd.stack([t, Tensor(np.ones((2, 3, 4), np.float32))])


def test_backward():
    x = Tensor(np.ones(3), requires_grad=True)
    y = x * 2
    with pytest.raises(ValueError, match="backward"):
        y.backward()  # several elements
    y.backward([1, 2, 3], retain_graph=True)
    y.backward([1, 2, 3])
    np.testing.assert_array_equal(x.grad, [4, 8, 12])
    with pytest.raises(ValueError, match="backward"):
        y.backward([1, 2, 3])  # freed
    x.grad = np.zeros(3)
    np.testing.assert_array_equal(x.grad, 0)
    x.grad = None
    assert x.grad is None
    with pytest.raises(ValueError):
        Tensor(1.0).backward()
    z = x * 3
    z.retain_grad()
    z.sum().backward()
    np.testing.assert_array_equal(z.grad, 1)
    x.zero_grad()
    assert x.grad is None


def test_gradients_are_copies():
    x = Tensor(np.ones(1000), requires_grad=True)
    (x * 2).sum().backward()
    grad = x.grad
    x.zero_grad()
    np.testing.assert_array_equal(grad, 2)


def test_no_grad():
    x = Tensor(np.ones(3), requires_grad=True)
    with lamina.no_grad():
        assert not lamina.grad_enabled() and not (x * 2).requires_grad
        with lamina.no_grad():
            pass
        assert not lamina.grad_enabled()
        x -= 0.5
    assert lamina.grad_enabled() and (x * 2).requires_grad
    np.testing.assert_array_equal(x.numpy(), 0.5)

    @lamina.no_grad()
    def doubled(t):
        return t * 2

    assert not doubled(x).requires_grad and lamina.grad_enabled()
    with pytest.raises(RuntimeError), lamina.no_grad():
        raise RuntimeError
    assert lamina.grad_enabled()


def test_changes_in_place():
    x = Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(ValueError, match="in place"):
        x += 1
    y = nn.exp(x)
    z = (y * y).sum()
    with lamina.no_grad():
        y *= 2
    with pytest.raises(ValueError, match="changed"):
        z.backward()
    t = Tensor(np.ones(2))
    same = t
    t += 1
    t -= [1, 0]
    t *= 3
    t /= 2
    assert t is same and t.numpy().tolist() == [1.5, 3]


def test_detach_and_freeze():
    x = Tensor(np.ones(3), requires_grad=True)
    assert not x.detach().requires_grad
    x.requires_grad = False
    assert not (x * 2).requires_grad
    x.requires_grad = True
    y = x * 2
    with pytest.raises(ValueError):
        y.requires_grad = False


def test_separable_convolution_and_rotary_positions_are_recorded():
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(shape) for shape in [(2, 3, 5, 6), (6, 1, 3, 3), (4, 6, 1, 1), (4,)]]
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    y = nn.separable_conv2d(*tensors, stride=2, padding=1)
    assert np.array_equal(y.numpy(), nn.separable_conv2d(*arrays, stride=2, padding=1))
    dy = rng.standard_normal(y.shape)
    y.backward(dy)
    wanted = nn.separable_conv2d_backward(dy, *arrays[:3], stride=2, padding=1)
    for tensor, want in zip(tensors, [*wanted, nn.conv_backward_bias(dy)]):
        assert np.array_equal(tensor.grad, want)
    each = nn.depthwise_conv2d(arrays[0], arrays[1], padding=1)
    assert nn.depthwise_conv2d_backward_input(each, arrays[1], arrays[0].shape, padding=1).shape == arrays[0].shape
    assert nn.depthwise_conv2d_backward_weight(each, arrays[0], arrays[1].shape, padding=1).shape == arrays[1].shape
    x = Tensor(arrays[0], requires_grad=True)
    turned = nn.rotary_embedding(x, offset=3)
    turned.backward(arrays[0])
    assert np.array_equal(x.grad, nn.rotary_embedding_backward(arrays[0], offset=3))


def test_peepholes_of_an_lstm():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((5, 2, 3))
    weights = [rng.standard_normal(shape) for shape in [(16, 3), (16, 4), (16,), (16,), (3, 4)]]
    tensors = [Tensor(w, requires_grad=True) for w in weights]
    y, h, c = nn.lstm(x, [tuple(tensors)])
    assert np.array_equal(y.numpy(), nn.lstm(x, [tuple(weights)])[0])
    dy = rng.standard_normal(y.shape)
    y.backward(dy)
    gradients = nn.lstm_backward(dy, None, None, x, [tuple(weights)])[3][0]
    assert len(gradients) == 5
    for tensor, want in zip(tensors, gradients):
        assert np.allclose(tensor.grad, want, rtol=1e-12, atol=1e-12)
    assert len(nn.lstm_backward(dy, None, None, x, [tuple(weights[:4])])[3][0]) == 4
    no_bias = (*weights[:2], None, None, weights[4])
    assert nn.lstm(x, [no_bias])[0].shape == y.shape
    with pytest.raises(ValueError, match="only an LSTM has peepholes"):
        nn.gru(x, [(weights[0][:12], weights[1][:12], None, None, weights[4])])


def test_what_is_not_recorded_is_refused():
    x = Tensor(np.ones((2, 2)), requires_grad=True)
    with pytest.raises(NotImplementedError, match=r"relu_backward: x is a Tensor that wants a gradient.*detach"):
        nn.relu_backward(np.ones((2, 2)), x)
    assert isinstance(nn.relu_backward(np.ones((2, 2)), x.detach()), np.ndarray)
    with lamina.no_grad():
        nn.relu_backward(np.ones((2, 2)), x)
    assert nn.argmax(x) == 0 and nn.sign(x).tolist() == [[1, 1]] * 2
    with pytest.raises(TypeError, match="out= is for arrays"):
        nn.relu(x, out=np.ones((2, 2)))
    with pytest.raises(TypeError, match="is a Tensor"):
        nn.relu_inplace(x)


def test_printing():
    assert repr(Tensor([1.0, 2.0], requires_grad=True)) == "Tensor([1., 2.], dtype=float64, requires_grad=True)"
    assert repr(Tensor(2.0, dtype="float32")) == "Tensor(2.)"
    assert f"{Tensor(0.12345):.2f}" == "0.12" and float(Tensor(2.0)) == 2 and int(Tensor(2.5)) == 2
    assert bool(Tensor(1.0)) and "Tensor" in str(Tensor([1.0]))
    with pytest.raises(ValueError):
        bool(Tensor([1.0, 2.0]))
    with pytest.raises(TypeError):
        len(Tensor(1.0))


def test_memory_is_given_back():
    x = Tensor(np.ones(10))
    reference = weakref.ref(x) if hasattr(type(x), "__weakref__") else None
    y = nn.exp(x)
    del x
    gc.collect()
    assert y.shape == (10,) and (reference is None or reference() is None)


def test_long_chains():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20000):
        y = y + 1
    y.backward()
    assert x.grad == 1
    del y


def test_gradcheck():
    a, b = np.random.default_rng(0).standard_normal((2, 3, 3))
    assert autograd.gradcheck(lambda x, y: nn.softmax(x @ y), [a, b]) == ""
    # A computation that is cut off has a wrong gradient.
    assert "input 0" in autograd.gradcheck(lambda x: x * x.detach(), [a])
    with pytest.raises(TypeError):
        autograd.gradcheck(lambda x: 3, [a])
    with pytest.raises(ZeroDivisionError):
        autograd.gradcheck(lambda x: 1 / 0, [a])
    np.testing.assert_allclose(autograd.numeric_gradient(lambda x: (x**3).sum(), a), 3 * a**2, rtol=1e-8, atol=1e-9)


def test_copies():
    x = Tensor(np.ones(3), requires_grad=True)
    for other in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert other.requires_grad and other.is_leaf and other.numpy().tolist() == [1, 1, 1]
        other.assign(2)
    assert x.numpy().tolist() == [1, 1, 1]
