#include "lamina/nn/loss_multilabel.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

#include "kernels/loss.hpp"
#include "kernels/loss_pairs.hpp"
#include "lamina/nn/loss_elementwise.hpp"
#include "nn/block_reader.hpp"
#include "nn/loss_support.hpp"
#include "nn/output.hpp"
#include "nn/rows.hpp"

namespace lamina::nn {

namespace {

using detail::Rows;
using detail::RowUpstream;

constexpr std::string_view kMultiMargin = "multi_margin_loss";
constexpr std::string_view kMultiLabel = "multi_label_margin_loss";
constexpr std::string_view kSoftMargin = "multi_label_soft_margin_loss";

template <class T>
void check_scores(std::string_view operation, const View<T>& x) {
  detail::check_defined(operation, "x", x);
  check(x.rank() >= 1 && (x.shape().back() > 0 || x.size() == 0), ErrorKind::DimensionMismatch,
        operation, "x must have shape (..., classes), got ", x.shape());
}
Shape lead_of(const Shape& shape) {
  Shape lead = shape;
  lead.erase(lead.rank() - 1);
  return lead;
}
Index grain_of(Index classes) {
  return std::max<Index>(1, 16384 / std::max<Index>(classes, 1));
}
double share_of(Index classes) {
  return classes == 0 ? 0.0 : 1.0 / static_cast<double>(classes);
}

/// Checked arguments of multi_margin_loss.
template <class T>
struct MultiMargin {
  MultiMargin(const View<std::int64_t>& y_true, const View<T>& x_,
              const MultiMarginOptions<T>& options_)
      : x(x_), options(options_), labels(y_true) {
    check_scores(kMultiMargin, x);
    lead = lead_of(x.shape());
    classes = x.shape().back();
    detail::check_defined(kMultiMargin, "y_true", y_true);
    check(y_true.shape() == lead, ErrorKind::DimensionMismatch, kMultiMargin,
          "y_true must have shape ", lead, " for scores ", x.shape(), ", got ", y_true.shape());
    check(options.p == 1 || options.p == 2, ErrorKind::InvalidOperation, kMultiMargin,
          "p must be 1 or 2, got ", options.p);
    check(!options.weight.defined() || options.weight.shape() == Shape{classes},
          ErrorKind::DimensionMismatch, kMultiMargin, "weight must have shape ", Shape{classes},
          ", got ", options.weight.shape());
    for (Index r = 0; r < lead.size(); ++r) {
      const std::int64_t label = labels.data()[r];
      check(label >= 0 && label < classes, ErrorKind::IndexOutOfBounds, kMultiMargin, "label ",
            label, " at row ", r, " is out of range for ", classes, " classes");
    }
  }
  [[nodiscard]] double weight(std::int64_t label) const {
    return options.weight.defined() ? static_cast<double>(options.weight(label)) : 1.0;
  }
  /// What the label itself would add to the sum: it is no other class.
  [[nodiscard]] double own() const {
    const double margin = std::max(0.0, options.margin);
    return options.p == 2 ? margin * margin : margin;
  }

  View<T> x;
  MultiMarginOptions<T> options;
  lamina::detail::Packed<std::int64_t> labels;
  Shape lead;
  Index classes = 0;
};

/// Checked arguments of multi_label_margin_loss.
template <class T>
struct MultiLabel {
  MultiLabel(const View<std::int64_t>& y_true, const View<T>& x_) : x(x_), labels(y_true) {
    check_scores(kMultiLabel, x);
    detail::check_defined(kMultiLabel, "y_true", y_true);
    detail::check_same_shape(kMultiLabel, "y_true", y_true.shape(), "x", x.shape());
    lead = lead_of(x.shape());
    classes = x.shape().back();
    std::vector<Index> seen_in(static_cast<std::size_t>(classes), -1);
    for (Index r = 0; r < lead.size(); ++r) {
      for (const std::int64_t label : row(r)) {
        check(label >= 0 && label < classes, ErrorKind::IndexOutOfBounds, kMultiLabel, "label ",
              label, " in row ", r, " is out of range for ", classes, " classes");
        Index& seen = seen_in[static_cast<std::size_t>(label)];
        check(seen != r, ErrorKind::InvalidOperation, kMultiLabel, "label ", label,
              " stands twice in row ", r);
        seen = r;
      }
    }
  }
  /// The labels of row r, up to the -1.
  [[nodiscard]] std::span<const std::int64_t> row(Index r) const {
    const std::int64_t* begin = labels.data() + r * classes;
    return {begin, std::find(begin, begin + classes, -1)};
  }
  /// Copies a row with -inf, which no margin reaches, in place of its labels.
  void others(const T* scores, std::span<const std::int64_t> of_row, T* out) const {
    std::copy_n(scores, classes, out);
    for (const std::int64_t label : of_row) {
      out[label] = -std::numeric_limits<T>::infinity();
    }
  }

  View<T> x;
  lamina::detail::Packed<std::int64_t> labels;
  Shape lead;
  Index classes = 0;
};

/// weight / C, broadcast along the classes.
template <class T>
Array<T> class_shares(const View<T>& weight, Index classes) {
  Array<T> shares = Array<T>::full(Shape{classes}, static_cast<T>(share_of(classes)));
  for (Index c = 0; c < classes && weight.defined(); ++c) {
    shares(c) = static_cast<T>(static_cast<double>(weight(c)) * share_of(classes));
  }
  return shares;
}

template <class T>
void check_soft_margin(const View<T>& y_true, const View<T>& logits, const View<T>& weight) {
  detail::check_defined(kSoftMargin, "y_true", y_true);
  check_scores(kSoftMargin, logits);
  detail::check_same_shape(kSoftMargin, "y_true", y_true.shape(), "logits", logits.shape());
  const Shape classes{logits.shape().back()};
  check(!weight.defined() || weight.shape() == classes, ErrorKind::DimensionMismatch, kSoftMargin,
        "weight must have shape ", classes, ", got ", weight.shape());
}

}  // namespace

template <class T>
void multi_margin_loss_into(const View<std::int64_t>& y_true, const View<T>& x, MutArg<T> out,
                            ReductionMode mode,
                            const MultiMarginOptions<std::type_identity_t<T>>& options) {
  const MultiMargin<T> m(y_true, x, options);
  detail::check_output(out, "out", detail::loss_shape(mode, m.lead), kMultiMargin, x, y_true,
                       options.weight);
  const Rows<T> rows(m.x);
  detail::reduce_rows_into<T>(m.lead, grain_of(m.classes), mode, out, [&] {
    return [&, buffer = Buffer<T>(rows.in_place() ? 0 : m.classes)](Index r) {
      const T* scores = rows.row(r, buffer.data());
      const std::int64_t label = m.labels.data()[r];
      const double add = options.margin - static_cast<double>(scores[label]);
      const double sum = kernels::hinge_sum(scores, m.classes, add, options.p == 2);
      return m.weight(label) * share_of(m.classes) * (sum - m.own());
    };
  });
}

template <class T>
Array<T> multi_margin_loss(const View<std::int64_t>& y_true, const View<T>& x, ReductionMode mode,
                           const MultiMarginOptions<std::type_identity_t<T>>& options) {
  check_scores(kMultiMargin, x);
  Array<T> out = Array<T>::empty(detail::loss_shape(mode, lead_of(x.shape())));
  multi_margin_loss_into<T>(y_true, x, out, mode, options);
  return out;
}

template <class T>
void multi_margin_loss_backward_into(const View<T>& dy, const View<std::int64_t>& y_true,
                                     ViewArg<T> x, MutArg<T> dx, ReductionMode mode,
                                     const MultiMarginOptions<std::type_identity_t<T>>& options) {
  const MultiMargin<T> m(y_true, x, options);
  detail::check_upstream(kMultiMargin, dy, mode, m.lead);
  detail::check_output(dx, "dx", x.shape(), kMultiMargin, dy, x, y_true, options.weight);
  const Rows<T> rows(m.x);
  const RowUpstream<T> upstream(dy, mode, m.lead.size());
  detail::PackedOut<T> result(dx);
  parallel_for(m.lead.size(), grain_of(m.classes), [&](Index begin, Index end) {
    const Buffer<T> buffer(rows.in_place() ? 0 : m.classes);
    for (Index r = begin; r < end; ++r) {
      const T* scores = rows.row(r, buffer.data());
      T* out = result.data() + r * m.classes;
      const std::int64_t label = m.labels.data()[r];
      const double add = options.margin - static_cast<double>(scores[label]);
      const double g = upstream(r) * m.weight(label) * share_of(m.classes);
      std::fill_n(out, m.classes, T(0));
      const double sum = kernels::add_hinge_slope(scores, m.classes, add, options.p == 2, g, out);
      // The label's score lowers every margin; its own was no margin at all.
      out[label] -= static_cast<T>(sum);
    }
  });
  result.finish();
}

template <class T>
Array<T> multi_margin_loss_backward(const View<T>& dy, const View<std::int64_t>& y_true,
                                    ViewArg<T> x, ReductionMode mode,
                                    const MultiMarginOptions<std::type_identity_t<T>>& options) {
  Array<T> dx = Array<T>::empty(x.shape());
  multi_margin_loss_backward_into<T>(dy, y_true, x, dx, mode, options);
  return dx;
}

template <class T>
void multi_label_margin_loss_into(const View<std::int64_t>& y_true, const View<T>& x, MutArg<T> out,
                                  ReductionMode mode) {
  const MultiLabel<T> m(y_true, x);
  detail::check_output(out, "out", detail::loss_shape(mode, m.lead), kMultiLabel, x, y_true);
  const Rows<T> rows(m.x);
  detail::reduce_rows_into<T>(m.lead, grain_of(m.classes), mode, out, [&] {
    return [&, buffer = Buffer<T>(m.classes), others = Buffer<T>(m.classes)](Index r) {
      const T* scores = rows.row(r, buffer.data());
      const auto labels = m.row(r);
      m.others(scores, labels, others.data());
      double sum = 0;
      for (const std::int64_t label : labels) {
        sum += kernels::hinge_sum(others.data(), m.classes,
                                  1.0 - static_cast<double>(scores[label]), false);
      }
      return sum * share_of(m.classes);
    };
  });
}

template <class T>
Array<T> multi_label_margin_loss(const View<std::int64_t>& y_true, const View<T>& x,
                                 ReductionMode mode) {
  check_scores(kMultiLabel, x);
  Array<T> out = Array<T>::empty(detail::loss_shape(mode, lead_of(x.shape())));
  multi_label_margin_loss_into<T>(y_true, x, out, mode);
  return out;
}

template <class T>
void multi_label_margin_loss_backward_into(const View<T>& dy, const View<std::int64_t>& y_true,
                                           ViewArg<T> x, MutArg<T> dx, ReductionMode mode) {
  const MultiLabel<T> m(y_true, x);
  detail::check_upstream(kMultiLabel, dy, mode, m.lead);
  detail::check_output(dx, "dx", x.shape(), kMultiLabel, dy, x, y_true);
  const Rows<T> rows(m.x);
  const RowUpstream<T> upstream(dy, mode, m.lead.size());
  detail::PackedOut<T> result(dx);
  parallel_for(m.lead.size(), grain_of(m.classes), [&](Index begin, Index end) {
    const Buffer<T> buffer(m.classes);
    const Buffer<T> others(m.classes);
    for (Index r = begin; r < end; ++r) {
      const T* scores = rows.row(r, buffer.data());
      T* out = result.data() + r * m.classes;
      const auto labels = m.row(r);
      m.others(scores, labels, others.data());
      const double g = upstream(r) * share_of(m.classes);
      std::fill_n(out, m.classes, T(0));
      for (const std::int64_t label : labels) {
        const double add = 1.0 - static_cast<double>(scores[label]);
        const double sum = kernels::add_hinge_slope(others.data(), m.classes, add, false, g, out);
        out[label] -= static_cast<T>(sum);
      }
    }
  });
  result.finish();
}

template <class T>
Array<T> multi_label_margin_loss_backward(const View<T>& dy, const View<std::int64_t>& y_true,
                                          ViewArg<T> x, ReductionMode mode) {
  Array<T> dx = Array<T>::empty(x.shape());
  multi_label_margin_loss_backward_into<T>(dy, y_true, x, dx, mode);
  return dx;
}

template <class T>
void multi_label_soft_margin_loss_into(const View<T>& y_true, ViewArg<T> logits, MutArg<T> out,
                                       ReductionMode mode, ViewArg<T> weight) {
  check_soft_margin<T>(y_true, logits, weight);
  detail::check_output(out, "out", detail::loss_shape(mode, lead_of(logits.shape())), kSoftMargin,
                       y_true, logits, weight);
  const Index classes = logits.shape().back();
  const Array<T> shares = class_shares<T>(weight, classes);
  const detail::BlockReader<T> targets(y_true);
  const detail::BlockReader<T> scores(logits);
  detail::reduce_rows_into<T>(lead_of(logits.shape()), grain_of(classes), mode, out, [&] {
    return [&](Index r) {
      detail::Block<T> t;
      detail::Block<T> x;
      detail::Block<T> loss;
      double sum = 0;
      for (Index c = 0; c < classes; c += detail::kBlock) {
        const Index n = std::min(detail::kBlock, classes - c);
        const Index begin = r * classes + c;
        kernels::loss_forward(Loss::BceWithLogits, targets.read(begin, n, t),
                              scores.read(begin, n, x), nullptr, loss.data(), n, 0, 0);
        kernels::loss_scale(loss.data(), shares.data() + c, 1.0, loss.data(), n);
        sum += kernels::loss_sum(loss.data(), n);
      }
      return sum;
    };
  });
}

template <class T>
Array<T> multi_label_soft_margin_loss(const View<T>& y_true, ViewArg<T> logits, ReductionMode mode,
                                      ViewArg<T> weight) {
  check_soft_margin<T>(y_true, logits, weight);
  Array<T> out = Array<T>::empty(detail::loss_shape(mode, lead_of(logits.shape())));
  multi_label_soft_margin_loss_into<T>(y_true, logits, out, mode, weight);
  return out;
}

template <class T>
void multi_label_soft_margin_loss_backward_into(const View<T>& dy, ViewArg<T> y_true,
                                                ViewArg<T> logits, MutArg<T> dx, ReductionMode mode,
                                                ViewArg<T> weight) {
  check_soft_margin<T>(y_true, logits, weight);
  const Shape lead = lead_of(logits.shape());
  detail::check_upstream(kSoftMargin, dy, mode, lead);
  detail::check_output(dx, "dx", logits.shape(), kSoftMargin, dy, y_true, logits, weight);
  const Array<T> shares = class_shares<T>(weight, logits.shape().back());
  const RowUpstream<T> upstream(dy, mode, lead.size());
  Array<T> of_rows = Array<T>::empty(lead);
  for (Index r = 0; r < of_rows.size(); ++r) {
    of_rows.data()[r] = static_cast<T>(upstream(r));
  }
  elementwise_loss_backward_into<T>(Loss::BceWithLogits,
                                    of_rows.expand_dims(-1).broadcast_to(logits.shape()), y_true,
                                    logits, dx, ReductionMode::None, {.weight = shares});
}

template <class T>
Array<T> multi_label_soft_margin_loss_backward(const View<T>& dy, ViewArg<T> y_true,
                                               ViewArg<T> logits, ReductionMode mode,
                                               ViewArg<T> weight) {
  Array<T> dx = Array<T>::empty(logits.shape());
  multi_label_soft_margin_loss_backward_into<T>(dy, y_true, logits, dx, mode, weight);
  return dx;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void multi_margin_loss_into<T>(const View<std::int64_t>&, const View<T>&, \
                                                        MutArg<T>, ReductionMode,                  \
                                                        const MultiMarginOptions<T>&);             \
  template LAMINA_EXPORT void multi_margin_loss_backward_into<T>(                                  \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, MutArg<T>, ReductionMode,             \
      const MultiMarginOptions<T>&);                                                               \
  template LAMINA_EXPORT void multi_label_margin_loss_into<T>(                                     \
      const View<std::int64_t>&, const View<T>&, MutArg<T>, ReductionMode);                        \
  template LAMINA_EXPORT void multi_label_margin_loss_backward_into<T>(                            \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, MutArg<T>, ReductionMode);            \
  template LAMINA_EXPORT void multi_label_soft_margin_loss_into<T>(                                \
      const View<T>&, ViewArg<T>, MutArg<T>, ReductionMode, ViewArg<T>);                           \
  template LAMINA_EXPORT void multi_label_soft_margin_loss_backward_into<T>(                       \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, ReductionMode, ViewArg<T>);               \
  template LAMINA_EXPORT Array<T> multi_margin_loss<T>(                                            \
      const View<std::int64_t>&, const View<T>&, ReductionMode, const MultiMarginOptions<T>&);     \
  template LAMINA_EXPORT Array<T> multi_margin_loss_backward<T>(                                   \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, ReductionMode,                        \
      const MultiMarginOptions<T>&);                                                               \
  template LAMINA_EXPORT Array<T> multi_label_margin_loss<T>(const View<std::int64_t>&,            \
                                                             const View<T>&, ReductionMode);       \
  template LAMINA_EXPORT Array<T> multi_label_margin_loss_backward<T>(                             \
      const View<T>&, const View<std::int64_t>&, ViewArg<T>, ReductionMode);                       \
  template LAMINA_EXPORT Array<T> multi_label_soft_margin_loss<T>(const View<T>&, ViewArg<T>,      \
                                                                  ReductionMode, ViewArg<T>);      \
  template LAMINA_EXPORT Array<T> multi_label_soft_margin_loss_backward<T>(                        \
      const View<T>&, ViewArg<T>, ViewArg<T>, ReductionMode, ViewArg<T>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
