#include "kernels/arithmetic.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/arithmetic_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void BinaryF32(nn::BinaryOp op, const float* a, const float* b, float* y, Index n, bool stream) {
  BinaryOf(op, a, b, y, n, stream);
}
void BinaryScalarF32(nn::BinaryOp op, const float* a, float b, float* y, Index n, bool stream) {
  BinaryScalarOf(op, a, b, y, n, stream);
}
void ScalarBinaryF32(nn::BinaryOp op, float a, const float* b, float* y, Index n, bool stream) {
  ScalarBinaryOf(op, a, b, y, n, stream);
}
void BinaryBackwardAF32(nn::BinaryOp op, const float* dy, const float* a, const float* b, float* da,
                        Index n) {
  BinaryBackwardAOf(op, dy, a, b, da, n);
}
void BinaryBackwardBF32(nn::BinaryOp op, const float* dy, const float* a, const float* b, float* db,
                        Index n) {
  BinaryBackwardBOf(op, dy, a, b, db, n);
}
void UnaryF32(nn::UnaryOp op, const float* x, float* y, Index n, bool stream) {
  UnaryOf(op, x, y, n, stream);
}
void UnaryBackwardF32(nn::UnaryOp op, const float* dy, const float* saved, float* dx, Index n) {
  UnaryBackwardOf(op, dy, saved, dx, n);
}
void ClampF32(const float* x, float low, float high, float* y, Index n, bool stream) {
  ClampOf(x, low, high, y, n, stream);
}
void ClampBackwardF32(const float* dy, const float* x, float low, float high, float* dx, Index n) {
  ClampBackwardOf(dy, x, low, high, dx, n);
}
void CompareF32(nn::CompareOp op, const float* a, const float* b, bool* y, Index n) {
  CompareOf(op, a, b, y, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(BinaryF32);
HWY_EXPORT(BinaryScalarF32);
HWY_EXPORT(ScalarBinaryF32);
HWY_EXPORT(BinaryBackwardAF32);
HWY_EXPORT(BinaryBackwardBF32);
HWY_EXPORT(UnaryF32);
HWY_EXPORT(UnaryBackwardF32);
HWY_EXPORT(ClampF32);
HWY_EXPORT(ClampBackwardF32);
HWY_EXPORT(CompareF32);

void binary(nn::BinaryOp op, const float* a, const float* b, float* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(BinaryF32)(op, a, b, y, n, stream);
}
void binary_scalar(nn::BinaryOp op, const float* a, float b, float* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(BinaryScalarF32)(op, a, b, y, n, stream);
}
void scalar_binary(nn::BinaryOp op, float a, const float* b, float* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(ScalarBinaryF32)(op, a, b, y, n, stream);
}
void binary_backward_a(nn::BinaryOp op, const float* dy, const float* a, const float* b, float* da,
                       Index n) {
  HWY_DYNAMIC_DISPATCH(BinaryBackwardAF32)(op, dy, a, b, da, n);
}
void binary_backward_b(nn::BinaryOp op, const float* dy, const float* a, const float* b, float* db,
                       Index n) {
  HWY_DYNAMIC_DISPATCH(BinaryBackwardBF32)(op, dy, a, b, db, n);
}
void unary(nn::UnaryOp op, const float* x, float* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(UnaryF32)(op, x, y, n, stream);
}
void unary_backward(nn::UnaryOp op, const float* dy, const float* saved, float* dx, Index n) {
  HWY_DYNAMIC_DISPATCH(UnaryBackwardF32)(op, dy, saved, dx, n);
}
void clamp(const float* x, float low, float high, float* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(ClampF32)(x, low, high, y, n, stream);
}
void clamp_backward(const float* dy, const float* x, float low, float high, float* dx, Index n) {
  HWY_DYNAMIC_DISPATCH(ClampBackwardF32)(dy, x, low, high, dx, n);
}
void compare(nn::CompareOp op, const float* a, const float* b, bool* y, Index n) {
  HWY_DYNAMIC_DISPATCH(CompareF32)(op, a, b, y, n);
}

}  // namespace lamina::kernels
#endif
