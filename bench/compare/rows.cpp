#include "compare/rows.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace lamina::compare {

namespace {

using Dims = std::vector<std::int64_t>;

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  const auto add = [&](Row row) { rows.push_back(std::move(row)); };
  const std::vector<Terms> packed = {Terms::Plain, Terms::Packed};
  const std::vector<Terms> nhwc = {Terms::Plain, Terms::Nhwc};
  const std::vector<Terms> all = {Terms::Plain, Terms::Packed, Terms::Nhwc};

  // rows of C, columns of C, depth
  for (const std::int64_t n : {16, 32, 64, 100, 128, 256, 512, 1024, 2048}) {
    add({"gemm", "gemm", {n, n, n}, {}, packed});
  }
  for (const Dims& mnk : {Dims{64, 512, 512}, Dims{197, 768, 768}, Dims{784, 128, 1152},
                          Dims{196, 256, 2304}, Dims{128, 768, 3072}, Dims{49, 512, 4608},
                          Dims{1, 4096, 4096}, Dims{8, 4096, 4096}, Dims{50000, 10, 784}}) {
    add({"gemm", "gemm", mnk, {}, packed});
  }
  for (const Dims& mnk : {Dims{49, 512, 4608}, Dims{64, 512, 512}, Dims{128, 768, 3072},
                          Dims{8, 4096, 4096}, Dims{512, 512, 512}}) {
    add({"gemm", "gemm_transposed_b", mnk});
  }

  // images, channels in, height and width, channels out
  const auto conv = [&](const std::string& op, const Dims& dims, std::int64_t kernel,
                        std::int64_t stride, const std::vector<Terms>& terms) {
    Parameters p;
    p.kernel = kernel;
    p.stride = stride;
    p.padding = kernel / 2;
    add({"conv", op, dims, p, terms});
  };
  for (const std::int64_t batch : {1, 16}) {
    for (const Dims& d :
         {Dims{64, 56, 64}, Dims{128, 28, 128}, Dims{256, 14, 256}, Dims{512, 7, 512}}) {
      conv("conv2d", {batch, d[0], d[1], d[2]}, 3, 1, all);
    }
    for (const Dims& d : {Dims{64, 56, 256}, Dims{256, 56, 64}, Dims{1024, 14, 256}}) {
      conv("conv2d", {batch, d[0], d[1], d[2]}, 1, 1, all);
    }
    conv("conv2d", {batch, 3, 224, 64}, 7, 2, all);
  }
  for (const char* op : {"conv2d_backward_input", "conv2d_backward_weight"}) {
    conv(op, {16, 64, 56, 64}, 3, 1, nhwc);
    conv(op, {16, 256, 14, 256}, 3, 1, nhwc);
  }
  for (const std::int64_t batch : {1, 16}) {
    for (const std::int64_t stride : {1, 2}) {
      for (const Dims& d : {Dims{32, 112}, Dims{128, 56}, Dims{512, 14}}) {
        Parameters p;
        p.kernel = 3;
        p.stride = stride;
        p.padding = 1;
        p.groups = d[0];
        add({"depthwise", "conv2d", {batch, d[0], d[1], d[0]}, p, nhwc});
      }
    }
  }

  for (const char* op : {"relu", "add", "mul", "exp", "sigmoid", "silu", "tanh", "gelu",
                         "gelu_tanh", "mish", "pow"}) {
    for (const std::int64_t n : {1 << 12, 1 << 18, 1 << 24}) {
      add({"elementwise", op, {n}});
    }
  }
  for (const char* op : {"sum", "max", "mean", "argmax"}) {
    for (const std::int64_t n : {1 << 12, 1 << 18, 1 << 24}) {
      Parameters p;
      p.axis = kAllAxes;
      add({"reduction", op, {n}, p});
    }
    for (const Dims& d : {Dims{64, 64}, Dims{512, 512}, Dims{4096, 4096}}) {
      for (const int axis : {0, 1}) {
        Parameters p;
        p.axis = axis;
        add({"reduction", op, d, p});
      }
    }
    Parameters middle;
    middle.axis = 1;
    add({"reduction", op, {64, 256, 1024}, middle});
  }
  for (const char* op : {"softmax", "log_softmax"}) {
    for (const Dims& d : {Dims{1024, 1024}, Dims{64, 50257}, Dims{1536, 128}, Dims{1, 1 << 20}}) {
      add({"softmax", op, d});
    }
    Parameters first;
    first.axis = 0;
    add({"softmax", op, {2048, 1024}, first});
  }
  for (const char* op : {"layer_norm", "rms_norm"}) {
    add({"norm", op, {1024, 768}});
    add({"norm", op, {4096, 4096}});
  }
  for (const char* op : {"batch_norm", "batch_norm_backward"}) {
    add({"norm", op, {64, 64, 56, 56}, {}, nhwc});
    add({"norm", op, {256, 1024}});
  }
  for (const char* op : {"max_pool", "avg_pool"}) {
    for (const std::int64_t kernel : {2, 3}) {
      Parameters p;
      p.kernel = kernel;
      p.stride = 2;
      p.padding = kernel / 2 * (kernel % 2);
      add({"pool", op, {16, 64, 112, 112}, p, nhwc});
    }
  }
  add({"pool", "global_avg_pool", {16, 2048, 7, 7}, {}, nhwc});
  for (const bool causal : {false, true}) {
    for (const Dims& d : {Dims{1, 12, 128, 64}, Dims{1, 12, 1024, 64}, Dims{8, 16, 512, 64},
                          Dims{1, 12, 4096, 64}}) {
      Parameters p;
      p.causal = causal;
      add({"attention", "attention", d, p});
    }
  }
  // table, indices
  add({"embedding", "embedding", {10000, 512, 4096}});
  Parameters bag;
  bag.bag = 16;
  add({"embedding", "embedding_bag", {10000, 512, 4096}, bag});
  for (const char* op : {"cross_entropy", "cross_entropy_with_gradient"}) {
    add({"loss", op, {4096, 1000}});
    add({"loss", op, {65536, 10}});
  }
  add({"train", "train_mlp", {128, 784}});
  add({"train", "train_lenet", {64, 1, 28, 28}});
  add({"train", "train_cnn", {64, 3, 32, 32}});
  for (const std::int64_t n : {8, 64, 256}) {
    for (const char* op : {"relu", "add", "softmax"}) {
      add({"call", op, {n}});
    }
    add({"call", "linear", {1, n, n}});
  }
  return rows;
}

std::shared_ptr<void> allocate(std::size_t bytes) {
  // Huge pages where the system has them: all libraries read the same memory.
  const std::size_t alignment = bytes >= (1U << 21) ? 1U << 21 : 64;
  return {
      std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment + alignment),
      std::free};
}

template <class T>
void fill(T* values, std::int64_t n, double low, double high, std::uint64_t seed) {
  // Numbers without a pattern that a branch predictor could learn (Steele, Lea and Flood 2014).
  std::uint64_t state = seed;
  for (std::int64_t i = 0; i < n; ++i) {
    state += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    const double unit = static_cast<double>((z ^ (z >> 31U)) >> 11U) * 0x1p-53;
    values[i] = static_cast<T>(low + (high - low) * unit);
  }
}

Tensor tensor(Type type, const Dims& dims, std::uint64_t seed, double low = -1, double high = 1) {
  Tensor t;
  t.type = type;
  t.dims = dims;
  t.memory = allocate(t.bytes());
  if (type == Type::F32) {
    fill(static_cast<float*>(t.memory.get()), t.size(), low, high, seed);
  } else if (type == Type::F64) {
    fill(static_cast<double*>(t.memory.get()), t.size(), low, high, seed);
  } else {
    fill(static_cast<std::int64_t*>(t.memory.get()), t.size(), low, high, seed);
  }
  return t;
}

Dims image(const Dims& nchw, Terms terms) {
  return terms == Terms::Nhwc ? Dims{nchw[0], nchw[2], nchw[3], nchw[1]} : nchw;
}

}  // namespace

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = all_rows();
  return kRows;
}

std::string shape_of(const Row& row) {
  std::ostringstream text;
  for (std::size_t i = 0; i < row.dims.size(); ++i) {
    text << (i == 0 ? "" : "x") << row.dims[i];
  }
  const Parameters& p = row.parameters;
  if (p.kernel > 0) {
    text << " " << p.kernel << "x" << p.kernel << "/" << p.stride;
  }
  if (p.axis >= 0 && p.axis != kAllAxes) {
    text << " axis " << p.axis;
  }
  if (p.causal) {
    text << " causal";
  }
  return text.str();
}

Problem make_problem(const Row& row, Type type, Terms terms) {
  Problem p;
  p.op = row.op;
  p.type = type;
  p.terms = terms;
  p.parameters = row.parameters;
  const Dims& d = row.dims;
  const Parameters& q = row.parameters;
  const auto add = [&](const Dims& dims, double low = -1, double high = 1) {
    p.inputs.push_back(tensor(type, dims, p.inputs.size() + 1, low, high));
  };
  const auto add_indices = [&](std::int64_t count, std::int64_t below) {
    p.inputs.push_back(tensor(Type::I64, {count}, 77, 0, static_cast<double>(below)));
  };
  p.out_dims = d;
  if (row.op == "gemm" || row.op == "gemm_transposed_b") {
    add({d[0], d[2]});
    add(row.op == "gemm" ? Dims{d[2], d[1]} : Dims{d[1], d[2]});
    p.out_dims = {d[0], d[1]};
  } else if (row.op.starts_with("conv2d")) {
    const std::int64_t size = (d[2] + 2 * q.padding - q.kernel) / q.stride + 1;
    const Dims x = image({d[0], d[1], d[2], d[2]}, terms);
    const Dims y = image({d[0], d[3], size, size}, terms);
    const Dims w = {d[3], d[1] / q.groups, q.kernel, q.kernel};
    if (row.op == "conv2d") {
      add(x);
      add(w);
      p.out_dims = y;
    } else if (row.op == "conv2d_backward_input") {
      add(y);
      add(w);
      p.out_dims = x;
    } else {
      add(y);
      add(x);
      p.out_dims = w;
    }
  } else if (row.op == "add" || row.op == "mul") {
    add(d);
    add(d);
  } else if (row.op == "pow") {
    add(d, 0, 4);
    add(d, -2, 2);
  } else if (row.op == "linear") {
    add({d[0], d[2]});
    add({d[1], d[2]});
    add({d[1]});
    p.out_dims = {d[0], d[1]};
  } else if (row.group == "reduction") {
    add(d);
    if (q.axis == kAllAxes) {
      p.out_dims = {};
    } else {
      p.out_dims.erase(p.out_dims.begin() + q.axis);
    }
  } else if (row.op == "layer_norm" || row.op == "rms_norm") {
    add(d);
    add({d[1]}, 0.5, 1.5);
    if (row.op == "layer_norm") {
      add({d[1]});
    }
  } else if (row.op.starts_with("batch_norm")) {
    const Dims x = d.size() == 4 ? image(d, terms) : d;
    add(x);
    add({d[1]}, 0.5, 1.5);
    add({d[1]});
    if (row.op == "batch_norm_backward") {
      add(x);
    }
    p.out_dims = x;
  } else if (row.group == "pool") {
    add(image(d, terms));
    const bool global = row.op == "global_avg_pool";
    const std::int64_t size = global ? 1 : (d[2] + 2 * q.padding - q.kernel) / q.stride + 1;
    p.out_dims = image({d[0], d[1], size, size}, terms);
  } else if (row.op == "attention") {
    add(d);
    add(d);
    add(d);
  } else if (row.group == "embedding") {
    add({d[0], d[1]});
    add_indices(d[2], d[0]);
    p.out_dims = {q.bag > 0 ? d[2] / q.bag : d[2], d[1]};
  } else if (row.group == "loss") {
    add(d, -4, 4);
    add_indices(d[0], d[1]);
    if (row.op == "cross_entropy") {
      p.out_dims = {};
    }
  } else if (row.group == "train") {
    add(d);
    add_indices(d[0], 10);
    p.out_dims = {};
  } else {
    add(d, -8, 8);
  }
  return p;
}

Cost cost_of(const Problem& p) {
  Cost cost;
  if (p.op.starts_with("train_")) {
    return cost;
  }
  for (const Tensor& t : p.inputs) {
    cost.read += static_cast<double>(t.bytes());
  }
  double out = static_cast<double>(size_of(p.type));
  for (const std::int64_t extent : p.out_dims) {
    out *= static_cast<double>(extent);
  }
  cost.written = out;
  const auto size = [](const Dims& dims) {
    double product = 1;
    for (const std::int64_t extent : dims) {
      product *= static_cast<double>(extent);
    }
    return product;
  };
  if (p.op.starts_with("gemm") || p.op == "linear") {
    cost.operations = 2 * size(p.out_dims) * static_cast<double>(p.inputs[0].dims[1]);
  } else if (p.op.starts_with("conv2d")) {
    // Taps on the padding count: a kernel that skips them may pass the limit.
    const Dims& image_dims = p.op == "conv2d_backward_weight" || p.op == "conv2d_backward_input"
                                 ? p.inputs[0].dims
                                 : p.out_dims;
    const Dims& weights = p.op == "conv2d_backward_weight" ? p.out_dims : p.inputs[1].dims;
    cost.operations = 2 * size(image_dims) * size(weights) / static_cast<double>(weights[0]);
  } else if (p.op == "attention") {
    const Dims& d = p.inputs[0].dims;
    cost.operations = 4 * size(d) * static_cast<double>(d[2]) * (p.parameters.causal ? 0.5 : 1);
  } else if (p.op == "embedding" || p.op == "embedding_bag") {
    const double row =
        static_cast<double>(p.inputs[0].dims[1]) * static_cast<double>(size_of(p.type));
    cost.read = static_cast<double>(p.inputs[1].size()) * row;
  } else if (p.op == "batch_norm") {
    cost.read += static_cast<double>(p.inputs[0].bytes());  // statistics first
  } else if (p.op == "batch_norm_backward") {
    cost.read += static_cast<double>(p.inputs[0].bytes() + p.inputs[3].bytes());
  }
  return cost;
}

}  // namespace lamina::compare
