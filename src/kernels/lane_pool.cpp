#include "kernels/lane_pool.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lane_pool.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Places are five masks of a vector: one for each tap to which the gradient goes, and where that is
// NaN.
inline constexpr int kTaps = 4;

template <class D>
HWY_INLINE Index MaskBytes(D d) {
  return (static_cast<Index>(hn::Lanes(d)) + 7) / 8;
}

/// Takes x where it is greater than acc or NaN; the first of equals stays.
template <class D, class V, class M>
HWY_INLINE void Take(D, V& acc, V x, M& taken) {
  taken = hn::Or(hn::Gt(x, acc), hn::IsNaN(x));
  acc = hn::IfThenElse(taken, x, acc);
}

/// The maximum of a block, and whether it is in the right column and in the lower line.
template <class D>
struct BlockMaximum {
  HWY_INLINE BlockMaximum(D, hn::Vec<D> a, hn::Vec<D> b, hn::Vec<D> c, hn::Vec<D> e) {
    const auto right_above = hn::Gt(b, a);
    const auto right_below = hn::Gt(e, c);
    const auto above = hn::IfThenElse(right_above, b, a);
    const auto below = hn::IfThenElse(right_below, e, c);
    lower = hn::Gt(below, above);
    value = hn::IfThenElse(lower, below, above);
    right = hn::Or(hn::And(lower, right_below), hn::AndNot(lower, right_above));
  }
  hn::Vec<D> value;
  hn::Mask<D> lower, right;
};

/// The same where elements may be NaN, of which the last is the maximum.
template <class D>
struct BlockMaximumOrNaN {
  HWY_INLINE BlockMaximumOrNaN(D d, hn::Vec<D> a, hn::Vec<D> b, hn::Vec<D> c, hn::Vec<D> e)
      : value(a) {
    hn::Mask<D> second, third, fourth;
    Take(d, value, b, second);
    Take(d, value, c, third);
    Take(d, value, e, fourth);
    lower = hn::Or(third, fourth);
    right = hn::Or(fourth, hn::AndNot(third, second));
  }
  hn::Vec<D> value;
  hn::Mask<D> lower, right;
};

/// A line; false, and what is written is of no use, if there may have been NaN where Block does not
/// expect it.
template <template <class> class Block, bool kPlaces, class T>
bool LaneMaximaLine(const LaneBlocks& b, const T* HWY_RESTRICT upper, const T* HWY_RESTRICT lower,
                    T* HWY_RESTRICT y, std::uint8_t* HWY_RESTRICT places) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index bytes = MaskBytes(d);
  const auto zero = hn::Zero(d);
  const auto there = hn::FirstN(d, static_cast<size_t>(b.images));
  auto all = zero;
  for (Index i = 0; i < b.count; ++i, upper += 2 * lanes, lower += 2 * lanes) {
    const auto first = hn::LoadU(d, upper);
    const auto second = hn::LoadU(d, upper + lanes);
    const auto third = hn::LoadU(d, lower);
    const auto fourth = hn::LoadU(d, lower + lanes);
    all = hn::Add(all, hn::Add(hn::Add(first, second), hn::Add(third, fourth)));
    const Block<decltype(d)> block(d, first, second, third, fourth);
    const auto off = hn::Le(block.value, zero);
    // ReLU leaves NaN, and turns -0 into 0.
    hn::StoreU(b.relu ? hn::IfThenZeroElse(off, block.value) : block.value, d, y + i * lanes);
    if constexpr (kPlaces) {
      const auto open = b.relu ? hn::AndNot(off, there) : there;
      const auto below = hn::And(block.lower, open);
      const auto above = hn::AndNot(block.lower, open);
      std::uint8_t* const to = places + i * kLanePlaceBytes;
      hn::StoreMaskBits(d, hn::AndNot(block.right, above), to);
      hn::StoreMaskBits(d, hn::And(block.right, above), to + bytes);
      hn::StoreMaskBits(d, hn::AndNot(block.right, below), to + 2 * bytes);
      hn::StoreMaskBits(d, hn::And(block.right, below), to + 3 * bytes);
      hn::StoreMaskBits(d, hn::And(there, hn::IsNaN(block.value)), to + kTaps * bytes);
    }
  }
  return hn::AllFalse(d, hn::IsNaN(all));
}

template <class T>
void LaneMaximaBackward(const LaneBlocks& b, const T* HWY_RESTRICT dy,
                        const std::uint8_t* HWY_RESTRICT places, T* HWY_RESTRICT upper,
                        T* HWY_RESTRICT lower, T* HWY_RESTRICT sum) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index bytes = MaskBytes(d);
  const auto zero = hn::Zero(d);
  const auto nan = hn::NaN(d);
  auto total = zero;
  for (Index i = 0; i < b.count; ++i, upper += 2 * lanes, lower += 2 * lanes) {
    const std::uint8_t* const from = places + i * kLanePlaceBytes;
    // A sum, as a gradient is: -0 becomes 0.
    auto g = hn::Add(hn::LoadU(d, dy + i * lanes), zero);
    if (b.relu) g = hn::IfThenElse(hn::LoadMaskBits(d, from + kTaps * bytes), nan, g);
    const auto first = hn::LoadMaskBits(d, from);
    const auto second = hn::LoadMaskBits(d, from + bytes);
    const auto third = hn::LoadMaskBits(d, from + 2 * bytes);
    const auto fourth = hn::LoadMaskBits(d, from + 3 * bytes);
    hn::StoreU(hn::IfThenElseZero(first, g), d, upper);
    hn::StoreU(hn::IfThenElseZero(second, g), d, upper + lanes);
    hn::StoreU(hn::IfThenElseZero(third, g), d, lower);
    hn::StoreU(hn::IfThenElseZero(fourth, g), d, lower + lanes);
    const auto open = hn::Or(hn::Or(first, second), hn::Or(third, fourth));
    total = hn::Add(total, hn::IfThenElseZero(open, g));
  }
  hn::StoreU(hn::Add(hn::LoadU(d, sum), total), d, sum);
}

template <bool kPlaces, class T>
void LaneMaximaEither(const LaneBlocks& b, const T* upper, const T* lower, T* y,
                      std::uint8_t* places) {
  if (!LaneMaximaLine<BlockMaximum, kPlaces>(b, upper, lower, y, places)) {
    LaneMaximaLine<BlockMaximumOrNaN, kPlaces>(b, upper, lower, y, places);
  }
}

template <class T>
void LaneMaximaRun(const LaneBlocks& b, const T* upper, const T* lower, T* y,
                   std::uint8_t* places) {
  if (places == nullptr) {
    LaneMaximaEither<false>(b, upper, lower, y, places);
  } else {
    LaneMaximaEither<true>(b, upper, lower, y, places);
  }
}

void LaneMaximaF32(const LaneBlocks& b, const float* upper, const float* lower, float* y,
                   std::uint8_t* places) {
  LaneMaximaRun(b, upper, lower, y, places);
}
void LaneMaximaF64(const LaneBlocks& b, const double* upper, const double* lower, double* y,
                   std::uint8_t* places) {
  LaneMaximaRun(b, upper, lower, y, places);
}
void LaneMaximaBackwardF32(const LaneBlocks& b, const float* dy, const std::uint8_t* places,
                           float* upper, float* lower, float* sum) {
  LaneMaximaBackward(b, dy, places, upper, lower, sum);
}
void LaneMaximaBackwardF64(const LaneBlocks& b, const double* dy, const std::uint8_t* places,
                           double* upper, double* lower, double* sum) {
  LaneMaximaBackward(b, dy, places, upper, lower, sum);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(LaneMaximaF32);
HWY_EXPORT(LaneMaximaF64);
HWY_EXPORT(LaneMaximaBackwardF32);
HWY_EXPORT(LaneMaximaBackwardF64);

void lane_maxima(const LaneBlocks& blocks, const float* upper, const float* lower, float* y,
                 std::uint8_t* places) {
  HWY_DYNAMIC_DISPATCH(LaneMaximaF32)(blocks, upper, lower, y, places);
}
void lane_maxima(const LaneBlocks& blocks, const double* upper, const double* lower, double* y,
                 std::uint8_t* places) {
  HWY_DYNAMIC_DISPATCH(LaneMaximaF64)(blocks, upper, lower, y, places);
}
void lane_maxima_backward(const LaneBlocks& blocks, const float* dy, const std::uint8_t* places,
                          float* upper, float* lower, float* sum) {
  HWY_DYNAMIC_DISPATCH(LaneMaximaBackwardF32)(blocks, dy, places, upper, lower, sum);
}
void lane_maxima_backward(const LaneBlocks& blocks, const double* dy, const std::uint8_t* places,
                          double* upper, double* lower, double* sum) {
  HWY_DYNAMIC_DISPATCH(LaneMaximaBackwardF64)(blocks, dy, places, upper, lower, sum);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
