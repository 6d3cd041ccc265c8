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

  Module nn(root.def_submodule("nn"), "lamina.nn");
  def_activations(nn);
  def_linear(nn);
  def_convolutions(nn);
}

}  // namespace
}  // namespace lamina::python

PYBIND11_MODULE(_core, module) {
  module.doc() = "The compiled part of lamina.";
  lamina::python::def_module(module);
}
