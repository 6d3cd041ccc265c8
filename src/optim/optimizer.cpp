#include "lamina/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>

namespace lamina::optim {

namespace {

template <class T>
std::vector<NamedVar<T>> with_names(const std::vector<Var<T>>& parameters) {
  std::vector<NamedVar<T>> named;
  named.reserve(parameters.size());
  for (const Var<T>& parameter : parameters) {
    named.push_back({std::to_string(named.size()), parameter});
  }
  return named;
}

void append(std::string& list, const std::string& text) {
  list += (list.empty() ? "" : ", ") + text;
}

std::string lr_name(std::size_t group) {
  return "group." + std::to_string(group) + "/lr";
}

}  // namespace

template <class T>
Optimizer<T>::Optimizer(std::vector<NamedVar<T>> parameters, const UpdateOptions& options) {
  add_group(std::move(parameters), options);
}

template <class T>
Optimizer<T>::Optimizer(const std::vector<Var<T>>& parameters, const UpdateOptions& options)
    : Optimizer(with_names(parameters), options) {}

template <class T>
void Optimizer<T>::add_group(std::vector<NamedVar<T>> parameters, const UpdateOptions& options) {
  const std::string_view rule = nn::update_name(options);
  nn::check_update_options(options);
  std::vector<NamedVar<T>> known;
  for (const ParameterGroup<T>& group : groups_) {
    known.insert(known.end(), group.parameters.begin(), group.parameters.end());
  }
  for (const NamedVar<T>& parameter : parameters) {
    check(parameter.var.defined(), ErrorKind::InvalidOperation, rule, "parameter ", parameter.name,
          " is not defined");
    check(parameter.var.is_leaf(), ErrorKind::InvalidOperation, rule, "parameter ", parameter.name,
          " is the result of an operation");
    for (const NamedVar<T>& other : known) {
      check(!other.var.same_as(parameter.var), ErrorKind::InvalidOperation, rule, "parameter ",
            parameter.name, " is there already, as ", other.name);
      check(other.name != parameter.name, ErrorKind::InvalidOperation, rule,
            "two parameters are called ", parameter.name);
    }
    known.push_back(parameter);
  }
  states_.emplace_back(parameters.size());
  groups_.push_back({std::move(parameters), options});
}

template <class T>
std::size_t Optimizer<T>::checked_group(Index group) const {
  check(group >= 0 && group < static_cast<Index>(groups_.size()), ErrorKind::IndexOutOfBounds,
        nn::update_name(groups_.front().options), "group ", group, " of ", groups_.size());
  return static_cast<std::size_t>(group);
}

template <class T>
UpdateOptions& Optimizer<T>::options(Index group) {
  return groups_[checked_group(group)].options;
}

template <class T>
double Optimizer<T>::lr(Index group) const {
  return nn::learning_rate(groups_[checked_group(group)].options);
}

template <class T>
void Optimizer<T>::set_lr(double lr) {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    set_lr(lr, static_cast<Index>(i));
  }
}

template <class T>
void Optimizer<T>::set_lr(double lr, Index group) {
  UpdateOptions& options = groups_[checked_group(group)].options;
  check(lr >= 0 && std::isfinite(lr), ErrorKind::InvalidOperation, nn::update_name(options),
        "lr must be finite and not negative, got ", lr);
  nn::learning_rate(options) = lr;
}

template <class T>
void Optimizer<T>::update(const ParameterGroup<T>& group, std::size_t index,
                          ParameterState& state) {
  const Var<T>& parameter = group.parameters[index].var;
  std::vector<MutView<T>> slots;
  for (const nn::UpdateSlot& slot : nn::update_slots(group.options)) {
    auto found = state.slots.find(slot.name);
    if (found == state.slots.end()) {
      found = state.slots
                  .emplace(std::string(slot.name),
                           Array<T>::full(parameter.shape(), static_cast<T>(slot.initial_value)))
                  .first;
    }
    slots.push_back(found->second.view());
  }
  nn::update_inplace(parameter.grad(), parameter.mutable_value(), slots, group.options,
                     state.step + 1);
  ++state.step;
}

template <class T>
void Optimizer<T>::step() {
  for (const ParameterGroup<T>& group : groups_) {
    nn::check_update_options(group.options);
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < groups_[g].parameters.size(); ++i) {
      const Var<T>& parameter = groups_[g].parameters[i].var;
      if (parameter.requires_grad() && parameter.has_grad()) {
        update(groups_[g], i, states_[g][i]);
      }
    }
  }
  ++steps_;
}

template <class T>
void Optimizer<T>::zero_grad() const {
  for (const ParameterGroup<T>& group : groups_) {
    for (const NamedVar<T>& parameter : group.parameters) {
      parameter.var.zero_grad();
    }
  }
}

template <class T>
OptimizerState Optimizer<T>::state() const {
  OptimizerState state;
  state.emplace("steps", Array<double>::scalar(static_cast<double>(steps_)));
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    state.emplace(lr_name(g), Array<double>::scalar(nn::learning_rate(groups_[g].options)));
    for (std::size_t i = 0; i < groups_[g].parameters.size(); ++i) {
      const std::string& name = groups_[g].parameters[i].name;
      state.emplace(name + "/step", Array<double>::scalar(static_cast<double>(states_[g][i].step)));
      for (const auto& [slot, array] : states_[g][i].slots) {
        state.emplace(name + "/" + slot, array.template astype<double>());
      }
    }
  }
  return state;
}

template <class T>
void Optimizer<T>::load_state(const OptimizerState& state) {
  const std::string_view rule = nn::update_name(groups_.front().options);
  std::map<std::string, bool> unused;
  for (const auto& [name, array] : state) {
    unused.emplace(name, true);
  }
  std::string missing;
  std::string misshaped;
  const auto find = [&](const std::string& name, const Shape& shape,
                        bool optional) -> const Array<double>* {
    const auto found = state.find(name);
    if (found == state.end()) {
      if (!optional) {
        append(missing, name);
      }
      return nullptr;
    }
    unused.erase(name);
    if (found->second.shape() != shape) {
      append(misshaped,
             name + " is " + to_string(found->second.shape()) + " instead of " + to_string(shape));
      return nullptr;
    }
    return &found->second;
  };

  const Array<double>* steps = find("steps", {}, false);
  std::vector<double> rates;
  std::vector<std::vector<ParameterState>> loaded(states_.size());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Array<double>* rate = find(lr_name(g), {}, false);
    rates.push_back(rate == nullptr ? 0 : rate->item());
    for (const NamedVar<T>& parameter : groups_[g].parameters) {
      ParameterState own;
      const Array<double>* step = find(parameter.name + "/step", {}, false);
      own.step = step == nullptr ? 0 : static_cast<Index>(step->item());
      for (const nn::UpdateSlot& slot : nn::update_slots(groups_[g].options)) {
        // A parameter that has made no step has no slots yet.
        const Array<double>* array = find(parameter.name + "/" + std::string(slot.name),
                                          parameter.var.shape(), own.step == 0);
        if (array != nullptr) {
          own.slots.emplace(std::string(slot.name), array->template astype<T>());
        }
      }
      loaded[g].push_back(std::move(own));
    }
  }
  std::string complaint;
  std::string unexpected;
  for (const auto& [name, flag] : unused) {
    append(unexpected, name);
  }
  for (const auto& [what, names] :
       {std::pair<const char*, const std::string&>("missing: ", missing),
        {"unexpected: ", unexpected},
        {"wrong shape: ", misshaped}}) {
    if (!names.empty()) {
      complaint += (complaint.empty() ? "" : "; ") + std::string(what) + names;
    }
  }
  check(complaint.empty(), ErrorKind::DimensionMismatch, rule, "load_state: ", complaint);
  for (const double rate : rates) {
    check(rate >= 0 && std::isfinite(rate), ErrorKind::InvalidOperation, rule,
          "lr must be finite and not negative, got ", rate);
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    nn::learning_rate(groups_[g].options) = rates[g];
  }
  states_ = std::move(loaded);
  steps_ = static_cast<Index>(steps->item());
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace lamina::optim
