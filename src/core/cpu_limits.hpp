#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lamina/export.hpp"

namespace lamina::detail {

/// What control groups allow this process: the tightest limit of its own group and all above it.
struct CgroupLimits {
  std::optional<double> cpus;           ///< quota / period
  std::optional<std::uint64_t> memory;  ///< bytes
};

/// Reads cgroup v1 and v2 limits from files below `root` ("" on a live system; tests pass a folder
/// with a copy of the /proc and /sys files). Whatever cannot be read counts as no limit.
[[nodiscard]] LAMINA_EXPORT CgroupLimits cgroup_limits(const std::string& root = "");

/// CPUs on which the scheduler may put this thread; at least 1.
[[nodiscard]] LAMINA_EXPORT int available_cpus();

/// Bytes of physical memory, 0 if unknown.
[[nodiscard]] LAMINA_EXPORT std::uint64_t physical_memory();

}  // namespace lamina::detail
