// The online softmax (Milakov and Gimelshein 2018) and the gradient of a tile of scores.

#if defined(LAMINA_KERNELS_ATTENTION_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTENTION_INL
#undef LAMINA_KERNELS_ATTENTION_INL
#else
#define LAMINA_KERNELS_ATTENTION_INL
#endif

#include <cmath>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "kernels/attention.hpp"
#include "kernels/math-inl.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class T = hn::TFromD<D>>
HWY_INLINE T MaxOfRow(D d, const T* x, Index n) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  auto m0 = lowest;
  auto m1 = lowest;
  Index i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    m0 = hn::Max(m0, hn::LoadU(d, x + i));
    m1 = hn::Max(m1, hn::LoadU(d, x + i + lanes));
  }
  m0 = hn::Max(m0, m1);
  if (i + lanes <= n) {
    m0 = hn::Max(m0, hn::LoadU(d, x + i));
    i += lanes;
  }
  if (i < n) {
    const auto rest = hn::IfThenElse(TailMask(d, n - i), LoadTail(d, x + i, n - i), lowest);
    m0 = hn::Max(m0, rest);
  }
  return hn::GetLane(hn::MaxOfLanes(d, m0));
}

/// log2(e)
inline constexpr double kBinary = 1.442695040888963407;

/// 2^x. Polynomials by the Remez algorithm for [-1/2, 1/2], least relative error (2^-28 and 2^-52)
/// with 2^0 = 1 exactly; where a register holds the sixteenth roots of 2, for [-1/32, 1/32].
template <class D, class V = hn::Vec<D>>
HWY_INLINE V PowerOfTwo(D d, V x) {
  using T = hn::TFromD<D>;
  constexpr bool kSingle = sizeof(T) == 4;
  x = AtLeast(d, x, hn::Set(d, kSingle ? T(-160) : T(-1090)));
  if constexpr (HasRoots<D>()) {
    // Adding 1.5 * 2^19 rounds to a sixteenth; 16 n is in the low bits.
    const V shift = hn::Set(d, T(786432.0));
    const V sum = hn::Add(x, shift);
    const V root = RootAt(sum);
    const V n = hn::Sub(sum, shift);
    const V r = hn::Sub(x, n);
    return MulPow2(
        d,
        hn::MulAdd(hn::Mul(root, r),
                   Polynomial(d, r, 6.93147181e-01, 2.40236088e-01, 5.55052847e-02), root),
        n);
  }
  // Adding 1.5 * 2^23 or 2^52 rounds to an integer.
  const V shift = hn::Set(d, kSingle ? T(12582912.0) : T(6755399441055744.0));
  const V n = hn::Sub(hn::Add(x, shift), shift);
  const V r = hn::Sub(x, n);
  // Horner's scheme: several vectors are on their way at once, so operations count, not latency.
  const auto horner = [&](auto... c) HWY_ATTR {
    V p = hn::Zero(d);
    bool first = true;
    ((p = first ? hn::Set(d, static_cast<T>(c)) : hn::MulAdd(p, r, hn::Set(d, static_cast<T>(c))),
      first = false),
     ...);
    return p;
  };
  if constexpr (kSingle) {
    return MulPow2(d,
                   horner(1.5345812158740e-04, 1.3399931209474e-03, 9.6184889565228e-03,
                          5.5503287769977e-02, 2.4022646890640e-01, 6.9314720573725e-01, 1.0),
                   n);
  } else {
    return MulPow2(
        d,
        horner(7.0372788467269008787e-9, 1.0208537929657404371e-7, 1.3215662835959239446e-6,
               0.000015252658116409854484, 0.00015403529961127075703, 0.0013333558228561765893,
               0.009618129108034597006, 0.055504108664458831363, 0.2402265069590876777,
               0.6931471805599497751, 1.0),
        n);
  }
}

/// x = 2^(x - shift); returns the sum.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE T PowersOfRow(D d, T* x, Index n, T shift) {
  using V = hn::Vec<D>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const V before = hn::Set(d, shift);
  V sum0 = hn::Zero(d);
  V sum1 = hn::Zero(d);
  Index i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const V e0 = PowerOfTwo(d, hn::Sub(hn::LoadU(d, x + i), before));
    const V e1 = PowerOfTwo(d, hn::Sub(hn::LoadU(d, x + i + lanes), before));
    hn::StoreU(e0, d, x + i);
    hn::StoreU(e1, d, x + i + lanes);
    sum0 = hn::Add(sum0, e0);
    sum1 = hn::Add(sum1, e1);
  }
  if (i + lanes <= n) {
    const V e = PowerOfTwo(d, hn::Sub(hn::LoadU(d, x + i), before));
    hn::StoreU(e, d, x + i);
    sum0 = hn::Add(sum0, e);
    i += lanes;
  }
  if (i < n) {
    const V e = PowerOfTwo(d, hn::Sub(LoadTail(d, x + i, n - i), before));
    StoreTail(d, e, x + i, n - i);
    sum1 = hn::Add(sum1, hn::IfThenElseZero(TailMask(d, n - i), e));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
}

template <class T>
void SoftmaxTile(const OnlineSoftmax<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const V lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  // As many rows at a time as there are lanes: their sums are rescaled together.
  for (Index first = 0; first < a.rows; first += lanes) {
    const Index rows = HWY_MIN(lanes, a.rows - first);
    T* const factor = a.factor + first;
    for (Index row = 0; row < rows; ++row) {
      factor[row] = MaxOfRow(d, a.scores + (first + row) * a.stride, a.cols);
    }
    // A NaN need not show in the maximum: it comes back in the sum.
    const V before = LoadTail(d, a.max + first, rows);
    const V here = LoadTail(d, factor, rows);
    const V max = hn::IfThenElse(hn::Gt(here, before), here, before);
    // Where nothing has come yet but -inf, 2^(-inf - 0) = 0 is what it counts.
    const V shift = hn::IfThenElse(hn::Eq(max, lowest), hn::Zero(d), max);
    const V scale = PowerOfTwo(d, hn::Sub(before, shift));
    StoreTail(d, max, a.max + first, rows);
    StoreTail(d, scale, factor, rows);
    HWY_ALIGN T shifts[hn::MaxLanes(d)];
    HWY_ALIGN T sums[hn::MaxLanes(d)] = {};
    hn::Store(shift, d, shifts);
    for (Index row = 0; row < rows; ++row) {
      sums[row] = PowersOfRow(d, a.scores + (first + row) * a.stride, a.cols, shifts[row]);
    }
    const V sum = hn::MulAdd(LoadTail(d, a.sum + first, rows), scale, hn::Load(d, sums));
    StoreTail(d, sum, a.sum + first, rows);
  }
}

/// The lanes whose byte is not 0, `count` of them.
template <class D>
HWY_INLINE hn::Mask<D> LoadMask(D d, const bool* from, Index count) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint8_t, D> bytes;
  HWY_ALIGN std::uint8_t buffer[hn::MaxLanes(d)] = {};
  const std::uint8_t* source = reinterpret_cast<const std::uint8_t*>(from);
  if (count < static_cast<Index>(hn::Lanes(d))) {
    for (Index i = 0; i < count; ++i) {
      buffer[i] = source[i];
    }
    source = buffer;
  }
  const auto small = hn::LoadU(bytes, source);
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return hn::RebindMask(d, hn::Not(hn::Eq(hn::PromoteTo(du, small), hn::Zero(du))));
  } else {
    const hn::Rebind<std::uint32_t, D> half;
    return hn::RebindMask(
        d, hn::Not(hn::Eq(hn::PromoteTo(du, hn::PromoteTo(half, small)), hn::Zero(du))));
  }
}

template <class T>
void ApplyRules(const AttentionRules<T>& a) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto blocked = hn::Set(d, -std::numeric_limits<T>::infinity());
  const auto binary = hn::Set(d, static_cast<T>(kBinary));
  for (Index row = 0; row < a.rows; ++row) {
    T* const x = a.scores + row * a.stride;
    const Index limit = HWY_MIN(a.cols, HWY_MAX(Index{0}, a.limit + row * a.limit_step));
    const T* bias = a.bias == nullptr ? nullptr : a.bias + row * a.bias_stride;
    const bool* mask = a.mask == nullptr ? nullptr : a.mask + row * a.mask_stride;
    for (Index j = 0; (bias != nullptr || mask != nullptr) && j < limit; j += lanes) {
      const Index count = HWY_MIN(lanes, limit - j);
      const bool whole = count == lanes;
      auto score = whole ? hn::LoadU(d, x + j) : LoadTail(d, x + j, count);
      if (bias != nullptr) {
        const auto b = whole ? hn::LoadU(d, bias + j) : LoadTail(d, bias + j, count);
        score = hn::IfThenElse(hn::Eq(b, blocked), blocked, hn::MulAdd(b, binary, score));
      }
      if (mask != nullptr) {
        score = hn::IfThenElse(LoadMask(d, mask + j, count), score, blocked);
      }
      if (whole) {
        hn::StoreU(score, d, x + j);
      } else {
        StoreTail(d, score, x + j, count);
      }
    }
    Index j = limit;
    for (; j + lanes <= a.cols; j += lanes) {
      hn::StoreU(blocked, d, x + j);
    }
    if (j < a.cols) {
      StoreTail(d, blocked, x + j, a.cols - j);
    }
  }
}

template <class T>
void GradientTile(const AttentionGradientTile<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const V blocked = hn::Set(d, -std::numeric_limits<T>::infinity());
  const V scale = hn::Set(d, a.keep_scale);
  for (Index row = 0; row < a.rows; ++row) {
    T* const x = a.scores + row * a.stride;
    T* const g = a.dweights + row * a.stride;
    const bool* keep = a.keep == nullptr ? nullptr : a.keep + row * a.stride;
    const V lse = hn::Set(d, a.lse[row] * static_cast<T>(kBinary));
    const V delta = hn::Set(d, a.delta[row]);
    const auto one = [&](V score, V dweight, V& weight, V& gradient) HWY_ATTR {
      // What is blocked has neither, whatever lse and dweight are.
      const auto none = hn::Eq(score, blocked);
      weight = hn::IfThenZeroElse(none, PowerOfTwo(d, hn::Sub(score, lse)));
      gradient = hn::IfThenZeroElse(none, hn::Mul(weight, hn::Sub(dweight, delta)));
    };
    Index i = 0;
    for (; keep == nullptr && i + 2 * lanes <= a.cols; i += 2 * lanes) {
      V w0, w1, g0, g1;
      one(hn::LoadU(d, x + i), hn::LoadU(d, g + i), w0, g0);
      one(hn::LoadU(d, x + i + lanes), hn::LoadU(d, g + i + lanes), w1, g1);
      hn::StoreU(w0, d, x + i);
      hn::StoreU(w1, d, x + i + lanes);
      hn::StoreU(g0, d, g + i);
      hn::StoreU(g1, d, g + i + lanes);
    }
    for (; i < a.cols; i += lanes) {
      const Index count = HWY_MIN(lanes, a.cols - i);
      const bool whole = count == lanes;
      const V score = whole ? hn::LoadU(d, x + i) : LoadTail(d, x + i, count);
      V dweight = whole ? hn::LoadU(d, g + i) : LoadTail(d, g + i, count);
      V weight, gradient;
      if (keep == nullptr) {
        one(score, dweight, weight, gradient);
      } else {
        const auto kept = LoadMask(d, keep + i, count);
        dweight = hn::IfThenElseZero(kept, hn::Mul(dweight, scale));
        one(score, dweight, weight, gradient);
        weight = hn::IfThenElseZero(kept, hn::Mul(weight, scale));
      }
      if (whole) {
        hn::StoreU(weight, d, x + i);
        hn::StoreU(gradient, d, g + i);
      } else {
        StoreTail(d, weight, x + i, count);
        StoreTail(d, gradient, g + i, count);
      }
    }
  }
}

template <class T>
void ScaleRows(const T* x, Index stride, Index rows, Index cols, const T* factor, T* out,
               Index out_stride) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index row = 0; row < rows; ++row) {
    const T* from = x + row * stride;
    T* to = out + row * out_stride;
    if (from == to && factor[row] == T(1)) {
      continue;
    }
    const auto f = hn::Set(d, factor[row]);
    Index j = 0;
    for (; j + lanes <= cols; j += lanes) {
      hn::StoreU(hn::Mul(hn::LoadU(d, from + j), f), d, to + j);
    }
    for (; j < cols; ++j) {
      to[j] = from[j] * factor[row];
    }
  }
}

template <class T>
bool AllFinite(const T* x, Index n) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  // 0 * x is 0 for finite x, otherwise NaN.
  auto sum = hn::Zero(d);
  Index i = 0;
  for (; i + lanes <= n; i += lanes) {
    sum = hn::MulAdd(hn::LoadU(d, x + i), hn::Zero(d), sum);
  }
  if (i < n) {
    sum = hn::MulAdd(LoadTail(d, x + i, n - i), hn::Zero(d), sum);
  }
  return hn::AllTrue(d, hn::Eq(sum, hn::Zero(d)));
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
