#pragma once

// Checks shared by the tests of operations.

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "lamina/core/array.hpp"
#include "lamina/core/error.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"

namespace lamina::test {

/// Runs `body` on every SIMD target of this machine.
template <class F>
void for_each_target(F&& body) {
  for (const simd::Target target : simd::supported_targets()) {
    SCOPED_TRACE(simd::to_string(target));
    simd::force(target);
    body();
  }
  simd::reset();
}

/// `operation()` gives the same bits on 1, 2, 3 and 5 threads.
template <class F>
void expect_same_on_any_number_of_threads(F&& operation) {
  const int before = num_threads();
  set_num_threads(1);
  const auto expected = operation();
  for (const int threads : {2, 3, 5}) {
    set_num_threads(threads);
    const auto got = operation();
    ASSERT_EQ(got.shape(), expected.shape());
    EXPECT_TRUE(got.size() == 0 ||
                std::memcmp(got.data(), expected.data(),
                            static_cast<std::size_t>(got.size()) * sizeof(*got.data())) == 0)
        << threads << " threads";
  }
  set_num_threads(before);
}

/// `call()` throws an Error of this kind whose message is exactly `message`.
template <class F>
void expect_error(ErrorKind kind, const std::string& message, F&& call) {
  try {
    call();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_EQ(std::string(error.what()), message);
  }
}

}  // namespace lamina::test
