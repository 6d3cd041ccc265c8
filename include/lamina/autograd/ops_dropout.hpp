#pragma once

#include "lamina/autograd/var.hpp"
#include "lamina/nn/dropout.hpp"

// The functions of nn/dropout.hpp on variables, recorded. No mask is kept: the gradient draws it
// again. In inference, and for p = 0, the result is x itself.

namespace lamina::nn {

template <class T>
[[nodiscard]] Var<T> dropout(const Var<T>& x, double p, bool training, Generator& generator);
template <class T>
[[nodiscard]] Var<T> dropout_2d(const Var<T>& x, double p, bool training, Generator& generator);
template <class T>
[[nodiscard]] Var<T> spatial_dropout(const Var<T>& x, double p, bool training, Generator& generator,
                                     DataFormat format = DataFormat::NCHW);
template <class T>
[[nodiscard]] Var<T> drop_path(const Var<T>& x, double p, bool training, Generator& generator);
template <class T>
[[nodiscard]] Var<T> alpha_dropout(const Var<T>& x, double p, bool training, Generator& generator);

}  // namespace lamina::nn
