// Eigen, compiled for this CPU.

#include <omp.h>

#include <Eigen/Core>
#include <memory>

#include "compare/peer.hpp"

namespace {

using namespace lamina::compare;

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using ConstMatrix = Eigen::Map<const Matrix<T>>;
template <class T>
using ConstArray = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

class EigenPeer final : public Peer {
 public:
  [[nodiscard]] std::string name() const override { return "eigen"; }
  [[nodiscard]] std::string version() const override {
    return std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
           std::to_string(EIGEN_MINOR_VERSION) + ", " + Eigen::SimdInstructionSetsInUse();
  }
  void set_threads(int threads) override {
    threads_ = threads;
    omp_set_num_threads(threads);
    Eigen::setNbThreads(threads);
  }
  [[nodiscard]] std::vector<Job> prepare(const Problem& p) override {
    return p.type == Type::F32 ? make<float>(p) : make<double>(p);
  }

 private:
  template <class T>
  std::vector<Job> make(const Problem& p) const {
    if (p.terms == Terms::Nhwc) {
      return {};
    }
    std::int64_t size = 1;
    for (const std::int64_t extent : p.out_dims) {
      size *= extent;
    }
    auto memory = std::make_shared<Eigen::Array<T, Eigen::Dynamic, 1>>(size);
    memory->setZero();
    Job job;
    job.label = "eigen";
    job.output = [memory] { return static_cast<const void*>(memory->data()); };
    const T* x = p.inputs.empty() ? nullptr : p.inputs[0].data<T>();
    const auto& dims = p.inputs[0].dims;
    const std::int64_t n = p.inputs[0].size();
    if (p.op == "gemm" || p.op == "gemm_transposed_b") {
      const std::int64_t rows = p.out_dims[0], cols = p.out_dims[1], depth = dims[1];
      const T* b = p.inputs[1].data<T>();
      const bool transposed = p.op == "gemm_transposed_b";
      job.run = [=] {
        Eigen::Map<Matrix<T>> out(memory->data(), rows, cols);
        const ConstMatrix<T> left(x, rows, depth);
        if (rows == 1) {  // a matrix-vector product is another function
          const Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>> row(x, depth);
          Eigen::Map<Eigen::Matrix<T, 1, Eigen::Dynamic>> y(memory->data(), cols);
          y.noalias() = row * ConstMatrix<T>(b, depth, cols);
        } else if (transposed) {
          out.noalias() = left * ConstMatrix<T>(b, cols, depth).transpose();
        } else {
          out.noalias() = left * ConstMatrix<T>(b, depth, cols);
        }
      };
      return {job};
    }
    // Array expressions run on one thread.
    if (threads_ > 1) {
      return {};
    }
    const T* y =
        p.inputs.size() > 1 && p.inputs[1].type == p.type ? p.inputs[1].data<T>() : nullptr;
    if (p.op == "relu") {
      job.run = [=] { *memory = ConstArray<T>(x, n).max(T(0)); };
    } else if (p.op == "add") {
      job.run = [=] { *memory = ConstArray<T>(x, n) + ConstArray<T>(y, n); };
    } else if (p.op == "mul") {
      job.run = [=] { *memory = ConstArray<T>(x, n) * ConstArray<T>(y, n); };
    } else if (p.op == "exp") {
      job.run = [=] { *memory = ConstArray<T>(x, n).exp(); };
    } else if (p.op == "tanh") {
      job.run = [=] { *memory = ConstArray<T>(x, n).tanh(); };
    } else if (p.op == "sigmoid") {
      job.run = [=] { *memory = (T(1) + (-ConstArray<T>(x, n)).exp()).inverse(); };
    } else if (p.op == "sum" && p.parameters.axis == kAllAxes) {
      job.run = [=] { (*memory)[0] = ConstArray<T>(x, n).sum(); };
    } else if (p.op == "max" && p.parameters.axis == kAllAxes) {
      job.run = [=] { (*memory)[0] = ConstArray<T>(x, n).maxCoeff(); };
    } else if (p.op == "mean" && p.parameters.axis == kAllAxes) {
      job.run = [=] { (*memory)[0] = ConstArray<T>(x, n).mean(); };
    } else if (dims.size() == 2 && (p.op == "sum" || p.op == "max") && p.parameters.axis >= 0) {
      const std::int64_t rows = dims[0], cols = dims[1];
      const bool columns = p.parameters.axis == 0, sum = p.op == "sum";
      job.run = [=] {
        const ConstMatrix<T> in(x, rows, cols);
        if (columns) {
          Eigen::Map<Eigen::Matrix<T, 1, Eigen::Dynamic>> out(memory->data(), cols);
          if (sum) {
            out = in.colwise().sum();
          } else {
            out = in.colwise().maxCoeff();
          }
        } else {
          Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>> out(memory->data(), rows);
          if (sum) {
            out = in.rowwise().sum();
          } else {
            out = in.rowwise().maxCoeff();
          }
        }
      };
    } else {
      return {};
    }
    return {job};
  }

  int threads_ = 1;
};

}  // namespace

LAMINA_COMPARE_ADAPTER {
  static_cast<void>(path);
  return new EigenPeer();
}
