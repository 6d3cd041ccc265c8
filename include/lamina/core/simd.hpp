#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/core/index.hpp"
#include "lamina/export.hpp"

namespace lamina::simd {

/// Instruction sets for which kernels are compiled, narrowest first within an architecture.
enum class Target : std::uint8_t { Baseline, Sse4, Avx2, Avx512, Neon };

/// "baseline", "sse4", "avx2", "avx512" or "neon".
[[nodiscard]] LAMINA_EXPORT std::string_view to_string(Target target) noexcept;

/// Targets compiled into this library, best last.
[[nodiscard]] LAMINA_EXPORT std::vector<Target> built_targets();
/// Those of the built targets that this CPU can run, best last.
[[nodiscard]] LAMINA_EXPORT std::vector<Target> supported_targets();
/// The target that kernels run on now. Error if LAMINA_SIMD names no supported target.
[[nodiscard]] LAMINA_EXPORT Target active_target();
/// Makes every kernel run on `target` from now on, in all threads. Not to be called while other
/// threads are inside an operation. Error(Unsupported) if it is not in supported_targets().
LAMINA_EXPORT void force(Target target);
/// Back to the best supported target, or the one named by the environment variable LAMINA_SIMD
/// (as to_string writes it). Error(InvalidOperation) if LAMINA_SIMD is no target's name,
/// Error(Unsupported) if that target is not in supported_targets(). The same errors come from the
/// first operation when the variable is wrong from the start.
LAMINA_EXPORT void reset();

/// What ran when a kernel was dispatched.
struct Probe {
  Target target;
  int float_lanes;   ///< floats in one vector
  int double_lanes;  ///< doubles in one vector
};
/// Runs a small kernel and tells on what: the target as the kernel itself was compiled for it.
[[nodiscard]] LAMINA_EXPORT Probe probe();

/// What this machine can do, asked of the CPU at run time.
/// NumRS2: `PlatformCapabilities`; lamina computes on the CPU, so the GPU members are always false.
struct LAMINA_EXPORT PlatformCapabilities {
  bool simd_available = false;  ///< SSE4, AVX2, AVX-512 or NEON
  bool gpu_available = false;
  bool cuda_available = false;
  bool opencl_available = false;
  bool metal_available = false;
  bool sse_available = false;     ///< SSE4.2
  bool avx2_available = false;    ///< AVX2 and FMA, and the system saves 256-bit registers
  bool avx512_available = false;  ///< AVX-512 F, BW, CD, DQ, VL, and the system saves them
  bool neon_available = false;
  int cores = 1;  ///< CPUs this process may run on
  std::size_t cache_line_bytes = 64;
  std::size_t l1_bytes = 0;  ///< data cache of one core; 0 if unknown, as the next two
  std::size_t l2_bytes = 0;
  std::size_t l3_bytes = 0;
  std::string cpu_model;  ///< as the CPU or system names itself; may be empty

  /// The same as detect_simd_capabilities().
  [[nodiscard]] static PlatformCapabilities detect();
  /// One line for people, e.g. "AMD EPYC 9575F, 2 cores, SSE4 AVX2 AVX-512, L1d 48 KiB, L2 1 MiB".
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] bool has_sse() const noexcept { return sse_available; }
  [[nodiscard]] bool has_avx2() const noexcept { return avx2_available; }
  [[nodiscard]] bool has_avx512() const noexcept { return avx512_available; }
  [[nodiscard]] int num_cores() const noexcept { return cores; }
  [[nodiscard]] std::size_t cache_line_size() const noexcept { return cache_line_bytes; }
};

/// Asks the CPU and the system what they offer. Costs some file reads; keep the answer.
[[nodiscard]] LAMINA_EXPORT PlatformCapabilities detect_simd_capabilities();
/// Seven lines: a title, then SIMD, AVX2, AVX-512 and NEON of this CPU, and the vector widths of
/// active_target(), in elements.
[[nodiscard]] LAMINA_EXPORT std::string get_simd_info();
/// Whether kernels run on vectors now: active_target() is better than Baseline.
[[nodiscard]] LAMINA_EXPORT bool is_simd_available();
/// A batch size that keeps the vectors of active_target() busy: 512 for AVX-512, 256 for AVX2, 128
/// for NEON, otherwise 64.
[[nodiscard]] LAMINA_EXPORT Index recommended_batch_size();

}  // namespace lamina::simd
