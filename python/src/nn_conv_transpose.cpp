#include "lamina/nn/conv_transpose.hpp"

#include "lamina/autograd/ops_conv.hpp"
#include "lamina/autograd/ops_unfold.hpp"
#include "lamina/nn/unfold.hpp"
#include "modules.hpp"

namespace lamina::python {

namespace {

template <int Rank>
PerAxis<Rank> per_axis(const Call& call, std::string_view parameter) {
  constexpr std::size_t kAxes = Rank;
  return PerAxis<Rank>(call.each<kAxes>(parameter));
}

const std::string kGeometry =
    "stride=1, padding=0, output_padding=0, dilation=1, groups=1, data_format=\"NCHW\"";

template <int Rank>
nn::ConvTransposeOptions<Rank> read_options(const Call& call) {
  nn::ConvTransposeOptions<Rank> options;
  options.stride = per_axis<Rank>(call, "stride");
  options.padding = call.padding("padding", Rank);
  options.output_padding = per_axis<Rank>(call, "output_padding");
  options.dilation = per_axis<Rank>(call, "dilation");
  options.groups = call.index("groups");
  options.format = call.data_format();
  if (call.has_parameter("activation") && call.has("activation")) {
    options.activation = activation_kind(call, "activation");
    options.activation_params = {call.optional_number("a"), call.optional_number("b")};
  }
  return options;
}

template <int Rank, class X>
auto transposed(const X& x, const X& weight, const X& bias,
                const nn::ConvTransposeOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::conv_transpose1d(x, weight, bias, options);
  } else if constexpr (Rank == 2) {
    return nn::conv_transpose2d(x, weight, bias, options);
  } else {
    return nn::conv_transpose3d(x, weight, bias, options);
  }
}

template <int Rank, class X, class Out>
void transposed_into(const X& x, const X& weight, const X& bias, const Out& out,
                     const nn::ConvTransposeOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    nn::conv_transpose1d_into(x, weight, bias, out, options);
  } else if constexpr (Rank == 2) {
    nn::conv_transpose2d_into(x, weight, bias, out, options);
  } else {
    nn::conv_transpose3d_into(x, weight, bias, out, options);
  }
}

template <int Rank, class X>
auto backward_input(const X& dy, const X& weight, const Shape& shape,
                    const nn::ConvTransposeOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::conv_transpose1d_backward_input(dy, weight, shape, options);
  } else if constexpr (Rank == 2) {
    return nn::conv_transpose2d_backward_input(dy, weight, shape, options);
  } else {
    return nn::conv_transpose3d_backward_input(dy, weight, shape, options);
  }
}

template <int Rank, class X>
auto backward_weight(const X& dy, const X& x, const Shape& shape,
                     const nn::ConvTransposeOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::conv_transpose1d_backward_weight(dy, x, shape, options);
  } else if constexpr (Rank == 2) {
    return nn::conv_transpose2d_backward_weight(dy, x, shape, options);
  } else {
    return nn::conv_transpose3d_backward_weight(dy, x, shape, options);
  }
}

template <int Rank>
void def_transposed(Module& nn, const std::string& spatial, const std::string& kernel) {
  const std::string name = "conv_transpose" + std::to_string(Rank) + "d";
  nn.def(name + "(x, weight, bias=None, " + kGeometry +
             ", activation=None, a=None, b=None, *, "
             "out=None) -> Recorded",
         R"(Transposed convolution: each element of x spreads a kernel over the result.

    out[n, o, p] = bias[o] + sum over c, t and the q with q stride + t dilation - padding = p of
                   x[n, c, q] weight[c, o, t]

x              (N, C, )" +
             spatial + "), (C, " + spatial + ") or (" + spatial + R"()
weight         (C, O / groups, )" +
             kernel + R"()
bias           (O) or None
padding        what is cut off the result
output_padding added to its extents, below stride or dilation
returns        as x, with O channels and extents
               (in - 1) stride + dilation (kernel - 1) + 1 + output_padding - padding before and behind

The other options as for convolution. Gradients: )" +
             name + "_backward_input, " + name +
             "_backward_weight, conv_backward_bias. torch.nn.functional." + name + ".",
         [](Call& call) {
           Operand x = call.array("x");
           Operand weight = call.array("weight");
           Operand bias = call.array("bias");
           const nn::ConvTransposeOptions<Rank> options = read_options<Rank>(call);
           return record(
               call, std::tie(x, weight, bias),
               [&](const auto& a, const auto& w, const auto& b) {
                 return transposed<Rank>(a, w, b, options);
               },
               [&](const auto& a, const auto& w, const auto& b, const auto& out) {
                 transposed_into<Rank>(a, w, b, out, options);
               });
         });
  nn.def(name + "_backward_input(dy, weight, x_shape, " + kGeometry + ", *, out=None) -> Array",
         "Gradient of " + name + " for x, of shape x_shape.", [](Call& call) {
           Operand dy = call.array("dy");
           Operand weight = call.array("weight");
           const Shape shape = call.shape("x_shape");
           const nn::ConvTransposeOptions<Rank> options = read_options<Rank>(call);
           return compute(call, std::tie(dy, weight), [&](const auto& d, const auto& w) {
             return backward_input<Rank>(d, w, shape, options);
           });
         });
  nn.def(name + "_backward_weight(dy, x, weight_shape, " + kGeometry + ", *, out=None) -> Array",
         "Gradient of " + name + " for the weight, of shape weight_shape.", [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           const Shape shape = call.shape("weight_shape");
           const nn::ConvTransposeOptions<Rank> options = read_options<Rank>(call);
           return compute(call, std::tie(dy, x), [&](const auto& d, const auto& a) {
             return backward_weight<Rank>(d, a, shape, options);
           });
         });
}

void def_transposed_batched(Module& nn) {
  nn.def(
      "conv_transpose2d_batched(x, weight, bias=None, stride=1, padding=0, output_padding=0, "
      "dilation=1, *, out=None) -> Recorded",
      "conv_transpose2d of (N, C, H, W), padding the same on both sides of an axis.",
      [](Call& call) {
        Operand x = call.array("x");
        Operand weight = call.array("weight");
        Operand bias = call.array("bias");
        if (x.shape().rank() != 4) {
          lamina::detail::throw_rank(call.name(), "x", 4, x.shape());
        }
        const auto [rows, columns] = call.each<2>("padding");
        nn::ConvTranspose2dOptions options;
        options.stride = per_axis<2>(call, "stride");
        options.padding = PaddingMode::symmetric(rows, columns);
        options.output_padding = per_axis<2>(call, "output_padding");
        options.dilation = per_axis<2>(call, "dilation");
        return record(call, std::tie(x, weight, bias),
                      [&](const auto& a, const auto& w, const auto& b) {
                        return nn::conv_transpose2d(a, w, b, options);
                      });
      });
}

const std::string kUnfolding =
    "stride=1, padding=0, dilation=1, data_format=\"NCHW\", padding_value=\"zero\"";

template <int Rank>
nn::UnfoldOptions<Rank> unfold_options(const Call& call) {
  nn::UnfoldOptions<Rank> options;
  options.stride = per_axis<Rank>(call, "stride");
  options.padding = call.padding("padding", Rank);
  options.dilation = per_axis<Rank>(call, "dilation");
  options.format = call.data_format();
  options.padding_value = padding_value(call);
  return options;
}

template <int Rank>
void def_unfolding(Module& nn) {
  const std::string suffix = std::to_string(Rank) + "d";
  nn.def("unfold" + suffix + "(x, kernel, " + kUnfolding + ", *, out=None) -> Recorded",
         R"(The windows that a convolution looks at, as the columns of a matrix.

    columns[n, c taps + t, p] = x[n, c, p stride + t dilation - padding]

x       (N, C, spatial...), or fewer axes
kernel  extents of the window; taps is their product
returns (N, C taps, L) for L windows; "NHWC": (N, L, taps C)

Gradient: fold)" +
             suffix + ". torch.nn.functional.unfold.",
         [](Call& call) {
           Operand x = call.array("x");
           const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
           const nn::UnfoldOptions<Rank> options = unfold_options<Rank>(call);
           return record(call, std::tie(x), [&](const auto& a) {
             if constexpr (Rank == 1) {
               return nn::unfold1d(a, kernel, options);
             } else if constexpr (Rank == 2) {
               return nn::unfold2d(a, kernel, options);
             } else {
               return nn::unfold3d(a, kernel, options);
             }
           });
         });
  nn.def(
      "fold" + suffix + "(columns, extents, kernel, " + kUnfolding + ", *, out=None) -> Recorded",
      "The adjoint of unfold" + suffix +
          ": elements in several windows are summed.\n\ncolumns as unfold gives them\nextents "
          "spatial extents of the result\n\nGradient: unfold" +
          suffix + ". torch.nn.functional.fold.",
      [](Call& call) {
        Operand columns = call.array("columns");
        const PerAxis<Rank> extents = per_axis<Rank>(call, "extents");
        const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
        const nn::UnfoldOptions<Rank> options = unfold_options<Rank>(call);
        return record(call, std::tie(columns), [&](const auto& a) {
          if constexpr (Rank == 1) {
            return nn::fold1d(a, extents, kernel, options);
          } else if constexpr (Rank == 2) {
            return nn::fold2d(a, extents, kernel, options);
          } else {
            return nn::fold3d(a, extents, kernel, options);
          }
        });
      });
}

void def_columns(Module& nn) {
  nn.def("im2col(x, kernel, " + kUnfolding + ", *, out=None) -> Recorded",
         "unfold2d of a batch (N, C, H, W) as one matrix (C taps, N L). Gradient: col2im.",
         [](Call& call) {
           Operand x = call.array("x");
           const PerAxis<2> kernel = per_axis<2>(call, "kernel");
           const nn::Unfold2dOptions options = unfold_options<2>(call);
           return record(call, std::tie(x),
                         [&](const auto& a) { return nn::im2col(a, kernel, options); });
         });
  nn.def("col2im(columns, x_shape, kernel, " + kUnfolding + ", *, out=None) -> Recorded",
         "The adjoint of im2col: a batch of x_shape from such a matrix. Gradient: im2col.",
         [](Call& call) {
           Operand columns = call.array("columns");
           const Shape shape = call.shape("x_shape");
           const PerAxis<2> kernel = per_axis<2>(call, "kernel");
           const nn::Unfold2dOptions options = unfold_options<2>(call);
           return record(call, std::tie(columns),
                         [&](const auto& a) { return nn::col2im(a, shape, kernel, options); });
         });
}

}  // namespace

void def_transposed_convolutions(Module& nn) {
  def_transposed<1>(nn, "L", "S");
  def_transposed<2>(nn, "H, W", "R, S");
  def_transposed<3>(nn, "D, H, W", "Q, R, S");
  def_transposed_batched(nn);
  def_unfolding<1>(nn);
  def_unfolding<2>(nn);
  def_unfolding<3>(nn);
  def_columns(nn);
}

}  // namespace lamina::python
