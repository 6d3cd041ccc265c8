#pragma once

#include <cstdint>

namespace lamina::bench {

/// Runs `rounds` rounds of independent fused multiply-adds in registers on the widest vectors of
/// this CPU, on one thread, and returns how many floating-point operations that were: the yardstick
/// beside which every compute-bound kernel is measured in the same run.
std::int64_t run_fmas_f32(std::int64_t rounds);
std::int64_t run_fmas_f64(std::int64_t rounds);

}  // namespace lamina::bench
