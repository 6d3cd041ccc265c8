#pragma once

#include "nn/attention_tiles.hpp"

namespace lamina::nn::detail {

/// Attention with checked arguments; lse (heads, queries), if not null, receives the logarithm of
/// each query's sum of exponentials.
template <class T>
void attention_forward(const AttentionProblem<T>& problem, const MutView<T>& out, T* lse);

}  // namespace lamina::nn::detail
