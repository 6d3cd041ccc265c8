#include "nn/conv_weights.hpp"

#include "kernels/winograd.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/conv_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Positions from which on packing a right factor pays, and elements of a left one from which on it
// pays to pack it for all images rather than for each.
constexpr Index kPackedPositions = 64;
constexpr Index kPackedElements = Index{1} << 15;
// Positions of an image up to which vectors of channels waste less, and the depth from which on
// turning the tiles of the result costs little.
constexpr Index kFewPositions = 256;
constexpr Index kTurnedDepth = 256;
// Elements that a thread reorders at once.
constexpr Index kReorderGrain = Index{1} << 15;

/// (rows, channels, taps) to (rows, taps, channels).
template <class T>
void taps_first(const T* from, Index rows, Index channels, Index taps, T* to) {
  const Index size = channels * taps;
  parallel_for(rows, std::max<Index>(1, kReorderGrain / std::max<Index>(1, size)),
               [&](Index begin, Index end) {
                 if (channels % kernels::kWinogradChannels != 0) {
                   swap_inner(from + begin * size, end - begin, channels, taps, to + begin * size);
                   return;
                 }
                 for (Index row = begin; row < end; ++row) {
                   kernels::transpose_lines(from + row * size, taps, channels, taps,
                                            to + row * size, channels);
                 }
               });
}

}  // namespace

bool weights_right(bool last, Index positions, Index depth) {
  return last || (few_positions(positions) && depth >= kTurnedDepth);
}

bool few_positions(Index positions) {
  return positions <= kFewPositions;
}

bool packing_pays(bool right, Index images, Index positions, Index m, Index depth) {
  if (right) return images * positions >= kPackedPositions;
  return images > 1 && m * depth > kPackedElements;
}

template <class T>
ProductWeights<T>::ProductWeights(Index groups, Index m, Index depth, const WeightLayout& layout,
                                  bool packs, const T* w)
    : groups_(groups), m_(m), depth_(depth), layout_(layout), w_(w) {
  pack(packs);
}

template <class T>
ProductWeights<T>::ProductWeights(const ConvShape& shape, const WeightLayout& layout, bool packs,
                                  const T* w)
    : groups_(shape.groups),
      m_(shape.out_group()),
      depth_(shape.in_group() * shape.taps()),
      layout_(layout),
      w_(w) {
  if (layout.tap_by_tap && shape.taps() > 1) {
    reordered_ = Buffer<T>(shape.out_channels * depth_);
    taps_first(w, shape.out_channels, shape.in_group(), shape.taps(), reordered_.data());
    w_ = reordered_.data();
  }
  pack(packs);
}

template <class T>
void ProductWeights<T>::pack(bool packs) {
  if (!packs) return;
  for (Index g = 0; g < groups_; ++g) {
    const MatrixRef<T> matrix{w_ + g * m_ * depth_, m_, depth_, depth_, 1};
    packed_.push_back(layout_.right ? PackedMatrix<T>(GemmSide::B, matrix.transposed())
                                    : PackedMatrix<T>(GemmSide::A, matrix));
  }
  reordered_ = {};
  w_ = nullptr;
}

template <class T>
GemmOperand<T> ProductWeights<T>::group(Index g) const {
  if (is_packed()) return packed_[static_cast<std::size_t>(g)];
  const MatrixRef<T> matrix{w_ + g * m_ * depth_, m_, depth_, depth_, 1};
  return layout_.right ? matrix.transposed() : matrix;
}

template class ProductWeights<float>;
template class ProductWeights<double>;

}  // namespace lamina::nn::detail
