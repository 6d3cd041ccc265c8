#include "lamina/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>
#include <utility>

namespace lamina::optim {

namespace {

void check_step(Index step, std::string_view schedule) {
  check(step >= 0, ErrorKind::InvalidOperation, schedule, "step must not be negative, got ", step);
}
void check_positive(Index value, std::string_view name, std::string_view schedule) {
  check(value >= 1, ErrorKind::InvalidOperation, schedule, name, " must be at least 1, got ",
        value);
}

/// From `from` at 0 to `to` at 1, by half a cosine.
double cosine(double from, double to, double share) {
  return to + (from - to) * (1 + std::cos(std::numbers::pi * share)) / 2;
}

double ratio(Index step, Index total) {
  return static_cast<double>(std::min(step, total)) / static_cast<double>(total);
}

}  // namespace

double StepSchedule::operator()(Index step) const {
  check_step(step, "StepSchedule");
  check_positive(every, "every", "StepSchedule");
  return lr * std::pow(gamma, static_cast<double>(step / every));
}

double MultiStepSchedule::operator()(Index step) const {
  check_step(step, "MultiStepSchedule");
  const auto passed = std::count_if(milestones.begin(), milestones.end(),
                                    [step](Index milestone) { return milestone <= step; });
  return lr * std::pow(gamma, static_cast<double>(passed));
}

double ExponentialSchedule::operator()(Index step) const {
  check_step(step, "ExponentialSchedule");
  return lr * std::pow(gamma, static_cast<double>(step));
}

double PolynomialSchedule::operator()(Index step) const {
  check_step(step, "PolynomialSchedule");
  check_positive(total, "total", "PolynomialSchedule");
  return end + (lr - end) * std::pow(1 - ratio(step, total), power);
}

double CosineSchedule::operator()(Index step) const {
  check_step(step, "CosineSchedule");
  check_positive(total, "total", "CosineSchedule");
  return cosine(lr, end, ratio(step, total));
}

double CosineRestartsSchedule::operator()(Index step) const {
  check_step(step, "CosineRestartsSchedule");
  check_positive(period, "period", "CosineRestartsSchedule");
  check_positive(growth, "growth", "CosineRestartsSchedule");
  if (growth == 1) {
    return cosine(lr, end, ratio(step % period, period));
  }
  Index length = period;
  while (step >= length) {
    step -= length;
    length *= growth;
  }
  return cosine(lr, end, ratio(step, length));
}

double WarmupCosineSchedule::operator()(Index step) const {
  check_step(step, "WarmupCosineSchedule");
  check(warmup >= 0 && warmup < total, ErrorKind::InvalidOperation, "WarmupCosineSchedule",
        "warmup must be in 0 ... total - 1, got warmup ", warmup, ", total ", total);
  if (step < warmup) {
    return start + (lr - start) * ratio(step + 1, warmup);
  }
  return cosine(lr, end, ratio(step - warmup, total - warmup));
}

double OneCycleSchedule::operator()(Index step) const {
  check_step(step, "OneCycleSchedule");
  check(total >= 2 && pct_start > 0 && pct_start < 1, ErrorKind::InvalidOperation,
        "OneCycleSchedule", "total must be at least 2 and pct_start between 0 and 1, got ", total,
        " and ", pct_start);
  check(div_factor > 0 && final_div_factor > 0, ErrorKind::InvalidOperation, "OneCycleSchedule",
        "div_factor and final_div_factor must be positive, got ", div_factor, " and ",
        final_div_factor);
  const double first = max_lr / div_factor;
  const double last = first / final_div_factor;
  const double peak = pct_start * static_cast<double>(total) - 1;
  const double at = static_cast<double>(std::min(step, total - 1));
  if (at < peak) {
    return cosine(first, max_lr, at / peak);
  }
  return cosine(max_lr, last, (at - peak) / (static_cast<double>(total - 1) - peak));
}

ReduceOnPlateau::ReduceOnPlateau(double lr, const Options& options) : options_(options), lr_(lr) {
  check(options.factor > 0 && options.factor < 1, ErrorKind::InvalidOperation, "ReduceOnPlateau",
        "factor must be between 0 and 1, got ", options.factor);
  check(options.patience >= 0 && options.cooldown >= 0 && options.threshold >= 0 &&
            options.min_lr >= 0,
        ErrorKind::InvalidOperation, "ReduceOnPlateau",
        "patience, cooldown, threshold and min_lr must not be negative");
}

double ReduceOnPlateau::operator()(double measure) {
  const double margin = options_.threshold * std::abs(best_);
  const bool better =
      !seen_ ? !std::isnan(measure)
             : (options_.maximize ? measure > best_ + margin : measure < best_ - margin);
  if (better) {
    best_ = measure;
    seen_ = true;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (wait_ > 0) {
    --wait_;
    bad_ = 0;
  }
  if (bad_ > options_.patience) {
    lr_ = std::max(lr_ * options_.factor, std::min(lr_, options_.min_lr));
    wait_ = options_.cooldown;
    bad_ = 0;
  }
  return lr_;
}

template <class T>
Scheduler<T>::Scheduler(Optimizer<T>& optimizer, Schedule factor)
    : optimizer_(&optimizer), factor_(std::move(factor)) {
  check(factor_ != nullptr, ErrorKind::InvalidOperation, "Scheduler", "there is no schedule");
  for (std::size_t i = 0; i < optimizer.groups().size(); ++i) {
    first_rates_.push_back(optimizer.lr(static_cast<Index>(i)));
  }
  set_step(0);
}

template <class T>
void Scheduler<T>::step() {
  set_step(step_ + 1);
}

template <class T>
void Scheduler<T>::set_step(Index step) {
  const double factor = factor_(step);
  for (std::size_t i = 0; i < first_rates_.size(); ++i) {
    optimizer_->set_lr(first_rates_[i] * factor, static_cast<Index>(i));
  }
  step_ = step;
}

template class Scheduler<float>;
template class Scheduler<double>;

}  // namespace lamina::optim
