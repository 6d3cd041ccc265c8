#include "lamina/core/parallel.hpp"
#include "nn/gemm_parts.hpp"

namespace lamina::nn::detail {

namespace {

// A batch reduced to what no single product can do: `each` axes with a C of their own, `summed`
// axes that are added up.
template <class T>
struct Batch {
  MatrixRef<T> a, b;
  Index c_row_stride;
  GemmBatch each, summed;
};

void add_axis(GemmBatch& batch, Index extent, Index a, Index b, Index c) {
  IndexList extents = batch.extents;
  extents.push_back(extent);
  batch.extents = Shape(extents);
  batch.a_strides.push_back(a);
  batch.b_strides.push_back(b);
  batch.c_strides.push_back(c);
}

// Innermost axes first, an axis that continues the rows of A and C, or K, becomes part of them.
template <class T>
Batch<T> fold(const GemmBatch& batch, const MatrixRef<T>& a, const MatrixRef<T>& b,
              Index c_row_stride) {
  Batch<T> result{a, b, c_row_stride, {}, {}};
  for (int axis = batch.extents.rank() - 1; axis >= 0; --axis) {
    const Index extent = batch.extents[axis];
    const Index a_stride = batch.a_strides[axis];
    const Index b_stride = batch.b_strides[axis];
    const Index c_stride = batch.c_strides[axis];
    MatrixRef<T>& fa = result.a;
    MatrixRef<T>& fb = result.b;
    if (extent == 1) {
      continue;
    }
    if (c_stride == 0) {
      if (a_stride == fa.cols * fa.col_stride && b_stride == fb.rows * fb.row_stride) {
        fa.cols *= extent;
        fb.rows *= extent;
      } else {
        add_axis(result.summed, extent, a_stride, b_stride, 0);
      }
    } else if (b_stride == 0 && fa.rows == 1 && result.each.extents.empty()) {
      fa.rows = extent;
      fa.row_stride = a_stride;
      result.c_row_stride = c_stride;
    } else if (b_stride == 0 && a_stride == fa.rows * fa.row_stride &&
               c_stride == fa.rows * result.c_row_stride && result.each.extents.empty()) {
      fa.rows *= extent;
    } else {
      add_axis(result.each, extent, a_stride, b_stride, c_stride);
    }
  }
  return result;
}

struct Offsets {
  Index a = 0, b = 0, c = 0;
};

Offsets offsets_at(const GemmBatch& batch, Index i) {
  Offsets offsets;
  for (int axis = 0; axis < batch.extents.rank(); ++axis) {
    const Index at = i % batch.extents[axis];
    i /= batch.extents[axis];
    offsets.a += at * batch.a_strides[axis];
    offsets.b += at * batch.b_strides[axis];
    offsets.c += at * batch.c_strides[axis];
  }
  return offsets;
}

}  // namespace

template <class T>
void gemm_batched(const GemmBatch& batch, const MatrixRef<T>& a, const MatrixRef<T>& b, T* c,
                  Index c_row_stride, Index c_col_stride, const GemmOptions<T>& options) {
  const Batch<T> folded = fold(batch, a, b, c_row_stride);
  const Index count = folded.each.extents.size();
  const Index terms = folded.summed.extents.size();
  const auto one = [&](Index i) {
    const Offsets at = offsets_at(folded.each, i);
    MatrixRef<T> ai = folded.a;
    MatrixRef<T> bi = folded.b;
    if (terms == 0) {
      ai.cols = 0;
      bi.rows = 0;
    }
    GemmOptions<T> part = options;
    for (Index term = 0; term < std::max<Index>(terms, 1); ++term) {
      const Offsets inner = terms == 0 ? Offsets{} : offsets_at(folded.summed, term);
      const bool last = term + 1 >= terms;
      ai.data = folded.a.data + at.a + inner.a;
      bi.data = folded.b.data + at.b + inner.b;
      part.bias = last ? options.bias : nullptr;
      part.finish = last ? options.finish : GemmFinish<T>{};
      gemm<T>(ai, bi, c + at.c, folded.c_row_stride, c_col_stride, part);
      part.beta = T(1);
    }
  };
  // Large products use all threads one after the other, small ones a thread each.
  const Index work = folded.a.rows * folded.b.cols * std::max<Index>(1, folded.a.cols) * terms;
  if (work >= 32 * kSerialWork || count <= 1) {
    for (Index i = 0; i < count; ++i) {
      one(i);
    }
    return;
  }
  const Index grain = std::max<Index>(1, kSerialWork / std::max<Index>(1, work));
  parallel_for(count, grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      one(i);
    }
  });
}

#define LAMINA_INSTANTIATE(T)                                                                   \
  template void gemm_batched<T>(const GemmBatch&, const MatrixRef<T>&, const MatrixRef<T>&, T*, \
                                Index, Index, const GemmOptions<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
