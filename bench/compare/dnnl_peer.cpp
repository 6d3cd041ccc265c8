// oneDNN 2. It has no operations on doubles.

#include <omp.h>

#include <cstring>
#include <dnnl.hpp>
#include <memory>
#include <unordered_map>
#include <utility>

#include "compare/peer.hpp"

namespace {

using namespace lamina::compare;
using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using Tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;

// A primitive with what it reads and writes, and the reorders around it.
struct Plan {
  struct Step {
    dnnl::primitive primitive;
    Arguments arguments;
  };
  std::vector<Step> steps;
  dnnl::stream stream;

  void run() {
    for (Step& step : steps) {
      step.primitive.execute(stream, step.arguments);
    }
    stream.wait();
  }
};

memory::dims dims_of(const Tensor& tensor) {
  return {tensor.dims.begin(), tensor.dims.end()};
}

Tag plain_tag(std::size_t rank) {
  constexpr Tag kTags[] = {Tag::undef, Tag::a, Tag::ab, Tag::abc, Tag::abcd, Tag::abcde};
  return kTags[rank];
}

class Dnnl final : public Peer {
 public:
  [[nodiscard]] std::string name() const override { return "onednn"; }
  [[nodiscard]] std::string version() const override {
    const dnnl_version_t* v = dnnl_version();
    return std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
           std::to_string(v->patch);
  }
  void set_threads(int threads) override { omp_set_num_threads(threads); }

  [[nodiscard]] std::vector<Job> prepare(const Problem& p) override {
    if (p.type != Type::F32) {
      return {};
    }
    std::vector<Job> jobs;
    // Layouts as given, and layouts that the library chooses with reorders around it.
    for (const bool free_layout : {false, true}) {
      try {
        add(p, free_layout, jobs);
      } catch (const dnnl::error&) {
        // not implemented for this layout
      }
    }
    return jobs;
  }

 private:
  [[nodiscard]] memory input(const Tensor& t, Tag tag) const {
    return {{dims_of(t), memory::data_type::f32, tag}, engine_, t.memory.get()};
  }
  [[nodiscard]] memory input(const Tensor& t) const { return input(t, plain_tag(t.dims.size())); }
  [[nodiscard]] memory fresh(const memory::dims& dims, Tag tag) const {
    return {{dims, memory::data_type::f32, tag}, engine_};
  }
  [[nodiscard]] memory output(const Problem& p) const {
    const memory::dims dims(p.out_dims.begin(), p.out_dims.end());
    return fresh(dims, plain_tag(dims.size()));
  }
  [[nodiscard]] std::shared_ptr<Plan> plan() const {
    auto plan = std::make_shared<Plan>();
    plan->stream = stream_;
    return plan;
  }
  static Job finish(const std::string& label, std::shared_ptr<Plan> plan, const memory& out) {
    Job job;
    job.label = label;
    job.output = [out] { return static_cast<const void*>(out.get_data_handle()); };
    job.run = [plan = std::move(plan), out] { plan->run(); };
    return job;
  }

  // Channels last is a property of the descriptor: dims stay N, C, H, W.
  [[nodiscard]] memory image(const std::vector<std::int64_t>& dims, void* data, bool nhwc) const {
    const memory::dims order = nhwc ? memory::dims{dims[0], dims[3], dims[1], dims[2]}
                                    : memory::dims(dims.begin(), dims.end());
    const memory::desc desc(order, memory::data_type::f32, nhwc ? Tag::nhwc : Tag::nchw);
    return data == nullptr ? memory(desc, engine_) : memory(desc, engine_, data);
  }

  void add(const Problem& p, bool free_layout, std::vector<Job>& jobs) const {
    const bool convolution = p.op.starts_with("conv2d");
    const bool gemm = p.op == "gemm" || p.op == "gemm_transposed_b";
    if (convolution) {
      add_convolution(p, free_layout, jobs);
    } else if (gemm && (!free_layout || p.terms == Terms::Packed)) {
      add_gemm(p, free_layout, jobs);
    } else if (!free_layout && p.terms != Terms::Packed) {
      add_other(p, jobs);
    }
  }

  // Runs `primitive` between reorders, of the weights once or in each call.
  struct Operand {
    int argument;
    memory given;
    memory::desc wanted;
    bool once;
  };
  [[nodiscard]] Job reordered(const std::string& label, const dnnl::primitive& primitive,
                              const std::vector<Operand>& inputs, const Operand& result) const {
    auto steps = plan();
    Arguments arguments;
    for (const Operand& operand : inputs) {
      memory used = operand.given;
      if (operand.wanted != operand.given.get_desc()) {
        used = memory(operand.wanted, engine_);
        const dnnl::reorder reorder(operand.given, used);
        if (operand.once) {
          dnnl::stream stream = stream_;
          reorder.execute(stream, const_cast<memory&>(operand.given), used);
          stream.wait();
        } else {
          steps->steps.push_back({reorder, {{DNNL_ARG_FROM, operand.given}, {DNNL_ARG_TO, used}}});
        }
      }
      arguments.emplace(operand.argument, used);
    }
    memory written = result.given;
    if (result.wanted != result.given.get_desc()) {
      written = memory(result.wanted, engine_);
    }
    arguments.emplace(result.argument, written);
    steps->steps.push_back({primitive, arguments});
    if (written != result.given) {
      steps->steps.push_back({dnnl::reorder(written, result.given),
                              {{DNNL_ARG_FROM, written}, {DNNL_ARG_TO, result.given}}});
    }
    return finish(label, std::move(steps), result.given);
  }

  void add_gemm(const Problem& p, bool packed, std::vector<Job>& jobs) const {
    const memory a = input(p.inputs[0]);
    const bool transposed = p.op == "gemm_transposed_b";
    const memory::dims b_dims = {p.inputs[0].dims[1], p.out_dims[1]};
    const memory b({b_dims, memory::data_type::f32, transposed ? Tag::ba : Tag::ab}, engine_,
                   p.inputs[1].memory.get());
    const memory c = output(p);
    const memory::desc weights =
        packed ? memory::desc(b_dims, memory::data_type::f32, Tag::any) : b.get_desc();
    const dnnl::matmul::primitive_desc desc({a.get_desc(), weights, c.get_desc()}, engine_);
    jobs.push_back(reordered(packed ? "onednn" : "onednn plain", dnnl::matmul(desc),
                             {{DNNL_ARG_SRC, a, desc.src_desc(), false},
                              {DNNL_ARG_WEIGHTS, b, desc.weights_desc(), true}},
                             {DNNL_ARG_DST, c, desc.dst_desc(), false}));
  }

  void add_convolution(const Problem& p, bool free_layout, std::vector<Job>& jobs) const {
    const bool nhwc = p.terms == Terms::Nhwc;
    const bool prepacked = p.terms != Terms::Plain;
    const bool forward = p.op == "conv2d";
    const bool data = p.op == "conv2d_backward_input";
    const std::int64_t groups = p.parameters.groups;
    const memory out_memory = forward || data ? image(p.out_dims, nullptr, nhwc) : memory();
    const auto weights_at = [&](const std::vector<std::int64_t>& dims, void* handle) {
      const memory::desc desc =
          groups == 1 ? memory::desc({dims[0], dims[1], dims[2], dims[3]}, memory::data_type::f32,
                                     Tag::oihw)
                      : memory::desc({groups, dims[0] / groups, dims[1], dims[2], dims[3]},
                                     memory::data_type::f32, Tag::goihw);
      return handle == nullptr ? memory(desc, engine_) : memory(desc, engine_, handle);
    };
    // inputs: forward x, w; backward_input dy, w; backward_weight dy, x
    const memory first = image(p.inputs[0].dims, p.inputs[0].memory.get(), nhwc);
    const memory weights = forward || data ? weights_at(p.inputs[1].dims, p.inputs[1].memory.get())
                                           : weights_at(p.out_dims, nullptr);
    const memory src = forward ? first
                       : data  ? out_memory
                               : image(p.inputs[1].dims, p.inputs[1].memory.get(), nhwc);
    const memory dst = forward ? out_memory : first;
    const auto choose = [&](const memory& given) {
      return free_layout ? memory::desc(given.get_desc().dims(), memory::data_type::f32, Tag::any)
                         : given.get_desc();
    };
    const memory::desc any_weights(weights.get_desc().dims(), memory::data_type::f32, Tag::any);
    const memory::dims strides = {p.parameters.stride, p.parameters.stride};
    const memory::dims padding = {p.parameters.padding, p.parameters.padding};
    const dnnl::convolution_forward::primitive_desc forward_desc(
        {prop_kind::forward_inference, algorithm::convolution_direct, choose(src), any_weights,
         choose(dst), strides, padding, padding},
        engine_);
    const std::string label = free_layout ? "onednn reordered" : "onednn";
    if (forward) {
      const auto& desc = forward_desc;
      jobs.push_back(reordered(label, dnnl::convolution_forward(desc),
                               {{DNNL_ARG_SRC, src, desc.src_desc(), false},
                                {DNNL_ARG_WEIGHTS, weights, desc.weights_desc(), prepacked}},
                               {DNNL_ARG_DST, dst, desc.dst_desc(), false}));
    } else if (data) {
      const dnnl::convolution_backward_data::primitive_desc desc(
          {algorithm::convolution_direct, choose(src), any_weights, choose(dst), strides, padding,
           padding},
          engine_, forward_desc);
      jobs.push_back(reordered(label, dnnl::convolution_backward_data(desc),
                               {{DNNL_ARG_DIFF_DST, dst, desc.diff_dst_desc(), false},
                                {DNNL_ARG_WEIGHTS, weights, desc.weights_desc(), prepacked}},
                               {DNNL_ARG_DIFF_SRC, src, desc.diff_src_desc(), false}));
    } else {
      const dnnl::convolution_backward_weights::primitive_desc desc(
          {algorithm::convolution_direct, choose(src), any_weights, choose(dst), strides, padding,
           padding},
          engine_, forward_desc);
      jobs.push_back(reordered(label, dnnl::convolution_backward_weights(desc),
                               {{DNNL_ARG_DIFF_DST, dst, desc.diff_dst_desc(), false},
                                {DNNL_ARG_SRC, src, desc.src_desc(), false}},
                               {DNNL_ARG_DIFF_WEIGHTS, weights, desc.diff_weights_desc(), false}));
    }
  }

  static algorithm eltwise(const std::string& op) {
    return op == "relu"        ? algorithm::eltwise_relu
           : op == "exp"       ? algorithm::eltwise_exp
           : op == "sigmoid"   ? algorithm::eltwise_logistic
           : op == "silu"      ? algorithm::eltwise_swish
           : op == "tanh"      ? algorithm::eltwise_tanh
           : op == "gelu"      ? algorithm::eltwise_gelu_erf
           : op == "gelu_tanh" ? algorithm::eltwise_gelu_tanh
           : op == "mish"      ? algorithm::eltwise_mish
                               : algorithm::undef;
  }

  void add_other(const Problem& p, std::vector<Job>& jobs) const {
    auto one = plan();
    const bool nhwc = p.terms == Terms::Nhwc;
    memory out;
    if (eltwise(p.op) != algorithm::undef) {
      const memory x = input(p.inputs[0]);
      out = output(p);
      const dnnl::eltwise_forward::primitive_desc desc(
          {prop_kind::forward_inference, eltwise(p.op), x.get_desc(), 1.0F, 0.0F}, engine_);
      // relu has its slope where swish has its factor
      const dnnl::eltwise_forward::primitive_desc relu(
          {prop_kind::forward_inference, algorithm::eltwise_relu, x.get_desc(), 0.0F, 0.0F},
          engine_);
      one->steps.push_back({dnnl::eltwise_forward(p.op == "relu" ? relu : desc),
                            {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, out}}});
    } else if (p.op == "add" || p.op == "mul") {
      const memory a = input(p.inputs[0]), b = input(p.inputs[1]);
      out = output(p);
      const dnnl::binary::primitive_desc desc(
          {p.op == "add" ? algorithm::binary_add : algorithm::binary_mul, a.get_desc(),
           b.get_desc(), out.get_desc()},
          engine_);
      one->steps.push_back(
          {dnnl::binary(desc), {{DNNL_ARG_SRC_0, a}, {DNNL_ARG_SRC_1, b}, {DNNL_ARG_DST, out}}});
    } else if (p.op == "sum" || p.op == "max" || p.op == "mean") {
      const memory x = input(p.inputs[0]);
      memory::dims kept = dims_of(p.inputs[0]);
      for (std::size_t i = 0; i < kept.size(); ++i) {
        if (p.parameters.axis == kAllAxes || static_cast<std::size_t>(p.parameters.axis) == i) {
          kept[i] = 1;
        }
      }
      out = fresh(kept, plain_tag(kept.size()));
      const algorithm kind = p.op == "sum"   ? algorithm::reduction_sum
                             : p.op == "max" ? algorithm::reduction_max
                                             : algorithm::reduction_mean;
      const dnnl::reduction::primitive_desc desc({kind, x.get_desc(), out.get_desc(), 0.0F, 0.0F},
                                                 engine_);
      one->steps.push_back({dnnl::reduction(desc), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, out}}});
    } else if (p.op == "softmax" || p.op == "log_softmax") {
      const memory x = input(p.inputs[0]);
      out = output(p);
      const int axis =
          p.parameters.axis < 0 ? static_cast<int>(p.inputs[0].dims.size()) - 1 : p.parameters.axis;
      const dnnl::softmax_v2_forward::primitive_desc desc(
          {prop_kind::forward_inference,
           p.op == "softmax" ? algorithm::softmax_accurate : algorithm::softmax_log, x.get_desc(),
           out.get_desc(), axis},
          engine_);
      one->steps.push_back(
          {dnnl::softmax_v2_forward(desc), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, out}}});
    } else if (p.op == "layer_norm") {
      const memory x = input(p.inputs[0]), gamma = input(p.inputs[1]), beta = input(p.inputs[2]);
      out = output(p);
      const dnnl::layer_normalization_forward::primitive_desc desc(
          {prop_kind::forward_inference, x.get_desc(), 1e-5F,
           dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift},
          engine_);
      one->steps.push_back({dnnl::layer_normalization_forward(desc),
                            {{DNNL_ARG_SRC, x},
                             {DNNL_ARG_SCALE, gamma},
                             {DNNL_ARG_SHIFT, beta},
                             {DNNL_ARG_DST, out}}});
    } else if (p.op.starts_with("batch_norm")) {
      out = batch_norm(p, nhwc, *one);
    } else if (p.op.ends_with("_pool")) {
      out = pool(p, nhwc, *one);
    } else {
      return;
    }
    jobs.push_back(finish("onednn", std::move(one), out));
  }

  [[nodiscard]] memory batch_norm(const Problem& p, bool nhwc, Plan& one) const {
    const bool backward = p.op == "batch_norm_backward";
    const Tensor& first = p.inputs[0];
    const auto at = [&](const Tensor& t) {
      return t.dims.size() == 4 ? image(t.dims, t.memory.get(), nhwc) : input(t);
    };
    const memory x = at(first), gamma = input(p.inputs[1]), beta = input(p.inputs[2]);
    memory out = first.dims.size() == 4 ? image(first.dims, nullptr, nhwc) : output(p);
    const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
    const dnnl::batch_normalization_forward::primitive_desc forward(
        {prop_kind::forward_training, x.get_desc(), 1e-5F, flags}, engine_);
    const memory mean(forward.mean_desc(), engine_), variance(forward.variance_desc(), engine_);
    const Plan::Step step{dnnl::batch_normalization_forward(forward),
                          {{DNNL_ARG_SRC, x},
                           {DNNL_ARG_SCALE, gamma},
                           {DNNL_ARG_SHIFT, beta},
                           {DNNL_ARG_MEAN, mean},
                           {DNNL_ARG_VARIANCE, variance},
                           {DNNL_ARG_DST, out}}};
    if (!backward) {
      one.steps.push_back(step);
      return out;
    }
    dnnl::stream stream = stream_;
    step.primitive.execute(stream, step.arguments);
    stream.wait();
    const memory dy = at(p.inputs[3]);
    // The flags apart are not implemented backwards: both factors in one array.
    const auto both = dnnl::normalization_flags::use_scale_shift;
    const std::int64_t channels = gamma.get_desc().dims()[0];
    const memory factors = fresh({2, channels}, Tag::ab), gradients = fresh({2, channels}, Tag::ab);
    std::memcpy(factors.get_data_handle(), gamma.get_data_handle(),
                static_cast<std::size_t>(channels) * 4);
    const dnnl::batch_normalization_forward::primitive_desc hint(
        {prop_kind::forward_training, x.get_desc(), 1e-5F, both}, engine_);
    const dnnl::batch_normalization_backward::primitive_desc desc(
        {prop_kind::backward, dy.get_desc(), x.get_desc(), 1e-5F, both}, engine_, hint);
    one.steps.push_back({dnnl::batch_normalization_backward(desc),
                         {{DNNL_ARG_SRC, x},
                          {DNNL_ARG_MEAN, mean},
                          {DNNL_ARG_VARIANCE, variance},
                          {DNNL_ARG_DIFF_DST, dy},
                          {DNNL_ARG_SCALE_SHIFT, factors},
                          {DNNL_ARG_DIFF_SRC, out},
                          {DNNL_ARG_DIFF_SCALE_SHIFT, gradients}}});
    return out;
  }

  [[nodiscard]] memory pool(const Problem& p, bool nhwc, Plan& one) const {
    const memory x = image(p.inputs[0].dims, p.inputs[0].memory.get(), nhwc);
    const memory out = image(p.out_dims, nullptr, nhwc);
    const memory::dims whole = {x.get_desc().dims()[2], x.get_desc().dims()[3]};
    const bool global = p.op == "global_avg_pool";
    const memory::dims kernel =
        global ? whole : memory::dims{p.parameters.kernel, p.parameters.kernel};
    const memory::dims strides =
        global ? whole : memory::dims{p.parameters.stride, p.parameters.stride};
    const memory::dims padding = {p.parameters.padding, p.parameters.padding};
    const dnnl::pooling_v2_forward::primitive_desc desc(
        {prop_kind::forward_inference,
         p.op == "max_pool" ? algorithm::pooling_max : algorithm::pooling_avg_include_padding,
         x.get_desc(),
         out.get_desc(),
         strides,
         kernel,
         {0, 0},
         padding,
         padding},
        engine_);
    one.steps.push_back({dnnl::pooling_v2_forward(desc), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, out}}});
    return out;
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
};

}  // namespace

LAMINA_COMPARE_ADAPTER {
  static_cast<void>(path);
  return new Dnnl();
}
