// Dropout with given masks against PyTorch.

#include "lamina/nn/dropout.hpp"

#include "oracle/oracle.hpp"

namespace lamina::oracle {
namespace {

template <class T>
Cases<T> all_cases() {
  Cases<T> cases;
  for (const char* name : {"elements", "channels", "samples", "last", "broadcast"}) {
    const std::string which = std::string_view(name) == "broadcast" ? "elements" : name;
    cases[key("dropout", name)] = {[which](const Inputs<T>& in) {
      const Array<bool>& mask = flags(std::string("mask_").append(which));
      return autograd::make_var(nn::apply_dropout_mask(in[0].value(), mask, 0.3), {in[0]},
                                [&mask](Array<T> dy, autograd::Gradients<T>& gradients) {
                                  gradients.add(0, nn::apply_dropout_mask(dy, mask, 0.3));
                                });
    }};
  }
  return cases;
}

LAMINA_ORACLE_TESTS(DropoutOracle)

}  // namespace
}  // namespace lamina::oracle
