#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "lamina/data/dataset.hpp"

namespace lamina::data {

/// What becomes of the examples that do not fill the last batch.
enum class LastBatch : std::uint8_t { Keep, Drop };

struct BatchOptions {
  Index batch_size = 32;
  bool shuffle = true;
  std::uint64_t seed = 0;
  LastBatch last = LastBatch::Keep;
};

/// Views into the loader, valid until its next batch.
template <class T>
struct Batch {
  View<T> features;            ///< (B, ...)
  View<std::int64_t> labels;   ///< (B,)
  View<std::int64_t> indices;  ///< (B,), where the examples stand in the data set
};

/// Cuts a data set into batches, in a new order each epoch.
///
///     for (const auto& [x, labels, indices] : loader.epoch(3)) { ... }
///
/// The order of an epoch depends on seed and epoch alone, so that training can be taken up again
/// at any epoch. All memory is allocated when the loader is made; one epoch runs at a time.
/// Error(InvalidOperation) for a batch size below 1, Error(DimensionMismatch) if the data set's
/// features and labels differ in number. PyTorch: torch.utils.data.DataLoader.
template <class T>
class LAMINA_EXPORT BatchLoader {
 public:
  /// The data set must outlive the loader.
  explicit BatchLoader(const Dataset<T>& dataset, const BatchOptions& options = {});
  BatchLoader(Dataset<T>&&, const BatchOptions& = {}) = delete;

  class Iterator;
  class Epoch;
  /// The batches of epoch `number`, counted from 0. Error(InvalidOperation) if it is negative.
  [[nodiscard]] Epoch epoch(Index number);

  /// Batches an epoch.
  [[nodiscard]] Index size() const noexcept { return batches_; }
  /// Examples an epoch: without those that LastBatch::Drop leaves out.
  [[nodiscard]] Index examples() const noexcept { return examples_; }

 private:
  void load(Index number);

  const Dataset<T>* dataset_;
  BatchOptions options_;
  Index batches_ = 0;
  Index examples_ = 0;
  Array<std::int64_t> order_;
  Array<T> features_;
  Array<std::int64_t> labels_;
  Batch<T> batch_;
};

template <class T>
class BatchLoader<T>::Iterator {
 public:
  using value_type = Batch<T>;
  using difference_type = std::ptrdiff_t;
  using iterator_category = std::input_iterator_tag;
  using reference = const Batch<T>&;
  using pointer = const Batch<T>*;

  Iterator(BatchLoader* loader, Index number) : loader_(loader), number_(number) {
    if (number_ < loader_->batches_) {
      loader_->load(number_);
    }
  }
  reference operator*() const noexcept { return loader_->batch_; }
  pointer operator->() const noexcept { return &loader_->batch_; }
  Iterator& operator++() {
    if (++number_ < loader_->batches_) {
      loader_->load(number_);
    }
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
    return a.number_ == b.number_;
  }

 private:
  BatchLoader* loader_;
  Index number_;
};

template <class T>
class BatchLoader<T>::Epoch {
 public:
  explicit Epoch(BatchLoader* loader) : loader_(loader) {}
  [[nodiscard]] Iterator begin() const { return Iterator(loader_, 0); }
  [[nodiscard]] Iterator end() const { return Iterator(loader_, loader_->batches_); }

 private:
  BatchLoader* loader_;
};

extern template class LAMINA_EXPORT BatchLoader<float>;
extern template class LAMINA_EXPORT BatchLoader<double>;

}  // namespace lamina::data
