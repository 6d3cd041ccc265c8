#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "lamina/export.hpp"

namespace lamina {

/// What went wrong, in the guide's terms and a few more.
enum class ErrorKind : std::uint8_t {
  DimensionMismatch,  ///< shapes, ranks or lengths do not fit together
  InvalidOperation,   ///< an option or argument has a value without meaning
  ConversionError,    ///< a value does not fit the wanted type
  IndexOutOfBounds,   ///< an index or label is outside its range
  ParseError,         ///< a file or text is malformed
  IoError,            ///< the operating system refused
  Unsupported,        ///< meaningful, but not to be had here
};

/// The enumerator's name, e.g. "DimensionMismatch".
[[nodiscard]] LAMINA_EXPORT std::string_view to_string(ErrorKind kind) noexcept;

/// The one exception type of the library. `what()` names the operation, the argument, what was
/// expected and what came, with all shapes.
class LAMINA_EXPORT Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string_view operation, std::string_view message);
  ~Error() override;
  Error(const Error&) = default;
  Error& operator=(const Error&) = default;

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

namespace detail {
[[noreturn]] LAMINA_EXPORT void throw_error(ErrorKind kind, std::string_view operation,
                                            const std::string& message);

template <class... Parts>
[[noreturn]] void throw_parts(ErrorKind kind, std::string_view operation, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw_error(kind, operation, text.str());
}
}  // namespace detail

/// Throws `Error(kind, operation, parts...)` unless `condition` holds. The parts are streamed only
/// on failure. Message: "operation: parts".
template <class... Parts>
void check(bool condition, ErrorKind kind, std::string_view operation, const Parts&... parts) {
  if (!condition) [[unlikely]] {
    detail::throw_parts(kind, operation, parts...);
  }
}

}  // namespace lamina
