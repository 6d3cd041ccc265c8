#pragma once

#include <string>

#include "lamina/core/error.hpp"

namespace lamina::testing {

/// What the error says that f throws.
template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace lamina::testing
