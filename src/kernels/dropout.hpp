#pragma once

#include <cstdint>

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Where random words come from: words of Philox4x32-10 as lamina::Generator defines them.
struct DropoutStream {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  std::uint64_t first = 0;         ///< position of the word of element 0
  std::uint32_t last_dropped = 0;  ///< an element is kept if its word is above this
};

/// out = keep ? scale * x + shift : dropped
template <class T>
struct DropoutValues {
  T scale;
  T shift;
  T dropped;
};

/// keep[i] for `count` words.
void dropout_keep(const DropoutStream& stream, bool* keep, Index count);
/// Draws and applies; out may be x; keep may be null.
void dropout(const DropoutStream& stream, const DropoutValues<float>& values, const float* x,
             float* out, bool* keep, Index count);
void dropout(const DropoutStream& stream, const DropoutValues<double>& values, const double* x,
             double* out, bool* keep, Index count);
/// Applies what was drawn.
void dropout_masked(const DropoutValues<float>& values, const float* x, const bool* keep,
                    float* out, Index count);
void dropout_masked(const DropoutValues<double>& values, const double* x, const bool* keep,
                    double* out, Index count);

}  // namespace lamina::kernels
