#pragma once

// The weights of the direct product as its factor.

#include <vector>

#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// How a direct product reads its weights.
struct WeightLayout {
  bool tap_by_tap = false;  ///< the gathered matrix has a row for each (tap, channel)
  bool right = false;       ///< they are the right factor: channels of the result are adjacent

  bool operator==(const WeightLayout&) const = default;
};

template <class T>
class ProductWeights {
 public:
  ProductWeights() = default;
  /// w (groups, m, depth) contiguous, in the order of the gathered matrix; borrowed if not packed.
  ProductWeights(Index groups, Index m, Index depth, const WeightLayout& layout, bool packs,
                 const T* w);
  /// The weights (O, C / groups, taps) of a forward pass.
  ProductWeights(const ConvShape& shape, const WeightLayout& layout, bool packs, const T* w);

  [[nodiscard]] bool is_packed() const { return !packed_.empty(); }
  [[nodiscard]] const WeightLayout& layout() const { return layout_; }
  [[nodiscard]] GemmOperand<T> group(Index g) const;

 private:
  void pack(bool packs);

  Index groups_ = 1, m_ = 0, depth_ = 0;
  WeightLayout layout_;
  const T* w_ = nullptr;
  Buffer<T> reordered_;
  std::vector<PackedMatrix<T>> packed_;  ///< of each group
};

/// True where packing the weights of a call pays: of `positions` in each of `images` products.
[[nodiscard]] bool packing_pays(bool right, bool plain, Index images, Index positions, Index m,
                                Index depth);

}  // namespace lamina::nn::detail
