#include "kernels/reduce.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/reduce-inl.hpp"
#include "kernels/reduce_spread-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void ReduceRowsF64(const ReduceRowsArgs<double>& args) {
  ReduceRowsOf(args);
}
void ReduceColumnsF64(const ReduceColumnsArgs<double>& args) {
  ReduceColumnsOf(args);
}
void ReduceSpreadF64(const SpreadArgs<double>& args) {
  SpreadOf(args);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(ReduceRowsF64);
HWY_EXPORT(ReduceColumnsF64);
HWY_EXPORT(ReduceSpreadF64);

void reduce_rows(const ReduceRowsArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(ReduceRowsF64)(args);
}
void reduce_columns(const ReduceColumnsArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(ReduceColumnsF64)(args);
}
void reduce_spread(const SpreadArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(ReduceSpreadF64)(args);
}

}  // namespace lamina::kernels
#endif
