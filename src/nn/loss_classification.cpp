#include "lamina/nn/loss_classification.hpp"

#include <string_view>

#include "nn/class_loss_problem.hpp"

namespace lamina::nn {

namespace {

using kernels::Scores;
template <class T>
using Problem = detail::ClassLossProblem<T>;

template <class T>
Array<T> gradient_of(const Problem<T>& problem, const View<T>& dy, ReductionMode mode) {
  detail::check_upstream(problem.operation(), dy, mode, problem.lead());
  Array<T> result = Array<T>::empty(problem.shape());
  problem.backward(dy, result);
  return result;
}
/// out may be where the scores are, but not where the targets are.
template <class T>
void gradient_into(const Problem<T>& problem, const View<T>& dy, const View<T>& scores,
                   const View<T>& targets, const MutView<T>& out, ReductionMode mode) {
  detail::check_upstream(problem.operation(), dy, mode, problem.lead());
  detail::check_output<T>(problem.operation(), out, problem.shape());
  detail::check_apart<T, T>(problem.operation(), out, scores, true);
  detail::check_apart<T, T>(problem.operation(), out, dy, false);
  if (targets.defined()) {
    detail::check_apart<T, T>(problem.operation(), out, targets, false);
  }
  problem.backward(dy, out);
}
template <class T>
void target_gradient_into(const Problem<T>& problem, const View<T>& dy, const View<T>& scores,
                          const View<T>& targets, const MutView<T>& out, ReductionMode mode) {
  detail::check_upstream(problem.operation(), dy, mode, problem.lead());
  detail::check_output(out, "out", problem.shape(), problem.operation(), dy, scores, targets);
  problem.backward_true(dy, out);
}
template <class T, class Labels>
void loss_into(const Problem<T>& problem, const Labels& y_true, const View<T>& scores,
               const View<T>& weight, const MutView<T>& out, ReductionMode mode) {
  detail::check_output(out, "out", detail::loss_shape(mode, problem.lead()), problem.operation(),
                       y_true, scores, weight);
  detail::PackedOut<T> packed(out);
  problem.forward(packed.data());
  packed.finish();
}
template <class T, class Labels>
void loss_and_gradient_into(const Problem<T>& problem, const Labels& y_true, const View<T>& scores,
                            const View<T>& weight, const MutView<T>& loss,
                            const MutView<T>& gradient, ReductionMode mode) {
  detail::check_output(loss, "loss", detail::loss_shape(mode, problem.lead()), problem.operation(),
                       y_true, scores, weight);
  detail::check_output(gradient, "gradient", problem.shape(), problem.operation(), y_true, scores,
                       weight);
  detail::check_outputs_apart(loss, "loss", gradient, "gradient", problem.operation());
  detail::PackedOut<T> packed_loss(loss);
  detail::PackedOut<T> packed_gradient(gradient);
  problem.forward_and_backward(packed_loss.data(), packed_gradient.data());
  packed_loss.finish();
  packed_gradient.finish();
}
template <class T>
Array<T> target_gradient_of(const Problem<T>& problem, const View<T>& dy, ReductionMode mode) {
  detail::check_upstream(problem.operation(), dy, mode, problem.lead());
  Array<T> result = Array<T>::empty(problem.shape());
  problem.backward_true(dy, result);
  return result;
}

template <class T>
ClassLossOptions<T> class_options(const CrossEntropyOptions<T>& options) {
  return {options.weight, options.ignore_index, options.label_smoothing, 0.0};
}

constexpr std::string_view kCrossEntropy = "cross_entropy";
constexpr std::string_view kSparse = "sparse_categorical_cross_entropy";
constexpr std::string_view kCategorical = "categorical_cross_entropy";
constexpr std::string_view kNll = "nll_loss";

}  // namespace

template <class T>
void cross_entropy_into(const View<std::int64_t>& y_true, const View<T>& logits, MutArg<T> out,
                        const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  loss_into<T>(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                          class_options(options)),
               y_true, logits, options.weight, out, options.mode);
}
template <class T>
void cross_entropy_into(const View<T>& y_true, ViewArg<T> logits, MutArg<T> out,
                        const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  loss_into<T>(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                          class_options(options)),
               y_true, logits, options.weight, out, options.mode);
}
template <class T>
void cross_entropy_backward_true_into(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
                                      MutArg<T> out,
                                      const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  target_gradient_into<T>(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                                     class_options(options)),
                          dy, logits, y_true, out, options.mode);
}
template <class T>
void sparse_categorical_cross_entropy_into(
    const View<std::int64_t>& y_true, const View<T>& y_pred, MutArg<T> out, ReductionMode mode,
    const ClassLossOptions<std::type_identity_t<T>>& options) {
  loss_into<T>(Problem<T>(kSparse, Scores::Probabilities, y_true, y_pred, mode, options), y_true,
               y_pred, options.weight, out, mode);
}
template <class T>
void categorical_cross_entropy_into(const View<T>& y_true, ViewArg<T> y_pred, MutArg<T> out,
                                    ReductionMode mode,
                                    const ClassLossOptions<std::type_identity_t<T>>& options) {
  loss_into<T>(Problem<T>(kCategorical, Scores::Probabilities, y_true, y_pred, mode, options),
               y_true, y_pred, options.weight, out, mode);
}
template <class T>
void categorical_cross_entropy_backward_true_into(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred, MutArg<T> out, ReductionMode mode,
    const ClassLossOptions<std::type_identity_t<T>>& options) {
  target_gradient_into<T>(
      Problem<T>(kCategorical, Scores::Probabilities, y_true, y_pred, mode, options), dy, y_pred,
      y_true, out, mode);
}
template <class T>
void nll_loss_into(const View<std::int64_t>& y_true, const View<T>& log_probs, MutArg<T> out,
                   ReductionMode mode, const ClassLossOptions<std::type_identity_t<T>>& options) {
  loss_into<T>(Problem<T>(kNll, Scores::LogProbabilities, y_true, log_probs, mode, options), y_true,
               log_probs, options.weight, out, mode);
}

template <class T>
Array<T> cross_entropy(const View<std::int64_t>& y_true, const View<T>& logits,
                       const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  return Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                    class_options(options))
      .forward();
}
template <class T>
Array<T> cross_entropy(const View<T>& y_true, ViewArg<T> logits,
                       const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  return Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                    class_options(options))
      .forward();
}
template <class T>
void cross_entropy_with_gradient_into(const View<std::int64_t>& y_true, const View<T>& logits,
                                      MutArg<T> loss, MutArg<T> gradient,
                                      const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  loss_and_gradient_into<T>(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                                       class_options(options)),
                            y_true, logits, options.weight, loss, gradient, options.mode);
}
template <class T>
void cross_entropy_with_gradient_into(const View<T>& y_true, ViewArg<T> logits, MutArg<T> loss,
                                      MutArg<T> gradient,
                                      const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  loss_and_gradient_into<T>(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                                       class_options(options)),
                            y_true, logits, options.weight, loss, gradient, options.mode);
}
template <class T>
LossAndGradient<T> cross_entropy_with_gradient(
    const View<std::int64_t>& y_true, const View<T>& logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  return Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                    class_options(options))
      .forward_and_backward();
}
template <class T>
LossAndGradient<T> cross_entropy_with_gradient(
    const View<T>& y_true, ViewArg<T> logits,
    const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  return Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                    class_options(options))
      .forward_and_backward();
}
template <class T>
Array<T> cross_entropy_backward(const View<T>& dy, const View<std::int64_t>& y_true,
                                ViewArg<T> logits,
                                const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  return gradient_of(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                                class_options(options)),
                     dy, options.mode);
}
template <class T>
Array<T> cross_entropy_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
                                const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  return gradient_of(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                                class_options(options)),
                     dy, options.mode);
}
template <class T>
Array<T> cross_entropy_backward_true(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
                                     const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  return target_gradient_of(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                                       class_options(options)),
                            dy, options.mode);
}
template <class T>
void cross_entropy_backward_into(const View<T>& dy, const View<std::int64_t>& y_true,
                                 ViewArg<T> logits, MutArg<T> out,
                                 const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  gradient_into(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                           class_options(options)),
                dy, logits, View<T>(), out, options.mode);
}
template <class T>
void cross_entropy_backward_into(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> logits,
                                 MutArg<T> out,
                                 const CrossEntropyOptions<std::type_identity_t<T>>& options) {
  gradient_into(Problem<T>(kCrossEntropy, Scores::Logits, y_true, logits, options.mode,
                           class_options(options)),
                dy, logits, y_true, out, options.mode);
}

template <class T>
Array<T> sparse_categorical_cross_entropy(
    const View<std::int64_t>& y_true, const View<T>& y_pred, ReductionMode mode,
    const ClassLossOptions<std::type_identity_t<T>>& options) {
  return Problem<T>(kSparse, Scores::Probabilities, y_true, y_pred, mode, options).forward();
}
template <class T>
Array<T> sparse_categorical_cross_entropy_backward(
    const View<T>& dy, const View<std::int64_t>& y_true, ViewArg<T> y_pred, ReductionMode mode,
    const ClassLossOptions<std::type_identity_t<T>>& options) {
  return gradient_of(Problem<T>(kSparse, Scores::Probabilities, y_true, y_pred, mode, options), dy,
                     mode);
}

template <class T>
Array<T> categorical_cross_entropy(const View<T>& y_true, ViewArg<T> y_pred, ReductionMode mode,
                                   const ClassLossOptions<std::type_identity_t<T>>& options) {
  return Problem<T>(kCategorical, Scores::Probabilities, y_true, y_pred, mode, options).forward();
}
template <class T>
Array<T> categorical_cross_entropy_backward(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred, ReductionMode mode,
    const ClassLossOptions<std::type_identity_t<T>>& options) {
  return gradient_of(Problem<T>(kCategorical, Scores::Probabilities, y_true, y_pred, mode, options),
                     dy, mode);
}
template <class T>
Array<T> categorical_cross_entropy_backward_true(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred, ReductionMode mode,
    const ClassLossOptions<std::type_identity_t<T>>& options) {
  return target_gradient_of(
      Problem<T>(kCategorical, Scores::Probabilities, y_true, y_pred, mode, options), dy, mode);
}

template <class T>
Array<T> nll_loss(const View<std::int64_t>& y_true, const View<T>& log_probs, ReductionMode mode,
                  const ClassLossOptions<std::type_identity_t<T>>& options) {
  return Problem<T>(kNll, Scores::LogProbabilities, y_true, log_probs, mode, options).forward();
}
template <class T>
Array<T> nll_loss_backward(const View<T>& dy, const View<std::int64_t>& y_true,
                           ViewArg<T> log_probs, ReductionMode mode,
                           const ClassLossOptions<std::type_identity_t<T>>& options) {
  return gradient_of(Problem<T>(kNll, Scores::LogProbabilities, y_true, log_probs, mode, options),
                     dy, mode);
}

template <class T>
void sparse_categorical_cross_entropy_backward_into(
    const View<T>& dy, const View<std::int64_t>& y_true, ViewArg<T> y_pred, MutArg<T> out,
    ReductionMode mode, const ClassLossOptions<std::type_identity_t<T>>& options) {
  gradient_into(Problem<T>(kSparse, Scores::Probabilities, y_true, y_pred, mode, options), dy,
                y_pred, View<T>(), out, mode);
}
template <class T>
void categorical_cross_entropy_backward_into(
    const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred, MutArg<T> out, ReductionMode mode,
    const ClassLossOptions<std::type_identity_t<T>>& options) {
  gradient_into(Problem<T>(kCategorical, Scores::Probabilities, y_true, y_pred, mode, options), dy,
                y_pred, y_true, out, mode);
}
template <class T>
void nll_loss_backward_into(const View<T>& dy, const View<std::int64_t>& y_true,
                            ViewArg<T> log_probs, MutArg<T> out, ReductionMode mode,
                            const ClassLossOptions<std::type_identity_t<T>>& options) {
  gradient_into(Problem<T>(kNll, Scores::LogProbabilities, y_true, log_probs, mode, options), dy,
                log_probs, View<T>(), out, mode);
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void cross_entropy_into<T>(const View<std::int64_t>&, const View<T>&,     \
                                                    MutArg<T>, const CrossEntropyOptions<T>&);     \
  template LAMINA_EXPORT void cross_entropy_into<T>(const View<T>&, ViewArg<T>, MutArg<T>,         \
                                                    const CrossEntropyOptions<T>&);                \
  template LAMINA_EXPORT void cross_entropy_backward_true_into<T>(                                 \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, const CrossEntropyOptions<T>&);           \
  template LAMINA_EXPORT void sparse_categorical_cross_entropy_into<T>(                            \
      const View<std::int64_t>&, const View<T>&, MutArg<T>, ReductionMode,                         \
      const ClassLossOptions<T>&);                                                                 \
  template LAMINA_EXPORT void categorical_cross_entropy_into<T>(                                   \
      const View<T>&, ViewArg<T>, MutArg<T>, ReductionMode, const ClassLossOptions<T>&);           \
  template LAMINA_EXPORT void categorical_cross_entropy_backward_true_into<T>(                     \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, ReductionMode,                            \
      const ClassLossOptions<T>&);                                                                 \
  template LAMINA_EXPORT void nll_loss_into<T>(const View<std::int64_t>&, const View<T>&,          \
                                               MutArg<T>, ReductionMode,                           \
                                               const ClassLossOptions<T>&);                        \
  template LAMINA_EXPORT void cross_entropy_with_gradient_into<T>(                                 \
      const View<std::int64_t>&, const View<T>&, MutArg<T>, MutArg<T>,                             \
      const CrossEntropyOptions<T>&);                                                              \
  template LAMINA_EXPORT void cross_entropy_with_gradient_into<T>(                                 \
      const View<T>&, ViewArg<T>, MutArg<T>, MutArg<T>, const CrossEntropyOptions<T>&);            \
  template LAMINA_EXPORT LossAndGradient<T> cross_entropy_with_gradient<T>(                        \
      const View<std::int64_t>&, const View<T>&, const CrossEntropyOptions<T>&);                   \
  template LAMINA_EXPORT LossAndGradient<T> cross_entropy_with_gradient<T>(                        \
      const View<T>&, ViewArg<T>, const CrossEntropyOptions<T>&);                                  \
  template LAMINA_EXPORT Array<T> cross_entropy<T>(const View<std::int64_t>&, const View<T>&,      \
                                                   const CrossEntropyOptions<T>&);                 \
  template LAMINA_EXPORT Array<T> cross_entropy<T>(const View<T>&, ViewArg<T>,                     \
                                                   const CrossEntropyOptions<T>&);                 \
  template LAMINA_EXPORT Array<T> cross_entropy_backward<T>(                                       \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, const CrossEntropyOptions<T>&);       \
  template LAMINA_EXPORT Array<T> cross_entropy_backward<T>(                                       \
      const View<T>&, ViewArg<T>, ViewArg<T>, const CrossEntropyOptions<T>&);                      \
  template LAMINA_EXPORT Array<T> cross_entropy_backward_true<T>(                                  \
      const View<T>&, ViewArg<T>, ViewArg<T>, const CrossEntropyOptions<T>&);                      \
  template LAMINA_EXPORT void cross_entropy_backward_into<T>(                                      \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, MutArg<T>,                            \
      const CrossEntropyOptions<T>&);                                                              \
  template LAMINA_EXPORT Array<T> sparse_categorical_cross_entropy<T>(                             \
      const View<std::int64_t>&, const View<T>&, ReductionMode, const ClassLossOptions<T>&);       \
  template LAMINA_EXPORT Array<T> sparse_categorical_cross_entropy_backward<T>(                    \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, ReductionMode,                        \
      const ClassLossOptions<T>&);                                                                 \
  template LAMINA_EXPORT Array<T> categorical_cross_entropy<T>(                                    \
      const View<T>&, ViewArg<T>, ReductionMode, const ClassLossOptions<T>&);                      \
  template LAMINA_EXPORT Array<T> categorical_cross_entropy_backward<T>(                           \
      const View<T>&, ViewArg<T>, ViewArg<T>, ReductionMode, const ClassLossOptions<T>&);          \
  template LAMINA_EXPORT Array<T> categorical_cross_entropy_backward_true<T>(                      \
      const View<T>&, ViewArg<T>, ViewArg<T>, ReductionMode, const ClassLossOptions<T>&);          \
  template LAMINA_EXPORT void cross_entropy_backward_into<T>(                                      \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, const CrossEntropyOptions<T>&);           \
  template LAMINA_EXPORT void sparse_categorical_cross_entropy_backward_into<T>(                   \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, MutArg<T>, ReductionMode,             \
      const ClassLossOptions<T>&);                                                                 \
  template LAMINA_EXPORT void categorical_cross_entropy_backward_into<T>(                          \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, ReductionMode,                            \
      const ClassLossOptions<T>&);                                                                 \
  template LAMINA_EXPORT void nll_loss_backward_into<T>(const View<T>&, const View<std::int64_t>&, \
                                                        ViewArg<T>, MutArg<T>, ReductionMode,      \
                                                        const ClassLossOptions<T>&);               \
  template LAMINA_EXPORT Array<T> nll_loss<T>(const View<std::int64_t>&, const View<T>&,           \
                                              ReductionMode, const ClassLossOptions<T>&);          \
  template LAMINA_EXPORT Array<T> nll_loss_backward<T>(const View<T>&, const View<std::int64_t>&,  \
                                                       ViewArg<T>, ReductionMode,                  \
                                                       const ClassLossOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
