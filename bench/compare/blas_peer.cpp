// Any library with the CBLAS interface. Each is loaded on its own, by path, since they all define
// the same symbols.

#include <dlfcn.h>

#include <memory>

#include "compare/peer.hpp"

namespace {

using namespace lamina::compare;

// The constants of the CBLAS interface.
enum : int { kRowMajor = 101, kNoTrans = 111, kTrans = 112 };

using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int,
                       float, float*, int);
using Dgemm = void (*)(int, int, int, int, int, int, double, const double*, int, const double*, int,
                       double, double*, int);

template <class F>
F symbol(void* library, const char* name) {
  return reinterpret_cast<F>(dlsym(library, name));
}

class Blas final : public Peer {
 public:
  explicit Blas(void* library)
      : sgemm_(symbol<Sgemm>(library, "cblas_sgemm")),
        dgemm_(symbol<Dgemm>(library, "cblas_dgemm")) {
    if (const auto set = symbol<void (*)(int)>(library, "openblas_set_num_threads")) {
      name_ = "openblas";
      set_threads_ = set;
      if (const auto core = symbol<char* (*)()>(library, "openblas_get_corename")) {
        version_ = std::string("kernels ") + core();
      }
      if (const auto config = symbol<char* (*)()>(library, "openblas_get_config")) {
        version_ = std::string(config()).substr(0, 16) + ", " + version_;
      }
    } else if (const auto set_long =
                   symbol<void (*)(std::int64_t)>(library, "bli_thread_set_num_threads")) {
      name_ = "blis";
      set_threads_long_ = set_long;
      symbol<void (*)()>(library, "bli_init")();
      if (const auto version = symbol<char* (*)()>(library, "bli_info_get_version_str")) {
        version_ = version();
      }
      const auto id = symbol<int (*)()>(library, "bli_arch_query_id");
      const auto arch = symbol<char* (*)(int)>(library, "bli_arch_string");
      if (id != nullptr && arch != nullptr) {
        version_ += std::string(", kernels ") + arch(id());
      }
    }
  }

  [[nodiscard]] bool usable() const {
    return sgemm_ != nullptr && dgemm_ != nullptr && !name_.empty();
  }
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string version() const override { return version_; }
  void set_threads(int threads) override {
    if (set_threads_ != nullptr) {
      set_threads_(threads);
    } else {
      set_threads_long_(threads);
    }
  }

  [[nodiscard]] std::vector<Job> prepare(const Problem& p) override {
    if (p.op != "gemm" && p.op != "gemm_transposed_b") {
      return {};
    }
    if (p.type == Type::F32) {
      return {job<float>(p, sgemm_)};
    }
    return {job<double>(p, dgemm_)};
  }

 private:
  template <class T, class Gemm>
  Job job(const Problem& p, Gemm gemm) {
    const int m = static_cast<int>(p.out_dims[0]);
    const int n = static_cast<int>(p.out_dims[1]);
    const int k = static_cast<int>(p.inputs[0].dims[1]);
    const bool transposed = p.op == "gemm_transposed_b";
    auto out =
        std::make_shared<std::vector<T>>(static_cast<std::size_t>(m) * static_cast<std::size_t>(n));
    const T* a = p.inputs[0].data<T>();
    const T* b = p.inputs[1].data<T>();
    Job job;
    job.label = name_;
    job.output = [out] { return static_cast<const void*>(out->data()); };
    job.run = [=] {
      gemm(kRowMajor, kNoTrans, transposed ? kTrans : kNoTrans, m, n, k, T(1), a, k, b,
           transposed ? k : n, T(0), out->data(), n);
    };
    return job;
  }

  Sgemm sgemm_;
  Dgemm dgemm_;
  void (*set_threads_)(int) = nullptr;
  void (*set_threads_long_)(std::int64_t) = nullptr;
  std::string name_, version_;
};

}  // namespace

LAMINA_COMPARE_ADAPTER {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (library == nullptr) {
    return nullptr;
  }
  auto peer = std::make_unique<Blas>(library);
  return peer->usable() ? peer.release() : nullptr;
}
