#include "kernels/prelu.hpp"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/prelu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/map-inl.hpp"
#include "kernels/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

template <class T>
void PreluForward(const T* x, const T* slope, T* y, size_t n) {
  MapRun(
      n, y,
      [](auto d, auto v, auto s)
          HWY_ATTR { return hn::IfThenElse(hn::Gt(v, hn::Zero(d)), v, hn::Mul(s, v)); },
      x, slope);
}

template <class T>
void PreluInput(const T* x, const T* slope, const T* dy, T* dx, size_t n) {
  MapRun(
      n, dx,
      [](auto d, auto v, auto s, auto g)
          HWY_ATTR { return KeepNaN(v, hn::IfThenElse(hn::Gt(v, hn::Zero(d)), g, hn::Mul(s, g))); },
      x, slope, dy);
}

template <class T>
void PreluSlope(const T* x, const T* dy, T* term, size_t n) {
  MapRun(
      n, term,
      [](auto d, auto v, auto g)
          HWY_ATTR { return hn::IfThenZeroElse(hn::Gt(v, hn::Zero(d)), hn::Mul(v, g)); },
      x, dy);
}

void PreluForwardF32(const float* x, const float* slope, float* y, size_t n) {
  PreluForward(x, slope, y, n);
}
void PreluForwardF64(const double* x, const double* slope, double* y, size_t n) {
  PreluForward(x, slope, y, n);
}
void PreluInputF32(const float* x, const float* slope, const float* dy, float* dx, size_t n) {
  PreluInput(x, slope, dy, dx, n);
}
void PreluInputF64(const double* x, const double* slope, const double* dy, double* dx, size_t n) {
  PreluInput(x, slope, dy, dx, n);
}
void PreluSlopeF32(const float* x, const float* dy, float* term, size_t n) {
  PreluSlope(x, dy, term, n);
}
void PreluSlopeF64(const double* x, const double* dy, double* term, size_t n) {
  PreluSlope(x, dy, term, n);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(PreluForwardF32);
HWY_EXPORT(PreluForwardF64);
HWY_EXPORT(PreluInputF32);
HWY_EXPORT(PreluInputF64);
HWY_EXPORT(PreluSlopeF32);
HWY_EXPORT(PreluSlopeF64);

void prelu_forward(const float* x, const float* slope, float* y, Index n) {
  HWY_DYNAMIC_DISPATCH(PreluForwardF32)(x, slope, y, static_cast<size_t>(n));
}
void prelu_forward(const double* x, const double* slope, double* y, Index n) {
  HWY_DYNAMIC_DISPATCH(PreluForwardF64)(x, slope, y, static_cast<size_t>(n));
}
void prelu_backward_input(const float* x, const float* slope, const float* dy, float* dx, Index n) {
  HWY_DYNAMIC_DISPATCH(PreluInputF32)(x, slope, dy, dx, static_cast<size_t>(n));
}
void prelu_backward_input(const double* x, const double* slope, const double* dy, double* dx,
                          Index n) {
  HWY_DYNAMIC_DISPATCH(PreluInputF64)(x, slope, dy, dx, static_cast<size_t>(n));
}
void prelu_backward_slope(const float* x, const float* dy, float* term, Index n) {
  HWY_DYNAMIC_DISPATCH(PreluSlopeF32)(x, dy, term, static_cast<size_t>(n));
}
void prelu_backward_slope(const double* x, const double* dy, double* term, Index n) {
  HWY_DYNAMIC_DISPATCH(PreluSlopeF64)(x, dy, term, static_cast<size_t>(n));
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
