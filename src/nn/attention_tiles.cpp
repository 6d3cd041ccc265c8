#include "nn/attention_tiles.hpp"

#include <cmath>
#include <cstring>

#include "nn/dropout_words.hpp"
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
  problem.score_scale = static_cast<T>(scale * 1.442695040888963407);
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
  check(options.dropout >= 0 && options.dropout <= 1, ErrorKind::InvalidOperation, operation,
        "dropout must be in [0, 1], got ", options.dropout);
  check(options.dropout == 0 || options.generator != nullptr, ErrorKind::InvalidOperation,
        operation, "dropout needs a generator");
  problem.dropout = options.dropout;
  if (options.dropout > 0) {
    problem.words = dropout_words(*options.generator, options.dropout);
  }
  problem.score_shape = scores;
  problem.causal = options.causal;
  // Beyond the keys the offset means nothing; this keeps sums with it small.
  problem.causal_offset = std::min(options.causal_offset, problem.keys);
  shape[rank - 1] = problem.value_features;
  problem.out_shape = Shape(shape);
  return problem;
}

template <class T>
TileFactor<T>::TileFactor(Index depth, Index columns) : tiling_(kernels::gemm_tiling<T>()) {
  data_ = Buffer<T>(std::max<Index>(1, depth) * ceil_div(columns, tiling_.nr) * tiling_.nr);
}

template <class T>
void TileFactor<T>::pack(const MatrixRef<T>& factor) {
  depth_ = factor.rows;
  for (Index column = 0; column < factor.cols; column += tiling_.nr) {
    kernels::GemmPack<T> pack;
    pack.source = factor.data + column * factor.col_stride;
    pack.width = std::min(tiling_.nr, factor.cols - column);
    pack.width_stride = factor.col_stride;
    pack.depth = depth_;
    pack.depth_stride = factor.row_stride;
    pack.panel = tiling_.nr;
    pack.padded = ceil_div(pack.width, tiling_.lanes) * tiling_.lanes;
    pack.out = data_.data() + column * depth_;
    kernels::gemm_pack(pack);
  }
}

template <class T>
void TileFactor<T>::multiply(const MatrixRef<T>& a, Index columns, T* c, Index c_stride, T alpha,
                             T beta) const {
  if (a.rows == 0 || columns == 0) {
    return;
  }
  // All is in the L2 and nothing has to be fetched ahead.
  kernels::gemm_small(
      kernels::SmallProduct<T>{.m = a.rows,
                               .n = columns,
                               .k = a.cols,
                               .a = a.data,
                               .a_row_stride = a.row_stride,
                               .a_col_stride = a.col_stride,
                               .b = data_.data(),
                               .b_panel_stride = tiling_.nr * std::max<Index>(1, depth_),
                               .b_row_stride = 0,
                               .b_col_stride = 1,
                               .panel = nullptr,
                               .c = c,
                               .c_row_stride = c_stride,
                               .c_col_stride = 1,
                               .alpha = alpha,
                               .beta = beta,
                               .row_bias = nullptr,
                               .column_bias = nullptr});
}

// A row of the tile has room for one vector more than its columns: rows a power of two apart would
// share a set of the L1 when they are read column by column.
template <class T>
AttentionTile<T>::AttentionTile(const AttentionProblem<T>& problem, Index rows, Index cols)
    : problem_(problem), stride_(ceil_div(cols, 16) * 16 + 16), tiling_(kernels::gemm_tiling<T>()) {
  const Index widest = std::max({cols, rows, problem.features, problem.value_features});
  scores_ = Buffer<T>(rows * stride_);
  panel_ = Buffer<T>(tiling_.nr * widest);
  rows_ = Buffer<T>(2 * std::min(rows, kSkinnyRows) * (widest + 16));
  if (problem.bias.data != nullptr && problem.bias.col_stride != 1) {
    bias_ = Buffer<T>(rows * stride_);
  }
  if (problem.mask.data != nullptr && problem.mask.col_stride != 1) {
    mask_ = Buffer<bool>(rows * stride_);
  }
  if (problem.dropout > 0) {
    kept_ = Buffer<bool>(rows * stride_);
  }
}

template <class T>
bool AttentionTile<T>::move_to(const TilePlace& place) {
  place_ = place;
  if (problem_.mask.data == nullptr) {
    return true;
  }
  const bool* mask = problem_.mask.rows_of(place.head, place.query, place.queries).data +
                     place.key * problem_.mask.col_stride;
  const Index step = problem_.mask.col_stride;
  bool visible = false;
  for (Index i = 0; i < place.queries && !visible; ++i, mask += problem_.mask.row_stride) {
    if (step == 1) {
      visible = std::memchr(mask, 1, static_cast<std::size_t>(place.keys)) != nullptr;
    } else {
      for (Index j = 0; j < place.keys && !visible; ++j) {
        visible = mask[j * step];
      }
    }
    if (problem_.mask.row_stride == 0) {
      break;
    }
  }
  return visible;
}

template <class T>
bool AttentionTile<T>::some_blocked() const {
  return problem_.mask.data != nullptr || problem_.bias.data != nullptr ||
         place_.key + place_.keys > problem_.key_limit(place_.head, place_.query + 1);
}

template <class T>
void AttentionTile<T>::compute_scores(const TileFactor<T>* keys_t) {
  const MatrixRef<T> q = problem_.q.rows_of(place_.head, place_.query, place_.queries);
  if (keys_t != nullptr) {
    keys_t->multiply(q, place_.keys, scores(), stride_, problem_.score_scale, T(0));
  } else {
    const MatrixRef<T> k =
        problem_.k.rows_of(place_.head / problem_.group, place_.key, place_.keys);
    multiply(q, k.transposed(), scores(), stride_, problem_.score_scale, T(0));
  }
  if (!some_blocked()) {
    return;
  }
  kernels::AttentionRules<T> rules;
  rules.scores = scores();
  rules.stride = stride_;
  rules.rows = place_.queries;
  rules.cols = place_.keys;
  rules.limit = problem_.key_limit(place_.head, place_.query + 1) - place_.key;
  rules.limit_step = problem_.causal ? 1 : 0;  // no tile goes beyond the length of the keys
  // Keys of a mask or bias that are not neighbors are gathered.
  const auto lines = [&](const auto& stack, auto* buffer, const auto*& data, Index& stride) {
    const auto part = stack.rows_of(place_.head, place_.query, place_.queries);
    data = part.data + place_.key * part.col_stride;
    stride = part.row_stride;
    if (part.col_stride == 1) {
      return;
    }
    const Index distinct = stride == 0 ? 1 : place_.queries;
    for (Index i = 0; i < distinct; ++i) {
      gather(data + i * stride, part.col_stride, place_.keys, buffer + i * stride_);
    }
    data = buffer;
    stride = stride == 0 ? 0 : stride_;
  };
  if (problem_.bias.data != nullptr) {
    lines(problem_.bias, bias_.data(), rules.bias, rules.bias_stride);
  }
  if (problem_.mask.data != nullptr) {
    lines(problem_.mask, mask_.data(), rules.mask, rules.mask_stride);
  }
  kernels::attention_rules(rules);
}

template <class T>
const bool* AttentionTile<T>::draw_kept() {
  if (problem_.dropout == 0) {
    return nullptr;
  }
  for (Index i = 0; i < place_.queries; ++i) {
    kernels::DropoutStream words = problem_.words;
    const Index row = place_.head * problem_.queries + place_.query + i;
    words.first += static_cast<std::uint64_t>(row * problem_.keys + place_.key);
    kernels::dropout_keep(words, kept_.data() + i * stride_, place_.keys);
  }
  return kept_.data();
}

template <class T>
T AttentionTile<T>::keep_scale() const {
  return static_cast<T>(1 / (1 - problem_.dropout));
}

template <class T>
bool AttentionTile<T>::all_finite(const MatrixRef<T>& y) {
  for (Index i = 0; i < y.rows; ++i) {
    const T* from = y.data + i * y.row_stride;
    if (y.col_stride != 1) {
      gather(from, y.col_stride, y.cols, rows_.data());
      from = rows_.data();
    }
    if (!kernels::all_finite(from, y.cols)) {
      return false;
    }
  }
  return true;
}

template <class T>
bool AttentionTile<T>::sees(Index query, Index key) const {
  const Index i = place_.query + query;
  const Index j = place_.key + key;
  const auto at = [&](const auto& stack) {
    return stack.data[stack.offset(place_.head) + i * stack.row_stride + j * stack.col_stride];
  };
  return j < problem_.key_limit(place_.head, i + 1) &&
         (problem_.mask.data == nullptr || at(problem_.mask)) &&
         (problem_.bias.data == nullptr ||
          at(problem_.bias) != -std::numeric_limits<T>::infinity());
}

template <class T>
void AttentionTile<T>::add_product(const T* x, const MatrixRef<T>& y, const TileFactor<T>* packed,
                                   T* target, Index target_stride, T alpha) {
  const MatrixRef<T> factor{x, place_.queries, y.rows, stride_, 1};
  if (!some_blocked() || all_finite(y)) {
    if (packed != nullptr) {
      packed->multiply(factor, y.cols, target, target_stride, alpha, T(1));
    } else {
      multiply(factor, y, target, target_stride, alpha, T(1));
    }
    return;
  }
  for (Index i = 0; i < place_.queries; ++i) {
    T* row = target + i * target_stride;
    for (Index j = 0; j < y.rows; ++j) {
      if (sees(i, j)) {
        const T weight = alpha * x[i * stride_ + j];
        const T* from = y.data + j * y.row_stride;
        for (Index n = 0; n < y.cols; ++n) {
          row[n] += weight * from[n * y.col_stride];
        }
      }
    }
  }
}

template <class T>
void AttentionTile<T>::add_transposed_product(const T* x, const MatrixRef<T>& y, T* target,
                                              Index target_stride, T alpha) {
  if (!some_blocked() || all_finite(y)) {
    multiply({x, place_.keys, y.rows, 1, stride_}, y, target, target_stride, alpha, T(1));
    return;
  }
  for (Index j = 0; j < place_.keys; ++j) {
    T* row = target + j * target_stride;
    for (Index i = 0; i < y.rows; ++i) {
      if (sees(i, j)) {
        const T weight = alpha * x[i * stride_ + j];
        const T* from = y.data + i * y.row_stride;
        for (Index n = 0; n < y.cols; ++n) {
          row[n] += weight * from[n * y.col_stride];
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
template class TileFactor<float>;
template class TileFactor<double>;
template class AttentionTile<float>;
template class AttentionTile<double>;

}  // namespace lamina::nn::detail
