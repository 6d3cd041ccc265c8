#include "lamina/nn/conv.hpp"

#include "lamina/autograd/ops_conv.hpp"
#include "lamina/autograd/ops_unfold.hpp"
#include "lamina/nn/conv_packed.hpp"
#include "modules.hpp"
#include "packed.hpp"

namespace lamina::python {

namespace {

constexpr const char* kGeometry = "stride=1, padding=0, dilation=1, groups=1, data_format=\"NCHW\"";
constexpr const char* kActivation =
    "padding_value=\"zero\", activation=None, a=None, b=None, algorithm=\"auto\"";

template <int Rank>
nn::ConvOptions<Rank> read_options(const Call& call) {
  constexpr std::size_t kAxes = Rank;
  nn::ConvOptions<Rank> options;
  options.stride = call.each<kAxes>("stride");
  options.padding = call.padding("padding", Rank);
  options.dilation = call.each<kAxes>("dilation");
  options.groups = call.index("groups");
  options.format = call.data_format();
  options.padding_value = padding_value(call);
  options.algorithm = call.choice<nn::ConvAlgorithm>(
      "algorithm", {{"auto", nn::ConvAlgorithm::Auto}, {"direct", nn::ConvAlgorithm::Direct}});
  return options;
}

template <int Rank>
nn::ConvOptions<Rank> read_forward_options(const Call& call) {
  nn::ConvOptions<Rank> options = read_options<Rank>(call);
  if (call.has("activation")) {
    options.activation = activation_kind(call, "activation");
    options.activation_params = {call.optional_number("a"), call.optional_number("b")};
  }
  return options;
}

template <int Rank, class X>
auto conv(const X& x, const X& weight, const X& bias, const nn::ConvOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::conv1d(x, weight, bias, options);
  } else if constexpr (Rank == 2) {
    return nn::conv2d(x, weight, bias, options);
  } else {
    return nn::conv3d(x, weight, bias, options);
  }
}

template <int Rank, class X, class Out>
void conv_into(const X& x, const X& weight, const X& bias, const Out& out,
               const nn::ConvOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    nn::conv1d_into(x, weight, bias, out, options);
  } else if constexpr (Rank == 2) {
    nn::conv2d_into(x, weight, bias, out, options);
  } else {
    nn::conv3d_into(x, weight, bias, out, options);
  }
}

template <int Rank, class X>
auto backward_input(const X& dy, const X& weight, const Shape& shape,
                    const nn::ConvOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::conv1d_backward_input(dy, weight, shape, options);
  } else if constexpr (Rank == 2) {
    return nn::conv2d_backward_input(dy, weight, shape, options);
  } else {
    return nn::conv3d_backward_input(dy, weight, shape, options);
  }
}

template <int Rank, class X>
auto backward_weight(const X& dy, const X& x, const Shape& shape,
                     const nn::ConvOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::conv1d_backward_weight(dy, x, shape, options);
  } else if constexpr (Rank == 2) {
    return nn::conv2d_backward_weight(dy, x, shape, options);
  } else {
    return nn::conv3d_backward_weight(dy, x, shape, options);
  }
}

template <int Rank, class T>
Index workspace_bytes(const Shape& x, const Shape& weight, const nn::ConvOptions<Rank>& options,
                      nn::ConvPass pass) {
  if constexpr (Rank == 1) {
    return nn::conv1d_workspace_bytes<T>(x, weight, options, pass);
  } else if constexpr (Rank == 2) {
    return nn::conv2d_workspace_bytes<T>(x, weight, options, pass);
  } else {
    return nn::conv3d_workspace_bytes<T>(x, weight, options, pass);
  }
}

constexpr const char* kOptionsDoc = R"(
stride, dilation   a number, or one for each spatial axis
padding            a number; one, or a pair before and behind, for each spatial axis; "valid" (none),
                   "same" (result of extent in / stride, rounded up), "full"
groups             the channels are cut into so many groups that do not see each other
data_format        "NCHW": channels before the spatial axes; "NHWC": last
padding_value      what the padding holds: "zero", "reflect", "replicate", "circular"
algorithm          "auto": Winograd's where it is faster and allowed, see set_winograd; "direct"
)";

template <int Rank>
void def_rank(Module& nn, const std::string& spatial, const std::string& kernel) {
  const std::string name = "conv" + std::to_string(Rank) + "d";
  nn.def(name + "(x, weight, bias=None, " + kGeometry + ", " + kActivation +
             ", *, out=None) -> Recorded",
         "Convolution (cross-correlation) over " + std::to_string(Rank) +
             (Rank == 1 ? " axis" : " axes") + R"(.

    out[n, o, p] = bias[o] + sum over c, t of weight[o, c, t] x[n, c, p stride + t dilation - padding]

x                  (N, C, )" +
             spatial + "), (C, " + spatial + ") or (" + spatial + R"()
weight             (O, C / groups, )" +
             kernel + ") or (" + kernel + R"()
bias               (O) or None
returns            as x, with O channels and spatial extents
                   (in + padding before and behind - dilation (kernel - 1) - 1) / stride + 1)" +
             kOptionsDoc +
             "activation, a, b   name and parameters of an activation of the result, as "
             "nn.activation\n"
             "\nGradients: " +
             name + "_backward_input, " + name +
             "_backward_weight, conv_backward_bias.\ntorch.nn.functional." + name + ", ONNX Conv.",
         [](Call& call) {
           Operand x = call.array("x");
           Operand weight = call.array("weight");
           Operand bias = call.array("bias");
           const nn::ConvOptions<Rank> options = read_forward_options<Rank>(call);
           return record(
               call, std::tie(x, weight, bias),
               [&](const auto& a, const auto& w, const auto& b) {
                 return conv<Rank>(a, w, b, options);
               },
               [&](const auto& a, const auto& w, const auto& b, const auto& out) {
                 conv_into<Rank>(a, w, b, out, options);
               });
         });
  const std::string options =
      std::string(kGeometry) + ", padding_value=\"zero\", algorithm=\"auto\"";
  nn.def(name + "_backward_input(dy, weight, x_shape, " + options + ", *, out=None) -> Array",
         "Gradient of " + name + " for x.\n\ndy                 as the result of " + name +
             " (without an activation)\nweight             what went into it\n"
             "x_shape            shape of x\nreturns            of that shape" +
             kOptionsDoc,
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand weight = call.array("weight");
           const Shape shape = call.shape("x_shape");
           const nn::ConvOptions<Rank> read = read_options<Rank>(call);
           return compute(call, std::tie(dy, weight), [&](const auto& d, const auto& w) {
             return backward_input<Rank>(d, w, shape, read);
           });
         });
  nn.def(name + "_backward_weight(dy, x, weight_shape, " + options + ", *, out=None) -> Array",
         "Gradient of " + name + " for the weight.\n\ndy                 as the result of " + name +
             " (without an activation)\nx                  what went into it\n"
             "weight_shape       shape of the weight\nreturns            of that shape" +
             kOptionsDoc,
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           const Shape shape = call.shape("weight_shape");
           const nn::ConvOptions<Rank> read = read_options<Rank>(call);
           return compute(call, std::tie(dy, x), [&](const auto& d, const auto& a) {
             return backward_weight<Rank>(d, a, shape, read);
           });
         });
  nn.def(name + "_workspace_bytes(x, weight, " + options +
             ", pass_=\"forward\", dtype=\"float32\") -> int",
         "Bytes of scratch memory, beside arguments and result, that " + name +
             " takes at most.\n\nx, weight          shapes\npass_              \"forward\", "
             "\"backward_input\" or \"backward_weight\"" +
             kOptionsDoc,
         [](Call& call) -> py::object {
           const Shape x = call.shape("x");
           const Shape weight = call.shape("weight");
           const nn::ConvOptions<Rank> read = read_options<Rank>(call);
           const auto pass = call.choice<nn::ConvPass>(
               "pass_", {{"forward", nn::ConvPass::Forward},
                         {"backward_input", nn::ConvPass::BackwardInput},
                         {"backward_weight", nn::ConvPass::BackwardWeight}});
           return py::int_(call.dtype() == Type::Float32
                               ? workspace_bytes<Rank, float>(x, weight, read, pass)
                               : workspace_bytes<Rank, double>(x, weight, read, pass));
         });
}

struct PackedConv2d {
  std::variant<nn::PackedConv2dWeight<float>, nn::PackedConv2dWeight<double>> weight;
};

/// conv2d with it, allocating or not.
struct Conv2dPacked {
  template <class T>
  Array<T> operator()(const View<T>& x, const nn::PackedConv2dWeight<T>& weight,
                      const View<T>& bias) const {
    return nn::conv2d(x, weight, bias);
  }
  template <class T>
  void operator()(const View<T>& x, const nn::PackedConv2dWeight<T>& weight, const View<T>& bias,
                  const MutView<T>& out) const {
    nn::conv2d_into(x, weight, bias, out);
  }
};

void def_packed(Module& nn) {
  const auto of = [](auto get) {
    return [get](const PackedConv2d& packed) {
      return std::visit([&](const auto& weight) { return get(weight); }, packed.weight);
    };
  };
  py::class_<PackedConv2d>(nn.module(), "PackedConv2dWeight",
                           "A weight of conv2d with its options, packed once for many calls.")
      .def_property_readonly("nbytes", of([](const auto& weight) { return weight.bytes(); }))
      .def_property_readonly(
          "dtype", of([]<class T>(const nn::PackedConv2dWeight<T>&) { return py::dtype::of<T>(); }))
      .attr("__module__") = "lamina.nn";
  nn.def(std::string("pack_conv2d_weight(weight, x_shape, ") + kGeometry + ", " + kActivation +
             ") -> PackedConv2dWeight",
         R"(
Packs a weight of conv2d for many calls of conv2d_packed, which has the options given here.

weight             (O, C / groups, kh, kw) or (kh, kw)
x_shape            shape of the x to pack for; others of as many channels are served as well)" +
             std::string(kOptionsDoc) +
             "activation, a, b   name and parameters of an activation of the result, as "
             "nn.activation\n\nA copy, which threads may share. Has no gradient.",
         [](Call& call) {
           const Shape x_shape = call.shape("x_shape");
           const nn::Conv2dOptions options = read_forward_options<2>(call);
           return pack<PackedConv2d>(call, "weight", [&](const auto& weight) {
             return nn::pack_conv2d_weight(weight, x_shape, options);
           });
         });
  nn.def("conv2d_packed(x, weight, bias=None, *, out=None) -> Array", R"(
conv2d with what pack_conv2d_weight made of a weight and its options.

x, bias            as for conv2d, of the element type of the weight
weight             from pack_conv2d_weight
returns            as conv2d)",
         [](Call& call) {
           const py::handle weight = call.object("weight");
           if (!py::isinstance<PackedConv2d>(weight)) {
             throw_type_error(call.place("weight"), "is not made by pack_conv2d_weight");
           }
           Operand x = call.array("x");
           Operand bias = call.array("bias");
           return with_packed(call, py::cast<const PackedConv2d&>(weight).weight, x, bias,
                              Conv2dPacked());
         });
}

/// conv2d under another name; `axis_count` 4 demands a batch.
void def_alias(Module& nn, const std::string& signature, const std::string& doc, bool is_depthwise,
               bool batched, const std::function<nn::Conv2dOptions(const Call&)>& read) {
  nn.def(signature, doc, [=](Call& call) {
    Operand x = call.array("x");
    Operand weight = call.array("weight");
    Operand bias = call.has_parameter("bias") ? call.array("bias") : Operand();
    const nn::Conv2dOptions options = read(call);
    if (batched && x.shape().rank() != 4) {
      lamina::detail::throw_rank(call.name(), "x", 4, x.shape());
    }
    return record(call, std::tie(x, weight, bias),
                  [&](const auto& a, const auto& w, const auto& b) {
                    return is_depthwise ? nn::depthwise_conv2d(a, w, b, options)
                                        : nn::conv2d(a, w, b, options);
                  });
  });
}

PaddingMode symmetric(const Call& call) {
  const auto [rows, columns] = call.each<2>("padding");
  return PaddingMode::symmetric(rows, columns);
}

void def_other_names(Module& nn) {
  def_alias(nn,
            std::string("depthwise_conv2d(x, weight, bias=None, ") + kGeometry + ", " +
                kActivation + ", *, out=None) -> Recorded",
            "conv2d of each channel with kernels of its own.\n\nx       (N, C, H, W) or (C, H, W)\n"
            "weight  (C multiplier, 1, R, S)\nreturns with C multiplier channels; options as for "
            "conv2d, groups is C",
            true, false, read_forward_options<2>);
  def_alias(nn, "conv2d_with_padding(x, weight, stride, padding, *, out=None) -> Recorded",
            "conv2d with the same padding, a number, on all four sides.", false, false,
            [](const Call& call) {
              return nn::Conv2dOptions{.stride = call.each<2>("stride"),
                                       .padding = call.index("padding")};
            });
  def_alias(nn,
            "conv2d_batched(x, weight, bias=None, stride=1, padding=0, dilation=1, *, out=None) -> "
            "Recorded",
            "conv2d of (N, C, H, W), padding the same on both sides of an axis.", false, true,
            [](const Call& call) {
              return nn::Conv2dOptions{.stride = call.each<2>("stride"),
                                       .padding = symmetric(call),
                                       .dilation = call.each<2>("dilation")};
            });
  def_alias(nn, "depthwise_conv2d_batched(x, weight, stride=1, padding=0, *, out=None) -> Recorded",
            "depthwise_conv2d of (N, C, H, W).", true, true, [](const Call& call) {
              return nn::Conv2dOptions{.stride = call.each<2>("stride"),
                                       .padding = symmetric(call)};
            });
  def_alias(nn, "grouped_conv2d(x, weight, groups, stride=1, padding=0, *, out=None) -> Recorded",
            "conv2d in groups.", false, false, [](const Call& call) {
              return nn::Conv2dOptions{.stride = call.each<2>("stride"),
                                       .padding = symmetric(call),
                                       .groups = call.index("groups")};
            });
  nn.def(std::string("separable_conv2d(x, depthwise, pointwise, bias=None, ") + kGeometry + ", " +
             kActivation + ", *, out=None) -> Recorded",
         "depthwise_conv2d, then a 1 x 1 convolution.\n\nx          (N, C, H, W) or (C, H, W)\n"
         "depthwise  (C multiplier, 1, R, S)\npointwise  (O, C multiplier, 1, 1)\n"
         "bias       (O) or None\nreturns    with O channels; options as for conv2d\n\n"
         "Gradients: separable_conv2d_backward.",
         [](Call& call) {
           Operand x = call.array("x");
           Operand depth = call.array("depthwise");
           Operand point = call.array("pointwise");
           Operand bias = call.array("bias");
           const nn::Conv2dOptions options = read_forward_options<2>(call);
           return record(call, std::tie(x, depth, point, bias),
                         [&](const auto& a, const auto& d, const auto& p, const auto& b) {
                           return nn::separable_conv2d(a, d, p, b, options);
                         });
         });
  const std::string geometry =
      std::string(kGeometry) + ", padding_value=\"zero\", algorithm=\"auto\"";
  nn.def("depthwise_conv2d_backward_input(dy, weight, x_shape, " + geometry +
             ", *, out=None) -> Array",
         "Gradient of depthwise_conv2d for x; arguments as for conv2d_backward_input.",
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand weight = call.array("weight");
           const Shape shape = call.shape("x_shape");
           const nn::Conv2dOptions options = read_options<2>(call);
           return compute(call, std::tie(dy, weight), [&](const auto& d, const auto& w) {
             return nn::depthwise_conv2d_backward_input(d, w, shape, options);
           });
         });
  nn.def("depthwise_conv2d_backward_weight(dy, x, weight_shape, " + geometry +
             ", *, out=None) -> Array",
         "Gradient of depthwise_conv2d for the weight; arguments as for conv2d_backward_weight.",
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           const Shape shape = call.shape("weight_shape");
           const nn::Conv2dOptions options = read_options<2>(call);
           return compute(call, std::tie(dy, x), [&](const auto& d, const auto& a) {
             return nn::depthwise_conv2d_backward_weight(d, a, shape, options);
           });
         });
  nn.def(
      "separable_conv2d_backward(dy, x, depthwise, pointwise, " + geometry +
          ") -> tuple[Array, Array, Array]",
      "Gradients of separable_conv2d: (dx, ddepthwise, dpointwise); that of the bias is "
      "conv_backward_bias.\n\ndy      as the result (without an activation); the other arguments "
      "as there",
      [](Call& call) {
        Operand dy = call.array("dy");
        Operand x = call.array("x");
        Operand depth = call.array("depthwise");
        Operand point = call.array("pointwise");
        const nn::Conv2dOptions options = read_options<2>(call);
        return compute(call, std::tie(dy, x, depth, point),
                       [&](const auto& g, const auto& a, const auto& d, const auto& p) {
                         auto gradients = nn::separable_conv2d_backward(g, a, d, p, options);
                         return std::tuple(std::move(gradients.dx), std::move(gradients.ddepthwise),
                                           std::move(gradients.dpointwise));
                       });
      });
}

void def_pad(Module& nn) {
  nn.def("pad(x, amounts, value=\"zero\", *, out=None) -> Recorded", R"(
Makes an array larger at its edges.

x       any shape
amounts for each axis, or for the last axes only, a number or a pair before and behind
value   "zero"; "reflect": the image mirrored at its edge; "replicate": the edge; "circular"; or a
        number, whose gradient is that of "zero"
returns x's shape, larger

Gradient: pad_backward. numpy.pad.)",
         [](Call& call) {
           Operand x = call.array("x");
           const std::vector<PaddingAmount> amounts = call.amounts("amounts");
           if (!PyUnicode_Check(call.object("value").ptr())) {
             const double constant = call.number("value");
             return record(call, std::tie(x), [&](const auto& a) {
               return nn::pad(a, amounts, static_cast<ElementOf<decltype(a)>>(constant));
             });
           }
           const nn::PaddingValue value = padding_value(call, "value");
           return record(call, std::tie(x),
                         [&](const auto& a) { return nn::pad(a, amounts, value); });
         });
  nn.def("pad_backward(dy, amounts, value=\"zero\", *, out=None) -> Array",
         "Gradient of pad: each element of x collects from all places it went to.\n\n"
         "dy      as the result of pad\nreturns as x",
         [](Call& call) {
           Operand dy = call.array("dy");
           const std::vector<PaddingAmount> amounts = call.amounts("amounts");
           const nn::PaddingValue value = padding_value(call, "value");
           return compute(call, std::tie(dy),
                          [&](const auto& d) { return nn::pad_backward(d, amounts, value); });
         });
}

}  // namespace

nn::PaddingValue padding_value(const Call& call, std::string_view parameter) {
  return call.choice<nn::PaddingValue>(parameter, {{"zero", nn::PaddingValue::Zero},
                                                   {"reflect", nn::PaddingValue::Reflect},
                                                   {"replicate", nn::PaddingValue::Replicate},
                                                   {"circular", nn::PaddingValue::Circular}});
}

void def_convolutions(Module& nn) {
  def_rank<1>(nn, "L", "S");
  def_rank<2>(nn, "H, W", "R, S");
  def_rank<3>(nn, "D, H, W", "Q, R, S");
  def_packed(nn);
  nn.def("conv_backward_bias(dy, data_format=\"NCHW\", *, out=None) -> Array",
         "Gradient of a convolution for the bias: dy summed over all but the channels.\n\n"
         "dy      (N, O, spatial...), or (N, spatial..., O) for \"NHWC\"\nreturns (O)",
         [](Call& call) {
           Operand dy = call.array("dy");
           const DataFormat format = call.data_format();
           return compute(call, std::tie(dy),
                          [&](const auto& d) { return nn::conv_backward_bias(d, format); });
         });
  nn.def(
      "set_winograd(allowed) -> None",
      "Lets convolutions with algorithm=\"auto\" use Winograd's algorithm, in the whole process; "
      "they may at the start. It is faster for large 3 x 3 kernels of float32, and less exact.",
      [](Call& call) -> py::object {
        nn::set_winograd(call.flag("allowed"));
        return py::none();
      });
  nn.def("winograd_allowed() -> bool", "Whether set_winograd allows Winograd's algorithm.",
         [](Call&) -> py::object { return py::bool_(nn::winograd_allowed()); });
  def_other_names(nn);
  def_pad(nn);
}

}  // namespace lamina::python
