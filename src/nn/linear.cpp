#include "lamina/nn/linear.hpp"

#include <algorithm>
#include <string_view>

#include "nn/gemm.hpp"
#include "nn/linear_arguments.hpp"

namespace lamina::nn {

namespace {

using detail::as_factor_and_product;
using detail::check_apart;
using detail::check_out;
using detail::check_rank;
using detail::GemmBatch;
using detail::GemmOptions;
using detail::MatrixRef;
using detail::MemorySpan;
using detail::span_of;
using detail::with_features;

// An array as a stack of matrices: the last two axes, and those before them.
template <class T>
struct Stack {
  MatrixRef<T> matrix;
  Shape extents;
  Strides strides;
};

template <class T>
Stack<T> stack_of(const View<T>& x) {
  const int last = x.rank() - 1;
  Stack<T> stack;
  stack.matrix = {x.data(), x.shape()[last - 1], x.shape()[last], x.strides()[last - 1],
                  x.strides()[last]};
  IndexList extents = x.shape();
  stack.strides = x.strides();
  for (int i = 0; i < 2; ++i) {
    extents.erase(extents.rank() - 1);
    stack.strides.erase(stack.strides.rank() - 1);
  }
  stack.extents = Shape(extents);
  return stack;
}

// x with a vector made a matrix: one row or one column.
template <class T>
View<T> as_row(const View<T>& x) {
  return x.rank() == 1 ? x.expand_dims(0) : x;
}
template <class T>
View<T> as_column(const View<T>& x) {
  return x.rank() == 1 ? x.expand_dims(1) : x;
}

// Strides of a stack along the axes of `extents`: 0 where it has the axis not, or only once.
template <class T>
Strides strides_along(const Stack<T>& stack, const Shape& extents) {
  Strides strides;
  const int missing = extents.rank() - stack.extents.rank();
  for (int axis = 0; axis < extents.rank(); ++axis) {
    const bool varies = axis >= missing && stack.extents[axis - missing] != 1;
    strides.push_back(varies ? stack.strides[axis - missing] : 0);
  }
  return strides;
}

// out = a b for each index below `extents`, summed along the axes that out lacks.
template <class T>
void multiply(const Stack<T>& a, const Stack<T>& b, const MutView<T>& out, const Shape& extents,
              const GemmOptions<T>& options = {}) {
  const Stack<T> c = stack_of<T>(out);
  const GemmBatch batch{extents, strides_along(a, extents), strides_along(b, extents),
                        strides_along(c, extents)};
  detail::gemm_batched<T>(batch, a.matrix, b.matrix, out.data(), c.matrix.row_stride,
                          c.matrix.col_stride, options);
}

template <class T>
Stack<T> transposed(Stack<T> stack) {
  stack.matrix = stack.matrix.transposed();
  return stack;
}

// out = a b with all leading axes of a and out taken together: the common case, at little cost.
// False, and nothing is done, where it is not that simple or not valid.
template <class T>
bool multiply_matrices(const View<T>& a, const MatrixRef<T>& b, const MutView<T>& out,
                       const GemmOptions<T>& options) {
  MatrixRef<T> factor;
  MatrixRef<T> product;
  if (!as_factor_and_product<T>(a, out, b.rows, b.cols, factor, product)) {
    return false;
  }
  const MemorySpan span = span_of(product);
  if (!span.apart(span_of(factor)) || !span.apart(span_of(b)) ||
      (options.bias != nullptr &&
       !span.apart(span_of(MatrixRef<T>{options.bias, 1, b.cols, 0, 1})))) {
    return false;
  }
  detail::gemm<T>(factor, b, out.data(), product.row_stride, product.col_stride, options);
  return true;
}

// What the leading axes of a and b broadcast to.
template <class T>
Shape leading_axes(const View<T>& a, const View<T>& b, std::string_view operation) {
  const int a_rank = std::max(a.rank() - 2, 0);
  const int b_rank = std::max(b.rank() - 2, 0);
  IndexList extents;
  for (int axis = -std::max(a_rank, b_rank); axis < 0; ++axis) {
    const Index in_a = -axis > a_rank ? 1 : a.shape()[a_rank + axis];
    const Index in_b = -axis > b_rank ? 1 : b.shape()[b_rank + axis];
    check(in_a == in_b || in_a == 1 || in_b == 1, ErrorKind::DimensionMismatch, operation,
          "the leading axes of a and b do not broadcast: a ", a.shape(), ", b ", b.shape());
    extents.push_back(in_a == 1 ? in_b : in_a);
  }
  return Shape(extents);
}

template <class T>
Shape matmul_shape(const View<T>& a, const View<T>& b, std::string_view operation) {
  check_rank(a, operation, "a");
  check_rank(b, operation, "b");
  const Index a_depth = a.extent(-1);
  const Index b_depth = b.extent(b.rank() == 1 ? 0 : -2);
  check(a_depth == b_depth, ErrorKind::DimensionMismatch, operation, "a has ", a_depth,
        a.rank() == 1 ? " elements" : " columns", ", b has ", b_depth,
        b.rank() == 1 ? " elements" : " rows", "; a ", a.shape(), ", b ", b.shape());
  IndexList shape = leading_axes(a, b, operation);
  if (a.rank() > 1) {
    shape.push_back(a.extent(-2));
  }
  if (b.rank() > 1) {
    shape.push_back(b.extent(-1));
  }
  return Shape(shape);
}

// The result of matmul with the axes that vectors a and b took away.
template <class T, template <class> class AnyView>
AnyView<T> restore_axes(const AnyView<T>& result, int a_rank, int b_rank) {
  AnyView<T> matrix = result;
  if (b_rank == 1) {
    matrix = matrix.expand_dims(matrix.rank());
  }
  return a_rank == 1 ? matrix.expand_dims(matrix.rank() - 1) : matrix;
}

template <class T>
MutView<T> as_row(const MutView<T>& x) {
  return x.rank() == 1 ? x.expand_dims(0) : x;
}
template <class T>
MutView<T> as_column(const MutView<T>& x) {
  return x.rank() == 1 ? x.expand_dims(1) : x;
}

// dy (..., M, N) as the product of operands of these shapes, checked against dy itself.
template <class T>
void check_gradient(const View<T>& dy, const View<T>& a, const View<T>& b,
                    std::string_view operation) {
  const Shape expected = matmul_shape(a, b, operation);
  check(dy.defined() && dy.shape() == expected, ErrorKind::DimensionMismatch, operation,
        "dy has shape ", dy.shape(), ", expected ", expected, "; a ", a.shape(), ", b ", b.shape());
}

template <class T>
void check_features(const View<T>& x, const View<T>& weight, int weight_axis,
                    std::string_view operation, std::string_view x_name) {
  check_rank(x, operation, x_name);
  check(weight.defined() && weight.rank() == 2, ErrorKind::DimensionMismatch, operation,
        "weight must be a matrix (out, in), got shape ", weight.shape());
  check(x.extent(-1) == weight.shape()[weight_axis], ErrorKind::DimensionMismatch, operation,
        x_name, " has ", x.extent(-1), " features, weight takes ", weight.shape()[weight_axis],
        "; ", x_name, " ", x.shape(), ", weight ", weight.shape());
}

template <class T>
void check_pair(const View<T>& dy, const View<T>& x) {
  check_rank(dy, "linear_backward_weight", "dy");
  check_rank(x, "linear_backward_weight", "x");
  check(with_features(dy.shape(), 0) == with_features(x.shape(), 0), ErrorKind::DimensionMismatch,
        "linear_backward_weight", "dy and x differ in leading axes; dy ", dy.shape(), ", x ",
        x.shape());
}

}  // namespace

template <class T>
void matmul_into(const View<T>& a, ViewArg<T> b, MutArg<T> out) {
  if (b.defined() && b.rank() == 2 &&
      multiply_matrices<T>(
          a, {b.data(), b.shape()[0], b.shape()[1], b.strides()[0], b.strides()[1]}, out, {})) {
    return;
  }
  check_out<T>(out, matmul_shape<T>(a, b, "matmul"), "matmul", "out");
  check_apart<T>(out, a, "matmul", "out", "a");
  check_apart<T>(out, b, "matmul", "out", "b");
  const MutView<T> c = restore_axes<T, MutView>(out, a.rank(), b.rank());
  multiply<T>(stack_of(as_row(a)), stack_of(as_column<T>(b)), c, stack_of<T>(c).extents);
}

template <class T>
Array<T> matmul(const View<T>& a, ViewArg<T> b) {
  Array<T> out = Array<T>::empty(matmul_shape<T>(a, b, "matmul"));
  matmul_into<T>(a, b, out);
  return out;
}

template <class T>
void matmul_backward_a_into(const View<T>& dy, ViewArg<T> b, MutArg<T> da) {
  check_gradient<T>(dy, da, b, "matmul_backward_a");
  check_apart<T>(da, dy, "matmul_backward_a", "da", "dy");
  check_apart<T>(da, b, "matmul_backward_a", "da", "b");
  const Stack<T> gradient = stack_of(restore_axes<T, View>(dy, da.rank(), b.rank()));
  multiply<T>(gradient, transposed(stack_of(as_column<T>(b))), as_row<T>(da), gradient.extents);
}

template <class T>
Array<T> matmul_backward_a(const View<T>& dy, ViewArg<T> b, const Shape& a_shape) {
  Array<T> da = Array<T>::empty(a_shape);
  matmul_backward_a_into<T>(dy, b, da);
  return da;
}

template <class T>
void matmul_backward_b_into(const View<T>& dy, ViewArg<T> a, MutArg<T> db) {
  check_gradient<T>(dy, a, db, "matmul_backward_b");
  check_apart<T>(db, dy, "matmul_backward_b", "db", "dy");
  check_apart<T>(db, a, "matmul_backward_b", "db", "a");
  const Stack<T> gradient = stack_of(restore_axes<T, View>(dy, a.rank(), db.rank()));
  multiply<T>(transposed(stack_of(as_row<T>(a))), gradient, as_column<T>(db), gradient.extents);
}

template <class T>
Array<T> matmul_backward_b(const View<T>& dy, ViewArg<T> a, const Shape& b_shape) {
  Array<T> db = Array<T>::empty(b_shape);
  matmul_backward_b_into<T>(dy, a, db);
  return db;
}

template <class T>
void linear_into(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias, MutArg<T> out) {
  const auto fits = [&] {
    return bias.rank() == 1 && bias.shape()[0] == weight.shape()[0] &&
           (bias.strides()[0] == 1 || bias.shape()[0] == 1);
  };
  if (weight.defined() && weight.rank() == 2 && (!bias.defined() || fits())) {
    GemmOptions<T> options;
    options.bias = bias.data();
    const MatrixRef<T> factor{weight.data(), weight.shape()[1], weight.shape()[0],
                              weight.strides()[1], weight.strides()[0]};
    if (multiply_matrices<T>(x, factor, out, options)) {
      return;
    }
  }
  check_features<T>(x, weight, 1, "linear", "x");
  const Index features = weight.shape()[0];
  check(!bias.defined() || bias.shape() == Shape{features}, ErrorKind::DimensionMismatch, "linear",
        "bias has shape ", bias.shape(), ", expected ", Shape{features});
  check_out<T>(out, with_features(x.shape(), features), "linear", "out");
  check_apart<T>(out, x, "linear", "out", "x");
  check_apart<T>(out, weight, "linear", "out", "weight");
  check_apart<T>(out, bias, "linear", "out", "bias");
  GemmOptions<T> options;
  const lamina::detail::Packed<T> packed_bias(bias);
  options.bias = packed_bias.data();
  const MutView<T> c = as_row<T>(out);
  multiply<T>(stack_of(as_row(x)), transposed(stack_of<T>(weight)), c, stack_of<T>(c).extents,
              options);
}

template <class T>
Array<T> linear(const View<T>& x, ViewArg<T> weight, ViewArg<T> bias) {
  check_features<T>(x, weight, 1, "linear", "x");
  Array<T> out = Array<T>::empty(with_features(x.shape(), weight.shape()[0]));
  linear_into<T>(x, weight, bias, out);
  return out;
}

template <class T>
void linear_backward_input_into(const View<T>& dy, ViewArg<T> weight, MutArg<T> dx) {
  check_features<T>(dy, weight, 0, "linear_backward_input", "dy");
  check_out<T>(dx, with_features(dy.shape(), weight.shape()[1]), "linear_backward_input", "dx");
  check_apart<T>(dx, dy, "linear_backward_input", "dx", "dy");
  check_apart<T>(dx, weight, "linear_backward_input", "dx", "weight");
  const MutView<T> c = as_row<T>(dx);
  multiply<T>(stack_of(as_row(dy)), stack_of<T>(weight), c, stack_of<T>(c).extents);
}

template <class T>
Array<T> linear_backward_input(const View<T>& dy, ViewArg<T> weight) {
  check_features<T>(dy, weight, 0, "linear_backward_input", "dy");
  Array<T> dx = Array<T>::empty(with_features(dy.shape(), weight.shape()[1]));
  linear_backward_input_into<T>(dy, weight, dx);
  return dx;
}

template <class T>
void linear_backward_weight_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dweight) {
  check_pair<T>(dy, x);
  check_out<T>(dweight, Shape{dy.extent(-1), x.extent(-1)}, "linear_backward_weight", "dweight");
  check_apart<T>(dweight, dy, "linear_backward_weight", "dweight", "dy");
  check_apart<T>(dweight, x, "linear_backward_weight", "dweight", "x");
  const Stack<T> gradient = stack_of(as_row(dy));
  multiply<T>(transposed(gradient), stack_of(as_row<T>(x)), dweight, gradient.extents);
}

template <class T>
Array<T> linear_backward_weight(const View<T>& dy, ViewArg<T> x) {
  check_pair<T>(dy, x);
  Array<T> dweight = Array<T>::empty(Shape{dy.extent(-1), x.extent(-1)});
  linear_backward_weight_into<T>(dy, x, dweight);
  return dweight;
}

template <class T>
void linear_backward_bias_into(const View<T>& dy, MutArg<T> dbias) {
  check_rank(dy, "linear_backward_bias", "dy");
  check_out<T>(dbias, Shape{dy.extent(-1)}, "linear_backward_bias", "dbias");
  check_apart<T>(dbias, dy, "linear_backward_bias", "dbias", "dy");
  // A row of ones times dy.
  const T one = T(1);
  const Stack<T> gradient = stack_of(as_row(dy));
  const Stack<T> ones{{&one, 1, gradient.matrix.rows, 0, 0}, {}, {}};
  multiply<T>(ones, gradient, as_row<T>(dbias), gradient.extents);
}

template <class T>
Array<T> linear_backward_bias(const View<T>& dy) {
  check_rank(dy, "linear_backward_bias", "dy");
  Array<T> dbias = Array<T>::empty(Shape{dy.extent(-1)});
  linear_backward_bias_into<T>(dy, dbias);
  return dbias;
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template LAMINA_EXPORT void matmul_into<T>(const View<T>&, ViewArg<T>, MutArg<T>);              \
  template LAMINA_EXPORT Array<T> matmul<T>(const View<T>&, ViewArg<T>);                          \
  template LAMINA_EXPORT void matmul_backward_a_into<T>(const View<T>&, ViewArg<T>, MutArg<T>);   \
  template LAMINA_EXPORT Array<T> matmul_backward_a<T>(const View<T>&, ViewArg<T>, const Shape&); \
  template LAMINA_EXPORT void matmul_backward_b_into<T>(const View<T>&, ViewArg<T>, MutArg<T>);   \
  template LAMINA_EXPORT Array<T> matmul_backward_b<T>(const View<T>&, ViewArg<T>, const Shape&); \
  template LAMINA_EXPORT void linear_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>);  \
  template LAMINA_EXPORT Array<T> linear<T>(const View<T>&, ViewArg<T>, ViewArg<T>);              \
  template LAMINA_EXPORT void linear_backward_input_into<T>(const View<T>&, ViewArg<T>,           \
                                                            MutArg<T>);                           \
  template LAMINA_EXPORT Array<T> linear_backward_input<T>(const View<T>&, ViewArg<T>);           \
  template LAMINA_EXPORT void linear_backward_weight_into<T>(const View<T>&, ViewArg<T>,          \
                                                             MutArg<T>);                          \
  template LAMINA_EXPORT Array<T> linear_backward_weight<T>(const View<T>&, ViewArg<T>);          \
  template LAMINA_EXPORT void linear_backward_bias_into<T>(const View<T>&, MutArg<T>);            \
  template LAMINA_EXPORT Array<T> linear_backward_bias<T>(const View<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
