#include "lamina/nn/positional_encoding.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>

#include "kernels/arithmetic.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"

namespace lamina::nn {

namespace {

void check_options(const PositionalEncodingOptions& options, std::string_view operation) {
  check(options.offset >= 0, ErrorKind::InvalidOperation, operation,
        "offset must not be negative, got ", options.offset);
  check(options.base > 0 && std::isfinite(options.base), ErrorKind::InvalidOperation, operation,
        "base must be positive and finite, got ", options.base);
}

/// `angle` brought to within half a turn of 0.
double reduced(long double angle) {
  constexpr long double kTurn = 2 * std::numbers::pi_v<long double>;
  return static_cast<double>(angle - std::nearbyint(angle / kTurn) * kTurn);
}

}  // namespace

template <class T>
void positional_encoding_into(MutView<T> out, const PositionalEncodingOptions& options) {
  constexpr std::string_view kName = "positional_encoding";
  detail::check_defined<T>(out, kName, "out");
  check(out.rank() == 2, ErrorKind::DimensionMismatch, kName,
        "out must have shape (seq_len, d_model), got ", out.shape());
  check_options(options, kName);
  detail::check_writable<T>(out, kName, "out");
  if (out.size() == 0) {
    return;
  }
  detail::PackedOut<T> packed(out);
  const Index seq_len = out.shape()[0];
  const Index d_model = out.shape()[1];
  const Index waves = (d_model + 1) / 2;
  Buffer<long double> frequency(waves);
  for (Index i = 0; i < waves; ++i) {
    frequency.data()[i] =
        std::pow(static_cast<long double>(options.base),
                 -static_cast<long double>(2 * i) / static_cast<long double>(d_model));
  }
  const Index grain = std::max<Index>(1, 1024 / std::max<Index>(1, d_model));
  parallel_for(seq_len, grain, [&](Index begin, Index end) {
    for (Index p = begin; p < end; ++p) {
      T* row = packed.data() + p * d_model;
      const auto position = static_cast<long double>(options.offset) + static_cast<long double>(p);
      for (Index i = 0; i < waves; ++i) {
        const double angle = reduced(position * frequency.data()[i]);
        row[2 * i] = static_cast<T>(std::sin(angle));
        if (2 * i + 1 < d_model) {
          row[2 * i + 1] = static_cast<T>(std::cos(angle));
        }
      }
    }
  });
  packed.finish();
}

template <class T>
Array<T> positional_encoding(Index seq_len, Index d_model,
                             const PositionalEncodingOptions& options) {
  check(seq_len >= 0 && d_model >= 0, ErrorKind::InvalidOperation, "positional_encoding",
        "seq_len and d_model must not be negative, got ", seq_len, " and ", d_model);
  check_options(options, "positional_encoding");
  Array<T> out = Array<T>::empty({seq_len, d_model});
  positional_encoding_into<T>(out, options);
  return out;
}

template <class T>
void add_positional_encoding_into(const View<T>& x, MutArg<T> out,
                                  const PositionalEncodingOptions& options) {
  constexpr std::string_view kName = "add_positional_encoding";
  check(x.defined() && x.rank() >= 2, ErrorKind::DimensionMismatch, kName,
        "x must have at least 2 axes, got shape ", x.shape());
  check_options(options, kName);
  check(out.defined() && out.shape() == x.shape(), ErrorKind::DimensionMismatch, kName,
        "out has shape ", out.shape(), ", expected ", x.shape());
  if (out.size() > 0) {
    detail::check_writable<T>(out, kName, "out");
  }
  detail::check_same_or_apart<T, T>(out, "out", x, "x", kName);
  const Array<T> encoding = positional_encoding<T>(x.extent(-2), x.extent(-1), options);
  detail::map_elements<T>(
      out,
      [](T* y, const T* a, const T* b, Index n) { kernels::binary(BinaryOp::Add, a, b, y, n); }, x,
      encoding.broadcast_to(x.shape()));
}

template <class T>
Array<T> add_positional_encoding(const View<T>& x, const PositionalEncodingOptions& options) {
  detail::check_defined(x, "add_positional_encoding", "x");
  Array<T> out = Array<T>::empty(x.shape());
  add_positional_encoding_into<T>(x, out, options);
  return out;
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template LAMINA_EXPORT void positional_encoding_into<T>(MutView<T>,                            \
                                                          const PositionalEncodingOptions&);     \
  template LAMINA_EXPORT Array<T> positional_encoding<T>(Index, Index,                           \
                                                         const PositionalEncodingOptions&);      \
  template LAMINA_EXPORT void add_positional_encoding_into<T>(const View<T>&, MutArg<T>,         \
                                                              const PositionalEncodingOptions&); \
  template LAMINA_EXPORT Array<T> add_positional_encoding<T>(const View<T>&,                     \
                                                             const PositionalEncodingOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn
