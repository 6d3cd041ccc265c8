#pragma once

// f(...) and f_into(..., out) side by side: the same bits, into memory of any layout, and in place
// where that is allowed.

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "support/layouts.hpp"
#include "support/values.hpp"

namespace lamina::test {

template <class T>
struct Pair {
  using Views = std::vector<View<T>>;
  std::string name;
  std::vector<Shape> inputs;
  std::function<Array<T>(const Views&)> allocate;
  std::function<void(const Views&, const MutView<T>&)> into;
  std::set<std::size_t> in_place = {};
};

template <class T>
class Into : public ::testing::Test {
 public:
  static void check(const Pair<T>& pair) {
    SCOPED_TRACE(pair.name);
    std::vector<Array<T>> arrays;
    for (std::size_t i = 0; i < pair.inputs.size(); ++i) {
      arrays.push_back(testing::values<T>(pair.inputs[i], static_cast<std::uint32_t>(i + 1)));
      for (T& value : arrays.back()) {
        value = T(0.5) + T(0.2) * value;  // a probability
      }
    }
    const typename Pair<T>::Views views(arrays.begin(), arrays.end());
    const Array<T> expected = pair.allocate(views);
    for (auto& out : empty_layouts<T>(expected.shape(), T(-77))) {
      SCOPED_TRACE(out.name);
      pair.into(views, out.view);
      expect_same(out.view, expected);
    }
    for (const std::size_t i : pair.in_place) {
      SCOPED_TRACE(::testing::Message() << "in place of input " << i);
      Array<T> memory = arrays[i];
      typename Pair<T>::Views inputs = views;
      inputs[i] = memory.view();
      pair.into(inputs, memory);
      expect_same(memory, expected);
    }
  }

 private:
  static void expect_same(const View<T>& got, const Array<T>& want) {
    ASSERT_EQ(got.shape(), want.shape());
    auto it = want.begin();
    for (const T value : got) {
      ASSERT_EQ(value, *it);
      ++it;
    }
  }
};

}  // namespace lamina::test
