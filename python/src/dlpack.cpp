#include "dlpack.hpp"

#include <string>

namespace lamina::python {

bool has_dlpack(py::handle object) {
  return py::hasattr(object, "__dlpack__") && py::hasattr(object, "__dlpack_device__");
}

const dlpack::TensorInfo& take_dlpack(py::handle object, std::string_view operation,
                                      std::string_view argument, py::object& owner) {
  const auto device = py::cast<py::tuple>(object.attr("__dlpack_device__")());
  const auto kind = py::cast<int>(py::int_(device[0]));
  if (kind != dlpack::kCpu && kind != dlpack::kPinned) {
    throw py::type_error(std::string(operation) + ": " + std::string(argument) +
                         " lies on DLPack device type " + std::to_string(kind) +
                         ", lamina computes on the CPU: pass " + std::string(argument) + ".cpu()");
  }
  const py::object capsule = object.attr("__dlpack__")();
  auto* managed =
      static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (managed == nullptr) {
    throw py::error_already_set();
  }
  // From here on it is ours to give back.
  owner = py::capsule(managed, [](void* pointer) {
    auto* taken = static_cast<dlpack::ManagedTensor*>(pointer);
    if (taken->deleter != nullptr) {
      taken->deleter(taken);
    }
  });
  if (PyCapsule_SetName(capsule.ptr(), "used_dltensor") != 0) {
    throw py::error_already_set();
  }
  return managed->tensor;
}

}  // namespace lamina::python
