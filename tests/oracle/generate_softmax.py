#!/usr/bin/env python3
"""Writes softmax.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it."""
import torch.nn.functional as F
from oracle import Oracle, rand, repeat

oracle = Oracle(21)
FUNCTIONS = {"softmax": F.softmax, "log_softmax": F.log_softmax, "softmin": F.softmin}
for name, f in FUNCTIONS.items():
    for axis in (0, 1, 2):
        oracle.case(f"{name}/axis{axis}", lambda x: f(x, dim=axis), 3 * rand(3, 5, 4))
    for label, t in {"hot": 2.5, "cold": 0.25}.items():
        oracle.case(f"{name}/{label}", lambda x: f(x / t, dim=1), rand(3, 5, 4))
    oracle.case(f"{name}/vector", lambda x: f(x, dim=0), 4 * rand(37))
    oracle.case(f"{name}/rank4", lambda x: f(x, dim=2), rand(2, 3, 4, 2))
    oracle.case(f"{name}/huge", lambda x: f(x, dim=-1), 1e4 + 10 * rand(3, 9))
    oracle.case(f"{name}/broadcast", lambda x: f(x, dim=-1), repeat(3, 19))
oracle.write()
