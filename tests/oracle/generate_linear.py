#!/usr/bin/env python3
"""Writes linear.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it."""
import torch
import torch.nn.functional as F
from oracle import Oracle, rand, repeat

oracle = Oracle(23)
oracle.case("linear/bias", F.linear, rand(2, 3, 5), rand(4, 5), rand(4))
oracle.case("linear/no_bias", F.linear, rand(6, 5), rand(4, 5))
oracle.case("linear/vector", F.linear, rand(5), rand(4, 5), rand(4))
oracle.case("linear/rank4", F.linear, rand(2, 1, 3, 7), rand(2, 7), rand(2))
oracle.case("linear/one_feature", F.linear, rand(9, 1), rand(3, 1), rand(3))
oracle.case("linear/deep", F.linear, rand(3, 130), rand(2, 130), rand(2))
oracle.case("linear/broadcast", F.linear, repeat(5, 6), rand(4, 6), rand(4))
oracle.case("matmul/matrices", torch.matmul, rand(7, 5), rand(5, 9))
oracle.case("matmul/broadcast_leading", torch.matmul, rand(5, 1, 3, 4), rand(2, 4, 6))
oracle.case("matmul/vector", torch.matmul, rand(2, 3, 4), rand(4))
oracle.case("matmul/row", torch.matmul, rand(4), rand(2, 4, 3))
oracle.case("matmul/dot", torch.matmul, rand(17), rand(17))
oracle.case("matmul/batched", torch.matmul, rand(3, 2, 4, 5), rand(3, 2, 5, 3))
oracle.case("matmul/matrix_for_all", torch.matmul, rand(3, 4, 5), rand(5, 6))
oracle.case("matmul/wide", torch.matmul, rand(2, 3), rand(3, 67))
oracle.case("matmul/broadcast", torch.matmul, repeat(6, 5), rand(5, 3))
oracle.write()
