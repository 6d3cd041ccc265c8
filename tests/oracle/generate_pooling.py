#!/usr/bin/env python3
"""Writes pooling.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it."""
import torch
import torch.nn.functional as F
from oracle import Oracle, rand, repeat

oracle = Oracle(26)
case = oracle.case


def last(function):
    """The function on channels last."""
    return lambda x: function(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


case("max_pool1d/plain", lambda x: F.max_pool1d(x, 2), rand(2, 3, 11))
case("max_pool1d/options", lambda x: F.max_pool1d(x, 4, 3, 2, 2, ceil_mode=True), rand(2, 3, 20))
case("max_pool2d/plain", lambda x: F.max_pool2d(x, 2), rand(2, 3, 8, 9))
case("max_pool2d/resnet", lambda x: F.max_pool2d(x, 3, 2, 1), rand(1, 2, 9, 21))
case("max_pool2d/one_sample", lambda x: F.max_pool2d(x, (3, 2), (1, 2)), rand(3, 6, 7))
case("max_pool2d/ceil", lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), rand(1, 2, 6, 8))
case("max_pool2d/dilated", lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 0), (3, 2)), rand(1, 2, 9, 10))
case("max_pool2d/channels_last", last(lambda x: F.max_pool2d(x, 3, (2, 1), 1)), rand(2, 7, 6, 5))
case("max_pool2d/broadcast", lambda x: F.max_pool2d(x, 2), repeat(3, 2, 4, 6))
case("max_pool3d/options", lambda x: F.max_pool3d(x, (2, 3, 2), (1, 2, 2), (1, 1, 0)), rand(1, 2, 5, 6, 8))
x = rand(2, 3, 9, 10)
y, indices = F.max_pool2d(x, 3, 2, 1, 1, True, True)
case("max_pool2d_indices/values", lambda x: F.max_pool2d(x, 3, 2, 1, 1, True), x)
oracle.data("max_pool2d_indices/indices", indices)

case("avg_pool1d/plain", lambda x: F.avg_pool1d(x, 3), rand(2, 3, 11))
case("avg_pool1d/options", lambda x: F.avg_pool1d(x, 4, 3, 2, True, False), rand(2, 3, 19))
case("avg_pool2d/plain", lambda x: F.avg_pool2d(x, 2), rand(2, 3, 8, 9))
case("avg_pool2d/padded", lambda x: F.avg_pool2d(x, 3, 2, 1), rand(1, 2, 9, 21))
case("avg_pool2d/exclude", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), rand(2, 3, 9, 10))
case("avg_pool2d/ceil", lambda x: F.avg_pool2d(x, 3, 2, 1, True), rand(1, 2, 6, 8))
case("avg_pool2d/ceil_exclude", lambda x: F.avg_pool2d(x, (3, 4), (3, 2), (1, 2), True, False), rand(1, 2, 6, 9))
case("avg_pool2d/divisor", lambda x: F.avg_pool2d(x, (2, 3), 1, 1, divisor_override=5), rand(1, 2, 6, 7))
case("avg_pool2d/channels_last", last(lambda x: F.avg_pool2d(x, 3, (2, 1), 1, True)), rand(2, 7, 6, 5))
case("avg_pool3d/options", lambda x: F.avg_pool3d(x, (2, 3, 2), (1, 2, 2), (1, 1, 0)), rand(1, 2, 5, 6, 8))

# For even p; for odd ones PyTorch leaves the sign of x^p.
case("lp_pool1d/plain", lambda x: F.lp_pool1d(x, 2, 3, 2), rand(2, 3, 11))
case("lp_pool2d/plain", lambda x: F.lp_pool2d(x, 2, 2), rand(2, 3, 6, 7))
case("lp_pool2d/fourth", lambda x: F.lp_pool2d(x, 4, (3, 2), (1, 2)), rand(2, 3, 6, 7))

case("adaptive_avg_pool1d/plain", lambda x: F.adaptive_avg_pool1d(x, 4), rand(2, 3, 10))
case("adaptive_avg_pool2d/divides", lambda x: F.adaptive_avg_pool2d(x, (4, 3)), rand(2, 3, 8, 9))
case("adaptive_avg_pool2d/divides_not", lambda x: F.adaptive_avg_pool2d(x, (3, 5)), rand(2, 3, 7, 9))
case("adaptive_avg_pool2d/more", lambda x: F.adaptive_avg_pool2d(x, (5, 7)), rand(1, 2, 3, 4))
case("adaptive_avg_pool2d/channels_last", last(lambda x: F.adaptive_avg_pool2d(x, (3, 2))), rand(2, 7, 5, 4))
case("adaptive_avg_pool3d/plain", lambda x: F.adaptive_avg_pool3d(x, (2, 3, 2)), rand(1, 2, 5, 6, 7))
case("adaptive_max_pool1d/plain", lambda x: F.adaptive_max_pool1d(x, 4), rand(2, 3, 10))
case("adaptive_max_pool2d/divides", lambda x: F.adaptive_max_pool2d(x, (4, 3)), rand(2, 3, 8, 9))
case("adaptive_max_pool2d/divides_not", lambda x: F.adaptive_max_pool2d(x, (3, 5)), rand(2, 3, 7, 9))
case("adaptive_max_pool2d/channels_last", last(lambda x: F.adaptive_max_pool2d(x, (3, 2))), rand(2, 7, 5, 4))
case("adaptive_max_pool3d/plain", lambda x: F.adaptive_max_pool3d(x, (2, 3, 2)), rand(1, 2, 5, 6, 7))
case("global_avg_pool/plain", lambda x: F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0], rand(2, 3, 5, 7))
case("global_max_pool/plain", lambda x: F.adaptive_max_pool2d(x, 1)[:, :, 0, 0], rand(2, 3, 5, 7))

pooled, places = F.max_pool2d(rand(2, 3, 7, 9), 3, 2, return_indices=True)
oracle.data("max_unpool2d/indices", places)
# Windows overlap: PyTorch's own gradient reads dy at each index, and so does ours.
case("max_unpool2d/overlapping", lambda x: F.max_unpool2d(x, places, 3, 2, output_size=(7, 9)), pooled)
oracle.write()
