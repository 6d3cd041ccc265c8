#include <cstring>

#include "lamina/core/parallel.hpp"
#include "nn/gemm_parts.hpp"

namespace lamina::nn::detail {

namespace {

// Depth of a block of K.
constexpr Index kDepth = 512;
// Elements that a packing task writes.
constexpr Index kPackChunk = Index{1} << 15;

}  // namespace

Index block_depth(Index k) {
  if (k <= kDepth) {
    return std::max<Index>(k, 1);
  }
  return ceil_div(ceil_div(k, ceil_div(k, kDepth)), 4) * 4;
}

template <class T>
void finish_block(const GemmFinish<T>& finish, T* c, const Output<T>& out, Index rows, Index cols) {
  if (finish.function == nullptr) {
    return;
  }
  if (out.row_stride == 1 && out.col_stride != 1) {
    for (Index j = 0; j < cols; ++j) {
      finish.function(c + j * out.col_stride, rows, finish.params);
    }
    return;
  }
  std::array<T, 256> segment;
  constexpr Index kSegment = 256;
  for (Index i = 0; i < rows; ++i) {
    T* row = c + i * out.row_stride;
    if (out.col_stride == 1) {
      finish.function(row, cols, finish.params);
      continue;
    }
    for (Index j = 0; j < cols; j += kSegment) {
      const Index n = std::min(kSegment, cols - j);
      for (Index s = 0; s < n; ++s) {
        segment[static_cast<std::size_t>(s)] = row[(j + s) * out.col_stride];
      }
      finish.function(segment.data(), n, finish.params);
      for (Index s = 0; s < n; ++s) {
        row[(j + s) * out.col_stride] = segment[static_cast<std::size_t>(s)];
      }
    }
  }
}

template <class T>
void pack_panel(const T* source, Index width, Index width_stride, Index depth, Index depth_stride,
                Index panel, Index padded, T* out) {
  kernels::GemmPack<T> pack;
  pack.source = source;
  pack.width = width;
  pack.width_stride = width_stride;
  pack.depth = depth;
  pack.depth_stride = depth_stride;
  pack.panel = panel;
  pack.padded = padded;
  pack.out = out;
  kernels::gemm_pack(pack);
}

template <class T>
void copy_rows(const MatrixRef<T>& a, Index k, Index depth, T* out, Index stride) {
  for (Index i = 0; i < a.rows; ++i) {
    const T* row = a.data + i * a.row_stride + k * a.col_stride;
    if (a.col_stride == 1) {
      std::memcpy(out + i * stride, row, static_cast<std::size_t>(depth) * sizeof(T));
      continue;
    }
    for (Index p = 0; p < depth; ++p) {
      out[i * stride + p] = row[p * a.col_stride];
    }
  }
}

template <class T>
PackedMatrix<T>::PackedMatrix(GemmSide side, const MatrixRef<T>& matrix)
    : side_(side),
      width_(side == GemmSide::A ? matrix.rows : matrix.cols),
      depth_(side == GemmSide::A ? matrix.cols : matrix.rows) {
  const kernels::GemmTiling tiling = kernels::gemm_tiling<T>();
  const MatrixRef<T> lines = side == GemmSide::A ? matrix : matrix.transposed();
  panel_ = side == GemmSide::A ? tiling.mr : tiling.nr;
  const Index panels = ceil_div(width_, panel_);
  padded_width_ = panels * panel_;
  data_ = Buffer<T>(padded_width_ * depth_);
  const Index step = block_depth(depth_);
  for (Index k = 0; k < depth_; k += step) {
    const Index depth = std::min(step, depth_ - k);
    const Index grain = std::max<Index>(1, kPackChunk / (panel_ * depth));
    parallel_for(panels, grain, [&](Index begin, Index end) {
      for (Index p = begin; p < end; ++p) {
        const Index first =
            side == GemmSide::A ? kernels::gemm_tile_begin(width_, panels, p) : p * panel_;
        const Index behind = side == GemmSide::A ? kernels::gemm_tile_begin(width_, panels, p + 1)
                                                 : std::min(width_, first + panel_);
        pack_panel(lines.data + first * lines.row_stride + k * lines.col_stride, behind - first,
                   lines.row_stride, depth, lines.col_stride, panel_,
                   side == GemmSide::A ? behind - first : panel_,
                   data_.data() + k * padded_width_ + p * panel_ * depth);
      }
    });
  }
}

#define LAMINA_INSTANTIATE(T)                                                              \
  template void finish_block<T>(const GemmFinish<T>&, T*, const Output<T>&, Index, Index); \
  template void pack_panel<T>(const T*, Index, Index, Index, Index, Index, Index, T*);     \
  template void copy_rows<T>(const MatrixRef<T>&, Index, Index, T*, Index);                \
  template class PackedMatrix<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::nn::detail
