#!/usr/bin/env python3
"""Writes loss_classes.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it.

PyTorch has the classes on axis 1, the library on the last.
"""
import torch
import torch.nn.functional as F
from oracle import Oracle, rand, repeat, uniform

oracle = Oracle(30)
labels = oracle.data("labels", torch.tensor([0, 3, 2, 2, 1, 0]))
positions = oracle.data("positions", torch.tensor([[0, 3, 2], [1, 1, 4]]))
one = oracle.data("one", torch.tensor(2))
weight = oracle.data("weight", uniform(0.3, 2, 4))
several = oracle.data("several", torch.tensor([[1, 3, -1, 0], [2, -1, 1, 1], [0, 1, 2, 3], [-1, 2, 2, 2]]))
yes = oracle.data("yes", (torch.rand(4, 4) > 0.5).double())
soft = torch.softmax(rand(6, 4), 1)
logits, probability = 4 * rand(6, 4), torch.softmax(rand(6, 4), 1)
last = lambda x: x.movedim(-1, 1)


def categorical(t, p, s, w):
    t = t * (1 - s) + s / t.shape[-1]
    return -(w * t * p.log()).sum(-1)


def reduced(loss, mode):
    return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[mode]


for mode in ("none", "mean", "sum"):
    def case(name, function, *inputs):
        oracle.case(f"{name}/{mode}", lambda *x: function(*x, reduction=mode), *inputs)

    for name, options in {
        "plain": {}, "ignore": {"ignore_index": 2}, "smooth": {"label_smoothing": 0.1}, "weight": {"weight": weight},
        "all": {"ignore_index": 2, "label_smoothing": 0.2, "weight": weight},
    }.items():
        case(f"cross_entropy_{name}", lambda x, **k: F.cross_entropy(x, labels, **options, **k), logits)
        if "label_smoothing" not in options:
            case(f"nll_{name}", lambda x, **k: F.nll_loss(x, labels, **options, **k), F.log_softmax(logits, 1))
            case(f"sparse_{name}", lambda x, **k: F.nll_loss(x.log(), labels, **options, **k), probability)
    case("cross_entropy_positions", lambda x, **k: F.cross_entropy(last(x), positions, **k), rand(2, 3, 5))
    case("cross_entropy_one", lambda x, **k: F.cross_entropy(x, one, **k), rand(5))
    case("cross_entropy_soft", lambda x, t, **k: F.cross_entropy(x, t, **k), logits, soft)
    case("cross_entropy_soft_all",
         lambda x, t, **k: F.cross_entropy(x, t, weight=weight, label_smoothing=0.2, **k), logits, soft)
    case("cross_entropy_soft_positions", lambda x, t, **k: F.cross_entropy(last(x), last(t), **k),
         rand(2, 3, 5), torch.softmax(rand(2, 3, 5), -1))
    case("categorical", lambda p, t, reduction: reduced(categorical(t, p, 0, 1), reduction), probability, soft)
    case("categorical_all", lambda p, t, reduction: reduced(categorical(t, p, 0.2, weight), reduction), probability, soft)
    case("multi_margin", lambda x, **k: F.multi_margin_loss(x, labels, **k), logits)
    case("multi_margin_all", lambda x, **k: F.multi_margin_loss(x, labels, p=2, margin=0.6, weight=weight, **k), logits)
    case("multi_label_margin", lambda x, **k: F.multilabel_margin_loss(x, several, **k), rand(4, 4))
    case("multi_label_soft_margin", lambda x, **k: F.multilabel_soft_margin_loss(x, yes, **k), 3 * rand(4, 4))
    case("multi_label_soft_margin_weight", lambda x, **k: F.multilabel_soft_margin_loss(x, yes, weight=weight, **k),
         3 * rand(4, 4))
oracle.case("cross_entropy/broadcast", lambda x: F.cross_entropy(x, labels), repeat(6, 4))

# CTC behind log_softmax, where PyTorch's gradient is that of the formula.
spelled = oracle.data("ctc_labels", torch.tensor([[1, 1, 2, 4], [3, 2, 3, 1], [2, 0, 0, 0], [4, 3, 2, 1]]))
frames = oracle.data("ctc_frames", torch.tensor([9, 8, 3, 7]))
letters = oracle.data("ctc_letters", torch.tensor([3, 4, 1, 0]))
tight = oracle.data("ctc_tight", torch.tensor([9, 3, 3, 7]))
other = oracle.data("ctc_other", torch.tensor([[1, 1, 2, 0], [3, 2, 3, 1], [2, 0, 0, 0], [0, 3, 2, 1]]))
for mode in ("none", "mean", "sum"):
    ctc = lambda x, t, n, **k: F.ctc_loss(F.log_softmax(x, 2), t, n, letters, reduction=mode, **k)
    oracle.case(f"ctc_plain/{mode}", lambda x: ctc(x, spelled, frames), 2 * rand(9, 4, 5))
    oracle.case(f"ctc_blank/{mode}", lambda x: ctc(x, other, frames, blank=4), 2 * rand(9, 4, 5))
    oracle.case(f"ctc_zero_infinity/{mode}", lambda x: ctc(x, spelled, tight, zero_infinity=True), 2 * rand(9, 4, 5))
oracle.write()
