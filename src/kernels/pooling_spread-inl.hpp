// The gradient of pooled sums for any vector width: no window writes, each element of dx collects.

#if defined(LAMINA_KERNELS_POOLING_SPREAD_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_POOLING_SPREAD_INL_HPP_
#undef LAMINA_KERNELS_POOLING_SPREAD_INL_HPP_
#else
#define LAMINA_KERNELS_POOLING_SPREAD_INL_HPP_
#endif

#include <algorithm>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/pooling-inl.hpp"
#include "kernels/pooling.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline Index PoolFloorDiv(Index a, Index b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/// line[i] = weights[i] * (the sum of dy over the lines of windows that hold this line of dx), for
/// outputs [first, last).
template <class T>
HWY_INLINE void PoolGatherLines(const PoolSpreadArgs<T>& a, const PoolWalk& at, Index first,
                                Index last, T* HWY_RESTRICT line) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index plane = at.image * a.channels + at.channel;
  for (Index i = first; i < last; i += lanes) {
    const Index left = HWY_MIN(lanes, last - i);
    auto sum = hn::Zero(d);
    for (Index p = a.depth.first[at.d]; p < a.depth.first[at.d + 1]; ++p) {
      const Index od = a.depth.outputs[p];
      for (Index q = a.height.first[at.h]; q < a.height.first[at.h + 1]; ++q) {
        const Index oh = a.height.outputs[q];
        const T* from = a.dy + ((plane * a.depth.out + od) * a.height.out + oh) * a.width.out + i;
        const auto dy = left == lanes ? hn::LoadU(d, from) : LoadTail(d, from, left);
        sum = hn::MulAdd(dy, hn::Set(d, a.depth.weights[od] * a.height.weights[oh]), sum);
      }
    }
    // Behind the last output the line is padding.
    const auto weights = LoadTail(d, a.width.weights + i, left);
    hn::StoreU(hn::Mul(sum, weights), d, line + (i - first));
  }
}

template <class T>
void PoolSpreadUneven(const PoolSpreadArgs<T>& a, Index begin, Index end, T* scratch) {
  PoolWalk at(begin, 1, a.channels, a.depth.in, a.height.in);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    PoolGatherLines(a, at, 0, a.width.out, scratch);
    T* dx = a.dx + at.line * a.width.in;
    std::fill_n(dx, a.width.in, T(0));
    for (Index i = 0; i < a.width.out; ++i) {
      const PoolSpan& span = a.spans[i];
      const T value = scratch[i];
      for (Index w = 0; w < span.count; ++w) dx[span.begin + w * a.step] += value;
    }
  }
}

template <class T>
void PoolSpreadEven(const PoolSpreadArgs<T>& a, Index begin, Index end, T* scratch) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index tiles = (a.width.in + a.tile - 1) / a.tile;
  const Index reach = (a.kernel - 1) * a.step + 1;
  const Index size = pool_spread_scratch(a);
  PoolWalk at(begin, tiles, a.channels, a.depth.in, a.height.in);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    const Index start = at.tile * a.tile;
    const Index n = HWY_MIN(a.tile, a.width.in - start);
    const Index padded = start + a.before;
    // scratch[i - base] belongs to window i; those that are not there stay 0.
    const Index base = PoolFloorDiv(padded - (reach - 1), a.stride);
    const Index first = HWY_MAX(Index{0}, base);
    const Index last =
        HWY_MAX(first, HWY_MIN(a.width.out, PoolFloorDiv(padded + n - 1, a.stride) + 1));
    std::fill_n(scratch, HWY_MIN(size, (n + reach) / a.stride + 2 + kPoolSlack), T(0));
    PoolGatherLines(a, at, first, last, scratch + (first - base));
    T* dx = a.dx + at.line * a.width.in + start;
    if (a.stride == 1) {
      for (Index j = 0; j < n; j += lanes) {
        auto sum = hn::Zero(d);
        for (Index t = 0; t < a.kernel; ++t) {
          sum = hn::Add(sum, hn::LoadU(d, scratch + (padded - t * a.step - base) + j));
        }
        if (j + lanes <= n) {
          hn::StoreU(sum, d, dx + j);
        } else {
          StoreTail(d, sum, dx + j, n - j);
        }
      }
    } else if (a.stride == 2) {
      for (Index j = 0; j < n; j += 2 * lanes) {
        auto even = hn::Zero(d);
        auto odd = hn::Zero(d);
        for (Index t = 0; t < a.kernel; ++t) {
          const Index u = padded - t * a.step;
          const Index i = PoolFloorDiv(u + 1, 2) - base + j / 2;
          const auto value = hn::LoadU(d, scratch + i);
          if (u % 2 == 0) {
            even = hn::Add(even, value);
          } else {
            odd = hn::Add(odd, value);
          }
        }
        if (j + 2 * lanes <= n && !a.stream) {
          hn::StoreInterleaved2(even, odd, d, dx + j);
          continue;
        }
        HWY_ALIGN T both[2 * hn::MaxLanes(d)];
        hn::StoreInterleaved2(even, odd, d, both);
        if (j + 2 * lanes <= n) {
          hn::Stream(hn::Load(d, both), d, dx + j);
          hn::Stream(hn::Load(d, both + lanes), d, dx + j + lanes);
        } else {
          std::copy_n(both, n - j, dx + j);
        }
      }
    } else {
      std::fill_n(dx, n, T(0));
      for (Index i = first; i < last; ++i) {
        const T value = scratch[i - base];
        for (Index t = 0; t < a.kernel; ++t) {
          const Index w = i * a.stride + t * a.step - padded;
          if (w >= 0 && w < n) dx[w] += value;
        }
      }
    }
  }
}

template <class T>
void PoolSpreadLines(const PoolSpreadArgs<T>& a, Index begin, Index end, T* scratch) {
  if (a.stride == 0) return PoolSpreadUneven(a, begin, end, scratch);
  PoolSpreadEven(a, begin, end, scratch);
  if (a.stream) hwy::FlushStream();
}

/// kVectors vectors of channels of one element of dx.
template <int kVectors, bool kTail, class T>
HWY_INLINE void PoolSpreadPosition(const PoolSpreadArgs<T>& a, const PoolWalk& at, Index w, Index c,
                                   Index left, T* HWY_RESTRICT dx) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  hn::Vec<decltype(d)> sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
  for (Index p = a.depth.first[at.d]; p < a.depth.first[at.d + 1]; ++p) {
    const Index od = a.depth.outputs[p];
    for (Index q = a.height.first[at.h]; q < a.height.first[at.h + 1]; ++q) {
      const Index oh = a.height.outputs[q];
      const T* row =
          a.dy + ((at.image * a.depth.out + od) * a.height.out + oh) * a.width.out * a.channels + c;
      const T weight = a.depth.weights[od] * a.height.weights[oh];
      for (Index r = a.width.first[w]; r < a.width.first[w + 1]; ++r) {
        const Index ow = a.width.outputs[r];
        const auto factor = hn::Set(d, weight * a.width.weights[ow]);
        for (int v = 0; v < kVectors; ++v) {
          const T* from = row + ow * a.channels + v * lanes;
          const auto dy = kTail ? LoadTail(d, from, left) : hn::LoadU(d, from);
          sum[v] = hn::MulAdd(dy, factor, sum[v]);
        }
      }
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    if constexpr (kTail) {
      StoreTail(d, sum[v], dx + c, left);
    } else if (a.stream) {
      hn::Stream(sum[v], d, dx + c + v * lanes);
    } else {
      hn::StoreU(sum[v], d, dx + c + v * lanes);
    }
  }
}

template <class T>
void PoolSpreadChannels(const PoolSpreadArgs<T>& a, Index begin, Index end) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  PoolWalk at(begin, 1, 1, a.depth.in, a.height.in);
  for (Index unit = begin; unit < end; ++unit, at.Next()) {
    for (Index w = 0; w < a.width.in; ++w) {
      T* dx = a.dx + (at.line * a.width.in + w) * a.channels;
      Index c = 0;
      for (; c + 4 * lanes <= a.channels; c += 4 * lanes) {
        PoolSpreadPosition<4, false>(a, at, w, c, lanes, dx);
      }
      for (; c + lanes <= a.channels; c += lanes) {
        PoolSpreadPosition<1, false>(a, at, w, c, lanes, dx);
      }
      if (c < a.channels) PoolSpreadPosition<1, true>(a, at, w, c, a.channels - c, dx);
    }
  }
  if (a.stream) hwy::FlushStream();
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_POOLING_SPREAD_INL_HPP_
