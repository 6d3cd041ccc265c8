#include "lamina/nn/unfold.hpp"

#include <algorithm>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "nn/conv_arguments.hpp"
#include "nn/implicit_gemm.hpp"
#include "nn/layout.hpp"
#include "nn/output.hpp"
#include "nn/window_limits.hpp"

namespace lamina::nn {

namespace {

using detail::channel_axis;
using detail::ConvImage;
using detail::convolution_axis;
using detail::ConvShape;
using detail::Form;
using detail::form_of;
using detail::GatherAxis;
using detail::image_of;
using detail::mutable_image_of;
using detail::spatial_axis;

struct Plan {
  ConvShape problem;
  Form form = Form::Batch;
  Shape padded;                                 ///< of x with explicit_padding
  std::vector<PaddingAmount> explicit_padding;  ///< of x's axes, where not zeros are padded
};

template <int Rank>
Plan make_plan(const Shape& x, const PerAxis<Rank>& kernel, const UnfoldOptions<Rank>& options,
               std::string_view operation) {
  Plan plan;
  plan.form = form_of(x, Rank, operation);
  ConvShape& p = plan.problem;
  if (plan.form == Form::Batch) p.images = x[0];
  if (plan.form != Form::Map) p.in_channels = x[channel_axis(x, plan.form, options.format)];
  plan.padded = x;
  plan.explicit_padding.resize(static_cast<std::size_t>(x.rank()));
  for (int i = 0; i < Rank; ++i) {
    const auto axis = static_cast<std::size_t>(3 - Rank + i);
    const auto at = static_cast<std::size_t>(i);
    const int x_axis = spatial_axis(plan.form, options.format, i);
    p.stride[axis] = options.stride[at];
    p.dilation[axis] = options.dilation[at];
    p.kernel[axis] = kernel[at];
    p.in[axis] = x[x_axis];
    check(p.kernel[axis] >= 1 && p.stride[axis] >= 1 && p.dilation[axis] >= 1,
          ErrorKind::InvalidOperation, operation,
          "kernel, stride and dilation must be at least 1, got ", p.kernel[axis], ", ",
          p.stride[axis], " and ", p.dilation[axis]);
    detail::check_window_limits(operation, p.kernel[axis], p.stride[axis], p.dilation[axis]);
    const PaddingAmount amount = options.padding.resolve(
        i, p.in[axis], p.kernel[axis], p.stride[axis], p.dilation[axis], operation);
    detail::check_padding_limit(operation, amount);
    const Index reach = p.dilation[axis] * (p.kernel[axis] - 1) + 1;
    const Index padded = p.in[axis] + amount.before + amount.behind;
    check(padded >= reach, ErrorKind::DimensionMismatch, operation, "kernel of extent ",
          p.kernel[axis], " with dilation ", p.dilation[axis], " is larger than the padded extent ",
          padded, "; x ", x);
    p.out[axis] = (padded - reach) / p.stride[axis] + 1;
    if (options.padding_value == PaddingValue::Zero) {
      p.padding[axis] = amount.before;
    } else {
      plan.explicit_padding[static_cast<std::size_t>(x_axis)] = amount;
      p.in[axis] = padded;
      plan.padded[x_axis] = padded;
    }
  }
  detail::check_result_size(operation, plan.padded);
  IndexList columns{p.images, p.in_channels};
  for (std::size_t a = 0; a < 3; ++a) {
    columns.push_back(p.kernel[a]);
    columns.push_back(p.out[a]);
  }
  detail::check_result_size(operation, columns);
  return plan;
}

std::array<GatherAxis, 3> axes_of(const ConvShape& p) {
  std::array<GatherAxis, 3> axes;
  for (std::size_t a = 0; a < 3; ++a) {
    axes[a] =
        convolution_axis(p.in[a], p.out[a], p.kernel[a], p.stride[a], p.dilation[a], p.padding[a]);
  }
  return axes;
}

/// Element i of the source that `tap` sees from `position`, or -1 on padding.
Index source_of(const GatherAxis& axis, Index tap, Index position) {
  const GatherAxis::Tap& at = axis.taps[static_cast<std::size_t>(tap)];
  return position >= at.begin && position < at.end ? at.base + axis.step * position : -1;
}

/// Where the columns of one image and one channel or position lie.
struct Columns {
  Index image_stride = 0;
  Index row_stride = 0;  ///< channels first: of (channel, tap); channels last: of a position
};

Columns columns_of(const ConvShape& p, DataFormat format, bool one_matrix) {
  const Index positions = p.out_positions();
  const Index rows = p.in_channels * p.taps();
  if (format == DataFormat::NHWC) return {positions * rows, rows};
  if (one_matrix) return {positions, p.images * positions};
  return {rows * positions, positions};
}

Index grain_of(Index work) {
  return std::max<Index>(1, detail::kElementGrain / std::max<Index>(1, work));
}

/// Channels first: body(image, channel, row of columns, tap's axes) with the taps in order.
template <class F>
void for_each_row(const ConvShape& p, Index first, Index behind, const F& body) {
  for (Index i = first; i < behind; ++i) {
    Index row = i % p.in_channels * p.taps();
    for (Index td = 0; td < p.kernel[0]; ++td) {
      for (Index th = 0; th < p.kernel[1]; ++th) {
        for (Index tw = 0; tw < p.kernel[2]; ++tw, ++row) {
          body(i / p.in_channels, i % p.in_channels, row, std::array<Index, 3>{td, th, tw});
        }
      }
    }
  }
}

template <class T>
void unfold_first(const ConvShape& p, const ConvImage<const T>& x, const Columns& columns, T* out) {
  const std::array<GatherAxis, 3> axes = axes_of(p);
  const Index width = p.out[2];
  const auto fill = [&](Index n, Index c, Index row, const std::array<Index, 3>& taps) {
    const T* from = x.data + n * x.image_stride + c * x.channel_stride;
    T* to = out + n * columns.image_stride + row * columns.row_stride;
    const GatherAxis::Tap& across = axes[2].taps[static_cast<std::size_t>(taps[2])];
    const Index step = axes[2].step * x.strides[2];
    for (Index d = 0; d < p.out[0]; ++d) {
      const Index sd = source_of(axes[0], taps[0], d);
      for (Index h = 0; h < p.out[1]; ++h, to += width) {
        const Index sh = source_of(axes[1], taps[1], h);
        if (sd < 0 || sh < 0 || across.begin >= across.end) {
          std::fill_n(to, width, T(0));
          continue;
        }
        std::fill_n(to, across.begin, T(0));
        const T* line = from + sd * x.strides[0] + sh * x.strides[1] +
                        (across.base + axes[2].step * across.begin) * x.strides[2];
        detail::gather(line, step, across.end - across.begin, to + across.begin);
        std::fill(to + across.end, to + width, T(0));
      }
    }
  };
  parallel_for(p.images * p.in_channels, grain_of(p.taps() * p.out_positions()),
               [&](Index begin, Index end) { for_each_row(p, begin, end, fill); });
}

/// Channels last: a row for each position, tap by tap.
template <class T>
void unfold_last(const ConvShape& p, const ConvImage<const T>& x, const Columns& columns, T* out) {
  const std::array<GatherAxis, 3> axes = axes_of(p);
  const Index channels = p.in_channels;
  const Index lines = p.images * p.out[0] * p.out[1];
  parallel_for(lines, grain_of(p.out[2] * channels * p.taps()), [&](Index begin, Index end) {
    for (Index line = begin; line < end; ++line) {
      const Index h = line % p.out[1];
      const Index d = line / p.out[1] % p.out[0];
      const T* from = x.data + line / (p.out[1] * p.out[0]) * x.image_stride;
      T* to = out + line * p.out[2] * columns.row_stride;
      for (Index v = 0; v < p.out[2]; ++v) {
        for (Index t = 0; t < p.taps(); ++t, to += channels) {
          const Index sd = source_of(axes[0], t / (p.kernel[1] * p.kernel[2]), d);
          const Index sh = source_of(axes[1], t / p.kernel[2] % p.kernel[1], h);
          const Index sv = source_of(axes[2], t % p.kernel[2], v);
          if (sd < 0 || sh < 0 || sv < 0) {
            std::fill_n(to, channels, T(0));
          } else {
            detail::gather(from + sd * x.strides[0] + sh * x.strides[1] + sv * x.strides[2],
                           x.channel_stride, channels, to);
          }
        }
      }
    }
  });
}

template <class T>
void fold_first(const ConvShape& p, const T* columns_data, const Columns& columns,
                const ConvImage<T>& x) {
  const std::array<GatherAxis, 3> axes = axes_of(p);
  const auto add = [&](Index n, Index c, Index row, const std::array<Index, 3>& taps) {
    const T* from = columns_data + n * columns.image_stride + row * columns.row_stride;
    T* const plane = x.data + n * x.image_stride + c * x.channel_stride;
    const GatherAxis::Tap& across = axes[2].taps[static_cast<std::size_t>(taps[2])];
    const Index step = axes[2].step;
    for (Index d = 0; d < p.out[0]; ++d) {
      const Index sd = source_of(axes[0], taps[0], d);
      for (Index h = 0; h < p.out[1]; ++h, from += p.out[2]) {
        const Index sh = source_of(axes[1], taps[1], h);
        if (sd < 0 || sh < 0) continue;
        T* const to = plane + sd * x.strides[0] + sh * x.strides[1] + across.base;
        if (step == 1) {
          for (Index v = across.begin; v < across.end; ++v) to[v] += from[v];
        } else {
          for (Index v = across.begin; v < across.end; ++v) to[v * step] += from[v];
        }
      }
    }
  };
  const Index plane = p.in_positions();
  parallel_for(p.images * p.in_channels, grain_of(p.taps() * p.out_positions()),
               [&](Index begin, Index end) {
                 for (Index i = begin; i < end; ++i) std::fill_n(x.data + i * plane, plane, T(0));
                 for_each_row(p, begin, end, add);
               });
}

/// Channels last, a line of x at a time: which lines of windows look at it follows from its place.
template <class T>
void fold_last(const ConvShape& p, const T* columns_data, const Columns& columns,
               const ConvImage<T>& x) {
  const std::array<GatherAxis, 3> axes = axes_of(p);
  const Index channels = p.in_channels;
  // Position that sees element i through the tap, or -1.
  const auto position_of = [&](std::size_t a, Index tap, Index i) {
    const GatherAxis::Tap& at = axes[a].taps[static_cast<std::size_t>(tap)];
    const Index distance = i - at.base;
    if (distance < 0 || distance % axes[a].step != 0) return Index{-1};
    const Index position = distance / axes[a].step;
    return position >= at.begin && position < at.end ? position : Index{-1};
  };
  const Index lines = p.images * p.in[0] * p.in[1];
  parallel_for(lines, grain_of(p.in[2] * channels * p.taps()), [&](Index begin, Index end) {
    for (Index line = begin; line < end; ++line) {
      const Index h = line % p.in[1];
      const Index d = line / p.in[1] % p.in[0];
      const T* from = columns_data + line / (p.in[1] * p.in[0]) * columns.image_stride;
      T* const to = x.data + line * p.in[2] * channels;
      std::fill_n(to, p.in[2] * channels, T(0));
      for (Index td = 0; td < p.kernel[0]; ++td) {
        const Index pd = position_of(0, td, d);
        for (Index th = 0; th < p.kernel[1]; ++th) {
          const Index ph = position_of(1, th, h);
          if (pd < 0 || ph < 0) continue;
          for (Index tw = 0; tw < p.kernel[2]; ++tw) {
            const GatherAxis::Tap& across = axes[2].taps[static_cast<std::size_t>(tw)];
            const Index tap = (td * p.kernel[1] + th) * p.kernel[2] + tw;
            for (Index v = across.begin; v < across.end; ++v) {
              const T* source = from + ((pd * p.out[1] + ph) * p.out[2] + v) * columns.row_stride +
                                tap * channels;
              T* target = to + (across.base + axes[2].step * v) * channels;
              for (Index c = 0; c < channels; ++c) target[c] += source[c];
            }
          }
        }
      }
    }
  });
}

template <class T, int Rank>
void run_unfold(const Plan& plan, const View<T>& x, const UnfoldOptions<Rank>& options,
                bool one_matrix, const MutView<T>& out) {
  const Columns columns = columns_of(plan.problem, options.format, one_matrix);
  Array<T> padded;
  ConvImage<const T> image;
  if (options.padding_value == PaddingValue::Zero) {
    image = image_of(x, plan.form, options.format, Rank);
  } else {
    padded = pad(x, plan.explicit_padding, options.padding_value);
    image = image_of<T>(padded, plan.form, options.format, Rank);
  }
  detail::PackedOut<T> packed(out);
  if (options.format == DataFormat::NCHW) {
    unfold_first(plan.problem, image, columns, packed.data());
  } else {
    unfold_last(plan.problem, image, columns, packed.data());
  }
  packed.finish();
}

template <class T, int Rank>
void run_fold(const Plan& plan, const View<T>& columns, const UnfoldOptions<Rank>& options,
              bool one_matrix, const MutView<T>& out) {
  const lamina::detail::Packed<T> packed(columns);
  const Columns layout = columns_of(plan.problem, options.format, one_matrix);
  const auto run = [&](const MutView<T>& x) {
    const ConvImage<T> image = mutable_image_of<T>(x, plan.form, options.format, Rank);
    if (options.format == DataFormat::NCHW) {
      fold_first(plan.problem, packed.data(), layout, image);
    } else {
      fold_last(plan.problem, packed.data(), layout, image);
    }
  };
  if (options.padding_value == PaddingValue::Zero) {
    detail::PackedOut<T> target(out);
    run(target.view());
    target.finish();
    return;
  }
  Array<T> padded = Array<T>::empty(plan.padded);
  run(padded);
  pad_backward_into<T>(padded, plan.explicit_padding, out, options.padding_value);
}

/// (rows, positions) in the order of the format.
Shape matrix_shape(Index rows, Index positions, DataFormat format) {
  return format == DataFormat::NCHW ? Shape{rows, positions} : Shape{positions, rows};
}

/// A checked call, and the shape of its result.
struct Call {
  Plan plan;
  Shape out;
  bool one_matrix = false;
};

template <class T, int Rank>
Call unfold_call(const View<T>& x, const PerAxis<Rank>& kernel, const UnfoldOptions<Rank>& options,
                 std::string_view operation) {
  detail::check_defined(x, operation, "x");
  Call call{make_plan(x.shape(), kernel, options, operation), {}, false};
  const ConvShape& p = call.plan.problem;
  call.out = matrix_shape(p.in_channels * p.taps(), p.out_positions(), options.format);
  if (call.plan.form == Form::Batch) call.out = Shape{p.images, call.out[0], call.out[1]};
  return call;
}

template <class T, int Rank>
Call fold_call(const View<T>& columns, const PerAxis<Rank>& extents, const PerAxis<Rank>& kernel,
               const UnfoldOptions<Rank>& options, std::string_view operation) {
  detail::check_defined(columns, operation, "columns");
  check(columns.rank() == 2 || columns.rank() == 3, ErrorKind::DimensionMismatch, operation,
        "columns must have rank 2 (a sample) or 3 (a batch), got shape ", columns.shape());
  const bool batch = columns.rank() == 3;
  const bool first = options.format == DataFormat::NCHW;
  const Index rows = columns.shape()[(batch ? 1 : 0) + (first ? 0 : 1)];
  Index taps = 1;
  for (const Index extent : kernel) {
    detail::check_window_limits(operation, extent, 1, 1);
    taps = std::min(taps * std::max<Index>(extent, 1), rows + 1);
  }
  check(rows % taps == 0, ErrorKind::DimensionMismatch, operation, "a kernel of ", taps,
        " elements must divide the ", rows, " elements of a window; columns ", columns.shape());
  IndexList shape;
  if (batch) shape.push_back(columns.shape()[0]);
  if (first) shape.push_back(rows / taps);
  for (const Index extent : extents) {
    check(extent >= 0, ErrorKind::InvalidOperation, operation, "extents must not be negative, got ",
          extent);
    shape.push_back(extent);
  }
  if (!first) shape.push_back(rows / taps);
  const Plan plan = make_plan(Shape(shape), kernel, options, operation);
  const Index positions = columns.shape()[(batch ? 1 : 0) + (first ? 1 : 0)];
  check(positions == plan.problem.out_positions(), ErrorKind::DimensionMismatch, operation,
        "a result of shape ", Shape(shape), " has ", plan.problem.out_positions(),
        " windows, columns are for ", positions, "; columns ", columns.shape());
  return {plan, Shape(shape), false};
}

template <class T>
Call im2col_call(const View<T>& x, const PerAxis<2>& kernel, const Unfold2dOptions& options) {
  detail::check_defined(x, "im2col", "x");
  (void)x.template dims<4>("im2col");
  Call call{make_plan(x.shape(), kernel, options, "im2col"), {}, true};
  const ConvShape& p = call.plan.problem;
  call.out = matrix_shape(p.in_channels * p.taps(), p.images * p.out_positions(), options.format);
  return call;
}

template <class T>
Call col2im_call(const View<T>& columns, const Shape& x_shape, const PerAxis<2>& kernel,
                 const Unfold2dOptions& options) {
  detail::check_defined(columns, "col2im", "columns");
  check(x_shape.rank() == 4, ErrorKind::DimensionMismatch, "col2im",
        "x_shape must have rank 4, got ", x_shape);
  const Plan plan = make_plan(x_shape, kernel, options, "col2im");
  const ConvShape& p = plan.problem;
  const Shape want =
      matrix_shape(p.in_channels * p.taps(), p.images * p.out_positions(), options.format);
  check(columns.shape() == want, ErrorKind::DimensionMismatch, "col2im", "columns must have shape ",
        want, " for a result of shape ", x_shape, ", got ", columns.shape());
  return {plan, x_shape, true};
}

template <class T, int Rank>
Array<T> unfold(const Call& call, const View<T>& x, const UnfoldOptions<Rank>& options) {
  Array<T> out = Array<T>::empty(call.out);
  run_unfold<T, Rank>(call.plan, x, options, call.one_matrix, out);
  return out;
}
template <class T, int Rank>
void unfold_into(const Call& call, const View<T>& x, const MutView<T>& out,
                 const UnfoldOptions<Rank>& options, std::string_view operation) {
  detail::check_output(out, "out", call.out, operation, x);
  run_unfold<T, Rank>(call.plan, x, options, call.one_matrix, out);
}
template <class T, int Rank>
Array<T> fold(const Call& call, const View<T>& columns, const UnfoldOptions<Rank>& options) {
  Array<T> out = Array<T>::empty(call.out);
  run_fold<T, Rank>(call.plan, columns, options, call.one_matrix, out);
  return out;
}
template <class T, int Rank>
void fold_into(const Call& call, const View<T>& columns, const MutView<T>& out,
               const UnfoldOptions<Rank>& options, std::string_view operation) {
  detail::check_output(out, "out", call.out, operation, columns);
  run_fold<T, Rank>(call.plan, columns, options, call.one_matrix, out);
}

}  // namespace

#define LAMINA_DEFINE_RANK(Rank)                                                                  \
  template <class T>                                                                              \
  void unfold##Rank##d_into(const View<T>& x, PerAxis<Rank> kernel, MutArg<T> out,                \
                            const UnfoldOptions<Rank>& options) {                                 \
    constexpr const char* operation = "unfold" #Rank "d";                                         \
    unfold_into<T, Rank>(unfold_call(x, kernel, options, operation), x, out, options, operation); \
  }                                                                                               \
  template <class T>                                                                              \
  Array<T> unfold##Rank##d(const View<T>& x, PerAxis<Rank> kernel,                                \
                           const UnfoldOptions<Rank>& options) {                                  \
    return unfold<T, Rank>(unfold_call(x, kernel, options, "unfold" #Rank "d"), x, options);      \
  }                                                                                               \
  template <class T>                                                                              \
  void fold##Rank##d_into(const View<T>& columns, PerAxis<Rank> extents, PerAxis<Rank> kernel,    \
                          MutArg<T> out, const UnfoldOptions<Rank>& options) {                    \
    constexpr const char* operation = "fold" #Rank "d";                                           \
    fold_into<T, Rank>(fold_call(columns, extents, kernel, options, operation), columns, out,     \
                       options, operation);                                                       \
  }                                                                                               \
  template <class T>                                                                              \
  Array<T> fold##Rank##d(const View<T>& columns, PerAxis<Rank> extents, PerAxis<Rank> kernel,     \
                         const UnfoldOptions<Rank>& options) {                                    \
    return fold<T, Rank>(fold_call(columns, extents, kernel, options, "fold" #Rank "d"), columns, \
                         options);                                                                \
  }
LAMINA_DEFINE_RANK(1)
LAMINA_DEFINE_RANK(2)
LAMINA_DEFINE_RANK(3)
#undef LAMINA_DEFINE_RANK

template <class T>
void im2col_into(const View<T>& x, PerAxis<2> kernel, MutArg<T> out,
                 const Unfold2dOptions& options) {
  unfold_into<T, 2>(im2col_call(x, kernel, options), x, out, options, "im2col");
}
template <class T>
Array<T> im2col(const View<T>& x, PerAxis<2> kernel, const Unfold2dOptions& options) {
  return unfold<T, 2>(im2col_call(x, kernel, options), x, options);
}

template <class T>
void col2im_into(const View<T>& columns, PerAxis<2> kernel, MutArg<T> out,
                 const Unfold2dOptions& options) {
  detail::check_defined(out, "col2im", "out");
  fold_into<T, 2>(col2im_call(columns, out.shape(), kernel, options), columns, out, options,
                  "col2im");
}
template <class T>
Array<T> col2im(const View<T>& columns, const Shape& x_shape, PerAxis<2> kernel,
                const Unfold2dOptions& options) {
  return fold<T, 2>(col2im_call(columns, x_shape, kernel, options), columns, options);
}

#define LAMINA_INSTANTIATE_RANK(T, Rank)                                                          \
  template LAMINA_EXPORT void unfold##Rank##d_into<T>(const View<T>&, PerAxis<Rank>, MutArg<T>,   \
                                                      const UnfoldOptions<Rank>&);                \
  template LAMINA_EXPORT Array<T> unfold##Rank##d<T>(const View<T>&, PerAxis<Rank>,               \
                                                     const UnfoldOptions<Rank>&);                 \
  template LAMINA_EXPORT void fold##Rank##d_into<T>(const View<T>&, PerAxis<Rank>, PerAxis<Rank>, \
                                                    MutArg<T>, const UnfoldOptions<Rank>&);       \
  template LAMINA_EXPORT Array<T> fold##Rank##d<T>(const View<T>&, PerAxis<Rank>, PerAxis<Rank>,  \
                                                   const UnfoldOptions<Rank>&);
#define LAMINA_INSTANTIATE(T)                                                                    \
  LAMINA_INSTANTIATE_RANK(T, 1)                                                                  \
  LAMINA_INSTANTIATE_RANK(T, 2)                                                                  \
  LAMINA_INSTANTIATE_RANK(T, 3)                                                                  \
  template LAMINA_EXPORT void im2col_into<T>(const View<T>&, PerAxis<2>, MutArg<T>,              \
                                             const Unfold2dOptions&);                            \
  template LAMINA_EXPORT Array<T> im2col<T>(const View<T>&, PerAxis<2>, const Unfold2dOptions&); \
  template LAMINA_EXPORT void col2im_into<T>(const View<T>&, PerAxis<2>, MutArg<T>,              \
                                             const Unfold2dOptions&);                            \
  template LAMINA_EXPORT Array<T> col2im<T>(const View<T>&, const Shape&, PerAxis<2>,            \
                                            const Unfold2dOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
