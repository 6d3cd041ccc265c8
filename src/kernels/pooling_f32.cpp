#include "kernels/pooling.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pooling_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/pooling_blocks-inl.hpp"
#include "kernels/pooling_run-inl.hpp"
#include "kernels/pooling_spread-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void PoolLinesF32(const PoolArgs<float>& args, Index begin, Index end, float* scratch) {
  PoolLines(args, begin, end, scratch);
}
void PoolChannelsF32(const PoolArgs<float>& args, Index begin, Index end, float* scratch) {
  PoolChannels(args, begin, end, scratch);
}
void PoolPlanesF32(const PoolPlanes<float>& args, Index begin, Index end) {
  PoolPlanesRun(args, begin, end);
}
void PoolSpreadLinesF32(const PoolSpreadArgs<float>& args, Index begin, Index end, float* scratch) {
  PoolSpreadLines(args, begin, end, scratch);
}
void PoolSpreadChannelsF32(const PoolSpreadArgs<float>& args, Index begin, Index end) {
  PoolSpreadChannels(args, begin, end);
}
void PoolBlocksF32(const PoolBlocks<float>& args, const float* x, float* y, std::uint8_t* taps,
                   Index begin, Index end) {
  PoolBlocksRun(args, x, y, taps, begin, end);
}
void PoolBlocksBackwardF32(const PoolBlocks<float>& args, const float* dy, const std::uint8_t* taps,
                           float* dx, Index begin, Index end) {
  PoolBlocksBackwardRun(args, dy, taps, dx, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(PoolLinesF32);
HWY_EXPORT(PoolChannelsF32);
HWY_EXPORT(PoolPlanesF32);
HWY_EXPORT(PoolSpreadLinesF32);
HWY_EXPORT(PoolSpreadChannelsF32);
HWY_EXPORT(PoolBlocksF32);
HWY_EXPORT(PoolBlocksBackwardF32);

void pool_lines(const PoolArgs<float>& args, Index begin, Index end, float* scratch) {
  HWY_DYNAMIC_DISPATCH(PoolLinesF32)(args, begin, end, scratch);
}
void pool_channels(const PoolArgs<float>& args, Index begin, Index end, float* scratch) {
  HWY_DYNAMIC_DISPATCH(PoolChannelsF32)(args, begin, end, scratch);
}
void pool_planes(const PoolPlanes<float>& args, Index begin, Index end) {
  HWY_DYNAMIC_DISPATCH(PoolPlanesF32)(args, begin, end);
}
void pool_spread_lines(const PoolSpreadArgs<float>& args, Index begin, Index end, float* scratch) {
  HWY_DYNAMIC_DISPATCH(PoolSpreadLinesF32)(args, begin, end, scratch);
}
void pool_spread_channels(const PoolSpreadArgs<float>& args, Index begin, Index end) {
  HWY_DYNAMIC_DISPATCH(PoolSpreadChannelsF32)(args, begin, end);
}
void pool_blocks(const PoolBlocks<float>& args, const float* x, float* y, std::uint8_t* taps,
                 Index begin, Index end) {
  HWY_DYNAMIC_DISPATCH(PoolBlocksF32)(args, x, y, taps, begin, end);
}
void pool_blocks_backward(const PoolBlocks<float>& args, const float* dy, const std::uint8_t* taps,
                          float* dx, Index begin, Index end) {
  HWY_DYNAMIC_DISPATCH(PoolBlocksBackwardF32)(args, dy, taps, dx, begin, end);
}

}  // namespace lamina::kernels
#endif  // HWY_ONCE
