#include "lamina/core/simd.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <string>

#include "core/simd_probe.hpp"
#include "core/simd_state.hpp"
#include "hwy/targets.h"
#include "lamina/core/error.hpp"

#ifdef __FAST_MATH__
#error "lamina needs NaN, infinities and exact sums: compile it without -ffast-math and -Ofast"
#endif

namespace lamina::simd {

namespace {

struct Name {
  Target target;
  std::string_view text;
};
constexpr Name kNames[] = {{Target::Baseline, "baseline"},
                           {Target::Sse4, "sse4"},
                           {Target::Avx2, "avx2"},
                           {Target::Avx512, "avx512"},
                           {Target::Neon, "neon"}};

/// Highway's bits of the targets that kernels are compiled for. HWY_TARGETS is the same in every
/// source file, since all are compiled with the same flags.
constexpr std::int64_t kBuilt = HWY_TARGETS;
constexpr std::int64_t kStatic = HWY_STATIC_TARGET;

std::vector<Target> to_list(std::int64_t bits) {
  std::vector<Target> list;
  for (const Name& name : kNames) {
    for (std::int64_t rest = bits; rest != 0; rest &= rest - 1) {
      if (detail::target_of(rest & ~(rest - 1)) == name.target) {
        list.push_back(name.target);
        break;
      }
    }
  }
  return list;
}

/// What the CPU can run, asked before force() hides some of it.
std::int64_t detected() {
  static const std::int64_t bits = hwy::SupportedTargets() | kStatic;
  return bits;
}

std::string names_of(const std::vector<Target>& targets) {
  std::string text;
  for (const Target target : targets) {
    text += (text.empty() ? "" : ", ") + std::string(to_string(target));
  }
  return text;
}

std::mutex choice_mutex;

/// Allows `target` and everything narrower, so that code of other libraries which use Highway finds
/// a target of its own.
void apply(Target target) {
  std::int64_t bits = 0;
  for (std::int64_t rest = detected(); rest != 0; rest &= rest - 1) {
    const std::int64_t bit = rest & ~(rest - 1);
    if (detail::target_of(bit) <= target) {
      bits |= bit;
    }
  }
  hwy::SetSupportedTargetsForTest(bits);
  hwy::GetChosenTarget().Update(bits);
}

void check_supported(Target target, std::string_view operation) {
  const std::vector<Target> supported = supported_targets();
  check(std::find(supported.begin(), supported.end(), target) != supported.end(),
        ErrorKind::Unsupported, operation, '"', to_string(target),
        "\" cannot run here; this library on this CPU has: ", names_of(supported));
}

void choose_locked() {
  detected();
  const char* text = std::getenv("LAMINA_SIMD");
  if (text == nullptr || *text == '\0') {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(detected());
    return;
  }
  const auto* name = std::find_if(std::begin(kNames), std::end(kNames),
                                  [&](const Name& candidate) { return candidate.text == text; });
  check(name != std::end(kNames), ErrorKind::InvalidOperation, "LAMINA_SIMD",
        "expected baseline, sse4, avx2, avx512 or neon, got \"", text, '"');
  check_supported(name->target, "LAMINA_SIMD");
  apply(name->target);
}

/// Obeys LAMINA_SIMD from the start. If it is wrong, the first operation says so.
const bool chosen_at_start = [] {
  try {
    detail::choose_target();
    return true;
  } catch (...) {
    return false;
  }
}();

}  // namespace

namespace detail {

constinit std::atomic<bool> ready{false};

void choose_target() {
  const std::lock_guard lock(choice_mutex);
  if (!ready.load(std::memory_order_relaxed)) {
    choose_locked();
    ready.store(true, std::memory_order_release);
  }
}

}  // namespace detail

std::string_view to_string(Target target) noexcept {
  for (const Name& name : kNames) {
    if (name.target == target) {
      return name.text;
    }
  }
  return "unknown";
}

std::vector<Target> built_targets() {
  return to_list(kBuilt);
}

std::vector<Target> supported_targets() {
  return to_list(kBuilt & detected());
}

Target active_target() {
  return probe().target;
}

void force(Target target) {
  check_supported(target, "simd::force");
  const std::lock_guard lock(choice_mutex);
  apply(target);
  detail::ready.store(true, std::memory_order_release);
}

void reset() {
  const std::lock_guard lock(choice_mutex);
  choose_locked();
  detail::ready.store(true, std::memory_order_release);
}

Probe probe() {
  detail::ensure_target();
  const detail::ProbeResult result = detail::probe();
  return {detail::target_of(result.target), result.float_lanes, result.double_lanes};
}

}  // namespace lamina::simd
