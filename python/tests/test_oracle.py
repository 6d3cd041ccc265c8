"""Functions of nn against PyTorch in float64 (SciPy or NumPy where it has none): values from arrays, values and
gradients from Tensors, and the gradient functions."""

import numpy as np
import pytest
import scipy.special
import torch
import torch.nn.functional as F

import lamina
from arrays import close
from lamina import nn

RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.standard_normal(shape)


def uniform(*shape):
    return RNG.uniform(0.05, 0.95, shape)


def signs(*shape):
    return np.where(normal(*shape) > 0, 1.0, -1.0)


def rows(*shape):
    return uniform(*shape) / 4


X = normal(4, 6)
IMAGE = normal(2, 4, 5, 6)
LABELS = np.array([0, 5, 2, 2])
Q, K, V = normal(2, 4, 3, 8), normal(2, 2, 5, 8), normal(2, 2, 5, 7)
KEEP = RNG.uniform(size=(2, 1, 3, 5)) > 0.3
KEEP[..., 0] = True
TABLE = normal(7, 3)
INDICES = np.array([[1, 0, 6], [1, 1, 3]])
WEIGHT = uniform(6)


def attention(q, k, v, causal=False, mask=None, scale=None, bias=None):
    k, v = (t.repeat_interleave(q.shape[-3] // t.shape[-3], -3) for t in (k, v))
    scores = q @ k.transpose(-1, -2) * (scale or q.shape[-1] ** -0.5)
    if bias is not None:
        scores = scores + bias
    seen = torch.ones(scores.shape[-2:], dtype=bool)
    if causal:
        seen = seen.tril()
    if mask is not None:
        seen = seen & torch.tensor(mask)
    return torch.softmax(scores.masked_fill(~seen, -np.inf), -1) @ v


def batch_norm(x, *args):
    return F.batch_norm(x, None, None, *args, training=True)


def focal(t, p, alpha=0.25, gamma=2.0):
    p = p.clamp(1e-7, 1 - 1e-7)
    a = alpha * t + (1 - alpha) * (1 - t)
    s = p * t + (1 - p) * (1 - t)
    return (a * (1 - s) ** gamma * F.binary_cross_entropy(p, t, reduction="none")).mean()


def labels(f, **options):
    return lambda x: f(x, torch.tensor(LABELS), **options)


def swapped(f, **options):
    return lambda t, p: f(p, t, **options)


# name, arrays, options, PyTorch. Arguments that get no gradient are bound by `before` and `behind`.
CASES = [
    ("softmax", [X], {}, lambda x: torch.softmax(x, -1)),
    ("softmax", [X], {"axis": 0, "temperature": 2.0}, lambda x: torch.softmax(x / 2, 0)),
    ("log_softmax", [X], {"axis": 0}, lambda x: torch.log_softmax(x, 0)),
    ("softmin", [X], {}, lambda x: F.softmin(x, -1)),
    ("local_response_norm", [IMAGE, ], {"size": 3, "alpha": 0.5}, lambda x: F.local_response_norm(x, 3, 0.5)),
    ("sum", [IMAGE], {"axis": (1, 3)}, lambda x: x.sum((1, 3))),
    ("mean", [IMAGE], {"axis": 0, "keepdims": True}, lambda x: x.mean(0, True)),
    ("prod", [X], {"axis": 1}, lambda x: x.prod(1)),
    ("max", [X], {"axis": 0}, lambda x: x.amax(0)),
    ("min", [X], {}, lambda x: x.amin()),
    ("var", [X], {"axis": 1, "ddof": 1}, lambda x: x.var(1)),
    ("stddev", [X], {"axis": -1}, lambda x: x.std(-1, unbiased=False)),
    ("norm", [X], {"order": "l1", "axis": 1}, lambda x: x.abs().sum(1)),
    ("norm", [X], {"axis": 1}, lambda x: torch.linalg.vector_norm(x, dim=1)),
    ("norm", [X], {"order": "inf"}, lambda x: x.abs().amax()),
    ("logsumexp", [X], {"axis": 1}, lambda x: torch.logsumexp(x, 1)),
    ("reduce", [X], {"kind": "norm_l2", "axis": 1}, lambda x: torch.linalg.vector_norm(x, dim=1)),
    ("add", [X, normal(6)], {}, torch.add), ("sub", [X, normal(4, 1)], {}, torch.sub),
    ("mul", [X, normal(6)], {}, torch.mul), ("div", [X, 1 + uniform(6)], {}, torch.div),
    ("pow", [uniform(4, 6), normal(6)], {}, torch.pow), ("maximum", [X, normal(6)], {}, torch.maximum),
    ("minimum", [X, normal(4, 6)], {}, torch.minimum),
    ("neg", [X], {}, torch.neg), ("abs", [X], {}, torch.abs), ("square", [X], {}, torch.square),
    ("sqrt", [uniform(4, 6)], {}, torch.sqrt), ("reciprocal", [1 + uniform(4, 6)], {}, torch.reciprocal),
    ("log", [uniform(4, 6)], {}, torch.log), ("log1p", [uniform(4, 6)], {}, torch.log1p),
    ("expm1", [X], {}, torch.expm1), ("clamp", [X], {"low": -0.5, "high": 0.7}, lambda x: x.clamp(-0.5, 0.7)),
    ("layer_norm", [IMAGE, uniform(6), normal(6)], {}, lambda x, g, b: F.layer_norm(x, (6,), g, b)),
    ("layer_norm", [IMAGE], {"axes": 2, "eps": 1e-3}, lambda x: F.layer_norm(x, (5, 6), eps=1e-3)),
    ("rms_norm", [X, uniform(6)], {"eps": 1e-3},
     lambda x, g: x * torch.rsqrt(x.square().mean(-1, True) + 1e-3) * g),
    ("batch_norm", [IMAGE, uniform(4), normal(4)], {}, batch_norm),
    ("batch_norm_1d", [X], {}, batch_norm), ("batch_norm_2d", [IMAGE], {}, batch_norm),
    ("batch_norm_3d", [normal(2, 3, 2, 2, 2)], {}, batch_norm),
    ("group_norm", [IMAGE], {"groups": 2}, lambda x: F.group_norm(x, 2)),
    ("instance_norm", [IMAGE], {}, F.instance_norm),
    ("matmul", [normal(2, 3, 4), normal(4, 5)], {}, torch.matmul),
    ("scaled_dot_product_attention", [Q, K, V], {}, attention),
    ("scaled_dot_product_attention", [Q, K, V], {"causal": True, "scale": 0.7},
     lambda *a: attention(*a, causal=True, scale=0.7)),
    ("scaled_dot_product_attention", [Q, K, V], {"mask": KEEP}, lambda *a: attention(*a, mask=KEEP)),
    ("scaled_dot_product_attention", [Q, K, V], {"mask": KEEP.astype(float)}, lambda *a: attention(*a, mask=KEEP)),
    ("self_attention", [normal(2, 5, 6), normal(6, 4), normal(6, 4), normal(6, 3)], {},
     lambda x, q, k, v: attention((x @ q)[:, None], (x @ k)[:, None], (x @ v)[:, None])[:, 0]),
    ("max_pool2d", [IMAGE], {"kernel": 2}, lambda x: F.max_pool2d(x, 2)),
    ("max_pool1d", [normal(2, 3, 9)], {"kernel": 3, "stride": 2, "padding": 1}, lambda x: F.max_pool1d(x, 3, 2, 1)),
    ("avg_pool2d", [IMAGE], {"kernel": (2, 3), "stride": 1, "padding": 1, "count_include_pad": False},
     lambda x: F.avg_pool2d(x, (2, 3), 1, 1, count_include_pad=False)),
    ("avg_pool3d", [normal(1, 2, 4, 4, 4)], {"kernel": 2}, lambda x: F.avg_pool3d(x, 2)),
    ("lp_pool2d", [IMAGE], {"p": 2.0, "kernel": 2}, lambda x: F.lp_pool2d(x, 2.0, 2)),
    ("adaptive_avg_pool2d", [IMAGE], {"extents": (2, 3)}, lambda x: F.adaptive_avg_pool2d(x, (2, 3))),
    ("adaptive_max_pool1d", [normal(2, 3, 9)], {"extents": 4}, lambda x: F.adaptive_max_pool1d(x, 4)),
    ("global_avg_pool2d", [IMAGE], {}, lambda x: x.mean((2, 3))),
    ("global_max_pool2d", [IMAGE], {"keep_dims": True}, lambda x: x.amax((2, 3), True)),
    ("conv_transpose1d", [normal(2, 3, 5), normal(3, 4, 3), normal(4)], {"stride": 2, "output_padding": 1},
     lambda *a: F.conv_transpose1d(*a, 2, 0, 1)),
    ("conv_transpose2d", [IMAGE, normal(4, 2, 3, 3)], {"padding": 1, "groups": 2},
     lambda *a: F.conv_transpose2d(*a, padding=1, groups=2)),
    ("unfold2d", [IMAGE], {"kernel": (2, 3), "padding": 1}, lambda x: F.unfold(x, (2, 3), padding=1)),
    ("fold2d", [normal(2, 12, 12)], {"extents": (4, 5), "kernel": 2}, lambda x: F.fold(x, (4, 5), 2)),
    ("pad", [X], {"amounts": [(1, 2)], "value": 3.0}, lambda x: F.pad(x, (1, 2), value=3.0)),
    ("mse_loss", [X, normal(4, 6)], {}, swapped(F.mse_loss)),
    ("mse_loss_2d", [X, normal(4, 6)], {"reduction": "sum"}, swapped(F.mse_loss, reduction="sum")),
    ("mae_loss", [X, normal(4, 6)], {"reduction": "none"}, swapped(F.l1_loss, reduction="none")),
    ("l1_loss", [X, normal(4, 6)], {}, swapped(F.l1_loss)),
    ("huber_loss", [X, normal(4, 6)], {"delta": 0.7}, swapped(F.huber_loss, delta=0.7)),
    ("smooth_l1_loss", [X, normal(4, 6)], {"beta": 0.7}, swapped(F.smooth_l1_loss, beta=0.7)),
    ("log_cosh_loss", [X, normal(4, 6)], {}, lambda t, p: torch.log(torch.cosh(p - t)).mean()),
    ("poisson_nll_loss", [uniform(4, 6), X], {}, swapped(F.poisson_nll_loss)),
    ("poisson_nll_loss", [uniform(4, 6), uniform(4, 6)], {"log_input": False},
     swapped(F.poisson_nll_loss, log_input=False)),
    ("gaussian_nll_loss", [X, normal(4, 6), uniform(4, 6)], {"full": True},
     lambda t, p, v: ((v.log() + (p - t) ** 2 / v) / 2 + np.log(2 * np.pi) / 2).mean()),
    ("binary_cross_entropy", [uniform(4, 6), uniform(4, 6)], {}, swapped(F.binary_cross_entropy)),
    ("bce_with_logits", [uniform(4, 6), X], {}, swapped(F.binary_cross_entropy_with_logits)),
    ("focal_loss", [signs(4, 6) / 2 + 0.5, uniform(4, 6)], {}, focal),
    ("focal_loss_with_logits", [signs(4, 6) / 2 + 0.5, X], {}, lambda t, x: focal(t, torch.sigmoid(x))),
    ("kl_div_loss", [rows(4, 6), -uniform(4, 6)], {"log_prediction": True, "batch_mean": True},
     swapped(F.kl_div, reduction="batchmean")),
    ("hinge_loss", [signs(4, 6), X], {}, lambda t, p: torch.relu(1 - t * p).mean()),
    ("squared_hinge_loss", [signs(4, 6), X], {}, lambda t, p: (torch.relu(1 - t * p) ** 2).mean()),
    ("soft_margin_loss", [signs(4, 6), X], {}, lambda t, p: F.softplus(-t * p).mean()),
    ("margin_ranking_loss", [signs(6), normal(6), normal(6)], {"margin": 0.3},
     lambda t, a, b: F.margin_ranking_loss(a, b, t, margin=0.3)),
    ("cross_entropy", [rows(4, 6), X], {}, swapped(F.cross_entropy)),
    ("categorical_cross_entropy", [rows(4, 6), uniform(4, 6)], {},
     lambda t, p: -(t * p.log()).sum(-1).mean()),
    ("triplet_margin_loss", [X, normal(4, 6), normal(4, 6)], {"swap": True, "margin": 3.0},
     lambda *a: F.triplet_margin_loss(*a, swap=True, margin=3.0)),
]
# The same with arguments before those that get gradients.
BOUND = [
    ("cross_entropy", [LABELS], [X], {}, labels(F.cross_entropy)),
    ("cross_entropy", [LABELS], [X], {"weight": WEIGHT, "ignore_index": 2, "label_smoothing": 0.1},
     labels(F.cross_entropy, weight=torch.tensor(WEIGHT), ignore_index=2, label_smoothing=0.1)),
    ("cross_entropy", [LABELS.astype(np.uint8)], [X], {"reduction": "none"}, labels(F.cross_entropy, reduction="none")),
    ("cross_entropy", [LABELS.tolist()], [X], {"reduction": "sum"}, labels(F.cross_entropy, reduction="sum")),
    ("sparse_categorical_cross_entropy", [LABELS], [uniform(4, 6)], {},
     lambda p: F.nll_loss(p.log(), torch.tensor(LABELS))),
    ("nll_loss", [LABELS], [X], {}, labels(F.nll_loss)),
    ("multi_margin_loss", [LABELS], [X], {"p": 2, "margin": 0.5}, labels(F.multi_margin_loss, p=2, margin=0.5)),
    ("multi_label_margin_loss", [[[1, 3, -1, 0, 0, 0]] * 4], [X], {},
     lambda x: F.multilabel_margin_loss(x, torch.tensor([[1, 3, -1, 0, 0, 0]] * 4))),
    ("multi_label_soft_margin_loss", [(X > 0) * 1.0], [normal(4, 6)], {},
     lambda x: F.multilabel_soft_margin_loss(x, torch.tensor((X > 0) * 1.0))),
    ("contrastive_loss", [np.array([1.0, 0, 1, 0])], [X, normal(4, 6)], {"margin": 5.0},
     lambda a, b: (lambda d, t: (t * d**2 / 2 + (1 - t) * torch.relu(5 - d) ** 2 / 2).mean())(
         (a - b).norm(dim=1), torch.tensor([1.0, 0, 1, 0]))),
    ("ctc_loss", [np.array([[1, 2, 2], [3, 1, 0]])], [torch.log_softmax(torch.tensor(normal(9, 2, 4)), -1).numpy()],
     {"input_lengths": [9, 7], "target_lengths": [3, 2]}, None),
    ("embedding", [INDICES], [TABLE], {}, lambda t: F.embedding(torch.tensor(INDICES), t)),
    ("embedding_bag", [INDICES], [TABLE], {"mode": "mean"},
     lambda t: F.embedding_bag(torch.tensor(INDICES), t, mode="mean")),
    ("embedding_bag", [INDICES.ravel()], [TABLE], {"offsets": [0, 2]},
     lambda t: F.embedding_bag(torch.tensor(INDICES.ravel()), t, torch.tensor([0, 2]), mode="sum")),
    ("where", [X > 0], [normal(4, 6), normal(6)], {}, lambda a, b: torch.where(torch.tensor(X > 0), a, b)),
]
ALL = [(name, [], *rest) for name, *rest in CASES] + BOUND


def name_of(case):
    return case[0]


def cast(value, dtype):
    """Constants of the call in the element type of its arrays."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value


@pytest.mark.parametrize("case", ALL, ids=name_of)
def test_values_and_gradients(case, dtype):
    name, before, arrays, options, expect = case
    function = getattr(nn, name)
    before = [cast(b, dtype) for b in before]
    options = {key: cast(value, dtype) for key, value in options.items()}
    arrays = [a.astype(dtype) for a in arrays]
    wide = [torch.tensor(a.astype(np.float64), requires_grad=True) for a in arrays]
    if name == "ctc_loss":
        # PyTorch's gradient is that behind log_softmax: take it there.
        inner = torch.tensor(arrays[0].astype(np.float64), requires_grad=True)
        expected = F.ctc_loss(torch.log_softmax(inner, -1), torch.tensor(before[0]), options["input_lengths"],
                              options["target_lengths"])
        wide = [inner]
    else:
        expected = expect(*wide)
    dy = np.random.default_rng(1).standard_normal(expected.shape).astype(dtype)
    expected.backward(torch.tensor(dy.astype(np.float64)))
    close(function(*before, *arrays, **options), expected.detach().numpy(), terms=100)

    tensors = [lamina.Tensor(a, requires_grad=True) for a in arrays]
    result = function(*before, *(map_ctc(name, tensors)), **options)
    assert isinstance(result, lamina.Tensor) and result.requires_grad
    close(result.numpy(), expected.detach().numpy(), terms=100)
    result.backward(dy)
    for tensor, at in zip(tensors, wide):
        close(tensor.grad, at.grad.numpy(), terms=300)


def map_ctc(name, tensors):
    return [nn.log_softmax(tensors[0])] if name == "ctc_loss" else tensors


# Gradient functions: how they are called, from dy, the arrays x, the result y and the other arguments.
TAKES_RESULT = {"softmax", "log_softmax", "softmin", "sqrt", "reciprocal", "expm1"}
TAKES_BOTH = {"max", "min", "stddev", "norm", "logsumexp", "lp_pool2d"}
TAKES_SHAPE = {"sum", "mean", "avg_pool2d", "avg_pool3d", "global_avg_pool2d"}
TAKES_TWO_SHAPES = {"add", "sub"}
LOSSES = {"mse_loss", "mae_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "log_cosh_loss", "poisson_nll_loss",
          "gaussian_nll_loss", "binary_cross_entropy", "bce_with_logits", "focal_loss", "focal_loss_with_logits",
          "kl_div_loss", "hinge_loss", "squared_hinge_loss", "soft_margin_loss", "cross_entropy",
          "categorical_cross_entropy"}
# No function of its own (or one that is tested elsewhere).
WITHOUT = {"neg", "mse_loss_2d", "batch_norm_1d", "batch_norm_2d", "batch_norm_3d", "matmul", "conv_transpose1d",
           "conv_transpose2d", "unfold2d", "fold2d", "pad", "margin_ranking_loss", "ctc_loss", "reduce", "where"}


def gradients(name, dy, before, x, y, options):
    f = getattr(nn, name + "_backward")
    if name in TAKES_RESULT:
        return f(dy, y, **options)
    if name in TAKES_BOTH:
        return f(dy, x[0], y, **options)
    if name.startswith("adaptive"):
        return f(dy, x[0].shape if "avg" in name else x[0])
    if name in TAKES_SHAPE:
        return f(dy, x[0].shape, **options)
    if name in TAKES_TWO_SHAPES:
        return f(dy, x[0].shape, x[1].shape)
    if name == "embedding":
        return f(dy, *before, len(x[0]), **options)
    if name in ("layer_norm", "batch_norm"):
        return f(dy, *x[:2], **options)[:len(x)]
    if name in LOSSES and not before:
        last = [f(dy, *x, **options)]
        if name not in ("l1_loss",):
            last.insert(0, getattr(nn, name + "_backward_true")(dy, *x, **options))
        else:
            last.insert(0, None)
        if name == "gaussian_nll_loss":
            last.append(nn.gaussian_nll_loss_backward_variance(dy, *x, **options))
        return last
    return f(dy, *before, *x, **options)


@pytest.mark.parametrize("case", [c for c in ALL if c[0] not in WITHOUT], ids=name_of)
def test_gradient_functions(case):
    name, before, arrays, options, expect = case
    wide = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = expect(*wide)
    dy = np.random.default_rng(1).standard_normal(expected.shape)
    expected.backward(torch.tensor(dy))
    found = gradients(name, dy, before, arrays, expected.detach().numpy(), options)
    found = found if isinstance(found, (tuple, list)) else [found]
    for array, at in zip(found, wide):
        if array is not None:
            close(array, at.grad.numpy(), terms=300)


def test_margin_ranking_gradients():
    y, a, b = signs(6), normal(6), normal(6)
    tensors = [lamina.Tensor(v, requires_grad=True) for v in (y, a, b)]
    nn.margin_ranking_loss(*tensors, margin=0.3).backward()
    for suffix, tensor in zip(("true", "x1", "x2"), tensors):
        close(getattr(nn, "margin_ranking_loss_backward_" + suffix)(1.0, y, a, b, 0.3), tensor.grad, 10)


def test_where_and_generic_names(dtype, rng):
    a, b = rng.standard_normal((2, 3, 4)).astype(dtype)
    condition = a > b
    for dx, expected in zip(nn.where_backward(a, condition, a.shape, a.shape), (a * condition, a * ~condition)):
        np.testing.assert_array_equal(dx, expected)
    np.testing.assert_array_equal(nn.binary("add", a, b), a + b)
    np.testing.assert_array_equal(nn.unary("neg", a), -a)
    np.testing.assert_array_equal(nn.compare("less", a, b), a < b)
    close(nn.unary_backward("square", b, a), 2 * a * b)
    close(nn.binary_backward_a("mul", a, b, a), a * a)
    close(nn.binary_backward_b("mul", a, b, a), a * b)
    close(nn.sum_to_shape(a, (4,)), a.sum(0), 3)
    close(nn.reduce_backward(np.ones(3, dtype), a.shape, None, None, "sum", axis=1), np.ones_like(a))
    for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        np.testing.assert_array_equal(getattr(nn, name)(a, b), getattr(np, name)(a, b))
        np.testing.assert_array_equal(getattr(nn, name)(a, 0), getattr(np, name)(a, 0))


def test_truth():
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    for name in ("logical_and", "logical_or", "logical_xor"):
        np.testing.assert_array_equal(getattr(nn, name)(a, b), getattr(np, name)(a, b))
    np.testing.assert_array_equal(nn.logical_not(a), ~a)
    assert nn.any(a) and not nn.all(a) and nn.any(a[None], axis=1).shape == (1,)
    np.testing.assert_array_equal(nn.where([True, False], 1.0, [5, 6]), [1, 6])
    # NumPy lets other bytes than 0 and 1 into arrays of bool.
    odd = np.array([0, 1, 2, 255], np.uint8).view(bool)
    np.testing.assert_array_equal(nn.where(odd, 1.0, 0.0), [0, 1, 1, 1])
    np.testing.assert_array_equal(nn.where(np.broadcast_to(odd[:, None], (4, 3)), 1.0, 0.0)[3], [1, 1, 1])


def test_against_scipy(dtype, rng):
    x = rng.standard_normal((3, 5)).astype(dtype)
    close(nn.logsumexp(x, axis=1), scipy.special.logsumexp(x.astype(np.float64), axis=1), 5)
    close(nn.softmax(x, axis=0), scipy.special.softmax(x.astype(np.float64), axis=0), 5)
    close(nn.log_softmax_2d(x), scipy.special.log_softmax(x.astype(np.float64), axis=1), 5)
    close(nn.sigmoid(x), scipy.special.expit(x.astype(np.float64)))
    close(nn.gelu(x), x * scipy.special.ndtr(x.astype(np.float64)), 5)
    np.testing.assert_array_equal(nn.argmax(x, axis=1), x.argmax(1))
    np.testing.assert_array_equal(nn.argmin(x), x.argmin())
    assert nn.argmax(x, axis=0).dtype == np.int64
    out = np.zeros(3, np.int64)
    assert nn.argmax(x, axis=1, out=out) is out
    assert nn.reduced_shape((2, 3, 4), axis=1) == (2, 4)


def test_simd_functions(dtype, rng):
    a, b = rng.standard_normal((2, 3, 3)).astype(dtype)
    end = "_f32" if dtype == np.float32 else "_f64"
    for name in ("relu", "sigmoid", "tanh", "gelu", "swish", "mish", "selu", "exp", "relu_2d"):
        np.testing.assert_array_equal(getattr(nn, f"simd_{name}{end}")(a), getattr(nn, name)(a))
    for name in ("leaky_relu", "elu"):
        np.testing.assert_array_equal(getattr(nn, f"simd_{name}{end}")(a, 0.25), getattr(nn, name)(a, 0.25))
    for name in ("add", "sub", "mul", "div", "matmul"):
        np.testing.assert_array_equal(getattr(nn, f"simd_{name}{end}")(a, b), getattr(nn, name)(a, b))
    for name in ("sum", "mean", "norm", "max", "min"):
        value = getattr(nn, f"simd_{name}{end}")(a)
        assert type(value) is float and value == getattr(nn, name)(a)
    close(np.asarray(getattr(nn, "simd_dot" + end)(a[0], b[0]), dtype), np.dot(a[0], b[0]), 3)
    other = "_f64" if dtype == np.float32 else "_f32"
    with pytest.raises(TypeError, match="is needed"):
        getattr(nn, "simd_relu" + other)(a)


def test_batch_norm_with_statistics(dtype, rng):
    x = rng.standard_normal((5, 3, 2)).astype(dtype)
    mean, var = np.zeros(3, dtype), np.ones(3, dtype)
    mean_t, var_t = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    expected = F.batch_norm(torch.tensor(x.astype(np.float64)), mean_t, var_t, training=True, momentum=0.3)
    close(nn.batch_norm_training(x, mean, var, momentum=0.3), expected.numpy(), 10)
    close(mean, mean_t.numpy(), 10)
    close(var, var_t.numpy(), 10)
    close(nn.batch_norm_inference(x, mean, var), F.batch_norm(torch.tensor(x), torch.tensor(mean),
                                                              torch.tensor(var)).numpy(), 10)
    dx, dgamma, dbeta = nn.batch_norm_inference_backward(x, x, mean, var)
    close(dx, x / np.sqrt(var + 1e-5)[:, None], 10)
    close(dbeta, x.sum((0, 2)), 20)
    with pytest.raises(TypeError, match="running_mean"):
        nn.batch_norm_training(x, [0.0] * 3, var)


def test_dropout(dtype):
    x = np.ones((40, 50), dtype)
    generator = lamina.Generator(5)
    before = generator.copy()
    mask = np.zeros(x.shape, bool)
    y = nn.dropout(x, 0.25, True, generator, mask=mask)
    np.testing.assert_array_equal(y, mask / np.asarray(0.75, dtype))
    assert 0.7 < mask.mean() < 0.8
    np.testing.assert_array_equal(nn.dropout_mask(x.shape, 0.25, True, before.copy()), mask)
    np.testing.assert_array_equal(nn.dropout_backward(x, 0.25, True, before), y)
    np.testing.assert_array_equal(nn.apply_dropout_mask(x, mask, 0.25), y)
    np.testing.assert_array_equal(nn.dropout(x, 0.25, training=False), x)
    lamina.seed(5)
    np.testing.assert_array_equal(nn.dropout(x, 0.25), y)
    for name in ("spatial_dropout", "drop_path", "alpha_dropout"):
        at = lamina.Generator(9)
        copy = at.copy()
        assert getattr(nn, name)(x, 0.5, True, at).shape == x.shape
        assert getattr(nn, name + "_backward")(x, 0.5, True, copy).shape == x.shape
    assert nn.dropout_2d(x, 0.5).shape == x.shape


def test_pooling_with_indices(dtype, rng):
    x = rng.standard_normal((2, 3, 6, 6)).astype(dtype)
    y, indices = nn.max_pool2d_with_indices(x, 2)
    expected, where = F.max_pool2d(torch.tensor(x), 2, return_indices=True)
    np.testing.assert_array_equal(y, expected.numpy())
    np.testing.assert_array_equal(indices, where.numpy())
    np.testing.assert_array_equal(nn.max_unpool2d(y, indices, 2), F.max_unpool2d(expected, where, 2).numpy())
    dx = nn.max_pool2d_backward(y, x, 2)
    np.testing.assert_array_equal(nn.max_pool2d_backward(y, indices=indices, x_shape=x.shape), dx)
    np.testing.assert_array_equal(nn.max_unpool2d_backward(dx, indices), y)
    values, positions = nn.adaptive_max_pool2d_with_indices(x, 3)
    np.testing.assert_array_equal(values, y)
    np.testing.assert_array_equal(positions, indices)


@pytest.mark.parametrize("kind, gates", [("rnn", 1), ("gru", 3), ("lstm", 4)])
@pytest.mark.parametrize("direction", ["forward", "both"])
def test_recurrent(kind, gates, direction, dtype, rng):
    both = direction == "both"
    network = getattr(torch.nn, kind.upper())(3, 4, num_layers=2, bidirectional=both).double()
    weights = [p.detach().numpy().astype(dtype) for p in network.parameters()]
    cells = [tuple(weights[i:i + 4]) for i in range(0, len(weights), 4)]
    x = rng.standard_normal((5, 2, 3)).astype(dtype)
    at = torch.tensor(x.astype(np.float64), requires_grad=True)
    expected, state = network(at)
    found = getattr(nn, kind)(x, cells, direction=direction)
    close(found[0], expected.detach().numpy(), 100)
    states = state if kind == "lstm" else [state]
    for a, b in zip(found[1:], states):
        close(a, b.detach().numpy(), 100)
    dy = rng.standard_normal(expected.shape).astype(dtype)
    expected.backward(torch.tensor(dy.astype(np.float64)))
    none = [None] * (len(found) - 1)
    dx, *_, dcells = getattr(nn, kind + "_backward")(dy, *none, x, cells, direction=direction)
    close(dx, at.grad.numpy(), 300)
    for d, p in zip((w for cell in dcells for w in cell), network.parameters()):
        close(d, p.grad.numpy(), 300)
    tensors = [tuple(lamina.Tensor(w, requires_grad=True) for w in cell) for cell in cells]
    getattr(nn, kind)(x, tensors, direction=direction)[0].backward(dy)
    close(tensors[0][0].grad, network.weight_ih_l0.grad.numpy(), 300)


def test_recurrent_cells(dtype, rng):
    x = rng.standard_normal((2, 3)).astype(dtype)
    h, c = rng.standard_normal((2, 2, 4)).astype(dtype)
    for kind, gates in (("rnn", 1), ("gru", 3), ("lstm", 4)):
        cell = getattr(torch.nn, kind.upper() + "Cell")(3, 4).double()
        weights = tuple(p.detach().numpy().astype(dtype) for p in cell.parameters())
        wide = [torch.tensor(a.astype(np.float64)) for a in (x, h, c)]
        if kind == "lstm":
            expected = cell(wide[0], (wide[1], wide[2]))
            found = nn.lstm_cell(x, h, c, weights)
            assert len(nn.lstm_cell_backward(h, None, x, h, c, weights)) == 4
        else:
            expected = [cell(*wide[:2])]
            found = [getattr(nn, kind + "_cell")(x, h, weights)]
            assert len(getattr(nn, kind + "_cell_backward")(h, x, h, weights)[2]) == 4
        for a, b in zip(found, expected):
            close(a, b.detach().numpy(), 50)
    with pytest.raises(TypeError, match="rnn_cell: weights must be a tuple"):
        nn.rnn_cell(x, h, x)


def test_multi_head_attention(dtype, rng):
    layer = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    w = layer.in_proj_weight.detach().numpy().astype(dtype)
    b = rng.standard_normal(24).astype(dtype)
    layer.in_proj_bias.data = torch.tensor(b.astype(np.float64))
    weights = (*np.split(w, 3), layer.out_proj.weight.detach().numpy().astype(dtype), *np.split(b, 3), None)
    x = rng.standard_normal((2, 5, 8)).astype(dtype)
    at = torch.tensor(x.astype(np.float64), requires_grad=True)
    expected, shares = layer(at, at, at, average_attn_weights=False)
    close(nn.multi_head_attention(x, x, x, weights, 2), expected.detach().numpy(), 100)
    dy = rng.standard_normal(x.shape).astype(dtype)
    expected.backward(torch.tensor(dy.astype(np.float64)))
    dq, dk, dv, dw = nn.multi_head_attention_backward(dy, x, x, x, weights, 2)
    close(dq + dk + dv, at.grad.numpy(), 300)
    assert dw[7] is None and dw[0].shape == (8, 8)
    assert nn.multi_head_attention_key_heads(x, x, x, weights, 2) == 2
    tensor = lamina.Tensor(x, requires_grad=True)
    nn.multi_head_attention(tensor, tensor, tensor, weights, 2).backward(dy)
    close(tensor.grad, at.grad.numpy(), 300)
    cache = nn.KvCache(dtype=dtype)
    for i in range(5):
        cache.append(x[:, i:i + 1], x[:, i:i + 1])
    assert len(cache) == 5 and cache.keys.shape == x.shape
    close(cache.attend(x[:, 3:], causal=True), nn.scaled_dot_product_attention(x, x, x, causal=True)[:, 3:], 50)


def test_attention_of_a_bias(dtype, rng):
    q, k, v = (rng.standard_normal(s).astype(dtype) for s in ((2, 3, 4), (2, 5, 4), (2, 5, 4)))
    bias = rng.standard_normal((3, 5)).astype(dtype)
    wide = [torch.tensor(a.astype(np.float64), requires_grad=True) for a in (q, k, v, bias)]
    expected = attention(*wide[:3], bias=wide[3])
    dy = rng.standard_normal(expected.shape).astype(dtype)
    expected.backward(torch.tensor(dy.astype(np.float64)))
    close(nn.scaled_dot_product_attention(q, k, v, bias=bias), expected.detach().numpy(), 50)
    close(nn.scaled_dot_product_attention_backward_bias(dy, q, k, v, bias=bias), wide[3].grad.numpy(), 100)
    tensor = lamina.Tensor(bias, requires_grad=True)
    nn.scaled_dot_product_attention(lamina.Tensor(q), k, v, bias=tensor).backward(dy)
    close(tensor.grad, wide[3].grad.numpy(), 100)
    close(nn.scaled_dot_product_attention_weights(q, k, bias=bias).sum(-1), np.ones((2, 3)), 20)


def test_positions(dtype):
    table = nn.positional_encoding(5, 6, dtype=dtype)
    close(table[:, 0], np.sin(np.arange(5)), scale=1)
    close(nn.add_positional_encoding(np.zeros((2, 5, 6), dtype))[1], table)
    x = np.arange(24, dtype=dtype).reshape(4, 6)
    turned = nn.rotary_embedding(x, offset=3)
    close(nn.rotary_embedding_backward(turned, offset=3), x, 10)
    assert nn.alibi_bias(4, 2, 3, dtype=dtype).shape == (4, 2, 3)


def test_initial_weights(dtype):
    for name in ("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "lecun_uniform",
                 "lecun_normal"):
        weight = getattr(nn, name)((30, 40), lamina.Generator(1), dtype=dtype)
        assert weight.dtype == dtype and 0.05 < weight.std() < 0.4
    assert nn.fan_of((6, 4, 3, 3)) == (36, 54)


def test_updates(dtype, rng):
    gradient, parameter = rng.standard_normal((2, 5)).astype(dtype)
    options = nn.AdamOptions(lr=0.1)
    slots = [np.full(5, initial, dtype) for _, initial in nn.update_slots(options)]
    at = torch.tensor(parameter.astype(np.float64), requires_grad=True)
    adam = torch.optim.Adam([at], lr=0.1)
    for step in (1, 2):
        at.grad = torch.tensor(gradient.astype(np.float64))
        adam.step()
        nn.update_inplace(gradient, parameter, slots, options, step)
    close(parameter, at.detach().numpy(), 20)
    assert nn.update_name(options) == "Adam" and nn.learning_rate(options) == 0.1
    y = np.ones(5, dtype)
    nn.axpy_into(gradient, y, 2.0)
    close(y, 1 + 2 * gradient)
    nn.scale_into(gradient, y, 3.0)
    close(y, 3 * gradient)
    np.testing.assert_allclose(nn.sum_of_squares(gradient), (gradient.astype(np.float64) ** 2).sum(), rtol=1e-12)
    with pytest.raises(ValueError, match="lr"):
        nn.SgdOptions(lr=-1.0)
