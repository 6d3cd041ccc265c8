#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lamina/autograd/var.hpp"
#include "lamina/nn/update.hpp"

namespace lamina::optim {

using autograd::NamedVar;
using nn::AdadeltaOptions;
using nn::AdagradOptions;
using nn::AdamaxOptions;
using nn::AdamOptions;
using nn::AdamWOptions;
using nn::LionOptions;
using nn::RAdamOptions;
using nn::RmsPropOptions;
using nn::SgdOptions;
using nn::UpdateOptions;

/// Parameters that share options.
template <class T>
struct ParameterGroup {
  std::vector<NamedVar<T>> parameters;
  UpdateOptions options;
};

/// All that an optimizer remembers, by name: "<parameter>/<slot>", "<parameter>/step" (one number),
/// "group.<i>/lr" (one number). In double, whatever the parameters are.
using OptimizerState = std::map<std::string, Array<double>>;

/// Changes parameters by their gradients: one update rule (nn/update.hpp) for each group of
/// parameters, its slots for each parameter.
///
/// step() leaves parameters without a gradient, and frozen ones, as they are. The result has the
/// same bits on any number of threads. SGD, Adam ... are optimizers of one group; more groups,
/// also with other rules, come by add_group().
/// torch.optim.Optimizer.
template <class T>
class Optimizer {
 public:
  /// Errors: InvalidOperation for options outside their range, an undefined parameter, the
  /// result of an operation, or a parameter that is there already.
  Optimizer(std::vector<NamedVar<T>> parameters, const UpdateOptions& options);
  Optimizer(const std::vector<Var<T>>& parameters, const UpdateOptions& options);

  void add_group(std::vector<NamedVar<T>> parameters, const UpdateOptions& options);
  [[nodiscard]] const std::vector<ParameterGroup<T>>& groups() const noexcept { return groups_; }
  /// Options of a group, to be changed between steps. Slots that were not there before start anew.
  [[nodiscard]] UpdateOptions& options(Index group = 0);

  [[nodiscard]] double lr(Index group = 0) const;
  /// For all groups; for one. Error(InvalidOperation) for a negative or infinite rate,
  /// Error(IndexOutOfBounds) for the group.
  void set_lr(double lr);
  void set_lr(double lr, Index group);

  /// One step of all parameters that have a gradient.
  void step();
  /// Forgets all gradients.
  void zero_grad() const;
  /// Calls of step() so far.
  [[nodiscard]] Index steps() const noexcept { return steps_; }

  [[nodiscard]] OptimizerState state() const;
  /// Takes over what state() gave, for the same parameters. Error(DimensionMismatch) naming what is
  /// missing, unexpected or has another shape; nothing is changed then.
  void load_state(const OptimizerState& state);

 private:
  struct ParameterState {
    Index step = 0;
    std::map<std::string, Array<T>, std::less<>> slots;
  };
  [[nodiscard]] std::size_t checked_group(Index group) const;
  void update(const ParameterGroup<T>& group, std::size_t index, ParameterState& state);

  std::vector<ParameterGroup<T>> groups_;
  std::vector<std::vector<ParameterState>> states_;
  Index steps_ = 0;
};

namespace detail {
template <class T, class Options>
class RuleOptimizer : public Optimizer<T> {
 public:
  explicit RuleOptimizer(std::vector<NamedVar<T>> parameters, const Options& options = {})
      : Optimizer<T>(std::move(parameters), options) {}
  explicit RuleOptimizer(const std::vector<Var<T>>& parameters, const Options& options = {})
      : Optimizer<T>(parameters, options) {}
};
}  // namespace detail

// One class a rule; formulas and options are in nn/update.hpp.
//   SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9});

template <class T>
struct SGD final : detail::RuleOptimizer<T, SgdOptions> {
  using detail::RuleOptimizer<T, SgdOptions>::RuleOptimizer;
};
template <class T>
struct Adam final : detail::RuleOptimizer<T, AdamOptions> {
  using detail::RuleOptimizer<T, AdamOptions>::RuleOptimizer;
};
template <class T>
struct AdamW final : detail::RuleOptimizer<T, AdamWOptions> {
  using detail::RuleOptimizer<T, AdamWOptions>::RuleOptimizer;
};
template <class T>
struct Adamax final : detail::RuleOptimizer<T, AdamaxOptions> {
  using detail::RuleOptimizer<T, AdamaxOptions>::RuleOptimizer;
};
template <class T>
struct RAdam final : detail::RuleOptimizer<T, RAdamOptions> {
  using detail::RuleOptimizer<T, RAdamOptions>::RuleOptimizer;
};
template <class T>
struct RMSProp final : detail::RuleOptimizer<T, RmsPropOptions> {
  using detail::RuleOptimizer<T, RmsPropOptions>::RuleOptimizer;
};
template <class T>
struct Adagrad final : detail::RuleOptimizer<T, AdagradOptions> {
  using detail::RuleOptimizer<T, AdagradOptions>::RuleOptimizer;
};
template <class T>
struct Adadelta final : detail::RuleOptimizer<T, AdadeltaOptions> {
  using detail::RuleOptimizer<T, AdadeltaOptions>::RuleOptimizer;
};
template <class T>
struct Lion final : detail::RuleOptimizer<T, LionOptions> {
  using detail::RuleOptimizer<T, LionOptions>::RuleOptimizer;
};

// So that the element type need not be written.
template <class T>
SGD(std::vector<NamedVar<T>>, const SgdOptions& = {}) -> SGD<T>;
template <class T>
SGD(std::vector<Var<T>>, const SgdOptions& = {}) -> SGD<T>;
template <class T>
Adam(std::vector<NamedVar<T>>, const AdamOptions& = {}) -> Adam<T>;
template <class T>
Adam(std::vector<Var<T>>, const AdamOptions& = {}) -> Adam<T>;
template <class T>
AdamW(std::vector<NamedVar<T>>, const AdamWOptions& = {}) -> AdamW<T>;
template <class T>
AdamW(std::vector<Var<T>>, const AdamWOptions& = {}) -> AdamW<T>;
template <class T>
Adamax(std::vector<NamedVar<T>>, const AdamaxOptions& = {}) -> Adamax<T>;
template <class T>
Adamax(std::vector<Var<T>>, const AdamaxOptions& = {}) -> Adamax<T>;
template <class T>
RAdam(std::vector<NamedVar<T>>, const RAdamOptions& = {}) -> RAdam<T>;
template <class T>
RAdam(std::vector<Var<T>>, const RAdamOptions& = {}) -> RAdam<T>;
template <class T>
RMSProp(std::vector<NamedVar<T>>, const RmsPropOptions& = {}) -> RMSProp<T>;
template <class T>
RMSProp(std::vector<Var<T>>, const RmsPropOptions& = {}) -> RMSProp<T>;
template <class T>
Adagrad(std::vector<NamedVar<T>>, const AdagradOptions& = {}) -> Adagrad<T>;
template <class T>
Adagrad(std::vector<Var<T>>, const AdagradOptions& = {}) -> Adagrad<T>;
template <class T>
Adadelta(std::vector<NamedVar<T>>, const AdadeltaOptions& = {}) -> Adadelta<T>;
template <class T>
Adadelta(std::vector<Var<T>>, const AdadeltaOptions& = {}) -> Adadelta<T>;
template <class T>
Lion(std::vector<NamedVar<T>>, const LionOptions& = {}) -> Lion<T>;
template <class T>
Lion(std::vector<Var<T>>, const LionOptions& = {}) -> Lion<T>;

extern template class LAMINA_EXPORT Optimizer<float>;
extern template class LAMINA_EXPORT Optimizer<double>;

}  // namespace lamina::optim
