// convert IN OUT IN OUT ...: reads arrays and writes them again. The endings .npy, .npz and
// .safetensors name the formats; OUT ending in .z.npz is compressed. Used by check_numpy.py.

#include <cstdio>
#include <string>

#include "lamina/io/npy.hpp"
#include "lamina/io/npz.hpp"
#include "lamina/io/safetensors.hpp"

namespace {

using namespace lamina;

io::NamedArrays load(const std::string& path) {
  if (path.ends_with(".npz")) {
    return io::load_npz(path);
  }
  if (path.ends_with(".safetensors")) {
    return io::load_safetensors(path).arrays;
  }
  io::NamedArrays arrays;
  arrays.add("array", io::load_npy(path));
  return arrays;
}

void save(const std::string& path, const io::NamedArrays& arrays) {
  if (path.ends_with(".npz")) {
    io::save_npz(path, arrays.views(), {.compress = path.ends_with(".z.npz")});
  } else if (path.ends_with(".safetensors")) {
    io::save_safetensors(path, arrays.views());
  } else {
    io::save_npy(path, arrays.views().front().view);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) {
    return lamina::io::has_compression() ? 0 : 1;
  }
  try {
    for (int i = 1; i + 1 < argc; i += 2) {
      save(argv[i + 1], load(argv[i]));
    }
  } catch (const lamina::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
