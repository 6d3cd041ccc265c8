#pragma once

#include "lamina/nn/activation_any.hpp"
#include "lamina/nn/activation_piecewise.hpp"
#include "lamina/nn/activation_smooth.hpp"

// Activations, element by element: by enumerator, and by name.
