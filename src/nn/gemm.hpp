#pragma once

// Matrix multiplication on raw pointers: what matmul, linear, convolution and attention stand on.
//
//   C (M, N) = finish(alpha * A (M, K) * B (K, N) + beta * C + bias)
//
// Any strides, float and double. The sum over K is cut in blocks that depend on K alone and added
// up in order, so a result is the same bit for bit on any number of threads. With beta = 0 C is
// not read. NaN and infinities propagate as IEEE 754 says: no product is skipped.
// Shapes are the caller's business: nothing is checked here.

#include <cstdint>

#include "lamina/core/function_ref.hpp"
#include "lamina/core/index.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/shape.hpp"

namespace lamina::nn::detail {

/// A read-only matrix; strides in elements, of any sign.
template <class T>
struct MatrixRef {
  const T* data = nullptr;
  Index rows = 0, cols = 0;
  Index row_stride = 0, col_stride = 1;

  [[nodiscard]] MatrixRef transposed() const { return {data, cols, rows, col_stride, row_stride}; }
};

/// Which index of C a bias follows.
enum class BiasAxis : std::uint8_t {
  Column,  ///< (N), the same for each row
  Row,     ///< (M), the same for each column
};

/// Applied to each finished stretch of C while it is in the cache: an activation. It must be
/// element-wise, as a stretch may be any part of C.
template <class T>
struct GemmFinish {
  void (*function)(T* values, Index n, const void* params) = nullptr;
  const void* params = nullptr;
};

template <class T>
struct GemmOptions {
  T alpha = T(1);
  T beta = T(0);
  const T* bias = nullptr;
  BiasAxis bias_axis = BiasAxis::Column;
  GemmFinish<T> finish = {};
};

/// Which factor a packed matrix is.
enum class GemmSide : std::uint8_t { A, B };

/// A factor in the order in which the kernel reads it: pack once, multiply often. Laid out for the
/// SIMD target that is active when it is made; gemm throws Error(InvalidOperation) on another one.
template <class T>
class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(GemmSide side, const MatrixRef<T>& matrix);

  [[nodiscard]] GemmSide side() const { return side_; }
  [[nodiscard]] Index rows() const { return side_ == GemmSide::A ? width_ : depth_; }
  [[nodiscard]] Index cols() const { return side_ == GemmSide::A ? depth_ : width_; }
  /// Rows of A or columns of B in a panel.
  [[nodiscard]] Index panel() const { return panel_; }
  /// Elements, the zeros that fill up the last panel included.
  [[nodiscard]] Index size() const { return data_.size(); }
  /// Panel `p` of the block of K that starts at `k`, `depth` deep.
  [[nodiscard]] const T* panel_at(Index p, Index k, Index depth) const {
    return data_.data() + k * padded_width_ + p * panel_ * depth;
  }

 private:
  GemmSide side_ = GemmSide::A;
  Index width_ = 0, depth_ = 0, panel_ = 0, padded_width_ = 0;
  Buffer<T> data_;
};

/// A panel that a packer is to fill: out[k * width + i] = element (first + i, k_first + k) of A, or
/// (k_first + k, first + i) of B, for i < count and k < depth; zeros for count <= i < padded. There
/// is room for kernels::kGatherSlack elements behind the last row.
template <class T>
struct PanelRequest {
  Index first = 0, count = 0;
  Index k_first = 0, depth = 0;
  Index width = 0, padded = 0;
  T* out = nullptr;
};

/// Fills panels of a factor that exists nowhere as a matrix (implicit GEMM). Called from several
/// threads at once, each panel once per block of the other factor.
template <class T>
using PanelPacker = FunctionRef<void(const PanelRequest<T>&)>;

/// One factor: a strided matrix, a packed one, or a packer. Borrowed: a parameter type only.
template <class T>
struct GemmOperand {
  GemmOperand(const MatrixRef<T>& m) : matrix(m) {}  // NOLINT: implicit
  GemmOperand(const PackedMatrix<T>& p)              // NOLINT: implicit
      : matrix{nullptr, p.rows(), p.cols(), 0, 0}, packed(&p) {}
  GemmOperand(Index rows, Index cols, const PanelPacker<T>& fill)
      : matrix{nullptr, rows, cols, 0, 0}, packer(&fill) {}

  MatrixRef<T> matrix;  ///< without data where `packed` or `packer` is set
  const PackedMatrix<T>* packed = nullptr;
  const PanelPacker<T>* packer = nullptr;
};

/// C = finish(alpha A B + beta C + bias). C must not overlap A, B or bias.
template <class T>
void gemm(const GemmOperand<T>& a, const GemmOperand<T>& b, T* c, Index c_row_stride,
          Index c_col_stride, const GemmOptions<T>& options = {});

/// The same for two matrices, with less to do before a small product.
template <class T>
void gemm(const MatrixRef<T>& a, const MatrixRef<T>& b, T* c, Index c_row_stride,
          Index c_col_stride, const GemmOptions<T>& options = {});

/// Many products: one for each index below `extents`. A stride of 0 shares a factor; where C has
/// stride 0 along an axis, the products along it are summed, in order.
struct GemmBatch {
  Shape extents;
  Strides a_strides, b_strides, c_strides;
};

template <class T>
void gemm_batched(const GemmBatch& batch, const MatrixRef<T>& a, const MatrixRef<T>& b, T* c,
                  Index c_row_stride, Index c_col_stride, const GemmOptions<T>& options = {});

}  // namespace lamina::nn::detail
