// Copies around the caches.

#if defined(LAMINA_KERNELS_STREAM_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_STREAM_INL_HPP_
#undef LAMINA_KERNELS_STREAM_INL_HPP_
#else
#define LAMINA_KERNELS_STREAM_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "lamina/core/index.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
HWY_INLINE void StreamRun(const T* from, T* to, Index n) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  // Such stores take whole vectors at their place.
  const std::size_t misaligned =
      reinterpret_cast<std::uintptr_t>(to) % (hn::MaxLanes(d) * sizeof(T)) / sizeof(T);
  Index i = 0;
  if (misaligned != 0) {
    const Index head = HWY_MIN(n, lanes - static_cast<Index>(misaligned));
    for (; i < head; ++i) {
      to[i] = from[i];
    }
  }
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto v0 = hn::LoadU(d, from + i);
    const auto v1 = hn::LoadU(d, from + i + lanes);
    const auto v2 = hn::LoadU(d, from + i + 2 * lanes);
    const auto v3 = hn::LoadU(d, from + i + 3 * lanes);
    hn::Stream(v0, d, to + i);
    hn::Stream(v1, d, to + i + lanes);
    hn::Stream(v2, d, to + i + 2 * lanes);
    hn::Stream(v3, d, to + i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) {
    hn::Stream(hn::LoadU(d, from + i), d, to + i);
  }
  for (; i < n; ++i) {
    to[i] = from[i];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
