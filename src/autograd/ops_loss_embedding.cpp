#include "lamina/autograd/ops_loss_embedding.hpp"

#include <utility>

namespace lamina::nn {

using autograd::Gradients;
using autograd::make_var;
using autograd::VarArg;

namespace {

/// A copy that outlives the call, of an argument that may be absent.
template <class T>
Array<T> keep(const View<T>& x) {
  return x.defined() ? Array<T>(x) : Array<T>();
}
/// The view of such a copy.
template <class T>
View<T> view_of(const Array<T>& copy, bool defined) {
  return defined ? copy.view() : View<T>();
}

/// Adds those of the gradients that are wanted.
template <class T>
void add_wanted(Gradients<T>& gradients, int i, Array<T>&& gradient) {
  if (gradients.wants(i)) {
    gradients.add(i, std::move(gradient));
  }
}

}  // namespace

template <class T>
Var<T> cosine_embedding_loss(const Var<T>& x1, VarArg<T> x2, ViewArg<T> y, double margin,
                             ReductionMode mode) {
  const Var<T>& second = x2.var();
  return make_var(
      cosine_embedding_loss<T>(x1.value(), second.value(), y, margin, mode), {x1, second},
      [margin, mode, target = keep<T>(y), s1 = x1.save(), s2 = second.save()](
          const Array<T>& dy, Gradients<T>& gradients) {
        PairGradients<T> pair =
            cosine_embedding_loss_backward<T>(dy, s1.value(), s2.value(), target, margin, mode);
        add_wanted(gradients, 0, std::move(pair.x1));
        add_wanted(gradients, 1, std::move(pair.x2));
      },
      "cosine_embedding_loss");
}

template <class T>
Var<T> contrastive_loss(ViewArg<T> y_true, const Var<T>& x1, VarArg<T> x2, double margin,
                        ReductionMode mode) {
  const Var<T>& second = x2.var();
  return make_var(
      contrastive_loss<T>(y_true, x1.value(), second.value(), margin, mode), {x1, second},
      [margin, mode, target = keep<T>(y_true), s1 = x1.save(), s2 = second.save()](
          const Array<T>& dy, Gradients<T>& gradients) {
        PairGradients<T> pair =
            contrastive_loss_backward<T>(dy, target, s1.value(), s2.value(), margin, mode);
        add_wanted(gradients, 0, std::move(pair.x1));
        add_wanted(gradients, 1, std::move(pair.x2));
      },
      "contrastive_loss");
}

template <class T>
Var<T> triplet_margin_loss(const Var<T>& anchor, VarArg<T> positive, VarArg<T> negative,
                           ReductionMode mode, const TripletMarginOptions& options) {
  const Var<T>& near = positive.var();
  const Var<T>& far = negative.var();
  return make_var(
      triplet_margin_loss<T>(anchor.value(), near.value(), far.value(), mode, options),
      {anchor, near, far},
      [mode, options, s0 = anchor.save(), s1 = near.save(), s2 = far.save()](
          const Array<T>& dy, Gradients<T>& gradients) {
        TripletGradients<T> all =
            triplet_margin_loss_backward<T>(dy, s0.value(), s1.value(), s2.value(), mode, options);
        add_wanted(gradients, 0, std::move(all.anchor));
        add_wanted(gradients, 1, std::move(all.positive));
        add_wanted(gradients, 2, std::move(all.negative));
      },
      "triplet_margin_loss");
}

template <class T>
Var<T> multi_margin_loss(const View<std::int64_t>& y_true, const Var<T>& x, ReductionMode mode,
                         const MultiMarginOptions<std::type_identity_t<T>>& options) {
  return make_var(
      multi_margin_loss<T>(y_true, x.value(), mode, options), {x},
      [mode, options, labels = Array<std::int64_t>(y_true), weight = keep<T>(options.weight),
       saved = x.save()](const Array<T>& dy, Gradients<T>& gradients) {
        MultiMarginOptions<T> held = options;
        held.weight = view_of(weight, options.weight.defined());
        gradients.add(0, multi_margin_loss_backward<T>(dy, labels, saved.value(), mode, held));
      },
      "multi_margin_loss");
}

template <class T>
Var<T> multi_label_margin_loss(const View<std::int64_t>& y_true, const Var<T>& x,
                               ReductionMode mode) {
  return make_var(
      multi_label_margin_loss<T>(y_true, x.value(), mode), {x},
      [mode, labels = Array<std::int64_t>(y_true), saved = x.save()](const Array<T>& dy,
                                                                     Gradients<T>& gradients) {
        gradients.add(0, multi_label_margin_loss_backward<T>(dy, labels, saved.value(), mode));
      },
      "multi_label_margin_loss");
}

template <class T>
Var<T> multi_label_soft_margin_loss(ViewArg<T> y_true, const Var<T>& logits, ReductionMode mode,
                                    ViewArg<T> weight) {
  return make_var(
      multi_label_soft_margin_loss<T>(y_true, logits.value(), mode, weight), {logits},
      [mode, target = keep<T>(y_true), held = keep<T>(weight), weighted = weight.defined(),
       saved = logits.save()](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(0, multi_label_soft_margin_loss_backward<T>(dy, target, saved.value(), mode,
                                                                  view_of(held, weighted)));
      },
      "multi_label_soft_margin_loss");
}

template <class T>
Var<T> ctc_loss(const View<std::int64_t>& y_true, const Var<T>& log_probs,
                const View<std::int64_t>& input_lengths, const View<std::int64_t>& target_lengths,
                ReductionMode mode, const CtcOptions& options) {
  return make_var(
      ctc_loss<T>(y_true, log_probs.value(), input_lengths, target_lengths, mode, options),
      {log_probs},
      [mode, options, labels = Array<std::int64_t>(y_true),
       inputs = Array<std::int64_t>(input_lengths), targets = Array<std::int64_t>(target_lengths),
       saved = log_probs.save()](const Array<T>& dy, Gradients<T>& gradients) {
        gradients.add(
            0, ctc_loss_backward<T>(dy, labels, saved.value(), inputs, targets, mode, options));
      },
      "ctc_loss");
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT Var<T> cosine_embedding_loss<T>(const Var<T>&, VarArg<T>, ViewArg<T>,     \
                                                         double, ReductionMode);                   \
  template LAMINA_EXPORT Var<T> contrastive_loss<T>(ViewArg<T>, const Var<T>&, VarArg<T>, double,  \
                                                    ReductionMode);                                \
  template LAMINA_EXPORT Var<T> triplet_margin_loss<T>(                                            \
      const Var<T>&, VarArg<T>, VarArg<T>, ReductionMode, const TripletMarginOptions&);            \
  template LAMINA_EXPORT Var<T> multi_margin_loss<T>(const View<std::int64_t>&, const Var<T>&,     \
                                                     ReductionMode, const MultiMarginOptions<T>&); \
  template LAMINA_EXPORT Var<T> multi_label_margin_loss<T>(const View<std::int64_t>&,              \
                                                           const Var<T>&, ReductionMode);          \
  template LAMINA_EXPORT Var<T> multi_label_soft_margin_loss<T>(ViewArg<T>, const Var<T>&,         \
                                                                ReductionMode, ViewArg<T>);        \
  template LAMINA_EXPORT Var<T> ctc_loss<T>(const View<std::int64_t>&, const Var<T>&,              \
                                            const View<std::int64_t>&, const View<std::int64_t>&,  \
                                            ReductionMode, const CtcOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
