#include "lamina/autograd/ops_loss.hpp"
#include "lamina/nn/loss.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

using nn::Loss;

/// What a named loss is in terms of the table: a member, its parameters, and the arguments that
/// hold weight and third array.
struct Meaning {
  Loss kind;
  std::optional<double> a = std::nullopt;
  std::optional<double> b = std::nullopt;
  const char* third = nullptr;
};
using Reader = std::function<Meaning(const Call&)>;

template <class T>
auto options_of(const Meaning& meaning, const View<T>& weight, const View<T>& third) {
  return nn::LossOptions<T>{meaning.a, meaning.b, weight, third};
}
template <class T>
auto options_of(const Meaning& meaning, const Var<T>& weight, const Var<T>& third) {
  return nn::VarLossOptions<T>{meaning.a, meaning.b, value_of(weight), third};
}

/// Of which argument the gradient is.
enum class Gradient : std::uint8_t { Prediction, Target, Third };

struct Arguments {
  Arguments(Call& call, const Reader& read, const char* prediction_name)
      : meaning(read(call)),
        mode(call.reduction()),
        target(call.array("y_true")),
        prediction(call.array(prediction_name)),
        weight(call.has_parameter("weight") ? call.array("weight") : Operand()),
        third(meaning.third != nullptr ? call.array(meaning.third) : Operand()) {
    call.refuse_recorded({&weight});
  }
  Meaning meaning;
  ReductionMode mode;
  Operand target, prediction, weight, third;
};

py::object forward(Call& call, Arguments& given) {
  return record(
      call, std::tie(given.target, given.prediction, given.weight, given.third),
      [&](const auto& t, const auto& p, const auto& w, const auto& third) {
        return nn::elementwise_loss(given.meaning.kind, t, p, given.mode,
                                    options_of(given.meaning, w, third));
      },
      [&](const auto& t, const auto& p, const auto& w, const auto& third, const auto& out) {
        nn::elementwise_loss_into(given.meaning.kind, t, p, out, given.mode,
                                  options_of(given.meaning, w, third));
      });
}

py::object backward(Call& call, Arguments& given, Gradient of) {
  Operand dy = call.array("dy");
  return compute(
      call, std::tie(dy, given.target, given.prediction, given.weight, given.third),
      [&](const auto& d, const auto& t, const auto& p, const auto& w, const auto& third) {
        const auto options = options_of(given.meaning, w, third);
        switch (of) {
          case Gradient::Target:
            return nn::elementwise_loss_backward_true(given.meaning.kind, d, t, p, given.mode,
                                                      options);
          case Gradient::Third:
            return nn::elementwise_loss_backward_third(given.meaning.kind, d, t, p, given.mode,
                                                       options);
          default:
            return nn::elementwise_loss_backward(given.meaning.kind, d, t, p, given.mode, options);
        }
      });
}

constexpr const char* kReduction = R"(
reduction "mean", "sum" or "none"
returns   () for "mean" and "sum", as y_true for "none")";

struct Names {
  const char* name;
  const char* prediction = "y_pred";
  const char* arrays = "";  // between the prediction and the options
  const char* gradient = "_backward";
  const char* third_gradient = nullptr;  // "_backward_variance"
};

void def_loss(Module& nn, const Names& names, const std::string& options, const std::string& doc,
              const Reader& read) {
  const std::string name = names.name;
  const std::string prediction = names.prediction;
  const std::string parameters = "y_true, " + prediction + names.arrays + options;
  const char* const p = names.prediction;
  nn.def(name + "(" + parameters + ", *, out=None) -> Recorded", doc, [=](Call& call) {
    Arguments given(call, read, p);
    return forward(call, given);
  });
  const auto def_gradient = [&](const std::string& suffix, const std::string& of, Gradient which) {
    nn.def(name + suffix + "(dy, " + parameters + ", *, out=None) -> Array",
           "Gradient of " + name + " for " + of +
               ", of its shape.\n\ndy      as the result; the other arguments as there",
           [=](Call& call) {
             Arguments given(call, read, p);
             return backward(call, given, which);
           });
  };
  def_gradient(names.gradient, prediction, Gradient::Prediction);
  def_gradient("_backward_true", "y_true", Gradient::Target);
  if (names.third_gradient != nullptr) {
    def_gradient(names.third_gradient, std::string(names.third_gradient).substr(10),
                 Gradient::Third);
  }
}

Reader plain(Loss kind) {
  return [kind](const Call&) { return Meaning{kind}; };
}

/// "doc\n\ny_true, y_pred one shape ... formula"
std::string describe(const std::string& formula, const std::string& options,
                     const std::string& more) {
  return formula + "\n\ny_true, y_pred one shape\n" + options + std::string(kReduction).substr(1) +
         (more.empty() ? "" : "\n\n" + more);
}

void def_regression(Module& nn) {
  const char* const reduction = ", reduction=\"mean\"";
  def_loss(
      nn, {"mse_loss"}, reduction,
      describe("Mean squared error: (y_pred - y_true)^2.", "", "torch.nn.functional.mse_loss."),
      plain(Loss::Mse));
  def_loss(nn, {"mae_loss"}, reduction,
           describe("Mean absolute error: |y_pred - y_true|.", "", "torch.nn.functional.l1_loss."),
           plain(Loss::Mae));
  def_loss(nn, {"l1_loss"}, reduction,
           describe("mae_loss under its other name: |y_pred - y_true|.", "", ""), plain(Loss::Mae));
  nn.def("mse_loss_2d(y_true, y_pred, reduction=\"mean\", *, out=None) -> Recorded",
         "mse_loss of matrices. ValueError for any other rank.", [](Call& call) {
           Arguments given(call, plain(Loss::Mse), "y_pred");
           if (given.target.shape().rank() != 2) {
             lamina::detail::throw_rank(call.name(), "y_true", 2, given.target.shape());
           }
           return forward(call, given);
         });
  def_loss(nn, {"huber_loss"}, ", delta=1.0, reduction=\"mean\"",
           describe("e^2 / 2 where |e| <= delta, otherwise delta (|e| - delta / 2); e = y_pred - "
                    "y_true.",
                    "", "torch.nn.functional.huber_loss. Huber 1964."),
           [](const Call& call) {
             return Meaning{Loss::Huber, call.number("delta")};
           });
  def_loss(
      nn, {"smooth_l1_loss"}, ", reduction=\"mean\", beta=1.0",
      describe("e^2 / (2 beta) where |e| < beta, otherwise |e| - beta / 2; e = y_pred - y_true.",
               "", "torch.nn.functional.smooth_l1_loss. Girshick 2015."),
      [](const Call& call) {
        return Meaning{Loss::SmoothL1, call.number("beta")};
      });
  def_loss(nn, {"log_cosh_loss"}, reduction,
           describe("log(cosh(y_pred - y_true)), without overflow.", "", "Keras LogCosh."),
           plain(Loss::LogCosh));
  def_loss(
      nn, {"poisson_nll_loss"}, ", reduction=\"mean\", log_input=True, full=False, epsilon=1e-08",
      describe("exp(y_pred) - y_true y_pred, or without log_input y_pred - y_true log(y_pred + "
               "epsilon).",
               "full           adds Stirling's log(y_true!) where y_true > 1\n",
               "torch.nn.functional.poisson_nll_loss."),
      [](const Call& call) {
        return Meaning{call.flag("log_input") ? Loss::PoissonNllLog : Loss::PoissonNll,
                       call.number("epsilon"), call.flag("full") ? 1.0 : 0.0};
      });
  def_loss(
      nn,
      {.name = "gaussian_nll_loss", .arrays = ", variance", .third_gradient = "_backward_variance"},
      ", reduction=\"mean\", full=False, epsilon=1e-06",
      describe("(log v + (y_pred - y_true)^2 / v) / 2, v = max(variance, epsilon).",
               "variance       broadcasts to y_true\nfull           adds log(2 pi) / 2\n",
               "torch.nn.functional.gaussian_nll_loss. Nix and Weigend 1994."),
      [](const Call& call) {
        return Meaning{Loss::GaussianNll, call.number("epsilon"), call.flag("full") ? 1.0 : 0.0,
                       "variance"};
      });
}

void def_binary(Module& nn) {
  const char* const reduction = ", reduction=\"mean\"";
  def_loss(nn, {"binary_cross_entropy"}, ", reduction=\"mean\", weight=None, epsilon=1e-07",
           describe("-y_true log(q) - (1 - y_true) log(1 - q), q = y_pred clamped to [epsilon, 1 - "
                    "epsilon].",
                    "weight         a factor for each element, broadcasts to y_true\n",
                    "Prefer bce_with_logits, which needs no clamping."),
           [](const Call& call) {
             return Meaning{Loss::BinaryCrossEntropy, call.number("epsilon")};
           });
  def_loss(
      nn, {.name = "bce_with_logits", .prediction = "logits"},
      ", reduction=\"mean\", weight=None, pos_weight=None",
      "pos_weight y_true log(1 + exp(-x)) + (1 - y_true) log(1 + exp(x)), x the logits, exact in "
      "both tails.\n\ny_true, logits one shape\nweight         a factor for each element\n"
      "pos_weight     a factor for the part of positive targets; both broadcast to y_true\n" +
          std::string(kReduction).substr(1) +
          "\n\ntorch.nn.functional.binary_cross_entropy_with_logits.",
      [](const Call& call) {
        return call.has("pos_weight") ? Meaning{Loss::BceWithLogitsPosWeight, {}, {}, "pos_weight"}
                                      : Meaning{Loss::BceWithLogits};
      });
  for (const bool logits : {false, true}) {
    def_loss(nn,
             {.name = logits ? "focal_loss_with_logits" : "focal_loss",
              .prediction = logits ? "logits" : "y_pred"},
             ", alpha=0.25, gamma=2.0, reduction=\"mean\"",
             std::string(logits ? "focal_loss of sigmoid(logits), exact in both tails."
                                : "Binary cross entropy times a (1 - s)^gamma: s = y_pred and a = "
                                  "alpha where y_true is 1, s = 1 - y_pred and a = 1 - alpha where "
                                  "it is 0.") +
                 "\n\narrays of one shape" + kReduction + "\n\nLin et al. 2017.",
             [logits](const Call& call) {
               return Meaning{logits ? Loss::FocalWithLogits : Loss::Focal, call.number("alpha"),
                              call.number("gamma")};
             });
  }
  def_loss(nn, {"hinge_loss"}, reduction,
           describe("max(0, 1 - y_true y_pred), y_true -1 or 1.", "", "Cortes and Vapnik 1995."),
           plain(Loss::Hinge));
  def_loss(nn, {"squared_hinge_loss"}, reduction,
           describe("max(0, 1 - y_true y_pred)^2, y_true -1 or 1.", "", "Keras SquaredHinge."),
           plain(Loss::SquaredHinge));
  def_loss(nn, {"soft_margin_loss"}, reduction,
           describe("log(1 + exp(-y_true y_pred)), y_true -1 or 1, without overflow.", "",
                    "torch.nn.functional.soft_margin_loss."),
           plain(Loss::SoftMargin));
  def_loss(nn,
           {.name = "margin_ranking_loss",
            .prediction = "x1",
            .arrays = ", x2",
            .gradient = "_backward_x1",
            .third_gradient = "_backward_x2"},
           ", margin=0.0, reduction=\"mean\"",
           std::string("Which of two scores should be the greater: max(0, -y_true (x1 - x2) + "
                       "margin), y_true 1 for x1 and -1 for x2.\n\ny_true, x1 one shape\nx2      "
                       "broadcasts to that") +
               kReduction + "\n\ntorch.nn.functional.margin_ranking_loss.",
           [](const Call& call) {
             return Meaning{Loss::MarginRanking, call.number("margin"), {}, "x2"};
           });
}

nn::KlDivOptions kl_options(const Call& call) {
  return {call.flag("log_prediction"), call.flag("log_target"), call.flag("batch_mean"),
          call.number("epsilon")};
}

void def_kl_div(Module& nn) {
  const std::string parameters =
      "y_true, y_pred, reduction=\"mean\", log_prediction=False, log_target=False, "
      "batch_mean=False, epsilon=1e-10, *, out=None)";
  nn.def(
      "kl_div_loss(" + parameters + " -> Recorded",
      describe("Kullback-Leibler divergence: y_true log((y_true + epsilon) / (y_pred + epsilon)), "
               "0 where y_true is 0.",
               "log_prediction y_pred holds logarithms of probabilities\n"
               "log_target     y_true too\n"
               "batch_mean     \"mean\" divides by the extent of axis 0\n",
               "torch.nn.functional.kl_div. Kullback and Leibler 1951."),
      [](Call& call) {
        Operand t = call.array("y_true");
        Operand p = call.array("y_pred");
        const ReductionMode mode = call.reduction();
        const nn::KlDivOptions options = kl_options(call);
        return record(call, std::tie(t, p), [&](const auto& a, const auto& b) {
          return nn::kl_div_loss(a, b, mode, options);
        });
      });
  for (const bool of_target : {false, true}) {
    nn.def(std::string(of_target ? "kl_div_loss_backward_true(dy, " : "kl_div_loss_backward(dy, ") +
               parameters + " -> Array",
           std::string("Gradient of kl_div_loss for ") + (of_target ? "y_true." : "y_pred."),
           [of_target](Call& call) {
             Operand dy = call.array("dy");
             Operand t = call.array("y_true");
             Operand p = call.array("y_pred");
             const ReductionMode mode = call.reduction();
             const nn::KlDivOptions options = kl_options(call);
             return compute(
                 call, std::tie(dy, t, p), [&](const auto& d, const auto& a, const auto& b) {
                   return of_target ? nn::kl_div_loss_backward_true(d, a, b, mode, options)
                                    : nn::kl_div_loss_backward(d, a, b, mode, options);
                 });
           });
  }
}

}  // namespace

void def_losses(Module& nn) {
  def_regression(nn);
  def_binary(nn);
  def_kl_div(nn);
}

}  // namespace lamina::python
