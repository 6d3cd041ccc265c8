#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lamina::nn {

/// Every loss that compares two arrays element by element, in the order of `kLossTable`.
enum class Loss : std::uint8_t {
  Mse,
  Mae,
  Huber,
  SmoothL1,
  LogCosh,
  PoissonNll,
  PoissonNllLog,
  GaussianNll,
  BinaryCrossEntropy,
  BceWithLogits,
  BceWithLogitsPosWeight,
  Focal,
  FocalWithLogits,
  KlDiv,
  KlDivLogPrediction,
  KlDivLogTarget,
  KlDivLogBoth,
  Hinge,
  SquaredHinge,
  SoftMargin,
  MarginRanking,
};

/// Which numbers a parameter may be; a number outside is an InvalidOperation error. NaN never may.
enum class LossDomain : std::uint8_t { Any, NotNegative, Positive, Unit, BelowHalf };

struct LossParameter {
  std::string_view name{};
  double default_value = 0;
  LossDomain domain = LossDomain::Any;
};

/// What is known about one loss.
struct LossRow {
  Loss kind;
  std::string_view name;   ///< the C++ function's name
  std::string_view third;  ///< name of the third array that it reads, or empty
  int parameter_count;
  std::array<LossParameter, 2> parameters;
  std::string_view formula;  ///< t: y_true, p: y_pred
  std::string_view source;   ///< who introduced it
};

// clang-format off
inline constexpr std::array kLossTable{
    LossRow{Loss::Mse, "mse_loss", "", 0, {}, "(p - t)^2", ""},
    LossRow{Loss::Mae, "mae_loss", "", 0, {}, "|p - t|", ""},
    LossRow{Loss::Huber, "huber_loss", "", 1, {{{"delta", 1.0, LossDomain::Positive}}},
            "e^2 / 2 if |e| <= delta else delta (|e| - delta / 2), e = p - t", "Huber 1964"},
    LossRow{Loss::SmoothL1, "smooth_l1_loss", "", 1, {{{"beta", 1.0, LossDomain::NotNegative}}},
            "e^2 / (2 beta) if |e| < beta else |e| - beta / 2, e = p - t", "Girshick 2015"},
    LossRow{Loss::LogCosh, "log_cosh_loss", "", 0, {}, "log(cosh(p - t))", ""},
    LossRow{Loss::PoissonNll, "poisson_nll_loss", "", 2,
            {{{"epsilon", 1e-8, LossDomain::NotNegative}, {"full", 0.0}}},
            "p - t log(p + epsilon) [+ log t! by Stirling]", ""},
    LossRow{Loss::PoissonNllLog, "poisson_nll_loss", "", 2,
            {{{"epsilon", 1e-8, LossDomain::NotNegative}, {"full", 0.0}}},
            "exp(p) - t p [+ log t! by Stirling]", ""},
    LossRow{Loss::GaussianNll, "gaussian_nll_loss", "variance", 2,
            {{{"epsilon", 1e-6, LossDomain::NotNegative}, {"full", 0.0}}},
            "(log v + (p - t)^2 / v) / 2 [+ log(2 pi) / 2], v = max(variance, epsilon)",
            "Nix and Weigend 1994"},
    LossRow{Loss::BinaryCrossEntropy, "binary_cross_entropy", "", 1,
            {{{"epsilon", 1e-7, LossDomain::BelowHalf}}},
            "-t log(q) - (1 - t) log(1 - q), q = p clamped to [epsilon, 1 - epsilon]", ""},
    LossRow{Loss::BceWithLogits, "bce_with_logits", "", 0, {},
            "max(p, 0) - p t + log(1 + exp(-|p|))", ""},
    LossRow{Loss::BceWithLogitsPosWeight, "bce_with_logits", "pos_weight", 0, {},
            "pos_weight t log(1 + exp(-p)) + (1 - t) log(1 + exp(p))", ""},
    LossRow{Loss::Focal, "focal_loss", "", 2,
            {{{"alpha", 0.25, LossDomain::Unit}, {"gamma", 2.0, LossDomain::NotNegative}}},
            "a (1 - s)^gamma (-t log(p) - (1 - t) log(1 - p)), s = p t + (1 - p) (1 - t), "
            "a = alpha t + (1 - alpha) (1 - t)",
            "Lin et al. 2017"},
    LossRow{Loss::FocalWithLogits, "focal_loss_with_logits", "", 2,
            {{{"alpha", 0.25, LossDomain::Unit}, {"gamma", 2.0, LossDomain::NotNegative}}},
            "focal_loss of sigmoid(p)", "Lin et al. 2017"},
    LossRow{Loss::KlDiv, "kl_div_loss", "", 1, {{{"epsilon", 1e-10, LossDomain::NotNegative}}},
            "t log((t + epsilon) / (p + epsilon)), 0 at t = 0", "Kullback and Leibler 1951"},
    LossRow{Loss::KlDivLogPrediction, "kl_div_loss", "", 1,
            {{{"epsilon", 1e-10, LossDomain::NotNegative}}},
            "t (log(t) - p), 0 at t = 0", "Kullback and Leibler 1951"},
    LossRow{Loss::KlDivLogTarget, "kl_div_loss", "", 1,
            {{{"epsilon", 1e-10, LossDomain::NotNegative}}},
            "exp(t) (t - log(p + epsilon))", "Kullback and Leibler 1951"},
    LossRow{Loss::KlDivLogBoth, "kl_div_loss", "", 1,
            {{{"epsilon", 1e-10, LossDomain::NotNegative}}},
            "exp(t) (t - p)", "Kullback and Leibler 1951"},
    LossRow{Loss::Hinge, "hinge_loss", "", 0, {}, "max(0, 1 - t p)", "Cortes and Vapnik 1995"},
    LossRow{Loss::SquaredHinge, "squared_hinge_loss", "", 0, {}, "max(0, 1 - t p)^2", ""},
    LossRow{Loss::SoftMargin, "soft_margin_loss", "", 0, {}, "log(1 + exp(-t p))", ""},
    LossRow{Loss::MarginRanking, "margin_ranking_loss", "x2", 1, {{{"margin", 0.0}}},
            "max(0, -t (p - x2) + margin)", ""},
};
// clang-format on

static_assert(
    [] {
      for (std::size_t i = 0; i < kLossTable.size(); ++i) {
        if (static_cast<std::size_t>(kLossTable[i].kind) != i) return false;
      }
      return true;
    }(),
    "a row of kLossTable stands at its enumerator's place");

/// The row of one loss.
[[nodiscard]] constexpr const LossRow& loss_row(Loss kind) {
  return kLossTable[static_cast<std::size_t>(kind)];
}

/// The C++ function's name, e.g. "huber_loss".
[[nodiscard]] constexpr std::string_view to_string(Loss kind) {
  return loss_row(kind).name;
}

}  // namespace lamina::nn
