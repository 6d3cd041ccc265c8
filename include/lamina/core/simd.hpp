#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/export.hpp"

namespace lamina::simd {

/// Instruction sets for which kernels are compiled, narrowest first within an architecture.
enum class Target : std::uint8_t { Baseline, Sse4, Avx2, Avx512, Neon };

/// "baseline", "sse4", "avx2", "avx512" or "neon".
[[nodiscard]] LAMINA_EXPORT std::string_view to_string(Target target) noexcept;

/// Targets compiled into this library.
[[nodiscard]] LAMINA_EXPORT std::vector<Target> built_targets();
/// Those of the built targets that this CPU can run, best last.
[[nodiscard]] LAMINA_EXPORT std::vector<Target> supported_targets();
/// The target that kernels run on now.
[[nodiscard]] LAMINA_EXPORT Target active_target();
/// Makes every kernel run on `target` from now on, in all threads. Not to be called while other
/// threads are inside an operation. Error(Unsupported) if it is not in supported_targets().
LAMINA_EXPORT void force(Target target);
/// Back to the best supported target, or the one named by LAMINA_SIMD.
LAMINA_EXPORT void reset();

}  // namespace lamina::simd
