#pragma once

#include <string>

#include "lamina/core/random.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/module.hpp"
#include "lamina/nn/attention.hpp"

namespace lamina::layers {

struct MultiheadAttentionOptions {
  Index key_heads = 0;     ///< heads of keys and values, a divisor of the heads; 0: as many
  Index key_features = 0;  ///< features of the context; 0: as x
  bool bias = true;
  bool causal = false;  ///< of forward(x)
  WeightInit init = WeightInit::XavierUniform;
  double dropout = 0;  ///< of the weights, in training mode only
};

/// Attention of several heads between learned projections.
///
///   y = concat over heads h of (attention(q_h, k_h, v_h)) w_o^T + b_o
///   q, k, v = x w_q^T + b_q,  context w_k^T + b_k,  context w_v^T + b_v, cut into heads
///
/// x (..., Lq, features)   context (..., Lk, key_features)   y (..., Lq, features)
/// One or no leading axis before these. Each head has features / heads features. With fewer heads
/// of keys, neighboring heads share them. Biases start at 0. Parameters: query, key, value and out,
/// each with weight and bias. Dropout has a generator of its own, seeded from the one given.
/// Errors: InvalidOperation for heads that do not divide and for dropout outside [0, 1]; those of
/// nn::linear and nn::scaled_dot_product_attention. torch.nn.MultiheadAttention (batch first),
/// Vaswani et al. 2017.
template <class T = float>
class MultiheadAttention final : public Layer<T> {
 public:
  MultiheadAttention(Index features, Index heads, Generator& generator,
                     const MultiheadAttentionOptions& options = {});

  [[nodiscard]] std::string name() const override;
  /// Of x to itself.
  [[nodiscard]] Var<T> forward(const Var<T>& x) override;
  /// Of x to a context; masks are those of the scores (..., heads, Lq, Lk). Dropout is the layer's.
  [[nodiscard]] Var<T> forward(const Var<T>& x, const Var<T>& context,
                               const nn::AttentionOptions<T>& options = {});
  /// Of dropout, to save and restore its state.
  [[nodiscard]] Generator& generator() noexcept { return generator_; }
  using Layer<T>::operator();
  Var<T> operator()(const Var<T>& x, const Var<T>& context,
                    const nn::AttentionOptions<T>& options = {}) {
    return forward(x, context, options);
  }

 protected:
  void members(Members<T>& list) override;

 private:
  Index features_, heads_, key_heads_;
  bool causal_;
  double dropout_;
  Generator generator_;
  Linear<T> query_, key_, value_, out_;
};

extern template class LAMINA_EXPORT MultiheadAttention<float>;
extern template class LAMINA_EXPORT MultiheadAttention<double>;

}  // namespace lamina::layers
