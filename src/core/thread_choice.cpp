#include "core/thread_choice.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

#include "core/cpu_limits.hpp"
#include "lamina/core/error.hpp"

namespace lamina::detail {

namespace {

/// The first number of `text`, which may be a list ("4,2" in OMP_NUM_THREADS); 0 if it has none
/// that can be used.
int parse_threads(std::string_view text, bool list) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!rest.empty() && std::isspace(static_cast<unsigned char>(rest.front())) != 0) {
    rest.remove_prefix(1);
  }
  const bool ends = rest.empty() || (list && rest.front() == ',');
  return status == std::errc() && ends && value >= 1 && value <= kMaxThreads ? value : 0;
}

}  // namespace

ThreadChoice default_thread_choice() {
  if (const char* text = std::getenv("LAMINA_NUM_THREADS"); text != nullptr && *text != '\0') {
    const int threads = parse_threads(text, false);
    check(threads != 0, ErrorKind::InvalidOperation, "LAMINA_NUM_THREADS",
          "expected a number from 1 to ", kMaxThreads, ", got \"", text, '"');
    return {threads, "LAMINA_NUM_THREADS=" + std::string(text)};
  }
  std::string ignored;
  if (const char* text = std::getenv("OMP_NUM_THREADS"); text != nullptr && *text != '\0') {
    if (const int threads = parse_threads(text, true); threads != 0) {
      return {threads, "OMP_NUM_THREADS=" + std::string(text)};
    }
    ignored = "; OMP_NUM_THREADS=" + std::string(text) + " is no usable number";
  }
  const int cpus = std::min(available_cpus(), kMaxThreads);
  std::string reason = std::to_string(cpus) + (cpus == 1 ? " CPU" : " CPUs") + " may be used";
  int threads = cpus;
  if (const auto quota = cgroup_limits().cpus) {
    const int limit = static_cast<int>(std::ceil(std::min(*quota, double{kMaxThreads})));
    std::ostringstream text;
    text << *quota;
    reason += ", the cgroup quota is " + text.str() + " CPUs";
    threads = std::max(1, std::min(cpus, limit));
  } else {
    reason += ", no cgroup quota";
  }
  return {threads, reason + ignored};
}

}  // namespace lamina::detail
