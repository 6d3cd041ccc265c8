#include "lamina/nn/loss_elementwise.hpp"

#include <gtest/gtest.h>

#include "lamina/nn/loss_regression.hpp"

namespace lamina::nn {
namespace {

// Values of the guide, recomputed.
TEST(LossValues, MeanSquaredError) {
  const Array<double> t{1, 2, 3};
  EXPECT_NEAR(mse_loss(t, Array<double>{1.1, 2.1, 2.9}).item(), 0.01, 1e-15);
  EXPECT_NEAR(mse_loss(t, Array<double>{1.1, 2.2, 2.9}, ReductionMode::Sum).item(), 0.06, 1e-15);
  EXPECT_EQ(mse_loss(t, Array<double>{1, 4, 0}, ReductionMode::None).to_vector(),
            (std::vector<double>{0, 4, 9}));
  const Array<double> dx = mse_loss_backward(Array<double>::scalar(3), t, Array<double>{1, 4, 0});
  EXPECT_EQ(dx.to_vector(), (std::vector<double>{0, 4, -6}));
}

}  // namespace
}  // namespace lamina::nn
