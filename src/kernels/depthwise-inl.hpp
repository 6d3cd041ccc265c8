// Formulas of depthwise convolution for any vector width.

#if defined(LAMINA_KERNELS_DEPTHWISE_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_DEPTHWISE_INL_HPP_
#undef LAMINA_KERNELS_DEPTHWISE_INL_HPP_
#else
#define LAMINA_KERNELS_DEPTHWISE_INL_HPP_
#endif

#include "hwy/highway.h"
#include "kernels/depthwise.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// x[0], x[step], x[2 step] ... kStep is the step where known, otherwise 0. 2 reads one element
/// behind the last one it returns.
template <int kStep, class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadStepped(D d, const T* HWY_RESTRICT x, Index step) {
  if constexpr (kStep == 1) {
    return hn::LoadU(d, x);
  } else if constexpr (kStep == 2) {
    hn::Vec<D> even, odd;
    hn::LoadInterleaved2(d, x, even, odd);
    return even;
  }
  HWY_ALIGN T lanes[hn::MaxLanes(D())];
  for (size_t i = 0; i < hn::Lanes(d); ++i) {
    lanes[i] = x[static_cast<Index>(i) * step];
  }
  return hn::Load(d, lanes);
}

template <class T>
T EdgePosition(const DepthwiseLine<T>& a, Index i) {
  T sum = a.bias;
  for (Index l = 0; l < a.line_count; ++l) {
    for (Index t = 0; t < a.tap_count; ++t) {
      const DepthwiseTap& tap = a.taps[t];
      if (i >= tap.begin && i < tap.end) {
        sum = hn::GetLane(
            hn::MulAdd(hn::Set(hn::CappedTag<T, 1>(), a.weights[l * a.tap_count + t]),
                       hn::Set(hn::CappedTag<T, 1>(), a.lines[l][tap.base + a.step * i]),
                       hn::Set(hn::CappedTag<T, 1>(), sum)));
      }
    }
  }
  return sum;
}

template <int kStep, class T>
void DepthwiseLineStepped(const DepthwiseLine<T>& a) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  // Positions at which every tap lies inside the image.
  Index begin = 0;
  Index end = a.positions;
  for (Index t = 0; t < a.tap_count; ++t) {
    begin = HWY_MAX(begin, a.taps[t].begin);
    end = HWY_MIN(end, a.taps[t].end);
  }
  // With step 2 a load reaches one element too far: leave the last position to the edge.
  const Index vector_end = kStep == 2 ? end - 1 : end;
  Index i = 0;
  for (; i < HWY_MIN(begin, a.positions); ++i) {
    a.y[i] = EdgePosition(a, i);
  }
  for (; i + 2 * lanes <= vector_end; i += 2 * lanes) {
    auto sum0 = hn::Set(d, a.bias);
    auto sum1 = sum0;
    for (Index l = 0; l < a.line_count; ++l) {
      for (Index t = 0; t < a.tap_count; ++t) {
        const T* x = a.lines[l] + a.taps[t].base + a.step * i;
        const auto w = hn::Set(d, a.weights[l * a.tap_count + t]);
        sum0 = hn::MulAdd(w, LoadStepped<kStep>(d, x, a.step), sum0);
        sum1 = hn::MulAdd(w, LoadStepped<kStep>(d, x + a.step * lanes, a.step), sum1);
      }
    }
    hn::StoreU(sum0, d, a.y + i);
    hn::StoreU(sum1, d, a.y + i + lanes);
  }
  for (; i + lanes <= vector_end; i += lanes) {
    auto sum = hn::Set(d, a.bias);
    for (Index l = 0; l < a.line_count; ++l) {
      for (Index t = 0; t < a.tap_count; ++t) {
        const T* x = a.lines[l] + a.taps[t].base + a.step * i;
        sum = hn::MulAdd(hn::Set(d, a.weights[l * a.tap_count + t]),
                         LoadStepped<kStep>(d, x, a.step), sum);
      }
    }
    hn::StoreU(sum, d, a.y + i);
  }
  for (; i < a.positions; ++i) {
    a.y[i] = EdgePosition(a, i);
  }
}

template <class T>
void DepthwiseLineRun(const DepthwiseLine<T>& a) {
  if (a.step == 1) return DepthwiseLineStepped<1>(a);
  if (a.step == 2) return DepthwiseLineStepped<2>(a);
  DepthwiseLineStepped<0>(a);
}

template <int kStep, class T>
T StridedDotStepped(const T* HWY_RESTRICT x, Index step, const T* HWY_RESTRICT y, Index n) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  Index i = 0;
  const Index vector_end = kStep == 2 ? n - 1 : n;
  for (; i + lanes <= vector_end; i += lanes) {
    sum = hn::MulAdd(LoadStepped<kStep>(d, x + i * step, step), hn::LoadU(d, y + i), sum);
  }
  T total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < n; ++i) {
    total += x[i * step] * y[i];
  }
  return total;
}

template <class T>
T StridedDot(const T* x, Index step, const T* y, Index n) {
  if (step == 1) return StridedDotStepped<1>(x, step, y, n);
  if (step == 2) return StridedDotStepped<2>(x, step, y, n);
  return StridedDotStepped<0>(x, step, y, n);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_DEPTHWISE_INL_HPP_
