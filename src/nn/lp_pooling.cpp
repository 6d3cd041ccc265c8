#include <cmath>
#include <string>

#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/comparison.hpp"
#include "lamina/nn/pooling.hpp"
#include "nn/layout.hpp"
#include "nn/pooling_plan.hpp"

namespace lamina::nn::detail {

namespace {

using kernels::PoolFinish;
using kernels::PoolOp;

template <int Rank>
PoolPlan lp_plan(const Shape& x, double p, const PerAxis<Rank>& kernel,
                 const PoolOptions<Rank>& options, std::string_view operation) {
  check(p >= 1 && std::isfinite(p), ErrorKind::InvalidOperation, operation,
        "p must be finite and at least 1, got ", p);
  return plan_of<Rank>(x, kernel, options, {.fixed = 1}, operation);
}

template <class T>
void run_lp(const PoolPlan& plan, const View<T>& x, double p, T* y) {
  if (p == 1 || p == 2) {
    run_pool(plan, p == 1 ? PoolOp::SumAbs : PoolOp::SumSquares,
             p == 1 ? PoolFinish::None : PoolFinish::Root, x, y, nullptr);
    return;
  }
  const Array<T> powers = pow(abs(x), static_cast<T>(p));
  run_pool<T>(plan, PoolOp::Sum, PoolFinish::None, powers, y, nullptr);
  const MutView<T> sums(y, plan.out);
  binary_scalar_into<T>(BinaryOp::Pow, sums, static_cast<T>(1 / p), sums);
}

}  // namespace

template <class T, int Rank>
void lp_pool_into(const View<T>& x, double p, const PerAxis<Rank>& kernel, const MutView<T>& out,
                  const PoolOptions<Rank>& options) {
  const std::string operation = pool_name("lp_pool", Rank);
  check_defined(x, operation, "x");
  const PoolPlan plan = lp_plan<Rank>(x.shape(), p, kernel, options, operation);
  check_pool_output<T, T>(out, plan.out, x, operation, "out", "x");
  PackedOut<T> values(out);
  run_lp(plan, x, p, values.data());
  values.finish();
}

template <class T, int Rank>
Array<T> lp_pool(const View<T>& x, double p, const PerAxis<Rank>& kernel,
                 const PoolOptions<Rank>& options) {
  const std::string operation = pool_name("lp_pool", Rank);
  check_defined(x, operation, "x");
  const PoolPlan plan = lp_plan<Rank>(x.shape(), p, kernel, options, operation);
  Array<T> out = Array<T>::empty(plan.out);
  run_lp(plan, x, p, out.data());
  return out;
}

template <class T, int Rank>
void lp_pool_backward_into(const View<T>& dy, const View<T>& x, const View<T>& y, double p,
                           const PerAxis<Rank>& kernel, const MutView<T>& dx,
                           const PoolOptions<Rank>& options) {
  const std::string operation = pool_name("lp_pool", Rank, "_backward");
  check_defined(x, operation, "x");
  const PoolPlan plan = lp_plan<Rank>(x.shape(), p, kernel, options, operation);
  check_pool_shape(dy, plan.out, operation, "dy");
  check_pool_shape(y, plan.out, operation, "y");
  check_output(dx, "dx", plan.in, operation, dy, x, y);
  const T order = static_cast<T>(p - 1);
  Array<T> shares = p == 1 ? dy.copy() : div(dy, p == 2 ? y.copy() : pow(y, order));
  if (p != 1) {
    shares = where<T>(equal(y, T(0)), Array<T>::zeros(Shape{}), shares);
  }
  PackedOut<T> values(dx);
  run_pool_spread(plan, shares.data(), values.data());
  values.finish();
  if (p == 2) {
    mul_into<T>(dx, x, dx);
  } else {
    mul_into<T>(dx, sign(x), dx);
    if (p != 1) mul_into<T>(dx, pow(abs(x), order), dx);
  }
}

template <class T, int Rank>
Array<T> lp_pool_backward(const View<T>& dy, const View<T>& x, const View<T>& y, double p,
                          const PerAxis<Rank>& kernel, const PoolOptions<Rank>& options) {
  Array<T> dx = Array<T>::empty(x.shape());
  lp_pool_backward_into<T, Rank>(dy, x, y, p, kernel, dx, options);
  return dx;
}

#define LAMINA_INSTANTIATE_RANK(T, Rank)                                                          \
  template LAMINA_EXPORT void lp_pool_backward_into<T, Rank>(                                     \
      const View<T>&, const View<T>&, const View<T>&, double, const PerAxis<Rank>&,               \
      const MutView<T>&, const PoolOptions<Rank>&);                                               \
  template LAMINA_EXPORT void lp_pool_into<T, Rank>(const View<T>&, double, const PerAxis<Rank>&, \
                                                    const MutView<T>&, const PoolOptions<Rank>&); \
  template LAMINA_EXPORT Array<T> lp_pool<T, Rank>(const View<T>&, double, const PerAxis<Rank>&,  \
                                                   const PoolOptions<Rank>&);                     \
  template LAMINA_EXPORT Array<T> lp_pool_backward<T, Rank>(                                      \
      const View<T>&, const View<T>&, const View<T>&, double, const PerAxis<Rank>&,               \
      const PoolOptions<Rank>&);
#define LAMINA_INSTANTIATE(T)   \
  LAMINA_INSTANTIATE_RANK(T, 1) \
  LAMINA_INSTANTIATE_RANK(T, 2) \
  LAMINA_INSTANTIATE_RANK(T, 3)
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
