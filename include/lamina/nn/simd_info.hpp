#pragma once

#include "lamina/core/simd.hpp"

/// The guide's names for what core/simd.hpp knows about this machine.
namespace lamina::nn {

using simd::detect_simd_capabilities;
using simd::get_simd_info;
using simd::is_simd_available;
using simd::PlatformCapabilities;
using simd::recommended_batch_size;

}  // namespace lamina::nn
