#include <memory>
#include <utility>

#include "compare/lamina_peer.hpp"
#include "lamina/autograd/ops_loss.hpp"
#include "lamina/layers/activation.hpp"
#include "lamina/layers/conv.hpp"
#include "lamina/layers/linear.hpp"
#include "lamina/layers/normalization.hpp"
#include "lamina/layers/pooling.hpp"
#include "lamina/layers/sequential.hpp"
#include "lamina/optim/optimizer.hpp"

namespace lamina::compare {

namespace {

template <class T>
struct Trainer {
  layers::Sequential<T> net;
  std::unique_ptr<optim::SGD<T>> optimizer;
  View<T> x;
  View<std::int64_t> labels;

  void step() {
    optimizer->zero_grad();
    nn::cross_entropy(labels, net(x)).backward();
    optimizer->step();
  }
};

template <class T>
std::function<void()> trainer(const Problem& p) {
  auto t = std::make_shared<Trainer<T>>();
  const auto& dims = p.inputs[0].dims;
  IndexList list;
  for (const std::int64_t extent : dims) {
    list.push_back(extent);
  }
  t->x = View<T>(p.inputs[0].template data<T>(), Shape(list));
  t->labels = View<std::int64_t>(p.inputs[1].template data<std::int64_t>(), Shape{dims[0]});
  Generator generator(1);
  if (p.op == "train_mlp") {
    t->net.append(layers::Linear<T>(784, 512, generator));
    t->net.append(layers::ReLU<T>());
    t->net.append(layers::Linear<T>(512, 256, generator));
    t->net.append(layers::ReLU<T>());
    t->net.append(layers::Linear<T>(256, 10, generator));
  } else if (p.op == "train_lenet") {
    t->net.append(layers::Conv2d<T>(1, 6, {5, 5}, generator, {.conv = {.padding = 2}}));
    t->net.append(layers::ReLU<T>());
    t->net.append(layers::MaxPool2d<T>(2));
    t->net.append(layers::Conv2d<T>(6, 16, {5, 5}, generator));
    t->net.append(layers::ReLU<T>());
    t->net.append(layers::MaxPool2d<T>(2));
    t->net.append(layers::Flatten<T>());
    t->net.append(layers::Linear<T>(400, 120, generator));
    t->net.append(layers::ReLU<T>());
    t->net.append(layers::Linear<T>(120, 84, generator));
    t->net.append(layers::ReLU<T>());
    t->net.append(layers::Linear<T>(84, 10, generator));
  } else if (p.op == "train_cnn") {
    for (const Index channels : {32, 64}) {
      const Index in = channels == 32 ? 3 : 32;
      t->net.append(layers::Conv2d<T>(in, channels, {3, 3}, generator, {.conv = {.padding = 1}}));
      t->net.append(layers::BatchNorm2d<T>(channels));
      t->net.append(layers::ReLU<T>());
      t->net.append(layers::MaxPool2d<T>(2));
    }
    t->net.append(layers::Flatten<T>());
    t->net.append(layers::Linear<T>(64 * 8 * 8, 10, generator));
  } else {
    return {};
  }
  t->optimizer =
      std::make_unique<optim::SGD<T>>(t->net.parameters(), optim::SgdOptions{.lr = 0.01});
  return [t] { t->step(); };
}

}  // namespace

std::function<void()> lamina_training(const Problem& p) {
  return p.type == Type::F32 ? trainer<float>(p) : trainer<double>(p);
}

}  // namespace lamina::compare
