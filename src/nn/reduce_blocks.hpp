#pragma once

// How a reduction is cut into blocks for the kernels, by shape and strides alone.

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/reduce.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/view.hpp"
#include "nn/axis_layout.hpp"

namespace lamina::nn {

/// Elements a thread takes at a time.
inline constexpr Index kReduceGrain = 65536;

/// The outputs come in groups of up to capacity(); what each output reduces comes in chunks, in
/// order. One group and one chunk are one call of a kernel, or a few.
template <class T>
class ReduceBlocks {
 public:
  /// `reduced[axis]` tells which axes of x disappear; `out_strides` has one stride for each axis of
  /// x, whatever it is for reduced ones. x must have a unit stride: see is_possible().
  ReduceBlocks(const View<T>& x, const std::array<bool, kMaxRank>& reduced,
               const Strides& out_strides)
      : data_(x.data()) {
    JointDims<1> inside;
    for (int axis = 0; axis < x.rank(); ++axis) {
      if (reduced[static_cast<std::size_t>(axis)]) {
        inside.push(x.shape()[axis], {x.strides()[axis]});
        reduced_size_ *= x.shape()[axis];
      } else {
        kept_.push(x.shape()[axis], {x.strides()[axis], out_strides[axis]});
      }
    }
    if (const int i = unit_dim(inside); i >= 0 || (inside.rank() == 0 && kept_.rank() == 0)) {
      n_ = i >= 0 ? inside.remove(i).extent : 1;
    } else if (const int j = unit_dim(kept_); j >= 0) {
      columns_ = true;
      const auto dim = kept_.remove(j);
      width_ = dim.extent;
      column_out_stride_ = dim.strides[1];
    } else {
      possible_ = false;
      return;
    }
    if (inside.rank() > 0) {
      const auto dim = inside.remove(inside.rank() - 1);
      runs_ = dim.extent;
      run_stride_ = dim.strides[0];
    }
    rest_ = inside;
    if (columns_) {
      capacity_ = std::min(width_, kernels::kReduceWidth);
      groups_ = kept_.size() * ceil_div(width_, kernels::kReduceWidth);
      run_blocks_ = ceil_div(runs_, kernels::kReduceRows);
      block_elements_ = capacity_ * std::min(runs_, kernels::kReduceRows);
    } else {
      n_blocks_ = ceil_div(n_, kernels::kReduceBlock);
      runs_per_block_ = std::max(Index{1}, kernels::kReduceBlock / n_);
      run_blocks_ = ceil_div(runs_, runs_per_block_);
      const Index elements = std::min(n_, kernels::kReduceBlock) * std::min(runs_, runs_per_block_);
      capacity_ = std::min(
          {kept_.size(), Index{kMaxCapacity}, std::max(Index{1}, kReduceGrain / elements)});
      groups_ = ceil_div(kept_.size(), capacity_);
      block_elements_ = capacity_ * elements;
    }
    chunks_ = rest_.size() * run_blocks_ * n_blocks_;
  }

  static constexpr Index kMaxCapacity = kernels::kReduceWidth;

  /// False if no axis of x has stride 1: copy x first.
  [[nodiscard]] bool is_possible() const noexcept { return possible_; }
  [[nodiscard]] Index groups() const noexcept { return groups_; }
  [[nodiscard]] Index chunks() const noexcept { return chunks_; }
  [[nodiscard]] Index capacity() const noexcept { return capacity_; }
  [[nodiscard]] Index reduced_size() const noexcept { return reduced_size_; }
  /// How many blocks are worth handing to a thread.
  [[nodiscard]] Index grain() const noexcept {
    return std::max(Index{1}, kReduceGrain / block_elements_);
  }
  /// Outputs of one group.
  [[nodiscard]] Index count(Index group) const noexcept {
    return columns_ ? std::min(capacity_, width_ - tile(group) * capacity_)
                    : std::min(capacity_, kept_.size() - group * capacity_);
  }
  /// Of a reduction over one run of adjacent elements or rows: the position where a chunk begins.
  [[nodiscard]] Index chunk_start(Index chunk) const noexcept {
    return chunk * (columns_ ? kernels::kReduceRows : kernels::kReduceBlock);
  }

  /// Do the chunks of an output follow each other in memory? Then compute_chunks does many at once.
  [[nodiscard]] bool in_a_row() const noexcept {
    return !columns_ && groups_ == 1 && capacity_ == 1 && chunks_ == n_blocks_ && runs_ == 1;
  }
  /// For in_a_row(): one step without a parameter over chunks [begin, end).
  void compute_chunks(kernels::ReduceStep step, Index begin, Index end, T* first, T* second) const {
    kernels::ReduceRowsArgs<T> args;
    args.step = step;
    args.n = kernels::kReduceBlock;
    args.x = data_ + begin * kernels::kReduceBlock;
    args.x_stride = kernels::kReduceBlock;
    const Index whole = std::min(end, n_ / kernels::kReduceBlock);
    args.count = whole - begin;
    args.first = first;
    args.second = second;
    if (args.count > 0) {
      kernels::reduce_rows(args);
    }
    if (whole < end) {
      compute(step, 0, whole, nullptr, first + args.count, second + args.count);
    }
  }
  /// Where the outputs of a group begin, if x and out are row-major.
  [[nodiscard]] Index first_output(Index group) const noexcept {
    return columns_ ? group / tiles() * width_ + tile(group) * capacity_ : group * capacity_;
  }

  /// visit(i, offset in out) for each output of the group.
  template <class F>
  void for_each_output(Index group, F&& visit) const {
    if (columns_) {
      const Index position = group / tiles();
      kept_.for_each_run(position, position + 1, [&](const auto& offsets, Index, const auto&) {
        const Index start = offsets[1] + tile(group) * capacity_ * column_out_stride_;
        for (Index i = 0; i < count(group); ++i) {
          visit(i, start + i * column_out_stride_);
        }
      });
      return;
    }
    Index i = 0;
    kept_.for_each_run(group * capacity_, group * capacity_ + count(group),
                       [&](const auto& offsets, Index run, const auto& strides) {
                         for (Index k = 0; k < run; ++k) {
                           visit(i++, offsets[1] + k * strides[1]);
                         }
                       });
  }

  /// One step over one chunk of one group; the arrays hold one number an output.
  void compute(kernels::ReduceStep step, Index group, Index chunk, const T* parameter, T* first,
               T* second) const {
    const Index n_block = chunk % n_blocks_;
    const Index run_block = chunk / n_blocks_ % run_blocks_;
    const T* base = data_;
    const Index rest = chunk / n_blocks_ / run_blocks_;
    rest_.for_each_run(rest, rest + 1,
                       [&](const auto& offsets, Index, const auto&) { base += offsets[0]; });
    if (columns_) {
      kernels::ReduceColumnsArgs<T> args;
      args.step = step;
      const Index position = group / tiles();
      kept_.for_each_run(position, position + 1, [&](const auto& offsets, Index, const auto&) {
        args.x = base + offsets[0] + tile(group) * capacity_ +
                 run_block * kernels::kReduceRows * run_stride_;
      });
      args.x_stride = run_stride_;
      args.rows = std::min(kernels::kReduceRows, runs_ - run_block * kernels::kReduceRows);
      args.width = count(group);
      args.parameter = parameter;
      args.first = first;
      args.second = second;
      kernels::reduce_columns(args);
      return;
    }
    kernels::ReduceRowsArgs<T> args;
    args.step = step;
    args.n = std::min(kernels::kReduceBlock, n_ - n_block * kernels::kReduceBlock);
    args.runs = std::min(runs_per_block_, runs_ - run_block * runs_per_block_);
    args.run_stride = run_stride_;
    base += n_block * kernels::kReduceBlock + run_block * runs_per_block_ * run_stride_;
    Index done = 0;
    kept_.for_each_run(group * capacity_, group * capacity_ + count(group),
                       [&](const auto& offsets, Index run, const auto& strides) {
                         args.x = base + offsets[0];
                         args.x_stride = strides[0];
                         args.count = run;
                         args.parameter = parameter == nullptr ? nullptr : parameter + done;
                         args.first = first + done;
                         args.second = second + done;
                         kernels::reduce_rows(args);
                         done += run;
                       });
  }

 private:
  /// The innermost dimension with stride 1 in x, or -1.
  template <int K>
  static int unit_dim(const JointDims<K>& dims) {
    for (int i = dims.rank() - 1; i >= 0; --i) {
      if (dims[i].strides[0] == 1) {
        return i;
      }
    }
    return -1;
  }
  [[nodiscard]] Index tiles() const noexcept { return ceil_div(width_, kernels::kReduceWidth); }
  [[nodiscard]] Index tile(Index group) const noexcept { return group % tiles(); }

  const T* data_;
  bool possible_ = true;
  bool columns_ = false;
  JointDims<2> kept_;  ///< without the columns' dimension
  JointDims<1> rest_;  ///< reduced dimensions beyond the two innermost
  Index reduced_size_ = 1;
  Index n_ = 1;      ///< rows: adjacent elements
  Index width_ = 1;  ///< columns: adjacent outputs
  Index column_out_stride_ = 0;
  Index runs_ = 1;  ///< the next reduced dimension
  Index run_stride_ = 0;
  Index runs_per_block_ = 1;
  Index n_blocks_ = 1;
  Index run_blocks_ = 1;
  Index capacity_ = 1;
  Index groups_ = 0;
  Index chunks_ = 1;
  Index block_elements_ = 1;
};

/// Steps whose second outcome is a position; that of others need not be one.
inline bool finds_place(kernels::ReduceStep step) {
  return step == kernels::ReduceStep::ArgMax || step == kernels::ReduceStep::ArgMin;
}

/// What the chunks of one output come to.
struct Reduced {
  double first = 0;
  double second = 0;
  Index position = 0;  ///< of ArgMax and ArgMin
};

/// One more value, and what the sum loses by it to the compensation (Knuth's exact form, without a
/// branch).
inline void accumulate(double& sum, double& compensation, double value) {
  const double next = sum + value;
  const double part = next - sum;
  compensation += (sum - (next - part)) + (value - part);
  sum = next;
}
/// With infinities the compensation is NaN, and means nothing.
inline double settle(double sum, double compensation) {
  return compensation == compensation ? sum + compensation : sum;
}

/// Adds the result of one more chunk, in order. Sums are compensated (Neumaier 1974).
class ReduceMerger {
 public:
  explicit ReduceMerger(kernels::ReduceStep step) : step_(step) {}
  void add(double first, double second, Index start) {
    using kernels::ReduceStep;
    switch (step_) {
      case ReduceStep::Product:
        sum_ = empty_ ? first : sum_ * first;
        break;
      case ReduceStep::Max:
      case ReduceStep::MaxAbs:
      case ReduceStep::ArgMax:
      case ReduceStep::Min:
      case ReduceStep::ArgMin: {
        const bool least = step_ == ReduceStep::Min || step_ == ReduceStep::ArgMin;
        const bool better = least ? first < sum_ : first > sum_;
        if (empty_ || (sum_ == sum_ && (better || first != first))) {
          sum_ = first;
          position_ = finds_place(step_) ? start + static_cast<Index>(second) : 0;
        }
        break;
      }
      default:
        accumulate(sum_, compensation_, first);
        accumulate(second_, second_compensation_, second);
    }
    empty_ = false;
  }
  [[nodiscard]] Reduced result() const {
    return {settle(sum_, compensation_), settle(second_, second_compensation_), position_};
  }

 private:
  kernels::ReduceStep step_;
  bool empty_ = true;
  double sum_ = 0;
  double compensation_ = 0;
  double second_ = 0;
  double second_compensation_ = 0;
  Index position_ = 0;
};

/// Steps whose chunks add up.
inline bool is_sum(kernels::ReduceStep step) {
  using kernels::ReduceStep;
  switch (step) {
    case ReduceStep::Product:
    case ReduceStep::Max:
    case ReduceStep::MaxAbs:
    case ReduceStep::ArgMax:
    case ReduceStep::Min:
    case ReduceStep::ArgMin:
      return false;
    default:
      return true;
  }
}

/// The same as a ReduceMerger for each of `count` outputs, whose chunks lie `capacity` apart: read
/// in the order of memory. merged(i, Reduced).
template <class T, class F>
void merge_sums(const T* first, const T* second, bool has_second, Index chunks, Index capacity,
                Index count, const F& merged) {
  constexpr Index kBlock = 128;
  std::array<double, kBlock> sums;
  std::array<double, kBlock> losses;
  std::array<double, kBlock> second_sums;
  std::array<double, kBlock> second_losses;
  for (Index begin = 0; begin < count; begin += kBlock) {
    const Index n = std::min(kBlock, count - begin);
    sums.fill(0);
    losses.fill(0);
    second_sums.fill(0);
    second_losses.fill(0);
    for (Index chunk = 0; chunk < chunks; ++chunk) {
      const T* const from = first + chunk * capacity + begin;
      const T* const second_from = second + chunk * capacity + begin;
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        accumulate(sums[i], losses[i], static_cast<double>(from[i]));
      }
      for (std::size_t i = 0; has_second && i < static_cast<std::size_t>(n); ++i) {
        accumulate(second_sums[i], second_losses[i], static_cast<double>(second_from[i]));
      }
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      merged(begin + static_cast<Index>(i),
             Reduced{settle(sums[i], losses[i]), settle(second_sums[i], second_losses[i]), 0});
    }
  }
}

/// Extremes without positions.
inline bool is_extreme(kernels::ReduceStep step) {
  using kernels::ReduceStep;
  return step == ReduceStep::Max || step == ReduceStep::MaxAbs || step == ReduceStep::Min;
}

/// The same for extremes: one output after the other costs more than reading what they are of.
template <class T, class F>
void merge_extremes(kernels::ReduceStep step, const T* first, Index chunks, Index capacity,
                    Index count, const F& merged) {
  constexpr Index kBlock = 128;
  std::array<T, kBlock> best;
  const auto join = [&](Index begin, Index n, const auto& better) {
    for (Index chunk = 1; chunk < chunks; ++chunk) {
      const T* const from = first + chunk * capacity + begin;
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        // A NaN is taken and stays.
        const T v = from[i];
        const T kept = best[i];
        best[i] = better(kept, v) || kept != kept ? kept : v;
      }
    }
  };
  for (Index begin = 0; begin < count; begin += kBlock) {
    const Index n = std::min(kBlock, count - begin);
    std::copy_n(first + begin, n, best.begin());
    if (step == kernels::ReduceStep::Min) {
      join(begin, n, [](T kept, T v) { return kept <= v; });
    } else {
      join(begin, n, [](T kept, T v) { return kept >= v; });
    }
    for (Index i = 0; i < n; ++i) {
      merged(begin + i, Reduced{static_cast<double>(best[static_cast<std::size_t>(i)]), 0, 0});
    }
  }
}

/// Two steps at most: `first`, whose outcome `parameter(Reduced) -> T` turns into what `second`
/// needs. Then emit(offset in out, Reduced, parameter). If `given` is there, it holds the first
/// step's parameters at the outputs' offsets.
template <class T, class Parameter, class Emit>
void run_reduction(const ReduceBlocks<T>& blocks, kernels::ReduceStep first, bool has_second,
                   kernels::ReduceStep second, const T* given, Parameter&& parameter, Emit&& emit) {
  const Index capacity = blocks.capacity();
  const Index chunks = blocks.chunks();
  if (chunks == 1) {
    // All of an output is in one block: do both steps while it is in cache.
    parallel_for(blocks.groups(), blocks.grain(), [&](Index begin, Index end) {
      constexpr auto kCapacity = static_cast<std::size_t>(ReduceBlocks<T>::kMaxCapacity);
      std::array<T, kCapacity> p;
      std::array<T, kCapacity> a;
      std::array<T, kCapacity> b;
      for (Index group = begin; group < end; ++group) {
        const auto count = static_cast<std::size_t>(blocks.count(group));
        if (given != nullptr) {
          blocks.for_each_output(group, [&](Index i, Index offset) {
            p[static_cast<std::size_t>(i)] = given[offset];
          });
        }
        std::fill_n(b.begin(), count, T(0));
        blocks.compute(first, group, 0, given != nullptr ? p.data() : nullptr, a.data(), b.data());
        if (has_second) {
          for (std::size_t i = 0; i < count; ++i) {
            p[i] = parameter(Reduced{static_cast<double>(a[i]), static_cast<double>(b[i])});
          }
          blocks.compute(second, group, 0, p.data(), a.data(), b.data());
        }
        blocks.for_each_output(group, [&](Index i, Index offset) {
          const auto k = static_cast<std::size_t>(i);
          const Reduced reduced{static_cast<double>(a[k]), static_cast<double>(b[k]),
                                finds_place(first) ? static_cast<Index>(b[k]) : Index{0}};
          emit(offset, reduced, has_second || given != nullptr ? p[k] : T(0));
        });
      }
    });
    return;
  }
  const Index blocks_total = blocks.groups() * chunks;
  const Buffer<T> a(blocks_total * capacity);
  const Buffer<T> b(blocks_total * capacity);
  const Buffer<T> p(blocks.groups() * capacity);
  bool has_parameter = given != nullptr;
  if (has_parameter) {
    for (Index group = 0; group < blocks.groups(); ++group) {
      blocks.for_each_output(
          group, [&](Index i, Index offset) { p.data()[group * capacity + i] = given[offset]; });
    }
  }
  std::fill_n(b.data(), b.size(), T(0));
  // merged(group, i, Reduced) for every output once the step is done.
  const auto run_step = [&](kernels::ReduceStep step, auto&& merged) {
    parallel_for(blocks_total, blocks.grain(), [&](Index begin, Index end) {
      if (!has_parameter && blocks.in_a_row()) {
        blocks.compute_chunks(step, begin, end, a.data() + begin, b.data() + begin);
        return;
      }
      for (Index block = begin; block < end; ++block) {
        const Index group = block / chunks;
        blocks.compute(step, group, block % chunks,
                       has_parameter ? p.data() + group * capacity : nullptr,
                       a.data() + block * capacity, b.data() + block * capacity);
      }
    });
    parallel_for(
        blocks.groups(), std::max(Index{1}, kReduceGrain / (chunks * capacity)),
        [&](Index begin, Index end) {
          for (Index group = begin; group < end; ++group) {
            if (is_sum(step)) {
              const Index at = group * chunks * capacity;
              merge_sums(a.data() + at, b.data() + at, step == kernels::ReduceStep::SumCentered,
                         chunks, capacity, blocks.count(group),
                         [&](Index i, const Reduced& reduced) { merged(group, i, reduced); });
              continue;
            }
            if (is_extreme(step)) {
              merge_extremes(step, a.data() + group * chunks * capacity, chunks, capacity,
                             blocks.count(group),
                             [&](Index i, const Reduced& reduced) { merged(group, i, reduced); });
              continue;
            }
            for (Index i = 0; i < blocks.count(group); ++i) {
              ReduceMerger merger(step);
              for (Index chunk = 0; chunk < chunks; ++chunk) {
                const Index at = (group * chunks + chunk) * capacity + i;
                merger.add(static_cast<double>(a.data()[at]), static_cast<double>(b.data()[at]),
                           blocks.chunk_start(chunk));
              }
              merged(group, i, merger.result());
            }
          }
        });
  };
  // The outcome of the last step waits for its turn in out's order of offsets.
  std::vector<Reduced> results(static_cast<std::size_t>(blocks.groups() * capacity));
  const auto keep = [&](Index group, Index i, const Reduced& reduced) {
    results[static_cast<std::size_t>(group * capacity + i)] = reduced;
  };
  if (has_second) {
    run_step(first, [&](Index group, Index i, const Reduced& reduced) {
      p.data()[group * capacity + i] = parameter(reduced);
    });
    has_parameter = true;
    run_step(second, keep);
  } else {
    run_step(first, keep);
  }
  for (Index group = 0; group < blocks.groups(); ++group) {
    blocks.for_each_output(group, [&](Index i, Index offset) {
      const Index at = group * capacity + i;
      emit(offset, results[static_cast<std::size_t>(at)], has_parameter ? p.data()[at] : T(0));
    });
  }
}

}  // namespace lamina::nn
