// Dropout against masks drawn one word at a time, and what it promises about its random numbers.

#include "lamina/nn/dropout.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using testing::message_of;
using testing::values;

template <class T>
class DropoutTest : public ::testing::Test {
 protected:
  ~DropoutTest() override {
    simd::reset();
    set_num_threads(threads_);
  }

 private:
  int threads_ = num_threads();
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(DropoutTest, Types);

/// What the documentation says, word by word.
Array<bool> expected_mask(const Shape& shape, double p, Generator generator) {
  Array<bool> mask = Array<bool>::empty(shape);
  for (bool& keep : mask) {
    keep = static_cast<double>(generator.next_u32()) >= std::round(p * 4294967296.0);
  }
  return mask;
}

TYPED_TEST(DropoutTest, DropsByTheGeneratorsWordsOnEveryTargetAtEveryLength) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index n : {0, 1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 63, 64, 65, 511, 512, 513, 1500}) {
      for (const std::uint64_t offset : {0ull, 1ull, 6ull, (1ull << 34) - 37}) {
        const Generator before(Generator::State{0x1234567887654321u, 5, offset});
        Generator generator = before;
        const Array<T> x = values<T>({n}, 1);
        Array<T> y = Array<T>::empty({n});
        Array<bool> mask = Array<bool>::empty({n});
        nn::dropout_into(x, y, 0.3, true, generator, mask);
        EXPECT_EQ(generator.state().offset, offset + static_cast<std::uint64_t>(n));
        ASSERT_EQ(mask, expected_mask({n}, 0.3, before)) << n << " from " << offset;
        for (Index i = 0; i < n; ++i) {
          ASSERT_EQ(y(i), mask(i) ? x(i) * static_cast<T>(1 / 0.7) : T{0});
        }
        Generator again = before;
        EXPECT_EQ(nn::dropout(x, 0.3, true, again), y);
        again = before;
        EXPECT_EQ(nn::dropout_mask({n}, 0.3, true, again), mask);
      }
    }
  }
}

TYPED_TEST(DropoutTest, SameNumbersOnAnyNumberOfThreadsAndForAnyStrides) {
  using T = TypeParam;
  const Array<T> x = values<T>({300, 700}, 1);
  const Array<T> transposed = x.t().copy();
  std::vector<Array<T>> results;
  for (const int threads : {1, 2, 3, 5}) {
    set_num_threads(threads);
    Generator generator(3);
    results.push_back(nn::dropout(x, 0.5, true, generator));
    EXPECT_EQ(results.back(), results.front());
    generator = Generator(3);
    EXPECT_EQ(nn::dropout(transposed.t(), 0.5, true, generator), results.front());
    generator = Generator(3);
    Array<T> out = Array<T>::empty({700, 300});
    Array<bool> mask = Array<bool>::empty({700, 300});
    nn::dropout_into(x, out.t(), 0.5, true, generator, mask.t());
    EXPECT_EQ(out.t(), results.front());
    generator = Generator(3);
    EXPECT_EQ(mask.t(), nn::dropout_mask({300, 700}, 0.5, true, generator));
  }
}

TYPED_TEST(DropoutTest, InPlaceAndBackward) {
  using T = TypeParam;
  const Generator before(9);
  Generator generator = before;
  const Array<T> x = values<T>({40, 50}, 1);
  const Array<T> dy = values<T>({40, 50}, 2);
  const Array<T> y = nn::dropout(x, 0.4, true, generator);
  Array<T> inplace = x;
  generator = before;
  nn::dropout_into(inplace, inplace, 0.4, true, generator);
  EXPECT_EQ(inplace, y);
  generator = before;
  const Array<bool> mask = nn::dropout_mask({40, 50}, 0.4, true, generator);
  const Array<T> dx = nn::dropout_backward(dy, 0.4, true, before);
  EXPECT_EQ(dx, nn::apply_dropout_mask(dy, mask, 0.4));
  EXPECT_EQ(nn::dropout_backward(dy.t(), 0.4, true, before).shape(), (Shape{50, 40}));
  for (Index i = 0; i < 40; ++i) {
    for (Index j = 0; j < 50; ++j) {
      EXPECT_EQ(dx(i, j), mask(i, j) ? dy(i, j) * static_cast<T>(1 / 0.6) : T{0});
    }
  }
}

TEST(DropoutMask, IntoAnyLayout) {
  for (const double p : {0.0, 0.4, 1.0}) {
    Generator first(3), second(3);
    const Array<bool> expected = nn::dropout_mask({7, 9}, p, true, first);
    Array<bool> across = Array<bool>::empty({9, 7});
    nn::dropout_mask_into(across.view().t(), p, true, second);
    EXPECT_EQ(across.view().t().copy(), expected);
    EXPECT_EQ(first.state().offset, second.state().offset);
  }
  Generator generator(1);
  const std::string nothing =
      testing::message_of([&] { nn::dropout_mask_into(MutView<bool>(), 0.5, true, generator); });
  EXPECT_NE(nothing.find("dropout_mask: out"), std::string::npos) << nothing;
}

TYPED_TEST(DropoutTest, NothingIsTakenWhereNothingIsRandom) {
  using T = TypeParam;
  Generator generator(1);
  const Array<T> x = values<T>({3, 4}, 1);
  EXPECT_EQ(nn::dropout(x, 0.5, false, generator), x);
  EXPECT_EQ(nn::dropout(x, 0.0, true, generator), x);
  EXPECT_EQ(nn::dropout(x, 1.0, true, generator), Array<T>::zeros({3, 4}));
  EXPECT_EQ(nn::alpha_dropout(x, 1.0, true, generator), Array<T>::zeros({3, 4}));
  EXPECT_EQ(nn::spatial_dropout(x, 0.5, false, generator), x);
  EXPECT_EQ(nn::drop_path(x, 0.0, true, generator), x);
  EXPECT_EQ(nn::dropout_mask({2}, 0.5, false, generator), (Array<bool>{true, true}));
  EXPECT_EQ(nn::dropout_mask({2}, 1.0, true, generator), (Array<bool>{false, false}));
  EXPECT_EQ(generator.state().offset, 0u);
  EXPECT_EQ(nn::dropout_backward(x, 1.0, true, generator), Array<T>::zeros({3, 4}));
  EXPECT_EQ(nn::dropout_backward(x, 0.5, false, generator), x);
}

TYPED_TEST(DropoutTest, ADroppedNanOrInfinityIsZero) {
  using T = TypeParam;
  for (const T special :
       {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    Generator generator(4);
    const Array<T> x = Array<T>::full({1000}, special);
    const Array<T> y = nn::dropout(x, 0.5, true, generator);
    Index zeros = 0;
    for (const T value : y) {
      zeros += value == 0 ? 1 : 0;
      EXPECT_TRUE(value == 0 || !std::isfinite(value));
    }
    EXPECT_GT(zeros, 400);
    EXPECT_LT(zeros, 600);
  }
}

TYPED_TEST(DropoutTest, ExpectationAndShareAreRight) {
  using T = TypeParam;
  constexpr Index n = 1000000;
  for (const double p : {1e-3, 0.1, 0.5, 0.9}) {
    Generator generator(11);
    const Array<T> y = nn::dropout(Array<T>::ones({n}), p, true, generator);
    double kept = 0;
    for (const T value : y) {
      kept += value != 0 ? 1 : 0;
    }
    // Five standard deviations.
    EXPECT_NEAR(kept / n, 1 - p, 5 * std::sqrt(p * (1 - p) / n)) << p;
  }
}

TYPED_TEST(DropoutTest, AlphaDropoutKeepsMeanAndVariance) {
  using T = TypeParam;
  Generator generator(5);
  const Array<T> x = random_normal<T>({1000000}, generator);
  for (const double p : {0.05, 0.3, 0.7}) {
    const Generator before = generator;
    const Array<T> y = nn::alpha_dropout(x, p, true, generator);
    double sum = 0;
    double squares = 0;
    for (const T value : y) {
      sum += static_cast<double>(value);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    EXPECT_NEAR(sum / 1e6, 0, 0.01) << p;
    EXPECT_NEAR(squares / 1e6, 1, 0.02) << p;
    Generator again = before;
    const Array<bool> mask = nn::dropout_mask(x.shape(), p, true, again);
    const Array<T> dx = nn::alpha_dropout_backward(x, p, true, before);
    const double s = -1.0507009873554805 * 1.6732632423543772;
    const double a = 1 / std::sqrt((1 - p) * (1 + p * s * s));
    for (Index i = 0; i < 100; ++i) {
      const double v = static_cast<double>(x(i));
      EXPECT_NEAR(static_cast<double>(y(i)), a * (mask(i) ? v : s) - a * p * s, 1e-5);
      EXPECT_NEAR(static_cast<double>(dx(i)), mask(i) ? a * v : 0, 1e-5);
    }
  }
}

TYPED_TEST(DropoutTest, SpatialDropoutDropsWholeChannelsOfASample) {
  using T = TypeParam;
  const Generator before(6);
  const Array<T> x = values<T>({3, 5, 4, 2}, 1);
  Generator generator = before;
  const Array<T> y = nn::spatial_dropout(x, 0.4, true, generator);
  EXPECT_EQ(generator.state().offset, 15u);
  generator = before;
  const Array<bool> mask = nn::dropout_mask({3, 5, 1, 1}, 0.4, true, generator);
  EXPECT_EQ(y, nn::apply_dropout_mask(x, mask, 0.4));
  for (Index n = 0; n < 3; ++n) {
    for (Index c = 0; c < 5; ++c) {
      for (Index i = 0; i < 8; ++i) {
        const T expected =
            mask(n, c, 0, 0) ? x(n, c, i / 2, i % 2) * static_cast<T>(1 / 0.6) : T{0};
        EXPECT_EQ(y(n, c, i / 2, i % 2), expected);
      }
    }
  }
  // Channels last: the same channels, so the same numbers.
  generator = before;
  const Array<T> last = x.permute({0, 2, 3, 1}).copy();
  const Array<T> y_last = nn::spatial_dropout(last, 0.4, true, generator, DataFormat::NHWC);
  EXPECT_EQ(y_last.permute({0, 3, 1, 2}), y);
  EXPECT_EQ(nn::spatial_dropout_backward(x, 0.4, true, before), y);
  EXPECT_EQ(nn::spatial_dropout_backward(last, 0.4, true, before, DataFormat::NHWC), y_last);
}

TYPED_TEST(DropoutTest, SpatialDropoutOfAMatrixDropsColumns) {
  using T = TypeParam;
  Generator generator(6);
  const Array<T> y = nn::spatial_dropout(Array<T>::ones({4, 10}), 0.5, true, generator);
  EXPECT_EQ(generator.state().offset, 10u);
  for (Index c = 0; c < 10; ++c) {
    EXPECT_TRUE(y(0, c) == T{0} || y(0, c) == T{2});
    for (Index i = 1; i < 4; ++i) {
      EXPECT_EQ(y(i, c), y(0, c));
    }
  }
}

TYPED_TEST(DropoutTest, DropPathDropsWholeSamples) {
  using T = TypeParam;
  const Generator before(8);
  Generator generator = before;
  const Array<T> x = values<T>({20, 3, 4}, 1);
  const Array<T> y = nn::drop_path(x, 0.5, true, generator);
  EXPECT_EQ(generator.state().offset, 20u);
  generator = before;
  const Array<bool> mask = nn::dropout_mask({20, 1, 1}, 0.5, true, generator);
  EXPECT_EQ(y, nn::apply_dropout_mask(x, mask, 0.5));
  EXPECT_EQ(nn::drop_path_backward(x, 0.5, true, before), y);
}

TYPED_TEST(DropoutTest, EmptyArrays) {
  using T = TypeParam;
  Generator generator(1);
  EXPECT_EQ(nn::dropout(Array<T>::zeros({0, 3}), 0.5, true, generator).shape(), (Shape{0, 3}));
  EXPECT_EQ(nn::spatial_dropout(Array<T>::zeros({2, 3, 0}), 0.5, true, generator).shape(),
            (Shape{2, 3, 0}));
  EXPECT_EQ(nn::drop_path(Array<T>::zeros({0, 3}), 0.5, true, generator).shape(), (Shape{0, 3}));
}

TYPED_TEST(DropoutTest, Errors) {
  using T = TypeParam;
  Generator generator(1);
  Array<T> x = values<T>({3, 4}, 1);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const bool training : {true, false}) {
    EXPECT_EQ(message_of([&] { (void)nn::dropout(x, 1.5, training, generator); }),
              "dropout: p must be in [0, 1], got 1.5");
    EXPECT_EQ(message_of([&] { (void)nn::spatial_dropout(x, -0.1, training, generator); }),
              "spatial_dropout: p must be in [0, 1], got -0.1");
    EXPECT_EQ(message_of([&] { (void)nn::drop_path(x, nan, training, generator); }),
              "drop_path: p must be in [0, 1], got nan");
  }
  EXPECT_EQ(message_of([&] { (void)nn::dropout_2d(x.row(0), 0.5, true, generator); }),
            message_of([&] { (void)x.row(0).template dims<2>("dropout_2d"); }));
  EXPECT_EQ(message_of([&] { (void)nn::spatial_dropout(x.row(0), 0.5, true, generator); }),
            "spatial_dropout: x must have rank 2 or more, got shape (4,)");
  EXPECT_EQ(message_of([&] { (void)nn::drop_path(Array<T>::scalar(1), 0.5, true, generator); }),
            "drop_path: x must have rank 1 or more");
  EXPECT_EQ(message_of([&] { (void)nn::dropout(View<T>(), 0.5, true, generator); }),
            "dropout: x is not defined");
  EXPECT_EQ(message_of([&] { nn::dropout_into(x, x.row(0), 0.5, true, generator); }),
            "dropout: x has shape (3, 4), out has shape (4,)");
  EXPECT_EQ(
      message_of([&] { nn::dropout_into(x.slice(0, 2), x.slice(1, 3), 0.5, true, generator); }),
      "dropout: out overlaps x in part; it may be the same view or memory of its own");
  Array<bool> mask = Array<bool>::full({4}, true);
  EXPECT_EQ(message_of([&] { nn::dropout_into(x, x, 0.5, true, generator, mask); }),
            "dropout: x has shape (3, 4), mask has shape (4,)");
  EXPECT_EQ(message_of([&] {
              (void)nn::apply_dropout_mask(x, Array<bool>::full({2, 4}, true), 0.5);
            }),
            "apply_dropout_mask: shapes (2, 4) and (3, 4) do not broadcast");
  EXPECT_EQ(message_of([&] {
              (void)nn::apply_dropout_mask(x, Array<bool>::full({2, 3, 4}, true), 0.5);
            }),
            "apply_dropout_mask: mask (2, 3, 4) does not broadcast to x (3, 4)");
  EXPECT_EQ(generator.state().offset, 0u);
}

}  // namespace
}  // namespace lamina
