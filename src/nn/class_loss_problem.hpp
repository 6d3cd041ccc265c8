#pragma once

// Losses of classes: the checked arguments of a call, and the walk over rows that all of them
// share.

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "kernels/loss_rows.hpp"
#include "lamina/nn/loss_classification.hpp"
#include "nn/loss_support.hpp"
#include "nn/rows.hpp"

namespace lamina::nn::detail {

/// What a loss adds up over rows.
struct ClassLossTotals {
  double loss = 0;
  double weight = 0;
  ClassLossTotals& operator+=(const ClassLossTotals& other) {
    loss += other.loss;
    weight += other.weight;
    return *this;
  }
};

/// The checked arguments of one call. Targets are labels or distributions.
template <class T>
class ClassLossProblem {
 public:
  ClassLossProblem(std::string_view operation, kernels::Scores scores,
                   const View<std::int64_t>& labels, const View<T>& x, ReductionMode mode,
                   const ClassLossOptions<T>& options)
      : ClassLossProblem(operation, scores, x, mode, options) {
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
  ClassLossProblem(std::string_view operation, kernels::Scores scores, const View<T>& targets,
                   const View<T>& x, ReductionMode mode, const ClassLossOptions<T>& options)
      : ClassLossProblem(operation, scores, x, mode, options) {
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
    finish(result,
           detail::sum_over_chunks<ClassLossTotals>(rows_, grain(), [&](Index begin, Index end) {
             Buffers buffers(*this, begin, end);
             ClassLossTotals sum;
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
    finish(loss,
           detail::sum_over_chunks<ClassLossTotals>(rows_, grain(), [&](Index begin, Index end) {
             Buffers buffers(*this, begin, end);
             ClassLossTotals sum;
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
  ClassLossProblem(std::string_view operation, kernels::Scores scores, const View<T>& x,
                   ReductionMode mode, const ClassLossOptions<T>& options)
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
    return scores_ == kernels::Scores::Logits && classes_ <= kernels::kFewClasses;
  }
  /// A row read, and what its loss and its gradient share.
  struct Prepared {
    kernels::ClassRow<T> row;
    bool ignored = false;
    kernels::RowLoss sums{};  ///< over all classes, where the targets or the smoothing need them
  };
  /// Rows [begin, end) are read in order.
  struct Buffers {
    Buffers(const ClassLossProblem& problem, Index first, Index last)
        : begin(first),
          end(last),
          x(problem.few()
                ? Buffer<T>(problem.x_.contiguous() ? 0 : kernels::kFewRows * problem.classes_)
                : problem.row_buffer(problem.x_)),
          t(problem.targets_ ? problem.row_buffer(*problem.targets_) : Buffer<T>()) {
      kernels::ClassRow<T>& row = prepared.row;
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
    kernels::ClassRow<T>& row = result.row;
    row.x = few() ? few_row(r, buffers, row) : x_.row(r, buffers.x.data());
    row.t = targets_ ? targets_->row(r, buffers.t.data()) : nullptr;
    if (scores_ == kernels::Scores::Logits && !few()) {
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
  const T* few_row(Index r, Buffers& buffers, kernels::ClassRow<T>& row) const {
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
  [[nodiscard]] double nll(const kernels::ClassRow<T>& row, std::int64_t c) const {
    const auto score = static_cast<double>(row.x[c]);
    switch (scores_) {
      case kernels::Scores::Logits:
        return row.max - score + row.log_sum;
      case kernels::Scores::Probabilities:
        return -std::log(score < epsilon_ ? epsilon_ : score);
      case kernels::Scores::LogProbabilities:
        break;
    }
    return -score;
  }

  /// The loss of row r; put into `each` if that has a place for every row.
  ClassLossTotals loss_of(const Prepared& prepared, Index r, T* each) const {
    ClassLossTotals result{prepared.sums.loss, 1.0};
    if (!targets_) {
      result = prepared.ignored ? ClassLossTotals{} : label_loss(prepared, labels_[r]);
    }
    if (mode_ == ReductionMode::None) {
      each[r] = static_cast<T>(result.loss);
    }
    return result;
  }
  [[nodiscard]] ClassLossTotals label_loss(const Prepared& prepared, std::int64_t label) const {
    const double weight = class_weight(label);
    const double of_label = nll(prepared.row, label);
    const double share = (1.0 - smoothing_) * weight;
    // A class that counts 0 counts nothing, not 0 times infinity.
    const double loss = share == 0 && !std::isnan(of_label) ? 0.0 : share * of_label;
    return {loss + prepared.sums.loss, weight};
  }
  void finish(T* result, const ClassLossTotals& totals) const {
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
    if (scores_ == kernels::Scores::Logits || smoothing_ > 0) {
      kernels::row_backward(prepared.row, g, at_label + smooth_share_ * weight_sum_, dx);
    } else {
      std::fill_n(dx, classes_, T{0});
    }
    switch (scores_) {
      case kernels::Scores::Logits:
      case kernels::Scores::LogProbabilities:
        dx[label] -= static_cast<T>(g * at_label);
        break;
      case kernels::Scores::Probabilities:
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
  kernels::Scores scores_;
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

}  // namespace lamina::nn::detail
