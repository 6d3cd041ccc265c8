#include "lamina/layers/module.hpp"

#include <algorithm>
#include <ostream>
#include <sstream>

namespace lamina::layers {

namespace {

/// 1234567 as "1,234,567".
std::string grouped(Index number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3; i -= 3) {
    text.insert(i - 3, 1, ',');
  }
  return text;
}

std::string join_path(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

void append(std::string& list, const std::string& text) {
  list += (list.empty() ? "" : ", ") + text;
}

}  // namespace

template <class T>
void Members<T>::parameter(std::string_view name, const Var<T>& var) {
  if (var.defined()) {
    parameters_.push_back({std::string(name), var});
  }
}

template <class T>
void Members<T>::buffer(std::string_view name, const Var<T>& var) {
  if (var.defined()) {
    buffers_.push_back({std::string(name), var});
  }
}

template <class T>
void Members<T>::module(std::string_view name, Module<T>& module) {
  modules_.emplace_back(std::string(name), &module);
}

template <class T>
Module<T>::~Module() = default;

template <class T>
std::string Module<T>::name() const {
  return "Module";
}

template <class T>
void Module<T>::members(Members<T>&) {}

template <class T>
Members<T> Module<T>::list() const {
  Members<T> list;
  const_cast<Module*>(this)->members(list);  // which changes nothing
  return list;
}

template <class T>
void Module<T>::collect(const std::string& path, std::vector<NamedVar<T>>& parameters,
                        std::vector<NamedVar<T>>& buffers) const {
  const Members<T> members = list();
  for (const NamedVar<T>& own : members.parameters_) {
    parameters.push_back({join_path(path, own.name), own.var});
  }
  for (const NamedVar<T>& own : members.buffers_) {
    buffers.push_back({join_path(path, own.name), own.var});
  }
  for (const auto& [name, module] : members.modules_) {
    module->collect(join_path(path, name), parameters, buffers);
  }
}

template <class T>
std::vector<NamedVar<T>> Module<T>::parameters() const {
  std::vector<NamedVar<T>> all;
  std::vector<NamedVar<T>> buffers;
  collect("", all, buffers);
  std::vector<NamedVar<T>> unique;
  for (NamedVar<T>& candidate : all) {
    if (std::none_of(unique.begin(), unique.end(),
                     [&](const NamedVar<T>& other) { return other.var.same_as(candidate.var); })) {
      unique.push_back(std::move(candidate));
    }
  }
  return unique;
}

template <class T>
std::vector<NamedVar<T>> Module<T>::buffers() const {
  std::vector<NamedVar<T>> parameters;
  std::vector<NamedVar<T>> all;
  collect("", parameters, all);
  return all;
}

template <class T>
Index Module<T>::parameter_count() const {
  Index count = 0;
  for (const NamedVar<T>& parameter : parameters()) {
    count += parameter.var.size();
  }
  return count;
}

template <class T>
void Module<T>::train(bool training) {
  training_ = training;
  for (const auto& [name, module] : list().modules_) {
    module->train(training);
  }
}

template <class T>
void Module<T>::zero_grad() const {
  for (const NamedVar<T>& parameter : parameters()) {
    parameter.var.zero_grad();
  }
}

template <class T>
void Module<T>::set_requires_grad(bool requires_grad) const {
  for (const NamedVar<T>& parameter : parameters()) {
    parameter.var.set_requires_grad(requires_grad);
  }
}

template <class T>
StateDict<T> Module<T>::state_dict() const {
  std::vector<NamedVar<T>> parameters;
  std::vector<NamedVar<T>> buffers;
  collect("", parameters, buffers);
  StateDict<T> state;
  for (const auto* list : {&parameters, &buffers}) {
    for (const NamedVar<T>& entry : *list) {
      const bool fresh = state.emplace(entry.name, Array<T>(entry.var.value())).second;
      check(fresh, ErrorKind::InvalidOperation, "state_dict", "two members are called ",
            entry.name);
    }
  }
  return state;
}

template <class T>
void Module<T>::load_state_dict(const StateDict<T>& state, const LoadOptions& options) {
  std::vector<NamedVar<T>> entries;
  std::vector<NamedVar<T>> buffers;
  collect("", entries, buffers);
  entries.insert(entries.end(), buffers.begin(), buffers.end());
  std::string missing;
  std::string unexpected;
  std::string misshaped;
  for (const NamedVar<T>& entry : entries) {
    const auto found = state.find(entry.name);
    if (found == state.end()) {
      append(missing, entry.name);
    } else if (found->second.shape() != entry.var.shape()) {
      append(misshaped, entry.name + " is " + to_string(found->second.shape()) + " instead of " +
                            to_string(entry.var.shape()));
    }
  }
  for (const auto& given : state) {
    if (std::none_of(entries.begin(), entries.end(),
                     [&given](const NamedVar<T>& entry) { return entry.name == given.first; })) {
      append(unexpected, given.first);
    }
  }
  std::string complaint;
  const auto complain = [&](const char* what, const std::string& names) {
    if (!names.empty()) {
      complaint += (complaint.empty() ? "" : "; ") + std::string(what) + names;
    }
  };
  if (options.strict) {
    complain("missing: ", missing);
    complain("unexpected: ", unexpected);
  }
  complain("wrong shape: ", misshaped);
  check(complaint.empty(), ErrorKind::DimensionMismatch, "load_state_dict", complaint);
  for (const NamedVar<T>& entry : entries) {
    const auto found = state.find(entry.name);
    if (found != state.end()) {
      entry.var.mutable_value().assign(found->second);
    }
  }
}

template <class T>
void Module<T>::describe_lines(const std::string& label, int depth,
                               std::vector<std::pair<std::string, Index>>& lines) const {
  std::string text(static_cast<std::size_t>(2 * depth), ' ');
  text += label.empty() ? name() : label + ": " + name();
  lines.emplace_back(std::move(text), parameter_count());
  for (const auto& [member, module] : list().modules_) {
    module->describe_lines(member, depth + 1, lines);
  }
}

template <class T>
std::string Module<T>::describe() const {
  std::vector<std::pair<std::string, Index>> lines;
  describe_lines("", 0, lines);
  std::size_t widest_text = 0;
  std::size_t widest_count = 0;
  for (const auto& [text, count] : lines) {
    widest_text = std::max(widest_text, text.size());
    widest_count = std::max(widest_count, grouped(count).size());
  }
  std::ostringstream out;
  for (const auto& [text, count] : lines) {
    out << text;
    if (count > 0) {
      const std::string number = grouped(count);
      out << std::string(widest_text - text.size() + 2 + widest_count - number.size(), ' ')
          << number << " parameters";
    }
    out << '\n';
  }
  return out.str();
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Module<T>& module) {
  return out << module.describe();
}

template <class T>
Var<T> Layer<T>::operator()(const Var<T>& x) {
  return forward(x);
}
template <class T>
Var<T> Layer<T>::operator()(const View<T>& x) {
  return forward(Var<T>(x));
}
template <class T>
Var<T> Layer<T>::operator()(Array<T>&& x) {
  return forward(Var<T>(std::move(x)));
}

template class Members<float>;
template class Members<double>;
template class Module<float>;
template class Module<double>;
template class Layer<float>;
template class Layer<double>;
template LAMINA_EXPORT std::ostream& operator<< <float>(std::ostream&, const Module<float>&);
template LAMINA_EXPORT std::ostream& operator<< <double>(std::ostream&, const Module<double>&);

}  // namespace lamina::layers
