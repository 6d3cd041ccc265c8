#include "lamina/data/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "lamina/core/random.hpp"

namespace lamina::data {

template <class T>
Index Dataset<T>::size() const {
  check(features.rank() >= 1 && labels.rank() == 1 && features.shape()[0] == labels.shape()[0],
        ErrorKind::DimensionMismatch, "Dataset", "features ", features.shape(), " and labels ",
        labels.shape(), " do not fit together; expected (N, ...) and (N,)");
  return labels.size();
}

template <class T>
Index Dataset<T>::classes() const {
  std::int64_t highest = -1;
  for (const std::int64_t label : labels) {
    check(label >= 0, ErrorKind::IndexOutOfBounds, "Dataset", "label ", label, " is negative");
    highest = std::max(highest, label);
  }
  return highest + 1;
}

template <class T>
Dataset<T> Dataset<T>::take(const View<std::int64_t>& positions) const {
  const Index available = size();
  const auto [count] = positions.template dims<1>("take", "positions");
  for (const std::int64_t position : positions) {
    check(position >= 0 && position < available, ErrorKind::IndexOutOfBounds, "take", "position ",
          position, " in a data set of ", available);
  }
  Shape shape = features.shape();
  shape[0] = count;
  Dataset result{Array<T>::empty(shape), Array<std::int64_t>::empty({count})};
  const Index width = available == 0 ? 0 : features.size() / available;
  for (Index i = 0; i < count; ++i) {
    std::copy_n(features.data() + positions(i) * width, width, result.features.data() + i * width);
    result.labels(i) = labels(positions(i));
  }
  return result;
}

template <class T>
Split<T> train_test_split(const Dataset<T>& dataset, double test_fraction, std::uint64_t seed) {
  check(test_fraction >= 0 && test_fraction <= 1, ErrorKind::InvalidOperation, "train_test_split",
        "test_fraction must be between 0 and 1, got ", test_fraction);
  std::map<std::int64_t, std::vector<std::int64_t>> members;
  for (Index i = 0; i < dataset.size(); ++i) {
    members[dataset.labels(i)].push_back(i);
  }
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> test;
  for (auto& [label, positions] : members) {
    // A stream for each class: one class's examples do not change the draw of another.
    Generator generator(seed, static_cast<std::uint64_t>(label));
    shuffle(positions, generator);
    const auto count =
        static_cast<Index>(std::floor(test_fraction * static_cast<double>(positions.size()) + 0.5));
    test.insert(test.end(), positions.begin(), positions.begin() + count);
    train.insert(train.end(), positions.begin() + count, positions.end());
  }
  std::sort(train.begin(), train.end());
  std::sort(test.begin(), test.end());
  return {dataset.take(View<std::int64_t>(train)), dataset.take(View<std::int64_t>(test))};
}

template struct Dataset<float>;
template struct Dataset<double>;
template LAMINA_EXPORT Split<float> train_test_split(const Dataset<float>&, double, std::uint64_t);
template LAMINA_EXPORT Split<double> train_test_split(const Dataset<double>&, double,
                                                      std::uint64_t);

}  // namespace lamina::data
