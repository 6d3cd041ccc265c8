#pragma once

#include "compare/rows.hpp"

namespace lamina::compare {

/// The machine's own limits, measured beside the libraries in each round.
class Limits {
 public:
  Limits(const Cost& cost, Type type, int threads);
  /// One more measurement of what the row depends on; the best of all counts.
  void measure();
  /// Seconds below which this machine cannot do the row: the slower of arithmetic and memory.
  [[nodiscard]] double seconds() const;
  [[nodiscard]] double flops() const { return flops_; }

 private:
  Cost cost_;
  Type type_;
  int threads_;
  bool measures_flops_, measures_memory_;
  double flops_ = 0;      // per second
  double bandwidth_ = 0;  // bytes per second, as the row mixes reads and writes
};

/// Whole arrays in and out: what --machine prints.
void print_limits(int threads);

}  // namespace lamina::compare
