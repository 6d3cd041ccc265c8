// Packing of operands into panels, and products with one row.

#if defined(LAMINA_KERNELS_GEMM_PACK_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_GEMM_PACK_INL_HPP_
#undef LAMINA_KERNELS_GEMM_PACK_INL_HPP_
#else
#define LAMINA_KERNELS_GEMM_PACK_INL_HPP_
#endif

#include <cstring>

#include "hwy/highway.h"
#include "kernels/gemm.hpp"

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

// Writes in[i][j] to out + j * stride + i for a square of 128-bit vectors.
template <class D>
HWY_INLINE void TransposeSquare(D d, const float* const* in, Index offset, float* out,
                                Index stride) {
  const hn::RepartitionToWide<D> wide;
  const auto r0 = hn::LoadU(d, in[0] + offset);
  const auto r1 = hn::LoadU(d, in[1] + offset);
  const auto r2 = hn::LoadU(d, in[2] + offset);
  const auto r3 = hn::LoadU(d, in[3] + offset);
  const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, out + stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, out + 2 * stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, out + 3 * stride);
}

template <class D>
HWY_INLINE void TransposeSquare(D d, const double* const* in, Index offset, double* out,
                                Index stride) {
  const auto r0 = hn::LoadU(d, in[0] + offset);
  const auto r1 = hn::LoadU(d, in[1] + offset);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, out);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, out + stride);
}

// The elements of a panel's row are depth-contiguous lines: transposed in registers, a square of
// 128-bit vectors at a time. Squares may write past the row of the panel, so they are done from
// the right to the left and from the top to the bottom: what was spoilt is written later. The last
// row must not: the next panel may be another thread's.
template <Index kPanel, class T>
void PackTranspose(const T* HWY_RESTRICT source, Index width, Index width_stride, Index depth,
                   T* HWY_RESTRICT out) {
  constexpr Index kSide = 16 / static_cast<Index>(sizeof(T));
  const hn::FixedTag<T, static_cast<size_t>(kSide)> d;
  const Index squares = (width + kSide - 1) / kSide;
  const T* lines[kPanel + kSide];
  for (Index i = 0; i < squares * kSide; ++i) {
    lines[i] = source + HWY_MIN(i, width - 1) * width_stride;
  }
  Index k = 0;
  const Index squared = squares * kSide <= kPanel ? depth : depth - 1;
  for (; k + kSide <= squared; k += kSide) {
    for (Index s = squares - 1; s >= 0; --s) {
      TransposeSquare(d, lines + s * kSide, k, out + k * kPanel + s * kSide, kPanel);
    }
  }
  for (; k < depth; ++k) {
    for (Index i = 0; i < width; ++i) {
      out[k * kPanel + i] = lines[i][k];
    }
  }
}

template <Index kPanel, class T>
void PackPanels(const GemmPack<T>& pack) {
  T* out = pack.out;
  for (Index i = 0; i < pack.width; i += kPanel, out += kPanel * pack.depth) {
    const Index width = HWY_MIN(kPanel, pack.width - i);
    const T* source = pack.source + i * pack.width_stride;
    if (pack.width_stride == 1 && width == kPanel) {
      PackCopy<kPanel>(source, pack.depth, pack.depth_stride, out);
    } else if (pack.depth_stride == 1) {
      PackTranspose<kPanel>(source, width, pack.width_stride, pack.depth, out);
    } else {
      for (Index k = 0; k < pack.depth; ++k) {
        for (Index j = 0; j < width; ++j) {
          out[k * kPanel + j] = source[j * pack.width_stride + k * pack.depth_stride];
        }
      }
    }
    const Index padded = (width + pack.padding - 1) / pack.padding * pack.padding;
    if (padded > width) {
      for (Index k = 0; k < pack.depth; ++k) {
        for (Index j = width; j < padded; ++j) {
          out[k * kPanel + j] = T(0);
        }
      }
    }
  }
}

// y = x B with adjacent columns: sums of the products of eight rows at a time, added to y.
template <class T>
void GemvColumns(const GemvArgs<T>& args) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  T* HWY_RESTRICT y = args.y;
  for (Index j = 0; j < args.n; ++j) {
    y[j] = T(0);
  }
  constexpr int kRows = 8;
  Index k = 0;
  for (; k + kRows <= args.k; k += kRows) {
    const T* HWY_RESTRICT b = args.b + k * args.k_stride;
    hn::Vec<decltype(d)> x[kRows];
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      x[r] = hn::Set(d, args.x[k + r]);
    }
    Index j = 0;
    for (; j + lanes <= args.n; j += lanes) {
      auto even = hn::LoadU(d, y + j);
      auto odd = hn::Mul(x[1], hn::LoadU(d, b + args.k_stride + j));
      even = hn::MulAdd(x[0], hn::LoadU(d, b + j), even);
      HWY_UNROLL(8)
      for (int r = 2; r < kRows; r += 2) {
        even = hn::MulAdd(x[r], hn::LoadU(d, b + r * args.k_stride + j), even);
        odd = hn::MulAdd(x[r + 1], hn::LoadU(d, b + (r + 1) * args.k_stride + j), odd);
      }
      hn::StoreU(hn::Add(even, odd), d, y + j);
    }
    for (; j < args.n; ++j) {
      T even = y[j];
      T odd = T(0);
      for (int r = 0; r < kRows; r += 2) {
        even += args.x[k + r] * b[r * args.k_stride + j];
        odd += args.x[k + r + 1] * b[(r + 1) * args.k_stride + j];
      }
      y[j] = even + odd;
    }
  }
  for (; k < args.k; ++k) {
    const T* HWY_RESTRICT b = args.b + k * args.k_stride;
    const auto x = hn::Set(d, args.x[k]);
    Index j = 0;
    for (; j + lanes <= args.n; j += lanes) {
      hn::StoreU(hn::MulAdd(x, hn::LoadU(d, b + j), hn::LoadU(d, y + j)), d, y + j);
    }
    for (; j < args.n; ++j) {
      y[j] += args.x[k] * b[j];
    }
  }
}

// y = x B with columns that are contiguous in k: kColumns dot products share the loads of x. The
// kSums partial sums of each column are added in a fixed order.
template <int kColumns, class T>
void GemvDots(const GemvArgs<T>& args, Index column) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  constexpr int kSums = 4;
  using V = hn::Vec<decltype(d)>;
  V sum[kColumns][kSums];
  const T* HWY_RESTRICT x = args.x;
  const T* HWY_RESTRICT b[kColumns];
  HWY_UNROLL(4)
  for (int c = 0; c < kColumns; ++c) {
    b[c] = args.b + (column + c) * args.n_stride;
    HWY_UNROLL(4)
    for (int s = 0; s < kSums; ++s) {
      sum[c][s] = hn::Zero(d);
    }
  }
  Index k = 0;
  for (; k + kSums * lanes <= args.k; k += kSums * lanes) {
    HWY_UNROLL(4)
    for (int s = 0; s < kSums; ++s) {
      const V xv = hn::LoadU(d, x + k + s * lanes);
      HWY_UNROLL(4)
      for (int c = 0; c < kColumns; ++c) {
        sum[c][s] = hn::MulAdd(xv, hn::LoadU(d, b[c] + k + s * lanes), sum[c][s]);
      }
    }
  }
  for (; k + lanes <= args.k; k += lanes) {
    const V xv = hn::LoadU(d, x + k);
    HWY_UNROLL(4)
    for (int c = 0; c < kColumns; ++c) {
      sum[c][0] = hn::MulAdd(xv, hn::LoadU(d, b[c] + k), sum[c][0]);
    }
  }
  HWY_UNROLL(4)
  for (int c = 0; c < kColumns; ++c) {
    const V pairs = hn::Add(hn::Add(sum[c][0], sum[c][1]), hn::Add(sum[c][2], sum[c][3]));
    T total = hn::GetLane(hn::SumOfLanes(d, pairs));
    for (Index rest = k; rest < args.k; ++rest) {
      total += x[rest] * b[c][rest];
    }
    args.y[column + c] = total;
  }
}

template <class T>
void Gemv(const GemvArgs<T>& args) {
  if (args.n_stride == 1 && (args.n > 1 || args.k_stride != 1)) {
    GemvColumns(args);
    return;
  }
  Index j = 0;
  for (; j + 4 <= args.n; j += 4) {
    GemvDots<4>(args, j);
  }
  for (; j < args.n; ++j) {
    GemvDots<1>(args, j);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
