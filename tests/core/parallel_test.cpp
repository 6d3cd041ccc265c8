#include "lamina/core/parallel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <limits>
#include <mutex>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lamina/core/error.hpp"

namespace lamina {
namespace {

using Chunk = std::pair<Index, Index>;
using Chunks = std::vector<Chunk>;

/// The contract, written down a second time.
Chunks expected_chunks(Index n, Index grain) {
  Chunks chunks;
  for (Index begin = 0; begin < n;) {
    const Index end = grain > n - begin ? n : begin + grain;
    chunks.emplace_back(begin, end);
    begin = end;
  }
  return chunks;
}

/// The chunks that parallel_for makes, sorted.
Chunks made_chunks(Index n, Index grain) {
  std::mutex mutex;
  Chunks chunks;
  parallel_for(n, grain, [&](Index begin, Index end) {
    const std::lock_guard lock(mutex);
    chunks.emplace_back(begin, end);
  });
  std::sort(chunks.begin(), chunks.end());
  return chunks;
}

template <class F>
std::string error_of(const F& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// Waits until `count` threads are here: shows that they run at the same time.
class Meeting {
 public:
  explicit Meeting(int count) : missing_(count) {}
  void arrive() {
    missing_.fetch_sub(1);
    while (missing_.load() > 0) {
      std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> missing_;
};

class Parallel : public ::testing::Test {
 protected:
  void TearDown() override {
    set_executor(nullptr);
    set_num_threads(2);
  }
};

TEST_F(Parallel, CutsAtMultiplesOfTheGrainWhateverTheThreads) {
  for (const int threads : {1, 2, 3, 5, 8}) {
    set_num_threads(threads);
    EXPECT_EQ(num_threads(), threads);
    for (const Index n : {0, 1, 2, 7, 64, 65, 1000, 1023, 100000}) {
      for (const Index grain : {1, 2, 3, 7, 64, 1000, 99999, 100000, 100001}) {
        ASSERT_EQ(made_chunks(n, grain), expected_chunks(n, grain)) << n << ' ' << grain;
      }
    }
  }
}

TEST_F(Parallel, TakesTheLargestRanges) {
  constexpr Index kMost = std::numeric_limits<Index>::max();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    for (const Index grain : {kMost, kMost - 1, kMost / 2, kMost / 2 + 1, kMost / 1000}) {
      ASSERT_EQ(made_chunks(kMost, grain), expected_chunks(kMost, grain)) << grain;
    }
  }
}

TEST_F(Parallel, RandomRangesAreCoveredOnce) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    if (round % 50 == 0) {
      set_num_threads(static_cast<int>(1 + random() % 6));
    }
    const Index n = static_cast<Index>(random() % 2000);
    const Index grain = static_cast<Index>(1 + random() % (round % 2 == 0 ? 8 : 2000));
    std::vector<int> hits(static_cast<std::size_t>(n), 0);
    parallel_for(n, grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        ++hits[static_cast<std::size_t>(i)];
      }
    });
    ASSERT_EQ(std::count(hits.begin(), hits.end(), 1), n);
  }
}

TEST_F(Parallel, ChunksRunAtTheSameTime) {
  for (const int threads : {2, 3, 5}) {
    set_num_threads(threads);
    for (int round = 0; round < 50; ++round) {
      if (round % 10 == 9) {  // long enough for the threads to fall asleep
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      Meeting meeting(threads);
      parallel_for(threads, 1, [&](Index, Index) { meeting.arrive(); });
    }
  }
}

TEST_F(Parallel, CallerSleepsWhileOthersFinish) {
  set_num_threads(2);
  for (int round = 0; round < 5; ++round) {
    Meeting meeting(2);
    std::atomic<int> done{0};
    const auto caller = std::this_thread::get_id();
    parallel_for(2, 1, [&](Index, Index) {
      meeting.arrive();
      if (std::this_thread::get_id() != caller) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      ++done;
    });
    EXPECT_EQ(done, 2);
  }
}

TEST_F(Parallel, NestedCallsRunInlineInOrder) {
  set_num_threads(3);
  std::atomic<int> inner_chunks{0};
  parallel_for(20, 1, [&](Index, Index) {
    const auto thread = std::this_thread::get_id();
    Index next = 0;
    parallel_for(100, 7, [&](Index begin, Index end) {
      EXPECT_EQ(std::this_thread::get_id(), thread);
      EXPECT_EQ(begin, next);
      next = end;
      ++inner_chunks;
    });
    EXPECT_EQ(next, 100);
  });
  EXPECT_EQ(inner_chunks, 20 * 15);
}

TEST_F(Parallel, OneChunkIsAPlainCall) {
  set_num_threads(2);
  const auto thread = std::this_thread::get_id();
  Meeting meeting(2);
  parallel_for(5, 5, [&](Index begin, Index end) {
    EXPECT_EQ(std::this_thread::get_id(), thread);
    EXPECT_EQ(Chunk(begin, end), Chunk(0, 5));
    parallel_for(2, 1, [&](Index, Index) { meeting.arrive(); });  // on two threads
  });
}

TEST_F(Parallel, CallersOfSeveralThreadsDoNotDisturbEachOther) {
  set_num_threads(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (unsigned caller = 0; caller < 4; ++caller) {
    callers.emplace_back([caller, &wrong] {
      std::mt19937 random(caller);
      for (int round = 0; round < 500; ++round) {
        const Index n = static_cast<Index>(random() % 500);
        std::vector<Index> values(static_cast<std::size_t>(n));
        parallel_for(n, 1 + static_cast<Index>(random() % 9), [&](Index begin, Index end) {
          for (Index i = begin; i < end; ++i) {
            values[static_cast<std::size_t>(i)] += i;
          }
        });
        wrong += std::accumulate(values.begin(), values.end(), Index{0}) != n * (n - 1) / 2;
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(wrong, 0);
}

TEST_F(Parallel, ThreadsMayBeSetWhileOthersCompute) {
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread other([&] {
    while (!stop) {
      std::atomic<Index> sum{0};
      parallel_for(100, 3, [&](Index begin, Index end) { sum += end - begin; });
      wrong += sum != 100;
    }
  });
  for (int round = 0; round < 200; ++round) {
    set_num_threads(1 + round % 4);
    std::atomic<Index> sum{0};
    parallel_for(100, 3, [&](Index begin, Index end) { sum += end - begin; });
    EXPECT_EQ(sum, 100);
  }
  stop = true;
  other.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Parallel, SetNumThreadsInABodyHoldsForTheNextRegion) {
  set_num_threads(2);
  parallel_for(8, 1, [](Index, Index) { set_num_threads(3); });
  EXPECT_EQ(num_threads(), 3);
  Meeting meeting(3);
  parallel_for(3, 1, [&](Index, Index) { meeting.arrive(); });
}

TEST_F(Parallel, LowestExceptionIsRethrown) {
  std::mt19937 random(3);
  for (const int threads : {1, 2, 3, 5}) {
    set_num_threads(threads);
    for (int round = 0; round < 100; ++round) {
      const Index n = static_cast<Index>(2 + random() % 300);
      const Index grain = static_cast<Index>(1 + random() % 5);
      std::vector<char> throws(static_cast<std::size_t>(n), 0);
      std::vector<char> ran(static_cast<std::size_t>(n), 0);
      for (int i = 0; i < 3; ++i) {
        throws[random() % throws.size()] = 1;
      }
      Index lowest = 0;
      while (std::find(throws.begin() + lowest, throws.begin() + std::min(n, lowest + grain), 1) ==
             throws.begin() + std::min(n, lowest + grain)) {
        lowest += grain;
      }
      Index caught = -1;
      try {
        parallel_for(n, grain, [&](Index begin, Index end) {
          ran[static_cast<std::size_t>(begin)] = 1;
          if (std::find(throws.begin() + begin, throws.begin() + end, 1) != throws.begin() + end) {
            throw begin;
          }
        });
      } catch (const Index begin) {
        caught = begin;
      }
      ASSERT_EQ(caught, lowest);
      for (Index begin = 0; begin < lowest; begin += grain) {
        ASSERT_TRUE(ran[static_cast<std::size_t>(begin)]) << "all chunks below have run";
      }
    }
    EXPECT_EQ(made_chunks(100, 9), expected_chunks(100, 9)) << "and the pool goes on";
  }
}

TEST_F(Parallel, ExceptionOfTheOnlyChunkAndOfANestedCall) {
  EXPECT_THROW(parallel_for(1, 1, [](Index, Index) { throw std::out_of_range("x"); }),
               std::out_of_range);
  EXPECT_THROW(parallel_for(10, 1,
                            [](Index, Index) {
                              parallel_for(10, 1, [](Index i, Index) {
                                if (i == 5) {
                                  throw std::out_of_range("x");
                                }
                              });
                            }),
               std::out_of_range);
  EXPECT_EQ(made_chunks(10, 3), expected_chunks(10, 3));
}

TEST_F(Parallel, ThreadsRoundLikeTheCaller) {
  const auto quotient = [] {
    volatile float one = 1;
    volatile float three = 3;
    return one / three;
  };
  set_num_threads(3);
  const float nearest = quotient();
  for (const int mode : {FE_DOWNWARD, FE_UPWARD, FE_TONEAREST}) {
    ASSERT_EQ(std::fesetround(mode), 0);
    const float expected = quotient();
    Meeting meeting(3);
    std::atomic<int> same{0};
    parallel_for(3, 1, [&](Index, Index) {
      meeting.arrive();
      same += quotient() == expected;
    });
    std::fesetround(FE_TONEAREST);
    EXPECT_EQ(same, 3);
  }
  EXPECT_EQ(quotient(), nearest);
}

TEST_F(Parallel, Errors) {
  const auto nothing = [](Index, Index) {};
  EXPECT_EQ(error_of([&] { parallel_for(5, 0, nothing); }),
            "parallel_for: grain must be at least 1, got 0");
  EXPECT_EQ(error_of([&] { parallel_for(-1, 1, nothing); }),
            "parallel_for: n must not be negative, got -1");
  EXPECT_EQ(error_of([] { set_num_threads(0); }),
            "set_num_threads: threads must be from 1 to 1024, got 0");
  EXPECT_EQ(error_of([] { set_num_threads(1025); }),
            "set_num_threads: threads must be from 1 to 1024, got 1025");
}

TEST_F(Parallel, ChoiceSaysWhy) {
  set_num_threads(3);
  EXPECT_EQ(thread_choice().threads, 3);
  EXPECT_EQ(thread_choice().reason, "set_num_threads(3)");
}

/// Runs tasks on threads made for each call, highest task first.
class ThreadExecutor : public Executor {
 public:
  explicit ThreadExecutor(int threads) : threads_(threads) {}
  void run(Index tasks, FunctionRef<void(Index)> task) override {
    ++runs;
    std::atomic<Index> left{tasks};
    std::vector<std::thread> threads;
    for (int i = 0; i < threads_; ++i) {
      threads.emplace_back([&] {
        for (Index mine = left.fetch_sub(1) - 1; mine >= 0; mine = left.fetch_sub(1) - 1) {
          task(mine);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  [[nodiscard]] int concurrency() const override { return threads_; }

  std::atomic<int> runs{0};

 private:
  int threads_;
};

TEST_F(Parallel, ExecutorOfTheApplicationRunsTheChunks) {
  ThreadExecutor executor(3);
  set_executor(&executor);
  EXPECT_EQ(num_threads(), 3);
  EXPECT_EQ(thread_choice().reason, "the application's executor");
  for (const Index n : {0, 1, 2, 7, 64, 1000}) {
    for (const Index grain : {1, 3, 64}) {
      ASSERT_EQ(made_chunks(n, grain), expected_chunks(n, grain));
    }
  }
  EXPECT_GT(executor.runs, 0);
  const int runs = executor.runs;
  parallel_for(5, 1, [](Index, Index) {
    const auto thread = std::this_thread::get_id();
    parallel_for(5, 1, [&](Index, Index) { EXPECT_EQ(std::this_thread::get_id(), thread); });
  });
  EXPECT_EQ(executor.runs, runs + 1);
  try {
    parallel_for(100, 1, [](Index begin, Index) {
      if (begin >= 40) {
        throw begin;
      }
    });
    ADD_FAILURE() << "no exception";
  } catch (const Index begin) {
    EXPECT_EQ(begin, 40);
  }
  set_executor(nullptr);
  EXPECT_EQ(num_threads(), 2);
  const int before = executor.runs;
  EXPECT_EQ(made_chunks(100, 9), expected_chunks(100, 9));
  EXPECT_EQ(executor.runs, before);
}

TEST_F(Parallel, ExecutorThatLeavesTasksOutIsAnError) {
  class Lazy : public Executor {
   public:
    void run(Index tasks, FunctionRef<void(Index)> task) override {
      for (Index i = 0; i + 1 < tasks; ++i) {
        task(i);
      }
    }
    [[nodiscard]] int concurrency() const override { return 2; }
  };
  Lazy executor;
  set_executor(&executor);
  EXPECT_EQ(error_of([] { parallel_for(3, 1, [](Index, Index) {}); }),
            "parallel_for: the executor ran 2 of 3 tasks");
}

TEST_F(Parallel, ExecutorOfOneThreadIsNotAsked) {
  ThreadExecutor executor(0);
  set_executor(&executor);
  EXPECT_EQ(num_threads(), 1);
  EXPECT_EQ(made_chunks(100, 9), expected_chunks(100, 9));
  EXPECT_EQ(executor.runs, 0);
}

}  // namespace
}  // namespace lamina
