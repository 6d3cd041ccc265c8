#include "lamina/data/dataset.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "io/temporary_folder.hpp"
#include "lamina/data/digits.hpp"
#include "lamina/io/file.hpp"

namespace lamina {
namespace {

using data::Dataset;
using test::error_of;

template <class T>
class DatasetTest : public test::TemporaryFolder {};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(DatasetTest, Reals);

/// Example i holds i in every feature; labels repeat 0 0 0 1 1 1 ... `per_class` times.
template <class T>
Dataset<T> numbered(Index count, Index per_class) {
  return {Array<T>::from_shape_fn({count, 2, 3},
                                  [](Index i, Index, Index) { return static_cast<T>(i); }),
          Array<std::int64_t>::from_shape_fn({count}, [&](Index i) { return i / per_class; })};
}

TYPED_TEST(DatasetTest, SizesAndTake) {
  using T = TypeParam;
  const Dataset<T> dataset = numbered<T>(7, 3);
  EXPECT_EQ(dataset.size(), 7);
  EXPECT_EQ(dataset.classes(), 3);
  const Array<std::int64_t> positions{6, 0, 0};
  const Dataset<T> taken = dataset.take(positions);
  EXPECT_EQ(taken.features.shape(), (Shape{3, 2, 3}));
  EXPECT_EQ(taken.features(0, 1, 2), T{6});
  EXPECT_EQ(taken.features(2, 0, 0), T{0});
  EXPECT_EQ(taken.labels, (Array<std::int64_t>{2, 0, 0}));
  EXPECT_EQ((Dataset<T>{}.size()), 0);
  EXPECT_EQ((Dataset<T>{}.classes()), 0);
}

TYPED_TEST(DatasetTest, SplitIsStratifiedAndFixedBySeed) {
  using T = TypeParam;
  const Dataset<T> dataset = numbered<T>(47, 10);  // classes of 10, 10, 10, 10, 7
  const data::Split<T> split = data::train_test_split(dataset, 0.25, 5);
  std::map<std::int64_t, Index> share;
  std::set<T> seen;
  T before{-1};
  for (Index i = 0; i < split.test.size(); ++i) {
    ++share[split.test.labels(i)];
    seen.insert(split.test.features(i, 0, 0));
    EXPECT_GT(split.test.features(i, 0, 0), before);
    before = split.test.features(i, 0, 0);
  }
  EXPECT_EQ(share, (std::map<std::int64_t, Index>{{0, 3}, {1, 3}, {2, 3}, {3, 3}, {4, 2}}));
  for (const T value : split.train.features) {
    seen.insert(value);
  }
  EXPECT_EQ(seen.size(), 47U);
  EXPECT_EQ(split.train.size() + split.test.size(), 47);
  const data::Split<T> again = data::train_test_split(dataset, 0.25, 5);
  EXPECT_EQ(again.test.features, split.test.features);
  EXPECT_EQ(again.train.labels, split.train.labels);
  const data::Split<T> other = data::train_test_split(dataset, 0.25, 6);
  EXPECT_FALSE(other.test.features == split.test.features);
  EXPECT_EQ(data::train_test_split(dataset, 0.0, 1).test.size(), 0);
  EXPECT_EQ(data::train_test_split(dataset, 1.0, 1).train.size(), 0);
}

TYPED_TEST(DatasetTest, Errors) {
  using T = TypeParam;
  const Dataset<T> dataset = numbered<T>(4, 2);
  const Dataset<T> uneven{Array<T>::zeros({3, 2}), Array<std::int64_t>::zeros({4})};
  EXPECT_EQ(error_of(ErrorKind::DimensionMismatch, [&] { (void)uneven.size(); }),
            "Dataset: features (3, 2) and labels (4,) do not fit together; expected (N, ...) and "
            "(N,)");
  EXPECT_EQ(
      error_of(ErrorKind::InvalidOperation, [&] { (void)data::train_test_split(dataset, 1.5, 0); }),
      "train_test_split: test_fraction must be between 0 and 1, got 1.5");
  EXPECT_EQ(
      error_of(ErrorKind::DimensionMismatch, [&] { (void)data::train_test_split(uneven, 0.5, 0); })
          .substr(0, 8),
      "Dataset:");
  const Array<std::int64_t> beyond{4};
  EXPECT_EQ(error_of(ErrorKind::IndexOutOfBounds, [&] { (void)dataset.take(beyond); }),
            "take: position 4 in a data set of 4");
  const Dataset<T> negative{Array<T>::zeros({1, 1}), Array<std::int64_t>{-1}};
  EXPECT_EQ(error_of(ErrorKind::IndexOutOfBounds, [&] { (void)negative.classes(); }),
            "Dataset: label -1 is negative");
}

TYPED_TEST(DatasetTest, Digits) {
  using T = TypeParam;
  const Dataset<T> digits = data::load_digits<T>(LAMINA_DIGITS);
  EXPECT_EQ(digits.features.shape(), (Shape{1797, 64}));
  EXPECT_EQ(digits.classes(), data::kDigitsClasses);
  EXPECT_EQ(digits.features(0, 2), T(5) / T(16));
  EXPECT_EQ(digits.labels(9), 9);
  T highest{0};
  for (const T value : digits.features) {
    highest = std::max(highest, value);
  }
  EXPECT_EQ(highest, T{1});

  io::write_file_atomically(this->path("x.csv"), "1,2\n");
  EXPECT_EQ(
      error_of(ErrorKind::ParseError, [&] { (void)data::load_digits<T>(this->path("x.csv")); }),
      "load_digits: " + this->path("x.csv") +
          ": a table of (1, 2); expected 65 columns, the pixels and the digit");
  std::string line;
  for (int i = 0; i < 64; ++i) {
    line += i == 3 ? "17," : "0,";
  }
  io::write_file_atomically(this->path("y.csv"), line + "1\n");
  EXPECT_EQ(
      error_of(ErrorKind::ParseError, [&] { (void)data::load_digits<T>(this->path("y.csv")); }),
      "load_digits: " + this->path("y.csv") +
          ", row 1, column 4: 17 is not an integer from 0 to 16");
}

}  // namespace
}  // namespace lamina
