#include "kernels/lane_pool.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lane_pool.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// A place is a byte: a bit for the tap to which the gradient goes, and one where that is NaN.
inline constexpr int kFirst = 1, kSecond = 2, kThird = 4, kFourth = 8, kNotANumber = 16;

template <class D>
using PlaceBytes = hn::Rebind<std::uint8_t, D>;
template <class D>
using Places = hn::Vec<hn::RebindToUnsigned<D>>;

template <class D>
HWY_INLINE Places<D> Bit(D, int bit) {
  const hn::RebindToUnsigned<D> du;
  return hn::Set(du, static_cast<hn::TFromD<decltype(du)>>(bit));
}

template <class D>
HWY_INLINE Places<D> LoadPlaces(D, const std::uint8_t* from) {
  const hn::RebindToUnsigned<D> du;
  const auto bytes = hn::LoadU(PlaceBytes<D>(), from);
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return hn::PromoteTo(du, hn::PromoteTo(hn::Rebind<std::uint32_t, D>(), bytes));
  } else {
    return hn::PromoteTo(du, bytes);
  }
}

/// The maximum of a block and its place.
template <class D>
struct BlockMaximum {
  HWY_INLINE BlockMaximum(D d, hn::Vec<D> first, hn::Vec<D> second, hn::Vec<D> third,
                          hn::Vec<D> fourth) {
    const hn::RebindToUnsigned<D> du;
    const auto right_above = hn::Gt(second, first);
    const auto right_below = hn::Gt(fourth, third);
    const auto above = hn::IfThenElse(right_above, second, first);
    const auto below = hn::IfThenElse(right_below, fourth, third);
    const auto lower = hn::Gt(below, above);
    value = hn::IfThenElse(lower, below, above);
    place = hn::IfThenElse(
        hn::RebindMask(du, lower),
        hn::IfThenElse(hn::RebindMask(du, right_below), Bit(d, kFourth), Bit(d, kThird)),
        hn::IfThenElse(hn::RebindMask(du, right_above), Bit(d, kSecond), Bit(d, kFirst)));
  }
  hn::Vec<D> value;
  Places<D> place;
};

/// The same where elements may be NaN, of which the last is the maximum.
template <class D>
struct BlockMaximumOrNaN {
  HWY_INLINE BlockMaximumOrNaN(D d, hn::Vec<D> first, hn::Vec<D> second, hn::Vec<D> third,
                               hn::Vec<D> fourth)
      : value(first), place(Bit(d, kFirst)) {
    Take(d, second, kSecond);
    Take(d, third, kThird);
    Take(d, fourth, kFourth);
    const hn::RebindToUnsigned<D> du;
    place = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(value)), hn::Or(place, Bit(d, kNotANumber)),
                           place);
  }
  /// Where x is greater, or NaN: the first of equals stays.
  HWY_INLINE void Take(D d, hn::Vec<D> x, int bit) {
    const hn::RebindToUnsigned<D> du;
    const auto taken = hn::Or(hn::Gt(x, value), hn::IsNaN(x));
    value = hn::IfThenElse(taken, x, value);
    place = hn::IfThenElse(hn::RebindMask(du, taken), Bit(d, bit), place);
  }
  hn::Vec<D> value;
  Places<D> place;
};

/// A line; false, and what is written is of no use, if there may have been NaN where Block does not
/// expect it.
template <template <class> class Block, bool kPlaces, class T>
bool LaneMaximaLine(const LaneBlocks& b, const T* HWY_RESTRICT upper, const T* HWY_RESTRICT lower,
                    T* HWY_RESTRICT y, std::uint8_t* HWY_RESTRICT places) {
  const hn::ScalableTag<T> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto zero = hn::Zero(d);
  const auto there = hn::FirstN(du, static_cast<size_t>(b.images));
  const Index count = b.count;
  const bool relu = b.relu;
  auto all = zero;
  for (Index i = 0; i < count; ++i, upper += 2 * lanes, lower += 2 * lanes) {
    const auto first = hn::LoadU(d, upper);
    const auto second = hn::LoadU(d, upper + lanes);
    const auto third = hn::LoadU(d, lower);
    const auto fourth = hn::LoadU(d, lower + lanes);
    all = hn::Add(all, hn::Add(hn::Add(first, second), hn::Add(third, fourth)));
    Block<decltype(d)> block(d, first, second, third, fourth);
    if (relu) {
      // It leaves NaN, and turns -0 into 0.
      const auto off = hn::Le(block.value, zero);
      block.value = hn::IfThenZeroElse(off, block.value);
      block.place = hn::IfThenZeroElse(hn::RebindMask(du, off), block.place);
    }
    hn::StoreU(block.value, d, y + i * lanes);
    if constexpr (kPlaces) {
      hn::StoreU(hn::TruncateTo(PlaceBytes<decltype(d)>(), hn::IfThenElseZero(there, block.place)),
                 PlaceBytes<decltype(d)>(), places + i * lanes);
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
  const auto zero = hn::Zero(d);
  const auto nan = hn::NaN(d);
  const Index count = b.count;
  const bool relu = b.relu;
  auto total = hn::LoadU(d, sum);
  for (Index i = 0; i < count; ++i, upper += 2 * lanes, lower += 2 * lanes) {
    const auto place = LoadPlaces(d, places + i * lanes);
    const auto at = [&](int bit)
                        HWY_ATTR { return hn::RebindMask(d, hn::TestBit(place, Bit(d, bit))); };
    // A sum, as a gradient is: -0 becomes 0.
    auto g = hn::Add(hn::LoadU(d, dy + i * lanes), zero);
    if (relu) g = hn::IfThenElse(at(kNotANumber), nan, g);
    const auto first = hn::IfThenElseZero(at(kFirst), g);
    const auto second = hn::IfThenElseZero(at(kSecond), g);
    const auto third = hn::IfThenElseZero(at(kThird), g);
    const auto fourth = hn::IfThenElseZero(at(kFourth), g);
    hn::StoreU(first, d, upper);
    hn::StoreU(second, d, upper + lanes);
    hn::StoreU(third, d, lower);
    hn::StoreU(fourth, d, lower + lanes);
    // One of them.
    total = hn::Add(total, hn::Add(hn::Add(first, second), hn::Add(third, fourth)));
  }
  hn::StoreU(total, d, sum);
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
