#include "kernels/reduce.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/reduce-inl.hpp"
#include "kernels/reduce_spread-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void ReduceRowsF32(const ReduceRowsArgs<float>& args) {
  ReduceRowsOf(args);
}
void ReduceColumnsF32(const ReduceColumnsArgs<float>& args) {
  ReduceColumnsOf(args);
}
void ReduceSpreadF32(const SpreadArgs<float>& args) {
  SpreadOf(args);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(ReduceRowsF32);
HWY_EXPORT(ReduceColumnsF32);
HWY_EXPORT(ReduceSpreadF32);

void reduce_rows(const ReduceRowsArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(ReduceRowsF32)(args);
}
void reduce_columns(const ReduceColumnsArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(ReduceColumnsF32)(args);
}
void reduce_spread(const SpreadArgs<float>& args) {
  HWY_DYNAMIC_DISPATCH(ReduceSpreadF32)(args);
}

}  // namespace lamina::kernels
#endif
