#include "nn/layout.hpp"

#include <cstdlib>

namespace lamina::nn::detail {

namespace {

// One axis of the joint space: its extent and each operand's stride along it.
struct Axis {
  Index extent = 1;
  std::array<Index, kMaxOperands> strides{};
};

// True if walking `outer` step by step is going on along `inner` beyond its end, for all operands.
bool continues(const Axis& outer, const Axis& inner, int count) {
  for (int k = 0; k < count; ++k) {
    const auto operand = static_cast<std::size_t>(k);
    if (outer.strides[operand] != inner.strides[operand] * inner.extent) return false;
  }
  return true;
}

}  // namespace

JointLayout join_layouts(const Shape& shape, const OperandLayout* operands, int count) noexcept {
  JointLayout layout;
  layout.operands = count;
  layout.size = shape.size();
  std::array<Axis, kMaxRank> axes;
  int used = 0;
  for (int i = 0; i < shape.rank() && layout.size > 0; ++i) {
    if (shape[i] == 1) continue;
    Axis axis;
    axis.extent = shape[i];
    for (int k = 0; k < count; ++k) {
      const Shape& own = *operands[k].shape;
      const int place = i - (shape.rank() - own.rank());
      axis.strides[static_cast<std::size_t>(k)] =
          place >= 0 && own[place] != 1 ? (*operands[k].strides)[place] : 0;
    }
    // Forwards through the output, from its other end where it is reversed.
    if (axis.strides[0] < 0) {
      for (int k = 0; k < count; ++k) {
        const auto operand = static_cast<std::size_t>(k);
        layout.start[operand] += (axis.extent - 1) * axis.strides[operand];
        axis.strides[operand] = -axis.strides[operand];
      }
    }
    // By falling stride of the output; equal ones stay in order.
    int at = used++;
    for (; at > 0 && axes[static_cast<std::size_t>(at - 1)].strides[0] < axis.strides[0]; --at) {
      axes[static_cast<std::size_t>(at)] = axes[static_cast<std::size_t>(at - 1)];
    }
    axes[static_cast<std::size_t>(at)] = axis;
  }
  // Merge, from the outermost on.
  int rank = 0;
  for (int i = 0; i < used; ++i) {
    const Axis& axis = axes[static_cast<std::size_t>(i)];
    if (rank > 0 && continues(axes[static_cast<std::size_t>(rank - 1)], axis, count)) {
      Axis& merged = axes[static_cast<std::size_t>(rank - 1)];
      merged.extent *= axis.extent;
      merged.strides = axis.strides;
    } else {
      axes[static_cast<std::size_t>(rank++)] = axis;
    }
  }
  layout.rank = std::max(rank, 1);
  if (rank == 0) {  // a single element, or none
    axes[0] = Axis{};
    axes[0].extent = std::min<Index>(layout.size, 1);
    axes[0].strides.fill(1);
  }
  for (int i = 0; i < layout.rank; ++i) {
    const auto axis = static_cast<std::size_t>(i);
    layout.extents[axis] = axes[axis].extent;
    for (std::size_t k = 0; k < kMaxOperands; ++k) {
      layout.strides[k][axis] = axes[axis].strides[k];
    }
  }
  return layout;
}

Walk::Walk(const JointLayout& layout, Index position) noexcept : layout_(&layout) {
  for (int i = layout.rank - 1; i >= 0; --i) {
    const auto axis = static_cast<std::size_t>(i);
    index_[axis] = position % layout.extents[axis];
    position /= layout.extents[axis];
    for (int k = 0; k < layout.operands; ++k) {
      const auto operand = static_cast<std::size_t>(k);
      offsets_[operand] += index_[axis] * layout.strides[operand][axis];
    }
  }
}

void Walk::advance(Index count) noexcept {
  for (int i = layout_->rank - 1; i >= 0; --i) {
    const auto axis = static_cast<std::size_t>(i);
    index_[axis] += count;
    const bool over = index_[axis] == layout_->extents[axis] && i > 0;
    for (int k = 0; k < layout_->operands; ++k) {
      const auto operand = static_cast<std::size_t>(k);
      offsets_[operand] += count * layout_->strides[operand][axis];
      offsets_[operand] -= over ? index_[axis] * layout_->strides[operand][axis] : 0;
    }
    if (!over) return;
    index_[axis] = 0;
    count = 1;
  }
}

}  // namespace lamina::nn::detail
