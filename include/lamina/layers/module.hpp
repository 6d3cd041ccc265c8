#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lamina/autograd/var.hpp"
#include "lamina/core/array.hpp"

namespace lamina::layers {

template <class T>
class Module;

using autograd::NamedVar;

/// Arrays by name: what is saved of a model, and loaded. In order of the names.
template <class T>
using StateDict = std::map<std::string, Array<T>>;

/// Where a module names its parts. Undefined variables (a bias that is not there) are left out.
template <class T>
class Members {
 public:
  /// Trained: has a gradient, and an optimizer changes it.
  void parameter(std::string_view name, const Var<T>& var);
  /// Saved but not trained: running statistics.
  void buffer(std::string_view name, const Var<T>& var);
  void module(std::string_view name, Module<T>& module);

 private:
  friend class Module<T>;
  std::vector<NamedVar<T>> parameters_;
  std::vector<NamedVar<T>> buffers_;
  std::vector<std::pair<std::string, Module<T>*>> modules_;
};

struct LoadOptions {
  bool strict = true;  ///< names that only one side has are an error
};

/// A part of a model: variables, and modules inside it. A user's module lists them in members():
///
///   class Net : public Layer<float> {
///    public:
///     explicit Net(Generator& generator) : in(64, 32, generator), out(32, 10, generator) {}
///     Var<float> forward(const Var<float>& x) override { return out(nn::relu(in(x))); }
///    protected:
///     void members(Members<float>& list) override {
///       list.module("in", in);
///       list.module("out", out);
///     }
///     Linear<float> in, out;
///   };
///
/// Not copied, since two copies would train the same variables; moved freely.
/// torch.nn.Module.
template <class T>
class Module {
 public:
  using value_type = T;

  Module() = default;
  virtual ~Module();
  Module(Module&&) noexcept = default;
  Module& operator=(Module&&) noexcept = default;

  /// What it is, in one line: "Linear(64 -> 32)".
  [[nodiscard]] virtual std::string name() const;

  /// All parameters, in the order of members(), with their paths. A variable in two places comes
  /// once, under its first name.
  [[nodiscard]] std::vector<NamedVar<T>> parameters() const;
  [[nodiscard]] std::vector<NamedVar<T>> buffers() const;
  /// Numbers that are trained.
  [[nodiscard]] Index parameter_count() const;

  /// Training mode of this module and all inside it: dropout drops, normalization takes the
  /// batch's statistics. New modules train.
  void train(bool training = true);
  void eval() { train(false); }
  [[nodiscard]] bool training() const noexcept { return training_; }

  void zero_grad() const;
  /// Freezes or thaws all parameters.
  void set_requires_grad(bool requires_grad) const;

  /// Copies of all parameters and buffers. torch.nn.Module.state_dict.
  [[nodiscard]] StateDict<T> state_dict() const;
  /// Takes values over. Error(DimensionMismatch) that lists every missing, unexpected and
  /// mis-shaped name; nothing is changed then.
  void load_state_dict(const StateDict<T>& state, const LoadOptions& options = {});

  /// A line for each module, with its number of parameters.
  [[nodiscard]] std::string describe() const;

 protected:
  /// Lists parameters, buffers and modules, always the same. Changes nothing.
  virtual void members(Members<T>& list);

 private:
  [[nodiscard]] Members<T> list() const;
  void collect(const std::string& path, std::vector<NamedVar<T>>& parameters,
               std::vector<NamedVar<T>>& buffers) const;
  void describe_lines(const std::string& label, int depth,
                      std::vector<std::pair<std::string, Index>>& lines) const;

  bool training_ = true;
};

template <class T>
std::ostream& operator<<(std::ostream& out, const Module<T>& module);

/// A module from one variable to one variable: what Sequential strings together.
template <class T>
class Layer : public Module<T> {
 public:
  [[nodiscard]] virtual Var<T> forward(const Var<T>& x) = 0;
  /// Whether each result is the greatest of some elements of x, to which its gradient goes.
  [[nodiscard]] virtual bool takes_maxima() const noexcept { return false; }
  /// Whether results and gradients are the same if this layer comes after maxima of x instead of
  /// before them. Then Sequential lets it: there are fewer maxima than elements.
  [[nodiscard]] virtual bool commutes_with_maxima() const noexcept { return false; }
  // Not inline: GCC 12 would guess which forward() is meant, inline it, and warn of its members.
  Var<T> operator()(const Var<T>& x);
  /// Of an array: a constant of the computation.
  Var<T> operator()(const View<T>& x);
  Var<T> operator()(Array<T>&& x);
};

extern template class LAMINA_EXPORT Members<float>;
extern template class LAMINA_EXPORT Members<double>;
extern template class LAMINA_EXPORT Module<float>;
extern template class LAMINA_EXPORT Module<double>;
extern template class LAMINA_EXPORT Layer<float>;
extern template class LAMINA_EXPORT Layer<double>;

}  // namespace lamina::layers
