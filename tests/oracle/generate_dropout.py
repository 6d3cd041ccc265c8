#!/usr/bin/env python3
"""Writes dropout.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it.

Random numbers differ between libraries, so the masks are given.
"""
import torch
from oracle import Oracle, rand, repeat

oracle = Oracle(28)
MASKS = {"elements": (3, 4, 5), "channels": (3, 4, 1), "samples": (3, 1, 1), "last": (5,)}
for name, shape in MASKS.items():
    mask = oracle.data("mask_" + name, torch.rand(shape) > 0.3)
    oracle.case(f"dropout/{name}", lambda x: torch.where(mask, x / (1 - 0.3), torch.zeros_like(x)), rand(3, 4, 5))
mask = torch.from_numpy(oracle.arrays["mask_elements"])
oracle.case("dropout/broadcast", lambda x: torch.where(mask, x / (1 - 0.3), torch.zeros_like(x)), repeat(3, 4, 5))
oracle.write()
