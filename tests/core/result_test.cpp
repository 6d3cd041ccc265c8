#include "lamina/core/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace lamina {
namespace {

NnFailure failure(const char* text) {
  return NnFailure(Error(ErrorKind::InvalidOperation, "test", text));
}
NnResult<int> half(int x) {
  if (x % 2 != 0) {
    return failure("odd");
  }
  return x / 2;
}

TEST(Result, HoldsAValue) {
  const NnResult<int> r = half(8);
  ASSERT_TRUE(r.has_value());
  EXPECT_TRUE(static_cast<bool>(r));
  EXPECT_EQ(*r, 4);
  EXPECT_EQ(r.value(), 4);
  EXPECT_EQ(r.value_or(7), 4);
}

TEST(Result, HoldsAnError) {
  const NnResult<int> r = half(3);
  ASSERT_FALSE(r.has_value());
  EXPECT_EQ(r.error().kind(), ErrorKind::InvalidOperation);
  EXPECT_STREQ(r.error().what(), "test: odd");
  EXPECT_EQ(r.value_or(7), 7);
  EXPECT_ANY_THROW((void)r.value());
}

#ifndef __cpp_lib_expected
TEST(Result, ValueOfAFailureThrowsTheErrorItself) {
  try {
    (void)half(3).value();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "test: odd");
  }
}
#endif

TEST(Result, AndThenChains) {
  EXPECT_EQ(half(8).and_then(half).and_then(half).value(), 1);
  const NnResult<int> r = half(6).and_then(half);
  ASSERT_FALSE(r.has_value());
  EXPECT_STREQ(r.error().what(), "test: odd");
}

TEST(Result, TransformMapsTheValue) {
  const NnResult<std::string> text = half(8).transform([](int x) { return std::to_string(x); });
  EXPECT_EQ(text.value(), "4");
  EXPECT_EQ(text->size(), 1U);
  EXPECT_FALSE(half(3).transform([](int x) { return x; }).has_value());
  int seen = 0;
  const NnResult<void> nothing = half(8).transform([&](int x) { seen = x; });
  EXPECT_TRUE(nothing.has_value());
  EXPECT_EQ(seen, 4);
}

TEST(Result, OrElseRepairs) {
  EXPECT_EQ(half(3).or_else([](const Error&) -> NnResult<int> { return 0; }).value(), 0);
  EXPECT_EQ(half(8).or_else([](const Error&) -> NnResult<int> { return 0; }).value(), 4);
}

TEST(Result, Void) {
  NnResult<void> good;
  EXPECT_TRUE(good.has_value());
  good.value();
  *good;
  const NnResult<void> bad = failure("no");
  EXPECT_FALSE(bad.has_value());
  EXPECT_EQ(good.and_then([] { return half(4); }).value(), 2);
  EXPECT_FALSE(bad.and_then([] { return half(4); }).has_value());
  EXPECT_EQ(good.transform([] { return 5; }).value(), 5);
}

TEST(Result, MoveOnlyValues) {
  NnResult<std::unique_ptr<int>> r = std::make_unique<int>(3);
  EXPECT_EQ(**r, 3);
  const std::unique_ptr<int> taken = std::move(r).value();
  EXPECT_EQ(*taken, 3);
  EXPECT_EQ(*NnResult<std::unique_ptr<int>>(failure("no")).value_or(std::make_unique<int>(9)), 9);
}

TEST(TryCall, PassesTheValue) {
  EXPECT_EQ(try_call([] { return 3; }).value(), 3);
  const std::string text = "abc";
  EXPECT_EQ(try_call([&]() -> const std::string& { return text; }).value(), "abc");
  EXPECT_TRUE(try_call([] {}).has_value());
}

TEST(TryCall, CatchesErrors) {
  const NnResult<int> r =
      try_call([]() -> int { throw Error(ErrorKind::IndexOutOfBounds, "op", "bad"); });
  ASSERT_FALSE(r.has_value());
  EXPECT_EQ(r.error().kind(), ErrorKind::IndexOutOfBounds);
  EXPECT_STREQ(r.error().what(), "op: bad");
  EXPECT_FALSE(try_call([] {
                 check(false, ErrorKind::ParseError, "op", "also without value");
               }).has_value());
}

TEST(TryCall, LetsEverythingElsePass) {
  EXPECT_THROW((void)try_call([]() -> int { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_THROW((void)try_call([] { throw std::runtime_error("own"); }), std::runtime_error);
}

}  // namespace
}  // namespace lamina
