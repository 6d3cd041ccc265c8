#include "lamina/nn/update.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

#include "kernels/update.hpp"
#include "lamina/core/error.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/layout.hpp"

namespace lamina::nn {

namespace {

/// Elements handed to a thread at once, at most: some 100 KiB of parameters.
constexpr Index kGrain = 32768;

/// Those of equal parts.
Index grain_of(Index size) {
  return std::max<Index>(1, ceil_div(size, std::max<Index>(1, ceil_div(size, kGrain))));
}

/// A name and a number of an option that must not be outside its range.
struct Checker {
  std::string_view rule;

  void not_negative(std::string_view name, double value) const {
    check(value >= 0 && std::isfinite(value), ErrorKind::InvalidOperation, rule, name,
          " must be finite and not negative, got ", value);
  }
  void share(std::string_view name, double value) const {
    check(value >= 0 && value < 1, ErrorKind::InvalidOperation, rule, name,
          " must be in [0, 1), got ", value);
  }
};

struct CheckOptions {
  Checker checker;

  void operator()(const SgdOptions& o) const {
    common(o.lr, o.weight_decay);
    checker.not_negative("momentum", o.momentum);
    check(std::isfinite(o.dampening), ErrorKind::InvalidOperation, checker.rule,
          "dampening must be finite, got ", o.dampening);
    check(!o.nesterov || (o.momentum > 0 && o.dampening == 0), ErrorKind::InvalidOperation,
          checker.rule, "nesterov needs a momentum and no dampening, got momentum ", o.momentum,
          ", dampening ", o.dampening);
  }
  void operator()(const AdamOptions& o) const { adam(o); }
  void operator()(const AdamWOptions& o) const { adam(o); }
  void operator()(const AdamaxOptions& o) const { adam(o); }
  void operator()(const RAdamOptions& o) const { adam(o); }
  void operator()(const RmsPropOptions& o) const {
    common(o.lr, o.weight_decay);
    check(o.alpha >= 0 && o.alpha <= 1, ErrorKind::InvalidOperation, checker.rule,
          "alpha must be in [0, 1], got ", o.alpha);
    checker.not_negative("eps", o.eps);
    checker.not_negative("momentum", o.momentum);
  }
  void operator()(const AdagradOptions& o) const {
    common(o.lr, o.weight_decay);
    checker.not_negative("lr_decay", o.lr_decay);
    checker.not_negative("initial_accumulator_value", o.initial_accumulator_value);
    checker.not_negative("eps", o.eps);
  }
  void operator()(const AdadeltaOptions& o) const {
    common(o.lr, o.weight_decay);
    check(o.rho >= 0 && o.rho <= 1, ErrorKind::InvalidOperation, checker.rule,
          "rho must be in [0, 1], got ", o.rho);
    checker.not_negative("eps", o.eps);
  }
  void operator()(const LionOptions& o) const {
    common(o.lr, o.weight_decay);
    checker.share("beta1", o.beta1);
    checker.share("beta2", o.beta2);
  }

 private:
  void common(double lr, double weight_decay) const {
    checker.not_negative("lr", lr);
    checker.not_negative("weight_decay", weight_decay);
  }
  template <class Options>
  void adam(const Options& o) const {
    common(o.lr, o.weight_decay);
    checker.share("beta1", o.beta1);
    checker.share("beta2", o.beta2);
    checker.not_negative("eps", o.eps);
  }
};

/// The numbers of step t: what does not depend on the element.
struct MakeStep {
  double t;

  kernels::UpdateStep operator()(const SgdOptions& o) const {
    return kernels::SgdStep{o.lr, o.momentum, t == 1 ? 1 : 1 - o.dampening, o.nesterov,
                            o.momentum != 0};
  }
  kernels::UpdateStep operator()(const AdamOptions& o) const { return adam(o); }
  kernels::UpdateStep operator()(const AdamWOptions& o) const { return adam(o); }
  kernels::UpdateStep operator()(const AdamaxOptions& o) const {
    return kernels::AdamaxStep{o.lr / correction(o.beta1), o.beta1, o.beta2, o.eps};
  }
  kernels::UpdateStep operator()(const RAdamOptions& o) const {
    const double rho_inf = 2 / (1 - o.beta2) - 1;
    const double rho = rho_inf - 2 * t * std::pow(o.beta2, t) / correction(o.beta2);
    double scale = -1;
    if (rho > 5) {
      const double r =
          std::sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho));
      scale = r * std::sqrt(correction(o.beta2));
    }
    return kernels::RadamStep{o.lr / correction(o.beta1), o.beta1, o.beta2, scale, o.eps};
  }
  kernels::UpdateStep operator()(const RmsPropOptions& o) const {
    return kernels::RmspropStep{o.lr, o.alpha, o.momentum, o.eps, o.centered, o.momentum != 0};
  }
  kernels::UpdateStep operator()(const AdagradOptions& o) const {
    return kernels::AdagradStep{o.lr / (1 + (t - 1) * o.lr_decay), o.eps};
  }
  kernels::UpdateStep operator()(const AdadeltaOptions& o) const {
    return kernels::AdadeltaStep{o.lr, o.rho, o.eps};
  }
  kernels::UpdateStep operator()(const LionOptions& o) const {
    return kernels::LionStep{o.lr, o.beta1, o.beta2};
  }

 private:
  /// 1 - beta^t, accurate for beta near 1.
  [[nodiscard]] double correction(double beta) const {
    return beta == 0 ? 1 : -std::expm1(t * std::log(beta));
  }
  template <class Options>
  [[nodiscard]] kernels::UpdateStep adam(const Options& o) const {
    return kernels::AdamStep{o.lr / correction(o.beta1),         o.beta1, o.beta2,
                             1 / std::sqrt(correction(o.beta2)), o.eps,   o.amsgrad};
  }
};

kernels::UpdatePreparation preparation_of(const UpdateOptions& options) {
  return std::visit(
      [](const auto& o) {
        using O = std::remove_cvref_t<decltype(o)>;
        kernels::UpdatePreparation preparation;
        preparation.sign = o.maximize ? -1 : 1;
        if constexpr (std::is_same_v<O, AdamWOptions> || std::is_same_v<O, LionOptions>) {
          preparation.shrink = 1 - o.lr * o.weight_decay;
        } else {
          preparation.weight_decay = o.weight_decay;
        }
        return preparation;
      },
      options);
}

/// Writable row-major elements of any view: the view itself, or a copy that is written back.
template <class T>
class PackedOut {
 public:
  explicit PackedOut(const MutView<T>& target) : target_(target), data_(target.data()) {
    if (!target.is_contiguous()) {
      copy_ = target.copy();
      data_ = copy_.data();
    }
  }
  [[nodiscard]] T* data() const noexcept { return data_; }
  void write_back() const {
    if (data_ != target_.data()) {
      target_.assign(copy_);
    }
  }

 private:
  MutView<T> target_;
  Array<T> copy_;
  T* data_;
};

constexpr std::array<std::string_view, std::variant_size_v<UpdateOptions>> kNames{
    "SGD", "Adam", "AdamW", "Adamax", "RAdam", "RMSProp", "Adagrad", "Adadelta", "Lion"};

struct ListSlots {
  using Slots = std::vector<UpdateSlot>;
  Slots operator()(const SgdOptions& o) const {
    return o.momentum != 0 ? Slots{{"momentum_buffer", 0}} : Slots{};
  }
  Slots operator()(const AdamOptions& o) const { return adam(o.amsgrad); }
  Slots operator()(const AdamWOptions& o) const { return adam(o.amsgrad); }
  Slots operator()(const AdamaxOptions&) const { return {{"exp_avg", 0}, {"exp_inf", 0}}; }
  Slots operator()(const RAdamOptions&) const { return adam(false); }
  Slots operator()(const RmsPropOptions& o) const {
    Slots slots{{"square_avg", 0}};
    if (o.momentum != 0) {
      slots.push_back({"momentum_buffer", 0});
    }
    if (o.centered) {
      slots.push_back({"grad_avg", 0});
    }
    return slots;
  }
  Slots operator()(const AdagradOptions& o) const { return {{"sum", o.initial_accumulator_value}}; }
  Slots operator()(const AdadeltaOptions&) const { return {{"square_avg", 0}, {"acc_delta", 0}}; }
  Slots operator()(const LionOptions&) const { return {{"exp_avg", 0}}; }

 private:
  static Slots adam(bool amsgrad) {
    Slots slots{{"exp_avg", 0}, {"exp_avg_sq", 0}};
    if (amsgrad) {
      slots.push_back({"max_exp_avg_sq", 0});
    }
    return slots;
  }
};

}  // namespace

std::string_view update_name(const UpdateOptions& options) {
  return kNames[options.index()];
}

void check_update_options(const UpdateOptions& options) {
  std::visit(CheckOptions{{update_name(options)}}, options);
}

double& learning_rate(UpdateOptions& options) {
  return std::visit([](auto& o) -> double& { return o.lr; }, options);
}

double learning_rate(const UpdateOptions& options) {
  return std::visit([](const auto& o) { return o.lr; }, options);
}

std::vector<UpdateSlot> update_slots(const UpdateOptions& options) {
  return std::visit(ListSlots{}, options);
}

template <class T>
void update_inplace(const View<T>& gradient, MutArg<T> parameter,
                    const std::vector<MutView<std::type_identity_t<T>>>& slots,
                    const UpdateOptions& options, Index step) {
  const std::string_view name = update_name(options);
  check_update_options(options);
  check(step >= 1, ErrorKind::InvalidOperation, name, "step counts from 1, got ", step);
  check(parameter.defined(), ErrorKind::InvalidOperation, name, "parameter is not defined");
  detail::check_writable<T>(parameter, name, "parameter");
  check(gradient.defined() && gradient.shape() == parameter.shape(), ErrorKind::DimensionMismatch,
        name, "gradient ", gradient.shape(), ", parameter ", parameter.shape());
  const std::vector<UpdateSlot> expected = update_slots(options);
  check(slots.size() == expected.size(), ErrorKind::InvalidOperation, name, "needs ",
        expected.size(), " slots, got ", slots.size());
  check(overlap<T, T>(gradient, parameter) == Overlap::None, ErrorKind::InvalidOperation, name,
        "gradient and parameter overlap");
  for (std::size_t k = 0; k < slots.size(); ++k) {
    check(slots[k].defined() && slots[k].shape() == parameter.shape(), ErrorKind::DimensionMismatch,
          name, "slot ", expected[k].name, " ", slots[k].shape(), ", parameter ",
          parameter.shape());
    detail::check_writable<T>(slots[k], name, expected[k].name);
    bool overlaps = overlap<T, T>(slots[k], parameter) != Overlap::None ||
                    overlap<T, T>(slots[k], gradient) != Overlap::None;
    for (std::size_t other = 0; other < k; ++other) {
      overlaps = overlaps || overlap<T, T>(slots[k], slots[other]) != Overlap::None;
    }
    check(!overlaps, ErrorKind::InvalidOperation, name, "slot ", expected[k].name,
          " overlaps another array");
  }

  const lamina::detail::Packed<T> packed_gradient(gradient);
  const PackedOut<T> packed_parameter(parameter);
  std::vector<PackedOut<T>> packed_slots(slots.begin(), slots.end());
  const kernels::UpdatePreparation preparation = preparation_of(options);
  const kernels::UpdateStep numbers = std::visit(MakeStep{static_cast<double>(step)}, options);
  parallel_for(parameter.size(), grain_of(parameter.size()), [&](Index begin, Index end) {
    kernels::UpdateRun<T> run;
    run.parameter = packed_parameter.data() + begin;
    run.gradient = packed_gradient.data() + begin;
    for (std::size_t k = 0; k < packed_slots.size(); ++k) {
      run.slots[k] = packed_slots[k].data() + begin;
    }
    run.count = end - begin;
    kernels::update(run, preparation, numbers);
  });
  packed_parameter.write_back();
  for (const PackedOut<T>& slot : packed_slots) {
    slot.write_back();
  }
}

template <class T>
void axpy_into(const View<T>& x, MutArg<T> y, std::type_identity_t<T> alpha) {
  check(y.defined(), ErrorKind::InvalidOperation, "axpy", "y is not defined");
  detail::check_writable<T>(y, "axpy", "y");
  check(x.defined() && x.shape() == y.shape(), ErrorKind::DimensionMismatch, "axpy", "x ",
        x.shape(), ", y ", y.shape());
  check(overlap<T, T>(x, y) != Overlap::Partial, ErrorKind::InvalidOperation, "axpy",
        "x and y overlap in part");
  const lamina::detail::Packed<T> packed_x(x);
  const PackedOut<T> packed_y(y);
  parallel_for(y.size(), kGrain, [&](Index begin, Index end) {
    kernels::axpy(alpha, packed_x.data() + begin, packed_y.data() + begin, end - begin);
  });
  packed_y.write_back();
}

template <class T>
void scale_into(const View<T>& x, MutArg<T> out, std::type_identity_t<T> factor) {
  check(out.defined(), ErrorKind::InvalidOperation, "scale", "out is not defined");
  detail::check_writable<T>(out, "scale", "out");
  check(x.defined() && x.shape() == out.shape(), ErrorKind::DimensionMismatch, "scale", "x ",
        x.shape(), ", out ", out.shape());
  check(overlap<T, T>(x, out) != Overlap::Partial, ErrorKind::InvalidOperation, "scale",
        "x and out overlap in part");
  const lamina::detail::Packed<T> packed_x(x);
  const PackedOut<T> packed_out(out);
  parallel_for(out.size(), kGrain, [&](Index begin, Index end) {
    kernels::scale(factor, packed_x.data() + begin, packed_out.data() + begin, end - begin);
  });
  packed_out.write_back();
}

template <class T>
double sum_of_squares(const View<T>& x) {
  check(x.defined(), ErrorKind::InvalidOperation, "sum_of_squares", "x is not defined");
  const lamina::detail::Packed<T> packed(x);
  std::vector<double> sums(static_cast<std::size_t>(ceil_div(x.size(), kGrain)));
  parallel_for(x.size(), kGrain, [&](Index begin, Index end) {
    sums[static_cast<std::size_t>(begin / kGrain)] =
        kernels::sum_of_squares(packed.data() + begin, end - begin);
  });
  double total = 0;
  for (const double sum : sums) {
    total += sum;
  }
  return total;
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template LAMINA_EXPORT void update_inplace<T>(                                                 \
      const View<T>&, MutArg<T>, const std::vector<MutView<T>>&, const UpdateOptions&, Index);   \
  template LAMINA_EXPORT void axpy_into<T>(const View<T>&, MutArg<T>, std::type_identity_t<T>);  \
  template LAMINA_EXPORT void scale_into<T>(const View<T>&, MutArg<T>, std::type_identity_t<T>); \
  template LAMINA_EXPORT double sum_of_squares<T>(const View<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
