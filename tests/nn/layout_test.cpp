// The walk through several arrays at once, against a plain loop over indices.

#include "nn/layout.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace lamina::nn {
namespace {

using detail::join_layouts;
using detail::JointLayout;
using detail::map_elements;
using detail::OperandLayout;

/// Views of one shape with every kind of layout.
std::vector<View<float>> layouts_of(const Array<float>& storage, Index rows, Index cols) {
  const Array<float>& s = storage;
  const Index size = rows * cols;
  return {
      View<float>(s.data(), {rows, cols}),
      View<float>(s.data(), {cols, rows}).t(),
      View<float>(s.data(), {rows, cols}).slice(0, {std::nullopt, std::nullopt, -1}),
      View<float>(s.data(), {rows, cols}).slice(1, {std::nullopt, std::nullopt, -1}),
      View<float>(s.data() + size - 1, {rows, cols}, {-cols, -1}),
      View<float>(s.data(), {rows, cols}, {2 * cols + 1, 2}),
      View<float>(s.data(), {1, cols}).broadcast_to({rows, cols}),
      View<float>(s.data(), {rows, 1}).broadcast_to({rows, cols}),
      View<float>(s.data(), {1, 1}).broadcast_to({rows, cols}),
  };
}

const auto kSubtract = [](float* y, const float* a, const float* b, Index n) {
  for (Index i = 0; i < n; ++i) y[i] = a[i] - 2 * b[i];
};

TEST(Layout, EveryPairOfLayoutsIntoEveryOutput) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1},
                                   {1, 7},
                                   {7, 1},
                                   {3, 5},
                                   {70, 3},
                                   {3, 70},
                                   {65, 130},
                                   {2, 1100},
                                   {1100, 2}}) {
    const Index space = 2 * rows * (2 * cols + 1) + 8;
    const auto a = Array<float>::arange(0, static_cast<float>(space));
    const Array<float> b = Array<float>::from_shape_fn(
        {space}, [](Index i) { return static_cast<float>((i * 7919) % 1009); });
    const auto a_views = layouts_of(a, rows, cols);
    const auto b_views = layouts_of(b, rows, cols);
    Array<float> target(Shape{space});
    // The last three are broadcast, which an output cannot be.
    const auto out_views = layouts_of(target, rows, cols);
    for (std::size_t o = 0; o + 3 < out_views.size(); ++o) {
      const View<float>& layout = out_views[o];
      const MutView<float> out(const_cast<float*>(layout.data()), layout.shape(), layout.strides());
      for (std::size_t i = 0; i < a_views.size(); ++i) {
        const std::size_t j = (i * 4 + o) % b_views.size();
        target.fill(-1);
        map_elements(out, kSubtract, a_views[i], b_views[j]);
        Index wrong = 0;
        for (Index r = 0; r < rows; ++r) {
          for (Index c = 0; c < cols; ++c) {
            wrong += out(r, c) != a_views[i](r, c) - 2 * b_views[j](r, c);
          }
        }
        ASSERT_EQ(wrong, 0) << rows << " x " << cols << ", out " << o << ", a " << i << ", b " << j;
        Index written = 0;
        for (const float value : target) written += value != -1;
        ASSERT_LE(written, rows * cols);
      }
    }
  }
}

TEST(Layout, SmallerRanksAreBroadcast) {
  const Array<float> a{{1, 2, 3}, {4, 5, 6}};
  const Array<float> b{10, 20, 30};
  Array<float> out(Shape{4, 2, 3});
  map_elements(out.view(), kSubtract, a.view(), b.view());
  for (Index i = 0; i < 4; ++i) {
    EXPECT_EQ(out(i, 0, 0), 1 - 20);
    EXPECT_EQ(out(i, 1, 2), 6 - 60);
  }
}

TEST(Layout, EmptyAndScalar) {
  Array<float> none(Shape{0, 3});
  map_elements(none.view(), kSubtract, none.view(), none.view());
  map_elements(none.view().t(), kSubtract, none.view().t(), none.view().t());
  Array<float> one = Array<float>::scalar(0);
  const Array<float> five = Array<float>::scalar(5);
  map_elements(one.view(), kSubtract, five.view(), five.view());
  EXPECT_EQ(one.item(), -5);
}

TEST(Layout, EmptyOutputsAreWritable) {
  for (const Shape& shape : {Shape{3, 0}, Shape{0, 3}, Shape{2, 0, 4}}) {
    Array<float> out(shape);
    EXPECT_NO_THROW(detail::check_writable<float>(out, "test", "out")) << shape;
  }
  const Array<float> one{1};
  EXPECT_THROW(detail::check_writable(one.broadcast_to({4}), "test", "out"), Error);
}

TEST(Layout, OtherElementTypes) {
  const Array<float> a{{1, 2}, {3, 4}};
  const Array<std::uint8_t> keep{{1, 0}, {0, 1}};
  Array<float> out(Shape{2, 2});
  const auto select = [](float* y, const float* x, const std::uint8_t* k, Index n) {
    for (Index i = 0; i < n; ++i) y[i] = k[i] != 0 ? x[i] : 0;
  };
  map_elements(out.view(), select, a.view(), keep.view().t());
  EXPECT_EQ(out, (Array<float>{{1, 0}, {0, 4}}));
  map_elements(out.view(), select, a.view().t(), keep.view());
  EXPECT_EQ(out, (Array<float>{{1, 0}, {0, 4}}));
}

TEST(Layout, AxesAreJoined) {
  const Array<float> x(Shape{2, 3, 4, 5});
  const View<float> all[] = {x.view(), x.permute({2, 3, 0, 1}),
                             x.slice(1, {std::nullopt, std::nullopt, -1})};
  const int ranks[] = {1, 2, 3};
  for (int i = 0; i < 3; ++i) {
    const OperandLayout same[] = {{&all[i].shape(), &all[i].strides()},
                                  {&all[i].shape(), &all[i].strides()}};
    // An array beside itself is one run, whatever the order of its axes.
    EXPECT_EQ(join_layouts(all[i].shape(), same, 2).rank, 1) << i;
    const Array<float> fresh(all[i].shape());
    const OperandLayout pair[] = {{&fresh.shape(), &fresh.strides()},
                                  {&all[i].shape(), &all[i].strides()}};
    const JointLayout joined = join_layouts(all[i].shape(), pair, 2);
    EXPECT_EQ(joined.rank, ranks[i]) << i;
    EXPECT_EQ(joined.size, 120);
  }
}

TEST(Layout, InPlaceReversed) {
  Array<float> x = Array<float>::arange(0, 3000);
  const MutView<float> reversed = x.slice(0, {std::nullopt, std::nullopt, -1});
  const auto twice = [](float* y, const float* a, Index n) {
    for (Index i = 0; i < n; ++i) y[i] = 2 * a[i];
  };
  map_elements(reversed, twice, static_cast<const View<float>&>(reversed));
  for (Index i = 0; i < 3000; ++i) ASSERT_EQ(x(i), static_cast<float>(2 * i));
}

TEST(Layout, LongRunsOnSeveralThreads) {
  const Index size = 3 * detail::kElementGrain + 12345;
  const auto x = Array<float>::arange(0, static_cast<float>(size));
  Array<float> storage(Shape{size + 16});
  const auto plus_one = [](float* y, const float* a, Index n) {
    for (Index i = 0; i < n; ++i) y[i] = a[i] + 1;
  };
  for (const Index shift : {0, 3}) {
    storage.fill(-1);
    map_elements(storage.slice(shift, shift + size), plus_one, x.view());
    Index wrong = 0;
    for (Index i = 0; i < size; ++i) wrong += storage(i + shift) != x(i) + 1;
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(storage(size + shift), -1);
  }
}

}  // namespace
}  // namespace lamina::nn
