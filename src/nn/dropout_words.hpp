#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/dropout.hpp"
#include "lamina/core/random.hpp"

namespace lamina::nn::detail {

/// The words from the generator's position on, and the bound below which they drop with
/// probability p: P(word <= bound) = (bound + 1) / 2^32.
[[nodiscard]] inline kernels::DropoutStream dropout_words(const Generator& generator, double p) {
  const Generator::State& state = generator.state();
  const double words = std::clamp(std::round(p * 4294967296.0), 1.0, 4294967295.0);
  return {state.seed, state.stream, state.offset, static_cast<std::uint32_t>(words) - 1};
}

}  // namespace lamina::nn::detail
