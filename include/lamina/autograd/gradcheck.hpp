#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "lamina/autograd/var.hpp"
#include "lamina/core/function_ref.hpp"

namespace lamina::autograd {

struct GradCheckOptions {
  double tolerance = 1e-7;  ///< largest error that passes
  /// Half the distance of the two points of a difference, times max(1, |x|). The function must be
  /// smooth over that distance: keep inputs away from kinks.
  double step = 1e-3;
  std::uint64_t seed = 0;  ///< of the weights that make one number of several results
};

/// What gradcheck() found: the worst element of all inputs.
struct GradCheckResult {
  bool passed = true;
  double error = 0;     ///< of that element, relative
  int input = -1;       ///< which input
  IndexList index;      ///< where in it
  double analytic = 0;  ///< what backward() says
  double numeric = 0;   ///< what the differences say
  double tolerance = 0;

  explicit operator bool() const noexcept { return passed; }
  /// "gradient of input 1 at (0, 2): backward 0.51, numeric 0.5, error 0.02 > 1e-07".
  [[nodiscard]] std::string message() const;
};
LAMINA_EXPORT std::ostream& operator<<(std::ostream& out, const GradCheckResult& result);

/// df/dx of a function of one array to a number, by central differences.
///
/// Each element is moved by step and by step / 2 and the two quotients are extrapolated
/// (Richardson), which leaves an error of order step^4: about 1e-12 relative for the default step.
/// Costs four calls an element.
[[nodiscard]] LAMINA_EXPORT Array<double> numeric_gradient(
    FunctionRef<double(const View<double>&)> function, const View<double>& x, double step = 1e-3);

/// Compares backward() with numeric_gradient() for every element of every input.
///
/// function   any computation on Vars; several results are reduced to one number by fixed random
///            weights, so every element of the Jacobian counts
/// The error of an element is |a - n| / max(|a|, |n|, floor); the floor, a thousandth of the
/// largest gradient (or what rounding allows to be seen), keeps elements near 0 from failing.
/// Errors: InvalidOperation if the result does not depend on Vars that require a gradient.
/// torch.autograd.gradcheck.
[[nodiscard]] LAMINA_EXPORT GradCheckResult
gradcheck(FunctionRef<Var<double>(const std::vector<Var<double>>&)> function,
          const std::vector<Array<double>>& inputs, const GradCheckOptions& options = {});

}  // namespace lamina::autograd

namespace lamina {
using autograd::gradcheck;
}  // namespace lamina
