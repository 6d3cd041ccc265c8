#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "lamina/core/array.hpp"
#include "lamina/core/view.hpp"
#include "lamina/export.hpp"

/// Reductions: many elements become one.
///
/// x (any shape) -> the shape without the reduced axes, or with extent 1 there (`keepdims`).
/// Any strides. `out` of an `_into` function must not overlap x.
/// Errors of all: IndexOutOfBounds for an axis out of range; InvalidOperation for an axis named
/// twice; DimensionMismatch for an `out` of another shape, or dy or y of a gradient.
/// Numerics: blocks of 4096 elements (down columns: 256) are added in vectors, the blocks' sums by
/// compensated addition in f64, in an order that depends on shape and strides alone: the same bits
/// on any number of threads. A NaN makes its output NaN, wherever it stands.
namespace lamina::nn {

/// The members of the family with results of the type of x.
enum class Reduction : std::uint8_t {
  Sum,
  Mean,
  Prod,
  Max,
  Min,
  Var,
  Stddev,
  NormL1,
  NormL2,
  NormInf,
  LogSumExp,
};

/// One row of the family's table.
struct ReductionInfo {
  Reduction kind;
  std::string_view name;
  std::string_view formula;
  std::string_view onnx;     ///< operator of that name; empty if there is none
  bool of_nothing_is_error;  ///< no elements to reduce: an error rather than a neutral value
};

inline constexpr std::array<ReductionInfo, 11> kReductions{{
    {Reduction::Sum, "sum", "sum x", "ReduceSum", false},
    {Reduction::Mean, "mean", "sum x / n", "ReduceMean", false},
    {Reduction::Prod, "prod", "product x", "ReduceProd", false},
    {Reduction::Max, "max", "max x", "ReduceMax", true},
    {Reduction::Min, "min", "min x", "ReduceMin", true},
    {Reduction::Var, "var", "sum (x - mean)^2 / (n - ddof)", "", false},
    {Reduction::Stddev, "stddev", "sqrt(var)", "", false},
    {Reduction::NormL1, "norm_l1", "sum |x|", "ReduceL1", false},
    {Reduction::NormL2, "norm_l2", "sqrt(sum x^2)", "ReduceL2", false},
    {Reduction::NormInf, "norm_inf", "max |x|", "", false},
    {Reduction::LogSumExp, "logsumexp", "log sum exp x", "ReduceLogSumExp", false},
}};

/// The row of one member.
[[nodiscard]] constexpr const ReductionInfo& info(Reduction kind) noexcept {
  return kReductions[static_cast<std::size_t>(kind)];
}
/// "sum", "mean" ...
[[nodiscard]] constexpr std::string_view to_string(Reduction kind) noexcept {
  return info(kind).name;
}

/// Over which axes, and what remains of them.
struct ReduceOptions {
  Axes axes = {};         ///< none named: all of them; -1 is the last
  bool keepdims = false;  ///< reduced axes stay, with extent 1
  Index ddof = 0;         ///< var and stddev divide by n - ddof: 0 as NumPy, 1 as torch's default
};

/// The shape of the result. Errors: as above.
[[nodiscard]] LAMINA_EXPORT Shape reduced_shape(const Shape& shape, const ReduceOptions& options,
                                                std::string_view operation = "reduce");

/// Any member of the family, chosen at run time.
template <class T>
void reduce_into(Reduction kind, const View<T>& x, MutArg<T> out,
                 const ReduceOptions& options = {});
template <class T>
[[nodiscard]] Array<T> reduce(Reduction kind, const View<T>& x, const ReduceOptions& options = {});

/// dx of any member. y is its result; x and y may be left undefined where the named function does
/// not take them, but then `shape` must be that of x.
template <class T>
[[nodiscard]] Array<T> reduce_backward(Reduction kind, const View<T>& dy, const Shape& shape,
                                       ViewArg<T> x, ViewArg<T> y,
                                       const ReduceOptions& options = {});

/// dx of any member into memory at hand, whose shape is that of x. dx must not overlap the others.
template <class T>
void reduce_backward_into(Reduction kind, const View<T>& dy, ViewArg<T> x, ViewArg<T> y,
                          MutArg<T> dx, const ReduceOptions& options = {});

/// Sum; 0 of nothing. Gradient: sum_backward.  As numpy.sum, torch.sum, ONNX ReduceSum.
template <class T>
[[nodiscard]] Array<T> sum(const View<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Sum, x, options);
}
template <class T>
void sum_into(const View<T>& x, MutArg<T> out, const ReduceOptions& options = {}) {
  reduce_into(Reduction::Sum, x, out, options);
}
/// dx_i = dy of the output that x_i went into; `shape` is that of x.
template <class T>
[[nodiscard]] Array<T> sum_backward(const View<T>& dy, const Shape& shape,
                                    const ReduceOptions& options = {}) {
  return reduce_backward<T>(Reduction::Sum, dy, shape, {}, {}, options);
}

/// Arithmetic mean; NaN of nothing, as 0 / 0. Gradient: mean_backward.  As numpy.mean, torch.mean,
/// ONNX ReduceMean.
template <class T>
[[nodiscard]] Array<T> mean(const View<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Mean, x, options);
}
template <class T>
void mean_into(const View<T>& x, MutArg<T> out, const ReduceOptions& options = {}) {
  reduce_into(Reduction::Mean, x, out, options);
}
/// dx_i = dy / n; `shape` is that of x.
template <class T>
[[nodiscard]] Array<T> mean_backward(const View<T>& dy, const Shape& shape,
                                     const ReduceOptions& options = {}) {
  return reduce_backward<T>(Reduction::Mean, dy, shape, {}, {}, options);
}

/// Product; 1 of nothing. Gradient: prod_backward.  As numpy.prod, torch.prod, ONNX ReduceProd.
template <class T>
[[nodiscard]] Array<T> prod(const View<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Prod, x, options);
}
template <class T>
void prod_into(const View<T>& x, MutArg<T> out, const ReduceOptions& options = {}) {
  reduce_into(Reduction::Prod, x, out, options);
}
/// dx_i = dy * product of the other elements, which is right for zeros too.
template <class T>
[[nodiscard]] Array<T> prod_backward(const View<T>& dy, ViewArg<T> x,
                                     const ReduceOptions& options = {}) {
  return reduce_backward<T>(Reduction::Prod, dy, x.shape(), x, {}, options);
}

/// Greatest element; NaN if there is one. Error(InvalidOperation) of nothing. Gradient:
/// max_backward.  As numpy.max, torch.amax, ONNX ReduceMax.
template <class T>
[[nodiscard]] Array<T> max(const View<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Max, x, options);
}
template <class T>
void max_into(const View<T>& x, MutArg<T> out, const ReduceOptions& options = {}) {
  reduce_into(Reduction::Max, x, out, options);
}
/// dx_i = dy / ties where x_i = y, else 0: elements that tie share the gradient evenly, as
/// torch.amax. Where y is NaN, dx is 0.
template <class T>
[[nodiscard]] Array<T> max_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> y,
                                    const ReduceOptions& options = {}) {
  return reduce_backward<T>(Reduction::Max, dy, x.shape(), x, y, options);
}

/// Least element; otherwise as max. Gradient: min_backward.  As numpy.min, torch.amin, ONNX
/// ReduceMin.
template <class T>
[[nodiscard]] Array<T> min(const View<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Min, x, options);
}
template <class T>
void min_into(const View<T>& x, MutArg<T> out, const ReduceOptions& options = {}) {
  reduce_into(Reduction::Min, x, out, options);
}
/// As max_backward.
template <class T>
[[nodiscard]] Array<T> min_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> y,
                                    const ReduceOptions& options = {}) {
  return reduce_backward<T>(Reduction::Min, dy, x.shape(), x, y, options);
}

/// Variance in two passes, sum (x - mean)^2 / (n - ddof), corrected for the rounding of the mean;
/// NaN where n <= ddof and the sum is 0. Gradient: var_backward.  As numpy.var; torch.var takes
/// ddof = 1 by default.
template <class T>
[[nodiscard]] Array<T> var(const View<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Var, x, options);
}
template <class T>
void var_into(const View<T>& x, MutArg<T> out, const ReduceOptions& options = {}) {
  reduce_into(Reduction::Var, x, out, options);
}
/// dx_i = dy * 2 (x_i - mean) / (n - ddof)
template <class T>
[[nodiscard]] Array<T> var_backward(const View<T>& dy, ViewArg<T> x,
                                    const ReduceOptions& options = {}) {
  return reduce_backward<T>(Reduction::Var, dy, x.shape(), x, {}, options);
}

/// Standard deviation, sqrt(var). Gradient: stddev_backward.  As numpy.std; torch.std takes
/// ddof = 1 by default.
template <class T>
[[nodiscard]] Array<T> stddev(const View<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::Stddev, x, options);
}
template <class T>
void stddev_into(const View<T>& x, MutArg<T> out, const ReduceOptions& options = {}) {
  reduce_into(Reduction::Stddev, x, out, options);
}
/// dx_i = dy * (x_i - mean) / ((n - ddof) y); 0 where y is 0.
template <class T>
[[nodiscard]] Array<T> stddev_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> y,
                                       const ReduceOptions& options = {}) {
  return reduce_backward<T>(Reduction::Stddev, dy, x.shape(), x, y, options);
}

/// Which vector norm.
enum class Norm : std::uint8_t { L1, L2, Inf };
namespace detail {
constexpr Reduction norm_reduction(Norm order) noexcept {
  return order == Norm::L1   ? Reduction::NormL1
         : order == Norm::L2 ? Reduction::NormL2
                             : Reduction::NormInf;
}
}  // namespace detail

/// Vector norm: sum |x|, sqrt(sum x^2) or max |x|; 0 of nothing. The squares of L2 neither overflow
/// nor vanish. Gradient: norm_backward.  As numpy.linalg.norm of vectors, torch.linalg.vector_norm.
template <class T>
[[nodiscard]] Array<T> norm(const View<T>& x, Norm order = Norm::L2,
                            const ReduceOptions& options = {}) {
  return reduce(detail::norm_reduction(order), x, options);
}
template <class T>
void norm_into(const View<T>& x, MutArg<T> out, Norm order = Norm::L2,
               const ReduceOptions& options = {}) {
  reduce_into(detail::norm_reduction(order), x, out, options);
}
/// L1: dy sign(x_i).  L2: dy x_i / y, 0 where y is 0.  Inf: dy sign(x_i) / ties where |x_i| = y.
template <class T>
[[nodiscard]] Array<T> norm_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> y,
                                     Norm order = Norm::L2, const ReduceOptions& options = {}) {
  return reduce_backward<T>(detail::norm_reduction(order), dy, x.shape(), x, y, options);
}

/// log(sum exp(x)) without overflow; -inf of nothing and of nothing but -inf, +inf if there is a
/// +inf. Gradient: logsumexp_backward.  As scipy.special.logsumexp, torch.logsumexp, ONNX
/// ReduceLogSumExp.
template <class T>
[[nodiscard]] Array<T> logsumexp(const View<T>& x, const ReduceOptions& options = {}) {
  return reduce(Reduction::LogSumExp, x, options);
}
template <class T>
void logsumexp_into(const View<T>& x, MutArg<T> out, const ReduceOptions& options = {}) {
  reduce_into(Reduction::LogSumExp, x, out, options);
}
/// dx_i = dy exp(x_i - y), the softmax; 0 where y is -inf.
template <class T>
[[nodiscard]] Array<T> logsumexp_backward(const View<T>& dy, ViewArg<T> x, ViewArg<T> y,
                                          const ReduceOptions& options = {}) {
  return reduce_backward<T>(Reduction::LogSumExp, dy, x.shape(), x, y, options);
}

/// Position of the greatest element along one axis, or in row-major order of the whole array if no
/// axis is named: the first of equals, the first NaN if there is one.
/// Errors: InvalidOperation of nothing, and for more than one axis. No gradient.
/// As numpy.argmax, torch.argmax, ONNX ArgMax.
template <class T>
[[nodiscard]] Array<std::int64_t> argmax(const View<T>& x, const ReduceOptions& options = {});
template <class T>
void argmax_into(const View<T>& x, MutView<std::int64_t> out, const ReduceOptions& options = {});
/// Position of the least element; otherwise as argmax.
template <class T>
[[nodiscard]] Array<std::int64_t> argmin(const View<T>& x, const ReduceOptions& options = {});
template <class T>
void argmin_into(const View<T>& x, MutView<std::int64_t> out, const ReduceOptions& options = {});

/// Whether any element is true; false of nothing.  As numpy.any.
LAMINA_EXPORT void any_into(const View<bool>& x, MutView<bool> out,
                            const ReduceOptions& options = {});
[[nodiscard]] LAMINA_EXPORT Array<bool> any(const View<bool>& x, const ReduceOptions& options = {});
/// Whether all elements are true; true of nothing.  As numpy.all.
LAMINA_EXPORT void all_into(const View<bool>& x, MutView<bool> out,
                            const ReduceOptions& options = {});
[[nodiscard]] LAMINA_EXPORT Array<bool> all(const View<bool>& x, const ReduceOptions& options = {});

}  // namespace lamina::nn
