#include <fmt/format.h>

#include <string>
#include <vector>

#include "commands.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"
#include "lamina/io/npz.hpp"

namespace lamina::tool {

namespace {

std::string size_text(std::size_t bytes) {
  if (bytes == 0) {
    return "unknown";
  }
  constexpr std::size_t kKibi = 1024;
  if (bytes % (kKibi * kKibi) == 0) {
    return fmt::format("{} MiB", bytes / (kKibi * kKibi));
  }
  return fmt::format("{} KiB", bytes / kKibi);
}

std::string names_of(const std::vector<simd::Target>& targets) {
  std::string names;
  for (const simd::Target target : targets) {
    names += names.empty() ? "" : " ";
    names += simd::to_string(target);
  }
  return names;
}

void line(std::string_view label, std::string_view text) {
  fmt::print("{:<16}{}\n", label, text);
}

}  // namespace

int show_info() {
  const simd::PlatformCapabilities cpu = simd::detect_simd_capabilities();
  // The last three may fail on a wrong environment variable; they are asked before anything is
  // printed.
  const std::string active(simd::to_string(simd::active_target()));
  const simd::Probe probe = simd::probe();
  const ThreadChoice threads = thread_choice();

  line("lamina", fmt::format("{} ({}, {})", LAMINA_VERSION, LAMINA_BUILD_TYPE, LAMINA_COMPILER));
  line("CPU", cpu.cpu_model.empty() ? "unknown" : cpu.cpu_model);
  line("CPUs to use", fmt::format("{}", cpu.cores));
  line("caches",
       fmt::format("L1d {}, L2 {}, L3 {}, lines of {} bytes", size_text(cpu.l1_bytes),
                   size_text(cpu.l2_bytes), size_text(cpu.l3_bytes), cpu.cache_line_bytes));
  line("SIMD built", names_of(simd::built_targets()));
  line("SIMD supported", names_of(simd::supported_targets()));
  line("SIMD active", fmt::format("{}: {} float or {} double in a vector", active,
                                  probe.float_lanes, probe.double_lanes));
  line("threads", fmt::format("{}: {}", threads.threads, threads.reason));
  line("memory kept", fmt::format("at most {}", size_text(memory_cache_limit())));
  line("compression", io::has_compression() ? "zlib" : "none: built without zlib");
  return 0;
}

}  // namespace lamina::tool
