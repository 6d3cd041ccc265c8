#include "kernels/winograd_gradient.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_gradient.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

inline constexpr int kTile = 4;
inline constexpr int kSide = kTile + 2;

// A times a column of kTile.
template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void SpreadTile(D d, const V* in, V* out) {
  const V two = hn::Set(d, T(2.0));
  const V four = hn::Set(d, T(4.0));
  const V even1 = hn::Add(in[0], in[2]);
  const V odd1 = hn::Add(in[1], in[3]);
  const V even2 = hn::MulAdd(four, in[2], in[0]);
  const V odd2 = hn::Mul(two, hn::MulAdd(four, in[3], in[1]));
  out[0] = in[0];
  out[1] = hn::Add(even1, odd1);
  out[2] = hn::Sub(even1, odd1);
  out[3] = hn::Add(even2, odd2);
  out[4] = hn::Sub(even2, odd2);
  out[5] = in[3];
}

template <class T>
void GradientRun(const WinogradGradient<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index t = 0; t < a.tiles; ++t) {
    for (Index c = 0; c < a.channels; c += lanes) {
      const Index first = kTile * t * a.channels + c;
      V half[kTile][kSide];  // [j][point]
      HWY_UNROLL(4)
      for (int j = 0; j < kTile; ++j) {
        V in[kTile];
        HWY_UNROLL(4)
        for (int i = 0; i < kTile; ++i) {
          in[i] = hn::LoadU(d, a.rows[static_cast<size_t>(i)] + first + j * a.channels);
        }
        SpreadTile(d, in, half[j]);
      }
      T* HWY_RESTRICT out = a.out + t * a.out_row + c;
      HWY_UNROLL(6)
      for (int i = 0; i < kSide; ++i) {
        V in[kTile];
        V result[kSide];
        HWY_UNROLL(4)
        for (int j = 0; j < kTile; ++j) {
          in[j] = half[j][i];
        }
        SpreadTile(d, in, result);
        HWY_UNROLL(6)
        for (int j = 0; j < kSide; ++j) {
          hn::StoreU(result[j], d, out);
          out += a.out_stride;
        }
      }
    }
  }
}

// G^T times a column of kTile + 2.
template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void GatherTaps(D d, const V* in, V* out) {
  const V sum1 = hn::Add(in[1], in[2]);
  const V quarter = hn::Set(d, T(0.25));
  const V sixth = hn::Set(d, T(1) / 6);
  const V half = hn::Set(d, T(0.5));
  const V sum2 = hn::Add(in[3], in[4]);
  const V difference1 = hn::Sub(in[2], in[1]);
  const V difference2 = hn::Sub(in[3], in[4]);
  // m0 / 4 - (m1 + m2) / 6 + (m3 + m4) / 24
  const V outer = hn::NegMulAdd(quarter, sum2, sum1);
  out[0] = hn::NegMulAdd(sixth, outer, hn::Mul(quarter, in[0]));
  out[1] = hn::Mul(sixth, hn::MulAdd(half, difference2, difference1));
  out[2] = hn::MulAdd(sixth, hn::Sub(sum2, sum1), in[5]);
}

template <class T>
void SumsRun(const WinogradSums<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index c = 0; c < a.channels; c += lanes) {
    V half[kSide][3];  // [i][column]
    const T* HWY_RESTRICT from = a.sums + c;
    for (int i = 0; i < kSide; ++i) {
      V in[kSide];
      for (int j = 0; j < kSide; ++j) {
        in[j] = hn::LoadU(d, from);
        for (Index part = 1; part < a.parts; ++part) {
          in[j] = hn::Add(in[j], hn::LoadU(d, from + part * a.part_stride));
        }
        from += a.stride;
      }
      GatherTaps(d, in, half[i]);
    }
    for (int s = 0; s < 3; ++s) {
      V in[kSide];
      V result[3];
      for (int i = 0; i < kSide; ++i) {
        in[i] = half[i][s];
      }
      GatherTaps(d, in, result);
      for (int r = 0; r < 3; ++r) {
        hn::StoreU(result[r], d, a.out + (3 * r + s) * a.out_stride + c);
      }
    }
  }
}

void GradientF32(const WinogradGradient<float>& a) {
  GradientRun(a);
}
void GradientF64(const WinogradGradient<double>& a) {
  GradientRun(a);
}
void SumsF32(const WinogradSums<float>& a) {
  SumsRun(a);
}
void SumsF64(const WinogradSums<double>& a) {
  SumsRun(a);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(GradientF32);
HWY_EXPORT(GradientF64);
HWY_EXPORT(SumsF32);
HWY_EXPORT(SumsF64);

void winograd_gradient(const WinogradGradient<float>& gradient) {
  HWY_DYNAMIC_DISPATCH(GradientF32)(gradient);
}
void winograd_gradient(const WinogradGradient<double>& gradient) {
  HWY_DYNAMIC_DISPATCH(GradientF64)(gradient);
}
void winograd_sums(const WinogradSums<float>& sums) {
  HWY_DYNAMIC_DISPATCH(SumsF32)(sums);
}
void winograd_sums(const WinogradSums<double>& sums) {
  HWY_DYNAMIC_DISPATCH(SumsF64)(sums);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
