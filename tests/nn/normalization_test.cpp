// All normalizations against one naive oracle; shapes, layouts, targets, threads.

#include <gtest/gtest.h>

#include <limits>

#include "normalization_cases.hpp"
#include "support/expect.hpp"
#include "support/layouts.hpp"

namespace lamina::nn {
namespace {

using namespace norm_cases;

/// Rounding of x - mean, of 1 / sqrt and of the affine step, each relative to its operand; sums of
/// up to 2048 terms in 16 or more partial sums come on top. `scale` is the size of what is added.
template <class T>
void expect_near(const View<T>& got, const Numbers& expected, long double scale, const char* what) {
  const std::vector<T> values = got.to_vector();
  ASSERT_EQ(values.size(), expected.size()) << what;
  const long double tolerance = 24 * static_cast<long double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_LE(std::abs(static_cast<long double>(values[i]) - expected[i]),
              tolerance * (std::abs(expected[i]) + scale))
        << what << ", element " << i << ": " << values[i] << " for " << expected[i];
  }
}

template <class T>
struct Inputs {
  Array<T> x, dy, gamma, beta;
  explicit Inputs(const Case& c)
      : x(uniform_numbers<T>(c.shape, 1, -3, 5)), dy(uniform_numbers<T>(c.shape, 2)) {
    if (c.affine()) {
      gamma = uniform_numbers<T>(c.parameters(), 3);
      beta = uniform_numbers<T>(c.parameters(), 4);
    }
  }
  [[nodiscard]] View<T> gamma_of(const Case& c) const {
    return c.affine() ? gamma.view() : View<T>();
  }
  [[nodiscard]] View<T> beta_of(const Case& c) const {
    return c.affine() && c.kind != Kind::Rms ? beta.view() : View<T>();
  }
};

template <class T>
void expect_gradients(const Case& c, const NormGradients<T>& got, const Oracle& oracle) {
  long double rstd = 1;
  for (const long double r : oracle.rstd) {
    rstd = std::max(rstd, r);
  }
  expect_near<T>(got.dx, oracle.dx, 4 * rstd, "dx");
  if (c.affine()) {
    expect_near<T>(got.dgamma, oracle.dgamma, 20, "dgamma");
    if (c.kind != Kind::Rms) {
      expect_near<T>(got.dbeta, oracle.dbeta, 20, "dbeta");
    }
  }
}

template <class T>
class Normalization : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Normalization, Types);

TYPED_TEST(Normalization, MatchesTheOracleOnEveryTarget) {
  using T = TypeParam;
  test::for_each_target([] {
    for (const Case& c : all_cases()) {
      SCOPED_TRACE(c.name());
      const Inputs<T> in(c);
      const View<T> gamma = in.gamma_of(c);
      const View<T> beta = in.beta_of(c);
      const Oracle oracle(c, View<T>(in.x), gamma, beta, View<T>(in.dy));
      expect_near<T>(call<T>(c, in.x, gamma, beta), oracle.y, 4, "y");
      expect_gradients<T>(c, call_backward<T>(c, in.dy, in.x, gamma), oracle);
      const Oracle plain(c, View<T>(in.x), View<T>(), View<T>(), View<T>(in.dy));
      expect_near<T>(call<T>(c, in.x, {}, {}), plain.y, 4, "y without gamma");
      expect_gradients<T>(c, call_backward<T>(c, in.dy, in.x, {}), plain);
    }
  });
}

TYPED_TEST(Normalization, TakesGammaOrBetaAlone) {
  using T = TypeParam;
  for (const Case& c : {Case{Kind::Layer, {3, 21}, 1}, Case{Kind::Batch, {5, 21}},
                        Case{Kind::Group, {2, 6, 5}, 3}}) {
    const Inputs<T> in(c);
    const Oracle scaled(c, View<T>(in.x), View<T>(in.gamma), View<T>(), View<T>(in.dy));
    expect_near<T>(call<T>(c, in.x, in.gamma, {}), scaled.y, 4, "gamma only");
    const Oracle shifted(c, View<T>(in.x), View<T>(), View<T>(in.beta), View<T>(in.dy));
    expect_near<T>(call<T>(c, in.x, {}, in.beta), shifted.y, 4, "beta only");
  }
}

TYPED_TEST(Normalization, EveryLayoutGivesTheSameBits) {
  using T = TypeParam;
  for (const Case& c : {Case{Kind::Layer, {3, 4, 5}, 2}, Case{Kind::Rms, {3, 4, 5}, 1},
                        Case{Kind::Batch, {3, 4, 5}}, Case{Kind::Batch, {6, 5}},
                        Case{Kind::Group, {3, 4, 5}, 2}, Case{Kind::Instance, {3, 4, 5}}}) {
    SCOPED_TRACE(c.name());
    const Inputs<T> in(c);
    const View<T> gamma = in.gamma_of(c);
    const View<T> beta = in.beta_of(c);
    const Array<T> y = call<T>(c, in.x, gamma, beta);
    const NormGradients<T> expected = call_backward<T>(c, in.dy, in.x, gamma);
    auto outs = test::empty_layouts<T>(c.shape, T{99});
    for (const auto& x : test::layouts_of<T>(in.x, T{7})) {
      SCOPED_TRACE(x.name);
      EXPECT_EQ(call<T>(c, x.view, gamma, beta), y);
      EXPECT_EQ(call_backward<T>(c, in.dy, x.view, gamma).dx, expected.dx);
      EXPECT_EQ(call_backward<T>(c, x.view, in.x, gamma).dx,
                call_backward<T>(c, in.x, in.x, gamma).dx);
      for (auto& out : outs) {
        call_into<T>(c, x.view, out.view, gamma, beta);
        EXPECT_EQ(out.view, y) << out.name;
        const Array<T> inside = out.view.copy();
        out.view.fill(T{99});
        for (const T v : out.storage) {
          ASSERT_EQ(v, T{99}) << "written beside the view";
        }
      }
      call_into<T>(c, x.view, x.view, gamma, beta);
      EXPECT_EQ(x.view, y) << "in place";
    }
    for (const auto& g : test::layouts_of<T>(gamma)) {
      EXPECT_EQ(call<T>(c, in.x, g.view, beta), y) << g.name;
    }
    const View<T> row = in.x.slice(0, {0, 1});
    EXPECT_EQ(call<T>(c, row.broadcast_to(c.shape), gamma, beta),
              call<T>(c, row.broadcast_to(c.shape).copy(), gamma, beta));
  }
}

TYPED_TEST(Normalization, GradientsInPlaceAndOneAtATime) {
  using T = TypeParam;
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(c.name());
    const Inputs<T> in(c);
    const View<T> gamma = in.gamma_of(c);
    const NormGradients<T> expected = call_backward<T>(c, in.dy, in.x, gamma);
    Array<T> dy = in.dy;
    call_backward_into<T>(c, dy, in.x, gamma, dy, {}, {});
    EXPECT_EQ(dy, expected.dx);
    Array<T> x = in.x;
    call_backward_into<T>(c, in.dy, x, gamma, x, {}, {});
    EXPECT_EQ(x, expected.dx);
    if (c.affine()) {
      Array<T> dgamma = Array<T>::empty(c.parameters());
      call_backward_into<T>(c, in.dy, in.x, gamma, {}, dgamma, {});
      EXPECT_EQ(dgamma, expected.dgamma);
      if (c.kind != Kind::Rms) {
        Array<T> dbeta = Array<T>::empty(c.parameters());
        call_backward_into<T>(c, in.dy, in.x, gamma, {}, {}, dbeta);
        EXPECT_EQ(dbeta, expected.dbeta);
      }
    }
  }
}

TYPED_TEST(Normalization, SavedStatistics) {
  using T = TypeParam;
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(c.name());
    const Inputs<T> in(c);
    const View<T> gamma = in.gamma_of(c);
    const Oracle oracle(c, View<T>(in.x), gamma, View<T>(), View<T>(in.dy));
    Shape shape{static_cast<Index>(oracle.m.groups)};
    if (c.kind == Kind::Layer || c.kind == Kind::Rms) {
      IndexList lead;
      for (int i = 0; i < c.shape.rank() - c.axes(); ++i) {
        lead.push_back(c.shape[i]);
      }
      shape = Shape(lead);
    } else if (c.kind == Kind::Group) {
      shape = {c.shape[0], c.detail};
    } else if (c.kind == Kind::Instance && c.shape.rank() > 2) {
      shape = {c.shape[0], c.shape[c.channel_axis()]};
    }
    Array<T> mean = Array<T>::zeros(shape);
    Array<T> rstd = Array<T>::zeros(shape);
    Array<T> y = Array<T>::empty(c.shape);
    const NormStatistics<T> saved{mean, rstd};
    call_into<T>(c, in.x, y, gamma, {}, 1e-5, saved);
    EXPECT_EQ(y, call<T>(c, in.x, gamma, {}));
    expect_near<T>(mean, oracle.mean, 5, "mean");
    expect_near<T>(rstd, oracle.rstd, 0, "rstd");
    NormGradients<T> got = call_backward<T>(c, in.dy, in.x, gamma);
    const Array<T> dx = got.dx;
    call_backward_into<T>(c, in.dy, in.x, gamma, got.dx, {}, {}, 1e-5, saved);
    EXPECT_EQ(got.dx, dx);
  }
}

TYPED_TEST(Normalization, BitEqualOnAnyNumberOfThreads) {
  using T = TypeParam;
  for (const Case& c :
       {Case{Kind::Layer, {300, 300}, 1}, Case{Kind::Rms, {300, 300}, 1},
        Case{Kind::Batch, {1500, 70}}, Case{Kind::Batch, {4, 5, 70, 70}},
        Case{Kind::Batch, {4, 70, 70, 5}, 0, DataFormat::NHWC}, Case{Kind::Group, {9, 6, 1600}, 2},
        Case{Kind::Instance, {9, 1600, 6}, 0, DataFormat::NHWC}}) {
    SCOPED_TRACE(c.name());
    const Inputs<T> in(c);
    test::expect_same_on_any_number_of_threads(
        [&] { return call<T>(c, in.x, in.gamma_of(c), in.beta_of(c)); });
    NormGradients<T> all;
    test::expect_same_on_any_number_of_threads([&] {
      all = call_backward<T>(c, in.dy, in.x, in.gamma_of(c));
      return all.dx;
    });
    test::expect_same_on_any_number_of_threads(
        [&] { return call_backward<T>(c, in.dy, in.x, in.gamma_of(c)).dgamma; });
    const Oracle oracle(c, View<T>(in.x), in.gamma_of(c), in.beta_of(c), View<T>(in.dy));
    expect_near<T>(all.dgamma, oracle.dgamma, 200, "dgamma");
  }
}

}  // namespace
}  // namespace lamina::nn
