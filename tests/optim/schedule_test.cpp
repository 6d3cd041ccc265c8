// Learning rates over time, against values worked out by hand from the published formulas.

#include "lamina/optim/schedule.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "lamina/optim/optimizer.hpp"
#include "support/message.hpp"

namespace lamina {
namespace {

using namespace optim;
using testing::message_of;

/// The schedule's rates at steps 0, 1 ...
void expect_rates(const Schedule& schedule, const std::vector<double>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(schedule(static_cast<Index>(i)), expected[i], 1e-12) << "step " << i;
  }
}

TEST(Schedule, StepsDown) {
  expect_rates(StepSchedule{.lr = 1, .every = 2, .gamma = 0.5}, {1, 1, 0.5, 0.5, 0.25});
  expect_rates(MultiStepSchedule{.lr = 2, .milestones = {1, 3}, .gamma = 0.1},
               {2, 0.2, 0.2, 0.02, 0.02});
  expect_rates(ExponentialSchedule{.lr = 3, .gamma = 0.5}, {3, 1.5, 0.75});
}

TEST(Schedule, PolynomialAndCosine) {
  expect_rates(PolynomialSchedule{.lr = 1, .total = 4}, {1, 0.75, 0.5, 0.25, 0, 0});
  expect_rates(PolynomialSchedule{.lr = 1.5, .total = 2, .end = 0.5, .power = 2},
               {1.5, 0.75, 0.5, 0.5});
  const double root = std::sqrt(0.5);
  expect_rates(CosineSchedule{.lr = 1, .total = 4}, {1, (1 + root) / 2, 0.5, (1 - root) / 2, 0, 0});
  expect_rates(CosineSchedule{.lr = 3, .total = 2, .end = 1}, {3, 2, 1, 1});
}

TEST(Schedule, CosineRestarts) {
  expect_rates(CosineRestartsSchedule{.lr = 1, .period = 2}, {1, 0.5, 1, 0.5, 1});
  const double root = std::sqrt(0.5);
  expect_rates(CosineRestartsSchedule{.lr = 1, .period = 2, .growth = 2},
               {1, 0.5, 1, (1 + root) / 2, 0.5, (1 - root) / 2, 1});
}

TEST(Schedule, WarmupThenCosine) {
  expect_rates(WarmupCosineSchedule{.lr = 1, .warmup = 4, .total = 6},
               {0.25, 0.5, 0.75, 1, 1, 0.5, 0, 0});
  expect_rates(WarmupCosineSchedule{.lr = 2, .warmup = 2, .total = 4, .start = 1, .end = 1},
               {1.5, 2, 2, 1.5, 1});
  expect_rates(WarmupCosineSchedule{.lr = 1, .total = 2}, {1, 0.5, 0});
}

TEST(Schedule, OneCycle) {
  // 10 steps, the peak at step 10 * 0.3 - 1 = 2, the end at step 9.
  const OneCycleSchedule schedule{
      .max_lr = 1, .total = 10, .pct_start = 0.3, .div_factor = 4, .final_div_factor = 100};
  EXPECT_NEAR(schedule(0), 0.25, 1e-12);
  EXPECT_NEAR(schedule(1), (0.25 + 1) / 2, 1e-12);
  EXPECT_NEAR(schedule(2), 1, 1e-12);
  const double last = 0.25 / 100;
  EXPECT_NEAR(schedule(5), last + (1 - last) * (1 + std::cos(std::numbers::pi * 3 / 7)) / 2, 1e-12);
  EXPECT_NEAR(schedule(9), last, 1e-12);
  EXPECT_NEAR(schedule(50), last, 1e-12);
}

/// The rates that torch.optim.lr_scheduler 1.13 gives.
TEST(Schedule, TorchGivesTheSameRates) {
  expect_rates(OneCycleSchedule{.max_lr = 1, .total = 10, .div_factor = 4, .final_div_factor = 100},
               {0.25, 0.625, 1.0, 0.9506082228663315, 0.8122155386770433, 0.6122323158107118,
                0.39026768418928826, 0.19028446132295668, 0.051891777133668514, 0.0025});
  expect_rates(
      CosineSchedule{.lr = 1, .total = 5, .end = 0.1},
      {1.0, 0.9140576474687263, 0.6890576474687263, 0.41094235253127365, 0.1859423525312737, 0.1});
  expect_rates(
      CosineRestartsSchedule{.lr = 1, .period = 2, .growth = 2, .end = 0.1},
      {1.0, 0.55, 1.0, 0.8681980515339464, 0.55, 0.23180194846605365, 1.0, 0.9657457896300791});
}

TEST(Schedule, Plateau) {
  ReduceOnPlateau schedule(1, {.factor = 0.5, .patience = 1, .threshold = 0.1, .min_lr = 0.2});
  EXPECT_EQ(schedule(10), 1);
  EXPECT_EQ(schedule(8), 1);    // better by more than a tenth
  EXPECT_EQ(schedule(7.9), 1);  // not by enough: one bad call is tolerated
  EXPECT_EQ(schedule(7.8), 0.5);
  EXPECT_EQ(schedule(std::nan("")), 0.5);
  EXPECT_EQ(schedule(9), 0.25);
  EXPECT_EQ(schedule(9), 0.25);
  EXPECT_EQ(schedule(9), 0.2);  // never below min_lr
  ReduceOnPlateau growing(1, {.patience = 0, .cooldown = 2, .maximize = true});
  EXPECT_EQ(growing(0.5), 1);
  EXPECT_EQ(growing(0.6), 1);
  EXPECT_EQ(growing(0.6), 0.1);
  EXPECT_EQ(growing(0.6), 0.1);  // cools down for two calls
  EXPECT_EQ(growing(0.6), 0.1);
  EXPECT_NEAR(growing(0.6), 0.01, 1e-15);
}

TEST(Schedule, SchedulerDrivesGroups) {
  const Var<float> a = parameter(Array<float>{1});
  const Var<float> b = parameter(Array<float>{1});
  SGD optimizer(std::vector<NamedVar<float>>{{"a", a}}, {.lr = 0.1});
  optimizer.add_group({{"b", b}}, AdamOptions{.lr = 0.01});
  Scheduler<float> scheduler(optimizer, PolynomialSchedule{.total = 4});
  EXPECT_EQ(optimizer.lr(0), 0.1);
  scheduler.step();
  EXPECT_NEAR(optimizer.lr(0), 0.075, 1e-15);
  EXPECT_NEAR(optimizer.lr(1), 0.0075, 1e-15);
  scheduler.set_step(3);
  EXPECT_EQ(scheduler.current_step(), 3);
  EXPECT_NEAR(optimizer.lr(1), 0.0025, 1e-15);
}

TEST(Schedule, Errors) {
  EXPECT_EQ(message_of([] { (void)StepSchedule{.every = 0}(1); }),
            "StepSchedule: every must be at least 1, got 0");
  EXPECT_EQ(message_of([] { (void)CosineSchedule{}(-1); }),
            "CosineSchedule: step must not be negative, got -1");
  EXPECT_EQ(message_of([] { (void)WarmupCosineSchedule{.warmup = 3, .total = 3}(0); }),
            "WarmupCosineSchedule: warmup must be in 0 ... total - 1, got warmup 3, total 3");
  EXPECT_EQ(message_of([] { (void)OneCycleSchedule{.total = 1}(0); }),
            "OneCycleSchedule: total must be at least 2 and pct_start between 0 and 1, got 1 and "
            "0.3");
  EXPECT_EQ(message_of([] { ReduceOnPlateau(1, {.factor = 1}); }),
            "ReduceOnPlateau: factor must be between 0 and 1, got 1");
  SGD optimizer(std::vector<Var<float>>{parameter(Array<float>{1})}, {.lr = 0.1});
  EXPECT_EQ(message_of([&] { Scheduler<float>(optimizer, Schedule()); }),
            "Scheduler: there is no schedule");
  EXPECT_EQ(message_of([&] { Scheduler<float>(optimizer, [](Index) { return -1.0; }); }),
            "SGD: lr must be finite and not negative, got -0.1");
}

}  // namespace
}  // namespace lamina
