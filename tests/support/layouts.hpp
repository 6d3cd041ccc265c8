#pragma once

// The same elements in every memory layout a view can have.

#include <string>
#include <utility>
#include <vector>

#include "lamina/core/array.hpp"

namespace lamina::test {

/// A view together with the memory it looks at.
template <class T>
struct LaidOut {
  std::string name;
  Array<T> storage;
  MutView<T> view;
};

/// Storage for a view of `shape` in each layout, filled with `filler`.
template <class T>
std::vector<LaidOut<T>> empty_layouts(const Shape& shape, T filler) {
  std::vector<LaidOut<T>> all;
  const int rank = shape.rank();
  const auto add = [&](std::string name, const Shape& stored, auto&& make_view) {
    LaidOut<T> one{std::move(name), Array<T>::full(stored, filler), {}};
    one.view = make_view(one.storage.view());  // a moved array keeps its memory
    all.push_back(std::move(one));
  };
  add("contiguous", shape, [](const MutView<T>& v) { return v; });
  if (rank >= 2) {
    IndexList backwards = shape;
    Axes order = shape;
    for (int i = 0; i < rank; ++i) {
      backwards[i] = shape[rank - 1 - i];
      order[i] = rank - 1 - i;
    }
    add("transposed", Shape(backwards), [&](const MutView<T>& v) { return v.permute(order); });
    IndexList rotated = shape;
    for (int i = 0; i < rank; ++i) {
      rotated[i] = shape[(i + 1) % rank];
      order[i] = (i + rank - 1) % rank;
    }
    add("rotated", Shape(rotated), [&](const MutView<T>& v) { return v.permute(order); });
  }
  if (rank >= 1) {
    IndexList doubled = shape;
    IndexList padded = shape;
    for (int i = 0; i < rank; ++i) {
      doubled[i] = 2 * shape[i];
      padded[i] = shape[i] + 3;
    }
    add("every second", Shape(doubled), [&](MutView<T> v) {
      for (int i = 0; i < rank; ++i) {
        v = v.slice(i, {.start = 1, .step = 2});
      }
      return v;
    });
    add("window", Shape(padded), [&](MutView<T> v) {
      for (int i = 0; i < rank; ++i) {
        v = v.slice(i, {1, shape[i] + 1});
      }
      return v;
    });
    add("reversed", shape, [&](MutView<T> v) {
      for (int i = 0; i < rank; ++i) {
        v = v.slice(i, {.step = -1});
      }
      return v;
    });
  }
  return all;
}

/// `x` in each layout.
template <class T>
std::vector<LaidOut<T>> layouts_of(const View<T>& x, T filler = T{}) {
  auto all = empty_layouts<T>(x.shape(), filler);
  for (auto& one : all) {
    one.view.assign(x);
  }
  return all;
}

}  // namespace lamina::test
