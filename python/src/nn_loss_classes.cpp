#include "lamina/autograd/ops_loss.hpp"
#include "lamina/autograd/ops_loss_embedding.hpp"
#include "lamina/nn/ctc.hpp"
#include "lamina/nn/loss.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

constexpr const char* kClasses =
    "reduction=\"mean\", weight=None, ignore_index=None, label_smoothing=0.0";
constexpr const char* kClassesDoc = R"(
reduction       "mean" (over what the rows count), "sum" or "none"
weight          (C): what each class counts
ignore_index    rows with this label count nothing
label_smoothing this share of each target is spread evenly over all classes
returns         () for "mean" and "sum", (...) for "none")";

/// Labels, or a distribution for each row.
struct Target {
  Target(Call& call, std::string_view parameter) {
    is_labels = call.holds_integers(parameter);
    if (is_labels) {
      labels = call.integers(parameter);
    } else {
      rows = call.array(parameter);
    }
  }
  bool is_labels;
  Integers labels;
  Operand rows;
};

struct ClassOptions {
  explicit ClassOptions(const Call& call)
      : mode(call.reduction()),
        ignore(call.optional_index("ignore_index")),
        smoothing(call.number("label_smoothing")),
        epsilon(call.has_parameter("epsilon") ? call.number("epsilon") : 0) {}
  template <class T>
  [[nodiscard]] nn::CrossEntropyOptions<T> of_logits(const View<T>& weight) const {
    return {mode, weight, ignore, smoothing};
  }
  template <class T>
  [[nodiscard]] nn::ClassLossOptions<T> of_probabilities(const View<T>& weight) const {
    return {weight, ignore, smoothing, epsilon};
  }
  ReductionMode mode;
  std::optional<std::int64_t> ignore;
  double smoothing;
  double epsilon;
};

void def_cross_entropy(Module& nn) {
  nn.def(std::string("cross_entropy(y_true, logits, ") + kClasses + ", *, out=None) -> Recorded",
         std::string(R"(
Cross entropy of logits: minus the logarithm of softmax(logits) at the label.

y_true          integers (...) from 0 to C - 1, or distributions (..., C)
logits          (..., C))") +
             kClassesDoc + R"(

Gradients: cross_entropy_backward, cross_entropy_backward_true; both at once:
cross_entropy_with_gradient. torch.nn.functional.cross_entropy (logits first, classes on axis 1).)",
         [](Call& call) {
           Target target(call, "y_true");
           Operand logits = call.array("logits");
           Operand weight = call.array("weight");
           const ClassOptions options(call);
           call.refuse_recorded({&weight});
           if (target.is_labels) {
             return record(call, std::tie(logits, weight), [&](const auto& x, const auto& w) {
               return nn::cross_entropy(target.labels.view(), x, options.of_logits(value_of(w)));
             });
           }
           return record(call, std::tie(target.rows, logits, weight),
                         [&](const auto& t, const auto& x, const auto& w) {
                           return nn::cross_entropy(t, x, options.of_logits(value_of(w)));
                         });
         });
  nn.def(
      std::string("cross_entropy_with_gradient(y_true, logits, ") + kClasses +
          ") -> tuple[Array, Array]",
      std::string("cross_entropy and its gradient for the logits, (loss, gradient), in one pass: "
                  "for dy = 1.\n\ny_true          integers (...), or distributions (..., C)\n"
                  "logits          (..., C)") +
          kClassesDoc,
      [](Call& call) {
        Target target(call, "y_true");
        Operand logits = call.array("logits");
        Operand weight = call.array("weight");
        const ClassOptions options(call);
        const auto both = [](auto&& result) {
          return std::tuple(std::move(result.loss), std::move(result.gradient));
        };
        if (target.is_labels) {
          return compute(call, std::tie(logits, weight), [&](const auto& x, const auto& w) {
            return both(
                nn::cross_entropy_with_gradient(target.labels.view(), x, options.of_logits(w)));
          });
        }
        return compute(call, std::tie(target.rows, logits, weight),
                       [&](const auto& t, const auto& x, const auto& w) {
                         return both(nn::cross_entropy_with_gradient(t, x, options.of_logits(w)));
                       });
      });
  nn.def(std::string("cross_entropy_backward(dy, y_true, logits, ") + kClasses +
             ", *, out=None) -> Array",
         "Gradient of cross_entropy for the logits: dy (softmax(logits) - the target).\n\n"
         "dy      as the result; the other arguments as there\nreturns (..., C)",
         [](Call& call) {
           Operand dy = call.array("dy");
           Target target(call, "y_true");
           Operand logits = call.array("logits");
           Operand weight = call.array("weight");
           const ClassOptions options(call);
           if (target.is_labels) {
             return compute(
                 call, std::tie(dy, logits, weight),
                 [&](const auto& d, const auto& x, const auto& w) {
                   return nn::cross_entropy_backward(d, target.labels.view(), x,
                                                     options.of_logits(w));
                 },
                 [&](const auto& d, const auto& x, const auto& w, const auto& out) {
                   nn::cross_entropy_backward_into(d, target.labels.view(), x, out,
                                                   options.of_logits(w));
                 });
           }
           return compute(call, std::tie(dy, target.rows, logits, weight),
                          [&](const auto& d, const auto& t, const auto& x, const auto& w) {
                            return nn::cross_entropy_backward(d, t, x, options.of_logits(w));
                          });
         });
  nn.def(std::string("cross_entropy_backward_true(dy, y_true, logits, ") + kClasses +
             ", *, out=None) -> Array",
         "Gradient of cross_entropy for target distributions.", [](Call& call) {
           Operand dy = call.array("dy");
           Operand target = call.array("y_true");
           Operand logits = call.array("logits");
           Operand weight = call.array("weight");
           const ClassOptions options(call);
           return compute(call, std::tie(dy, target, logits, weight),
                          [&](const auto& d, const auto& t, const auto& x, const auto& w) {
                            return nn::cross_entropy_backward_true(d, t, x, options.of_logits(w));
                          });
         });
}

/// A loss of labels and scores, f(labels, scores, mode, options), and its gradient.
template <class F, class B>
void def_label_loss(Module& nn, const std::string& name, const std::string& scores,
                    const std::string& doc, const F& f, const B& b) {
  const std::string parameters = std::string(kClasses) + ", epsilon=1e-07, *, out=None)";
  nn.def(name + "(y_true, " + scores + ", " + parameters + " -> Recorded",
         doc + "\n\ny_true          integers (...) from 0 to C - 1\n" + scores +
             "          (..., C)" + kClassesDoc + "\n\nGradient: " + name + "_backward.",
         [=](Call& call) {
           const Integers labels = call.integers("y_true");
           Operand x = call.array(scores);
           Operand weight = call.array("weight");
           const ClassOptions options(call);
           call.refuse_recorded({&weight});
           return record(call, std::tie(x, weight), [&](const auto& a, const auto& w) {
             return f(labels.view(), a, options.mode, options.of_probabilities(value_of(w)));
           });
         });
  nn.def(name + "_backward(dy, y_true, " + scores + ", " + parameters + " -> Array",
         "Gradient of " + name + " for " + scores + ".", [=](Call& call) {
           Operand dy = call.array("dy");
           const Integers labels = call.integers("y_true");
           Operand x = call.array(scores);
           Operand weight = call.array("weight");
           const ClassOptions options(call);
           return compute(
               call, std::tie(dy, x, weight), [&](const auto& d, const auto& a, const auto& w) {
                 return b(d, labels.view(), a, options.mode, options.of_probabilities(w));
               });
         });
}

void def_probabilities(Module& nn) {
  def_label_loss(
      nn, "sparse_categorical_cross_entropy", "y_pred",
      "Cross entropy of probabilities and labels: -log(max(y_pred[label], epsilon)).",
      [](const auto& t, const auto& p, ReductionMode mode, const auto& options) {
        return nn::sparse_categorical_cross_entropy(t, p, mode, options);
      },
      [](const auto& d, const auto& t, const auto& p, ReductionMode mode, const auto& options) {
        return nn::sparse_categorical_cross_entropy_backward(d, t, p, mode, options);
      });
  def_label_loss(
      nn, "nll_loss", "log_probs",
      "Minus the logarithm of the probability of the label, from log_softmax.",
      [](const auto& t, const auto& p, ReductionMode mode, const auto& options) {
        return nn::nll_loss(t, p, mode, options);
      },
      [](const auto& d, const auto& t, const auto& p, ReductionMode mode, const auto& options) {
        return nn::nll_loss_backward(d, t, p, mode, options);
      });
  const std::string parameters = std::string(kClasses) + ", epsilon=1e-07, *, out=None)";
  nn.def("categorical_cross_entropy(y_true, y_pred, " + parameters + " -> Recorded",
         std::string("Cross entropy of probabilities and target distributions: -sum over c of "
                     "y_true log(max(y_pred, epsilon)).\n\ny_true, y_pred  (..., C)") +
             kClassesDoc +
             "\n\nGradients: categorical_cross_entropy_backward, _backward_true. Prefer "
             "cross_entropy.",
         [](Call& call) {
           Operand t = call.array("y_true");
           Operand p = call.array("y_pred");
           Operand weight = call.array("weight");
           const ClassOptions options(call);
           call.refuse_recorded({&weight});
           return record(call, std::tie(t, p, weight),
                         [&](const auto& a, const auto& b, const auto& w) {
                           return nn::categorical_cross_entropy(
                               a, b, options.mode, options.of_probabilities(value_of(w)));
                         });
         });
  for (const bool of_target : {false, true}) {
    nn.def(std::string(of_target ? "categorical_cross_entropy_backward_true"
                                 : "categorical_cross_entropy_backward") +
               "(dy, y_true, y_pred, " + parameters + " -> Array",
           std::string("Gradient of categorical_cross_entropy for ") +
               (of_target ? "y_true." : "y_pred."),
           [of_target](Call& call) {
             Operand dy = call.array("dy");
             Operand t = call.array("y_true");
             Operand p = call.array("y_pred");
             Operand weight = call.array("weight");
             const ClassOptions options(call);
             return compute(call, std::tie(dy, t, p, weight),
                            [&](const auto& d, const auto& a, const auto& b, const auto& w) {
                              return of_target
                                         ? nn::categorical_cross_entropy_backward_true(
                                               d, a, b, options.mode, options.of_probabilities(w))
                                         : nn::categorical_cross_entropy_backward(
                                               d, a, b, options.mode, options.of_probabilities(w));
                            });
           });
  }
}

constexpr const char* kRows = R"(
reduction "mean" (over rows), "sum" or "none"
returns   () for "mean" and "sum", (...) for "none")";

void def_multilabel(Module& nn) {
  nn.def(
      "multi_margin_loss(y_true, x, reduction=\"mean\", p=1, margin=1.0, weight=None, *, out=None) "
      "-> Recorded",
      std::string(R"(
Multi-class hinge loss: sum over c other than the label of max(0, margin - x[label] + x[c])^p / C.

y_true    integers (...) from 0 to C - 1
x         (..., C)
weight    (C))") +
          kRows + "\n\nGradient: multi_margin_loss_backward. Crammer and Singer 2001.",
      [](Call& call) {
        const Integers labels = call.integers("y_true");
        Operand x = call.array("x");
        Operand weight = call.array("weight");
        const ReductionMode mode = call.reduction();
        const int p = call.axis("p");
        const double margin = call.number("margin");
        call.refuse_recorded({&weight});
        return record(call, std::tie(x, weight), [&](const auto& a, const auto& w) {
          return nn::multi_margin_loss(labels.view(), a, mode, {p, margin, value_of(w)});
        });
      });
  nn.def(
      "multi_margin_loss_backward(dy, y_true, x, reduction=\"mean\", p=1, margin=1.0, weight=None, "
      "*, out=None) -> Array",
      "Gradient of multi_margin_loss for x.", [](Call& call) {
        Operand dy = call.array("dy");
        const Integers labels = call.integers("y_true");
        Operand x = call.array("x");
        Operand weight = call.array("weight");
        const ReductionMode mode = call.reduction();
        const int p = call.axis("p");
        const double margin = call.number("margin");
        return compute(
            call, std::tie(dy, x, weight), [&](const auto& d, const auto& a, const auto& w) {
              return nn::multi_margin_loss_backward(d, labels.view(), a, mode, {p, margin, w});
            });
      });
  nn.def("multi_label_margin_loss(y_true, x, reduction=\"mean\", *, out=None) -> Recorded",
         std::string(R"(
Multi-label hinge loss: sum over labels l and other classes c of max(0, 1 - x[l] + x[c]) / C.

y_true    integers (..., C): the labels of each row, ended by -1
x         (..., C))") +
             kRows + "\n\nGradient: multi_label_margin_loss_backward.",
         [](Call& call) {
           const Integers labels = call.integers("y_true");
           Operand x = call.array("x");
           const ReductionMode mode = call.reduction();
           return record(call, std::tie(x), [&](const auto& a) {
             return nn::multi_label_margin_loss(labels.view(), a, mode);
           });
         });
  nn.def(
      "multi_label_margin_loss_backward(dy, y_true, x, reduction=\"mean\", *, out=None) -> Array",
      "Gradient of multi_label_margin_loss for x.", [](Call& call) {
        Operand dy = call.array("dy");
        const Integers labels = call.integers("y_true");
        Operand x = call.array("x");
        const ReductionMode mode = call.reduction();
        return compute(call, std::tie(dy, x), [&](const auto& d, const auto& a) {
          return nn::multi_label_margin_loss_backward(d, labels.view(), a, mode);
        });
      });
  nn.def(
      "multi_label_soft_margin_loss(y_true, logits, reduction=\"mean\", weight=None, *, out=None) "
      "-> Recorded",
      std::string(R"(
Multi-label cross entropy: bce_with_logits, the mean over the classes of each row.

y_true    (..., C) of 0 and 1
logits    (..., C)
weight    (C))") +
          kRows + "\n\nGradient: multi_label_soft_margin_loss_backward.",
      [](Call& call) {
        Operand t = call.array("y_true");
        Operand x = call.array("logits");
        Operand weight = call.array("weight");
        const ReductionMode mode = call.reduction();
        call.refuse_recorded({&t, &weight});
        return record(call, std::tie(t, x, weight),
                      [&](const auto& a, const auto& b, const auto& w) {
                        return nn::multi_label_soft_margin_loss(value_of(a), b, mode, value_of(w));
                      });
      });
  nn.def(
      "multi_label_soft_margin_loss_backward(dy, y_true, logits, reduction=\"mean\", weight=None, "
      "*, out=None) -> Array",
      "Gradient of multi_label_soft_margin_loss for the logits.", [](Call& call) {
        Operand dy = call.array("dy");
        Operand t = call.array("y_true");
        Operand x = call.array("logits");
        Operand weight = call.array("weight");
        const ReductionMode mode = call.reduction();
        return compute(call, std::tie(dy, t, x, weight),
                       [&](const auto& d, const auto& a, const auto& b, const auto& w) {
                         return nn::multi_label_soft_margin_loss_backward(d, a, b, mode, w);
                       });
      });
}

void def_ctc(Module& nn) {
  const std::string parameters =
      "y_true, log_probs, input_lengths, target_lengths, reduction=\"mean\", blank=0, "
      "zero_infinity=False, *, out=None)";
  nn.def("ctc_loss(" + parameters + " -> Recorded", R"(
Connectionist temporal classification: -log of the probability that the frames' classes, after
repeated ones are merged and blanks removed, spell the target.

y_true         integers (N, S), of which the first target_lengths[n] count
log_probs      (T, N, C), from log_softmax, of which the first input_lengths[n] frames count
input_lengths, target_lengths (N)
reduction      "mean": of each loss divided by the length of its target; "sum" or "none"
blank          the class that stands for no label
zero_infinity  targets that cannot fit count 0
returns        () for "mean" and "sum", (N) for "none"

Gradient: ctc_loss_backward. torch.nn.functional.ctc_loss (log_probs first). Graves et al. 2006.)",
         [](Call& call) {
           const Integers labels = call.integers("y_true");
           Operand x = call.array("log_probs");
           const Integers frames = call.integers("input_lengths");
           const Integers lengths = call.integers("target_lengths");
           const ReductionMode mode = call.reduction();
           const nn::CtcOptions options{call.index("blank"), call.flag("zero_infinity")};
           return record(call, std::tie(x), [&](const auto& a) {
             return nn::ctc_loss(labels.view(), a, frames.view(), lengths.view(), mode, options);
           });
         });
  nn.def("ctc_loss_backward(dy, " + parameters + " -> Array", "Gradient of ctc_loss for log_probs.",
         [](Call& call) {
           Operand dy = call.array("dy");
           const Integers labels = call.integers("y_true");
           Operand x = call.array("log_probs");
           const Integers frames = call.integers("input_lengths");
           const Integers lengths = call.integers("target_lengths");
           const ReductionMode mode = call.reduction();
           const nn::CtcOptions options{call.index("blank"), call.flag("zero_infinity")};
           return compute(call, std::tie(dy, x), [&](const auto& d, const auto& a) {
             return nn::ctc_loss_backward(d, labels.view(), a, frames.view(), lengths.view(), mode,
                                          options);
           });
         });
}

void def_pairs(Module& nn) {
  const auto pair = [](auto&& gradients) {
    return std::tuple(std::move(gradients.x1), std::move(gradients.x2));
  };
  nn.def(
      "cosine_embedding_loss(x1, x2, y, margin=0.0, reduction=\"mean\", *, out=None) -> Recorded",
      std::string(R"(
1 - cos where y = 1 and max(0, cos - margin) where y = -1; cos = x1 . x2 / (|x1| |x2|).

x1, x2    (..., D)
y         (...) of 1 and -1, or one number for all)") +
          kRows + "\n\nGradients: cosine_embedding_loss_backward.",
      [](Call& call) {
        Operand a = call.array("x1");
        Operand b = call.array("x2");
        Operand y = call.array("y");
        const double margin = call.number("margin");
        const ReductionMode mode = call.reduction();
        call.refuse_recorded({&y});
        const bool one = y.defined() && !y.has_type();
        return record(call, std::tie(a, b, y), [&](const auto& u, const auto& v, const auto& w) {
          return one && value_of(w).rank() == 0
                     ? nn::cosine_embedding_loss(u, v, value_of(w).item(), margin, mode)
                     : nn::cosine_embedding_loss(u, v, value_of(w), margin, mode);
        });
      });
  nn.def(
      "cosine_embedding_loss_backward(dy, x1, x2, y, margin=0.0, reduction=\"mean\") -> "
      "tuple[Array, Array]",
      "Gradients of cosine_embedding_loss for x1 and x2.", [=](Call& call) {
        Operand dy = call.array("dy");
        Operand a = call.array("x1");
        Operand b = call.array("x2");
        Operand y = call.array("y");
        const double margin = call.number("margin");
        const ReductionMode mode = call.reduction();
        const bool one = y.defined() && !y.has_type();
        return compute(
            call, std::tie(dy, a, b, y),
            [&](const auto& d, const auto& u, const auto& v, const auto& w) {
              return pair(one && w.rank() == 0
                              ? nn::cosine_embedding_loss_backward(d, u, v, w.item(), margin, mode)
                              : nn::cosine_embedding_loss_backward(d, u, v, w, margin, mode));
            });
      });
  nn.def(
      "contrastive_loss(y_true, x1, x2, margin=1.0, reduction=\"mean\", *, out=None) -> Recorded",
      std::string(R"(
y_true d^2 / 2 + (1 - y_true) max(0, margin - d)^2 / 2, d = |x1 - x2|.

y_true    (...): 1 for pairs that belong together, 0 for others
x1, x2    (..., D))") +
          kRows + "\n\nGradients: contrastive_loss_backward. Hadsell, Chopra and LeCun 2006.",
      [](Call& call) {
        Operand t = call.array("y_true");
        Operand a = call.array("x1");
        Operand b = call.array("x2");
        const double margin = call.number("margin");
        const ReductionMode mode = call.reduction();
        call.refuse_recorded({&t});
        return record(call, std::tie(t, a, b), [&](const auto& w, const auto& u, const auto& v) {
          return nn::contrastive_loss(value_of(w), u, v, margin, mode);
        });
      });
  nn.def(
      "contrastive_loss_backward(dy, y_true, x1, x2, margin=1.0, reduction=\"mean\") -> "
      "tuple[Array, Array]",
      "Gradients of contrastive_loss for x1 and x2.", [=](Call& call) {
        Operand dy = call.array("dy");
        Operand t = call.array("y_true");
        Operand a = call.array("x1");
        Operand b = call.array("x2");
        const double margin = call.number("margin");
        const ReductionMode mode = call.reduction();
        return compute(call, std::tie(dy, t, a, b),
                       [&](const auto& d, const auto& w, const auto& u, const auto& v) {
                         return pair(nn::contrastive_loss_backward(d, w, u, v, margin, mode));
                       });
      });
  const std::string triplet =
      "anchor, positive, negative, reduction=\"mean\", margin=1.0, p=2.0, epsilon=1e-06, "
      "swap=False";
  const auto options_of = [](const Call& call) {
    return nn::TripletMarginOptions{call.number("margin"), call.number("p"), call.number("epsilon"),
                                    call.flag("swap")};
  };
  nn.def("triplet_margin_loss(" + triplet + ", *, out=None) -> Recorded",
         std::string(R"(
max(0, d(anchor, positive) - d(anchor, negative) + margin), d(a, b) = (sum |a - b + epsilon|^p)^(1/p).

anchor, positive, negative (..., D)
swap      use the nearer of anchor and positive as seen from negative)") +
             kRows + "\n\nGradients: triplet_margin_loss_backward. Schroff et al. 2015.",
         [=](Call& call) {
           Operand a = call.array("anchor");
           Operand b = call.array("positive");
           Operand c = call.array("negative");
           const ReductionMode mode = call.reduction();
           const nn::TripletMarginOptions options = options_of(call);
           return record(call, std::tie(a, b, c), [&](const auto& u, const auto& v, const auto& w) {
             return nn::triplet_margin_loss(u, v, w, mode, options);
           });
         });
  nn.def("triplet_margin_loss_backward(dy, " + triplet + ") -> tuple[Array, Array, Array]",
         "Gradients of triplet_margin_loss for anchor, positive and negative.", [=](Call& call) {
           Operand dy = call.array("dy");
           Operand a = call.array("anchor");
           Operand b = call.array("positive");
           Operand c = call.array("negative");
           const ReductionMode mode = call.reduction();
           const nn::TripletMarginOptions options = options_of(call);
           return compute(
               call, std::tie(dy, a, b, c),
               [&](const auto& d, const auto& u, const auto& v, const auto& w) {
                 auto gradients = nn::triplet_margin_loss_backward(d, u, v, w, mode, options);
                 return std::tuple(std::move(gradients.anchor), std::move(gradients.positive),
                                   std::move(gradients.negative));
               });
         });
}

}  // namespace

void def_class_losses(Module& nn) {
  def_cross_entropy(nn);
  def_probabilities(nn);
  def_multilabel(nn);
  def_ctc(nn);
  def_pairs(nn);
}

}  // namespace lamina::python
