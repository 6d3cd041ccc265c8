#pragma once

#include <string>

#include "lamina/core/function_ref.hpp"
#include "lamina/core/index.hpp"
#include "lamina/export.hpp"

namespace lamina {

/// Calls `body(begin, end)` for the chunks [0, grain), [grain, 2 grain) ... of [0, n), on several
/// threads when there is more than one chunk. The cut depends on n and grain alone, never on the
/// number of threads. Returns when every chunk is done. A call from inside a body runs inline. If
/// bodies throw, the exception of the lowest chunk that threw is rethrown. Error: grain < 1, n < 0.
LAMINA_EXPORT void parallel_for(Index n, Index grain,
                                FunctionRef<void(Index begin, Index end)> body);

/// Threads that parallel_for may use, the caller's included.
[[nodiscard]] LAMINA_EXPORT int num_threads();

}  // namespace lamina
