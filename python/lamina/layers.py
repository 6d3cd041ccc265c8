"""Parts of models: layers with their parameters, and modules made of them.

    class Net(lamina.layers.Module):
        def __init__(self):
            super().__init__()
            self.hidden = lamina.layers.Linear(64, 32)
            self.out = lamina.layers.Linear(32, 10)

        def forward(self, x):
            return self.out(lamina.nn.relu(self.hidden(x)))
"""

import inspect

import numpy as np

from . import _core
from .tensor import Tensor

_layer = _core.layer


class Module:
    """A part of a model: Tensors, which are parameters, and modules, held as attributes or in lists, tuples and
    dicts that are attributes. Derive from it and write forward().

    torch.nn.Module.
    """

    training = True

    def forward(self, *inputs):
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *inputs, **options):
        return self.forward(*inputs, **options)

    def register_buffer(self, name, tensor):
        """Makes a Tensor the attribute `name` that is saved but not trained."""
        if not isinstance(tensor, Tensor):
            raise TypeError("a buffer must be a lamina.Tensor")
        self.__dict__.setdefault("_buffer_names", []).append(name)
        setattr(self, name, tensor)

    def _members(self):
        """Pairs (name, Tensor or Module), in the order of the attributes."""
        for name, value in vars(self).items():
            if name.startswith("_"):
                continue
            if isinstance(value, (list, tuple)):
                items = [(f"{name}.{i}", v) for i, v in enumerate(value)]
            elif isinstance(value, dict):
                items = [(f"{name}.{k}", v) for k, v in value.items()]
            else:
                items = [(name, value)]
            yield from ((n, v) for n, v in items if isinstance(v, (Tensor, Module)))

    def named_children(self):
        """Modules inside this one, with their names."""
        return [(name, value) for name, value in self._members() if isinstance(value, Module)]

    def _own(self, buffers):
        names = vars(self).get("_buffer_names", [])
        return [(name, value) for name, value in self._members()
                if isinstance(value, Tensor) and (name in names) == buffers]

    def _collect(self, buffers):
        found = self._own(buffers)
        for name, child in self.named_children():
            found += [(f"{name}.{path}", tensor) for path, tensor in child._collect(buffers)]
        return found

    def parameters(self):
        """All that is trained: a list of (name, Tensor). A Tensor in two places comes once, under its first name."""
        return _distinct(self._collect(False))

    def buffers(self):
        """What is saved but not trained, such as running statistics: a list of (name, Tensor)."""
        return _distinct(self._collect(True))

    def parameter_count(self):
        """Numbers that are trained."""
        return sum(tensor.size for _, tensor in self.parameters())

    def train(self, training=True):
        """Training mode of this module and all inside it: dropout drops, normalization takes the batch's statistics."""
        self.training = training
        for _, child in self.named_children():
            child.train(training)
        return self

    def eval(self):
        """train(False)."""
        return self.train(False)

    def zero_grad(self):
        """Forgets the gradients of all parameters."""
        for _, tensor in self.parameters():
            tensor.zero_grad()

    def set_requires_grad(self, requires_grad):
        """Freezes or thaws all parameters."""
        for _, tensor in self.parameters():
            tensor.requires_grad = requires_grad

    def state_dict(self):
        """Copies of all parameters and buffers, by name, as NumPy arrays."""
        return {name: tensor.numpy().copy() for name, tensor in self.parameters() + self.buffers()}

    def load_state_dict(self, state, strict=True):
        """Takes values over. ValueError that lists every name that only one side has (unless strict is False) or
        that has another shape; nothing is changed then."""
        mine = dict(self.parameters() + self.buffers())
        values = {}
        wrong = []
        if strict:
            wrong += [f"{name} is missing" for name in mine if name not in state]
            wrong += [f"{name} is not expected" for name in state if name not in mine]
        for name in mine.keys() & state.keys():
            values[name] = np.asarray(state[name])
            if values[name].shape != mine[name].shape:
                wrong.append(f"{name} has shape {values[name].shape}, {mine[name].shape} is needed")
            elif values[name].dtype != mine[name].dtype:
                raise TypeError(f"load_state_dict: {name} has element type {values[name].dtype}, "
                                f"{mine[name].dtype} is needed")
        if wrong:
            raise ValueError("load_state_dict: " + "; ".join(sorted(wrong)))
        for name, value in values.items():
            mine[name].assign(value)

    def describe(self):
        """A line for each module, with its number of parameters."""
        lines = []

        def visit(module, label, depth):
            lines.append((" " * 2 * depth + label + module.name(), module.parameter_count()))
            for name, child in module.named_children():
                visit(child, f"{name}: ", depth + 1)

        visit(self, "", 0)
        width = max(len(text) for text, _ in lines)
        return "\n".join(f"{text:<{width}}  {count:>10,}" for text, count in lines)

    def name(self):
        """What it is, in one line."""
        return type(self).__name__

    def __repr__(self):
        children = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        return "\n".join([self.name() + "(", *children, ")"]) if children else self.name()


def _distinct(named):
    result = []
    for name, tensor in named:
        if not any(_core.tensor.is_same(tensor, other) for _, other in result):
            result.append((name, tensor))
    return result


class Layer(Module):
    """A layer of the C++ library. Calling it with a Tensor or an array gives a Tensor."""

    def __init__(self, *args, **options):
        self._layer = self._make(*args, **options)

    def forward(self, x):
        return _layer.forward(self._layer, x)

    def _own(self, buffers):
        return _layer.buffers(self._layer) if buffers else _layer.parameters(self._layer)

    def __getattr__(self, name):
        if name != "_layer":
            for path, tensor in self._own(False) + self._own(True):
                if path == name:
                    return tensor
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __dir__(self):
        return [*super().__dir__(), *(name for name, _ in self._own(False) + self._own(True))]

    def train(self, training=True):
        super().train(training)
        _layer.train(self._layer, training)
        return self

    def name(self):
        return _layer.name(self._layer)


class _Embedding(Layer):
    def forward(self, indices):
        return _layer.forward_indices(self._layer, indices)


class _MultiheadAttention(Layer):
    def forward(self, x, context=None, mask=None, **options):
        """Attention of x to itself, or to `context`; mask and options as for nn.scaled_dot_product_attention."""
        if context is None and mask is None and not options:
            return _layer.forward(self._layer, x)
        return _layer.forward_context(self._layer, x, x if context is None else context, mask, **options)


class _RNN(Layer):
    def run(self, x, h0=None, lengths=None):
        """(y, h): the outputs of all steps and the final states. lengths (N): how many steps each item has."""
        return _layer.run_rnn(self._layer, x, h0, lengths)


class _GRU(Layer):
    def run(self, x, h0=None, lengths=None):
        """(y, h): the outputs of all steps and the final states. lengths (N): how many steps each item has."""
        return _layer.run_gru(self._layer, x, h0, lengths)


class _LSTM(Layer):
    def run(self, x, h0=None, c0=None, lengths=None):
        """(y, h, c): the outputs of all steps and the final states. lengths (N): how many steps each item has."""
        return _layer.run_lstm(self._layer, x, h0, c0, lengths)


class _RNNCell(Layer):
    def forward(self, x, h=None):
        return _layer.step_rnn(self._layer, x, h)


class _GRUCell(Layer):
    def forward(self, x, h=None):
        return _layer.step_gru(self._layer, x, h)


class _LSTMCell(Layer):
    def forward(self, x, h=None, c=None):
        return _layer.step_lstm(self._layer, x, h, c)


# Layers that are called with something else than one array.
_BASES = {"Embedding": _Embedding, "MultiheadAttention": _MultiheadAttention, "RNN": _RNN, "GRU": _GRU,
          "LSTM": _LSTM, "RNNCell": _RNNCell, "GRUCell": _GRUCell, "LSTMCell": _LSTMCell}


def _layer_class(name, make):
    signature = inspect.signature(make)

    def __init__(self, *args, **options):
        Layer.__init__(self, *args, **options)

    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(parameters=[self, *signature.parameters.values()])
    __init__.__qualname__ = f"{name}.__init__"
    return type(name, (_BASES.get(name, Layer),),
                {"__doc__": make.__doc__, "__init__": __init__, "__module__": __name__,
                 "_make": staticmethod(make)})


_names = [name for name in vars(_core.layers) if not name.startswith("_")]
globals().update({name: _layer_class(name, getattr(_core.layers, name)) for name in _names})


class Sequential(Module):
    """Modules one after the other: Sequential(Linear(64, 32), ReLU(), Linear(32, 10)). torch.nn.Sequential."""

    def __init__(self, *modules):
        self._modules = []
        for module in modules:
            self.append(module)

    def append(self, module):
        """Adds a module at the end."""
        if not isinstance(module, Module):
            raise TypeError(f"Sequential takes modules, not {type(module).__name__}")
        self._modules.append(module)
        return self

    def _members(self):
        return ((str(i), module) for i, module in enumerate(self._modules))

    def forward(self, x):
        for module in self._modules:
            x = module(x)
        return x

    def __len__(self):
        return len(self._modules)

    def __getitem__(self, i):
        return Sequential(*self._modules[i]) if isinstance(i, slice) else self._modules[i]

    def __iter__(self):
        return iter(self._modules)


__all__ = ["Module", "Layer", "Sequential", *_names]
