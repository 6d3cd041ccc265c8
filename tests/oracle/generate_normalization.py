#!/usr/bin/env python3
"""Writes normalization.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it."""
import torch.nn.functional as F
from oracle import Oracle, rand, repeat, uniform

oracle = Oracle(25)
case = oracle.case

# layer_norm: one to three last axes, with and without gamma and beta.
case("layer_norm/plain", lambda x: F.layer_norm(x, x.shape[-1:]), rand(4, 7))
case("layer_norm/affine", lambda x, g, b: F.layer_norm(x, g.shape, g, b), rand(2, 3, 7), rand(7), rand(7))
case("layer_norm/gamma", lambda x, g: F.layer_norm(x, g.shape, g), rand(5, 9), rand(9))
case("layer_norm/two_axes", lambda x, g, b: F.layer_norm(x, g.shape, g, b), rand(3, 4, 5), rand(4, 5), rand(4, 5))
case("layer_norm/three_axes", lambda x: F.layer_norm(x, x.shape[1:]), rand(2, 3, 2, 5))
case("layer_norm/eps", lambda x, g, b: F.layer_norm(x, g.shape, g, b, 0.1), rand(3, 17), rand(17), rand(17))
case("layer_norm/offset", lambda x: F.layer_norm(x - 1e4, x.shape[-1:]), 1e4 + rand(3, 40))
case("layer_norm/broadcast", lambda x, g, b: F.layer_norm(x, g.shape, g, b), repeat(3, 6), rand(6), rand(6))


def rms_norm(x, g, axes, eps):
    return x / (x.pow(2).mean(axes, keepdim=True) + eps).sqrt() * g


case("rms_norm/plain", lambda x: rms_norm(x, 1, (-1,), 1e-5), rand(4, 7))
case("rms_norm/gamma", lambda x, g: rms_norm(x, g, (-1,), 1e-3), rand(2, 3, 19), rand(19))
case("rms_norm/two_axes", lambda x, g: rms_norm(x, g, (-1, -2), 1e-5), rand(3, 4, 5), rand(4, 5))
case("rms_norm/broadcast", lambda x, g: rms_norm(x, g, (-1,), 1e-5), repeat(4, 6), rand(6))


def batch_norm(x, g, b, eps=1e-5):
    return F.batch_norm(x, None, None, g, b, True, 0.1, eps)


def last(f):
    """f with the channels on the last axis."""
    return lambda x, *rest: f(x.movedim(-1, 1), *rest).movedim(1, -1)


case("batch_norm/matrix", batch_norm, rand(6, 3), rand(3), rand(3))
case("batch_norm/sequence", batch_norm, rand(2, 3, 5), rand(3), rand(3))
case("batch_norm/image", lambda x, g, b: batch_norm(x, g, b, 0.02), rand(2, 3, 4, 5), rand(3), rand(3))
case("batch_norm/volume", batch_norm, rand(2, 2, 3, 2, 3), rand(2), rand(2))
case("batch_norm/plain", lambda x: batch_norm(x, None, None), rand(3, 2, 7))
case("batch_norm/channels_last", last(batch_norm), rand(2, 4, 5, 3), rand(3), rand(3))
case("batch_norm/matrix_channels_last", last(batch_norm), rand(7, 3), rand(3), rand(3))
case("batch_norm/offset", lambda x, g, b: batch_norm(x - 1e4, g, b), 1e4 + rand(5, 3, 4), rand(3), rand(3))
case("batch_norm/broadcast", batch_norm, repeat(4, 3, 5), rand(3), rand(3))

mean, var = oracle.data("mean", rand(3)), oracle.data("var", uniform(0.2, 3, 3))
case("batch_norm_inference/image", lambda x, g, b: F.batch_norm(x, mean, var, g, b, False, 0.1, 1e-3),
     rand(2, 3, 4, 5), rand(3), rand(3))
case("batch_norm_inference/plain", lambda x: F.batch_norm(x, mean, var), rand(5, 3))
case("batch_norm_inference/channels_last", last(lambda x, g, b: F.batch_norm(x, mean, var, g, b)),
     rand(2, 5, 3), rand(3), rand(3))

# The running statistics after one batch, and after a second.
running_mean, running_var = mean.clone(), var.clone()


def training(x, g, b):
    y = F.batch_norm(x, running_mean, running_var, g, b, True, 0.3, 1e-5)
    return y


case("batch_norm_training/first", training, rand(4, 3, 5), rand(3), rand(3))
oracle.add("running/first_mean", running_mean)
oracle.add("running/first_var", running_var)
case("batch_norm_training/second", training, rand(2, 3, 2), rand(3), rand(3))
oracle.add("running/second_mean", running_mean)
oracle.add("running/second_var", running_var)

for groups in (1, 2, 6):
    case(f"group_norm/{groups}", lambda x, g, b: F.group_norm(x, groups, g, b, 1e-4), rand(2, 6, 3, 2), rand(6), rand(6))
case("group_norm/plain", lambda x: F.group_norm(x, 2), rand(3, 10))
case("group_norm/sequence", lambda x, g, b: F.group_norm(x, 3, g, b), rand(2, 6, 5), rand(6), rand(6))
case("group_norm/channels_last", last(lambda x, g, b: F.group_norm(x, 2, g, b)), rand(2, 3, 5, 4), rand(4), rand(4))
case("group_norm/broadcast", lambda x, g, b: F.group_norm(x, 2, g, b), repeat(3, 4, 5), rand(4), rand(4))
case("instance_norm/image", lambda x, g, b: F.instance_norm(x, None, None, g, b, True, 0.1, 1e-3),
     rand(2, 3, 4, 5), rand(3), rand(3))
case("instance_norm/plain", lambda x: F.instance_norm(x), rand(2, 3, 7))
case("instance_norm/channels_last", last(lambda x, g, b: F.instance_norm(x, None, None, g, b)),
     rand(2, 3, 5, 2), rand(2), rand(2))
for size in (1, 3, 4, 9):
    case(f"local_response_norm/{size}", lambda x: F.local_response_norm(x, size, 0.5, 0.6, 1.5), rand(2, 7, 3))
case("local_response_norm/image", lambda x: F.local_response_norm(x, 5), 3 * rand(2, 6, 3, 2))
case("local_response_norm/channels_last", last(lambda x: F.local_response_norm(x, 3, 0.3)), 2 * rand(2, 3, 2, 5))
oracle.write()
