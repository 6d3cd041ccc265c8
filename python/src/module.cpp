#include "modules.hpp"

namespace lamina::python {
namespace {

void def_module(py::module_& root) {
  root.attr("__version__") = LAMINA_VERSION;
  install_fork_handlers();
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) {
        std::rethrow_exception(error);
      }
    } catch (const Error&) {
      translate_exception();
    }
  });

  def_tensor(root);
  Module top(root, "lamina");
  def_random(top);
  Module nn(root.def_submodule("nn"), "lamina.nn");
  def_activations(nn);
  def_arithmetic(nn);
  def_attention(nn);
  def_class_losses(nn);
  def_convolutions(nn);
  def_dropout(nn);
  def_linear(nn);
  def_losses(nn);
  def_multi_head_attention(root, nn);
  def_normalization(nn);
  def_pooling(nn);
  def_recurrent(nn);
  def_reductions(nn);
  def_simd_operations(nn);
  def_softmax(nn);
  def_transposed_convolutions(nn);
  def_system(top, nn);
  def_layers(root);
  def_optim(root, nn);
  def_files(root);
}

}  // namespace
}  // namespace lamina::python

PYBIND11_MODULE(_core, module) {
  module.doc() = "The compiled part of lamina.";
  lamina::python::def_module(module);
}
