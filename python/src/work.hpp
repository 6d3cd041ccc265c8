#pragma once

#include <pybind11/pybind11.h>

#include <mutex>
#include <shared_mutex>
#include <utility>

namespace lamina::python {

namespace py = pybind11;

/// Held shared by every operation, alone by what changes the kernels under them.
std::shared_mutex& kernel_lock();
/// Held by what changes gradients and parameters: a graph belongs to one thread at a time, and
/// Python threads may share one.
std::mutex& gradient_lock();
/// A child of fork() has one thread, and must not find the locks taken by the others.
void install_fork_handlers();

// Locks are taken without the GIL and given back before it is taken again, and no Python code runs
// under them: two threads cannot wait for each other.

/// Runs `body`, which must not touch Python objects, without the GIL.
template <class Body>
auto released(Body&& body) {
  const py::gil_scoped_release no_gil;
  const std::shared_lock lock(kernel_lock());
  return std::forward<Body>(body)();
}

/// The same for what changes gradients or parameters: one such body at a time.
template <class Body>
auto released_alone(Body&& body) {
  const py::gil_scoped_release no_gil;
  const std::shared_lock lock(kernel_lock());
  const std::lock_guard alone(gradient_lock());
  return std::forward<Body>(body)();
}

}  // namespace lamina::python
