// The online softmax (Milakov and Gimelshein 2018) and the gradient of a tile of scores.

#if defined(LAMINA_KERNELS_ATTENTION_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTENTION_INL
#undef LAMINA_KERNELS_ATTENTION_INL
#else
#define LAMINA_KERNELS_ATTENTION_INL
#endif

#include <cmath>
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

/// x = exp(x - max); returns the sum.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE T ExpOfRow(D d, T* x, Index n, T max) {
  using V = hn::Vec<D>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  constexpr int kUnroll = sizeof(T) == 4 ? 4 : 2;
  const V shift = hn::Set(d, max);
  V sums[kUnroll];
  for (V& sum : sums) {
    sum = hn::Zero(d);
  }
  Index i = 0;
  for (; i + kUnroll * lanes <= n; i += kUnroll * lanes) {
    V e[kUnroll];
    for (int v = 0; v < kUnroll; ++v) {
      e[v] = ExpOfNegative(d, hn::Sub(hn::LoadU(d, x + i + v * lanes), shift));
    }
    for (int v = 0; v < kUnroll; ++v) {
      hn::StoreU(e[v], d, x + i + v * lanes);
      sums[v] = hn::Add(sums[v], e[v]);
    }
  }
  for (int v = 1; v < kUnroll; ++v) {
    sums[0] = hn::Add(sums[0], sums[v]);
  }
  for (; i + lanes <= n; i += lanes) {
    const V e = ExpOfNegative(d, hn::Sub(hn::LoadU(d, x + i), shift));
    hn::StoreU(e, d, x + i);
    sums[0] = hn::Add(sums[0], e);
  }
  if (i < n) {
    const V e = ExpOfNegative(d, hn::Sub(LoadTail(d, x + i, n - i), shift));
    StoreTail(d, e, x + i, n - i);
    sums[0] = hn::Add(sums[0], hn::IfThenElseZero(TailMask(d, n - i), e));
  }
  return hn::GetLane(hn::SumOfLanes(d, sums[0]));
}

template <class T>
void SoftmaxTile(const OnlineSoftmax<T>& a) {
  const hn::ScalableTag<T> d;
  constexpr T kLowest = -std::numeric_limits<T>::infinity();
  for (Index row = 0; row < a.rows; ++row) {
    T* x = a.scores + row * a.stride;
    // A NaN need not show in the maximum: it comes back in the sum.
    const T before = a.max[row];
    const T here = MaxOfRow(d, x, a.cols);
    const T max = here > before ? here : before;
    // Where nothing has come yet but -inf, exp(-inf - 0) = 0 is what it counts.
    const T shift = max == kLowest ? T(0) : max;
    const T factor = before == max ? T(1) : std::exp(before - shift);
    const T sum = ExpOfRow(d, x, a.cols, shift);
    a.max[row] = max;
    a.factor[row] = factor;
    a.sum[row] = a.sum[row] * factor + sum;
  }
}

template <class T>
void GradientTile(const AttentionGradientTile<T>& a) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index row = 0; row < a.rows; ++row) {
    T* x = a.scores + row * a.stride;
    T* g = a.dweights + row * a.stride;
    const auto row_lse = hn::Set(d, a.lse[a.query_rows ? row : 0]);
    const auto row_delta = hn::Set(d, a.delta[a.query_rows ? row : 0]);
    for (Index i = 0; i < a.cols; i += lanes) {
      const Index count = a.cols - i < lanes ? a.cols - i : lanes;
      const auto load = [&](const T* from) HWY_ATTR {
        return count == lanes ? hn::LoadU(d, from) : LoadTail(d, from, count);
      };
      const auto lse = a.query_rows ? row_lse : load(a.lse + i);
      const auto delta = a.query_rows ? row_delta : load(a.delta + i);
      const auto weight = Exp(d, hn::Sub(load(x + i), lse));
      const auto gradient = hn::Mul(weight, hn::Sub(load(g + i), delta));
      if (count == lanes) {
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
void ScaleRows(T* x, Index stride, Index rows, Index cols, const T* factor) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index row = 0; row < rows; ++row) {
    if (factor[row] == T(1)) {
      continue;
    }
    T* to = x + row * stride;
    const auto f = hn::Set(d, factor[row]);
    Index j = 0;
    for (; j + lanes <= cols; j += lanes) {
      hn::StoreU(hn::Mul(hn::LoadU(d, to + j), f), d, to + j);
    }
    for (; j < cols; ++j) {
      to[j] *= factor[row];
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
