#include "lamina/nn/rotary.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "lamina/nn/positional_encoding.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

/// One row of D features; `turn` holds sine and cosine of each pair in turn.
template <class T>
void turn_row(const T* x, const T* turn, T* y, Index n, Index features,
              const RotaryOptions& options, T sign) {
  const Index half = features / 2;
  const Index step = options.interleaved ? 2 : 1;
  const Index apart = options.interleaved ? 1 : half;
  for (Index i = 0; i < half; ++i) {
    const T a = x[i * step];
    const T b = x[i * step + apart];
    const T sine = sign * turn[2 * i];
    const T cosine = turn[2 * i + 1];
    y[i * step] = a * cosine - b * sine;
    y[i * step + apart] = b * cosine + a * sine;
  }
  if (y != x) {
    std::copy(x + features, x + n, y + features);
  }
}

template <class T>
void turn_into(const View<T>& x, const MutView<T>& out, const RotaryOptions& options, bool back,
               std::string_view name, std::string_view x_name, std::string_view out_name) {
  check(x.defined() && x.rank() >= 2, ErrorKind::DimensionMismatch, name, x_name,
        " must have at least 2 axes, got shape ", x.shape());
  check(out.defined() && out.shape() == x.shape(), ErrorKind::DimensionMismatch, name, out_name,
        " has shape ", out.shape(), ", expected ", x.shape());
  const Index n = x.extent(-1);
  const Index length = x.extent(-2);
  const Index features = options.features == 0 ? n : options.features;
  check(features >= 0 && features <= n && features % 2 == 0, ErrorKind::InvalidOperation, name,
        "features must be even and at most the ", n, " of ", x_name, ", got ", features);
  check(options.offset >= 0, ErrorKind::InvalidOperation, name, "offset must not be negative, got ",
        options.offset);
  check(options.base > 0 && std::isfinite(options.base), ErrorKind::InvalidOperation, name,
        "base must be positive and finite, got ", options.base);
  if (out.size() == 0) {
    return;
  }
  detail::check_writable<T>(out, name, out_name);
  detail::check_same_or_apart<T, T>(out, out_name, x, x_name, name);
  const Array<T> turns = positional_encoding<T>(length, features, {options.offset, options.base});
  const lamina::detail::Packed<T> from(x);
  Array<T> own;
  if (!out.is_contiguous()) {
    own = Array<T>::empty(out.shape());
  }
  T* to = out.is_contiguous() ? out.data() : own.data();
  const Index grain = std::max<Index>(1, detail::kElementGrain / n);
  parallel_for(x.size() / n, grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      turn_row(from.data() + i * n, turns.data() + i % length * features, to + i * n, n, features,
               options, back ? T(-1) : T(1));
    }
  });
  if (!out.is_contiguous()) {
    out.assign(own);
  }
}

/// The slopes of m heads, a power of two: slope(h) = 2^(-8 (h + 1) / m).
double slope(Index head, Index m) {
  return std::exp2(-8.0 * static_cast<double>(head + 1) / static_cast<double>(m));
}

}  // namespace

template <class T>
void rotary_embedding_into(const View<T>& x, MutArg<T> out, const RotaryOptions& options) {
  turn_into<T>(x, out, options, false, "rotary_embedding", "x", "out");
}

template <class T>
Array<T> rotary_embedding(const View<T>& x, const RotaryOptions& options) {
  Array<T> out = Array<T>::empty(x.shape());
  rotary_embedding_into<T>(x, out, options);
  return out;
}

template <class T>
void rotary_embedding_backward_into(const View<T>& dy, MutArg<T> dx, const RotaryOptions& options) {
  turn_into<T>(dy, dx, options, true, "rotary_embedding_backward", "dy", "dx");
}

template <class T>
Array<T> rotary_embedding_backward(const View<T>& dy, const RotaryOptions& options) {
  Array<T> dx = Array<T>::empty(dy.shape());
  rotary_embedding_backward_into<T>(dy, dx, options);
  return dx;
}

template <class T>
void alibi_bias_into(MutView<T> out, Index offset) {
  constexpr std::string_view kName = "alibi_bias";
  detail::check_defined<T>(out, kName, "out");
  check(out.rank() == 3, ErrorKind::DimensionMismatch, kName,
        "out must have shape (heads, queries, keys), got ", out.shape());
  check(offset >= 0, ErrorKind::InvalidOperation, kName, "offset must not be negative, got ",
        offset);
  detail::check_writable<T>(out, kName, "out");
  if (out.size() == 0) {
    return;
  }
  const auto [heads, queries, keys] = out.template dims<3>(kName);
  detail::PackedOut<T> packed(out);
  Index power = 1;
  while (2 * power <= heads) {
    power *= 2;
  }
  for (Index head = 0; head < heads; ++head) {
    const double s = head < power ? slope(head, power) : slope(2 * (head - power), 2 * power);
    for (Index i = 0; i < queries; ++i) {
      T* row = packed.data() + (head * queries + i) * keys;
      for (Index j = 0; j < keys; ++j) {
        row[j] =
            static_cast<T>(-s * std::abs(static_cast<double>(offset) + static_cast<double>(i - j)));
      }
    }
  }
  packed.finish();
}

template <class T>
Array<T> alibi_bias(Index heads, Index queries, Index keys, Index offset) {
  check(heads >= 0 && queries >= 0 && keys >= 0 && offset >= 0, ErrorKind::InvalidOperation,
        "alibi_bias", "arguments must not be negative, got heads ", heads, ", queries ", queries,
        ", keys ", keys, ", offset ", offset);
  Array<T> out = Array<T>::empty({heads, queries, keys});
  alibi_bias_into<T>(out, offset);
  return out;
}

#define LAMINA_INSTANTIATE(T)                                                                \
  template LAMINA_EXPORT void rotary_embedding_into<T>(const View<T>&, MutArg<T>,            \
                                                       const RotaryOptions&);                \
  template LAMINA_EXPORT Array<T> rotary_embedding<T>(const View<T>&, const RotaryOptions&); \
  template LAMINA_EXPORT void rotary_embedding_backward_into<T>(const View<T>&, MutArg<T>,   \
                                                                const RotaryOptions&);       \
  template LAMINA_EXPORT Array<T> rotary_embedding_backward<T>(const View<T>&,               \
                                                               const RotaryOptions&);        \
  template LAMINA_EXPORT void alibi_bias_into<T>(MutView<T>, Index);                         \
  template LAMINA_EXPORT Array<T> alibi_bias<T>(Index, Index, Index, Index);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
