#include <gtest/gtest.h>

#include <limits>

#include "lamina/autograd/gradcheck.hpp"
#include "nn/recurrent_cases.hpp"
#include "support/expect.hpp"

namespace lamina {
namespace {

using namespace test;
using nn::RecurrentDirection;

/// A number that all results go into, each with a weight of its own.
struct Weighted {
  Array<double> dy, dh, dc;

  explicit Weighted(const nn::LstmResult<double>& like)
      : dy(uniform_numbers<double>(like.y.shape(), 51)),
        dh(uniform_numbers<double>(like.h.shape(), 52)),
        dc(uniform_numbers<double>(like.c.shape(), 53)) {}

  [[nodiscard]] double of(const nn::LstmResult<double>& result) const {
    double sum = 0;
    const auto add = [&](const Array<double>& x, const Array<double>& weight) {
      for (Index i = 0; i < x.size(); ++i) {
        sum += x.data()[i] * weight.data()[i];
      }
    };
    add(result.y, dy);
    add(result.h, dh);
    add(result.c, dc);
    return sum;
  }
};

/// |a - b| <= 1e-7 of the largest element.
void expect_gradient(const Array<double>& got, const Array<double>& want, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  double largest = 1e-3;
  for (const double value : want) {
    largest = std::max(largest, std::abs(value));
  }
  for (Index i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got.data()[i], want.data()[i], 1e-7 * largest) << what << " at " << i;
  }
}

/// Every gradient against central differences.
void expect_numeric_gradients(const Setting& s, nn::RecurrentOptions options) {
  SCOPED_TRACE(name_of(s.cell));
  std::vector<OwnWeights<double>> w = s.weights();
  Array<double> x = s.x();
  Array<double> h0 = s.h0();
  Array<double> c0 = s.c0();
  if (options.batch_first) {
    x = x.swap_axes(0, 1).copy();
  }
  const Generator before = options.generator == nullptr ? Generator() : *options.generator;
  Generator mine = before;
  options.generator = &mine;
  nn::RecurrentTrace<double> trace;
  const Weighted weighted(run<double>(s.cell, x, views_of(w), h0, c0, options, &trace));
  const auto value = [&] {
    mine = before;
    return weighted.of(run<double>(s.cell, x, views_of(w), h0, c0, options));
  };
  const View<double> dc = s.cell == Cell::Lstm ? weighted.dc.view() : View<double>();
  mine = before;
  const auto got =
      run_backward<double>(s.cell, weighted.dy, weighted.dh, dc, x, views_of(w), h0, c0, options);
  const auto traced = run_backward<double>(s.cell, weighted.dy, weighted.dh, dc, x, views_of(w), h0,
                                           c0, options, &trace);
  EXPECT_EQ(traced.dx, got.dx);
  EXPECT_EQ(traced.dh0, got.dh0);
  const auto compare = [&](Array<double>& input, const Array<double>& gradient,
                           const std::string& what) {
    const Array<double> at = input;
    const Array<double> numeric = autograd::numeric_gradient(
        [&](const View<double>& moved) {
          input.assign(moved);
          return value();
        },
        at);
    input.assign(at);
    expect_gradient(gradient, numeric, what);
  };
  compare(x, got.dx, "dx");
  compare(h0, got.dh0, "dh0");
  if (s.cell == Cell::Lstm) {
    compare(c0, got.dc0, "dc0");
  }
  ASSERT_EQ(got.weights.size(), w.size());
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::string end = " of " + std::to_string(i);
    compare(w[i].w_ih, got.weights[i].dw_ih, "dw_ih" + end);
    compare(w[i].w_hh, got.weights[i].dw_hh, "dw_hh" + end);
    EXPECT_EQ(traced.weights[i].dw_hh, got.weights[i].dw_hh);
    if (s.peepholes) {
      compare(w[i].peephole, got.weights[i].dpeephole, "dpeephole" + end);
    } else {
      EXPECT_EQ(got.weights[i].dpeephole.shape(), Shape{0});
    }
    if (s.bias) {
      compare(w[i].b_ih, got.weights[i].db_ih, "db_ih" + end);
      compare(w[i].b_hh, got.weights[i].db_hh, "db_hh" + end);
    } else {
      EXPECT_EQ(got.weights[i].db_ih.shape(), Shape{0});
    }
  }
}

TEST(RecurrentBackward, NumericGradientsWithPeepholes) {
  for (const auto way : {RecurrentDirection::Forward, RecurrentDirection::Reverse}) {
    const Setting s{
        .steps = 3, .batch = 2, .features = 2, .hidden = 3, .way = way, .peepholes = true};
    expect_numeric_gradients(s, s.options());
  }
  const Setting deep{.steps = 3,
                     .batch = 3,
                     .features = 2,
                     .hidden = 3,
                     .layers = 2,
                     .way = RecurrentDirection::Both,
                     .peepholes = true};
  nn::RecurrentOptions options = deep.options();
  const Array<std::int64_t> lengths{3, 1, 2};
  options.lengths = lengths;
  expect_numeric_gradients(deep, options);
}

TEST(RecurrentBackward, NumericGradients) {
  for (const Cell cell : kCells) {
    const Setting s{.cell = cell, .steps = 3, .batch = 2, .features = 2, .hidden = 3};
    expect_numeric_gradients(s, s.options());
    Setting deep = s;
    deep.layers = 2;
    deep.way = RecurrentDirection::Both;
    expect_numeric_gradients(deep, deep.options());
    Setting reverse = s;
    reverse.way = RecurrentDirection::Reverse;
    reverse.bias = false;
    nn::RecurrentOptions options = reverse.options();
    options.batch_first = true;
    expect_numeric_gradients(reverse, options);
  }
}

TEST(RecurrentBackward, NumericGradientsWithLengthsAndDropout) {
  const std::vector<std::int64_t> lengths{2, 0, 3};
  Generator generator(3);
  for (const Cell cell : kCells) {
    const Setting s{.cell = cell,
                    .steps = 3,
                    .batch = 3,
                    .features = 2,
                    .hidden = 3,
                    .layers = 2,
                    .way = RecurrentDirection::Both};
    nn::RecurrentOptions options = s.options();
    options.lengths = lengths;
    options.dropout = 0.4;
    options.generator = &generator;
    expect_numeric_gradients(s, options);
  }
}

TEST(RecurrentBackward, NumericGradientsOfManyRows) {
  for (const Cell cell : {Cell::Lstm, Cell::GruAfter, Cell::GruBefore}) {
    const Setting s{.cell = cell, .steps = 2, .batch = 6, .features = 2, .hidden = 2};
    expect_numeric_gradients(s, s.options());
  }
}

template <class T>
std::vector<OwnWeights<T>> weights_as(const Setting& s) {
  std::vector<OwnWeights<T>> weights;
  for (const auto& w : s.weights()) {
    weights.push_back(w.template as<T>());
  }
  return weights;
}

/// Long, wide and cut in every way: against the sum of one item's gradients after the other, which
/// take other paths.
template <class T>
class RecurrentGradients : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RecurrentGradients, Types);

template <class T>
void expect_close(const Array<T>& got, const Array<T>& want, const char* what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  double largest = 0;
  for (const T value : want) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  const double tolerance = 2000 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (Index i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got.data()[i]), static_cast<double>(want.data()[i]),
                tolerance * largest)
        << what << " at " << i;
  }
}

TYPED_TEST(RecurrentGradients, BatchesAreSumsOfItems) {
  using T = TypeParam;
  for_each_target([] {
    for (const Cell cell : kCells) {
      SCOPED_TRACE(name_of(cell));
      const Setting s{.cell = cell, .steps = 3, .batch = 17, .features = 4, .hidden = 35};
      const auto own = weights_as<T>(s);
      const auto w = views_of(own);
      const Array<T> x = s.x().template astype<T>();
      const Array<T> h0 = s.h0().template astype<T>();
      const Array<T> c0 = s.c0().template astype<T>();
      const Array<T> dy = uniform_numbers<T>({3, 17, 35}, 5);
      const auto all = run_backward<T>(cell, dy, {}, {}, x, w, h0, c0, s.options());
      Array<T> dw_hh = Array<T>::zeros(own[0].w_hh.shape());
      Array<T> dw_ih = Array<T>::zeros(own[0].w_ih.shape());
      Array<T> db_hh = Array<T>::zeros(own[0].b_hh.shape());
      for (Index n = 0; n < 17; ++n) {
        const auto one = run_backward<T>(cell, dy.select(1, n), {}, {}, x.select(1, n), w,
                                         h0.select(1, n), c0.select(1, n), s.options());
        expect_close<T>(one.dx, all.dx.select(1, n).copy(), "dx");
        expect_close<T>(one.dh0, all.dh0.select(1, n).copy(), "dh0");
        const auto add = [](Array<T>& sum, const Array<T>& term) {
          for (Index i = 0; i < sum.size(); ++i) {
            sum.data()[i] += term.data()[i];
          }
        };
        add(dw_hh, one.weights[0].dw_hh);
        add(dw_ih, one.weights[0].dw_ih);
        add(db_hh, one.weights[0].db_hh);
      }
      expect_close<T>(all.weights[0].dw_hh, dw_hh, "dw_hh");
      expect_close<T>(all.weights[0].dw_ih, dw_ih, "dw_ih");
      expect_close<T>(all.weights[0].db_hh, db_hh, "db_hh");
    }
  });
}

TYPED_TEST(RecurrentGradients, TheSameOnAnyNumberOfThreads) {
  using T = TypeParam;
  for (const Setting& s : {Setting{.batch = 40, .hidden = 20, .way = RecurrentDirection::Both},
                           Setting{.steps = 2, .batch = 16, .hidden = 200}}) {
    for (const Cell cell : kCells) {
      Setting mine = s;
      mine.cell = cell;
      const auto own = weights_as<T>(mine);
      const Array<T> x = mine.x().template astype<T>();
      const Array<T> dy = uniform_numbers<T>({s.steps, s.batch, s.directions() * s.hidden}, 5);
      expect_same_on_any_number_of_threads([&] {
        auto d = run_backward<T>(cell, dy, {}, {}, x, views_of(own), {}, {}, mine.options());
        return concatenate<T>({d.dx.flatten(), d.weights[0].dw_hh.flatten(), d.dh0.flatten()});
      });
    }
  }
}

TYPED_TEST(RecurrentGradients, LongSequencesInPieces) {
  using T = TypeParam;
  // More gates than are held at a time, in both directions: the gradient of the initial state
  // equals that of the same sequence in two calls.
  const Setting s{.steps = 240, .batch = 14, .features = 2, .hidden = 80};
  const auto own = weights_as<T>(s);
  const auto w = views_of(own);
  const Array<T> x = s.x().template astype<T>();
  const Array<T> dy = uniform_numbers<T>({240, 14, 80}, 5);
  const auto all = nn::lstm_backward<T>(dy, {}, {}, x, w);
  const auto first = nn::lstm<T>(x.slice(0, 30), w);
  const auto late =
      nn::lstm_backward<T>(dy.slice(30, 240), {}, {}, x.slice(30, 240), w, first.h, first.c);
  const auto early = nn::lstm_backward<T>(dy.slice(0, 30), late.dh0, late.dc0, x.slice(0, 30), w);
  expect_close<T>(all.dh0, early.dh0, "dh0");
  expect_close<T>(all.dx.slice(30, 240).copy(), late.dx, "dx");
  Array<T> sum = early.weights[0].dw_hh;
  for (Index i = 0; i < sum.size(); ++i) {
    sum.data()[i] += late.weights[0].dw_hh.data()[i];
  }
  expect_close<T>(all.weights[0].dw_hh, sum, "dw_hh");
}

TYPED_TEST(RecurrentGradients, WhatIsBeyondALengthNeverMatters) {
  using T = TypeParam;
  for (const Cell cell : kCells) {
    const Setting s{
        .cell = cell, .steps = 4, .batch = 2, .layers = 2, .way = RecurrentDirection::Both};
    const auto own = weights_as<T>(s);
    nn::RecurrentOptions options = s.options();
    const std::vector<std::int64_t> lengths{2, 4};
    options.lengths = lengths;
    Array<T> x = s.x().template astype<T>();
    Array<T> dy = uniform_numbers<T>({4, 2, 12}, 5);
    const auto want = run_backward<T>(cell, dy, {}, {}, x, views_of(own), {}, {}, options);
    for (Index t = 2; t < 4; ++t) {
      x.select(0, t).select(0, 0).fill(std::numeric_limits<T>::quiet_NaN());
      dy.select(0, t).select(0, 0).fill(std::numeric_limits<T>::infinity());
    }
    const auto got = run_backward<T>(cell, dy, {}, {}, x, views_of(own), {}, {}, options);
    EXPECT_EQ(got.dx, want.dx);
    EXPECT_EQ(got.weights[0].dw_ih, want.weights[0].dw_ih);
    EXPECT_EQ(got.weights[3].dw_hh, want.weights[3].dw_hh);
    for (Index t = 2; t < 4; ++t) {
      EXPECT_EQ(Array<T>(got.dx.select(0, t).select(0, 0)), Array<T>::zeros({5}));
    }
  }
}

TEST(RecurrentCellBackward, OneStepOfTheSequence) {
  for (const Cell cell : kCells) {
    const Setting s{.cell = cell, .steps = 1, .batch = 4};
    const auto own = s.weights();
    const auto w = own[0].views();
    const Array<double> dh = uniform_numbers<double>({1, 4, 6}, 7);
    const Array<double> dc = uniform_numbers<double>({1, 4, 6}, 8);
    const Array<double> x = s.x();
    const Array<double> h0 = s.h0();
    const Array<double> c0 = s.c0();
    const bool lstm = cell == Cell::Lstm;
    const auto want = run_backward<double>(cell, {}, dh, lstm ? dc.view() : View<double>(), x, {w},
                                           h0, c0, s.options());
    const nn::RecurrentCellOptions options{s.options().activation, s.options().reset_after};
    const View<double> item = x.select(0, 0);
    const View<double> h = h0.select(0, 0);
    const auto got = lstm ? nn::lstm_cell_backward<double>(dh.select(0, 0), dc.select(0, 0), item,
                                                           h, c0.select(0, 0), w)
                     : gates_of(cell) == 3
                         ? nn::gru_cell_backward<double>(dh.select(0, 0), item, h, w, options)
                         : nn::rnn_cell_backward<double>(dh.select(0, 0), item, h, w, options);
    EXPECT_EQ(got.dx, want.dx.select(0, 0));
    EXPECT_EQ(got.dh, want.dh0.select(0, 0));
    EXPECT_EQ(got.weights.dw_hh, want.weights[0].dw_hh);
    EXPECT_EQ(got.weights.db_ih, want.weights[0].db_ih);
    if (lstm) {
      EXPECT_EQ(got.dc, want.dc0.select(0, 0));
    }
  }
}

TEST(RecurrentBackwardErrors, ByTheirMessages) {
  const Setting s;
  const auto own = s.weights();
  const auto w = views_of(own);
  const Array<double> x = s.x();
  const Array<double> dy = Array<double>::zeros({4, 3, 6});
  expect_error(ErrorKind::DimensionMismatch,
               "lstm_backward: dy has shape (4, 3, 5), expected (4, 3, 6)", [&] {
                 (void)nn::lstm_backward<double>(Array<double>::zeros({4, 3, 5}), {}, {}, x, w);
               });
  expect_error(ErrorKind::DimensionMismatch,
               "lstm_backward: dh has shape (3, 6), expected (1, 3, 6)", [&] {
                 (void)nn::lstm_backward<double>(dy, Array<double>::zeros({3, 6}), {}, x, w);
               });
  expect_error(ErrorKind::InvalidOperation, "lstm_backward: no gradient is given",
               [&] { (void)nn::lstm_backward<double>(View<double>(), {}, {}, x, w); });
  const nn::RecurrentTrace<double> trace;
  expect_error(ErrorKind::InvalidOperation, "lstm_backward: the trace is one of another call",
               [&] { (void)nn::lstm_backward<double>(dy, {}, {}, x, w, {}, {}, {}, &trace); });
  expect_error(ErrorKind::DimensionMismatch,
               "lstm_cell_backward: dc_next has shape (6,), expected (3, 6)", [&] {
                 (void)nn::lstm_cell_backward<double>(Array<double>::zeros({3, 6}),
                                                      Array<double>::zeros({6}),
                                                      Array<double>::zeros({3, 5}), {}, {}, w[0]);
               });
  expect_error(ErrorKind::InvalidOperation, "gru_cell_backward: no gradient is given", [&] {
    Setting gru{.cell = Cell::GruAfter};
    const auto weights = gru.weights();
    (void)nn::gru_cell_backward<double>(View<double>(), Array<double>::zeros({3, 5}), {},
                                        weights[0].views());
  });
}

}  // namespace
}  // namespace lamina
