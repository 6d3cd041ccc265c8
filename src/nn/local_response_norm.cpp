#include "lamina/nn/local_response_norm.hpp"

#include <algorithm>
#include <vector>

#include "kernels/local_response.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/layout.hpp"

namespace lamina::nn {

namespace {

/// Positions beside each other that are worked on together.
constexpr Index kTile = 128;

/// Packed memory seen as (samples, channels, positions); channels last: (positions, channels).
struct Channels {
  Index samples = 1;
  Index channels = 1;
  Index positions = 1;
  bool last = false;
};

Channels check_and_split(const char* name, const Shape& x, Index size, DataFormat format) {
  check(x.rank() >= 2, ErrorKind::DimensionMismatch, name, "x must have rank 2 or more, got shape ",
        x);
  check(size >= 1, ErrorKind::InvalidOperation, name, "size must be at least 1, got ", size);
  Channels c;
  c.last = format == DataFormat::NHWC || x.rank() == 2;
  c.channels = x[c.last ? x.rank() - 1 : 1];
  for (int i = 0; i < x.rank(); ++i) {
    if (i != (c.last ? x.rank() - 1 : 1)) {
      (i == 0 && !c.last ? c.samples : c.positions) *= x[i];
    }
  }
  return c;
}

/// Rows of numbers with rows of zeros before and behind.
template <class T>
class Padded {
 public:
  Padded(Index rows, Index width, Index before, Index behind)
      : values_(static_cast<std::size_t>((rows + before + behind) * width)),
        start_(before * width) {}
  [[nodiscard]] T* rows() { return values_.data() + start_; }
  [[nodiscard]] T* all() { return values_.data(); }

 private:
  std::vector<T> values_;
  Index start_;
};

template <class T>
struct Pass {
  const T* x = nullptr;
  const T* dy = nullptr;  // null: forward
  T* out = nullptr;
  Index size = 0;
  double alpha = 0;
  double beta = 0;
  double k = 0;
};

/// The channels of `width` adjacent positions, `stride` apart; with width 1 and stride 1, those of
/// one position that are neighbors themselves, as one run.
template <class T>
class Tile {
 public:
  Tile(const Pass<T>& pass, Index channels, Index width, bool last)
      : pass_(pass),
        channels_(channels),
        width_(width),
        last_(last),
        ahead_(std::min(pass.size / 2, channels)),
        behind_(std::min(pass.size - 1 - pass.size / 2, channels)),
        squares_(channels, width, ahead_, behind_),
        terms_(pass.dy == nullptr ? 0 : channels, width, behind_, ahead_),
        parts_(pass.dy == nullptr ? 0 : static_cast<std::size_t>(channels * width)) {}

  void run(Index offset, Index stride, Index width) {
    for (Index c = 0; c < channels_; ++c) {
      const T* from = pass_.x + offset + c * stride;
      T* to = squares_.rows() + c * width_;
      for (Index i = 0; i < width; ++i) {
        to[i] = from[i] * from[i];
      }
    }
    const Index size = ahead_ + behind_ + 1;
    const Index runs = last_ ? 1 : channels_;
    const Index n = last_ ? channels_ : width;
    kernels::ResponseArgs<T> args;
    args.alpha = static_cast<T>(pass_.alpha / static_cast<double>(pass_.size));
    args.beta = static_cast<T>(pass_.beta);
    args.k = static_cast<T>(pass_.k);
    args.n = n;
    for (Index c = 0; c < runs; ++c) {
      const Index at = offset + c * stride;
      args.window = {squares_.all() + c * width_, width_, size};
      args.x = pass_.x + at;
      if (pass_.dy == nullptr) {
        args.y = pass_.out + at;
        kernels::local_response(args);
      } else {
        args.dy = pass_.dy + at;
        args.y = parts_.data() + c * width_;
        args.term = terms_.rows() + c * width_;
        kernels::local_response_terms(args);
      }
    }
    for (Index c = 0; c < runs && pass_.dy != nullptr; ++c) {
      const Index at = offset + c * stride;
      const double factor = 2 * pass_.alpha * pass_.beta / static_cast<double>(pass_.size);
      kernels::local_response_finish(parts_.data() + c * width_, pass_.x + at,
                                     {terms_.all() + c * width_, width_, size},
                                     static_cast<T>(factor), pass_.out + at, n);
    }
  }

 private:
  const Pass<T>& pass_;
  Index channels_;
  Index width_;
  bool last_;
  Index ahead_;   // a window reaches that far down; more than all channels makes no difference
  Index behind_;  // and up
  Padded<T> squares_;
  Padded<T> terms_;
  std::vector<T> parts_;
};

template <class T>
void run_pass(const Channels& c, const Pass<T>& pass) {
  if (c.samples * c.channels * c.positions == 0) {
    return;
  }
  const Index width = c.last ? 1 : std::min(kTile, c.positions);
  const Index tiles = ceil_div(c.positions, width);
  const Index grain = std::max(Index{1}, detail::kElementGrain / (c.channels * width));
  parallel_for(c.samples * tiles, grain, [&](Index begin, Index end) {
    Tile<T> tile(pass, c.channels, width, c.last);
    for (Index i = begin; i < end; ++i) {
      if (c.last) {
        tile.run(i * c.channels, 1, 1);
      } else {
        const Index position = i % tiles * width;
        tile.run(i / tiles * c.channels * c.positions + position, c.positions,
                 std::min(width, c.positions - position));
      }
    }
  });
}

/// Runs into `out`, or into memory of its own first if that is not contiguous.
template <class T>
void run_into(const Channels& c, Pass<T> pass, const MutView<T>& out) {
  Array<T> copy;
  if (!out.is_contiguous()) {
    copy = Array<T>::empty(out.shape());
  }
  pass.out = out.is_contiguous() ? out.data() : copy.data();
  run_pass(c, pass);
  if (!out.is_contiguous()) {
    out.assign(copy);
  }
}

template <class T>
void check_output(const char* name, const char* argument, const MutView<T>& out, const View<T>& x,
                  const char* x_name) {
  detail::check_same_shape(x, x_name, out, argument, name);
  detail::check_same_or_apart<T>(out, argument, x, x_name, name);
  if (out.size() > 0) {
    detail::check_writable<T>(out, name, argument);
  }
}

}  // namespace

template <class T>
void local_response_norm_into(const View<T>& x, Index size, MutArg<T> out,
                              const LocalResponseOptions& options) {
  constexpr const char* kName = "local_response_norm";
  detail::check_defined(x, kName, "x");
  const Channels c = check_and_split(kName, x.shape(), size, options.format);
  check_output<T>(kName, "out", out, x, "x");
  const lamina::detail::Packed<T> packed(x);
  Pass<T> pass{packed.data(), nullptr, nullptr, size, options.alpha, options.beta, options.k};
  run_into<T>(c, pass, out);
}
template <class T>
Array<T> local_response_norm(const View<T>& x, Index size, const LocalResponseOptions& options) {
  Array<T> out = Array<T>::empty(x.shape());
  local_response_norm_into<T>(x, size, out, options);
  return out;
}

template <class T>
void local_response_norm_backward_into(const View<T>& dy, ViewArg<T> x, Index size, MutArg<T> dx,
                                       const LocalResponseOptions& options) {
  constexpr const char* kName = "local_response_norm_backward";
  detail::check_same_shape(x, "x", dy, "dy", kName);
  const Channels c = check_and_split(kName, x.shape(), size, options.format);
  check_output<T>(kName, "dx", dx, x, "x");
  check_output<T>(kName, "dx", dx, dy, "dy");
  const lamina::detail::Packed<T> packed_x(x);
  const lamina::detail::Packed<T> packed_dy(dy);
  Pass<T> pass{packed_x.data(), packed_dy.data(), nullptr,  size,
               options.alpha,   options.beta,     options.k};
  run_into<T>(c, pass, dx);
}
template <class T>
Array<T> local_response_norm_backward(const View<T>& dy, ViewArg<T> x, Index size,
                                      const LocalResponseOptions& options) {
  Array<T> dx = Array<T>::empty(x.shape());
  local_response_norm_backward_into<T>(dy, x, size, dx, options);
  return dx;
}

#define LAMINA_INSTANTIATE(T)                                                               \
  template LAMINA_EXPORT void local_response_norm_into<T>(const View<T>&, Index, MutArg<T>, \
                                                          const LocalResponseOptions&);     \
  template LAMINA_EXPORT Array<T> local_response_norm<T>(const View<T>&, Index,             \
                                                         const LocalResponseOptions&);      \
  template LAMINA_EXPORT void local_response_norm_backward_into<T>(                         \
      const View<T>&, ViewArg<T>, Index, MutArg<T>, const LocalResponseOptions&);           \
  template LAMINA_EXPORT Array<T> local_response_norm_backward<T>(                          \
      const View<T>&, ViewArg<T>, Index, const LocalResponseOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
