#include "lamina/data/batch_loader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "io/temporary_folder.hpp"
#include "lamina/core/memory.hpp"

namespace {
long allocations = 0;
}  // namespace

// Counts allocations, to show that an epoch makes none. Not inlined, or GCC takes new and free for
// a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace lamina {
namespace {

using data::BatchLoader;
using data::BatchOptions;
using data::Dataset;
using data::LastBatch;
using test::error_of;

template <class T>
class BatchLoaderTest : public ::testing::Test {};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(BatchLoaderTest, Reals);

template <class T>
Dataset<T> numbered(Index count) {
  return {Array<T>::from_shape_fn({count, 3}, [](Index i, Index j) { return T(10 * i + j); }),
          Array<std::int64_t>::from_shape_fn({count}, [](Index i) { return i + 100; })};
}

/// The positions that an epoch visits; checks that features and labels belong to them.
template <class T>
std::vector<std::int64_t> visit(BatchLoader<T>& loader, Index epoch, std::vector<Index>& sizes) {
  std::vector<std::int64_t> positions;
  sizes.clear();
  for (const auto& [features, labels, indices] : loader.epoch(epoch)) {
    sizes.push_back(labels.size());
    EXPECT_EQ(features.shape(), (Shape{labels.size(), 3}));
    for (Index i = 0; i < labels.size(); ++i) {
      EXPECT_EQ(labels(i), indices(i) + 100);
      EXPECT_EQ(features(i, 2), T(10 * indices(i) + 2));
      positions.push_back(indices(i));
    }
  }
  return positions;
}

TYPED_TEST(BatchLoaderTest, EveryExampleOnceAnEpoch) {
  using T = TypeParam;
  std::vector<Index> sizes;
  for (const Index count : {0, 1, 7, 8, 9, 40}) {
    const Dataset<T> dataset = numbered<T>(count);
    for (const bool shuffle : {false, true}) {
      BatchLoader<T> loader(dataset, {.batch_size = 8, .shuffle = shuffle, .seed = 3});
      std::vector<std::int64_t> first = visit(loader, 0, sizes);
      EXPECT_EQ(static_cast<Index>(sizes.size()), loader.size());
      EXPECT_EQ(static_cast<Index>(first.size()), loader.examples());
      for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
        EXPECT_EQ(sizes[i], 8);
      }
      std::vector<std::int64_t> sorted = first;
      std::sort(sorted.begin(), sorted.end());
      EXPECT_EQ(sorted, Array<std::int64_t>::arange(count).to_vector());
      EXPECT_TRUE(shuffle || sorted == first);
      if (shuffle && count == 40) {
        EXPECT_NE(first, visit(loader, 1, sizes));
        EXPECT_EQ(first, visit(loader, 0, sizes)) << "epochs are independent of each other";
        BatchLoader<T> other(dataset, {.batch_size = 8, .seed = 4});
        EXPECT_NE(first, visit(other, 0, sizes));
      }
    }
  }
}

TYPED_TEST(BatchLoaderTest, DropsAnIncompleteBatch) {
  using T = TypeParam;
  std::vector<Index> sizes;
  const Dataset<T> dataset = numbered<T>(20);
  BatchLoader<T> loader(dataset, {.batch_size = 8, .seed = 1, .last = LastBatch::Drop});
  EXPECT_EQ(visit(loader, 0, sizes).size(), 16U);
  EXPECT_EQ(sizes, (std::vector<Index>{8, 8}));
  EXPECT_EQ(loader.size(), 2);
  EXPECT_EQ(loader.examples(), 16);
  const Dataset<T> small = numbered<T>(5);
  BatchLoader<T> none(small, {.batch_size = 8, .last = LastBatch::Drop});
  EXPECT_TRUE(visit(none, 0, sizes).empty());
}

TYPED_TEST(BatchLoaderTest, UnshuffledBatchesAreViewsOfTheDataSet) {
  using T = TypeParam;
  const Dataset<T> dataset = numbered<T>(5);
  BatchLoader<T> loader(dataset, {.batch_size = 2, .shuffle = false});
  auto batch = loader.epoch(0).begin();
  EXPECT_EQ(batch->features.data(), dataset.features.data());
  ++batch;
  EXPECT_EQ(batch->labels.data(), dataset.labels.data() + 2);
}

TYPED_TEST(BatchLoaderTest, AnEpochAllocatesNothing) {
  using T = TypeParam;
  const Dataset<T> dataset = numbered<T>(100);
  BatchLoader<T> loader(dataset, {.batch_size = 7, .seed = 2});
  T sum{0};
  const long before = allocations;
  const std::uint64_t blocks_before = allocation_count();
  for (Index epoch = 0; epoch < 3; ++epoch) {
    for (const auto& batch : loader.epoch(epoch)) {
      sum += batch.features(0, 0);
    }
  }
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(allocation_count(), blocks_before);
  EXPECT_GT(sum, T{0});
}

TYPED_TEST(BatchLoaderTest, Errors) {
  using T = TypeParam;
  const Dataset<T> dataset = numbered<T>(3);
  EXPECT_EQ(error_of(ErrorKind::InvalidOperation,
                     [&] { BatchLoader<T>(dataset, BatchOptions{.batch_size = 0}); }),
            "BatchLoader: batch_size must be at least 1, got 0");
  BatchLoader<T> loader(dataset);
  EXPECT_EQ(error_of(ErrorKind::InvalidOperation, [&] { (void)loader.epoch(-1); }),
            "BatchLoader: the epoch must not be negative, got -1");
  const Dataset<T> uneven{Array<T>::zeros({3, 2}), Array<std::int64_t>::zeros({4})};
  (void)error_of(ErrorKind::DimensionMismatch, [&] { BatchLoader<T> refused(uneven); });
}

}  // namespace
}  // namespace lamina
