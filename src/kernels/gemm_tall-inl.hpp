// Products with so few columns that these would leave lanes of a vector idle: rows of A lie in the
// lanes instead.

#if defined(LAMINA_KERNELS_GEMM_TALL_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_GEMM_TALL_INL_HPP_
#undef LAMINA_KERNELS_GEMM_TALL_INL_HPP_
#else
#define LAMINA_KERNELS_GEMM_TALL_INL_HPP_
#endif

#include <array>
#include <utility>

#include "hwy/highway.h"
#include "kernels/gemm-inl.hpp"
#include "kernels/gemm.hpp"
#include "kernels/gemm_pack-inl.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
inline constexpr Index kTallRows =
    kTallVectors* static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));

// Steps of k whose elements of a row are one block of 128 bits.
template <class T>
inline constexpr int kTallSteps = 16 / static_cast<int>(sizeof(T));

// The block of 128 bits at `from`, and those `stride` apart in the blocks behind it.
template <class D, class T>
HWY_INLINE hn::Vec<D> LoadBlocks(D d, const T* HWY_RESTRICT from, Index stride) {
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(D()));
  if constexpr (kLanes == kTallSteps<T>) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadBlocks(half, from + kLanes / (2 * kTallSteps<T>)*stride, stride),
                       LoadBlocks(half, from, stride));
  }
}

// out[i] = element i of as many rows as there are lanes. Blocks of rows kTallSteps apart are loaded
// side by side, so that the rest of the transposition stays within blocks.
template <class D, class T>
HWY_INLINE void LoadTurned(D d, const T* HWY_RESTRICT rows, Index stride, hn::Vec<D>* out) {
  using V = hn::Vec<D>;
  constexpr int kSteps = kTallSteps<T>;
  V row[kSteps];
  HWY_UNROLL(4)
  for (int i = 0; i < kSteps; ++i) {
    row[i] = LoadBlocks(d, rows + i * stride, kSteps * stride);
  }
  if constexpr (kSteps == 4) {
    const hn::RepartitionToWide<D> wide;
    const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, row[0], row[1]));
    const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, row[2], row[3]));
    const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, row[0], row[1]));
    const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, row[2], row[3]));
    out[0] = hn::BitCast(d, hn::InterleaveLower(wide, low01, low23));
    out[1] = hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23));
    out[2] = hn::BitCast(d, hn::InterleaveLower(wide, high01, high23));
    out[3] = hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23));
  } else {
    out[0] = hn::InterleaveLower(d, row[0], row[1]);
    out[1] = hn::InterleaveUpper(d, row[0], row[1]);
  }
}

// sums[c][r] = product of row r behind `a` and column c.
template <int kColumns, class T>
void TallGroup(const TallProduct<T>& product, const T* HWY_RESTRICT a, T* HWY_RESTRICT sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr Index kRows = kTallRows<T>;
  constexpr int kSteps = kTallSteps<T>;
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));
  constexpr Index kFetchRows = kRows * kSteps / kLine;
  const Index stride = product.a_row_stride;
  const Index b_row_stride = product.b_row_stride;
  const T* HWY_RESTRICT b = product.b;
  for (Index k = 0; k < product.k;) {
    V acc[kColumns][kTallVectors];
    HWY_UNROLL(12)
    for (int c = 0; c < kColumns; ++c) {
      HWY_UNROLL(2)
      for (int v = 0; v < kTallVectors; ++v) {
        acc[c][v] = hn::Zero(d);
      }
    }
    const auto multiply = [&](const V* av) HWY_ATTR {
      HWY_UNROLL(12)
      for (int c = 0; c < kColumns; ++c) {
        const V bv = hn::Set(d, b[c]);
        HWY_UNROLL(2)
        for (int v = 0; v < kTallVectors; ++v) {
          acc[c][v] = hn::MulAdd(av[v * kSteps], bv, acc[c][v]);
        }
      }
      b += b_row_stride;
    };
    const bool first = k == 0;
    const Index end = HWY_MIN(k + product.depth, product.k);
    V turned[kTallVectors * kSteps];
    for (; k + kSteps <= end; k += kSteps) {
      // Lines of the next group: too many rows for the core to follow by itself. In each line's
      // time each row is fetched once, evenly spread.
      const T* next = a + (kRows + k % kLine / kSteps * kFetchRows) * stride + k;
      for (Index r = 0; r < kFetchRows; ++r, next += stride) {
        __builtin_prefetch(next, 0, 2);
      }
      HWY_UNROLL(2)
      for (int v = 0; v < kTallVectors; ++v) {
        LoadTurned(d, a + k + v * kLanes * stride, stride, turned + v * kSteps);
      }
      HWY_UNROLL(4)
      for (int i = 0; i < kSteps; ++i) {
        multiply(turned + i);
      }
    }
    if (k < end) {
      // The last steps, read together with those before rather than with what is behind the row.
      HWY_UNROLL(2)
      for (int v = 0; v < kTallVectors; ++v) {
        LoadTurned(d, a + end - kSteps + v * kLanes * stride, stride, turned + v * kSteps);
      }
      for (Index i = kSteps - (end - k); i < kSteps; ++i) {
        multiply(turned + i);
      }
      k = end;
    }
    HWY_UNROLL(12)
    for (int c = 0; c < kColumns; ++c) {
      HWY_UNROLL(2)
      for (int v = 0; v < kTallVectors; ++v) {
        T* const to = sums + c * kRows + v * kLanes;
        hn::Store(first ? acc[c][v] : hn::Add(hn::Load(d, to), acc[c][v]), d, to);
      }
    }
  }
}

template <class T, size_t... kColumn>
constexpr std::array<void (*)(const TallProduct<T>&, const T*, T*), kTallColumns> TallKernels(
    std::index_sequence<kColumn...>) {
  return {&TallGroup<static_cast<int>(kColumn) + 1, T>...};
}

// Writes rows [begin, end) of C from the sums of the rows from `first` on.
template <class T>
void FinishTall(const TallProduct<T>& product, const T* sums, Index first, Index begin, Index end) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr Index kRows = kTallRows<T>;
  const auto alpha = hn::Set(d, product.alpha);
  const auto beta = hn::Set(d, product.beta);
  HWY_ALIGN T rows[kRows * kLanes];
  for (Index j = 0; j < product.n; j += kLanes) {
    const Index count = HWY_MIN(kLanes, product.n - j);
    const auto bias =
        product.column_bias == nullptr ? hn::Zero(d) : LoadTail(d, product.column_bias + j, count);
    const T* lines[kLanes];
    for (Index i = 0; i < kLanes; ++i) {
      lines[i] = sums + HWY_MIN(j + i, product.n - 1) * kRows;
    }
    for (Index r = 0; r < kRows; r += kLanes) {
      TransposeSquare(d, lines, r, rows + r * kLanes, kLanes);
    }
    for (Index row = begin; row < end; ++row) {
      T* const c = product.c + row * product.c_row_stride + j;
      auto value = hn::Mul(alpha, hn::Load(d, rows + (row - first) * kLanes));
      if (product.beta != T(0)) {
        value = hn::MulAdd(beta, LoadTail(d, c, count), value);
      }
      if (product.column_bias != nullptr) {
        value = hn::Add(value, bias);
      }
      if (product.row_bias != nullptr) {
        value = hn::Add(value, hn::Set(d, product.row_bias[row]));
      }
      StoreTail(d, value, c, count);
    }
  }
}

template <class T>
void Tall(const TallProduct<T>& product) {
  static constexpr auto kKernels =
      TallKernels<T>(std::make_index_sequence<static_cast<size_t>(kTallColumns)>());
  constexpr Index kRows = kTallRows<T>;
  HWY_ALIGN T sums[kTallColumns * kRows];
  for (Index row = product.begin; row < product.end; row += kRows) {
    // The last group reaches back.
    const Index first = HWY_MIN(row, product.m - kRows);
    kKernels[static_cast<size_t>(product.n - 1)](product, product.a + first * product.a_row_stride,
                                                 sums);
    FinishTall(product, sums, first, row, HWY_MIN(row + kRows, product.end));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
