#include "core/cpu_limits.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace lamina::detail {
namespace {

/// A folder that looks like the root of a machine.
class CgroupFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lamina_cgroup_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file(root_ + path);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void write_v2(const std::string& group, const std::string& top = "/") {
    write("/proc/self/cgroup", "0::" + group + "\n");
    write("/proc/self/mountinfo",
          "22 28 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"
          "31 22 0:26 " +
              top + " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void write_v1(const std::string& group, const std::string& top = "/") {
    write("/proc/self/cgroup", "4:memory:" + group + "\n3:cpu,cpuacct:" + group + "\n0::/\n");
    write("/proc/self/mountinfo",
          "33 32 0:28 " + top +
              " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
              "34 32 0:29 " +
              top +
              " /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
              "35 32 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
  }
  [[nodiscard]] CgroupLimits read() const { return cgroup_limits(root_); }

  std::string root_;
};

TEST_F(CgroupFiles, NoneMeansNoLimit) {
  EXPECT_FALSE(read().cpus.has_value());
  EXPECT_FALSE(read().memory.has_value());
}

TEST_F(CgroupFiles, Version2TakesTheTightestOfAllLevels) {
  write_v2("/a/b");
  write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/a/b/memory.max", "max\n");
  EXPECT_FALSE(read().cpus.has_value());
  EXPECT_FALSE(read().memory.has_value());
  write("/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  write("/sys/fs/cgroup/a/memory.max", "1073741824\n");
  EXPECT_EQ(read().cpus, 2.5);
  EXPECT_EQ(read().memory, std::uint64_t{1} << 30);
  write("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(read().cpus, 0.5);
}

TEST_F(CgroupFiles, Version2InAContainer) {
  write_v2("/");
  write("/sys/fs/cgroup/cpu.max", "150000 50000\n");
  EXPECT_EQ(read().cpus, 3.0);
  // Without a namespace of its own the process sees the host's path, and its group as the mount.
  write_v2("/docker/1234/app", "/docker/1234");
  EXPECT_EQ(read().cpus, 3.0);
  write("/sys/fs/cgroup/app/cpu.max", "100000 100000\n");
  EXPECT_EQ(read().cpus, 1.0);
  write_v2("/elsewhere", "/docker/1234");
  EXPECT_EQ(read().cpus, 3.0);
}

TEST_F(CgroupFiles, Version1) {
  write_v1("/a/b");
  write("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
  write("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_FALSE(read().cpus.has_value());
  EXPECT_FALSE(read().memory.has_value());
  write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "400000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  EXPECT_EQ(read().cpus, 4.0);
  EXPECT_EQ(read().memory, std::uint64_t{1} << 29);
}

TEST_F(CgroupFiles, NonsenseIsNoLimit) {
  write_v2("/a");
  write("/sys/fs/cgroup/a/cpu.max", "oops\n");
  write("/sys/fs/cgroup/cpu.max", "0 0\n");
  write("/proc/self/cgroup", "garbage\n\n0::/a\n::\n");
  EXPECT_FALSE(read().cpus.has_value());
}

TEST(Machine, IsThere) {
  EXPECT_GE(available_cpus(), 1);
  EXPECT_GT(physical_memory(), std::uint64_t{1} << 20);
  static_cast<void>(cgroup_limits());
}

}  // namespace
}  // namespace lamina::detail
