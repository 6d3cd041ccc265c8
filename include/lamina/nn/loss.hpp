#pragma once

// All losses. The target comes first: loss(y_true, y_pred).
#include "lamina/nn/ctc.hpp"
#include "lamina/nn/loss_binary.hpp"
#include "lamina/nn/loss_classification.hpp"
#include "lamina/nn/loss_embedding.hpp"
#include "lamina/nn/loss_multilabel.hpp"
#include "lamina/nn/loss_regression.hpp"
