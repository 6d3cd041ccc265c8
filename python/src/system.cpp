#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

py::list names_of(const std::vector<simd::Target>& targets) {
  py::list names;
  for (const simd::Target target : targets) {
    names.append(py::str(std::string(simd::to_string(target))));
  }
  return names;
}

simd::Target target_by_name(const Call& call) {
  const std::string name = call.text("target");
  for (const simd::Target target : {simd::Target::Baseline, simd::Target::Sse4, simd::Target::Avx2,
                                    simd::Target::Avx512, simd::Target::Neon}) {
    if (simd::to_string(target) == name) {
      return target;
    }
  }
  throw py::value_error(
      "force: target must be \"baseline\", \"sse4\", \"avx2\", \"avx512\" or "
      "\"neon\"; it is \"" +
      name + "\"");
}

/// Waits for the operations of other threads: kernels are not changed under them.
template <class F>
void change_kernels(const F& f) {
  const py::gil_scoped_release no_gil;
  const std::unique_lock lock(kernel_lock());
  f();
}

void def_threads(Module& root) {
  root.def("num_threads() -> int", "Threads that an operation may use, the caller's included.",
           [](Call&) -> py::object { return py::int_(num_threads()); });
  root.def(
      "set_num_threads(threads) -> None",
      "Lets operations use so many threads, the caller's included. Results do not change, to "
      "the bit.\n\nthreads 1 to 1024. The environment variable LAMINA_NUM_THREADS does the same "
      "at the start.",
      [](Call& call) -> py::object {
        const int threads = call.axis("threads");
        {
          const py::gil_scoped_release no_gil;
          set_num_threads(threads);
        }
        return py::none();
      });
  root.def("thread_choice() -> tuple[int, str]", "How many threads are used, and why that many.",
           [](Call&) -> py::object {
             const ThreadChoice choice = thread_choice();
             return py::make_tuple(choice.threads, choice.reason);
           });
  root.def("memory_cache_bytes() -> int", "Bytes of freed large arrays that are kept for reuse.",
           [](Call&) -> py::object { return py::int_(memory_cache_bytes()); });
  root.def("memory_cache_limit() -> int", "The most that is kept for reuse.",
           [](Call&) -> py::object { return py::int_(memory_cache_limit()); });
  root.def("set_memory_cache_limit(bytes) -> None",
           "Sets the most that is kept for reuse, and frees what is above it.",
           [](Call& call) -> py::object {
             set_memory_cache_limit(static_cast<std::size_t>(call.seed("bytes")));
             return py::none();
           });
  root.def("trim_memory() -> None", "Gives all memory that is kept for reuse back to the system.",
           [](Call&) -> py::object {
             trim_memory();
             return py::none();
           });
}

py::dict capabilities() {
  using py::literals::operator""_a;
  const simd::PlatformCapabilities found = simd::detect_simd_capabilities();
  return py::dict(
      "simd_available"_a = found.simd_available, "gpu_available"_a = found.gpu_available,
      "cuda_available"_a = found.cuda_available, "opencl_available"_a = found.opencl_available,
      "metal_available"_a = found.metal_available, "sse_available"_a = found.sse_available,
      "avx2_available"_a = found.avx2_available, "avx512_available"_a = found.avx512_available,
      "neon_available"_a = found.neon_available, "cores"_a = found.cores,
      "cache_line_bytes"_a = found.cache_line_bytes, "l1_bytes"_a = found.l1_bytes,
      "l2_bytes"_a = found.l2_bytes, "l3_bytes"_a = found.l3_bytes, "cpu_model"_a = found.cpu_model,
      "summary"_a = found.summary());
}

/// The guide has these in nn, too.
void def_information(Module& module) {
  module.def("detect_simd_capabilities() -> dict[str, object]",
             "What this machine can do, asked of the CPU and the system.",
             [](Call&) -> py::object { return capabilities(); });
  module.def("get_simd_info() -> str", "Seven lines about the vectors of this CPU.",
             [](Call&) -> py::object { return py::str(simd::get_simd_info()); });
  module.def("is_simd_available() -> bool", "Whether functions run on vectors now.",
             [](Call&) -> py::object { return py::bool_(simd::is_simd_available()); });
  module.def("recommended_batch_size() -> int", "A batch size that keeps the vectors busy.",
             [](Call&) -> py::object { return py::int_(simd::recommended_batch_size()); });
}

void def_targets(Module& module) {
  module.def("built_targets() -> list[str]",
             "Instruction sets that this module was compiled for, best last.",
             [](Call&) -> py::object { return names_of(simd::built_targets()); });
  module.def("supported_targets() -> list[str]", "Those that this CPU can run, best last.",
             [](Call&) -> py::object { return names_of(simd::supported_targets()); });
  module.def("active_target() -> str", "The instruction set that functions run on now.",
             [](Call&) -> py::object {
               return py::str(std::string(simd::to_string(simd::active_target())));
             });
  module.def("force(target) -> None",
             "Makes every function run on one of supported_targets() from now on, in all threads. "
             "NotImplementedError for one that is not among them. The environment variable "
             "LAMINA_SIMD does the same at the start.",
             [](Call& call) -> py::object {
               const simd::Target target = target_by_name(call);
               change_kernels([&] { simd::force(target); });
               return py::none();
             });
  module.def("reset() -> None", "Back to the best target, or that of LAMINA_SIMD.",
             [](Call&) -> py::object {
               change_kernels([] { simd::reset(); });
               return py::none();
             });
  module.def("probe() -> tuple[str, int, int]",
             "Runs a small kernel: (its target, float32 and float64 elements in one vector).",
             [](Call&) -> py::object {
               const simd::Probe probe = simd::probe();
               return py::make_tuple(std::string(simd::to_string(probe.target)), probe.float_lanes,
                                     probe.double_lanes);
             });
}

}  // namespace

void def_system(Module& root, Module& nn) {
  def_threads(root);
  Module simd(root.module().def_submodule("simd"), "lamina.simd");
  def_targets(simd);
  def_information(simd);
  def_information(nn);
}

}  // namespace lamina::python
