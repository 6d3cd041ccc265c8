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

template <bool kPlaces, class T>
void LaneMaximaLine(const LaneBlocks& b, const T* HWY_RESTRICT upper, const T* HWY_RESTRICT lower,
                    T* HWY_RESTRICT y, std::uint8_t* HWY_RESTRICT places) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto zero = hn::Zero(d);
  const auto there = hn::FirstN(d, static_cast<size_t>(b.images));
  for (Index i = 0; i < b.count; ++i, upper += 2 * lanes, lower += 2 * lanes) {
    auto acc = hn::LoadU(d, upper);
    hn::Mask<decltype(d)> second, third, fourth;
    Take(d, acc, hn::LoadU(d, upper + lanes), second);
    Take(d, acc, hn::LoadU(d, lower), third);
    Take(d, acc, hn::LoadU(d, lower + lanes), fourth);
    const auto off = hn::Le(acc, zero);
    // ReLU leaves NaN, and turns -0 into 0.
    hn::StoreU(b.relu ? hn::IfThenZeroElse(off, acc) : acc, d, y + i * lanes);
    if constexpr (kPlaces) {
      const auto open = b.relu ? hn::AndNot(off, there) : there;
      const auto nan = hn::And(there, hn::IsNaN(acc));
      std::uint8_t* const to = places + i * kLanePlaceBytes;
      const Index bytes = MaskBytes(d);
      hn::StoreMaskBits(d, hn::AndNot(hn::Or(hn::Or(second, third), fourth), open), to);
      hn::StoreMaskBits(d, hn::And(hn::AndNot(hn::Or(third, fourth), second), open), to + bytes);
      hn::StoreMaskBits(d, hn::And(hn::AndNot(fourth, third), open), to + 2 * bytes);
      hn::StoreMaskBits(d, hn::And(fourth, open), to + 3 * bytes);
      hn::StoreMaskBits(d, nan, to + kTaps * bytes);
    }
  }
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

template <class T>
void LaneMaximaRun(const LaneBlocks& b, const T* upper, const T* lower, T* y,
                   std::uint8_t* places) {
  if (places == nullptr) {
    LaneMaximaLine<false>(b, upper, lower, y, places);
  } else {
    LaneMaximaLine<true>(b, upper, lower, y, places);
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
