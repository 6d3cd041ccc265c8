#include "lamina/core/simd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "lamina/core/error.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/nn/simd_info.hpp"

namespace lamina::simd {
namespace {

constexpr std::array kAll = {Target::Baseline, Target::Sse4, Target::Avx2, Target::Avx512,
                             Target::Neon};

bool contains(const std::vector<Target>& list, Target target) {
  return std::find(list.begin(), list.end(), target) != list.end();
}

/// What runs unless told otherwise: the tests themselves may be run under LAMINA_SIMD.
Target chosen() {
  const char* text = std::getenv("LAMINA_SIMD");
  for (const Target target : kAll) {
    if (text != nullptr && to_string(target) == text) {
      return target;
    }
  }
  return supported_targets().back();
}

class Simd : public ::testing::Test {
 protected:
  void TearDown() override { reset(); }
};

TEST_F(Simd, Names) {
  const std::array<std::string, 5> names = {"baseline", "sse4", "avx2", "avx512", "neon"};
  for (std::size_t i = 0; i < kAll.size(); ++i) {
    EXPECT_EQ(to_string(kAll[i]), names[i]);
  }
}

TEST_F(Simd, TargetsAreBuiltAndOrdered) {
  const std::vector<Target> built = built_targets();
  const std::vector<Target> supported = supported_targets();
  ASSERT_FALSE(supported.empty());
  EXPECT_TRUE(std::is_sorted(built.begin(), built.end()));
  EXPECT_TRUE(std::is_sorted(supported.begin(), supported.end()));
  EXPECT_TRUE(std::includes(built.begin(), built.end(), supported.begin(), supported.end()));
  EXPECT_EQ(active_target(), chosen());
}

TEST_F(Simd, ForcedTargetIsWhatRuns) {
  const std::vector<Target> supported = supported_targets();
  for (int round = 0; round < 2; ++round) {
    for (const Target target : supported) {
      force(target);
      EXPECT_EQ(active_target(), target);
      EXPECT_EQ(supported_targets(), supported) << "force() hides nothing";
      const Probe ran = probe();
      EXPECT_EQ(ran.target, target);
      const int bytes = target == Target::Avx512 ? 64 : target == Target::Avx2 ? 32 : 16;
      EXPECT_EQ(ran.float_lanes, bytes / 4);
      EXPECT_EQ(ran.double_lanes, bytes / 8);
      std::atomic<int> same{0};  // and on all threads
      parallel_for(8, 1, [&](Index, Index) { same += probe().target == target; });
      EXPECT_EQ(same, 8);
    }
  }
  reset();
  EXPECT_EQ(active_target(), chosen());
}

TEST_F(Simd, ForcingWhatIsNotThereIsAnError) {
  const std::vector<Target> supported = supported_targets();
  std::string list;
  for (const Target target : supported) {
    list += (list.empty() ? "" : ", ") + std::string(to_string(target));
  }
  int missing = 0;
  for (const Target target : kAll) {
    if (contains(supported, target)) {
      continue;
    }
    ++missing;
    try {
      force(target);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
      EXPECT_EQ(std::string(error.what()),
                "simd::force: \"" + std::string(to_string(target)) +
                    "\" cannot run here; this library on this CPU has: " + list);
    }
    EXPECT_EQ(active_target(), chosen()) << "nothing has changed";
  }
  EXPECT_GT(missing, 0) << "no CPU has both AVX2 and NEON";
}

TEST_F(Simd, CapabilitiesAreThoseOfTheCpu) {
  const PlatformCapabilities found = detect_simd_capabilities();
  const std::vector<Target> supported = supported_targets();
  EXPECT_TRUE(found.sse_available || !contains(supported, Target::Sse4));
  EXPECT_TRUE(found.avx2_available || !contains(supported, Target::Avx2));
  EXPECT_TRUE(found.avx512_available || !contains(supported, Target::Avx512));
  EXPECT_TRUE(found.neon_available || !contains(supported, Target::Neon));
  EXPECT_FALSE(found.gpu_available || found.cuda_available || found.opencl_available ||
               found.metal_available);
  EXPECT_EQ(found.has_sse(), found.sse_available);
  EXPECT_EQ(found.has_avx2(), found.avx2_available);
  EXPECT_EQ(found.has_avx512(), found.avx512_available);
  EXPECT_TRUE(!found.avx512_available || found.avx2_available);
  EXPECT_GE(found.num_cores(), 1);
  EXPECT_GE(found.cache_line_size(), 16U);
#if defined(__x86_64__)
  EXPECT_TRUE(__builtin_cpu_supports("sse4.2") != 0 ? found.has_sse() : !found.has_sse());
  EXPECT_EQ(__builtin_cpu_supports("avx2") != 0, found.has_avx2());
  EXPECT_EQ(__builtin_cpu_supports("avx512bw") != 0, found.has_avx512());
  EXPECT_TRUE(found.simd_available);
  EXPECT_FALSE(found.neon_available);
#elif defined(__aarch64__)
  EXPECT_TRUE(found.neon_available && found.simd_available);
#endif
  const std::string text = found.summary();
  EXPECT_EQ(text.rfind(found.cpu_model, 0), 0U) << text;
  EXPECT_EQ(text.find("AVX-512") != std::string::npos, found.avx512_available) << text;
  EXPECT_EQ(PlatformCapabilities::detect().summary(), text);
}

TEST_F(Simd, SummaryNamesWhatIsKnown) {
  PlatformCapabilities found;
  EXPECT_EQ(found.summary(), "unknown CPU, 1 core, no SIMD");
  found.cpu_model = "Some CPU";
  found.cores = 4;
  found.simd_available = true;
  found.sse_available = true;
  found.avx2_available = true;
  found.l1_bytes = 48 * 1024;
  found.l2_bytes = 1280 * 1024;
  found.l3_bytes = 32 * 1024 * 1024;
  EXPECT_EQ(found.summary(), "Some CPU, 4 cores, SSE4 AVX2, L1d 48 KiB, L2 1280 KiB, L3 32 MiB");
}

TEST_F(Simd, InfoHasSevenLines) {
  for (const Target target : supported_targets()) {
    force(target);
    std::istringstream lines(get_simd_info());
    std::vector<std::string> items;
    for (std::string line; std::getline(lines, line);) {
      items.push_back(line);
    }
    ASSERT_EQ(items.size(), 7U);
    const bool vectors = target != Target::Baseline;
    const int lanes = vectors ? probe().float_lanes : 1;
    EXPECT_EQ(items[0], "lamina neural network SIMD capabilities:");
    EXPECT_EQ(items[1], std::string(" - SIMD Available: ") + (vectors ? "true" : "false"));
    EXPECT_EQ(items[2].rfind(" - AVX2: ", 0), 0U);
    EXPECT_EQ(items[3].rfind(" - AVX512: ", 0), 0U);
    EXPECT_EQ(items[4].rfind(" - NEON: ", 0), 0U);
    EXPECT_EQ(items[5], " - Vector Width (f32): " + std::to_string(lanes) + " elements");
    EXPECT_EQ(items[6],
              " - Vector Width (f64): " + std::to_string(vectors ? lanes / 2 : 1) + " elements");
  }
}

TEST_F(Simd, BatchSizeFollowsTheTarget) {
  for (const Target target : supported_targets()) {
    force(target);
    const Index expected = target == Target::Avx512 ? 512
                           : target == Target::Avx2 ? 256
                           : target == Target::Neon ? 128
                                                    : 64;
    EXPECT_EQ(nn::recommended_batch_size(), expected);
    EXPECT_EQ(nn::is_simd_available(), target != Target::Baseline);
    EXPECT_EQ(nn::get_simd_info(), get_simd_info());
  }
}

}  // namespace
}  // namespace lamina::simd
