#pragma once

// Everything.

#include "lamina/autograd/gradcheck.hpp"
#include "lamina/autograd/ops_linear.hpp"
#include "lamina/autograd/ops_shape.hpp"
#include "lamina/autograd/var.hpp"
#include "lamina/core/array.hpp"
#include "lamina/core/error.hpp"
#include "lamina/core/function_ref.hpp"
#include "lamina/core/index.hpp"
#include "lamina/core/memory.hpp"
#include "lamina/core/parallel.hpp"
#include "lamina/core/random.hpp"
#include "lamina/core/result.hpp"
#include "lamina/core/shape.hpp"
#include "lamina/core/simd.hpp"
#include "lamina/core/view.hpp"
#include "lamina/nn/init.hpp"
#include "lamina/nn/linear.hpp"
#include "lamina/nn/simd_info.hpp"
#include "lamina/nn/types.hpp"
#include "lamina/nn/update.hpp"
