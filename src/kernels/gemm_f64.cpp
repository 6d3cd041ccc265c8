#include "kernels/gemm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/gemm-inl.hpp"
#include "kernels/gemm_pack-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

GemmTiling TilingF64() {
  return Tiling<double>();
}
void BlockF64(const GemmBlock<double>& block) {
  Block(block);
}
void PackF64(const GemmPack<double>& pack) {
  constexpr Index kRows = kTileRows;
  if (pack.panel == kRows) {
    PackPanels<kRows>(pack);
  } else {
    PackPanels<kTileVectors* static_cast<Index>(hn::MaxLanes(hn::ScalableTag<double>()))>(pack);
  }
}
void GemvF64(const GemvArgs<double>& args) {
  Gemv(args);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(TilingF64);
HWY_EXPORT(BlockF64);
HWY_EXPORT(PackF64);
HWY_EXPORT(GemvF64);

template <>
GemmTiling gemm_tiling<double>() {
  return HWY_DYNAMIC_DISPATCH(TilingF64)();
}
void gemm_block(const GemmBlock<double>& block) {
  HWY_DYNAMIC_DISPATCH(BlockF64)(block);
}
void gemm_pack(const GemmPack<double>& pack) {
  HWY_DYNAMIC_DISPATCH(PackF64)(pack);
}
void gemv(const GemvArgs<double>& args) {
  HWY_DYNAMIC_DISPATCH(GemvF64)(args);
}

}  // namespace lamina::kernels
#endif
