#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "lamina/layers/module.hpp"

namespace lamina::layers {

/// Layers one after the other: the output of each is the input of the next.
///
///   Sequential net{Linear(64, 128, generator), ReLU{}, Linear(128, 10, generator)};
///
/// Braces, because only they fix the order in which the layers draw from the generator. Takes
/// layers of any kind, by moving them in. Members are called "0", "1" ... A ReLU before max pooling
/// is applied to the maxima, which gives the same numbers and gradients (where a window holds
/// several NaN, one of them gets the gradient). A Conv2d of few channels, of a batch of small
/// images, is computed as one operation with the MaxPool2d(2) behind it, with or without a ReLU
/// between them: numbers and gradients are those of the layers one by one up to rounding, as sums
/// are taken in another order. torch.nn.Sequential.
template <class T>
class Sequential final : public Layer<T> {
 public:
  Sequential() = default;
  template <class First, class... Rest>
  requires(std::derived_from<First, Layer<T>>&& std::same_as<typename First::value_type, T> &&
           !std::same_as<First, Sequential>) explicit Sequential(First first, Rest... rest) {
    append(std::move(first));
    (append(std::move(rest)), ...);
  }

  /// Adds a layer at the end and returns it. Error(InvalidOperation) for a null pointer.
  template <std::derived_from<Layer<T>> L>
  L& append(L layer) {
    auto owned = std::make_unique<L>(std::move(layer));
    L& reference = *owned;
    append(std::unique_ptr<Layer<T>>(std::move(owned)));
    return reference;
  }
  void append(std::unique_ptr<Layer<T>> layer);

  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(layers_.size()); }
  /// Layer i; negative counts from the end. Error(IndexOutOfBounds).
  [[nodiscard]] Layer<T>& operator[](Index i) const;
  [[nodiscard]] std::string name() const override { return "Sequential"; }
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 protected:
  void members(Members<T>& list) override;

 private:
  std::vector<std::unique_ptr<Layer<T>>> layers_;
};

template <class First, class... Rest>
Sequential(First, Rest...) -> Sequential<typename First::value_type>;

/// Axes from `first` on become one; by default all but the batch. torch.nn.Flatten.
template <class T = float>
class Flatten final : public Layer<T> {
 public:
  explicit Flatten(int first = 1) : first_(first) {}
  [[nodiscard]] std::string name() const override { return "Flatten"; }
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;

 private:
  int first_;
};

extern template class LAMINA_EXPORT Sequential<float>;
extern template class LAMINA_EXPORT Sequential<double>;
extern template class LAMINA_EXPORT Flatten<float>;
extern template class LAMINA_EXPORT Flatten<double>;

}  // namespace lamina::layers
