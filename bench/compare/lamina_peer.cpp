#include "compare/lamina_peer.hpp"

#include <utility>

#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/conv_packed.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/loss_classification.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/packed.hpp"
#include "lamina/nn/pooling.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/softmax.hpp"

namespace lamina::compare {

namespace {

using Run = std::function<void()>;

Shape shape_of(const std::vector<std::int64_t>& dims) {
  IndexList list;
  for (const std::int64_t extent : dims) {
    list.push_back(extent);
  }
  return Shape(list);
}

template <class T>
View<T> view(const Tensor& t) {
  return View<T>(t.data<T>(), shape_of(t.dims));
}

// The result lives in `out` where the operation writes to a given array.
template <class T>
Run operation(const Problem& p, const std::shared_ptr<Array<T>>& out) {
  const Parameters q = p.parameters;
  const View<T> x = view<T>(p.inputs[0]);
  const bool has_second = p.inputs.size() > 1 && p.inputs[1].type == p.type;
  const View<T> y = has_second ? view<T>(p.inputs[1]) : View<T>();
  const View<T> z = p.inputs.size() > 2 ? view<T>(p.inputs[2]) : View<T>();
  const DataFormat format = p.terms == Terms::Nhwc ? DataFormat::NHWC : DataFormat::NCHW;

  if (p.op == "gemm" && p.terms == Terms::Packed) {
    const nn::PackedWeight<T> packed = nn::pack_matrix(y);
    return [=] { nn::matmul_into(x, packed, out->view()); };
  }
  if (p.op == "gemm") {
    return [=] { nn::matmul_into(x, y, out->view()); };
  }
  if (p.op == "gemm_transposed_b") {
    return [=] { nn::linear_into(x, y, {}, out->view()); };
  }
  if (p.op == "linear") {
    return [=] { nn::linear_into(x, y, z, out->view()); };
  }
  if (p.op.starts_with("conv2d")) {
    const nn::Conv2dOptions options{
        .stride = {q.stride, q.stride}, .padding = q.padding, .groups = q.groups, .format = format};
    if (p.op == "conv2d" && p.terms != Terms::Plain) {
      const nn::PackedConv2dWeight<T> packed = nn::pack_conv2d_weight(y, x.shape(), options);
      return [=] { nn::conv2d_into(x, packed, {}, out->view()); };
    }
    if (p.op == "conv2d") {
      return [=] { nn::conv2d_into(x, y, {}, out->view(), options); };
    }
    if (p.op == "conv2d_backward_input") {
      return [=] { nn::conv2d_backward_input_into(x, y, out->view(), options); };
    }
    return [=] { nn::conv2d_backward_weight_into(x, y, out->view(), options); };
  }
  if (p.op == "add") {
    return [=] { nn::add_into(x, y, out->view()); };
  }
  if (p.op == "mul") {
    return [=] { nn::mul_into(x, y, out->view()); };
  }
  if (p.op == "pow") {
    return [=] { nn::pow_into(x, y, out->view()); };
  }
  for (const nn::ActivationRow& row : nn::kActivationTable) {
    if (row.name == p.op) {
      const nn::Activation kind = row.kind;
      return [=] { nn::activation_into(x, out->view(), kind); };
    }
  }
  if (p.op == "sum" || p.op == "max" || p.op == "mean") {
    const nn::Reduction kind = p.op == "sum"   ? nn::Reduction::Sum
                               : p.op == "max" ? nn::Reduction::Max
                                               : nn::Reduction::Mean;
    nn::ReduceOptions options;
    if (q.axis != kAllAxes) {
      options.axes = {q.axis};
    }
    return [=] { nn::reduce_into(kind, x, out->view(), options); };
  }
  if (p.op == "argmax") {
    nn::ReduceOptions options;
    if (q.axis != kAllAxes) {
      options.axes = {q.axis};
    }
    auto indices = std::make_shared<Array<std::int64_t>>(shape_of(p.out_dims));
    return [=] { nn::argmax_into(x, indices->view(), options); };
  }
  if (p.op == "softmax") {
    return [=] { nn::softmax_into(x, out->view(), {.axis = q.axis}); };
  }
  if (p.op == "log_softmax") {
    return [=] { nn::log_softmax_into(x, out->view(), {.axis = q.axis}); };
  }
  if (p.op == "layer_norm") {
    return [=] { nn::layer_norm_into(x, out->view(), y, z); };
  }
  if (p.op == "rms_norm") {
    return [=] { nn::rms_norm_into(x, out->view(), y); };
  }
  if (p.op.starts_with("batch_norm")) {
    const Shape channels = y.shape();
    auto mean = std::make_shared<Array<T>>(channels);
    auto rstd = std::make_shared<Array<T>>(channels);
    const auto forward = [=] {
      nn::batch_norm_into(x, out->view(), y, z, 1e-5, format, {mean->view(), rstd->view()});
    };
    if (p.op == "batch_norm") {
      return forward;
    }
    forward();
    const View<T> dy = view<T>(p.inputs[3]);
    auto dgamma = std::make_shared<Array<T>>(channels);
    auto dbeta = std::make_shared<Array<T>>(channels);
    return [=] {
      nn::batch_norm_backward_into(dy, x, y, out->view(), dgamma->view(), dbeta->view(), 1e-5,
                                   format, {mean->view(), rstd->view()});
    };
  }
  if (p.op == "max_pool") {
    const nn::Pool2dOptions options{.stride = q.stride, .padding = q.padding, .format = format};
    return [=] { nn::max_pool2d_into(x, q.kernel, out->view(), options); };
  }
  if (p.op == "avg_pool") {
    const nn::AvgPool2dOptions options{.stride = q.stride, .padding = q.padding, .format = format};
    return [=] { nn::avg_pool2d_into(x, q.kernel, out->view(), options); };
  }
  if (p.op == "global_avg_pool") {
    const nn::GlobalPoolOptions options{.keep_dims = true, .format = format};
    return [=] { nn::global_avg_pool_into(x, out->view(), options); };
  }
  if (p.op == "attention") {
    const nn::AttentionOptions<T> options{.causal = q.causal};
    return [=] { nn::scaled_dot_product_attention_into(x, y, z, out->view(), options); };
  }
  if (p.op == "embedding") {
    const auto indices = view<std::int64_t>(p.inputs[1]);
    return [=] { nn::embedding_into(indices, x, out->view()); };
  }
  if (p.op == "embedding_bag") {
    const auto indices = view<std::int64_t>(p.inputs[1]).reshape({-1, q.bag});
    return [=] { nn::embedding_bag_into(indices, x, nn::BagMode::Sum, out->view()); };
  }
  if (p.op == "cross_entropy") {
    const auto labels = view<std::int64_t>(p.inputs[1]);
    return [=] { nn::cross_entropy_into(labels, x, out->view()); };
  }
  if (p.op == "cross_entropy_with_gradient") {
    const auto labels = view<std::int64_t>(p.inputs[1]);
    auto loss = std::make_shared<Array<T>>(Shape());
    return [=] { nn::cross_entropy_with_gradient_into(labels, x, loss->view(), out->view()); };
  }
  return {};
}

class Lamina final : public Peer {
 public:
  [[nodiscard]] std::string name() const override { return "lamina"; }
  [[nodiscard]] std::string version() const override {
    return std::string(simd::to_string(simd::active_target()));
  }
  void set_threads(int threads) override { set_num_threads(threads); }
  [[nodiscard]] std::vector<Job> prepare(const Problem& p) override {
    if (p.op.starts_with("train_")) {
      Run run = lamina_training(p);
      return run ? std::vector<Job>{{"lamina", std::move(run), {}}} : std::vector<Job>{};
    }
    return p.type == Type::F32 ? make<float>(p) : make<double>(p);
  }

 private:
  template <class T>
  static std::vector<Job> make(const Problem& p) {
    auto out = std::make_shared<Array<T>>(shape_of(p.out_dims));
    Job job;
    job.label = "lamina";
    job.run = operation<T>(p, out);
    if (!job.run) {
      return {};
    }
    job.run();
    if (p.op != "argmax") {
      job.output = [out] { return static_cast<const void*>(out->data()); };
    }
    return {job};
  }
};

}  // namespace

Peer& lamina_peer() {
  static Lamina peer;
  return peer;
}

}  // namespace lamina::compare
