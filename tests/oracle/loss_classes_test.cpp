// Losses over classes, of several labels, and of sequences against PyTorch.

#include "lamina/autograd/ops_loss.hpp"
#include "lamina/autograd/ops_loss_embedding.hpp"
#include "lamina/autograd/ops_softmax.hpp"
#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

using Labels = View<std::int64_t>;

template <class T>
using Loss = std::function<Var<T>(const Inputs<T>&, ReductionMode)>;
template <class T>
using Losses = std::map<std::string, Loss<T>>;

template <class T>
const Array<T>& constant(const char* name) {
  static std::map<std::string, Array<T>> all;
  const auto found = all.find(name);
  return found != all.end() ? found->second : all.emplace(name, numbers<T>(name)).first->second;
}

template <class T>
void add_labels(Losses<T>& losses) {
  const View<T> weight = constant<T>("weight");
  const std::map<std::string, nn::ClassLossOptions<T>> options{
      {"plain", {}},
      {"ignore", {.ignore_index = 2}},
      {"smooth", {.label_smoothing = 0.1}},
      {"weight", {.weight = weight}},
      {"all", {.weight = weight, .ignore_index = 2, .label_smoothing = 0.2}},
  };
  for (const auto& entry : options) {
    const std::string& name = entry.first;
    const nn::ClassLossOptions<T>& o = entry.second;
    losses[std::string("cross_entropy_").append(name)] = [o](const Inputs<T>& in,
                                                             ReductionMode mode) {
      return nn::cross_entropy(integers("labels"), in[0],
                               {.mode = mode,
                                .weight = o.weight,
                                .ignore_index = o.ignore_index,
                                .label_smoothing = o.label_smoothing});
    };
    if (o.label_smoothing != 0) {
      continue;
    }
    losses[std::string("nll_").append(name)] = [o](const Inputs<T>& in, ReductionMode mode) {
      return nn::nll_loss(integers("labels"), in[0], mode, o);
    };
    losses[std::string("sparse_").append(name)] = [o](const Inputs<T>& in, ReductionMode mode) {
      return nn::sparse_categorical_cross_entropy(integers("labels"), in[0], mode, o);
    };
  }
  for (const char* labels : {"positions", "one"}) {
    losses[std::string("cross_entropy_") + labels] = [labels](const Inputs<T>& in,
                                                              ReductionMode mode) {
      return nn::cross_entropy(integers(labels), in[0], {.mode = mode});
    };
  }
}

template <class T>
void add_distributions(Losses<T>& losses) {
  const auto soft = [](const Inputs<T>& in, ReductionMode mode) {
    return nn::cross_entropy<T>(in[1], in[0], {.mode = mode});
  };
  losses["cross_entropy_soft"] = soft;
  losses["cross_entropy_soft_positions"] = soft;
  losses["cross_entropy_soft_all"] = [](const Inputs<T>& in, ReductionMode mode) {
    return nn::cross_entropy<T>(
        in[1], in[0], {.mode = mode, .weight = constant<T>("weight"), .label_smoothing = 0.2});
  };
  losses["categorical"] = [](const Inputs<T>& in, ReductionMode mode) {
    return nn::categorical_cross_entropy<T>(in[1], in[0], mode);
  };
  losses["categorical_all"] = [](const Inputs<T>& in, ReductionMode mode) {
    return nn::categorical_cross_entropy<T>(
        in[1], in[0], mode, {.weight = constant<T>("weight"), .label_smoothing = 0.2});
  };
}

template <class T>
void add_several_labels(Losses<T>& losses) {
  losses["multi_margin"] = [](const Inputs<T>& in, ReductionMode mode) {
    return nn::multi_margin_loss(integers("labels"), in[0], mode);
  };
  losses["multi_margin_all"] = [](const Inputs<T>& in, ReductionMode mode) {
    return nn::multi_margin_loss(integers("labels"), in[0], mode,
                                 {.p = 2, .margin = 0.6, .weight = constant<T>("weight")});
  };
  losses["multi_label_margin"] = [](const Inputs<T>& in, ReductionMode mode) {
    return nn::multi_label_margin_loss(integers("several"), in[0], mode);
  };
  losses["multi_label_soft_margin"] = [](const Inputs<T>& in, ReductionMode mode) {
    return nn::multi_label_soft_margin_loss<T>(constant<T>("yes"), in[0], mode);
  };
  losses["multi_label_soft_margin_weight"] = [](const Inputs<T>& in, ReductionMode mode) {
    return nn::multi_label_soft_margin_loss<T>(constant<T>("yes"), in[0], mode,
                                               constant<T>("weight"));
  };
}

template <class T>
void add_ctc(Losses<T>& losses) {
  const auto ctc = [&](const char* name, const char* labels, const char* frames,
                       const nn::CtcOptions& options) {
    losses[name] = [labels, frames, options](const Inputs<T>& in, ReductionMode mode) {
      return nn::ctc_loss(integers(labels), nn::log_softmax(in[0]), integers(frames),
                          integers("ctc_letters"), mode, options);
    };
  };
  ctc("ctc_plain", "ctc_labels", "ctc_frames", {});
  ctc("ctc_blank", "ctc_other", "ctc_frames", {.blank = 4});
  ctc("ctc_zero_infinity", "ctc_labels", "ctc_tight", {.zero_infinity = true});
}

template <class T>
Cases<T> all_cases() {
  Losses<T> losses;
  add_labels(losses);
  add_distributions(losses);
  add_several_labels(losses);
  add_ctc(losses);
  Cases<T> cases;
  for (const auto& entry : losses) {
    const Loss<T>& loss = entry.second;
    for (const ReductionMode mode :
         {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
      cases[key(entry.first, to_string(mode))] = {
          [loss, mode](const Inputs<T>& in) { return loss(in, mode); }};
    }
  }
  cases["cross_entropy/broadcast"] = {
      [](const Inputs<T>& in) { return nn::cross_entropy(integers("labels"), in[0]); }};
  return cases;
}

LAMINA_ORACLE_TESTS(ClassLossOracle)

}  // namespace
}  // namespace lamina::oracle
