#include "nn/attention_lanes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "nn/layout.hpp"

namespace lamina::nn::detail {

namespace {

/// Keys that come past a panel at a time: whole tiles of 14, 6 and 4 rows. Their scores fit the L1
/// beside the queries.
constexpr Index kLaneKeys = 168;
/// Rows of a task, and tasks from which on there is no need for smaller ones.
constexpr Index kLaneRows = 256;
constexpr Index kLeastLaneRows = 128;
constexpr Index kEnoughTasks = 16;
constexpr double kLn2 = 0.6931471805599453;

/// Rows whose elements are neighbors, the rows following each other.
template <class T>
bool dense(const HeadStack<T>& x) {
  return x.col_stride == 1 && x.row_stride == x.cols;
}

/// Rows [first, first + count) of a head in place, or copied. Rows that are apart by a power of two
/// would share the sets of a cache.
template <class T>
const T* rows_at(const HeadStack<T>& x, Index head, Index first, Index count, T* copy) {
  const MatrixRef<T> rows = x.rows_of(head, first, count);
  if (dense(x)) {
    return rows.data;
  }
  for (Index i = 0; i < count; ++i) {
    gather(rows.data + i * rows.row_stride, rows.col_stride, rows.cols, copy + i * rows.cols);
  }
  return copy;
}

/// The part of some rows that panel p of `panels` fetches ahead; none if they will be copied.
template <class T>
kernels::AttentionAhead<T> share(const HeadStack<T>& x, Index head, Index first, Index count,
                                 Index p, Index panels) {
  if (!dense(x)) {
    return {};
  }
  const MatrixRef<T> rows = x.rows_of(head, first, count);
  const Index all = count * rows.cols;
  return {rows.data + all * p / panels, all * (p + 1) / panels - all * p / panels};
}

}  // namespace

// Lanes without a query cost as much as the others: tiles of rows are then the better way.
template <class T>
bool takes_lanes(const AttentionProblem<T>& problem) {
  const Index lanes = kernels::attention_lanes<T>();
  return problem.mask.data == nullptr && problem.bias.data == nullptr && problem.dropout == 0 &&
         problem.queries > kSkinnyRows &&
         7 * ceil_div(problem.queries, lanes) * lanes <= 8 * problem.queries;
}

template <class T>
Index lane_group_rows(const AttentionProblem<T>& problem) {
  Index rows = kLaneRows;
  while (rows > kLeastLaneRows && problem.heads * ceil_div(problem.queries, rows) < kEnoughTasks) {
    rows /= 2;
  }
  return std::min(problem.queries, rows);
}

template <class T>
LaneGroup<T>::LaneGroup(const AttentionProblem<T>& problem, Index rows)
    : problem_(problem), width_(2 * kernels::attention_lanes<T>()) {
  const Index all = ceil_div(rows, width_) * width_;
  const Index keys = std::min(kLaneKeys, problem.keys);
  queries_ = Buffer<T>(all * problem.features);
  sums_ = Buffer<T>(all * problem.value_features);
  max_ = Buffer<T>(all);
  sum_ = Buffer<T>(all);
  scores_ = Buffer<T>(keys * width_);
  keys_ = Buffer<T>(dense(problem.k) ? 0 : keys * problem.features);
  values_ = Buffer<T>(dense(problem.v) ? 0 : keys * problem.value_features);
  line_ = Buffer<T>(width_ * problem.value_features);
}

template <class T>
kernels::AttentionPanel<T> LaneGroup<T>::panel(Index p, Index rows) const {
  kernels::AttentionPanel<T> result;
  result.vectors = std::min(width_, rows - p * width_) > width_ / 2 ? 2 : 1;
  result.q = queries_.data() + p * width_ * problem_.features;
  result.max = max_.data() + p * width_;
  result.sum = sum_.data() + p * width_;
  result.sums = sums_.data() + p * width_ * problem_.value_features;
  result.features = problem_.features;
  result.value_features = problem_.value_features;
  return result;
}

template <class T>
void LaneGroup<T>::pack_queries(Index head, Index query, Index rows) {
  for (Index first = 0; first < rows; first += width_) {
    const Index count = std::min(width_, rows - first);
    const MatrixRef<T> q = problem_.q.rows_of(head, query + first, count);
    kernels::attention_pack_queries(q.data, q.row_stride, q.col_stride, count, q.cols,
                                    problem_.score_scale,
                                    queries_.data() + first * problem_.features);
  }
}

template <class T>
void LaneGroup<T>::run(Index head, Index query, Index rows, const MatrixRef<T>& out, T* lse) {
  const Index panels = ceil_div(rows, width_);
  std::fill_n(max_.data(), panels * width_, -std::numeric_limits<T>::infinity());
  std::fill_n(sum_.data(), panels * width_, T(0));
  pack_queries(head, query, rows);
  const Index key_head = head / problem_.group;
  const Index last = problem_.key_limit(head, query + rows);
  kernels::AttentionKeys<T> block;
  block.k_stride = dense(problem_.k) ? problem_.k.row_stride : problem_.features;
  block.v_stride = dense(problem_.v) ? problem_.v.row_stride : problem_.value_features;
  block.scores = scores_.data();
  for (Index key = 0; key < last; key += kLaneKeys) {
    const Index count = std::min(kLaneKeys, last - key);
    block.k = rows_at(problem_.k, key_head, key, count, keys_.data());
    block.v = rows_at(problem_.v, key_head, key, count, values_.data());
    block.first = key == 0;
    for (Index p = 0; p < panels; ++p) {
      const Index first = query + p * width_;
      const Index end = std::min(first + width_, query + rows);
      const Index limit = problem_.key_limit(head, end);
      if (limit <= key) {
        continue;
      }
      block.count = std::min(count, limit - key);
      block.limit = problem_.causal ? first + 1 + problem_.causal_offset - key : Index{block.count};
      // While exponentials are computed the memory has time for what comes next.
      if (key + count < last) {
        const Index next = std::min(kLaneKeys, last - key - count);
        block.ahead[0] = share(problem_.k, key_head, key + count, next, p, panels);
        block.ahead[1] = share(problem_.v, key_head, key + count, next, p, panels);
      } else {
        block.ahead[0] = {out.data + first * out.row_stride,
                          out.row_stride == out.cols ? (end - first) * out.cols : 0};
        block.ahead[1] = {};
      }
      kernels::attention_pass(panel(p, rows), block);
      if (key + block.count == limit) {
        finish(query, p * width_, end - first, out, lse);
      }
    }
  }
  for (Index first = 0; last <= 0 && first < rows; first += width_) {
    finish(query, first, std::min(width_, rows - first), out, lse);
  }
}

/// Writes the results of `count` queries of the panel that begins at `first` of the group.
template <class T>
void LaneGroup<T>::finish(Index query, Index first, Index count, const MatrixRef<T>& out, T* lse) {
  const Index n = problem_.value_features;
  T* const to = const_cast<T*>(out.data) + (query + first) * out.row_stride;
  const kernels::AttentionPanel<T> done = panel(first / width_, first + count);
  if (out.col_stride == 1) {
    kernels::attention_finish(done, count, to, out.row_stride);
  } else {
    kernels::attention_finish(done, count, line_.data(), n);
    for (Index i = 0; i < count; ++i) {
      scatter(line_.data() + i * n, n, to + i * out.row_stride, out.col_stride);
    }
  }
  for (Index i = 0; lse != nullptr && i < count; ++i) {
    const T sum = done.sum[i];
    // Of a query that sees nothing any finite number will do: its weights are exp(-inf).
    lse[query + first + i] =
        sum == T(0) ? T(0) : done.max[i] * static_cast<T>(kLn2) + std::log(sum);
  }
}

template bool takes_lanes<float>(const AttentionProblem<float>&);
template bool takes_lanes<double>(const AttentionProblem<double>&);
template Index lane_group_rows<float>(const AttentionProblem<float>&);
template Index lane_group_rows<double>(const AttentionProblem<double>&);
template class LaneGroup<float>;
template class LaneGroup<double>;

}  // namespace lamina::nn::detail
