#include "nn/attention_tiles.hpp"

#include <cmath>

#include "nn/layout.hpp"

namespace lamina::nn::detail {

namespace {

template <class T>
View<T> broadcast_scores(const View<T>& x, const Shape& scores, std::string_view operation,
                         std::string_view argument) {
  bool fits = x.rank() <= scores.rank();
  for (int axis = 1; fits && axis <= x.rank(); ++axis) {
    const Index extent = x.shape()[x.rank() - axis];
    fits = extent == 1 || extent == scores[scores.rank() - axis];
  }
  check(fits, ErrorKind::DimensionMismatch, operation, argument, " has shape ", x.shape(),
        ", which does not broadcast to that of the scores ", scores);
  return x.broadcast_to(scores);
}

template <class T>
Array<std::int64_t> spread_lengths(const View<std::int64_t>& lengths, const View<T>& q, Index keys,
                                   std::string_view operation) {
  IndexList lead;
  for (int axis = 0; axis < q.rank() - 2; ++axis) {
    lead.push_back(q.shape()[axis]);
  }
  IndexList batch = lead;
  if (batch.rank() > 0) {
    batch.erase(batch.rank() - 1);
  }
  check(lengths.shape() == lead || lengths.shape() == batch, ErrorKind::DimensionMismatch,
        operation, "key_lengths has shape ", lengths.shape(), ", expected ", Shape(batch), " or ",
        Shape(lead));
  const Array<std::int64_t> flat = lengths.copy();
  for (Index i = 0; i < flat.size(); ++i) {
    check(flat.data()[i] >= 0 && flat.data()[i] <= keys, ErrorKind::IndexOutOfBounds, operation,
          "key length ", flat.data()[i], " at position ", i, " is not between 0 and ", keys);
  }
  const Index heads = Shape(lead).size();
  Array<std::int64_t> result = Array<std::int64_t>::empty({heads});
  for (Index head = 0; head < heads; ++head) {
    result.data()[head] = flat.data()[head * flat.size() / heads];
  }
  return result;
}

}  // namespace

template <class T>
AttentionProblem<T> attention_problem(const View<T>& q, const View<T>& k, const View<T>& v,
                                      const AttentionOptions<T>& options,
                                      std::string_view operation) {
  const auto shapes = [&](auto&&... parts) {
    check(false, ErrorKind::DimensionMismatch, operation, parts..., "; q ", q.shape(), ", k ",
          k.shape(), ", v ", v.shape());
  };
  check(q.defined() && k.defined() && v.defined() && q.rank() >= 2, ErrorKind::DimensionMismatch,
        operation, "q, k and v must have at least 2 axes; q ", q.shape(), ", k ", k.shape(), ", v ",
        v.shape());
  const int rank = q.rank();
  if (k.rank() != rank || v.rank() != rank) {
    shapes("q, k and v must have the same number of axes");
  }
  for (int axis = 0; axis < rank - 3; ++axis) {
    if (k.shape()[axis] != q.shape()[axis] || v.shape()[axis] != q.shape()[axis]) {
      shapes("axis ", axis, " differs");
    }
  }
  if (k.extent(-1) != q.extent(-1)) {
    shapes("q has ", q.extent(-1), " features, k has ", k.extent(-1));
  }
  if (k.extent(-2) != v.extent(-2)) {
    shapes("there are ", k.extent(-2), " keys and ", v.extent(-2), " values");
  }
  AttentionProblem<T> problem;
  if (rank > 2) {
    const Index heads = q.extent(-3);
    const Index groups = k.extent(-3);
    if (v.extent(-3) != groups) {
      shapes("k has ", groups, " heads, v has ", v.extent(-3));
    }
    check(groups == heads || (groups > 0 && heads % groups == 0), ErrorKind::InvalidOperation,
          operation, "the ", heads, " heads of q are not a multiple of the ", groups,
          " heads of k; q ", q.shape(), ", k ", k.shape());
    problem.group = groups == 0 ? 1 : heads / groups;
  }
  check(options.causal_offset >= 0, ErrorKind::InvalidOperation, operation,
        "causal_offset must not be negative, got ", options.causal_offset);
  problem.q = HeadStack<T>(q);
  problem.k = HeadStack<T>(k);
  problem.v = HeadStack<T>(v);
  problem.heads = Shape(problem.q.extents).size();
  problem.queries = q.extent(-2);
  problem.keys = k.extent(-2);
  problem.features = q.extent(-1);
  problem.value_features = v.extent(-1);
  const double usual =
      problem.features == 0 ? 1.0 : 1.0 / std::sqrt(static_cast<double>(problem.features));
  const double scale = options.scale.value_or(usual);
  problem.scale = static_cast<T>(scale);
  check(std::isfinite(problem.scale), ErrorKind::InvalidOperation, operation,
        "scale must be finite, got ", scale);
  IndexList shape = q.shape();
  shape[rank - 1] = problem.keys;
  const Shape scores(shape);
  if (options.mask.defined()) {
    problem.mask = HeadStack<bool>(broadcast_scores(options.mask, scores, operation, "mask"));
  }
  if (options.bias.defined()) {
    problem.bias = HeadStack<T>(broadcast_scores(options.bias, scores, operation, "bias"));
  }
  if (options.key_lengths.defined()) {
    problem.lengths = spread_lengths(options.key_lengths, q, problem.keys, operation);
  }
  problem.causal = options.causal;
  // Beyond the keys the offset means nothing; this keeps sums with it small.
  problem.causal_offset = std::min(options.causal_offset, problem.keys);
  shape[rank - 1] = problem.value_features;
  problem.out_shape = Shape(shape);
  return problem;
}

template <class T>
AttentionTile<T>::AttentionTile(const AttentionProblem<T>& problem, Index rows, Index cols,
                                Index features)
    : problem_(problem), stride_(ceil_div(cols, 16) * 16), tiling_(kernels::gemm_tiling<T>()) {
  scores_ = Buffer<T>(rows * stride_);
  panel_ = Buffer<T>(tiling_.nr * std::max(cols, features));
  rows_ = Buffer<T>(2 * std::min(rows, kSkinnyRows) * std::max(cols, features));
  keep_ = Buffer<bool>(rows * stride_);
}

template <class T>
TileState AttentionTile<T>::move_to(const TilePlace& place) {
  place_ = place;
  const bool cut = place.key + place.keys > problem_.key_limit(place.head, place.query + 1);
  if (cut || problem_.mask.data != nullptr || problem_.bias.data != nullptr) {
    find_visible();
  } else {
    state_ = TileState::Full;
  }
  return state_;
}

template <class T>
void AttentionTile<T>::find_visible() {
  const Index query_stride = place_.transposed ? 1 : stride_;
  const Index key_stride = place_.transposed ? stride_ : 1;
  const bool* mask =
      problem_.mask.data == nullptr ? nullptr : problem_.mask.matrix(place_.head).data;
  const T* bias = problem_.bias.data == nullptr ? nullptr : problem_.bias.matrix(place_.head).data;
  Index visible = 0;
  for (Index i = 0; i < place_.queries; ++i) {
    const Index query = place_.query + i;
    bool* keep = keep_.data() + i * query_stride;
    const Index limit =
        std::clamp<Index>(problem_.key_limit(place_.head, query + 1) - place_.key, 0, place_.keys);
    for (Index j = limit; j < place_.keys; ++j) {
      keep[j * key_stride] = false;
    }
    const bool* mask_row = mask == nullptr ? nullptr
                                           : mask + query * problem_.mask.row_stride +
                                                 place_.key * problem_.mask.col_stride;
    const T* bias_row = bias == nullptr ? nullptr
                                        : bias + query * problem_.bias.row_stride +
                                              place_.key * problem_.bias.col_stride;
    for (Index j = 0; j < limit; ++j) {
      bool seen = mask_row == nullptr || mask_row[j * problem_.mask.col_stride];
      seen = seen && (bias_row == nullptr || bias_row[j * problem_.bias.col_stride] !=
                                                 -std::numeric_limits<T>::infinity());
      keep[j * key_stride] = seen;
      visible += seen ? 1 : 0;
    }
  }
  state_ = visible == 0                              ? TileState::Empty
           : visible == place_.queries * place_.keys ? TileState::Full
                                                     : TileState::Mixed;
}

template <class T>
void AttentionTile<T>::compute_scores() {
  MatrixRef<T> q = problem_.q.matrix(place_.head);
  q.data += place_.query * q.row_stride;
  q.rows = place_.queries;
  MatrixRef<T> k = problem_.k.matrix(place_.head / problem_.group);
  k.data += place_.key * k.row_stride;
  k.rows = place_.keys;
  multiply(place_.transposed ? k : q, (place_.transposed ? q : k).transposed(), scores(), stride_,
           problem_.scale, T(0));
  const Index rows = place_.rows();
  const Index cols = place_.cols();
  if (problem_.bias.data != nullptr) {
    const MatrixRef<T> bias = problem_.bias.matrix(place_.head);
    const T* from = bias.data + place_.query * bias.row_stride + place_.key * bias.col_stride;
    const Index row_stride = place_.transposed ? bias.col_stride : bias.row_stride;
    const Index col_stride = place_.transposed ? bias.row_stride : bias.col_stride;
    for (Index i = 0; i < rows; ++i) {
      T* row = scores() + i * stride_;
      for (Index j = 0; j < cols; ++j) {
        row[j] += from[i * row_stride + j * col_stride];
      }
    }
  }
  if (state_ == TileState::Mixed) {
    for (Index i = 0; i < rows; ++i) {
      T* row = scores() + i * stride_;
      const bool* keep = keep_.data() + i * stride_;
      for (Index j = 0; j < cols; ++j) {
        row[j] = keep[j] ? row[j] : -std::numeric_limits<T>::infinity();
      }
    }
  }
}

template <class T>
void AttentionTile<T>::clear_blocked(T* x) const {
  if (state_ == TileState::Mixed) {
    for (Index i = 0; i < place_.rows(); ++i) {
      const bool* keep = keep_.data() + i * stride_;
      for (Index j = 0; j < place_.cols(); ++j) {
        x[i * stride_ + j] = keep[j] ? x[i * stride_ + j] : T(0);
      }
    }
  }
}

template <class T>
void AttentionTile<T>::accumulate(const T* x, const MatrixRef<T>& y, T* target, Index target_stride,
                                  T alpha) {
  bool plain = state_ == TileState::Full;
  if (!plain) {
    plain = true;
    for (Index i = 0; i < y.rows && plain; ++i) {
      const T* from = y.data + i * y.row_stride;
      if (y.col_stride != 1) {
        gather(from, y.col_stride, y.cols, rows_.data());
        from = rows_.data();
      }
      plain = kernels::all_finite(from, y.cols);
    }
  }
  if (plain) {
    multiply({x, place_.rows(), y.rows, stride_, 1}, y, target, target_stride, alpha, T(1));
    return;
  }
  for (Index i = 0; i < place_.rows(); ++i) {
    const bool* keep = keep_.data() + i * stride_;
    T* row = target + i * target_stride;
    for (Index j = 0; j < y.rows; ++j) {
      if (keep[j]) {
        const T factor = alpha * x[i * stride_ + j];
        const T* from = y.data + j * y.row_stride;
        for (Index n = 0; n < y.cols; ++n) {
          row[n] += factor * from[n * y.col_stride];
        }
      }
    }
  }
}

template <class T>
void AttentionTile<T>::multiply(const MatrixRef<T>& a, const MatrixRef<T>& b, T* c, Index c_stride,
                                T alpha, T beta) {
  if (a.rows == 0 || b.cols == 0) {
    return;
  }
  if (a.rows <= kSkinnyRows && a.col_stride == 1 && b.rows > 0 &&
      (b.col_stride == 1 || b.row_stride == 1)) {
    kernels::SkinnyProduct<T> product;
    product.m = a.rows;
    product.n = b.cols;
    product.k = b.rows;
    product.a = a.data;
    product.a_row_stride = a.row_stride;
    product.b = b.data;
    product.k_stride = b.row_stride;
    product.n_stride = b.col_stride;
    product.y = rows_.data();
    product.y_row_stride = b.cols;
    product.sums = rows_.data() + a.rows * b.cols;
    kernels::gemm_skinny(product);
    for (Index i = 0; i < a.rows; ++i) {
      const T* y = rows_.data() + i * b.cols;
      T* row = c + i * c_stride;
      for (Index j = 0; j < b.cols; ++j) {
        row[j] = beta == T(0) ? alpha * y[j] : alpha * y[j] + beta * row[j];
      }
    }
    return;
  }
  kernels::GemmBlock<T> block;
  block.m = a.rows;
  block.tiles = ceil_div(a.rows, tiling_.mr);
  block.tile_end = block.tiles;
  block.n = b.cols;
  block.k = a.cols;
  block.a = a.data;
  block.a_row_stride = a.row_stride;
  block.a_col_stride = a.col_stride;
  block.b = b.data;
  block.b_row_stride = b.row_stride;
  block.b_col_stride = b.col_stride;
  block.panel = panel_.data();
  block.c = c;
  block.c_row_stride = c_stride;
  block.alpha = alpha;
  block.beta = beta;
  kernels::gemm_block(block);
}

template AttentionProblem<float> attention_problem<float>(const View<float>&, const View<float>&,
                                                          const View<float>&,
                                                          const AttentionOptions<float>&,
                                                          std::string_view);
template AttentionProblem<double> attention_problem<double>(const View<double>&,
                                                            const View<double>&,
                                                            const View<double>&,
                                                            const AttentionOptions<double>&,
                                                            std::string_view);
template class AttentionTile<float>;
template class AttentionTile<double>;

}  // namespace lamina::nn::detail
