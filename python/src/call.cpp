#include "call.hpp"

#include <algorithm>
#include <charconv>
#include <deque>
#include <new>
#include <stdexcept>

namespace lamina::python {

namespace {

struct Function {
  Signature signature;
  Body body;
  std::string module;
  std::string doc;  // with the signature before it, as CPython wants it
  PyMethodDef definition{};
};

/// What stands behind a built-in function as its `self`: a kind of module, as behind any function
/// of a module, so that help(), repr() and pickle take it for one. It ends in a Function*.
Function*& function_of(PyObject* self) {
  return *reinterpret_cast<Function**>(reinterpret_cast<char*>(self) + PyModule_Type.tp_basicsize);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) {
    text.remove_suffix(1);
  }
  return text;
}

py::object parse_default(std::string_view text) {
  if (text == "None") {
    return py::none();
  }
  if (text == "True" || text == "False") {
    return py::bool_(text == "True");
  }
  if (text.front() == '"') {
    return py::str(std::string(text.substr(1, text.size() - 2)));
  }
  const char* const end = text.data() + text.size();
  if (text.find_first_of(".e") == std::string_view::npos) {
    Index integer = 0;
    if (std::from_chars(text.data(), end, integer).ptr == end) {
      return py::int_(integer);
    }
  }
  double number = 0;
  if (std::from_chars(text.data(), end, number).ptr != end) {
    throw std::logic_error("a default value that is no literal: " + std::string(text));
  }
  return py::float_(number);
}

Signature parse_signature(std::string_view text) {
  Signature signature;
  const std::size_t open = text.find('(');
  const std::size_t arrow = text.rfind(" -> ");
  const std::size_t close = text.rfind(')', arrow);
  if (open == std::string_view::npos || arrow == std::string_view::npos ||
      close == std::string_view::npos) {
    throw std::logic_error("no signature: " + std::string(text));
  }
  signature.name = text.substr(0, open);
  signature.text = text.substr(open, close + 1 - open);
  signature.returns = text.substr(arrow + 4);
  std::string_view rest = text.substr(open + 1, close - open - 1);
  bool keyword_only = false;
  while (!trimmed(rest).empty()) {
    // No comma within a string.
    std::size_t comma = 0;
    for (bool quoted = false; comma < rest.size() && (quoted || rest[comma] != ','); ++comma) {
      quoted ^= rest[comma] == '"';
    }
    const std::string_view part = trimmed(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (part == "*") {
      keyword_only = true;
      continue;
    }
    const std::size_t equals = part.find('=');
    Parameter parameter{std::string(part.substr(0, equals)), py::object()};
    if (equals != std::string_view::npos) {
      parameter.default_value = parse_default(part.substr(equals + 1));
    }
    signature.parameters.push_back(std::move(parameter));
    signature.positional += keyword_only ? 0 : 1;
  }
  if (signature.parameters.size() > Call::kMaxParameters) {
    throw std::logic_error("too many parameters: " + std::string(text));
  }
  return signature;
}

/// Puts the arguments in the order of the parameters. False with a Python error set if they do not
/// fit.
bool place_arguments(const Signature& signature, PyObject* const* given, Py_ssize_t positional,
                     PyObject* keywords, std::array<PyObject*, Call::kMaxParameters>& values) {
  const char* const name = signature.name.c_str();
  if (static_cast<std::size_t>(positional) > signature.positional) {
    PyErr_Format(PyExc_TypeError,
                 "%s() takes at most %zu positional arguments, %zd were given: %s%s", name,
                 signature.positional, positional, name, signature.text.c_str());
    return false;
  }
  for (Py_ssize_t i = 0; i < positional; ++i) {
    values[static_cast<std::size_t>(i)] = given[i];
  }
  const Py_ssize_t count = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t k = 0; k < count; ++k) {
    PyObject* const keyword = PyTuple_GET_ITEM(keywords, k);
    std::size_t at = 0;
    while (at < signature.parameters.size() &&
           PyUnicode_CompareWithASCIIString(keyword, signature.parameters[at].name.c_str()) != 0) {
      ++at;
    }
    if (at == signature.parameters.size()) {
      PyErr_Format(PyExc_TypeError, "%s() has no parameter %R: %s%s", name, keyword, name,
                   signature.text.c_str());
      return false;
    }
    if (values[at] != nullptr) {
      PyErr_Format(PyExc_TypeError, "%s() got two values for %R", name, keyword);
      return false;
    }
    values[at] = given[positional + k];
  }
  for (std::size_t i = 0; i < signature.parameters.size(); ++i) {
    if (values[i] == nullptr) {
      values[i] = signature.parameters[i].default_value.ptr();
      if (values[i] == nullptr) {
        PyErr_Format(PyExc_TypeError, "%s() misses the argument '%s': %s%s", name,
                     signature.parameters[i].name.c_str(), name, signature.text.c_str());
        return false;
      }
    }
  }
  return true;
}

PyObject* call_function(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                        PyObject* keywords) {
  const Function& function = *function_of(self);
  std::array<PyObject*, Call::kMaxParameters> values{};
  if (!place_arguments(function.signature, given, positional, keywords, values)) {
    return nullptr;
  }
  try {
    Call call(function.signature, values);
    return function.body(call).release().ptr();
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* function_returns(PyObject* self, void*) {
  const Function& function = *function_of(self);
  return PyUnicode_FromString(function.signature.returns.c_str());
}

PyTypeObject* function_type() {
  static PyGetSetDef properties[] = {
      {"returns", function_returns, nullptr, "What the function returns, for type stubs.", nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_getset, properties}, {0, nullptr}};
  static PyType_Spec spec = {
      "lamina._core.Function",
      static_cast<int>(PyModule_Type.tp_basicsize + static_cast<Py_ssize_t>(sizeof(Function*))), 0,
      Py_TPFLAGS_DEFAULT, slots};
  static auto* const type = reinterpret_cast<PyTypeObject*>(PyType_FromSpecWithBases(
      &spec, py::make_tuple(py::handle(reinterpret_cast<PyObject*>(&PyModule_Type))).ptr()));
  return type;
}

PyObject* error_class(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::IndexOutOfBounds:
      return PyExc_IndexError;
    case ErrorKind::ConversionError:
      return PyExc_TypeError;
    case ErrorKind::Unsupported:
      return PyExc_NotImplementedError;
    case ErrorKind::IoError:
      return PyExc_OSError;
    case ErrorKind::DimensionMismatch:
    case ErrorKind::InvalidOperation:
    case ErrorKind::ParseError:
      break;
  }
  return PyExc_ValueError;
}

/// What an object looks like, in a message.
std::string shown(py::handle object) {
  constexpr Py_ssize_t kLongest = 100;
  const py::object text = py::repr(object);
  if (PyUnicode_GET_LENGTH(text.ptr()) <= kLongest) {
    return py::cast<std::string>(text);
  }
  const py::object start =
      py::reinterpret_steal<py::object>(PyUnicode_Substring(text.ptr(), 0, kLongest));
  return py::cast<std::string>(start) + "...";
}

/// The integer that an object is. __index__ decides, so that 2.0 and "2" are none.
Index to_index(py::handle object, const Place& place) {
  if (PyBool_Check(object.ptr()) || !PyIndex_Check(object.ptr())) {
    throw_type_error(place, "must be an integer, it is " + shown(object));
  }
  const py::object integer = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (!integer) {
    throw py::error_already_set();
  }
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(integer.ptr(), &overflow);
  if (value == -1 && PyErr_Occurred() != nullptr) {
    throw py::error_already_set();
  }
  if (overflow != 0) {
    throw py::value_error(std::string(place.operation) + ": " + std::string(place.argument) +
                          " is beyond the range of int64");
  }
  return static_cast<Index>(value);
}

bool is_sequence(py::handle object) {
  return PySequence_Check(object.ptr()) != 0 && !PyUnicode_Check(object.ptr()) &&
         !PyBytes_Check(object.ptr());
}

std::vector<py::object> elements_of(py::handle sequence) {
  std::vector<py::object> elements;
  for (const py::handle element : sequence) {
    elements.push_back(py::reinterpret_borrow<py::object>(element));
  }
  return elements;
}

}  // namespace

void translate_exception() {
  try {
    throw;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const Error& error) {
    PyErr_SetString(error_class(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, "lamina: not enough memory");
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "lamina: unknown exception");
  }
}

Module::Module(py::module_ module, std::string public_name)
    : module_(std::move(module)), name_(std::move(public_name)) {}

void Module::def(std::string_view signature, std::string doc, Body body) {
  static std::deque<Function>& functions = *new std::deque<Function>;  // they live to the end
  Function& function = functions.emplace_back();
  function.signature = parse_signature(signature);
  function.body = std::move(body);
  function.module = name_;
  function.doc =
      function.signature.name + function.signature.text + "\n--\n\n" + std::string(trimmed(doc));
  function.definition = {function.signature.name.c_str(),
                         reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_function)),
                         METH_FASTCALL | METH_KEYWORDS, function.doc.c_str()};
  const py::object self =
      py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(function_type()))(name_);
  function_of(self.ptr()) = &function;
  const py::str module_name(name_);
  const py::object callable = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&function.definition, self.ptr(), module_name.ptr()));
  if (!callable) {
    throw py::error_already_set();
  }
  module_.attr(function.signature.name.c_str()) = callable;
}

py::handle Call::object(std::string_view parameter) const {
  for (std::size_t i = 0; i < signature_.parameters.size(); ++i) {
    if (signature_.parameters[i].name == parameter) {
      return values_[i];
    }
  }
  throw std::logic_error(signature_.name + " has no parameter " + std::string(parameter));
}

bool Call::has_parameter(std::string_view parameter) const noexcept {
  return std::ranges::any_of(signature_.parameters,
                             [&](const Parameter& one) { return one.name == parameter; });
}

Index Call::index(std::string_view parameter) const {
  return to_index(object(parameter), place(parameter));
}

int Call::axis(std::string_view parameter) const {
  const Index value = index(parameter);
  if (!std::in_range<int>(value)) {
    throw py::value_error(signature_.name + ": " + std::string(parameter) + " " +
                          std::to_string(value) + " is out of range");
  }
  return static_cast<int>(value);
}

std::uint64_t Call::seed(std::string_view parameter) const {
  const py::handle given = object(parameter);
  if (PyBool_Check(given.ptr()) || !PyIndex_Check(given.ptr())) {
    throw_type_error(place(parameter), "must be an integer, it is " + shown(given));
  }
  const py::object integer = py::reinterpret_steal<py::object>(PyNumber_Index(given.ptr()));
  if (!integer) {
    throw py::error_already_set();
  }
  const unsigned long long value = PyLong_AsUnsignedLongLong(integer.ptr());
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw py::value_error(signature_.name + ": " + std::string(parameter) +
                          " must be from 0 to 2^64 - 1");
  }
  return value;
}

double Call::number(std::string_view parameter) const {
  const py::handle given = object(parameter);
  if (PyFloat_Check(given.ptr())) {
    return PyFloat_AS_DOUBLE(given.ptr());
  }
  if (PyBool_Check(given.ptr()) || PyUnicode_Check(given.ptr())) {
    throw_type_error(place(parameter), "must be a number, it is " + shown(given));
  }
  const double value = PyFloat_AsDouble(given.ptr());
  if (value == -1.0 && PyErr_Occurred() != nullptr) {
    const bool overflows = PyErr_ExceptionMatches(PyExc_OverflowError) != 0;
    PyErr_Clear();
    if (overflows) {
      throw py::value_error(signature_.name + ": " + std::string(parameter) +
                            " is beyond the range of float64");
    }
    throw_type_error(place(parameter), "must be a number, it is " + shown(given));
  }
  return value;
}

bool Call::flag(std::string_view parameter) const {
  const py::handle given = object(parameter);
  if (PyBool_Check(given.ptr())) {
    return given.ptr() == Py_True;
  }
  if (py::cast<std::string>(py::type::of(given).attr("__name__")) == "bool_") {  // NumPy's
    return PyObject_IsTrue(given.ptr()) == 1;
  }
  throw_type_error(place(parameter), "must be True or False, it is " + shown(given));
}

std::string Call::text(std::string_view parameter) const {
  const py::handle given = object(parameter);
  if (!PyUnicode_Check(given.ptr())) {
    throw_type_error(place(parameter), "must be a string, it is " + shown(given));
  }
  return py::cast<std::string>(given);
}

std::optional<Index> Call::optional_index(std::string_view parameter) const {
  return has(parameter) ? std::optional(index(parameter)) : std::nullopt;
}

std::optional<double> Call::optional_number(std::string_view parameter) const {
  return has(parameter) ? std::optional(number(parameter)) : std::nullopt;
}

std::vector<Index> Call::indices(std::string_view parameter) const {
  const py::handle given = object(parameter);
  if (!is_sequence(given)) {
    return {to_index(given, place(parameter))};
  }
  std::vector<Index> values;
  for (const py::object& element : elements_of(given)) {
    values.push_back(to_index(element, place(parameter)));
  }
  return values;
}

Shape Call::shape(std::string_view parameter) const {
  const std::vector<Index> extents = indices(parameter);
  check(extents.size() <= static_cast<std::size_t>(kMaxRank), ErrorKind::DimensionMismatch, name(),
        parameter, " has ", extents.size(), " axes, at most ", kMaxRank, " are possible");
  return Shape(std::span<const Index>(extents));
}

Axes Call::axes(std::string_view parameter) const {
  if (!has(parameter)) {
    return {};
  }
  const std::vector<Index> axes = indices(parameter);
  check(axes.size() <= static_cast<std::size_t>(kMaxRank), ErrorKind::DimensionMismatch, name(),
        parameter, " names ", axes.size(), " axes, at most ", kMaxRank, " are possible");
  return Axes(std::span<const Index>(axes));
}

void Call::read_each(std::string_view parameter, std::span<Index> values) const {
  const std::vector<Index> given = indices(parameter);
  if (!is_sequence(object(parameter))) {
    std::fill(values.begin(), values.end(), given.front());
    return;
  }
  if (given.size() != values.size()) {
    throw py::value_error(signature_.name + ": " + std::string(parameter) + " has " +
                          std::to_string(given.size()) + " numbers, it must be one number or " +
                          std::to_string(values.size()));
  }
  std::copy(given.begin(), given.end(), values.begin());
}

namespace {
PaddingAmount to_amount(py::handle object, const Place& place) {
  if (!is_sequence(object)) {
    const Index both = to_index(object, place);
    return {both, both};
  }
  const std::vector<py::object> pair = elements_of(object);
  if (pair.size() != 2) {
    throw py::value_error(std::string(place.operation) + ": " + std::string(place.argument) +
                          " must give two numbers for an axis, before and behind; it gives " +
                          shown(object));
  }
  return {to_index(pair[0], place), to_index(pair[1], place)};
}
}  // namespace

PaddingMode Call::padding(std::string_view parameter, int rank) const {
  const py::handle given = object(parameter);
  if (PyUnicode_Check(given.ptr())) {
    return choice<PaddingMode>(parameter, {{"valid", PaddingMode::valid()},
                                           {"same", PaddingMode::same()},
                                           {"full", PaddingMode::full()}});
  }
  if (!is_sequence(given)) {
    return index(parameter);
  }
  const std::vector<py::object> axes = elements_of(given);
  if (axes.size() != static_cast<std::size_t>(rank)) {
    throw py::value_error(signature_.name + ": " + std::string(parameter) +
                          " must be a number, \"valid\", \"same\", \"full\", or have " +
                          std::to_string(rank) + " numbers or pairs of numbers; it is " +
                          shown(given));
  }
  std::array<PaddingAmount, 3> amounts{};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    amounts[i] = to_amount(axes[i], place(parameter));
  }
  return PaddingMode::asymmetric(amounts[0], amounts[1], amounts[2]);
}

std::vector<PaddingAmount> Call::amounts(std::string_view parameter) const {
  const py::handle given = object(parameter);
  if (!is_sequence(given)) {
    throw_type_error(place(parameter),
                     "must be a list of numbers or pairs of numbers, it is " + shown(given));
  }
  std::vector<PaddingAmount> amounts;
  for (const py::object& axis : elements_of(given)) {
    amounts.push_back(to_amount(axis, place(parameter)));
  }
  return amounts;
}

ReductionMode Call::reduction() const {
  return choice<ReductionMode>(
      "reduction",
      {{"mean", ReductionMode::Mean}, {"sum", ReductionMode::Sum}, {"none", ReductionMode::None}});
}

DataFormat Call::data_format() const {
  return choice<DataFormat>("data_format",
                            {{"NCHW", DataFormat::NCHW}, {"NHWC", DataFormat::NHWC}});
}

Type Call::dtype() const {
  py::dtype type;
  try {
    type = py::dtype::from_args(py::reinterpret_borrow<py::object>(object("dtype")));
  } catch (const py::error_already_set&) {
    throw_type_error(place("dtype"), "is no element type: " + shown(object("dtype")));
  }
  if (type.kind() != 'f' || (type.itemsize() != 4 && type.itemsize() != 8)) {
    throw_type_error(place("dtype"), "must be float32 or float64, it is " +
                                         std::string(py::str(static_cast<py::object>(type))));
  }
  return type.itemsize() == 4 ? Type::Float32 : Type::Float64;
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

bool Call::holds_integers(std::string_view parameter) const {
  const py::handle given = object(parameter);
  if (given.is_none() || py::isinstance<Tensor>(given)) {
    return false;
  }
  const py::array array = as_numpy(given, place(parameter));
  return array.dtype().kind() == 'i' || array.dtype().kind() == 'u';
}

Generator& Call::generator(std::string_view parameter) const {
  const py::handle given = object(parameter);
  if (given.is_none()) {
    return default_generator();
  }
  if (!py::isinstance<Generator>(given)) {
    throw_type_error(place(parameter), "must be a lamina.Generator");
  }
  return py::cast<Generator&>(given);
}

bool Call::has_out() const {
  return !signature_.parameters.empty() && signature_.parameters.back().name == "out" &&
         values_[signature_.parameters.size() - 1] != Py_None;
}

template <class T>
py::object Call::deliver(Array<T>&& result) {
  if (!has_out()) {
    return to_python(std::move(result));
  }
  const MutView<T> out = target<T>("out");
  check(out.shape() == result.shape(), ErrorKind::DimensionMismatch, name(), "out has shape ",
        out.shape(), ", the result ", result.shape());
  released([&] { out.assign(result); });
  return py::reinterpret_borrow<py::object>(object("out"));
}
template py::object Call::deliver(Array<float>&&);
template py::object Call::deliver(Array<double>&&);
template py::object Call::deliver(Array<bool>&&);
template py::object Call::deliver(Array<std::int64_t>&&);

Type Call::common_type(std::span<const Operand* const> operands) const {
  const Operand* first = nullptr;
  for (const Operand* operand : operands) {
    if (!operand->has_type()) {
      continue;
    }
    if (first == nullptr) {
      first = operand;
    } else if (operand->type() != first->type()) {
      const std::string argument(operand->place().argument);
      throw py::type_error(signature_.name + ": " + std::string(first->place().argument) + " is " +
                           std::string(to_string(first->type())) + " and " + argument + " " +
                           std::string(to_string(operand->type())) +
                           ": give both one type, for instance with " + argument +
                           ".astype(numpy." + std::string(to_string(first->type())) + ")");
    }
  }
  return first == nullptr ? Type::Float64 : first->type();
}

void Call::refuse_recorded(std::span<const Operand* const> operands) const {
  for (const Operand* operand : operands) {
    if (operand->is_recorded()) {
      check(false, ErrorKind::Unsupported, name(), operand->place().argument,
            " is a Tensor that wants a gradient, and this function is not recorded: pass ",
            operand->place().argument, ".detach(), or call it within lamina.no_grad()");
    }
  }
}

void Call::refuse_out() const {
  if (has_out()) {
    throw py::type_error(signature_.name + ": out= is for arrays, a Tensor is always a new one");
  }
}

void Call::throw_unknown(std::string_view parameter, const std::string& given,
                         const std::string& known) const {
  throw py::value_error(signature_.name + ": " + std::string(parameter) + " must be " + known +
                        "; it is \"" + given + "\"");
}

}  // namespace lamina::python
