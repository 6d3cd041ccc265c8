// What process_test.cpp and simd_test.cpp run in a process of its own: runtime_child TASK.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "lamina/core/error.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"

namespace {

using namespace lamina;

/// Destroyed after the library's own static objects or before them, as the linker decides; both
/// must work.
struct Late {
  bool armed = false;
  Buffer<float> buffer;
  ~Late() {
    if (armed) {
      Index sum = 0;
      parallel_for(10, 10, [&](Index begin, Index end) { sum += end - begin; });
      std::vector<Index> parts(10);
      parallel_for(10, 1,
                   [&](Index begin, Index end) { parts[static_cast<std::size_t>(begin)] = end; });
      for (const Index part : parts) {
        sum += part;
      }
      std::printf("late %d\n", static_cast<int>(sum));
      std::fflush(stdout);
    }
  }
};
Late late;

void run(const std::string& task) {
  if (task == "threads") {
    const ThreadChoice choice = thread_choice();
    std::printf("%d %s", num_threads(), choice.reason.c_str());
  } else if (task == "simd") {
    std::printf("%s", std::string(simd::to_string(simd::active_target())).c_str());
  } else if (task == "reset") {  // force() is stronger than a wrong variable, reset() is not
    simd::force(simd::supported_targets().back());
    parallel_for(2, 1, [](Index, Index) {});
    simd::reset();
  } else if (task == "allocate") {
    const Buffer<float> buffer(4);
    std::printf("allocated");
  } else if (task == "region") {
    parallel_for(2, 2, [](Index, Index) {});
    std::printf("ran");
  } else if (task == "late") {
    set_num_threads(3);
    parallel_for(100, 1, [](Index, Index) {});
    late.armed = true;
    late.buffer = Buffer<float>(1 << 20);
  } else if (task == "exit-in-worker") {
    set_num_threads(2);
    const auto caller = std::this_thread::get_id();
    parallel_for(2, 1, [&](Index, Index) {
      if (std::this_thread::get_id() != caller) {
        std::exit(7);
      }
      for (;;) {
        std::this_thread::sleep_for(std::chrono::seconds(1));
      }
    });
  } else if (task == "exit-in-caller") {
    set_num_threads(2);
    parallel_for(64, 1, [&](Index, Index end) {
      if (end == 1) {  // the first chunk is the caller's
        std::exit(7);
      }
    });
  } else if (task == "exit-beside-region") {
    std::thread([] {
      for (;;) {
        parallel_for(64, 1, [](Index, Index) {});
      }
    }).detach();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::exit(7);
  } else {
    std::printf("unknown task");
    std::exit(2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : "");
  } catch (const Error& error) {
    std::printf("%s | %s", std::string(to_string(error.kind())).c_str(), error.what());
    return 1;
  }
  return 0;
}
