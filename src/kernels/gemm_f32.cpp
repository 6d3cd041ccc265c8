#include "kernels/gemm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_f32.cpp"
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

GemmTiling TilingF32() {
  return Tiling<float>();
}
void BlockF32(const GemmBlock<float>& block) {
  Block(block);
}
void SmallF32(const SmallProduct<float>& product) {
  Small(product);
}
void PackF32(const GemmPack<float>& pack) {
  constexpr Index kRows = kTileRows;
  if (pack.panel == kRows) {
    PackPanel<kRows>(pack);
  } else {
    PackPanel<kTileVectors* static_cast<Index>(hn::MaxLanes(hn::ScalableTag<float>()))>(pack);
  }
}
void SkinnyF32(const SkinnyProduct<float>& product) {
  Skinny(product);
}
void SkinnyFinishF32(const SkinnySums<float>& sums) {
  SkinnyFinish(sums);
}
void TallF32(const TallProduct<float>& product) {
  Tall(product);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(TilingF32);
HWY_EXPORT(BlockF32);
HWY_EXPORT(SmallF32);
HWY_EXPORT(PackF32);
HWY_EXPORT(SkinnyF32);
HWY_EXPORT(SkinnyFinishF32);
HWY_EXPORT(TallF32);

template <>
GemmTiling gemm_tiling<float>() {
  return HWY_DYNAMIC_DISPATCH(TilingF32)();
}
void gemm_block(const GemmBlock<float>& block) {
  HWY_DYNAMIC_DISPATCH(BlockF32)(block);
}
void gemm_small(const SmallProduct<float>& product) {
  HWY_DYNAMIC_DISPATCH(SmallF32)(product);
}
void gemm_pack(const GemmPack<float>& pack) {
  HWY_DYNAMIC_DISPATCH(PackF32)(pack);
}
void gemm_skinny(const SkinnyProduct<float>& product) {
  HWY_DYNAMIC_DISPATCH(SkinnyF32)(product);
}
void gemm_skinny_finish(const SkinnySums<float>& sums) {
  HWY_DYNAMIC_DISPATCH(SkinnyFinishF32)(sums);
}
void gemm_tall(const TallProduct<float>& product) {
  HWY_DYNAMIC_DISPATCH(TallF32)(product);
}

}  // namespace lamina::kernels
#endif
