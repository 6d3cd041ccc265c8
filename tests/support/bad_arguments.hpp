#pragma once

// Calls a function with each of its arguments spoiled in turn and demands an Error that names the
// function, thrown before anything is written.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lamina/core/array.hpp"
#include "lamina/core/error.hpp"
#include "support/values.hpp"

namespace lamina::test {

/// A function of views that writes to `out`, arguments that fit, and what may be changed about them
/// alone.
struct Operation {
  using Views = std::vector<View<float>>;

  std::string name;           ///< how its messages begin
  std::vector<Shape> inputs;  ///< shapes that fit
  Shape out;
  std::function<void(const Views&, const MutView<float>&)> run;
  std::set<std::size_t> optional = {};  ///< inputs that may be undefined
  /// Changes that are legal, as "1+" (input 1 with one more axis), "1-" (one less), "1:0" (another
  /// extent of axis 0).
  std::set<std::string> legal = {};
  /// Inputs that `out` may be, as a whole.
  std::set<std::size_t> in_place = {};
  /// Changes of out that are legal, as ":0".
  std::set<std::string> free_out = {};
  bool allocates = false;     ///< there is no out
  bool optional_out = false;  ///< one of several results, computed only if asked for
};

class BadArguments {
 public:
  static void check(const Operation& operation) {
    SCOPED_TRACE(operation.name);
    const BadArguments one(operation);
    one.good();
    for (std::size_t i = 0; i < operation.inputs.size(); ++i) {
      if (!operation.optional.contains(i)) {
        one.expect_refused(i, View<float>(), "undefined");
      }
      one.spoil_shape(i);
      one.overlap(i);
    }
    if (!operation.allocates) {
      one.spoil_out();
    }
  }

 private:
  static constexpr float kUntouched = -77.25F;

  explicit BadArguments(const Operation& operation) : operation_(operation) {
    for (const Shape& shape : operation.inputs) {
      arrays_.push_back(numbers(shape));
    }
  }

  template <class... Parts>
  static std::string text(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
  }

  /// Between 0.1 and 0.9: legal as probabilities and as variances.
  static Array<float> numbers(const Shape& shape) {
    Array<float> x = testing::values<float>(shape, 1);
    for (float& value : x) {
      value = 0.5F + 0.2F * value;
    }
    return x;
  }

  [[nodiscard]] Operation::Views views() const {
    Operation::Views all;
    for (const Array<float>& array : arrays_) {
      all.push_back(array.view());
    }
    return all;
  }

  /// The arguments do fit, and all of out is written.
  void good() const {
    Array<float> out = Array<float>::full(operation_.out, kUntouched);
    ASSERT_NO_THROW(operation_.run(views(), out));
    EXPECT_TRUE(operation_.allocates || std::count(out.begin(), out.end(), kUntouched) == 0);
  }

  /// Runs with these arguments: an Error must come, and `memory` must stay as it is.
  void refuse(const Operation::Views& inputs, const MutView<float>& out, const Array<float>& memory,
              const std::string& what) const {
    const Array<float> before = memory;
    try {
      operation_.run(inputs, out);
      ADD_FAILURE() << what << " is accepted";
      return;
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(operation_.name))
          << what << ": the message does not name the operation: " << error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << what << ": no lamina::Error but " << error.what();
    }
    EXPECT_TRUE(memory.size() == 0 ||
                std::memcmp(before.data(), memory.data(),
                            static_cast<std::size_t>(memory.size()) * sizeof(float)) == 0)
        << what << ": something was written";
  }

  void expect_refused(std::size_t i, const View<float>& input, const std::string& what) const {
    Operation::Views inputs = views();
    inputs[i] = input;
    Array<float> out = Array<float>::full(operation_.out, kUntouched);
    refuse(inputs, out, out, text("input ", i, " ", what));
  }

  /// "one more axis" and the like, with the key under which it may be legal.
  template <class F>
  static void for_each_other_shape(const Shape& shape, F&& body) {
    if (shape.rank() < kMaxRank) {
      IndexList longer = shape;
      longer.insert(0, 1);
      body("+", Shape(longer));
    }
    if (shape.rank() > 0) {
      IndexList shorter = shape;
      shorter.erase(0);
      body("-", Shape(shorter));
    }
    for (int axis = 0; axis < shape.rank(); ++axis) {
      IndexList other = shape;
      ++other[axis];
      body(text(":", axis), Shape(other));
    }
  }

  void spoil_shape(std::size_t i) const {
    for_each_other_shape(operation_.inputs[i], [&](const std::string& how, const Shape& shape) {
      if (!operation_.legal.contains(text(i, how))) {
        const Array<float> other = numbers(shape);
        expect_refused(i, other,
                       text("of shape ", shape, " for ", operation_.inputs[i], " (", i, how, ")"));
      }
    });
  }

  void spoil_out() const {
    if (!operation_.optional_out) {
      refuse(views(), MutView<float>(), Array<float>(), "undefined out");
    }
    for_each_other_shape(operation_.out, [&](const std::string& how, const Shape& shape) {
      if (operation_.free_out.contains(how)) {
        return;
      }
      Array<float> out = Array<float>::full(shape, kUntouched);
      refuse(views(), out, out, text("out of shape ", shape));
    });
    if (operation_.out.size() > 1) {
      Array<float> one = Array<float>::full(Shape{1}, kUntouched);
      Strides zero = contiguous_strides(operation_.out);
      for (int axis = 0; axis < operation_.out.rank(); ++axis) {
        zero[axis] = 0;
      }
      refuse(views(), MutView<float>(one.data(), operation_.out, zero), one, "an out of stride 0");
    }
  }

  /// out over the memory of input i: shifted by one element, and, unless in place, as a whole.
  void overlap(std::size_t i) const {
    if (operation_.allocates) {
      return;
    }
    const Index n = arrays_[i].size();
    const Index m = operation_.out.size();
    if (n == 0 || m == 0) {
      return;
    }
    for (const Index shift : {1, 0}) {
      if (shift == 0 && operation_.in_place.contains(i)) {
        continue;
      }
      if (shift >= n) {
        continue;
      }
      Array<float> storage = Array<float>::full(Shape{std::max(n, m + shift)}, 0.5F);
      storage.slice(0, {0, n}).assign(arrays_[i].reshape({n}));
      Operation::Views inputs = views();
      inputs[i] = storage.slice(0, {0, n}).reshape(operation_.inputs[i]);
      const MutView<float> out = storage.slice(0, {shift, shift + m}).reshape(operation_.out);
      refuse(inputs, out, storage,
             text("an out that overlaps input ", i, shift == 0 ? " (whole)" : ""));
    }
  }

  const Operation& operation_;
  std::vector<Array<float>> arrays_;
};

}  // namespace lamina::test
