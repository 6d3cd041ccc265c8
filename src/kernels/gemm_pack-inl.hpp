// Packing of a factor into panels.

#if defined(LAMINA_KERNELS_GEMM_PACK_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_GEMM_PACK_INL_HPP_
#undef LAMINA_KERNELS_GEMM_PACK_INL_HPP_
#else
#define LAMINA_KERNELS_GEMM_PACK_INL_HPP_
#endif

#include <cstring>

#include "hwy/highway.h"
#include "kernels/gemm.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The elements of a panel's row are adjacent in the source: each is one copy of fixed length.
template <Index kPanel, class T>
void PackCopy(const T* HWY_RESTRICT source, Index depth, Index depth_stride, T* HWY_RESTRICT out) {
  for (Index k = 0; k < depth; ++k) {
    std::memcpy(out + k * kPanel, source + k * depth_stride, kPanel * sizeof(T));
  }
}

// How far ahead lines are fetched that are transposed: there are more of them than the core follows
// by itself.
template <class T>
inline constexpr Index kAheadTransposed = 256 / static_cast<Index>(sizeof(T));

// Transposes squares of as many elements as a 128-bit block holds, block by block: of each group of
// lines, out[j] gets element j of every block.
template <class D, class V>
HWY_INLINE void TransposeInBlocks(D d, const float* const* lines, Index k, V* HWY_RESTRICT out) {
  const hn::RepartitionToWide<D> wide;
  HWY_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    __builtin_prefetch(lines[i] + k + kAheadTransposed<float>, 0, 3);
  }
  const V r0 = hn::LoadU(d, lines[0] + k);
  const V r1 = hn::LoadU(d, lines[1] + k);
  const V r2 = hn::LoadU(d, lines[2] + k);
  const V r3 = hn::LoadU(d, lines[3] + k);
  const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, r2, r3));
  out[0] = hn::BitCast(d, hn::InterleaveLower(wide, low01, low23));
  out[1] = hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23));
  out[2] = hn::BitCast(d, hn::InterleaveLower(wide, high01, high23));
  out[3] = hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23));
}

template <class D, class V>
HWY_INLINE void TransposeInBlocks(D d, const double* const* lines, Index k, V* HWY_RESTRICT out) {
  HWY_UNROLL(2)
  for (int i = 0; i < 2; ++i) {
    __builtin_prefetch(lines[i] + k + kAheadTransposed<double>, 0, 3);
  }
  const V r0 = hn::LoadU(d, lines[0] + k);
  const V r1 = hn::LoadU(d, lines[1] + k);
  out[0] = hn::InterleaveLower(d, r0, r1);
  out[1] = hn::InterleaveUpper(d, r0, r1);
}

// Transposes a square of `lanes` lines, elements [k, k + lanes), in registers. Rows go to
// out + row * stride in ascending order.
template <class D, class T>
HWY_INLINE void TransposeSquare(D d, const T* const* lines, Index k, T* HWY_RESTRICT out,
                                Index stride) {
  using V = hn::Vec<D>;
  constexpr int kGroup = 16 / static_cast<int>(sizeof(T));
  constexpr int kBlocks = static_cast<int>(hn::MaxLanes(D())) / kGroup;
  V part[kBlocks][kGroup];
  HWY_UNROLL(4)
  for (int g = 0; g < kBlocks; ++g) {
    TransposeInBlocks(d, lines + g * kGroup, k, part[g]);
  }
  // Row b * kGroup + j is block b of part[0][j], part[1][j] ...
  V rows[kBlocks][kGroup];
  HWY_UNROLL(4)
  for (int j = 0; j < kGroup; ++j) {
    if constexpr (kBlocks == 4) {
      const V even02 = hn::ConcatLowerLower(d, part[2][j], part[0][j]);
      const V even13 = hn::ConcatLowerLower(d, part[3][j], part[1][j]);
      const V odd02 = hn::ConcatUpperUpper(d, part[2][j], part[0][j]);
      const V odd13 = hn::ConcatUpperUpper(d, part[3][j], part[1][j]);
      rows[0][j] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(even13), even02);
      rows[1][j] = hn::OddEvenBlocks(even13, hn::SwapAdjacentBlocks(even02));
      rows[2][j] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(odd13), odd02);
      rows[3][j] = hn::OddEvenBlocks(odd13, hn::SwapAdjacentBlocks(odd02));
    } else if constexpr (kBlocks == 2) {
      rows[0][j] = hn::ConcatLowerLower(d, part[1][j], part[0][j]);
      rows[1][j] = hn::ConcatUpperUpper(d, part[1][j], part[0][j]);
    } else {
      rows[0][j] = part[0][j];
    }
  }
  HWY_UNROLL(4)
  for (int b = 0; b < kBlocks; ++b) {
    HWY_UNROLL(4)
    for (int j = 0; j < kGroup; ++j) {
      hn::StoreU(rows[b][j], d, out + (b * kGroup + j) * stride);
    }
  }
}

// The elements of a panel's row are lines that are contiguous in depth: transposed in registers, a
// vector's worth of lines at a time. The last square may write past the row of the panel, so
// squares are done from the right to the left and from the top to the bottom: what was spoilt is
// written later. The last row must not spoil anything: the next panel may be another thread's.
template <Index kPanel, class T>
void PackTranspose(const T* HWY_RESTRICT source, Index width, Index width_stride, Index depth,
                   T* HWY_RESTRICT out) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  const Index squares = (width + kLanes - 1) / kLanes;
  const T* lines[kPanel + kLanes];
  for (Index i = 0; i < squares * kLanes; ++i) {
    lines[i] = source + HWY_MIN(i, width - 1) * width_stride;
  }
  const Index safe = squares * kLanes <= kPanel ? depth : depth - 1;
  Index k = 0;
  for (; k + kLanes <= safe; k += kLanes) {
    for (Index s = squares - 1; s >= 0; --s) {
      TransposeSquare(d, lines + s * kLanes, k, out + k * kPanel + s * kLanes, kPanel);
    }
  }
  if (k < depth && depth >= kLanes) {
    // What is left, and some of what is there already, through a square of its own.
    HWY_ALIGN T square[kLanes * kLanes];
    for (Index s = 0; s < squares; ++s) {
      TransposeSquare(d, lines + s * kLanes, depth - kLanes, square, kLanes);
      const Index count = HWY_MIN(kLanes, width - s * kLanes);
      for (Index i = k; i < depth; ++i) {
        StoreTail(d, hn::Load(d, square + (i + kLanes - depth) * kLanes),
                  out + i * kPanel + s * kLanes, count);
      }
    }
    return;
  }
  for (; k < depth; ++k) {
    for (Index i = 0; i < width; ++i) {
      out[k * kPanel + i] = lines[i][k];
    }
  }
}

template <Index kPanel, class T>
void PackPanel(const GemmPack<T>& pack) {
  const Index width = pack.width;
  const T* HWY_RESTRICT source = pack.source;
  T* HWY_RESTRICT out = pack.out;
  if (pack.width_stride == 1 && width == kPanel) {
    PackCopy<kPanel>(source, pack.depth, pack.depth_stride, out);
    return;
  }
  if (pack.depth_stride == 1) {
    PackTranspose<kPanel>(source, width, pack.width_stride, pack.depth, out);
  } else {
    for (Index k = 0; k < pack.depth; ++k) {
      for (Index i = 0; i < width; ++i) {
        out[k * kPanel + i] = source[i * pack.width_stride + k * pack.depth_stride];
      }
    }
  }
  if (pack.padded > width) {
    for (Index k = 0; k < pack.depth; ++k) {
      for (Index i = width; i < pack.padded; ++i) {
        out[k * kPanel + i] = T(0);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
