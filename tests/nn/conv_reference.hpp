#pragma once

// Convolution written as its definition: loops over everything, sums in long double.

#include <algorithm>
#include <array>
#include <ostream>
#include <vector>

#include "lamina/nn/conv.hpp"

namespace lamina::testing {

struct ConvCase {
  const char* name;
  Index images, in_channels, out_channels, groups;
  std::array<Index, 2> in, kernel, stride, dilation;
  PaddingMode padding;
};

inline void PrintTo(const ConvCase& c, std::ostream* out) {
  *out << c.name;
}

/// A dense (N, C, H, W) image of long doubles, and back from or to either format.
struct Planes {
  Index n = 0, c = 0, h = 0, w = 0;
  std::vector<long double> values;

  Planes(Index n_, Index c_, Index h_, Index w_)
      : n(n_), c(c_), h(h_), w(w_), values(static_cast<std::size_t>(n_ * c_ * h_ * w_)) {}
  long double& at(Index i, Index j, Index y, Index x) {
    return values[static_cast<std::size_t>(((i * c + j) * h + y) * w + x)];
  }
};

template <class T>
Planes planes_of(const View<T>& x, DataFormat format) {
  const bool last = format == DataFormat::NHWC;
  const auto [n, a, b, d] = x.template dims<4>("planes_of");
  Planes planes(n, last ? d : a, last ? a : b, last ? b : d);
  for (Index i = 0; i < planes.n; ++i) {
    for (Index j = 0; j < planes.c; ++j) {
      for (Index y = 0; y < planes.h; ++y) {
        for (Index v = 0; v < planes.w; ++v) {
          planes.at(i, j, y, v) = last ? x(i, y, v, j) : x(i, j, y, v);
        }
      }
    }
  }
  return planes;
}

struct ConvReference {
  Planes y, dx, dw;
};

/// Forward result and both gradients of sum(y * dy).
inline ConvReference reference_conv(const ConvCase& c, Planes x, Planes w, Planes dy) {
  ConvReference r{Planes(dy.n, dy.c, dy.h, dy.w), Planes(x.n, x.c, x.h, x.w),
                  Planes(w.n, w.c, w.h, w.w)};
  const auto top = c.padding.resolve(0, x.h, w.h, c.stride[0], c.dilation[0], "test").before;
  const auto left = c.padding.resolve(1, x.w, w.w, c.stride[1], c.dilation[1], "test").before;
  const Index in_group = c.in_channels / c.groups;
  const Index out_group = c.out_channels / c.groups;
  for (Index n = 0; n < x.n; ++n) {
    for (Index o = 0; o < c.out_channels; ++o) {
      for (Index oy = 0; oy < dy.h; ++oy) {
        for (Index ox = 0; ox < dy.w; ++ox) {
          for (Index i = 0; i < in_group; ++i) {
            for (Index ky = 0; ky < w.h; ++ky) {
              for (Index kx = 0; kx < w.w; ++kx) {
                const Index iy = oy * c.stride[0] + ky * c.dilation[0] - top;
                const Index ix = ox * c.stride[1] + kx * c.dilation[1] - left;
                if (iy < 0 || ix < 0 || iy >= x.h || ix >= x.w) continue;
                const Index channel = o / out_group * in_group + i;
                r.y.at(n, o, oy, ox) += x.at(n, channel, iy, ix) * w.at(o, i, ky, kx);
                r.dx.at(n, channel, iy, ix) += dy.at(n, o, oy, ox) * w.at(o, i, ky, kx);
                r.dw.at(o, i, ky, kx) += dy.at(n, o, oy, ox) * x.at(n, channel, iy, ix);
              }
            }
          }
        }
      }
    }
  }
  return r;
}

}  // namespace lamina::testing
