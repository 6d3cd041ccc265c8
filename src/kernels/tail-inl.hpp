// Loads and stores of fewer elements than a vector has lanes, touching no memory beyond them.

#if defined(LAMINA_KERNELS_TAIL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_TAIL_INL
#undef LAMINA_KERNELS_TAIL_INL
#else
#define LAMINA_KERNELS_TAIL_INL
#endif

#include "hwy/highway.h"
#include "lamina/core/index.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The first `count` lanes, as a mask.
template <class D>
HWY_INLINE hn::Mask<D> TailMask(D d, Index count) {
  return hn::FirstN(d, static_cast<size_t>(count));
}

/// `count` elements in the first lanes, zero in the others; 0 <= count <= lanes.
template <class D>
HWY_INLINE hn::Vec<D> LoadTail(D d, const hn::TFromD<D>* from, Index count) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET <= HWY_AVX3
  return hn::MaskedLoad(TailMask(d, count), d, from);
#else
  // Here a masked load would read the whole vector, possibly past the end of the page.
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(d)] = {};
  for (Index i = 0; i < count; ++i) {
    lanes[i] = from[i];
  }
  return hn::Load(d, lanes);
#endif
}

/// Stores the first `count` lanes.
template <class D>
HWY_INLINE void StoreTail(D d, hn::Vec<D> v, hn::TFromD<D>* to, Index count) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET <= HWY_AVX3
  hn::BlendedStore(v, TailMask(d, count), d, to);
#else
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  for (Index i = 0; i < count; ++i) {
    to[i] = lanes[i];
  }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
