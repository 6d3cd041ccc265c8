#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/simd_state.hpp"
#include "lamina/core/array.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/streaming.hpp"

// How operations on elements walk through several arrays at once.
//
// map_elements(out, kernel, x...) is what most need: the kernel sees contiguous runs only, whatever
// the strides. Those who need the positions themselves take join_layouts and Walk.

namespace lamina::nn::detail {

/// Elements handed to a thread at a time: below this, a second thread costs more than it brings.
inline constexpr Index kElementGrain = 32768;
/// Elements gathered at a time from operands that are not contiguous: a few KiB on the stack.
inline constexpr Index kGatherBlock = 512;
inline constexpr int kMaxOperands = 6;

/// The common iteration space of up to kMaxOperands arrays of one shape: as few axes as possible,
/// the innermost last. Operand 0 (the output, usually) decides the order of the axes, so that it is
/// walked forwards in memory.
struct JointLayout {
  int rank = 1;  // at least 1
  int operands = 0;
  Index size = 0;
  std::array<Index, kMaxRank> extents{};
  std::array<std::array<Index, kMaxRank>, kMaxOperands> strides{};
  std::array<Index, kMaxOperands> start{};  // of the first element visited, from data()

  [[nodiscard]] Index inner_extent() const noexcept {
    return extents[static_cast<std::size_t>(rank - 1)];
  }
  [[nodiscard]] Index inner_stride(int operand) const noexcept {
    return strides[static_cast<std::size_t>(operand)][static_cast<std::size_t>(rank - 1)];
  }
};

/// One operand of join_layouts. A shape that is shorter or has extents of 1 is broadcast.
struct OperandLayout {
  const Shape* shape;
  const Strides* strides;
};

/// Joins `count` operands over `shape`; each must broadcast to it (checked by the caller).
[[nodiscard]] JointLayout join_layouts(const Shape& shape, const OperandLayout* operands,
                                       int count) noexcept;

/// A position in a JointLayout, with the offset of each operand there.
class Walk {
 public:
  Walk(const JointLayout& layout, Index position) noexcept;

  [[nodiscard]] Index offset(int operand) const noexcept {
    return offsets_[static_cast<std::size_t>(operand)];
  }
  /// Elements left in the innermost axis.
  [[nodiscard]] Index left() const noexcept {
    return layout_->inner_extent() - index_[static_cast<std::size_t>(layout_->rank - 1)];
  }
  /// Goes on by count <= left() elements.
  void advance(Index count) noexcept;

 private:
  const JointLayout* layout_;
  std::array<Index, kMaxRank> index_{};
  std::array<Index, kMaxOperands> offsets_{};
};

/// to[i] = from[i * stride].
template <class T>
void gather(const T* from, Index stride, Index count, T* to) noexcept {
  if (stride == 1) {
    std::copy_n(from, count, to);
  } else if (stride == 0) {
    std::fill_n(to, count, *from);
  } else {
    for (Index i = 0; i < count; ++i) {
      to[i] = from[i * stride];
    }
  }
}

/// to[i * stride] = from[i].
template <class T>
void scatter(const T* from, Index count, T* to, Index stride) noexcept {
  if (stride == 1) {
    std::copy_n(from, count, to);
  } else {
    for (Index i = 0; i < count; ++i) {
      to[i * stride] = from[i];
    }
  }
}

/// Error(DimensionMismatch) if `x` is not an array at all.
template <class T>
void check_defined(const View<T>& x, std::string_view operation, std::string_view argument) {
  check(x.defined(), ErrorKind::DimensionMismatch, operation, argument, " is not defined");
}

/// Error(DimensionMismatch) unless both are defined and of one shape.
template <class T, class U>
void check_same_shape(const View<T>& x, std::string_view x_name, const View<U>& y,
                      std::string_view y_name, std::string_view operation) {
  check_defined(x, operation, x_name);
  check_defined(y, operation, y_name);
  check(x.shape() == y.shape(), ErrorKind::DimensionMismatch, operation, x_name, " has shape ",
        x.shape(), ", ", y_name, " has shape ", y.shape());
}

/// Error(InvalidOperation) if `out` shares memory with `x` other than being the very same view.
template <class T, class U>
void check_same_or_apart(const View<T>& out, std::string_view out_name, const View<U>& x,
                         std::string_view x_name, std::string_view operation) {
  check(overlap(out, x) != Overlap::Partial, ErrorKind::InvalidOperation, operation, out_name,
        " overlaps ", x_name, " in part; it may be the same view or memory of its own");
}

/// Error(InvalidOperation) if `out` has several elements at one place (a broadcast view).
template <class T>
void check_writable(const View<T>& out, std::string_view operation, std::string_view out_name) {
  if (out.size() == 0) return;  // row-major strides of an empty array may be 0
  for (int axis = 0; axis < out.rank(); ++axis) {
    check(out.strides()[axis] != 0 || out.shape()[axis] <= 1, ErrorKind::InvalidOperation,
          operation, out_name, " is a broadcast view of shape ", out.shape(),
          "; its elements share memory");
  }
}

/// Does the kernel take, behind n, whether its stores go around the caches?
template <class Kernel, class T, class... In>
inline constexpr bool kStreams = std::is_invocable_v<const Kernel&, T*, const In*..., Index, bool>;

/// Calls kernel(y, x..., n), or kernel(y, x..., n, stream).
template <class T, class Kernel, class... In>
void run_kernel(const Kernel& kernel, bool stream, T* y, Index n, const In*... x) {
  if constexpr (kStreams<Kernel, T, In...>) {
    kernel(y, x..., n, stream);
  } else {
    kernel(y, x..., n);
  }
}

template <class T, class Kernel, class... In>
void map_contiguous(T* out, const Kernel& kernel, Index size, const In*... x) {
  if (size <= kElementGrain) {
    simd::detail::ensure_target();
    run_kernel(kernel, false, out, size, x...);
    return;
  }
  // In place the lines of the result are in the cache, as they were read.
  const bool in_place = ((static_cast<const void*>(x) == out) || ...);
  const bool stream = kStreams<Kernel, T, In...> && !in_place && is_streamed<T>(size);
  // Such stores are waited for at the end of each part.
  const Index grain = stream ? 8 * kElementGrain : kElementGrain;
  parallel_for(size, grain, [&](Index begin, Index end) {
    run_kernel(kernel, stream, out + begin, end - begin, (x + begin)...);
  });
}

template <class T, class Kernel, class... In, std::size_t... I>
void map_strided(const JointLayout& layout, T* out, const Kernel& kernel, std::index_sequence<I...>,
                 const In*... x) {
  const std::tuple<const In*...> data{x...};
  const bool direct_out = layout.inner_stride(0) == 1;
  const bool direct[] = {layout.inner_stride(static_cast<int>(I) + 1) == 1 ..., true};
  const bool all_direct = direct_out && (direct[I] && ...);
  // Short inner axes are gathered across their ends, so that the kernel still gets long runs.
  const bool short_runs = layout.inner_extent() < kGatherBlock / 8;
  parallel_for(layout.size, kElementGrain, [&](Index begin, Index end) {
    alignas(64) T out_buffer[kGatherBlock];
    std::tuple<std::array<In, kGatherBlock>...> buffers;
    Walk walk(layout, begin);
    for (Index done = begin; done < end;) {
      if (!short_runs) {
        Index count = std::min(walk.left(), end - done);
        count = all_direct ? count : std::min(count, kGatherBlock);
        const auto source = [&](auto index) {
          constexpr std::size_t k = decltype(index)::value;
          const auto* from = std::get<k>(data) + walk.offset(static_cast<int>(k) + 1);
          if (direct[k]) return from;
          auto* to = std::get<k>(buffers).data();
          gather(from, layout.inner_stride(static_cast<int>(k) + 1), count, to);
          return static_cast<decltype(from)>(to);
        };
        T* target = out + walk.offset(0);
        run_kernel(kernel, false, direct_out ? target : static_cast<T*>(out_buffer), count,
                   source(std::integral_constant<std::size_t, I>())...);
        if (!direct_out) scatter(out_buffer, count, target, layout.inner_stride(0));
        walk.advance(count);
        done += count;
        continue;
      }
      const Index block = std::min(end - done, kGatherBlock);
      Walk target = walk;
      for (Index filled = 0; filled < block;) {
        const Index count = std::min(walk.left(), block - filled);
        (gather(std::get<I>(data) + walk.offset(static_cast<int>(I) + 1),
                layout.inner_stride(static_cast<int>(I) + 1), count,
                std::get<I>(buffers).data() + filled),
         ...);
        walk.advance(count);
        filled += count;
      }
      run_kernel(kernel, false, static_cast<T*>(out_buffer), block,
                 static_cast<const In*>(std::get<I>(buffers).data())...);
      for (Index written = 0; written < block;) {
        const Index count = std::min(target.left(), block - written);
        scatter(out_buffer + written, count, out + target.offset(0), layout.inner_stride(0));
        target.advance(count);
        written += count;
      }
      done += block;
    }
  });
}

/// Calls kernel(T* y, const In*... x, Index n) on contiguous runs until every element of `out` is
/// written; each x is broadcast to out's shape (the caller has checked that it can be). On several
/// threads, cut by shape alone. `out` may be the same view as any x of its element type. The kernel
/// must treat each element by itself: runs are cut and copied as the layout demands. One that takes
/// kernel(..., n, bool stream) is told when its stores should go around the caches.
template <class T, class Kernel, class... In>
void map_elements(const MutView<T>& out, const Kernel& kernel, const View<In>&... x) {
  static_assert(sizeof...(In) < kMaxOperands);
  const auto each = std::index_sequence_for<In...>();
  if (out.is_contiguous() && ((x.is_contiguous() && x.shape() == out.shape()) && ...)) {
    if (out.size() > 0) map_contiguous(out.data(), kernel, out.size(), x.data()...);
    return;
  }
  const OperandLayout operands[] = {{&out.shape(), &out.strides()}, {&x.shape(), &x.strides()}...};
  const JointLayout layout =
      join_layouts(out.shape(), operands, static_cast<int>(sizeof...(In)) + 1);
  if (layout.size == 0) return;
  const auto run = [&]<std::size_t... I>(std::index_sequence<I...> sequence) {
    map_strided(layout, out.data() + layout.start[0], kernel, sequence,
                (x.data() + layout.start[I + 1])...);
  };
  run(each);
}

}  // namespace lamina::nn::detail
