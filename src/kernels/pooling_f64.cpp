#include "kernels/pooling.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pooling_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/pooling_blocks-inl.hpp"
#include "kernels/pooling_run-inl.hpp"
#include "kernels/pooling_spread-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void PoolLinesF64(const PoolArgs<double>& args, Index begin, Index end, double* scratch) {
  PoolLines(args, begin, end, scratch);
}
void PoolChannelsF64(const PoolArgs<double>& args, Index begin, Index end, double* scratch) {
  PoolChannels(args, begin, end, scratch);
}
void PoolPlanesF64(const PoolPlanes<double>& args, Index begin, Index end) {
  PoolPlanesRun(args, begin, end);
}
void PoolSpreadLinesF64(const PoolSpreadArgs<double>& args, Index begin, Index end,
                        double* scratch) {
  PoolSpreadLines(args, begin, end, scratch);
}
void PoolSpreadChannelsF64(const PoolSpreadArgs<double>& args, Index begin, Index end) {
  PoolSpreadChannels(args, begin, end);
}
void PoolBlocksF64(const PoolBlocks<double>& args, const double* x, double* y, std::uint8_t* taps,
                   Index begin, Index end) {
  PoolBlocksRun(args, x, y, taps, begin, end);
}
void PoolBlocksBackwardF64(const PoolBlocks<double>& args, const double* dy,
                           const std::uint8_t* taps, double* dx, Index begin, Index end) {
  PoolBlocksBackwardRun(args, dy, taps, dx, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(PoolLinesF64);
HWY_EXPORT(PoolChannelsF64);
HWY_EXPORT(PoolPlanesF64);
HWY_EXPORT(PoolSpreadLinesF64);
HWY_EXPORT(PoolSpreadChannelsF64);
HWY_EXPORT(PoolBlocksF64);
HWY_EXPORT(PoolBlocksBackwardF64);

void pool_lines(const PoolArgs<double>& args, Index begin, Index end, double* scratch) {
  HWY_DYNAMIC_DISPATCH(PoolLinesF64)(args, begin, end, scratch);
}
void pool_channels(const PoolArgs<double>& args, Index begin, Index end, double* scratch) {
  HWY_DYNAMIC_DISPATCH(PoolChannelsF64)(args, begin, end, scratch);
}
void pool_planes(const PoolPlanes<double>& args, Index begin, Index end) {
  HWY_DYNAMIC_DISPATCH(PoolPlanesF64)(args, begin, end);
}
void pool_spread_lines(const PoolSpreadArgs<double>& args, Index begin, Index end,
                       double* scratch) {
  HWY_DYNAMIC_DISPATCH(PoolSpreadLinesF64)(args, begin, end, scratch);
}
void pool_spread_channels(const PoolSpreadArgs<double>& args, Index begin, Index end) {
  HWY_DYNAMIC_DISPATCH(PoolSpreadChannelsF64)(args, begin, end);
}
void pool_blocks(const PoolBlocks<double>& args, const double* x, double* y, std::uint8_t* taps,
                 Index begin, Index end) {
  HWY_DYNAMIC_DISPATCH(PoolBlocksF64)(args, x, y, taps, begin, end);
}
void pool_blocks_backward(const PoolBlocks<double>& args, const double* dy,
                          const std::uint8_t* taps, double* dx, Index begin, Index end) {
  HWY_DYNAMIC_DISPATCH(PoolBlocksBackwardF64)(args, dy, taps, dx, begin, end);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
