#pragma once

// The copy of an image in which what a tap sees of neighboring positions are neighboring elements:
// padded, and with each phase of the stride by itself. Convolution gathers its panels from it.

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/gather.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/implicit_gemm.hpp"

namespace lamina::nn::detail {

// Elements of the copy of a band of an image: what stays in the L2 beside a panel and the weights.
inline constexpr Index kBandElements = Index{1} << 17;
// Positions of a band, at least: enough panels to be worth packing the weights.
inline constexpr Index kBandPositions = 512;
// Panels of 32 positions: whole ones waste nothing.
inline constexpr Index kPanelPositions = 32;
/// Smallest i >= 0 with base + step * i >= 0.
inline Index first_inside(Index base, Index step) {
  return base >= 0 ? 0 : ceil_div(-base, step);
}

/// Number of i >= 0 with base + step * i < extent.
inline Index count_below(Index base, Index step, Index extent) {
  return extent <= base ? 0 : ceil_div(extent - base, step);
}

inline Index floor_div(Index a, Index b) {
  return a >= 0 ? a / b : -ceil_div(-a, b);
}

/// One axis of the copy of an image in which taps see neighboring positions side by side: element u
/// of phase r is element step * (u + low) + r of the image, or zero outside it.
struct PlaneAxis {
  std::vector<Index> phases;        ///< the residues that some tap has
  std::vector<Index> phase_of_tap;  ///< index into phases
  std::vector<Index> shift_of_tap;  ///< tap t sees element position + shift
  Index low = 0;
  Index reach = 0;  ///< extent of the copy beyond the positions

  PlaneAxis() = default;
  explicit PlaneAxis(const GatherAxis& axis) {
    std::vector<Index> quotients;
    for (const GatherAxis::Tap& tap : axis.taps) {
      const Index quotient = floor_div(tap.base, axis.step);
      const Index residue = tap.base - quotient * axis.step;
      quotients.push_back(quotient);
      auto found = std::find(phases.begin(), phases.end(), residue);
      phase_of_tap.push_back(found - phases.begin());
      if (found == phases.end()) phases.push_back(residue);
    }
    if (quotients.empty()) return;
    const auto [least, most] = std::minmax_element(quotients.begin(), quotients.end());
    low = *least;
    reach = *most - *least;
    for (const Index quotient : quotients) shift_of_tap.push_back(quotient - low);
  }
};

/// Elements of Planes of a band.
template <class T>
[[nodiscard]] Index planes_elements(const Gather<T>& gather, std::size_t band_axis, Index band) {
  Index elements = gather.channels;
  for (std::size_t a = 0; a < 3; ++a) {
    const PlaneAxis axis(gather.axes[a]);
    elements *= (a == band_axis ? band : gather.axes[a].positions) + axis.reach;
    elements *= static_cast<Index>(axis.phases.size());
  }
  return elements + kernels::kGatherSlack;
}

/// The copy of a band of one image: (channels, phases, depth, height, width).
template <class T>
class Planes {
 public:
  /// Bands are cut along `band_axis` and hold at most `band` of its positions.
  Planes(const Gather<T>& gather, std::size_t band_axis, Index band) : gather_(gather) {
    for (std::size_t a = 0; a < 3; ++a) {
      axes_[a] = PlaneAxis(gather.axes[a]);
      const Index positions = a == band_axis ? band : gather.axes[a].positions;
      extents_[a] = positions + axes_[a].reach;
      phases_ *= static_cast<Index>(axes_[a].phases.size());
    }
    plane_ = extents_[0] * extents_[1] * extents_[2];
    const auto taps = [&](std::size_t a) {
      return static_cast<Index>(axes_[a].phase_of_tap.size());
    };
    for (Index c = 0; c < gather.channels; ++c) {
      for (Index d = 0; d < taps(0); ++d) {
        for (Index h = 0; h < taps(1); ++h) {
          for (Index w = 0; w < taps(2); ++w) offsets_.push_back(offset(c, d, h, w));
        }
      }
    }
    data_ = Buffer<T>(gather.channels * phases_ * plane_ + kernels::kGatherSlack);
  }

  /// Copies the band that starts at position `first` of `axis`.
  void fill(const T* image, std::size_t axis, Index first) {
    const Index lines = gather_.channels * phases_ * extents_[0] * extents_[1];
    const Index grain = std::max<Index>(1, kCopyGrain / std::max<Index>(1, extents_[2]));
    parallel_for(lines, grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) fill_line(image, axis, first, i);
    });
    std::fill_n(data_.data() + gather_.channels * phases_ * plane_, kernels::kGatherSlack, T(0));
  }

  /// Writes a panel of positions, counted from the start of the band.
  void pack(const PanelRequest<T>& request) const {
    std::array<kernels::GatherRun, kMaxRuns> runs;
    const Index width = gather_.axes[2].positions;
    const Index height = gather_.axes[1].positions;
    Index w = request.first % width;
    Index line = request.first / width;
    Index count = 0;
    for (Index done = 0; done < request.count; ++line, w = 0) {
      const Index length = std::min(width - w, request.count - done);
      const Index d = line / height;
      const Index h = line - d * height;
      runs[static_cast<std::size_t>(count++)] = {(d * extents_[1] + h) * extents_[2] + w, done,
                                                 length};
      done += length;
    }
    kernels::GatherRows<T> rows;
    rows.source = data_.data();
    rows.offsets = offsets_.data() + request.k_first;
    rows.depth = request.depth;
    rows.runs = runs.data();
    rows.run_count = count;
    rows.width = request.width;
    rows.out = request.out;
    kernels::gather_rows(rows);
    for (Index k = 0; request.count < request.padded && k < request.depth; ++k) {
      std::fill(request.out + k * request.width + request.count,
                request.out + k * request.width + request.padded, T(0));
    }
  }

  /// One tap: the copy is the gathered matrix.
  [[nodiscard]] MatrixRef<T> plain(Index positions) const {
    return {data_.data(), gather_.channels, positions, plane_, 1};
  }

 private:
  static constexpr Index kCopyGrain = 65536;
  static constexpr std::size_t kMaxRuns = 64;  // the width of a panel at most

  [[nodiscard]] Index offset(Index c, Index d, Index h, Index w) const {
    const auto at = [](const std::vector<Index>& values, Index i) {
      return values[static_cast<std::size_t>(i)];
    };
    Index phase = at(axes_[0].phase_of_tap, d);
    phase = phase * static_cast<Index>(axes_[1].phases.size()) + at(axes_[1].phase_of_tap, h);
    phase = phase * static_cast<Index>(axes_[2].phases.size()) + at(axes_[2].phase_of_tap, w);
    const Index inside =
        (at(axes_[0].shift_of_tap, d) * extents_[1] + at(axes_[1].shift_of_tap, h)) * extents_[2] +
        at(axes_[2].shift_of_tap, w);
    return (c * phases_ + phase) * plane_ + inside;
  }

  void fill_line(const T* image, std::size_t band_axis, Index first, Index i) {
    T* const to = data_.data() + i * extents_[2];
    std::array<Index, 2> u{};
    u[1] = i % extents_[1];
    i /= extents_[1];
    u[0] = i % extents_[0];
    i /= extents_[0];
    std::array<Index, 3> phase{};
    for (std::size_t a = 3; a-- > 0;) {
      const auto phases = static_cast<Index>(axes_[a].phases.size());
      phase[a] = axes_[a].phases[static_cast<std::size_t>(i % phases)];
      i /= phases;
    }
    const T* from = image + i * gather_.channel_stride;
    for (std::size_t a = 0; a < 2; ++a) {
      const Index start = u[a] + axes_[a].low + (a == band_axis ? first : 0);
      const Index source = gather_.axes[a].step * start + phase[a];
      if (source < 0 || source >= gather_.axes[a].extent) {
        std::fill_n(to, extents_[2], T(0));
        return;
      }
      from += source * gather_.strides[a];
    }
    const GatherAxis& across = gather_.axes[2];
    const Index base = across.step * axes_[2].low + phase[2];
    const Index begin = std::min(first_inside(base, across.step), extents_[2]);
    const Index end = std::clamp(count_below(base, across.step, across.extent), begin, extents_[2]);
    std::fill_n(to, begin, T(0));
    if (end > begin) {
      kernels::copy_strided(from + (base + across.step * begin) * gather_.strides[2],
                            across.step * gather_.strides[2], end - begin, to + begin);
    }
    std::fill(to + end, to + extents_[2], T(0));
  }

  const Gather<T>& gather_;
  std::array<PlaneAxis, 3> axes_;
  std::array<Index, 3> extents_{};
  Index phases_ = 1, plane_ = 0;
  std::vector<Index> offsets_;  ///< of each row
  Buffer<T> data_;
};

/// Positions of the band axis in one band: few enough for the cache, and whole panels if possible.
template <class T>
Index band_extent(const Gather<T>& gather, std::size_t axis) {
  const Index whole = gather.axes[axis].positions;
  const Index slab = gather.positions() / whole;
  Index copied = gather.channels;
  for (std::size_t a = 0; a < 3; ++a) {
    const PlaneAxis plane(gather.axes[a]);
    copied *= static_cast<Index>(plane.phases.size());
    if (a != axis) copied *= gather.axes[a].positions + plane.reach;
  }
  const Index elements = kBandElements * 4 / static_cast<Index>(sizeof(T));
  const Index least =
      std::max(ceil_div(kBandPositions, slab), elements / std::max<Index>(copied, 1));
  if (least >= whole) return whole;
  Index best = least;
  double best_waste = 1e30;
  for (Index band = least; band <= std::min(whole, 2 * least); ++band) {
    const Index positions = band * slab;
    const Index bands = ceil_div(whole, band);
    const Index last = (whole - (bands - 1) * band) * slab;
    const Index panels =
        (bands - 1) * ceil_div(positions, kPanelPositions) + ceil_div(last, kPanelPositions);
    const double waste =
        static_cast<double>(panels * kPanelPositions) / static_cast<double>(whole * slab);
    if (waste < best_waste - 1e-9) {
      best_waste = waste;
      best = band;
    }
  }
  return best;
}

}  // namespace lamina::nn::detail
