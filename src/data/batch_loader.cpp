#include "lamina/data/batch_loader.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "lamina/core/random.hpp"

namespace lamina::data {

template <class T>
BatchLoader<T>::BatchLoader(const Dataset<T>& dataset, const BatchOptions& options)
    : dataset_(&dataset), options_(options) {
  check(options.batch_size >= 1, ErrorKind::InvalidOperation, "BatchLoader",
        "batch_size must be at least 1, got ", options.batch_size);
  const Index count = dataset.size();
  const bool keep = options.last == LastBatch::Keep;
  batches_ = keep ? ceil_div(count, options.batch_size) : count / options.batch_size;
  examples_ = keep ? count : batches_ * options.batch_size;
  order_ = Array<std::int64_t>::arange(count);
  if (options.shuffle) {
    Shape shape = dataset.features.shape();
    shape[0] = std::min(count, options.batch_size);
    features_ = Array<T>::empty(shape);
    labels_ = Array<std::int64_t>::empty({shape[0]});
  }
}

template <class T>
typename BatchLoader<T>::Epoch BatchLoader<T>::epoch(Index number) {
  check(number >= 0, ErrorKind::InvalidOperation, "BatchLoader",
        "the epoch must not be negative, got ", number);
  if (options_.shuffle) {
    std::iota(order_.begin(), order_.end(), std::int64_t{0});
    Generator generator(options_.seed, static_cast<std::uint64_t>(number));
    for (Index i = order_.size(); i > 1; --i) {
      std::swap(order_(i - 1), order_(generator.below(i)));
    }
  }
  return Epoch(this);
}

template <class T>
void BatchLoader<T>::load(Index number) {
  const Index begin = number * options_.batch_size;
  const Index end = std::min(begin + options_.batch_size, examples_);
  batch_.indices = std::as_const(order_).slice(begin, end);
  if (!options_.shuffle) {
    batch_.features = dataset_->features.slice(begin, end);
    batch_.labels = dataset_->labels.slice(begin, end);
    return;
  }
  const Index width = features_.size() / features_.shape()[0];
  for (Index i = 0; i < end - begin; ++i) {
    const std::int64_t position = order_(begin + i);
    std::copy_n(dataset_->features.data() + position * width, width, features_.data() + i * width);
    labels_(i) = dataset_->labels(position);
  }
  batch_.features = std::as_const(features_).slice(0, end - begin);
  batch_.labels = std::as_const(labels_).slice(0, end - begin);
}

template class BatchLoader<float>;
template class BatchLoader<double>;

}  // namespace lamina::data
