// The numeric gradient check: right gradients pass far below the tolerance, wrong ones are named.

#include "lamina/autograd/gradcheck.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "autograd/small_ops.hpp"

namespace lamina {
namespace {

using autograd::GradCheckResult;
using autograd::Gradients;
using autograd::make_var;
using autograd::numeric_gradient;
using testing::times;

using Vars = std::vector<Var<double>>;

TEST(NumericGradient, IsAccurateToElevenDigits) {
  const Array<double> x{0.3, -1.7, 5.0, 100.0};
  const Array<double> gradient = numeric_gradient(
      [](const View<double>& v) {
        double sum = 0;
        for (const double value : v) {
          sum += std::sin(value) * std::sqrt(std::abs(value));
        }
        return sum;
      },
      x, 1e-3);
  for (Index i = 0; i < x.size() - 1; ++i) {
    const double v = x(i);
    const double root = std::sqrt(std::abs(v));
    const double exact = std::cos(v) * root + std::sin(v) * std::copysign(0.5 / root, v);
    EXPECT_NEAR(gradient(i), exact, 1e-11 * (1 + std::abs(exact))) << i;
  }
}

TEST(NumericGradient, Errors) {
  const auto zero = [](const View<double>&) { return 0.0; };
  EXPECT_THROW((void)numeric_gradient(zero, View<double>()), Error);
  EXPECT_THROW((void)numeric_gradient(zero, Array<double>{1.0}, 0.0), Error);
}

TEST(GradCheck, PassesARightGradient) {
  const GradCheckResult result =
      gradcheck([](const Vars& in) { return times(times(in[0], in[1]), in[0]); },
                {Array<double>{{1.5, -2.0}, {0.25, 3.0}}, Array<double>{{1.0, 2.0}, {-3.0, 0.0}}});
  EXPECT_TRUE(result) << result;
  EXPECT_LT(result.error, 1e-9);
}

TEST(GradCheck, NamesTheWorstElement) {
  const auto wrong = [](const Vars& in) {
    return make_var(Array<double>(in[1].value()), {in[0], in[1]},
                    [](const Array<double>& dy, Gradients<double>& gradients) {
                      Array<double> bent = dy;
                      bent(1, 0) *= 1.5;
                      gradients.add(1, std::move(bent));
                    });
  };
  const GradCheckResult result =
      gradcheck(wrong, {Array<double>{1.0}, Array<double>{{1.0, 2.0}, {3.0, 4.0}}});
  EXPECT_FALSE(result);
  EXPECT_EQ(result.input, 1);
  EXPECT_EQ(result.index, (IndexList{1, 0}));
  EXPECT_NEAR(result.error, 1.0 / 3, 1e-9);
  std::ostringstream text;
  text << result;
  EXPECT_EQ(text.str().find("gradient of input 1 at (1, 0): backward "), 0u) << text.str();
  EXPECT_NE(text.str().find("> 1e-07"), std::string::npos) << text.str();
}

TEST(GradCheck, AMissingGradientCountsAsZero) {
  const auto none = [](const Vars& in) {
    return make_var(Array<double>(in[0].value()), {in[0]},
                    [](const Array<double>&, Gradients<double>&) {});
  };
  EXPECT_FALSE(gradcheck(none, {Array<double>{1.0}}));
}

TEST(GradCheck, ANanNeverPasses) {
  const auto nan = [](const Vars& in) {
    return make_var(Array<double>(in[0].value()), {in[0]},
                    [](const Array<double>& dy, Gradients<double>& gradients) {
                      Array<double> bad = dy;
                      bad(1) = std::numeric_limits<double>::quiet_NaN();
                      gradients.add(0, std::move(bad));
                    });
  };
  const GradCheckResult result = gradcheck(nan, {Array<double>{1.0, 2.0, 3.0}});
  EXPECT_FALSE(result);
  EXPECT_EQ(result.index, (IndexList{1}));
}

TEST(GradCheck, NothingToCheckIsAnError) {
  EXPECT_THROW((void)gradcheck([](const Vars&) { return Var<double>(Array<double>{1.0}); },
                               {Array<double>{1.0}}),
               Error);
  const GradCheckResult empty =
      gradcheck([](const Vars& in) { return times(in[0], in[0]); }, {Array<double>()});
  EXPECT_TRUE(empty);
  EXPECT_EQ(empty.message(), "no element was compared");
}

}  // namespace
}  // namespace lamina
