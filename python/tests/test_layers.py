"""Layers, modules made of them, optimizers, and the training loop."""

import inspect
import pickle

import numpy as np
import pytest
import torch

import lamina
from arrays import close
from lamina import layers, nn, optim


def torch_values(ours, theirs):
    """Copies the weights of a layer into PyTorch's, which names and orders them alike."""
    values = [t.numpy().astype(np.float64) for _, t in ours.parameters()]
    own = [p for p in theirs.parameters()]
    assert [v.shape for v in values] == [tuple(p.shape) for p in own]
    for value, p in zip(values, own):
        p.data = torch.tensor(value)


PAIRS = [
    (lambda d: layers.Linear(6, 4, dtype=d), lambda: torch.nn.Linear(6, 4), (3, 6)),
    (lambda d: layers.Conv1d(2, 3, 3, padding=1, dtype=d), lambda: torch.nn.Conv1d(2, 3, 3, padding=1), (2, 2, 7)),
    (lambda d: layers.Conv2d(2, 4, (3, 2), stride=2, groups=2, bias=False, dtype=d),
     lambda: torch.nn.Conv2d(2, 4, (3, 2), 2, groups=2, bias=False), (2, 2, 7, 6)),
    (lambda d: layers.Conv3d(1, 2, 2, dtype=d), lambda: torch.nn.Conv3d(1, 2, 2), (2, 1, 3, 4, 5)),
    (lambda d: layers.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1, dtype=d),
     lambda: torch.nn.ConvTranspose2d(2, 3, 3, 2, 0, 1), (2, 2, 4, 5)),
    (lambda d: layers.DepthwiseConv2d(3, 3, multiplier=2, dtype=d), lambda: torch.nn.Conv2d(3, 6, 3, groups=3), (2, 3, 5, 5)),
    (lambda d: layers.LayerNorm((4, 5), dtype=d), lambda: torch.nn.LayerNorm((4, 5)), (3, 4, 5)),
    (lambda d: layers.BatchNorm2d(3, dtype=d), lambda: torch.nn.BatchNorm2d(3), (4, 3, 2, 2)),
    (lambda d: layers.BatchNorm1d(3, affine=False, dtype=d), lambda: torch.nn.BatchNorm1d(3, affine=False), (4, 3)),
    (lambda d: layers.GroupNorm(2, 4, dtype=d), lambda: torch.nn.GroupNorm(2, 4), (2, 4, 3)),
    (lambda d: layers.InstanceNorm(3, affine=True, dtype=d), lambda: torch.nn.InstanceNorm2d(3, affine=True), (2, 3, 4, 4)),
    (lambda d: layers.PReLU(3, dtype=d), lambda: torch.nn.PReLU(3), (2, 3, 4)),
    (lambda d: layers.LeakyReLU(0.2, dtype=d), lambda: torch.nn.LeakyReLU(0.2), (2, 3)),
    (lambda d: layers.GELU(dtype=d), torch.nn.GELU, (2, 3)),
    (lambda d: layers.Softmax(axis=0, dtype=d), lambda: torch.nn.Softmax(0), (2, 3)),
    (lambda d: layers.Flatten(dtype=d), torch.nn.Flatten, (2, 3, 4)),
    (lambda d: layers.MaxPool2d(2, dtype=d), lambda: torch.nn.MaxPool2d(2), (2, 3, 4, 4)),
    (lambda d: layers.AvgPool1d(3, stride=1, padding=1, dtype=d), lambda: torch.nn.AvgPool1d(3, 1, 1), (2, 3, 4)),
    (lambda d: layers.AdaptiveAvgPool2d(2, dtype=d), lambda: torch.nn.AdaptiveAvgPool2d(2), (2, 3, 5, 4)),
    (lambda d: layers.LocalResponseNorm(3, dtype=d), lambda: torch.nn.LocalResponseNorm(3), (2, 4, 3)),
]


@pytest.mark.parametrize("ours, theirs, shape", PAIRS)
def test_against_torch(ours, theirs, shape, dtype, rng):
    layer, other = ours(dtype), theirs().double()
    torch_values(layer, other)
    x, at = rng.standard_normal(shape).astype(dtype), None
    tensor = lamina.Tensor(x, requires_grad=True)
    at = torch.tensor(x.astype(np.float64), requires_grad=True)
    y, expected = layer(tensor), other(at)
    close(y.numpy(), expected.detach().numpy(), 60)
    dy = rng.standard_normal(expected.shape).astype(dtype)
    y.backward(dy)
    expected.backward(torch.tensor(dy.astype(np.float64)))
    close(tensor.grad, at.grad.numpy(), 200)
    for (_, p), q in zip(layer.parameters(), other.parameters()):
        close(p.grad, q.grad.numpy(), 300)
    layer.eval()
    other.eval()
    close(layer(x).numpy(), other(torch.tensor(x.astype(np.float64))).detach().numpy(), 60)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers(name, rng):
    ours, theirs = getattr(layers, name)(3, 4, layers=2, dtype="float64"), getattr(torch.nn, name)(3, 4, 2).double()
    torch_values(ours, theirs)
    x = rng.standard_normal((5, 2, 3))
    expected, state = theirs(torch.tensor(x))
    close(ours(x).numpy(), expected.detach().numpy(), 100)
    found = ours.run(x, lengths=[5, 5])
    for a, b in zip(found[1:], state if name == "LSTM" else [state]):
        close(a.numpy(), b.detach().numpy(), 100)
    cell, other = getattr(layers, name + "Cell")(3, 4, dtype="float64"), getattr(torch.nn, name + "Cell")(3, 4).double()
    torch_values(cell, other)
    result, expected = cell(x[0]), other(torch.tensor(x[0]))
    close((result[0] if name == "LSTM" else result).numpy(),
          (expected[0] if name == "LSTM" else expected).detach().numpy(), 100)


def test_embedding_and_attention(rng):
    table = layers.Embedding(10, 4)
    assert table([[1, 2], [3, 9]]).shape == (2, 2, 4)
    np.testing.assert_array_equal(table(np.array([3], np.uint8)).numpy(), table.weight.numpy()[[3]])
    with pytest.raises(IndexError):
        table([10])
    attention = layers.MultiheadAttention(8, 2)
    x = rng.standard_normal((2, 5, 8)).astype(np.float32)
    np.testing.assert_allclose(attention(x).numpy(), attention(x, x).numpy(), rtol=1e-4, atol=1e-5)
    masked = attention(x, x[:, :3], mask=np.array([True, True, False]))
    np.testing.assert_allclose(masked.numpy(), attention(x, x[:, :2]).numpy(), rtol=1e-4, atol=1e-5)


def test_dropout_knows_training():
    x = np.ones((20, 20), np.float32)
    drop = layers.Dropout(0.5, lamina.Generator(1))
    assert (drop(x).numpy() == 0).any()
    drop.eval()
    assert (drop(x).numpy() == 1).all() and not drop.training
    drop.train()
    assert drop.training
    for name in ("SpatialDropout", "DropPath", "AlphaDropout"):
        assert getattr(layers, name)(0.5)(x).shape == x.shape


class Net(layers.Module):
    def __init__(self):
        super().__init__()
        self.first = layers.Linear(4, 3)
        self.blocks = [layers.Linear(3, 3), layers.ReLU()]
        self.heads = {"a": layers.Linear(3, 2)}
        self.scale = lamina.parameter(np.ones(3, np.float32))
        self.register_buffer("seen", lamina.Tensor(np.zeros(1, np.float32)))
        self.size = 3

    def forward(self, x):
        x = self.first(x) * self.scale
        for block in self.blocks:
            x = block(x)
        return self.heads["a"](x)


def test_modules_of_ones_own():
    net = Net()
    names = [name for name, _ in net.parameters()]
    assert names == ["scale", "first.weight", "first.bias", "blocks.0.weight", "blocks.0.bias", "heads.a.weight",
                     "heads.a.bias"]
    assert [name for name, _ in net.buffers()] == ["seen"]
    assert net.parameter_count() == 3 + 15 + 12 + 8
    nn.sum(net(np.ones((2, 4), np.float32))).backward()
    assert net.scale.grad is not None and net.first.weight.grad is not None
    net.zero_grad()
    assert net.scale.grad is None
    net.set_requires_grad(False)
    assert not net(np.ones((2, 4), np.float32)).requires_grad and len(net.parameters()) == 7
    assert net.eval() is net and not net.blocks[0].training
    assert repr(net) == "Net(\n  (first): Linear(4 -> 3)\n  (blocks.0): Linear(3 -> 3)\n  (blocks.1): relu\n" \
                        "  (heads.a): Linear(3 -> 2)\n)"
    assert "first: Linear(4 -> 3)" in net.describe()
    with pytest.raises(NotImplementedError):
        layers.Module()(1)
    with pytest.raises(TypeError):
        net.register_buffer("x", 3)


def test_state():
    net, other = Net(), Net()
    x = np.ones((2, 4), np.float32)
    state = net.state_dict()
    other.load_state_dict(state)
    np.testing.assert_array_equal(net(x).numpy(), other(x).numpy())
    first = state.pop("first.weight")
    state["more"] = first
    with pytest.raises(ValueError, match="first.weight is missing; more is not expected"):
        other.load_state_dict(state)
    other.load_state_dict(state, strict=False)
    state = net.state_dict()
    state["scale"] = np.ones(4, np.float32)
    before = other.state_dict()
    with pytest.raises(ValueError, match=r"scale has shape \(4,\), \(3,\) is needed"):
        other.load_state_dict(state)
    state["scale"] = np.ones(3)
    with pytest.raises(TypeError, match="scale has element type float64"):
        other.load_state_dict(state)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_shared_parameters_come_once():
    first = layers.Linear(3, 3)
    net = layers.Sequential(first, layers.ReLU(), first)
    assert [name for name, _ in net.parameters()] == ["0.weight", "0.bias"]
    assert len(net) == 3 and net[0] is first and len(net[1:]) == 2 and list(net)[2] is first
    with pytest.raises(TypeError):
        net.append(3)


def test_layers_are_readable():
    assert repr(layers.Linear(3, 2)) == "Linear(3 -> 2)"
    signature = inspect.signature(layers.Conv2d)
    assert list(signature.parameters)[:4] == ["in_channels", "out_channels", "kernel", "generator"]
    assert "torch.nn.Conv2d" in layers.Conv2d.__doc__
    assert "weight" in dir(layers.Linear(1, 1))
    with pytest.raises(AttributeError, match="ReLU has no attribute 'weight'"):
        layers.ReLU().weight
    with pytest.raises(TypeError, match="has no parameter 'biases'"):
        layers.Linear(1, 1, biases=False)
    with pytest.raises(TypeError, match="float64, the layer's weights are float32"):
        layers.Linear(2, 1)(np.ones((1, 2)))
    with pytest.raises(ValueError, match='init must be "fan_in_uniform"'):
        layers.Linear(2, 1, init="x")


def test_seeds():
    lamina.seed(4)
    first = layers.Linear(3, 3).weight.numpy().copy()
    lamina.seed(4)
    np.testing.assert_array_equal(layers.Linear(3, 3).weight.numpy(), first)
    generator = lamina.Generator(4)
    np.testing.assert_array_equal(layers.Linear(3, 3, generator).weight.numpy(), first)
    copy = pickle.loads(pickle.dumps(generator))
    assert copy.state == generator.state and copy.next_u64() == generator.next_u64()
    generator.state = (1, 2, 3)
    assert repr(generator) == "lamina.Generator(seed=1, stream=2) after 3 words"
    assert generator.split(3).state == lamina.Generator(1, 2).split(3).state
    assert 0 <= generator.below(5) < 5 and 0 <= generator.uniform() < 1 and generator.bernoulli(1.0)
    with pytest.raises(ValueError):
        generator.below(0)
    np.testing.assert_array_equal(np.sort(lamina.permutation(5)), np.arange(5))
    assert lamina.random_integers((100,), -2, 3).min() >= -2 and lamina.random_bernoulli(3, 1.0).all()
    assert lamina.random_normal((2, 3), dtype="float64").shape == (2, 3)
    assert lamina.random_uniform(100, low=2.0, high=3.0).min() >= 2


RULES = [("SGD", {"momentum": 0.9, "nesterov": True}, torch.optim.SGD, {}), ("Adam", {"amsgrad": True}, torch.optim.Adam, {}),
         ("AdamW", {}, torch.optim.AdamW, {}), ("Adamax", {}, torch.optim.Adamax, {}),
         ("RAdam", {}, torch.optim.RAdam, {}), ("RMSProp", {"centered": True}, torch.optim.RMSprop, {}),
         ("Adagrad", {}, torch.optim.Adagrad, {}), ("Adadelta", {}, torch.optim.Adadelta, {}), ("Lion", {}, None, {})]


@pytest.mark.parametrize("name, options, theirs, _", RULES, ids=lambda v: v if isinstance(v, str) else "")
def test_optimizers(name, options, theirs, _, rng):
    start = rng.standard_normal(5)
    ours = lamina.parameter(start)
    optimizer = getattr(optim, name)([ours], lr=0.05, **options)
    assert name in repr(optimizer) and optimizer.lr == 0.05
    at = torch.tensor(start, requires_grad=True)
    other = theirs([at], lr=0.05, **options) if theirs else None
    for _ in range(4):
        (ours ** 2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        if other:
            other.zero_grad()
            (at**2).sum().backward()
            other.step()
    assert optimizer.steps == 4 and (np.abs(ours.numpy()) < np.abs(start)).any()
    if other:
        np.testing.assert_allclose(ours.numpy(), at.detach().numpy(), rtol=1e-9)
    state = optimizer.state()
    again = getattr(optim, name)([ours], lr=0.05, **options)
    again.load_state(state)
    assert again.state().keys() == state.keys()
    with pytest.raises(ValueError):
        again.load_state({"x": np.zeros(1)})


def test_groups_and_errors():
    a, b = lamina.parameter(np.ones(2)), lamina.parameter(np.ones(2))
    optimizer = optim.SGD([("a", a)], lr=0.5)
    optimizer.add_group([b], nn.AdamOptions(lr=0.25))
    assert optimizer.group_count == 2 and optimizer.get_lr(1) == 0.25
    optimizer.set_lr(0.125, 1)
    optimizer.set_options(nn.SgdOptions(lr=1.0))
    assert (optimizer.get_lr(0), optimizer.get_lr(1)) == (1.0, 0.125)
    scheduler = optim.Scheduler(optimizer, optim.StepSchedule(every=1, gamma=0.5))
    scheduler.step()
    assert (optimizer.get_lr(0), optimizer.get_lr(1), scheduler.current_step) == (0.5, 0.0625, 1)
    for bad in (a, 3, [3], [np.ones(2)], [lamina.parameter(np.ones(1, np.float32)), a]):
        with pytest.raises(TypeError):
            optim.SGD(bad)
    with pytest.raises(ValueError, match="is there already"):
        optim.SGD([a, a])
    with pytest.raises(ValueError, match="lr"):
        optim.SGD([a], lr=-1.0)
    with pytest.raises(IndexError):
        optimizer.get_lr(5)


def test_schedules():
    assert [optim.CosineSchedule(lr=2.0, total=2)(i) for i in range(3)] == pytest.approx([2, 1, 0])
    assert optim.MultiStepSchedule(milestones=(2, 4))(3) == pytest.approx(0.1)
    assert optim.ExponentialSchedule(gamma=0.5)(3) == 0.125
    assert optim.PolynomialSchedule(total=4)(1) == 0.75
    assert optim.CosineRestartsSchedule(period=2)(2) == 1
    assert optim.WarmupCosineSchedule(warmup=2, total=4)(0) == 0.5
    assert optim.OneCycleSchedule(max_lr=2.0, total=10)(2) == pytest.approx(2)
    assert repr(optim.StepSchedule(lr=0.5)) == "StepSchedule(lr=0.5, every=1, gamma=0.1)"
    plateau = optim.ReduceOnPlateau(1.0, patience=0)
    assert [plateau(1.0), plateau(1.0)] == [1.0, 0.1]


def test_clipping():
    x = lamina.parameter(np.array([3.0, 4.0]))
    (x**2).sum().backward()
    assert optim.clip_grad_norm([x], 1.0) == pytest.approx(10)
    np.testing.assert_allclose(x.grad, [0.6, 0.8], rtol=1e-5)
    optim.clip_grad_value([("x", x)], 0.7)
    np.testing.assert_allclose(x.grad, [0.6, 0.7], rtol=1e-5)


def test_training():
    train, test = lamina.data.train_test_split(lamina.data.load_digits(), 0.2)
    lamina.seed(0)
    net = layers.Sequential(layers.Linear(64, 32), layers.ReLU(), layers.Dropout(0.1), layers.Linear(32, 10))
    trainer = lamina.train.Trainer(net, optim.AdamW(net.parameters()), clip_norm=5.0,
                                   schedule=optim.WarmupCosineSchedule(lr=5e-3, warmup=20, total=400))
    seen = []
    history = trainer.fit(lamina.data.BatchLoader(train), 20, validation=test,
                          callback=lambda epoch: seen.append(epoch) or len(seen) == 8)
    assert len(history) == 8 and history[-1].validation_accuracy > 0.9
    assert history[-1].train_loss < history[0].train_loss and "accuracy" in str(history[-1])
    regression = lamina.train.Trainer(layers.Linear(64, 1), optim.SGD(layers.Linear(1, 1).parameters()),
                                      loss=lambda y, p: nn.mse_loss(y.astype(np.float32)[:, None], p), accuracy=False)
    assert regression.evaluate(test)[1] is None
