#pragma once

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "lamina/core/array.hpp"
#include "lamina/core/error.hpp"

namespace lamina::autograd {

template <class T>
class Gradients;
template <class T>
class Saved;
template <class T>
class Var;

/// False while a NoGrad lives in this thread.
[[nodiscard]] LAMINA_EXPORT bool grad_enabled() noexcept;

/// While it lives, operations of this thread record nothing: results have no gradient, and nothing
/// is kept alive for one. For inference and for changing parameters.
class LAMINA_EXPORT NoGrad {
 public:
  NoGrad() noexcept;
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

namespace detail {

/// Elements behind one or more Vars. Views of other Vars' elements (reshape, slice ...) refer to
/// the owner, so that all of them see one version counter.
template <class T>
struct Value {
  Array<T> array;                // of the owner
  View<T> view;                  // of a view
  std::shared_ptr<Value> owner;  // null in the owner itself
  std::uint64_t version = 0;     // of the owner: grows with every change in place

  [[nodiscard]] const View<T>& get() const noexcept { return owner ? view : array; }
  [[nodiscard]] std::uint64_t current_version() const noexcept {
    return owner ? owner->version : version;
  }
};

template <class T>
struct BackwardFunction {
  virtual ~BackwardFunction() = default;
  virtual void run(Array<T> dy, Gradients<T>& gradients) = 0;
};

template <class T, class F>
struct BackwardClosure final : BackwardFunction<T> {
  explicit BackwardClosure(F&& f) : function(std::move(f)) {}
  explicit BackwardClosure(const F& f) : function(f) {}
  void run(Array<T> dy, Gradients<T>& gradients) override { function(std::move(dy), gradients); }
  F function;
};

/// One step of a recorded computation. It knows where its gradient goes, not the values: only what
/// the closure holds is kept alive.
template <class T>
struct LAMINA_EXPORT Node {
  Node(const Shape& value_shape, bool wants_gradient)
      : shape(value_shape), requires_grad(wants_gradient) {}
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void add(Array<T>&& gradient);
  void add(const View<T>& gradient);

  std::vector<std::shared_ptr<Node>> inputs;  // null where no gradient is wanted
  std::unique_ptr<BackwardFunction<T>> function;
  Shape shape;
  Array<T> grad;  // of a leaf: what the user reads; otherwise in use during backward() only
  std::unique_ptr<Array<T>> retained;
  const char* operation = "leaf";
  bool requires_grad;
  bool is_leaf = true;
  bool has_grad = false;
  bool retains_grad = false;
  bool freed = false;    // backward() has taken inputs and function away
  bool reached = false;  // a gradient has come in
  bool visited = false;  // during the topological sort
};

}  // namespace detail

/// What a saved value is during backward(): the elements as they were when it was saved.
/// It keeps the elements alive, not the computation that led to them.
template <class T>
class Saved {
 public:
  /// A result that its own gradient needs: pass it to make_var() in place of the array.
  explicit Saved(Array<T>&& value);
  /// Error(InvalidOperation) if the elements were changed in place since.
  [[nodiscard]] const View<T>& value() const;

 private:
  friend class Var<T>;
  template <class U>
  friend struct SavedAccess;
  Saved(std::shared_ptr<detail::Value<T>> value)  // NOLINT: private
      : value_(std::move(value)), version_(value_->current_version()) {}

  std::shared_ptr<detail::Value<T>> value_;
  std::uint64_t version_;
};

/// Where a backward closure delivers: the gradient of each input of the operation.
template <class T>
class LAMINA_EXPORT Gradients {
 public:
  explicit Gradients(detail::Node<T>& node) : node_(node) {}
  /// Number of inputs.
  [[nodiscard]] int size() const noexcept { return static_cast<int>(node_.inputs.size()); }
  /// False if nobody wants the gradient of input i: do not compute it then.
  [[nodiscard]] bool wants(int i) const;
  /// Shape of input i. Only of one whose gradient is wanted.
  [[nodiscard]] const Shape& shape(int i) const;
  /// Adds to the gradient of input i; the first contribution is moved in, later ones are added in
  /// place. Ignored if it is not wanted. Error(DimensionMismatch) unless it has the input's shape.
  void add(int i, Array<T>&& gradient);
  void add(int i, const View<T>& gradient);
  /// The gradient of input i so far, or zeros: for operations that add to a few elements of it.
  /// Only of one whose gradient is wanted.
  [[nodiscard]] MutView<T> buffer(int i);
  /// Says that a gradient for input i was put elsewhere: for operations with several results.
  void signal(int i);

 private:
  detail::Node<T>& checked(int i) const;
  detail::Node<T>& node_;
};

struct BackwardOptions {
  bool retain_graph = false;  ///< keep the recorded computation for another backward()
};

/// A value of a recorded computation: a shared handle to an array, its gradient and how it came
/// about. Copies of a Var are the same variable. Operations on Vars (namespace lamina::nn and
/// autograd/ops_*.hpp) record themselves; backward() then gives d(result)/d(leaf) to every leaf
/// that requires it.
///
/// One graph belongs to one thread at a time. Element types: float, double.
template <class T>
class Var {
 public:
  using value_type = T;

  /// No variable: defined() is false. The default of optional arguments.
  Var() = default;
  /// A leaf. With requires_grad, backward() gives it a gradient.
  explicit Var(Array<T>&& value, bool requires_grad = false);
  explicit Var(const View<T>& value, bool requires_grad = false);

  [[nodiscard]] bool defined() const noexcept { return value_ != nullptr; }
  /// The elements: valid as long as a copy of this Var exists.
  [[nodiscard]] const View<T>& value() const&;
  /// Of a temporary: an array.
  [[nodiscard]] Array<T> value() &&;
  [[nodiscard]] const Shape& shape() const { return value().shape(); }
  [[nodiscard]] int rank() const { return shape().rank(); }
  [[nodiscard]] Index size() const { return shape().size(); }
  [[nodiscard]] Index extent(int axis) const { return value().extent(axis); }
  /// The value of a one-element variable.
  [[nodiscard]] T item() const { return static_cast<const Var&>(*this).value().item(); }

  /// The elements, to be changed in place. Counts as one change, at the time of the call: a
  /// backward() that needs the old elements then fails rather than being wrong.
  /// Error(InvalidOperation) for a view of several elements in one place.
  [[nodiscard]] MutView<T> mutable_value() const;

  [[nodiscard]] bool requires_grad() const noexcept { return node_ && node_->requires_grad; }
  /// Freezes or thaws a leaf; shared by all copies. Error(InvalidOperation) on a result.
  void set_requires_grad(bool requires_grad) const;
  /// True of variables that no recorded operation made.
  [[nodiscard]] bool is_leaf() const noexcept { return node_ && node_->is_leaf; }

  [[nodiscard]] bool has_grad() const noexcept;
  /// The gradient, of the value's shape. Error(InvalidOperation) if there is none.
  [[nodiscard]] View<T> grad() const;
  [[nodiscard]] MutView<T> mutable_grad() const;
  /// Forgets the gradient.
  void zero_grad() const noexcept;
  /// Makes a result keep its gradient, as leaves always do.
  void retain_grad() const;

  /// Gradients of this one-element variable for all leaves, added to what they have. The recorded
  /// computation is freed unless options.retain_graph. Error(InvalidOperation) if nothing was
  /// recorded, was freed already, a saved value was changed, or this has several elements.
  void backward(const BackwardOptions& options = {}) const;
  /// The same for d(sum of seed * value). Error(DimensionMismatch) unless seed has the value's
  /// shape.
  void backward(const View<T>& seed, const BackwardOptions& options = {}) const;

  /// The same elements, cut off from the computation: a leaf without gradient.
  [[nodiscard]] Var detach() const;
  /// The elements for use in a backward closure.
  [[nodiscard]] Saved<T> save() const;
  /// True if both are handles to one variable.
  [[nodiscard]] bool same_as(const Var& other) const noexcept { return node_ == other.node_; }

 private:
  template <class U>
  friend struct VarAccess;
  void check_defined(std::string_view operation) const;

  std::shared_ptr<detail::Value<T>> value_;
  std::shared_ptr<detail::Node<T>> node_;
};

template <class T>
Var(Array<T>&&) -> Var<T>;
template <class T>
Var(Array<T>&) -> Var<T>;
template <class T>
Var(const Array<T>&) -> Var<T>;
template <class T>
Var(Array<T>&&, bool) -> Var<T>;
template <class T>
Var(Array<T>&, bool) -> Var<T>;
template <class T>
Var(const Array<T>&, bool) -> Var<T>;

/// A leaf that is trained: Var(value, true).
template <class T>
[[nodiscard]] Var<T> parameter(Array<T> value) {
  return Var<T>(std::move(value), true);
}

namespace detail {
template <class T>
class ConstantOrVar {
 public:
  ConstantOrVar(const Var<T>& var) : var_(var) {}                    // NOLINT: implicit
  ConstantOrVar(const View<T>& constant) : var_(constant) {}         // NOLINT: implicit
  ConstantOrVar(Array<T>&& constant) : var_(std::move(constant)) {}  // NOLINT: implicit
  [[nodiscard]] const Var<T>& var() const noexcept { return var_; }

 private:
  Var<T> var_;
};
}  // namespace detail

/// Parameter type that takes a variable, or an array as a constant, and does not deduce T.
template <class T>
using VarArg = const detail::ConstantOrVar<std::type_identity_t<T>>&;

/// A variable and the path to it in a model: "encoder.0.weight".
template <class T>
struct NamedVar {
  std::string name;
  Var<T> var;
};

/// x.save() if `wanted`: saves an input only if the gradient that needs it is asked for.
template <class T>
[[nodiscard]] std::optional<Saved<T>> save_if(bool wanted, const Var<T>& x) {
  return wanted ? std::optional<Saved<T>>(x.save()) : std::nullopt;
}

/// As the value, with "Var" before it.
template <class T>
std::ostream& operator<<(std::ostream& out, const Var<T>& x);

/// Access for make_var() and its relatives; not for users.
template <class T>
struct VarAccess {
  LAMINA_EXPORT static bool records(std::span<const Var<T>> inputs) noexcept;
  LAMINA_EXPORT static Var<T> make(std::shared_ptr<detail::Value<T>> value,
                                   std::span<const Var<T>> inputs,
                                   std::unique_ptr<detail::BackwardFunction<T>> function,
                                   const char* operation);
  LAMINA_EXPORT static Var<T> make_joint(std::span<const Var<T>> inputs,
                                         std::unique_ptr<detail::BackwardFunction<T>> function,
                                         const char* operation);
  LAMINA_EXPORT static std::shared_ptr<detail::Value<T>> own(Array<T>&& value);
  LAMINA_EXPORT static std::shared_ptr<detail::Value<T>> alias(const Var<T>& of,
                                                               const View<T>& view);
};
template <class T>
struct SavedAccess {
  [[nodiscard]] static const std::shared_ptr<detail::Value<T>>& value(const Saved<T>& saved) {
    return saved.value_;
  }
};

namespace detail {
template <class T, class F>
[[nodiscard]] std::unique_ptr<BackwardFunction<T>> wrap(F&& backward) {
  return std::make_unique<BackwardClosure<T, std::remove_cvref_t<F>>>(std::forward<F>(backward));
}
template <class T>
using InputList = std::span<const Var<std::type_identity_t<T>>>;
}  // namespace detail

/// The way to make an operation differentiable: a Var of `value`, computed from `inputs`, whose
/// gradient is handed on by `backward(Array<T> dy, Gradients<T>& gradients)`. dy has the value's
/// shape; call gradients.add(i, ...) for every input for which gradients.wants(i).
///
/// Save what the closure needs with Var::save(), not by capturing Vars: that would keep the whole
/// computation alive. Nothing is recorded if no input requires a gradient or a NoGrad lives.
/// `operation`, a string literal, names the operation in error messages.
///
/// Python's torch.autograd.Function.
template <class T, class F>
[[nodiscard]] Var<T> make_var(Array<T> value, detail::InputList<T> inputs, F&& backward,
                              const char* operation = "operation") {
  std::unique_ptr<detail::BackwardFunction<T>> function;
  if (VarAccess<T>::records(inputs)) {
    function = detail::wrap<T>(std::forward<F>(backward));
  }
  return VarAccess<T>::make(VarAccess<T>::own(std::move(value)), inputs, std::move(function),
                            operation);
}
template <class T, class F>
[[nodiscard]] Var<T> make_var(Array<T> value,
                              std::initializer_list<Var<std::type_identity_t<T>>> inputs,
                              F&& backward, const char* operation = "operation") {
  return make_var(std::move(value), detail::InputList<T>(inputs.begin(), inputs.size()),
                  std::forward<F>(backward), operation);
}
/// With a value that the closure holds as well: `Saved<T> y(nn::sigmoid(x.value()));`
template <class T, class F>
[[nodiscard]] Var<T> make_var(const Saved<T>& value,
                              std::initializer_list<Var<std::type_identity_t<T>>> inputs,
                              F&& backward, const char* operation = "operation") {
  const detail::InputList<T> list(inputs.begin(), inputs.size());
  std::unique_ptr<detail::BackwardFunction<T>> function;
  if (VarAccess<T>::records(list)) {
    function = detail::wrap<T>(std::forward<F>(backward));
  }
  return VarAccess<T>::make(SavedAccess<T>::value(value), list, std::move(function), operation);
}

/// A Var that looks at elements of `of` (`view` must be a view of its value) without copying.
template <class T, class F>
[[nodiscard]] Var<T> make_view(const Var<T>& of, const View<T>& view, F&& backward,
                               const char* operation = "view") {
  const std::span<const Var<T>> inputs(&of, 1);
  std::unique_ptr<detail::BackwardFunction<T>> function;
  if (VarAccess<T>::records(inputs)) {
    function = detail::wrap<T>(std::forward<F>(backward));
  }
  return VarAccess<T>::make(VarAccess<T>::alias(of, view), inputs, std::move(function), operation);
}

/// An operation with several results that share one backward pass:
/// `backward(std::vector<Array<T>> dys, Gradients<T>& gradients)`, dys in the order of `values`.
/// A result that nothing depends on has a gradient of zeros.
template <class T, class F>
[[nodiscard]] std::vector<Var<T>> make_vars(std::vector<Array<T>> values,
                                            detail::InputList<T> inputs, F&& backward,
                                            const char* operation = "operation") {
  std::vector<Var<T>> results;
  results.reserve(values.size());
  if (!VarAccess<T>::records(inputs)) {
    for (Array<T>& value : values) {
      results.push_back(Var<T>(std::move(value)));
    }
    return results;
  }
  struct Slot {
    Shape shape;
    std::optional<Array<T>> dy;
  };
  auto slots = std::make_shared<std::vector<Slot>>();
  for (const Array<T>& value : values) {
    slots->push_back({value.shape(), std::nullopt});
  }
  const Var<T> joint = VarAccess<T>::make_joint(
      inputs,
      detail::wrap<T>(
          [slots, function = std::forward<F>(backward)](Array<T>, Gradients<T>& gradients) mutable {
            std::vector<Array<T>> dys;
            dys.reserve(slots->size());
            for (Slot& slot : *slots) {
              dys.push_back(slot.dy ? std::move(*slot.dy) : Array<T>::zeros(slot.shape));
              slot.dy.reset();
            }
            function(std::move(dys), gradients);
          }),
      operation);
  for (std::size_t i = 0; i < values.size(); ++i) {
    results.push_back(make_var(
        std::move(values[i]), {joint},
        [slots, i](Array<T> dy, Gradients<T>& gradients) {
          (*slots)[i].dy = std::move(dy);
          gradients.signal(0);
        },
        operation));
  }
  return results;
}
template <class T, class F>
[[nodiscard]] std::vector<Var<T>> make_vars(
    std::vector<Array<T>> values, std::initializer_list<Var<std::type_identity_t<T>>> inputs,
    F&& backward, const char* operation = "operation") {
  return make_vars(std::move(values), detail::InputList<T>(inputs.begin(), inputs.size()),
                   std::forward<F>(backward), operation);
}

extern template class LAMINA_EXPORT Saved<float>;
extern template class LAMINA_EXPORT Saved<double>;
extern template class LAMINA_EXPORT Gradients<float>;
extern template class LAMINA_EXPORT Gradients<double>;
extern template class LAMINA_EXPORT Var<float>;
extern template class LAMINA_EXPORT Var<double>;
extern template struct LAMINA_EXPORT detail::Node<float>;
extern template struct LAMINA_EXPORT detail::Node<double>;
extern template struct LAMINA_EXPORT VarAccess<float>;
extern template struct LAMINA_EXPORT VarAccess<double>;

}  // namespace lamina::autograd

namespace lamina {
using autograd::NoGrad;
using autograd::parameter;
using autograd::Var;
}  // namespace lamina
