#pragma once

#include <string>

#include "lamina/core/function_ref.hpp"
#include "lamina/core/index.hpp"
#include "lamina/export.hpp"

namespace lamina {

/// Calls `body(begin, end)` for the chunks [0, grain), [grain, 2 grain) ... of [0, n), on several
/// threads when there is more than one chunk. The cut depends on n and grain alone, never on the
/// number of threads; which thread runs which chunk is not fixed. Returns when every chunk is done.
///
/// A call from inside a body runs inline on its thread, in ascending order; so does a call made
/// while another application thread is inside parallel_for. (A region of one chunk is a plain call
/// of `body`, and calls inside it are not nested.) If bodies throw, the exception of the lowest
/// chunk that threw is rethrown and chunks above it may be left out. Threads compute with the
/// caller's rounding and denormal mode. The child of a fork starts its own threads when it needs
/// them.
///
/// Error(InvalidOperation): grain < 1; n < 0; LAMINA_SIMD or LAMINA_NUM_THREADS without meaning;
/// the body forked and the child, which has none of the threads, came back from it.
LAMINA_EXPORT void parallel_for(Index n, Index grain,
                                FunctionRef<void(Index begin, Index end)> body);

/// Threads that parallel_for may use, the caller's included.
[[nodiscard]] LAMINA_EXPORT int num_threads();

/// Lets parallel_for use `threads` threads, the caller's included, from the next region on. More
/// threads than CPUs are allowed; they then sleep instead of spinning. Results do not change.
/// Error(InvalidOperation) unless 1 <= threads <= 1024.
LAMINA_EXPORT void set_num_threads(int threads);

/// How many threads are used, and why that many.
struct ThreadChoice {
  int threads;
  std::string reason;
};

/// The number of threads and where it comes from: set_executor, set_num_threads, the environment
/// variable LAMINA_NUM_THREADS, OMP_NUM_THREADS (its first entry), or else the smaller of the CPUs
/// this process may run on and its cgroup CPU quota, rounded up. CPU affinity is read, never set.
[[nodiscard]] LAMINA_EXPORT ThreadChoice thread_choice();

/// Runs tasks for parallel_for in place of lamina's own threads: an application derives from it to
/// share its oneTBB, OpenMP or other threads.
class LAMINA_EXPORT Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor();
  /// Calls task(0) ... task(tasks - 1), each once, on any threads and in any order, and returns
  /// when all are done. `task` does not throw. May be called by several threads at once.
  virtual void run(Index tasks, FunctionRef<void(Index task)> task) = 0;
  /// Tasks that can run at the same time; lamina makes a few times as many.
  [[nodiscard]] virtual int concurrency() const = 0;
};

/// From the next region on, parallel_for runs on `executor`, which must outlive its use; nullptr:
/// lamina's own threads again (those that run now end at the next set_num_threads or at exit).
LAMINA_EXPORT void set_executor(Executor* executor) noexcept;

}  // namespace lamina
