#include "lamina/nn/loss_classification.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "kernels/loss_rows.hpp"
#include "nn/loss_support.hpp"
#include "nn/rows.hpp"

namespace lamina::nn {

namespace {

using detail::Rows;
using kernels::ClassRow;
using kernels::Scores;

/// What a loss adds up over rows.
struct Totals {
  double loss = 0;
  double weight = 0;
  Totals& operator+=(const Totals& other) {
    loss += other.loss;
    weight += other.weight;
    return *this;
  }
};

/// The checked arguments of one call. Targets are labels or distributions.
template <class T>
class Problem {
 public:
  Problem(std::string_view operation, Scores scores, const View<std::int64_t>& labels,
          const View<T>& x, ReductionMode mode, const ClassLossOptions<T>& options)
      : Problem(operation, scores, x, mode, options) {
    detail::check_defined(operation, "y_true", labels);
    check(labels.shape() == lead_, ErrorKind::DimensionMismatch, operation,
          "y_true must have shape ", lead_, " for scores ", x.shape(), ", got ", labels.shape());
    if (!labels.is_contiguous()) {
      labels_copy_ = labels.copy();
    }
    labels_ = labels.is_contiguous() ? labels.data() : labels_copy_.data();
    for (Index r = 0; r < rows_; ++r) {
      if (labels_[r] < 0 || labels_[r] >= classes_) {
        check_label(r);
      }
    }
  }
  Problem(std::string_view operation, Scores scores, const View<T>& targets, const View<T>& x,
          ReductionMode mode, const ClassLossOptions<T>& options)
      : Problem(operation, scores, x, mode, options) {
    detail::check_defined(operation, "y_true", targets);
    detail::check_same_shape(operation, "y_true", targets.shape(), "the scores", x.shape());
    check(!options.ignore_index, ErrorKind::InvalidOperation, operation,
          "ignore_index needs integer labels");
    targets_.emplace(targets);
  }

  [[nodiscard]] const Shape& lead() const { return lead_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::string_view operation() const { return operation_; }

  /// result: (1) or one element a row, without gaps.
  void forward(T* result) const {
    finish(result, detail::sum_over_chunks<Totals>(rows_, grain(), [&](Index begin, Index end) {
             Buffers buffers(*this, begin, end);
             Totals sum;
             for (Index r = begin; r < end; ++r) {
               const Prepared& row = prepare(r, buffers, nullptr);
               sum += loss_of(row, r, result);
             }
             return sum;
           }));
  }
  [[nodiscard]] Array<T> forward() const {
    Array<T> result = Array<T>::empty(detail::loss_shape(mode_, lead_));
    forward(result.data());
    return result;
  }

  void backward(const View<T>& dy, const MutView<T>& out) const {
    each_gradient(dy, out, [&](Index r, double g, Buffers& buffers, T* dx) {
      gradient_of(prepare(r, buffers, dx), r, g, dx);
    });
  }
  void backward_true(const View<T>& dy, const MutView<T>& out) const {
    each_gradient(dy, out, [&](Index r, double g, Buffers& buffers, T* dt) {
      kernels::row_backward_target(prepare(r, buffers, nullptr).row, g, dt);
    });
  }
  /// Loss and gradient for dy = 1 while a row is at hand; both without gaps.
  void forward_and_backward(T* loss, T* gradient) const {
    const double g = row_share();
    finish(loss, detail::sum_over_chunks<Totals>(rows_, grain(), [&](Index begin, Index end) {
             Buffers buffers(*this, begin, end);
             Totals sum;
             for (Index r = begin; r < end; ++r) {
               T* dx = gradient + r * classes_;
               const Prepared& row = prepare(r, buffers, dx);
               sum += loss_of(row, r, loss);
               gradient_of(row, r, g, dx);
             }
             return sum;
           }));
  }
  [[nodiscard]] LossAndGradient<T> forward_and_backward() const {
    LossAndGradient<T> result{Array<T>::empty(detail::loss_shape(mode_, lead_)),
                              Array<T>::empty(shape_)};
    forward_and_backward(result.loss.data(), result.gradient.data());
    return result;
  }

 private:
  Problem(std::string_view operation, Scores scores, const View<T>& x, ReductionMode mode,
          const ClassLossOptions<T>& options)
      : operation_(operation),
        scores_(scores),
        mode_(mode),
        ignore_index_(options.ignore_index),
        smoothing_(options.label_smoothing),
        epsilon_(options.epsilon),
        x_(checked_scores(operation, x)) {
    shape_ = x.shape();
    classes_ = shape_.back();
    lead_ = shape_;
    lead_.erase(lead_.rank() - 1);
    rows_ = lead_.size();
    check(classes_ > 0 || rows_ == 0, ErrorKind::DimensionMismatch, operation,
          "needs at least one class, got scores ", shape_);
    check(smoothing_ >= 0 && smoothing_ <= 1, ErrorKind::InvalidOperation, operation,
          "label_smoothing must be between 0 and 1, got ", smoothing_);
    check(epsilon_ >= 0 && epsilon_ < 1, ErrorKind::InvalidOperation, operation,
          "epsilon must be at least 0 and less than 1, got ", epsilon_);
    smooth_share_ = classes_ == 0 ? 0.0 : smoothing_ / static_cast<double>(classes_);
    weight_sum_ = static_cast<double>(classes_);
    if (options.weight.defined()) {
      check(options.weight.shape() == Shape{classes_}, ErrorKind::DimensionMismatch, operation,
            "weight must have shape ", Shape{classes_}, ", got ", options.weight.shape());
      weight_ = options.weight.copy();
      weight_sum_ = 0;
      for (const T w : weight_) {
        weight_sum_ += static_cast<double>(w);
      }
    }
  }

  static const View<T>& checked_scores(std::string_view operation, const View<T>& x) {
    detail::check_defined(operation, "y_pred", x);
    check(x.rank() >= 1, ErrorKind::DimensionMismatch, operation,
          "scores must have rank 1 or more (..., classes), got shape ", x.shape());
    return x;
  }

  void check_label(Index r) const {
    if (ignored(r)) {
      return;
    }
    IndexList position = lead_;
    Index rest = r;
    for (int axis = lead_.rank() - 1; axis >= 0; --axis) {
      position[axis] = rest % lead_[axis];
      rest /= lead_[axis];
    }
    check(false, ErrorKind::IndexOutOfBounds, operation_, "label ", labels_[r], " at ", position,
          " is out of range for ", classes_, " classes");
  }

  [[nodiscard]] Index grain() const {
    return std::max<Index>(1, 16384 / std::max<Index>(classes_, 1));
  }
  [[nodiscard]] Buffer<T> row_buffer(const Rows<T>& rows) const {
    return rows.in_place() ? Buffer<T>() : Buffer<T>(classes_);
  }
  /// Rows of few logits are read kFewRows at a time, wherever they lie.
  [[nodiscard]] bool few() const {
    return scores_ == Scores::Logits && classes_ <= kernels::kFewClasses;
  }
  /// A row read, and what its loss and its gradient share.
  struct Prepared {
    ClassRow<T> row;
    bool ignored = false;
    kernels::RowLoss sums{};  ///< over all classes, where the targets or the smoothing need them
  };
  /// Rows [begin, end) are read in order.
  struct Buffers {
    Buffers(const Problem& problem, Index first, Index last)
        : begin(first),
          end(last),
          x(problem.few()
                ? Buffer<T>(problem.x_.contiguous() ? 0 : kernels::kFewRows * problem.classes_)
                : problem.row_buffer(problem.x_)),
          t(problem.targets_ ? problem.row_buffer(*problem.targets_) : Buffer<T>()) {
      ClassRow<T>& row = prepared.row;
      row.scores = problem.scores_;
      row.n = problem.classes_;
      row.w = problem.weight_.empty() ? nullptr : problem.weight_.data();
      row.t_scale = 1.0 - problem.smoothing_;
      row.t_add = problem.smooth_share_;
      row.epsilon = problem.epsilon_;
    }
    Index begin;
    Index end;
    Buffer<T> x;  ///< rows that are gathered
    Buffer<T> t;
    kernels::ExpSums sums;  ///< of few classes, for kFewRows rows from `group` on
    Index group = -1;
    Prepared prepared;  ///< the row at hand
  };
  [[nodiscard]] bool ignored(Index r) const {
    return ignore_index_ && labels_[r] == *ignore_index_;
  }
  [[nodiscard]] double class_weight(std::int64_t c) const {
    return weight_.empty() ? 1.0 : static_cast<double>(weight_.data()[c]);
  }

  const Prepared& prepare(Index r, Buffers& buffers, T* exps) const {
    Prepared& result = buffers.prepared;
    result.ignored = !targets_ && ignored(r);
    if (result.ignored) {
      return result;
    }
    ClassRow<T>& row = result.row;
    row.x = few() ? few_row(r, buffers, row) : x_.row(r, buffers.x.data());
    row.t = targets_ ? targets_->row(r, buffers.t.data()) : nullptr;
    if (scores_ == Scores::Logits && !few()) {
      // The exponentials go where the gradient will be, which may be where x is; it needs x no
      // more.
      // Not many are sooner computed again than read back right after a masked store.
      constexpr Index kNotMany = 64;
      row.exps = classes_ > kNotMany && classes_ <= kernels::kExpBlock ? exps : nullptr;
      const kernels::ExpSum sum =
          kernels::exp_sum_row(row.x, row.n, row.exps == nullptr ? nullptr : exps);
      row.max = sum.max;
      row.exp_sum = sum.sum;
      row.log_sum = std::log(sum.sum);
    }
    if (targets_ || smoothing_ > 0) {
      result.sums = kernels::row_loss(row);
    }
    return result;
  }
  /// Row r and what is known of it, found out for all of its group at the first of them: a gradient
  /// may be written where rows of before were.
  const T* few_row(Index r, Buffers& buffers, ClassRow<T>& row) const {
    const Index place = (r - buffers.begin) % kernels::kFewRows;
    const Index group = r - place;
    const T* const rows = x_.contiguous() ? x_.row(group, nullptr) : buffers.x.data();
    if (buffers.group != group) {
      const Index count = std::min(kernels::kFewRows, buffers.end - group);
      for (Index i = 0; i < count && !x_.contiguous(); ++i) {
        T* const to = buffers.x.data() + i * classes_;
        const T* const from = x_.row(group + i, to);
        if (from != to) {
          std::copy_n(from, classes_, to);
        }
      }
      kernels::exp_sum_few(rows, classes_, count, buffers.sums);
      buffers.group = group;
    }
    row.max = buffers.sums.max[place];
    row.exp_sum = buffers.sums.sum[place];
    row.log_sum = buffers.sums.log_sum[place];
    return rows + place * classes_;
  }
  [[nodiscard]] double nll(const ClassRow<T>& row, std::int64_t c) const {
    const auto score = static_cast<double>(row.x[c]);
    switch (scores_) {
      case Scores::Logits:
        return row.max - score + row.log_sum;
      case Scores::Probabilities:
        return -std::log(score < epsilon_ ? epsilon_ : score);
      case Scores::LogProbabilities:
        break;
    }
    return -score;
  }

  /// The loss of row r; put into `each` if that has a place for every row.
  Totals loss_of(const Prepared& prepared, Index r, T* each) const {
    Totals result{prepared.sums.loss, 1.0};
    if (!targets_) {
      result = prepared.ignored ? Totals{} : label_loss(prepared, labels_[r]);
    }
    if (mode_ == ReductionMode::None) {
      each[r] = static_cast<T>(result.loss);
    }
    return result;
  }
  [[nodiscard]] Totals label_loss(const Prepared& prepared, std::int64_t label) const {
    const double weight = class_weight(label);
    const double of_label = nll(prepared.row, label);
    const double share = (1.0 - smoothing_) * weight;
    // A class that counts 0 counts nothing, not 0 times infinity.
    const double loss = share == 0 && !std::isnan(of_label) ? 0.0 : share * of_label;
    return {loss + prepared.sums.loss, weight};
  }
  void finish(T* result, const Totals& totals) const {
    if (mode_ != ReductionMode::None) {
      *result = static_cast<T>(
          mode_ == ReductionMode::Sum ? totals.loss : detail::mean_of(totals.loss, totals.weight));
    }
  }

  void gradient_of(const Prepared& prepared, Index r, double g, T* dx) const {
    if (prepared.ignored) {
      std::fill_n(dx, classes_, T{0});
      return;
    }
    if (targets_) {
      kernels::row_backward(prepared.row, g, prepared.sums.weight, dx);
      return;
    }
    const std::int64_t label = labels_[r];
    const double at_label = (1.0 - smoothing_) * class_weight(label);
    const auto score = static_cast<double>(prepared.row.x[label]);  // dx may be where x is
    if (scores_ == Scores::Logits || smoothing_ > 0) {
      kernels::row_backward(prepared.row, g, at_label + smooth_share_ * weight_sum_, dx);
    } else {
      std::fill_n(dx, classes_, T{0});
    }
    switch (scores_) {
      case Scores::Logits:
      case Scores::LogProbabilities:
        dx[label] -= static_cast<T>(g * at_label);
        break;
      case Scores::Probabilities:
        dx[label] -= score < epsilon_ ? T{0} : static_cast<T>(g * at_label / score);
        break;
    }
  }

  /// What a gradient of 1 for the loss is for one row's.
  [[nodiscard]] double row_share() const {
    if (mode_ != ReductionMode::Mean) {
      return 1.0;
    }
    double weight = targets_ ? static_cast<double>(rows_) : 0.0;
    for (Index r = 0; r < rows_ && !targets_; ++r) {
      weight += ignored(r) ? 0.0 : class_weight(labels_[r]);
    }
    return detail::mean_of(1.0, weight);
  }

  template <class F>
  void each_gradient(const View<T>& dy, const MutView<T>& out, const F& gradient) const {
    const bool each = mode_ == ReductionMode::None;
    const lamina::detail::Packed<T> upstream(dy);
    const double scale = each ? 1.0 : static_cast<double>(dy.item()) * row_share();
    const Rows<T> target(out);
    parallel_for(rows_, grain(), [&](Index begin, Index end) {
      Buffers buffers(*this, begin, end);
      const Buffer<T> out_buffer = row_buffer(target);
      for (Index r = begin; r < end; ++r) {
        const double g = each ? static_cast<double>(upstream.data()[r]) : scale;
        T* place = out.data() + target.offset(r);
        T* row = target.in_place() ? place : out_buffer.data();
        gradient(r, g, buffers, row);
        for (Index c = 0; c < classes_ && row != place; ++c) {
          place[c * target.step()] = row[c];
        }
      }
    });
  }

  std::string_view operation_;
  Scores scores_;
  ReductionMode mode_;
  std::optional<std::int64_t> ignore_index_;
  double smoothing_;
  double epsilon_;
  double smooth_share_ = 0;
  double weight_sum_ = 0;
  Shape shape_;
  Shape lead_;
  Index rows_ = 0;
  Index classes_ = 0;
  Rows<T> x_;
  std::optional<Rows<T>> targets_;
  const std::int64_t* labels_ = nullptr;
  Array<std::int64_t> labels_copy_;
  Array<T> weight_;
};

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
