#pragma once

#include "lamina/core/parallel.hpp"

namespace lamina::detail {

constexpr int kMaxThreads = 1024;

/// How many threads to use unless the application says otherwise. Error: LAMINA_NUM_THREADS is no
/// number from 1 to kMaxThreads.
[[nodiscard]] ThreadChoice default_thread_choice();

}  // namespace lamina::detail
