#include "lamina/core/error.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "lamina/core/array.hpp"
#include "lamina/core/random.hpp"

// The full text of every error that core raises.
namespace lamina {
namespace {

struct ErrorCase {
  ErrorKind kind;
  std::string message;
  std::function<void()> call;
};

void expect_error(const ErrorCase& expected) {
  try {
    expected.call();
    ADD_FAILURE() << "no error; expected: " << expected.message;
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), expected.message);
    EXPECT_EQ(to_string(error.kind()), to_string(expected.kind)) << expected.message;
  }
}

constexpr ErrorKind kShape = ErrorKind::DimensionMismatch;
constexpr ErrorKind kArgument = ErrorKind::InvalidOperation;
constexpr ErrorKind kIndex = ErrorKind::IndexOutOfBounds;

TEST(Error, KindsHaveNames) {
  const std::array<std::string, 7> names{"DimensionMismatch", "InvalidOperation", "ConversionError",
                                         "IndexOutOfBounds",  "ParseError",       "IoError",
                                         "Unsupported"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(to_string(static_cast<ErrorKind>(i)), names[i]);
  }
}

TEST(Error, IsARuntimeErrorAndCopiesWithoutThrowing) {
  static_assert(std::is_base_of_v<std::runtime_error, Error>);
  static_assert(std::is_nothrow_copy_constructible_v<Error>);
}

TEST(Error, CheckStreamsItsPartsOnFailureOnly) {
  EXPECT_NO_THROW(check(true, kShape, "op", "unused"));
  expect_error({kShape, "op: x (2, 3), n 4", [] {
                  check(false, kShape, "op", "x ", Shape{2, 3}, ", n ", 4);
                }});
}

TEST(ErrorText, Shapes) {
  const std::vector<Index> nine(9, 1);
  const Array<float> deep(Shape{1, 1, 1, 1, 1, 1, 1, 1});
  for (const ErrorCase& c : std::vector<ErrorCase>{
           {kShape, "shape: rank is at most 8, got 9",
            [&] { (void)Shape(std::span<const Index>(nine)); }},
           {kShape, "shape: extents must not be negative, got (2, -1)",
            [] {
              (void)Shape{2, -1};
            }},
           {kShape, "shape: too many elements in (4294967296, 4294967296)",
            [] {
              (void)Shape{Index{1} << 32, Index{1} << 32};
            }},
           {kShape, "shape: too many elements in (0, 4294967296, 4294967296)",
            [] {
              (void)Shape{0, Index{1} << 32, Index{1} << 32};
            }},
           {kShape, "shape: rank is at most 8", [&] { (void)deep.expand_dims(0); }},
           {kIndex, "op: axis 2 is out of range for rank 2",
            [] { (void)normalize_axis(2, 2, "op"); }},
           {kIndex, "op: axis -3 is out of range for rank 2",
            [] { (void)normalize_axis(-3, 2, "op"); }},
           {kShape, "op: shapes (2, 3) and (4,) do not broadcast",
            [] {
              (void)broadcast_shapes(Shape{2, 3}, Shape{4}, "op");
            }},
       }) {
    expect_error(c);
  }
}

TEST(ErrorText, Views) {
  const Array<float> x(Shape{2, 3});
  const View<float> nothing;
  for (const ErrorCase& c : std::vector<ErrorCase>{
           {kShape, "View: shape (2, 3) and strides (1,) differ in rank",
            [&] {
              (void)View<float>(x.data(), Shape{2, 3}, Strides{1});
            }},
           {kIndex, "at: index (2, 0) is out of range for shape (2, 3)", [&] { (void)x.at(2, 0); }},
           {kIndex, "at: index (0, -4) is out of range for shape (2, 3)",
            [&] { (void)x.at(0, -4); }},
           {kIndex, "at: index (1) is out of range for shape (2, 3)", [&] { (void)x.at(1); }},
           {kShape, "item: needs exactly one element, got shape (2, 3)", [&] { (void)x.item(); }},
           {kShape, "conv2d: x must have rank 4, got shape (2, 3)",
            [&] { (void)x.dims<4>("conv2d"); }},
           {kShape, "conv2d: weight must have rank 4, got shape ()",
            [&] { (void)nothing.dims<4>("conv2d", "weight"); }},
           {kShape, "rows: x must have rank 2, got shape (3,)", [&] { (void)x.row(0).rows(); }},
           {kIndex, "extent: axis 2 is out of range for rank 2", [&] { (void)x.extent(2); }},
           {kIndex, "slice: axis 2 is out of range for rank 2", [&] { (void)x.slice(2, {}); }},
           {kArgument, "slice: step must not be 0", [&] { (void)x.slice(0, {.step = 0}); }},
           {kIndex, "select: index 3 is out of range for axis 1 of shape (2, 3)",
            [&] { (void)x.select(-1, 3); }},
           {kIndex, "select: index -3 is out of range for axis 0 of shape (2, 3)",
            [&] { (void)x.row(-3); }},
           {kShape, "permute: order (0,) does not name every axis of shape (2, 3) once",
            [&] { (void)x.permute({0}); }},
           {kShape, "permute: order (1, 1) does not name every axis of shape (2, 3) once",
            [&] {
              (void)x.permute({1, 1});
            }},
           {kIndex, "permute: axis 2 is out of range for rank 2",
            [&] {
              (void)x.permute({0, 2});
            }},
           {kIndex, "swap_axes: axis 5 is out of range for rank 2",
            [&] { (void)x.swap_axes(0, 5); }},
           {kArgument, "reshape: more than one -1 in (-1, -1)",
            [&] {
              (void)x.reshape({-1, -1});
            }},
           {kShape, "reshape: extents must not be negative, got (-2, 3)",
            [&] {
              (void)x.reshape({-2, 3});
            }},
           {kShape, "reshape: cannot reshape (2, 3) to (4, -1)",
            [&] {
              (void)x.reshape({4, -1});
            }},
           {kShape, "reshape: cannot reshape (2, 3) to (0, -1)",
            [&] {
              (void)x.reshape({0, -1});
            }},
           {kShape, "reshape: cannot reshape (2, 3) with 6 elements to (7,)",
            [&] { (void)x.reshape({7}); }},
           {kArgument,
            "reshape: a view of shape (3, 2) and strides (1, 3) cannot become (6,) without "
            "copying; call copy() first",
            [&] { (void)x.t().reshape({6}); }},
           {kShape, "squeeze: axis 1 of shape (2, 3) is not 1", [&] { (void)x.squeeze(1); }},
           {kIndex, "expand_dims: axis 3 is out of range for rank 3",
            [&] { (void)x.expand_dims(3); }},
           {kShape, "broadcast_to: shape (2, 3) does not broadcast to (3,)",
            [&] { (void)x.broadcast_to(Shape{3}); }},
           {kShape, "broadcast_to: shape (2, 3) does not broadcast to (4, 3)",
            [&] {
              (void)x.broadcast_to(Shape{4, 3});
            }},
       }) {
    expect_error(c);
  }
}

TEST(ErrorText, Arrays) {
  Array<float> x(Shape{2, 3});
  const Array<float> wide(Shape{2, 4});
  const View<float> nothing;
  for (const ErrorCase& c : std::vector<ErrorCase>{
           {kShape, "Array: braced lists of one level differ in length",
            [] {
              (void)Array<float>{{1, 2}, {3}};
            }},
           {kShape, "Array: numbers and lists are mixed on one level",
            [] {
              (void)Array<float>{{1, 2}, 3};
            }},
           {kShape, "Array: numbers and lists are mixed on one level",
            [] {
              (void)Array<float>{1, {2, 3}};
            }},
           {kShape, "from_shape_vec: shape (2, 2) needs 4 values, got 3",
            [] {
              (void)Array<float>::from_shape_vec(Shape{2, 2}, {1, 2, 3});
            }},
           {kShape, "from_shape_fn: function takes 2 indices, shape is (3,)",
            [] {
              (void)Array<float>::from_shape_fn(Shape{3}, [](Index i, Index j) { return i + j; });
            }},
           {kArgument, "arange: step must not be 0", [] { (void)Array<float>::arange(0, 1, 0); }},
           {kArgument, "arange: start, stop and step give no finite number of elements",
            [] { (void)Array<double>::arange(0, 1, 1e-300); }},
           {kArgument, "linspace: count must not be negative, got -1",
            [] { (void)Array<float>::linspace(0, 1, -1); }},
           {kArgument, "copy: the view is not defined", [&] { (void)nothing.copy(); }},
           {kArgument, "astype: the view is not defined", [&] { (void)nothing.astype<double>(); }},
           {ErrorKind::ConversionError,
            "astype: the value nan does not fit an integer from -2147483648 to 2147483647",
            [] {
              (void)Array<double>{std::numeric_limits<double>::quiet_NaN()}.astype<std::int32_t>();
            }},
           {ErrorKind::ConversionError,
            "astype: the value 256 does not fit an integer from 0 to 255",
            [] { (void)Array<float>{256}.astype<std::uint8_t>(); }},
           {ErrorKind::ConversionError,
            "astype: the value -1 does not fit an integer from 0 to 255",
            [] { (void)Array<std::int64_t>{-1}.astype<std::uint8_t>(); }},
           {kArgument, "assign: the source is not defined", [&] { x.assign(nothing); }},
           {kArgument, "assign: source and target overlap in part",
            [&] { x.assign(x.slice(1, {.step = -1})); }},
           {kShape, "broadcast_to: shape (4,) does not broadcast to (2, 3)",
            [&] { x.assign(Array<float>(Shape{4})); }},
           {kArgument, "concatenate: needs at least one array",
            [] { (void)concatenate<float>({}); }},
           {kShape, "concatenate: shapes (2, 3) and (2, 4) differ outside axis 0",
            [&] {
              (void)concatenate<float>({x, wide});
            }},
           {kIndex, "concatenate: axis 2 is out of range for rank 2",
            [&] { (void)concatenate<float>({x.view()}, 2); }},
           {kArgument, "concatenate: a part is not defined",
            [&] {
              (void)concatenate<float>({x.view(), nothing});
            }},
           {kArgument, "stack: needs at least one array", [] { (void)stack<float>({}); }},
           {kShape, "stack: shapes (2, 3) and (3,) differ",
            [&] {
              (void)stack<float>({x.view(), x.row(0)});
            }},
           {kArgument, "stack: a part is not defined",
            [&] {
              (void)stack<float>({x.view(), nothing});
            }},
       }) {
    expect_error(c);
  }
  EXPECT_THROW((void)Array<double>::empty(Shape{Index{1} << 62}), std::bad_alloc);
}

TEST(ErrorText, Random) {
  Generator g(1);
  Array<float> number = Array<float>::scalar(1);
  for (const ErrorCase& c : std::vector<ErrorCase>{
           {kArgument, "uniform: low must not exceed high, both finite, got 2 and 1",
            [&] { (void)g.uniform(2.0, 1.0); }},
           {kArgument, "below: n must be positive, got 0", [&] { (void)g.below(0); }},
           {kArgument, "bernoulli: p must be between 0 and 1, got 1.5",
            [&] { (void)g.bernoulli(1.5); }},
           {kArgument, "random_uniform: low must not exceed high, both finite, got 0 and inf",
            [&] {
              (void)random_uniform<float>(Shape{2}, g, 0, std::numeric_limits<float>::infinity());
            }},
           {kArgument, "random_normal: the deviation must not be negative, got -1",
            [&] { (void)random_normal<float>(Shape{2}, g, 0, -1); }},
           {kArgument, "random_integers: low must be less than high, got 3 and 3",
            [&] { (void)random_integers(Shape{2}, g, 3, 3); }},
           {kArgument, "random_bernoulli: p must be between 0 and 1, got -1",
            [&] { (void)random_bernoulli(Shape{2}, g, -1); }},
           {kArgument, "permutation: n must not be negative, got -1",
            [&] { (void)permutation(-1, g); }},
           {kShape, "shuffle: a single number has no axis to shuffle", [&] { shuffle(number, g); }},
       }) {
    expect_error(c);
  }
  EXPECT_EQ(g.state(), Generator(1).state()) << "a failing call takes no words";
}

}  // namespace
}  // namespace lamina
