#pragma once

// Gradients, and whatever else writes to an array given, in one table: f_into(..., out) gives the
// bits of f(...) in memory of any layout, and refuses each argument that is spoiled before it
// writes. Of several results each has its turn, the others are left out.

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/into_pair.hpp"
#include "support/bad_arguments.hpp"

namespace lamina::test {

/// What may be changed about the arguments, as in BadArguments.
struct Freedom {
  std::set<std::string> legal = {};
  std::set<std::size_t> optional = {};
  std::set<std::string> free_out = {};
  bool optional_out = false;
  std::set<std::size_t> in_place = {};
};

template <class T>
class IntoCases {
 public:
  using Views = typename Pair<T>::Views;

  template <class Allocate, class Write>
  static void check(const char* name, const std::vector<Shape>& inputs, const Allocate& allocate,
                    const Write& write, const Freedom& freedom = {}) {
    Into<T>::check({name, inputs, allocate, write, freedom.in_place});
    if constexpr (std::is_same_v<T, float>) {
      Operation operation{.name = name, .inputs = inputs, .out = {}, .run = write};
      std::vector<Array<float>> arrays;
      for (const Shape& shape : inputs) {
        arrays.push_back(Array<float>::full(shape, 0.5F));
      }
      operation.out = allocate(Views(arrays.begin(), arrays.end())).shape();
      operation.legal = freedom.legal;
      operation.optional = freedom.optional;
      operation.free_out = freedom.free_out;
      operation.optional_out = freedom.optional_out;
      operation.in_place = freedom.in_place;
      BadArguments::check(operation);
    }
  }
};

#define LAMINA_V const typename IntoCases<T>::Views& v
#define LAMINA_OUT const MutView<T>& out

}  // namespace lamina::test
