#include "lamina/core/error.hpp"

namespace lamina {

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::DimensionMismatch:
      return "DimensionMismatch";
    case ErrorKind::InvalidOperation:
      return "InvalidOperation";
    case ErrorKind::ConversionError:
      return "ConversionError";
    case ErrorKind::IndexOutOfBounds:
      return "IndexOutOfBounds";
    case ErrorKind::ParseError:
      return "ParseError";
    case ErrorKind::IoError:
      return "IoError";
    case ErrorKind::Unsupported:
      return "Unsupported";
  }
  return "unknown";
}

Error::Error(ErrorKind kind, std::string_view operation, std::string_view message)
    : std::runtime_error(std::string(operation) + ": " + std::string(message)), kind_(kind) {}

Error::~Error() = default;

void detail::throw_error(ErrorKind kind, std::string_view operation, const std::string& message) {
  throw Error(kind, operation, message);
}

}  // namespace lamina
