"""What the generators share: cases of inputs, results and gradients, written to one .npz a family.

Per case NAME the file holds NAME/in0, in1 ... the inputs, NAME/y the result, NAME/dy a random gradient of it, and
NAME/g0 ... the gradients of the inputs. Inputs and dy are numbers that float holds exactly, and are stored as float;
results and gradients are PyTorch's in float64. What is not differentiated (labels, masks) is stored by Oracle.data.

In a case whose name ends in "/broadcast", in0 repeats along its first axis; the tests then make it so by a stride of 0.
"""
import inspect
import pathlib

import numpy as np
import torch


def exact(x):
    """The nearest number that float holds."""
    return x.float().double() if x.is_floating_point() else x


def rand(*shape):
    return exact(torch.randn(*shape, dtype=torch.float64))


def uniform(low, high, *shape):
    return exact(low + (high - low) * torch.rand(*shape, dtype=torch.float64))


def repeat(n, *shape):
    """Random numbers of one row, n times."""
    return rand(1, *shape).repeat(n, *[1] * len(shape))


class Oracle:
    def __init__(self, seed):
        torch.manual_seed(seed)
        self.arrays = {}
        caller = pathlib.Path(inspect.stack()[1].filename)
        self.path = caller.with_name(caller.stem.removeprefix("generate_") + ".npz")

    def add(self, name, x):
        assert name not in self.arrays, name
        x = x.detach()
        self.arrays[name] = x.numpy().copy() if isinstance(x, torch.Tensor) else x
        return x

    def data(self, name, x):
        """A constant of the cases: labels, a mask, weights."""
        if x.dtype == torch.float64:
            x = exact(x)
            self.add(name, x.float())
            return x
        return self.add(name, x)

    def case(self, name, function, *inputs):
        inputs = [exact(x.detach().clone()).contiguous().requires_grad_() for x in inputs]
        y = function(*inputs)
        dy = exact(torch.randn(y.shape, dtype=torch.float64))
        y.backward(dy)
        for i, x in enumerate(inputs):
            self.add(f"{name}/in{i}", x.detach().float())
            self.add(f"{name}/g{i}", x.grad)
        self.add(f"{name}/y", y)
        self.add(f"{name}/dy", dy.float())

    def write(self):
        np.savez(self.path, **self.arrays)
        cases = sum(key.endswith("/y") for key in self.arrays)
        print(f"{self.path.name}: {cases} cases, {self.path.stat().st_size} bytes, PyTorch {torch.__version__}")
