#include "nn/abreast_images.hpp"

#include <algorithm>

#include "kernels/gather.hpp"
#include "lamina/core/parallel.hpp"

namespace lamina::nn::detail {

namespace {

// Elements that a thread turns at once.
constexpr Index kTurnGrain = Index{1} << 15;

}  // namespace

template <class T>
void turn_in(const Turned& t, const ConvImage<const T>& x, Index first, Index last, T* to) {
  const Index positions = t.height * t.width;
  const auto turn = [&](Index unit, T* room) {
    const Index block = first + unit / t.channels;
    const Index channel = unit % t.channels;
    std::array<const T*, kMostLanes> lines{};
    for (Index i = 0; i < t.lanes; ++i) {
      const Index image = std::min(block * t.lanes + i, t.images - 1);
      lines[static_cast<std::size_t>(i)] =
          x.data + image * x.image_stride + channel * x.channel_stride;
    }
    T* const plane = to + unit * t.plane();
    kernels::GatherLines<T> part;
    part.lines = lines.data();
    part.count = t.lanes;
    part.width = t.lanes;
    const Index there = t.images_of(block);
    const auto gather = [&](Index depth, T* out) {
      part.depth = depth;
      part.out = out;
      kernels::gather_lines(part);
      for (Index at = 0; there < t.lanes && at < depth; ++at) {
        std::fill(out + at * t.lanes + there, out + (at + 1) * t.lanes, T(0));
      }
    };
    if (!t.is_padded()) {
      gather(positions, plane);
      return;
    }
    // Long lines are turned to where they belong, short ones together.
    const bool by_lines = t.width >= t.lanes;
    if (!by_lines) gather(positions, room);
    const Index line = t.width * t.lanes;
    std::fill_n(plane, t.top * t.line(), T(0));
    for (Index h = 0; h < t.height; ++h) {
      T* const at = plane + (t.top + h) * t.line();
      std::fill_n(at, t.left * t.lanes, T(0));
      if (by_lines) {
        gather(t.width, at + t.left * t.lanes);
        for (Index i = 0; i < t.lanes; ++i) lines[static_cast<std::size_t>(i)] += t.width;
      } else {
        std::copy_n(room + h * line, line, at + t.left * t.lanes);
      }
      std::fill(at + t.left * t.lanes + line, at + t.line(), T(0));
    }
    std::fill(plane + (t.top + t.height) * t.line(), plane + t.plane(), T(0));
  };
  parallel_for((last - first) * t.channels, std::max<Index>(1, kTurnGrain / t.plane()),
               [&](Index begin, Index end) {
                 const Buffer<T> room(t.is_padded() ? positions * t.lanes : 0);
                 for (Index unit = begin; unit < end; ++unit) turn(unit, room.data());
               });
}

template <class T>
void turn_out(const Turned& t, const T* from, Index first, Index last, const ConvImage<T>& y) {
  const Index positions = t.channels * t.height * t.width;  // of all channels
  const Index squares = ceil_div(positions, t.lanes);
  const auto turn = [&](Index unit) {
    const Index block = first + unit / squares;
    const Index position = unit % squares * t.lanes;
    const Index count = std::min(t.lanes, positions - position);
    std::array<const T*, kMostLanes> lines{};
    for (Index i = 0; i < t.lanes; ++i) {
      lines[static_cast<std::size_t>(i)] =
          from + unit / squares * t.block() + (position + std::min(i, count - 1)) * t.lanes;
    }
    T* const to = y.data + block * t.lanes * y.image_stride + position;
    const Index images = t.images_of(block);
    kernels::GatherLines<T> part;
    part.lines = lines.data();
    part.count = t.lanes;
    if (count == t.lanes) {
      part.depth = images;
      part.width = y.image_stride;
      part.out = to;
      kernels::gather_lines(part);
      return;
    }
    alignas(64) std::array<T, kMostLanes * kMostLanes> square;
    part.depth = t.lanes;
    part.width = t.lanes;
    part.out = square.data();
    kernels::gather_lines(part);
    for (Index i = 0; i < images; ++i) {
      std::copy_n(square.data() + i * t.lanes, count, to + i * y.image_stride);
    }
  };
  parallel_for((last - first) * squares, std::max<Index>(1, kTurnGrain / (t.lanes * t.lanes)),
               [&](Index begin, Index end) {
                 for (Index unit = begin; unit < end; ++unit) turn(unit);
               });
}

#define LAMINA_INSTANTIATE(T)                                                        \
  template void turn_in(const Turned&, const ConvImage<const T>&, Index, Index, T*); \
  template void turn_out(const Turned&, const T*, Index, Index, const ConvImage<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
