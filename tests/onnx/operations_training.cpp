// ONNX's preview of training: steps of optimizers. A node takes the rate, how many steps came
// before, and then the parameters, their gradients and each kind of state, tensors of one kind side
// by side; it gives the parameters and the states in that order.

#include <cmath>

#include "lamina/nn/update.hpp"
#include "onnx/define.hpp"

namespace lamina::onnx_test {
namespace {

struct Step {
  double rate;
  double before;  ///< steps
  std::size_t slots;

  Step(const Call& call, std::size_t states)
      : rate(call.in<double>(0).item()), before(call.in<double>(1).item()), slots(states) {}

  template <class T>
  [[nodiscard]] Results run(const Call& call, const nn::UpdateOptions& options, Index step) const {
    const std::size_t kinds = slots + 2;
    const std::size_t tensors = (call.inputs.size() - 2) / kinds;
    Results results((slots + 1) * tensors);
    for (std::size_t i = 0; i < tensors; ++i) {
      const auto input = [&](std::size_t kind) { return call.in<T>(2 + kind * tensors + i); };
      Array<T> parameter = input(0);
      std::vector<Array<T>> states;
      for (std::size_t s = 0; s < slots; ++s) {
        states.push_back(input(2 + s));
      }
      nn::update_inplace<T>(input(1), parameter,
                            std::vector<MutView<T>>(states.begin(), states.end()), options, step);
      results[i] = result<T>(parameter);
      for (std::size_t s = 0; s < slots; ++s) {
        results[(s + 1) * tensors + i] = result<T>(states[s]);
      }
    }
    return results;
  }
};

}  // namespace

void define_training(std::vector<Operation>& table) {
  define(table, "Adagrad", "update_inplace", Measure::Largest, [](auto zero, const Call& call) {
    const Step step(call, 1);
    const nn::AdagradOptions options{.lr = step.rate,
                                     .lr_decay = call.number("decay_factor", 0),
                                     .weight_decay = call.number("norm_coefficient", 0),
                                     .eps = call.number("epsilon", 0)};
    return step.run<decltype(zero)>(call, options, static_cast<Index>(step.before) + 1);
  });
  define(table, "Momentum", "update_inplace", Measure::Largest, [](auto zero, const Call& call) {
    const Step step(call, 1);
    // Here the first step takes the momentum as it is, so it is never our first.
    const double share = step.before > 0 ? call.number("beta", 1) : 1;
    const nn::SgdOptions options{.lr = step.rate,
                                 .momentum = call.number("alpha", 0),
                                 .dampening = 1 - share,
                                 .weight_decay = call.number("norm_coefficient", 0),
                                 .nesterov = call.text("mode", "standard") == "nesterov"};
    return step.run<decltype(zero)>(call, options, 2);
  });
  define(table, "Adam", "update_inplace", Measure::Largest, [](auto zero, const Call& call) {
    const Step step(call, 2);
    nn::AdamOptions options{.lr = step.rate,
                            .beta1 = call.number("alpha", 0.9),
                            .beta2 = call.number("beta", 0.999),
                            .eps = call.number("epsilon", 1e-6),
                            .weight_decay = call.number("norm_coefficient", 0)};
    if (step.before == 0) {  // without corrections, as after very many steps
      return step.run<decltype(zero)>(call, options, Index{1} << 40);
    }
    options.eps /= std::sqrt(1 - std::pow(options.beta2, step.before));
    return step.run<decltype(zero)>(call, options, static_cast<Index>(step.before));
  });
}

}  // namespace lamina::onnx_test
