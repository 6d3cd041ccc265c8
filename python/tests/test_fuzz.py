"""No arguments crash the interpreter: calls that are right but for a few arguments, and calls that are not right at all.

A call may give a result or raise one of the errors below. What matters is that the process lives, and that a sanitizer
has nothing to say.
"""

import inspect
import random
import resource
import warnings

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch

import lamina
from lamina import nn
from test_oracle import ALL

ERRORS = (TypeError, ValueError, IndexError, NotImplementedError, OSError, MemoryError, OverflowError)
FUNCTIONS = {f"{module.__name__}.{name}": getattr(module, name)
             for module in (nn, lamina.autograd, lamina.io, lamina.data, lamina.simd, lamina)
             for name in module.__all__ if inspect.isbuiltin(getattr(module, name))}
# They change the process for all tests that follow.
LEFT_OUT = {"lamina.set_memory_cache_limit", "lamina.set_num_threads", "lamina.simd.force", "lamina.nn.set_winograd",
            "lamina.io.save_npy", "lamina.io.save_npz", "lamina.io.save_safetensors"}
TYPES = ["float32"] * 8 + ["float64"] * 8 + ["int64", "int32", "uint8", "bool", "float16", "complex64", ">f4", "object"]


@pytest.fixture(autouse=True, scope="module")
def little_memory():
    """Absurd sizes are a MemoryError here, not the end of the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def array(r, extents):
    """Any array: shape, element type, layout, contents."""
    shape = tuple(r.choice(extents) for _ in range(r.choice([0, 1, 1, 2, 2, 2, 3, 4, 4, 5, 9])))
    shape = shape if np.prod(shape, dtype=float) < 10000 else shape[:3]
    rng = np.random.default_rng(r.randrange(2**32))
    x = np.asarray(rng.standard_normal(shape) * r.choice([1, 1, 3, 1e30]))
    if r.random() < 0.1:
        x = np.where(rng.random(shape) < 0.3, r.choice([np.nan, np.inf, -np.inf]), x)
    with np.errstate(all="ignore"):
        return layout(r, np.asarray(x).astype(r.choice(TYPES)))


def layout(r, x):
    """The same elements, laid out otherwise; sometimes others."""
    kind = r.randrange(10)
    if kind == 0 and x.ndim:
        return x[::-1]
    if kind == 1:
        return x.T
    if kind == 2 and x.ndim:
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if kind == 3 and x.ndim:
        return np.broadcast_to(x[:1], x.shape) if x.shape[0] else x
    if kind == 4:
        x = np.array(x)
        x.flags.writeable = False
        return x
    if kind == 5:
        spoiled = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype) if x.dtype != object and x.nbytes else x
        return spoiled.reshape(x.shape)
    if kind == 6 and x.dtype in (np.float32, np.float64, np.int64):
        return torch.from_numpy(np.ascontiguousarray(x))
    if kind == 7 and x.dtype in (np.float32, np.float64) and x.ndim <= 8:
        return lamina.Tensor(np.ascontiguousarray(x), requires_grad=r.random() < 0.5)
    return x


def scalar(r):
    return r.choice([0, 1, 2, 3, -1, -2, 5, 7, 0.5, 1.0, -0.25, 2.5, 1e-5, 1e300, float("nan"), float("inf"), 2**31, 2**62,
                     -2**63, 2**64, 10**30, True, False, None, "mean", "none", "same", "NHWC", "relu", "sum", "zero",
                     "circular", "max", "both", "float64", "l1", "", "\x00", b"x", object(), [], (), {}])


def anything(r, extents):
    kind = r.randrange(10)
    if kind < 4:
        return array(r, extents)
    if kind < 7:
        return scalar(r)
    if kind == 7:
        return [scalar(r) for _ in range(r.randrange(5))]
    if kind == 8:
        return tuple(r.choice(extents) for _ in range(r.randrange(6)))
    return [array(r, extents) for _ in range(r.randrange(4))]


def changed(r, value, extents):
    """Something near a right value, or not near at all."""
    if isinstance(value, np.ndarray) and value.ndim and r.random() < 0.7:
        kind = r.randrange(7)
        if kind == 0:
            return layout(r, value)
        if kind == 1:
            return value[tuple(slice(0, r.choice([0, 1, n, n])) for n in value.shape)]
        if kind == 2:
            return value.astype(r.choice(TYPES))
        if kind == 3:
            return value[None] if r.random() < 0.5 else value[0]
        if kind == 4:
            return np.concatenate([value, value], axis=r.randrange(value.ndim))
        if kind == 5 and value.dtype.kind in "iu":
            return value + r.choice([-1, 1, 2**31, -2**62])
        return value.T
    return anything(r, extents)


def call(function, arguments, options):
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*arguments, **options)
        for part in result if isinstance(result, tuple) else (result,):
            if isinstance(part, lamina.Tensor) and part.requires_grad and part.size == 1:
                part.backward()
    except ERRORS as error:
        assert str(error)
    except RuntimeError as error:
        raise AssertionError(f"{function.__name__}: an error that is none of the library's: {error}") from error


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - LEFT_OUT))
@hypothesis.given(st.integers(0, 2**32))
@hypothesis.settings(max_examples=8)
def test_any_arguments(name, seed):
    r = random.Random(seed)
    extents = [r.choice([0, 1, 2, 3, 4, 6]) for _ in range(3)]
    parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    arguments, options = [], {}
    same = array(r, extents)
    for p in parameters:
        if p.default is not p.empty and r.random() < 0.7:
            continue
        value = same if r.random() < 0.4 else anything(r, extents)
        if p.kind is p.KEYWORD_ONLY or options or p.default is not p.empty:
            options[p.name] = value
        else:
            arguments.append(value)
    call(FUNCTIONS[name], arguments, options)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case[0])
@hypothesis.given(st.integers(0, 2**32))
@hypothesis.settings(max_examples=20)
def test_nearly_right_arguments(case, seed):
    name, before, arrays, options, _ = case
    r = random.Random(seed)
    extents = [r.choice([0, 1, 2, 3, 4, 6]) for _ in range(3)]
    dtype = r.choice([np.float32, np.float64])
    arguments = [*before, *(a.astype(dtype) for a in arrays)]
    if r.random() < 0.3:
        arguments = [lamina.Tensor(a, requires_grad=r.random() < 0.7)
                     if isinstance(a, np.ndarray) and a.dtype == dtype else a for a in arguments]
    options = dict(options)
    function = getattr(nn, name)
    parameters = list(inspect.signature(function).parameters)
    for _ in range(r.choice([1, 1, 2])):
        if r.random() < 0.6:
            i = r.randrange(len(arguments))
            arguments[i] = changed(r, arguments[i], extents)
        else:
            key = r.choice(parameters[len(arguments):] or parameters)
            if key in parameters[len(arguments):]:
                options[key] = changed(r, options.get(key), extents)
    call(function, arguments, options)


@hypothesis.given(st.binary(max_size=200))
def test_any_bytes(content):
    for parse in (lamina.io.parse_npy, lamina.io.parse_npz, lamina.io.parse_safetensors, lamina.data.parse_idx):
        call(parse, [content], {})
    call(lamina.data.parse_csv, [content.decode("latin-1")], {})


LAYERS = [name for name in lamina.layers.__all__ if name not in ("Module", "Layer", "Sequential")]


@pytest.mark.parametrize("name", LAYERS)
@hypothesis.given(st.integers(0, 2**32))
@hypothesis.settings(max_examples=10)
def test_any_layer(name, seed):
    r = random.Random(seed)
    extents = [r.choice([1, 2, 3, 4]) for _ in range(3)]
    parameters = [p for p in inspect.signature(getattr(lamina.layers, name)).parameters.values()]
    arguments = [r.choice(extents) if r.random() < 0.8 else scalar(r) for p in parameters if p.default is p.empty]
    options = {p.name: scalar(r) for p in parameters if p.default is not p.empty and r.random() < 0.15}
    try:
        layer = getattr(lamina.layers, name)(*arguments, **options)
    except ERRORS:
        return
    for _ in range(4):
        call(layer, [array(r, extents)], {})
    call(layer.load_state_dict, [{n: array(r, extents) for n, _ in layer.parameters()}], {})
    assert repr(layer)
