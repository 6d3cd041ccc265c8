#!/usr/bin/env python3
"""Writes conv.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it."""
import torch.nn.functional as F
from oracle import Oracle, rand, repeat

oracle = Oracle(24)
case = oracle.case
case("conv1d/plain", F.conv1d, rand(2, 3, 11), rand(4, 3, 3), rand(4))
case("conv1d/options", lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=3, dilation=2, groups=2),
     rand(2, 4, 13), rand(6, 2, 3), rand(6))
case("conv1d/no_bias", F.conv1d, rand(2, 3, 9), rand(2, 3, 4))
case("conv1d/one_sample", F.conv1d, rand(3, 9), rand(2, 3, 2), rand(2))
case("conv1d/asymmetric", lambda x, w, b: F.conv1d(F.pad(x, (2, 1)), w, b, stride=3),
     rand(2, 2, 10), rand(3, 2, 4), rand(3))
case("conv1d/replicate", lambda x, w, b: F.conv1d(F.pad(x, (3, 3), mode="replicate"), w, b),
     rand(2, 2, 7), rand(3, 2, 3), rand(3))
case("conv2d/plain", F.conv2d, rand(2, 3, 7, 8), rand(4, 3, 3, 2), rand(4))
case("conv2d/no_bias", lambda x, w: F.conv2d(x, w, stride=2), rand(1, 3, 7, 8), rand(4, 3, 3, 2))
case("conv2d/options", lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(2, 1), dilation=(1, 3), groups=2),
     rand(2, 4, 9, 10), rand(6, 2, 3, 3), rand(6))
case("conv2d/same", lambda x, w, b: F.conv2d(x, w, b, padding="same", dilation=(2, 1)),
     rand(1, 2, 6, 7), rand(3, 2, 3, 4), rand(3))
case("conv2d/full", lambda x, w, b: F.conv2d(x, w, b, padding=(2, 1)), rand(1, 2, 4, 5), rand(3, 2, 3, 2), rand(3))
case("conv2d/asymmetric", lambda x, w, b: F.conv2d(F.pad(x, (0, 2, 3, 1)), w, b),
     rand(1, 2, 5, 6), rand(3, 2, 3, 3), rand(3))
case("conv2d/pointwise", F.conv2d, rand(2, 5, 4, 3), rand(3, 5, 1, 1), rand(3))
case("conv2d/pointwise_strided", lambda x, w, b: F.conv2d(x, w, b, stride=2), rand(2, 5, 4, 3), rand(3, 5, 1, 1), rand(3))
case("conv2d/depthwise", lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1, groups=3),
     rand(2, 3, 8, 9), rand(6, 1, 3, 3), rand(6))
case("conv2d/depthwise_dilated", lambda x, w, b: F.conv2d(x, w, b, padding=2, dilation=2, groups=4),
     rand(2, 4, 6, 5), rand(4, 1, 3, 3), rand(4))
case("conv2d/one_sample", F.conv2d, rand(3, 5, 6), rand(2, 3, 2, 3), rand(2))
case("conv2d/channels_last",
     lambda x, w, b: F.conv2d(x.permute(0, 3, 1, 2), w, b, stride=(1, 2), padding=1).permute(0, 2, 3, 1),
     rand(2, 5, 6, 3), rand(4, 3, 3, 3), rand(4))
case("conv2d/channels_last_groups",
     lambda x, w, b: F.conv2d(x.permute(0, 3, 1, 2), w, b, padding=1, groups=2).permute(0, 2, 3, 1),
     rand(2, 5, 4, 4), rand(6, 2, 3, 3), rand(6))
case("conv2d/circular", lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 2, 2), mode="circular"), w, b),
     rand(1, 2, 5, 6), rand(3, 2, 3, 3), rand(3))
case("conv2d/reflect", lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 2, 2), mode="reflect"), w, b),
     rand(1, 2, 5, 6), rand(3, 2, 3, 3), rand(3))
case("conv2d/replicate", lambda x, w, b: F.conv2d(F.pad(x, (1, 1, 2, 2), mode="replicate"), w, b, stride=2),
     rand(1, 2, 5, 6), rand(3, 2, 3, 3), rand(3))
case("conv2d/broadcast", lambda x, w, b: F.conv2d(x, w, b, padding=1), repeat(3, 2, 5, 4), rand(3, 2, 3, 3), rand(3))
case("conv3d/options", lambda x, w, b: F.conv3d(x, w, b, stride=(1, 2, 1), padding=(1, 0, 1)),
     rand(1, 2, 4, 5, 4), rand(3, 2, 2, 3, 2), rand(3))
case("conv3d/groups", lambda x, w, b: F.conv3d(x, w, b, dilation=(2, 1, 1), groups=2),
     rand(2, 2, 4, 3, 3), rand(4, 1, 2, 2, 2), rand(4))
oracle.write()
