#include "lamina/nn/pooling.hpp"

#include "lamina/autograd/ops_pooling.hpp"
#include "lamina/nn/adaptive_pooling.hpp"
#include "lamina/nn/max_unpool.hpp"
#include "pool_options.hpp"

namespace lamina::python {

namespace {

constexpr const char* kWindowDoc = R"(
x             (N, C, spatial...), (N, spatial..., C) for "NHWC"; without N: one sample; without N and
              C: a single map
kernel        extents of the window: a number, or one for each spatial axis
stride        likewise; None: the kernel, so that windows lie side by side
padding       as for a convolution; holds nothing
ceil_mode     the last window may reach behind the padded x
returns       as x, with spatial extents
              (in + padding before and behind - dilation (kernel - 1) - 1) / stride + 1
)";

// The functions of each rank under one name, for arrays and variables.
template <int Rank, class X>
auto max_pool(const X& x, const PerAxis<Rank>& kernel, const nn::PoolOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::max_pool1d(x, kernel, options);
  } else if constexpr (Rank == 2) {
    return nn::max_pool2d(x, kernel, options);
  } else {
    return nn::max_pool3d(x, kernel, options);
  }
}
template <int Rank, class X>
auto max_pool_with_indices(const X& x, const PerAxis<Rank>& kernel,
                           const nn::PoolOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::max_pool1d_with_indices(x, kernel, options);
  } else if constexpr (Rank == 2) {
    return nn::max_pool2d_with_indices(x, kernel, options);
  } else {
    return nn::max_pool3d_with_indices(x, kernel, options);
  }
}
template <int Rank, class X>
auto avg_pool(const X& x, const PerAxis<Rank>& kernel, const nn::AvgPoolOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::avg_pool1d(x, kernel, options);
  } else if constexpr (Rank == 2) {
    return nn::avg_pool2d(x, kernel, options);
  } else {
    return nn::avg_pool3d(x, kernel, options);
  }
}
template <int Rank, class X>
auto lp_pool(const X& x, double p, const PerAxis<Rank>& kernel,
             const nn::PoolOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::lp_pool1d(x, p, kernel, options);
  } else if constexpr (Rank == 2) {
    return nn::lp_pool2d(x, p, kernel, options);
  } else {
    return nn::lp_pool3d(x, p, kernel, options);
  }
}
template <int Rank, class X>
auto max_unpool(const X& x, const View<std::int64_t>& indices, const PerAxis<Rank>& kernel,
                const nn::UnpoolOptions<Rank>& options) {
  if constexpr (Rank == 1) {
    return nn::max_unpool1d(x, indices, kernel, options);
  } else if constexpr (Rank == 2) {
    return nn::max_unpool2d(x, indices, kernel, options);
  } else {
    return nn::max_unpool3d(x, indices, kernel, options);
  }
}
template <int Rank, class X>
auto adaptive_avg_pool(const X& x, const PerAxis<Rank>& extents, DataFormat format) {
  if constexpr (Rank == 1) {
    return nn::adaptive_avg_pool1d(x, extents, format);
  } else if constexpr (Rank == 2) {
    return nn::adaptive_avg_pool2d(x, extents, format);
  } else {
    return nn::adaptive_avg_pool3d(x, extents, format);
  }
}
template <int Rank, class X>
auto adaptive_max_pool(const X& x, const PerAxis<Rank>& extents, DataFormat format) {
  if constexpr (Rank == 1) {
    return nn::adaptive_max_pool1d(x, extents, format);
  } else if constexpr (Rank == 2) {
    return nn::adaptive_max_pool2d(x, extents, format);
  } else {
    return nn::adaptive_max_pool3d(x, extents, format);
  }
}
template <class X>
auto global_pool(bool max, int rank, const X& x, const nn::GlobalPoolOptions& options) {
  switch (rank) {
    case 1:
      return max ? nn::global_max_pool1d(x, options) : nn::global_avg_pool1d(x, options);
    case 2:
      return max ? nn::global_max_pool2d(x, options) : nn::global_avg_pool2d(x, options);
    case 3:
      return max ? nn::global_max_pool3d(x, options) : nn::global_avg_pool3d(x, options);
    default:
      return max ? nn::global_max_pool(x, options) : nn::global_avg_pool(x, options);
  }
}

template <class R>
py::object with_indices(R&& result) {
  return py::make_tuple(to_python(std::move(result.values)), to_python(std::move(result.indices)));
}

template <int Rank>
void def_max(Module& nn) {
  const std::string name = "max_pool" + std::to_string(Rank) + "d";
  nn.def(name + "(x, kernel, " + kWindow + ", *, out=None) -> Recorded",
         "The greatest element of each window; NaN if it has one.\n" + std::string(kWindowDoc) +
             "\nGradient: " + name + "_backward. torch.nn.functional." + name + ", ONNX MaxPool.",
         [](Call& call) {
           Operand x = call.array("x");
           const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
           const nn::PoolOptions<Rank> options = pool_options<Rank>(call);
           return record(
               call, std::tie(x), [&](const auto& a) { return max_pool<Rank>(a, kernel, options); },
               [&]<class T>(const View<T>& a, const MutView<T>& out) {
                 nn::detail::max_pool_into<T, Rank>(a, kernel, out, nullptr, options);
               });
         });
  nn.def(name + "_with_indices(x, kernel, " + kWindow + ") -> tuple[Recorded, Array]",
         name +
             " and where the maxima are: (values, indices), positions in the flattened spatial "
             "axes of x.\n" +
             kWindowDoc,
         [](Call& call) {
           Operand x = call.array("x");
           const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
           const nn::PoolOptions<Rank> options = pool_options<Rank>(call);
           const auto run = [&]<class T>(T) {
             x.prepare<T>();
             return x.tensor() != nullptr
                        ? with_indices(released([&] {
                            return max_pool_with_indices<Rank>(x.variable<T>(), kernel, options);
                          }))
                        : with_indices(released([&] {
                            return max_pool_with_indices<Rank>(x.view<T>(), kernel, options);
                          }));
           };
           return call.common_type({&x}) == Type::Float32 ? run(float()) : run(double());
         });
  nn.def(name + "_backward(dy, x=None, kernel=None, " + kWindow +
             ", *, indices=None, x_shape=None, out=None) -> Array",
         "Gradient of " + name + R"(: dy where the maximum was.

dy               as the result
x, kernel        what went into it, options as there: the maxima are found again
indices, x_shape instead of x and kernel: the indices of any max pooling, and the shape of x
returns          as x)",
         [](Call& call) {
           Operand dy = call.array("dy");
           if (call.has("indices")) {
             const Integers indices = call.integers("indices");
             const Shape shape = call.shape("x_shape");
             const DataFormat format = call.data_format();
             return compute(
                 call, std::tie(dy),
                 [&]<class T>(const View<T>& d) {
                   return nn::detail::max_pool_backward<T, Rank>(d, indices.view(), shape, format);
                 },
                 [&]<class T>(const View<T>& d, const MutView<T>& out) {
                   nn::detail::max_pool_backward_into<T, Rank>(d, indices.view(), out, format);
                 });
           }
           Operand x = call.array("x");
           const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
           const nn::PoolOptions<Rank> options = pool_options<Rank>(call);
           return compute(call, std::tie(dy, x), [&]<class T>(const View<T>& d, const View<T>& a) {
             return nn::detail::max_pool_backward<T, Rank>(d, a, kernel, options);
           });
         });
}

template <int Rank>
void def_mean(Module& nn) {
  const std::string name = "avg_pool" + std::to_string(Rank) + "d";
  nn.def(name + "(x, kernel, " + kMean + ", *, out=None) -> Recorded",
         "The mean of each window.\n" + std::string(kWindowDoc) +
             "\ncount_include_pad  elements of padding count\ndivisor            divide by this "
             "instead"
             " of the count; 0: by the count\n\nGradient: " +
             name + "_backward. torch.nn.functional." + name + ", ONNX AveragePool.",
         [](Call& call) {
           Operand x = call.array("x");
           const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
           const nn::AvgPoolOptions<Rank> options = avg_pool_options<Rank>(call);
           return record(
               call, std::tie(x), [&](const auto& a) { return avg_pool<Rank>(a, kernel, options); },
               [&]<class T>(const View<T>& a, const MutView<T>& out) {
                 nn::detail::avg_pool_into<T, Rank>(a, kernel, out, options);
               });
         });
  nn.def(name + "_backward(dy, x_shape, kernel, " + kMean + ", *, out=None) -> Array",
         "Gradient of " + name +
             ": each element collects dy / count of the windows that hold it.\n\n"
             "dy      as the result\nx_shape shape of x\nreturns of that shape; options as there",
         [](Call& call) {
           Operand dy = call.array("dy");
           const Shape shape = call.shape("x_shape");
           const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
           const nn::AvgPoolOptions<Rank> options = avg_pool_options<Rank>(call);
           return compute(call, std::tie(dy), [&]<class T>(const View<T>& d) {
             return nn::detail::avg_pool_backward<T, Rank>(d, shape, kernel, options);
           });
         });
}

template <int Rank>
void def_power(Module& nn) {
  const std::string name = "lp_pool" + std::to_string(Rank) + "d";
  nn.def(name + "(x, p, kernel, " + kWindow + ", *, out=None) -> Recorded",
         "The p-norm of each window, (sum of |x|^p)^(1/p).\n" + std::string(kWindowDoc) +
             "\nGradient: " + name + "_backward. ONNX LpPool.",
         [](Call& call) {
           Operand x = call.array("x");
           const double p = call.number("p");
           const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
           const nn::PoolOptions<Rank> options = pool_options<Rank>(call);
           return record(
               call, std::tie(x),
               [&](const auto& a) { return lp_pool<Rank>(a, p, kernel, options); },
               [&]<class T>(const View<T>& a, const MutView<T>& out) {
                 nn::detail::lp_pool_into<T, Rank>(a, p, kernel, out, options);
               });
         });
  nn.def(name + "_backward(dy, x, y, p, kernel, " + kWindow + ", *, out=None) -> Array",
         "Gradient of " + name +
             ".\n\ndy      as the result y\nx       what went into it\nreturns as x",
         [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           Operand y = call.array("y");
           const double p = call.number("p");
           const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
           const nn::PoolOptions<Rank> options = pool_options<Rank>(call);
           return compute(call, std::tie(dy, x, y),
                          [&]<class T>(const View<T>& d, const View<T>& a, const View<T>& b) {
                            return nn::detail::lp_pool_backward<T, Rank>(d, a, b, p, kernel,
                                                                         options);
                          });
         });
}

template <int Rank>
void def_adaptive(Module& nn) {
  const std::string suffix = "_pool" + std::to_string(Rank) + "d";
  const std::string shapes =
      "\n\nx       (N, C, spatial...), or fewer axes\nextents of the result: a number, or one for "
      "each "
      "spatial axis\nreturns as x, with these spatial extents\n\n";
  for (const bool max : {false, true}) {
    const std::string name = (max ? "adaptive_max" : "adaptive_avg") + suffix;
    nn.def(name + "(x, extents, data_format=\"NCHW\", *, out=None) -> Recorded",
           std::string(max ? "Maxima" : "Means") +
               " of windows that are cut so that the result has "
               "the extents given." +
               shapes + "Gradient: " + name + "_backward. torch.nn.functional." + name + ".",
           [max](Call& call) {
             Operand x = call.array("x");
             const PerAxis<Rank> extents = per_axis<Rank>(call, "extents");
             const DataFormat format = call.data_format();
             return record(call, std::tie(x), [&](const auto& a) {
               return max ? adaptive_max_pool<Rank>(a, extents, format)
                          : adaptive_avg_pool<Rank>(a, extents, format);
             });
           });
  }
  nn.def("adaptive_max" + suffix +
             "_with_indices(x, extents, data_format=\"NCHW\") -> tuple[Array, Array]",
         "adaptive_max" + suffix + " and where the maxima are: (values, indices)." + shapes,
         [](Call& call) {
           Operand x = call.array("x");
           const PerAxis<Rank> extents = per_axis<Rank>(call, "extents");
           const DataFormat format = call.data_format();
           call.refuse_recorded({&x});
           const auto run = [&]<class T>(T) {
             x.prepare<T>();
             return with_indices(released([&] {
               return nn::detail::adaptive_pool<T, Rank>(true, x.view<T>(), extents, true, format);
             }));
           };
           return call.common_type({&x}) == Type::Float32 ? run(float()) : run(double());
         });
  nn.def("adaptive_avg" + suffix +
             "_backward(dy, x_shape, data_format=\"NCHW\", *, out=None) -> Array",
         "Gradient of adaptive_avg" + suffix + ", of shape x_shape.", [](Call& call) {
           Operand dy = call.array("dy");
           const Shape shape = call.shape("x_shape");
           const DataFormat format = call.data_format();
           return compute(call, std::tie(dy), [&]<class T>(const View<T>& d) {
             return nn::detail::adaptive_avg_pool_backward<T, Rank>(d, shape, format);
           });
         });
  nn.def("adaptive_max" + suffix + "_backward(dy, x, data_format=\"NCHW\", *, out=None) -> Array",
         "Gradient of adaptive_max" + suffix + ", of the shape of x.", [](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           const DataFormat format = call.data_format();
           return compute(call, std::tie(dy, x), [&]<class T>(const View<T>& d, const View<T>& a) {
             return nn::detail::adaptive_max_pool_backward<T, Rank>(d, a, format);
           });
         });
}

/// rank 0: the form without 1d, 2d or 3d.
void def_global(Module& nn, int rank) {
  const std::string suffix = "_pool" + (rank == 0 ? std::string() : std::to_string(rank) + "d");
  const std::string options = "keep_dims=False, data_format=\"NCHW\", *, out=None) -> ";
  const auto read = [](const Call& call) {
    return nn::GlobalPoolOptions{call.flag("keep_dims"), call.data_format()};
  };
  for (const bool max : {false, true}) {
    const std::string name = (max ? "global_max" : "global_avg") + suffix;
    nn.def(
        name + "(x, " + options + "Recorded",
        std::string(max ? "The greatest element" : "The mean") +
            " of each channel.\n\nx         (N, C, spatial...), or fewer axes\nkeep_dims spatial "
            "axes stay, with extent 1\nreturns   (N, C)\n\nGradient: " +
            name + "_backward.",
        [=](Call& call) {
          Operand x = call.array("x");
          const nn::GlobalPoolOptions given = read(call);
          return record(call, std::tie(x),
                        [&](const auto& a) { return global_pool(max, rank, a, given); });
        });
  }
  nn.def("global_avg" + suffix + "_backward(dy, x_shape, " + options + "Array",
         "Gradient of global_avg" + suffix + ", of shape x_shape.", [=](Call& call) {
           Operand dy = call.array("dy");
           const Shape shape = call.shape("x_shape");
           const nn::GlobalPoolOptions given = read(call);
           return compute(call, std::tie(dy), [&]<class T>(const View<T>& d) {
             return nn::detail::global_avg_pool_backward<T>(d, shape, rank, given);
           });
         });
  nn.def("global_max" + suffix + "_backward(dy, x, " + options + "Array",
         "Gradient of global_max" + suffix + ", of the shape of x.", [=](Call& call) {
           Operand dy = call.array("dy");
           Operand x = call.array("x");
           const nn::GlobalPoolOptions given = read(call);
           return compute(call, std::tie(dy, x), [&]<class T>(const View<T>& d, const View<T>& a) {
             return nn::detail::global_max_pool_backward<T>(d, a, rank, given);
           });
         });
}

template <int Rank>
void def_unpool(Module& nn) {
  const std::string name = "max_unpool" + std::to_string(Rank) + "d";
  nn.def(name +
             "(x, indices, kernel, stride=None, padding=0, output_extents=0, data_format=\"NCHW\", "
             "*, out=None) -> Recorded",
         R"(Puts maxima back where max pooling found them, zeros elsewhere.

x, indices     (N, C, spatial...), as max pooling with indices gives them
kernel, stride, padding  of the pooling
output_extents of the result; 0: those that the pooling comes from
returns        as x, with these spatial extents

Gradient: )" +
             name + "_backward. torch.nn.functional." + name + ".",
         [](Call& call) {
           Operand x = call.array("x");
           const Integers indices = call.integers("indices");
           const PerAxis<Rank> kernel = per_axis<Rank>(call, "kernel");
           nn::UnpoolOptions<Rank> options;
           options.stride = stride_of<Rank>(call);
           options.padding = call.padding("padding", Rank);
           options.output_extents = per_axis<Rank>(call, "output_extents");
           options.format = call.data_format();
           return record(call, std::tie(x), [&](const auto& a) {
             return max_unpool<Rank>(a, indices.view(), kernel, options);
           });
         });
  nn.def(name + "_backward(dy, indices, data_format=\"NCHW\", *, out=None) -> Array",
         "Gradient of " + name + ", of the shape of indices.", [](Call& call) {
           Operand dy = call.array("dy");
           const Integers indices = call.integers("indices");
           const DataFormat format = call.data_format();
           return compute(call, std::tie(dy), [&]<class T>(const View<T>& d) {
             return nn::detail::max_unpool_backward<T, Rank>(d, indices.view(), format);
           });
         });
}

template <int Rank>
void def_rank(Module& nn) {
  def_max<Rank>(nn);
  def_mean<Rank>(nn);
  def_power<Rank>(nn);
  def_adaptive<Rank>(nn);
  def_unpool<Rank>(nn);
}

}  // namespace

void def_pooling(Module& nn) {
  def_rank<1>(nn);
  def_rank<2>(nn);
  def_rank<3>(nn);
  for (const int rank : {0, 1, 2, 3}) {
    def_global(nn, rank);
  }
}

}  // namespace lamina::python
