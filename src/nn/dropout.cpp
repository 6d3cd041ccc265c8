#include "lamina/nn/dropout.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "kernels/dropout.hpp"
#include "nn/dropout_words.hpp"
#include "nn/layout.hpp"

namespace lamina::nn {

namespace {

/// What a dropout does, apart from which units it drops.
struct Rule {
  std::string_view operation;
  double p;
  bool training;
  bool alpha = false;

  void check_p() const {
    check(p >= 0 && p <= 1, ErrorKind::InvalidOperation, operation, "p must be in [0, 1], got ", p);
  }
  /// Nothing changes.
  [[nodiscard]] bool identity() const noexcept { return !training || p == 0; }
};

/// -lambda alpha of selu: what a unit saturates to.
constexpr double kSaturation = -1.7580993408473766;

/// Forward values; of the gradient too, but for shift and dropped.
template <class T>
kernels::DropoutValues<T> values_of(const Rule& rule, bool forward) {
  if (rule.identity()) {
    return {T{1}, T{0}, T{0}};
  }
  if (rule.p == 1) {
    return {T{0}, T{0}, T{0}};
  }
  if (!rule.alpha) {
    return {static_cast<T>(1 / (1 - rule.p)), T{0}, T{0}};
  }
  const double a = 1 / std::sqrt((1 - rule.p) * (1 + rule.p * kSaturation * kSaturation));
  const double b = -a * rule.p * kSaturation;
  return forward ? kernels::DropoutValues<T>{static_cast<T>(a), static_cast<T>(b),
                                             static_cast<T>(a * kSaturation + b)}
                 : kernels::DropoutValues<T>{static_cast<T>(a), T{0}, T{0}};
}

/// Takes `count` words from the generator.
kernels::DropoutStream take_words(const Rule& rule, Index count, Generator& generator) {
  const kernels::DropoutStream words = detail::dropout_words(generator, rule.p);
  generator.jump(static_cast<std::uint64_t>(count));
  return words;
}

/// Which units are kept; takes words only where something is random.
Array<bool> draw_mask(const Rule& rule, const Shape& units, Generator& generator) {
  if (rule.identity() || rule.p == 1) {
    return Array<bool>::full(units, rule.identity());
  }
  Array<bool> mask = Array<bool>::empty(units);
  const kernels::DropoutStream words = take_words(rule, units.size(), generator);
  parallel_for(mask.size(), detail::kElementGrain, [&](Index begin, Index end) {
    kernels::DropoutStream part = words;
    part.first += static_cast<std::uint64_t>(begin);
    kernels::dropout_keep(part, mask.data() + begin, end - begin);
  });
  return mask;
}

template <class T>
void apply_mask(const View<T>& x, const MutView<T>& out, const View<bool>& mask,
                const kernels::DropoutValues<T>& values) {
  detail::map_elements(
      out,
      [&](T* y, const T* from, const bool* keep, Index n) {
        kernels::dropout_masked(values, from, keep, y, n);
      },
      x, mask);
}

/// Drops units of shape `units`, which broadcasts to x's shape.
template <class T>
void drop(const Rule& rule, const Shape& units, const View<T>& x, const MutView<T>& out,
          Generator& generator, bool forward, const MutView<bool>& mask = {}) {
  if (rule.identity()) {
    out.assign(x);
    if (mask.defined()) {
      mask.fill(true);
    }
    return;
  }
  const auto values = values_of<T>(rule, forward);
  const bool fused = units == x.shape() && x.is_contiguous() && out.is_contiguous() &&
                     (!mask.defined() || mask.is_contiguous());
  if (rule.p == 1 || !fused) {
    const Array<bool> drawn = draw_mask(rule, units, generator);
    apply_mask<T>(x, out, drawn, values);
    if (mask.defined()) {
      mask.assign(drawn);
    }
    return;
  }
  const kernels::DropoutStream words = take_words(rule, x.size(), generator);
  simd::detail::ensure_target();
  parallel_for(x.size(), detail::kElementGrain, [&](Index begin, Index end) {
    kernels::DropoutStream part = words;
    part.first += static_cast<std::uint64_t>(begin);
    kernels::dropout(part, values, x.data() + begin, out.data() + begin,
                     mask.defined() ? mask.data() + begin : nullptr, end - begin);
  });
}

template <class T>
Array<T> dropped(const Rule& rule, const Shape& units, const View<T>& x, Generator& generator) {
  Array<T> out = Array<T>::empty(x.shape());
  drop<T>(rule, units, x, out, generator, true);
  return out;
}

/// Checks out, then drops x into it.
template <class T>
void drop_into(const Rule& rule, const Shape& units, const View<T>& x, const MutView<T>& out,
               Generator& generator, bool forward = true) {
  const char* in_name = forward ? "x" : "dy";
  const char* out_name = forward ? "out" : "dx";
  detail::check_same_shape(x, in_name, out, out_name, rule.operation);
  detail::check_writable<T>(out, rule.operation, out_name);
  detail::check_same_or_apart<T>(out, out_name, x, in_name, rule.operation);
  drop<T>(rule, units, x, out, generator, forward);
}

template <class T>
void gradient_into(const Rule& rule, const Shape& units, const View<T>& dy, const MutView<T>& dx,
                   const Generator& before) {
  Generator generator = before;
  drop_into<T>(rule, units, dy, dx, generator, false);
}

template <class T>
Array<T> gradient(const Rule& rule, const Shape& units, const View<T>& dy,
                  const Generator& before) {
  Generator generator = before;
  Array<T> dx = Array<T>::empty(dy.shape());
  drop<T>(rule, units, dy, dx, generator, false);
  return dx;
}

template <class T>
void check_input(const Rule& rule, const View<T>& x) {
  detail::check_defined(x, rule.operation, "x");
  rule.check_p();
}

/// One unit a channel of a sample; of a matrix, a column.
Shape channel_units(const Shape& x, DataFormat format, std::string_view operation) {
  check(x.rank() >= 2, ErrorKind::DimensionMismatch, operation,
        "x must have rank 2 or more, got shape ", x);
  Shape units = x;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int channel = x.rank() == 2 || format == DataFormat::NHWC ? x.rank() - 1 : 1;
    const bool sample = axis == 0 && x.rank() > 2;
    units[axis] = axis == channel || sample ? x[axis] : 1;
  }
  return units;
}

/// One unit a position of axis 0.
Shape sample_units(const Shape& x, std::string_view operation) {
  check(x.rank() >= 1, ErrorKind::DimensionMismatch, operation, "x must have rank 1 or more");
  Shape units = x;
  std::fill(units.begin() + 1, units.end(), Index{1});
  return units;
}

}  // namespace

template <class T>
void dropout_into(const View<T>& x, MutArg<T> out, double p, bool training, Generator& generator,
                  MutArg<bool> mask) {
  const Rule rule{"dropout", p, training};
  detail::check_same_shape(x, "x", out, "out", rule.operation);
  rule.check_p();
  detail::check_writable(out, rule.operation, "out");
  detail::check_same_or_apart(out, "out", x, "x", rule.operation);
  if (mask.defined()) {
    detail::check_same_shape(x, "x", mask, "mask", rule.operation);
    detail::check_writable(mask, rule.operation, "mask");
  }
  drop<T>(rule, x.shape(), x, out, generator, true, mask);
}

template <class T>
Array<T> dropout(const View<T>& x, double p, bool training, Generator& generator) {
  const Rule rule{"dropout", p, training};
  check_input(rule, x);
  return dropped(rule, x.shape(), x, generator);
}

template <class T>
Array<T> dropout_2d(const View<T>& x, double p, bool training, Generator& generator) {
  (void)x.template dims<2>("dropout_2d");
  return dropout(x, p, training, generator);
}

template <class T>
Array<T> dropout_backward(const View<T>& dy, double p, bool training, const Generator& before) {
  const Rule rule{"dropout_backward", p, training};
  check_input(rule, dy);
  return gradient(rule, dy.shape(), dy, before);
}

template <class T>
Array<T> spatial_dropout(const View<T>& x, double p, bool training, Generator& generator,
                         DataFormat format) {
  const Rule rule{"spatial_dropout", p, training};
  check_input(rule, x);
  return dropped(rule, channel_units(x.shape(), format, rule.operation), x, generator);
}

template <class T>
Array<T> spatial_dropout_backward(const View<T>& dy, double p, bool training,
                                  const Generator& before, DataFormat format) {
  const Rule rule{"spatial_dropout_backward", p, training};
  check_input(rule, dy);
  return gradient(rule, channel_units(dy.shape(), format, rule.operation), dy, before);
}

template <class T>
Array<T> drop_path(const View<T>& x, double p, bool training, Generator& generator) {
  const Rule rule{"drop_path", p, training};
  check_input(rule, x);
  return dropped(rule, sample_units(x.shape(), rule.operation), x, generator);
}

template <class T>
Array<T> drop_path_backward(const View<T>& dy, double p, bool training, const Generator& before) {
  const Rule rule{"drop_path_backward", p, training};
  check_input(rule, dy);
  return gradient(rule, sample_units(dy.shape(), rule.operation), dy, before);
}

template <class T>
Array<T> alpha_dropout(const View<T>& x, double p, bool training, Generator& generator) {
  const Rule rule{"alpha_dropout", p, training, true};
  check_input(rule, x);
  return dropped(rule, x.shape(), x, generator);
}

template <class T>
Array<T> alpha_dropout_backward(const View<T>& dy, double p, bool training,
                                const Generator& before) {
  const Rule rule{"alpha_dropout_backward", p, training, true};
  check_input(rule, dy);
  return gradient(rule, dy.shape(), dy, before);
}

template <class T>
void dropout_backward_into(const View<T>& dy, MutArg<T> dx, double p, bool training,
                           const Generator& before) {
  const Rule rule{"dropout_backward", p, training};
  check_input(rule, dy);
  gradient_into<T>(rule, dy.shape(), dy, dx, before);
}

template <class T>
void spatial_dropout_into(const View<T>& x, MutArg<T> out, double p, bool training,
                          Generator& generator, DataFormat format) {
  const Rule rule{"spatial_dropout", p, training};
  check_input(rule, x);
  drop_into<T>(rule, channel_units(x.shape(), format, rule.operation), x, out, generator);
}

template <class T>
void spatial_dropout_backward_into(const View<T>& dy, MutArg<T> dx, double p, bool training,
                                   const Generator& before, DataFormat format) {
  const Rule rule{"spatial_dropout_backward", p, training};
  check_input(rule, dy);
  gradient_into<T>(rule, channel_units(dy.shape(), format, rule.operation), dy, dx, before);
}

template <class T>
void drop_path_into(const View<T>& x, MutArg<T> out, double p, bool training,
                    Generator& generator) {
  const Rule rule{"drop_path", p, training};
  check_input(rule, x);
  drop_into<T>(rule, sample_units(x.shape(), rule.operation), x, out, generator);
}

template <class T>
void drop_path_backward_into(const View<T>& dy, MutArg<T> dx, double p, bool training,
                             const Generator& before) {
  const Rule rule{"drop_path_backward", p, training};
  check_input(rule, dy);
  gradient_into<T>(rule, sample_units(dy.shape(), rule.operation), dy, dx, before);
}

template <class T>
void alpha_dropout_into(const View<T>& x, MutArg<T> out, double p, bool training,
                        Generator& generator) {
  const Rule rule{"alpha_dropout", p, training, true};
  check_input(rule, x);
  drop_into<T>(rule, x.shape(), x, out, generator);
}

template <class T>
void alpha_dropout_backward_into(const View<T>& dy, MutArg<T> dx, double p, bool training,
                                 const Generator& before) {
  const Rule rule{"alpha_dropout_backward", p, training, true};
  check_input(rule, dy);
  gradient_into<T>(rule, dy.shape(), dy, dx, before);
}

void dropout_mask_into(MutView<bool> out, double p, bool training, Generator& generator) {
  const Rule rule{"dropout_mask", p, training};
  detail::check_defined(out, rule.operation, "out");
  rule.check_p();
  detail::check_writable(out, rule.operation, "out");
  out.assign(draw_mask(rule, out.shape(), generator));
}

Array<bool> dropout_mask(const Shape& shape, double p, bool training, Generator& generator) {
  const Rule rule{"dropout_mask", p, training};
  rule.check_p();
  return draw_mask(rule, shape, generator);
}

template <class T>
void apply_dropout_mask_into(const View<T>& x, const View<bool>& mask, MutArg<T> out, double p) {
  const Rule rule{"apply_dropout_mask", p, true};
  check_input(rule, x);
  detail::check_defined(mask, rule.operation, "mask");
  check(broadcast_shapes(mask.shape(), x.shape(), rule.operation) == x.shape(),
        ErrorKind::DimensionMismatch, rule.operation, "mask ", mask.shape(),
        " does not broadcast to x ", x.shape());
  detail::check_same_shape(x, "x", out, "out", rule.operation);
  detail::check_writable<T>(out, rule.operation, "out");
  detail::check_same_or_apart<T>(out, "out", x, "x", rule.operation);
  apply_mask<T>(x, out, mask, values_of<T>(rule, true));
}

template <class T>
Array<T> apply_dropout_mask(const View<T>& x, const View<bool>& mask, double p) {
  detail::check_defined(x, "apply_dropout_mask", "x");
  Array<T> out = Array<T>::empty(x.shape());
  apply_dropout_mask_into<T>(x, mask, out, p);
  return out;
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template LAMINA_EXPORT void dropout_into<T>(const View<T>&, MutArg<T>, double, bool, Generator&, \
                                              MutArg<bool>);                                       \
  template LAMINA_EXPORT Array<T> dropout<T>(const View<T>&, double, bool, Generator&);            \
  template LAMINA_EXPORT Array<T> dropout_2d<T>(const View<T>&, double, bool, Generator&);         \
  template LAMINA_EXPORT Array<T> dropout_backward<T>(const View<T>&, double, bool,                \
                                                      const Generator&);                           \
  template LAMINA_EXPORT Array<T> spatial_dropout<T>(const View<T>&, double, bool, Generator&,     \
                                                     DataFormat);                                  \
  template LAMINA_EXPORT Array<T> spatial_dropout_backward<T>(const View<T>&, double, bool,        \
                                                              const Generator&, DataFormat);       \
  template LAMINA_EXPORT Array<T> drop_path<T>(const View<T>&, double, bool, Generator&);          \
  template LAMINA_EXPORT Array<T> drop_path_backward<T>(const View<T>&, double, bool,              \
                                                        const Generator&);                         \
  template LAMINA_EXPORT Array<T> alpha_dropout<T>(const View<T>&, double, bool, Generator&);      \
  template LAMINA_EXPORT Array<T> alpha_dropout_backward<T>(const View<T>&, double, bool,          \
                                                            const Generator&);                     \
  template LAMINA_EXPORT Array<T> apply_dropout_mask<T>(const View<T>&, const View<bool>&,         \
                                                        double);                                   \
  template LAMINA_EXPORT void apply_dropout_mask_into<T>(const View<T>&, const View<bool>&,        \
                                                         MutArg<T>, double);                       \
  template LAMINA_EXPORT void dropout_backward_into<T>(const View<T>&, MutArg<T>, double, bool,    \
                                                       const Generator&);                          \
  template LAMINA_EXPORT void spatial_dropout_into<T>(const View<T>&, MutArg<T>, double, bool,     \
                                                      Generator&, DataFormat);                     \
  template LAMINA_EXPORT void spatial_dropout_backward_into<T>(                                    \
      const View<T>&, MutArg<T>, double, bool, const Generator&, DataFormat);                      \
  template LAMINA_EXPORT void drop_path_into<T>(const View<T>&, MutArg<T>, double, bool,           \
                                                Generator&);                                       \
  template LAMINA_EXPORT void drop_path_backward_into<T>(const View<T>&, MutArg<T>, double, bool,  \
                                                         const Generator&);                        \
  template LAMINA_EXPORT void alpha_dropout_into<T>(const View<T>&, MutArg<T>, double, bool,       \
                                                    Generator&);                                   \
  template LAMINA_EXPORT void alpha_dropout_backward_into<T>(const View<T>&, MutArg<T>, double,    \
                                                             bool, const Generator&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
