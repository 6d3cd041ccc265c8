#include "kernels/math_functions.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/math_functions.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/exp_roots-inl.hpp"
#include "kernels/map-inl.hpp"
#include "kernels/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

template <class T>
void Evaluate(MathFunction function, const T* x, T* y, size_t n) {
  const auto map = [=](const auto& f) { MapRun<1>(n, y, f, x); };
  switch (function) {
    case MathFunction::Exp:
      return map([](auto d, auto v) HWY_ATTR { return Exp(d, v); });
    case MathFunction::ExpWithRoots:
      return map([](auto d, auto v) HWY_ATTR { return ExpWithRoots(d, v); });
    case MathFunction::ExpM1:
      return map([](auto d, auto v) HWY_ATTR { return ExpM1(d, v); });
    case MathFunction::Log:
      return map([](auto d, auto v) HWY_ATTR { return Log(d, v); });
    case MathFunction::Log1P:
      return map([](auto d, auto v) HWY_ATTR { return Log1P(d, v); });
    case MathFunction::Log1POfUnit:
      return map([](auto d, auto v) HWY_ATTR { return Log1POfUnit(d, v); });
    case MathFunction::Sigmoid:
      return map([](auto d, auto v) HWY_ATTR { return Sigmoid(d, v); });
    case MathFunction::Tanh:
      return map([](auto d, auto v) HWY_ATTR { return Tanh(d, v); });
    case MathFunction::TimesNormalTail:
      return map([](auto d, auto v) HWY_ATTR { return TimesNormalTail(d, v); });
    case MathFunction::Erf:
      return map([](auto d, auto v) HWY_ATTR { return Erf(d, v); });
    case MathFunction::Erfc:
      return map([](auto d, auto v) HWY_ATTR { return Erfc(d, v); });
  }
}

void EvaluateF32(MathFunction function, const float* x, float* y, size_t n) {
  Evaluate(function, x, y, n);
}
void EvaluateF64(MathFunction function, const double* x, double* y, size_t n) {
  Evaluate(function, x, y, n);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(EvaluateF32);
HWY_EXPORT(EvaluateF64);

void evaluate(MathFunction function, const float* x, float* y, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(EvaluateF32)(function, x, y, n);
}
void evaluate(MathFunction function, const double* x, double* y, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(EvaluateF64)(function, x, y, n);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
