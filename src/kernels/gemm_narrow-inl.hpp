// The last few columns of a product, which fill a quarter of a vector or less.

#if defined(LAMINA_KERNELS_GEMM_NARROW_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_GEMM_NARROW_INL_HPP_
#undef LAMINA_KERNELS_GEMM_NARROW_INL_HPP_
#else
#define LAMINA_KERNELS_GEMM_NARROW_INL_HPP_
#endif

#include <algorithm>

#include "hwy/highway.h"
#include "kernels/gemm-inl.hpp"
#include "kernels/gemm.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Columns of which a vector takes as many steps of k as a block of 128 bits has lanes.
template <class T>
inline constexpr Index kNarrowSteps = 16 / static_cast<Index>(sizeof(T));
template <class T>
inline constexpr Index kNarrowColumns =
    static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>())) / kNarrowSteps<T>;

// What NarrowKernel reads: for each group of steps a block for each column, filled up with zeros.
template <class T>
void PackNarrow(const T* HWY_RESTRICT b, Index row_stride, Index col_stride, Index columns,
                Index depth, T* HWY_RESTRICT out) {
  constexpr Index kSteps = kNarrowSteps<T>;
  constexpr Index kLanes = kSteps * kNarrowColumns<T>;
  Index k = 0;
  if (kMaskedMemory && col_stride == 1 && row_stride >= kNarrowColumns<T>) {
    // Rows side by side in one vector, which is turned by a permutation.
    const hn::ScalableTag<T> d;
    const hn::RebindToSigned<decltype(d)> di;
    HWY_ALIGN hwy::MakeSigned<T> places[kLanes];
    for (Index i = 0; i < kLanes; ++i) {
      places[i] = static_cast<hwy::MakeSigned<T>>(i % kSteps * kNarrowColumns<T> + i / kSteps);
    }
    const auto turn = hn::IndicesFromVec(d, hn::Load(di, places));
    for (; k + kSteps <= depth; k += kSteps, out += kLanes, b += kSteps * row_stride) {
      auto rows = hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(columns)), d, b);
      HWY_UNROLL(4)
      for (Index i = 1; i < kSteps; ++i) {
        const Index before = i * kNarrowColumns<T>;
        const auto mask = hn::AndNot(hn::FirstN(d, static_cast<size_t>(before)),
                                     hn::FirstN(d, static_cast<size_t>(before + columns)));
        rows = hn::Or(rows, hn::MaskedLoad(mask, d, b + (i * row_stride - before)));
      }
      hn::Store(hn::TableLookupLanes(rows, turn), d, out);
    }
  } else if (columns < kNarrowColumns<T>) {
    std::fill_n(out, (depth + kSteps - 1) / kSteps * kLanes, T(0));
  }
  for (; k + kSteps <= depth; k += kSteps, out += kLanes, b += kSteps * row_stride) {
    for (Index c = 0; c < columns; ++c) {
      HWY_UNROLL(4)
      for (Index i = 0; i < kSteps; ++i) {
        out[c * kSteps + i] = b[i * row_stride + c * col_stride];
      }
    }
  }
  if (k < depth) {
    std::fill_n(out, kLanes, T(0));
    for (Index c = 0; c < columns; ++c) {
      for (Index i = 0; i < depth - k; ++i) {
        out[c * kSteps + i] = b[i * row_stride + c * col_stride];
      }
    }
  }
}

// Tiles of the last few columns, one block of 128 bits each: full vectors where the columns alone
// would fill a quarter. A is contiguous along k.
template <int kRows, class T>
void NarrowKernel(const Tile<T>& tile) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  using Place = hwy::MakeSigned<T>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr int kSteps = static_cast<int>(kNarrowSteps<T>);
  constexpr int kPadded = (kRows + kSteps - 1) / kSteps * kSteps;
  constexpr int kGroups = (kRows + 2) / 3;
  const hn::RebindToSigned<decltype(d)> di;
  HWY_ALIGN Place blocks[kLanes];
  for (Index i = 0; i < kLanes; ++i) {
    blocks[i] = static_cast<Place>(i % kNarrowColumns<T> * kSteps);
  }
  const Index a_row_stride = tile.a_row_stride;
  const T* a = tile.a;
  T* c = tile.c;
  const T* row_bias = tile.row_bias;
  for (Index left = tile.count; left > 0; --left) {
    V acc[kPadded];
    HWY_UNROLL(16)
    for (int r = 0; r < kPadded; ++r) {
      acc[r] = hn::Zero(d);
    }
    const T* HWY_RESTRICT b = tile.b;
    const T* HWY_RESTRICT rows[kGroups];
    HWY_UNROLL(16)
    for (int g = 0; g < kGroups; ++g) {
      rows[g] = a + 3 * g * a_row_stride;
    }
    Index k = tile.k;
    for (; k >= kSteps; k -= kSteps) {
      const V bv = hn::LoadU(d, b);
      HWY_UNROLL(16)
      for (int r = 0; r < kRows; ++r) {
        acc[r] = hn::MulAdd(hn::LoadDup128(d, rows[r / 3] + (r % 3) * a_row_stride), bv, acc[r]);
      }
      HWY_UNROLL(16)
      for (int g = 0; g < kGroups; ++g) {
        rows[g] += kSteps;
      }
      b += kLanes;
    }
    if (k > 0) {
      const V bv = hn::LoadU(d, b);
      HWY_UNROLL(16)
      for (int r = 0; r < kRows; ++r) {
        HWY_ALIGN T last[kSteps] = {};
        for (Index i = 0; i < k; ++i) {
          last[i] = rows[r / 3][(r % 3) * a_row_stride + i];
        }
        acc[r] = hn::MulAdd(hn::LoadDup128(d, last), bv, acc[r]);
      }
    }
    // Lane r of each block of the sums belongs to row r of kSteps rows.
    V result[kRows][1];
    HWY_UNROLL(8)
    for (int first = 0; first < kRows; first += kSteps) {
      const V sums = SumsInBlocks(d, acc + first, T());
      HWY_UNROLL(4)
      for (int r = first; r < HWY_MIN(first + kSteps, kRows); ++r) {
        const auto lanes =
            hn::Add(hn::Load(di, blocks), hn::Set(di, static_cast<Place>(r - first)));
        result[r][0] = hn::TableLookupLanes(sums, hn::IndicesFromVec(d, lanes));
      }
    }
    FinishTile<kRows, 1>(result, tile, c, row_bias);
    a += kRows * a_row_stride;
    c += kRows * tile.c_row_stride;
    row_bias += row_bias == nullptr ? 0 : kRows;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
