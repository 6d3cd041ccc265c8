#include "lamina/nn/recurrent.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "lamina/core/memory.hpp"
#include "lamina/nn/dropout.hpp"
#include "nn/recurrent_cases.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"

namespace lamina {
namespace {

using namespace test;
using nn::RecurrentDirection;

/// The error of a step is a few dozen roundings of sums of order 1; gates between -1 and 1 carry it
/// on without making it larger, relu with weights of norm up to 1.2 by little.
template <class T>
void expect_near(const View<T>& got, const View<double>& want, const char* what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  const double tolerance = 100 * static_cast<double>(std::numeric_limits<T>::epsilon());
  auto it = want.begin();
  for (const T value : got) {
    ASSERT_NEAR(static_cast<double>(value), *it, tolerance * (1 + std::abs(*it))) << what;
    ++it;
  }
}

template <class T>
void expect_as_reference(const Setting& s, const std::vector<Index>& lengths = {}) {
  SCOPED_TRACE(std::string(name_of(s.cell)) + ", steps " + std::to_string(s.steps) + ", batch " +
               std::to_string(s.batch) + ", features " + std::to_string(s.features) + ", hidden " +
               std::to_string(s.hidden));
  const auto want = reference_sequence(s.cell, s.x(), s.weights(), s.h0(), s.c0(), s.way, lengths);
  std::vector<OwnWeights<T>> weights;
  for (const auto& w : s.weights()) {
    weights.push_back(w.template as<T>());
  }
  nn::RecurrentOptions options = s.options();
  if (!lengths.empty()) {
    options.lengths = lengths;
  }
  const Array<T> x = s.x().template astype<T>();
  const Array<T> h0 = s.h0().template astype<T>();
  const Array<T> c0 = s.c0().template astype<T>();
  nn::RecurrentTrace<T> trace;
  for (nn::RecurrentTrace<T>* kept : {static_cast<nn::RecurrentTrace<T>*>(nullptr), &trace}) {
    const auto got = run<T>(s.cell, x, views_of(weights), h0, c0, options, kept);
    expect_near<T>(got.y, want.y, "y");
    expect_near<T>(got.h, want.h, "h");
    if (s.cell == Cell::Lstm) {
      expect_near<T>(got.c, want.c, "c");
    }
  }
}

template <class T>
class Recurrent : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Recurrent, Types);

TYPED_TEST(Recurrent, EveryCellAndDirectionOnEveryTarget) {
  for_each_target([] {
    for (const Cell cell : kCells) {
      for (const auto way :
           {RecurrentDirection::Forward, RecurrentDirection::Reverse, RecurrentDirection::Both}) {
        for (const Index layers : {1, 3}) {
          expect_as_reference<TypeParam>({.cell = cell, .layers = layers, .way = way});
        }
      }
    }
  });
}

TYPED_TEST(Recurrent, SizesAroundVectorsAndTiles) {
  for_each_target([] {
    for (const Cell cell : kCells) {
      for (const Index hidden : {1, 7, 8, 15, 16, 17, 33, 65}) {
        expect_as_reference<TypeParam>(
            {.cell = cell, .steps = 2, .batch = 2, .features = 3, .hidden = hidden});
      }
      for (const Index batch : {1, 4, 5, 14, 15, 29}) {
        expect_as_reference<TypeParam>(
            {.cell = cell, .steps = 2, .batch = batch, .features = 2, .hidden = 9});
      }
      for (const Index features : {0, 1, 17}) {
        expect_as_reference<TypeParam>({.cell = cell, .steps = 3, .features = features});
      }
      expect_as_reference<TypeParam>({.cell = cell, .steps = 1, .bias = false});
    }
  });
}

TYPED_TEST(Recurrent, PeepholesOnEveryTarget) {
  for_each_target([] {
    for (const auto way :
         {RecurrentDirection::Forward, RecurrentDirection::Reverse, RecurrentDirection::Both}) {
      expect_as_reference<TypeParam>({.layers = 2, .way = way, .peepholes = true});
      expect_as_reference<TypeParam>(
          {.steps = 5, .batch = 4, .way = way, .bias = false, .peepholes = true}, {2, 5, 0, 4});
    }
    for (const Index hidden : {1, 7, 8, 15, 16, 17, 33}) {
      expect_as_reference<TypeParam>(
          {.steps = 2, .batch = 2, .features = 3, .hidden = hidden, .peepholes = true});
    }
  });
  expect_as_reference<TypeParam>(
      {.steps = 300, .batch = 14, .features = 2, .hidden = 80, .peepholes = true});
}

TYPED_TEST(Recurrent, WideStatesAreCutByUnitsAndDepth) {
  // More than 512 units: products in two blocks; a step of 2^21 products and more: cut by units.
  for (const Cell cell : kCells) {
    expect_as_reference<TypeParam>(
        {.cell = cell, .steps = 2, .batch = 2, .features = 3, .hidden = 530});
    expect_as_reference<TypeParam>({.cell = cell,
                                    .steps = 2,
                                    .batch = cell == Cell::Lstm ? 6 : 24,
                                    .features = 3,
                                    .hidden = 300,
                                    .way = RecurrentDirection::Both});
  }
}

TYPED_TEST(Recurrent, LongSequencesInPieces) {
  // Gates of more than 2^20 elements are not held at once.
  for (const auto way : {RecurrentDirection::Forward, RecurrentDirection::Both}) {
    expect_as_reference<TypeParam>(
        {.steps = 700, .batch = 1, .features = 2, .hidden = 16, .way = way});
  }
  const Setting s{.steps = 300, .batch = 14, .features = 2, .hidden = 80};
  expect_as_reference<TypeParam>(s);
}

TYPED_TEST(Recurrent, LengthsOfItems) {
  for (const Cell cell : kCells) {
    for (const auto way :
         {RecurrentDirection::Forward, RecurrentDirection::Reverse, RecurrentDirection::Both}) {
      expect_as_reference<TypeParam>(
          {.cell = cell, .steps = 5, .batch = 4, .layers = 2, .way = way}, {2, 5, 0, 4});
    }
    expect_as_reference<TypeParam>({.cell = cell, .steps = 3}, {3, 3, 3});
  }
}

TYPED_TEST(Recurrent, WhatIsBeyondALengthNeverMatters) {
  using T = TypeParam;
  const Setting s{.steps = 4, .batch = 2, .way = RecurrentDirection::Both};
  const auto weights = s.weights();
  std::vector<OwnWeights<T>> own;
  for (const auto& w : weights) {
    own.push_back(w.template as<T>());
  }
  const std::vector<Index> lengths{2, 4};
  for (const Cell cell : {Cell::Lstm}) {
    nn::RecurrentOptions options = s.options();
    options.lengths = lengths;
    Array<T> x = s.x().template astype<T>();
    const auto want = run<T>(cell, x, views_of(own), {}, {}, options);
    for (Index t = 2; t < 4; ++t) {
      for (Index k = 0; k < s.features; ++k) {
        x(t, 0, k) = std::numeric_limits<T>::quiet_NaN();
      }
    }
    const auto got = run<T>(cell, x, views_of(own), {}, {}, options);
    EXPECT_EQ(got.y, want.y);
    EXPECT_EQ(got.h, want.h);
    EXPECT_EQ(got.c, want.c);
    // And none where it is seen.
    x(1, 0, 0) = std::numeric_limits<T>::quiet_NaN();
    const auto bad = run<T>(cell, x, views_of(own), {}, {}, options);
    EXPECT_TRUE(std::isnan(bad.h(0, 0, 0)));
    EXPECT_FALSE(std::isnan(bad.h(0, 1, 0)));
  }
}

TYPED_TEST(Recurrent, ViewsOfAllKinds) {
  using T = TypeParam;
  const Setting s{.steps = 3, .batch = 2, .features = 4, .hidden = 5};
  const OwnWeights<T> w = s.weights()[0].template as<T>();
  const Array<T> x = s.x().template astype<T>();
  const Array<T> h0 = s.h0().template astype<T>();
  const auto want = nn::lstm<T>(x, {w.views()}, h0);
  for (const auto& laid : layouts_of<T>(x, T(7))) {
    SCOPED_TRACE(laid.name);
    EXPECT_EQ(nn::lstm<T>(laid.view, {w.views()}, h0).y, want.y);
  }
  for (const auto& laid : layouts_of<T>(h0, T(7))) {
    SCOPED_TRACE(laid.name);
    EXPECT_EQ(nn::lstm<T>(x, {w.views()}, laid.view).y, want.y);
  }
  for (const auto& laid : layouts_of<T>(w.w_ih, T(7))) {
    SCOPED_TRACE(laid.name);
    nn::RecurrentWeights<T> views = w.views();
    views.w_ih = laid.view;
    EXPECT_TRUE(allclose(nn::lstm<T>(x, {views}, h0).y, want.y, 1e-5, 1e-6));
  }
  for (const auto& laid : layouts_of<T>(w.w_hh, T(7))) {
    nn::RecurrentWeights<T> views = w.views();
    views.w_hh = laid.view;
    EXPECT_EQ(nn::lstm<T>(x, {views}, h0).y, want.y) << laid.name;
  }
  const Array<T> turned = Array<T>(x.swap_axes(0, 1));
  const auto batch_first = nn::lstm<T>(turned, {w.views()}, h0, {}, {.batch_first = true});
  EXPECT_EQ(Array<T>(batch_first.y.swap_axes(0, 1)), want.y);
  EXPECT_EQ(batch_first.h, want.h);
  // One sequence without the axis of the batch.
  const auto one = nn::lstm<T>(x.select(1, 1), {w.views()}, h0.select(1, 1));
  EXPECT_EQ(one.y.shape(), (Shape{3, 5}));
  EXPECT_EQ(one.h.shape(), (Shape{1, 5}));
  EXPECT_TRUE(allclose(one.y, want.y.select(1, 1), 1e-5, 1e-6));
}

TYPED_TEST(Recurrent, CellsAreOneStep) {
  using T = TypeParam;
  for (const Cell cell : kCells) {
    const Setting s{.cell = cell, .steps = 1, .batch = 4};
    const OwnWeights<T> w = s.weights()[0].template as<T>();
    const Array<T> x = s.x().template astype<T>();
    const Array<T> h0 = s.h0().template astype<T>();
    const Array<T> c0 = s.c0().template astype<T>();
    const auto sequence = run<T>(cell, x, {w.views()}, h0, c0, s.options());
    // Any leading axes.
    const Array<T> item = Array<T>(x).reshape({2, 2, 5});
    const View<T> h = h0.reshape({2, 2, 6});
    const View<T> c = c0.reshape({2, 2, 6});
    const nn::RecurrentCellOptions options{s.options().activation, s.options().reset_after};
    Array<T> next;
    if (cell == Cell::Lstm) {
      const auto state = nn::lstm_cell<T>(item, h, c, w.views());
      EXPECT_EQ(Array<T>(state.c).reshape({1, 4, 6}), sequence.c);
      next = state.h;
    } else {
      next = gates_of(cell) == 3 ? nn::gru_cell<T>(item, h, w.views(), options)
                                 : nn::rnn_cell<T>(item, h, w.views(), options);
    }
    EXPECT_EQ(next.shape(), (Shape{2, 2, 6}));
    EXPECT_EQ(std::move(next).reshape({1, 4, 6}), sequence.h);
  }
  // Absent states are zeros.
  const Setting s;
  const OwnWeights<T> w = s.weights()[0].template as<T>();
  const Array<T> x = uniform_numbers<T>({5}, 1);
  EXPECT_EQ(nn::lstm_cell<T>(x, {}, {}, w.views()).h,
            nn::lstm_cell<T>(x, Array<T>::zeros({6}), Array<T>::zeros({6}), w.views()).h);
}

TYPED_TEST(Recurrent, NothingToDo) {
  using T = TypeParam;
  const Setting s;
  const OwnWeights<T> w = s.weights()[0].template as<T>();
  const Array<T> h0 = s.h0().template astype<T>();
  const auto no_steps = nn::lstm<T>(Array<T>::zeros({0, 3, 5}), {w.views()}, h0);
  EXPECT_EQ(no_steps.y.shape(), (Shape{0, 3, 6}));
  EXPECT_EQ(no_steps.h, h0);
  EXPECT_EQ(no_steps.c, Array<T>::zeros({1, 3, 6}));
  const auto nobody = nn::lstm<T>(Array<T>::zeros({4, 0, 5}), {w.views()});
  EXPECT_EQ(nobody.y.shape(), (Shape{4, 0, 6}));
  EXPECT_EQ(nobody.h.shape(), (Shape{1, 0, 6}));
}

TYPED_TEST(Recurrent, TheSameOnAnyNumberOfThreads) {
  using T = TypeParam;
  for (const Setting& s : {Setting{.batch = 40, .hidden = 20, .way = RecurrentDirection::Both},
                           Setting{.steps = 2, .batch = 16, .hidden = 200}}) {
    for (const Cell cell : kCells) {
      Setting mine = s;
      mine.cell = cell;
      std::vector<OwnWeights<T>> weights;
      for (const auto& w : mine.weights()) {
        weights.push_back(w.template as<T>());
      }
      const Array<T> x = mine.x().template astype<T>();
      expect_same_on_any_number_of_threads(
          [&] { return run<T>(cell, x, views_of(weights), {}, {}, mine.options()).y; });
    }
  }
}

TYPED_TEST(Recurrent, DropoutBetweenLayers) {
  using T = TypeParam;
  const Setting s{.layers = 2};
  std::vector<OwnWeights<T>> w;
  for (const auto& one : s.weights()) {
    w.push_back(one.template as<T>());
  }
  const Array<T> x = s.x().template astype<T>();
  Generator generator(5);
  Generator again(5);
  const auto got = nn::lstm<T>(x, views_of(w), {}, {}, {.dropout = 0.5, .generator = &generator});
  const auto below = nn::lstm<T>(x, {w[0].views()});
  const auto above = nn::lstm<T>(nn::dropout<T>(below.y, 0.5, true, again), {w[1].views()});
  EXPECT_EQ(got.y, above.y);
  EXPECT_EQ(generator.state(), again.state());
}

TYPED_TEST(Recurrent, NothingIsAllocatedForAStep) {
  using T = TypeParam;
  for (const Cell cell : kCells) {
    const auto allocations = [&](Index steps) {
      const Setting s{.cell = cell, .steps = steps, .batch = 3, .features = 4, .hidden = 40};
      const OwnWeights<T> w = s.weights()[0].template as<T>();
      const Array<T> x = s.x().template astype<T>();
      const std::uint64_t before = allocation_count();
      (void)run<T>(cell, x, {w.views()}, {}, {}, s.options());
      return allocation_count() - before;
    };
    EXPECT_EQ(allocations(8), allocations(16)) << name_of(cell);
  }
}

TEST(RecurrentErrors, ByTheirMessages) {
  const Setting s{.layers = 2, .way = RecurrentDirection::Both};
  const auto own = s.weights();
  const auto w = views_of(own);
  const Array<double> x = s.x();
  const auto dimensions = ErrorKind::DimensionMismatch;
  const auto operation = ErrorKind::InvalidOperation;
  const nn::RecurrentOptions both{.direction = RecurrentDirection::Both};
  expect_error(dimensions, "lstm: x must have 3 axes, or 2 for one sequence, got shape (5,)",
               [&] { (void)nn::lstm<double>(Array<double>::zeros({5}), w, {}, {}, both); });
  expect_error(operation, "lstm: weights must be given for each layer, got 0",
               [&] { (void)nn::lstm<double>(x, {}); });
  expect_error(operation, "gru: weights must be given for each layer and both directions, got 1",
               [&] { (void)nn::gru<double>(x, {w[0]}, {}, both); });
  expect_error(dimensions, "rnn: w_ih of layer 0 has shape (24, 5), expected (6, 5)",
               [&] { (void)nn::rnn<double>(x, {w[0]}); });
  expect_error(dimensions, "lstm: w_ih of layer 1 has shape (24, 5), expected (24, 6)", [&] {
    (void)nn::lstm<double>(x, {w[0], w[0]});
  });
  expect_error(dimensions, "lstm: w_ih of layer 0, reverse, has shape (24, 12), expected (24, 5)",
               [&] {
                 (void)nn::lstm<double>(x, {w[0], w[2]}, {}, {}, both);
               });
  expect_error(dimensions,
               "lstm: w_hh of layer 0 must have the shape (gates * hidden, hidden), got ()", [&] {
                 (void)nn::lstm<double>(x, {{w[0].w_ih, {}}});
               });
  expect_error(dimensions, "lstm: b_hh of layer 0 has shape (5,), expected (24,)", [&] {
    const Array<double> bias = Array<double>::zeros({5});
    (void)nn::lstm<double>(x, {{w[0].w_ih, w[0].w_hh, {}, bias}});
  });
  expect_error(dimensions, "lstm: h0 has shape (1, 3, 6), expected (4, 3, 6)", [&] {
    (void)nn::lstm<double>(x, w, Array<double>::zeros({1, 3, 6}), {}, both);
  });
  expect_error(dimensions, "lstm: c0 has shape (4, 3, 5), expected (4, 3, 6)", [&] {
    (void)nn::lstm<double>(x, w, {}, Array<double>::zeros({4, 3, 5}), both);
  });
  expect_error(dimensions, "lstm: lengths has shape (2,), expected (3,)", [&] {
    const std::vector<std::int64_t> lengths{1, 2};
    (void)nn::lstm<double>(x, {w[0]}, {}, {}, {.lengths = lengths});
  });
  expect_error(ErrorKind::IndexOutOfBounds, "lstm: length 5 at position 1 is not between 0 and 4",
               [&] {
                 const std::vector<std::int64_t> lengths{1, 5, 2};
                 (void)nn::lstm<double>(x, {w[0]}, {}, {}, {.lengths = lengths});
               });
  expect_error(operation, "lstm: dropout must be in [0, 1], got 1.5",
               [&] { (void)nn::lstm<double>(x, {w[0]}, {}, {}, {.dropout = 1.5}); });
  expect_error(operation, "lstm: dropout needs a generator",
               [&] { (void)nn::lstm<double>(x, {w[0]}, {}, {}, {.dropout = 0.5}); });
  expect_error(dimensions, "lstm_cell: x must have at least 1 axis, got shape ()",
               [&] { (void)nn::lstm_cell<double>(Array<double>::scalar(1), {}, {}, w[0]); });
  expect_error(dimensions, "gru_cell: w_ih has shape (24, 5), expected (18, 5)", [&] {
    (void)nn::gru_cell<double>(Array<double>::zeros({2, 5}), {}, w[0]);
  });
  expect_error(dimensions, "lstm_cell: h has shape (6,), expected (2, 6)", [&] {
    (void)nn::lstm_cell<double>(Array<double>::zeros({2, 5}), Array<double>::zeros({6}), {}, w[0]);
  });
}

}  // namespace
}  // namespace lamina
