#include "lamina/optim/optimizer.hpp"

#include "lamina/nn/update.hpp"
#include "lamina/optim/clip.hpp"
#include "lamina/optim/schedule.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

using nn::UpdateOptions;

/// An optimizer for parameters of either element type.
struct Optimizer {
  std::variant<std::shared_ptr<optim::Optimizer<float>>, std::shared_ptr<optim::Optimizer<double>>>
      optimizer;
};

template <class C>
C& instance(const Call& call, std::string_view parameter, const char* what) {
  const py::handle given = call.object(parameter);
  if (!py::isinstance<C>(given)) {
    throw_type_error(call.place(parameter),
                     std::string("must be ") + what + ", it is " + std::string(py::repr(given)));
  }
  return py::cast<C&>(given);
}

const UpdateOptions& read_options(const Call& call) {
  return instance<UpdateOptions>(call, "options", "options such as nn.SgdOptions()");
}

/// A rule's options as a function of Python: one parameter for each number.
template <class Read>
void def_rule(Module& nn, const std::string& name, const std::string& parameters,
              const std::string& doc, const Read& read) {
  nn.def(name + "(" + parameters + ") -> UpdateOptions", doc, [read](Call& call) {
    const UpdateOptions options = read(call);
    nn::check_update_options(options);
    return py::cast(options);
  });
}

void def_rules(Module& nn) {
  def_rule(
      nn, "SgdOptions",
      "lr=0.001, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False",
      R"(
Stochastic gradient descent.  g = gradient + weight_decay p

    b = momentum b + (1 - dampening) g   (b = g at step 1)
    p = p - lr (nesterov ? g + momentum b : b)

torch.optim.SGD.)",
      [](const Call& c) {
        return nn::SgdOptions{c.number("lr"),           c.number("momentum"), c.number("dampening"),
                              c.number("weight_decay"), c.flag("nesterov"),   c.flag("maximize")};
      });
  const std::string adam = R"(g = gradient + weight_decay p

    m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
    p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
)";
  def_rule(nn, "AdamOptions",
           "lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, amsgrad=False, "
           "maximize=False",
           "Adam.  " + adam + "\ntorch.optim.Adam. Kingma and Ba 2015.", [](const Call& c) {
             return nn::AdamOptions{c.number("lr"),    c.number("beta1"),        c.number("beta2"),
                                    c.number("eps"),   c.number("weight_decay"), c.flag("amsgrad"),
                                    c.flag("maximize")};
           });
  def_rule(
      nn, "AdamWOptions",
      "lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.01, amsgrad=False, "
      "maximize=False",
      "Adam with decoupled weight decay: g is the gradient alone, and p = (1 - lr weight_decay) "
      "p comes first.\n\ntorch.optim.AdamW. Loshchilov and Hutter 2019.",
      [](const Call& c) {
        return nn::AdamWOptions{c.number("lr"),    c.number("beta1"),        c.number("beta2"),
                                c.number("eps"),   c.number("weight_decay"), c.flag("amsgrad"),
                                c.flag("maximize")};
      });
  def_rule(
      nn, "AdamaxOptions",
      "lr=0.002, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, maximize=False",
      "Adam in the infinity norm: u = max(beta2 u, |g| + eps), p = p - lr / (1 - beta1^t) m / u."
      "\n\ntorch.optim.Adamax. Kingma and Ba 2015.",
      [](const Call& c) {
        return nn::AdamaxOptions{c.number("lr"),  c.number("beta1"),        c.number("beta2"),
                                 c.number("eps"), c.number("weight_decay"), c.flag("maximize")};
      });
  def_rule(nn, "RAdamOptions",
           "lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, maximize=False",
           "Rectified Adam: plain momentum until the variance of the step is tractable.\n\n"
           "torch.optim.RAdam. Liu et al. 2020.",
           [](const Call& c) {
             return nn::RAdamOptions{c.number("lr"),  c.number("beta1"),        c.number("beta2"),
                                     c.number("eps"), c.number("weight_decay"), c.flag("maximize")};
           });
  def_rule(nn, "RmsPropOptions",
           "lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, centered=False, "
           "maximize=False",
           "RMSProp: v = alpha v + (1 - alpha) g^2, p = p - lr g / (sqrt(v) + eps).\n\n"
           "torch.optim.RMSprop. Hinton 2012.",
           [](const Call& c) {
             return nn::RmsPropOptions{c.number("lr"),       c.number("alpha"),
                                       c.number("eps"),      c.number("weight_decay"),
                                       c.number("momentum"), c.flag("centered"),
                                       c.flag("maximize")};
           });
  def_rule(nn, "AdagradOptions",
           "lr=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10, "
           "maximize=False",
           "Adagrad: s = s + g^2, p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps).\n\n"
           "torch.optim.Adagrad. Duchi, Hazan and Singer 2011.",
           [](const Call& c) {
             return nn::AdagradOptions{
                 c.number("lr"),           c.number("lr_decay"),
                 c.number("weight_decay"), c.number("initial_accumulator_value"),
                 c.number("eps"),          c.flag("maximize")};
           });
  def_rule(
      nn, "AdadeltaOptions", "lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0, maximize=False",
      "Adadelta: v = rho v + (1 - rho) g^2, d = sqrt(u + eps) / sqrt(v + eps) g, u = rho u + (1 "
      "- rho) d^2, p = p - lr d.\n\ntorch.optim.Adadelta. Zeiler 2012.",
      [](const Call& c) {
        return nn::AdadeltaOptions{c.number("lr"), c.number("rho"), c.number("eps"),
                                   c.number("weight_decay"), c.flag("maximize")};
      });
  def_rule(
      nn, "LionOptions", "lr=0.0001, beta1=0.9, beta2=0.99, weight_decay=0.0, maximize=False",
      "Lion: p = (1 - lr weight_decay) p - lr sign(beta1 m + (1 - beta1) g), m = beta2 m + (1 - "
      "beta2) g.\n\nChen et al. 2023.",
      [](const Call& c) {
        return nn::LionOptions{c.number("lr"), c.number("beta1"), c.number("beta2"),
                               c.number("weight_decay"), c.flag("maximize")};
      });
}

template <class T>
py::object update_as(Call& call, Operand& gradient) {
  gradient.prepare<T>();
  const MutView<T> parameter = call.target<T>("parameter");
  std::vector<py::object> owners;
  std::vector<MutView<T>> slots;
  for (const py::handle slot : py::iter(call.object("slots"))) {
    slots.push_back(writable_view<T>(slot, call.place("slots"), owners.emplace_back()));
  }
  const UpdateOptions& options = read_options(call);
  const Index step = call.index("step");
  released([&] { nn::update_inplace(gradient.view<T>(), parameter, slots, options, step); });
  return py::none();
}

void def_updates(Module& nn) {
  nn.def("update_inplace(gradient, parameter, slots, options, step) -> None", R"(
One step of an update rule, in place.

gradient   any shape
parameter  a NumPy array of that shape, changed
slots      a list of such arrays, changed: one for each of update_slots(options)
options    e.g. AdamOptions(lr=0.001)
step       t of the formulas: 1 for the first step with these slots)",
         [](Call& call) {
           Operand gradient = call.array("gradient");
           call.refuse_recorded({&gradient});
           const py::array parameter = as_numpy(call.object("parameter"), call.place("parameter"));
           return parameter.itemsize() == 4 ? update_as<float>(call, gradient)
                                            : update_as<double>(call, gradient);
         });
  nn.def("update_slots(options) -> list[tuple[str, float]]",
         "What a rule with these options remembers for each element: names and initial values.",
         [](Call& call) -> py::object {
           py::list slots;
           for (const nn::UpdateSlot& slot : nn::update_slots(read_options(call))) {
             slots.append(py::make_tuple(std::string(slot.name), slot.initial_value));
           }
           return slots;
         });
  nn.def("update_name(options) -> str", "\"SGD\", \"Adam\", ...", [](Call& call) -> py::object {
    return py::str(std::string(nn::update_name(read_options(call))));
  });
  nn.def(
      "check_update_options(options) -> None",
      "ValueError for a number outside its range; the functions that make options have asked it.",
      [](Call& call) -> py::object {
        nn::check_update_options(read_options(call));
        return py::none();
      });
  nn.def(
      "learning_rate(options) -> float", "The learning rate among the options.",
      [](Call& call) -> py::object { return py::float_(nn::learning_rate(read_options(call))); });
  nn.def("axpy_into(x, y, alpha=1.0) -> Array", "y = y + alpha x, in the NumPy array y; returns y.",
         [](Call& call) {
           Operand x = call.array("x");
           Operand y = call.array("y");
           const double alpha = call.number("alpha");
           call.refuse_recorded({&x, &y});
           const auto run = [&]<class T>(T) {
             x.prepare<T>();
             const MutView<T> target = call.target<T>("y");
             released([&] { nn::axpy_into(x.view<T>(), target, static_cast<T>(alpha)); });
           };
           call.common_type({&x, &y}) == Type::Float32 ? run(float()) : run(double());
           return py::reinterpret_borrow<py::object>(call.object("y"));
         });
  nn.def("scale_into(x, out, factor) -> Array",
         "out = factor x, in the NumPy array out, which may be x; returns out.", [](Call& call) {
           Operand x = call.array("x");
           const double factor = call.number("factor");
           call.refuse_recorded({&x});
           const auto run = [&]<class T>(T) {
             x.prepare<T>();
             const MutView<T> target = call.target<T>("out");
             released([&] { nn::scale_into(x.view<T>(), target, static_cast<T>(factor)); });
           };
           call.common_type({&x}) == Type::Float32 ? run(float()) : run(double());
           return py::reinterpret_borrow<py::object>(call.object("out"));
         });
  nn.def("sum_of_squares(x) -> float", "Sum of the squares of all elements, in float64.",
         [](Call& call) {
           Operand x = call.array("x");
           return compute(call, std::tie(x), [](const auto& a) { return nn::sum_of_squares(a); });
         });
}

/// "parameters": Tensors, or pairs of a name and a Tensor, of one element type.
template <class T>
std::vector<autograd::NamedVar<T>> named_variables(const std::vector<py::object>& given,
                                                   const Place& place) {
  std::vector<autograd::NamedVar<T>> variables;
  for (std::size_t i = 0; i < given.size(); ++i) {
    py::object item = given[i];
    std::string name = std::to_string(i);
    if (py::isinstance<py::tuple>(item) && py::len(item) == 2 &&
        py::isinstance<py::str>(item[py::int_(0)])) {
      name = py::cast<std::string>(item[py::int_(0)]);
      item = item[py::int_(1)];
    }
    const auto* var = std::get_if<Var<T>>(&tensor_of(item, place).var);
    if (var == nullptr) {
      throw_type_error(place, "are of different element types: make an optimizer for each");
    }
    variables.push_back({name, *var});
  }
  return variables;
}

std::vector<py::object> read_parameters(const Call& call) {
  const py::handle given = call.object("parameters");
  if (py::isinstance<Tensor>(given) || !py::hasattr(given, "__iter__")) {
    throw_type_error(call.place("parameters"),
                     "must be a list of Tensors, or of pairs of a name "
                     "and a Tensor, as module.parameters() gives it");
  }
  std::vector<py::object> list;
  for (const py::handle item : py::iter(given)) {
    list.push_back(py::reinterpret_borrow<py::object>(item));
  }
  return list;
}

bool is_double(const std::vector<py::object>& given, const Place& place) {
  if (given.empty()) {
    return false;
  }
  const bool is_pair = py::isinstance<py::tuple>(given.front()) && py::len(given.front()) == 2;
  const py::object first = is_pair ? py::object(given.front()[py::int_(1)]) : given.front();
  return std::holds_alternative<Var<double>>(tensor_of(first, place).var);
}

/// f(optimizer) with the locks that changes of gradients and parameters need.
template <class F>
void alone(const Call& call, const F& f) {
  std::visit([&](const auto& held) { released_alone([&] { f(*held); }); },
             instance<Optimizer>(call, "optimizer", "an optimizer").optimizer);
}

template <class F>
auto with(const Call& call, const F& f) {
  return std::visit([&](const auto& held) { return f(*held); },
                    instance<Optimizer>(call, "optimizer", "an optimizer").optimizer);
}

void def_steps(Module& module) {
  module.def("optimizer(parameters, options) -> object", "", [](Call& call) {
    const std::vector<py::object> given = read_parameters(call);
    const UpdateOptions& options = read_options(call);
    const Place place = call.place("parameters");
    if (is_double(given, place)) {
      return py::cast(Optimizer{std::make_shared<optim::Optimizer<double>>(
          named_variables<double>(given, place), options)});
    }
    return py::cast(Optimizer{
        std::make_shared<optim::Optimizer<float>>(named_variables<float>(given, place), options)});
  });
  module.def("add_group(optimizer, parameters, options) -> None", "", [](Call& call) -> py::object {
    const std::vector<py::object> given = read_parameters(call);
    const UpdateOptions& options = read_options(call);
    with(call, [&]<class T>(optim::Optimizer<T>& held) {
      held.add_group(named_variables<T>(given, call.place("parameters")), options);
      return 0;
    });
    return py::none();
  });
  module.def("group_count(optimizer) -> int", "", [](Call& call) -> py::object {
    return py::int_(with(call, [](auto& held) { return held.groups().size(); }));
  });
  module.def("options(optimizer, group=0) -> UpdateOptions", "", [](Call& call) {
    const Index group = call.index("group");
    return py::cast(with(call, [&](auto& held) -> UpdateOptions { return held.options(group); }));
  });
  module.def("set_options(optimizer, options, group=0) -> None", "", [](Call& call) -> py::object {
    const UpdateOptions& options = read_options(call);
    const Index group = call.index("group");
    alone(call, [&](auto& held) { held.options(group) = options; });
    return py::none();
  });
  module.def("lr(optimizer, group=0) -> float", "", [](Call& call) -> py::object {
    const Index group = call.index("group");
    return py::float_(with(call, [&](auto& held) { return held.lr(group); }));
  });
  module.def("set_lr(optimizer, lr, group=None) -> None", "", [](Call& call) -> py::object {
    const double lr = call.number("lr");
    const std::optional<Index> group = call.optional_index("group");
    alone(call, [&](auto& held) { group ? held.set_lr(lr, *group) : held.set_lr(lr); });
    return py::none();
  });
  module.def("step(optimizer) -> None", "", [](Call& call) -> py::object {
    alone(call, [](auto& held) { held.step(); });
    return py::none();
  });
  module.def("zero_grad(optimizer) -> None", "", [](Call& call) -> py::object {
    alone(call, [](auto& held) { held.zero_grad(); });
    return py::none();
  });
  module.def("steps(optimizer) -> int", "", [](Call& call) -> py::object {
    return py::int_(with(call, [](auto& held) { return held.steps(); }));
  });
  module.def("state(optimizer) -> dict[str, Array]", "", [](Call& call) -> py::object {
    optim::OptimizerState state;
    alone(call, [&](auto& held) { state = held.state(); });
    py::dict result;
    for (auto& [name, array] : state) {
      result[py::str(name)] = to_python(std::move(array));
    }
    return result;
  });
  module.def("load_state(optimizer, state) -> None", "", [](Call& call) -> py::object {
    const py::handle given = call.object("state");
    if (!py::isinstance<py::dict>(given)) {
      throw_type_error(call.place("state"), "must be a dict, as state() gives it");
    }
    optim::OptimizerState state;
    for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(given)) {
      Operand operand(value, call.place("state"));
      if (operand.has_type() && operand.type() != Type::Float64) {
        throw_type_error(operand.place(), "must hold arrays of float64");
      }
      operand.prepare<double>();
      state.emplace(py::cast<std::string>(py::str(key)), Array<double>(operand.view<double>()));
    }
    alone(call, [&](auto& held) { held.load_state(state); });
    return py::none();
  });
}

void def_clipping(Module& module) {
  module.def(
      "clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False) -> float",
      R"(
Scales all gradients so that their common norm is at most max_norm; returns the norm before.

parameters  Tensors, or pairs as module.parameters() gives them
norm_type   2, another positive number, or infinity

torch.nn.utils.clip_grad_norm_. Pascanu, Mikolov and Bengio 2013.)",
      [](Call& call) -> py::object {
        const std::vector<py::object> given = read_parameters(call);
        const Place place = call.place("parameters");
        const double most = call.number("max_norm");
        const optim::ClipOptions options{call.number("norm_type"), call.flag("error_if_nonfinite")};
        const auto run = [&]<class T>(T) {
          const std::vector<autograd::NamedVar<T>> variables = named_variables<T>(given, place);
          return released_alone([&] { return optim::clip_grad_norm(variables, most, options); });
        };
        return py::float_(is_double(given, place) ? run(double()) : run(float()));
      });
  module.def("clip_grad_value(parameters, clip_value) -> None",
             "Clamps every element of all gradients to [-clip_value, clip_value]. "
             "torch.nn.utils.clip_grad_value_.",
             [](Call& call) -> py::object {
               const std::vector<py::object> given = read_parameters(call);
               const Place place = call.place("parameters");
               const double most = call.number("clip_value");
               const auto run = [&]<class T>(T) {
                 const std::vector<autograd::NamedVar<T>> variables =
                     named_variables<T>(given, place);
                 released_alone([&] { optim::clip_grad_value(variables, most); });
               };
               is_double(given, place) ? run(double()) : run(float());
               return py::none();
             });
}

/// rate(step) of a schedule: its numbers and the step.
template <class Read>
void def_schedule(Module& module, const std::string& name, const std::string& parameters,
                  const Read& read) {
  module.def(name + "(step, " + parameters + ") -> float", "", [read](Call& call) -> py::object {
    return py::float_(read(call)(call.index("step")));
  });
}

void def_schedules(Module& module) {
  def_schedule(module, "StepSchedule", "lr, every, gamma", [](const Call& c) {
    return optim::StepSchedule{c.number("lr"), c.index("every"), c.number("gamma")};
  });
  def_schedule(module, "MultiStepSchedule", "lr, milestones, gamma", [](const Call& c) {
    return optim::MultiStepSchedule{c.number("lr"), c.indices("milestones"), c.number("gamma")};
  });
  def_schedule(module, "ExponentialSchedule", "lr, gamma", [](const Call& c) {
    return optim::ExponentialSchedule{c.number("lr"), c.number("gamma")};
  });
  def_schedule(module, "PolynomialSchedule", "lr, total, end, power", [](const Call& c) {
    return optim::PolynomialSchedule{c.number("lr"), c.index("total"), c.number("end"),
                                     c.number("power")};
  });
  def_schedule(module, "CosineSchedule", "lr, total, end", [](const Call& c) {
    return optim::CosineSchedule{c.number("lr"), c.index("total"), c.number("end")};
  });
  def_schedule(module, "CosineRestartsSchedule", "lr, period, growth, end", [](const Call& c) {
    return optim::CosineRestartsSchedule{c.number("lr"), c.index("period"), c.index("growth"),
                                         c.number("end")};
  });
  def_schedule(module, "WarmupCosineSchedule", "lr, warmup, total, start, end", [](const Call& c) {
    return optim::WarmupCosineSchedule{c.number("lr"), c.index("warmup"), c.index("total"),
                                       c.number("start"), c.number("end")};
  });
  def_schedule(module, "OneCycleSchedule", "max_lr, total, pct_start, div_factor, final_div_factor",
               [](const Call& c) {
                 return optim::OneCycleSchedule{c.number("max_lr"), c.index("total"),
                                                c.number("pct_start"), c.number("div_factor"),
                                                c.number("final_div_factor")};
               });
  module.def(
      "ReduceOnPlateau(lr, factor, patience, cooldown, threshold, min_lr, maximize) -> object", "",
      [](Call& c) {
        return py::cast(optim::ReduceOnPlateau(
            c.number("lr"), {c.number("factor"), c.index("patience"), c.index("cooldown"),
                             c.number("threshold"), c.number("min_lr"), c.flag("maximize")}));
      });
  module.def("plateau_rate(plateau, measure) -> float", "", [](Call& call) -> py::object {
    auto& plateau = instance<optim::ReduceOnPlateau>(call, "plateau", "a ReduceOnPlateau");
    return py::float_(plateau(call.number("measure")));
  });
}

}  // namespace

void def_optim(py::module_& root, Module& nn) {
  py::class_<UpdateOptions> options(root, "UpdateOptions",
                                    "An update rule with its numbers, e.g. nn.AdamOptions().");
  options.attr("__module__") = "lamina.nn";
  options.def("__repr__", [](const UpdateOptions& self) {
    return "<" + std::string(nn::update_name(self)) + " options, lr " +
           std::string(py::str(py::float_(nn::learning_rate(self)))) + ">";
  });
  py::class_<Optimizer>(root, "Optimizer");
  py::class_<optim::ReduceOnPlateau>(root, "ReduceOnPlateau");
  def_rules(nn);
  def_updates(nn);
  Module module(root.def_submodule("optimizer"), "lamina._core.optimizer");
  def_steps(module);
  def_schedules(module);
  Module top(root.def_submodule("optim"), "lamina.optim");
  def_clipping(top);
}

}  // namespace lamina::python
