#pragma once

// What the ways to multiply share: see gemm.cpp, which chooses one of them.

#include <algorithm>
#include <array>

#include "kernels/gemm.hpp"
#include "nn/gemm.hpp"

namespace lamina::nn::detail {

// Multiply-adds below which a product stays on the caller's thread.
inline constexpr Index kSerialWork = Index{1} << 19;
// Elements by which rows that would share a set of the L1 are moved apart.
inline constexpr Index kSpread = 16;

// The depth of the blocks in which K is cut: equal parts of at most 512, which is deep enough that
// reading and writing C between blocks costs little. Depends on K alone.
[[nodiscard]] Index block_depth(Index k);

// Scratch that is on the stack when it is small.
template <class T>
class Scratch {
 public:
  T* reserve(Index size) {
    if (size <= kInline) {
      return inline_.data();
    }
    if (heap_.size() < size) {
      heap_ = Buffer<T>(size);
    }
    return heap_.data();
  }

 private:
  static constexpr Index kInline = 16384 / static_cast<Index>(sizeof(T));
  alignas(64) std::array<T, kInline> inline_;
  Buffer<T> heap_;
};

// Part `i` of `parts` nearly equal parts of n.
struct Part {
  Index begin, end;
};
[[nodiscard]] constexpr Part part_of(Index n, Index i, Index parts) {
  return {n * i / parts, n * (i + 1) / parts};
}

template <class T>
struct Output {
  T* data;
  Index row_stride, col_stride;
};

// Applies finish to rows x cols of C at `c`.
template <class T>
void finish_block(const GemmFinish<T>& finish, T* c, const Output<T>& out, Index rows, Index cols);

template <class T>
void pack_panel(const T* source, Index width, Index width_stride, Index depth, Index depth_stride,
                Index panel, Index padded, T* out);

// Columns [k, k + depth) of all rows to rows `stride` apart.
template <class T>
void copy_rows(const MatrixRef<T>& a, Index k, Index depth, T* out, Index stride);

// A product whose factors stay in the L2, in tiles without a plan. B is a matrix, or, where
// `packed` is given, that one, of one block of K.
template <class T>
void multiply_small(const MatrixRef<T>& a, const MatrixRef<T>& b, const PackedMatrix<T>* packed,
                    const Output<T>& out, const GemmOptions<T>& options);

// Any product, in tiles.
template <class T>
void multiply_tiled(const GemmOperand<T>& a, const GemmOperand<T>& b, const Output<T>& out,
                    const GemmOptions<T>& options, const kernels::GemmTiling& tiling);

// At most eight rows times a matrix with contiguous rows or columns, or a packed one, which is read
// once.
template <class T>
void multiply_skinny(const MatrixRef<T>& a, const GemmOperand<T>& b, const Output<T>& out,
                     const GemmOptions<T>& options, const kernels::GemmTiling& tiling);

// A product with fewer columns than fill vectors, on rows of A and C that are contiguous.
template <class T>
void multiply_tall(const MatrixRef<T>& a, const MatrixRef<T>& b, const Output<T>& out,
                   const GemmOptions<T>& options, const kernels::GemmTiling& tiling);

}  // namespace lamina::nn::detail
