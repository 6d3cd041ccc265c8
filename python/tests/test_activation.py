"""Activations against PyTorch in float64, from the library's own table of them."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arrays import close
from lamina import nn


def celu(x, alpha=1.0):
    return torch.where(x > 0, x, alpha * torch.expm1(x / alpha))


# PyTorch's own hardsigmoid and the gradient of its celu round constants to float32, in float64 too.
TORCH = {
    "identity": lambda x: x * 1, "relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu,
    "celu": celu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "silu": F.silu, "swish": F.silu,
    "mish": F.mish, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": F.softplus, "relu6": F.relu6, "hardtanh": F.hardtanh, "hardsigmoid": lambda x: torch.clamp(x / 6 + 0.5, 0, 1),
    "hardswish": F.hardswish, "softsign": F.softsign,
    "threshold": lambda x, threshold=0.0, value=0.0: F.threshold(x, threshold, value),
    "logsigmoid": F.logsigmoid, "hardshrink": F.hardshrink, "softshrink": F.softshrink,
    "tanhshrink": F.tanhshrink, "exp": torch.exp,
    "quick_gelu": lambda x, alpha=1.702: x * torch.sigmoid(alpha * x),
}
# Options other than the defaults; names that PyTorch spells otherwise are given by position.
OPTIONS = {"leaky_relu": [0.2], "elu": [0.7], "celu": [1.3], "softplus": [2.0, 5.0], "hardtanh": [-0.5, 0.25],
           "threshold": [0.25, -3.0], "hardshrink": [0.9], "softshrink": [0.4], "quick_gelu": [1.1]}
NAMES = sorted(name[:-len("_inplace")] for name in nn.__all__ if name.endswith("_inplace"))
NAMES = [name for name in NAMES if name not in ("activation", "update")]


def numbers(dtype):
    # Away from kinks, where PyTorch and a float32 rounding may disagree on the side.
    return np.linspace(-8, 8, 161, dtype=np.float64).astype(dtype).reshape(7, 23) + np.asarray(0.013, dtype)


def test_every_activation_is_compared():
    assert NAMES == sorted(TORCH)


@pytest.mark.parametrize("name, options", [(name, []) for name in NAMES] + list(OPTIONS.items()))
def test_values_and_gradients(name, options, dtype):
    x = numbers(dtype)
    at = torch.tensor(x.astype(np.float64), requires_grad=True)
    expected = TORCH[name](at, *options)
    dy = np.linspace(1, 2, x.size).reshape(x.shape).astype(dtype)
    expected.backward(torch.tensor(dy.astype(np.float64)))
    close(getattr(nn, name)(x, *options), expected.detach().numpy())
    close(getattr(nn, name + "_backward")(dy, x, *options), at.grad.numpy())
    in_place = x.copy()
    getattr(nn, name + "_inplace")(in_place, *options)
    np.testing.assert_array_equal(in_place, getattr(nn, name)(x, *options))
    if hasattr(nn, name + "_2d"):
        np.testing.assert_array_equal(getattr(nn, name + "_2d")(x, *options), in_place)
        with pytest.raises(ValueError, match=f"{name}_2d"):
            getattr(nn, name + "_2d")(x[0], *options)


def test_by_name(dtype):
    x = numbers(dtype)
    np.testing.assert_array_equal(nn.activation(x, "elu", a=0.7), nn.elu(x, 0.7))
    np.testing.assert_array_equal(nn.activation_backward(x, x, "mish"), nn.mish_backward(x, x))
    with pytest.raises(ValueError, match='kind "rel" is none of: identity, relu'):
        nn.activation(x, "rel")


def test_gelu_has_two_forms(dtype):
    x = numbers(dtype)
    np.testing.assert_array_equal(nn.gelu(x, approximate="tanh"), nn.gelu_tanh(x))
    np.testing.assert_array_equal(nn.gelu_backward(x, x, "tanh"), nn.gelu_tanh_backward(x, x))


def test_lambda_is_called_lambd():
    assert "lambd" in inspect.signature(nn.hardshrink).parameters


def test_a_parameter_outside_its_domain():
    with pytest.raises(ValueError, match="alpha"):
        nn.elu(np.ones(2), alpha=-1)


def test_nan_and_infinities(dtype):
    x = np.array([np.nan, np.inf, -np.inf], dtype)
    assert np.isnan([getattr(nn, name)(x)[0] for name in NAMES]).all()
    np.testing.assert_array_equal(nn.sigmoid(x)[1:], [1, 0])


GATES = {"glu": torch.sigmoid, "swiglu": F.silu, "geglu": F.gelu, "reglu": F.relu}


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gated_units(name, axis, dtype, rng):
    x = rng.standard_normal((4, 6, 2)).astype(dtype)
    at = torch.tensor(x.astype(np.float64), requires_grad=True)
    a, b = at.chunk(2, axis)
    expected = a * GATES[name](b)
    dy = rng.standard_normal(expected.shape).astype(dtype)
    expected.backward(torch.tensor(dy.astype(np.float64)))
    close(getattr(nn, name)(x, axis=axis), expected.detach().numpy())
    close(getattr(nn, name + "_backward")(dy, x, axis), at.grad.numpy(), terms=3)


def test_gated_by_name(dtype, rng):
    value, gate, dy = rng.standard_normal((3, 5, 4)).astype(dtype)
    close(nn.gated_activation(value, gate, "silu"), value * nn.silu(gate))
    close(nn.gated_activation_backward_gate(dy, value, gate, "elu", 0.5), nn.elu_backward(dy * value, gate, 0.5))
    both = np.concatenate([value, gate], -1)
    np.testing.assert_array_equal(nn.gated_unit(both, "silu"), nn.swiglu(both))
    np.testing.assert_array_equal(nn.gated_unit_backward(dy, both, "silu"), nn.swiglu_backward(dy, both))


def test_prelu(dtype, rng):
    x, dy = rng.standard_normal((2, 3, 4, 5)).astype(dtype)
    slope = np.array([0.1, 0.2, 0.3, -0.4], dtype)
    at = torch.tensor(x.astype(np.float64), requires_grad=True)
    slopes = torch.tensor(slope.astype(np.float64), requires_grad=True)
    expected = F.prelu(at, slopes)
    expected.backward(torch.tensor(dy.astype(np.float64)))
    close(nn.prelu(x, slope), expected.detach().numpy())
    close(nn.prelu_backward_input(dy, x, slope), at.grad.numpy())
    close(nn.prelu_backward_slope(dy, x, slope), slopes.grad.numpy(), terms=15)
