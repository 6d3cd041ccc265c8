// Losses that compare element by element against PyTorch.

#include "lamina/autograd/ops_loss.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
using Loss = std::function<Var<T>(const Inputs<T>&, ReductionMode)>;

template <class T>
const Array<T>& constant(const char* name) {
  static std::map<std::string, Array<T>> all;
  const auto found = all.find(name);
  return found != all.end() ? found->second : all.emplace(name, numbers<T>(name)).first->second;
}

template <class T>
std::map<std::string, Loss<T>> regression() {
  using In = const Inputs<T>&;
  using Mode = ReductionMode;
  return {
      {"mse", [](In in, Mode m) { return nn::mse_loss<T>(in[1], in[0], m); }},
      {"l1", [](In in, Mode m) { return nn::l1_loss<T>(in[1], in[0], m); }},
      {"huber_0.5", [](In in, Mode m) { return nn::huber_loss<T>(in[1], in[0], 0.5, m); }},
      {"huber_2.0", [](In in, Mode m) { return nn::huber_loss<T>(in[1], in[0], 2.0, m); }},
      {"smooth_l1_0.0", [](In in, Mode m) { return nn::smooth_l1_loss<T>(in[1], in[0], m, 0.0); }},
      {"smooth_l1_0.7", [](In in, Mode m) { return nn::smooth_l1_loss<T>(in[1], in[0], m, 0.7); }},
      {"log_cosh", [](In in, Mode m) { return nn::log_cosh_loss<T>(in[1], in[0], m); }},
      {"poisson_nll",
       [](In in, Mode m) { return nn::poisson_nll_loss<T>(constant<T>("counts"), in[0], m); }},
      {"poisson_nll_full",
       [](In in, Mode m) {
         return nn::poisson_nll_loss<T>(constant<T>("counts"), in[0], m, {.full = true});
       }},
      {"poisson_nll_rate",
       [](In in, Mode m) {
         return nn::poisson_nll_loss<T>(constant<T>("counts"), in[0], m,
                                        {.log_input = false, .full = true, .epsilon = 1e-3});
       }},
      {"gaussian_nll",
       [](In in, Mode m) { return nn::gaussian_nll_loss<T>(in[1], in[0], in[2], m); }},
      {"gaussian_nll_full",
       [](In in, Mode m) {
         return nn::gaussian_nll_loss<T>(in[1], in[0], in[2], m, {.full = true});
       }},
      {"margin_ranking_0.0",
       [](In in, Mode m) {
         return nn::margin_ranking_loss<T>(constant<T>("signs"), in[0], in[1], 0.0, m);
       }},
      {"margin_ranking_0.4",
       [](In in, Mode m) {
         return nn::margin_ranking_loss<T>(constant<T>("signs"), in[0], in[1], 0.4, m);
       }},
  };
}

template <class T>
std::map<std::string, Loss<T>> classification() {
  using In = const Inputs<T>&;
  using Mode = ReductionMode;
  return {
      {"bce", [](In in, Mode m) { return nn::binary_cross_entropy<T>(in[1], in[0], m); }},
      {"bce_weighted",
       [](In in, Mode m) {
         return nn::binary_cross_entropy<T>(in[1], in[0], m, {.weight = constant<T>("row_weight")});
       }},
      {"torch_bce",
       [](In in, Mode m) { return nn::binary_cross_entropy<T>(constant<T>("shares"), in[0], m); }},
      {"bce_with_logits", [](In in, Mode m) { return nn::bce_with_logits<T>(in[1], in[0], m); }},
      {"bce_pos_weight",
       [](In in, Mode m) {
         return nn::bce_with_logits<T>(
             in[1], in[0], m,
             {.weight = constant<T>("weight"), .pos_weight = constant<T>("pos_weight")});
       }},
      {"torch_bce_with_logits",
       [](In in, Mode m) {
         return nn::bce_with_logits<T>(
             constant<T>("shares"), in[0], m,
             {.weight = constant<T>("row_weight"), .pos_weight = constant<T>("pos_weight")});
       }},
      {"focal", [](In in, Mode m) { return nn::focal_loss<T>(in[1], in[0], 0.25, 2.0, m); }},
      {"focal_options", [](In in, Mode m) { return nn::focal_loss<T>(in[1], in[0], 0.6, 1.5, m); }},
      {"focal_with_logits",
       [](In in, Mode m) { return nn::focal_loss_with_logits<T>(in[1], in[0], 0.25, 2.0, m); }},
      {"hinge", [](In in, Mode m) { return nn::hinge_loss<T>(in[1], in[0], m); }},
      {"squared_hinge", [](In in, Mode m) { return nn::squared_hinge_loss<T>(in[1], in[0], m); }},
      {"soft_margin",
       [](In in, Mode m) { return nn::soft_margin_loss<T>(constant<T>("signs"), in[0], m); }},
      {"kl_div",
       [](In in, Mode m) { return nn::kl_div_loss<T>(in[1], in[0], m, {.log_prediction = true}); }},
      {"kl_div_log_target",
       [](In in, Mode m) {
         return nn::kl_div_loss<T>(in[1], in[0], m, {.log_prediction = true, .log_target = true});
       }},
      {"kl_div_probabilities", [](In in, Mode m) { return nn::kl_div_loss<T>(in[1], in[0], m); }},
  };
}

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  for (const auto& group : {regression<T>(), classification<T>()}) {
    for (const auto& entry : group) {
      const Loss<T>& loss = entry.second;
      for (const ReductionMode mode :
           {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
        cases[key(entry.first, to_string(mode))] = {
            [loss, mode](const Inputs<T>& in) { return loss(in, mode); }};
      }
    }
  }
  cases["kl_div/batch_mean"] = {[](const Inputs<T>& in) {
    return nn::kl_div_loss<T>(in[1], in[0], ReductionMode::Mean,
                              {.log_prediction = true, .batch_mean = true});
  }};
  cases["mse/broadcast"] = {[](const Inputs<T>& in) { return nn::mse_loss<T>(in[1], in[0]); }};
  return cases;
}

LAMINA_ORACLE_TESTS(ElementwiseLossOracle)

}  // namespace
}  // namespace lamina::oracle
