#pragma once

// Element-wise arithmetic on contiguous runs of n elements; outputs may be inputs. `stream`: stores
// go around the caches.

#include "lamina/core/index.hpp"
#include "lamina/nn/arithmetic_table.hpp"

namespace lamina::kernels {

void binary(nn::BinaryOp op, const float* a, const float* b, float* y, Index n,
            bool stream = false);
void binary(nn::BinaryOp op, const double* a, const double* b, double* y, Index n,
            bool stream = false);
void binary_scalar(nn::BinaryOp op, const float* a, float b, float* y, Index n,
                   bool stream = false);
void binary_scalar(nn::BinaryOp op, const double* a, double b, double* y, Index n,
                   bool stream = false);
void scalar_binary(nn::BinaryOp op, float a, const float* b, float* y, Index n,
                   bool stream = false);
void scalar_binary(nn::BinaryOp op, double a, const double* b, double* y, Index n,
                   bool stream = false);

/// The gradient to a (or to b), as if a and b had dy's shape.
void binary_backward_a(nn::BinaryOp op, const float* dy, const float* a, const float* b, float* da,
                       Index n);
void binary_backward_a(nn::BinaryOp op, const double* dy, const double* a, const double* b,
                       double* da, Index n);
void binary_backward_b(nn::BinaryOp op, const float* dy, const float* a, const float* b, float* db,
                       Index n);
void binary_backward_b(nn::BinaryOp op, const double* dy, const double* a, const double* b,
                       double* db, Index n);

void unary(nn::UnaryOp op, const float* x, float* y, Index n, bool stream = false);
void unary(nn::UnaryOp op, const double* x, double* y, Index n, bool stream = false);
/// `saved` is what the table says: x or y.
void unary_backward(nn::UnaryOp op, const float* dy, const float* saved, float* dx, Index n);
void unary_backward(nn::UnaryOp op, const double* dy, const double* saved, double* dx, Index n);

void clamp(const float* x, float low, float high, float* y, Index n, bool stream = false);
void clamp(const double* x, double low, double high, double* y, Index n, bool stream = false);
void clamp_backward(const float* dy, const float* x, float low, float high, float* dx, Index n);
void clamp_backward(const double* dy, const double* x, double low, double high, double* dx,
                    Index n);

void compare(nn::CompareOp op, const float* a, const float* b, bool* y, Index n);
void compare(nn::CompareOp op, const double* a, const double* b, bool* y, Index n);

}  // namespace lamina::kernels
