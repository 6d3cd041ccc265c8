#pragma once

#include "compare/peer.hpp"

namespace lamina::compare {

/// lamina itself, as the others see it.
[[nodiscard]] Peer& lamina_peer();

/// The steps of the rows that train a network.
[[nodiscard]] std::function<void()> lamina_training(const Problem& problem);

}  // namespace lamina::compare
