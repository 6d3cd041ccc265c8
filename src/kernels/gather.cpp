#include "kernels/gather.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gather.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/gemm_pack-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void GatherRowsRun(const GatherRows<T>& a) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  T* HWY_RESTRICT out = a.out;
  // Most panels are one stretch of a line, or the end of one and the start of the next.
  if (a.run_count == 1 && a.runs[0].count <= 2 * lanes) {
    const T* HWY_RESTRICT source = a.source + a.runs[0].from;
    if (a.runs[0].count <= lanes) {
      for (Index k = 0; k < a.depth; ++k, out += a.width) {
        hn::StoreU(hn::LoadU(d, source + a.offsets[k]), d, out);
      }
      return;
    }
    for (Index k = 0; k < a.depth; ++k, out += a.width) {
      const T* from = source + a.offsets[k];
      const auto v0 = hn::LoadU(d, from);
      const auto v1 = hn::LoadU(d, from + lanes);
      hn::StoreU(v0, d, out);
      hn::StoreU(v1, d, out + lanes);
    }
    return;
  }
  if (a.run_count == 2 && a.runs[0].count <= 2 * lanes && a.runs[1].count <= 2 * lanes) {
    const T* HWY_RESTRICT first = a.source + a.runs[0].from;
    const T* HWY_RESTRICT second = a.source + a.runs[1].from;
    const Index to = a.runs[1].to;
    const bool long_first = a.runs[0].count > lanes;
    const bool long_second = a.runs[1].count > lanes;
    for (Index k = 0; k < a.depth; ++k, out += a.width) {
      const Index offset = a.offsets[k];
      hn::StoreU(hn::LoadU(d, first + offset), d, out);
      if (long_first) hn::StoreU(hn::LoadU(d, first + offset + lanes), d, out + lanes);
      hn::StoreU(hn::LoadU(d, second + offset), d, out + to);
      if (long_second) hn::StoreU(hn::LoadU(d, second + offset + lanes), d, out + to + lanes);
    }
    return;
  }
  for (Index k = 0; k < a.depth; ++k, out += a.width) {
    const T* HWY_RESTRICT source = a.source + a.offsets[k];
    for (Index r = 0; r < a.run_count; ++r) {
      const GatherRun& run = a.runs[r];
      for (Index i = 0; i < run.count; i += lanes) {
        hn::StoreU(hn::LoadU(d, source + run.from + i), d, out + run.to + i);
      }
    }
  }
}

template <class T>
void GatherLinesRun(const GatherLines<T>& a) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const Index squares = (a.count + lanes - 1) / lanes;
  Index k = 0;
  // The last square of a row spoils the row below it, so squares are done from right to left.
  for (; k + lanes <= a.depth; k += lanes) {
    for (Index s = squares - 1; s >= 0; --s) {
      TransposeSquare(d, a.lines + s * lanes, k, a.out + k * a.width + s * lanes, a.width);
    }
  }
  // Squares that spoil nothing may be written twice.
  if (k < a.depth && a.depth >= lanes && a.count == squares * lanes) {
    k = a.depth - lanes;
    for (Index s = 0; s < squares; ++s) {
      TransposeSquare(d, a.lines + s * lanes, k, a.out + k * a.width + s * lanes, a.width);
    }
    return;
  }
  for (; k < a.depth; ++k) {
    for (Index i = 0; i < a.count; ++i) {
      a.out[k * a.width + i] = a.lines[i][k];
    }
  }
}

template <class T>
void CopyStridedRun(const T* HWY_RESTRICT from, Index step, Index n, T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index i = 0;
  if (step == 1) {
    for (; i + lanes <= n; i += lanes) {
      hn::StoreU(hn::LoadU(d, from + i), d, to + i);
    }
  } else if (step == 2) {
    // A load reaches one element behind the last it returns.
    for (; i + lanes < n; i += lanes) {
      hn::Vec<decltype(d)> even, odd;
      hn::LoadInterleaved2(d, from + 2 * i, even, odd);
      hn::StoreU(even, d, to + i);
    }
  }
  for (; i < n; ++i) {
    to[i] = from[i * step];
  }
}

void GatherRowsF32(const GatherRows<float>& a) {
  GatherRowsRun(a);
}
void GatherRowsF64(const GatherRows<double>& a) {
  GatherRowsRun(a);
}
void GatherLinesF32(const GatherLines<float>& a) {
  GatherLinesRun(a);
}
void GatherLinesF64(const GatherLines<double>& a) {
  GatherLinesRun(a);
}
void CopyStridedF32(const float* from, Index step, Index n, float* to) {
  CopyStridedRun(from, step, n, to);
}
void CopyStridedF64(const double* from, Index step, Index n, double* to) {
  CopyStridedRun(from, step, n, to);
}

}  // namespace lamina::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(GatherRowsF32);
HWY_EXPORT(GatherRowsF64);
HWY_EXPORT(GatherLinesF32);
HWY_EXPORT(GatherLinesF64);
HWY_EXPORT(CopyStridedF32);
HWY_EXPORT(CopyStridedF64);

void gather_rows(const GatherRows<float>& rows) {
  HWY_DYNAMIC_DISPATCH(GatherRowsF32)(rows);
}
void gather_rows(const GatherRows<double>& rows) {
  HWY_DYNAMIC_DISPATCH(GatherRowsF64)(rows);
}
void gather_lines(const GatherLines<float>& lines) {
  HWY_DYNAMIC_DISPATCH(GatherLinesF32)(lines);
}
void gather_lines(const GatherLines<double>& lines) {
  HWY_DYNAMIC_DISPATCH(GatherLinesF64)(lines);
}
void copy_strided(const float* from, Index step, Index n, float* to) {
  HWY_DYNAMIC_DISPATCH(CopyStridedF32)(from, step, n, to);
}
void copy_strided(const double* from, Index step, Index n, double* to) {
  HWY_DYNAMIC_DISPATCH(CopyStridedF64)(from, step, n, to);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
