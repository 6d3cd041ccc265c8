#pragma once

#include "lamina/core/array.hpp"
#include "lamina/core/random.hpp"
#include "lamina/nn/types.hpp"

// Random zeros in training. Which elements are dropped depends on the generator's seed, stream and
// position alone: not on strides, threads, target or element type. Every unit (an element, a
// channel, a sample) takes one 32-bit word; nothing is taken where nothing is random: in inference,
// and for p = 0 or 1.
//
// The gradient needs no mask: it draws the same one again from a copy of the generator as it was
// before the forward call. Who wants the mask asks for it: dropout_mask, or dropout_into(...,
// mask).

namespace lamina::nn {

/// Sets each element to 0 with probability p and scales the others up, so that the expectation
/// stays.
///
///   out = keep ? x / (1 - p) : 0      in training;      out = x      in inference or for p = 0
///
/// x, out (any shape, any strides)      mask (the same), optional: receives true where kept
/// p = 1 gives zeros. In place: out may be x. A dropped NaN or infinity becomes 0.
/// Error(InvalidOperation): p outside [0, 1], or out overlaps x in part.
/// Error(DimensionMismatch): shapes differ.
/// Gradient: dropout_backward. As torch.nn.functional.dropout, ONNX Dropout, NumRS2 dropout (which
/// refuses p = 1 and has no seed). Srivastava et al. 2014.
template <class T>
void dropout_into(const View<T>& x, MutArg<T> out, double p, bool training, Generator& generator,
                  MutArg<bool> mask = {});
template <class T>
[[nodiscard]] Array<T> dropout(const View<T>& x, double p, bool training, Generator& generator);
/// dropout of a matrix, under the guide's name. Error(DimensionMismatch) for other ranks.
template <class T>
[[nodiscard]] Array<T> dropout_2d(const View<T>& x, double p, bool training, Generator& generator);

/// dx of dropout; `before` is the generator as it was before the forward call.
///
///   dx = keep ? dy / (1 - p) : 0
///
/// In place: dx may be dy, here and below.
template <class T>
[[nodiscard]] Array<T> dropout_backward(const View<T>& dy, double p, bool training,
                                        const Generator& before);
template <class T>
void dropout_backward_into(const View<T>& dy, MutArg<T> dx, double p, bool training,
                           const Generator& before);

/// Drops whole channels of a sample: each (n, c) is kept or dropped as one.
///
/// x (N, C, ...) or, with NHWC, (N, ..., C), rank 3 or more; a matrix is one sample (positions, C),
/// whose whole columns are dropped, as in the guide.
/// Everything else as dropout; also Error(DimensionMismatch) for rank below 2.
/// Gradient: spatial_dropout_backward. torch.nn.functional.dropout2d and dropout3d, NumRS2
/// spatial_dropout (which drops a channel in the whole batch at once). Tompson et al. 2015.
template <class T>
[[nodiscard]] Array<T> spatial_dropout(const View<T>& x, double p, bool training,
                                       Generator& generator, DataFormat format = DataFormat::NCHW);
template <class T>
void spatial_dropout_into(const View<T>& x, MutArg<T> out, double p, bool training,
                          Generator& generator, DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Array<T> spatial_dropout_backward(const View<T>& dy, double p, bool training,
                                                const Generator& before,
                                                DataFormat format = DataFormat::NCHW);
template <class T>
void spatial_dropout_backward_into(const View<T>& dy, MutArg<T> dx, double p, bool training,
                                   const Generator& before, DataFormat format = DataFormat::NCHW);

/// Drops whole samples: each position of axis 0 is kept or dropped as one. Stochastic depth, for
/// the branch of a residual block.
///
/// x (N, ...). Everything else as dropout; also Error(DimensionMismatch) for rank 0.
/// Gradient: drop_path_backward. torchvision.ops.stochastic_depth, mode "row". Huang et al. 2016.
template <class T>
[[nodiscard]] Array<T> drop_path(const View<T>& x, double p, bool training, Generator& generator);
template <class T>
void drop_path_into(const View<T>& x, MutArg<T> out, double p, bool training, Generator& generator);
template <class T>
[[nodiscard]] Array<T> drop_path_backward(const View<T>& dy, double p, bool training,
                                          const Generator& before);
template <class T>
void drop_path_backward_into(const View<T>& dy, MutArg<T> dx, double p, bool training,
                             const Generator& before);

/// Dropout that keeps mean 0 and variance 1, for networks of selu units.
///
///   out = a (keep ? x : s) + b,   s = -lambda alpha = -1.7580993408473766,
///   a = ((1 - p) (1 + p s^2))^(-1/2),   b = -a p s
///
/// Everything else as dropout; p = 1 gives zeros. Gradient: alpha_dropout_backward.
/// torch.nn.functional.alpha_dropout. Klambauer et al. 2017.
template <class T>
[[nodiscard]] Array<T> alpha_dropout(const View<T>& x, double p, bool training,
                                     Generator& generator);
template <class T>
void alpha_dropout_into(const View<T>& x, MutArg<T> out, double p, bool training,
                        Generator& generator);
/// dx = keep ? a dy : 0.
template <class T>
[[nodiscard]] Array<T> alpha_dropout_backward(const View<T>& dy, double p, bool training,
                                              const Generator& before);
template <class T>
void alpha_dropout_backward_into(const View<T>& dy, MutArg<T> dx, double p, bool training,
                                 const Generator& before);

/// The mask that dropout (alpha_dropout) of this shape uses at this position of the generator:
/// true where kept. For spatial_dropout and drop_path draw it of shape (N, C, 1, ...) or (N, 1,
/// ...).
LAMINA_EXPORT void dropout_mask_into(MutView<bool> out, double p, bool training,
                                     Generator& generator);
[[nodiscard]] LAMINA_EXPORT Array<bool> dropout_mask(const Shape& shape, double p, bool training,
                                                     Generator& generator);
/// dropout with a mask given: out = keep ? x / (1 - p) : 0. With dy for x, its own gradient.
///
/// mask broadcasts to x's shape. Error(DimensionMismatch) if it does not; Error(InvalidOperation)
/// for p outside [0, 1].
template <class T>
[[nodiscard]] Array<T> apply_dropout_mask(const View<T>& x, const View<bool>& mask, double p);
/// In place: out may be x.
template <class T>
void apply_dropout_mask_into(const View<T>& x, const View<bool>& mask, MutArg<T> out, double p);

}  // namespace lamina::nn
