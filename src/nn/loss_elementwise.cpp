#include "lamina/nn/loss_elementwise.hpp"

#include <string_view>

#include "kernels/loss.hpp"
#include "nn/block_reader.hpp"
#include "nn/loss_support.hpp"

namespace lamina::nn {

namespace {

using detail::Block;
using detail::BlockReader;
using detail::BlockWriter;
using kernels::LossInput;

// Below this many elements waking a thread costs more than it saves.
constexpr Index kGrain = 16384;

void check_parameter(std::string_view operation, const LossParameter& parameter, double value) {
  const auto fail = [&](std::string_view wanted) {
    check(false, ErrorKind::InvalidOperation, operation, parameter.name, " must be ", wanted,
          ", got ", value);
  };
  switch (parameter.domain) {
    case LossDomain::Any:
      return value == value ? void() : fail("a number");
    case LossDomain::NotNegative:
      return value >= 0 ? void() : fail("0 or more");
    case LossDomain::Positive:
      return value > 0 ? void() : fail("greater than 0");
    case LossDomain::Unit:
      return value >= 0 && value <= 1 ? void() : fail("between 0 and 1");
    case LossDomain::BelowHalf:
      return value >= 0 && value < 0.5 ? void() : fail("at least 0 and less than 0.5");
  }
}

/// Checked arguments, ready to be read in blocks.
template <class T>
struct Operands {
  Operands(Loss kind_, const View<T>& y_true, const View<T>& y_pred, ReductionMode mode_,
           const LossOptions<T>& options)
      : kind(kind_), mode(mode_), shape(y_true.shape()) {
    const LossRow& row = loss_row(kind);
    detail::check_defined(row.name, "y_true", y_true);
    detail::check_defined(row.name, "y_pred", y_pred);
    detail::check_same_shape(row.name, "y_true", shape, "y_pred", y_pred.shape());
    a = options.a.value_or(row.parameters[0].default_value);
    b = options.b.value_or(row.parameters[1].default_value);
    check_parameter(row.name, row.parameters[0], a);
    check_parameter(row.name, row.parameters[1], b);
    t = BlockReader<T>(y_true);
    p = BlockReader<T>(y_pred);
    weight = broadcast("weight", options.weight);
    if (!row.third.empty()) {
      detail::check_defined(row.name, row.third, options.third);
      third = broadcast(row.third, options.third);
    }
  }

  [[nodiscard]] BlockReader<T> broadcast(std::string_view name, const View<T>& x) const {
    if (!x.defined()) {
      return {};
    }
    check(detail::broadcasts_to(x.shape(), shape), ErrorKind::DimensionMismatch, to_string(kind),
          name, " ", x.shape(), " does not broadcast to ", shape);
    return BlockReader<T>(x.broadcast_to(shape));
  }

  /// What a gradient of 1 for the loss is for one element's.
  [[nodiscard]] double element_share() const {
    return mode == ReductionMode::Mean ? detail::mean_of(1.0, static_cast<double>(shape.size()))
                                       : 1.0;
  }

  Loss kind;
  ReductionMode mode;
  Shape shape;
  double a = 0;
  double b = 0;
  BlockReader<T> t;
  BlockReader<T> p;
  BlockReader<T> weight;
  BlockReader<T> third;
};

/// Buffers for one block of each array.
template <class T>
struct Buffers {
  Block<T> t;
  Block<T> p;
  Block<T> third;
  Block<T> other;
  Block<T> out;
};

/// The weighted losses of [begin, begin + n) at `out`.
template <class T>
void forward_block(const Operands<T>& x, Index begin, Index n, Buffers<T>& buffers, T* out) {
  kernels::loss_forward(x.kind, x.t.read(begin, n, buffers.t), x.p.read(begin, n, buffers.p),
                        x.third.read(begin, n, buffers.third), out, n, x.a, x.b);
}

template <class T>
double sum_range(const Operands<T>& x, Index begin, Index end) {
  Buffers<T> buffers;
  double sum = 0;
  for (Index i = begin; i < end; i += detail::kBlock) {
    const Index n = std::min(detail::kBlock, end - i);
    forward_block(x, i, n, buffers, buffers.out.data());
    if (const T* w = x.weight.read(i, n, buffers.other)) {
      kernels::loss_scale(buffers.out.data(), w, 1.0, buffers.out.data(), n);
    }
    sum += kernels::loss_sum(buffers.out.data(), n);
  }
  return sum;
}

template <class T>
void forward_each(const Operands<T>& x, const MutView<T>& out) {
  const BlockWriter<T> writer(out);
  parallel_for(x.shape.size(), kGrain, [&](Index begin, Index end) {
    Buffers<T> buffers;
    for (Index i = begin; i < end; i += detail::kBlock) {
      const Index n = std::min(detail::kBlock, end - i);
      const T* w = x.weight.read(i, n, buffers.other);
      T* target = writer.target(i, buffers.out);
      forward_block(x, i, n, buffers, target);
      if (w != nullptr) {
        kernels::loss_scale(target, w, 1.0, target, n);
      }
      writer.commit(i, n, buffers.out);
    }
  });
}

template <class T>
void forward(const Operands<T>& x, const MutView<T>& out) {
  if (x.mode == ReductionMode::None) {
    forward_each(x, out);
    return;
  }
  const Index n = x.shape.size();
  const double sum = detail::sum_over_chunks<double>(
      n, kGrain, [&](Index begin, Index end) { return sum_range(x, begin, end); });
  *out.data() = static_cast<T>(
      x.mode == ReductionMode::Sum ? sum : detail::mean_of(sum, static_cast<double>(n)));
}

template <class T>
void backward(const Operands<T>& x, LossInput input, const View<T>& dy, const MutView<T>& out) {
  const bool each = x.mode == ReductionMode::None;
  const BlockReader<T> upstream(each ? dy : View<T>());
  const double scale = each ? 1.0 : static_cast<double>(dy.item()) * x.element_share();
  const BlockWriter<T> writer(out);
  parallel_for(x.shape.size(), kGrain, [&](Index begin, Index end) {
    Buffers<T> buffers;
    Block<T> upstream_buffer;
    for (Index i = begin; i < end; i += detail::kBlock) {
      const Index n = std::min(detail::kBlock, end - i);
      const T* w = x.weight.read(i, n, buffers.other);
      const T* g = upstream.read(i, n, upstream_buffer);
      T* slope = buffers.out.data();
      kernels::loss_backward(x.kind, input, x.t.read(i, n, buffers.t), x.p.read(i, n, buffers.p),
                             x.third.read(i, n, buffers.third), slope, n, x.a, x.b);
      if (w != nullptr) {
        kernels::loss_scale(slope, w, 1.0, slope, n);
      }
      // Everything of this block is read now, so out may be any of the inputs.
      T* target = writer.target(i, buffers.out);
      kernels::loss_scale(slope, g, scale, target, n);
      writer.commit(i, n, buffers.out);
    }
  });
}

template <class T>
void check_arrays(const Operands<T>& x, const View<T>& out, const Shape& shape,
                  const View<T>& y_true, const View<T>& y_pred, const LossOptions<T>& options) {
  const std::string_view name = to_string(x.kind);
  detail::check_output(name, out, shape);
  detail::check_apart(name, out, y_true, true);
  detail::check_apart(name, out, y_pred, true);
  detail::check_apart(name, out, options.weight, false);
  detail::check_apart(name, out, options.third, false);
}

template <class T>
void check_third(Loss kind, LossInput input) {
  check(input != LossInput::Third || !loss_row(kind).third.empty(), ErrorKind::InvalidOperation,
        to_string(kind), "there is no third array to differentiate by");
}

template <class T>
void gradient_into(Loss kind, LossInput input, const View<T>& dy, const View<T>& y_true,
                   const View<T>& y_pred, const MutView<T>& out, ReductionMode mode,
                   const LossOptions<T>& options) {
  const Operands<T> x(kind, y_true, y_pred, mode, options);
  check_third<T>(kind, input);
  detail::check_upstream(to_string(kind), dy, mode, x.shape);
  check_arrays<T>(x, out, x.shape, y_true, y_pred, options);
  detail::check_apart(to_string(kind), out, dy, mode == ReductionMode::None);
  backward<T>(x, input, dy, out);
}

template <class T>
Array<T> gradient(Loss kind, LossInput input, const View<T>& dy, const View<T>& y_true,
                  const View<T>& y_pred, ReductionMode mode, const LossOptions<T>& options) {
  const Operands<T> x(kind, y_true, y_pred, mode, options);
  check_third<T>(kind, input);
  detail::check_upstream(to_string(kind), dy, mode, x.shape);
  Array<T> result = Array<T>::empty(x.shape);
  backward<T>(x, input, dy, result);
  return result;
}

}  // namespace

template <class T>
void elementwise_loss_into(Loss kind, const View<T>& y_true, ViewArg<T> y_pred, MutArg<T> out,
                           ReductionMode mode,
                           const LossOptions<std::type_identity_t<T>>& options) {
  const Operands<T> x(kind, y_true, y_pred, mode, options);
  check_arrays<T>(x, out, detail::loss_shape(mode, x.shape), y_true, y_pred, options);
  forward<T>(x, out);
}

template <class T>
Array<T> elementwise_loss(Loss kind, const View<T>& y_true, ViewArg<T> y_pred, ReductionMode mode,
                          const LossOptions<std::type_identity_t<T>>& options) {
  const Operands<T> x(kind, y_true, y_pred, mode, options);
  Array<T> result = Array<T>::empty(detail::loss_shape(mode, x.shape));
  forward<T>(x, result);
  return result;
}

template <class T>
void elementwise_loss_backward_into(Loss kind, const View<T>& dy, ViewArg<T> y_true,
                                    ViewArg<T> y_pred, MutArg<T> out, ReductionMode mode,
                                    const LossOptions<std::type_identity_t<T>>& options) {
  gradient_into<T>(kind, LossInput::Prediction, dy, y_true, y_pred, out, mode, options);
}
template <class T>
void elementwise_loss_backward_true_into(Loss kind, const View<T>& dy, ViewArg<T> y_true,
                                         ViewArg<T> y_pred, MutArg<T> out, ReductionMode mode,
                                         const LossOptions<std::type_identity_t<T>>& options) {
  gradient_into<T>(kind, LossInput::Target, dy, y_true, y_pred, out, mode, options);
}
template <class T>
void elementwise_loss_backward_third_into(Loss kind, const View<T>& dy, ViewArg<T> y_true,
                                          ViewArg<T> y_pred, MutArg<T> out, ReductionMode mode,
                                          const LossOptions<std::type_identity_t<T>>& options) {
  gradient_into<T>(kind, LossInput::Third, dy, y_true, y_pred, out, mode, options);
}

template <class T>
Array<T> elementwise_loss_backward(Loss kind, const View<T>& dy, ViewArg<T> y_true,
                                   ViewArg<T> y_pred, ReductionMode mode,
                                   const LossOptions<std::type_identity_t<T>>& options) {
  return gradient<T>(kind, LossInput::Prediction, dy, y_true, y_pred, mode, options);
}
template <class T>
Array<T> elementwise_loss_backward_true(Loss kind, const View<T>& dy, ViewArg<T> y_true,
                                        ViewArg<T> y_pred, ReductionMode mode,
                                        const LossOptions<std::type_identity_t<T>>& options) {
  return gradient<T>(kind, LossInput::Target, dy, y_true, y_pred, mode, options);
}
template <class T>
Array<T> elementwise_loss_backward_third(Loss kind, const View<T>& dy, ViewArg<T> y_true,
                                         ViewArg<T> y_pred, ReductionMode mode,
                                         const LossOptions<std::type_identity_t<T>>& options) {
  return gradient<T>(kind, LossInput::Third, dy, y_true, y_pred, mode, options);
}

#define LAMINA_INSTANTIATE(T)                                                                \
  template LAMINA_EXPORT Array<T> elementwise_loss<T>(Loss, const View<T>&, ViewArg<T>,      \
                                                      ReductionMode, const LossOptions<T>&); \
  template LAMINA_EXPORT void elementwise_loss_into<T>(                                      \
      Loss, const View<T>&, ViewArg<T>, MutArg<T>, ReductionMode, const LossOptions<T>&);    \
  template LAMINA_EXPORT Array<T> elementwise_loss_backward<T>(                              \
      Loss, const View<T>&, ViewArg<T>, ViewArg<T>, ReductionMode, const LossOptions<T>&);   \
  template LAMINA_EXPORT void elementwise_loss_backward_into<T>(                             \
      Loss, const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, ReductionMode,                \
      const LossOptions<T>&);                                                                \
  template LAMINA_EXPORT void elementwise_loss_backward_true_into<T>(                        \
      Loss, const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, ReductionMode,                \
      const LossOptions<T>&);                                                                \
  template LAMINA_EXPORT void elementwise_loss_backward_third_into<T>(                       \
      Loss, const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, ReductionMode,                \
      const LossOptions<T>&);                                                                \
  template LAMINA_EXPORT Array<T> elementwise_loss_backward_true<T>(                         \
      Loss, const View<T>&, ViewArg<T>, ViewArg<T>, ReductionMode, const LossOptions<T>&);   \
  template LAMINA_EXPORT Array<T> elementwise_loss_backward_third<T>(                        \
      Loss, const View<T>&, ViewArg<T>, ViewArg<T>, ReductionMode, const LossOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
