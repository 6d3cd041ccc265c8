// PyTorch's C++ library.

#include <torch/torch.h>

#include <memory>
#include <utility>

#include "compare/peer.hpp"

namespace {

using namespace lamina::compare;
using torch::Tensor;

torch::ScalarType scalar_type(Type type) {
  return type == Type::F32 ? torch::kFloat : type == Type::F64 ? torch::kDouble : torch::kLong;
}

Tensor wrap(const lamina::compare::Tensor& t) {
  return torch::from_blob(t.memory.get(), t.dims, torch::TensorOptions(scalar_type(t.type)));
}

// One step of stochastic gradient descent.
struct Training {
  std::vector<Tensor> parameters;
  std::function<Tensor()> loss;

  void step() {
    const Tensor value = loss();
    for (Tensor& parameter : parameters) {
      parameter.mutable_grad() = Tensor();
    }
    value.backward();
    const torch::NoGradGuard guard;
    for (Tensor& parameter : parameters) {
      parameter.add_(parameter.grad(), -0.01);
    }
  }
  Tensor parameter(torch::IntArrayRef dims, torch::ScalarType type) {
    std::int64_t fan_in = 1;
    for (std::size_t i = 1; i < dims.size(); ++i) {
      fan_in *= dims[i];
    }
    const Tensor t = (torch::rand(dims, torch::TensorOptions(type)) * 2 - 1) /
                     std::sqrt(static_cast<double>(fan_in));
    parameters.push_back(t.detach().requires_grad_());
    return parameters.back();
  }
};

class Torch final : public Peer {
 public:
  [[nodiscard]] std::string name() const override { return "pytorch"; }
  [[nodiscard]] std::string version() const override { return TORCH_VERSION; }
  void set_threads(int threads) override { torch::set_num_threads(threads); }

  [[nodiscard]] std::vector<Job> prepare(const Problem& p) override {
    if (p.terms == Terms::Packed) {
      return {};
    }
    torch::NoGradGuard guard;
    Job job;
    job.label = "pytorch";
    auto out = std::make_shared<Tensor>();
    auto run = p.op.starts_with("train_") ? training(p)
               : p.terms == Terms::Nhwc || p.op.starts_with("conv2d") || p.op.ends_with("_pool") ||
                       p.op.starts_with("batch_norm")
                   ? image_operation(p, *out, out)
                   : operation(p, out);
    if (!run) {
      return {};
    }
    const bool train = p.op.starts_with("train_");
    job.run = [run = std::move(run), train, out] {
      torch::AutoGradMode mode(train);
      run();
    };
    if (!train) {
      job.run();
      if (out->defined() && out->scalar_type() == scalar_type(p.type) && p.terms != Terms::Nhwc &&
          out->is_contiguous()) {
        job.output = [out] { return static_cast<const void*>(out->data_ptr()); };
      }
    }
    return {job};
  }

 private:
  using Run = std::function<void()>;

  Run operation(const Problem& p, const std::shared_ptr<Tensor>& out) {
    const Parameters& q = p.parameters;
    const auto type = torch::TensorOptions(scalar_type(p.type));
    std::vector<Tensor> in;
    for (const auto& t : p.inputs) {
      in.push_back(wrap(t));
    }
    *out = torch::empty(p.out_dims, type);
    const Tensor x = in[0];
    const Tensor y = in.size() > 1 ? in[1] : Tensor();
    const int axis = q.axis;
    if (p.op == "gemm") {
      return [=] { torch::mm_out(*out, x, y); };
    }
    if (p.op == "gemm_transposed_b") {
      const Tensor b = y.t();
      return [=] { torch::mm_out(*out, x, b); };
    }
    if (p.op == "linear") {
      const Tensor bias = in[2];
      return [=] { torch::linear_out(*out, x, y, bias); };
    }
    if (p.op == "relu") {
      return [=] { torch::clamp_min_out(*out, x, 0); };
    }
    if (p.op == "add") {
      return [=] { torch::add_out(*out, x, y); };
    }
    if (p.op == "mul") {
      return [=] { torch::mul_out(*out, x, y); };
    }
    if (p.op == "exp") {
      return [=] { torch::exp_out(*out, x); };
    }
    if (p.op == "sigmoid") {
      return [=] { torch::sigmoid_out(*out, x); };
    }
    if (p.op == "silu") {
      return [=] { torch::silu_out(*out, x); };
    }
    if (p.op == "tanh") {
      return [=] { torch::tanh_out(*out, x); };
    }
    if (p.op == "gelu" || p.op == "gelu_tanh") {
      const std::string form = p.op == "gelu" ? "none" : "tanh";
      return [=] { torch::gelu_out(*out, x, form); };
    }
    if (p.op == "mish") {
      return [=] { torch::mish_out(*out, x); };
    }
    if (p.op == "pow") {
      return [=] { torch::pow_out(*out, x, y); };
    }
    if (p.op == "sum" || p.op == "mean") {
      const bool sum = p.op == "sum";
      std::vector<std::int64_t> axes;
      for (int i = 0; i < x.dim(); ++i) {
        if (axis == kAllAxes || axis == i) {
          axes.push_back(i);
        }
      }
      return [=] {
        if (sum) {
          torch::sum_out(*out, x, axes);
        } else {
          torch::mean_out(*out, x, axes);
        }
      };
    }
    if (p.op == "max") {
      std::vector<std::int64_t> axes;
      if (axis != kAllAxes) {
        axes.push_back(axis);
      }
      return [=] { torch::amax_out(*out, x, axes); };
    }
    if (p.op == "argmax") {
      *out = torch::empty(p.out_dims, torch::kLong);
      return [=] {
        if (axis == kAllAxes) {
          torch::argmax_out(*out, x);
        } else {
          torch::argmax_out(*out, x, axis);
        }
      };
    }
    if (p.op == "softmax") {
      return [=] { torch::_softmax_out(*out, x, axis < 0 ? axis + x.dim() : axis, false); };
    }
    if (p.op == "log_softmax") {
      return [=] { torch::_log_softmax_out(*out, x, axis < 0 ? axis + x.dim() : axis, false); };
    }
    // From here on the result is a fresh tensor of each call.
    if (p.op == "layer_norm") {
      const Tensor gamma = in[1], beta = in[2];
      const std::int64_t width = x.size(-1);
      return [=] { *out = torch::layer_norm(x, {width}, gamma, beta, 1e-5); };
    }
    if (p.op == "rms_norm") {
      const Tensor gamma = in[1];
      return [=] { *out = x * torch::rsqrt(x.pow(2).mean(-1, true) + 1e-5) * gamma; };
    }
    if (p.op == "attention") {
      const Tensor v = in[2];
      const double scale = 1 / std::sqrt(static_cast<double>(x.size(-1)));
      Tensor mask;
      if (q.causal) {
        mask = torch::full({x.size(2), x.size(2)}, -INFINITY, type).triu(1);
      }
      return [=] {
        Tensor scores = torch::matmul(x, y.transpose(-1, -2)).mul_(scale);
        if (mask.defined()) {
          scores.add_(mask);
        }
        *out = torch::matmul(torch::softmax(scores, -1), v);
      };
    }
    if (p.op == "embedding") {
      return [=] { *out = torch::embedding(x, y); };
    }
    if (p.op == "embedding_bag") {
      const Tensor offsets = torch::arange(0, y.size(0), q.bag);
      return [=] { *out = std::get<0>(torch::embedding_bag(x, y, offsets)); };
    }
    if (p.op == "cross_entropy") {
      return [=] { *out = torch::nll_loss(torch::log_softmax(x, 1), y); };
    }
    if (p.op == "cross_entropy_with_gradient") {
      const Tensor logits = x.detach().requires_grad_();
      return [=] {
        torch::AutoGradMode mode(true);
        const Tensor loss = torch::nll_loss(torch::log_softmax(logits, 1), y);
        *out = torch::autograd::grad({loss}, {logits})[0];
      };
    }
    return {};
  }

  Run image_operation(const Problem& p, const Tensor&, const std::shared_ptr<Tensor>& out) {
    const Parameters& q = p.parameters;
    const bool nhwc = p.terms == Terms::Nhwc;
    const auto image = [&](const lamina::compare::Tensor& t) {
      Tensor tensor = wrap(t);
      return nhwc && tensor.dim() == 4 ? tensor.permute({0, 3, 1, 2}) : tensor;
    };
    const auto channels_last = [&](const lamina::compare::Tensor& t) {
      const Tensor tensor = wrap(t);
      return nhwc ? tensor.contiguous(torch::MemoryFormat::ChannelsLast) : tensor;
    };
    const std::vector<std::int64_t> stride(2, q.stride), padding(2, q.padding), dilation(2, 1),
        zero(2, 0);
    const Tensor x = image(p.inputs[0]);
    if (p.op == "conv2d") {
      const Tensor w = channels_last(p.inputs[1]);
      return [=] {
        *out = torch::convolution(x, w, {}, stride, padding, dilation, false, zero, q.groups);
      };
    }
    if (p.op == "conv2d_backward_input") {
      const Tensor w = channels_last(p.inputs[1]);
      std::vector<std::int64_t> d = p.out_dims;
      Tensor like = torch::zeros(d, x.options());
      if (nhwc) {
        like = like.permute({0, 3, 1, 2});
      }
      return [=] {
        *out = std::get<0>(torch::convolution_backward(x, like, w, torch::nullopt, stride, padding,
                                                       dilation, false, zero, q.groups,
                                                       {true, false, false}));
      };
    }
    if (p.op == "conv2d_backward_weight") {
      const Tensor images = image(p.inputs[1]);
      Tensor like = torch::zeros(p.out_dims, x.options());
      if (nhwc) {
        like = like.contiguous(torch::MemoryFormat::ChannelsLast);
      }
      return [=] {
        *out = std::get<1>(torch::convolution_backward(x, images, like, torch::nullopt, stride,
                                                       padding, dilation, false, zero, q.groups,
                                                       {false, true, false}));
      };
    }
    if (p.op == "max_pool") {
      return [=] { *out = torch::max_pool2d(x, {q.kernel, q.kernel}, stride, padding); };
    }
    if (p.op == "avg_pool") {
      return [=] { *out = torch::avg_pool2d(x, {q.kernel, q.kernel}, stride, padding); };
    }
    if (p.op == "global_avg_pool") {
      return [=] { *out = torch::adaptive_avg_pool2d(x, {1, 1}); };
    }
    if (p.op == "batch_norm") {
      const Tensor gamma = wrap(p.inputs[1]), beta = wrap(p.inputs[2]);
      return [=] {
        *out = std::get<0>(torch::native_batch_norm(x, gamma, beta, {}, {}, true, 0.1, 1e-5));
      };
    }
    if (p.op == "batch_norm_backward") {
      const Tensor gamma = wrap(p.inputs[1]), beta = wrap(p.inputs[2]), dy = image(p.inputs[3]);
      const auto [y, mean, rstd] =
          torch::native_batch_norm(x, gamma, beta, {}, {}, true, 0.1, 1e-5);
      const Tensor saved_mean = mean, saved_rstd = rstd;
      return [=] {
        *out = std::get<0>(torch::native_batch_norm_backward(
            dy, x, gamma, {}, {}, saved_mean, saved_rstd, true, 1e-5, {true, true, true}));
      };
    }
    return {};
  }

  static Run training(const Problem& p) {
    const auto type = scalar_type(p.type);
    const Tensor x = wrap(p.inputs[0]), labels = wrap(p.inputs[1]);
    auto net = std::make_shared<Training>();
    torch::AutoGradMode mode(true);
    std::vector<Tensor> w, b;
    const auto layer = [&](torch::IntArrayRef dims) {
      w.push_back(net->parameter(dims, type));
      b.push_back(net->parameter({dims[0]}, type));
    };
    const auto finish = [=](const Tensor& logits) {
      return torch::nll_loss(torch::log_softmax(logits, 1), labels);
    };
    if (p.op == "train_mlp") {
      layer({512, 784});
      layer({256, 512});
      layer({10, 256});
      net->loss = [=] {
        const Tensor h1 = torch::relu(torch::linear(x, w[0], b[0]));
        const Tensor h2 = torch::relu(torch::linear(h1, w[1], b[1]));
        return finish(torch::linear(h2, w[2], b[2]));
      };
    } else if (p.op == "train_lenet") {
      layer({6, 1, 5, 5});
      layer({16, 6, 5, 5});
      layer({120, 400});
      layer({84, 120});
      layer({10, 84});
      net->loss = [=] {
        const Tensor h1 =
            torch::max_pool2d(torch::relu(torch::conv2d(x, w[0], b[0], 1, 2)), {2, 2});
        const Tensor h2 = torch::max_pool2d(torch::relu(torch::conv2d(h1, w[1], b[1])), {2, 2});
        const Tensor h3 = torch::relu(torch::linear(h2.flatten(1), w[2], b[2]));
        const Tensor h4 = torch::relu(torch::linear(h3, w[3], b[3]));
        return finish(torch::linear(h4, w[4], b[4]));
      };
    } else if (p.op == "train_cnn") {
      layer({32, 3, 3, 3});
      layer({64, 32, 3, 3});
      layer({10, 64 * 8 * 8});
      std::vector<Tensor> gamma, beta, mean, var;
      for (const std::int64_t channels : {32, 64}) {
        gamma.push_back(net->parameter({channels}, type));
        beta.push_back(net->parameter({channels}, type));
        mean.push_back(torch::zeros({channels}, torch::TensorOptions(type)));
        var.push_back(torch::ones({channels}, torch::TensorOptions(type)));
      }
      net->loss = [=] {
        Tensor h = x;
        for (std::size_t i = 0; i < 2; ++i) {
          h = torch::conv2d(h, w[i], b[i], 1, 1);
          h = torch::batch_norm(h, gamma[i], beta[i], mean[i], var[i], true, 0.1, 1e-5, false);
          h = torch::max_pool2d(torch::relu(h), {2, 2});
        }
        return finish(torch::linear(h.flatten(1), w[2], b[2]));
      };
    } else {
      return {};
    }
    return [net] { net->step(); };
  }
};

}  // namespace

LAMINA_COMPARE_ADAPTER {
  static_cast<void>(path);
  return new Torch();
}
