#pragma once

// What the comparison asks of a library: this header is all that the adapters and the program
// share.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lamina::compare {

enum class Type : std::uint8_t { F32, F64, I64 };

[[nodiscard]] constexpr std::size_t size_of(Type type) {
  return type == Type::F32 ? 4 : 8;
}

/// The terms of a row, the same for every library.
enum class Terms : std::uint8_t {
  Plain,   ///< plain row-major or NCHW arrays in and out; every reordering is in the time
  Packed,  ///< the same, but the weights may be packed beforehand
  Nhwc,    ///< channels last in and out, weights may be packed beforehand
};

struct Tensor {
  Type type = Type::F32;
  std::vector<std::int64_t> dims;
  std::shared_ptr<void> memory;  ///< 64-byte aligned, shared by all libraries, never written

  [[nodiscard]] std::int64_t size() const {
    std::int64_t product = 1;
    for (const std::int64_t extent : dims) {
      product *= extent;
    }
    return product;
  }
  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>(size()) * size_of(type);
  }
  template <class T>
  [[nodiscard]] const T* data() const {
    return static_cast<const T*>(memory.get());
  }
};

struct Parameters {
  std::int64_t stride = 1, padding = 0, kernel = 0, groups = 1;
  int axis = -1;         ///< of a reduction or softmax; kAllAxes for everything
  std::int64_t bag = 0;  ///< entries of a bag
  bool causal = false;
};
constexpr int kAllAxes = 99;

/// One computation on given arrays.
struct Problem {
  std::string op;
  Type type = Type::F32;
  Terms terms = Terms::Plain;
  std::vector<Tensor> inputs;
  std::vector<std::int64_t> out_dims;
  Parameters parameters;
};

/// A computation made ready: `run` may be called any number of times.
struct Job {
  std::string label;
  std::function<void()> run;
  /// The result of the last run in the problem's type and layout; empty where it is not comparable.
  std::function<const void*()> output;
};

class Peer {
 public:
  virtual ~Peer() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::string version() const = 0;
  virtual void set_threads(int threads) = 0;
  /// The ways in which this library can solve the problem; none if it cannot.
  [[nodiscard]] virtual std::vector<Job> prepare(const Problem& problem) = 0;
};

}  // namespace lamina::compare

/// The one symbol of an adapter; the argument is the path of the library where it loads one itself.
/// Null if that cannot be used.
#define LAMINA_COMPARE_ADAPTER                                                                  \
  extern "C" __attribute__((visibility("default"))) lamina::compare::Peer* lamina_compare_peer( \
      const char* path)
