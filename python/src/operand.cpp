#include "operand.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <utility>
#include <vector>

#include "dlpack.hpp"

namespace lamina::python {

namespace {

using ArrayProxy = py::detail::PyArray_Proxy;
constexpr int kWritable = py::detail::npy_api::NPY_ARRAY_WRITEABLE_;

bool is_numpy_array(py::handle object) {
  return py::detail::npy_api::get().PyArray_Check_(object.ptr());
}

bool is_native_order(const py::dtype& type) {
  constexpr char kSwapped = std::endian::native == std::endian::little ? '>' : '<';
  return type.byteorder() != kSwapped;
}

std::string type_name(const py::dtype& type) {
  return py::str(static_cast<py::object>(type));
}

/// Elements start at multiples of their size, and lie whole elements apart.
bool is_aligned(const void* data, int rank, const std::int64_t* extents,
                const std::int64_t* byte_strides, std::int64_t item) {
  bool aligned = reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(item) == 0;
  for (int i = 0; i < rank; ++i) {
    aligned = aligned && (extents[i] <= 1 || byte_strides[i] % item == 0);
  }
  return aligned;
}

struct Extents {
  Shape shape;
  Strides strides;
};

/// `unit` is what strides count in, in units of an element: its size for bytes, 1 for elements.
Extents read_extents(int rank, const std::int64_t* extents, const std::int64_t* strides,
                     std::int64_t unit, const Place& place) {
  check(rank <= kMaxRank, ErrorKind::DimensionMismatch, place.operation, place.argument, " has ",
        rank, " axes, at most ", kMaxRank, " are possible");
  Extents result;
  result.shape = Shape(std::span<const Index>(extents, static_cast<std::size_t>(rank)));
  result.strides = contiguous_strides(result.shape);
  if (strides != nullptr && result.shape.size() > 0) {
    for (int i = 0; i < rank; ++i) {
      // What the stride of a single position is, nobody promises.
      if (extents[i] > 1) {
        result.strides[i] = strides[i] / unit;
      }
    }
  }
  return result;
}

py::array numpy_call(const char* function, py::handle object) {
  return py::module_::import("numpy").attr(function)(object);
}

/// A row-major copy in native order, of the same element type or another.
py::array row_major_copy(py::handle array, const py::object& type) {
  using py::literals::operator""_a;
  return py::module_::import("numpy").attr("array")(array, "dtype"_a = type, "order"_a = "C");
}

template <class T>
py::dtype dtype_of() {
  return py::dtype::of<T>();
}

std::string float_advice(const Place& place, const std::string& type) {
  const std::string name(place.argument);
  return "has element type " + type + ", lamina computes in float32 and float64: pass " + name +
         ".astype(numpy.float32) or " + name + ".astype(numpy.float64)";
}

}  // namespace

void throw_type_error(const Place& place, const std::string& message) {
  throw py::type_error(std::string(place.operation) + ": " + std::string(place.argument) + " " +
                       message);
}

std::string_view to_string(Type type) noexcept {
  return type == Type::Float32 ? "float32" : "float64";
}

Operand::Operand(py::handle object, const Place& place)
    : place_(place), object_(py::reinterpret_borrow<py::object>(object)) {
  if (object.is_none()) {
    return;
  }
  defined_ = true;
  if (is_numpy_array(object)) {
    read_numpy(py::reinterpret_borrow<py::array>(object));
    return;
  }
  if (PyFloat_Check(object.ptr()) || (PyLong_Check(object.ptr()) && !PyBool_Check(object.ptr()))) {
    loose_ = true;
    object_ = py::float_(py::reinterpret_borrow<py::object>(object));
    return;
  }
  if (py::isinstance<Tensor>(object)) {
    tensor_ = py::cast<const Tensor*>(object);
    std::visit(
        [&]<class T>(const Var<T>& var) {
          type_ = kType<T>;
          if (!var.defined()) {
            throw_type_error(place_, "is a Tensor without elements");
          }
          data_ = var.value().data();
          shape_ = var.value().shape();
          strides_ = var.value().strides();
        },
        tensor_->var);
    return;
  }
  if (has_dlpack(object)) {
    read_dlpack();
    return;
  }
  const bool is_list = PyList_Check(object.ptr()) || PyTuple_Check(object.ptr());
  const py::array array = as_numpy(object, place_);
  const char kind = array.dtype().kind();
  // A list of numbers has no element type of its own; one of arrays has theirs.
  if (is_list &&
      (kind == 'i' || kind == 'u' || array.dtype().num() == py::detail::npy_api::NPY_DOUBLE_)) {
    loose_ = true;
    object_ = array;
    return;
  }
  read_numpy(array);
}

void Operand::read_numpy(const py::array& array) {
  const int number = array.dtype().num();
  if (number == py::detail::npy_api::NPY_FLOAT_) {
    type_ = Type::Float32;
  } else if (number == py::detail::npy_api::NPY_DOUBLE_) {
    type_ = Type::Float64;
  } else {
    throw_type_error(place_, float_advice(place_, type_name(array.dtype())));
  }
  object_ = array;
  const auto item = static_cast<std::int64_t>(array.itemsize());
  const int rank = static_cast<int>(array.ndim());
  if (!is_native_order(array.dtype()) ||
      !is_aligned(array.data(), rank, array.shape(), array.strides(), item)) {
    object_ =
        row_major_copy(array, type_ == Type::Float32 ? dtype_of<float>() : dtype_of<double>());
  }
  const py::array ready = py::reinterpret_borrow<py::array>(object_);
  const Extents extents = read_extents(rank, ready.shape(), ready.strides(), item, place_);
  data_ = ready.data();
  shape_ = extents.shape;
  strides_ = extents.strides;
}

void Operand::read_dlpack() {
  const py::object offered = std::move(object_);
  const dlpack::TensorInfo& info = take_dlpack(offered, place_.operation, place_.argument, object_);
  if (info.type.code != dlpack::kFloat || info.type.lanes != 1 ||
      (info.type.bits != 32 && info.type.bits != 64)) {
    throw_type_error(place_, "has elements of " + std::to_string(int{info.type.bits}) +
                                 " bits that are not float32 or float64, in which lamina "
                                 "computes: convert it, in PyTorch with " +
                                 std::string(place_.argument) + ".float() or .double()");
  }
  type_ = info.type.bits == 32 ? Type::Float32 : Type::Float64;
  const auto* bytes = static_cast<const std::byte*>(info.data);
  data_ = bytes == nullptr ? nullptr : bytes + info.byte_offset;
  if (reinterpret_cast<std::uintptr_t>(data_) % (info.type.bits / 8U) != 0) {
    throw_type_error(place_, "is not aligned to its elements: pass a copy");
  }
  const Extents extents = read_extents(info.rank, info.shape, info.strides, 1, place_);
  shape_ = extents.shape;
  strides_ = extents.strides;
}

bool Operand::is_recorded() const noexcept {
  return tensor_ != nullptr && autograd::grad_enabled() &&
         std::visit([](const auto& var) { return var.requires_grad(); }, tensor_->var);
}

template <class T>
void Operand::prepare() {
  if (!loose_) {
    return;
  }
  const py::array array = row_major_copy(object_, dtype_of<T>());
  const Extents extents = read_extents(static_cast<int>(array.ndim()), array.shape(),
                                       array.strides(), static_cast<Index>(sizeof(T)), place_);
  data_ = array.data();
  shape_ = extents.shape;
  strides_ = extents.strides;
  type_ = kType<T>;
  object_ = array;
}

py::array as_numpy(py::handle object, const Place& place) {
  if (is_numpy_array(object)) {
    return py::reinterpret_borrow<py::array>(object);
  }
  try {
    const bool only_dlpack = !py::hasattr(object, "__array__") && has_dlpack(object);
    return numpy_call(only_dlpack ? "from_dlpack" : "asarray", object);
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_Exception)) {
      throw;  // KeyboardInterrupt
    }
    throw_type_error(place, "cannot be read as an array: " + std::string(py::str(error.value())));
  }
}

Integers::Integers(py::handle object, const Place& place) {
  if (object.is_none()) {
    return;
  }
  const py::array array = as_numpy(object, place);
  const char kind = array.dtype().kind();
  const bool is_empty_list =
      array.size() == 0 && PySequence_Check(object.ptr()) != 0 && !is_numpy_array(object);
  if (kind != 'i' && kind != 'u' && !is_empty_list) {
    throw_type_error(place, "has element type " + type_name(array.dtype()) +
                                ", integers are needed: pass " + std::string(place.argument) +
                                ".astype(numpy.int64)");
  }
  if (kind == 'u' && array.itemsize() == 8 && array.size() > 0) {
    const auto largest = py::cast<std::uint64_t>(array.attr("max")());
    check(std::in_range<std::int64_t>(largest), ErrorKind::IndexOutOfBounds, place.operation,
          place.argument, " holds ", largest, ", which is beyond the range of int64");
  }
  copy_ = row_major_copy(array, dtype_of<std::int64_t>());
  const Extents extents = read_extents(static_cast<int>(copy_.ndim()), copy_.shape(),
                                       copy_.strides(), sizeof(std::int64_t), place);
  view_ = View<std::int64_t>(static_cast<const std::int64_t*>(copy_.data()), extents.shape,
                             extents.strides);
}

namespace {
/// Whether every byte is 0 or 1. Positions that broadcasting repeats are looked at once.
bool holds_truth_values(const std::uint8_t* data, const Extents& extents) {
  Shape shape = extents.shape;
  for (int i = 0; i < shape.rank(); ++i) {
    shape[i] = extents.strides[i] == 0 ? std::min<Index>(shape[i], 1) : shape[i];
  }
  const View<std::uint8_t> bytes(data, shape, extents.strides);
  if (bytes.is_contiguous()) {
    return std::all_of(data, data + bytes.size(), [](std::uint8_t byte) { return byte <= 1; });
  }
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte <= 1; });
}
}  // namespace

Mask::Mask(py::handle object, const Place& place) {
  if (object.is_none()) {
    return;
  }
  array_ = as_numpy(object, place);
  if (array_.dtype().kind() != 'b') {
    throw_type_error(place, "has element type " + type_name(array_.dtype()) +
                                ", bool is needed: pass " + std::string(place.argument) +
                                ".astype(bool)");
  }
  Extents extents =
      read_extents(static_cast<int>(array_.ndim()), array_.shape(), array_.strides(), 1, place);
  if (!holds_truth_values(static_cast<const std::uint8_t*>(array_.data()), extents)) {
    array_ = py::module_::import("numpy").attr("not_equal")(array_.attr("view")("uint8"), 0);
    extents =
        read_extents(static_cast<int>(array_.ndim()), array_.shape(), array_.strides(), 1, place);
  }
  view_ = View<bool>(static_cast<const bool*>(array_.data()), extents.shape, extents.strides);
}

template <class T>
MutView<T> writable_view(py::handle object, const Place& place, py::object& owner) {
  const std::string wanted = type_name(dtype_of<T>());
  if (is_numpy_array(object)) {
    const py::array array = py::reinterpret_borrow<py::array>(object);
    if (!array.dtype().is(dtype_of<T>()) &&
        !(array.dtype().kind() == dtype_of<T>().kind() &&
          array.itemsize() == static_cast<py::ssize_t>(sizeof(T)) &&
          is_native_order(array.dtype()))) {
      throw_type_error(place, "has element type " + type_name(array.dtype()) + ", the result is " +
                                  wanted + " in native byte order");
    }
    if ((array.flags() & kWritable) == 0) {
      throw py::value_error(std::string(place.operation) + ": " + std::string(place.argument) +
                            " is read-only");
    }
    const int rank = static_cast<int>(array.ndim());
    if (!is_aligned(array.data(), rank, array.shape(), array.strides(), sizeof(T))) {
      throw_type_error(place, "is not aligned to its elements");
    }
    const Extents extents = read_extents(rank, array.shape(), array.strides(), sizeof(T), place);
    owner = array;
    return MutView<T>(static_cast<T*>(const_cast<void*>(array.data())), extents.shape,
                      extents.strides);
  }
  if constexpr (std::is_floating_point_v<T>) {
    if (!py::isinstance<Tensor>(object) && has_dlpack(object)) {
      const dlpack::TensorInfo& info = take_dlpack(object, place.operation, place.argument, owner);
      auto* data = static_cast<std::byte*>(info.data);
      data = data == nullptr ? nullptr : data + info.byte_offset;
      if (info.type.code != dlpack::kFloat || info.type.bits != 8 * sizeof(T) ||
          info.type.lanes != 1 || reinterpret_cast<std::uintptr_t>(data) % sizeof(T) != 0) {
        throw_type_error(place, "has another element type, the result is " + wanted);
      }
      const Extents extents = read_extents(info.rank, info.shape, info.strides, 1, place);
      return MutView<T>(reinterpret_cast<T*>(data), extents.shape, extents.strides);
    }
  }
  throw_type_error(place, "is a " + std::string(py::str(py::type::of(object).attr("__name__"))) +
                              ", what is written into must be a NumPy array of " + wanted);
}

io::AnyView any_view(py::handle object, const Place& place, py::object& owner) {
  if (py::isinstance<Tensor>(object)) {
    owner = py::reinterpret_borrow<py::object>(object);
    return std::visit([](const auto& var) { return io::AnyView(var.value()); },
                      py::cast<const Tensor&>(object).var);
  }
  py::array array = as_numpy(object, place);
  const char kind = array.dtype().kind();
  const auto item = static_cast<std::int64_t>(array.itemsize());
  const bool known = (kind == 'f' && (item == 4 || item == 8)) ||
                     (kind == 'i' && (item == 4 || item == 8)) || (kind == 'u' && item == 1) ||
                     kind == 'b';
  if (!known) {
    throw_type_error(place, "has element type " + type_name(array.dtype()) +
                                ", files hold float32, float64, int64, int32, uint8 and bool");
  }
  if (kind == 'b') {
    const Mask mask(array, place);
    array = py::reinterpret_borrow<py::array>(row_major_copy(array, dtype_of<bool>()));
    array = py::module_::import("numpy").attr("not_equal")(array.attr("view")("uint8"), 0);
  } else if (!is_native_order(array.dtype()) ||
             !is_aligned(array.data(), static_cast<int>(array.ndim()), array.shape(),
                         array.strides(), item)) {
    array = row_major_copy(array, array.dtype().attr("newbyteorder")("="));
  }
  owner = array;
  const Extents extents =
      read_extents(static_cast<int>(array.ndim()), array.shape(), array.strides(), item, place);
  const auto view = [&]<class T>(std::type_identity<T>) -> io::AnyView {
    return View<T>(static_cast<const T*>(array.data()), extents.shape, extents.strides);
  };
  switch (kind) {
    case 'f':
      return item == 4 ? view(std::type_identity<float>()) : view(std::type_identity<double>());
    case 'i':
      return item == 4 ? view(std::type_identity<std::int32_t>())
                       : view(std::type_identity<std::int64_t>());
    case 'u':
      return view(std::type_identity<std::uint8_t>());
    default:
      return view(std::type_identity<bool>());
  }
}

namespace {
template <class T>
py::array numpy_over(const View<T>& view, const py::capsule& owner) {
  std::vector<py::ssize_t> strides;
  for (const Index stride : view.strides()) {
    strides.push_back(stride * static_cast<py::ssize_t>(sizeof(T)));
  }
  return py::array(dtype_of<T>(),
                   std::vector<py::ssize_t>(view.shape().begin(), view.shape().end()),
                   std::move(strides), view.data(), owner);
}
}  // namespace

template <class T>
py::object to_python(Array<T>&& array) {
  auto owned = std::make_unique<Array<T>>(std::move(array));
  const py::capsule owner(owned.get(),
                          [](void* pointer) { delete static_cast<Array<T>*>(pointer); });
  const Array<T>& result = *owned.release();
  return numpy_over<T>(result, owner);
}

py::object to_python(io::AnyArray&& array) {
  return std::visit([](auto&& typed) { return to_python(std::move(typed)); }, std::move(array));
}

template <class T>
py::object share_elements(const Var<T>& var, bool writable) {
  auto owned = std::make_unique<Var<T>>(var.detach());
  const py::capsule owner(owned.get(), [](void* pointer) { delete static_cast<Var<T>*>(pointer); });
  const Var<T>& kept = *owned.release();
  py::array result = numpy_over<T>(kept.value(), owner);
  if (!writable) {
    py::detail::array_proxy(result.ptr())->flags &= ~kWritable;
  }
  return result;
}

py::tuple shape_to_python(const IndexList& shape) {
  py::tuple result(static_cast<std::size_t>(shape.rank()));
  for (int i = 0; i < shape.rank(); ++i) {
    result[static_cast<std::size_t>(i)] = py::int_(shape[i]);
  }
  return result;
}

template void Operand::prepare<float>();
template void Operand::prepare<double>();
template MutView<float> writable_view(py::handle, const Place&, py::object&);
template MutView<double> writable_view(py::handle, const Place&, py::object&);
template MutView<bool> writable_view(py::handle, const Place&, py::object&);
template MutView<std::int64_t> writable_view(py::handle, const Place&, py::object&);
template py::object to_python(Array<float>&&);
template py::object to_python(Array<double>&&);
template py::object to_python(Array<std::int64_t>&&);
template py::object to_python(Array<std::int32_t>&&);
template py::object to_python(Array<std::uint8_t>&&);
template py::object to_python(Array<bool>&&);
template py::object share_elements(const Var<float>&, bool);
template py::object share_elements(const Var<double>&, bool);

}  // namespace lamina::python
