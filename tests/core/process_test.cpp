// Threads and memory across fork, exit, environment variables and dlclose.

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "lamina/core/error.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"

#if defined(__SANITIZE_THREAD__)
// These tests start threads in the child of a process that has some: that is their point.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() {
  return "die_after_fork=0";
}
#endif

namespace lamina {
namespace {

struct Output {
  int code;
  std::string text;
};

/// Runs runtime_child with `environment` ("NAME=value ...") in front.
Output child(const std::string& environment, const std::string& task) {
  // env -u: what the tests themselves were started with must not matter.
  const std::string command = "env -u LAMINA_NUM_THREADS -u OMP_NUM_THREADS -u LAMINA_SIMD " +
                              environment + " timeout 60 " RUNTIME_CHILD " " + task + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  char buffer[256];
  while (std::fgets(buffer, sizeof(buffer), pipe) != nullptr) {
    text += buffer;
  }
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

/// Calls `body` in the child of a fork; the child's exit code, or -1 when it was killed.
template <class F>
int forked(const F& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(60);  // a hang is a failure
    _exit(body());
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int compute() {
  std::atomic<Index> sum{0};
  for (int round = 0; round < 20; ++round) {
    parallel_for(100, 3, [&](Index begin, Index end) { sum += end - begin; });
  }
  for (const Index size : {10, 1000, 100000, 1000000}) {
    Buffer<float> buffer(size);
    buffer.data()[size - 1] = 1;
  }
  return sum == 2000 ? 0 : 1;
}

TEST(Fork, ChildComputesOnThreadsOfItsOwn) {
  set_num_threads(3);
  ASSERT_EQ(compute(), 0);
  EXPECT_EQ(forked(compute), 0);
  EXPECT_EQ(compute(), 0);
  EXPECT_EQ(forked([] {
              const int both = compute();  // and its child
              return both + forked(compute) + compute();
            }),
            0);
}

TEST(Fork, WhileOtherThreadsComputeAndAllocate) {
  set_num_threads(3);
  std::atomic<bool> stop{false};
  std::vector<std::thread> others;
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&] {
      while (!stop) {
        EXPECT_EQ(compute(), 0);
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(forked(compute), 0);
  }
  stop = true;
  for (std::thread& other : others) {
    other.join();
  }
}

TEST(Fork, InABodyTheChildLearnsThatChunksAreLost) {
  set_num_threads(2);
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> other_started{false};
  std::atomic<bool> forked_yet{false};
  bool is_child = false;
  int code = -1;
  std::string message;
  try {
    parallel_for(2, 1, [&](Index, Index) {
      if (std::this_thread::get_id() != caller) {
        other_started = true;
        while (!forked_yet) {
          std::this_thread::yield();
        }
        return;
      }
      while (!other_started) {
        std::this_thread::yield();
      }
      const pid_t pid = fork();
      is_child = pid == 0;
      if (is_child) {
        alarm(60);
        return;
      }
      int status = 0;
      waitpid(pid, &status, 0);
      code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      forked_yet = true;
    });
  } catch (const Error& error) {
    message = error.what();
  }
  if (is_child) {
    const bool as_expected =
        message.rfind("parallel_for: the process was forked inside a body", 0) == 0;
    _exit(as_expected && compute() == 0 ? 0 : 1);
  }
  EXPECT_EQ(message, "");
  EXPECT_EQ(code, 0);
  EXPECT_EQ(compute(), 0);
}

TEST(Signals, AreLeftToTheThreadsOfTheApplication) {
  set_num_threads(2);
  const auto caller = std::this_thread::get_id();
  std::atomic<int> arrived{0};
  sigset_t mine{};
  sigset_t theirs{};
  parallel_for(2, 1, [&](Index, Index) {
    ++arrived;
    while (arrived < 2) {  // one chunk on each thread
      std::this_thread::yield();
    }
    sigset_t& mask = std::this_thread::get_id() == caller ? mine : theirs;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  });
  EXPECT_EQ(sigismember(&mine, SIGINT), 0);
  EXPECT_EQ(sigismember(&theirs, SIGINT), 1);
  EXPECT_EQ(sigismember(&theirs, SIGUSR1), 1);
  EXPECT_EQ(sigismember(&theirs, SIGSEGV), 0);
}

TEST(Exit, StaticObjectsMayComputeLate) {
  const Output output = child("", "late");
  EXPECT_EQ(output.code, 0);
  EXPECT_EQ(output.text, "late 65\n");
}

TEST(Exit, FromInsideARegion) {
  EXPECT_EQ(child("", "exit-in-worker").code, 7);
  EXPECT_EQ(child("", "exit-in-caller").code, 7);
  EXPECT_EQ(child("LAMINA_NUM_THREADS=3", "exit-beside-region").code, 7);
}

TEST(Environment, ChoosesTheThreads) {
  EXPECT_EQ(child("LAMINA_NUM_THREADS=3", "threads").text, "3 LAMINA_NUM_THREADS=3");
  EXPECT_EQ(child("LAMINA_NUM_THREADS=' 5 '", "threads").text, "5 LAMINA_NUM_THREADS= 5 ");
  EXPECT_EQ(child("OMP_NUM_THREADS=4", "threads").text, "4 OMP_NUM_THREADS=4");
  EXPECT_EQ(child("OMP_NUM_THREADS=6,2", "threads").text, "6 OMP_NUM_THREADS=6,2");
  EXPECT_EQ(child("LAMINA_NUM_THREADS=3 OMP_NUM_THREADS=4", "threads").text,
            "3 LAMINA_NUM_THREADS=3");
  EXPECT_EQ(child("LAMINA_NUM_THREADS= OMP_NUM_THREADS=4", "threads").text, "4 OMP_NUM_THREADS=4");
  const Output unset = child("", "threads");
  EXPECT_NE(unset.text.find("may be used"), std::string::npos) << unset.text;
  const Output ignored = child("OMP_NUM_THREADS=many", "threads");
  EXPECT_EQ(ignored.text, unset.text + "; OMP_NUM_THREADS=many is no usable number");
}

TEST(Environment, FollowsTheAffinity) {
  const std::string text = child("taskset -c 0", "threads").text;
  EXPECT_EQ(text.substr(0, 19), "1 1 CPU may be used") << text;
}

TEST(Environment, NumberOfThreadsWithoutMeaningIsAnError) {
  for (const char* value : {"0", "-1", "two", "3x", "1025", "3,2", "99999999999999"}) {
    const Output output = child(std::string("LAMINA_NUM_THREADS=") + value, "threads");
    EXPECT_EQ(output.code, 1);
    EXPECT_EQ(output.text,
              std::string("InvalidOperation | LAMINA_NUM_THREADS: expected a number from 1 to "
                          "1024, got \"") +
                  value + '"');
  }
}

TEST(Environment, ChoosesTheSimdTarget) {
  const std::vector<simd::Target> supported = simd::supported_targets();
  for (const simd::Target target : {simd::Target::Baseline, simd::Target::Sse4, simd::Target::Avx2,
                                    simd::Target::Avx512, simd::Target::Neon}) {
    const std::string name(simd::to_string(target));
    const Output output = child("LAMINA_SIMD=" + name, "simd");
    if (std::find(supported.begin(), supported.end(), target) != supported.end()) {
      EXPECT_EQ(output.text, name);
    } else {
      EXPECT_EQ(output.code, 1);
      EXPECT_EQ(output.text.rfind("Unsupported | LAMINA_SIMD: \"" + name + "\" cannot run here", 0),
                0U)
          << output.text;
    }
  }
  EXPECT_EQ(child("", "simd").text, simd::to_string(supported.back()));
}

TEST(Environment, WrongSimdTargetIsReportedByTheFirstOperation) {
  const std::string expected =
      "InvalidOperation | LAMINA_SIMD: expected baseline, sse4, avx2, avx512 or neon, got "
      "\"mmx\"";
  for (const char* task : {"simd", "allocate", "region", "reset"}) {
    const Output output = child("LAMINA_SIMD=mmx", task);
    EXPECT_EQ(output.code, 1);
    EXPECT_EQ(output.text, expected) << task;
  }
  EXPECT_EQ(child("LAMINA_SIMD=", "region").text, "ran");
}

std::size_t threads_of_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

// Whether dlclose unloads a library is for the system to say: GCC's unique symbols and thread-local
// objects keep it. Either way its threads must be gone or usable again.
TEST(Plugin, ThreadsDoNotPileUp) {
  std::size_t first = 0;
  for (int round = 0; round < 5; ++round) {
    void* plugin = dlopen(RUNTIME_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(plugin, nullptr) << dlerror();
    auto* compute_there = reinterpret_cast<int (*)()>(dlsym(plugin, "compute"));
    ASSERT_NE(compute_there, nullptr);
    EXPECT_EQ(compute_there(), 4950);
    EXPECT_EQ(dlclose(plugin), 0);
    const std::size_t now = threads_of_process();
    first = round == 0 ? now : first;
    EXPECT_EQ(now, first);
  }
}

}  // namespace
}  // namespace lamina
