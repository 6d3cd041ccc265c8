#include "lamina/core/parallel.hpp"

#include <algorithm>

#include "lamina/core/error.hpp"

namespace lamina {

void parallel_for(Index n, Index grain, FunctionRef<void(Index, Index)> body) {
  check(grain >= 1, ErrorKind::InvalidOperation, "parallel_for", "grain must be at least 1, got ",
        grain);
  check(n >= 0, ErrorKind::InvalidOperation, "parallel_for", "n must not be negative, got ", n);
  for (Index begin = 0; begin < n; begin += grain) {
    body(begin, std::min(n, begin + grain));
  }
}

int num_threads() {
  return 1;
}

}  // namespace lamina
