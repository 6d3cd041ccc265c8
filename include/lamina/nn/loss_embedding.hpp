#pragma once

#include "lamina/core/array.hpp"
#include "lamina/nn/types.hpp"

// Losses of vectors: whether two, or three, are near each other.
namespace lamina::nn {

/// Gradients of a loss of two arrays.
template <class T>
struct PairGradients {
  Array<T> x1;
  Array<T> x2;
};

/// Cosine embedding loss: with cos = x1 . x2 / (|x1| |x2|), 1 - cos for y = 1 and
/// max(0, cos - margin) for y = -1.
///
/// x1, x2 (..., D), y (...) of 1 and -1      returns () for Mean (over rows) and Sum, (...) for
/// None. A zero vector has cos 0 and no gradient. Error(InvalidOperation) for any other y, with its
/// value, and for a margin of NaN; Error(DimensionMismatch) for shapes that do not fit. Gradient:
/// cosine_embedding_loss_backward. Numerics: sums and cos in double; NaN propagates.
/// torch.nn.functional.cosine_embedding_loss, NumRS2 cosine_embedding_loss (which adds 1e-8 to the
/// denominator).
/// In place: no.
template <class T>
void cosine_embedding_loss_into(const View<T>& x1, ViewArg<T> x2, ViewArg<T> y, MutArg<T> out,
                                double margin = 0.0, ReductionMode mode = ReductionMode::Mean);
template <class T>
[[nodiscard]] Array<T> cosine_embedding_loss(const View<T>& x1, ViewArg<T> x2, ViewArg<T> y,
                                             double margin = 0.0,
                                             ReductionMode mode = ReductionMode::Mean);
/// The same y for all rows, as in NumRS2: cosine_embedding_loss(x1, x2, 1.0, margin).
template <class T>
[[nodiscard]] Array<T> cosine_embedding_loss(const View<T>& x1, ViewArg<T> x2,
                                             std::type_identity_t<T> y, double margin = 0.0,
                                             ReductionMode mode = ReductionMode::Mean);
/// dy of the shape of the loss. The kink belongs to the flat side. A result that is not
/// defined is left out.
template <class T>
void cosine_embedding_loss_backward_into(const View<T>& dy, ViewArg<T> x1, ViewArg<T> x2,
                                         ViewArg<T> y, MutArg<T> dx1, MutArg<T> dx2,
                                         double margin = 0.0,
                                         ReductionMode mode = ReductionMode::Mean);
template <class T>
[[nodiscard]] PairGradients<T> cosine_embedding_loss_backward(
    const View<T>& dy, ViewArg<T> x1, ViewArg<T> x2, ViewArg<T> y, double margin = 0.0,
    ReductionMode mode = ReductionMode::Mean);

template <class T>
[[nodiscard]] PairGradients<T> cosine_embedding_loss_backward(
    const View<T>& dy, ViewArg<T> x1, ViewArg<T> x2, std::type_identity_t<T> y, double margin = 0.0,
    ReductionMode mode = ReductionMode::Mean);

/// Contrastive loss: with d = |x1 - x2|, y_true d^2 / 2 + (1 - y_true) max(0, margin - d)^2 / 2;
/// y_true 1 for pairs that belong together, 0 for others.
///
/// y_true (...), x1, x2 (..., D)      returns () or (...). Error(InvalidOperation) if margin < 0;
/// Error(DimensionMismatch) for shapes that do not fit.
/// Gradient: contrastive_loss_backward; 0 at d = 0. Hadsell, Chopra and LeCun 2006 (whose Y is
/// 1 - y_true).
template <class T>
void contrastive_loss_into(const View<T>& y_true, ViewArg<T> x1, ViewArg<T> x2, MutArg<T> out,
                           double margin = 1.0, ReductionMode mode = ReductionMode::Mean);
template <class T>
[[nodiscard]] Array<T> contrastive_loss(const View<T>& y_true, ViewArg<T> x1, ViewArg<T> x2,
                                        double margin = 1.0,
                                        ReductionMode mode = ReductionMode::Mean);
template <class T>
void contrastive_loss_backward_into(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> x1,
                                    ViewArg<T> x2, MutArg<T> dx1, MutArg<T> dx2,
                                    double margin = 1.0, ReductionMode mode = ReductionMode::Mean);
template <class T>
[[nodiscard]] PairGradients<T> contrastive_loss_backward(const View<T>& dy, ViewArg<T> y_true,
                                                         ViewArg<T> x1, ViewArg<T> x2,
                                                         double margin = 1.0,
                                                         ReductionMode mode = ReductionMode::Mean);

struct TripletMarginOptions {
  double margin = 1.0;
  double p = 2.0;         ///< exponent of the norm
  double epsilon = 1e-6;  ///< added to each difference; keeps the norm differentiable at 0
  bool swap = false;      ///< use the nearer of anchor and positive as seen from negative
};

/// Gradients of triplet_margin_loss.
template <class T>
struct TripletGradients {
  Array<T> anchor;
  Array<T> positive;
  Array<T> negative;
};

/// Triplet loss: max(0, d(anchor, positive) - d(anchor, negative) + margin), d(a, b) =
/// (sum |a - b + epsilon|^p)^(1/p).
///
/// anchor, positive, negative (..., D)      returns () or (...). Error(InvalidOperation) unless
/// margin and p are positive and epsilon is not negative; Error(DimensionMismatch) for shapes that
/// differ. Gradient: triplet_margin_loss_backward.
/// torch.nn.functional.triplet_margin_loss. Schroff, Kalenichenko and Philbin 2015,
/// arXiv:1503.03832; swap: Balntas et al. 2016.
template <class T>
void triplet_margin_loss_into(const View<T>& anchor, ViewArg<T> positive, ViewArg<T> negative,
                              MutArg<T> out, ReductionMode mode = ReductionMode::Mean,
                              const TripletMarginOptions& options = {});
template <class T>
[[nodiscard]] Array<T> triplet_margin_loss(const View<T>& anchor, ViewArg<T> positive,
                                           ViewArg<T> negative,
                                           ReductionMode mode = ReductionMode::Mean,
                                           const TripletMarginOptions& options = {});
template <class T>
void triplet_margin_loss_backward_into(const View<T>& dy, ViewArg<T> anchor, ViewArg<T> positive,
                                       ViewArg<T> negative, MutArg<T> danchor, MutArg<T> dpositive,
                                       MutArg<T> dnegative,
                                       ReductionMode mode = ReductionMode::Mean,
                                       const TripletMarginOptions& options = {});
template <class T>
[[nodiscard]] TripletGradients<T> triplet_margin_loss_backward(
    const View<T>& dy, ViewArg<T> anchor, ViewArg<T> positive, ViewArg<T> negative,
    ReductionMode mode = ReductionMode::Mean, const TripletMarginOptions& options = {});

}  // namespace lamina::nn
