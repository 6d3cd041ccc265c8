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

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Rows of A.
inline constexpr int kMostRows = HWY_MIN(kTileRows, 8);
// Rows of B that are read side by side.
inline constexpr Index kStreams = 8;
// Panels of a packed B that are read side by side.
inline constexpr Index kPanels = 8;
// How far ahead each of these is fetched: 1 KiB. The more rows A has the less of the way ahead the
// core sees by itself.
template <class T>
inline constexpr Index kAhead = 1024 / static_cast<Index>(sizeof(T));
// Depth in which columns of B that are contiguous in k are multiplied, so that A stays in the L1.
inline constexpr Index kDotDepth = 1024;

// Adds the products of `depth` rows of B to the sums of `columns` columns, kVectors vectors at a
// time. The sums of one group of columns are contiguous: kRows rows of kVectors vectors.
template <int kRows, int kVectors, class T>
HWY_INLINE void StreamColumns(const SkinnyProduct<T>& product, Index k, Index depth, Index column,
                              Index columns, T* HWY_RESTRICT sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = kVectors * kLanes;
  const bool packed = product.panel_stride > 0;
  const Index step = packed ? product.panel_stride : kWidth;
  const T* HWY_RESTRICT b = product.b + k * product.k_stride +
                            (packed ? column / (2 * kLanes) * product.panel_stride : column);
  const T* const a = product.a + k;
  for (Index j = 0; j + kWidth <= columns; j += kWidth, b += step, sums += kRows * kWidth) {
    V acc[kRows][kVectors];
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = k == 0 ? hn::Zero(d) : hn::LoadU(d, sums + (r * kVectors + v) * kLanes);
      }
    }
    const T* HWY_RESTRICT row = b;
    for (Index i = 0; i < depth; ++i, row += product.k_stride) {
      if (kRows > 1) {
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          __builtin_prefetch(row + kAhead<T> + v * kLanes, 0, 3);
        }
      }
      V bv[kVectors];
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        bv[v] = hn::LoadU(d, row + v * kLanes);
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
        hn::StoreU(acc[r][v], d, sums + (r * kVectors + v) * kLanes);
      }
    }
  }
}

// B with contiguous rows, or packed.
template <int kRows, class T>
void Stream(const SkinnyProduct<T>& product) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr Index kWidth = 2 * kLanes;
  const bool packed = product.panel_stride > 0;
  const Index n = product.n;
  const Index padded = packed ? (n + kLanes - 1) / kLanes * kLanes : n;
  const Index pairs = padded / kWidth * kWidth;
  const Index whole = padded / kLanes * kLanes;
  const Index group = packed ? kPanels * kWidth : HWY_MAX(pairs, Index{1});
  T* const sums = product.sums;
  for (Index j = 0; j < pairs; j += group) {
    for (Index k = 0; k < product.k; k += kStreams) {
      StreamColumns<kRows, 2>(product, k, HWY_MIN(kStreams, product.k - k), j,
                              HWY_MIN(group, pairs - j), sums + kRows * j);
    }
  }
  if (whole > pairs) {
    for (Index k = 0; k < product.k; k += kStreams) {
      StreamColumns<kRows, 1>(product, k, HWY_MIN(kStreams, product.k - k), pairs, kLanes,
                              sums + kRows * pairs);
    }
  }
  for (Index j = 0; j < whole; j += kLanes) {
    const bool paired = j < pairs;
    const Index width = paired ? kWidth : kLanes;
    const Index first = paired ? j / kWidth * kWidth : pairs;
    const T* from = sums + kRows * first + (j - first);
    for (Index r = 0; r < kRows; ++r, from += width) {
      T* to = product.y + r * product.y_row_stride + j;
      if (j + kLanes <= n) {
        hn::StoreU(hn::LoadU(d, from), d, to);
      } else {
        for (Index i = 0; i < n - j; ++i) {
          to[i] = from[i];
        }
      }
    }
  }
  for (Index j = whole; j < n; ++j) {
    for (Index r = 0; r < kRows; ++r) {
      T sum = T(0);
      for (Index k = 0; k < product.k; ++k) {
        sum += product.a[r * product.a_row_stride + k] * product.b[k * product.k_stride + j];
      }
      product.y[r * product.y_row_stride + j] = sum;
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
    HWY_UNROLL(4)
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
      HWY_UNROLL(4)
      for (int c = 0; c < kColumns; ++c) {
        bv[c] = hn::LoadU(d, b + c * b_stride + i + s * kLanes);
        if (kRows > 1) {
          __builtin_prefetch(b + c * b_stride + i + s * kLanes + kAhead<T>, 0, 3);
        }
      }
      HWY_UNROLL(8)
      for (int r = 0; r < kRows; ++r) {
        const V av = hn::LoadU(d, a + r * a_stride + i + s * kLanes);
        HWY_UNROLL(4)
        for (int c = 0; c < kColumns; ++c) {
          acc[r][c][s] = hn::MulAdd(av, bv[c], acc[r][c][s]);
        }
      }
    }
  }
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(4)
    for (int c = 0; c < kColumns; ++c) {
      V sum = acc[r][c][0];
      HWY_UNROLL(4)
      for (int s = 1; s < kSums; ++s) {
        sum = hn::Add(sum, acc[r][c][s]);
      }
      T total = hn::GetLane(hn::SumOfLanes(d, sum));
      for (Index rest = i; rest < depth; ++rest) {
        total += a[r * a_stride + rest] * b[c * b_stride + rest];
      }
      T& y = product.y[(row + r) * product.y_row_stride + column + c];
      y = k == 0 ? total : y + total;
    }
  }
}

template <int kRows, int kColumns, int kSums, class T>
void DotRows(const SkinnyProduct<T>& product, Index row, Index k, Index depth) {
  Index column = 0;
  for (; column + kColumns <= product.n; column += kColumns) {
    DotColumns<kRows, kColumns, kSums>(product, row, column, k, depth);
  }
  for (; column < product.n; ++column) {
    DotColumns<kRows, 1, kSums>(product, row, column, k, depth);
  }
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
    DotRows<1, 4, kSums>(product, 0, 0, product.k);
    return;
  }
  for (Index k = 0; k < product.k; k += kDotDepth) {
    const Index depth = HWY_MIN(kDotDepth, product.k - k);
    Index row = 0;
    for (; row + kMost <= product.m; row += kMost) {
      DotRows<kMost, kColumns, 1>(product, row, k, depth);
    }
    if (row + 4 <= product.m) {
      DotRows<4, kColumns, 1>(product, row, k, depth);
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

template <class T, size_t... kRow>
constexpr std::array<void (*)(const SkinnyProduct<T>&), sizeof...(kRow)> StreamKernels(
    std::index_sequence<kRow...>) {
  return {&Stream<static_cast<int>(kRow) + 1, T>...};
}

template <class T>
void Skinny(const SkinnyProduct<T>& product) {
  static constexpr auto kStreamKernels = StreamKernels<T>(std::make_index_sequence<kMostRows>());
  if (product.n_stride == 1 && (product.n > 1 || product.k_stride != 1)) {
    kStreamKernels[static_cast<size_t>(product.m - 1)](product);
  } else {
    Dots(product);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
