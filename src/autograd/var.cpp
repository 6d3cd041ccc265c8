#include "lamina/autograd/var.hpp"

#include <algorithm>
#include <ostream>

#include "lamina/nn/update.hpp"

namespace lamina::autograd {

namespace {

thread_local bool recording = true;

constexpr std::string_view kBackward = "backward";

/// All nodes with a function below `root`, every node before those it gets gradients from.
/// Iterative, because a chain may be a million operations long.
template <class T>
class TopologicalOrder {
 public:
  using NodePtr = std::shared_ptr<detail::Node<T>>;

  explicit TopologicalOrder(const NodePtr& root) {
    struct Entry {
      NodePtr node;
      std::size_t next_input;
    };
    std::vector<Entry> path;
    const auto enter = [&](const NodePtr& node) {
      if (node == nullptr || node->visited || node->is_leaf) {
        return;
      }
      check(!node->freed, ErrorKind::InvalidOperation, kBackward, "the computation below '",
            node->operation,
            "' was freed by an earlier backward(); pass {.retain_graph = true} to that one");
      node->visited = true;
      seen_.push_back(node);
      path.push_back({node, 0});
    };
    try {
      enter(root);
      while (!path.empty()) {
        Entry& top = path.back();
        if (top.next_input < top.node->inputs.size()) {
          const NodePtr& input = top.node->inputs[top.next_input++];
          enter(input);
        } else {
          order_.push_back(std::move(top.node));
          path.pop_back();
        }
      }
    } catch (...) {
      unmark();
      throw;
    }
    std::reverse(order_.begin(), order_.end());
    unmark();
  }
  [[nodiscard]] const std::vector<NodePtr>& nodes() const noexcept { return order_; }

 private:
  void unmark() noexcept {
    for (const NodePtr& node : seen_) {
      node->visited = false;
    }
    seen_.clear();
  }

  std::vector<NodePtr> seen_;
  std::vector<NodePtr> order_;
};

template <class T>
void forget(detail::Node<T>& node) noexcept {
  node.grad = Array<T>();
  node.has_grad = false;
  node.reached = false;
}

/// Hands dy of one node on to its inputs.
template <class T>
void run_node(detail::Node<T>& node, bool retain_graph) {
  if (node.reached) {
    Array<T> dy = std::move(node.grad);
    forget(node);
    if (node.retains_grad) {
      if (node.retained) {
        nn::axpy_into(dy, *node.retained);
      } else {
        node.retained = std::make_unique<Array<T>>(dy);
      }
    }
    Gradients<T> gradients(node);
    node.function->run(std::move(dy), gradients);
  }
  if (!retain_graph) {
    node.function.reset();  // at once: what it saved is not needed any more
  }
}

template <class T>
void run_backward(const std::shared_ptr<detail::Node<T>>& root, Array<T>&& seed,
                  const BackwardOptions& options) {
  const NoGrad no_grad;  // closures may use operations on Vars
  const TopologicalOrder<T> order(root);
  const auto finish = [&] {
    for (const auto& node : order.nodes()) {
      forget(*node);
      if (!options.retain_graph) {
        node->function.reset();
        node->inputs.clear();
        node->freed = true;
      }
    }
  };
  root->add(std::move(seed));
  try {
    for (const auto& node : order.nodes()) {
      run_node(*node, options.retain_graph);
    }
  } catch (...) {
    finish();
    throw;
  }
  finish();
}

}  // namespace

bool grad_enabled() noexcept {
  return recording;
}

NoGrad::NoGrad() noexcept : before_(std::exchange(recording, false)) {}

NoGrad::~NoGrad() {
  recording = before_;
}

namespace detail {

template <class T>
Node<T>::~Node() {
  if (inputs.empty() && !function) {
    return;
  }
  // Letting go of the inputs here would recurse as deep as the computation is long. Instead the
  // outermost destructor works through a list to which the inner ones add.
  struct Debris {
    std::vector<std::shared_ptr<Node>> inputs;
    std::unique_ptr<BackwardFunction<T>> function;
  };
  thread_local std::vector<Debris>* open = nullptr;
  if (open != nullptr) {
    open->push_back({std::move(inputs), std::move(function)});
    return;
  }
  std::vector<Debris> list;
  open = &list;
  list.push_back({std::move(inputs), std::move(function)});
  while (!list.empty()) {
    const Debris last = std::move(list.back());
    list.pop_back();
  }
  open = nullptr;
}

template <class T>
void Node<T>::add(Array<T>&& gradient) {
  if (has_grad) {
    nn::axpy_into(gradient, grad);
  } else {
    grad = std::move(gradient);
    has_grad = true;
  }
  reached = true;
}

template <class T>
void Node<T>::add(const View<T>& gradient) {
  if (has_grad) {
    nn::axpy_into(gradient, grad);
    reached = true;
  } else {
    add(Array<T>(gradient));
  }
}

}  // namespace detail

template <class T>
Saved<T>::Saved(Array<T>&& value) : Saved(VarAccess<T>::own(std::move(value))) {}

template <class T>
const View<T>& Saved<T>::value() const {
  check(value_->current_version() == version_, ErrorKind::InvalidOperation, kBackward,
        "a value of shape ", value_->get().shape(),
        " that the gradient needs was changed in place after it was used");
  return value_->get();
}

template <class T>
detail::Node<T>& Gradients<T>::checked(int i) const {
  check(i >= 0 && i < size(), ErrorKind::IndexOutOfBounds, node_.operation, "gradient of input ", i,
        " of ", size());
  auto& input = node_.inputs[static_cast<std::size_t>(i)];
  check(input != nullptr, ErrorKind::InvalidOperation, node_.operation, "input ", i,
        " wants no gradient");
  return *input;
}

template <class T>
bool Gradients<T>::wants(int i) const {
  check(i >= 0 && i < size(), ErrorKind::IndexOutOfBounds, node_.operation, "gradient of input ", i,
        " of ", size());
  const auto& input = node_.inputs[static_cast<std::size_t>(i)];
  return input != nullptr && input->requires_grad;
}

template <class T>
const Shape& Gradients<T>::shape(int i) const {
  return checked(i).shape;
}

template <class T>
void Gradients<T>::add(int i, Array<T>&& gradient) {
  if (wants(i)) {
    detail::Node<T>& input = checked(i);
    check(gradient.shape() == input.shape, ErrorKind::DimensionMismatch, node_.operation,
          "the gradient of input ", i, " has shape ", gradient.shape(), ", the input ",
          input.shape);
    input.add(std::move(gradient));
  }
}

template <class T>
void Gradients<T>::add(int i, const View<T>& gradient) {
  if (wants(i)) {
    detail::Node<T>& input = checked(i);
    check(gradient.shape() == input.shape, ErrorKind::DimensionMismatch, node_.operation,
          "the gradient of input ", i, " has shape ", gradient.shape(), ", the input ",
          input.shape);
    input.add(gradient);
  }
}

template <class T>
MutView<T> Gradients<T>::buffer(int i) {
  detail::Node<T>& input = checked(i);
  if (!input.has_grad) {
    input.add(Array<T>::zeros(input.shape));
  }
  input.reached = true;
  return input.grad.view();
}

template <class T>
void Gradients<T>::signal(int i) {
  if (wants(i)) {
    checked(i).reached = true;
  }
}

template <class T>
Var<T>::Var(Array<T>&& value, bool requires_grad)
    : value_(VarAccess<T>::own(std::move(value))),
      node_(std::make_shared<detail::Node<T>>(value_->array.shape(), requires_grad)) {}

template <class T>
Var<T>::Var(const View<T>& value, bool requires_grad) : Var(Array<T>(value), requires_grad) {}

template <class T>
void Var<T>::check_defined(std::string_view operation) const {
  check(defined(), ErrorKind::InvalidOperation, operation, "the variable is not defined");
}

template <class T>
const View<T>& Var<T>::value() const& {
  check_defined("value");
  return value_->get();
}

template <class T>
Array<T> Var<T>::value() && {
  check_defined("value");
  return Array<T>(value_->get());
}

template <class T>
MutView<T> Var<T>::mutable_value() const {
  check_defined("mutable_value");
  const View<T>& view = value_->get();
  for (int axis = 0; axis < view.rank(); ++axis) {
    check(view.strides()[axis] != 0 || view.shape()[axis] <= 1, ErrorKind::InvalidOperation,
          "mutable_value", "several elements of this view of shape ", view.shape(),
          " lie in one place");
  }
  ++(value_->owner ? value_->owner->version : value_->version);
  return MutView<T>(const_cast<T*>(view.data()), view.shape(), view.strides());
}

template <class T>
void Var<T>::set_requires_grad(bool requires_grad) const {
  check_defined("set_requires_grad");
  check(node_->is_leaf, ErrorKind::InvalidOperation, "set_requires_grad",
        "this is a result of an operation; use detach()");
  node_->requires_grad = requires_grad;
}

template <class T>
bool Var<T>::has_grad() const noexcept {
  return node_ && (node_->is_leaf ? node_->has_grad : node_->retained != nullptr);
}

template <class T>
View<T> Var<T>::grad() const {
  return mutable_grad();
}

template <class T>
MutView<T> Var<T>::mutable_grad() const {
  check_defined("grad");
  check(has_grad(), ErrorKind::InvalidOperation, "grad",
        !node_->requires_grad ? "this variable does not require a gradient"
        : node_->is_leaf      ? "no backward() has reached this variable"
                              : "a result keeps its gradient only after retain_grad()");
  return node_->is_leaf ? node_->grad.view() : node_->retained->view();
}

template <class T>
void Var<T>::zero_grad() const noexcept {
  if (node_) {
    forget(*node_);
    node_->retained.reset();
  }
}

template <class T>
void Var<T>::retain_grad() const {
  check_defined("retain_grad");
  check(node_->requires_grad, ErrorKind::InvalidOperation, "retain_grad",
        "this variable does not require a gradient");
  node_->retains_grad = true;
}

template <class T>
void Var<T>::backward(const BackwardOptions& options) const {
  check_defined(kBackward);
  check(requires_grad(), ErrorKind::InvalidOperation, kBackward,
        "nothing was recorded: no input requires a gradient, or a NoGrad was alive");
  check(size() == 1, ErrorKind::InvalidOperation, kBackward, "the value has shape ", shape(),
        "; pass a seed of that shape, or reduce it to one number first");
  run_backward(node_, Array<T>::ones(shape()), options);
}

template <class T>
void Var<T>::backward(const View<T>& seed, const BackwardOptions& options) const {
  check_defined(kBackward);
  check(requires_grad(), ErrorKind::InvalidOperation, kBackward,
        "nothing was recorded: no input requires a gradient, or a NoGrad was alive");
  check(seed.defined() && seed.shape() == shape(), ErrorKind::DimensionMismatch, kBackward,
        "the seed has shape ", seed.shape(), ", the value ", shape());
  run_backward(node_, Array<T>(seed), options);
}

template <class T>
Var<T> Var<T>::detach() const {
  check_defined("detach");
  Var result;
  result.value_ = value_;
  result.node_ = std::make_shared<detail::Node<T>>(shape(), false);
  return result;
}

template <class T>
Saved<T> Var<T>::save() const {
  check_defined("save");
  return Saved<T>(value_);
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Var<T>& x) {
  out << "Var(";
  if (x.defined()) {
    out << x.value() << ", shape " << x.shape() << (x.requires_grad() ? ", requires_grad" : "");
  }
  return out << ')';
}

template <class T>
bool VarAccess<T>::records(std::span<const Var<T>> inputs) noexcept {
  return recording && std::any_of(inputs.begin(), inputs.end(),
                                  [](const Var<T>& input) { return input.requires_grad(); });
}

template <class T>
Var<T> VarAccess<T>::make(std::shared_ptr<detail::Value<T>> value, std::span<const Var<T>> inputs,
                          std::unique_ptr<detail::BackwardFunction<T>> function,
                          const char* operation) {
  Var<T> result;
  result.node_ = std::make_shared<detail::Node<T>>(value->get().shape(), function != nullptr);
  result.value_ = std::move(value);
  if (function) {
    detail::Node<T>& node = *result.node_;
    node.inputs.reserve(inputs.size());
    for (const Var<T>& input : inputs) {
      node.inputs.push_back(input.requires_grad() ? input.node_ : nullptr);
    }
    node.function = std::move(function);
    node.operation = operation;
    node.is_leaf = false;
  }
  return result;
}

template <class T>
Var<T> VarAccess<T>::make_joint(std::span<const Var<T>> inputs,
                                std::unique_ptr<detail::BackwardFunction<T>> function,
                                const char* operation) {
  return make(own(Array<T>()), inputs, std::move(function), operation);
}

template <class T>
std::shared_ptr<detail::Value<T>> VarAccess<T>::own(Array<T>&& value) {
  auto owned = std::make_shared<detail::Value<T>>();
  owned->array = std::move(value);
  return owned;
}

template <class T>
std::shared_ptr<detail::Value<T>> VarAccess<T>::alias(const Var<T>& of, const View<T>& view) {
  auto alias = std::make_shared<detail::Value<T>>();
  alias->view = view;
  alias->owner = of.value_->owner ? of.value_->owner : of.value_;
  return alias;
}

#define LAMINA_INSTANTIATE(T)      \
  template struct detail::Node<T>; \
  template class Saved<T>;         \
  template class Gradients<T>;     \
  template class Var<T>;           \
  template struct VarAccess<T>;    \
  template LAMINA_EXPORT std::ostream& operator<< <T>(std::ostream&, const Var<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::autograd
