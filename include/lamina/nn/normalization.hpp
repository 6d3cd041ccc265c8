#pragma once

#include "lamina/core/array.hpp"
#include "lamina/nn/types.hpp"

// Normalization: a group of elements is brought to mean 0 and variance 1, then scaled and shifted.
//
//   y = (x - mean) / sqrt(variance + eps) * gamma + beta
//
// What differs is which elements form a group: the last axes (layer_norm), a channel of the whole
// batch (batch_norm), of one sample (instance_norm), some channels of one sample (group_norm).
//
// Common to all: float and double; any strides (arrays that are not contiguous cost a copy). gamma
// and beta may be left out (1 and 0). In place: out may be x, dx may be dy or x.
// The variance is that of the population (divided by n) and is taken after the mean; a large common
// offset costs no accuracy. A constant group gives exactly beta if eps > 0. NaN and infinities make
// their own group NaN and no other. float: |x - mean| below 1e19.
// Errors: DimensionMismatch for shapes that do not fit; InvalidOperation for an eps below 0, for
// outputs that overlap other arguments (except as said) or are broadcast views.
// Gradients: each *_backward. `saved` statistics spare it computing them again.
//
// DataFormat: with NCHW axis 1 holds the channels, with NHWC the last axis, for any rank from 2.

namespace lamina::nn {

/// Where an operation puts a group's mean and 1 / sqrt(variance + eps), one each, or where its
/// gradient finds them. Undefined members are left out. rms_norm has no mean.
template <class T>
struct NormStatistics {
  MutView<T> mean;
  MutView<T> rstd;
};

/// Gradients of a normalization. dgamma and dbeta have the shape gamma has (or would have).
template <class T>
struct NormGradients {
  Array<T> dx;
  Array<T> dgamma;
  Array<T> dbeta;
};

/// Normalizes over the last axes of each position of the others.
///
/// x, out (..., F)   gamma, beta (F): they tell how many axes F stands for; without them `axes`
/// does (0: as gamma, or else one).   saved.mean, saved.rstd (...), the axes before F
/// Empty groups are legal. torch.nn.functional.layer_norm, ONNX LayerNormalization,
/// numrs2::nn::layer_norm. Ba, Kiros, Hinton 2016.
template <class T>
void layer_norm_into(const View<T>& x, MutArg<T> out, ViewArg<T> gamma = {}, ViewArg<T> beta = {},
                     double eps = 1e-5, int axes = 0,
                     const NormStatistics<std::type_identity_t<T>>& saved = {});
template <class T>
[[nodiscard]] Array<T> layer_norm(const View<T>& x, ViewArg<T> gamma = {}, ViewArg<T> beta = {},
                                  double eps = 1e-5, int axes = 0);

/// Gradients of layer_norm; xhat is x normalized, means are over the group.
///
///   dx = rstd (g - mean(g) - xhat mean(g xhat)),  g = dy gamma
///   dgamma = sum dy xhat,  dbeta = sum dy
///
/// Outputs that are not defined are not computed. dx may be dy or x.
template <class T>
void layer_norm_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> gamma, MutArg<T> dx,
                              MutArg<T> dgamma, MutArg<T> dbeta, double eps = 1e-5, int axes = 0,
                              const NormStatistics<std::type_identity_t<T>>& saved = {});
template <class T>
[[nodiscard]] NormGradients<T> layer_norm_backward(const View<T>& dy, ViewArg<T> x,
                                                   ViewArg<T> gamma = {}, double eps = 1e-5,
                                                   int axes = 0);

/// Divides by the root of the mean square over the last axes; no mean is taken.
///
///   y = x / sqrt(mean(x^2) + eps) gamma
///
/// Shapes as layer_norm. torch.nn.functional.rms_norm (whose eps is by default the type's epsilon),
/// ONNX RMSNormalization, numrs2::nn::rms_norm. Zhang, Sennrich 2019.
template <class T>
void rms_norm_into(const View<T>& x, MutArg<T> out, ViewArg<T> gamma = {}, double eps = 1e-5,
                   int axes = 0, MutArg<T> saved_rstd = {});
template <class T>
[[nodiscard]] Array<T> rms_norm(const View<T>& x, ViewArg<T> gamma = {}, double eps = 1e-5,
                                int axes = 0);
/// dx = rstd (g - xhat mean(g xhat)),  g = dy gamma,  xhat = x rstd;  dgamma = sum dy xhat.
/// As layer_norm_backward_into; the gradients' dbeta stays empty.
template <class T>
void rms_norm_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> gamma, MutArg<T> dx,
                            MutArg<T> dgamma, double eps = 1e-5, int axes = 0,
                            MutArg<T> saved_rstd = {});
template <class T>
[[nodiscard]] NormGradients<T> rms_norm_backward(const View<T>& dy, ViewArg<T> x,
                                                 ViewArg<T> gamma = {}, double eps = 1e-5,
                                                 int axes = 0);

/// Normalizes each channel over the whole batch, with the batch's own statistics.
///
/// x, out (N, C, ...), rank 2 or more   gamma, beta, saved.mean, saved.rstd (C)
/// One value a channel gives beta (its variance is 0). An empty batch is legal.
/// torch.nn.functional.batch_norm with training=True and no running statistics,
/// numrs2::nn::batch_norm_1d. Ioffe, Szegedy 2015.
template <class T>
void batch_norm_into(const View<T>& x, MutArg<T> out, ViewArg<T> gamma = {}, ViewArg<T> beta = {},
                     double eps = 1e-5, DataFormat format = DataFormat::NCHW,
                     const NormStatistics<std::type_identity_t<T>>& saved = {});
template <class T>
[[nodiscard]] Array<T> batch_norm(const View<T>& x, ViewArg<T> gamma = {}, ViewArg<T> beta = {},
                                  double eps = 1e-5, DataFormat format = DataFormat::NCHW);
/// batch_norm of (N, C) or (N, C, L). Error(DimensionMismatch) for other ranks.
template <class T>
[[nodiscard]] Array<T> batch_norm_1d(const View<T>& x, ViewArg<T> gamma = {}, ViewArg<T> beta = {},
                                     double eps = 1e-5, DataFormat format = DataFormat::NCHW);
/// batch_norm of (N, C, H, W).
template <class T>
[[nodiscard]] Array<T> batch_norm_2d(const View<T>& x, ViewArg<T> gamma = {}, ViewArg<T> beta = {},
                                     double eps = 1e-5, DataFormat format = DataFormat::NCHW);
/// batch_norm of (N, C, D, H, W).
template <class T>
[[nodiscard]] Array<T> batch_norm_3d(const View<T>& x, ViewArg<T> gamma = {}, ViewArg<T> beta = {},
                                     double eps = 1e-5, DataFormat format = DataFormat::NCHW);

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< share of the batch in the running statistics
  DataFormat format = DataFormat::NCHW;
};

/// batch_norm that also keeps running statistics for inference.
///
///   running = (1 - momentum) running + momentum batch
///
/// running_mean, running_var (C), updated. As in PyTorch the batch's variance enters with n / (n -
/// 1), while y uses the one divided by n. Errors: InvalidOperation also if a channel has one value
/// only, and for a momentum outside [0, 1]. Nothing is changed then.
template <class T>
void batch_norm_training_into(const View<T>& x, MutArg<T> out, MutArg<T> running_mean,
                              MutArg<T> running_var, ViewArg<T> gamma = {}, ViewArg<T> beta = {},
                              const BatchNormOptions& options = {},
                              const NormStatistics<std::type_identity_t<T>>& saved = {});
template <class T>
[[nodiscard]] Array<T> batch_norm_training(const View<T>& x, MutArg<T> running_mean,
                                           MutArg<T> running_var, ViewArg<T> gamma = {},
                                           ViewArg<T> beta = {},
                                           const BatchNormOptions& options = {});

/// batch_norm with given statistics: y = (x - mean) / sqrt(var + eps) gamma + beta.
///
/// mean, var (C). torch.nn.functional.batch_norm with training=False, ONNX BatchNormalization.
template <class T>
void batch_norm_inference_into(const View<T>& x, MutArg<T> out, ViewArg<T> mean, ViewArg<T> var,
                               ViewArg<T> gamma = {}, ViewArg<T> beta = {}, double eps = 1e-5,
                               DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Array<T> batch_norm_inference(const View<T>& x, ViewArg<T> mean, ViewArg<T> var,
                                            ViewArg<T> gamma = {}, ViewArg<T> beta = {},
                                            double eps = 1e-5,
                                            DataFormat format = DataFormat::NCHW);

/// Gradients of batch_norm and batch_norm_training: those of layer_norm, per channel.
template <class T>
void batch_norm_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> gamma, MutArg<T> dx,
                              MutArg<T> dgamma, MutArg<T> dbeta, double eps = 1e-5,
                              DataFormat format = DataFormat::NCHW,
                              const NormStatistics<std::type_identity_t<T>>& saved = {});
template <class T>
[[nodiscard]] NormGradients<T> batch_norm_backward(const View<T>& dy, ViewArg<T> x,
                                                   ViewArg<T> gamma = {}, double eps = 1e-5,
                                                   DataFormat format = DataFormat::NCHW);
/// Gradients of batch_norm_inference: dx = dy gamma / sqrt(var + eps); mean and var are constants.
template <class T>
void batch_norm_inference_backward_into(const View<T>& dy, ViewArg<T> x, ViewArg<T> mean,
                                        ViewArg<T> var, ViewArg<T> gamma, MutArg<T> dx,
                                        MutArg<T> dgamma, MutArg<T> dbeta, double eps = 1e-5,
                                        DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] NormGradients<T> batch_norm_inference_backward(const View<T>& dy, ViewArg<T> x,
                                                             ViewArg<T> mean, ViewArg<T> var,
                                                             ViewArg<T> gamma = {},
                                                             double eps = 1e-5,
                                                             DataFormat format = DataFormat::NCHW);

/// Normalizes `groups` equal parts of the channels of each sample.
///
/// x, out (N, C, ...), rank 2 or more   gamma, beta (C)   saved.mean, saved.rstd (N, groups)
/// Errors: InvalidOperation also unless `groups` divides C.
/// torch.nn.functional.group_norm, ONNX GroupNormalization. Wu, He 2018.
template <class T>
void group_norm_into(const View<T>& x, Index groups, MutArg<T> out, ViewArg<T> gamma = {},
                     ViewArg<T> beta = {}, double eps = 1e-5, DataFormat format = DataFormat::NCHW,
                     const NormStatistics<std::type_identity_t<T>>& saved = {});
template <class T>
[[nodiscard]] Array<T> group_norm(const View<T>& x, Index groups, ViewArg<T> gamma = {},
                                  ViewArg<T> beta = {}, double eps = 1e-5,
                                  DataFormat format = DataFormat::NCHW);
template <class T>
void group_norm_backward_into(const View<T>& dy, ViewArg<T> x, Index groups, ViewArg<T> gamma,
                              MutArg<T> dx, MutArg<T> dgamma, MutArg<T> dbeta, double eps = 1e-5,
                              DataFormat format = DataFormat::NCHW,
                              const NormStatistics<std::type_identity_t<T>>& saved = {});
template <class T>
[[nodiscard]] NormGradients<T> group_norm_backward(const View<T>& dy, ViewArg<T> x, Index groups,
                                                   ViewArg<T> gamma = {}, double eps = 1e-5,
                                                   DataFormat format = DataFormat::NCHW);

/// Normalizes each channel of each sample.
///
/// x, out (N, C, ...), rank 3 or more   gamma, beta (C)   saved.mean, saved.rstd (N, C)
/// A matrix (rows, F) is normalized by rows, as in NumRS2, without gamma and beta; the saved
/// statistics then are (rows). torch.nn.functional.instance_norm, ONNX InstanceNormalization,
/// numrs2::nn::instance_norm. Ulyanov, Vedaldi, Lempitsky 2016.
template <class T>
void instance_norm_into(const View<T>& x, MutArg<T> out, double eps = 1e-5, ViewArg<T> gamma = {},
                        ViewArg<T> beta = {}, DataFormat format = DataFormat::NCHW,
                        const NormStatistics<std::type_identity_t<T>>& saved = {});
template <class T>
[[nodiscard]] Array<T> instance_norm(const View<T>& x, double eps = 1e-5, ViewArg<T> gamma = {},
                                     ViewArg<T> beta = {}, DataFormat format = DataFormat::NCHW);
/// dgamma and dbeta are not defined for a matrix.
template <class T>
void instance_norm_backward_into(const View<T>& dy, ViewArg<T> x, MutArg<T> dx, double eps = 1e-5,
                                 ViewArg<T> gamma = {}, MutArg<T> dgamma = {}, MutArg<T> dbeta = {},
                                 DataFormat format = DataFormat::NCHW,
                                 const NormStatistics<std::type_identity_t<T>>& saved = {});
template <class T>
[[nodiscard]] NormGradients<T> instance_norm_backward(const View<T>& dy, ViewArg<T> x,
                                                      double eps = 1e-5, ViewArg<T> gamma = {},
                                                      DataFormat format = DataFormat::NCHW);

}  // namespace lamina::nn
