#include "lamina/core/view.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <numeric>
#include <vector>

#include "lamina/core/array.hpp"

namespace lamina {
namespace {

using Numbers = std::vector<std::int64_t>;

/// 0, 1, 2 ... in row-major order.
Array<std::int64_t> counting(const Shape& shape) {
  return Array<std::int64_t>::arange(shape.size()).reshape(shape);
}

TEST(View, DefaultIsUndefined) {
  const View<float> x;
  EXPECT_FALSE(x.defined());
  EXPECT_EQ(x.size(), 0);
  EXPECT_TRUE(x.empty());
  EXPECT_TRUE(x.to_vector().empty());
  EXPECT_EQ(x.begin(), x.end());
  EXPECT_FALSE(x.reshape({1}).defined()) << "what is derived from nothing is nothing";
}

TEST(View, RawPointerWithStrides) {
  const std::array<double, 8> memory{0, 1, 2, 3, 4, 5, 6, 7};
  const View<double> rows(memory.data(), Shape{2, 4});
  EXPECT_EQ(rows.strides(), (Strides{4, 1}));
  EXPECT_TRUE(rows.is_contiguous());
  EXPECT_EQ(rows(1, 2), 6);
  const View<double> padded(memory.data(), Shape{2, 3}, Strides{4, 1});
  EXPECT_FALSE(padded.is_contiguous());
  EXPECT_EQ(padded.to_vector(), (std::vector<double>{0, 1, 2, 4, 5, 6}));
  const View<double> backwards(memory.data() + 7, Shape{3}, Strides{-2});
  EXPECT_EQ(backwards.to_vector(), (std::vector<double>{7, 5, 3}));
}

TEST(View, AdaptsVectorsSpansAndStdArrays) {
  std::vector<float> values{1, 2, 3};
  const View<float> v = values;
  EXPECT_EQ(v.shape(), Shape{3});
  EXPECT_EQ(v.data(), values.data());
  const std::array<float, 2> pair{4, 5};
  EXPECT_EQ(View<float>(std::span<const float>(pair)).to_vector(), (std::vector<float>{4, 5}));
  const MutView<float> m = values;
  m(1) = 20;
  EXPECT_EQ(values[1], 20);
  MutView<float>(std::span<float>(values)).fill(7);
  EXPECT_EQ(values, (std::vector<float>{7, 7, 7}));
  EXPECT_EQ(View<float>(std::vector<float>().data(), Shape{0}).size(), 0);
}

/// What std::mdspan offers, of rank 2.
struct MdspanLike {
  const float* pointer;
  std::array<std::size_t, 2> extents;
  std::array<std::size_t, 2> steps;
  static constexpr std::size_t rank() { return 2; }
  [[nodiscard]] const float* data_handle() const { return pointer; }
  [[nodiscard]] std::size_t extent(std::size_t r) const { return extents[r]; }
  [[nodiscard]] std::size_t stride(std::size_t r) const { return steps[r]; }
};

TEST(View, AdaptsWhatIsShapedLikeMdspan) {
  const std::array<float, 6> memory{0, 1, 2, 3, 4, 5};
  const View<float> x(MdspanLike{memory.data(), {2, 3}, {1, 2}});
  EXPECT_TRUE(x.defined());
  EXPECT_EQ(x.shape(), (Shape{2, 3}));
  EXPECT_EQ(x.to_vector(), (std::vector<float>{0, 2, 4, 1, 3, 5}));
}

TEST(View, IndexingAndCheckedIndexing) {
  Array<std::int64_t> x = counting({2, 3});
  EXPECT_EQ(x(1, 2), 5);
  EXPECT_EQ(x.at(-1, -3), 3);
  x.at(0, 1) = 100;
  EXPECT_EQ(x(0, 1), 100);
  EXPECT_THROW((void)x.at(2, 0), Error);
  EXPECT_THROW((void)x.at(0, 3), Error);
  EXPECT_THROW((void)x.at(0), Error);
  const Array<std::int64_t> one = Array<std::int64_t>::scalar(9);
  EXPECT_EQ(one.at(), 9);
  EXPECT_EQ(one(), 9);
  EXPECT_EQ(one.item(), 9);
}

TEST(View, DimsDestructures) {
  const Array<float> x(Shape{2, 3, 4});
  const auto [a, b, c] = x.dims<3>("test");
  EXPECT_EQ(a, 2);
  EXPECT_EQ(b, 3);
  EXPECT_EQ(c, 4);
  EXPECT_EQ(x.extent(-1), 4);
  EXPECT_EQ(x.select(0, 0).rows(), 3);
  EXPECT_EQ(x.select(0, 0).cols(), 4);
}

struct SliceCase {
  Range range;
  Numbers expected;
};

// As Python's list(range(5))[start:stop:step].
TEST(View, SliceFollowsPython) {
  const Array<std::int64_t> x = counting({5});
  constexpr Index kHuge = std::numeric_limits<Index>::max();
  constexpr Index kLowest = std::numeric_limits<Index>::min();
  for (const SliceCase& c : std::vector<SliceCase>{
           {{}, {0, 1, 2, 3, 4}},
           {{1, 3}, {1, 2}},
           {{-2}, {3, 4}},
           {{std::nullopt, -2}, {0, 1, 2}},
           {{.step = 2}, {0, 2, 4}},
           {{1, std::nullopt, 3}, {1, 4}},
           {{.step = -1}, {4, 3, 2, 1, 0}},
           {{.step = -2}, {4, 2, 0}},
           {{3, 0, -1}, {3, 2, 1}},
           {{3, std::nullopt, -1}, {3, 2, 1, 0}},
           {{-1, -4, -2}, {4, 2}},
           {{0, 10}, {0, 1, 2, 3, 4}},
           {{-10, 2}, {0, 1}},
           {{7, 9}, {}},
           {{3, 1}, {}},
           {{1, 3, -1}, {}},
           {{10, std::nullopt, -2}, {4, 2, 0}},
           {{-10, std::nullopt, -1}, {}},
           {{2, -10, -1}, {2, 1, 0}},
           {{.step = kHuge}, {0}},
           {{.step = -kHuge}, {4}},
           {{.step = kLowest}, {4}},
           {{kHuge, kLowest, -1}, {4, 3, 2, 1, 0}},
       }) {
    EXPECT_EQ(x.slice(0, c.range).to_vector(), c.expected);
  }
  const Array<std::int64_t> none;
  EXPECT_EQ(none.slice(0, {.step = -1}).size(), 0);
  EXPECT_EQ(x.slice(0, {2}).to_vector(), (Numbers{2, 3, 4}));
  EXPECT_EQ(x.slice(0, {}).to_vector(), (Numbers{0, 1, 2, 3, 4}));
}

TEST(View, SliceOfOneAxisKeepsTheOthers) {
  const Array<std::int64_t> x = counting({3, 4});
  EXPECT_EQ(x.slice(-1, {.step = -3}).to_vector(), (Numbers{3, 0, 7, 4, 11, 8}));
  EXPECT_EQ(x.slice(1, 3).to_vector(), (Numbers{4, 5, 6, 7, 8, 9, 10, 11}));
  const View<std::int64_t> nothing = x.slice(0, {2, 1});
  EXPECT_EQ(nothing.shape(), (Shape{0, 4}));
  EXPECT_TRUE(nothing.is_contiguous());
}

TEST(View, SelectRowsColumnsAndTheTranspose) {
  const Array<std::int64_t> x = counting({2, 3, 2});
  EXPECT_EQ(x.select(1, -1).to_vector(), (Numbers{4, 5, 10, 11}));
  EXPECT_EQ(x.row(1).shape(), (Shape{3, 2}));
  EXPECT_EQ(x.col(0).to_vector(), (Numbers{0, 1, 6, 7}));
  EXPECT_EQ(x.t().shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(x.row(0).t().to_vector(), (Numbers{0, 2, 4, 1, 3, 5}));
}

TEST(View, PermuteAndSwapAxes) {
  const Array<std::int64_t> x = counting({2, 3, 4});
  const View<std::int64_t> y = x.permute({2, 0, 1});
  EXPECT_EQ(y.shape(), (Shape{4, 2, 3}));
  EXPECT_EQ(y(3, 1, 2), x(1, 2, 3));
  EXPECT_EQ(x.permute({-1, 0, 1}).to_vector(), y.to_vector());
  EXPECT_EQ(x.swap_axes(0, -1).shape(), (Shape{4, 3, 2}));
  EXPECT_THROW((void)x.permute({Index{1} << 32, 1, 2}), Error) << "not taken modulo 2^32";
}

TEST(View, ReshapeOfContiguousMemory) {
  const Array<std::int64_t> x = counting({2, 3, 4});
  EXPECT_EQ(x.reshape({4, -1}).shape(), (Shape{4, 6}));
  EXPECT_EQ(x.reshape({4, 6})(2, 1), 13);
  EXPECT_EQ(x.flatten().shape(), Shape{24});
  EXPECT_EQ(Array<float>(Shape{0, 3}).reshape({3, 0, 2}).shape(), (Shape{3, 0, 2}));
  EXPECT_EQ(Array<float>::scalar(2).reshape({1, 1}).shape(), (Shape{1, 1}));
}

TEST(View, ReshapeOfStridedViews) {
  const Array<std::int64_t> x = counting({4, 6});
  const View<std::int64_t> even = x.slice(0, {.step = 2});  // (2, 6), strides (12, 1)
  const View<std::int64_t> split = even.reshape({2, 2, 3});
  EXPECT_EQ(split.data(), x.data());
  EXPECT_EQ(split.to_vector(), even.to_vector());
  EXPECT_EQ(even.reshape({1, 2, 1, 6, 1}).to_vector(), even.to_vector());
  EXPECT_THROW((void)even.reshape({12}), Error);
  EXPECT_THROW((void)even.reshape({3, 4}), Error);
  EXPECT_EQ(x.slice(1, {.step = -1}).reshape({4, 2, 3}).to_vector(),
            x.slice(1, {.step = -1}).to_vector());
  EXPECT_EQ(x.t().reshape({2, 3, 4}).to_vector(), x.t().to_vector());
  const View<std::int64_t> repeated = x.row(0).broadcast_to(Shape{5, 6});
  EXPECT_EQ(repeated.reshape({5, 3, 2}).to_vector(), repeated.to_vector());
  EXPECT_THROW((void)repeated.reshape({30}), Error);
}

TEST(View, SqueezeAndExpandDims) {
  const Array<std::int64_t> x = counting({1, 3, 1});
  EXPECT_EQ(x.squeeze().shape(), Shape{3});
  EXPECT_EQ(x.squeeze(0).shape(), (Shape{3, 1}));
  EXPECT_EQ(x.squeeze(-1).shape(), (Shape{1, 3}));
  EXPECT_EQ(x.expand_dims(1).shape(), (Shape{1, 1, 3, 1}));
  EXPECT_EQ(x.expand_dims(-1).shape(), (Shape{1, 3, 1, 1}));
  EXPECT_TRUE(x.expand_dims(0).is_contiguous());
}

TEST(View, BroadcastTo) {
  const Array<std::int64_t> x = counting({3, 1});
  const View<std::int64_t> y = x.broadcast_to(Shape{2, 3, 2});
  EXPECT_EQ(y.to_vector(), (Numbers{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2}));
  EXPECT_FALSE(y.is_contiguous());
  EXPECT_EQ(x.broadcast_to(Shape{3, 0}).size(), 0);
  const Array<float> number = Array<float>::scalar(4);
  EXPECT_EQ(number.broadcast_to(Shape{2}).to_vector(), (std::vector<float>{4, 4}));
}

TEST(View, IterationIsRowMajor) {
  const Array<std::int64_t> x = counting({2, 3});
  Numbers seen;
  for (const std::int64_t value : x.t()) {
    seen.push_back(value);
  }
  EXPECT_EQ(seen, (Numbers{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(std::accumulate(x.t().begin(), x.t().end(), std::int64_t{0}), 15);
  static_assert(std::forward_iterator<View<float>::Iterator>);
}

TEST(MutView, FillAndAssign) {
  Array<std::int64_t> x = counting({3, 4});
  x.slice(1, {.step = 2}).fill(-1);
  EXPECT_EQ(x.to_vector(), (Numbers{-1, 1, -1, 3, -1, 5, -1, 7, -1, 9, -1, 11}));
  x.t().slice(0, {.step = -1}).assign(counting({4, 3}));
  EXPECT_EQ(x.to_vector(), (Numbers{9, 6, 3, 0, 10, 7, 4, 1, 11, 8, 5, 2}));
  x.assign(counting({4}));
  EXPECT_EQ(x.row(2).to_vector(), (Numbers{0, 1, 2, 3}));
  x.assign(x);
  EXPECT_EQ(x.row(1).to_vector(), (Numbers{0, 1, 2, 3}));
  EXPECT_THROW(x.row(0).assign(x.row(0).slice(0, {.step = -1})), Error);
}

TEST(Overlap, ToldFromTheElementsReached) {
  Array<float> x(Shape{4, 4});
  const Array<float> y(Shape{4, 4});
  const View<float> all = x.view();
  EXPECT_EQ(overlap(all, y.view()), Overlap::None);
  EXPECT_EQ(overlap(all, all), Overlap::Same);
  EXPECT_EQ(overlap(all, all.t()), Overlap::Partial);
  EXPECT_EQ(overlap(all.row(0), all.row(1)), Overlap::None);
  EXPECT_EQ(overlap(all.slice(0, 2), all.slice(1, 3)), Overlap::Partial);
  EXPECT_EQ(overlap(all.slice(0, {.step = -1}), all.row(3)), Overlap::Partial);
  EXPECT_EQ(overlap(all.row(0).slice(0, 0), all), Overlap::None);
  EXPECT_EQ(overlap(View<float>(), all), Overlap::None);
  // Axes of extent 1 have no say.
  EXPECT_EQ(overlap(all.slice(0, 1), View<float>(x.data(), Shape{1, 4}, Strides{99, 1})),
            Overlap::Same);
}

}  // namespace
}  // namespace lamina
