"""A training loop.

    trainer = lamina.train.Trainer(net, lamina.optim.AdamW(net.parameters(), lr=2e-3))
    history = trainer.fit(lamina.data.BatchLoader(train), epochs=20, validation=test)
"""

import dataclasses
import sys
from typing import Optional

from . import nn, optim
from .data import BatchLoader
from .tensor import no_grad


@dataclasses.dataclass
class Epoch:
    """What one epoch came to. Losses are means over examples, accuracies shares of them."""

    number: int
    lr: float
    train_loss: float
    train_accuracy: Optional[float] = None
    validation_loss: Optional[float] = None
    validation_accuracy: Optional[float] = None

    def __str__(self):
        text = f"epoch {self.number + 1}: loss {self.train_loss:.4f}"
        if self.train_accuracy is not None:
            text += f", accuracy {self.train_accuracy:.4f}"
        if self.validation_loss is not None:
            text += f", validation loss {self.validation_loss:.4f}"
        if self.validation_accuracy is not None:
            text += f", accuracy {self.validation_accuracy:.4f}"
        return text


class Trainer:
    """Trains a module.

    module     anything callable with train(), eval() and parameters()
    optimizer  its optimizer
    loss       loss(y_true, y_pred), the mean over a batch
    accuracy   whether y_true holds classes and y_pred their scores, so that right guesses can be counted
    schedule   rate of a step, counted from 0 over all epochs; None: the optimizer's own
    clip_norm  the gradients' greatest common norm, or None
    """

    def __init__(self, module, optimizer, loss=nn.cross_entropy, *, accuracy=True, schedule=None, clip_norm=None):
        self.module = module
        self.optimizer = optimizer
        self.loss = loss
        self.accuracy = accuracy
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.history = []
        self.step = 0

    def train_batch(self, x, y):
        """One step on one batch: (loss, right guesses)."""
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(self.step)
        prediction = self.module(x)
        loss = self.loss(y, prediction)
        loss.backward()
        if self.clip_norm is not None:
            optim.clip_grad_norm(self.module.parameters(), self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return loss.item(), self._right(y, prediction)

    def _right(self, y, prediction):
        return int((nn.argmax(prediction, axis=-1) == y).sum()) if self.accuracy else 0

    def fit(self, batches, epochs, validation=None, callback=None, progress=False):
        """Trains for some epochs; returns the history, a list of Epoch, which grows from call to call.

        batches     a BatchLoader
        validation  a data set that is evaluated after each epoch, or None
        callback    called with each Epoch; returning True ends the training
        progress    writes a line for each epoch to stderr
        """
        for _ in range(epochs):
            self.module.train()
            number = len(self.history)
            loss, right, count = 0.0, 0, 0
            for x, y, _ in batches.epoch(number):
                batch_loss, batch_right = self.train_batch(x, y)
                loss += batch_loss * len(y)
                right += batch_right
                count += len(y)
            epoch = Epoch(number, self.optimizer.lr, loss / max(count, 1))
            if self.accuracy:
                epoch.train_accuracy = right / max(count, 1)
            if validation is not None:
                epoch.validation_loss, epoch.validation_accuracy = self.evaluate(validation)
            self.history.append(epoch)
            if progress:
                print(epoch, file=sys.stderr)
            if callback is not None and callback(epoch):
                break
        return self.history

    def evaluate(self, dataset, batch_size=1024):
        """(mean loss, accuracy or None) of a data set, in evaluation mode, with nothing recorded."""
        self.module.eval()
        loss, right, count = 0.0, 0, 0
        with no_grad():
            for x, y, _ in BatchLoader(dataset, batch_size, shuffle=False).epoch(0):
                prediction = self.module(x)
                loss += self.loss(y, prediction).item() * len(y)
                right += self._right(y, prediction)
                count += len(y)
        self.module.train()
        return loss / max(count, 1), right / max(count, 1) if self.accuracy else None


__all__ = ["Epoch", "Trainer"]
