#pragma once

// Depthwise convolution of whole planes and lines: the kernels for images. What is left, volumes,
// goes line by line (depthwise.hpp).

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// A plane of positions that are adjacent in memory along each line. It is copied with its padding
/// first, each phase of the horizontal stride by itself: slot (j, r, u) of the copy is element
/// (low_row + j, low_column + phases * u + r) of x, or zero outside x. Then
///   y[h][w] = bias + sum over t of weights[t] * slot[offsets[t] + h * row_step * pitch + w]
template <class T>
struct DepthwisePlane {
  const T* x = nullptr;
  Index rows_in = 0, columns_in = 0;
  Index x_row_stride = 0, x_step = 1;
  Index low_row = 0, low_column = 0;
  Index phases = 1, phase_columns = 0;  ///< slots of one phase in a line
  Index slot_rows = 0;                  ///< lines of the copy beyond row_step * (rows - 1)
  const Index* offsets = nullptr;
  const T* weights = nullptr;
  Index taps = 0;
  bool three_by_three = false;  ///< three times three taps, on lines that follow each other
  T bias = T(0);
  T* y = nullptr;
  Index rows = 0, columns = 0;
  Index row_step = 1;
  bool stream = false;  ///< y goes past the caches; then its lines are aligned whole vectors
  T* copy = nullptr;    ///< room for depthwise_copy_size()

  [[nodiscard]] Index pitch() const { return phases * phase_columns; }
};

/// Elements of the copy for `rows` lines of a result.
template <class T>
[[nodiscard]] Index depthwise_copy_size(const DepthwisePlane<T>& plane) {
  // Vectors that begin inside may end behind.
  return ((plane.rows - 1) * plane.row_step + plane.slot_rows) * plane.pitch() + 64;
}

void depthwise_plane(const DepthwisePlane<float>& plane);
void depthwise_plane(const DepthwisePlane<double>& plane);

/// sums[t] += sum over h, w of y[h][w] * slot(t, h, w), y read with row stride y_row_stride.
template <class T>
struct DepthwisePlaneSums {
  DepthwisePlane<T> plane;  ///< y, weights and bias are not used
  const T* dy = nullptr;
  Index dy_row_stride = 0;
  double* sums = nullptr;
};

void depthwise_plane_sums(const DepthwisePlaneSums<float>& sums);
void depthwise_plane_sums(const DepthwisePlaneSums<double>& sums);

/// One tap of a line whose channels are adjacent: position w sees x[w * step + c] for w in
/// [begin, end), padding elsewhere.
template <class T>
struct DepthwiseLastTap {
  const T* x = nullptr;
  Index begin = 0, end = 0;
  const T* weights = nullptr;  ///< (channels)
};

/// y[w * y_step + c] = bias[c] + sum over taps of weights[c] * x[w * step + c]
template <class T>
struct DepthwiseLastLine {
  const DepthwiseLastTap<T>* taps = nullptr;
  Index tap_count = 0;
  Index step = 0;
  const T* bias = nullptr;  ///< nullptr: zero
  T* y = nullptr;
  Index y_step = 0;
  Index positions = 0, channels = 0;
  bool stream = false;  ///< y goes past the caches; then its vectors must be aligned
};

void depthwise_last_line(const DepthwiseLastLine<float>& line);
void depthwise_last_line(const DepthwiseLastLine<double>& line);

inline constexpr Index kDepthwiseBandChannels = 16;

/// Lines of a result with adjacent channels, 3 x 3 taps on neighbors: position (h, w) sees x from
/// (low_row + h * stride, low_column + w * stride) on, zero outside x; in lines no more than the
/// first and the last one that the band sees.
template <class T>
struct DepthwiseLastBand {
  const T* x = nullptr;  ///< (0, 0) of the image
  Index rows_in = 0, columns_in = 0;
  Index x_row = 0, x_step = 0;
  Index low_row = 0, low_column = 0;
  Index stride = 1;            ///< 1 or 2
  const T* weights = nullptr;  ///< (9, channels)
  const T* bias = nullptr;     ///< (channels) or nullptr: zero
  T* y = nullptr;              ///< line 0 of the band
  Index y_row = 0, y_step = 0;
  Index rows = 0, positions = 0;
  Index channels = 0;
  Index first_channel = 0, last_channel = 0;  ///< those to do, kDepthwiseBandChannels at least
  bool stream = false;                        ///< y goes past the caches; then it is whole vectors
  bool blocks = false;  ///< a few positions of all channels after the other, not lines of a vector
  bool ahead = false;   ///< blocks ask for the lines of x that the next lines see
};

void depthwise_last_band(const DepthwiseLastBand<float>& band);
void depthwise_last_band(const DepthwiseLastBand<double>& band);

/// sums[t * channels + c] += sum over w of dy[w * dy_step + c] * x of tap t.
template <class T>
struct DepthwiseLastSums {
  const DepthwiseLastTap<T>* taps = nullptr;  ///< weights are not used
  Index tap_count = 0;
  Index step = 0;
  const T* dy = nullptr;
  Index dy_step = 0;
  Index channels = 0;
  T* const* sums = nullptr;  ///< of each tap
};

void depthwise_last_sums(const DepthwiseLastSums<float>& sums);
void depthwise_last_sums(const DepthwiseLastSums<double>& sums);

}  // namespace lamina::kernels
