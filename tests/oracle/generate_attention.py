#!/usr/bin/env python3
"""Writes attention.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it.

PyTorch 1.13 has no scaled_dot_product_attention for users, so the formula is composed of its operations.
"""
import math

import torch
from oracle import Oracle, rand, repeat

oracle = Oracle(26)


def attention(q, k, v, mask=None, bias=None, causal=False, offset=0, scale=None, lengths=None):
    """q (..., H, Lq, D), k and v (..., G, Lk, D): heads share keys; rows that see nothing give zeros."""
    if q.dim() > 2 and k.shape[-3] != q.shape[-3]:
        shared = q.shape[-3] // k.shape[-3]
        k, v = k.repeat_interleave(shared, -3), v.repeat_interleave(shared, -3)
    scores = q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if bias is not None:
        scores = scores + bias
    visible = torch.ones_like(scores, dtype=torch.bool)
    rows, columns = torch.arange(scores.shape[-2])[:, None], torch.arange(scores.shape[-1])[None, :]
    if causal:
        visible &= columns <= rows + offset
    if mask is not None:
        visible &= mask
    if lengths is not None:
        visible &= columns < lengths.view(*lengths.shape, *[1] * (scores.dim() - lengths.dim()))
    visible &= scores > -math.inf
    scores = torch.where(visible, scores, torch.full_like(scores, -1e300))
    weights = torch.where(visible, torch.exp(scores - scores.amax(-1, keepdim=True)), torch.zeros_like(scores))
    total = weights.sum(-1, keepdim=True)
    return weights / torch.where(total > 0, total, torch.ones_like(total)) @ v


def case(name, shape_q, shape_k, dv=None, **options):
    shape_v = shape_k if dv is None else (*shape_k[:-1], dv)
    oracle.case(name, lambda q, k, v: attention(q, k, v, **options), 2 * rand(*shape_q), rand(*shape_k), rand(*shape_v))


case("plain/matrices", (5, 4), (7, 4), 3)
case("plain/heads", (2, 5, 4), (2, 6, 4))
case("plain/batch", (2, 3, 4, 5), (2, 3, 6, 5), 2)
case("plain/rank5", (2, 1, 2, 3, 4), (2, 1, 2, 3, 4))
case("plain/one_key", (2, 3, 4), (2, 1, 4))
case("plain/long", (1, 3, 2), (1, 150, 2))
case("options/scale", (2, 5, 4), (2, 6, 4), scale=0.3)
case("options/causal", (2, 6, 4), (2, 6, 4), causal=True)
case("options/causal_wide", (2, 3, 4), (2, 7, 4), causal=True)
case("options/causal_offset", (2, 3, 4), (2, 7, 4), causal=True, offset=4)
case("options/grouped", (2, 6, 3, 4), (2, 2, 5, 4), 3)
case("options/one_key_head", (4, 3, 4), (1, 5, 4), causal=True, offset=2)

mask = oracle.data("mask", torch.rand(2, 1, 4, 6) > 0.4)
blocked = mask.clone()
blocked[0, 0, 1] = False
blocked[1, 0, 3] = False
oracle.data("blocked", blocked)
bias = oracle.data("bias", rand(3, 4, 6))
oracle.data("minus_infinity", torch.tensor([0.0, -math.inf, 1, 0, -math.inf, 0.5], dtype=torch.float64))
lengths = oracle.data("lengths", torch.tensor([4, 0]))
head_lengths = oracle.data("head_lengths", torch.tensor([[4, 6, 1], [0, 3, 5]]))
batch = ((2, 3, 4, 5), (2, 3, 6, 5))
case("mask/boolean", *batch, mask=mask)
case("mask/fully_blocked_rows", *batch, mask=blocked)
case("mask/bias", *batch, bias=bias)
case("mask/minus_infinity", *batch, bias=torch.from_numpy(oracle.arrays["minus_infinity"]).double())
case("mask/lengths", *batch, lengths=lengths)
case("mask/head_lengths", *batch, lengths=head_lengths)
case("mask/all_together", *batch, mask=mask, bias=bias, causal=True, offset=3, lengths=lengths, scale=0.7)
case("mask/grouped", (2, 3, 4, 5), (2, 1, 6, 5), mask=mask, causal=True, offset=1)
oracle.case("plain/broadcast", attention, repeat(3, 4, 5), rand(3, 6, 5), rand(3, 6, 2))


def self_attention(x, q, k, v, **options):
    return attention(x @ q, x @ k, x @ v, **options)


oracle.case("self/matrix", self_attention, rand(6, 4), rand(4, 3), rand(4, 3), rand(4, 5))
oracle.case("self/causal", lambda *a: self_attention(*a, causal=True), rand(2, 5, 4), rand(4, 3), rand(4, 3), rand(4, 2))
oracle.write()
