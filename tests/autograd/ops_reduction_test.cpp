// Reductions on the tape.

#include "lamina/autograd/ops_reduction.hpp"

#include <gtest/gtest.h>

#include "lamina/autograd/gradcheck.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using nn::ReduceOptions;
using testing::values;
using testing::values_off_zero;
using Vars = std::vector<Var<double>>;

const std::vector<ReduceOptions>& options() {
  static const std::vector<ReduceOptions> all{
      {}, {.axes = {1}}, {.axes = {-1, 0}, .keepdims = true}, {.axes = {0, 1, 2}}};
  return all;
}

TEST(OpsReduction, TapeGradientIsTheDirectBackward) {
  const Array<float> x = values_off_zero<float>({3, 4, 5}, 1);
  for (const nn::ReductionInfo& row : nn::kReductions) {
    for (const ReduceOptions& o : options()) {
      const Var<float> leaf = parameter(Array<float>(x));
      const Var<float> y = nn::reduce(row.kind, leaf, o);
      EXPECT_EQ(y.value(), nn::reduce(row.kind, x, o)) << row.name;
      const Array<float> dy = values<float>(y.shape(), 2);
      y.backward(dy);
      EXPECT_EQ(leaf.grad(), nn::reduce_backward<float>(row.kind, dy, x.shape(), x, y.value(), o))
          << row.name;
    }
  }
}

TEST(OpsReduction, NamedFunctions) {
  const Array<double> x = values<double>({3, 4}, 1);
  const Var<double> leaf = parameter(Array<double>(x));
  EXPECT_EQ(nn::sum(leaf).value(), nn::sum(x));
  EXPECT_EQ(nn::mean(leaf, {.axes = {0}}).value(), nn::mean(x, {.axes = {0}}));
  EXPECT_EQ(nn::prod(leaf).value(), nn::prod(x));
  EXPECT_EQ(nn::max(leaf).value(), nn::max(x));
  EXPECT_EQ(nn::min(leaf).value(), nn::min(x));
  EXPECT_EQ(nn::var(leaf, {.ddof = 1}).value(), nn::var(x, {.ddof = 1}));
  EXPECT_EQ(nn::stddev(leaf).value(), nn::stddev(x));
  EXPECT_EQ(nn::norm(leaf, nn::Norm::L1).value(), nn::norm(x, nn::Norm::L1));
  EXPECT_EQ(nn::logsumexp(leaf).value(), nn::logsumexp(x));
  nn::mean(leaf).backward();
  EXPECT_TRUE(allclose(leaf.grad(), Array<double>::full({3, 4}, 1.0 / 12)));
  EXPECT_THROW((void)nn::sum(leaf, {.axes = {2}}), Error);
}

TEST(OpsReductionGradient, EveryMember) {
  for (const nn::ReductionInfo& row : nn::kReductions) {
    for (const ReduceOptions& o : options()) {
      const auto result = gradcheck([&](const Vars& in) { return nn::reduce(row.kind, in[0], o); },
                                    {values_off_zero<double>({3, 4, 5}, 1)}, {.step = 1e-4});
      EXPECT_TRUE(result) << row.name << ": " << result;
    }
  }
}

}  // namespace
}  // namespace lamina
