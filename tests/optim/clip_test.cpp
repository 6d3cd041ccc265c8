// Clipping gradients by their common norm and by value.

#include "lamina/optim/clip.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/message.hpp"

namespace lamina {
namespace {

using namespace optim;
using testing::message_of;

template <class T>
class ClipTest : public ::testing::Test {
 protected:
  /// Gradients (3, 0) and (0, -4), and a variable without one.
  ClipTest() {
    vars_[0].backward(Array<T>{3, 0});
    vars_[1].backward(Array<T>{{0}, {-4}});
  }
  std::vector<Var<T>> vars_{parameter(Array<T>{1, 1}), parameter(Array<T>{{1}, {1}}),
                            parameter(Array<T>{1})};
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ClipTest, Types);

TYPED_TEST(ClipTest, ScalesToTheNorm) {
  using T = TypeParam;
  EXPECT_EQ(clip_grad_norm(this->vars_, 2.5), 5.0);
  EXPECT_NEAR(static_cast<double>(this->vars_[0].grad()(0)), 1.5, 1e-6);
  EXPECT_NEAR(static_cast<double>(this->vars_[1].grad()(1, 0)), -2, 1e-6);
  EXPECT_FALSE(this->vars_[2].has_grad());
  EXPECT_NEAR(clip_grad_norm(this->vars_, 100), 2.5, 1e-6);  // short enough: left alone
  EXPECT_NEAR(static_cast<double>(this->vars_[0].grad()(0)), 1.5, 1e-6);
  const std::vector<autograd::NamedVar<T>> named{{"a", this->vars_[0]}};
  EXPECT_NEAR(clip_grad_norm(named, 1.0), 1.5, 1e-6);
}

TYPED_TEST(ClipTest, OtherNorms) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_NEAR(clip_grad_norm(this->vars_, 100, {.norm_type = 1}), 7, 1e-12);
  EXPECT_NEAR(clip_grad_norm(this->vars_, 100, {.norm_type = 3}), std::cbrt(91.0), 1e-12);
  EXPECT_EQ(clip_grad_norm(this->vars_, 2, {.norm_type = inf}), 4.0);
  EXPECT_NEAR(static_cast<double>(this->vars_[0].grad()(0)), 1.5, 1e-6);
}

TYPED_TEST(ClipTest, ClampsValues) {
  using T = TypeParam;
  clip_grad_value(this->vars_, 2.0);
  EXPECT_EQ(this->vars_[0].grad(), (Array<T>{2, 0}));
  EXPECT_EQ(this->vars_[1].grad(), (Array<T>{{0}, {-2}}));
  clip_grad_value(std::vector<autograd::NamedVar<T>>{{"a", this->vars_[0]}}, 1.0);
  EXPECT_EQ(this->vars_[0].grad(), (Array<T>{1, 0}));
}

TYPED_TEST(ClipTest, NanAndErrors) {
  using T = TypeParam;
  this->vars_[2].backward(Array<T>{std::numeric_limits<T>::quiet_NaN()});
  EXPECT_EQ(message_of([&] { (void)clip_grad_norm(this->vars_, 1, {.error_if_nonfinite = true}); }),
            "clip_grad_norm: the norm of the gradients is nan");
  EXPECT_EQ(this->vars_[0].grad()(0), T{3});
  clip_grad_value(this->vars_, 2.0);
  EXPECT_TRUE(std::isnan(this->vars_[2].grad()(0)));
  EXPECT_TRUE(std::isnan(clip_grad_norm(this->vars_, 1)));
  EXPECT_TRUE(std::isnan(this->vars_[0].grad()(0)));
  EXPECT_EQ(message_of([&] { (void)clip_grad_norm(this->vars_, 0); }),
            "clip_grad_norm: max_norm must be positive, got 0");
  EXPECT_EQ(message_of([&] { (void)clip_grad_norm(this->vars_, 1, {.norm_type = -1}); }),
            "clip_grad_norm: norm_type must be positive, got -1");
  EXPECT_EQ(message_of([&] { clip_grad_value(this->vars_, -1); }),
            "clip_grad_value: clip_value must not be negative, got -1");
}

}  // namespace
}  // namespace lamina
