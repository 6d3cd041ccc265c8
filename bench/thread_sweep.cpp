// Is any size slower with threads than without? Operations over many sizes, timed with one thread
// and with all, in turns; the least time of each counts.
//
//   thread_sweep [ROUNDS [NAME...]]
//
// Times the operations whose names contain one of the NAMEs, or all. Prints the worst size of each
// operation, and every size that is slower by more than 5 %.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "lamina/nn/activation.hpp"
#include "lamina/nn/arithmetic.hpp"
#include "lamina/nn/attention.hpp"
#include "lamina/nn/conv.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/loss_classification.hpp"
#include "lamina/nn/normalization.hpp"
#include "lamina/nn/reduction.hpp"
#include "lamina/nn/softmax.hpp"

namespace {

using namespace lamina;
using Run = std::function<void()>;

struct Operation {
  const char* name;
  std::vector<Index> sizes;
  std::function<Run(Index size)> make;
};

Array<float> numbers(const Shape& shape) {
  Array<float> x = Array<float>::empty(shape);
  for (Index i = 0; i < x.size(); ++i) {
    x.data()[i] = static_cast<float>((i * 2654435761) % 8191) / 2048 - 2;
  }
  return x;
}

// Powers of two with one step between them, up to `most`.
std::vector<Index> sizes_up_to(Index least, Index most) {
  std::vector<Index> sizes;
  for (Index size = least; size <= most; size *= 2) {
    sizes.push_back(size);
    if (size * 3 / 2 <= most) {
      sizes.push_back(size * 3 / 2);
    }
  }
  return sizes;
}

// `function(x, y)` on arrays of `shape_of(size)`.
template <class ShapeOf, class F>
std::function<Run(Index)> on_arrays(ShapeOf shape_of, F function) {
  return [=](Index size) -> Run {
    auto x = std::make_shared<Array<float>>(numbers(shape_of(size)));
    auto y = std::make_shared<Array<float>>(Array<float>::zeros(shape_of(size)));
    return [=] { function(*x, *y); };
  };
}

std::vector<Operation> operations() {
  const auto flat = [](Index n) { return Shape{n}; };
  const auto rows = [](Index n) { return Shape{n, 256}; };
  const auto square = [](Index n) { return Shape{n, n}; };
  const auto image = [](Index n) { return Shape{4, 16, n, n}; };
  const std::vector<Index> elements = sizes_up_to(1024, 1 << 22);
  const std::vector<Index> lines = sizes_up_to(4, 1 << 14);
  return {
      {"relu", elements, on_arrays(flat, [](auto& x, auto& y) { nn::relu_into(x, y.view()); })},
      {"gelu", elements, on_arrays(flat, [](auto& x, auto& y) { nn::gelu_into(x, y.view()); })},
      {"add", elements, on_arrays(flat, [](auto& x, auto& y) { nn::add_into(x, x, y.view()); })},
      {"sum", elements, on_arrays(flat, [](auto& x, auto&) { (void)nn::sum(x); })},
      {"max axis 0", lines,
       on_arrays(rows, [](auto& x, auto&) { (void)nn::max(x, {.axes = {0}}); })},
      {"softmax", lines, on_arrays(rows, [](auto& x, auto& y) { nn::softmax_into(x, y.view()); })},
      {"softmax axis 0", lines,
       on_arrays(rows, [](auto& x, auto& y) { nn::softmax_into(x, y.view(), {.axis = 0}); })},
      {"softmax axis 0 of 512", sizes_up_to(256, 1 << 13),
       on_arrays(
           [](Index n) {
             return Shape{n, 512};
           },
           [](auto& x, auto& y) { nn::softmax_into(x, y.view(), {.axis = 0}); })},
      {"softmax axis 0 of 1024", sizes_up_to(256, 1 << 12),
       on_arrays(
           [](Index n) {
             return Shape{n, 1024};
           },
           [](auto& x, auto& y) { nn::softmax_into(x, y.view(), {.axis = 0}); })},
      {"softmax axis 0 of 2048", sizes_up_to(64, 1 << 11),
       on_arrays(
           [](Index n) {
             return Shape{n, 2048};
           },
           [](auto& x, auto& y) { nn::softmax_into(x, y.view(), {.axis = 0}); })},
      {"softmax axis 0 of 8192", sizes_up_to(8, 1 << 9),
       on_arrays(
           [](Index n) {
             return Shape{n, 8192};
           },
           [](auto& x, auto& y) { nn::softmax_into(x, y.view(), {.axis = 0}); })},
      {"softmax of a row", sizes_up_to(1 << 15, 1 << 22),
       on_arrays(
           [](Index n) {
             return Shape{1, n};
           },
           [](auto& x, auto& y) { nn::softmax_into(x, y.view()); })},
      {"layer_norm", lines,
       on_arrays(rows, [](auto& x, auto& y) { nn::layer_norm_into(x, y.view()); })},
      {"batch_norm", lines,
       on_arrays(rows, [](auto& x, auto& y) { nn::batch_norm_into(x, y.view()); })},
      {"matmul", sizes_up_to(8, 768),
       on_arrays(square, [](auto& x, auto& y) { nn::matmul_into(x, x, y.view()); })},
      {"matmul of a row", sizes_up_to(32, 3072),
       [](Index n) -> Run {
         auto a = std::make_shared<Array<float>>(numbers({1, n}));
         auto b = std::make_shared<Array<float>>(numbers({n, n}));
         auto c = std::make_shared<Array<float>>(Array<float>::zeros({1, n}));
         return [=] { nn::matmul_into(*a, *b, c->view()); };
       }},
      {"conv2d 3x3", sizes_up_to(4, 96),
       [=](Index n) -> Run {
         auto x = std::make_shared<Array<float>>(numbers(image(n)));
         auto w = std::make_shared<Array<float>>(numbers({16, 16, 3, 3}));
         auto y = std::make_shared<Array<float>>(Array<float>::zeros(image(n)));
         return [=] { nn::conv2d_into(*x, *w, {}, y->view(), {.padding = 1}); };
       }},
      {"attention", sizes_up_to(8, 512),
       [](Index n) -> Run {
         auto q = std::make_shared<Array<float>>(numbers({2, n, 32}));
         auto y = std::make_shared<Array<float>>(Array<float>::zeros({2, n, 32}));
         return [=] { nn::scaled_dot_product_attention_into(*q, *q, *q, y->view()); };
       }},
      {"cross_entropy", lines,
       [](Index n) -> Run {
         auto x = std::make_shared<Array<float>>(numbers({n, 256}));
         auto labels = std::make_shared<Array<std::int64_t>>(Array<std::int64_t>::zeros({n}));
         return [=] { (void)nn::cross_entropy(*labels, *x); };
       }},
      {"embedding", lines,
       [](Index n) -> Run {
         auto table = std::make_shared<Array<float>>(numbers({1000, 256}));
         auto indices = std::make_shared<Array<std::int64_t>>(Array<std::int64_t>::zeros({n}));
         auto y = std::make_shared<Array<float>>(Array<float>::zeros({n, 256}));
         return [=] { nn::embedding_into(*indices, *table, y->view()); };
       }},
  };
}

// The least time of a call, for about a millisecond.
double least(const Run& run) {
  using Clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity();
  const auto start = Clock::now();
  run();
  do {
    constexpr int kCalls = 4;
    const auto before = Clock::now();
    for (int i = 0; i < kCalls; ++i) {
      run();
    }
    best = std::min(best, std::chrono::duration<double>(Clock::now() - before).count() / kCalls);
  } while (Clock::now() - start < std::chrono::milliseconds(1));
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  const int threads = std::max(2, num_threads());
  std::printf("one thread against %d, least of %d turns\n", threads, rounds);
  int slower = 0;
  const auto wanted = [&](const std::string& name) {
    return argc <= 2 || std::any_of(argv + 2, argv + argc, [&](const char* part) {
             return name.find(part) != std::string::npos;
           });
  };
  for (const Operation& operation : operations()) {
    if (!wanted(operation.name)) {
      continue;
    }
    double worst = 0;
    Index worst_size = 0;
    double best = std::numeric_limits<double>::infinity();
    for (const Index size : operation.sizes) {
      const Run run = operation.make(size);
      double one = std::numeric_limits<double>::infinity(), all = one;
      const auto measure = [&] {
        set_num_threads(1);
        one = std::min(one, least(run));
        set_num_threads(threads);
        all = std::min(all, least(run));
      };
      for (int round = 0; round < rounds; ++round) {
        measure();
      }
      // Noise does not last; what is slower in truth stays so.
      for (int round = 0; round < 10 * rounds && all > 1.05 * one; ++round) {
        measure();
      }
      const double ratio = all / one;
      if (ratio > worst) {
        worst = ratio;
        worst_size = size;
      }
      best = std::min(best, ratio);
      if (ratio > 1.05) {
        ++slower;
        std::printf("  slower with threads: %s %lld, %.2f us against %.2f\n", operation.name,
                    static_cast<long long>(size), all * 1e6, one * 1e6);
      }
    }
    std::printf("%-16s worst %.2f of the time of one thread, at %lld; best %.2f\n", operation.name,
                worst, static_cast<long long>(worst_size), best);
  }
  std::printf("%d sizes are slower by more than 5 %%\n", slower);
  return slower > 0 ? 1 : 0;
}
