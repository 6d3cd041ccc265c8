#include "core/cpu_limits.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

namespace lamina::detail {

namespace {

bool read_line(const std::string& path, std::string& line) {
  std::ifstream file(path);
  return static_cast<bool>(std::getline(file, line));
}

template <class T>
std::optional<T> read_number(const std::string& path) {
  std::ifstream file(path);
  T value{};
  if (file >> value) {
    return value;
  }
  return std::nullopt;
}

template <class T>
void lower(std::optional<T>& limit, T value) {
  limit = limit ? std::min(*limit, value) : value;
}

bool has_item(std::string_view list, std::string_view item) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (list.substr(0, comma) == item) {
      return true;
    }
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return false;
}

/// A mounted cgroup hierarchy: `top` is the group that appears at `mount`.
struct Hierarchy {
  bool unified;
  std::string controllers;
  std::string top;
  std::string mount;
};

std::vector<Hierarchy> mounted_hierarchies(const std::string& root) {
  std::vector<Hierarchy> found;
  std::ifstream file(root + "/proc/self/mountinfo");
  std::string line;
  while (std::getline(file, line)) {
    // id parent major:minor top mount options [tags] - type source super-options
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) {
      continue;
    }
    std::istringstream before(line.substr(0, dash));
    std::istringstream after(line.substr(dash + 3));
    std::string skip;
    std::string top;
    std::string mount;
    std::string type;
    std::string options;
    before >> skip >> skip >> skip >> top >> mount;
    after >> type >> skip >> options;
    if (type == "cgroup2" || type == "cgroup") {
      found.push_back({type == "cgroup2", options, top, mount});
    }
  }
  return found;
}

/// Calls visit(folder) for the folder of `group` and of every group above it.
template <class F>
void visit_upwards(const std::string& root, const Hierarchy& hierarchy, std::string group,
                   const F& visit) {
  if (hierarchy.top != "/") {
    // In a container without its own namespace the path is the host's; cut what is not visible.
    group = group.rfind(hierarchy.top, 0) == 0 ? group.substr(hierarchy.top.size()) : "";
  }
  while (!group.empty() && group != "/") {
    visit(root + hierarchy.mount + group);
    group.erase(group.find_last_of('/'));
  }
  visit(root + hierarchy.mount);
}

void read_unified(const std::string& folder, CgroupLimits& limits) {
  std::string line;
  if (read_line(folder + "/cpu.max", line)) {
    std::istringstream words(line);
    double quota = 0;
    double period = 0;
    if (words >> quota >> period && quota > 0 && period > 0) {  // "max 100000": no limit
      lower(limits.cpus, quota / period);
    }
  }
  if (const auto bytes = read_number<std::uint64_t>(folder + "/memory.max")) {
    lower(limits.memory, *bytes);
  }
}

void read_cpu_v1(const std::string& folder, CgroupLimits& limits) {
  const auto quota = read_number<double>(folder + "/cpu.cfs_quota_us");  // -1: no limit
  const auto period = read_number<double>(folder + "/cpu.cfs_period_us");
  if (quota && period && *quota > 0 && *period > 0) {
    lower(limits.cpus, *quota / *period);
  }
}

void read_memory_v1(const std::string& folder, CgroupLimits& limits) {
  constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 60;  // the kernel writes 2^63 - 4096
  const auto bytes = read_number<std::uint64_t>(folder + "/memory.limit_in_bytes");
  if (bytes && *bytes < kUnlimited) {
    lower(limits.memory, *bytes);
  }
}

}  // namespace

CgroupLimits cgroup_limits(const std::string& root) {
  CgroupLimits limits;
  const std::vector<Hierarchy> hierarchies = mounted_hierarchies(root);
  std::ifstream file(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {  // "0::/group" (v2) or "4:cpu,cpuacct:/group" (v1)
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    for (const Hierarchy& hierarchy : hierarchies) {
      if (hierarchy.unified != controllers.empty()) {
        continue;
      }
      if (hierarchy.unified) {
        visit_upwards(root, hierarchy, group,
                      [&](const std::string& folder) { read_unified(folder, limits); });
        continue;
      }
      for (const auto& [controller, read] :
           {std::pair{"cpu", &read_cpu_v1}, std::pair{"memory", &read_memory_v1}}) {
        if (has_item(controllers, controller) && has_item(hierarchy.controllers, controller)) {
          visit_upwards(root, hierarchy, group,
                        [&, reader = read](const std::string& folder) { reader(folder, limits); });
        }
      }
    }
  }
  return limits;
}

int available_cpus() {
#if defined(__linux__)
  // The set of cpu_set_t ends at 1024 CPUs; the kernel refuses sets smaller than its own.
  for (int size = 1024; size <= (1 << 20); size *= 4) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(size));
    if (set == nullptr) {
      break;
    }
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) {
      return count;
    }
  }
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::uint64_t physical_memory() {
#if defined(__linux__)
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) {
    return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
  }
#endif
  return 0;
}

}  // namespace lamina::detail
