#!/usr/bin/env python3
"""Writes torch.npz: inputs, results and gradients of operations as PyTorch computes them in float64.

Run with Debian's python3-torch (1.13) to renew the file; the tests only read it. Per case NAME:
NAME/in0, in1 ... the inputs, NAME/y the result, NAME/dy a random gradient of it, NAME/g0 ... the gradients of the
inputs that are differentiated (those of type float64).
"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(20)
cases = {}


def rand(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def case(name, function, *inputs):
    inputs = [x.clone().requires_grad_(x.dtype == torch.float64) for x in inputs]
    y = function(*inputs)
    dy = torch.randn(y.shape, dtype=torch.float64)
    y.backward(dy)
    assert name + "/y" not in cases, name
    for i, x in enumerate(inputs):
        cases[f"{name}/in{i}"] = x.detach().numpy()
        if x.requires_grad:
            cases[f"{name}/g{i}"] = x.grad.numpy()
    cases[f"{name}/y"] = y.detach().numpy()
    cases[f"{name}/dy"] = dy.numpy()


# PyTorch's own gradients of these two go through float32 constants, so it differentiates the formula instead.
def celu(x, alpha):
    return torch.where(x > 0, x, alpha * torch.expm1(torch.clamp(x, max=0) / alpha))


def hardsigmoid(x):
    return torch.clamp(x / 6 + 0.5, 0, 1)


# Values in the tails as well as around zero; none on a kink.
X = torch.cat([rand(40), 8 * rand(20), torch.tensor([-40.0, -20.5, 20.5, 40.0], dtype=torch.float64)])
for name, function in {
    "relu": F.relu, "leaky_relu": lambda x: F.leaky_relu(x, 0.2), "elu": lambda x: F.elu(x, 1.5), "selu": F.selu,
    "celu": lambda x: celu(x, 0.7), "sigmoid": torch.sigmoid, "tanh": torch.tanh, "silu": F.silu, "mish": F.mish,
    "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": lambda x: F.softplus(x, 1.5, 18.0), "relu6": F.relu6, "hardtanh": lambda x: F.hardtanh(x, -1.5, 2.5),
    "hardsigmoid": hardsigmoid, "hardswish": F.hardswish, "softsign": F.softsign,
    "threshold": lambda x: F.threshold(x, 0.3, -2.0), "logsigmoid": F.logsigmoid,
    "hardshrink": lambda x: F.hardshrink(x, 0.6), "softshrink": lambda x: F.softshrink(x, 0.6),
    "tanhshrink": F.tanhshrink,
}.items():
    case("activation/" + name, function, X)

for axis in (0, 1, 2):
    case(f"softmax/axis{axis}", lambda x: F.softmax(x, axis), 3 * rand(3, 5, 4))
    case(f"log_softmax/axis{axis}", lambda x: F.log_softmax(x, axis), 3 * rand(3, 5, 4))

case("linear/bias", F.linear, rand(2, 3, 5), rand(4, 5), rand(4))
case("linear/no_bias", F.linear, rand(6, 5), rand(4, 5))
case("matmul/broadcast", torch.matmul, rand(5, 1, 3, 4), rand(2, 4, 6))
case("matmul/vector", torch.matmul, rand(2, 3, 4), rand(4))

target, score = rand(6, 4), rand(6, 4)
positive = lambda *shape: torch.rand(*shape, dtype=torch.float64) * 0.9 + 0.05
for mode in ("none", "mean", "sum"):
    case("mse/" + mode, lambda p, t: F.mse_loss(p, t, reduction=mode), score, target)
    case("l1/" + mode, lambda p, t: F.l1_loss(p, t, reduction=mode), score, target)
    case("huber/" + mode, lambda p, t: F.huber_loss(p, t, reduction=mode, delta=0.8), score, target)
    case("smooth_l1/" + mode, lambda p, t: F.smooth_l1_loss(p, t, reduction=mode, beta=0.7), score, target)
    case("bce/" + mode, lambda p: F.binary_cross_entropy(p, torch.linspace(0.0, 1.0, 24, dtype=torch.float64).view(6, 4),
                                                         reduction=mode), positive(6, 4))
    case("bce_with_logits/" + mode,
         lambda p: F.binary_cross_entropy_with_logits(p, torch.linspace(0.0, 1.0, 24, dtype=torch.float64).view(6, 4),
                                                      reduction=mode), 5 * rand(6, 4))
    labels = torch.tensor([0, 3, 2, 2, 1, 0])
    case("cross_entropy/" + mode, lambda x: F.cross_entropy(x, labels, reduction=mode), 4 * score)
    case("cross_entropy_ignore/" + mode, lambda x: F.cross_entropy(x, labels, ignore_index=2, reduction=mode), 4 * score)
    case("cross_entropy_smooth/" + mode,
         lambda x: F.cross_entropy(x, labels, label_smoothing=0.1, reduction=mode), 4 * score)
    case("nll/" + mode, lambda x: F.nll_loss(x, labels, reduction=mode), F.log_softmax(score, 1))

case("sum/axis", lambda x: x.sum((0, 2)), rand(3, 4, 5))
case("mean/all", lambda x: x.mean(), rand(3, 4, 5))
case("var/axis", lambda x: x.var(1, unbiased=False), rand(3, 7))
case("logsumexp/axis", lambda x: x.logsumexp(1), 5 * rand(3, 7))

case("conv1d/plain", F.conv1d, rand(2, 3, 11), rand(4, 3, 3), rand(4))
case("conv1d/options", lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=3, dilation=2, groups=2),
     rand(2, 4, 13), rand(6, 2, 3), rand(6))
case("conv2d/plain", F.conv2d, rand(2, 3, 7, 8), rand(4, 3, 3, 2), rand(4))
case("conv2d/options", lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(2, 1), dilation=(1, 3), groups=2),
     rand(2, 4, 9, 10), rand(6, 2, 3, 3), rand(6))
case("conv2d/same", lambda x, w, b: F.conv2d(x, w, b, padding="same", dilation=(2, 1)),
     rand(1, 2, 6, 7), rand(3, 2, 3, 4), rand(3))
case("conv2d/depthwise", lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1, groups=3),
     rand(2, 3, 8, 9), rand(6, 1, 3, 3), rand(6))
case("conv2d/circular", lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 2, 2), mode="circular"), w, b),
     rand(1, 2, 5, 6), rand(3, 2, 3, 3), rand(3))
case("conv2d/reflect", lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 2, 2), mode="reflect"), w, b),
     rand(1, 2, 5, 6), rand(3, 2, 3, 3), rand(3))
case("conv3d/options", lambda x, w, b: F.conv3d(x, w, b, stride=(1, 2, 1), padding=(1, 0, 1)),
     rand(1, 2, 4, 5, 4), rand(3, 2, 2, 3, 2), rand(3))

path = pathlib.Path(__file__).with_name("torch.npz")
np.savez(path, **cases)
print(f"{path.name}: {sum(k.endswith('/y') for k in cases)} cases, {path.stat().st_size} bytes, PyTorch {torch.__version__}")
