#include "kernels/local_response.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/local_response.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// v = function(i, load) for each vector of a run; load and store touch its elements only.
template <class D, class F>
HWY_INLINE void ForVectors(D d, Index n, const F& function) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  using T = hn::TFromD<D>;
  Index i = 0;
  for (; i + lanes <= n; i += lanes) {
    function(
        i, [&](const T* from) HWY_ATTR { return hn::LoadU(d, from); },
        [&](hn::Vec<D> v, T* to) HWY_ATTR { hn::StoreU(v, d, to); });
  }
  if (i < n) {
    const Index count = n - i;
    function(
        i, [&](const T* from) HWY_ATTR { return LoadTail(d, from, count); },
        [&](hn::Vec<D> v, T* to) HWY_ATTR { StoreTail(d, v, to, count); });
  }
}

template <class D, class T, class L>
HWY_INLINE hn::Vec<D> WindowSum(D d, const Window<T>& window, Index i, const L& load) {
  hn::Vec<D> sum = hn::Zero(d);
  for (Index w = 0; w < window.size; ++w) {
    sum = hn::Add(sum, load(window.from + w * window.stride + i));
  }
  return sum;
}

/// s^-beta. The usual exponent, 3/4, needs roots only.
template <class D, class V>
HWY_INLINE V NegativePower(D d, V s, hn::TFromD<D> beta) {
  using T = hn::TFromD<D>;
  if (beta == T(0.75)) {
    const V root = hn::Sqrt(s);
    return hn::Div(hn::Set(d, T(1)), hn::Mul(root, hn::Sqrt(root)));
  }
  return Exp(d, hn::Mul(hn::Set(d, -beta), Log(d, s)));
}

template <class T>
void LocalResponse(const ResponseArgs<T>& a) {
  const hn::ScalableTag<T> d;
  ForVectors(d, a.n, [&](Index i, const auto& load, const auto& store) HWY_ATTR {
    const auto s =
        hn::MulAdd(hn::Set(d, a.alpha), WindowSum(d, a.window, i, load), hn::Set(d, a.k));
    store(hn::Mul(load(a.x + i), NegativePower(d, s, a.beta)), a.y + i);
  });
}

template <class T>
void LocalResponseTerms(const ResponseArgs<T>& a) {
  const hn::ScalableTag<T> d;
  ForVectors(d, a.n, [&](Index i, const auto& load, const auto& store) HWY_ATTR {
    const auto s =
        hn::MulAdd(hn::Set(d, a.alpha), WindowSum(d, a.window, i, load), hn::Set(d, a.k));
    const auto part = hn::Mul(load(a.dy + i), NegativePower(d, s, a.beta));
    store(part, a.y + i);
    store(hn::Div(hn::Mul(part, load(a.x + i)), s), a.term + i);
  });
}

template <class T>
void LocalResponseFinish(const T* part, const T* x, const Window<T>& terms, T factor, T* dx,
                         Index n) {
  const hn::ScalableTag<T> d;
  ForVectors(d, n, [&](Index i, const auto& load, const auto& store) HWY_ATTR {
    const auto sum = hn::Mul(hn::Set(d, factor), WindowSum(d, terms, i, load));
    store(hn::NegMulAdd(sum, load(x + i), load(part + i)), dx + i);
  });
}

void LocalResponseF32(const ResponseArgs<float>& args) {
  LocalResponse(args);
}
void LocalResponseF64(const ResponseArgs<double>& args) {
  LocalResponse(args);
}
void LocalResponseTermsF32(const ResponseArgs<float>& args) {
  LocalResponseTerms(args);
}
void LocalResponseTermsF64(const ResponseArgs<double>& args) {
  LocalResponseTerms(args);
}
void LocalResponseFinishF32(const float* part, const float* x, const Window<float>& terms,
                            float factor, float* dx, Index n) {
  LocalResponseFinish(part, x, terms, factor, dx, n);
}
void LocalResponseFinishF64(const double* part, const double* x, const Window<double>& terms,
                            double factor, double* dx, Index n) {
  LocalResponseFinish(part, x, terms, factor, dx, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(LocalResponseF32);
HWY_EXPORT(LocalResponseF64);
HWY_EXPORT(LocalResponseTermsF32);
HWY_EXPORT(LocalResponseTermsF64);
HWY_EXPORT(LocalResponseFinishF32);
HWY_EXPORT(LocalResponseFinishF64);

void local_response(const ResponseArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(LocalResponseF32)(args);
}
void local_response(const ResponseArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(LocalResponseF64)(args);
}
void local_response_terms(const ResponseArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(LocalResponseTermsF32)(args);
}
void local_response_terms(const ResponseArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(LocalResponseTermsF64)(args);
}
void local_response_finish(const float* part, const float* x, const Window<float>& terms,
                           float factor, float* dx, Index n) {
  HWY_DYNAMIC_DISPATCH(LocalResponseFinishF32)(part, x, terms, factor, dx, n);
}
void local_response_finish(const double* part, const double* x, const Window<double>& terms,
                           double factor, double* dx, Index n) {
  HWY_DYNAMIC_DISPATCH(LocalResponseFinishF64)(part, x, terms, factor, dx, n);
}

}  // namespace lamina::kernels
#endif
