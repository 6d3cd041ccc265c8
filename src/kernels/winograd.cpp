#include "kernels/winograd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/gemm_pack-inl.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// B^T times a column of tile + 2.
template <int kTile, class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void TransformInput(D d, const V* in, V* out) {
  if constexpr (kTile == 2) {
    out[0] = hn::Sub(in[0], in[2]);
    out[1] = hn::Add(in[1], in[2]);
    out[2] = hn::Sub(in[2], in[1]);
    out[3] = hn::Sub(in[1], in[3]);
  } else {
    const V two = hn::Set(d, T(2.0));
    const V four = hn::Set(d, T(4.0));
    const V five = hn::Set(d, T(5.0));
    const V a = hn::NegMulAdd(four, in[2], in[4]);  // x4 - 4 x2
    const V b = hn::NegMulAdd(four, in[1], in[3]);  // x3 - 4 x1
    const V c = hn::Sub(in[4], in[2]);
    const V e = hn::Mul(two, hn::Sub(in[3], in[1]));
    out[0] = hn::MulAdd(four, in[0], hn::NegMulAdd(five, in[2], in[4]));
    out[1] = hn::Add(a, b);
    out[2] = hn::Sub(a, b);
    out[3] = hn::Add(c, e);
    out[4] = hn::Sub(c, e);
    out[5] = hn::MulAdd(four, in[1], hn::NegMulAdd(five, in[3], in[5]));
  }
}

template <int kTile, class T>
void InputRun(const WinogradInput<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int kSide = kTile + 2;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index t = 0; t < a.tiles; ++t) {
    for (Index c = 0; c < a.channels; c += lanes) {
      const Index first = kTile * t * a.channels + c;
      V half[kSide][kSide];  // [j][i]
      HWY_UNROLL(6)
      for (int j = 0; j < kSide; ++j) {
        V in[kSide];
        HWY_UNROLL(6)
        for (int i = 0; i < kSide; ++i) {
          in[i] = hn::LoadU(d, a.rows[static_cast<size_t>(i)] + first + j * a.channels);
        }
        TransformInput<kTile>(d, in, half[j]);
      }
      T* HWY_RESTRICT out = a.out + t * a.channels + c;
      HWY_UNROLL(6)
      for (int i = 0; i < kSide; ++i) {
        V in[kSide];
        V result[kSide];
        HWY_UNROLL(6)
        for (int j = 0; j < kSide; ++j) {
          in[j] = half[j][i];
        }
        TransformInput<kTile>(d, in, result);
        HWY_UNROLL(6)
        for (int j = 0; j < kSide; ++j) {
          hn::StoreU(result[j], d, out);
          out += a.out_stride;
        }
      }
    }
  }
}

// A^T times a column of tile + 2.
template <int kTile, class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void TransformOutput(D d, const V* in, V* out) {
  const V sum1 = hn::Add(in[1], in[2]);
  const V difference1 = hn::Sub(in[1], in[2]);
  if constexpr (kTile == 2) {
    out[0] = hn::Add(in[0], sum1);
    out[1] = hn::Sub(difference1, in[3]);
  } else {
    const V two = hn::Set(d, T(2.0));
    const V four = hn::Set(d, T(4.0));
    const V eight = hn::Set(d, T(8.0));
    const V sum2 = hn::Add(in[3], in[4]);
    const V difference2 = hn::Sub(in[3], in[4]);
    out[0] = hn::Add(hn::Add(in[0], sum1), sum2);
    out[1] = hn::MulAdd(two, difference2, difference1);
    out[2] = hn::MulAdd(four, sum2, sum1);
    out[3] = hn::Add(hn::MulAdd(eight, difference2, difference1), in[5]);
  }
}

template <int kTile, class T>
void OutputRun(const WinogradOutput<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int kSide = kTile + 2;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index t = 0; t < a.tiles; ++t) {
    for (Index c = 0; c < a.channels; c += lanes) {
      const T* HWY_RESTRICT from = a.products + t * a.channels + c;
      V half[kSide][kTile];  // [i][column of the result]
      HWY_UNROLL(6)
      for (int i = 0; i < kSide; ++i) {
        V in[kSide];
        HWY_UNROLL(6)
        for (int j = 0; j < kSide; ++j) {
          in[j] = hn::LoadU(d, from);
          from += a.stride;
        }
        TransformOutput<kTile>(d, in, half[i]);
      }
      const V bias = a.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, a.bias + c);
      const Index first = kTile * t * a.channels + c;
      HWY_UNROLL(4)
      for (int j = 0; j < kTile; ++j) {
        V in[kSide];
        V result[kTile];
        HWY_UNROLL(6)
        for (int i = 0; i < kSide; ++i) {
          in[i] = half[i][j];
        }
        TransformOutput<kTile>(d, in, result);
        HWY_UNROLL(4)
        for (int i = 0; i < kTile; ++i) {
          hn::StoreU(hn::Add(result[i], bias), d,
                     a.rows[static_cast<size_t>(i)] + first + j * a.channels);
        }
      }
    }
  }
}

// G times a column of three.
template <int kTile, class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void TransformWeights(D d, const V* in, V* out) {
  if constexpr (kTile == 2) {
    const V half = hn::Set(d, T(0.5));
    const V outer = hn::Mul(half, hn::Add(in[0], in[2]));
    const V middle = hn::Mul(half, in[1]);
    out[0] = in[0];
    out[1] = hn::Add(outer, middle);
    out[2] = hn::Sub(outer, middle);
    out[3] = in[2];
  } else {
    const V sixth = hn::Set(d, T(1) / 6);
    const V twelfth = hn::Set(d, T(1) / 12);
    const V twenty_fourth = hn::Set(d, T(1) / 24);
    const V outer = hn::Mul(sixth, hn::Add(in[0], in[2]));
    const V middle = hn::Mul(sixth, in[1]);
    const V small = hn::MulAdd(twenty_fourth, in[0], hn::Mul(sixth, in[2]));
    const V half = hn::Mul(twelfth, in[1]);
    out[0] = hn::Mul(hn::Set(d, T(0.25)), in[0]);
    out[1] = hn::Neg(hn::Add(outer, middle));
    out[2] = hn::Sub(middle, outer);
    out[3] = hn::Add(small, half);
    out[4] = hn::Sub(small, half);
    out[5] = in[2];
  }
}

template <class T>
void TransposeLinesRun(const T* HWY_RESTRICT from, Index from_stride, Index lines, Index count,
                       T* HWY_RESTRICT to, Index to_stride) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  const T* pointers[kLanes];
  for (Index i = 0; i < lines; i += kLanes) {
    for (Index k = 0; k < kLanes; ++k) pointers[k] = from + (i + k) * from_stride;
    if (count >= kLanes) {
      // The last square overlaps the one before it.
      for (Index j = 0; j < count; j += kLanes) {
        const Index at = HWY_MIN(j, count - kLanes);
        TransposeSquare(d, pointers, at, to + at * to_stride + i, to_stride);
      }
    } else {
      // With room for what is fetched ahead.
      HWY_ALIGN T whole[kLanes * kLanes + 2 * kAheadTransposed<T>];
      HWY_ALIGN T turned[kLanes * kLanes];
      for (Index k = 0; k < kLanes; ++k) {
        hn::Store(LoadTail(d, pointers[k], count), d, whole + k * kLanes);
        pointers[k] = whole + k * kLanes;
      }
      TransposeSquare(d, pointers, 0, turned, kLanes);
      for (Index j = 0; j < count; ++j) {
        hn::StoreU(hn::Load(d, turned + j * kLanes), d, to + j * to_stride + i);
      }
    }
  }
}

// Sixteen channels of sixteen outputs (or as many as a vector has lanes) at a time: they are turned
// into the L1, and transformed from there.
template <int kTile, class T>
bool WeightsRun(const WinogradWeights<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int kSide = kTile + 2;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  HWY_ALIGN T turned[9 * kLanes * kLanes];
  V squares[3] = {hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  for (Index o = 0; o < a.outputs; o += kLanes) {
    for (Index first = 0; first < a.channels; first += kLanes) {
      const T* const from = a.weights + o * a.output_stride + first * a.channel_stride;
      if (a.channel_stride == 9) {
        TransposeLinesRun(from, a.output_stride, kLanes, 9 * kLanes, turned, kLanes);
      } else {
        for (Index c = 0; c < kLanes; ++c) {
          TransposeLinesRun(from + c * a.channel_stride, a.output_stride, kLanes, Index{9},
                            turned + c * 9 * kLanes, kLanes);
        }
      }
      const T* const ahead = from + kLanes * a.channel_stride;
      for (Index c = 0; c < kLanes; ++c) {
        V half[3][kSide];  // [s][point]
        HWY_UNROLL(3)
        for (int s = 0; s < 3; ++s) {
          V in[3];
          HWY_UNROLL(3)
          for (int r = 0; r < 3; ++r) {
            const Index tap = a.flipped ? 8 - 3 * r - s : 3 * r + s;
            in[r] = hn::Load(d, turned + (9 * c + tap) * kLanes);
            __builtin_prefetch(ahead + c * a.output_stride + tap * kLanes, 0, 3);
            squares[r] = hn::MulAdd(in[r], in[r], squares[r]);
          }
          TransformWeights<kTile>(d, in, half[s]);
        }
        T* HWY_RESTRICT out = a.out + (first + c) * a.outputs + o;
        HWY_UNROLL(6)
        for (int i = 0; i < kSide; ++i) {
          const V in[3] = {half[0][i], half[1][i], half[2][i]};
          V result[kSide];
          TransformWeights<kTile>(d, in, result);
          HWY_UNROLL(6)
          for (int j = 0; j < kSide; ++j) {
            hn::StoreU(result[j], d, out);
            out += a.out_stride;
          }
        }
      }
    }
  }
  const V sum = hn::Add(hn::Add(squares[0], squares[1]), squares[2]);
  // False also where the sum is not a number.
  return hn::GetLane(hn::SumOfLanes(d, sum)) <= a.limit * a.limit;
}

template <class T>
void TransposeBackRun(const T* HWY_RESTRICT from, Index from_stride, Index lines, Index count,
                      T* HWY_RESTRICT to, Index to_stride) {
  const hn::ScalableTag<T> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  const T* pointers[kLanes];
  for (Index j = 0; j < count; j += kLanes) {
    const Index at = count >= kLanes ? HWY_MIN(j, count - kLanes) : 0;
    for (Index k = 0; k < kLanes; ++k) {
      pointers[k] = from + HWY_MIN(at + k, count - 1) * from_stride;
    }
    for (Index i = 0; i < lines; i += kLanes) {
      if (count >= kLanes) {
        TransposeSquare(d, pointers, i, to + i * to_stride + at, to_stride);
      } else {
        HWY_ALIGN T turned[kLanes * kLanes];
        TransposeSquare(d, pointers, i, turned, kLanes);
        for (Index k = 0; k < kLanes; ++k) {
          StoreTail(d, hn::Load(d, turned + k * kLanes), to + (i + k) * to_stride, count);
        }
      }
    }
  }
}

template <class T>
bool AllWithin(const T* HWY_RESTRICT x, Index n, T limit) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto most = hn::Set(d, limit);
  Index i = 0;
  // Not (|x| <= limit) is also true of what is not a number.
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto m0 = hn::Le(hn::Abs(hn::LoadU(d, x + i)), most);
    const auto m1 = hn::Le(hn::Abs(hn::LoadU(d, x + i + lanes)), most);
    const auto m2 = hn::Le(hn::Abs(hn::LoadU(d, x + i + 2 * lanes)), most);
    const auto m3 = hn::Le(hn::Abs(hn::LoadU(d, x + i + 3 * lanes)), most);
    if (!hn::AllTrue(d, hn::And(hn::And(m0, m1), hn::And(m2, m3)))) return false;
  }
  for (; i < n; i += lanes) {
    const auto v = LoadTail(d, x + i, HWY_MIN(lanes, n - i));
    if (!hn::AllTrue(d, hn::Le(hn::Abs(v), most))) return false;
  }
  return true;
}

void InputF32(const WinogradInput<float>& a) {
  a.tile == 2 ? InputRun<2>(a) : InputRun<4>(a);
}
void InputF64(const WinogradInput<double>& a) {
  a.tile == 2 ? InputRun<2>(a) : InputRun<4>(a);
}
void OutputF32(const WinogradOutput<float>& a) {
  a.tile == 2 ? OutputRun<2>(a) : OutputRun<4>(a);
}
void OutputF64(const WinogradOutput<double>& a) {
  a.tile == 2 ? OutputRun<2>(a) : OutputRun<4>(a);
}
bool WeightsF32(const WinogradWeights<float>& a) {
  return a.tile == 2 ? WeightsRun<2>(a) : WeightsRun<4>(a);
}
bool WeightsF64(const WinogradWeights<double>& a) {
  return a.tile == 2 ? WeightsRun<2>(a) : WeightsRun<4>(a);
}
void TransposeLinesF32(const float* from, Index from_stride, Index lines, Index count, float* to,
                       Index to_stride) {
  TransposeLinesRun(from, from_stride, lines, count, to, to_stride);
}
void TransposeLinesF64(const double* from, Index from_stride, Index lines, Index count, double* to,
                       Index to_stride) {
  TransposeLinesRun(from, from_stride, lines, count, to, to_stride);
}
void TransposeBackF32(const float* from, Index from_stride, Index lines, Index count, float* to,
                      Index to_stride) {
  TransposeBackRun(from, from_stride, lines, count, to, to_stride);
}
void TransposeBackF64(const double* from, Index from_stride, Index lines, Index count, double* to,
                      Index to_stride) {
  TransposeBackRun(from, from_stride, lines, count, to, to_stride);
}
bool AllWithinF32(const float* x, Index n, float limit) {
  return AllWithin(x, n, limit);
}
bool AllWithinF64(const double* x, Index n, double limit) {
  return AllWithin(x, n, limit);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(InputF32);
HWY_EXPORT(InputF64);
HWY_EXPORT(OutputF32);
HWY_EXPORT(OutputF64);
HWY_EXPORT(WeightsF32);
HWY_EXPORT(WeightsF64);
HWY_EXPORT(TransposeLinesF32);
HWY_EXPORT(TransposeLinesF64);
HWY_EXPORT(TransposeBackF32);
HWY_EXPORT(TransposeBackF64);
HWY_EXPORT(AllWithinF32);
HWY_EXPORT(AllWithinF64);

void winograd_input(const WinogradInput<float>& input) {
  HWY_DYNAMIC_DISPATCH(InputF32)(input);
}
void winograd_input(const WinogradInput<double>& input) {
  HWY_DYNAMIC_DISPATCH(InputF64)(input);
}
void winograd_output(const WinogradOutput<float>& output) {
  HWY_DYNAMIC_DISPATCH(OutputF32)(output);
}
void winograd_output(const WinogradOutput<double>& output) {
  HWY_DYNAMIC_DISPATCH(OutputF64)(output);
}
bool winograd_weights(const WinogradWeights<float>& weights) {
  return HWY_DYNAMIC_DISPATCH(WeightsF32)(weights);
}
bool winograd_weights(const WinogradWeights<double>& weights) {
  return HWY_DYNAMIC_DISPATCH(WeightsF64)(weights);
}
void transpose_lines(const float* from, Index from_stride, Index lines, Index count, float* to,
                     Index to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeLinesF32)(from, from_stride, lines, count, to, to_stride);
}
void transpose_lines(const double* from, Index from_stride, Index lines, Index count, double* to,
                     Index to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeLinesF64)(from, from_stride, lines, count, to, to_stride);
}
void transpose_back(const float* from, Index from_stride, Index lines, Index count, float* to,
                    Index to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeBackF32)(from, from_stride, lines, count, to, to_stride);
}
void transpose_back(const double* from, Index from_stride, Index lines, Index count, double* to,
                    Index to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeBackF64)(from, from_stride, lines, count, to, to_stride);
}
bool all_within(const float* x, Index n, float limit) {
  return HWY_DYNAMIC_DISPATCH(AllWithinF32)(x, n, limit);
}
bool all_within(const double* x, Index n, double limit) {
  return HWY_DYNAMIC_DISPATCH(AllWithinF64)(x, n, limit);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
