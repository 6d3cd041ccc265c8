#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "lamina/core/memory.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/softmax.hpp"
#include "lamina/nn/update.hpp"

// Calls that write to given memory, again and again: small ones allocate nothing at all, larger
// ones take their scratch from kept blocks and ask the system for nothing.

namespace {
std::atomic<std::uint64_t> g_new_calls{0};
}  // namespace

// NOLINTBEGIN: the replacements that the standard allows a program
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  g_new_calls.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(bytes)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
// NOLINTEND

namespace lamina::nn {
namespace {

struct Case {
  std::string name;
  std::function<void()> run;
};

template <class T>
class SteadyState : public ::testing::Test {
 protected:
  static Array<T> numbers(const Shape& shape) {
    Array<T> x = Array<T>::empty(shape);
    for (Index i = 0; i < x.size(); ++i) {
      x.data()[i] = static_cast<T>(i * 37 % 101) / T(25) - T(2);
    }
    return x;
  }
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SteadyState, Types);

/// Calls the case once, and then again: no memory, from the library's own store or the system.
void expect_no_allocation(const Case& c, Index n) {
  c.run();
  const std::uint64_t blocks = allocation_count();
  const std::uint64_t calls = g_new_calls.load();
  for (int i = 0; i < 5; ++i) {
    c.run();
  }
  EXPECT_EQ(allocation_count(), blocks) << c.name << " of " << n;
  EXPECT_EQ(g_new_calls.load(), calls) << c.name << " of " << n;
}

/// Calls the case until the library asks the system for no memory: threads that
/// were late for the first calls make their own scratch in a later one. Under AddressSanitizer,
/// where nothing is kept, it only calls.
void expect_nothing_from_system(const Case& c) {
#if defined(LAMINA_ASAN)
  bool quiet = true;
  c.run();
#else
  bool quiet = false;
#endif
  for (int attempt = 0; attempt < 100 && !quiet; ++attempt) {
    const std::uint64_t before = system_allocation_count();
    for (int i = 0; i < 5; ++i) {
      c.run();
    }
    quiet = system_allocation_count() == before;
  }
  EXPECT_TRUE(quiet) << c.name;
}

/// From 8 to 256 elements: whole vectors, one more, one less, and some between.
const std::vector<Index> kLengths{8,  9,  15, 16,  17,  24,  31,  32,  33,  48, 63,
                                  64, 65, 96, 127, 128, 129, 160, 192, 255, 256};

TYPED_TEST(SteadyState, SmallCallsAllocateNothing) {
  using T = TypeParam;
  for (const Index n : kLengths) {
    const Array<T> x = this->numbers({4, n}), w = this->numbers({n, n}), bias = this->numbers({n});
    Array<T> y = Array<T>::zeros({4, n}), row = Array<T>::zeros({n}), column = Array<T>::zeros({4});
    const Index depth = std::min<Index>(n, 64);  // longer ones pack B into a kept block
    const Array<T> short_rows = this->numbers({4, depth}), narrow = this->numbers({depth, 8});
    Array<T> one = Array<T>::zeros({}), few = Array<T>::zeros({4, 8});
    const Array<std::int64_t> indices{3, 0, 2, 2};
    const std::vector<Case> cases{
        {"relu", [&] { relu_into<T>(x, y); }},
        {"gelu in place", [&] { gelu_into<T>(y, y); }},
        {"leaky_relu", [&] { leaky_relu_into<T>(x, y); }},
        {"exp", [&] { exp_into<T>(x, y); }},
        {"add", [&] { add_into<T>(x, x, y); }},
        {"add of a row", [&] { add_into<T>(x, bias, y); }},
        {"mul by a number", [&] { binary_scalar_into<T>(BinaryOp::Mul, x, T(2), y); }},
        {"pow", [&] { pow_into<T>(x, x, y); }},
        {"clamp", [&] { clamp_into<T>(x, T(-1), T(1), y); }},
        {"axpy", [&] { axpy_into<T>(x, y, T(2)); }},
        {"softmax", [&] { softmax_into<T>(x, y); }},
        {"softmax axis 0", [&] { softmax_into<T>(x, y, {.axis = 0}); }},
        {"log_softmax", [&] { log_softmax_into<T>(x, y); }},
        {"linear", [&] { linear_into<T>(x, w, bias, y); }},
        {"linear of a row", [&] { linear_into<T>(bias, w, bias, row); }},
        {"matmul", [&] { matmul_into<T>(short_rows, narrow, few); }},
        {"layer_norm", [&] { layer_norm_into<T>(x, y, bias, bias); }},
        {"rms_norm", [&] { rms_norm_into<T>(x, y, bias); }},
        {"sum", [&] { sum_into<T>(x, one); }},
        {"max of rows", [&] { max_into<T>(x, column, {.axes = {1}}); }},
        {"mean of columns", [&] { mean_into<T>(x, row, {.axes = {0}}); }},
        {"embedding", [&] { embedding_into<T>(indices, w, y); }},
    };
    for (const Case& c : cases) {
      expect_no_allocation(c, n);
    }
  }
}

TYPED_TEST(SteadyState, SmallGradientsAllocateNothing) {
  using T = TypeParam;
  for (const Index n : kLengths) {
    const Array<T> x = this->numbers({4, n}), dy = this->numbers({4, n});
    Array<T> dx = Array<T>::zeros({4, n}), dbias = Array<T>::zeros({n});
    const std::vector<Case> cases{
        {"relu_backward", [&] { activation_backward_into<T>(dy, x, dx, Activation::Relu); }},
        {"leaky_relu_backward",  // a name too long to be kept in a string itself
         [&] { activation_backward_into<T>(dy, x, dx, Activation::LeakyRelu); }},
        {"softmax_backward", [&] { softmax_backward_into<T>(dy, x, dx); }},
        {"log_softmax_backward", [&] { log_softmax_backward_into<T>(dy, x, dx); }},
        {"linear_backward_bias", [&] { linear_backward_bias_into<T>(dy, dbias); }},
    };
    for (const Case& c : cases) {
      expect_no_allocation(c, n);
    }
  }
}

TYPED_TEST(SteadyState, SmallProductsAskTheSystemForNothing) {
  using T = TypeParam;
  // One row needs no copy of a small factor; otherwise it may be put in order in a kept block,
  // which counts as an allocation but comes from no system call.
  for (const Index k : {8, 9, 31, 64, 65, 128, 200, 256}) {
    for (const Index n : {8, 17, 64, 100, 128, 255, 256}) {
      const Array<T> w = this->numbers({k, n}), turned = this->numbers({n, k});
      const Array<T> bias = this->numbers({n});
      for (const Index m : {1, 8}) {
        const Array<T> x = this->numbers({m, k});
        Array<T> y = Array<T>::zeros({m, n});
        const std::vector<Case> cases{
            {"matmul", [&] { matmul_into<T>(x, w, y); }},
            {"linear", [&] { linear_into<T>(x, turned, bias, y); }},
        };
        for (const Case& c : cases) {
          if (m == 1 && k <= 128) {
            expect_no_allocation(c, k * 1000 + n);
            continue;
          }
          expect_nothing_from_system(c);
        }
      }
    }
  }
}

TYPED_TEST(SteadyState, LargeCallsAskTheSystemForNothing) {
  using T = TypeParam;
  const Array<T> x = this->numbers({300, 700}), w = this->numbers({700, 700});
  const Array<T> images = this->numbers({4, 16, 30, 30}), filters = this->numbers({16, 16, 3, 3});
  const Array<T> q = this->numbers({2, 300, 32});
  Array<T> y = Array<T>::zeros({300, 700}), maps = Array<T>::zeros({4, 16, 30, 30});
  Array<T> z = Array<T>::zeros({2, 300, 32}), total = Array<T>::zeros({});
  const std::vector<Case> cases{
      {"matmul", [&] { matmul_into<T>(x, w, y); }},
      {"linear", [&] { linear_into<T>(x, w, {}, y); }},
      {"conv2d", [&] { conv2d_into<T>(images, filters, {}, maps, {.padding = 1}); }},
      {"attention", [&] { scaled_dot_product_attention_into<T>(q, q, q, z); }},
      {"batch_norm", [&] { batch_norm_into<T>(images, maps); }},
      {"batch_norm of columns", [&] { batch_norm_into<T>(x, y); }},
      {"sum", [&] { sum_into<T>(x, total); }},
      {"a fresh result", [&] { static_cast<void>(relu(x)); }},
  };
  for (const Case& c : cases) {
    expect_nothing_from_system(c);
  }
}

}  // namespace
}  // namespace lamina::nn
