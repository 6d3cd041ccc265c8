#pragma once

#include <cstdint>

#include "lamina/core/simd.hpp"

namespace lamina::simd::detail {

struct ProbeResult {
  std::int64_t target;  // Highway's bit
  int float_lanes;
  int double_lanes;
};

/// Reports which target this dispatched to.
ProbeResult probe();

/// Our name for a single Highway target bit.
simd::Target target_of(std::int64_t bit);

}  // namespace lamina::simd::detail
