// The register-tiled micro-kernel.

#if defined(LAMINA_KERNELS_GEMM_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_GEMM_INL_HPP_
#undef LAMINA_KERNELS_GEMM_INL_HPP_
#else
#define LAMINA_KERNELS_GEMM_INL_HPP_
#endif

#include <array>
#include <cstddef>
#include <utility>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/gemm.hpp"
#include "kernels/gemm_pack-inl.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A tile is kTileRows rows by two vectors. 14 x 2 accumulators leave 4 of 32 registers for two
// vectors of B and a broadcast element of A; 6 x 2 does the same with 16 registers.
#if HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON
inline constexpr int kTileRows = 14;
#elif HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
inline constexpr int kTileRows = 4;
#else
inline constexpr int kTileRows = 6;
#endif
inline constexpr int kTileVectors = 2;
// Steps of k between which the loop looks after prefetching. A line holds so many floats, so in
// each step one row of the next tile of A is fetched.
inline constexpr Index kStretch = 16;
// Stretches before the end in which C is fetched: early enough to arrive, too late to be evicted.
inline constexpr Index kFetchC = 3;

// Elements of a line of the cache.
template <class T>
inline constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));
// Rows of B that are fetched ahead where B is read only once.
inline constexpr Index kAheadRows = 8;

// Masked loads and stores of the last columns, where they touch no memory outside the mask.
#if (HWY_TARGET <= HWY_AVX2) && HWY_ARCH_X86 && !HWY_MEM_OPS_MIGHT_FAULT
inline constexpr bool kMaskedMemory = true;
#else
inline constexpr bool kMaskedMemory = false;
#endif

// A group of a TallProduct is two vectors of rows. The most columns whose sums stay in registers
// beside two vectors of A and an element of B.
inline constexpr int kTallVectors = 2;
inline constexpr int kTallColumns = kTileRows > 8 ? 12 : kTileRows > 4 ? 6 : 4;

template <class T>
GemmTiling Tiling() {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  return {kTileRows, kTileVectors * lanes, lanes, kTallVectors * lanes, kTallColumns};
}

// Lane i of each block of 128 bits is the sum of the lanes of v[i] in that block, of as many
// vectors as a block has lanes.
template <class D, class V>
HWY_INLINE V SumsInBlocks(D d, const V* v, float /*lane*/) {
  const hn::RepartitionToWide<D> wide;
  const auto low = hn::BitCast(
      wide, hn::Add(hn::InterleaveLower(d, v[0], v[1]), hn::InterleaveUpper(d, v[0], v[1])));
  const auto high = hn::BitCast(
      wide, hn::Add(hn::InterleaveLower(d, v[2], v[3]), hn::InterleaveUpper(d, v[2], v[3])));
  return hn::Add(hn::BitCast(d, hn::InterleaveLower(wide, low, high)),
                 hn::BitCast(d, hn::InterleaveUpper(wide, low, high)));
}
template <class D, class V>
HWY_INLINE V SumsInBlocks(D d, const V* v, double /*lane*/) {
  return hn::Add(hn::InterleaveLower(d, v[0], v[1]), hn::InterleaveUpper(d, v[0], v[1]));
}

// One tile of C with all that belongs to it.
template <class T>
struct Tile {
  Index k;
  const T* a;
  Index a_row_stride, a_col_stride;
  const T* b;
  Index b_row_stride;
  T* panel;
  const T* next_a;  // of the tile that comes next
  Index next_a_row, next_a_stretch;
  const T* next_b;  // the part of the next panel that this tile fetches
  Index next_b_stride;
  Index next_b_rows;   // in each stretch
  Index next_b_lines;  // of the cache in each row
  const T* ahead;      // the rows of GemmBlock::ahead that this tile fetches
  Index ahead_rows, ahead_stride;
  T* c;
  Index c_row_stride;
  T alpha, beta;
  const T* row_bias;
  const T* column_bias;
  Index last_columns;  // columns in the last vector
  Index count;         // small products: tiles of this height, one below the other
};

// How a tile reads B.
enum class BMode {
  kPacked,   // full vectors, padded with zeros
  kInPlace,  // rows that are read once or lie in the L1; of the last vector only the columns that
             // exist, and each is fetched a little earlier
  kCopy,     // in place, leaving a packed copy in tile.panel for the tiles below: that is cheaper
             // than packing, as the stores hide behind the FMAs
};

// Writes a tile of sums to C, with all that is added to it.
template <int kRows, int kVectors, class V, class T>
HWY_INLINE void FinishTile(V (&acc)[kRows][kVectors], const Tile<T>& tile, T* HWY_RESTRICT c,
                           const T* HWY_RESTRICT row_bias) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  const auto mask = hn::FirstN(d, static_cast<size_t>(tile.last_columns));
  const Index c_row_stride = tile.c_row_stride;
  if (tile.alpha != T(1)) {
    const V alpha = hn::Set(d, tile.alpha);
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::Mul(acc[r][v], alpha);
      }
    }
  }
  const bool whole = !kMaskedMemory || tile.last_columns == kLanes;
  if (tile.beta != T(0)) {
    const V beta = hn::Set(d, tile.beta);
    const T* row = c;
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r, row += c_row_stride) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        const V old = v + 1 < kVectors || whole ? hn::LoadU(d, row + v * kLanes)
                                                : hn::MaskedLoad(mask, d, row + v * kLanes);
        acc[r][v] = hn::MulAdd(beta, old, acc[r][v]);
      }
    }
  }
  if (tile.column_bias != nullptr) {
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
      const T* bias_at = tile.column_bias + v * kLanes;
      const V bias =
          v + 1 < kVectors || whole ? hn::LoadU(d, bias_at) : hn::MaskedLoad(mask, d, bias_at);
      HWY_UNROLL(16)
      for (int r = 0; r < kRows; ++r) {
        acc[r][v] = hn::Add(acc[r][v], bias);
      }
    }
  }
  if (row_bias != nullptr) {
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      const V bias = hn::Set(d, row_bias[r]);
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::Add(acc[r][v], bias);
      }
    }
  }
  T* row = c;
  if (whole) {
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r, row += c_row_stride) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(acc[r][v], d, row + v * kLanes);
      }
    }
  } else {
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r, row += c_row_stride) {
      HWY_UNROLL(4)
      for (int v = 0; v + 1 < kVectors; ++v) {
        hn::StoreU(acc[r][v], d, row + v * kLanes);
      }
      hn::BlendedStore(acc[r][kVectors - 1], mask, d, row + (kVectors - 1) * kLanes);
    }
  }
}

// acc[r][v] = sum over k of a(r, k) * b(k, v): kRows x kVectors independent chains of FMAs. Each
// element of C is summed over k in order, so it does not depend on where its tile lies.
template <int kRows, int kVectors, bool kPackedA, BMode kB, class T>
void MicroKernel(const Tile<T>& tile) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr bool kMasksB = kMaskedMemory && kB != BMode::kPacked;
  const auto mask = hn::FirstN(d, static_cast<size_t>(tile.last_columns));
  V acc[kRows][kVectors];
  HWY_UNROLL(16)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = hn::Zero(d);
    }
  }

  const T* HWY_RESTRICT a = tile.a;
  const T* HWY_RESTRICT b = tile.b;
  const Index b_row_stride = tile.b_row_stride;
  const Index a_col_stride = kPackedA ? kTileRows : tile.a_col_stride;
  const Index a_row_stride = kPackedA ? 1 : tile.a_row_stride;
  T* HWY_RESTRICT panel = tile.panel;
  // Three rows share a pointer, so that the addresses of 14 rows fit the integer registers.
  constexpr int kGroups = kPackedA ? 1 : (kRows + 2) / 3;
  constexpr int kGroupRows = kPackedA ? kRows : 3;
  const T* HWY_RESTRICT rows[kGroups];
  HWY_UNROLL(16)
  for (int g = 0; g < kGroups; ++g) {
    rows[g] = a + 3 * g * a_row_stride;
  }
  T* HWY_RESTRICT c = tile.c;
  const Index c_row_stride = tile.c_row_stride;
  const T* next_a = tile.next_a;
  const T* next_b = tile.next_b;
  const Index next_a_row = tile.next_a_row;
  const Index next_a_stretch = tile.next_a_stretch;
  const Index next_b_stride = tile.next_b_stride;
  const Index next_b_lines = tile.next_b_lines;
  const T* ahead = tile.ahead;
  constexpr Index kFetchAt = kFetchC * kStretch;
  for (Index k = tile.k; k > 0;) {
    if (k <= kFetchAt && (k > kFetchAt - kStretch || k == tile.k)) {
      const T* row = c;
      for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          __builtin_prefetch(row + v * kLanes, 1, 3);
        }
        row += c_row_stride;
      }
    }
    for (Index row = tile.next_b_rows; row > 0; --row) {
      for (Index line = 0; line < next_b_lines; ++line) {
        __builtin_prefetch(next_b + line * kLine<T>, 0, 2);
      }
      next_b += next_b_stride;
    }
    if (tile.ahead_rows > 0) {
      const T* row = ahead;
      for (Index r = tile.ahead_rows; r > 0; --r, row += tile.ahead_stride) {
        HWY_UNROLL(2)
        for (Index line = 0; line < kStretch / kLine<T>; ++line) {
          __builtin_prefetch(row + line * kLine<T>, 0, 2);
        }
      }
      ahead += kStretch;
    }
    const T* fetch = next_a;
    next_a += next_a_stretch;
    Index stretch = HWY_MIN(k, kStretch);
    k -= stretch;
    do {
      V bv[kVectors];
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        bv[v] = kMasksB && v + 1 == kVectors ? hn::MaskedLoad(mask, d, b + v * kLanes)
                                             : hn::LoadU(d, b + v * kLanes);
        if (kB == BMode::kInPlace) {
          __builtin_prefetch(b + kAheadRows * b_row_stride + v * kLanes, 0, 3);
        }
        if (kB == BMode::kCopy) {
          hn::Store(bv[v], d, panel + v * kLanes);
          __builtin_prefetch(b + 8 * b_row_stride + v * kLanes, 0, 3);
        }
      }
      HWY_UNROLL(16)
      for (int r = 0; r < kRows; ++r) {
        const V av =
            hn::Set(d, kPackedA ? a[r] : rows[r / kGroupRows][(r % kGroupRows) * a_row_stride]);
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
        }
      }
      HWY_UNROLL(2)
      for (size_t line = 0; line < sizeof(T) / 4; ++line) {
        __builtin_prefetch(fetch + 64 / sizeof(T) * line, 0, 3);
      }
      fetch += next_a_row;
      HWY_UNROLL(16)
      for (int g = 0; g < kGroups; ++g) {
        rows[g] += a_col_stride;
      }
      a += a_col_stride;
      b += b_row_stride;
      if (kB == BMode::kCopy) {
        panel += kVectors * kLanes;
      }
    } while (--stretch > 0);
  }

  FinishTile<kRows, kVectors>(acc, tile, tile.c, tile.row_bias);
}

template <class T>
using MicroKernelFn = void (*)(const Tile<T>&);

template <class T>
using MicroKernelRow = std::array<MicroKernelFn<T>, kTileRows>;

// The kernels for 1, 2 ... rows. Those below kLeast are never called and not compiled.
template <int kVectors, bool kPackedA, BMode kB, int kLeast, class T, size_t... kRow>
constexpr MicroKernelRow<T> MicroKernels(std::index_sequence<kRow...>) {
  return {&MicroKernel<HWY_MAX(static_cast<int>(kRow) + 1, kLeast), kVectors, kPackedA, kB, T>...};
}

// [B mode][vectors - 1][rows - 1]. A B that is copied has two vectors; there are tiles below, so no
// tile has less than half of the rows. With a packed A a B is never read in place: that is rare.
template <bool kPackedA, class T>
constexpr std::array<std::array<MicroKernelRow<T>, 2>, 3> KernelTable() {
  constexpr auto kRows = std::make_index_sequence<kTileRows>();
  constexpr BMode kInPlace = kPackedA ? BMode::kPacked : BMode::kInPlace;
  constexpr MicroKernelRow<T> kCopy = MicroKernels < 2, kPackedA, BMode::kCopy,
                              kPackedA ? 1 : kTileRows / 2, T > (kRows);
  return {{{MicroKernels<1, kPackedA, BMode::kPacked, 1, T>(kRows),
            MicroKernels<2, kPackedA, BMode::kPacked, 1, T>(kRows)},
           {MicroKernels<1, kPackedA, kInPlace, 1, T>(kRows),
            MicroKernels<2, kPackedA, kInPlace, 1, T>(kRows)},
           {kCopy, kCopy}}};
}

// Tiles whose columns are not adjacent, or whose last vector is partial where there are no masked
// stores: computed in a small buffer and copied element by element.
template <class T>
void BufferedTile(MicroKernelFn<T> kernel, Tile<T> tile, Index rows, Index columns,
                  Index c_col_stride) {
  constexpr Index kWidth = kTileVectors * static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  HWY_ALIGN T buffer[kTileRows * kWidth];
  HWY_ALIGN T bias[kWidth];
  T* const c = tile.c;
  const Index c_row_stride = tile.c_row_stride;
  if (tile.beta != T(0)) {
    for (Index r = 0; r < rows; ++r) {
      for (Index j = 0; j < kWidth; ++j) {
        buffer[r * kWidth + j] = j < columns ? c[r * c_row_stride + j * c_col_stride] : T(0);
      }
    }
  }
  if (tile.column_bias != nullptr) {
    for (Index j = 0; j < kWidth; ++j) {
      bias[j] = j < columns ? tile.column_bias[j] : T(0);
    }
    tile.column_bias = bias;
  }
  tile.c = buffer;
  tile.c_row_stride = kWidth;
  tile.last_columns = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  kernel(tile);
  for (Index r = 0; r < rows; ++r) {
    for (Index j = 0; j < columns; ++j) {
      c[r * c_row_stride + j * c_col_stride] = buffer[r * kWidth + j];
    }
  }
}

// Tiles of which a column is a row of C, as where the product is computed transposed: computed in a
// small buffer and turned in registers.
template <class T>
void TurnedTile(MicroKernelFn<T> kernel, Tile<T> tile, Index rows, Index columns,
                Index c_col_stride) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr Index kWidth = kTileVectors * kLanes;
  constexpr Index kSquares = (kTileRows + kLanes - 1) / kLanes;
  HWY_ALIGN T buffer[kTileRows * kWidth];
  HWY_ALIGN T square[kLanes * kLanes];
  HWY_ALIGN T bias[kWidth];
  T* const c = tile.c;
  const T beta = tile.beta;
  tile.c = buffer;
  tile.c_row_stride = kWidth;
  tile.beta = T(0);
  tile.last_columns = kLanes;
  if (tile.column_bias != nullptr) {
    for (Index j = 0; j < kWidth; ++j) {
      bias[j] = j < columns ? tile.column_bias[j] : T(0);
    }
    tile.column_bias = bias;
  }
  kernel(tile);
  const auto scale = hn::Set(d, beta);
  for (Index s = 0; s < kSquares && s * kLanes < rows; ++s) {
    const Index count = HWY_MIN(kLanes, rows - s * kLanes);
    const T* lines[kLanes];
    for (Index i = 0; i < kLanes; ++i) {
      lines[i] = buffer + (s * kLanes + HWY_MIN(i, count - 1)) * kWidth;
    }
    for (Index j = 0; j < columns; j += kLanes) {
      TransposeSquare(d, lines, j, square, kLanes);
      T* to = c + s * kLanes + j * c_col_stride;
      for (Index i = 0; i < HWY_MIN(kLanes, columns - j); ++i, to += c_col_stride) {
        auto value = hn::Load(d, square + i * kLanes);
        if (beta != T(0)) {
          value = hn::MulAdd(scale, LoadTail(d, to, count), value);
        }
        StoreTail(d, value, to, count);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
