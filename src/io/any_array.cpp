#include "lamina/io/any_array.hpp"

#include "io/element_types.hpp"

namespace lamina::io {

std::string_view element_type_name(const AnyArray& array) noexcept {
  return detail::kElementTypes[array.index()].name;
}

std::string_view element_type_name(const AnyView& view) noexcept {
  return detail::kElementTypes[view.index()].name;
}

const Shape& shape_of(const AnyArray& array) noexcept {
  return std::visit([](const auto& a) -> const Shape& { return a.shape(); }, array);
}

const Shape& shape_of(const AnyView& view) noexcept {
  return std::visit([](const auto& v) -> const Shape& { return v.shape(); }, view);
}

void NamedArrays::add(std::string name, AnyArray array) {
  const auto [position, is_new] = positions_.try_emplace(name, arrays_.size());
  check(is_new, ErrorKind::InvalidOperation, "NamedArrays", "the name \"", name, "\" is taken");
  arrays_.push_back({std::move(name), std::move(array)});
}

const AnyArray* NamedArrays::find(std::string_view name) const noexcept {
  const auto position = positions_.find(name);
  return position == positions_.end() ? nullptr : &arrays_[position->second].array;
}

const AnyArray& NamedArrays::at(std::string_view name) const {
  const AnyArray* array = find(name);
  check(array != nullptr, ErrorKind::InvalidOperation, "NamedArrays", "there is no array \"", name,
        "\" among ", arrays_.size());
  return *array;
}

void NamedArrays::throw_type(std::string_view name, std::string_view have, std::string_view want) {
  lamina::detail::throw_parts(ErrorKind::ConversionError, "NamedArrays", "array \"", name,
                              "\" holds ", have, ", not ", want);
}

std::vector<NamedView> NamedArrays::views() const {
  std::vector<NamedView> result;
  result.reserve(arrays_.size());
  for (const NamedArray& entry : arrays_) {
    result.push_back(
        {entry.name,
         std::visit([](const auto& array) { return AnyView(array.view()); }, entry.array)});
  }
  return result;
}

}  // namespace lamina::io
