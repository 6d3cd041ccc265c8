#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lamina::nn {

/// Functions of two elements.
enum class BinaryOp : std::uint8_t { Add, Sub, Mul, Div, Pow, Maximum, Minimum };

struct BinaryRow {
  BinaryOp op;
  std::string_view name;
  std::string_view onnx;
  std::string_view formula;
};
// clang-format off
inline constexpr std::array<BinaryRow, 7> kBinaryTable{{
    {BinaryOp::Add, "add", "Add", "a + b"},
    {BinaryOp::Sub, "sub", "Sub", "a - b"},
    {BinaryOp::Mul, "mul", "Mul", "a b"},
    {BinaryOp::Div, "div", "Div", "a / b"},
    {BinaryOp::Pow, "pow", "Pow", "a^b"},
    {BinaryOp::Maximum, "maximum", "Max", "the greater, NaN if either is"},
    {BinaryOp::Minimum, "minimum", "Min", "the lesser, NaN if either is"},
}};
// clang-format on

/// Functions of one element, beside the activations (exp among them). `saved` is what the gradient
/// is computed from.
enum class UnaryOp : std::uint8_t { Neg, Abs, Sign, Sqrt, Square, Reciprocal, Log, Log1p, Expm1 };
enum class Saved : std::uint8_t { Nothing, Input, Output };

struct UnaryRow {
  UnaryOp op;
  std::string_view name;
  std::string_view onnx;
  std::string_view formula;
  std::string_view derivative;
  Saved saved;
};
// clang-format off
inline constexpr std::array<UnaryRow, 9> kUnaryTable{{
    {UnaryOp::Neg, "neg", "Neg", "-x", "-1", Saved::Nothing},
    {UnaryOp::Abs, "abs", "Abs", "|x|", "sign(x)", Saved::Input},
    {UnaryOp::Sign, "sign", "Sign", "-1, 0 or 1", "0", Saved::Nothing},
    {UnaryOp::Sqrt, "sqrt", "Sqrt", "sqrt(x)", "1 / (2 y)", Saved::Output},
    {UnaryOp::Square, "square", "", "x^2", "2 x", Saved::Input},
    {UnaryOp::Reciprocal, "reciprocal", "Reciprocal", "1 / x", "-y^2", Saved::Output},
    {UnaryOp::Log, "log", "Log", "ln x", "1 / x", Saved::Input},
    {UnaryOp::Log1p, "log1p", "", "ln(1 + x)", "1 / (1 + x)", Saved::Input},
    {UnaryOp::Expm1, "expm1", "", "exp(x) - 1", "y + 1", Saved::Output},
}};
// clang-format on

/// Comparisons of two elements.
enum class CompareOp : std::uint8_t { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual };

struct CompareRow {
  CompareOp op;
  std::string_view name;
  std::string_view onnx;
};
// clang-format off
inline constexpr std::array<CompareRow, 6> kCompareTable{{
    {CompareOp::Equal, "equal", "Equal"},
    {CompareOp::NotEqual, "not_equal", ""},
    {CompareOp::Less, "less", "Less"},
    {CompareOp::LessEqual, "less_equal", "LessOrEqual"},
    {CompareOp::Greater, "greater", "Greater"},
    {CompareOp::GreaterEqual, "greater_equal", "GreaterOrEqual"},
}};
// clang-format on

[[nodiscard]] constexpr const BinaryRow& info(BinaryOp op) noexcept {
  return kBinaryTable[static_cast<std::size_t>(op)];
}
[[nodiscard]] constexpr const UnaryRow& info(UnaryOp op) noexcept {
  return kUnaryTable[static_cast<std::size_t>(op)];
}
[[nodiscard]] constexpr const CompareRow& info(CompareOp op) noexcept {
  return kCompareTable[static_cast<std::size_t>(op)];
}
[[nodiscard]] constexpr std::string_view to_string(BinaryOp op) noexcept {
  return info(op).name;
}
[[nodiscard]] constexpr std::string_view to_string(UnaryOp op) noexcept {
  return info(op).name;
}
[[nodiscard]] constexpr std::string_view to_string(CompareOp op) noexcept {
  return info(op).name;
}

}  // namespace lamina::nn
