#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string_view>

// The exchange format of tensors between libraries, as
// https://dmlc.github.io/dlpack/latest/c_api.html describes it (version 0.x: capsules called
// "dltensor").

namespace lamina::python {

namespace py = pybind11;

namespace dlpack {
struct Device {
  std::int32_t type;
  std::int32_t id;
};
inline constexpr std::int32_t kCpu = 1;
inline constexpr std::int32_t kPinned = 3;  // host memory that a GPU reads too

struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};
inline constexpr std::uint8_t kFloat = 2;

struct TensorInfo {
  void* data;
  Device device;
  std::int32_t rank;
  DataType type;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null: row-major
  std::uint64_t byte_offset;
};

struct ManagedTensor {
  TensorInfo tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};
}  // namespace dlpack

/// Whether an object offers its elements by DLPack.
[[nodiscard]] bool has_dlpack(py::handle object);

/// Takes over the tensor that `object` offers. `owner` gives it back when it is destroyed.
/// TypeError if it lies on a device other than the CPU.
[[nodiscard]] const dlpack::TensorInfo& take_dlpack(py::handle object, std::string_view operation,
                                                    std::string_view argument, py::object& owner);

}  // namespace lamina::python
