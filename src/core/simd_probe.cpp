#include "core/simd_probe.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd_probe.cpp"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lamina::simd::detail::HWY_NAMESPACE {

ProbeResult Probe() {
  namespace hn = hwy::HWY_NAMESPACE;
  return {HWY_TARGET, static_cast<int>(hn::Lanes(hn::ScalableTag<float>())),
          static_cast<int>(hn::Lanes(hn::ScalableTag<double>()))};
}

}  // namespace lamina::simd::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::simd::detail {

HWY_EXPORT(Probe);

ProbeResult probe() {
  return HWY_DYNAMIC_DISPATCH(Probe)();
}

simd::Target target_of(std::int64_t bit) {
  using simd::Target;
  // Newer releases of Highway have more targets of each class.
  constexpr std::int64_t kAvx512 = HWY_AVX3 | HWY_AVX3_DL
#if defined(HWY_AVX3_ZEN4)
                                   | HWY_AVX3_ZEN4
#endif
#if defined(HWY_AVX3_SPR)
                                   | HWY_AVX3_SPR
#endif
#if defined(HWY_AVX10_2)
                                   | HWY_AVX10_2
#endif
      ;
  constexpr std::int64_t kNeon = HWY_NEON
#if defined(HWY_NEON_WITHOUT_AES)
                                 | HWY_NEON_WITHOUT_AES
#endif
#if defined(HWY_NEON_BF16)
                                 | HWY_NEON_BF16
#endif
      ;
  if ((bit & kAvx512) != 0) {
    return Target::Avx512;
  }
  if ((bit & HWY_AVX2) != 0) {
    return Target::Avx2;
  }
  if ((bit & (HWY_SSE4 | HWY_SSSE3)) != 0) {
    return Target::Sse4;
  }
  if ((bit & kNeon) != 0) {
    return Target::Neon;
  }
  return Target::Baseline;
}

}  // namespace lamina::simd::detail
#endif  // HWY_ONCE
