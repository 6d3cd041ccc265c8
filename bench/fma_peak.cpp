#include "fma_peak.hpp"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fma_peak.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lamina::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Enough independent chains to hide the latency of the FMA, few enough for 16 registers.
constexpr int kChains = 12;

template <class T>
std::int64_t RunFmas(std::int64_t rounds) {
  const hn::ScalableTag<T> d;
  const auto x = hn::Set(d, T(0.5));
  const auto y = hn::Set(d, T(1));
  hn::Vec<decltype(d)> sum[kChains];
  HWY_UNROLL(12)
  for (int i = 0; i < kChains; ++i) {
    sum[i] = hn::Set(d, static_cast<T>(i));
  }
  for (std::int64_t round = 0; round < rounds; ++round) {
    HWY_UNROLL(12)
    for (int i = 0; i < kChains; ++i) {
      sum[i] = hn::MulAdd(sum[i], x, y);
    }
  }
  auto total = sum[0];
  HWY_UNROLL(12)
  for (int i = 1; i < kChains; ++i) {
    total = hn::Add(total, sum[i]);
  }
  // The sums converge to 2: this keeps the compiler from dropping them.
  const bool used = hn::GetLane(hn::SumOfLanes(d, total)) > T(0);
  return used ? rounds * kChains * 2 * static_cast<std::int64_t>(hn::Lanes(d)) : 0;
}

std::int64_t RunFmasF32(std::int64_t rounds) {
  return RunFmas<float>(rounds);
}
std::int64_t RunFmasF64(std::int64_t rounds) {
  return RunFmas<double>(rounds);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::bench {

HWY_EXPORT(RunFmasF32);
HWY_EXPORT(RunFmasF64);

std::int64_t run_fmas_f32(std::int64_t rounds) {
  return HWY_DYNAMIC_DISPATCH(RunFmasF32)(rounds);
}
std::int64_t run_fmas_f64(std::int64_t rounds) {
  return HWY_DYNAMIC_DISPATCH(RunFmasF64)(rounds);
}

}  // namespace lamina::bench
#endif
