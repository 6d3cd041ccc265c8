"""Data sets, and batches of them."""

import pathlib
from typing import NamedTuple

import numpy as np

from . import _core

load_csv = _core.data.load_csv
parse_csv = _core.data.parse_csv
load_idx = _core.data.load_idx
parse_idx = _core.data.parse_idx


class Dataset(NamedTuple):
    """Examples and their classes."""

    features: np.ndarray  # (N, ...)
    labels: np.ndarray  # (N), integers

    def take(self, positions):
        """The examples at `positions`, in that order."""
        return Dataset(self.features[positions], self.labels[positions])

    @property
    def count(self):
        """Number of examples."""
        return self.labels.shape[0]

    @property
    def classes(self):
        """Highest label plus one; 0 without examples."""
        return int(self.labels.max(initial=-1)) + 1


def load_digits(path=None, dtype="float32"):
    """1,797 handwritten digits: features (1797, 64) from 0 to 1, 8 x 8 pixels row by row, and labels 0 to 9.

    path  the file digits.csv; None: the one that comes with this module. Alpaydin and Kaynak 1998.
    """
    if path is None:
        path = pathlib.Path(__file__).parent / "digits" / "digits.csv"
    return Dataset(*_core.data.load_digits(path, dtype))


def load_mnist(images, labels, dtype="float32"):
    """MNIST, Fashion-MNIST and the like from two IDX files, gzipped or not: features (N, H, W) from 0 to 1."""
    return Dataset(*_core.data.load_mnist(images, labels, dtype))


def to_dataset(values, label_column=-1):
    """One column of a table (rows, columns) as labels, the others as features."""
    values = np.asarray(values)
    labels = values[:, label_column]
    if not (labels == labels.astype(np.int64)).all():
        raise TypeError(f"to_dataset: column {label_column} holds labels that are no integers")
    return Dataset(np.delete(values, label_column, axis=1), labels.astype(np.int64))


def train_test_split(dataset, test_fraction, seed=0):
    """(train, test): each class gives the same share of its examples to the test set; the same for the same seed.

    scikit-learn: train_test_split(stratify=labels).
    """
    features, labels = dataset
    train, test = _core.batches.train_test_split(features, labels, test_fraction, seed)
    return Dataset(*train), Dataset(*test)


class BatchLoader:
    """Cuts a data set, which it copies, into batches, in a new order each epoch.

        for x, labels, indices in loader.epoch(3):
            ...

    The order depends on seed and epoch alone. One epoch runs at a time.

    last  "keep" or "drop" the examples that do not fill the last batch

    torch.utils.data.DataLoader.
    """

    def __init__(self, dataset, batch_size=32, shuffle=True, seed=0, last="keep"):
        features, labels = dataset
        self._loader = _core.batches.make(features, labels, batch_size, shuffle, seed, last)
        self._next_epoch = 0

    def __len__(self):
        """Batches an epoch."""
        return _core.batches.sizes(self._loader)[0]

    @property
    def examples(self):
        """Examples an epoch."""
        return _core.batches.sizes(self._loader)[1]

    def epoch(self, number):
        """The batches of epoch `number`, counted from 0: arrays (features, labels, indices)."""
        token = _core.batches.start(self._loader, number)
        return (_core.batches.next(self._loader, i, token) for i in range(len(self)))

    def __iter__(self):
        """The next epoch."""
        self._next_epoch += 1
        return iter(self.epoch(self._next_epoch - 1))


__all__ = ["BatchLoader", "Dataset", "load_csv", "load_digits", "load_idx", "load_mnist", "parse_csv", "parse_idx",
           "to_dataset", "train_test_split"]
