#pragma once

// What recurrent cells do to their gates between matrix products, for some rows (items of the
// batch) and some units. The gates of a row are `slot` apart: RNN one slot; LSTM i, f, g, o; GRU r,
// z, n and one more, which holds w_hn h + b_hn, or r h where the reset comes first.

#include <cstdint>

#include "lamina/core/index.hpp"

namespace lamina::kernels {

enum class RecurrentCell : std::uint8_t { RnnTanh, RnnRelu, Lstm, GruResetAfter, GruResetBefore };

/// One step forward. Gates come as sums and become activated.
template <class T>
struct RecurrentStep {
  Index rows = 0, units = 0, slot = 0;
  T* gates = nullptr;
  Index gates_stride = 0;
  const T* h_before = nullptr;
  const T* c_before = nullptr;
  const T* peephole = nullptr;  ///< LSTM: of i, f, o, `slot` apart; null: none
  T* h = nullptr;
  T* c = nullptr;
  Index state_stride = 0;  ///< of h and c, before and behind
  T* y = nullptr;          ///< receives h, or 0 where a row is not active
  Index y_stride = 0;
  const bool* active = nullptr;  ///< (rows), null: all; the others keep their state
};

/// One step backward. dh and dc come as the gradients of the state behind this step from later
/// ones, and become what goes directly to the state before, without the products; dgates receives
/// the gradients of the sums.
template <class T>
struct RecurrentGradientStep {
  Index rows = 0, units = 0, slot = 0;
  const T* gates = nullptr;
  Index gates_stride = 0;
  T* dgates = nullptr;
  Index dgates_stride = 0;
  const T* h_before = nullptr;
  const T* h = nullptr;
  const T* c_before = nullptr;
  const T* c = nullptr;
  const T* peephole = nullptr;
  Index state_stride = 0;
  const T* dy = nullptr;  ///< null: zeros
  Index dy_stride = 0;
  T* dh = nullptr;
  T* dc = nullptr;
  Index dstate_stride = 0;
  const bool* active = nullptr;
};

void recurrent_step(RecurrentCell cell, const RecurrentStep<float>& step);
void recurrent_step(RecurrentCell cell, const RecurrentStep<double>& step);
/// GruResetBefore, first half: r and z, and r h in the last slot.
void recurrent_reset(const RecurrentStep<float>& step);
void recurrent_reset(const RecurrentStep<double>& step);
void recurrent_gradient(RecurrentCell cell, const RecurrentGradientStep<float>& step);
void recurrent_gradient(RecurrentCell cell, const RecurrentGradientStep<double>& step);
/// GruResetBefore, second half: the last slot of dgates holds the gradient of r h.
void recurrent_reset_gradient(const RecurrentGradientStep<float>& step);
void recurrent_reset_gradient(const RecurrentGradientStep<double>& step);

}  // namespace lamina::kernels
