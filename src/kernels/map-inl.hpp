// Loops that apply a function of vectors to contiguous runs, with the tail done by the very same
// function so that an element's result does not depend on its place.

#if defined(LAMINA_KERNELS_MAP_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_MAP_INL_HPP_
#undef LAMINA_KERNELS_MAP_INL_HPP_
#else
#define LAMINA_KERNELS_MAP_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The first `count` < Lanes(d) elements at p, zeros in the other lanes. Reads nothing beyond.
template <class D>
HWY_INLINE hn::Vec<D> LoadFirst(D d, const hn::TFromD<D>* p, size_t count) {
  return LoadTail(d, p, static_cast<Index>(count));
}

/// Writes the first `count` < Lanes(d) lanes to p and nothing beyond.
template <class D>
HWY_INLINE void StoreFirst(D d, hn::Vec<D> v, hn::TFromD<D>* p, size_t count) {
  StoreTail(d, v, p, static_cast<Index>(count));
}

/// y[i] = f(d, x[i]...) for i < n. y may be one of the x.
template <size_t kUnroll = 4, class T, class F, class... In>
HWY_INLINE void MapRun(size_t n, T* y, const F& f, const In*... x) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  // Long chains of dependent operations: several vectors at a time keep the pipes full.
  for (; i + kUnroll * lanes <= n; i += kUnroll * lanes) {
    hn::Vec<decltype(d)> r[kUnroll];
    for (size_t k = 0; k < kUnroll; ++k) {
      r[k] = f(d, hn::LoadU(d, x + i + k * lanes)...);
    }
    for (size_t k = 0; k < kUnroll; ++k) {
      hn::StoreU(r[k], d, y + i + k * lanes);
    }
  }
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(f(d, hn::LoadU(d, x + i)...), d, y + i);
  }
  if (i < n) {
    StoreFirst(d, f(d, LoadFirst(d, x + i, n - i)...), y + i, n - i);
  }
}

/// The same with stores around the caches, for results beyond them. What is read is asked for
/// early: with no lines of y to fetch, the memory has time for that.
template <class T, class F, class... In>
HWY_INLINE void MapStreamed(size_t n, T* y, const F& f, const In*... x) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  constexpr size_t kVector = hn::MaxLanes(d) * sizeof(T);
  constexpr size_t kVectorsOfALine = kVector < 64 ? 64 / kVector : 1;
  constexpr size_t kUnroll = 4;
  constexpr size_t kAhead = 4096;
  // Such stores take whole vectors at their place.
  const size_t misaligned = reinterpret_cast<std::uintptr_t>(y) % kVector / sizeof(T);
  size_t i = 0;
  size_t part = misaligned == 0 ? 0 : HWY_MIN(n, lanes - misaligned);
  for (;;) {
    StoreFirst(d, f(d, LoadFirst(d, x + i, part)...), y + i, part);
    i += part;
    for (; i + kUnroll * lanes <= n; i += kUnroll * lanes) {
      hn::Vec<decltype(d)> r[kUnroll];
      for (size_t k = 0; k < kUnroll; ++k) {
        if (k % kVectorsOfALine == 0) {
          (hwy::Prefetch(x + i + k * lanes + kAhead / sizeof(In)), ...);
        }
        r[k] = f(d, hn::LoadU(d, x + i + k * lanes)...);
      }
      for (size_t k = 0; k < kUnroll; ++k) {
        hn::Stream(r[k], d, y + i + k * lanes);
      }
    }
    if (i == n) {
      break;
    }
    part = HWY_MIN(n - i, lanes);
  }
  hwy::FlushStream();
}

/// Base of formulas of a few instructions, which wait for the memory alone. With others, ordinary
/// stores go on while the next vectors are computed, and those around the caches do not: a gelu
/// that streams takes 1.3 times as long.
struct Light {};

/// MapStreamed for large results of a Light member, else MapRun.
template <class Member, size_t kUnroll = 4, class T, class F, class... In>
HWY_INLINE void MapTo(bool stream, size_t n, T* y, const F& f, const In*... x) {
  if constexpr (std::is_base_of_v<Light, Member>) {
    if (stream) {
      MapStreamed(n, y, f, x...);
      return;
    }
  }
  MapRun<kUnroll>(n, y, f, x...);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_MAP_INL_HPP_
