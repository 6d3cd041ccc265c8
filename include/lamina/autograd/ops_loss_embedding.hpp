#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/ctc.hpp"
#include "lamina/nn/loss_embedding.hpp"
#include "lamina/nn/loss_multilabel.hpp"

// Losses of vectors, of several labels a row, and of sequences, on variables. Formulas, shapes,
// reductions and errors are those of the functions on arrays; targets are constants.

namespace lamina::nn {

/// Gradients for x1 and x2.
template <class T>
[[nodiscard]] Var<T> cosine_embedding_loss(const Var<T>& x1, autograd::VarArg<T> x2, ViewArg<T> y,
                                           double margin = 0.0,
                                           ReductionMode mode = ReductionMode::Mean);
/// The same y for all rows.
template <class T>
[[nodiscard]] Var<T> cosine_embedding_loss(const Var<T>& x1, autograd::VarArg<T> x2,
                                           std::type_identity_t<T> y, double margin = 0.0,
                                           ReductionMode mode = ReductionMode::Mean) {
  Shape rows = x1.shape();
  if (rows.rank() > 0) {
    rows.erase(rows.rank() - 1);
  }
  return cosine_embedding_loss<T>(x1, x2, Array<T>::full(rows, y), margin, mode);
}
/// Gradients for x1 and x2.
template <class T>
[[nodiscard]] Var<T> contrastive_loss(ViewArg<T> y_true, const Var<T>& x1, autograd::VarArg<T> x2,
                                      double margin = 1.0,
                                      ReductionMode mode = ReductionMode::Mean);
/// Gradients for all three.
template <class T>
[[nodiscard]] Var<T> triplet_margin_loss(const Var<T>& anchor, autograd::VarArg<T> positive,
                                         autograd::VarArg<T> negative,
                                         ReductionMode mode = ReductionMode::Mean,
                                         const TripletMarginOptions& options = {});
/// Gradient for x.
template <class T>
[[nodiscard]] Var<T> multi_margin_loss(
    const View<std::int64_t>& y_true, const Var<T>& x, ReductionMode mode = ReductionMode::Mean,
    const MultiMarginOptions<std::type_identity_t<T>>& options = {});
/// Gradient for x.
template <class T>
[[nodiscard]] Var<T> multi_label_margin_loss(const View<std::int64_t>& y_true, const Var<T>& x,
                                             ReductionMode mode = ReductionMode::Mean);
/// Gradient for the logits.
template <class T>
[[nodiscard]] Var<T> multi_label_soft_margin_loss(ViewArg<T> y_true, const Var<T>& logits,
                                                  ReductionMode mode = ReductionMode::Mean,
                                                  ViewArg<T> weight = {});
/// Gradient for log_probs.
template <class T>
[[nodiscard]] Var<T> ctc_loss(const View<std::int64_t>& y_true, const Var<T>& log_probs,
                              const View<std::int64_t>& input_lengths,
                              const View<std::int64_t>& target_lengths,
                              ReductionMode mode = ReductionMode::Mean,
                              const CtcOptions& options = {});

}  // namespace lamina::nn
