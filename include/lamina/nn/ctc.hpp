#pragma once

#include <cstdint>

#include "lamina/core/array.hpp"
#include "lamina/nn/types.hpp"

namespace lamina::nn {

struct CtcOptions {
  std::int64_t blank = 0;      ///< the class that stands for no label
  bool zero_infinity = false;  ///< targets that cannot fit count 0 and have no gradient
};

/// Connectionist temporal classification: -log of the probability that the frames' classes, after
/// repeated ones are merged and blanks removed, spell the target.
///
/// y_true (N, S): labels, of which the first target_lengths[n] count; log_probs (T, N, C), the
/// output of log_softmax, of which the first input_lengths[n] frames count; both lengths (N).
/// Returns (N) for None, () for Sum, and for Mean the mean of each loss divided by the length of
/// its target (1 if empty).
/// A target too long for its frames has loss +inf, or 0 with zero_infinity.
/// Error(IndexOutOfBounds) for labels and blank that are no classes; Error(InvalidOperation) for a
/// label that is blank and for lengths outside their range; Error(DimensionMismatch).
/// Gradient: ctc_loss_backward. Numerics: recursions in logarithms in double.
/// torch.nn.functional.ctc_loss (log_probs first). Graves et al. 2006, ICML.
/// In place: no.
template <class T>
void ctc_loss_into(const View<std::int64_t>& y_true, const View<T>& log_probs,
                   const View<std::int64_t>& input_lengths,
                   const View<std::int64_t>& target_lengths, MutArg<T> out,
                   ReductionMode mode = ReductionMode::Mean, const CtcOptions& options = {});
template <class T>
[[nodiscard]] Array<T> ctc_loss(const View<std::int64_t>& y_true, const View<T>& log_probs,
                                const View<std::int64_t>& input_lengths,
                                const View<std::int64_t>& target_lengths,
                                ReductionMode mode = ReductionMode::Mean,
                                const CtcOptions& options = {});
/// With respect to log_probs: minus the probability, given the target, that a frame has a class.
/// That is the derivative itself; PyTorch's has the gradient of log_softmax mixed in, which makes
/// no difference behind log_softmax. Of an infinite loss it is NaN, unless zero_infinity.
template <class T>
void ctc_loss_backward_into(const View<T>& dy, const View<std::int64_t>& y_true,
                            ViewArg<T> log_probs, const View<std::int64_t>& input_lengths,
                            const View<std::int64_t>& target_lengths, MutArg<T> dx,
                            ReductionMode mode = ReductionMode::Mean,
                            const CtcOptions& options = {});
template <class T>
[[nodiscard]] Array<T> ctc_loss_backward(const View<T>& dy, const View<std::int64_t>& y_true,
                                         ViewArg<T> log_probs,
                                         const View<std::int64_t>& input_lengths,
                                         const View<std::int64_t>& target_lengths,
                                         ReductionMode mode = ReductionMode::Mean,
                                         const CtcOptions& options = {});

}  // namespace lamina::nn
