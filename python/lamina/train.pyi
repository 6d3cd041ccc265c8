# Written by python/tests/write_stubs.py.

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Optional, Protocol, Union, overload

import numpy as np
import numpy.typing as npt

from .tensor import AnyArray, Array, ArrayLike, BoolArrayLike, DTypeLike, Generator, IntArrayLike, Ints, Operand, Padding, Parameters, Path, Reduction, SupportsDLPack, Tensor, UpdateOptions, Weights

class Epoch:
    number: int
    lr: float
    train_loss: float
    train_accuracy: Optional[float]
    validation_loss: Optional[float]
    validation_accuracy: Optional[float]
    def __init__(self, number: Any, lr: Any, train_loss: Any, train_accuracy: Any = None, validation_loss: Any = None, validation_accuracy: Any = None) -> None: ...
    def __call__(self, step: int) -> float: ...

class Trainer:
    def __init__(self, module: Any, optimizer: Any, loss: Any = ..., *, accuracy: bool = True, schedule: Any = None, clip_norm: Any = None) -> None: ...
    def train_batch(self, x: Any, y: Any) -> tuple[float, int]: ...
    def fit(self, batches: Any, epochs: Any, validation: Any = None, callback: Any = None, progress: bool = False) -> list[Epoch]: ...
    def evaluate(self, dataset: Any, batch_size: int = 1024) -> tuple[float, Optional[float]]: ...
