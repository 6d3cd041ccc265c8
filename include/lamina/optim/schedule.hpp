#pragma once

#include <functional>
#include <vector>

#include "lamina/core/index.hpp"
#include "lamina/export.hpp"
#include "lamina/optim/optimizer.hpp"

// Learning rates over time. A schedule is a function of the step, counted from 0; `optimizer.
// set_lr(schedule(step))` before each step is all there is to it. Scheduler does that for several
// groups.

namespace lamina::optim {

/// lr gamma^floor(step / every). torch.optim.lr_scheduler.StepLR.
struct StepSchedule {
  double lr = 1;
  Index every = 1;
  double gamma = 0.1;
  [[nodiscard]] LAMINA_EXPORT double operator()(Index step) const;
};

/// lr gamma^(number of milestones <= step). torch.optim.lr_scheduler.MultiStepLR.
struct MultiStepSchedule {
  double lr = 1;
  std::vector<Index> milestones{};
  double gamma = 0.1;
  [[nodiscard]] LAMINA_EXPORT double operator()(Index step) const;
};

/// lr gamma^step. torch.optim.lr_scheduler.ExponentialLR.
struct ExponentialSchedule {
  double lr = 1;
  double gamma = 0.99;
  [[nodiscard]] LAMINA_EXPORT double operator()(Index step) const;
};

/// From lr to `end` in equal steps, after `total` steps constant; power 1 is a straight line.
///
///   end + (lr - end) (1 - step / total)^power
///
/// torch.optim.lr_scheduler.LinearLR, PolynomialLR.
struct PolynomialSchedule {
  double lr = 1;
  Index total = 1;
  double end = 0;
  double power = 1;
  [[nodiscard]] LAMINA_EXPORT double operator()(Index step) const;
};

/// Half a cosine from lr to `end`, then constant.
///
///   end + (lr - end) (1 + cos(pi step / total)) / 2
///
/// torch.optim.lr_scheduler.CosineAnnealingLR (up to `total`). Loshchilov and Hutter 2017.
struct CosineSchedule {
  double lr = 1;
  Index total = 1;
  double end = 0;
  [[nodiscard]] LAMINA_EXPORT double operator()(Index step) const;
};

/// CosineSchedule again and again, each period `growth` times as long as the one before.
/// torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
struct CosineRestartsSchedule {
  double lr = 1;
  Index period = 1;
  Index growth = 1;
  double end = 0;
  [[nodiscard]] LAMINA_EXPORT double operator()(Index step) const;
};

/// A straight line from `start` to lr in `warmup` steps, then a cosine down to `end` at `total`.
/// At step 0 the rate is start + (lr - start) / warmup, so that no step is lost at rate 0.
struct WarmupCosineSchedule {
  double lr = 1;
  Index warmup = 0;
  Index total = 1;
  double start = 0;
  double end = 0;
  [[nodiscard]] LAMINA_EXPORT double operator()(Index step) const;
};

/// One cycle: by a cosine from max_lr / div_factor up to max_lr in the first `pct_start` of the
/// steps, then down to max_lr / div_factor / final_div_factor at step total - 1.
/// torch.optim.lr_scheduler.OneCycleLR. Smith and Topin 2019.
struct OneCycleSchedule {
  double max_lr = 1;
  Index total = 2;
  double pct_start = 0.3;
  double div_factor = 25;
  double final_div_factor = 1e4;
  [[nodiscard]] LAMINA_EXPORT double operator()(Index step) const;
};

/// Lowers the rate by `factor` when a measure has not become better for `patience` calls.
/// torch.optim.lr_scheduler.ReduceLROnPlateau with a relative threshold.
class LAMINA_EXPORT ReduceOnPlateau {
 public:
  struct Options {
    double factor = 0.1;
    Index patience = 10;      ///< calls without improvement that are tolerated
    Index cooldown = 0;       ///< calls after a reduction that do not count
    double threshold = 1e-4;  ///< relative change that counts as improvement
    double min_lr = 0;
    bool maximize = false;  ///< the measure should grow
  };
  /// Error(InvalidOperation) unless 0 < factor < 1, and patience, cooldown, threshold and min_lr
  /// are not negative.
  ReduceOnPlateau(double lr, const Options& options);
  explicit ReduceOnPlateau(double lr) : ReduceOnPlateau(lr, Options()) {}
  /// The rate after seeing this measure. NaN is no improvement.
  double operator()(double measure);
  [[nodiscard]] double lr() const noexcept { return lr_; }

 private:
  Options options_;
  double lr_;
  double best_ = 0;
  bool seen_ = false;
  Index bad_ = 0;
  Index wait_ = 0;
};

/// Any function of the step.
using Schedule = std::function<double(Index step)>;

/// Drives an optimizer's rates: group i has its first rate times factor(step). Give the schedule
/// lr = 1.
///
///   Scheduler scheduler(optimizer, CosineSchedule{.total = 100});
///   ... optimizer.step(); scheduler.step();
///
/// The optimizer must outlive it. torch.optim.lr_scheduler.LambdaLR.
template <class T>
class Scheduler {
 public:
  /// Sets the rates of step 0. Error(InvalidOperation) if the factor makes a rate negative or
  /// infinite.
  Scheduler(Optimizer<T>& optimizer, Schedule factor);
  /// Goes on to the next step's rates.
  void step();
  /// To a given step, for instance after loading a checkpoint.
  void set_step(Index step);
  [[nodiscard]] Index current_step() const noexcept { return step_; }

 private:
  Optimizer<T>* optimizer_;
  Schedule factor_;
  std::vector<double> first_rates_;
  Index step_ = 0;
};

extern template class LAMINA_EXPORT Scheduler<float>;
extern template class LAMINA_EXPORT Scheduler<double>;

}  // namespace lamina::optim
