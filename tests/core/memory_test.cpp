#include "lamina/core/memory.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "lamina/core/parallel.hpp"

namespace lamina {
namespace {

#if defined(LAMINA_ASAN)
constexpr bool kKeeps = false;  // memory is the system's, so that a use after free is found
#else
constexpr bool kKeeps = true;
#endif

constexpr std::size_t kKi = 1024;
constexpr std::size_t kMi = kKi * kKi;
constexpr std::size_t kGi = kKi * kMi;

class Memory : public ::testing::Test {
 protected:
  void SetUp() override {
    set_memory_cache_limit(kGi);
    trim_memory();
  }
  void TearDown() override { SetUp(); }
};

bool aligned(const void* memory, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(memory) % alignment == 0;
}

TEST_F(Memory, IsAlignedAndLargeEnough) {
  EXPECT_EQ(allocate_bytes(0), nullptr);
  release_bytes(nullptr, 0);
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, std::size_t{257},
        std::size_t{4095}, 64 * kKi - 1, 64 * kKi, 64 * kKi + 1, kMi + 3, 2 * kMi - 1, 2 * kMi,
        2 * kMi + 1, 5 * kMi + 12345}) {
    for (int round = 0; round < 3; ++round) {  // fresh, and twice from what is kept
      void* memory = allocate_bytes(bytes);
      ASSERT_NE(memory, nullptr);
      EXPECT_TRUE(aligned(memory, 64)) << bytes;
      EXPECT_TRUE(!kKeeps || bytes < 2 * kMi || aligned(memory, 2 * kMi)) << bytes;
      std::memset(memory, 0x5A, bytes);
      release_bytes(memory, bytes);
    }
  }
}

TEST_F(Memory, EverySizeHasRoom) {
  std::mt19937 random(1);
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  for (std::size_t bytes = 1; bytes < 700 * kKi; bytes += 1 + bytes / 40) {
    auto* memory = static_cast<unsigned char*>(allocate_bytes(bytes));
    std::memset(memory, static_cast<int>(bytes % 251), bytes);
    blocks.emplace_back(memory, bytes);
  }
  for (const auto& [memory, bytes] : blocks) {  // blocks do not overlap
    EXPECT_EQ(memory[0], bytes % 251);
    EXPECT_EQ(memory[bytes - 1], bytes % 251);
    release_bytes(memory, bytes);
  }
}

TEST_F(Memory, FreedBlocksComeBack) {
  if (!kKeeps) {
    EXPECT_EQ(memory_cache_bytes(), 0);
    return;
  }
  for (const std::size_t bytes : {std::size_t{100}, 10 * kKi, 100 * kKi, 3 * kMi, 64 * kMi}) {
    void* first = allocate_bytes(bytes);
    release_bytes(first, bytes);
    const std::uint64_t from_system = system_allocation_count();
    for (int round = 0; round < 10; ++round) {
      void* again = allocate_bytes(bytes);
      EXPECT_EQ(again, first) << bytes;
      release_bytes(again, bytes);
    }
    EXPECT_EQ(system_allocation_count(), from_system);
  }
  EXPECT_GE(memory_cache_bytes(), 67 * kMi);
  EXPECT_LE(memory_cache_bytes(), 76 * kMi);  // sizes are rounded up by an eighth at most
  trim_memory();
  EXPECT_EQ(memory_cache_bytes(), 0);
}

TEST_F(Memory, ThreadsGetBackWhatTheyHad) {
  if (!kKeeps) return;
  void* const own = allocate_bytes(200 * kKi);
  void* other = nullptr;
  void* again = nullptr;
  std::atomic<int> turn{0};
  const auto wait_for = [&](int value) {
    while (turn.load() != value) std::this_thread::yield();
  };
  std::thread thread([&] {
    other = allocate_bytes(200 * kKi);
    wait_for(1);
    release_bytes(other, 200 * kKi);
    turn = 2;
    wait_for(3);
    again = allocate_bytes(200 * kKi);
    release_bytes(again, 200 * kKi);
  });
  turn = 1;
  wait_for(2);
  release_bytes(own, 200 * kKi);
  turn = 3;
  thread.join();
  EXPECT_EQ(again, other);
  void* const mine = allocate_bytes(200 * kKi);
  EXPECT_EQ(mine, own);
  release_bytes(mine, 200 * kKi);
}

TEST_F(Memory, LimitHoldsAndTheOldestGoFirst) {
  if (!kKeeps) {
    return;
  }
  set_memory_cache_limit(10 * kMi);
  EXPECT_EQ(memory_cache_limit(), 10 * kMi);
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) {
    blocks.push_back(allocate_bytes(4 * kMi));
  }
  for (void* block : blocks) {
    release_bytes(block, 4 * kMi);
    EXPECT_LE(memory_cache_bytes(), 10 * kMi);
  }
  EXPECT_EQ(memory_cache_bytes(), 8 * kMi);
  void* newest = allocate_bytes(4 * kMi);
  EXPECT_EQ(newest, blocks[3]);
  void* next = allocate_bytes(4 * kMi);
  EXPECT_EQ(next, blocks[2]);
  release_bytes(newest, 4 * kMi);
  release_bytes(next, 4 * kMi);
  set_memory_cache_limit(4 * kMi);
  EXPECT_EQ(memory_cache_bytes(), 4 * kMi);
  void* large = allocate_bytes(5 * kMi);  // larger than all that may be kept
  release_bytes(large, 5 * kMi);
  EXPECT_EQ(memory_cache_bytes(), 0) << "it went, and what is older too";
  set_memory_cache_limit(0);
  release_bytes(allocate_bytes(kMi), kMi);
  EXPECT_EQ(memory_cache_bytes(), 0);
}

TEST_F(Memory, CountsAllocations) {
  const std::uint64_t before = allocation_count();
  const std::uint64_t system_before = system_allocation_count();
  for (int round = 0; round < 5; ++round) {
    release_bytes(allocate_bytes(1000), 1000);
    release_bytes(allocate_bytes(kMi), kMi);
  }
  release_bytes(allocate_bytes(0), 0);
  EXPECT_EQ(allocation_count(), before + 10);
  EXPECT_EQ(system_allocation_count() - system_before, kKeeps ? 2U : 10U);
}

TEST_F(Memory, RegionsAllocateNothing) {
  set_num_threads(2);
  const std::uint64_t before = allocation_count();
  for (int round = 0; round < 10; ++round) {
    parallel_for(100, 1, [](Index, Index) {});
  }
  EXPECT_EQ(allocation_count(), before);
}

TEST_F(Memory, SizesThatCannotBeHadThrow) {
  constexpr std::size_t kMost = ~std::size_t{0};
  for (const std::size_t bytes : {kMost, kMost - 63, kMost / 2, std::size_t{1} << 60}) {
    EXPECT_THROW(static_cast<void>(allocate_bytes(bytes)), std::bad_alloc);
  }
}

TEST_F(Memory, ThreadsShareIt) {
  set_memory_cache_limit(8 * kMi);
  // Blocks move between threads: what one allocates another may free.
  constexpr int kThreads = 4;
  struct Block {
    unsigned char* memory;
    std::size_t bytes;
    unsigned char mark;
  };
  std::vector<std::vector<Block>> owned(kThreads);
  for (int turn = 0; turn < 3; ++turn) {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread, turn] {
        std::mt19937 random(static_cast<unsigned>(thread + 10 * turn));
        std::vector<Block>& blocks = owned[static_cast<std::size_t>((thread + turn) % kThreads)];
        for (int round = 0; round < 1000; ++round) {
          if (blocks.size() < 20 || random() % 2 == 0) {
            const std::size_t bytes = 1 + random() % (random() % 4 == 0 ? 300 * kKi : 2 * kKi);
            const auto mark = static_cast<unsigned char>(random());
            auto* memory = static_cast<unsigned char*>(allocate_bytes(bytes));
            memory[0] = mark;
            memory[bytes - 1] = mark;
            blocks.push_back({memory, bytes, mark});
          } else {
            std::swap(blocks[random() % blocks.size()], blocks.back());
            const Block block = blocks.back();
            blocks.pop_back();
            EXPECT_EQ(block.memory[0], block.mark);
            EXPECT_EQ(block.memory[block.bytes - 1], block.mark);
            release_bytes(block.memory, block.bytes);
          }
          if (round % 300 == 299) {
            trim_memory();
          }
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  for (const auto& blocks : owned) {
    for (const Block& block : blocks) {
      release_bytes(block.memory, block.bytes);
    }
  }
}

TEST_F(Memory, ThreadLocalObjectsMayFreeWhenTheThreadEnds) {
  struct Holder {
    Buffer<float> buffer;
  };
  for (int round = 0; round < 3; ++round) {
    std::thread([] {
      thread_local Holder holder;  // made before the thread's cache is first used
      holder.buffer = Buffer<float>(10);
      const Buffer<float> other(1000);
    }).join();
  }
}

TEST(Buffer, SizesThatWrapAroundThrow) {
  for (const Index size : {Index{1} << 61, (Index{1} << 61) + 1, Index{1} << 62, Index{-1}}) {
    EXPECT_THROW(Buffer<double>{size}, std::bad_alloc);
  }
}

TEST(Buffer, MovesAndFrees) {
  Buffer<double> first(100);
  EXPECT_EQ(first.size(), 100);
  double* data = first.data();
  data[99] = 3;
  Buffer<double> second(std::move(first));
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(second.data()[99], 3);
  Buffer<double> third;
  EXPECT_EQ(third.data(), nullptr);
  EXPECT_EQ(third.size(), 0);
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(Buffer<float>(0).data(), nullptr);
}

}  // namespace
}  // namespace lamina
