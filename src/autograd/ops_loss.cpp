#include "lamina/autograd/ops_loss.hpp"

#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/update.hpp"

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::save_if;
using autograd::VarArg;

namespace {

/// Options whose class weights outlive the call.
template <class T, class Options>
class HeldOptions {
 public:
  explicit HeldOptions(const Options& options)
      : options_(options),
        weight_(options.weight.defined() ? Array<T>(options.weight) : Array<T>()) {}
  [[nodiscard]] Options get() const {
    Options options = options_;
    if (options.weight.defined()) {
      options.weight = weight_.view();
    }
    return options;
  }

 private:
  Options options_;
  Array<T> weight_;
};

}  // namespace

template <class T>
Var<T> elementwise_loss(Loss kind, VarArg<T> y_true, const Var<T>& y_pred, ReductionMode mode,
                        const VarLossOptions<std::type_identity_t<T>>& options) {
  const Var<T>& truth = y_true.var();
  const Var<T>& third = options.third;
  LossOptions<T> plain{options.a, options.b, options.weight,
                       third.defined() ? third.value() : View<T>()};
  Array<T> loss = elementwise_loss(kind, truth.value(), y_pred.value(), mode, plain);
  plain.third = View<T>();
  return make_var(
      std::move(loss), {truth, y_pred, third},
      [kind, mode, held = HeldOptions<T, LossOptions<T>>(plain), saved_true = truth.save(),
       saved_pred = y_pred.save(),
       saved_third = save_if(third.defined(), third)](const Array<T>& dy, Gradients<T>& gradients) {
        LossOptions<T> saved_options = held.get();
        if (saved_third) {
          saved_options.third = saved_third->value();
        }
        const View<T>& t = saved_true.value();
        const View<T>& p = saved_pred.value();
        if (gradients.wants(0)) {
          gradients.add(0, elementwise_loss_backward_true(kind, dy, t, p, mode, saved_options));
        }
        if (gradients.wants(1)) {
          gradients.add(1, elementwise_loss_backward(kind, dy, t, p, mode, saved_options));
        }
        if (gradients.wants(2)) {
          gradients.add(
              2, sum_to_shape(elementwise_loss_backward_third(kind, dy, t, p, mode, saved_options),
                              gradients.shape(2)));
        }
      },
      loss_row(kind).name.data());
}

template <class T>
Var<T> kl_div_loss(VarArg<T> y_true, const Var<T>& y_pred, ReductionMode mode,
                   const KlDivOptions& options) {
  const Var<T>& truth = y_true.var();
  return make_var(
      kl_div_loss(truth.value(), y_pred.value(), mode, options), {truth, y_pred},
      [mode, options, saved_true = truth.save(), saved = y_pred.save()](const Array<T>& dy,
                                                                        Gradients<T>& gradients) {
        const View<T>& t = saved_true.value();
        if (gradients.wants(0)) {
          gradients.add(0, kl_div_loss_backward_true(dy, t, saved.value(), mode, options));
        }
        if (gradients.wants(1)) {
          gradients.add(1, kl_div_loss_backward(dy, t, saved.value(), mode, options));
        }
      },
      "kl_div_loss");
}

template <class T>
Var<T> cross_entropy(const View<std::int64_t>& y_true, const Var<T>& logits,
                     const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  if (options.mode != ReductionMode::None && logits.requires_grad() && autograd::grad_enabled()) {
    // A training step: the gradient comes with the loss, and is only scaled later.
    LossAndGradient<T> both = cross_entropy_with_gradient(y_true, logits.value(), options);
    return make_var(
        std::move(both.loss), {logits},
        [gradient = std::move(both.gradient)](const Array<T>& dy, Gradients<T>& gradients) {
          Array<T> dx = Array<T>::empty(gradient.shape());
          scale_into<T>(gradient, dx, dy.item());
          gradients.add(0, std::move(dx));
        },
        "cross_entropy");
  }
  return make_var(
      cross_entropy(y_true, logits.value(), options), {logits},
      [labels = Array<std::int64_t>(y_true), saved = logits.save(),
       held = HeldOptions<T, CrossEntropyOptions<T>>(options)](const Array<T>& dy,
                                                               Gradients<T>& gradients) {
        gradients.add(0, cross_entropy_backward<T>(dy, labels, saved.value(), held.get()));
      },
      "cross_entropy");
}

template <class T>
Var<T> cross_entropy(VarArg<T> y_true, const Var<T>& logits,
                     const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  const Var<T>& truth = y_true.var();
  return make_var(
      cross_entropy(truth.value(), logits.value(), options), {truth, logits},
      [saved_true = truth.save(), saved = logits.save(),
       held = HeldOptions<T, CrossEntropyOptions<T>>(options)](const Array<T>& dy,
                                                               Gradients<T>& gradients) {
        const View<T>& t = saved_true.value();
        if (gradients.wants(0)) {
          gradients.add(0, cross_entropy_backward_true(dy, t, saved.value(), held.get()));
        }
        if (gradients.wants(1)) {
          gradients.add(1, cross_entropy_backward(dy, t, saved.value(), held.get()));
        }
      },
      "cross_entropy");
}

template <class T>
Var<T> sparse_categorical_cross_entropy(const View<std::int64_t>& y_true, const Var<T>& y_pred,
                                        ReductionMode mode,
                                        const ClassLossOptions<std::type_identity_t<T>>& options) {
  return make_var(
      sparse_categorical_cross_entropy(y_true, y_pred.value(), mode, options), {y_pred},
      [mode, labels = Array<std::int64_t>(y_true), saved = y_pred.save(),
       held = HeldOptions<T, ClassLossOptions<T>>(options)](const Array<T>& dy,
                                                            Gradients<T>& gradients) {
        gradients.add(0, sparse_categorical_cross_entropy_backward<T>(dy, labels, saved.value(),
                                                                      mode, held.get()));
      },
      "sparse_categorical_cross_entropy");
}

template <class T>
Var<T> categorical_cross_entropy(VarArg<T> y_true, const Var<T>& y_pred, ReductionMode mode,
                                 const ClassLossOptions<std::type_identity_t<T>>& options) {
  const Var<T>& truth = y_true.var();
  return make_var(
      categorical_cross_entropy(truth.value(), y_pred.value(), mode, options), {truth, y_pred},
      [mode, saved_true = truth.save(), saved = y_pred.save(),
       held = HeldOptions<T, ClassLossOptions<T>>(options)](const Array<T>& dy,
                                                            Gradients<T>& gradients) {
        const View<T>& t = saved_true.value();
        if (gradients.wants(0)) {
          gradients.add(
              0, categorical_cross_entropy_backward_true(dy, t, saved.value(), mode, held.get()));
        }
        if (gradients.wants(1)) {
          gradients.add(1,
                        categorical_cross_entropy_backward(dy, t, saved.value(), mode, held.get()));
        }
      },
      "categorical_cross_entropy");
}

template <class T>
Var<T> nll_loss(const View<std::int64_t>& y_true, const Var<T>& log_probs, ReductionMode mode,
                const ClassLossOptions<std::type_identity_t<T>>& options) {
  return make_var(
      nll_loss(y_true, log_probs.value(), mode, options), {log_probs},
      [mode, labels = Array<std::int64_t>(y_true), saved = log_probs.save(),
       held = HeldOptions<T, ClassLossOptions<T>>(options)](const Array<T>& dy,
                                                            Gradients<T>& gradients) {
        gradients.add(0, nll_loss_backward<T>(dy, labels, saved.value(), mode, held.get()));
      },
      "nll_loss");
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT Var<T> elementwise_loss<T>(Loss, VarArg<T>, const Var<T>&, ReductionMode, \
                                                    const VarLossOptions<T>&);                     \
  template LAMINA_EXPORT Var<T> kl_div_loss<T>(VarArg<T>, const Var<T>&, ReductionMode,            \
                                               const KlDivOptions&);                               \
  template LAMINA_EXPORT Var<T> cross_entropy<T>(const View<std::int64_t>&, const Var<T>&,         \
                                                 const CrossEntropyOptions<T>&);                   \
  template LAMINA_EXPORT Var<T> cross_entropy<T>(VarArg<T>, const Var<T>&,                         \
                                                 const CrossEntropyOptions<T>&);                   \
  template LAMINA_EXPORT Var<T> sparse_categorical_cross_entropy<T>(                               \
      const View<std::int64_t>&, const Var<T>&, ReductionMode, const ClassLossOptions<T>&);        \
  template LAMINA_EXPORT Var<T> categorical_cross_entropy<T>(                                      \
      VarArg<T>, const Var<T>&, ReductionMode, const ClassLossOptions<T>&);                        \
  template LAMINA_EXPORT Var<T> nll_loss<T>(const View<std::int64_t>&, const Var<T>&,              \
                                            ReductionMode, const ClassLossOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
