#pragma once

#include <cstdint>
#include <string>

#include "lamina/core/random.hpp"
#include "lamina/layers/module.hpp"
#include "lamina/nn/embedding.hpp"

namespace lamina::layers {

/// Table of learned rows: y[...] = weight[indices[...]].
///
/// indices (any shape)   weight (rows, features)   y (indices..., features)
/// Starts standard normal, the row of the padding index 0, as in torch.nn.Embedding. Errors:
/// InvalidOperation for extents below 0; those of nn::embedding.
template <class T = float>
class Embedding final : public Module<T> {
 public:
  Embedding(Index rows, Index features, Generator& generator, nn::EmbeddingOptions options = {});
  /// With given rows. Error(DimensionMismatch) unless weight has rank 2.
  explicit Embedding(Array<T> weight, nn::EmbeddingOptions options = {});

  [[nodiscard]] const Var<T>& weight() const noexcept { return weight_; }
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Var<T> forward(const View<std::int64_t>& indices);
  Var<T> operator()(const View<std::int64_t>& indices) { return forward(indices); }

 protected:
  void members(Members<T>& list) override;

 private:
  Var<T> weight_;
  nn::EmbeddingOptions options_;
};

extern template class LAMINA_EXPORT Embedding<float>;
extern template class LAMINA_EXPORT Embedding<double>;

}  // namespace lamina::layers
