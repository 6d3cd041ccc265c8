#include "kernels/embedding.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/embedding.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The columns [column, column + width) of a result in registers; a width that is not
/// kVectors * lanes is below one vector.
template <int kVectors, class D, class T, class Combine>
HWY_INLINE void CombineRows(D d, const RowSelection<T>& s, Index column, Index width, T* y,
                            const Combine& combine) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const bool whole = width == kVectors * lanes;
  const auto load = [&](Index i, int v) HWY_ATTR {
    const T* from = s.rows + s.index[i] * s.row_stride + column;
    return whole ? hn::LoadU(d, from + v * lanes) : LoadTail(d, from, width);
  };
  hn::Vec<D> sum[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = combine.First(d, load(0, v));
  }
  for (Index i = 1; i < s.count; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = combine.Next(d, sum[v], load(i, v), i);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    const auto result = combine.Last(d, sum[v]);
    if (whole) {
      hn::StoreU(result, d, y + column + v * lanes);
    } else {
      StoreTail(d, result, y + column, width);
    }
  }
}

template <class T, class Combine>
HWY_INLINE void CombineAll(const RowSelection<T>& s, T* y, const Combine& combine) {
  if (s.count == 0) {
    for (Index j = 0; j < s.n; ++j) {
      y[j] = T(0);
    }
    return;
  }
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index j = 0;
  for (; j + 8 * lanes <= s.n; j += 8 * lanes) {
    CombineRows<8>(d, s, j, 8 * lanes, y, combine);
  }
  for (; j + lanes <= s.n; j += lanes) {
    CombineRows<1>(d, s, j, lanes, y, combine);
  }
  if (j < s.n) {
    CombineRows<1>(d, s, j, s.n - j, y, combine);
  }
}

template <bool kWeighted, class T>
struct Sum {
  const T* weights;
  T scale;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V First(D d, V x) const {
    return kWeighted ? hn::Mul(x, hn::Set(d, weights[0])) : x;
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Next(D d, V sum, V x, Index i) const {
    return kWeighted ? hn::MulAdd(x, hn::Set(d, weights[i]), sum) : hn::Add(sum, x);
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Last(D d, V sum) const {
    return scale == T(1) ? sum : hn::Mul(sum, hn::Set(d, scale));
  }
};

struct Max {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V First(D /*d*/, V x) const {
    return x;
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Next(D /*d*/, V max, V x, Index /*i*/) const {
    // A comparison with NaN is false, so a NaN in either place stays unless seen to.
    const V greater = hn::IfThenElse(hn::Gt(x, max), x, max);
    return hn::IfThenElse(hn::IsNaN(x), x, greater);
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Last(D /*d*/, V max) const {
    return max;
  }
};

template <class T>
void SumRows(const RowSelection<T>& selection, const T* weights, T scale, T* y) {
  if (weights != nullptr) {
    CombineAll(selection, y, Sum<true, T>{weights, scale});
  } else {
    CombineAll(selection, y, Sum<false, T>{weights, scale});
  }
}
void SumRowsF32(const RowSelection<float>& selection, const float* weights, float scale, float* y) {
  SumRows(selection, weights, scale, y);
}
void SumRowsF64(const RowSelection<double>& selection, const double* weights, double scale,
                double* y) {
  SumRows(selection, weights, scale, y);
}
void MaxRowsF32(const RowSelection<float>& selection, float* y) {
  CombineAll(selection, y, Max());
}
void MaxRowsF64(const RowSelection<double>& selection, double* y) {
  CombineAll(selection, y, Max());
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(SumRowsF32);
HWY_EXPORT(SumRowsF64);
HWY_EXPORT(MaxRowsF32);
HWY_EXPORT(MaxRowsF64);

void sum_rows(const RowSelection<float>& selection, const float* weights, float scale, float* y) {
  HWY_DYNAMIC_DISPATCH(SumRowsF32)(selection, weights, scale, y);
}
void sum_rows(const RowSelection<double>& selection, const double* weights, double scale,
              double* y) {
  HWY_DYNAMIC_DISPATCH(SumRowsF64)(selection, weights, scale, y);
}
void max_rows(const RowSelection<float>& selection, float* y) {
  HWY_DYNAMIC_DISPATCH(MaxRowsF32)(selection, y);
}
void max_rows(const RowSelection<double>& selection, double* y) {
  HWY_DYNAMIC_DISPATCH(MaxRowsF64)(selection, y);
}

}  // namespace lamina::kernels
#endif
