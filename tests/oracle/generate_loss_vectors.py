#!/usr/bin/env python3
"""Writes loss_vectors.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it.

PyTorch adds 1e-12 to the squares of cosine_embedding_loss, so that one is composed; contrastive_loss it lacks.
"""
import torch
import torch.nn.functional as F
from oracle import Oracle, rand, repeat

oracle = Oracle(31)
signs = oracle.data("signs", torch.tensor([1.0, -1, -1, 1, -1], dtype=torch.float64))
pairs = oracle.data("pairs", torch.tensor([1.0, 0, 0, 1, 0.25], dtype=torch.float64))
x = (rand(5, 6), rand(5, 6))
triplet = (rand(5, 6), rand(5, 6), rand(5, 6))
one = (rand(4), rand(4), rand(4))


def reduced(loss, mode):
    return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[mode]


def cosine(a, b, margin, mode):
    cos = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))
    return reduced(torch.where(signs > 0, 1 - cos, F.relu(cos - margin)), mode)


def contrastive(a, b, margin, mode):
    d = (a - b).norm(dim=-1)
    return reduced((pairs * d.pow(2) + (1 - pairs) * F.relu(margin - d).pow(2)) / 2, mode)


for mode in ("none", "mean", "sum"):
    for margin in (0.0, 0.2):
        oracle.case(f"cosine_{margin}/{mode}", lambda a, b: cosine(a, b, margin, mode), *x)
    for margin in (1.0, 4.0):
        oracle.case(f"contrastive_{margin}/{mode}", lambda a, b: contrastive(a, b, margin, mode), *x)
    for name, options in {"plain": {}, "p1": {"p": 1.0}, "p3": {"p": 3.0, "margin": 2.0}, "swap": {"swap": True},
                          "epsilon": {"eps": 0.01, "margin": 0.3}}.items():
        oracle.case(f"triplet_{name}/{mode}", lambda *v: F.triplet_margin_loss(*v, reduction=mode, **options), *triplet)
oracle.case("triplet/broadcast", F.triplet_margin_loss, repeat(5, 6), *triplet[1:])
oracle.write()
