#!/usr/bin/env python3
"""Writes the type stubs lamina/*.pyi from the module itself.

Usage: PYTHONPATH=build/release/python write_stubs.py [--check] [folder of the stubs]

Parameters have their types by their names, which mean the same in every function. --check writes nothing and fails if
a stub is not what would be written.
"""

import inspect
import pathlib
import sys

MODULES = ["nn", "autograd", "tensor", "layers", "optim", "io", "data", "simd", "train"]

ARRAYS = """x y a b dy dx x1 x2 y_true y_pred logits log_probs variance anchor positive negative weight bias slope value gate
    gamma beta mean var q k v w_q w_k w_v query key dh_next dc_next dh dc h c h0 c0 table saved gradient columns pointwise
    depthwise pos_weight weights features keep_mask context""".split()
INTEGERS = "indices labels input_lengths target_lengths key_lengths offsets lengths".split()
TYPES = {
    **{name: "Operand" for name in ARRAYS},
    **{name: "IntArrayLike" for name in INTEGERS},
    **{name: "float" for name in """alpha lambd min max threshold eps epsilon momentum temperature p margin low high gain
        negative_slope label_smoothing delta dropout scale base factor lr beta1 beta2 weight_decay dampening rho lr_decay
        initial_accumulator_value max_norm norm_type clip_value deviation step_size tolerance test_fraction k_ test""".split()},
    **{name: "int" for name in """groups size causal_offset offset features_ heads queries keys rows ddof blank seq_len
        d_model divisor threads bytes n stream index first_ words capacity positions""".split()},
    **{name: "bool" for name in """keepdims training causal interleaved ceil_mode count_include_pad keep_dims full log_input
        log_prediction log_target batch_mean zero_infinity swap reset_after batch_first nesterov maximize amsgrad centered
        allowed compress header missing_as_nan error_if_nonfinite requires_grad retain_graph writable shuffle strict progress
        affine accuracy""".split()},
    **{name: "str" for name in """kind op order target data_format padding_value algorithm approximate direction init
        delimiter text last mode pass_""".split()},
    **{name: "Ints" for name in """stride dilation kernel extents output_padding output_extents shape a_shape b_shape x_shape
        weight_shape shape_a shape_b order_ milestones""".split()},
    "axis": "Ints | None", "axes": "int", "padding": "Padding", "amounts": "Sequence[int | tuple[int, int]]",
    "mask": "BoolArrayLike | None", "condition": "BoolArrayLike", "out": "Array | None", "reduction": "Reduction",
    "generator": "Generator | None", "before": "Generator", "dtype": "DTypeLike", "activation": "str | None",
    "seed": "int", "slots": "Sequence[Array]", "options": "UpdateOptions", "path": "Path", "array": "AnyArray",
    "arrays": "Mapping[str, AnyArray]", "metadata": "Mapping[str, str] | None", "content": "bytes",
    "parameters": "Parameters", "parts": "Sequence[Tensor]", "function": "Callable[..., Any]",
    "inputs": "Sequence[ArrayLike]", "start": "int | None", "stop": "int | None", "step": "int", "images": "Path",
    "running_mean": "Array", "running_var": "Array", "parameter": "Array", "y_": "Array",
    "ignore_index": "int | None", "padding_index": "int | None", "group": "int | None",
    "in_features": "int", "out_features": "int", "in_channels": "int", "out_channels": "int", "channels": "int",
    "hidden": "int", "layers": "int", "key_heads": "int", "key_features": "int", "multiplier": "int", "first": "int",
}
# Names that mean something else in some functions.
SPECIAL = {
    ("pad", "value"): "str | float", ("pad_backward", "value"): "str", ("random_integers", "low"): "int",
    ("random_integers", "high"): "int", ("permute", "order"): "Ints", ("local_response_norm", "k"): "float",
    ("local_response_norm_backward", "k"): "float", ("LocalResponseNorm", "k"): "float", ("softplus", "beta"): "float",
    ("softplus_backward", "beta"): "float", ("softplus_inplace", "beta"): "float", ("softplus_2d", "beta"): "float",
    ("numeric_gradient", "step"): "float", ("gradcheck", "step"): "float", ("random_normal", "mean"): "float",
    ("LayerNorm", "shape"): "Ints", ("transpose", "a"): "int", ("transpose", "b"): "int", ("multi_margin_loss", "p"): "int",
    ("multi_margin_loss_backward", "p"): "int", ("Embedding", "features"): "int", ("fan_of", "weight"): "Ints",
    ("smooth_l1_loss", "beta"): "float", ("smooth_l1_loss_backward", "beta"): "float",
    ("smooth_l1_loss_backward_true", "beta"): "float", ("hardsigmoid", "beta"): "float",
    ("hardsigmoid_backward", "beta"): "float", ("hardsigmoid_inplace", "beta"): "float",
    ("focal_loss", "gamma"): "float", ("focal_loss_backward", "gamma"): "float",
    ("focal_loss_backward_true", "gamma"): "float", ("focal_loss_with_logits", "gamma"): "float",
    ("focal_loss_with_logits_backward", "gamma"): "float", ("focal_loss_with_logits_backward_true", "gamma"): "float",
    ("MultiheadAttention", "features"): "int", ("PReLU", "slope"): "float", ("load_mnist", "labels"): "Path",
    ("check_update_options", "options"): "UpdateOptions", ("linear", "weight"): "Packable", ("matmul", "b"): "Packable",
    ("conv2d_packed", "weight"): "PackedConv2dWeight",
}
WEIGHTS = {**{name: "Weights" for name in ("rnn_cell", "gru_cell", "lstm_cell", "multi_head_attention")},
           **{name: "Sequence[Weights]" for name in ("rnn", "gru", "lstm")}}
# An activation's a and b are numbers; those of a function of two arrays are not.
NUMBERS_AB = ("activation", "gated_activation", "conv")
RECURRENT_LAYERS = ("RNN", "GRU", "LSTM")

HEADER = '''\
# Written by python/tests/write_stubs.py.

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Optional, Protocol, Union, overload

import numpy as np
import numpy.typing as npt

'''
COMMON = '''\
Array = npt.NDArray[Any]

class SupportsDLPack(Protocol):
    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

class Generator:
    """Random numbers that are the same on every machine for the same seed and stream."""

    state: tuple[int, int, int]
    def __init__(self, seed: int = 0, stream: int = 0) -> None: ...
    def copy(self) -> Generator: ...
    def split(self, i: int) -> Generator: ...
    def jump(self, words: int) -> None: ...
    def next_u32(self) -> int: ...
    def next_u64(self) -> int: ...
    def below(self, n: int) -> int: ...
    def bernoulli(self, p: float) -> bool: ...
    def uniform(self, low: float = 0.0, high: float = 1.0) -> float: ...
    def normal(self, mean: float = 0.0, deviation: float = 1.0) -> float: ...

class UpdateOptions:
    """An update rule with its numbers."""

ArrayLike = Array | Sequence[Any] | float
AnyArray = ArrayLike | SupportsDLPack | Tensor
Operand = ArrayLike | SupportsDLPack | Tensor | None
IntArrayLike = npt.NDArray[np.integer[Any]] | Sequence[Any] | SupportsDLPack | None
BoolArrayLike = npt.NDArray[Any] | Sequence[Any] | SupportsDLPack
Ints = int | Sequence[int]
Padding = int | str | Sequence[int | tuple[int, int]]
Reduction = Literal["mean", "sum", "none"]
Weights = Sequence[ArrayLike | Tensor | None]
Parameters = Iterable[Tensor | tuple[str, Tensor]]
DTypeLike = npt.DTypeLike
Path = str | bytes | os.PathLike[str]
Recorded = Array | Tensor
'''


def type_of(function, parameter):
    name = parameter.name
    if function.endswith("_workspace_bytes") and name in ("x", "weight"):
        return "Ints"
    if (function, name) in SPECIAL:
        return SPECIAL[function, name]
    base = function.removesuffix("_backward")
    if name == "weights" and base in WEIGHTS:
        return WEIGHTS[base]
    if name in ("a", "b") and (function.startswith(NUMBERS_AB) or function[0].isupper()):
        return "float | None"
    if name == "features" and function.removesuffix("Cell") in RECURRENT_LAYERS:
        return "int"
    if isinstance(parameter.default, bool):
        return "bool"
    if name not in TYPES:
        raise SystemExit(f"write_stubs: {function} has a parameter {name} of unknown type")
    kind = TYPES[name]
    if parameter.default is None and "None" not in kind and kind not in ("Operand", "IntArrayLike"):
        kind += " | None"
    return kind


def parameter_text(function, parameter, replace):
    kind = type_of(function, parameter)
    text = f"{parameter.name}: {replace.get(kind, kind)}"
    return text if parameter.default is parameter.empty else f"{text} = {parameter.default!r}"


def signature_text(function, parameters, replace):
    parts = []
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        parts.append(parameter_text(function, p, replace))
    return ", ".join(parts)


def builtin_stub(name, function):
    """A function of C++. Where the tape knows it, what is returned depends on what is given."""
    parameters = list(inspect.signature(function).parameters.values())
    returns = function.__self__.returns
    if "Recorded" not in returns:
        return f"def {name}({signature_text(name, parameters, {})}) -> {returns}: ...\n"
    forms = [({"Operand": "ArrayLike | None", "Packable": "ArrayLike | PackedWeight", "Weights": "Sequence[ArrayLike | None]",
               "Sequence[Weights]": "Sequence[Sequence[ArrayLike | None]]"}, "Array"),
             ({"Operand": "ArrayLike | Tensor | None", "Packable": "ArrayLike | Tensor"}, "Tensor"),
             ({"Operand": "ArrayLike | SupportsDLPack | None",
               "Packable": "ArrayLike | SupportsDLPack | PackedWeight"}, "Array")]
    return "".join(f"@overload\ndef {name}({signature_text(name, parameters, replace)}) -> "
                   f"{returns.replace('Recorded', result)}: ...\n" for replace, result in forms)


# What methods of Python's own classes return, and their parameters' types where names do not tell.
RETURNS = {
    "Tensor": {**{name: "Tensor" for name in """__add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__
        __pow__ __rpow__ __matmul__ __rmatmul__ __neg__ __pos__ __abs__ __iadd__ __isub__ __imul__ __itruediv__ __getitem__
        reshape flatten transpose permute squeeze expand_dims broadcast_to sum mean max min detach T""".split()},
               **{name: "Array" for name in "numpy argmax __array__ __lt__ __le__ __gt__ __ge__".split()},
               "shape": "tuple[int, ...]", "ndim": "int", "size": "int", "dtype": "np.dtype[Any]", "item": "float",
               "requires_grad": "bool", "is_leaf": "bool", "grad": "Array | None", "__len__": "int",
               "__float__": "float", "__int__": "int", "__bool__": "bool", "__iter__": "Iterator[Tensor]",
               "__dlpack_device__": "tuple[int, int]", "__dlpack__": "Any", "__repr__": "str", "__format__": "str"},
    "Module": {"parameters": "list[tuple[str, Tensor]]", "buffers": "list[tuple[str, Tensor]]", "parameter_count": "int",
               "named_children": "list[tuple[str, Module]]", "state_dict": "dict[str, Array]", "describe": "str",
               "name": "str", "train": "Module", "eval": "Module", "__call__": "Any", "forward": "Any", "__repr__": "str"},
    "Layer": {"forward": "Tensor", "train": "Layer", "name": "str", "__getattr__": "Tensor", "__dir__": "list[str]"},
    "Sequential": {"append": "Sequential", "forward": "Tensor", "__len__": "int", "__getitem__": "Any",
                   "__iter__": "Iterator[Module]"},
    "Optimizer": {"lr": "float", "get_lr": "float", "group_count": "int", "options": "UpdateOptions", "steps": "int",
                  "state": "dict[str, Array]", "__repr__": "str"},
    "BatchLoader": {"__len__": "int", "examples": "int", "epoch": "Iterator[tuple[Array, Array, Array]]",
                    "__iter__": "Iterator[tuple[Array, Array, Array]]"},
    "Dataset": {"take": "Dataset", "count": "int", "classes": "int"},
    "Trainer": {"train_batch": "tuple[float, int]", "fit": "list[Epoch]", "evaluate": "tuple[float, Optional[float]]"},
    "Epoch": {"__str__": "str"}, "ReduceOnPlateau": {"__call__": "float"},
    "PackedConv2dWeight": {"nbytes": "int", "dtype": "np.dtype[Any]"},
    "PackedWeight": {"in_features": "int", "out_features": "int", "nbytes": "int", "dtype": "np.dtype[Any]"},
    "KvCache": {"__len__": "int", "capacity": "int", "keys": "Array | None", "values": "Array | None", "attend": "Array"},
    "functions": {"load_digits": "Dataset", "load_mnist": "Dataset", "to_dataset": "Dataset", "grad_enabled": "bool",
                  "train_test_split": "tuple[Dataset, Dataset]", "parameter": "Tensor", "forced": "Any"},
}
FIELDS = {"Dataset": "    features: Array\n    labels: Array\n"}


def python_signature(function):
    """Types are those of the defaults, where names do not tell."""
    parts, star = [], False
    for p in inspect.signature(function).parameters.values():
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        star = star or prefix == "*"
        text = prefix + p.name
        if p.name not in ("self", "cls"):
            known = isinstance(p.default, (bool, int, float, str)) and type(p.default).__name__
            text += f": {known or 'Any'}"
        if p.default is not p.empty:
            text += f" = {p.default!r}" if known or p.default is None else " = ..."
        parts.append(text)
    return ", ".join(parts)


def method_stubs(cls, known):
    for name, member in vars(cls).items():
        if name.startswith("_") and not (name.startswith("__") and name in known) and name not in ("__init__", "__new__"):
            continue
        if isinstance(member, property):
            yield f"    @property\n    def {name}(self) -> {known.get(name, 'Any')}: ...\n"
            if member.fset:
                yield f"    @{name}.setter\n    def {name}(self, value: Any) -> None: ...\n"
        elif inspect.isfunction(member):
            returns = known.get(name, "None")
            if name == "__new__":
                continue
            yield f"    def {name}({python_signature(member)}) -> {returns}: ...\n"


def class_stub(name, cls, module):
    make = vars(cls).get("_make") or (module.__name__.endswith("optim") and hasattr(cls.__init__, "__signature__"))
    bases = [b.__name__.lstrip("_") for b in cls.__bases__ if b.__name__ not in ("object", "pybind11_object")]
    if hasattr(cls, "_fields"):
        bases = ["NamedTuple"]
    text = f"class {name}({', '.join(bases)}):\n" if bases else f"class {name}:\n"
    body = FIELDS.get(name, "")
    if name == "Tensor":
        text = "class Tensor:\n"
        body += ("    def __init__(self, value: ArrayLike | SupportsDLPack | Tensor, requires_grad: bool = False, "
                 "dtype: DTypeLike | None = None) -> None: ...\n")
        body += "".join(s for s in method_stubs(cls, RETURNS[name]) if "def __init__" not in s)
    elif make:
        parameters = list(inspect.signature(cls).parameters.values())
        body += f"    def __init__(self, {signature_text(name, parameters, {})}) -> None: ...\n"
        for base in cls.__bases__:
            if base.__name__.startswith("_"):
                body += "".join(method_stubs(base, {"forward": "Any", "run": "Any"}))
        text = text.replace(f"({', '.join(bases)})", "(Optimizer)" if module.__name__.endswith("optim") else "(Layer)")
    else:
        if getattr(cls, "__dataclass_fields__", None):
            for field in cls.__dataclass_fields__.values():
                kind = getattr(field.type, "__name__", str(field.type).replace("typing.", ""))
                kind = {"tuple": "tuple[int, ...]"}.get(kind, kind) if "Optional" not in str(field.type) else "Optional[float]"
                body += f"    {field.name}: {kind}\n"
            body += f"    def __init__({python_signature(cls.__init__)}) -> None: ...\n"
            body += "    def __call__(self, step: int) -> float: ...\n" if callable(getattr(cls, "__call__", None)) else ""
        else:
            body += "".join(method_stubs(cls, RETURNS.get(name, {})))
        text = text.replace("(_Schedule)", "").replace("(Schedule)", "").replace("(ContextDecorator)", "")
        if name == "no_grad":
            body = ("    def __enter__(self) -> no_grad: ...\n    def __exit__(self, *error: Any) -> None: ...\n"
                    "    def __call__(self, function: Any) -> Any: ...\n")
    return text + (body or "    ...\n")


def module_stub(module):
    lines = []
    for name in module.__all__:
        member = getattr(module, name)
        if inspect.isbuiltin(member):
            lines.append(builtin_stub(name, member))
        elif inspect.isclass(member):
            if name not in ("Tensor", "no_grad", "Generator") or module.__name__ == "lamina.tensor":
                lines.append(class_stub(name, member, module))
        elif inspect.isfunction(member) and not (name in ("parameter", "grad_enabled")
                                                 and module.__name__ != "lamina.tensor"):
            lines.append(f"def {name}({python_signature(member)}) -> {RETURNS['functions'][name]}: ...\n")
    return lines


def stubs():
    """Names and contents of all stubs."""
    import importlib

    import lamina
    from lamina import tensor

    names = ("AnyArray Array ArrayLike BoolArrayLike DTypeLike Generator IntArrayLike Ints Operand Padding Parameters Path "
             "Reduction SupportsDLPack Tensor UpdateOptions Weights").split()
    tensor.__all__ = ["Tensor", "no_grad", "parameter", "grad_enabled"]
    for name in MODULES:
        module = importlib.import_module(f"lamina.{name}")
        text = HEADER
        if name == "tensor":
            text += COMMON
        else:
            text += f"from .tensor import {', '.join(names)}\n"
            if name == "autograd":
                text += ("from .tensor import grad_enabled as grad_enabled, no_grad as no_grad, parameter as parameter\n"
                         "from .tensor import Tensor as Tensor\n")
        for part in module_stub(module):
            text += "\n" + part
        yield f"{name}.pyi", text
    text = HEADER + f"from .tensor import {', '.join(names)}\n"
    text += "from .tensor import Generator as Generator, Tensor as Tensor, grad_enabled as grad_enabled, "
    text += "no_grad as no_grad, parameter as parameter\n"
    text += "from . import " + ", ".join(f"{m} as {m}" for m in MODULES if m != "tensor") + "\n\n__version__: str\n"
    for name in lamina.__all__:
        if inspect.isbuiltin(getattr(lamina, name)):
            text += "\n" + builtin_stub(name, getattr(lamina, name))
    yield "__init__.pyi", text


def main(arguments):
    check = "--check" in arguments
    paths = [a for a in arguments if not a.startswith("-")]
    folder = pathlib.Path(paths[0] if paths else pathlib.Path(__file__).parents[1] / "lamina")
    wrong = []
    for name, text in stubs():
        path = folder / name
        if path.exists() and path.read_text() == text:
            continue
        wrong.append(name)
        if not check:
            path.write_text(text)
    if check and wrong:
        print(f"not up to date: {', '.join(wrong)}; run python/tests/write_stubs.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
