"""Handwritten digits from Python: train, look at it, and go on in PyTorch.

    python digits.py [--epochs 20] [--out FOLDER]

The parts below stand alone, as the cells of a notebook do. Needs matplotlib; the last part PyTorch.
"""

import argparse
import pathlib

import matplotlib
import numpy as np

import lamina
from lamina import layers, nn, optim

parser = argparse.ArgumentParser(description="Trains a small convolutional network on 8 x 8 digits.")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/python"), help="folder for plots and model")
options = parser.parse_args()
options.out.mkdir(parents=True, exist_ok=True)
matplotlib.use("Agg")  # files, no windows
from matplotlib import pyplot  # noqa: E402, after the choice above

# %% The data: 1,797 images of 8 x 8 pixels. A fifth of each class is kept for the test.

digits = lamina.data.load_digits()
digits = lamina.data.Dataset(digits.features.reshape(-1, 1, 8, 8), digits.labels)
train, test = lamina.data.train_test_split(digits, 0.2)
print(f"{train.count} images to train on, {test.count} to test on")

# %% The network: layers, as in torch.nn.

lamina.seed(1)  # the same weights on every machine
net = layers.Sequential(
    layers.Conv2d(1, 16, 3, padding="same"), layers.ReLU(), layers.MaxPool2d(2),
    layers.Conv2d(16, 32, 3, padding="same"), layers.ReLU(), layers.MaxPool2d(2),
    layers.Flatten(), layers.Dropout(0.25), layers.Linear(32 * 2 * 2, 10))
print(net.describe())

# %% Training.

batches = lamina.data.BatchLoader(train, batch_size=32, seed=1)
schedule = optim.WarmupCosineSchedule(lr=5e-3, warmup=len(batches), total=options.epochs * len(batches))
trainer = lamina.train.Trainer(net, optim.AdamW(net.parameters()), schedule=schedule, clip_norm=5.0)
history = trainer.fit(batches, options.epochs, validation=test, callback=print)

# %% The learning curve.

figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.5), constrained_layout=True)
epochs = [epoch.number + 1 for epoch in history]
left.plot(epochs, [epoch.train_loss for epoch in history], label="training")
left.plot(epochs, [epoch.validation_loss for epoch in history], label="test")
left.set(xlabel="epoch", ylabel="cross entropy")
left.legend()
right.plot(epochs, [epoch.validation_accuracy for epoch in history])
right.set(xlabel="epoch", ylabel="test accuracy")
figure.savefig(options.out / "curve.png", dpi=120)

# %% What it takes for something else than it is.

net.eval()
with lamina.no_grad():
    shares = nn.softmax(net(test.features)).numpy()
guesses = nn.argmax(shares, axis=1)
wrong = np.flatnonzero(guesses != test.labels)[:8]
print(f"test accuracy {np.mean(guesses == test.labels):.4f}, {np.sum(guesses != test.labels)} wrong")
figure, axes = pyplot.subplots(1, max(len(wrong), 1), figsize=(9, 1.6), squeeze=False)
for axis, i in zip(axes[0], wrong):
    axis.imshow(test.features[i, 0], cmap="gray_r")
    axis.set_title(f"{test.labels[i]} as {guesses[i]}", fontsize=8)
for axis in axes[0]:
    axis.axis("off")
figure.savefig(options.out / "wrong.png", dpi=120)

# %% The model in a file that other programs read as well.

lamina.io.save_safetensors(options.out / "digits.safetensors", net.state_dict(), {"made by": "digits.py"})
weights, _ = lamina.io.load_safetensors(options.out / "digits.safetensors")
net.load_state_dict(weights)

# %% The same network in PyTorch, on the same elements: DLPack copies nothing in either direction.

import torch  # noqa: E402

convolutions = [torch.nn.Conv2d(1, 16, 3, padding="same"), torch.nn.Conv2d(16, 32, 3, padding="same")]
same = torch.nn.Sequential(convolutions[0], torch.nn.ReLU(), torch.nn.MaxPool2d(2), convolutions[1], torch.nn.ReLU(),
                           torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(32 * 2 * 2, 10))
for parameter, (name, tensor) in zip(same.parameters(), net.parameters()):
    parameter.data = torch.from_dlpack(tensor)
with torch.no_grad():
    difference = np.abs(same(torch.from_numpy(test.features)).numpy() - net(test.features).numpy()).max()
print(f"largest difference to PyTorch {difference:.1e}")

images = torch.rand(4, 1, 8, 8)
assert nn.relu(images).shape == (4, 1, 8, 8)  # functions take PyTorch's tensors as they take arrays
print(f"plots and model are in {options.out}")
