#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lamina/core/array.hpp"

namespace lamina::io {

/// An array whose element type is known only at run time, as files hold them.
using AnyArray = std::variant<Array<float>, Array<double>, Array<std::int64_t>, Array<std::int32_t>,
                              Array<std::uint8_t>, Array<bool>>;
/// A view whose element type is known only at run time. An Array<T> or View<T> converts to it.
using AnyView = std::variant<View<float>, View<double>, View<std::int64_t>, View<std::int32_t>,
                             View<std::uint8_t>, View<bool>>;

/// "float32", "float64", "int64", "int32", "uint8" or "bool".
[[nodiscard]] LAMINA_EXPORT std::string_view element_type_name(const AnyArray& array) noexcept;
[[nodiscard]] LAMINA_EXPORT std::string_view element_type_name(const AnyView& view) noexcept;
[[nodiscard]] LAMINA_EXPORT const Shape& shape_of(const AnyArray& array) noexcept;
[[nodiscard]] LAMINA_EXPORT const Shape& shape_of(const AnyView& view) noexcept;

/// What is saved: a name and a view, which must outlive the call it is passed to.
struct NamedView {
  std::string name;
  AnyView view;
};

/// What was loaded: a name and its array.
struct NamedArray {
  std::string name;
  AnyArray array;
};

/// Arrays under distinct names, in the order in which they were added.
class LAMINA_EXPORT NamedArrays {
 public:
  /// Error(InvalidOperation) if the name is taken.
  void add(std::string name, AnyArray array);

  /// The array of that name, or nullptr.
  [[nodiscard]] const AnyArray* find(std::string_view name) const noexcept;
  /// The array of that name. Error(InvalidOperation) if there is none.
  [[nodiscard]] const AnyArray& at(std::string_view name) const;
  /// The array of that name and element type. Error(InvalidOperation) if there is none,
  /// Error(ConversionError) if it has another element type.
  template <class T>
  [[nodiscard]] const Array<T>& get(std::string_view name) const {
    const AnyArray& array = at(name);
    if (const auto* typed = std::get_if<Array<T>>(&array)) {
      return *typed;
    }
    throw_type(name, element_type_name(array), element_type_name(AnyView(View<T>())));
  }

  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(arrays_.size()); }
  [[nodiscard]] bool empty() const noexcept { return arrays_.empty(); }
  [[nodiscard]] auto begin() const noexcept { return arrays_.begin(); }
  [[nodiscard]] auto end() const noexcept { return arrays_.end(); }
  /// Views of all arrays, to be saved. They must not outlive this object.
  [[nodiscard]] std::vector<NamedView> views() const;

 private:
  [[noreturn]] static void throw_type(std::string_view name, std::string_view have,
                                      std::string_view want);

  std::vector<NamedArray> arrays_;
  std::map<std::string, std::size_t, std::less<>> positions_;
};

}  // namespace lamina::io
