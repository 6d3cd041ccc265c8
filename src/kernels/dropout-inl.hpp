// Random words many at a time, and the selection they make.

#if defined(LAMINA_KERNELS_DROPOUT_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_DROPOUT_INL_HPP_
#undef LAMINA_KERNELS_DROPOUT_INL_HPP_
#else
#define LAMINA_KERNELS_DROPOUT_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "kernels/dropout.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace dropout_words {

namespace hn = hwy::HWY_NAMESPACE;

using U32 = hn::ScalableTag<std::uint32_t>;
using V32 = hn::Vec<U32>;

/// Words drawn at a time: a few KiB of stack.
inline constexpr Index kChunk = 512;
/// Room in front for an odd start, and behind for the last vector of blocks.
inline constexpr Index kBuffer = kChunk + 4 + 4 * static_cast<Index>(hn::MaxLanes(U32()));

/// High and low halves of a * factor.
HWY_INLINE void MultiplyWide(V32 a, V32 factor, V32& high, V32& low) {
  const U32 d;
  const hn::RepartitionToWide<U32> wide;
  const auto even = hn::MulEven(a, factor);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, a))), factor);
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
}

/// `blocks` blocks of four words from `first_block` on, rounded up to whole vectors of blocks.
/// Philox4x32-10: Salmon et al. 2011.
HWY_INLINE void DrawBlocks(const DropoutStream& stream, std::uint64_t first_block, Index blocks,
                           std::uint32_t* HWY_RESTRICT words) {
  const U32 d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const V32 factor0 = hn::Set(d, 0xD2511F53u);
  const V32 factor1 = hn::Set(d, 0xCD9E8D57u);
  const V32 lane = hn::Iota(d, 0);
  const V32 stream_low = hn::Set(d, static_cast<std::uint32_t>(stream.stream));
  const V32 stream_high = hn::Set(d, static_cast<std::uint32_t>(stream.stream >> 32));
  for (Index i = 0; i < blocks; i += lanes) {
    const std::uint64_t block = first_block + static_cast<std::uint64_t>(i);
    const V32 base = hn::Set(d, static_cast<std::uint32_t>(block));
    V32 c0 = hn::Add(base, lane);
    V32 c1 = hn::Set(d, static_cast<std::uint32_t>(block >> 32));
    // Where the low half has wrapped, the high half is one more.
    c1 = hn::Sub(c1, hn::VecFromMask(d, hn::Lt(c0, base)));
    V32 c2 = stream_low;
    V32 c3 = stream_high;
    std::uint32_t key0 = static_cast<std::uint32_t>(stream.seed);
    std::uint32_t key1 = static_cast<std::uint32_t>(stream.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      V32 high0, low0, high1, low1;
      MultiplyWide(c0, factor0, high0, low0);
      MultiplyWide(c2, factor1, high1, low1);
      c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, key0));
      c1 = low1;
      c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, key1));
      c3 = low0;
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    hn::StoreInterleaved4(c0, c1, c2, c3, d, words + 4 * i);
  }
}

/// Calls use(words, offset, n) for runs of at most kChunk of the `count` words.
template <class Use>
HWY_INLINE void ForWords(const DropoutStream& stream, Index count, const Use& use) {
  HWY_ALIGN std::uint32_t buffer[kBuffer];
  for (Index done = 0; done < count; done += kChunk) {
    const Index n = std::min(kChunk, count - done);
    const std::uint64_t position = stream.first + static_cast<std::uint64_t>(done);
    const Index skip = static_cast<Index>(position % 4);
    DrawBlocks(stream, position / 4, (skip + n + 3) / 4, buffer);
    use(buffer + skip, done, n);
  }
}

/// Lanes that are kept, from as many words.
template <class D>
HWY_INLINE hn::Mask<D> Kept(D d, const std::uint32_t* words, std::uint32_t last_dropped) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const hn::RebindToUnsigned<D> du;
    return hn::RebindMask(d, hn::Gt(hn::LoadU(du, words), hn::Set(du, last_dropped)));
  } else {
    const hn::RebindToSigned<D> di;
    const hn::RebindToUnsigned<D> du;
    const hn::Rebind<std::uint32_t, D> half;
    const auto wide = hn::BitCast(di, hn::PromoteTo(du, hn::LoadU(half, words)));
    return hn::RebindMask(d, hn::Gt(wide, hn::Set(di, static_cast<std::int64_t>(last_dropped))));
  }
}

template <class T>
T KeepOne(bool keep, const DropoutValues<T>& values, T x) {
  return keep ? values.scale * x + values.shift : values.dropped;
}

template <class T>
HWY_NOINLINE void Draw(const DropoutStream& stream, const DropoutValues<T>& values, const T* x,
                       T* out, bool* keep, Index count) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto scale = hn::Set(d, values.scale);
  const auto shift = hn::Set(d, values.shift);
  const auto dropped = hn::Set(d, values.dropped);
  const std::uint32_t last = stream.last_dropped;
  ForWords(stream, count, [&](const std::uint32_t* words, Index done, Index n) {
    const T* from = x + done;
    T* to = out + done;
    Index i = 0;
    for (; i + lanes <= n; i += lanes) {
      const auto value = hn::Add(hn::Mul(scale, hn::LoadU(d, from + i)), shift);
      hn::StoreU(hn::IfThenElse(Kept(d, words + i, last), value, dropped), d, to + i);
    }
    for (; i < n; ++i) {
      to[i] = KeepOne(words[i] > last, values, from[i]);
    }
    if (keep != nullptr) {
      for (i = 0; i < n; ++i) {
        keep[done + i] = words[i] > last;
      }
    }
  });
}

HWY_NOINLINE void Keep(const DropoutStream& stream, bool* keep, Index count) {
  ForWords(stream, count, [&](const std::uint32_t* words, Index done, Index n) {
    for (Index i = 0; i < n; ++i) {
      keep[done + i] = words[i] > stream.last_dropped;
    }
  });
}

template <class T>
HWY_NOINLINE void Masked(const DropoutValues<T>& values, const T* x, const bool* keep, T* out,
                         Index count) {
  for (Index i = 0; i < count; ++i) {
    out[i] = KeepOne(keep[i], values, x[i]);
  }
}

}  // namespace dropout_words
}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
