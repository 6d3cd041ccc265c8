#include "work.hpp"

#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace lamina::python {

std::shared_mutex& kernel_lock() {
  static std::shared_mutex lock;
  return lock;
}

std::mutex& gradient_lock() {
  static std::mutex lock;
  return lock;
}

void install_fork_handlers() {
#if defined(__unix__) || defined(__APPLE__)
  // Before a fork the other threads end what they compute; they need no GIL for that.
  pthread_atfork(
      [] {
        kernel_lock().lock();
        gradient_lock().lock();
      },
      [] {
        gradient_lock().unlock();
        kernel_lock().unlock();
      },
      [] {
        // Unlocking is for the thread that locked, which the child's is not to every libc.
        new (&gradient_lock()) std::mutex;
        new (&kernel_lock()) std::shared_mutex;
      });
#endif
}

}  // namespace lamina::python
