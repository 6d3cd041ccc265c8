// Trains a small network on handwritten digits, tests it on images it has not seen, and saves it.
//
//   digits [CSV FILE] [EPOCHS]

#include <cstdlib>
#include <iostream>
#include <lamina/lamina.hpp>
#include <string>

using namespace lamina;

/// Share of the images that the network takes for what they are.
double accuracy(layers::Sequential<float>& net, const data::Dataset<float>& images) {
  const NoGrad no_grad;
  net.eval();
  const Array<float> scores = net(images.features).value();
  net.train();
  const Array<std::int64_t> guesses = nn::argmax(scores, {.axes = {1}});
  Index right = 0;
  for (Index i = 0; i < images.size(); ++i) {
    right += guesses(i) == images.labels(i) ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(images.size());
}

int main(int argc, char** argv) {
  try {
    const std::string path = argc > 1 ? argv[1] : "data/digits/digits.csv";
    const int epochs = argc > 2 ? std::atoi(argv[2]) : 30;

    const data::Dataset<float> digits = data::load_digits<float>(path);  // (1797, 64), 0 to 1
    const auto [train, test] = data::train_test_split(digits, 0.2, 0);
    data::BatchLoader<float> batches(train, {.batch_size = 32, .seed = 1});

    Generator generator(1);
    layers::Sequential net{layers::Linear(64, 128, generator), layers::ReLU{},
                           layers::Linear(128, 10, generator)};
    optim::AdamW optimizer(net.parameters(), {.lr = 2e-3});

    for (int epoch = 0; epoch < epochs; ++epoch) {
      float loss = 0;
      for (const auto& [images, labels, indices] : batches.epoch(epoch)) {
        optimizer.zero_grad();
        const Var<float> mean = nn::cross_entropy(labels, net(images));
        mean.backward();
        optimizer.step();
        loss += mean.item() * static_cast<float>(labels.size());
      }
      std::cout << "epoch " << epoch + 1 << ": loss " << loss / static_cast<float>(train.size())
                << ", test accuracy " << accuracy(net, test) << '\n';
    }

    const layers::StateDict<float> weights = net.state_dict();
    std::vector<io::NamedView> arrays;
    for (const auto& [name, array] : weights) {
      arrays.push_back({name, array.view()});
    }
    io::save_safetensors("digits.safetensors", arrays);
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
