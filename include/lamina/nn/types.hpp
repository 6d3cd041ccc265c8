#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "lamina/core/error.hpp"
#include "lamina/core/index.hpp"

namespace lamina {

/// What a loss returns: every element's (or row's) loss, their mean, or their sum (both of rank 0).
enum class ReductionMode : std::uint8_t { None, Mean, Sum };

/// Order of the axes of images: channels first or channels last. Volumes and sequences likewise:
/// NCDHW or NDHWC, NCL or NLC.
enum class DataFormat : std::uint8_t { NCHW, NHWC };

/// "none", "mean", "sum".
[[nodiscard]] constexpr std::string_view to_string(ReductionMode mode) noexcept {
  constexpr std::array<std::string_view, 3> names{"none", "mean", "sum"};
  return names[static_cast<std::size_t>(mode)];
}
/// "NCHW", "NHWC".
[[nodiscard]] constexpr std::string_view to_string(DataFormat format) noexcept {
  return format == DataFormat::NCHW ? "NCHW" : "NHWC";
}

/// One number for each of `Rank` spatial axes, the first axis first: strides, dilations, kernel
/// extents. `2` is the same for all axes, `{2, 1}` is height and width.
template <int Rank>
class PerAxis {
 public:
  static constexpr std::size_t kRank = static_cast<std::size_t>(Rank);

  constexpr PerAxis(Index all) noexcept { values_.fill(all); }  // NOLINT: implicit
  constexpr PerAxis(Index first, Index second) noexcept requires(Rank == 2)
      : values_{first, second} {}
  constexpr PerAxis(Index first, Index second, Index third) noexcept requires(Rank == 3)
      : values_{first, second, third} {}
  constexpr PerAxis(const std::array<Index, kRank>& values) noexcept  // NOLINT: implicit
      : values_(values) {}

  [[nodiscard]] constexpr Index operator[](std::size_t axis) const noexcept {
    return values_[axis];
  }
  [[nodiscard]] constexpr Index& operator[](std::size_t axis) noexcept { return values_[axis]; }
  [[nodiscard]] constexpr auto begin() const noexcept { return values_.begin(); }
  [[nodiscard]] constexpr auto end() const noexcept { return values_.end(); }
  friend constexpr bool operator==(const PerAxis&, const PerAxis&) = default;

 private:
  std::array<Index, kRank> values_{};
};

namespace detail {
/// First member of options that are given by name only: without it {1, 1} would silently be taken
/// for the first two of them.
struct ByName {
  explicit constexpr ByName() noexcept = default;
  friend constexpr bool operator==(const ByName&, const ByName&) = default;
};
}  // namespace detail

/// Elements added before and behind one axis.
struct PaddingAmount {
  Index before = 0;
  Index behind = 0;
  friend constexpr bool operator==(const PaddingAmount&, const PaddingAmount&) = default;
};

/// How much is added around each spatial axis before a convolution or pooling.
///
/// Valid: nothing.  Same: output extent = ceil(input / stride), the odd element behind.
/// Full: dilation * (kernel - 1) on both sides.  Explicit: the numbers given, before and behind
/// each of up to three axes.
class PaddingMode {
 public:
  enum class Kind : std::uint8_t { Valid, Same, Full, Explicit };
  using Amount = PaddingAmount;

  constexpr PaddingMode() noexcept = default;
  /// The same amount on all sides: `.padding = 1`.
  constexpr PaddingMode(Index all) noexcept  // NOLINT: implicit
      : kind_(Kind::Explicit), amounts_{Amount{all, all}, Amount{all, all}, Amount{all, all}} {}

  [[nodiscard]] static constexpr PaddingMode valid() noexcept { return PaddingMode(); }
  [[nodiscard]] static constexpr PaddingMode same() noexcept { return PaddingMode(Kind::Same); }
  [[nodiscard]] static constexpr PaddingMode full() noexcept { return PaddingMode(Kind::Full); }
  /// The same amount on all sides.
  [[nodiscard]] static constexpr PaddingMode explicit_amount(Index all) noexcept { return all; }
  /// Per axis, the same before and behind: height, width (1-d: length; 3-d: depth, height, width).
  [[nodiscard]] static constexpr PaddingMode symmetric(Index first, Index second = 0,
                                                       Index third = 0) noexcept {
    return asymmetric({first, first}, {second, second}, {third, third});
  }
  /// Per axis, before and behind.
  [[nodiscard]] static constexpr PaddingMode asymmetric(Amount first, Amount second = {},
                                                        Amount third = {}) noexcept {
    PaddingMode mode(Kind::Explicit);
    mode.amounts_ = {first, second, third};
    return mode;
  }

  [[nodiscard]] constexpr Kind kind() const noexcept { return kind_; }

  /// The padding of spatial axis `axis` (0 is the first) for one extent.
  /// Error(InvalidOperation) for negative explicit amounts.
  [[nodiscard]] Amount resolve(int axis, Index extent, Index kernel, Index stride, Index dilation,
                               std::string_view operation) const {
    const Index reach = dilation * (kernel - 1);
    switch (kind_) {
      case Kind::Valid:
        return {};
      case Kind::Full:
        return {reach, reach};
      case Kind::Same: {
        const Index out = ceil_div(extent, stride);
        const Index total = out == 0 ? 0 : (out - 1) * stride + reach + 1 - extent;
        return total <= 0 ? Amount{} : Amount{total / 2, total - total / 2};
      }
      case Kind::Explicit:
        break;
    }
    const Amount amount = amounts_[static_cast<std::size_t>(axis)];
    check(amount.before >= 0 && amount.behind >= 0, ErrorKind::InvalidOperation, operation,
          "padding must not be negative, got ", amount.before, " and ", amount.behind);
    return amount;
  }

 private:
  constexpr explicit PaddingMode(Kind kind) noexcept : kind_(kind) {}

  Kind kind_ = Kind::Valid;
  std::array<Amount, 3> amounts_{};
};

}  // namespace lamina
