#pragma once

#include <memory>
#include <variant>

#include "lamina/layers/linear.hpp"
#include "modules.hpp"

// Layers of Python: how they are made, by the functions of layers*.cpp, and what they hold.

namespace lamina::python {

/// What a layer of Python holds: one of C++, of either element type.
template <class T>
using Held = std::shared_ptr<layers::Module<T>>;
struct Layer {
  std::variant<Held<float>, Held<double>> module;
};

/// The layer that the parameter `layer` is.
[[nodiscard]] const Layer& read_layer(const Call& call);

/// f(element) makes the layer: std::make_shared<layers::Linear<T>>(...).
template <class F>
py::object make(const Call& call, const F& f) {
  if (call.dtype() == Type::Float32) {
    return py::cast(Layer{Held<float>(released([&] { return f(float()); }))});
  }
  return py::cast(Layer{Held<double>(released([&] { return f(double()); }))});
}

/// How weights begin, by the parameter `init`.
[[nodiscard]] layers::WeightInit weight_init(const Call& call);

void def_pooling_layers(Module& layers);
void def_sequence_layers(Module& layers);
/// Calls of layers, and what they contain.
void def_layer_calls(Module& calls);

}  // namespace lamina::python
