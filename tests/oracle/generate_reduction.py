#!/usr/bin/env python3
"""Writes reduction.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it."""
import torch
from oracle import Oracle, rand, repeat

oracle = Oracle(22)
norm = torch.linalg.vector_norm


def prod(x, axes, keepdim):
    for axis in sorted(range(x.dim()) if axes is None else [a % x.dim() for a in axes], reverse=True):
        x = x.prod(axis, keepdim)
    return x


def std(x, axes, keepdim):
    return x.std(axes, unbiased=False, keepdim=keepdim)


FUNCTIONS = {
    "sum": lambda x, a, k: x.sum(a, keepdim=k),
    "mean": lambda x, a, k: x.mean(a, keepdim=k),
    "prod": prod,
    "max": lambda x, a, k: x.amax(a, keepdim=k),
    "min": lambda x, a, k: x.amin(a, keepdim=k),
    "var": lambda x, a, k: x.var(a, unbiased=False, keepdim=k),
    "stddev": std,
    "norm_l1": lambda x, a, k: norm(x, 1, a, k),
    "norm_l2": lambda x, a, k: norm(x, 2, a, k),
    "norm_inf": lambda x, a, k: norm(x, float("inf"), a, k),
    "logsumexp": lambda x, a, k: x.logsumexp(a, keepdim=k),
}
for name, f in FUNCTIONS.items():
    for label, axes in {"all": (0, 1, 2), "first": (0,), "middle": (1,), "last": (-1,), "outer": (0, 2)}.items():
        oracle.case(f"{name}/{label}", lambda x: f(x, axes, False), rand(3, 4, 5))
    oracle.case(f"{name}/keepdims", lambda x: f(x, (1,), True), rand(3, 4, 5))
    oracle.case(f"{name}/broadcast", lambda x: f(x, (1,), False), repeat(3, 11))
oracle.case("var/unbiased", lambda x: x.var(1, unbiased=True), rand(3, 7))
oracle.case("stddev/unbiased", lambda x: x.std(1, unbiased=True), rand(3, 7))
# Taking the offset off is exact here, and PyTorch would lose digits to it.
oracle.case("var/offset", lambda x: (x - 1e4).var(1, unbiased=False), 1e4 + rand(3, 33))
# Elements that tie; zeros in products.
ties = torch.tensor([[1.0, 4, 4, -2, 4], [3, -3, 3, 0, 1]], dtype=torch.float64)
oracle.case("max/ties", lambda x: x.amax(1), ties)
oracle.case("min/ties", lambda x: x.amin(1), -ties)
zeros = rand(3, 5)
zeros[0, 2] = 0
zeros[1, 1] = 0
zeros[1, 4] = 0
oracle.case("prod/zeros", lambda x: x.prod(1), zeros)
oracle.write()
