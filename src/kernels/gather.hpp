#pragma once

// Packing of a gathered matrix (see nn/implicit_gemm.hpp) into the panels that the GEMM kernel
// reads. All of these may write up to a vector behind the last row of a panel: what comes there is
// written later, or is room left for it (kGatherSlack).

#include "lamina/core/index.hpp"

namespace lamina::kernels {

/// Elements behind a panel, and behind a source of gather_rows, that may be written or read.
inline constexpr Index kGatherSlack = 64;

/// Adjacent elements of a source that become adjacent elements of a panel's row.
struct GatherRun {
  Index from = 0, to = 0, count = 0;
};

/// out[k * width + run.to + i] = source[offsets[k] + run.from + i] for each run, i < run.count.
template <class T>
struct GatherRows {
  const T* source = nullptr;
  const Index* offsets = nullptr;
  Index depth = 0;
  const GatherRun* runs = nullptr;  ///< in ascending order of `to`
  Index run_count = 0;
  Index width = 0;
  T* out = nullptr;
};

void gather_rows(const GatherRows<float>& rows);
void gather_rows(const GatherRows<double>& rows);

/// out[k * width + i] = lines[i][k] for i < count, k < depth. `lines` has at least count entries
/// rounded up to whole vectors, all of which can be read.
template <class T>
struct GatherLines {
  const T* const* lines = nullptr;
  Index count = 0, depth = 0, width = 0;
  T* out = nullptr;
};

void gather_lines(const GatherLines<float>& lines);
void gather_lines(const GatherLines<double>& lines);

/// to[i] = from[i * step] for i < n; reads and writes nothing else.
void copy_strided(const float* from, Index step, Index n, float* to);
void copy_strided(const double* from, Index step, Index n, double* to);

}  // namespace lamina::kernels
