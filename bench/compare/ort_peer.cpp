// ONNX Runtime, from its shared library: a model of one operator for each problem.
//
// Its C interface is one table of functions whose order never changes; the few entries used here
// are declared by their place in it (onnxruntime_c_api.h of ONNX Runtime, "OrtApi"), so that no
// header of it is needed.

#include <dlfcn.h>

#include <memory>
#include <utility>

#include "compare/onnx_model.hpp"
#include "compare/peer.hpp"

namespace {

using namespace lamina::compare;

struct Status;
using Handle = void*;

enum class Entry : std::size_t {
  GetErrorMessage = 2,
  CreateEnv = 3,
  CreateSessionFromArray = 8,
  Run = 9,
  CreateSessionOptions = 10,
  SetGraphOptimizationLevel = 23,
  SetIntraOpNumThreads = 24,
  CreateTensorWithData = 49,
  CreateCpuMemoryInfo = 69,
  ReleaseStatus = 93,
  ReleaseSession = 95,
  ReleaseValue = 96,
  ReleaseSessionOptions = 100,
};

struct ApiBase {
  void* const* (*get_api)(std::uint32_t version);
  const char* (*get_version)();
};

class Ort final : public Peer {
 public:
  explicit Ort(const ApiBase* base) : version_(base->get_version()), api_(base->get_api(14)) {
    constexpr int kFatalOnly = 4;
    ok(call<Status*>(Entry::CreateEnv, kFatalOnly, "compare", &env_));
    ok(call<Status*>(Entry::CreateCpuMemoryInfo, 0, 0, &memory_info_));
  }
  [[nodiscard]] bool usable() const { return env_ != nullptr && memory_info_ != nullptr; }
  [[nodiscard]] std::string name() const override { return "onnxruntime"; }
  [[nodiscard]] std::string version() const override { return version_; }
  void set_threads(int threads) override { threads_ = threads; }

  [[nodiscard]] std::vector<Job> prepare(const Problem& p) override {
    onnx::Model model;
    Session session;
    session.opset = 21;
    session.in_dims.clear();
    for (const Tensor& t : p.inputs) {
      session.in_dims.push_back(t.dims);
    }
    session.out_dims = p.out_dims;
    if (!describe(p, model, session)) {
      return {};
    }
    for (std::size_t i = 0; i < p.inputs.size(); ++i) {
      const std::string name = input_name(i);
      if (session.constants[i]) {
        model.constant(name, p.inputs[i]);
      } else if (session.used[i]) {
        model.input(name, p.inputs[i].type, session.in_dims[i]);
      }
    }
    const bool indices = p.op == "argmax";
    const Type out_type = indices ? Type::I64 : p.type;
    model.output("y", out_type, session.out_dims);
    return start(p, model.text(session.opset), session, out_type);
  }

 private:
  struct Session {
    int opset = 21;
    std::vector<std::vector<std::int64_t>> in_dims;
    std::vector<std::int64_t> out_dims;
    bool constants[8] = {};
    bool used[8] = {true, true, true, true, true, true, true, true};
    bool comparable = true;
  };

  static std::string input_name(std::size_t i) { return "x" + std::to_string(i); }

  template <class R, class... A>
  R call(Entry entry, A... arguments) const {
    using Function = R (*)(A...);
    return reinterpret_cast<Function>(api_[static_cast<std::size_t>(entry)])(arguments...);
  }
  bool ok(Status* status) const {
    if (status == nullptr) {
      return true;
    }
    error_ = call<const char*>(Entry::GetErrorMessage, static_cast<const Status*>(status));
    call<void>(Entry::ReleaseStatus, status);
    return false;
  }

  // Adds the nodes that solve the problem; false if there are none.
  static bool describe(const Problem& p, onnx::Model& model, Session& session) {
    using onnx::Node;
    const Parameters& q = p.parameters;
    const bool packed = p.terms == Terms::Packed;
    if (p.terms == Terms::Nhwc) {
      return false;
    }
    if (p.op == "gemm") {
      session.constants[1] = packed;
      model.add(Node("MatMul", {"x0", "x1"}, "y"));
    } else if (p.op == "conv2d") {
      session.constants[1] = packed;
      model.add(Node("Conv", {"x0", "x1"}, "y")
                    .attribute("strides", std::vector<std::int64_t>{q.stride, q.stride})
                    .attribute("pads", std::vector<std::int64_t>(4, q.padding))
                    .attribute("group", q.groups));
    } else if (packed) {
      return false;
    } else if (p.op == "relu") {
      model.add(Node("Relu", {"x0"}, "y"));
    } else if (p.op == "add" || p.op == "mul") {
      model.add(Node(p.op == "add" ? "Add" : "Mul", {"x0", "x1"}, "y"));
    } else if (p.op == "exp") {
      model.add(Node("Exp", {"x0"}, "y"));
    } else if (p.op == "sigmoid") {
      model.add(Node("Sigmoid", {"x0"}, "y"));
    } else if (p.op == "tanh") {
      model.add(Node("Tanh", {"x0"}, "y"));
    } else if (p.op == "silu") {  // the two are fused
      model.add(Node("Sigmoid", {"x0"}, "s"));
      model.add(Node("Mul", {"x0", "s"}, "y"));
    } else if (p.op == "gelu" || p.op == "gelu_tanh") {
      model.add(
          Node("Gelu", {"x0"}, "y").attribute("approximate", p.op == "gelu" ? "none" : "tanh"));
    } else if (p.op == "mish") {
      model.add(Node("Mish", {"x0"}, "y"));
    } else if (p.op == "sum" || p.op == "max" || p.op == "mean") {
      const char* const op = p.op == "sum"   ? "ReduceSum"
                             : p.op == "max" ? "ReduceMax"
                                             : "ReduceMean";
      const std::int64_t keep = 0;
      if (q.axis == kAllAxes) {
        model.add(Node(op, {"x0"}, "y").attribute("keepdims", keep));
      } else {
        model.constant("axes", std::vector<std::int64_t>{q.axis});
        model.add(Node(op, {"x0", "axes"}, "y").attribute("keepdims", keep));
      }
    } else if (p.op == "argmax") {
      std::int64_t axis = q.axis;
      if (q.axis == kAllAxes) {
        session.in_dims[0] = {p.inputs[0].size()};
        axis = 0;
      }
      model.add(Node("ArgMax", {"x0"}, "y")
                    .attribute("axis", axis)
                    .attribute("keepdims", std::int64_t{0}));
    } else if (p.op == "softmax" || p.op == "log_softmax") {
      model.add(Node(p.op == "softmax" ? "Softmax" : "LogSoftmax", {"x0"}, "y")
                    .attribute("axis", std::int64_t{q.axis}));
    } else if (p.op == "layer_norm") {
      model.add(Node("LayerNormalization", {"x0", "x1", "x2"}, "y").attribute("epsilon", 1e-5F));
    } else if (p.op == "rms_norm") {
      session.opset = 23;
      model.add(Node("RMSNormalization", {"x0", "x1"}, "y").attribute("epsilon", 1e-5F));
    } else if (p.op == "max_pool" || p.op == "avg_pool") {
      Node node(p.op == "max_pool" ? "MaxPool" : "AveragePool", {"x0"}, "y");
      node.attribute("kernel_shape", std::vector<std::int64_t>{q.kernel, q.kernel})
          .attribute("strides", std::vector<std::int64_t>{q.stride, q.stride})
          .attribute("pads", std::vector<std::int64_t>(4, q.padding));
      if (p.op == "avg_pool") {
        node.attribute("count_include_pad", std::int64_t{1});
      }
      model.add(node);
    } else if (p.op == "global_avg_pool") {
      model.add(Node("GlobalAveragePool", {"x0"}, "y"));
    } else if (p.op == "attention") {
      // (batch, length, heads * width) is what this operator wants: the same work on other places.
      const auto& d = p.inputs[0].dims;
      const std::vector<std::int64_t> dims = {d[0], d[2], d[1] * d[3]};
      session.in_dims = {dims, dims, dims};
      session.out_dims = dims;
      session.comparable = false;
      model.add(Node("MultiHeadAttention", {"x0", "x1", "x2"}, "y", "com.microsoft")
                    .attribute("num_heads", d[1])
                    .attribute("unidirectional", std::int64_t{q.causal ? 1 : 0}));
    } else if (p.op == "embedding") {
      model.add(Node("Gather", {"x0", "x1"}, "y"));
    } else if (p.op == "cross_entropy") {
      model.add(Node("SoftmaxCrossEntropyLoss", {"x0", "x1"}, "y").attribute("reduction", "mean"));
    } else {
      return false;
    }
    return true;
  }

  [[nodiscard]] Handle value(Type type, const std::vector<std::int64_t>& dims, void* data,
                             std::size_t bytes) const {
    Handle out = nullptr;
    ok(call<Status*>(Entry::CreateTensorWithData, memory_info_, data, bytes, dims.data(),
                     dims.size(), onnx::element_type(type), &out));
    return out;
  }

  [[nodiscard]] std::vector<Job> start(const Problem& p, const std::string& model,
                                       const Session& description, Type out_type) const {
    constexpr int kAllOptimizations = 99;
    Handle options = nullptr;
    Handle session = nullptr;
    ok(call<Status*>(Entry::CreateSessionOptions, &options));
    ok(call<Status*>(Entry::SetGraphOptimizationLevel, options, kAllOptimizations));
    ok(call<Status*>(Entry::SetIntraOpNumThreads, options, threads_));
    const bool created = ok(call<Status*>(Entry::CreateSessionFromArray, env_,
                                          static_cast<const void*>(model.data()), model.size(),
                                          static_cast<const void*>(options), &session));
    call<void>(Entry::ReleaseSessionOptions, options);
    if (!created) {
      return {};
    }
    struct State {
      std::vector<std::string> names;
      std::vector<const char*> name_pointers;
      std::vector<Handle> inputs;
      Handle output = nullptr;
      std::shared_ptr<void> memory;
      std::shared_ptr<void> session;
    };
    auto state = std::make_shared<State>();
    const auto release = [this](Entry entry) {
      return [this, entry](void* handle) { call<void>(entry, handle); };
    };
    state->session = std::shared_ptr<void>(session, release(Entry::ReleaseSession));
    for (std::size_t i = 0; i < p.inputs.size(); ++i) {
      if (!description.constants[i]) {
        state->names.push_back(input_name(i));
        state->inputs.push_back(value(p.inputs[i].type, description.in_dims[i],
                                      p.inputs[i].memory.get(), p.inputs[i].bytes()));
      }
    }
    for (const std::string& name : state->names) {
      state->name_pointers.push_back(name.c_str());
    }
    std::size_t bytes = size_of(out_type);
    for (const std::int64_t extent : description.out_dims) {
      bytes *= static_cast<std::size_t>(extent);
    }
    state->memory =
        std::shared_ptr<void>(std::aligned_alloc(64, (bytes + 63) / 64 * 64), std::free);
    state->output = value(out_type, description.out_dims, state->memory.get(), bytes);
    Job job;
    job.label = "onnxruntime";
    if (description.comparable && out_type == p.type) {
      job.output = [state] { return static_cast<const void*>(state->memory.get()); };
    }
    job.run = [this, state] {
      static const char* const kOutputs[] = {"y"};
      Handle outputs[] = {state->output};
      const bool ran =
          ok(call<Status*>(Entry::Run, state->session.get(), static_cast<const void*>(nullptr),
                           static_cast<const char* const*>(state->name_pointers.data()),
                           static_cast<Handle const*>(state->inputs.data()), state->inputs.size(),
                           static_cast<const char* const*>(kOutputs), std::size_t{1},
                           static_cast<Handle*>(outputs)));
      if (!ran) {
        throw std::runtime_error(error_);
      }
    };
    return {job};
  }

  std::string version_;
  void* const* api_;
  Handle env_ = nullptr;
  Handle memory_info_ = nullptr;
  int threads_ = 1;
  mutable std::string error_;
};

}  // namespace

LAMINA_COMPARE_ADAPTER {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (library == nullptr) {
    return nullptr;
  }
  const auto base = reinterpret_cast<const ApiBase* (*)()>(dlsym(library, "OrtGetApiBase"));
  if (base == nullptr) {
    return nullptr;
  }
  auto peer = std::make_unique<Ort>(base());
  return peer->usable() ? peer.release() : nullptr;
}
