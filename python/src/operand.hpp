#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "lamina/autograd/var.hpp"
#include "lamina/core/array.hpp"
#include "lamina/io/any_array.hpp"

// Python objects as views, and arrays as Python objects.

namespace lamina::python {

namespace py = pybind11;

/// lamina.Tensor: a variable of either element type.
struct Tensor {
  std::variant<Var<float>, Var<double>> var;
};

/// Where in a call an object stands: for error messages.
struct Place {
  std::string_view operation;
  std::string_view argument;
};
[[noreturn]] void throw_type_error(const Place& place, const std::string& message);

/// Element types, as NumPy names them.
enum class Type : std::uint8_t { Float32, Float64 };
[[nodiscard]] std::string_view to_string(Type type) noexcept;
template <class T>
inline constexpr Type kType = std::is_same_v<T, float> ? Type::Float32 : Type::Float64;

/// A float argument: a NumPy array, a DLPack tensor, a lamina.Tensor, a number, a list. Elements
/// are looked at where they lie. Only numbers and lists, which have no element type of their own
/// and take that of the other arguments (float64 if there is none), are converted, and arrays
/// whose elements are swapped or not aligned are copied.
class Operand {
 public:
  Operand() = default;
  /// TypeError for anything else, in particular for other element types.
  Operand(py::handle object, const Place& place);

  /// False for None.
  [[nodiscard]] bool defined() const noexcept { return defined_; }
  [[nodiscard]] bool has_type() const noexcept { return defined_ && !loose_; }
  [[nodiscard]] Type type() const noexcept { return type_; }
  [[nodiscard]] const Place& place() const noexcept { return place_; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] const Tensor* tensor() const noexcept { return tensor_; }
  /// A tensor that an operation would have to be recorded for.
  [[nodiscard]] bool is_recorded() const noexcept;
  [[nodiscard]] const py::object& object() const noexcept { return object_; }

  /// Converts a number or a list to T. Needs the GIL.
  template <class T>
  void prepare();
  /// After prepare(); needs no GIL.
  template <class T>
  [[nodiscard]] View<T> view() const {
    return defined_ ? View<T>(static_cast<const T*>(data_), shape_, strides_) : View<T>();
  }
  /// The variable, or a constant of a copy of the elements. Undefined for None.
  template <class T>
  [[nodiscard]] Var<T> variable() const {
    return !defined_ ? Var<T>() : tensor_ ? std::get<Var<T>>(tensor_->var) : Var<T>(view<T>());
  }

 private:
  void read_numpy(const py::array& array);
  void read_dlpack();
  void read_layout(int rank, const std::int64_t* extents, const std::int64_t* byte_strides,
                   std::int64_t item);

  Place place_;
  py::object object_;  // keeps the elements alive
  const Tensor* tensor_ = nullptr;
  const void* data_ = nullptr;
  Shape shape_;
  Strides strides_;
  Type type_ = Type::Float64;
  bool defined_ = false;
  bool loose_ = false;  // number or list
};

/// Labels, indices, lengths: a copy in int64 of integers of any kind, so that nobody changes them
/// after they were checked.
class Integers {
 public:
  Integers() = default;
  Integers(py::handle object, const Place& place);
  [[nodiscard]] const View<std::int64_t>& view() const noexcept { return view_; }

 private:
  py::array copy_;
  View<std::int64_t> view_;
};

/// An array of bool. Bytes other than 0 and 1, which NumPy lets into its arrays, count as true.
class Mask {
 public:
  Mask() = default;
  Mask(py::handle object, const Place& place);
  [[nodiscard]] const View<bool>& view() const noexcept { return view_; }

 private:
  py::array array_;
  View<bool> view_;
};

/// A NumPy array, or a DLPack tensor on the CPU, whose elements may be written.
/// TypeError unless it holds elements of T, aligned and in native order; ValueError if read-only.
template <class T>
[[nodiscard]] MutView<T> writable_view(py::handle object, const Place& place, py::object& owner);

/// np.asarray, or from_dlpack for what only has that.
[[nodiscard]] py::array as_numpy(py::handle object, const Place& place);
/// Any array that a file can hold. `owner` keeps the elements.
[[nodiscard]] io::AnyView any_view(py::handle object, const Place& place, py::object& owner);

/// A NumPy array that owns the memory of `array`; nothing is copied.
template <class T>
[[nodiscard]] py::object to_python(Array<T>&& array);
[[nodiscard]] py::object to_python(io::AnyArray&& array);
template <class T>
[[nodiscard]] py::object to_python(Var<T>&& var) {
  return py::cast(Tensor{std::move(var)});
}
/// A view that shares the elements of `var`, which it keeps alive.
template <class T>
[[nodiscard]] py::object share_elements(const Var<T>& var, bool writable);

[[nodiscard]] py::tuple shape_to_python(const IndexList& shape);

}  // namespace lamina::python
