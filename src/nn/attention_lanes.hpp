#pragma once

// Attention with a query in each lane (kernels/attention_lanes.hpp): for what has neither mask,
// bias nor dropout, and queries that nearly fill the lanes.

#include "kernels/attention_lanes.hpp"
#include "nn/attention_tiles.hpp"

namespace lamina::nn::detail {

template <class T>
[[nodiscard]] bool takes_lanes(const AttentionProblem<T>& problem);

/// Queries of a task.
template <class T>
[[nodiscard]] Index lane_group_rows(const AttentionProblem<T>& problem);

/// Scratch memory of a task: some queries of one head, past which all their keys come, block by
/// block.
template <class T>
class LaneGroup {
 public:
  LaneGroup(const AttentionProblem<T>& problem, Index rows);
  /// out: (queries, n) of the head; lse, if any: one number for each query of the head.
  void run(Index head, Index query, Index rows, const MatrixRef<T>& out, T* lse);

 private:
  void pack_queries(Index head, Index query, Index rows);
  void finish(Index query, Index first, Index count, const MatrixRef<T>& out, T* lse);
  [[nodiscard]] kernels::AttentionPanel<T> panel(Index p, Index rows) const;

  const AttentionProblem<T>& problem_;
  Index width_;  ///< queries of a panel
  Buffer<T> queries_, sums_, max_, sum_, scores_, keys_, values_, line_;
};

}  // namespace lamina::nn::detail
