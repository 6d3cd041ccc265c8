#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina::kernels {

/// The functions of math-inl.hpp and exp_roots-inl.hpp, to be called from tests on the SIMD target
/// in force.
enum class MathFunction : std::uint8_t {
  Exp,
  ExpWithRoots,
  ExpM1,
  Log,
  Log1P,
  Log1POfUnit,
  Sigmoid,
  Tanh,
  TimesNormalTail,
  Erf,
  Erfc,
};

void evaluate(MathFunction function, const float* x, float* y, std::size_t n);
void evaluate(MathFunction function, const double* x, double* y, std::size_t n);

}  // namespace lamina::kernels
