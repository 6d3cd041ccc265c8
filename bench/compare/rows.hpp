#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compare/peer.hpp"

namespace lamina::compare {

/// One line of the comparison, for each of its types and thread counts.
struct Row {
  std::string group;  ///< what --rows chooses by, with op and shape
  std::string op;
  std::vector<std::int64_t> dims;  ///< what they mean depends on the group
  Parameters parameters = {};
  std::vector<Terms> terms = {Terms::Plain};
};

/// What a row costs at least, from which its limit follows.
struct Cost {
  double operations = 0;  ///< floating-point operations, multiply and add apart
  double read = 0;        ///< bytes, each input once
  double written = 0;     ///< bytes, each output once
};

[[nodiscard]] const std::vector<Row>& rows();
/// E.g. "gemm 64x512x512".
[[nodiscard]] std::string shape_of(const Row& row);
/// The row's arrays, filled; the same numbers each time.
[[nodiscard]] Problem make_problem(const Row& row, Type type, Terms terms);
[[nodiscard]] Cost cost_of(const Problem& problem);

}  // namespace lamina::compare
