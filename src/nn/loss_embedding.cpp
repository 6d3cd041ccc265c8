#include "lamina/nn/loss_embedding.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "kernels/loss_pairs.hpp"
#include "nn/loss_support.hpp"
#include "nn/output.hpp"
#include "nn/rows.hpp"

namespace lamina::nn {

namespace {

using detail::Rows;
using detail::RowUpstream;

constexpr std::string_view kCosine = "cosine_embedding_loss";
constexpr std::string_view kContrastive = "contrastive_loss";
constexpr std::string_view kTriplet = "triplet_margin_loss";

/// Arrays (..., D) of one shape, read row by row.
template <class T, std::size_t N>
class RowSet {
 public:
  RowSet(std::string_view operation, const std::array<std::string_view, N>& names,
         const std::array<View<T>, N>& arrays)
      : arrays_(arrays) {
    for (std::size_t i = 0; i < N; ++i) {
      detail::check_defined(operation, names[i], arrays[i]);
      detail::check_same_shape(operation, names[0], arrays[0].shape(), names[i], arrays[i].shape());
    }
    check(arrays[0].rank() >= 1, ErrorKind::DimensionMismatch, operation, names[0],
          " must have rank 1 or more (..., dimension), got shape ()");
    shape_ = arrays[0].shape();
    length_ = shape_.back();
    lead_ = shape_;
    lead_.erase(lead_.rank() - 1);
  }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] const Shape& lead() const { return lead_; }
  [[nodiscard]] Index length() const { return length_; }
  [[nodiscard]] Index grain() const {
    return std::max<Index>(1, 16384 / std::max<Index>(length_, 1));
  }

  /// Hands out row r of all arrays; holds the buffers for those that must be gathered.
  class Reader {
   public:
    explicit Reader(const RowSet& set) {
      for (std::size_t i = 0; i < N; ++i) {
        rows_[i].emplace(set.arrays_[i]);
        buffers_[i] = rows_[i]->in_place() ? Buffer<T>() : Buffer<T>(set.length_);
      }
    }
    [[nodiscard]] std::array<const T*, N> operator()(Index r) const {
      std::array<const T*, N> result;
      for (std::size_t i = 0; i < N; ++i) {
        result[i] = rows_[i]->row(r, buffers_[i].data());
      }
      return result;
    }

   private:
    std::array<std::optional<Rows<T>>, N> rows_;
    std::array<Buffer<T>, N> buffers_;
  };

 private:
  std::array<View<T>, N> arrays_;
  Shape shape_;
  Shape lead_;
  Index length_ = 0;
};

template <class T>
void check_row_values(std::string_view operation, std::string_view name, const View<T>& y,
                      const Shape& lead, const Shape& shape) {
  detail::check_defined(operation, name, y);
  check(y.shape() == lead, ErrorKind::DimensionMismatch, operation, name, " must have shape ", lead,
        " for rows of ", shape, ", got ", y.shape());
}

template <class T>
void check_signs(const View<T>& y) {
  for (const T value : y) {
    check(value == T{1} || value == T{-1} || value != value, ErrorKind::InvalidOperation, kCosine,
          "y must be 1 or -1, got ", value);
  }
}

/// The cosine of two rows, and what its gradients are made of.
struct Cosine {
  explicit Cosine(const kernels::PairSums& sums)
      : norm1(std::sqrt(sums.square1)),
        norm2(std::sqrt(sums.square2)),
        bottom(norm1 * norm2),
        value(bottom == 0 ? 0.0 : sums.product / bottom) {}
  double norm1;
  double norm2;
  double bottom;
  double value;
};

double cosine_loss(double cosine, double y, double margin) {
  if (std::isnan(y)) {
    return y;
  }
  const double excess = cosine - margin;
  return y > 0 ? 1.0 - cosine : excess < 0 ? 0.0 : excess;
}
double cosine_slope(double cosine, double y, double margin) {
  if (std::isnan(y) || std::isnan(cosine)) {
    return y + cosine;
  }
  return y > 0 ? -1.0 : cosine > margin ? 1.0 : 0.0;
}

/// The norm of a difference to the power p, and its slope by a difference: d^(1 - p) |e|^(p - 1).
struct Norm {
  Norm(double sum, double p)
      : value(p == 1   ? sum
              : p == 2 ? std::sqrt(sum)
                       : std::pow(sum, 1.0 / p)),
        slope(p == 1       ? 1.0
              : value == 0 ? 0.0
                           : std::pow(value, 1.0 - p)) {}
  double value;
  double slope;
};

void check_triplet(const TripletMarginOptions& options) {
  check(options.margin > 0, ErrorKind::InvalidOperation, kTriplet,
        "margin must be greater than 0, got ", options.margin);
  check(options.p > 0 && std::isfinite(options.p), ErrorKind::InvalidOperation, kTriplet,
        "p must be greater than 0 and finite, got ", options.p);
  check(options.epsilon >= 0, ErrorKind::InvalidOperation, kTriplet,
        "epsilon must be 0 or more, got ", options.epsilon);
}

/// Where a gradient goes; one that is not defined goes nowhere.
template <class T>
class Result {
 public:
  Result(const MutView<T>& out, const Shape& shape)
      : own_(out.defined() ? Array<T>() : Array<T>::empty(shape)),
        packed_(out.defined() ? out : own_) {}
  [[nodiscard]] T* data() { return packed_.data(); }
  /// n elements from `begin` on, as zeros.
  [[nodiscard]] T* zeros(Index begin, Index n) {
    T* const elements = data() + begin;
    std::fill_n(elements, n, T(0));
    return elements;
  }
  void finish() const { packed_.finish(); }

 private:
  Array<T> own_;
  detail::PackedOut<T> packed_;
};

/// Those gradients that are defined have that shape and lie apart from each other and the inputs.
template <class T, std::size_t N, class... In>
void check_results(std::string_view operation, const Shape& shape,
                   const std::array<std::string_view, N>& names,
                   const std::array<const MutView<T>*, N>& results, const In&... inputs) {
  for (std::size_t i = 0; i < N; ++i) {
    if (!results[i]->defined()) {
      continue;
    }
    detail::check_output(*results[i], names[i], shape, operation, inputs...);
    for (std::size_t j = 0; j < i; ++j) {
      detail::check_outputs_apart(*results[i], names[i], *results[j], names[j], operation);
    }
  }
}

/// The three distances of a triplet.
template <class T>
struct Triplet {
  Triplet(const std::array<const T*, 3>& x, Index n, const TripletMarginOptions& o)
      : near(kernels::power_sum(x[0], x[1], n, o.p, o.epsilon), o.p),
        far(kernels::power_sum(x[0], x[2], n, o.p, o.epsilon), o.p),
        swapped(o.swap ? Norm(kernels::power_sum(x[1], x[2], n, o.p, o.epsilon), o.p) : far) {
    use_swapped = o.swap && swapped.value < far.value;
    excess = near.value - (use_swapped ? swapped : far).value + o.margin;
    // A NaN in the distance that was not chosen counts too.
    excess += std::isnan(swapped.value) ? swapped.value : 0.0;
  }
  Norm near;
  Norm far;
  Norm swapped;
  bool use_swapped = false;
  double excess = 0;
};

}  // namespace

template <class T>
void cosine_embedding_loss_into(const View<T>& x1, ViewArg<T> x2, ViewArg<T> y, MutArg<T> out,
                                double margin, ReductionMode mode) {
  const RowSet<T, 2> rows(kCosine, {"x1", "x2"}, {x1, x2});
  check_row_values<T>(kCosine, "y", y, rows.lead(), rows.shape());
  check_signs<T>(y);
  check(!std::isnan(margin), ErrorKind::InvalidOperation, kCosine, "margin must be a number, got ",
        margin);
  detail::check_output(out, "out", detail::loss_shape(mode, rows.lead()), kCosine, x1, x2, y);
  const lamina::detail::Packed<T> signs(y);
  detail::reduce_rows_into<T>(rows.lead(), rows.grain(), mode, out, [&] {
    return [&, read = typename RowSet<T, 2>::Reader(rows)](Index r) {
      const auto [a, b] = read(r);
      const Cosine cosine(kernels::pair_sums(a, b, rows.length()));
      return cosine_loss(cosine.value, static_cast<double>(signs.data()[r]), margin);
    };
  });
}

template <class T>
Array<T> cosine_embedding_loss(const View<T>& x1, ViewArg<T> x2, ViewArg<T> y, double margin,
                               ReductionMode mode) {
  const RowSet<T, 2> rows(kCosine, {"x1", "x2"}, {x1, x2});
  Array<T> out = Array<T>::empty(detail::loss_shape(mode, rows.lead()));
  cosine_embedding_loss_into<T>(x1, x2, y, out, margin, mode);
  return out;
}

template <class T>
Array<T> cosine_embedding_loss(const View<T>& x1, ViewArg<T> x2, std::type_identity_t<T> y,
                               double margin, ReductionMode mode) {
  const RowSet<T, 2> rows(kCosine, {"x1", "x2"}, {x1, x2});
  const Array<T> one = Array<T>::scalar(y);
  return cosine_embedding_loss<T>(x1, x2, one.broadcast_to(rows.lead()), margin, mode);
}

template <class T>
void cosine_embedding_loss_backward_into(const View<T>& dy, ViewArg<T> x1, ViewArg<T> x2,
                                         ViewArg<T> y, MutArg<T> dx1, MutArg<T> dx2, double margin,
                                         ReductionMode mode) {
  const RowSet<T, 2> rows(kCosine, {"x1", "x2"}, {x1, x2});
  check_row_values<T>(kCosine, "y", y, rows.lead(), rows.shape());
  check_signs<T>(y);
  check(!std::isnan(margin), ErrorKind::InvalidOperation, kCosine, "margin must be a number, got ",
        margin);
  detail::check_upstream(kCosine, dy, mode, rows.lead());
  check_results<T, 2>(kCosine, rows.shape(), {"dx1", "dx2"}, {&dx1, &dx2}, dy, x1, x2, y);
  const lamina::detail::Packed<T> signs(y);
  const RowUpstream<T> upstream(dy, mode, rows.lead().size());
  Result<T> result1(dx1, rows.shape());
  Result<T> result2(dx2, rows.shape());
  const Index n = rows.length();
  parallel_for(rows.lead().size(), rows.grain(), [&](Index begin, Index end) {
    const typename RowSet<T, 2>::Reader read(rows);
    for (Index r = begin; r < end; ++r) {
      const auto [a, b] = read(r);
      const Cosine c(kernels::pair_sums(a, b, n));
      const double g =
          upstream(r) * cosine_slope(c.value, static_cast<double>(signs.data()[r]), margin);
      // d cos / d x1 = x2 / (|x1| |x2|) - cos / |x1|^2 x1
      const bool zero = c.bottom == 0;
      const double cross = zero ? 0.0 : g / c.bottom;
      const double own1 = zero ? 0.0 : -g * c.value / (c.norm1 * c.norm1);
      const double own2 = zero ? 0.0 : -g * c.value / (c.norm2 * c.norm2);
      kernels::combine(own1, a, cross, b, n, result1.data() + r * n);
      kernels::combine(own2, b, cross, a, n, result2.data() + r * n);
    }
  });
  result1.finish();
  result2.finish();
}

template <class T>
PairGradients<T> cosine_embedding_loss_backward(const View<T>& dy, ViewArg<T> x1, ViewArg<T> x2,
                                                ViewArg<T> y, double margin, ReductionMode mode) {
  PairGradients<T> d{Array<T>::empty(x1.shape()), Array<T>::empty(x2.shape())};
  cosine_embedding_loss_backward_into<T>(dy, x1, x2, y, d.x1, d.x2, margin, mode);
  return d;
}

template <class T>
PairGradients<T> cosine_embedding_loss_backward(const View<T>& dy, ViewArg<T> x1, ViewArg<T> x2,
                                                std::type_identity_t<T> y, double margin,
                                                ReductionMode mode) {
  const RowSet<T, 2> rows(kCosine, {"x1", "x2"}, {x1, x2});
  const Array<T> one = Array<T>::scalar(y);
  return cosine_embedding_loss_backward<T>(dy, x1, x2, one.broadcast_to(rows.lead()), margin, mode);
}

template <class T>
void contrastive_loss_into(const View<T>& y_true, ViewArg<T> x1, ViewArg<T> x2, MutArg<T> out,
                           double margin, ReductionMode mode) {
  const RowSet<T, 2> rows(kContrastive, {"x1", "x2"}, {x1, x2});
  check_row_values(kContrastive, "y_true", y_true, rows.lead(), rows.shape());
  check(margin >= 0, ErrorKind::InvalidOperation, kContrastive, "margin must be 0 or more, got ",
        margin);
  detail::check_output(out, "out", detail::loss_shape(mode, rows.lead()), kContrastive, y_true, x1,
                       x2);
  const lamina::detail::Packed<T> targets(y_true);
  detail::reduce_rows_into<T>(rows.lead(), rows.grain(), mode, out, [&] {
    return [&, read = typename RowSet<T, 2>::Reader(rows)](Index r) {
      const auto [a, b] = read(r);
      const double square = kernels::power_sum(a, b, rows.length(), 2.0, 0.0);
      const double y = static_cast<double>(targets.data()[r]);
      const double gap = margin - std::sqrt(square);
      return 0.5 * (y * square + (1.0 - y) * (gap < 0 ? 0.0 : gap * gap));
    };
  });
}

template <class T>
Array<T> contrastive_loss(const View<T>& y_true, ViewArg<T> x1, ViewArg<T> x2, double margin,
                          ReductionMode mode) {
  const RowSet<T, 2> rows(kContrastive, {"x1", "x2"}, {x1, x2});
  Array<T> out = Array<T>::empty(detail::loss_shape(mode, rows.lead()));
  contrastive_loss_into<T>(y_true, x1, x2, out, margin, mode);
  return out;
}

template <class T>
void contrastive_loss_backward_into(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> x1,
                                    ViewArg<T> x2, MutArg<T> dx1, MutArg<T> dx2, double margin,
                                    ReductionMode mode) {
  const RowSet<T, 2> rows(kContrastive, {"x1", "x2"}, {x1, x2});
  check_row_values<T>(kContrastive, "y_true", y_true, rows.lead(), rows.shape());
  check(margin >= 0, ErrorKind::InvalidOperation, kContrastive, "margin must be 0 or more, got ",
        margin);
  detail::check_upstream(kContrastive, dy, mode, rows.lead());
  check_results<T, 2>(kContrastive, rows.shape(), {"dx1", "dx2"}, {&dx1, &dx2}, dy, y_true, x1, x2);
  const lamina::detail::Packed<T> targets(y_true);
  const RowUpstream<T> upstream(dy, mode, rows.lead().size());
  Result<T> result1(dx1, rows.shape());
  Result<T> result2(dx2, rows.shape());
  const Index n = rows.length();
  parallel_for(rows.lead().size(), rows.grain(), [&](Index begin, Index end) {
    const typename RowSet<T, 2>::Reader read(rows);
    for (Index r = begin; r < end; ++r) {
      const auto [a, b] = read(r);
      const double distance = std::sqrt(kernels::power_sum(a, b, n, 2.0, 0.0));
      const double y = static_cast<double>(targets.data()[r]);
      const double gap = margin - distance;
      const double push = gap < 0 || distance == 0 ? 0.0 : gap / distance;
      const double g = upstream(r) * (y - (1.0 - y) * push);
      // Difference first: g (a - b), which g a - g b is not when a and b are near.
      kernels::add_power_slope(a, b, n, 2.0, 0.0, g, result1.zeros(r * n, n));
      kernels::add_power_slope(a, b, n, 2.0, 0.0, -g, result2.zeros(r * n, n));
    }
  });
  result1.finish();
  result2.finish();
}

template <class T>
PairGradients<T> contrastive_loss_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> x1,
                                           ViewArg<T> x2, double margin, ReductionMode mode) {
  PairGradients<T> d{Array<T>::empty(x1.shape()), Array<T>::empty(x2.shape())};
  contrastive_loss_backward_into<T>(dy, y_true, x1, x2, d.x1, d.x2, margin, mode);
  return d;
}

template <class T>
void triplet_margin_loss_into(const View<T>& anchor, ViewArg<T> positive, ViewArg<T> negative,
                              MutArg<T> out, ReductionMode mode,
                              const TripletMarginOptions& options) {
  const RowSet<T, 3> rows(kTriplet, {"anchor", "positive", "negative"},
                          {anchor, positive, negative});
  check_triplet(options);
  detail::check_output(out, "out", detail::loss_shape(mode, rows.lead()), kTriplet, anchor,
                       positive, negative);
  detail::reduce_rows_into<T>(rows.lead(), rows.grain(), mode, out, [&] {
    return [&, read = typename RowSet<T, 3>::Reader(rows)](Index r) {
      const Triplet<T> t(read(r), rows.length(), options);
      return t.excess < 0 ? 0.0 : t.excess;
    };
  });
}

template <class T>
Array<T> triplet_margin_loss(const View<T>& anchor, ViewArg<T> positive, ViewArg<T> negative,
                             ReductionMode mode, const TripletMarginOptions& options) {
  const RowSet<T, 3> rows(kTriplet, {"anchor", "positive", "negative"},
                          {anchor, positive, negative});
  Array<T> out = Array<T>::empty(detail::loss_shape(mode, rows.lead()));
  triplet_margin_loss_into<T>(anchor, positive, negative, out, mode, options);
  return out;
}

template <class T>
void triplet_margin_loss_backward_into(const View<T>& dy, ViewArg<T> anchor, ViewArg<T> positive,
                                       ViewArg<T> negative, MutArg<T> danchor, MutArg<T> dpositive,
                                       MutArg<T> dnegative, ReductionMode mode,
                                       const TripletMarginOptions& options) {
  const RowSet<T, 3> rows(kTriplet, {"anchor", "positive", "negative"},
                          {anchor, positive, negative});
  check_triplet(options);
  detail::check_upstream(kTriplet, dy, mode, rows.lead());
  check_results<T, 3>(kTriplet, rows.shape(), {"danchor", "dpositive", "dnegative"},
                      {&danchor, &dpositive, &dnegative}, dy, anchor, positive, negative);
  const RowUpstream<T> upstream(dy, mode, rows.lead().size());
  std::array<Result<T>, 3> results{Result<T>(danchor, rows.shape()),
                                   Result<T>(dpositive, rows.shape()),
                                   Result<T>(dnegative, rows.shape())};
  const Index n = rows.length();
  parallel_for(rows.lead().size(), rows.grain(), [&](Index begin, Index end) {
    const typename RowSet<T, 3>::Reader read(rows);
    for (Index r = begin; r < end; ++r) {
      const auto x = read(r);
      const Triplet<T> t(x, n, options);
      std::array<T*, 3> out{};
      for (std::size_t i = 0; i < 3; ++i) {
        out[i] = results[i].zeros(r * n, n);
      }
      if (t.excess <= 0) {
        continue;
      }
      const double g = std::isnan(t.excess) ? t.excess : upstream(r);
      // Adds g times the slope of the distance between rows i and k.
      const auto add = [&](std::size_t i, std::size_t k, double scale) {
        kernels::add_power_slope(x[i], x[k], n, options.p, options.epsilon, scale, out[i]);
        kernels::add_power_slope(x[i], x[k], n, options.p, options.epsilon, -scale, out[k]);
      };
      add(0, 1, g * t.near.slope);
      if (t.use_swapped) {
        add(1, 2, -g * t.swapped.slope);
      } else {
        add(0, 2, -g * t.far.slope);
      }
    }
  });
  for (const Result<T>& result : results) {
    result.finish();
  }
}

template <class T>
TripletGradients<T> triplet_margin_loss_backward(const View<T>& dy, ViewArg<T> anchor,
                                                 ViewArg<T> positive, ViewArg<T> negative,
                                                 ReductionMode mode,
                                                 const TripletMarginOptions& options) {
  TripletGradients<T> d{Array<T>::empty(anchor.shape()), Array<T>::empty(positive.shape()),
                        Array<T>::empty(negative.shape())};
  triplet_margin_loss_backward_into<T>(dy, anchor, positive, negative, d.anchor, d.positive,
                                       d.negative, mode, options);
  return d;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void cosine_embedding_loss_into<T>(                                       \
      const View<T>&, ViewArg<T>, ViewArg<T>, MutArg<T>, double, ReductionMode);                   \
  template LAMINA_EXPORT void cosine_embedding_loss_backward_into<T>(                              \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, MutArg<T>, double,            \
      ReductionMode);                                                                              \
  template LAMINA_EXPORT void contrastive_loss_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>,     \
                                                       MutArg<T>, double, ReductionMode);          \
  template LAMINA_EXPORT void contrastive_loss_backward_into<T>(const View<T>&, ViewArg<T>,        \
                                                                ViewArg<T>, ViewArg<T>, MutArg<T>, \
                                                                MutArg<T>, double, ReductionMode); \
  template LAMINA_EXPORT void triplet_margin_loss_into<T>(const View<T>&, ViewArg<T>, ViewArg<T>,  \
                                                          MutArg<T>, ReductionMode,                \
                                                          const TripletMarginOptions&);            \
  template LAMINA_EXPORT void triplet_margin_loss_backward_into<T>(                                \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, MutArg<T>, MutArg<T>, MutArg<T>,         \
      ReductionMode, const TripletMarginOptions&);                                                 \
  template LAMINA_EXPORT Array<T> cosine_embedding_loss<T>(const View<T>&, ViewArg<T>, ViewArg<T>, \
                                                           double, ReductionMode);                 \
  template LAMINA_EXPORT Array<T> cosine_embedding_loss<T>(const View<T>&, ViewArg<T>, T, double,  \
                                                           ReductionMode);                         \
  template LAMINA_EXPORT PairGradients<T> cosine_embedding_loss_backward<T>(                       \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, double, ReductionMode);                  \
  template LAMINA_EXPORT PairGradients<T> cosine_embedding_loss_backward<T>(                       \
      const View<T>&, ViewArg<T>, ViewArg<T>, T, double, ReductionMode);                           \
  template LAMINA_EXPORT Array<T> contrastive_loss<T>(const View<T>&, ViewArg<T>, ViewArg<T>,      \
                                                      double, ReductionMode);                      \
  template LAMINA_EXPORT PairGradients<T> contrastive_loss_backward<T>(                            \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, double, ReductionMode);                  \
  template LAMINA_EXPORT Array<T> triplet_margin_loss<T>(                                          \
      const View<T>&, ViewArg<T>, ViewArg<T>, ReductionMode, const TripletMarginOptions&);         \
  template LAMINA_EXPORT TripletGradients<T> triplet_margin_loss_backward<T>(                      \
      const View<T>&, ViewArg<T>, ViewArg<T>, ViewArg<T>, ReductionMode,                           \
      const TripletMarginOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
