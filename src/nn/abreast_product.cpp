#include "nn/abreast_product.hpp"

#include <algorithm>

#include "kernels/gemm.hpp"

namespace lamina::nn::detail {

namespace {

/// Columns that are computed together, and lines.
constexpr Index kTogether = 2;
constexpr Index kMostVectors = 64;

}  // namespace

bool is_image(const ConvShape& shape) {
  return shape.in[0] == 1 && shape.kernel[0] == 1 && shape.padding[0] == 0 && shape.groups == 1;
}

template <class T>
AbreastPlan AbreastPlan::make(const ConvShape& shape, bool gradient) {
  const Index lanes = lanes_of<T>();
  const auto& in = gradient ? shape.out : shape.in;
  const auto& out = gradient ? shape.in : shape.out;
  const Index channels = gradient ? shape.out_channels : shape.in_channels;
  const Index rows = gradient ? shape.in_channels : shape.out_channels;
  AbreastPlan p{channels,
                rows,
                out[2],
                out[1],
                {shape.kernel[1], shape.kernel[2]},
                {gradient ? 1 : shape.stride[1], gradient ? 1 : shape.stride[2]},
                {shape.dilation[1], shape.dilation[2]},
                Turned(lanes, shape.images, channels, in[1], in[2]),
                Turned(lanes, shape.images, rows, out[1], out[2]),
                0};
  const Index reach = p.shift[1] * (p.kernel[1] - 1);
  p.source.left = gradient ? reach - shape.padding[2] : shape.padding[2];
  p.source.padded_width =
      std::max((p.width - 1) * p.step[1] + reach + 1, p.source.left + p.source.width);
  if (gradient) {
    p.above = p.shift[0] * (p.kernel[0] - 1) - shape.padding[1];
  } else {
    // Zeros of the padding are elements like others.
    p.source.top = shape.padding[1];
    p.source.padded_height =
        std::max((p.height - 1) * p.step[0] + p.shift[0] * (p.kernel[0] - 1) + 1,
                 p.source.top + p.source.height);
  }
  return p;
}

std::array<Index, 2> AbreastPlan::lines(Index h) const {
  Index begin = 0;
  Index end = kernel[0];
  while (begin < end && seen(h, begin) < 0) ++begin;
  while (begin < end && seen(h, end - 1) >= source.padded_height) --end;
  return {begin, end};
}

std::array<Index, 2> AbreastPlan::columns(Index v) const {
  const auto beside = [&](Index s) {
    const Index at = v * step[1] + s * shift[1] - source.left;
    return at < 0 || at >= source.width;
  };
  Index begin = 0;
  Index end = kernel[1];
  while (begin < end && beside(begin)) ++begin;
  while (begin < end && beside(end - 1)) --end;
  return {begin, end};
}

template <class T>
void see_taps(const AbreastPlan& p, const T* x, const T** seen) {
  for (Index c = 0; c < p.channels; ++c) {
    for (Index r = 0; r < p.kernel[0]; ++r) {
      for (Index s = 0; s < p.kernel[1]; ++s) {
        *seen++ = x + c * p.source.plane() + r * p.shift[0] * p.source.line() +
                  s * p.shift[1] * p.source.lanes;
      }
    }
  }
}

template <class T>
AbreastProduct<T>::AbreastProduct(const AbreastPlan& plan, bool gradient, const T* w, Index width)
    : plan_(plan) {
  // A gradient leaves out what lies beside dy; zeros of a padding are elements like others.
  std::vector<Run> runs;
  for (Index v = 0; v < width; v += kTogether) {
    const Index count = std::min(kTogether, width - v);
    std::array<Index, 2> seen{0, plan.kernel[1]};
    if (gradient) {
      seen = plan.columns(v);
      for (Index i = 1; i < count; ++i) {
        const std::array<Index, 2> more = plan.columns(v + i);
        if (more[0] == more[1]) continue;
        seen = seen[0] == seen[1]
                   ? more
                   : std::array<Index, 2>{std::min(seen[0], more[0]), std::max(seen[1], more[1])};
      }
    }
    if (!runs.empty() && runs.back().seen == seen) {
      runs.back().count += count;
    } else {
      runs.push_back({v, count, seen, 0, 0});
    }
  }
  Index depth = 0;
  for (Run& run : runs) {
    run.offsets = depth;
    run.weights = depth * plan.rows;
    depth += plan.channels * plan.kernel[0] * (run.seen[1] - run.seen[0]);
  }
  weights_ = Buffer<T>(depth * plan.rows);
  offsets_ = Buffer<Index>(depth);
  runs_ = std::move(runs);
  for (const Run& run : runs_) append_run(plan, gradient, w, run);
}

template <class T>
void AbreastProduct<T>::append_run(const AbreastPlan& p, bool gradient, const T* w,
                                   const Run& run) {
  const Index taps = p.kernel[0] * p.kernel[1];
  const Index per_line = p.channels * (run.seen[1] - run.seen[0]);
  const Index depth = p.kernel[0] * per_line;
  const Index tiles = ceil_div(p.rows, kernels::line_tiling<T>().rows);
  Index* offset = offsets_.data() + run.offsets;
  for (Index r = 0; r < p.kernel[0]; ++r) {
    for (Index c = 0; c < p.channels; ++c) {
      for (Index s = run.seen[0]; s < run.seen[1]; ++s) {
        *offset++ = c * p.source.plane() + r * p.shift[0] * p.source.line() +
                    s * p.shift[1] * p.source.lanes;
      }
    }
  }
  T* to = weights_.data() + run.weights;
  for (Index t = 0; t < tiles && depth > 0; ++t) {
    const Index begin = kernels::gemm_tile_begin(p.rows, tiles, t);
    const Index end = kernels::gemm_tile_begin(p.rows, tiles, t + 1);
    for (Index r = 0; r < p.kernel[0]; ++r) {
      for (Index c = 0; c < p.channels; ++c) {
        for (Index s = run.seen[0]; s < run.seen[1]; ++s) {
          const Index tap = r * p.kernel[1] + s;
          const T* const from =
              gradient ? w + c * p.rows * taps + taps - 1 - tap : w + c * taps + tap;
          const Index step = gradient ? taps : p.channels * taps;
          for (Index m = begin; m < end; ++m) *to++ = from[m * step];
        }
      }
    }
  }
}

template <class T>
void AbreastProduct<T>::run(const T* source, Index h, Index count, const T* bias, T* to,
                            Index to_line, Index to_plane) const {
  const AbreastPlan& p = *plan_;
  const Index lanes = p.source.lanes;
  const std::array<Index, 2> lines = p.lines(h);
  const Index tiles = ceil_div(p.rows, kernels::line_tiling<T>().rows);
  std::array<kernels::LineVector, kMostVectors> vectors;
  for (const Run& run : runs_) {
    const Index steps = run.seen[1] - run.seen[0];
    if (steps == 0 || lines[0] == lines[1]) {
      for (Index m = 0; m < p.rows; ++m) {
        for (Index i = 0; i < count; ++i) {
          std::fill_n(to + m * to_plane + i * to_line + run.first * lanes, run.count * lanes,
                      bias == nullptr ? T(0) : bias[m]);
        }
      }
      continue;
    }
    const Index per_line = p.channels * steps;
    const Index depth = p.kernel[0] * per_line;
    kernels::LineProduct<T> product;
    product.source = source + p.seen(h, lines[0]) * p.source.line();
    product.offsets = offsets_.data() + run.offsets;
    product.depth = (lines[1] - lines[0]) * per_line;
    product.vectors = vectors.data();
    product.c_stride = to_plane;
    Index line = 0;
    Index column = 0;
    while (line < count) {
      product.count = 0;
      while (line < count && product.count < kMostVectors) {
        const Index v = run.first + column;
        vectors[static_cast<std::size_t>(product.count++)] = {
            line * p.step[0] * p.source.line() + v * p.step[1] * lanes, line * to_line + v * lanes,
            lanes};
        if (++column == run.count) {
          column = 0;
          ++line;
        }
      }
      for (Index t = 0; t < tiles; ++t) {
        const Index first = kernels::gemm_tile_begin(p.rows, tiles, t);
        product.rows = kernels::gemm_tile_begin(p.rows, tiles, t + 1) - first;
        product.a =
            weights_.data() + run.weights + first * depth + lines[0] * per_line * product.rows;
        product.bias = bias == nullptr ? nullptr : bias + first;
        product.c = to + first * to_plane;
        kernels::line_product(product);
      }
    }
  }
}

template <class T>
Index AbreastProduct<T>::bytes(const AbreastPlan& plan) {
  // Runs of two columns each at most, those that see all columns of the kernel together.
  const Index most = plan.depth() * (plan.kernel[1] + 1);
  return most * (plan.rows * static_cast<Index>(sizeof(T)) + static_cast<Index>(sizeof(Index)));
}

#define LAMINA_INSTANTIATE(T)                                        \
  template AbreastPlan AbreastPlan::make<T>(const ConvShape&, bool); \
  template void see_taps(const AbreastPlan&, const T*, const T**);   \
  template class AbreastProduct<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
