// The register-tiled micro-kernel and the loop over the tiles of a block.

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

// Masked loads and stores of the last columns, where they touch no memory outside the mask.
#if (HWY_TARGET <= HWY_AVX2) && HWY_ARCH_X86 && !HWY_MEM_OPS_MIGHT_FAULT
inline constexpr bool kMaskedMemory = true;
#else
inline constexpr bool kMaskedMemory = false;
#endif

template <class T>
GemmTiling Tiling() {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  return {kTileRows, kTileVectors * lanes, lanes};
}

// One tile of C with all that belongs to it.
template <class T>
struct Tile {
  Index k;
  const T* a;
  Index a_row_stride, a_col_stride;
  const T* b;
  Index b_row_stride;
  T* c;
  Index c_row_stride;
  T alpha, beta;
  const T* row_bias;
  const T* column_bias;
  Index last_columns;  // columns in the last vector
};

// acc[r][v] = sum over k of a(r, k) * b(k, v): kRows x kVectors independent chains of FMAs. Each
// element of C is summed over k in order, so it does not depend on where its tile lies.
template <int kRows, int kVectors, bool kPackedA, class T>
void MicroKernel(const Tile<T>& tile) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  V acc[kRows][kVectors];
  HWY_UNROLL(16)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = hn::Zero(d);
    }
  }

  T* HWY_RESTRICT c = tile.c;
  const Index c_row_stride = tile.c_row_stride;
  HWY_UNROLL(16)
  for (int r = 0; r < kRows; ++r) {
    hwy::Prefetch(c + r * c_row_stride);
    if (kVectors * kLanes * static_cast<Index>(sizeof(T)) > 64) {
      hwy::Prefetch(c + r * c_row_stride + kLanes);
    }
  }

  const T* HWY_RESTRICT a = tile.a;
  const T* HWY_RESTRICT b = tile.b;
  const Index b_row_stride = tile.b_row_stride;
  if constexpr (kPackedA) {
    for (Index k = tile.k; k > 0; --k) {
      V bv[kVectors];
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        bv[v] = hn::LoadU(d, b + v * kLanes);
      }
      HWY_UNROLL(16)
      for (int r = 0; r < kRows; ++r) {
        const V av = hn::Set(d, a[r]);
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
        }
      }
      a += kTileRows;
      b += b_row_stride;
    }
  } else {
    // Three rows share a pointer, so that the addresses of 14 rows fit the integer registers.
    constexpr int kGroups = (kRows + 2) / 3;
    const Index a_row_stride = tile.a_row_stride;
    const Index a_col_stride = tile.a_col_stride;
    const T* HWY_RESTRICT rows[kGroups];
    HWY_UNROLL(16)
    for (int g = 0; g < kGroups; ++g) {
      rows[g] = a + 3 * g * a_row_stride;
    }
    for (Index k = tile.k; k > 0; --k) {
      V bv[kVectors];
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        bv[v] = hn::LoadU(d, b + v * kLanes);
      }
      HWY_UNROLL(16)
      for (int r = 0; r < kRows; ++r) {
        const V av = hn::Set(d, rows[r / 3][(r % 3) * a_row_stride]);
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
        }
      }
      HWY_UNROLL(16)
      for (int g = 0; g < kGroups; ++g) {
        rows[g] += a_col_stride;
      }
      b += b_row_stride;
    }
  }

  if (tile.alpha != T(1)) {
    const V alpha = hn::Set(d, tile.alpha);
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::Mul(acc[r][v], alpha);
      }
    }
  }
  const bool whole = !kMaskedMemory || tile.last_columns == kLanes;
  const auto mask = hn::FirstN(d, static_cast<size_t>(tile.last_columns));
  if (tile.beta != T(0)) {
    const V beta = hn::Set(d, tile.beta);
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      const T* row = c + r * c_row_stride;
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        const V old = v + 1 < kVectors || whole ? hn::LoadU(d, row + v * kLanes)
                                                : hn::MaskedLoad(mask, d, row + v * kLanes);
        acc[r][v] = hn::MulAdd(beta, old, acc[r][v]);
      }
    }
  }
  if (tile.column_bias != nullptr) {
    HWY_UNROLL(2)
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
  if (tile.row_bias != nullptr) {
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      const V bias = hn::Set(d, tile.row_bias[r]);
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = hn::Add(acc[r][v], bias);
      }
    }
  }
  if (whole) {
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(acc[r][v], d, c + r * c_row_stride + v * kLanes);
      }
    }
  } else {
    HWY_UNROLL(16)
    for (int r = 0; r < kRows; ++r) {
      T* row = c + r * c_row_stride;
      if constexpr (kVectors > 1) {
        hn::StoreU(acc[r][0], d, row);
      }
      hn::BlendedStore(acc[r][kVectors - 1], mask, d, row + (kVectors - 1) * kLanes);
    }
  }
}

template <class T>
using MicroKernelFn = void (*)(const Tile<T>&);

template <int kVectors, bool kPackedA, class T, size_t... kRow>
constexpr std::array<MicroKernelFn<T>, sizeof...(kRow)> MicroKernels(std::index_sequence<kRow...>) {
  return {&MicroKernel<static_cast<int>(kRow) + 1, kVectors, kPackedA, T>...};
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

template <class T>
void Block(const GemmBlock<T>& block) {
  using Rows = std::make_index_sequence<kTileRows>;
  static constexpr std::array<std::array<MicroKernelFn<T>, kTileRows>, 4> kKernels = {
      MicroKernels<1, false, T>(Rows()), MicroKernels<2, false, T>(Rows()),
      MicroKernels<1, true, T>(Rows()), MicroKernels<2, true, T>(Rows())};
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<T>()));
  constexpr Index kWidth = kTileVectors * kLanes;
  const bool packed = block.a_panel_stride > 0;

  Tile<T> tile;
  tile.k = block.k;
  tile.a_row_stride = block.a_row_stride;
  tile.a_col_stride = block.a_col_stride;
  tile.b_row_stride = block.b_row_stride;
  tile.c_row_stride = block.c_row_stride;
  tile.alpha = block.alpha;
  tile.beta = block.beta;
  for (Index j = 0, p = 0; j < block.n; j += kWidth, ++p) {
    const Index columns = HWY_MIN(kWidth, block.n - j);
    const Index vectors = (columns + kLanes - 1) / kLanes;
    const auto& kernels = kKernels[static_cast<size_t>((packed ? 2 : 0) + vectors - 1)];
    tile.b = block.b + p * block.b_panel_stride;
    tile.column_bias = block.column_bias == nullptr ? nullptr : block.column_bias + j;
    tile.last_columns = columns - (vectors - 1) * kLanes;
    const bool buffered =
        block.c_col_stride != 1 || (!kMaskedMemory && tile.last_columns != kLanes);
    for (Index i = 0, q = 0; i < block.m; i += kTileRows, ++q) {
      const Index rows = HWY_MIN(static_cast<Index>(kTileRows), block.m - i);
      const MicroKernelFn<T> kernel = kernels[static_cast<size_t>(rows - 1)];
      tile.a = packed ? block.a + q * block.a_panel_stride : block.a + i * block.a_row_stride;
      tile.row_bias = block.row_bias == nullptr ? nullptr : block.row_bias + i;
      tile.c = block.c + i * block.c_row_stride + j * block.c_col_stride;
      if (buffered) {
        BufferedTile(kernel, tile, rows, columns, block.c_col_stride);
      } else {
        kernel(tile);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
