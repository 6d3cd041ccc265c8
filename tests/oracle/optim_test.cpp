// Optimizers' steps, schedules and clipping against PyTorch.

#include <cmath>

#include "lamina/optim/clip.hpp"
#include "lamina/optim/optimizer.hpp"
#include "lamina/optim/schedule.hpp"
#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

using namespace optim;

const std::map<std::string, UpdateOptions>& rules() {
  static const std::map<std::string, UpdateOptions> all{
      {"sgd/plain", SgdOptions{.lr = 0.1}},
      {"sgd/decay", SgdOptions{.lr = 0.1, .weight_decay = 0.05}},
      {"sgd/momentum", SgdOptions{.lr = 0.05, .momentum = 0.9}},
      {"sgd/dampening", SgdOptions{.lr = 0.05, .momentum = 0.9, .dampening = 0.3}},
      {"sgd/nesterov",
       SgdOptions{.lr = 0.05, .momentum = 0.8, .weight_decay = 0.01, .nesterov = true}},
      {"sgd/maximize", SgdOptions{.lr = 0.05, .momentum = 0.8, .maximize = true}},
      {"adam/plain", AdamOptions{.lr = 0.05}},
      {"adam/options",
       AdamOptions{.lr = 0.05, .beta1 = 0.7, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1}},
      {"adam/amsgrad", AdamOptions{.lr = 0.05, .beta1 = 0.7, .beta2 = 0.8, .amsgrad = true}},
      {"adam/maximize", AdamOptions{.lr = 0.05, .maximize = true}},
      {"adamw/plain", AdamWOptions{.lr = 0.05}},
      {"adamw/options", AdamWOptions{.lr = 0.05,
                                     .beta1 = 0.7,
                                     .beta2 = 0.8,
                                     .eps = 1e-3,
                                     .weight_decay = 0.3,
                                     .amsgrad = true}},
      {"adamax/plain", AdamaxOptions{.lr = 0.05}},
      {"adamax/options",
       AdamaxOptions{.lr = 0.05, .beta1 = 0.7, .beta2 = 0.9, .eps = 1e-3, .weight_decay = 0.1}},
      {"radam/plain", RAdamOptions{.lr = 0.05}},
      {"radam/options",
       RAdamOptions{.lr = 0.05, .beta1 = 0.7, .beta2 = 0.9, .eps = 1e-3, .weight_decay = 0.1}},
      {"rmsprop/plain", RmsPropOptions{.lr = 0.02}},
      {"rmsprop/momentum",
       RmsPropOptions{.lr = 0.02, .alpha = 0.8, .weight_decay = 0.1, .momentum = 0.7}},
      {"rmsprop/centered", RmsPropOptions{.lr = 0.02, .alpha = 0.8, .eps = 1e-3, .centered = true}},
      {"adagrad/plain", AdagradOptions{.lr = 0.2}},
      {"adagrad/options", AdagradOptions{.lr = 0.2,
                                         .lr_decay = 0.1,
                                         .weight_decay = 0.1,
                                         .initial_accumulator_value = 0.5,
                                         .eps = 1e-3}},
      {"adadelta/plain", AdadeltaOptions{}},
      {"adadelta/options",
       AdadeltaOptions{.lr = 0.5, .rho = 0.7, .eps = 1e-2, .weight_decay = 0.1}},
      {"lion/options", LionOptions{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.1}},
  };
  return all;
}

/// Number of arrays of the file whose names start so.
Index count(std::string_view prefix) {
  Index n = 0;
  for (const io::NamedArray& array : file()) {
    n += array.name.starts_with(prefix) ? 1 : 0;
  }
  return n;
}

template <class T>
void set_gradient(const Var<T>& var, const View<T>& gradient) {
  var.zero_grad();
  var.backward(gradient);  // of a leaf: its gradient becomes the seed
}

template <class T>
class OptimOracle : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(OptimOracle, Types);

TYPED_TEST(OptimOracle, StepsAsPyTorch) {
  using T = TypeParam;
  const Array<T> gradients = numbers<T>("gradients");
  for (const auto& [name, options] : rules()) {
    SCOPED_TRACE(name);
    // RAdam's rho is a small difference of large numbers, the same in both libraries.
    const double slack = name.starts_with("radam") ? 8 : 1;
    const Var<T> p(numbers<T>("start"), true);
    Optimizer<T> optimizer({p}, options);
    const Array<double>& path = file().get<double>(key("steps", name));
    for (Index step = 0; step < path.extent(0); ++step) {
      SCOPED_TRACE(step);
      set_gradient<T>(p, gradients.select(0, step));
      optimizer.step();
      ASSERT_NO_FATAL_FAILURE(
          expect_close<T>(p.value(), Array<double>(path.select(0, step)), slack));
    }
  }
  EXPECT_EQ(count("steps/"), static_cast<Index>(rules().size()));
}

TYPED_TEST(OptimOracle, ClippingAsPyTorch) {
  using T = TypeParam;
  const std::map<std::string, double> norms{
      {"1.0", 1}, {"2.0", 2}, {"3.0", 3}, {"inf", std::numeric_limits<double>::infinity()}};
  for (const auto& [norm_name, norm] : norms) {
    for (const auto& [bound_name, bound] :
         std::map<std::string, double>{{"0.5", 0.5}, {"100.0", 100}}) {
      const std::string name = key("clip", norm_name + "_" + bound_name);
      SCOPED_TRACE(name);
      const Var<T> first(Array<T>::zeros({3, 4}), true);
      const Var<T> second(Array<T>::zeros(Shape{5}), true);
      set_gradient<T>(first, numbers<T>("first"));
      set_gradient<T>(second, numbers<T>("second"));
      const double total =
          clip_grad_norm(std::vector<Var<T>>{first, second}, bound, {.norm_type = norm});
      const double want = file().get<double>(key(name, "norm")).item();
      EXPECT_NEAR(total, want, 8 * std::numeric_limits<T>::epsilon() * want);
      expect_close<T>(first.grad(), file().get<double>(key(name, "first")));
      expect_close<T>(second.grad(), file().get<double>(key(name, "second")));
    }
  }
  EXPECT_EQ(count("clip/"), 3 * 8);
}

TEST(ScheduleOracle, RatesAsPyTorch) {
  const std::map<std::string, Schedule> all{
      {"step", StepSchedule{.lr = 0.4, .every = 4, .gamma = 0.3}},
      {"multi_step", MultiStepSchedule{.lr = 0.4, .milestones = {3, 4, 11}, .gamma = 0.5}},
      {"exponential", ExponentialSchedule{.lr = 0.4, .gamma = 0.9}},
      {"linear", PolynomialSchedule{.lr = 0.4, .total = 12, .end = 0.1}},
      {"polynomial", PolynomialSchedule{.lr = 0.4, .total = 15, .power = 2.5}},
      {"cosine", CosineSchedule{.lr = 0.4, .total = 30, .end = 0.01}},
      {"restarts", CosineRestartsSchedule{.lr = 0.4, .period = 3, .growth = 2, .end = 0.02}},
      {"one_cycle", OneCycleSchedule{.max_lr = 0.4,
                                     .total = 31,
                                     .pct_start = 0.25,
                                     .div_factor = 10,
                                     .final_div_factor = 100}},
  };
  for (const auto& [name, schedule] : all) {
    SCOPED_TRACE(name);
    const Array<double>& rates = file().get<double>(key("schedule", name));
    for (Index step = 0; step < rates.size(); ++step) {
      // PyTorch multiplies rates step by step.
      EXPECT_NEAR(schedule(step), rates(step), 1e-14) << "step " << step;
    }
  }
  EXPECT_EQ(count("schedule/"), static_cast<Index>(all.size()));
}

TEST(ScheduleOracle, PlateausAsPyTorch) {
  const std::map<std::string, ReduceOnPlateau::Options> all{
      {"plain", {.factor = 0.5, .patience = 2}},
      {"cooldown",
       {.factor = 0.3, .patience = 1, .cooldown = 3, .threshold = 0.01, .min_lr = 0.004}},
      {"max", {.factor = 0.5, .patience = 3, .maximize = true}},
  };
  const Array<double> measures = numbers<double>("measures");
  for (const auto& [name, options] : all) {
    SCOPED_TRACE(name);
    ReduceOnPlateau schedule(0.4, options);
    const Array<double>& rates = file().get<double>(key("plateau", name));
    for (Index step = 0; step < rates.size(); ++step) {
      EXPECT_NEAR(schedule(measures(step)), rates(step), 1e-15) << "step " << step;
    }
  }
  EXPECT_EQ(count("plateau/"), static_cast<Index>(all.size()));
}

}  // namespace
}  // namespace lamina::oracle
