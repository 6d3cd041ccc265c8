#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "core/cpu_limits.hpp"
#include "lamina/core/simd.hpp"

#if defined(__x86_64__) || defined(__i386__)
#define LAMINA_X86 1
#include <cpuid.h>
#else
#define LAMINA_X86 0
#endif
#if defined(__linux__)
#include <unistd.h>
#if defined(__arm__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#endif

namespace lamina::simd {

namespace {

#if LAMINA_X86

struct Registers {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);  // zeros where the leaf is unknown
  return r;
}

bool bit(unsigned word, int index) {
  return (word >> index & 1) != 0;
}

/// The register sets that the system saves when it switches threads (XCR0).
unsigned saved_registers() {
  unsigned low = 0;
  unsigned high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

void detect_features(PlatformCapabilities& found) {
  const Registers one = cpuid(1);
  const Registers seven = cpuid(7);
  const unsigned saved = bit(one.c, 27) ? saved_registers() : 0;
  const bool ymm = (saved & 0x06) == 0x06;
  const bool zmm = (saved & 0xE6) == 0xE6;
  found.sse_available = bit(one.c, 20);
  found.avx2_available = ymm && bit(seven.b, 5) && bit(one.c, 12);
  found.avx512_available = zmm && found.avx2_available && bit(seven.b, 16) && bit(seven.b, 17) &&
                           bit(seven.b, 28) && bit(seven.b, 30) && bit(seven.b, 31);
}

std::string detect_model() {
  if (cpuid(0x80000000).a < 0x80000004) {
    return {};
  }
  std::string text;
  for (unsigned leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
    const Registers r = cpuid(leaf);
    char part[16];
    std::memcpy(part, &r.a, 4);
    std::memcpy(part + 4, &r.b, 4);
    std::memcpy(part + 8, &r.c, 4);
    std::memcpy(part + 12, &r.d, 4);
    text.append(part, sizeof(part));
  }
  return text.substr(0, text.find('\0'));
}

#else

void detect_features([[maybe_unused]] PlatformCapabilities& found) {
#if defined(__aarch64__)
  found.neon_available = true;  // part of the base architecture
#elif defined(__arm__) && defined(__linux__)
  found.neon_available = (getauxval(AT_HWCAP) & HWCAP_NEON) != 0;
#endif
}

std::string detect_model() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos &&
        (line.rfind("model name", 0) == 0 || line.rfind("Hardware", 0) == 0)) {
      return line.substr(colon + 1);
    }
  }
  file.close();
  file.open("/proc/device-tree/model");
  return std::getline(file, line, '\0') ? line : std::string();
}

#endif

std::string trimmed(const std::string& text) {
  std::istringstream words(text);
  std::string word;
  std::string result;
  while (words >> word) {
    result += (result.empty() ? "" : " ") + word;
  }
  return result;
}

/// "48K", "1024K", "32M" as Linux writes cache sizes.
std::size_t parse_size(const std::string& text) {
  std::istringstream in(text);
  std::size_t value = 0;
  char unit = ' ';
  in >> value >> unit;
  return value * (unit == 'K' ? 1024 : unit == 'M' ? 1024 * 1024 : 1);
}

std::string first_word(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

void detect_caches([[maybe_unused]] PlatformCapabilities& found) {
#if defined(__linux__)
  for (int index = 0; index < 16; ++index) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const std::string level = first_word(folder + "level");
    if (level.empty()) {
      break;
    }
    if (first_word(folder + "type") == "Instruction") {
      continue;
    }
    const std::size_t bytes = parse_size(first_word(folder + "size"));
    (level == "1" ? found.l1_bytes : level == "2" ? found.l2_bytes : found.l3_bytes) = bytes;
    if (const std::size_t line = parse_size(first_word(folder + "coherency_line_size"));
        level == "1" && line != 0) {
      found.cache_line_bytes = line;
    }
  }
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  const auto fill = [](std::size_t& bytes, int name) {
    const long value = bytes == 0 ? sysconf(name) : 0;
    if (value > 0) {
      bytes = static_cast<std::size_t>(value);
    }
  };
  fill(found.l1_bytes, _SC_LEVEL1_DCACHE_SIZE);
  fill(found.l2_bytes, _SC_LEVEL2_CACHE_SIZE);
  fill(found.l3_bytes, _SC_LEVEL3_CACHE_SIZE);
#endif
#endif
}

std::string size_text(std::size_t bytes) {
  constexpr std::size_t kKi = 1024;
  constexpr std::size_t kMi = kKi * kKi;
  return bytes % kMi == 0 ? std::to_string(bytes / kMi) + " MiB"
                          : std::to_string(bytes / kKi) + " KiB";
}

}  // namespace

PlatformCapabilities PlatformCapabilities::detect() {
  PlatformCapabilities found;
  detect_features(found);
  found.simd_available =
      found.sse_available || found.avx2_available || found.avx512_available || found.neon_available;
  found.cores = lamina::detail::available_cpus();
  found.cpu_model = trimmed(detect_model());
  detect_caches(found);
  return found;
}

std::string PlatformCapabilities::summary() const {
  std::string text = cpu_model.empty() ? "unknown CPU" : cpu_model;
  text += ", " + std::to_string(cores) + (cores == 1 ? " core," : " cores,");
  text += sse_available ? " SSE4" : "";
  text += avx2_available ? " AVX2" : "";
  text += avx512_available ? " AVX-512" : "";
  text += neon_available ? " NEON" : "";
  text += simd_available ? "" : " no SIMD";
  text += l1_bytes != 0 ? ", L1d " + size_text(l1_bytes) : "";
  text += l2_bytes != 0 ? ", L2 " + size_text(l2_bytes) : "";
  text += l3_bytes != 0 ? ", L3 " + size_text(l3_bytes) : "";
  return text;
}

PlatformCapabilities detect_simd_capabilities() {
  return PlatformCapabilities::detect();
}

std::string get_simd_info() {
  const PlatformCapabilities found = detect_simd_capabilities();
  const Probe running = probe();
  // The baseline target works on emulated vectors of four floats, one value at a time.
  const bool vectors = running.target != Target::Baseline;
  std::ostringstream text;
  text << std::boolalpha << "lamina neural network SIMD capabilities:\n"
       << " - SIMD Available: " << vectors << '\n'
       << " - AVX2: " << found.avx2_available << '\n'
       << " - AVX512: " << found.avx512_available << '\n'
       << " - NEON: " << found.neon_available << '\n'
       << " - Vector Width (f32): " << (vectors ? running.float_lanes : 1) << " elements\n"
       << " - Vector Width (f64): " << (vectors ? running.double_lanes : 1) << " elements\n";
  return text.str();
}

bool is_simd_available() {
  return active_target() != Target::Baseline;
}

Index recommended_batch_size() {
  switch (active_target()) {
    case Target::Avx512:
      return 512;
    case Target::Avx2:
      return 256;
    case Target::Neon:
      return 128;
    case Target::Sse4:
    case Target::Baseline:
      break;
  }
  return 64;
}

}  // namespace lamina::simd
