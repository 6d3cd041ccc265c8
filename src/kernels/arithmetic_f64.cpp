#include "kernels/arithmetic.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/arithmetic_f64.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/arithmetic-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {

void BinaryF64(nn::BinaryOp op, const double* a, const double* b, double* y, Index n, bool stream) {
  BinaryOf(op, a, b, y, n, stream);
}
void BinaryScalarF64(nn::BinaryOp op, const double* a, double b, double* y, Index n, bool stream) {
  BinaryScalarOf(op, a, b, y, n, stream);
}
void ScalarBinaryF64(nn::BinaryOp op, double a, const double* b, double* y, Index n, bool stream) {
  ScalarBinaryOf(op, a, b, y, n, stream);
}
void BinaryBackwardAF64(nn::BinaryOp op, const double* dy, const double* a, const double* b,
                        double* da, Index n) {
  BinaryBackwardAOf(op, dy, a, b, da, n);
}
void BinaryBackwardBF64(nn::BinaryOp op, const double* dy, const double* a, const double* b,
                        double* db, Index n) {
  BinaryBackwardBOf(op, dy, a, b, db, n);
}
void UnaryF64(nn::UnaryOp op, const double* x, double* y, Index n, bool stream) {
  UnaryOf(op, x, y, n, stream);
}
void UnaryBackwardF64(nn::UnaryOp op, const double* dy, const double* saved, double* dx, Index n) {
  UnaryBackwardOf(op, dy, saved, dx, n);
}
void ClampF64(const double* x, double low, double high, double* y, Index n, bool stream) {
  ClampOf(x, low, high, y, n, stream);
}
void ClampBackwardF64(const double* dy, const double* x, double low, double high, double* dx,
                      Index n) {
  ClampBackwardOf(dy, x, low, high, dx, n);
}
void CompareF64(nn::CompareOp op, const double* a, const double* b, bool* y, Index n) {
  CompareOf(op, a, b, y, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina::kernels {

HWY_EXPORT(BinaryF64);
HWY_EXPORT(BinaryScalarF64);
HWY_EXPORT(ScalarBinaryF64);
HWY_EXPORT(BinaryBackwardAF64);
HWY_EXPORT(BinaryBackwardBF64);
HWY_EXPORT(UnaryF64);
HWY_EXPORT(UnaryBackwardF64);
HWY_EXPORT(ClampF64);
HWY_EXPORT(ClampBackwardF64);
HWY_EXPORT(CompareF64);

void binary(nn::BinaryOp op, const double* a, const double* b, double* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(BinaryF64)(op, a, b, y, n, stream);
}
void binary_scalar(nn::BinaryOp op, const double* a, double b, double* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(BinaryScalarF64)(op, a, b, y, n, stream);
}
void scalar_binary(nn::BinaryOp op, double a, const double* b, double* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(ScalarBinaryF64)(op, a, b, y, n, stream);
}
void binary_backward_a(nn::BinaryOp op, const double* dy, const double* a, const double* b,
                       double* da, Index n) {
  HWY_DYNAMIC_DISPATCH(BinaryBackwardAF64)(op, dy, a, b, da, n);
}
void binary_backward_b(nn::BinaryOp op, const double* dy, const double* a, const double* b,
                       double* db, Index n) {
  HWY_DYNAMIC_DISPATCH(BinaryBackwardBF64)(op, dy, a, b, db, n);
}
void unary(nn::UnaryOp op, const double* x, double* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(UnaryF64)(op, x, y, n, stream);
}
void unary_backward(nn::UnaryOp op, const double* dy, const double* saved, double* dx, Index n) {
  HWY_DYNAMIC_DISPATCH(UnaryBackwardF64)(op, dy, saved, dx, n);
}
void clamp(const double* x, double low, double high, double* y, Index n, bool stream) {
  HWY_DYNAMIC_DISPATCH(ClampF64)(x, low, high, y, n, stream);
}
void clamp_backward(const double* dy, const double* x, double low, double high, double* dx,
                    Index n) {
  HWY_DYNAMIC_DISPATCH(ClampBackwardF64)(dy, x, low, high, dx, n);
}
void compare(nn::CompareOp op, const double* a, const double* b, bool* y, Index n) {
  HWY_DYNAMIC_DISPATCH(CompareF64)(op, a, b, y, n);
}

}  // namespace lamina::kernels
#endif
