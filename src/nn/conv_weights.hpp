#pragma once

// The weights of the direct product as its factor.

#include <vector>

#include "lamina/core/simd.hpp"
#include "nn/conv_core.hpp"

namespace lamina::nn::detail {

/// How a direct product reads its weights.
struct WeightLayout {
  bool tap_by_tap = false;  ///< the gathered matrix has a row for each (tap, channel)
  bool right = false;       ///< they are the right factor, see weights_right

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
  [[nodiscard]] Index packed_size() const { return is_packed() ? groups_ * (m_ * depth_) : 0; }
  [[nodiscard]] GemmOperand<T> group(Index g) const;

 private:
  void pack(bool packs);

  Index groups_ = 1, m_ = 0, depth_ = 0;
  WeightLayout layout_;
  const T* w_ = nullptr;
  Buffer<T> reordered_;
  std::vector<PackedMatrix<T>> packed_;  ///< of each group
};

/// A copy of the weights, and what the algorithm reads that a convolution takes.
template <class T>
struct PreparedWeights {
  Buffer<T> plain;
  Buffer<T> transformed;                         ///< by Winograd's algorithm, or empty
  Index tile = 0;                                ///< for tiles of this extent
  Buffer<T> by_tap;                              ///< of a depthwise convolution, or empty
  ProductWeights<T> product;                     ///< packed, or nothing
  simd::Target target = simd::Target::Baseline;  ///< that `product` is packed for

  [[nodiscard]] Index size() const {
    return plain.size() + transformed.size() + by_tap.size() + product.packed_size();
  }
};

/// True where the weights are the right factor, so that channels of the result are in the vectors:
/// where they are adjacent (`last`), and where an image has few positions.
[[nodiscard]] bool weights_right(bool last, Index positions, Index depth);

/// True where an image has few positions: weights that are packed are then read a few times.
[[nodiscard]] bool few_positions(Index positions);

/// True where packing the weights (m, depth) of a call pays: for so many positions of each image.
[[nodiscard]] bool packing_pays(bool right, Index images, Index positions, Index m, Index depth);

}  // namespace lamina::nn::detail
