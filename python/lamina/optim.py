"""Optimizers, learning rates over time, and clipping of gradients.

    optimizer = lamina.optim.AdamW(net.parameters(), lr=2e-3)
    loss.backward(); optimizer.step(); optimizer.zero_grad()
"""

import dataclasses
import inspect

from . import _core

_optimizer = _core.optimizer
clip_grad_norm = _core.optim.clip_grad_norm
clip_grad_value = _core.optim.clip_grad_value


class Optimizer:
    """Changes parameters by their gradients: one update rule for each group of parameters.

    parameters  Tensors, or pairs of a name and a Tensor as module.parameters() gives them
    options     the rule and its numbers, e.g. lamina.nn.AdamOptions(lr=1e-3)

    torch.optim.Optimizer.
    """

    def __init__(self, parameters, options):
        self._optimizer = _optimizer.optimizer(parameters, options)

    def add_group(self, parameters, options):
        """More parameters, with a rule of their own."""
        _optimizer.add_group(self._optimizer, parameters, options)

    @property
    def group_count(self):
        """Number of groups."""
        return _optimizer.group_count(self._optimizer)

    def options(self, group=0):
        """The rule of a group and its numbers."""
        return _optimizer.options(self._optimizer, group)

    def set_options(self, options, group=0):
        """Another rule, or other numbers, from the next step on."""
        _optimizer.set_options(self._optimizer, options, group)

    @property
    def lr(self):
        """Learning rate of the first group; setting it sets that of all."""
        return _optimizer.lr(self._optimizer)

    @lr.setter
    def lr(self, lr):
        _optimizer.set_lr(self._optimizer, lr)

    def get_lr(self, group=0):
        """Learning rate of a group."""
        return _optimizer.lr(self._optimizer, group)

    def set_lr(self, lr, group=None):
        """Learning rate of a group, or of all."""
        _optimizer.set_lr(self._optimizer, lr, group)

    def step(self):
        """One step of all parameters that have a gradient."""
        _optimizer.step(self._optimizer)

    def zero_grad(self):
        """Forgets all gradients."""
        _optimizer.zero_grad(self._optimizer)

    @property
    def steps(self):
        """Calls of step() so far."""
        return _optimizer.steps(self._optimizer)

    def state(self):
        """All that it remembers, by name, as arrays of float64: for a checkpoint."""
        return _optimizer.state(self._optimizer)

    def load_state(self, state):
        """Takes over what state() gave, for the same parameters. ValueError that names what does not fit."""
        _optimizer.load_state(self._optimizer, state)

    def __repr__(self):
        options = ", ".join(repr(self.options(i)) for i in range(self.group_count))
        return f"{type(self).__name__}({options})"


def _rule_class(name, make):
    signature = inspect.signature(make)
    parameters = [inspect.Parameter("parameters", inspect.Parameter.POSITIONAL_OR_KEYWORD),
                  *signature.parameters.values()]

    def __init__(self, parameters, *args, **options):
        Optimizer.__init__(self, parameters, make(*args, **options))

    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(parameters=[self, *parameters])
    __init__.__qualname__ = f"{name}.__init__"
    return type(name, (Optimizer,), {"__doc__": make.__doc__, "__init__": __init__, "__module__": __name__})


_rules = {"SGD": "SgdOptions", "Adam": "AdamOptions", "AdamW": "AdamWOptions", "Adamax": "AdamaxOptions",
          "RAdam": "RAdamOptions", "RMSProp": "RmsPropOptions", "Adagrad": "AdagradOptions",
          "Adadelta": "AdadeltaOptions", "Lion": "LionOptions"}
globals().update({name: _rule_class(name, getattr(_core.nn, options)) for name, options in _rules.items()})


class _Schedule:
    def __call__(self, step):
        """The rate at a step, counted from 0."""
        return getattr(_optimizer, type(self).__name__)(step, *dataclasses.astuple(self))


@dataclasses.dataclass(frozen=True)
class StepSchedule(_Schedule):
    """lr gamma^floor(step / every). torch.optim.lr_scheduler.StepLR."""

    lr: float = 1.0
    every: int = 1
    gamma: float = 0.1


@dataclasses.dataclass(frozen=True)
class MultiStepSchedule(_Schedule):
    """lr gamma^(number of milestones <= step). torch.optim.lr_scheduler.MultiStepLR."""

    lr: float = 1.0
    milestones: tuple = ()
    gamma: float = 0.1


@dataclasses.dataclass(frozen=True)
class ExponentialSchedule(_Schedule):
    """lr gamma^step. torch.optim.lr_scheduler.ExponentialLR."""

    lr: float = 1.0
    gamma: float = 0.99


@dataclasses.dataclass(frozen=True)
class PolynomialSchedule(_Schedule):
    """end + (lr - end) (1 - step / total)^power, after `total` steps constant."""

    lr: float = 1.0
    total: int = 1
    end: float = 0.0
    power: float = 1.0


@dataclasses.dataclass(frozen=True)
class CosineSchedule(_Schedule):
    """Half a cosine from lr to end in `total` steps, then constant. Loshchilov and Hutter 2017."""

    lr: float = 1.0
    total: int = 1
    end: float = 0.0


@dataclasses.dataclass(frozen=True)
class CosineRestartsSchedule(_Schedule):
    """CosineSchedule again and again, each period `growth` times as long as the one before."""

    lr: float = 1.0
    period: int = 1
    growth: int = 1
    end: float = 0.0


@dataclasses.dataclass(frozen=True)
class WarmupCosineSchedule(_Schedule):
    """A straight line from start to lr in `warmup` steps, then a cosine down to end at `total`."""

    lr: float = 1.0
    warmup: int = 0
    total: int = 1
    start: float = 0.0
    end: float = 0.0


@dataclasses.dataclass(frozen=True)
class OneCycleSchedule(_Schedule):
    """Up to max_lr in the first `pct_start` of the steps, then down. Smith and Topin 2019."""

    max_lr: float = 1.0
    total: int = 2
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4


class ReduceOnPlateau:
    """Lowers the rate by `factor` when a measure has not become better for `patience` calls.

        optimizer.lr = plateau(validation_loss)

    torch.optim.lr_scheduler.ReduceLROnPlateau with a relative threshold.
    """

    def __init__(self, lr, *, factor=0.1, patience=10, cooldown=0, threshold=1e-4, min_lr=0.0, maximize=False):
        self._plateau = _optimizer.ReduceOnPlateau(lr, factor, patience, cooldown, threshold, min_lr, maximize)

    def __call__(self, measure):
        """The rate after seeing this measure."""
        return _optimizer.plateau_rate(self._plateau, measure)


class Scheduler:
    """Drives an optimizer's rates: each group has its first rate times factor(step).

        scheduler = Scheduler(optimizer, CosineSchedule(total=100))
        ... optimizer.step(); scheduler.step()
    """

    def __init__(self, optimizer, factor):
        self._optimizer = optimizer
        self._factor = factor
        self._rates = [optimizer.get_lr(i) for i in range(optimizer.group_count)]
        self.set_step(0)

    def step(self):
        """Goes on to the next step's rates."""
        self.set_step(self.current_step + 1)

    def set_step(self, step):
        """To a given step, for instance after loading a checkpoint."""
        for i, rate in enumerate(self._rates):
            self._optimizer.set_lr(rate * self._factor(step), i)
        self.current_step = step


__all__ = ["Optimizer", *_rules, "StepSchedule", "MultiStepSchedule", "ExponentialSchedule", "PolynomialSchedule",
           "CosineSchedule", "CosineRestartsSchedule", "WarmupCosineSchedule", "OneCycleSchedule", "ReduceOnPlateau",
           "Scheduler", "clip_grad_norm", "clip_grad_value"]
