#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/normalization.hpp"

// The functions of nn/normalization.hpp on variables, recorded: gradients for x, gamma and beta,
// which may be undefined. Shapes, errors and numerics as for arrays. The statistics of the forward
// pass are kept for the gradient. batch_norm_training changes its running statistics, which have no
// gradient; those of batch_norm_inference have none either.

namespace lamina::nn {

template <class T>
[[nodiscard]] Var<T> layer_norm(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma = {},
                                const Var<std::type_identity_t<T>>& beta = {}, double eps = 1e-5,
                                int axes = 0);
template <class T>
[[nodiscard]] Var<T> rms_norm(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma = {},
                              double eps = 1e-5, int axes = 0);
template <class T>
[[nodiscard]] Var<T> batch_norm(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma = {},
                                const Var<std::type_identity_t<T>>& beta = {}, double eps = 1e-5,
                                DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> batch_norm_1d(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma = {},
                                   const Var<std::type_identity_t<T>>& beta = {}, double eps = 1e-5,
                                   DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> batch_norm_2d(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma = {},
                                   const Var<std::type_identity_t<T>>& beta = {}, double eps = 1e-5,
                                   DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> batch_norm_3d(const Var<T>& x, const Var<std::type_identity_t<T>>& gamma = {},
                                   const Var<std::type_identity_t<T>>& beta = {}, double eps = 1e-5,
                                   DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> batch_norm_training(const Var<T>& x, MutArg<T> running_mean,
                                         MutArg<T> running_var,
                                         const Var<std::type_identity_t<T>>& gamma = {},
                                         const Var<std::type_identity_t<T>>& beta = {},
                                         const BatchNormOptions& options = {});
template <class T>
[[nodiscard]] Var<T> batch_norm_inference(const Var<T>& x, ViewArg<T> mean, ViewArg<T> var,
                                          const Var<std::type_identity_t<T>>& gamma = {},
                                          const Var<std::type_identity_t<T>>& beta = {},
                                          double eps = 1e-5, DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> group_norm(const Var<T>& x, Index groups,
                                const Var<std::type_identity_t<T>>& gamma = {},
                                const Var<std::type_identity_t<T>>& beta = {}, double eps = 1e-5,
                                DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> instance_norm(const Var<T>& x, double eps = 1e-5,
                                   const Var<std::type_identity_t<T>>& gamma = {},
                                   const Var<std::type_identity_t<T>>& beta = {},
                                   DataFormat format = DataFormat::NCHW);

}  // namespace lamina::nn
