"""Matrix products and convolutions against NumPy and PyTorch in float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import lamina
from arrays import close
from lamina import nn


def wide(x):
    return torch.tensor(np.asarray(x, np.float64), requires_grad=True)


@pytest.mark.parametrize("a, b", [((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)),
                                  ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (6, 4, 5)), ((0, 4), (4, 5))])
def test_matmul(a, b, dtype, rng):
    x, y = rng.standard_normal(a).astype(dtype), rng.standard_normal(b).astype(dtype)
    at, bt = wide(x), wide(y)
    expected = torch.matmul(at, bt)
    dy = rng.standard_normal(expected.shape).astype(dtype)
    expected.backward(wide(dy))
    close(nn.matmul(x, y), expected.detach().numpy(), terms=4)
    close(nn.matmul_backward_a(dy, y, a), at.grad.numpy(), terms=60)
    close(nn.matmul_backward_b(dy, x, b), bt.grad.numpy(), terms=60)


def test_linear(dtype, rng):
    x, weight, bias = (rng.standard_normal(shape).astype(dtype) for shape in ((2, 3, 6), (5, 6), (5,)))
    xt, wt, bt = wide(x), wide(weight), wide(bias)
    expected = F.linear(xt, wt, bt)
    dy = rng.standard_normal(expected.shape).astype(dtype)
    expected.backward(wide(dy))
    close(nn.linear(x, weight, bias), expected.detach().numpy(), terms=6)
    close(nn.linear(x, weight, bias=None), x @ weight.T, terms=6)
    close(nn.linear_backward_input(dy, weight), xt.grad.numpy(), terms=5)
    close(nn.linear_backward_weight(dy, x), wt.grad.numpy(), terms=6)
    close(nn.linear_backward_bias(dy), bt.grad.numpy(), terms=6)


def test_packed_weight(dtype, rng):
    x, weight, bias = (rng.standard_normal(shape).astype(dtype) for shape in ((2, 3, 6), (5, 6), (5,)))
    packed = nn.pack_weight(weight)
    assert (packed.in_features, packed.out_features, packed.dtype) == (6, 5, dtype)
    assert packed.nbytes >= weight.nbytes
    close(nn.linear(x, packed, bias), nn.linear(x, weight, bias), terms=6)
    close(nn.linear(x[0, 0], packed), x[0, 0] @ weight.T, terms=6)
    close(nn.matmul(x, nn.pack_matrix(weight.T)), x @ weight.T, terms=6)
    out = np.empty((2, 3, 5), dtype)
    assert nn.linear(x, packed, bias, out=out) is out
    close(out, nn.linear(x, weight, bias), terms=6)
    assert nn.matmul(x, packed, out=out) is out
    other = x.astype(np.float32 if dtype == np.float64 else np.float64)
    with pytest.raises(TypeError, match=f"linear: x is {other.dtype}, the packed weight holds {np.dtype(dtype)}"):
        nn.linear(other, packed)
    with pytest.raises(ValueError, match="x has 5 features, weight takes 6"):
        nn.linear(x[..., :5], packed)
    with pytest.raises(NotImplementedError, match="wants a gradient"):
        nn.linear(lamina.Tensor(x, requires_grad=True), packed)


@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_packed_convolution(data_format, dtype, rng):
    x = rng.standard_normal((2, 32, 13, 14) if data_format == "NCHW" else (2, 13, 14, 32)).astype(dtype)
    bias = rng.standard_normal(48).astype(dtype)
    for kernel, options in ((3, {"padding": 1, "activation": "relu"}), (1, {"stride": 2})):
        options = {"data_format": data_format, **options}
        weight = rng.standard_normal((48, 32, kernel, kernel)).astype(dtype)
        packed = nn.pack_conv2d_weight(weight, x.shape, **options)
        assert packed.dtype == dtype and packed.nbytes >= weight.nbytes
        expected = nn.conv2d(x, weight, bias, **options)
        close(nn.conv2d_packed(x, packed, bias), expected, terms=9 * 32)
        out = np.empty_like(expected)
        assert nn.conv2d_packed(x[:1], packed, bias, out=out[:1]).base is out
        close(out[:1], expected[:1], terms=9 * 32)
    other = x.astype(np.float32 if dtype == np.float64 else np.float64)
    with pytest.raises(TypeError, match=f"conv2d_packed: x is {other.dtype}, the packed weight holds {np.dtype(dtype)}"):
        nn.conv2d_packed(other, packed)
    with pytest.raises(TypeError, match="weight is not made by pack_conv2d_weight"):
        nn.conv2d_packed(x, weight)
    with pytest.raises(NotImplementedError, match="wants a gradient"):
        nn.conv2d_packed(lamina.Tensor(x, requires_grad=True), packed)


CONVOLUTIONS = [{}, {"stride": 2}, {"padding": 1}, {"padding": "same"}, {"dilation": 2, "padding": 2},
                {"groups": 2}, {"stride": 2, "padding": 1, "groups": 2}]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", CONVOLUTIONS)
def test_convolution(rank, options, dtype, rng):
    groups = options.get("groups", 1)
    x = rng.standard_normal((2, 4) + (9, 7, 5)[-rank:]).astype(dtype)
    weight = rng.standard_normal((6, 4 // groups) + (3, 3, 3)[-rank:]).astype(dtype)
    bias = rng.standard_normal(6).astype(dtype)
    xt, wt, bt = wide(x), wide(weight), wide(bias)
    name = f"conv{rank}d"
    expected = getattr(F, name)(xt, wt, bt, **options)
    dy = rng.standard_normal(expected.shape).astype(dtype)
    expected.backward(wide(dy))
    f = getattr(nn, name)
    terms = 4 * 3**rank
    close(f(x, weight, bias, **options), expected.detach().numpy(), terms)
    close(getattr(nn, name + "_backward_input")(dy, weight, x.shape, **options), xt.grad.numpy(), 6 * 3**rank)
    close(getattr(nn, name + "_backward_weight")(dy, x, weight.shape, **options), wt.grad.numpy(), 2 * dy[0, 0].size)
    close(nn.conv_backward_bias(dy), bt.grad.numpy(), 2 * dy[0, 0].size)
    # Channels last.
    last = f(np.moveaxis(x, 1, -1), weight, bias, data_format="NHWC", **options)
    close(np.moveaxis(last, -1, 1), expected.detach().numpy(), terms)


def test_ways_to_give_padding(dtype, rng):
    x = rng.standard_normal((1, 2, 6, 7)).astype(dtype)
    weight = rng.standard_normal((3, 2, 3, 3)).astype(dtype)
    expected = nn.conv2d(np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2))), weight)
    close(nn.conv2d(x, weight, padding=(1, 2)), expected, 18)
    close(nn.conv2d(x, weight, padding=[(1, 1), (2, 2)]), expected, 18)
    uneven = nn.conv2d(np.pad(x, ((0, 0), (0, 0), (0, 1), (2, 0))), weight)
    close(nn.conv2d(x, weight, padding=((0, 1), (2, 0))), uneven, 18)
    assert nn.conv2d(x, weight, padding="full").shape == (1, 3, 8, 9)
    assert nn.conv2d(x, weight, padding="same", stride=2).shape == (1, 3, 3, 4)
    assert nn.conv2d(x, weight, padding="valid").shape == (1, 3, 4, 5)
    mirrored = nn.conv2d(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "reflect"), weight)
    close(nn.conv2d(x, weight, padding=1, padding_value="reflect"), mirrored, 18)


def test_an_activation_of_the_result(dtype, rng):
    x = rng.standard_normal((1, 2, 6, 7)).astype(dtype)
    weight = rng.standard_normal((3, 2, 3, 3)).astype(dtype)
    expected = nn.leaky_relu(nn.conv2d(x, weight), 0.3)
    close(nn.conv2d(x, weight, activation="leaky_relu", a=0.3), expected, 18)


def test_fewer_axes(dtype, rng):
    x = rng.standard_normal((2, 6, 7)).astype(dtype)
    weight = rng.standard_normal((3, 2, 3, 3)).astype(dtype)
    close(nn.conv2d(x, weight), nn.conv2d(x[None], weight)[0], 18)
    close(nn.conv2d(x[0], weight[0, 0]), nn.conv2d(x[None, :1], weight[:1, :1])[0, 0], 9)


def test_other_names(dtype, rng):
    x = rng.standard_normal((2, 4, 6, 7)).astype(dtype)
    weight = rng.standard_normal((6, 4, 3, 3)).astype(dtype)
    each = rng.standard_normal((8, 1, 3, 3)).astype(dtype)
    point = rng.standard_normal((5, 8, 1, 1)).astype(dtype)
    bias = rng.standard_normal(5).astype(dtype)
    close(nn.conv2d_with_padding(x, weight, 2, 1), nn.conv2d(x, weight, stride=2, padding=1), 36)
    close(nn.conv2d_batched(x, weight, None, 1, (1, 0)), nn.conv2d(x, weight, padding=(1, 0)), 36)
    close(nn.grouped_conv2d(x, weight[:, :2], 2), nn.conv2d(x, weight[:, :2], groups=2), 18)
    depthwise = nn.conv2d(x, each, groups=4, padding=1)
    close(nn.depthwise_conv2d(x, each, padding=1), depthwise, 9)
    close(nn.depthwise_conv2d_batched(x, each, padding=1), depthwise, 9)
    close(nn.separable_conv2d(x, each, point, bias, padding=1), nn.conv2d(depthwise, point, bias), 80)
    with pytest.raises(ValueError, match="conv2d_batched"):
        nn.conv2d_batched(x[0], weight)


@pytest.mark.parametrize("value, mode", [("zero", "constant"), ("reflect", "reflect"), ("replicate", "edge"),
                                         ("circular", "wrap")])
def test_pad(value, mode, dtype, rng):
    x = rng.standard_normal((3, 4)).astype(dtype)
    np.testing.assert_array_equal(nn.pad(x, [(1, 2), (0, 3)], value), np.pad(x, [(1, 2), (0, 3)], mode))
    np.testing.assert_array_equal(nn.pad(x, [2], value), np.pad(x, [(0, 0), (2, 2)], mode))
    # The gradient of sum(dy pad(x)) is what each element of x was copied to, weighted.
    dy = rng.standard_normal((6, 7)).astype(dtype)
    positions = np.pad(np.arange(12).reshape(3, 4) + 1, [(1, 2), (0, 3)], mode)
    expected = np.array([dy[positions == i + 1].astype(np.float64).sum() for i in range(12)]).reshape(3, 4)
    close(nn.pad_backward(dy, [(1, 2), (0, 3)], value), expected, 6, scale=1)


def test_workspace():
    bytes_ = [getattr(nn, f"conv{r}d_workspace_bytes")((2, 16) + (16,) * r, (16, 16) + (3,) * r, padding=1) for r in (1, 2, 3)]
    assert all(0 <= b < 2**26 for b in bytes_)
    assert nn.conv2d_workspace_bytes((2, 16, 9, 9), (8, 16, 3, 3), pass_="backward_weight", dtype="float64") >= 0
    with pytest.raises(ValueError):
        nn.conv2d_workspace_bytes((2, 15, 9, 9), (8, 16, 3, 3))
