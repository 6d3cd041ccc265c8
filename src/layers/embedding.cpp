#include "lamina/layers/embedding.hpp"

#include "lamina/autograd/ops_attention.hpp"

namespace lamina::layers {

template <class T>
Embedding<T>::Embedding(Index rows, Index features, Generator& generator,
                        nn::EmbeddingOptions options)
    : options_(options) {
  check(rows >= 0 && features >= 0, ErrorKind::InvalidOperation, "Embedding",
        "extents must not be negative, got rows ", rows, ", features ", features);
  if (options_.padding_index) {
    check(*options_.padding_index >= -rows && *options_.padding_index < rows,
          ErrorKind::IndexOutOfBounds, "Embedding", "padding index ", *options_.padding_index,
          " is out of bounds for a table of ", rows, " rows");
  }
  Array<T> weight = random_normal<T>({rows, features}, generator);
  if (options_.padding_index) {
    const Index row = *options_.padding_index;
    weight.row(row < 0 ? row + rows : row).fill(T(0));
  }
  weight_ = parameter(std::move(weight));
}

template <class T>
Embedding<T>::Embedding(Array<T> weight, nn::EmbeddingOptions options) : options_(options) {
  check(weight.rank() == 2, ErrorKind::DimensionMismatch, "Embedding",
        "weight must be (rows, features), got ", weight.shape());
  weight_ = parameter(std::move(weight));
}

template <class T>
std::string Embedding<T>::name() const {
  return "Embedding(" + std::to_string(weight_.extent(0)) + " x " +
         std::to_string(weight_.extent(1)) + ")";
}

template <class T>
Var<T> Embedding<T>::forward(const View<std::int64_t>& indices) {
  return nn::embedding(indices, weight_, options_);
}

template <class T>
void Embedding<T>::members(Members<T>& list) {
  list.parameter("weight", weight_);
}

template class Embedding<float>;
template class Embedding<double>;

}  // namespace lamina::layers
