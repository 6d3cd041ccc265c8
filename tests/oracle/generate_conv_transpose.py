#!/usr/bin/env python3
"""Writes conv_transpose.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it."""
import torch
import torch.nn.functional as F
from oracle import Oracle, rand

oracle = Oracle(31)
case = oracle.case
case("conv_transpose1d/plain", F.conv_transpose1d, rand(2, 3, 6), rand(3, 4, 3), rand(4))
case("conv_transpose1d/options",
     lambda x, w, b: F.conv_transpose1d(x, w, b, stride=3, padding=2, output_padding=2, groups=2, dilation=2),
     rand(2, 4, 5), rand(4, 3, 3), rand(6))
case("conv_transpose2d/plain", F.conv_transpose2d, rand(2, 3, 4, 5), rand(3, 4, 3, 2), rand(4))
case("conv_transpose2d/stride",
     lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1),
     rand(2, 3, 4, 5), rand(3, 2, 3, 3), rand(2))
case("conv_transpose2d/options",
     lambda x, w, b: F.conv_transpose2d(x, w, b, stride=(3, 1), padding=(2, 1), output_padding=(2, 0), groups=2,
                                        dilation=(1, 3)),
     rand(2, 4, 3, 5), rand(4, 3, 3, 2), rand(6))
case("conv_transpose2d/depthwise",
     lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, groups=3),
     rand(2, 3, 4, 5), rand(3, 2, 3, 3), rand(6))
case("conv_transpose3d/options",
     lambda x, w, b: F.conv_transpose3d(x, w, b, stride=(1, 2, 2), padding=(1, 0, 1), output_padding=(0, 1, 0)),
     rand(1, 3, 3, 2, 3), rand(3, 2, 2, 3, 2), rand(2))
case("unfold/options", lambda x: F.unfold(x, (3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1)), rand(2, 3, 6, 5))
case("fold/options", lambda x: F.fold(x, (6, 5), (3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1)),
     rand(2, 18, 9))
case("pad/constant", lambda x: F.pad(x, (1, 2, 0, 3), value=-1.5), rand(2, 3, 4))
for mode in ("reflect", "replicate", "circular"):
    case("pad/" + mode, lambda x: F.pad(x, (1, 2, 2, 0), mode=mode), rand(1, 2, 3, 4))
case("prelu/element", lambda x, a: torch.where(x > 0, x, a * x), rand(2, 3, 4), rand(3, 1))
oracle.write()
