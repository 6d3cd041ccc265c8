// Whole networks: they learn, and the same seed gives the same bits on any number of threads.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "lamina/autograd/ops_loss.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/layers/activation.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/sequential.hpp"
#include "lamina/optim/optimizer.hpp"

namespace lamina {
namespace {

using namespace layers;

/// Two interleaved spirals: points (n, 2), labels (n).
struct Spirals {
  explicit Spirals(Index n)
      : points(Array<float>::empty({n, 2})), labels(Array<std::int64_t>::empty({n})) {
    for (Index i = 0; i < n; ++i) {
      const double turn = 4.0 * static_cast<double>(i / 2) / static_cast<double>(n / 2);
      const double angle = turn + (i % 2 == 0 ? 0.0 : 3.14159265358979);
      points(i, 0) = static_cast<float>((0.2 + turn / 4) * std::cos(angle));
      points(i, 1) = static_cast<float>((0.2 + turn / 4) * std::sin(angle));
      labels(i) = i % 2;
    }
  }
  Array<float> points;
  Array<std::int64_t> labels;
};

Sequential<float> make_mlp(Index in, Index width, Index out) {
  Generator generator(42);
  return Sequential{Linear(in, width, generator, {.init = WeightInit::KaimingNormal}), ReLU{},
                    Linear(width, width, generator), GELU{}, Linear(width, out, generator)};
}

TEST(Training, AnMlpSeparatesTwoSpirals) {
  const Spirals data(200);
  Sequential<float> net = make_mlp(2, 32, 2);
  optim::Adam optimizer(net.parameters(), {.lr = 0.01});
  float loss = 0;
  for (int i = 0; i < 300; ++i) {
    optimizer.zero_grad();
    const Var<float> y = nn::cross_entropy(data.labels, net(data.points));
    y.backward();
    optimizer.step();
    loss = y.item();
  }
  EXPECT_LT(loss, 0.01f);
  const NoGrad no_grad;
  net.eval();
  const Array<float> scores = net(data.points).value();
  Index right = 0;
  for (Index i = 0; i < 200; ++i) {
    right += (scores(i, 1) > scores(i, 0)) == (data.labels(i) == 1) ? 1 : 0;
  }
  EXPECT_EQ(right, 200);
}

TEST(Training, SameBitsOnAnyNumberOfThreads) {
  const int before = num_threads();
  const auto train = [](int threads) {
    set_num_threads(threads);
    Generator generator(7);
    const Array<float> x = random_normal<float>({128, 300}, generator);
    const Array<std::int64_t> labels = random_integers({128}, generator, 0, 10);
    Sequential<float> net = make_mlp(300, 256, 10);
    optim::SGD optimizer(net.parameters(),
                         {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-4, .nesterov = true});
    for (int i = 0; i < 20; ++i) {
      optimizer.zero_grad();
      nn::cross_entropy(labels, net(x)).backward();
      optimizer.step();
    }
    return net.state_dict();
  };
  const StateDict<float> expected = train(1);
  for (const int threads : {2, 3, 5}) {
    EXPECT_EQ(train(threads), expected) << threads << " threads";
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace lamina
