#include "kernels/stream.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stream.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void StreamCopy(const uint8_t* from, uint8_t* to, size_t bytes) {
  const hn::ScalableTag<uint8_t> d;
  const size_t lanes = hn::Lanes(d);
  const size_t misaligned = reinterpret_cast<std::uintptr_t>(to) % lanes;
  size_t i = misaligned == 0 ? 0 : std::min(bytes, lanes - misaligned);
  std::memcpy(to, from, i);
  for (; i + lanes <= bytes; i += lanes) {
    hn::Stream(hn::LoadU(d, from + i), d, to + i);
  }
  std::memcpy(to + i, from + i, bytes - i);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(StreamCopy);

void stream_copy(const void* from, void* to, Index bytes) {
  HWY_DYNAMIC_DISPATCH(StreamCopy)
  (static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to), static_cast<size_t>(bytes));
}

void stream_fence() {
  hwy::FlushStream();
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
