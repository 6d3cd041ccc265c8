#!/usr/bin/env python3
"""Writes embedding.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it."""
import torch
import torch.nn.functional as F
from oracle import Oracle, rand

oracle = Oracle(27)
rows = oracle.data("rows", torch.tensor([[1, 4, 1, 0], [6, 2, 2, 4]]))
one = oracle.data("one", torch.tensor(3))
flat = oracle.data("flat", torch.tensor([1, 4, 1, 0, 6, 2, 2, 4, 4]))
offsets = oracle.data("offsets", torch.tensor([0, 3, 3, 4]))
oracle.case("embedding/rows", lambda t: F.embedding(rows, t), rand(7, 3))
oracle.case("embedding/padding", lambda t: F.embedding(rows, t, padding_idx=4), rand(7, 3))
oracle.case("embedding/padding_from_end", lambda t: F.embedding(rows, t, padding_idx=-1), rand(7, 3))
oracle.case("embedding/one", lambda t: F.embedding(one, t), rand(7, 3))
oracle.case("embedding/broadcast", lambda t: F.embedding(rows, t), rand(1, 3).repeat(7, 1))
for mode in ("sum", "mean", "max"):
    oracle.case(f"bag/{mode}", lambda t: F.embedding_bag(rows, t, mode=mode), rand(7, 3))
    oracle.case(f"bag/{mode}_offsets", lambda t: F.embedding_bag(flat, t, offsets, mode=mode), rand(7, 3))
    oracle.case(f"bag/{mode}_padding", lambda t: F.embedding_bag(flat, t, offsets, mode=mode, padding_idx=4), rand(7, 3))
weights = rand(9)
for name, padding in {"weighted": None, "weighted_padding": 2}.items():
    # in1 are the weights; their gradient comes from embedding_bag_backward_weights.
    oracle.case(f"bag/{name}", lambda t, w: F.embedding_bag(flat, t, offsets, mode="sum", per_sample_weights=w,
                                                            padding_idx=padding), rand(7, 3), weights)
oracle.write()
