#include "lamina/nn/ctc.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "kernels/ctc.hpp"
#include "nn/loss_support.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

constexpr std::string_view kCtc = "ctc_loss";
constexpr double kNothing = -std::numeric_limits<double>::infinity();  // the logarithm of 0

/// Checked arguments.
template <class T>
struct Problem {
  Problem(const View<std::int64_t>& y_true, const View<T>& log_probs,
          const View<std::int64_t>& input_lengths, const View<std::int64_t>& target_lengths,
          const CtcOptions& options)
      : x(log_probs), y(y_true), inputs(input_lengths), targets(target_lengths) {
    const auto [t, n, c] = x.template dims<3>(kCtc, "log_probs");
    const auto [y_rows, y_cols] = y.template dims<2>(kCtc, "y_true");
    frames = t;
    batch = n;
    classes = c;
    blank = options.blank;
    check(y_rows == n, ErrorKind::DimensionMismatch, kCtc, "y_true must have ", n,
          " rows for log_probs ", x.shape(), ", got ", y.shape());
    check(inputs.defined() && inputs.shape() == Shape{n}, ErrorKind::DimensionMismatch, kCtc,
          "input_lengths must have shape ", Shape{n}, ", got ", inputs.shape());
    check(targets.defined() && targets.shape() == Shape{n}, ErrorKind::DimensionMismatch, kCtc,
          "target_lengths must have shape ", Shape{n}, ", got ", targets.shape());
    check(blank >= 0 && blank < c, ErrorKind::IndexOutOfBounds, kCtc, "blank ", blank,
          " is out of range for ", c, " classes");
    for (Index i = 0; i < n; ++i) {
      check(inputs(i) >= 0 && inputs(i) <= t, ErrorKind::InvalidOperation, kCtc, "input length ",
            inputs(i), " of sample ", i, " is not between 0 and ", t);
      check(targets(i) >= 0 && targets(i) <= y_cols, ErrorKind::InvalidOperation, kCtc,
            "target length ", targets(i), " of sample ", i, " is not between 0 and ", y_cols);
      for (Index s = 0; s < targets(i); ++s) {
        const std::int64_t label = y(i, s);
        check(label >= 0 && label < c, ErrorKind::IndexOutOfBounds, kCtc, "label ", label, " at (",
              i, ", ", s, ") is out of range for ", c, " classes");
        check(label != blank, ErrorKind::InvalidOperation, kCtc, "label ", label, " at (", i, ", ",
              s, ") is the blank");
      }
    }
  }

  View<T> x;
  View<std::int64_t> y;
  View<std::int64_t> inputs;
  View<std::int64_t> targets;
  Index frames = 0;
  Index batch = 0;
  Index classes = 0;
  std::int64_t blank = 0;
};

/// The states of one sample: its labels with a blank before, between and behind them.
class States {
 public:
  template <class T>
  States(const Problem<T>& p, Index sample) : count_(2 * p.targets(sample) + 1) {
    labels_.assign(size(), p.blank);
    for (std::size_t s = 1; s < size(); s += 2) {
      labels_[s] = p.y(sample, static_cast<Index>(s / 2));
    }
    // A blank may be left out between labels that differ.
    skip_ = skips(labels_, p.blank);
    reversed_skip_ = skips({labels_.rbegin(), labels_.rend()}, p.blank);
  }
  [[nodiscard]] Index count() const { return count_; }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(count_); }
  [[nodiscard]] const std::vector<std::int64_t>& labels() const { return labels_; }
  [[nodiscard]] const double* skip() const { return skip_.data(); }
  [[nodiscard]] const double* reversed_skip() const { return reversed_skip_.data(); }

  /// The log-probability of each state's label in one frame.
  template <class T>
  void emissions(const View<T>& frame, std::vector<double>& emit) const {
    for (std::size_t s = 0; s < size(); ++s) {
      emit[s] = static_cast<double>(frame(labels_[s]));
    }
  }

 private:
  static std::vector<double> skips(const std::vector<std::int64_t>& labels, std::int64_t blank) {
    std::vector<double> skip(labels.size(), kNothing);
    for (std::size_t s = 2; s < labels.size(); ++s) {
      skip[s] = labels[s] != blank && labels[s] != labels[s - 2] ? 0.0 : kNothing;
    }
    return skip;
  }

  Index count_;
  std::vector<std::int64_t> labels_;
  std::vector<double> skip_;
  std::vector<double> reversed_skip_;
};

/// A row of states that ctc_step can read two elements in front of.
class StateRow {
 public:
  explicit StateRow(std::size_t size) : values_(size + 2, kNothing) {}
  [[nodiscard]] double* data() { return values_.data() + 2; }

 private:
  std::vector<double> values_;
};

/// log(exp(a) + exp(b)).
double log_add(double a, double b) {
  const double greatest = std::max(a, b);
  if (a == kNothing && b == kNothing) {
    return kNothing;
  }
  return greatest + std::log(std::exp(a - greatest) + std::exp(b - greatest));
}

/// Starts the recursion: the first two states of the first frame.
void start(const std::vector<double>& emit, double* row) {
  std::fill(row, row + emit.size(), kNothing);
  std::copy_n(emit.begin(), std::min<std::size_t>(2, emit.size()), row);
}
/// The probability of having reached one of the last two states.
double finish(const double* row, std::size_t size) {
  return size == 1 ? row[0] : log_add(row[size - 1], row[size - 2]);
}

template <class T>
double sample_loss(const Problem<T>& p, Index sample) {
  const States states(p, sample);
  const View<T> x = p.x.select(1, sample);
  const Index frames = p.inputs(sample);
  if (frames == 0) {
    return states.count() == 1 ? 0.0 : -kNothing;
  }
  StateRow row(states.size());
  StateRow next(states.size());
  std::vector<double> emit(states.size());
  states.emissions(x.row(0), emit);
  start(emit, row.data());
  for (Index t = 1; t < frames; ++t) {
    states.emissions(x.row(t), emit);
    kernels::ctc_step(row.data(), emit.data(), states.skip(), next.data(), states.count());
    std::swap(row, next);
  }
  return -finish(row.data(), states.size());
}

/// Adds -scale times the share of each class to every frame of dx (T, C).
template <class T>
void sample_gradient(const Problem<T>& p, Index sample, double scale, bool zero_infinity,
                     const MutView<T>& dx) {
  const States states(p, sample);
  const View<T> x = p.x.select(1, sample);
  const Index frames = p.inputs(sample);
  const std::size_t size = states.size();
  const auto count = static_cast<std::size_t>(frames);
  if (frames == 0) {
    return;
  }
  std::vector<StateRow> forward(count, StateRow(size));
  std::vector<std::vector<double>> emit(count, std::vector<double>(size));
  for (std::size_t t = 0; t < count; ++t) {
    states.emissions(x.row(static_cast<Index>(t)), emit[t]);
    if (t == 0) {
      start(emit[0], forward[0].data());
    } else {
      kernels::ctc_step(forward[t - 1].data(), emit[t].data(), states.skip(), forward[t].data(),
                        states.count());
    }
  }
  const double total = finish(forward.back().data(), size);
  if (total == kNothing) {
    for (Index t = 0; t < frames && !zero_infinity; ++t) {
      dx.row(t).fill(std::numeric_limits<T>::quiet_NaN());
    }
    return;
  }
  // Backward in time is forward along the reversed labels.
  StateRow row(size);
  StateRow next(size);
  std::vector<double> reversed(size);
  std::vector<double> backward(size);
  std::vector<double> share(size);
  for (std::size_t t = count; t-- > 0;) {
    std::reverse_copy(emit[t].begin(), emit[t].end(), reversed.begin());
    if (t == count - 1) {
      start(reversed, row.data());
    } else {
      kernels::ctc_step(row.data(), reversed.data(), states.reversed_skip(), next.data(),
                        states.count());
      std::swap(row, next);
    }
    std::reverse_copy(row.data(), row.data() + size, backward.begin());
    kernels::ctc_share(forward[t].data(), backward.data(), emit[t].data(), total, share.data(),
                       states.count());
    const MutView<T> frame = dx.row(static_cast<Index>(t));
    for (std::size_t s = 0; s < size; ++s) {
      T& element = frame(states.labels()[s]);
      element = static_cast<T>(static_cast<double>(element) - scale * share[s]);
    }
  }
}

/// What a sample's loss is divided by for Mean, and its gradient with it.
template <class T>
double mean_divisor(const Problem<T>& p, Index sample) {
  return static_cast<double>(std::max<std::int64_t>(1, p.targets(sample)));
}

}  // namespace

template <class T>
void ctc_loss_into(const View<std::int64_t>& y_true, const View<T>& log_probs,
                   const View<std::int64_t>& input_lengths,
                   const View<std::int64_t>& target_lengths, MutArg<T> out, ReductionMode mode,
                   const CtcOptions& options) {
  const Problem<T> p(y_true, log_probs, input_lengths, target_lengths, options);
  detail::check_output(out, "out", detail::loss_shape(mode, Shape{p.batch}), kCtc, log_probs,
                       y_true, input_lengths, target_lengths);
  detail::reduce_rows_into<T>(Shape{p.batch}, 1, mode, out, [&] {
    return [&](Index sample) {
      double loss = sample_loss(p, sample);
      loss = options.zero_infinity && loss == -kNothing ? 0.0 : loss;
      return mode == ReductionMode::Mean ? loss / mean_divisor(p, sample) : loss;
    };
  });
}

template <class T>
Array<T> ctc_loss(const View<std::int64_t>& y_true, const View<T>& log_probs,
                  const View<std::int64_t>& input_lengths, const View<std::int64_t>& target_lengths,
                  ReductionMode mode, const CtcOptions& options) {
  const Index batch = log_probs.template dims<3>(kCtc, "log_probs")[1];
  Array<T> out = Array<T>::empty(detail::loss_shape(mode, Shape{batch}));
  ctc_loss_into<T>(y_true, log_probs, input_lengths, target_lengths, out, mode, options);
  return out;
}

template <class T>
void ctc_loss_backward_into(const View<T>& dy, const View<std::int64_t>& y_true,
                            ViewArg<T> log_probs, const View<std::int64_t>& input_lengths,
                            const View<std::int64_t>& target_lengths, MutArg<T> dx,
                            ReductionMode mode, const CtcOptions& options) {
  const Problem<T> p(y_true, log_probs, input_lengths, target_lengths, options);
  detail::check_upstream(kCtc, dy, mode, Shape{p.batch});
  detail::check_output(dx, "dx", log_probs.shape(), kCtc, dy, log_probs, y_true, input_lengths,
                       target_lengths);
  const detail::RowUpstream<T> upstream(dy, mode, p.batch);
  dx.fill(T(0));
  parallel_for(p.batch, 1, [&](Index begin, Index end) {
    for (Index sample = begin; sample < end; ++sample) {
      const double scale =
          upstream(sample) / (mode == ReductionMode::Mean ? mean_divisor(p, sample) : 1.0);
      sample_gradient<T>(p, sample, scale, options.zero_infinity, dx.select(1, sample));
    }
  });
}

template <class T>
Array<T> ctc_loss_backward(const View<T>& dy, const View<std::int64_t>& y_true,
                           ViewArg<T> log_probs, const View<std::int64_t>& input_lengths,
                           const View<std::int64_t>& target_lengths, ReductionMode mode,
                           const CtcOptions& options) {
  Array<T> dx = Array<T>::empty(log_probs.shape());
  ctc_loss_backward_into<T>(dy, y_true, log_probs, input_lengths, target_lengths, dx, mode,
                            options);
  return dx;
}

#define LAMINA_INSTANTIATE(T)                                                           \
  template LAMINA_EXPORT void ctc_loss_into<T>(                                         \
      const View<std::int64_t>&, const View<T>&, const View<std::int64_t>&,             \
      const View<std::int64_t>&, MutArg<T>, ReductionMode, const CtcOptions&);          \
  template LAMINA_EXPORT void ctc_loss_backward_into<T>(                                \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, const View<std::int64_t>&, \
      const View<std::int64_t>&, MutArg<T>, ReductionMode, const CtcOptions&);          \
  template LAMINA_EXPORT Array<T> ctc_loss<T>(                                          \
      const View<std::int64_t>&, const View<T>&, const View<std::int64_t>&,             \
      const View<std::int64_t>&, ReductionMode, const CtcOptions&);                     \
  template LAMINA_EXPORT Array<T> ctc_loss_backward<T>(                                 \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, const View<std::int64_t>&, \
      const View<std::int64_t>&, ReductionMode, const CtcOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
