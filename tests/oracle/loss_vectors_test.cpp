// Losses of pairs and triplets of vectors against PyTorch.

#include "lamina/autograd/ops_loss_embedding.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  static const Array<T> signs = numbers<T>("signs");
  static const Array<T> pairs = numbers<T>("pairs");
  for (const ReductionMode mode : {ReductionMode::None, ReductionMode::Mean, ReductionMode::Sum}) {
    const auto add = [&](const std::string& name, Run<T> run) {
      cases[key(name, to_string(mode))] = {std::move(run)};
    };
    const auto cosine = [&](const char* name, double margin) {
      add(name, [margin, mode](const Inputs<T>& in) {
        return nn::cosine_embedding_loss<T>(in[0], in[1], signs.view(), margin, mode);
      });
    };
    cosine("cosine_0.0", 0.0);
    cosine("cosine_0.2", 0.2);
    const auto contrastive = [&](const char* name, double margin) {
      add(name, [margin, mode](const Inputs<T>& in) {
        return nn::contrastive_loss<T>(pairs, in[0], in[1], margin, mode);
      });
    };
    contrastive("contrastive_1.0", 1.0);
    contrastive("contrastive_4.0", 4.0);
    const auto triplet = [&](const char* name, const nn::TripletMarginOptions& options) {
      add(name, [options, mode](const Inputs<T>& in) {
        return nn::triplet_margin_loss<T>(in[0], in[1], in[2], mode, options);
      });
    };
    triplet("triplet_plain", {});
    triplet("triplet_p1", {.p = 1});
    triplet("triplet_p3", {.margin = 2, .p = 3});
    triplet("triplet_swap", {.swap = true});
    triplet("triplet_epsilon", {.margin = 0.3, .epsilon = 0.01});
  }
  cases["triplet/broadcast"] = {
      [](const Inputs<T>& in) { return nn::triplet_margin_loss<T>(in[0], in[1], in[2]); }};
  return cases;
}

LAMINA_ORACLE_TESTS(VectorLossOracle)

}  // namespace
}  // namespace lamina::oracle
