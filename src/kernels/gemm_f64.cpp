#include "kernels/gemm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/gemm-inl.hpp"
#include "kernels/gemm_block-inl.hpp"
#include "kernels/gemm_skinny-inl.hpp"
#include "kernels/gemm_small-inl.hpp"
#include "kernels/gemm_tall-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

GemmTiling TilingF64() {
  return Tiling<double>();
}
void BlockF64(const GemmBlock<double>& block) {
  Block(block);
}
void SmallF64(const SmallProduct<double>& product) {
  Small(product);
}
void PackF64(const GemmPack<double>& pack) {
  constexpr Index kRows = kTileRows;
  if (pack.panel == kRows) {
    PackPanel<kRows>(pack);
  } else {
    PackPanel<kTileVectors* static_cast<Index>(hn::MaxLanes(hn::ScalableTag<double>()))>(pack);
  }
}
void SkinnyF64(const SkinnyProduct<double>& product) {
  Skinny(product);
}
void SkinnyFinishF64(const SkinnySums<double>& sums) {
  SkinnyFinish(sums);
}
void TallF64(const TallProduct<double>& product) {
  Tall(product);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(TilingF64);
HWY_EXPORT(BlockF64);
HWY_EXPORT(SmallF64);
HWY_EXPORT(PackF64);
HWY_EXPORT(SkinnyF64);
HWY_EXPORT(SkinnyFinishF64);
HWY_EXPORT(TallF64);

template <>
GemmTiling gemm_tiling<double>() {
  return HWY_DYNAMIC_DISPATCH(TilingF64)();
}
void gemm_block(const GemmBlock<double>& block) {
  HWY_DYNAMIC_DISPATCH(BlockF64)(block);
}
void gemm_small(const SmallProduct<double>& product) {
  HWY_DYNAMIC_DISPATCH(SmallF64)(product);
}
void gemm_pack(const GemmPack<double>& pack) {
  HWY_DYNAMIC_DISPATCH(PackF64)(pack);
}
void gemm_skinny(const SkinnyProduct<double>& product) {
  HWY_DYNAMIC_DISPATCH(SkinnyF64)(product);
}
void gemm_skinny_finish(const SkinnySums<double>& sums) {
  HWY_DYNAMIC_DISPATCH(SkinnyFinishF64)(sums);
}
void gemm_tall(const TallProduct<double>& product) {
  HWY_DYNAMIC_DISPATCH(TallF64)(product);
}

}  // namespace lamina::kernels
#endif
