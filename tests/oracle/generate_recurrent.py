#!/usr/bin/env python3
"""Writes recurrent.npz: recurrent networks and their gradients as PyTorch computes them in float64.

Run with Debian's python3-torch (1.13) to renew the file; the tests only read it. Per case NAME: NAME/x, NAME/h0,
NAME/c0 (LSTM), NAME/lengths (some), NAME/wI (weights in PyTorch's order), the results NAME/y, NAME/h, NAME/c, random
gradients of them NAME/dy, NAME/dh, NAME/dc, and the gradients NAME/gx, NAME/gh0, NAME/gc0, NAME/gwI. What goes in is
exact in float and stored so.
"""
import pathlib

import numpy as np
import torch
from oracle import exact, rand

torch.manual_seed(21)
cases = {}


def case(name, kind, lengths=None, bias=True, layers=1, both=False, batch_first=False, nonlinearity=None):
    steps, batch, features, hidden = 4, 3, 3, 4
    extra = {} if nonlinearity is None else {"nonlinearity": nonlinearity}
    net = kind(features, hidden, layers, bias=bias, bidirectional=both, batch_first=batch_first, dtype=torch.float64,
               **extra)
    with torch.no_grad():
        for w in net.parameters():
            w.copy_(exact(w))
    x = rand(batch, steps, features) if batch_first else rand(steps, batch, features)
    states = [rand(layers * (1 + both), batch, hidden) for _ in range(2 if kind is torch.nn.LSTM else 1)]
    for v in [x] + states:
        v.requires_grad_()
    start = tuple(states) if len(states) == 2 else states[0]
    if lengths is None:
        y, last = net(x, start)
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first, enforce_sorted=False)
        y, last = net(packed, start)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first, total_length=steps)
        cases[name + "/lengths"] = np.array(lengths, dtype=np.int64)
    last = last if isinstance(last, tuple) else (last,)
    results = dict(zip("yhc", (y,) + last))
    seeds = {k: rand(*v.shape) for k, v in results.items()}
    torch.autograd.backward(list(results.values()), list(seeds.values()))
    for k, v in results.items():
        cases[f"{name}/{k}"] = v.detach().numpy()
        cases[f"{name}/d{k}"] = seeds[k].float().numpy()
    for k, v in {"x": x, **dict(zip(("h0", "c0"), states))}.items():
        cases[f"{name}/{k}"] = v.detach().float().numpy()
        cases[f"{name}/g{k}"] = v.grad.numpy()
    for i, w in enumerate(net.parameters()):
        cases[f"{name}/w{i}"] = w.detach().float().numpy()
        cases[f"{name}/gw{i}"] = w.grad.numpy()


for name, kind, extra in (("rnn", torch.nn.RNN, {}), ("rnn_relu", torch.nn.RNN, {"nonlinearity": "relu"}),
                          ("lstm", torch.nn.LSTM, {}), ("gru", torch.nn.GRU, {})):
    case(name + "/plain", kind, **extra)
    case(name + "/no_bias_batch_first", kind, bias=False, batch_first=True, **extra)
    case(name + "/both_deep", kind, both=True, layers=2, **extra)
    case(name + "/lengths", kind, lengths=[2, 4, 1], both=True, layers=2, **extra)

path = pathlib.Path(__file__).with_name("recurrent.npz")
np.savez_compressed(path, **cases)
print(f"{path.name}: {sum(k.endswith('/y') for k in cases)} cases, {path.stat().st_size} bytes, PyTorch {torch.__version__}")
