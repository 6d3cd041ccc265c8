// Attention of a panel of queries, one in each lane, past a block of keys and values.

#if defined(LAMINA_KERNELS_ATTENTION_LANES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTENTION_LANES_INL
#undef LAMINA_KERNELS_ATTENTION_LANES_INL
#else
#define LAMINA_KERNELS_ATTENTION_LANES_INL
#endif

#include <array>
#include <limits>
#include <utility>

#include "hwy/highway.h"
#include "kernels/attention-inl.hpp"
#include "kernels/attention_lanes.hpp"
#include "kernels/gemm-inl.hpp"
#include "kernels/gemm_pack-inl.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Numbers in a row of a panel.
template <class T>
inline constexpr Index kPanelWidth = 2 * static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));

// Scores of `count` times kRows keys. As in the products of matrices, kRows x kVectors chains of
// FMAs wait for nothing, and each score is summed in the order of the features.
template <int kRows, int kVectors, class T>
void ScoresOfKeys(const T* k, Index k_stride, Index features, const T* q_panel, T* scores,
                  Index count) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  // Three rows share a pointer, so that the addresses of all rows fit the integer registers.
  constexpr int kGroups = (kRows + 2) / 3;
  for (; count > 0; --count) {
    V acc[kRows][kVectors];
    HWY_UNROLL(14)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::Zero(d);
      }
    }
    const T* HWY_RESTRICT rows[kGroups];
    HWY_UNROLL(5)
    for (int g = 0; g < kGroups; ++g) {
      rows[g] = k + 3 * g * k_stride;
    }
    const T* HWY_RESTRICT q = q_panel;
    for (Index i = features; i > 0; --i) {
      V qv[kVectors];
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        qv[v] = hn::Load(d, q + v * kLanes);
      }
      HWY_UNROLL(14)
      for (int r = 0; r < kRows; ++r) {
        const V key = hn::Set(d, rows[r / 3][(r % 3) * k_stride]);
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          acc[r][v] = hn::MulAdd(key, qv[v], acc[r][v]);
        }
      }
      HWY_UNROLL(5)
      for (int g = 0; g < kGroups; ++g) {
        ++rows[g];
      }
      q += kPanelWidth<T>;
    }
    HWY_UNROLL(14)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        hn::Store(acc[r][v], d, scores + r * kPanelWidth<T> + v * kLanes);
      }
    }
    k += kRows * k_stride;
    scores += kRows * kPanelWidth<T>;
  }
}

// sums = factor * sums + weights * values for kRows features.
template <int kRows, int kVectors, class T>
void WeighValues(const T* HWY_RESTRICT values, Index v_stride, Index count,
                 const T* HWY_RESTRICT weights, const T* factor, bool first, T* sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  V acc[kRows][kVectors];
  HWY_UNROLL(14)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = hn::Zero(d);
    }
  }
  for (Index j = count; j > 0; --j) {
    V w[kVectors];
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      w[v] = hn::Load(d, weights + v * kLanes);
    }
    HWY_UNROLL(14)
    for (int r = 0; r < kRows; ++r) {
      const V value = hn::Set(d, values[r]);
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::MulAdd(value, w[v], acc[r][v]);
      }
    }
    values += v_stride;
    weights += kPanelWidth<T>;
  }
  HWY_UNROLL(2)
  for (int v = 0; v < kVectors; ++v) {
    const V f = hn::Load(d, factor + v * kLanes);
    HWY_UNROLL(14)
    for (int r = 0; r < kRows; ++r) {
      T* to = sums + r * kPanelWidth<T> + v * kLanes;
      hn::Store(first ? acc[r][v] : hn::MulAdd(f, hn::Load(d, to), acc[r][v]), d, to);
    }
  }
}

template <class T>
using ScoresFn = void (*)(const T*, Index, Index, const T*, T*, Index);
template <class T>
using WeighFn = void (*)(const T*, Index, Index, const T*, const T*, bool, T*);

/// The kernels for 1, 2 ... rows.
template <int kVectors, class T, size_t... kRow>
constexpr std::array<ScoresFn<T>, sizeof...(kRow)> ScoresKernels(std::index_sequence<kRow...>) {
  return {&ScoresOfKeys<static_cast<int>(kRow) + 1, kVectors, T>...};
}
template <int kVectors, class T, size_t... kRow>
constexpr std::array<WeighFn<T>, sizeof...(kRow)> WeighKernels(std::index_sequence<kRow...>) {
  return {&WeighValues<static_cast<int>(kRow) + 1, kVectors, T>...};
}

/// Calls run(kernel index, first row, tiles) for n rows in tiles of nearly equal height, of which
/// there are two at most.
template <class F>
HWY_INLINE void ForEachHeight(Index n, const F& run) {
  const Index tiles = (n + kTileRows - 1) / kTileRows;
  if (tiles == 0) {
    return;
  }
  const Index height = n / tiles;
  const Index higher = n - height * tiles;
  if (higher > 0) {
    run(height + 1, 0, higher);
  }
  run(height, higher * (height + 1), tiles - higher);
}

/// The lanes that see key j.
template <class D>
HWY_INLINE hn::Mask<D> Sees(D d, Index j, Index limit, Index first_lane) {
  using T = hn::TFromD<D>;
  return hn::Gt(hn::Iota(d, 0), hn::Set(d, static_cast<T>(j - limit - first_lane)));
}

/// scores = 2^(scores - maximum so far), the sums with them; what was summed up is to be multiplied
/// by factor. Meanwhile the lines of what comes next are fetched.
template <int kVectors, class T>
void SoftmaxOfLanes(const AttentionPanel<T>& panel, const AttentionKeys<T>& keys, T* factor) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = kPanelWidth<T>;
  // Two keys at a time: two chains of each operation in a lane.
  constexpr int kChains = 2 * kVectors;
  const auto at = [](T* row, int c)
                      HWY_ATTR { return row + c / kVectors * kWidth + c % kVectors * kLanes; };
  const Index count = keys.count;
  const V lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  V max[kChains];
  HWY_UNROLL(4)
  for (V& m : max) {
    m = lowest;
  }
  Index j = 0;
  for (; j + 2 <= count; j += 2) {
    T* const row = keys.scores + j * kWidth;
    HWY_UNROLL(4)
    for (int c = 0; c < kChains; ++c) {
      max[c] = hn::Max(max[c], hn::Load(d, at(row, c)));
    }
  }
  V shift[kVectors];
  V scale[kVectors];
  HWY_UNROLL(2)
  for (int v = 0; v < kVectors; ++v) {
    if (j < count) {
      max[v] = hn::Max(max[v], hn::Load(d, at(keys.scores + j * kWidth, v)));
    }
    // A NaN need not show in the maximum: it comes back in the sum.
    const V here = hn::Max(max[v], max[kVectors + v]);
    const V before = hn::Load(d, panel.max + v * kLanes);
    const V now = hn::IfThenElse(hn::Gt(here, before), here, before);
    // Where nothing has come yet but -inf, 2^(-inf - 0) = 0 is what it counts.
    shift[v] = hn::IfThenElse(hn::Eq(now, lowest), hn::Zero(d), now);
    scale[v] = PowerOfTwo(d, hn::Sub(before, shift[v]));
    hn::Store(now, d, panel.max + v * kLanes);
    hn::Store(scale[v], d, factor + v * kLanes);
  }
  V sum[kChains];
  HWY_UNROLL(4)
  for (V& s : sum) {
    s = hn::Zero(d);
  }
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));
  for (j = 0; j + 2 <= count; j += 2) {
    T* const row = keys.scores + j * kWidth;
    HWY_UNROLL(4)
    for (int c = 0; c < kChains; ++c) {
      const V e = PowerOfTwo(d, hn::Sub(hn::Load(d, at(row, c)), shift[c % kVectors]));
      hn::Store(e, d, at(row, c));
      sum[c] = hn::Add(sum[c], e);
    }
    for (const AttentionAhead<T>& ahead : keys.ahead) {
      if (j * kLine < ahead.count) {
        __builtin_prefetch(ahead.from + j * kLine, 0, 2);
        __builtin_prefetch(ahead.from + (j + 1) * kLine, 0, 2);
      }
    }
  }
  HWY_UNROLL(2)
  for (int v = 0; v < kVectors; ++v) {
    if (j < count) {
      T* const last = at(keys.scores + j * kWidth, v);
      const V e = PowerOfTwo(d, hn::Sub(hn::Load(d, last), shift[v]));
      hn::Store(e, d, last);
      sum[v] = hn::Add(sum[v], e);
    }
    T* const total = panel.sum + v * kLanes;
    hn::Store(hn::MulAdd(hn::Load(d, total), scale[v], hn::Add(sum[v], sum[kVectors + v])), d,
              total);
  }
}

/// As WeighValues, feature by feature; a value that a lane does not see does not touch its sum.
template <class T>
void WeighVisible(const AttentionPanel<T>& panel, const AttentionKeys<T>& keys, const T* factor) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = kPanelWidth<T>;
  for (Index v = 0; v < panel.vectors; ++v) {
    const auto f = hn::Load(d, factor + v * kLanes);
    for (Index n = 0; n < panel.value_features; ++n) {
      auto acc = hn::Zero(d);
      for (Index j = 0; j < keys.count; ++j) {
        const auto weight = hn::Load(d, keys.scores + j * kWidth + v * kLanes);
        const auto value = hn::Set(d, keys.v[j * keys.v_stride + n]);
        acc =
            hn::IfThenElse(Sees(d, j, keys.limit, v * kLanes), hn::MulAdd(value, weight, acc), acc);
      }
      T* to = panel.sums + n * kWidth + v * kLanes;
      hn::Store(keys.first ? acc : hn::MulAdd(f, hn::Load(d, to), acc), d, to);
    }
  }
}

template <class T>
void AttentionPass(const AttentionPanel<T>& panel, const AttentionKeys<T>& keys) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = kPanelWidth<T>;
  constexpr auto kRows = std::make_index_sequence<static_cast<size_t>(kTileRows)>();
  static constexpr std::array<std::array<ScoresFn<T>, kTileRows>, 2> kScores = {
      ScoresKernels<1, T>(kRows), ScoresKernels<2, T>(kRows)};
  static constexpr std::array<std::array<WeighFn<T>, kTileRows>, 2> kWeigh = {
      WeighKernels<1, T>(kRows), WeighKernels<2, T>(kRows)};
  const auto vectors = static_cast<size_t>(panel.vectors - 1);

  ForEachHeight(keys.count, [&](Index height, Index first, Index tiles) {
    kScores[vectors][static_cast<size_t>(height - 1)](keys.k + first * keys.k_stride, keys.k_stride,
                                                      panel.features, panel.q,
                                                      keys.scores + first * kWidth, tiles);
  });

  const Index limit = HWY_MAX(Index{0}, keys.limit);
  const auto blocked = hn::Set(d, -std::numeric_limits<T>::infinity());
  bool finite = true;
  for (Index j = limit; j < keys.count; ++j) {
    for (Index v = 0; v < panel.vectors; ++v) {
      T* at = keys.scores + j * kWidth + v * kLanes;
      hn::Store(hn::IfThenElse(Sees(d, j, keys.limit, v * kLanes), hn::Load(d, at), blocked), d,
                at);
    }
    finite = finite && AllFinite(keys.v + j * keys.v_stride, panel.value_features);
  }

  HWY_ALIGN T factor[kWidth];
  panel.vectors == 1 ? SoftmaxOfLanes<1>(panel, keys, factor)
                     : SoftmaxOfLanes<2>(panel, keys, factor);

  if (!finite) {
    // 0 times NaN or infinity would be NaN.
    WeighVisible(panel, keys, factor);
    return;
  }
  ForEachHeight(panel.value_features, [&](Index height, Index first, Index tiles) {
    for (; tiles > 0; --tiles, first += height) {
      kWeigh[vectors][static_cast<size_t>(height - 1)](keys.v + first, keys.v_stride, keys.count,
                                                       keys.scores, factor, keys.first,
                                                       panel.sums + first * kWidth);
    }
  });
}

template <class T>
void PackQueries(const T* x, Index row_stride, Index col_stride, Index count, Index features,
                 T scale, T* q) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = kPanelWidth<T>;
  GemmPack<T> pack;
  pack.source = x;
  pack.width = count;
  pack.width_stride = row_stride;
  pack.depth = features;
  pack.depth_stride = col_stride;
  pack.panel = kWidth;
  pack.padded = kWidth;
  pack.out = q;
  PackPanel<kWidth>(pack);
  const auto factor = hn::Set(d, scale);
  for (Index i = 0; i < features * kWidth; i += kLanes) {
    hn::Store(hn::Mul(hn::Load(d, q + i), factor), d, q + i);
  }
}

template <class T>
void FinishPanel(const AttentionPanel<T>& panel, Index count, T* out, Index row_stride) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = kPanelWidth<T>;
  const Index n = panel.value_features;
  for (Index first = 0; first < count; first += kLanes) {
    const auto sum = hn::Load(d, panel.sum + first);
    const auto none = hn::Eq(sum, hn::Zero(d));
    const auto factor = hn::Div(hn::Set(d, T(1)), sum);
    for (Index j = 0; j < n; ++j) {
      T* at = panel.sums + j * kWidth + first;
      hn::Store(hn::IfThenZeroElse(none, hn::Mul(hn::Load(d, at), factor)), d, at);
    }
    const Index rows = HWY_MIN(kLanes, count - first);
    T* const to = out + first * row_stride;
    const T* lines[kLanes];
    HWY_ALIGN T square[kLanes * kLanes];
    for (Index j = 0; j < n; j += kLanes) {
      const Index cols = HWY_MIN(kLanes, n - j);
      for (Index i = 0; i < kLanes; ++i) {
        lines[i] = panel.sums + (j + HWY_MIN(i, cols - 1)) * kWidth;
      }
      if (rows == kLanes && cols == kLanes) {
        TransposeSquare(d, lines, first, to + j, row_stride);
        continue;
      }
      TransposeSquare(d, lines, first, square, kLanes);
      for (Index i = 0; i < rows; ++i) {
        StoreTail(d, hn::Load(d, square + i * kLanes), to + i * row_stride + j, cols);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
