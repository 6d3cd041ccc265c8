#pragma once

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// One frame of the forward recursion of connectionist temporal classification, in logarithms:
///   next[s] = emit[s] + log(exp(last[s]) + exp(last[s - 1]) + exp(last[s - 2] + skip[s])).
/// last[-2] and last[-1] must be readable; -inf is the logarithm of 0. next must not be last.
void ctc_step(const double* last, const double* emit, const double* skip, double* next, Index n);

/// share[s] = exp(forward[s] + backward[s] - emit[s] - total); 0 where emit[s] is -inf.
void ctc_share(const double* forward, const double* backward, const double* emit, double total,
               double* share, Index n);

}  // namespace lamina::kernels
