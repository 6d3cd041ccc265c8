#include "lamina/nn/simd_info.hpp"
#include "lamina/nn/simd_ops.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

/// The guide's simd_* functions of one element type, by their names without prefix and type.
template <class T>
struct SimdTable {
  template <class F>
  using Rows = std::initializer_list<std::pair<const char*, F>>;
  Rows<Array<T> (*)(const View<T>&)> maps;
  Rows<Array<T> (*)(const View<T>&, T)> maps_with_alpha;
  Rows<Array<T> (*)(const View<T>&, const View<T>&)> pairs;
  Rows<T (*)(const View<T>&)> reductions;
  T (*dot)(const View<T>&, const View<T>&);
};

/// Refuses arrays of the other element type.
template <class T>
void demand_type(const Call& call, std::initializer_list<Operand*> operands) {
  for (Operand* operand : operands) {
    call.refuse_recorded({operand});
    if (operand->has_type() && operand->type() != kType<T>) {
      throw_type_error(operand->place(), "is " + std::string(to_string(operand->type())) + ", " +
                                             std::string(to_string(kType<T>)) + " is needed");
    }
    operand->prepare<T>();
  }
}

template <class T>
void def_table(Module& nn, const SimdTable<T>& table) {
  const std::string suffix = std::is_same_v<T, float> ? "_f32" : "_f64";
  const std::string type(to_string(kType<T>));
  const auto full = [&](const char* name) { return std::string("simd_") + name + suffix; };
  for (const auto& [name, f] : table.maps) {
    nn.def(full(name) + "(x, *, out=None) -> Array", std::string(name) + " of " + type + ".",
           [f = f](Call& call) {
             Operand x = call.array("x");
             demand_type<T>(call, {&x});
             return call.deliver(released([&] { return f(x.view<T>()); }));
           });
  }
  for (const auto& [name, f] : table.maps_with_alpha) {
    nn.def(full(name) + "(x, alpha, *, out=None) -> Array", std::string(name) + " of " + type + ".",
           [f = f](Call& call) {
             Operand x = call.array("x");
             const T alpha = static_cast<T>(call.number("alpha"));
             demand_type<T>(call, {&x});
             return call.deliver(released([&] { return f(x.view<T>(), alpha); }));
           });
  }
  for (const auto& [name, f] : table.pairs) {
    nn.def(full(name) + "(a, b, *, out=None) -> Array",
           std::string(name) + " of two arrays of " + type +
               (std::string_view(name) == "matmul" ? ", matrices." : " and of one shape."),
           [f = f](Call& call) {
             Operand a = call.array("a");
             Operand b = call.array("b");
             demand_type<T>(call, {&a, &b});
             return call.deliver(released([&] { return f(a.view<T>(), b.view<T>()); }));
           });
  }
  for (const auto& [name, f] : table.reductions) {
    nn.def(full(name) + "(x) -> float", std::string(name) + " of all elements of " + type + ".",
           [f = f](Call& call) {
             Operand x = call.array("x");
             demand_type<T>(call, {&x});
             return call.deliver(released([&] { return f(x.view<T>()); }));
           });
  }
  nn.def(full("dot") + "(a, b) -> float", "Sum of a b, two vectors of " + type + ".",
         [f = table.dot](Call& call) {
           Operand a = call.array("a");
           Operand b = call.array("b");
           demand_type<T>(call, {&a, &b});
           return call.deliver(released([&] { return f(a.view<T>(), b.view<T>()); }));
         });
}

}  // namespace

void def_simd_operations(Module& nn) {
  def_table<float>(nn, {{{"relu", nn::simd_relu_f32},
                         {"sigmoid", nn::simd_sigmoid_f32},
                         {"tanh", nn::simd_tanh_f32},
                         {"gelu", nn::simd_gelu_f32},
                         {"swish", nn::simd_swish_f32},
                         {"mish", nn::simd_mish_f32},
                         {"selu", nn::simd_selu_f32},
                         {"exp", nn::simd_exp_f32},
                         {"relu_2d", nn::simd_relu_2d_f32}},
                        {{"leaky_relu", nn::simd_leaky_relu_f32}, {"elu", nn::simd_elu_f32}},
                        {{"add", nn::simd_add_f32},
                         {"sub", nn::simd_sub_f32},
                         {"mul", nn::simd_mul_f32},
                         {"div", nn::simd_div_f32},
                         {"matmul", nn::simd_matmul_f32}},
                        {{"sum", nn::simd_sum_f32},
                         {"mean", nn::simd_mean_f32},
                         {"norm", nn::simd_norm_f32},
                         {"max", nn::simd_max_f32},
                         {"min", nn::simd_min_f32}},
                        nn::simd_dot_f32});
  def_table<double>(nn, {{{"relu", nn::simd_relu_f64},
                          {"sigmoid", nn::simd_sigmoid_f64},
                          {"tanh", nn::simd_tanh_f64},
                          {"gelu", nn::simd_gelu_f64},
                          {"swish", nn::simd_swish_f64},
                          {"mish", nn::simd_mish_f64},
                          {"selu", nn::simd_selu_f64},
                          {"exp", nn::simd_exp_f64},
                          {"relu_2d", nn::simd_relu_2d_f64}},
                         {{"leaky_relu", nn::simd_leaky_relu_f64}, {"elu", nn::simd_elu_f64}},
                         {{"add", nn::simd_add_f64},
                          {"sub", nn::simd_sub_f64},
                          {"mul", nn::simd_mul_f64},
                          {"div", nn::simd_div_f64},
                          {"matmul", nn::simd_matmul_f64}},
                         {{"sum", nn::simd_sum_f64},
                          {"mean", nn::simd_mean_f64},
                          {"norm", nn::simd_norm_f64},
                          {"max", nn::simd_max_f64},
                          {"min", nn::simd_min_f64}},
                         nn::simd_dot_f64});
}

}  // namespace lamina::python
