// Softmax, log-softmax and their gradients along rows.

#if defined(LAMINA_KERNELS_SOFTMAX_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_SOFTMAX_ROWS_INL
#undef LAMINA_KERNELS_SOFTMAX_ROWS_INL
#else
#define LAMINA_KERNELS_SOFTMAX_ROWS_INL
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/exp_roots-inl.hpp"
#include "kernels/math-inl.hpp"
#include "kernels/softmax.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Elements after which a running sum is put aside, so that rounding errors do not pile up.
constexpr Index kSumBlock = 4096;

/// Rows that are worked on together, and what becomes of them, are in the L1.
constexpr Index kBatchBytes = 16384;

/// Softmax of x and of -x differ in the sign of what is read; kPlain spares the usual case, in
/// which scale is 1 and nothing is negated, both operations.
template <bool kPlain, class D>
class Logits {
  using V = hn::Vec<D>;

 public:
  HWY_INLINE Logits(D d, bool negate, hn::TFromD<D> scale)
      : sign_(negate ? hn::SignBit(d) : hn::Zero(d)), scale_(hn::Set(d, scale)) {}
  HWY_INLINE V Signed(V x) const {
    if constexpr (kPlain) {
      return x;
    } else {
      return hn::Xor(x, sign_);
    }
  }
  /// (x - max) / t, where max is that of the signed values.
  HWY_INLINE V Shifted(V x, V max) const { return Scaled(hn::Sub(Signed(x), max)); }
  HWY_INLINE V Scaled(V difference) const {
    if constexpr (kPlain) {
      return difference;
    } else {
      return hn::Mul(difference, scale_);
    }
  }

 private:
  V sign_;
  V scale_;
};

template <bool kLog, bool kPlain>
struct RowKernel {
  // The maximum need not carry NaNs: they come back in the sum.
  template <class D, class T = hn::TFromD<D>>
  static HWY_INLINE T RowMax(D d, const Logits<kPlain, D>& logits, const T* x, Index n) {
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
    auto m0 = lowest;
    Index i = 0;
    if (n >= 4 * lanes) {
      auto m1 = lowest;
      auto m2 = lowest;
      auto m3 = lowest;
      for (; i + 4 * lanes <= n; i += 4 * lanes) {
        m0 = hn::Max(m0, logits.Signed(hn::LoadU(d, x + i)));
        m1 = hn::Max(m1, logits.Signed(hn::LoadU(d, x + i + lanes)));
        m2 = hn::Max(m2, logits.Signed(hn::LoadU(d, x + i + 2 * lanes)));
        m3 = hn::Max(m3, logits.Signed(hn::LoadU(d, x + i + 3 * lanes)));
      }
      m0 = hn::Max(hn::Max(m0, m1), hn::Max(m2, m3));
    }
    for (; i + lanes <= n; i += lanes) {
      m0 = hn::Max(m0, logits.Signed(hn::LoadU(d, x + i)));
    }
    if (i < n) {
      const auto rest = logits.Signed(LoadTail(d, x + i, n - i));
      m0 = hn::Max(m0, hn::IfThenElse(TailMask(d, n - i), rest, lowest));
    }
    return hn::GetLane(hn::MaxOfLanes(d, m0));
  }

  /// Vectors whose exponentials are computed together: without roots the longer polynomial of
  /// double leaves registers for fewer.
  template <class D>
  static constexpr int Together() {
    return sizeof(hn::TFromD<D>) == 4 || HasDoubleRoots<D>() ? 4 : 2;
  }

  /// Sum of exp over at most kSumBlock elements; softmax also stores the terms. Meanwhile `ahead`,
  /// as long as x, is fetched, and for log-softmax the place of its result.
  template <class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
  static HWY_INLINE T BlockExp(D d, const Logits<kPlain, D>& logits, V max, const T* x, T* y,
                               Index n, const T* ahead) {
    // GCC takes a function that only prefetches for one without effect, unless it is inlined first.
    const auto fetch = [&](Index i) HWY_ATTR __attribute__((always_inline)) {
      constexpr Index kLine = 64 / sizeof(T);
      for (Index line = 0; line < Together<D>() * static_cast<Index>(hn::Lanes(d)); line += kLine) {
        hwy::Prefetch(ahead + i + line);
        if constexpr (kLog) {
          hwy::Prefetch(y + i + line);
        }
      }
    };
    return BlockExpBeside<false>(d, logits, max, x, y, n, fetch);
  }

  /// The same, where beside(i) is called for every Together() vectors. With kCopy log-softmax
  /// copies x to y.
  template <bool kCopy, class D, class V, class F, class T = hn::TFromD<D>>
  static HWY_INLINE T BlockExpBeside(D d, const Logits<kPlain, D>& logits, V max, const T* x, T* y,
                                     Index n, const F& beside) {
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    constexpr int kUnroll = Together<D>();
    V sums[kUnroll];
    for (V& sum : sums) {
      sum = hn::Zero(d);
    }
    Index i = 0;
    for (; i + kUnroll * lanes <= n; i += kUnroll * lanes) {
      V in[kUnroll];
      V e[kUnroll];
      for (int v = 0; v < kUnroll; ++v) {
        in[v] = hn::LoadU(d, x + i + v * lanes);
        e[v] = ExpWithRoots(d, logits.Shifted(in[v], max));
      }
      for (int v = 0; v < kUnroll; ++v) {
        if constexpr (!kLog || kCopy) {
          hn::StoreU(kLog ? in[v] : e[v], d, y + i + v * lanes);
        }
        sums[v] = hn::Add(sums[v], e[v]);
      }
      beside(i);
    }
    V s0 = kUnroll == 4
               ? hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2 % kUnroll], sums[3 % kUnroll]))
               : hn::Add(sums[0], sums[1]);
    for (; i < n; i += lanes) {
      const Index count = std::min(lanes, n - i);
      const V in = count == lanes ? hn::LoadU(d, x + i) : LoadTail(d, x + i, count);
      V e = ExpWithRoots(d, logits.Shifted(in, max));
      if (count == lanes) {
        if constexpr (!kLog || kCopy) {
          hn::StoreU(kLog ? in : e, d, y + i);
        }
      } else {
        e = hn::IfThenElseZero(TailMask(d, count), e);
        if constexpr (!kLog || kCopy) {
          StoreTail(d, kLog ? in : e, y + i, count);
        }
      }
      s0 = hn::Add(s0, e);
    }
    return hn::GetLane(hn::SumOfLanes(d, s0));
  }

  /// Rows of no more than kVectors vectors (and no fewer) stay in registers.
  template <int kVectors, class D, class T = hn::TFromD<D>>
  static HWY_INLINE void ShortRows(D d, const SoftmaxArgs<T>& a) {
    using V = hn::Vec<D>;
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    const Logits<kPlain, D> logits(d, a.negate, a.scale);
    const Index last = (kVectors - 1) * lanes;
    const Index count = a.n - last;
    const auto mask = TailMask(d, count);
    // exp gives these lanes 0.
    const V lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
    // Log-softmax takes the logarithms of as many sums as there are lanes at a time.
    HWY_ALIGN T sums[hn::MaxLanes(d)];
    for (Index row = 0; row < a.count; ++row) {
      const T* x = a.x + row * a.x_stride;
      T* y = a.y + row * a.y_stride;
      V z[kVectors];
      V e[kVectors];
      z[kVectors - 1] = hn::IfThenElse(mask, logits.Signed(LoadTail(d, x + last, count)), lowest);
      V max = z[kVectors - 1];
      for (int v = 0; v < kVectors - 1; ++v) {
        z[v] = logits.Signed(hn::LoadU(d, x + v * lanes));
        max = hn::Max(max, z[v]);
      }
      max = hn::MaxOfLanes(d, max);
      V sum = hn::Zero(d);
      for (int v = 0; v < kVectors; ++v) {
        z[v] = logits.Scaled(hn::Sub(z[v], max));
        e[v] = ExpWithRoots(d, z[v]);
        sum = hn::Add(sum, e[v]);
      }
      sum = hn::SumOfLanes(d, sum);
      const V factor = hn::Div(hn::Set(d, T(1)), sum);
      for (int v = 0; v < kVectors; ++v) {
        const V result = kLog ? z[v] : hn::Mul(e[v], factor);
        if (v < kVectors - 1) {
          hn::StoreU(result, d, y + v * lanes);
        } else {
          StoreTail(d, result, y + last, count);
        }
      }
      if constexpr (kLog) {
        const Index slot = row % lanes;
        sums[slot] = hn::GetLane(sum);
        if (slot == lanes - 1 || row == a.count - 1) {
          for (Index i = slot + 1; i < lanes; ++i) {
            sums[i] = T(1);
          }
          hn::Store(Log(d, hn::Load(d, sums)), d, sums);
          for (Index i = 0; i <= slot; ++i) {
            T* to = a.y + (row - slot + i) * a.y_stride;
            const V log_sum = hn::Set(d, sums[i]);
            for (int v = 0; v < kVectors - 1; ++v) {
              hn::StoreU(hn::Sub(hn::LoadU(d, to + v * lanes), log_sum), d, to + v * lanes);
            }
            StoreTail(d, hn::Sub(LoadTail(d, to + last, count), log_sum), to + last, count);
          }
        }
      }
    }
  }

  template <class D, class T = hn::TFromD<D>>
  static void Forward(D d, const SoftmaxArgs<T>& a) {
    switch (ceil_div(a.n, static_cast<Index>(hn::Lanes(d)))) {
      case 1:
        return ShortRows<1>(d, a);
      case 2:
        return ShortRows<2>(d, a);
      case 3:
        return ShortRows<3>(d, a);
      case 4:
        return ShortRows<4>(d, a);
      default:
        break;
    }
    if (a.n * Index{4 * sizeof(T)} <= kBatchBytes) {
      if (a.count == 1) {
        OneRow(d, a);
      } else {
        BatchedRows(d, a);
      }
    } else {
      LongRows(d, a);
    }
  }

  /// What a row waits for (its maximum, its sum) is computed while other rows are read: as many
  /// rows at a time as there are lanes, if the L1 holds them.
  template <class D, class T = hn::TFromD<D>>
  static HWY_NOINLINE void BatchedRows(D d, const SoftmaxArgs<T>& a) {
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    const Index batch = std::min(lanes, kBatchBytes / (a.n * Index{sizeof(T)}));
    const Logits<kPlain, D> logits(d, a.negate, a.scale);
    HWY_ALIGN T max[hn::MaxLanes(d)];
    HWY_ALIGN T sum[hn::MaxLanes(d)];
    std::fill_n(sum, lanes, T(1));
    for (Index first = 0; first < a.count; first += batch) {
      const Index rows = std::min(batch, a.count - first);
      const T* x = a.x + first * a.x_stride;
      T* y = a.y + first * a.y_stride;
      for (Index row = 0; row < rows; ++row) {
        max[row] = RowMax(d, logits, x + row * a.x_stride, a.n);
      }
      for (Index row = 0; row < rows; ++row) {
        const T* here = x + row * a.x_stride;
        const T* next = first + row + batch < a.count ? here + batch * a.x_stride : here;
        T* const to = y + row * a.y_stride;
        sum[row] = BlockExp(d, logits, hn::Set(d, max[row]), here, to, a.n, next);
      }
      const auto sums = hn::Load(d, sum);
      hn::Store(kLog ? Log(d, sums) : hn::Div(hn::Set(d, T(1)), sums), d, sum);
      for (Index row = 0; row < rows; ++row) {
        Finish(d, logits, hn::Set(d, max[row]), hn::Set(d, sum[row]), x + row * a.x_stride,
               y + row * a.y_stride, a.n);
      }
    }
  }

  /// What BatchedRows does, for a row alone: its sum takes no way through memory.
  template <class D, class T = hn::TFromD<D>>
  static HWY_NOINLINE void OneRow(D d, const SoftmaxArgs<T>& a) {
    const Logits<kPlain, D> logits(d, a.negate, a.scale);
    const auto max = hn::Set(d, RowMax(d, logits, a.x, a.n));
    const auto sum = hn::Set(d, BlockExp(d, logits, max, a.x, a.y, a.n, a.x));
    Finish(d, logits, max, kLog ? Log(d, sum) : hn::Div(hn::Set(d, T(1)), sum), a.x, a.y, a.n);
  }

  template <class D, class T = hn::TFromD<D>>
  static HWY_NOINLINE void LongRows(D d, const SoftmaxArgs<T>& a) {
    const Logits<kPlain, D> logits(d, a.negate, a.scale);
    for (Index row = 0; row < a.count; ++row) {
      const T* x = a.x + row * a.x_stride;
      T* y = a.y + row * a.y_stride;
      // The memory is idle while exponentials are computed: time to fetch the next row.
      const T* next = row < a.count - 1 || a.more ? x + a.x_stride : x;
      const auto max = hn::Set(d, RowMax(d, logits, x, a.n));
      const double sum = RowExp(d, logits, max, x, y, a.n, next);
      Finish(d, logits, max, hn::Set(d, OfSum<T>(sum)), x, y, a.n);
    }
  }

  template <class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
  static HWY_INLINE double RowExp(D d, const Logits<kPlain, D>& logits, V max, const T* x, T* y,
                                  Index length, const T* next) {
    double sum = 0;
    for (Index i = 0; i < length; i += kSumBlock) {
      const Index n = std::min(kSumBlock, length - i);
      sum += static_cast<double>(BlockExp(d, logits, max, x + i, y + i, n, next + i));
    }
    return sum;
  }

  template <class T>
  static T OfSum(double sum) {
    return static_cast<T>(kLog ? std::log(sum) : 1.0 / sum);
  }

  /// Softmax multiplies what was stored with 1 / sum; log-softmax reads x again and subtracts the
  /// logarithm of the sum.
  template <class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
  static HWY_INLINE void Finish(D d, const Logits<kPlain, D>& logits, V max, V of_sum, const T* x,
                                T* y, Index n) {
    Map(d, kLog ? x : y, y, n, [&](V in) HWY_ATTR {
      return kLog ? hn::Sub(logits.Shifted(in, max), of_sum) : hn::Mul(in, of_sum);
    });
  }

  /// The maximum of each block is found beside the exponentials of the one before.
  template <class D, class T = hn::TFromD<D>>
  static HWY_NOINLINE void ReadBlocks(D d, const SoftmaxArgs<T>& a, SoftmaxBlock* blocks) {
    constexpr Index kBlock = kSoftmaxBlock<T>;
    constexpr int kUnroll = Together<D>();
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    const Logits<kPlain, D> logits(d, a.negate, a.scale);
    T max = RowMax(d, logits, a.x, std::min(kBlock, a.n));
    for (Index begin = 0; begin < a.n; begin += kBlock) {
      const Index n = std::min(kBlock, a.n - begin);
      const T* const x = a.x + begin;
      // -inf - -inf would be NaN, though other blocks may hold numbers.
      max = std::max(max, std::numeric_limits<T>::lowest());
      const auto shift = hn::Set(d, max);
      blocks->max = static_cast<double>(max);
      T sum;
      if (a.n - begin >= 2 * kBlock) {
        auto next = hn::Set(d, -std::numeric_limits<T>::infinity());
        sum = BlockExpBeside<true>(d, logits, shift, x, a.y + begin, n, [&](Index i) HWY_ATTR {
          auto m = logits.Signed(hn::LoadU(d, x + kBlock + i));
          for (int v = 1; v < kUnroll; ++v) {
            m = hn::Max(m, logits.Signed(hn::LoadU(d, x + kBlock + i + v * lanes)));
          }
          next = hn::Max(next, m);
          for (int v = 0; v < kUnroll; ++v) {
            hwy::Prefetch(x + 2 * kBlock + i + v * lanes);
          }
        });
        max = hn::GetLane(hn::MaxOfLanes(d, next));
      } else {
        sum = BlockExpBeside<true>(d, logits, shift, x, a.y + begin, n, [](Index) {});
        if (begin + kBlock < a.n) {
          max = RowMax(d, logits, x + kBlock, a.n - begin - kBlock);
        }
      }
      blocks->sum = static_cast<double>(sum);
      ++blocks;
    }
  }
  template <class D, class T = hn::TFromD<D>>
  static HWY_NOINLINE void FinishBlocks(D d, const SoftmaxArgs<T>& a, double max, double of_sum) {
    const Logits<kPlain, D> logits(d, a.negate, a.scale);
    // What the first reading left in y.
    Finish(d, logits, hn::Set(d, static_cast<T>(max)), hn::Set(d, static_cast<T>(of_sum)), a.y, a.y,
           a.n);
  }

  template <class D, class T, class F>
  static HWY_INLINE void Map(D d, const T* from, T* to, Index n, const F& function) {
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    Index i = 0;
    // Long rows begin anywhere: stores across lines cost more than those at their place.
    const auto misplaced =
        static_cast<Index>(reinterpret_cast<std::uintptr_t>(to) / sizeof(T)) & (lanes - 1);
    if (misplaced != 0 && n >= 16 * lanes) {
      i = lanes - misplaced;
      StoreTail(d, function(LoadTail(d, from, i)), to, i);
    }
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
      const auto v0 = function(hn::LoadU(d, from + i));
      const auto v1 = function(hn::LoadU(d, from + i + lanes));
      hn::StoreU(v0, d, to + i);
      hn::StoreU(v1, d, to + i + lanes);
    }
    if (i + lanes <= n) {
      hn::StoreU(function(hn::LoadU(d, from + i)), d, to + i);
      i += lanes;
    }
    if (i < n) {
      StoreTail(d, function(LoadTail(d, from + i, n - i)), to + i, n - i);
    }
  }

  /// sum dy y, or for log-softmax sum dy, over at most kSumBlock elements.
  template <class D, class T = hn::TFromD<D>>
  static HWY_INLINE T BlockDot(D d, const T* dy, const T* y, Index n) {
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    const auto add = [&](auto sum, auto g, auto v) HWY_ATTR {
      if constexpr (kLog) {
        return hn::Add(sum, g);
      } else {
        return hn::MulAdd(g, v, sum);
      }
    };
    auto s0 = hn::Zero(d);
    auto s1 = hn::Zero(d);
    auto s2 = hn::Zero(d);
    auto s3 = hn::Zero(d);
    Index i = 0;
    for (; i + 4 * lanes <= n; i += 4 * lanes) {
      s0 = add(s0, hn::LoadU(d, dy + i), hn::LoadU(d, y + i));
      s1 = add(s1, hn::LoadU(d, dy + i + lanes), hn::LoadU(d, y + i + lanes));
      s2 = add(s2, hn::LoadU(d, dy + i + 2 * lanes), hn::LoadU(d, y + i + 2 * lanes));
      s3 = add(s3, hn::LoadU(d, dy + i + 3 * lanes), hn::LoadU(d, y + i + 3 * lanes));
    }
    s0 = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
    for (; i + lanes <= n; i += lanes) {
      s0 = add(s0, hn::LoadU(d, dy + i), hn::LoadU(d, y + i));
    }
    if (i < n) {
      s0 = add(s0, LoadTail(d, dy + i, n - i), LoadTail(d, y + i, n - i));
    }
    return hn::GetLane(hn::SumOfLanes(d, s0));
  }

  template <class D, class T = hn::TFromD<D>>
  static HWY_INLINE double BackwardSum(D d, const T* dy, const T* y, Index n) {
    double sum = 0;
    for (Index i = 0; i < n; i += kSumBlock) {
      sum += static_cast<double>(BlockDot(d, dy + i, y + i, std::min(kSumBlock, n - i)));
    }
    return sum;
  }

  template <class D, class T = hn::TFromD<D>>
  static HWY_INLINE void BackwardFinish(D d, double sum, T factor, const T* dy, const T* y, T* dx,
                                        Index n) {
    const Index lanes = static_cast<Index>(hn::Lanes(d));
    const auto scale = hn::Set(d, factor);
    const auto dot = hn::Set(d, static_cast<T>(sum));
    Index i = 0;
    for (; i + lanes <= n; i += lanes) {
      hn::StoreU(Gradient(d, hn::LoadU(d, dy + i), hn::LoadU(d, y + i), dot, scale), d, dx + i);
    }
    if (i < n) {
      const Index count = n - i;
      StoreTail(d, Gradient(d, LoadTail(d, dy + i, count), LoadTail(d, y + i, count), dot, scale),
                dx + i, count);
    }
  }

  template <class D, class T = hn::TFromD<D>>
  static void Backward(D d, const SoftmaxBackwardArgs<T>& a) {
    for (Index row = 0; row < a.count; ++row) {
      const T* dy = a.dy + row * a.dy_stride;
      const T* y = a.y + row * a.y_stride;
      BackwardFinish(d, BackwardSum(d, dy, y, a.n), a.scale, dy, y, a.dx + row * a.dx_stride, a.n);
    }
  }

  template <class D, class V>
  static HWY_INLINE V Gradient(D d, V dy, V y, V dot, V scale) {
    if constexpr (kLog) {
      return hn::Mul(hn::NegMulAdd(Exp(d, y), dot, dy), scale);
    } else {
      (void)d;
      return hn::Mul(hn::Mul(y, hn::Sub(dy, dot)), scale);
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
