#include "lamina/core/random.hpp"

#include <pybind11/stl.h>

#include "modules.hpp"

namespace lamina::python {

namespace {

void def_generator(py::module_& root) {
  using py::arg;
  py::class_<Generator> type(root, "Generator", R"(
Generator(seed=0, stream=0)

Random numbers that are the same on every machine for the same seed and stream (Philox4x32-10).
A copy goes on on its own at the same position. Threads should not share one: split() it.)");
  type.attr("__module__") = "lamina";
  type.def(py::init<std::uint64_t, std::uint64_t>(), arg("seed") = 0, arg("stream") = 0);
  type.def(
      "copy", [](const Generator& g) { return Generator(g); }, "A generator at the same position.");
  type.def("split", &Generator::split, arg("i"),
           "An independent generator, the same one for the same seed, stream and i.");
  type.def("jump", &Generator::jump, arg("words"), "Skips words of 32 bits.");
  type.def("next_u32", &Generator::next_u32, "The next word of 32 bits.");
  type.def("next_u64", &Generator::next_u64, "Two words as one number.");
  type.def("below", &Generator::below, arg("n"), "Uniform on 0 ... n - 1.");
  type.def("bernoulli", &Generator::bernoulli, arg("p"), "True with probability p.");
  type.def(
      "uniform", [](Generator& g, double low, double high) { return g.uniform(low, high); },
      arg("low") = 0.0, arg("high") = 1.0, "Uniform on [low, high).");
  type.def(
      "normal",
      [](Generator& g, double mean, double deviation) { return g.normal(mean, deviation); },
      arg("mean") = 0.0, arg("deviation") = 1.0, "Normally distributed.");
  type.def_property(
      "state",
      [](const Generator& g) {
        return py::make_tuple(g.state().seed, g.state().stream, g.state().offset);
      },
      [](Generator& g, const std::array<std::uint64_t, 3>& state) {
        g.set_state({state[0], state[1], state[2]});
      },
      "(seed, stream, words taken so far)");
  type.def("__repr__", [](const Generator& g) {
    return "lamina.Generator(seed=" + std::to_string(g.state().seed) +
           ", stream=" + std::to_string(g.state().stream) + ") after " +
           std::to_string(g.state().offset) + " words";
  });
  type.def(py::pickle(
      [](const Generator& g) {
        return py::make_tuple(g.state().seed, g.state().stream, g.state().offset);
      },
      [](const py::tuple& tuple) {
        const auto state = py::cast<std::array<std::uint64_t, 3>>(tuple);
        return Generator(Generator::State{state[0], state[1], state[2]});
      }));
}

}  // namespace

void def_random(Module& root) {
  def_generator(root.module());
  root.def("seed(seed, stream=0) -> None",
           "Starts the module's own generator, from which layers and functions draw that are given "
           "none, anew. It starts with seed 0, so that a program gives the same every time.",
           [](Call& call) -> py::object {
             default_generator() = Generator(call.seed("seed"), call.seed("stream"));
             return py::none();
           });
  root.def(
      "random_uniform(shape, generator=None, low=0.0, high=1.0, *, dtype=\"float32\", "
      "out=None) -> Array",
      "Uniform on [low, high), of the shape and `dtype` given. torch.rand.", [](Call& call) {
        const Shape shape = call.shape("shape");
        Generator& generator = call.generator();
        const double low = call.number("low");
        const double high = call.number("high");
        return create(call, [&]<class T>(T) {
          return random_uniform<T>(shape, generator, static_cast<T>(low), static_cast<T>(high));
        });
      });
  root.def(
      "random_normal(shape, generator=None, mean=0.0, deviation=1.0, *, dtype=\"float32\", "
      "out=None) -> Array",
      "Normally distributed, of the shape and `dtype` given. torch.randn.", [](Call& call) {
        const Shape shape = call.shape("shape");
        Generator& generator = call.generator();
        const double mean = call.number("mean");
        const double deviation = call.number("deviation");
        return create(call, [&]<class T>(T) {
          return random_normal<T>(shape, generator, static_cast<T>(mean),
                                  static_cast<T>(deviation));
        });
      });
  root.def(
      "random_integers(shape, low, high, generator=None, *, out=None) -> Array",
      "Integers low ... high - 1, int64.", [](Call& call) {
        const Shape shape = call.shape("shape");
        const Index low = call.index("low");
        const Index high = call.index("high");
        Generator& generator = call.generator();
        return call.deliver(released([&] { return random_integers(shape, generator, low, high); }));
      });
  root.def("random_bernoulli(shape, p, generator=None, *, out=None) -> Array",
           "True with probability p.", [](Call& call) {
             const Shape shape = call.shape("shape");
             const double p = call.number("p");
             Generator& generator = call.generator();
             return call.deliver(released([&] { return random_bernoulli(shape, generator, p); }));
           });
  root.def("permutation(n, generator=None, *, out=None) -> Array", "0 ... n - 1 in random order.",
           [](Call& call) {
             const Index n = call.index("n");
             Generator& generator = call.generator();
             return call.deliver(released([&] { return permutation(n, generator); }));
           });
}

}  // namespace lamina::python
