// One reader of files under libFuzzer; LAMINA_FUZZ_READER names it. Only lamina::Error may come
// out.
//
//   cmake -B build/fuzz -DCMAKE_CXX_COMPILER=clang++ -DLAMINA_BUILD_FUZZERS=ON \
//         -DLAMINA_SANITIZE=address,undefined -DLAMINA_SCALAR_ONLY=ON
//   cmake --build build/fuzz --target fuzz_npz
//   build/fuzz/tests/fuzz/fuzz_npz -max_len=4096 a_folder_with_examples

#include <cstddef>
#include <cstdint>
#include <span>

#include "lamina/core/error.hpp"
#include "lamina/data/csv.hpp"
#include "lamina/data/idx.hpp"
#include "lamina/io/npy.hpp"
#include "lamina/io/npz.hpp"
#include "lamina/io/safetensors.hpp"

namespace {

using Bytes = std::span<const std::byte>;

[[maybe_unused]] void read_safetensors(Bytes bytes) {
  (void)lamina::io::parse_safetensors(bytes);
}
[[maybe_unused]] void read_npy(Bytes bytes) {
  (void)lamina::io::parse_npy(bytes);
}
[[maybe_unused]] void read_npz(Bytes bytes) {
  (void)lamina::io::parse_npz(bytes);
}
[[maybe_unused]] void read_idx(Bytes bytes) {
  (void)lamina::data::parse_idx(bytes);
}
[[maybe_unused]] void read_csv(Bytes bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  (void)lamina::data::parse_csv<float>(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    LAMINA_FUZZ_READER(std::as_bytes(std::span(data, size)));
  } catch (const lamina::Error&) {
  }
  return 0;
}
