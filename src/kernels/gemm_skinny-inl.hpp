// Products of few rows with a large matrix B, which is read once: memory bandwidth is the limit, so
// B is read in long stretches of several streams, and the sums are kept aside.

#if defined(LAMINA_KERNELS_GEMM_SKINNY_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_GEMM_SKINNY_INL_HPP_
#undef LAMINA_KERNELS_GEMM_SKINNY_INL_HPP_
#else
#define LAMINA_KERNELS_GEMM_SKINNY_INL_HPP_
#endif

#include <array>
#include <utility>

#include "hwy/highway.h"
#include "kernels/gemm-inl.hpp"
#include "kernels/gemm.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Rows of A.
inline constexpr int kMostRows = HWY_MIN(kTileRows, 8);
// Rows of B that are read side by side. The first number is for a single row of A, where they lie a
// quarter of K apart: memory answers long streams far apart best.
inline constexpr int kFarStreams = 4;
inline constexpr int kStreams = 8;
// How far ahead each of these is fetched: 1 KiB. The more rows A has the less of the way ahead the
// core sees by itself.
template <class T>
inline constexpr Index kAhead = 1024 / static_cast<Index>(sizeof(T));
// How far ahead a packed B is fetched, over all panels that are read side by side.
template <class T>
inline constexpr Index kAheadPacked = 16384 / static_cast<Index>(sizeof(T));
// Depth in which columns of B that are contiguous in k are multiplied, so that A stays in the L1.
template <class T>
inline constexpr Index kDotDepth = 4096 / static_cast<Index>(sizeof(T));
// Depth up to which one row of A takes as many such columns side by side as a vector has lanes:
// longer ones would share sets of the L1.
template <class T>
inline constexpr Index kJoinedDepth = 1024 / static_cast<Index>(sizeof(T));

// y[j] += sum over s of a[s * a_step] * b[s * b_step + j] for kVectors vectors, the last of which
// has `last` lanes.
template <int kVectors, int kRowsOfB, bool kWhole, class D, class T, class V>
HWY_INLINE void AddRows(D d, const V (&a)[kRowsOfB], const T* HWY_RESTRICT b, Index b_step,
                        T* HWY_RESTRICT y, Index last) {
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(D()));
  V sum[kVectors];
  HWY_UNROLL(4)
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = kWhole ? hn::LoadU(d, y + v * kLanes) : LoadTail(d, y + v * kLanes, last);
  }
  HWY_UNROLL(4)
  for (int s = 0; s < kRowsOfB; ++s) {
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
      const T* from = b + s * b_step + v * kLanes;
      sum[v] = hn::MulAdd(a[s], kWhole ? hn::LoadU(d, from) : LoadTail(d, from, last), sum[v]);
    }
  }
  HWY_UNROLL(4)
  for (int v = 0; v < kVectors; ++v) {
    if (kWhole) {
      hn::StoreU(sum[v], d, y + v * kLanes);
    } else {
      StoreTail(d, sum[v], y + v * kLanes, last);
    }
  }
}

// y += the products of kRowsOfB rows of B, `apart` rows from each other, the first of which is row
// k.
template <int kRowsOfB, class T>
HWY_INLINE void AddRowsOfB(const SkinnyProduct<T>& product, Index k, Index apart) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr int kVectors = 4;
  hn::Vec<decltype(d)> a[kRowsOfB];
  HWY_UNROLL(4)
  for (int s = 0; s < kRowsOfB; ++s) {
    a[s] = hn::Set(d, product.a[k + s * apart]);
  }
  const T* const b = product.b + k * product.k_stride;
  const Index b_step = apart * product.k_stride;
  const Index n = product.n;
  Index j = 0;
  for (; j + kVectors * kLanes <= n; j += kVectors * kLanes) {
    AddRows<kVectors, kRowsOfB, true>(d, a, b + j, b_step, product.y + j, kLanes);
  }
  for (; j + kLanes <= n; j += kLanes) {
    AddRows<1, kRowsOfB, true>(d, a, b + j, b_step, product.y + j, kLanes);
  }
  if (j < n) {
    AddRows<1, kRowsOfB, false>(d, a, b + j, b_step, product.y + j, n - j);
  }
}

// One row of A, B with contiguous rows.
template <class T>
void StreamOneRow(const SkinnyProduct<T>& product) {
  for (Index j = 0; j < product.n; ++j) {
    product.y[j] = T(0);
  }
  const Index apart = product.k / kFarStreams;
  for (Index k = 0; k < apart; ++k) {
    AddRowsOfB<kFarStreams>(product, k, apart);
  }
  for (Index k = apart * kFarStreams; k < product.k; ++k) {
    AddRowsOfB<1>(product, k, 1);
  }
}

// Adds the products of kDepth rows of B to the sums of `columns` columns, kVectors vectors at a
// time. The sums of one group of columns are contiguous: kRows rows of kVectors vectors.
template <int kRows, int kVectors, int kDepth, class T>
HWY_INLINE void StreamColumns(const SkinnyProduct<T>& product, Index k, Index column, Index columns,
                              T* HWY_RESTRICT sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = kVectors * kLanes;
  const T* HWY_RESTRICT b = product.b + k * product.k_stride + column;
  const T* const a = product.a + k;
  for (Index j = 0; j < columns; j += kWidth, b += kWidth, sums += kRows * kWidth) {
    const Index left = HWY_MIN(columns - j, kLanes);
    const bool whole = kVectors > 1 || left == kLanes;
    V acc[kRows][kVectors];
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = k == 0  ? hn::Zero(d)
                    : whole ? hn::LoadU(d, sums + (r * kVectors + v) * kLanes)
                            : LoadTail(d, sums + r * left, left);
      }
    }
    const T* HWY_RESTRICT row = b;
    HWY_UNROLL(8)
    for (int i = 0; i < kDepth; ++i, row += product.k_stride) {
      V bv[kVectors];
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        __builtin_prefetch(row + kAhead<T> + v * kLanes, 0, 3);
        bv[v] = whole ? hn::LoadU(d, row + v * kLanes) : LoadTail(d, row, left);
      }
      HWY_UNROLL(16)
      for (int r = 0; r < kRows; ++r) {
        const V av = hn::Set(d, a[r * product.a_row_stride + i]);
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
        }
      }
    }
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        if (whole) {
          hn::StoreU(acc[r][v], d, sums + (r * kVectors + v) * kLanes);
        } else {
          StoreTail(d, acc[r][v], sums + r * left, left);
        }
      }
    }
  }
}

template <int kRows, int kVectors, class T>
void StreamAllOfK(const SkinnyProduct<T>& product, Index column, Index columns, T* sums) {
  Index k = 0;
  for (; k + kStreams <= product.k; k += kStreams) {
    StreamColumns<kRows, kVectors, kStreams>(product, k, column, columns, sums);
  }
  for (; k < product.k; ++k) {
    StreamColumns<kRows, kVectors, 1>(product, k, column, columns, sums);
  }
}

// Several rows of A, B with contiguous rows.
template <int kRows, class T>
void Stream(const SkinnyProduct<T>& product) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = 2 * kLanes;
  const Index n = product.n;
  const Index pairs = n / kWidth * kWidth;
  T* const sums = product.sums;
  StreamAllOfK<kRows, 2>(product, 0, pairs, sums);
  StreamAllOfK<kRows, 1>(product, pairs, n - pairs, sums + kRows * pairs);
  for (Index j = 0; j < n; j += kLanes) {
    const bool paired = j < pairs;
    const Index count = HWY_MIN(kLanes, n - j);
    const Index width = paired ? kWidth : count;
    const Index first = paired ? j / kWidth * kWidth : j;
    const T* from = sums + kRows * first + (j - first);
    for (Index r = 0; r < kRows; ++r, from += width) {
      StoreTail(d, LoadTail(d, from, count), product.y + r * product.y_row_stride + j, count);
    }
  }
}

// kPanels panels of a packed B side by side; the last one has `columns` columns.
template <int kRows, int kPanels, class T>
HWY_INLINE void MultiplyPanels(const SkinnyProduct<T>& product, Index first, Index columns) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = 2 * kLanes;
  V acc[kRows][kPanels][2];
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(4)
    for (int p = 0; p < kPanels; ++p) {
      acc[r][p][0] = hn::Zero(d);
      acc[r][p][1] = hn::Zero(d);
    }
  }
  const Index stride = product.panel_stride;
  const Index a_stride = product.a_row_stride;
  const T* HWY_RESTRICT a = product.a;
  const T* HWY_RESTRICT b = product.b + first * stride;
  for (Index k = 0; k < product.k; ++k, b += kWidth) {
    V bv[kPanels][2];
    HWY_UNROLL(4)
    for (int p = 0; p < kPanels; ++p) {
      const T* at = b + p * stride;
      __builtin_prefetch(at + kAheadPacked<T> / kPanels, 0, 3);
      __builtin_prefetch(at + kAheadPacked<T> / kPanels + kLanes, 0, 3);
      bv[p][0] = hn::LoadU(d, at);
      bv[p][1] = hn::LoadU(d, at + kLanes);
    }
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      const V av = hn::Set(d, a[r * a_stride + k]);
      HWY_UNROLL(4)
      for (int p = 0; p < kPanels; ++p) {
        acc[r][p][0] = hn::MulAdd(av, bv[p][0], acc[r][p][0]);
        acc[r][p][1] = hn::MulAdd(av, bv[p][1], acc[r][p][1]);
      }
    }
  }
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    T* y = product.y + r * product.y_row_stride + first * kWidth;
    HWY_UNROLL(4)
    for (int p = 0; p < kPanels; ++p) {
      HWY_UNROLL(2)
      for (int v = 0; v < 2; ++v, y += kLanes) {
        V sum = acc[r][p][v];
        if (p + 1 < kPanels || columns == kWidth) {
          hn::StoreU(product.adds ? hn::Add(hn::LoadU(d, y), sum) : sum, d, y);
        } else {
          const Index count = HWY_MAX(HWY_MIN(columns - v * kLanes, kLanes), Index{0});
          sum = product.adds ? hn::Add(LoadTail(d, y, count), sum) : sum;
          StoreTail(d, sum, y, count);
        }
      }
    }
  }
}

// A packed B. All sums of a panel stay in registers, and B is one long stream that is fetched far
// ahead; with one or two rows of A several panels side by side make up for the few chains of FMAs.
template <int kRows, class T>
void Panels(const SkinnyProduct<T>& product) {
  constexpr Index kWidth = 2 * static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr int kGroup = kTileRows > 8 && kRows <= 2 ? 4 / kRows : 1;
  const Index panels = (product.n + kWidth - 1) / kWidth;
  const auto columns = [&](Index last) { return HWY_MIN(kWidth, product.n - last * kWidth); };
  Index p = 0;
  for (; p + kGroup <= panels; p += kGroup) {
    MultiplyPanels<kRows, kGroup>(product, p, columns(p + kGroup - 1));
  }
  for (; kGroup > 1 && p < panels; ++p) {
    MultiplyPanels<kRows, 1>(product, p, columns(p));
  }
}

// The sum of a vector's blocks of 128 bits.
template <class D, class V>
HWY_INLINE auto SumBlocks(D /*d*/, V v) {
  if constexpr (hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) == 16) {
    return v;
  } else {
    const hn::Half<D> half;
    return SumBlocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

// The sums of as many vectors of four blocks as each has lanes.
template <class D, class V>
HWY_INLINE V SumsOfAll(D d, const V* v) {
  using T = hn::TFromD<D>;
  constexpr int kBlock = 16 / sizeof(T);
  const V p0 = SumsInBlocks(d, v, T());
  const V p1 = SumsInBlocks(d, v + kBlock, T());
  const V p2 = SumsInBlocks(d, v + 2 * kBlock, T());
  const V p3 = SumsInBlocks(d, v + 3 * kBlock, T());
  const V even = hn::Add(hn::ConcatLowerLower(d, p2, p0), hn::ConcatUpperUpper(d, p2, p0));
  const V odd = hn::Add(hn::ConcatLowerLower(d, p3, p1), hn::ConcatUpperUpper(d, p3, p1));
  return hn::Add(hn::OddEvenBlocks(odd, even),
                 hn::SwapAdjacentBlocks(hn::OddEvenBlocks(even, odd)));
}

// Whether that is how the sums of kCount vectors are taken.
template <int kCount, class D>
constexpr bool SumsAll() {
  return hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) == 64 && hn::MaxLanes(D()) == kCount;
}

// y[i] = the sum of the lanes of v[i], or that is added to it.
template <int kCount, class D, class V, class T>
HWY_INLINE void StoreSums(D d, const V* v, T* y, bool adds) {
  if constexpr (SumsAll<kCount, D>()) {
    const V sums = SumsOfAll(d, v);
    hn::StoreU(adds ? hn::Add(hn::LoadU(d, y), sums) : sums, d, y);
  } else {
    constexpr int kBlock = 16 / sizeof(T);
    constexpr int kHere = HWY_MIN(kCount, kBlock);
    V here[kBlock];
    HWY_UNROLL(4)
    for (int i = 0; i < kBlock; ++i) {
      here[i] = i < kHere ? v[HWY_MIN(i, kHere - 1)] : hn::Zero(d);
    }
    const hn::FixedTag<T, kBlock> block;
    HWY_ALIGN T values[kBlock];
    hn::Store(SumBlocks(d, SumsInBlocks(d, here, T())), block, values);
    HWY_UNROLL(4)
    for (int i = 0; i < kHere; ++i) {
      y[i] = adds ? y[i] + values[i] : values[i];
    }
    if constexpr (kCount > kBlock) {
      StoreSums<kCount - kBlock>(d, v + kBlock, y + kBlock, adds);
    }
  }
}

// kColumns columns of B that are contiguous in k, from `k` on: dot products that share loads.
template <int kRows, int kColumns, int kSums, class T>
HWY_INLINE void DotColumns(const SkinnyProduct<T>& product, Index row, Index column, Index k,
                           Index depth) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  V acc[kRows][kColumns][kSums];
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(16)
    for (int c = 0; c < kColumns; ++c) {
      HWY_UNROLL(4)
      for (int s = 0; s < kSums; ++s) {
        acc[r][c][s] = hn::Zero(d);
      }
    }
  }
  const Index a_stride = product.a_row_stride;
  const Index b_stride = product.n_stride;
  const T* HWY_RESTRICT a = product.a + row * a_stride + k;
  const T* HWY_RESTRICT b = product.b + column * b_stride + k;
  Index i = 0;
  for (; i + kSums * kLanes <= depth; i += kSums * kLanes) {
    HWY_UNROLL(4)
    for (int s = 0; s < kSums; ++s) {
      V bv[kColumns];
      HWY_UNROLL(16)
      for (int c = 0; c < kColumns; ++c) {
        bv[c] = hn::LoadU(d, b + c * b_stride + i + s * kLanes);
        if (kRows > 1) {
          __builtin_prefetch(b + (c + kColumns) * b_stride + i + s * kLanes, 0, 3);
        }
      }
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        const V av = hn::LoadU(d, a + r * a_stride + i + s * kLanes);
        HWY_UNROLL(16)
        for (int c = 0; c < kColumns; ++c) {
          acc[r][c][s] = hn::MulAdd(av, bv[c], acc[r][c][s]);
        }
      }
    }
  }
  for (; i < depth; i += kLanes) {
    const Index count = HWY_MIN(kLanes, depth - i);
    V bv[kColumns];
    HWY_UNROLL(16)
    for (int c = 0; c < kColumns; ++c) {
      bv[c] = LoadTail(d, b + c * b_stride + i, count);
    }
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      const V av = LoadTail(d, a + r * a_stride + i, count);
      HWY_UNROLL(16)
      for (int c = 0; c < kColumns; ++c) {
        acc[r][c][0] = hn::MulAdd(av, bv[c], acc[r][c][0]);
      }
    }
  }
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    V total[kColumns];
    HWY_UNROLL(16)
    for (int c = 0; c < kColumns; ++c) {
      total[c] = acc[r][c][0];
      HWY_UNROLL(4)
      for (int s = 1; s < kSums; ++s) {
        total[c] = hn::Add(total[c], acc[r][c][s]);
      }
    }
    StoreSums<kColumns>(d, total, product.y + (row + r) * product.y_row_stride + column, k > 0);
  }
}

template <int kRows, int kColumns, int kSums, class T>
void DotRows(const SkinnyProduct<T>& product, Index row, Index k, Index depth, Index column = 0) {
  for (; column + kColumns <= product.n; column += kColumns) {
    DotColumns<kRows, kColumns, kSums>(product, row, column, k, depth);
  }
  for (; column < product.n; ++column) {
    DotColumns<kRows, 1, kSums>(product, row, column, k, depth);
  }
}

// One row of A and short columns of B: as many of these side by side as a vector has lanes, whose
// sums come out as one vector. Returns the columns that are done.
template <class T>
HWY_INLINE Index DotJoined(const SkinnyProduct<T>& product) {
  using D = hn::ScalableTag<T>;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  Index column = 0;
  if constexpr (SumsAll<kLanes, D>()) {
    if (product.k <= kJoinedDepth<T>) {
      for (; column + kLanes <= product.n; column += kLanes) {
        DotColumns<1, kLanes, 1>(product, 0, column, 0, product.k);
      }
    }
  }
  return column;
}

// B with contiguous columns.
template <class T>
void Dots(const SkinnyProduct<T>& product) {
  // With fewer than 32 registers rows are taken four at a time, two columns each.
  constexpr int kMost = kTileRows > 8 ? 8 : 4;
  constexpr int kColumns = kTileRows > 8 ? 3 : 2;
  constexpr int kSums = kTileRows > 8 ? 4 : 2;
  if (product.k == 0) {
    for (Index r = 0; r < product.m; ++r) {
      for (Index j = 0; j < product.n; ++j) {
        product.y[r * product.y_row_stride + j] = T(0);
      }
    }
  }
  if (product.m == 1) {
    DotRows<1, 4, kSums>(product, 0, 0, product.k, DotJoined(product));
    return;
  }
  for (Index k = 0; k < product.k; k += kDotDepth<T>) {
    const Index depth = HWY_MIN(kDotDepth<T>, product.k - k);
    Index row = 0;
    for (; row + kMost <= product.m; row += kMost) {
      DotRows<kMost, kColumns, 1>(product, row, k, depth);
    }
    if (row + 4 <= product.m) {
      DotRows<4, kMost == 8 ? 4 : kColumns, 1>(product, row, k, depth);
      row += 4;
    }
    if (row + 2 <= product.m) {
      DotRows<2, kColumns, 2>(product, row, k, depth);
      row += 2;
    }
    if (row < product.m) {
      DotRows<1, kColumns, 2>(product, row, k, depth);
    }
  }
}

template <class T>
using SkinnyKernelRow = std::array<void (*)(const SkinnyProduct<T>&), kMostRows>;

template <class T, size_t... kRow>
constexpr SkinnyKernelRow<T> StreamKernels(std::index_sequence<kRow...>) {
  return {kRow == 0 ? &StreamOneRow<T> : &Stream<HWY_MAX(static_cast<int>(kRow) + 1, 2), T>...};
}
template <class T, size_t... kRow>
constexpr SkinnyKernelRow<T> PanelKernels(std::index_sequence<kRow...>) {
  return {&Panels<static_cast<int>(kRow) + 1, T>...};
}

template <class T>
void Skinny(const SkinnyProduct<T>& product) {
  constexpr auto kRows = std::make_index_sequence<kMostRows>();
  static constexpr SkinnyKernelRow<T> kStream = StreamKernels<T>(kRows);
  static constexpr SkinnyKernelRow<T> kPanels = PanelKernels<T>(kRows);
  const size_t row = static_cast<size_t>(product.m - 1);
  if (product.panel_stride > 0) {
    kPanels[row](product);
  } else if (product.n_stride == 1 && (product.n > 1 || product.k_stride != 1)) {
    kStream[row](product);
  } else {
    Dots(product);
  }
}

// Adds up parts of sums and applies alpha, beta and bias. As `y`, `c` may be where the first part
// is.
template <class T>
void SkinnyFinish(const SkinnySums<T>& sums) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  const auto alpha = hn::Set(d, sums.alpha);
  const auto beta = hn::Set(d, sums.beta);
  for (Index i = 0; i < sums.m; ++i) {
    const T* const y = sums.y + i * sums.y_row_stride;
    T* const c = sums.c + i * sums.c_row_stride;
    for (Index j = 0; j < sums.n; j += kLanes) {
      const Index count = HWY_MIN(kLanes, sums.n - j);
      auto value = LoadTail(d, y + j, count);
      for (Index part = 1; part < sums.parts; ++part) {
        value = hn::Add(value, LoadTail(d, y + part * sums.part_stride + j, count));
      }
      value = hn::Mul(alpha, value);
      if (sums.beta != T(0)) {
        value = hn::MulAdd(beta, LoadTail(d, c + j, count), value);
      }
      if (sums.column_bias != nullptr) {
        value = hn::Add(value, LoadTail(d, sums.column_bias + j, count));
      }
      if (sums.row_bias != nullptr) {
        value = hn::Add(value, hn::Set(d, sums.row_bias[i]));
      }
      StoreTail(d, value, c + j, count);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
