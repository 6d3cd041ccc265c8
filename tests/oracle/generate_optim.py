#!/usr/bin/env python3
"""Writes optim.npz. Run with Debian's python3-torch (1.13) to renew the file; the tests only read it.

Parameters after every step of a sequence of gradients, learning rates over time, gradients after clipping.
"""
import math

import torch
from torch.optim import lr_scheduler as schedules
from oracle import Oracle, rand

STEPS = 24
oracle = Oracle(32)
start = oracle.data("start", rand(7))
gradients = oracle.data("gradients", rand(STEPS, 7))


class Lion(torch.optim.Optimizer):
    """The formula of the paper; PyTorch has none."""

    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})
        self.m = 0

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                (b1, b2), lr = group["betas"], group["lr"]
                p.data = p.data * (1 - lr * group["weight_decay"]) - lr * torch.sign(b1 * self.m + (1 - b1) * p.grad)
                self.m = b2 * self.m + (1 - b2) * p.grad


optim = torch.optim
for name, rule, options in [
    ("sgd/plain", optim.SGD, {"lr": 0.1}),
    ("sgd/decay", optim.SGD, {"lr": 0.1, "weight_decay": 0.05}),
    ("sgd/momentum", optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    ("sgd/dampening", optim.SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    ("sgd/nesterov", optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("sgd/maximize", optim.SGD, {"lr": 0.05, "momentum": 0.8, "maximize": True}),
    ("adam/plain", optim.Adam, {"lr": 0.05}),
    ("adam/options", optim.Adam, {"lr": 0.05, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("adam/amsgrad", optim.Adam, {"lr": 0.05, "betas": (0.7, 0.8), "amsgrad": True}),
    ("adam/maximize", optim.Adam, {"lr": 0.05, "maximize": True}),
    ("adamw/plain", optim.AdamW, {"lr": 0.05}),
    ("adamw/options", optim.AdamW, {"lr": 0.05, "betas": (0.7, 0.8), "eps": 1e-3, "weight_decay": 0.3, "amsgrad": True}),
    ("adamax/plain", optim.Adamax, {"lr": 0.05}),
    ("adamax/options", optim.Adamax, {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("radam/plain", optim.RAdam, {"lr": 0.05}),
    ("radam/options", optim.RAdam, {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("rmsprop/plain", optim.RMSprop, {"lr": 0.02}),
    ("rmsprop/momentum", optim.RMSprop, {"lr": 0.02, "alpha": 0.8, "momentum": 0.7, "weight_decay": 0.1}),
    ("rmsprop/centered", optim.RMSprop, {"lr": 0.02, "alpha": 0.8, "centered": True, "eps": 1e-3}),
    ("adagrad/plain", optim.Adagrad, {"lr": 0.2}),
    ("adagrad/options", optim.Adagrad, {"lr": 0.2, "lr_decay": 0.1, "weight_decay": 0.1,
                                        "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("adadelta/plain", optim.Adadelta, {}),
    ("adadelta/options", optim.Adadelta, {"lr": 0.5, "rho": 0.7, "eps": 1e-2, "weight_decay": 0.1}),
    ("lion/options", Lion, {"lr": 0.02, "betas": (0.8, 0.95), "weight_decay": 0.1}),
]:
    p = torch.nn.Parameter(start.clone())
    optimizer = rule([p], **options)
    path = []
    for g in gradients:
        p.grad = g.clone()
        optimizer.step()
        path.append(p.detach().clone())
    oracle.add("steps/" + name, torch.stack(path))

for name, rule, options in [
    ("step", schedules.StepLR, {"step_size": 4, "gamma": 0.3}),
    ("multi_step", schedules.MultiStepLR, {"milestones": [3, 4, 11], "gamma": 0.5}),
    ("exponential", schedules.ExponentialLR, {"gamma": 0.9}),
    ("linear", schedules.LinearLR, {"start_factor": 1.0, "end_factor": 0.25, "total_iters": 12}),
    ("polynomial", schedules.PolynomialLR, {"total_iters": 15, "power": 2.5}),
    ("cosine", schedules.CosineAnnealingLR, {"T_max": 30, "eta_min": 0.01}),
    ("restarts", schedules.CosineAnnealingWarmRestarts, {"T_0": 3, "T_mult": 2, "eta_min": 0.02}),
    ("one_cycle", schedules.OneCycleLR, {"max_lr": 0.4, "total_steps": 31, "pct_start": 0.25, "div_factor": 10,
                                         "final_div_factor": 100}),
]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(start.clone())], lr=0.4)
    schedule = rule(optimizer, **options)
    rates = []
    for _ in range(30):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    oracle.add("schedule/" + name, torch.tensor(rates, dtype=torch.float64))

measures = oracle.data("measures", torch.cat([torch.linspace(3, 1, 8), 1 + 0.01 * torch.rand(30)]).double())
for name, mode, options in [
    ("plain", "min", {"patience": 2, "factor": 0.5}),
    ("cooldown", "min", {"patience": 1, "factor": 0.3, "cooldown": 3, "threshold": 0.01, "min_lr": 0.004}),
    ("max", "max", {"patience": 3, "factor": 0.5}),
]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(start.clone())], lr=0.4)
    schedule = schedules.ReduceLROnPlateau(optimizer, mode, eps=0, **options)
    rates = []
    for m in measures:
        schedule.step(m.item())
        rates.append(optimizer.param_groups[0]["lr"])
    oracle.add("plateau/" + name, torch.tensor(rates, dtype=torch.float64))

first, second = oracle.data("first", rand(3, 4)), oracle.data("second", rand(5))
for norm in (1.0, 2.0, 3.0, math.inf):
    for bound in (0.5, 100.0):
        parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in (first, second)]
        for p, g in zip(parameters, (first, second)):
            p.grad = g.clone()
        total = torch.nn.utils.clip_grad_norm_(parameters, bound, norm)
        name = f"clip/{norm}_{bound}"
        oracle.add(name + "/norm", total.double())
        oracle.add(name + "/first", parameters[0].grad)
        oracle.add(name + "/second", parameters[1].grad)
oracle.write()
