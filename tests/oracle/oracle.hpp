#pragma once

// Runs the cases of one family's file (written by its generate_*.py) through the library and
// compares results and gradients with PyTorch's in float64. The operations run on the tape, so that
// each case checks the forward pass, the gradient functions and the tape at once. Inputs are
// numbers that float holds, so that the float versions are held to the same results at float's
// precision.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lamina/autograd/ops_shape.hpp"
#include "lamina/io/npz.hpp"
#include "support/expect.hpp"

namespace lamina::oracle {

template <class T>
using Inputs = std::vector<Var<T>>;
template <class T>
using Run = std::function<Var<T>(const Inputs<T>&)>;

/// One computation of the file. `slack` widens the tolerance where the formula itself is
/// ill-conditioned.
template <class T>
struct Case {
  Run<T> run;
  double slack = 1;
};
template <class T>
using Cases = std::map<std::string, Case<T>>;

/// The family's file.
inline const io::NamedArrays& file() {
  static const io::NamedArrays arrays = io::load_npz(LAMINA_TEST_ORACLE);
  return arrays;
}

/// "a/b/c" of the parts.
template <class... Parts>
std::string key(std::string first, const Parts&... parts) {
  const auto text = [](const auto& part) {
    if constexpr (std::is_convertible_v<decltype(part), std::string_view>) {
      return std::string(part);
    } else {
      return std::to_string(part);
    }
  };
  ((first.append(1, '/').append(text(parts))), ...);
  return first;
}

/// "in3" of "in" and 3.
inline std::string numbered(std::string name, std::size_t i) {
  return name.append(std::to_string(i));
}

/// Numbers of the file that are stored as float.
template <class T>
Array<T> numbers(const std::string& name) {
  return file().get<float>(name).astype<T>();
}
inline const Array<std::int64_t>& integers(const std::string& name) {
  return file().get<std::int64_t>(name);
}
inline const Array<bool>& flags(const std::string& name) {
  return file().get<bool>(name);
}

/// Each side rounds a few dozen times; what cancels is bounded by the largest element.
template <class T>
void expect_close(const View<T>& got, const Array<double>& want, double slack = 1) {
  ASSERT_EQ(got.shape(), want.shape());
  double scale = 0;
  for (const double v : want) {
    scale = std::max(scale, std::abs(v));
  }
  const double tolerance = 64 * slack * std::numeric_limits<T>::epsilon();
  auto it = want.begin();
  for (const T v : got) {
    ASSERT_NEAR(static_cast<double>(v), *it,
                tolerance * (std::abs(*it) + std::max(1e-3, 0.05 * scale)));
    ++it;
  }
}

/// How the inputs of a case lie in memory.
enum class Layout : std::uint8_t { Contiguous, Transposed, Stepped, Reversed };

/// A leaf whose memory lies so, and the input that looks at it; `repeats`: axis 0 has stride 0.
template <class T>
Var<T> lay_out(const Array<T>& x, Layout layout, bool repeats) {
  if (repeats) {
    return autograd::broadcast_to(Var<T>(Array<T>(x.slice(0, {0, 1})), true), x.shape());
  }
  const int rank = x.rank();
  if (layout == Layout::Transposed) {
    Axes order;
    for (int i = 0; i < rank; ++i) {
      order.push_back(rank - 1 - i);
    }
    return autograd::permute(Var<T>(Array<T>(x.permute(order)), true), order);
  }
  if (layout == Layout::Reversed) {
    View<T> backwards = x;
    for (int i = 0; i < rank; ++i) {
      backwards = backwards.slice(i, {.step = -1});
    }
    Var<T> var(Array<T>(backwards), true);
    for (int i = 0; i < rank; ++i) {
      var = autograd::slice(var, i, {.step = -1});
    }
    return var;
  }
  if (layout == Layout::Stepped) {
    IndexList doubled = x.shape();
    for (int i = 0; i < rank; ++i) {
      doubled[i] *= 2;
    }
    // What lies between must not be read.
    Array<T> storage = Array<T>::full(Shape(doubled), std::numeric_limits<T>::quiet_NaN());
    MutView<T> view = storage.view();
    for (int i = 0; i < rank; ++i) {
      view = view.slice(i, {.start = 1, .step = 2});
    }
    view.assign(x);
    Var<T> var(std::move(storage), true);
    for (int i = 0; i < rank; ++i) {
      var = autograd::slice(var, i, {.start = 1, .step = 2});
    }
    return var;
  }
  return Var<T>(x, true);
}

template <class T>
void check_case(const std::string& name, const Case<T>& one, Layout layout) {
  const bool repeats = name.ends_with("/broadcast");
  Inputs<T> inputs;
  for (std::size_t i = 0; file().find(key(name, numbered("in", i))) != nullptr; ++i) {
    const Array<T> x = numbers<T>(key(name, numbered("in", i)));
    Var<T> input = lay_out<T>(x, x.rank() == 0 ? Layout::Contiguous : layout, repeats && i == 0);
    input.retain_grad();
    inputs.push_back(std::move(input));
  }
  ASSERT_FALSE(inputs.empty());
  const Var<T> y = one.run(inputs);
  expect_close<T>(y.value(), file().get<double>(key(name, "y")), one.slack);
  y.backward(numbers<T>(key(name, "dy")));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    SCOPED_TRACE(numbered("gradient of input ", i));
    const std::string gradient = key(name, numbered("g", i));
    expect_close<T>(inputs[i].grad(), file().get<double>(gradient), one.slack);
  }
}

/// Every case in every layout, and on every SIMD target.
template <class T>
void check_all(const Cases<T>& cases) {
  for (const auto& entry : cases) {
    const std::string& name = entry.first;
    const Case<T>& one = entry.second;
    SCOPED_TRACE(name);
    for (const Layout layout :
         {Layout::Contiguous, Layout::Transposed, Layout::Stepped, Layout::Reversed}) {
      SCOPED_TRACE(numbered("layout ", static_cast<std::size_t>(layout)));
      check_case<T>(name, one, layout);
    }
    test::for_each_target([&] { check_case<T>(name, one, Layout::Contiguous); });
    if (::testing::Test::HasFatalFailure()) {
      return;
    }
  }
}

/// The file holds these cases and no others.
template <class T>
void expect_complete(const Cases<T>& cases) {
  std::set<std::string> in_file;
  for (const io::NamedArray& array : file()) {
    if (array.name.ends_with("/y")) {
      in_file.insert(array.name.substr(0, array.name.size() - 2));
    }
  }
  for (const std::string& name : in_file) {
    EXPECT_TRUE(cases.contains(name)) << name << " is not run";
  }
  for (const auto& [name, one] : cases) {
    EXPECT_TRUE(in_file.contains(name)) << name << " is not in the file";
  }
}

}  // namespace lamina::oracle

/// The tests of a family whose cases `all_cases<T>()` gives.
#define LAMINA_ORACLE_TESTS(Family)                                 \
  TEST(Family, FloatAsPyTorch) {                                    \
    ::lamina::oracle::check_all<float>(all_cases<float>());         \
  }                                                                 \
  TEST(Family, DoubleAsPyTorch) {                                   \
    ::lamina::oracle::check_all<double>(all_cases<double>());       \
  }                                                                 \
  TEST(Family, EveryCaseOfTheFileRuns) {                            \
    ::lamina::oracle::expect_complete<double>(all_cases<double>()); \
  }
