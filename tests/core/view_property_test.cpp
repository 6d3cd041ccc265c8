#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "lamina/core/array.hpp"

// Random chains of view operations against a model that knows no strides: the shape, and for every
// element, in row-major order, which element of the array it is.
namespace lamina {
namespace {

struct Model {
  std::vector<Index> shape;
  std::vector<std::int64_t> source;

  [[nodiscard]] int rank() const { return static_cast<int>(shape.size()); }
};

/// A model of `shape` whose element at `index` is the element of `from` at origin(index).
Model remap(const Model& from, const std::vector<Index>& shape,
            const std::function<std::vector<Index>(const std::vector<Index>&)>& origin) {
  Model to{shape, {}};
  const Index size =
      std::accumulate(shape.begin(), shape.end(), Index{1}, [](Index a, Index b) { return a * b; });
  for (Index flat = 0; flat < size; ++flat) {
    std::vector<Index> index(shape.size());
    Index rest = flat;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    const std::vector<Index> at = origin(index);
    Index position = 0;
    for (std::size_t axis = 0; axis < at.size(); ++axis) {
      position = position * from.shape[axis] + at[axis];
    }
    to.source.push_back(from.source[static_cast<std::size_t>(position)]);
  }
  return to;
}

Shape to_shape(const std::vector<Index>& extents) {
  return Shape(std::span<const Index>(extents));
}
IndexList to_list(const std::vector<Index>& values) {
  return IndexList(std::span<const Index>(values));
}

int pick(int below) {
  return *rc::gen::inRange(0, below);
}

/// The positions that Python's range(n)[start:stop:step] names.
std::vector<Index> python_slice(Index n, const Range& r) {
  std::vector<Index> positions;
  const auto inside = [&](Index i) { return i >= 0 && i < n; };
  const auto resolve = [&](Index p) { return p < 0 ? p + n : p; };
  Index start = r.start ? resolve(*r.start) : (r.step > 0 ? 0 : n - 1);
  const Index stop = r.stop ? std::max<Index>(resolve(*r.stop), -1) : (r.step > 0 ? n : -1);
  start = r.step > 0 ? std::max<Index>(start, 0) : std::min(start, n - 1);
  for (Index i = start; r.step > 0 ? i < stop : i > stop; i += r.step) {
    if (inside(i)) {
      positions.push_back(i);
    }
  }
  return positions;
}

std::optional<Index> maybe(int low, int high) {
  return pick(4) == 0 ? std::nullopt : std::optional<Index>(*rc::gen::inRange(low, high));
}

void slice_step(Model& model, View<std::int64_t>& view) {
  const auto axis = static_cast<std::size_t>(pick(model.rank()));
  const int n = static_cast<int>(model.shape[axis]);
  const Range range{maybe(-n - 2, n + 3), maybe(-n - 2, n + 3),
                    *rc::gen::element<Index>(1, 2, 3, -1, -2, -3)};
  const std::vector<Index> positions = python_slice(n, range);
  std::vector<Index> shape = model.shape;
  shape[axis] = static_cast<Index>(positions.size());
  model = remap(model, shape, [&](std::vector<Index> index) {
    index[axis] = positions[static_cast<std::size_t>(index[axis])];
    return index;
  });
  view = view.slice(static_cast<int>(axis), range);
}

void select_step(Model& model, View<std::int64_t>& view) {
  const auto axis = static_cast<std::size_t>(pick(model.rank()));
  if (model.shape[axis] == 0) {
    return;
  }
  const Index at = pick(static_cast<int>(model.shape[axis]));
  std::vector<Index> shape = model.shape;
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  const Index extent = model.shape[axis];
  model = remap(model, shape, [&](std::vector<Index> index) {
    index.insert(index.begin() + static_cast<std::ptrdiff_t>(axis), at);
    return index;
  });
  view = view.select(static_cast<int>(axis), pick(2) == 0 ? at : at - extent);
}

void permute_step(Model& model, View<std::int64_t>& view) {
  std::vector<Index> order(model.shape.size());
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<std::size_t>(pick(static_cast<int>(i)))]);
  }
  std::vector<Index> shape;
  for (const Index axis : order) {
    shape.push_back(model.shape[static_cast<std::size_t>(axis)]);
  }
  model = remap(model, shape, [&](const std::vector<Index>& index) {
    std::vector<Index> at(index.size());
    for (std::size_t i = 0; i < index.size(); ++i) {
      at[static_cast<std::size_t>(order[i])] = index[i];
    }
    return at;
  });
  view = view.permute(to_list(order));
}

void broadcast_step(Model& model, View<std::int64_t>& view) {
  std::vector<Index> shape = model.shape;
  for (Index& extent : shape) {
    extent = extent == 1 ? pick(4) : extent;
  }
  const bool added = shape.size() < 5;
  if (added) {
    shape.insert(shape.begin(), pick(3));
  }
  const std::vector<Index> old = model.shape;
  model = remap(model, shape, [&](std::vector<Index> index) {
    index.erase(index.begin(), index.begin() + (added ? 1 : 0));
    for (std::size_t i = 0; i < index.size(); ++i) {
      index[i] = old[i] == 1 ? 0 : index[i];
    }
    return index;
  });
  view = view.broadcast_to(to_shape(shape));
}

void extent_one_step(Model& model, View<std::int64_t>& view) {
  if (model.rank() < 5) {
    const int axis = pick(model.rank() + 1);
    model.shape.insert(model.shape.begin() + axis, 1);
    view = view.expand_dims(axis);
  } else {
    model.shape.erase(std::remove(model.shape.begin(), model.shape.end(), 1), model.shape.end());
    view = view.squeeze();
  }
}

/// A random shape with as many elements; the view may refuse it, and then its copy must not.
void reshape_step(Model& model, View<std::int64_t>& view, std::vector<Array<std::int64_t>>& owned) {
  Index rest = static_cast<Index>(model.source.size());
  std::vector<Index> shape;
  while (rest > 1 && shape.size() < 4) {
    std::vector<Index> divisors;
    for (Index d = 1; d <= rest; ++d) {
      if (rest % d == 0) {
        divisors.push_back(d);
      }
    }
    shape.push_back(divisors[static_cast<std::size_t>(pick(static_cast<int>(divisors.size())))]);
    rest /= shape.back();
  }
  shape.push_back(rest);
  model.shape = shape;
  try {
    view = view.reshape(to_list(shape));
  } catch (const Error&) {
    RC_ASSERT(!view.is_contiguous());
    owned.push_back(view.copy());
    view = owned.back().view().reshape(to_list(shape));
  }
}

TEST(ViewProperty, ChainsOfOperationsAgreeWithTheModel) {
  const bool holds = rc::check("chains of view operations", [] {
    std::vector<Index> shape(static_cast<std::size_t>(*rc::gen::inRange(1, 5)));
    for (Index& extent : shape) {
      extent = *rc::gen::inRange(0, 5);
    }
    std::vector<Array<std::int64_t>> owned;
    owned.reserve(16);
    owned.push_back(Array<std::int64_t>::arange(to_shape(shape).size()).reshape(to_shape(shape)));
    const Array<std::int64_t>& first = owned.front();
    View<std::int64_t> view = first;
    Model model{shape, first.to_vector()};
    const int steps = pick(8);
    for (int step = 0; step < steps; ++step) {
      const int kind = model.rank() == 0 ? 4 + pick(2) : pick(6);
      switch (kind) {
        case 0:
          slice_step(model, view);
          break;
        case 1:
          select_step(model, view);
          break;
        case 2:
          permute_step(model, view);
          break;
        case 3:
          reshape_step(model, view, owned);
          break;
        case 4:
          extent_one_step(model, view);
          break;
        default:
          if (model.source.size() < 1000) {
            broadcast_step(model, view);
          }
          break;
      }
      RC_ASSERT(view.shape() == to_shape(model.shape));
      RC_ASSERT(view.size() == static_cast<Index>(model.source.size()));
      RC_ASSERT(view.to_vector() == model.source);
    }
    const Array<std::int64_t> copy = view.copy();
    RC_ASSERT(copy.is_contiguous());
    RC_ASSERT(copy.to_vector() == model.source);
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace lamina
