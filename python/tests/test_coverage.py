"""Every public function of the C++ headers in include/lamina/nn has its counterpart in Python."""

import inspect
import pathlib
import re

import pytest

import lamina
from lamina import nn

HEADERS = pathlib.Path(__file__).parents[2] / "include" / "lamina" / "nn"

# C++ functions without a counterpart of their name, and why.
EXCEPTIONS = {
    "activation_row": "a row of a C++ table; help() of each function shows its formula",
    "loss_row": "a row of a C++ table; help() of each function shows its formula",
    "info": "a row of a C++ table; help() of each function shows its formula",
    "to_string": "Python names members by strings",
    "binary_scalar": "binary takes numbers",
    "scalar_binary": "binary takes numbers",
    "elementwise_loss": "takes a row of a C++ table; each row has its function",
    "elementwise_loss_backward": "takes a row of a C++ table; each row has its function",
    "elementwise_loss_backward_true": "takes a row of a C++ table; each row has its function",
    "elementwise_loss_backward_third": "takes a row of a C++ table; each row has its function",
}


def declarations(text):
    """Declarations and heads of definitions in a namespace's text, without what stands in braces. Inner namespaces but
    `detail` are read too."""
    start, i = 0, 0
    while i < len(text):
        if text[i] == ";":
            yield text[start:i].strip()
            start = i + 1
        elif text[i] == "{":
            head, depth, body = text[start:i].strip(), 1, i + 1
            while depth > 0:
                i += 1
                depth += (text[i] == "{") - (text[i] == "}")
            if head.startswith("namespace"):
                if head.split()[-1] != "detail":
                    yield from declarations(text[body:i])
                start = i + 1
            elif head.endswith(")"):  # a function's body; braces of another kind are followed by more
                yield head
                start = i + 1
            else:
                text = text[:body - 1] + " " * (i + 2 - body) + text[i + 1:]
        i += 1


def function_name(declaration):
    """The name that a declaration declares, or None if it is no function."""
    text = declaration
    if text.startswith("template"):
        depth = 0
        for i in range(text.index("<"), len(text)):
            depth += (text[i] == "<") - (text[i] == ">")
            if depth == 0:
                text = text[i + 1:].strip()
                break
    text = re.sub(r"^requires\b", "", text)
    if re.match(r"(struct|class|enum|union|using|concept|extern|static_assert|inline constexpr)\b", text):
        return None
    found = re.search(r"\b(\w+)\s*\(", text)
    return found[1] if found and found[1] != "operator" else None


def functions_of(header):
    """Names of the free functions that a header declares in namespace lamina::nn."""
    text = re.sub(r"//.*|^#.*", "", header.read_text(), flags=re.M)
    text = re.sub(r'"[^"\n]*"', '""', text)
    return {function_name(d) for d in declarations(text)} - {None}


FUNCTIONS = {name: header.name for header in sorted(HEADERS.glob("*.hpp"))
             for name in functions_of(header) if header.name != "operators.hpp"}


def test_the_headers_are_understood():
    assert len(FUNCTIONS) > 400
    for name in ("conv2d", "relu_inplace", "layer_norm_backward_into", "logical_not", "fan_of", "cross_entropy",
                 "simd_dot_f32", "max_pool2d_with_indices", "lstm_cell", "sum_of_squares", "positional_encoding"):
        assert name in FUNCTIONS, name


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_python_has_it(name):
    if name in EXCEPTIONS or hasattr(nn, name):
        return
    # f_into(..., out) is f(..., out=out).
    assert name.endswith("_into"), f"lamina.nn lacks {name} of {FUNCTIONS[name]}"
    base = name[:-len("_into")]
    if base in EXCEPTIONS:
        return
    assert hasattr(nn, base), f"lamina.nn lacks {base} of {FUNCTIONS[name]}"
    parameters = inspect.signature(getattr(nn, base)).parameters
    returns_several = getattr(nn, base).__self__.returns.startswith("tuple")
    assert "out" in parameters or returns_several, f"{base} has no out= for {name}"


def test_exceptions_are_still_needed():
    assert not [name for name in EXCEPTIONS if name not in FUNCTIONS or hasattr(nn, name)]


def public_functions():
    for module in (nn, lamina.autograd, lamina.io, lamina.simd, lamina):
        for name in module.__all__:
            if inspect.isbuiltin(getattr(module, name)):
                yield f"{module.__name__}.{name}", getattr(module, name)


@pytest.mark.parametrize("name, function", public_functions())
def test_help_says_something(name, function):
    assert len(function.__doc__.split()) >= 3, name
    assert f"{function.__module__}.{function.__name__}" == name
    inspect.signature(function)


def test_layers_have_counterparts():
    headers = pathlib.Path(__file__).parents[2] / "include" / "lamina" / "layers"
    text = "".join(h.read_text() for h in headers.glob("*.hpp"))
    classes = set(re.findall(r"^class (\w+) final", text, flags=re.M)) | set(
        re.findall(r"^using (\w+) = NamedActivation<", text, flags=re.M))
    assert len(classes) > 40
    assert not [name for name in sorted(classes) if not hasattr(lamina.layers, name)]


def test_optimizers_have_counterparts():
    text = (HEADERS.parent / "optim" / "optimizer.hpp").read_text()
    rules = re.findall(r"^struct (\w+) final : detail::RuleOptimizer", text, flags=re.M)
    schedules = re.findall(r"^(?:struct|class LAMINA_EXPORT|class) (\w+) \{",
                           (HEADERS.parent / "optim" / "schedule.hpp").read_text(), flags=re.M)
    assert len(rules) >= 9 and len(schedules) >= 10
    assert not [name for name in rules + schedules if not hasattr(lamina.optim, name)]


# Members of C++ option structs: their names in Python, where these are others, and what is no option there.
RENAMED = {"format": "data_format", "axes": "axis", "activation_params": "a"}
NOT_IN_PYTHON = {"by_name"}
OF_A_TABLE = {"LossOptions"}
OF_SEVERAL_FUNCTIONS = {"RecurrentCellOptions", "RecurrentOptions"}


def option_structs():
    for header in sorted(HEADERS.glob("*.hpp")):
        text = re.sub(r"//.*", "", header.read_text())
        for name, body in re.findall(r"struct (\w+Options) \{(.*?)\n\};", text, flags=re.S):
            fields = re.findall(r"\b(\w+)\s*(?:=[^;]*|\{[^;]*\})?;", body)
            yield pytest.param(name, [RENAMED.get(f, f) for f in fields if f not in NOT_IN_PYTHON], id=name)


@pytest.mark.parametrize("name, options", option_structs())
def test_every_option_is_there(name, options):
    """Some function has all the options of a struct."""
    if name in OF_A_TABLE:
        return
    assert options
    options = {"reduction" if o == "mode" and name != "KaimingOptions" else o for o in options}
    functions = [set(inspect.signature(getattr(nn, f)).parameters) for f in nn.__all__ if inspect.isbuiltin(getattr(nn, f))]
    if name in OF_SEVERAL_FUNCTIONS:
        assert all(any(o in parameters for parameters in functions) for o in options)
    else:
        assert any(options <= parameters for parameters in functions), options
