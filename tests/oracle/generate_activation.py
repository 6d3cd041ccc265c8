#!/usr/bin/env python3
"""Writes activation.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it."""
import torch
import torch.nn.functional as F
from oracle import Oracle, exact, rand

oracle = Oracle(20)


# PyTorch's own gradients of these two go through float32 constants, so it differentiates the formula instead.
def celu(x, alpha):
    return torch.where(x > 0, x, alpha * torch.expm1(torch.clamp(x, max=0) / alpha))


def hardsigmoid(x):
    return torch.clamp(x / 6 + 0.5, 0, 1)


# Values in the tails as well as around zero; none on a kink.
X = torch.cat([rand(40), 8 * rand(20), torch.tensor([-40.0, -20.5, 20.5, 40.0], dtype=torch.float64)]).view(4, 16)
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
    oracle.case("activation/" + name, function, X)

for axis in (0, 1, 2):
    x = 2 * rand(4, 6, 2)
    oracle.case(f"glu/axis{axis}", lambda x: F.glu(x, axis), x)


def gated(f):
    def function(x):
        a, b = x.chunk(2, -1)
        return a * f(b)
    return function


for name, f in {"swiglu": F.silu, "geglu": F.gelu, "reglu": F.relu,
                "geglu_tanh": lambda x: F.gelu(x, approximate="tanh")}.items():
    oracle.case(name, gated(f), 2 * rand(3, 10))
oracle.case("gated/mish", lambda a, b: a * F.mish(b), rand(3, 7), 2 * rand(3, 7))
oracle.case("gated/broadcast", lambda a, b: a * torch.tanh(b), rand(1, 7).repeat(3, 1), rand(3, 7))

oracle.case("prelu/one", F.prelu, rand(3, 4, 5), torch.tensor([0.3], dtype=torch.float64))
oracle.case("prelu/channels", F.prelu, rand(3, 4, 5), rand(4))
oracle.case("prelu/matrix", F.prelu, rand(6, 3), rand(3))
oracle.case("gelu/broadcast", F.gelu, exact(2 * rand(1, 9).repeat(4, 1)))
oracle.write()
