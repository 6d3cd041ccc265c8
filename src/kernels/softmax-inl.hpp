// Softmax, log-softmax and their gradients down columns, and the choice between the kernels.

#if defined(LAMINA_KERNELS_SOFTMAX_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_SOFTMAX_INL
#undef LAMINA_KERNELS_SOFTMAX_INL
#else
#define LAMINA_KERNELS_SOFTMAX_INL
#endif

#include <algorithm>

#include "hwy/highway.h"
#include "kernels/math-inl.hpp"
#include "kernels/softmax.hpp"
#include "kernels/softmax_rows-inl.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// After so many elements a column's running sum is put aside: its lanes add one at a time.
constexpr Index kColumnSumBlock = 256;
/// Columns treated together.
constexpr Index kMostColumns = 1024;

template <bool kLog, bool kPlain>
struct ColumnKernel {
  /// kVectors whole vectors of columns, or one that may be narrower. All state is in registers.
  template <int kVectors, class D, class T>
  static HWY_INLINE void NarrowTile(D d, const SoftmaxArgs<T>& a, Index column, Index width) {
    using V = hn::Vec<D>;
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    const Logits<kPlain, D> logits(d, a.negate, a.scale);
    const T* x = a.x + column;
    T* y = a.y + column;
    const auto load = [&](const T* from, int v) HWY_ATTR {
      return kVectors > 1 || width == lanes ? hn::LoadU(d, from + v * lanes)
                                            : LoadTail(d, from, width);
    };
    const auto store = [&](V value, T* to, int v) HWY_ATTR {
      if (kVectors > 1 || width == lanes) {
        hn::StoreU(value, d, to + v * lanes);
      } else {
        StoreTail(d, value, to, width);
      }
    };
    V max[kVectors];
    V sum[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      max[v] = logits.Signed(load(x, v));
      sum[v] = hn::Zero(d);
    }
    for (Index i = 1; i < a.n; ++i) {
      for (int v = 0; v < kVectors; ++v) {
        max[v] = hn::Max(max[v], logits.Signed(load(x + i * a.x_stride, v)));
      }
    }
    for (Index begin = 0; begin < a.n; begin += kColumnSumBlock) {
      const Index end = std::min(a.n, begin + kColumnSumBlock);
      V part[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        part[v] = hn::Zero(d);
      }
      for (Index i = begin; i < end; ++i) {
        for (int v = 0; v < kVectors; ++v) {
          const V e = ExpWithRoots(d, logits.Shifted(load(x + i * a.x_stride, v), max[v]));
          if constexpr (!kLog) {
            store(e, y + i * a.y_stride, v);
          }
          part[v] = hn::Add(part[v], e);
        }
      }
      for (int v = 0; v < kVectors; ++v) {
        sum[v] = hn::Add(sum[v], part[v]);
      }
    }
    if constexpr (kLog) {
      for (int v = 0; v < kVectors; ++v) {
        sum[v] = Log(d, sum[v]);
      }
      for (Index i = 0; i < a.n; ++i) {
        for (int v = 0; v < kVectors; ++v) {
          const V shifted = logits.Shifted(load(x + i * a.x_stride, v), max[v]);
          store(hn::Sub(shifted, sum[v]), y + i * a.y_stride, v);
        }
      }
    } else {
      for (int v = 0; v < kVectors; ++v) {
        sum[v] = hn::Div(hn::Set(d, T(1)), sum[v]);
      }
      for (Index i = 0; i < a.n; ++i) {
        for (int v = 0; v < kVectors; ++v) {
          store(hn::Mul(load(y + i * a.y_stride, v), sum[v]), y + i * a.y_stride, v);
        }
      }
    }
  }

  /// Calls visit(j, load, store) for the vectors of `width` columns; load and store take pointers
  /// to the first column and mind the last, narrower vector.
  template <class D, class F>
  static HWY_INLINE void ForEachVector(D d, Index width, const F& visit) {
    using T = hn::TFromD<D>;
    using V = hn::Vec<D>;
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    Index j = 0;
    for (; j + lanes <= width; j += lanes) {
      visit(
          j, [&](const T* from) HWY_ATTR { return hn::LoadU(d, from + j); },
          [&](V v, T* to) HWY_ATTR { hn::StoreU(v, d, to + j); });
    }
    if (j < width) {
      visit(
          j, [&](const T* from) HWY_ATTR { return LoadTail(d, from + j, width - j); },
          [&](V v, T* to) HWY_ATTR { StoreTail(d, v, to + j, width - j); });
    }
  }

  /// Maxima and sums wait in memory, so that long stretches of each row are read at once.
  template <class D, class T>
  static HWY_INLINE void ForwardTile(D d, const SoftmaxArgs<T>& a, Index column, Index width) {
    using V = hn::Vec<D>;
    const Logits<kPlain, D> logits(d, a.negate, a.scale);
    const T* x = a.x + column;
    T* y = a.y + column;
    HWY_ALIGN T max[kMostColumns];
    HWY_ALIGN T sum[kMostColumns];
    HWY_ALIGN T part[kMostColumns];
    constexpr Index kRows = 8;
    for (Index i = 0; i < a.n; i += kRows) {
      const Index rows = std::min(kRows, a.n - i);
      const T* from = x + i * a.x_stride;
      ForEachVector(d, width, [&](Index j, const auto& load, const auto&) HWY_ATTR {
        V m = i == 0 ? logits.Signed(load(from)) : hn::Load(d, max + j);
        for (Index r = 0; r < rows; ++r) {
          m = hn::Max(m, logits.Signed(load(from + r * a.x_stride)));
        }
        hn::Store(m, d, max + j);
      });
    }
    for (Index i = 0; i < a.n; ++i) {
      const T* from = x + i * a.x_stride;
      T* to = y + i * a.y_stride;
      const bool first = i % kColumnSumBlock == 0;
      const bool last = i % kColumnSumBlock == kColumnSumBlock - 1 || i == a.n - 1;
      ForEachVector(d, width, [&](Index j, const auto& load, const auto& store) HWY_ATTR {
        const V e = ExpWithRoots(d, logits.Shifted(load(from), hn::Load(d, max + j)));
        if constexpr (!kLog) {
          store(e, to);
        }
        const V now = first ? e : hn::Add(hn::Load(d, part + j), e);
        hn::Store(now, d, part + j);
        if (last) {
          const bool only = i < kColumnSumBlock;
          hn::Store(only ? now : hn::Add(hn::Load(d, sum + j), now), d, sum + j);
        }
      });
    }
    ForEachVector(d, width, [&](Index j, const auto&, const auto&) HWY_ATTR {
      const V total = hn::Load(d, sum + j);
      hn::Store(kLog ? Log(d, total) : hn::Div(hn::Set(d, T(1)), total), d, sum + j);
    });
    for (Index i = 0; i < a.n; ++i) {
      const T* from = x + i * a.x_stride;
      T* to = y + i * a.y_stride;
      ForEachVector(d, width, [&](Index j, const auto& load, const auto& store) HWY_ATTR {
        const V s = hn::Load(d, sum + j);
        if constexpr (kLog) {
          store(hn::Sub(logits.Shifted(load(from), hn::Load(d, max + j)), s), to);
        } else {
          store(hn::Mul(load(to), s), to);
        }
      });
    }
  }

  template <class D, class T = hn::TFromD<D>>
  static void Forward(D d, const SoftmaxArgs<T>& a) {
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    if (a.count <= 4 * lanes) {
      Index column = 0;
      for (; column + 4 * lanes <= a.count; column += 4 * lanes) {
        NarrowTile<4>(d, a, column, 4 * lanes);
      }
      for (; column < a.count; column += lanes) {
        NarrowTile<1>(d, a, column, std::min(lanes, a.count - column));
      }
      return;
    }
    for (Index column = 0; column < a.count; column += kMostColumns) {
      ForwardTile(d, a, column, std::min(kMostColumns, a.count - column));
    }
  }

  template <class D, class T = hn::TFromD<D>>
  static void Backward(D d, const SoftmaxBackwardArgs<T>& a) {
    using V = hn::Vec<D>;
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    const V scale = hn::Set(d, a.scale);
    for (Index column = 0; column < a.count; column += lanes) {
      const Index width = std::min(lanes, a.count - column);
      const auto load = [&](const T* from) HWY_ATTR {
        return width == lanes ? hn::LoadU(d, from + column) : LoadTail(d, from + column, width);
      };
      V sum = hn::Zero(d);
      for (Index begin = 0; begin < a.n; begin += kColumnSumBlock) {
        V part = hn::Zero(d);
        for (Index i = begin; i < std::min(a.n, begin + kColumnSumBlock); ++i) {
          const V dy = load(a.dy + i * a.dy_stride);
          part = kLog ? hn::Add(part, dy) : hn::MulAdd(dy, load(a.y + i * a.y_stride), part);
        }
        sum = hn::Add(sum, part);
      }
      for (Index i = 0; i < a.n; ++i) {
        const V dx = RowKernel<kLog, kPlain>::Gradient(d, load(a.dy + i * a.dy_stride),
                                                       load(a.y + i * a.y_stride), sum, scale);
        T* to = a.dx + i * a.dx_stride + column;
        if (width == lanes) {
          hn::StoreU(dx, d, to);
        } else {
          StoreTail(d, dx, to, width);
        }
      }
    }
  }
};

template <template <bool, bool> class Kernel, class T>
void Dispatch(const SoftmaxArgs<T>& args) {
  const hn::ScalableTag<T> d;
  const bool plain = args.scale == T(1) && !args.negate;
  if (args.kind == SoftmaxKind::Softmax) {
    plain ? Kernel<false, true>::Forward(d, args) : Kernel<false, false>::Forward(d, args);
  } else {
    plain ? Kernel<true, true>::Forward(d, args) : Kernel<true, false>::Forward(d, args);
  }
}

/// function(RowKernel) of the one for these arguments.
template <class T, class F>
void WithRowKernel(const SoftmaxArgs<T>& args, const F& function) {
  const bool plain = args.scale == T(1) && !args.negate;
  if (args.kind == SoftmaxKind::Softmax) {
    plain ? function(RowKernel<false, true>()) : function(RowKernel<false, false>());
  } else {
    plain ? function(RowKernel<true, true>()) : function(RowKernel<true, false>());
  }
}
template <class T>
void ReadBlocks(const SoftmaxArgs<T>& args, SoftmaxBlock* blocks) {
  const hn::ScalableTag<T> d;
  WithRowKernel(args, [&](auto kernel) { kernel.ReadBlocks(d, args, blocks); });
}
template <class T>
void FinishBlocks(const SoftmaxArgs<T>& args, double max, double of_sum) {
  const hn::ScalableTag<T> d;
  WithRowKernel(args, [&](auto kernel) { kernel.FinishBlocks(d, args, max, of_sum); });
}

template <class T>
double BackwardSumOf(const SoftmaxBackwardArgs<T>& a) {
  const hn::ScalableTag<T> d;
  return a.kind == SoftmaxKind::Softmax ? RowKernel<false, true>::BackwardSum(d, a.dy, a.y, a.n)
                                        : RowKernel<true, true>::BackwardSum(d, a.dy, a.y, a.n);
}
template <class T>
void BackwardFinishOf(const SoftmaxBackwardArgs<T>& a, double sum) {
  const hn::ScalableTag<T> d;
  if (a.kind == SoftmaxKind::Softmax) {
    RowKernel<false, true>::BackwardFinish(d, sum, a.scale, a.dy, a.y, a.dx, a.n);
  } else {
    RowKernel<true, true>::BackwardFinish(d, sum, a.scale, a.dy, a.y, a.dx, a.n);
  }
}

template <template <bool, bool> class Kernel, class T>
void DispatchBackward(const SoftmaxBackwardArgs<T>& args) {
  const hn::ScalableTag<T> d;
  if (args.kind == SoftmaxKind::Softmax) {
    Kernel<false, true>::Backward(d, args);
  } else {
    Kernel<true, true>::Backward(d, args);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
