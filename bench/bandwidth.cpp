#include "bandwidth.hpp"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bandwidth.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lamina::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

bool ReadMemory(const void* source, std::size_t bytes) {
  const hn::ScalableTag<std::uint32_t> d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t quarter = bytes / 16;
  const auto* p = static_cast<const std::uint32_t*>(source);
  auto a = hn::Zero(d), b = a, c = a, e = a;
  for (std::size_t i = 0; i + lanes <= quarter; i += lanes) {
    a = hn::Or(a, hn::LoadU(d, p + i));
    b = hn::Or(b, hn::LoadU(d, p + quarter + i));
    c = hn::Or(c, hn::LoadU(d, p + 2 * quarter + i));
    e = hn::Or(e, hn::LoadU(d, p + 3 * quarter + i));
  }
  // Used, so that the loads are not dropped.
  return hn::AllFalse(d, hn::Eq(hn::Or(hn::Or(a, b), hn::Or(c, e)), hn::Set(d, 0x12345U)));
}

template <bool kStream>
void CopyAll(const void* source, void* target, std::size_t bytes) {
  const hn::ScalableTag<std::uint32_t> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto* from = static_cast<const std::uint32_t*>(source);
  auto* to = static_cast<std::uint32_t*>(target);
  for (std::size_t i = 0; i < bytes / 4; i += 2 * lanes) {
    const auto a = hn::Load(d, from + i);
    const auto b = hn::Load(d, from + i + lanes);
    if constexpr (kStream) {
      hn::Stream(a, d, to + i);
      hn::Stream(b, d, to + i + lanes);
    } else {
      hn::Store(a, d, to + i);
      hn::Store(b, d, to + i + lanes);
    }
  }
  if constexpr (kStream) {
    hwy::FlushStream();
  }
}

void CopyMemory(const void* source, void* target, std::size_t bytes) {
  CopyAll<false>(source, target, bytes);
}
void StreamMemory(const void* source, void* target, std::size_t bytes) {
  CopyAll<true>(source, target, bytes);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::bench {

HWY_EXPORT(ReadMemory);
HWY_EXPORT(CopyMemory);
HWY_EXPORT(StreamMemory);

bool read_memory(const void* source, std::size_t bytes) {
  return HWY_DYNAMIC_DISPATCH(ReadMemory)(source, bytes);
}
void copy_memory(const void* source, void* target, std::size_t bytes) {
  HWY_DYNAMIC_DISPATCH(CopyMemory)(source, target, bytes);
}
void stream_memory(const void* source, void* target, std::size_t bytes) {
  HWY_DYNAMIC_DISPATCH(StreamMemory)(source, target, bytes);
}

}  // namespace lamina::bench
#endif
