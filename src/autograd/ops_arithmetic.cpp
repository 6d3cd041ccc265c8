#include "lamina/autograd/ops_arithmetic.hpp"

#include <utility>

#include "lamina/nn/update.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::save_if;
using autograd::VarArg;

namespace {

/// Sums what broadcasting repeated; nothing to do, mostly.
template <class T>
Array<T> fitted(Array<T>&& gradient, const Shape& shape) {
  return gradient.shape() == shape ? std::move(gradient) : sum_to_shape(gradient, shape);
}

template <class T>
Array<T> negated(Array<T>&& x) {
  scale_into<T>(x, x, T{-1});
  return std::move(x);
}

/// a + b or a - b: the gradients need no values.
template <class T>
Var<T> sum_or_difference(BinaryOp op, const Var<T>& a, const Var<T>& b) {
  return make_var(
      binary<T>(op, a.value(), b.value()), {a, b},
      [op](Array<T> dy, Gradients<T>& gradients) {
        if (gradients.wants(0) && gradients.wants(1)) {
          gradients.add(0, fitted(Array<T>(dy), gradients.shape(0)));
        } else if (gradients.wants(0)) {
          gradients.add(0, fitted(std::move(dy), gradients.shape(0)));
        }
        if (gradients.wants(1)) {
          Array<T> db = fitted(std::move(dy), gradients.shape(1));
          gradients.add(1, op == BinaryOp::Sub ? negated(std::move(db)) : std::move(db));
        }
      },
      to_string(op).data());
}

/// a b: each gradient needs the other operand.
template <class T>
Var<T> product(const Var<T>& a, const Var<T>& b) {
  return make_var(
      binary<T>(BinaryOp::Mul, a.value(), b.value()), {a, b},
      [saved_a = save_if(b.requires_grad(), a), saved_b = save_if(a.requires_grad(), b)](
          const Array<T>& dy, Gradients<T>& gradients) {
        if (gradients.wants(0)) {
          gradients.add(0, fitted(mul<T>(dy, saved_b->value()), gradients.shape(0)));
        }
        if (gradients.wants(1)) {
          gradients.add(1, fitted(mul<T>(dy, saved_a->value()), gradients.shape(1)));
        }
      },
      "mul");
}

}  // namespace

template <class T>
Var<T> binary(BinaryOp op, const Var<T>& a, VarArg<T> b_arg) {
  const Var<T>& b = b_arg.var();
  if (op == BinaryOp::Add || op == BinaryOp::Sub) {
    return sum_or_difference(op, a, b);
  }
  if (op == BinaryOp::Mul) {
    return product(a, b);
  }
  return make_var(
      binary<T>(op, a.value(), b.value()), {a, b},
      [op, saved_a = a.save(), saved_b = b.save()](const Array<T>& dy, Gradients<T>& gradients) {
        if (gradients.wants(0)) {
          gradients.add(0, binary_backward_a<T>(op, dy, saved_a.value(), saved_b.value()));
        }
        if (gradients.wants(1)) {
          gradients.add(1, binary_backward_b<T>(op, dy, saved_a.value(), saved_b.value()));
        }
      },
      to_string(op).data());
}

template <class T>
Var<T> binary_scalar(BinaryOp op, const Var<T>& a, std::type_identity_t<T> b) {
  const bool needs_a = op == BinaryOp::Pow || op == BinaryOp::Maximum || op == BinaryOp::Minimum;
  return make_var(
      binary_scalar<T>(op, a.value(), b), {a},
      [op, b, saved = save_if(needs_a, a)](Array<T> dy, Gradients<T>& gradients) {
        if (saved) {
          gradients.add(0, binary_backward_a<T>(op, dy, saved->value(), Array<T>::scalar(b)));
          return;
        }
        if (op == BinaryOp::Mul) {
          scale_into<T>(dy, dy, b);
        } else if (op == BinaryOp::Div) {
          binary_scalar_into<T>(op, dy, b, dy);
        }
        gradients.add(0, std::move(dy));
      },
      to_string(op).data());
}

template <class T>
Var<T> scalar_binary(BinaryOp op, std::type_identity_t<T> a, const Var<T>& b) {
  const bool linear = op == BinaryOp::Add || op == BinaryOp::Sub || op == BinaryOp::Mul;
  return make_var(
      scalar_binary<T>(op, a, b.value()), {b},
      [op, a, saved = save_if(!linear, b)](Array<T> dy, Gradients<T>& gradients) {
        if (saved) {
          gradients.add(0, binary_backward_b<T>(op, dy, Array<T>::scalar(a), saved->value()));
          return;
        }
        if (op != BinaryOp::Add) {
          scale_into<T>(dy, dy, op == BinaryOp::Mul ? a : T{-1});
        }
        gradients.add(0, std::move(dy));
      },
      to_string(op).data());
}

template <class T>
Var<T> unary(UnaryOp op, const Var<T>& x) {
  const Saved what = info(op).saved;
  const autograd::Saved<T> y(unary<T>(op, x.value()));
  using Kept = std::optional<autograd::Saved<T>>;
  return make_var(
      y, {x},
      [op, saved = what == Saved::Output  ? Kept(y)
                   : what == Saved::Input ? Kept(x.save())
                                          : std::nullopt](Array<T> dy, Gradients<T>& gradients) {
        unary_backward_into<T>(op, dy, saved ? saved->value() : View<T>(dy.view()), dy);
        gradients.add(0, std::move(dy));
      },
      to_string(op).data());
}

template <class T>
Var<T> clamp(const Var<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high) {
  return make_var(
      clamp<T>(x.value(), low, high), {x},
      [low, high, saved = x.save()](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, clamp_backward<T>(dy, saved.value(), low, high));
      },
      "clamp");
}

template <class T>
Var<T> where(const View<bool>& condition, const Var<T>& a, VarArg<T> b_arg) {
  const Var<T>& b = b_arg.var();
  return make_var(
      where<T>(condition, a.value(), b.value()), {a, b},
      [held = Array<bool>(condition), shape_a = a.shape(), shape_b = b.shape()](
          const Array<T>& dy, Gradients<T>& gradients) {
        WhereGradients<T> both = where_backward<T>(dy, held, shape_a, shape_b);
        if (gradients.wants(0)) {
          gradients.add(0, std::move(both.da));
        }
        if (gradients.wants(1)) {
          gradients.add(1, std::move(both.db));
        }
      },
      "where");
}

#define LAMINA_INSTANTIATE(T)                                                  \
  template LAMINA_EXPORT Var<T> binary<T>(BinaryOp, const Var<T>&, VarArg<T>); \
  template LAMINA_EXPORT Var<T> binary_scalar<T>(BinaryOp, const Var<T>&, T);  \
  template LAMINA_EXPORT Var<T> scalar_binary<T>(BinaryOp, T, const Var<T>&);  \
  template LAMINA_EXPORT Var<T> unary<T>(UnaryOp, const Var<T>&);              \
  template LAMINA_EXPORT Var<T> clamp<T>(const Var<T>&, T, T);                 \
  template LAMINA_EXPORT Var<T> where<T>(const View<bool>&, const Var<T>&, VarArg<T>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
