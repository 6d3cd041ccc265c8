#!/usr/bin/env python3
"""Writes loss_elementwise.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it.

in0 is the prediction and in1, where it has a gradient too, the target. Losses that PyTorch lacks, or whose targets it
does not differentiate, are composed of its operations.
"""
import torch
import torch.nn.functional as F
from oracle import Oracle, rand, repeat, uniform

oracle = Oracle(29)
SHAPE = (2, 3, 4)
score, target = rand(*SHAPE), rand(*SHAPE)
share = uniform(0.05, 0.95, *SHAPE)
probability = uniform(0.05, 0.95, *SHAPE)
count = torch.randint(0, 6, SHAPE).double()
rate = uniform(0.2, 4, *SHAPE)
variance = uniform(0.1, 2, *SHAPE)
signs = oracle.data("signs", 2.0 * (torch.rand(SHAPE) > 0.5).double() - 1)
counts = oracle.data("counts", count)
weight = oracle.data("weight", uniform(0.2, 2, *SHAPE))
row_weight = oracle.data("row_weight", uniform(0.2, 2, 4))
pos_weight = oracle.data("pos_weight", uniform(0.5, 3, 4))


def reduced(loss, mode):
    return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[mode]


def bce(p, t):
    return -(t * p.log() + (1 - t) * (1 - p).log())


def bce_logits(x, t, positive=1.0):
    return positive * t * F.softplus(-x) + (1 - t) * F.softplus(x)


def focal(p, t, alpha, gamma):
    s, a = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    return a * (1 - s).pow(gamma) * bce(p, t)


def log_cosh(p, t):
    e = (p - t).abs()
    return e + torch.log1p(torch.exp(-2 * e)) - torch.log(torch.tensor(2.0, dtype=torch.float64))


FORMULAS = {
    "log_cosh": (log_cosh, score, 3 * target),
    "bce": (bce, probability, share),
    "bce_with_logits": (bce_logits, 4 * score, share),
    "bce_weighted": (lambda p, t: row_weight * bce(p, t), probability, share),
    "bce_pos_weight": (lambda x, t: weight * bce_logits(x, t, pos_weight), 4 * score, share),
    "focal": (lambda p, t: focal(p, t, 0.25, 2.0), probability, share),
    "focal_options": (lambda p, t: focal(p, t, 0.6, 1.5), probability, share),
    "focal_with_logits": (lambda x, t: focal(torch.sigmoid(x), t, 0.25, 2.0), 2 * score, share),
    "hinge": (lambda p, t: F.relu(1 - t * p), score, target),
    "squared_hinge": (lambda p, t: F.relu(1 - t * p).pow(2), score, target),
    "kl_div_probabilities": (lambda p, t: t * ((t + 1e-10) / (p + 1e-10)).log(), probability, share),
}
for mode in ("none", "mean", "sum"):
    def case(name, function, *inputs):
        oracle.case(f"{name}/{mode}", lambda *x: function(*x, reduction=mode), *inputs)

    case("mse", F.mse_loss, score, target)
    case("l1", F.l1_loss, score, target)
    for delta in (0.5, 2.0):
        case(f"huber_{delta}", lambda p, t, **k: F.huber_loss(p, t, delta=delta, **k), score, target)
    for beta in (0.0, 0.7):
        case(f"smooth_l1_{beta}", lambda p, t, **k: F.smooth_l1_loss(p, t, beta=beta, **k), score, target)
    case("poisson_nll", lambda p, **k: F.poisson_nll_loss(p, counts, **k), score)
    case("poisson_nll_full", lambda p, **k: F.poisson_nll_loss(p, counts, full=True, **k), score)
    case("poisson_nll_rate", lambda p, **k: F.poisson_nll_loss(p, counts, log_input=False, eps=1e-3, full=True, **k), rate)
    case("gaussian_nll", lambda p, t, v, **k: F.gaussian_nll_loss(p, t, v, **k), score, target, variance)
    case("gaussian_nll_full", lambda p, t, v, **k: F.gaussian_nll_loss(p, t, v, full=True, **k), score, target, variance)
    case("kl_div", lambda p, t, **k: F.kl_div(p, t, **k), probability.log(), share)
    case("kl_div_log_target", lambda p, t, **k: F.kl_div(p, t, log_target=True, **k), probability.log(), share.log())
    case("soft_margin", lambda p, **k: F.soft_margin_loss(p, signs, **k), 3 * score)
    for margin in (0.0, 0.4):
        case(f"margin_ranking_{margin}", lambda a, b, **k: F.margin_ranking_loss(a, b, signs, margin=margin, **k),
             score, target)
    # PyTorch's own binary losses, too: their targets have no gradient there.
    fixed = torch.from_numpy(oracle.arrays.setdefault("shares", share.float().numpy())).double()
    case("torch_bce", lambda p, **k: F.binary_cross_entropy(p, fixed, **k), probability)
    case("torch_bce_with_logits", lambda p, **k: F.binary_cross_entropy_with_logits(
        p, fixed, weight=row_weight, pos_weight=pos_weight, **k), 6 * score)
    for name, (formula, p, t) in FORMULAS.items():
        case(name, lambda p, t, reduction: reduced(formula(p, t), reduction), p, t)
oracle.case("kl_div/batch_mean", lambda p, t: F.kl_div(p, t, reduction="batchmean"), probability.log(), share)
oracle.case("mse/broadcast", F.mse_loss, repeat(3, 7), rand(3, 7))
oracle.write()
