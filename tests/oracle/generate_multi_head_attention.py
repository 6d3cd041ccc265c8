#!/usr/bin/env python3
"""Writes multi_head_attention.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it.

Multi-head attention is PyTorch's own; attention with a bias that is trained is composed of its operations.
"""
import math

import torch
import torch.nn.functional as F
from oracle import Oracle, rand

oracle = Oracle(41)


# Its gradient is 0, of which only roundings would be left: the scores of a query all change by the same.
key_bias = oracle.data("key_bias", rand(6))


def multi_head(query, key, value, w_q, w_k, w_v, w_o, b_q=None, b_v=None, b_o=None, heads=2, blocked=None):
    """Batch first, as PyTorch's module with batch_first=True does it."""
    turn = lambda x: x.transpose(0, 1)
    bias = None if b_q is None else torch.cat([b_q, key_bias, b_v])
    y, _ = F.multi_head_attention_forward(
        turn(query), turn(key), turn(value), query.shape[-1], heads, None, bias, None, None, False, 0.0, w_o, b_o,
        need_weights=False, attn_mask=blocked, use_separate_proj_weight=True, q_proj_weight=w_q, k_proj_weight=w_k,
        v_proj_weight=w_v)
    return turn(y)


def inputs(width, key_width, value_width, bias):
    sequences = [rand(2, 4, width), rand(2, 5, key_width), rand(2, 5, value_width)]
    weights = [0.7 * rand(width, n) for n in (width, key_width, value_width, width)]
    return sequences + weights + ([rand(width) for _ in range(3)] if bias else [])


causal = torch.ones(4, 5).triu(2).bool()  # True blocks, as PyTorch has it; query i sees the first i + 2 keys
oracle.case("heads/plain", multi_head, *inputs(6, 6, 6, True))
oracle.case("heads/widths", lambda *a: multi_head(*a, heads=3), *inputs(6, 4, 5, True))
oracle.case("heads/no_bias", multi_head, *inputs(4, 4, 4, False))
oracle.case("heads/causal", lambda *a: multi_head(*a, blocked=causal), *inputs(6, 6, 6, True))


def biased(q, k, v, bias):
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
    return torch.softmax(scores, -1) @ v


# A bias that is the same for all keys has a gradient of 0, of which only roundings would be left.
for name, shape in (("full", (2, 3, 4, 6)), ("heads", (3, 4, 6)), ("scores", (4, 6)), ("keys", (6,))):
    oracle.case("bias/" + name, biased, rand(2, 3, 4, 5), rand(2, 3, 6, 5), rand(2, 3, 6, 2), rand(*shape))
oracle.write()
