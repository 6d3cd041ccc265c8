#include <filesystem>

#include "commands.hpp"
#include "lamina/core/error.hpp"

namespace lamina::tool {

std::string find_digits(const std::string& wanted) {
  namespace fs = std::filesystem;
  if (!wanted.empty()) {
    return wanted;
  }
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path place = program.parent_path().parent_path() / LAMINA_DIGITS_BELOW_PREFIX;
  check(fs::exists(place, ignored), ErrorKind::IoError, "lamina", "the digits are not at ",
        place.string(), "; name the file with --data");
  return place.string();
}

}  // namespace lamina::tool
