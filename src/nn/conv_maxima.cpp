#include "nn/conv_maxima.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/lane_pool.hpp"
#include "lamina/core/parallel.hpp"
#include "nn/abreast_product.hpp"
#include "nn/conv_abreast.hpp"
#include "nn/conv_parts.hpp"
#include "nn/conv_plan.hpp"
#include "nn/layout.hpp"

namespace lamina::nn::detail {

namespace {

// Bytes of lines of a gradient that are spread and multiplied at once: they stay in the L1.
constexpr Index kLineBytes = 24 * 1024;
// Positions after which what the bias gets is put aside.
constexpr Index kSummedPositions = 256;

constexpr std::string_view kName = "conv2d";

/// The forward pass, and its blocks of two by two.
struct MaximaPlan {
  AbreastPlan conv;
  Turned pooled;

  template <class T>
  static MaximaPlan make(const ConvShape& shape) {
    const AbreastPlan conv = AbreastPlan::make<T>(shape, false);
    return {conv, Turned(conv.result.lanes, shape.images, shape.out_channels, shape.out[1] / 2,
                         shape.out[2] / 2)};
  }
  [[nodiscard]] Index outputs() const { return pooled.channels; }
  /// Elements of a line that blocks cover, and where its maxima begin, in vectors.
  [[nodiscard]] Index line() const { return 2 * pooled.width * pooled.lanes; }
  [[nodiscard]] Index place(Index output, Index h) const {
    return (output * pooled.height + h) * pooled.width;
  }
  [[nodiscard]] Index places_in_block() const { return place(outputs(), 0); }
};

/// A contiguous batch of images.
template <class T>
ConvImage<T> image_at(T* data, const std::array<Index, 3>& extents, Index channels) {
  const Index plane = extents[1] * extents[2];
  return {data, channels * plane, plane, {plane, extents[2], 1}};
}

/// The gradients of one call, block of images by block.
template <class T>
class Backward {
 public:
  Backward(const ConvShape& shape, const View<T>& dy, const ConvImage<const T>& x,
           const View<T>& weight, const ConvMaximaPlaces& places, const MutView<T>& dx,
           bool wants_weight)
      : shape_(shape),
        plan_(MaximaPlan::make<T>(shape)),
        into_x_(AbreastPlan::make<T>(shape, true)),
        dy_(image_at(dy.data(), {1, plan_.pooled.height, plan_.pooled.width}, plan_.outputs())),
        x_(x),
        places_(places),
        dx_(dx),
        wants_weight_(wants_weight),
        wants_dx_(dx.defined()),
        product_(wants_dx_ ? AbreastProduct<T>(into_x_, true, weight.data(), into_x_.width)
                           : AbreastProduct<T>()) {
    const Turned& pooled = plan_.pooled;
    if (wants_dx_) {
      line_ = into_x_.source.line();
      left_ = into_x_.source.left * pooled.lanes;
      lines_ = pooled.height;
      plane_ = into_x_.source.plane();
    } else {
      line_ = plan_.line();
      const Index bytes = plan_.outputs() * 2 * line_ * static_cast<Index>(sizeof(T));
      lines_ = std::clamp<Index>(kLineBytes / bytes, 1, pooled.height);
      plane_ = 2 * lines_ * line_;
    }
    for (Index h = 0; h < 2 * lines_; ++h) {
      for (Index v = 0; v < 2 * pooled.width; ++v) {
        vectors_.push_back(
            {h * shape.stride[1] * plan_.conv.source.line() + v * shape.stride[2] * pooled.lanes,
             h * line_ + left_ + v * pooled.lanes, pooled.lanes});
      }
    }
  }

  [[nodiscard]] Index blocks() const { return plan_.pooled.blocks; }
  [[nodiscard]] Index rows() const { return shape_.in_channels * shape_.taps(); }

  /// Blocks [first, last): their input gradient, in `sums` (rows, outputs, lanes) what the weights
  /// get and, added to `bias_sums` (outputs), what the bias gets.
  void run(Index first, Index last, T* sums, double* bias_sums) const {
    const Turned& source = plan_.conv.source;
    const Turned& result = into_x_.result;
    const Buffer<T> dy(plan_.pooled.block());
    const Buffer<T> x(wants_weight_ ? source.block() : 0);
    const Buffer<T> spread(plan_.outputs() * plane_);
    const Buffer<T> turned_dx(wants_dx_ ? result.block() : 0);
    std::vector<const T*> seen(static_cast<std::size_t>(rows()));
    if (wants_dx_) clear_uncovered(spread.data());
    for (Index block = first; block < last; ++block) {
      turn_in(plan_.pooled, dy_, block, block + 1, dy.data());
      if (wants_weight_) turn_in(source, x_, block, block + 1, x.data());
      for (Index h = 0; h < plan_.pooled.height; h += lines_) {
        const Index count = std::min(lines_, plan_.pooled.height - h);
        spread_lines(block, h, count, dy.data(), spread.data(), bias_sums);
        if (wants_weight_) {
          see_taps(plan_.conv, x.data() + 2 * h * shape_.stride[1] * source.line(), seen.data());
          add_products(seen, count, spread.data(), block > first || h > 0, sums);
        }
      }
      if (!wants_dx_) continue;
      for (Index h = 0; h < into_x_.height;) {
        Index count = 1;
        while (h + count < into_x_.height && into_x_.lines(h + count) == into_x_.lines(h)) ++count;
        product_.run(spread.data(), h, count, nullptr, turned_dx.data() + h * result.line(),
                     result.line(), result.plane());
        h += count;
      }
      turn_out(result, turned_dx.data(), block, block + 1,
               image_at(dx_.data(), shape_.in, shape_.in_channels));
    }
  }

 private:
  /// What no block of two by two covers, and what lies beside the convolution's result.
  void clear_uncovered(T* to) const {
    const Index covered = plan_.line();
    const Index lines = plane_ / line_;
    for (Index o = 0; o < plan_.outputs(); ++o) {
      for (Index h = 0; h < lines; ++h, to += line_) {
        const bool any = h < 2 * lines_;
        std::fill_n(to, any ? left_ : line_, T(0));
        if (any) std::fill(to + left_ + covered, to + line_, T(0));
      }
    }
  }

  void spread_lines(Index block, Index h, Index count, const T* dy, T* to,
                    double* bias_sums) const {
    const Turned& pooled = plan_.pooled;
    const kernels::LaneBlocks blocks{pooled.width, pooled.images_of(block), places_.relu};
    const std::uint8_t* const taps =
        places_.taps.data() + block * plan_.places_in_block() * pooled.lanes;
    // Sums of lanes are put aside as those of a reduction are: in double.
    const Index together = std::max<Index>(1, kSummedPositions / pooled.width);
    for (Index o = 0; o < plan_.outputs(); ++o) {
      alignas(64) std::array<T, kMostLanes> sum{};
      for (Index i = 0; i < count; ++i) {
        const Index place = plan_.place(o, h + i);
        T* const upper = to + o * plane_ + 2 * i * line_ + left_;
        kernels::lane_maxima_backward(blocks, dy + place * pooled.lanes,
                                      taps + place * pooled.lanes, upper, upper + line_,
                                      sum.data());
        if (i + 1 < count && (i + 1) % together != 0) continue;
        for (T& lane : sum) bias_sums[o] += static_cast<double>(std::exchange(lane, T(0)));
      }
    }
  }

  void add_products(const std::vector<const T*>& seen, Index count, const T* spread, bool adds,
                    T* sums) const {
    kernels::LineSums<T> product;
    product.rows = seen.data();
    product.count = rows();
    product.b = spread;
    product.b_stride = plane_;
    product.columns = plan_.outputs();
    product.sums = sums;
    sum_positions(product, vectors_.data(), count * 4 * plan_.pooled.width, adds);
  }

  ConvShape shape_;
  MaximaPlan plan_;
  AbreastPlan into_x_;
  ConvImage<const T> dy_, x_;
  const ConvMaximaPlaces& places_;
  MutView<T> dx_;
  bool wants_weight_, wants_dx_;
  AbreastProduct<T> product_;
  // Of the gradient of the convolution's result: where a line begins, how many pairs of lines are
  // there at once, and the positions of those.
  Index line_ = 0, left_ = 0, plane_ = 0, lines_ = 0;
  std::vector<kernels::LineVector> vectors_;
};

/// The gradient of the convolution's result from places that another target found.
template <class T>
Array<T> spread_plainly(const ConvShape& shape, const View<T>& dy, const ConvMaximaPlaces& places) {
  Array<T> out = Array<T>::zeros({shape.images, shape.out_channels, shape.out[1], shape.out[2]});
  const Index height = shape.out[1] / 2;
  const Index width = shape.out[2] / 2;
  for (Index n = 0; n < shape.images; ++n) {
    const Index lane = n % places.lanes;
    for (Index o = 0; o < shape.out_channels; ++o) {
      for (Index h = 0; h < height; ++h) {
        for (Index v = 0; v < width; ++v) {
          const Index vector =
              ((n / places.lanes * shape.out_channels + o) * height + h) * width + v;
          const int place = places.taps.data()[vector * places.lanes + lane];
          for (Index tap = 0; tap < 4; ++tap) {
            if ((place >> tap & 1) == 0) continue;
            out(n, o, 2 * h + tap / 2, 2 * v + tap % 2) =
                places.relu && place > 15 ? std::numeric_limits<T>::quiet_NaN() : dy(n, o, h, v);
          }
        }
      }
    }
  }
  return out;
}

template <class T>
ConvPlan plan_of(const View<T>& x, const View<T>& weight, const View<T>& bias,
                 const Conv2dOptions& options) {
  ConvPlan plan = make_conv_plan(x.shape(), weight.shape(), options, kName);
  check_bias<T>(bias, plan.problem.out_channels, kName);
  return plan;
}

}  // namespace

template <class T>
bool conv_maxima_pay(const View<T>& x, const View<T>& weight, const View<T>& bias,
                     const Conv2dOptions& options) {
  const ConvPlan plan = plan_of(x, weight, bias, options);
  const ConvShape& shape = plan.problem;
  if (plan.form != Form::Batch || plan.channels_last() || !plan.pads_zeros() ||
      options.activation != Activation::Identity || shape.out[1] < 2 || shape.out[2] < 2 ||
      ceil_div(shape.images, lanes_of<T>()) < kManyBlocks) {
    return false;
  }
  // Of four elements of the result one is turned.
  const Index weights = shape.in_channels * shape.out_channels * shape.taps();
  if (weights < kLeastWork * (shape.in_channels + shape.out_channels / 4)) return false;
  const ConvImage<const T> image = plan.image(x);
  const ConvImage<const T> dy = image_at<const T>(nullptr, shape.out, shape.out_channels);
  return abreast_serves(shape, false, image) && abreast_gradient_pays(shape, dy, image) &&
         abreast_serves(shape, true, dy);
}

template <class T>
ConvMaxima<T> conv_maxima(const View<T>& x, const View<T>& weight, const View<T>& bias,
                          const Conv2dOptions& options, bool relu, bool with_places) {
  const ConvPlan conv_plan = plan_of(x, weight, bias, options);
  const MaximaPlan plan = MaximaPlan::make<T>(conv_plan.problem);
  const Turned& source = plan.conv.source;
  const Turned& pooled = plan.pooled;
  const ConvImage<const T> image = conv_plan.image(x);
  const lamina::detail::Packed<T> weights(weight);
  const lamina::detail::Packed<T> biases(bias.defined() ? bias : View<T>(nullptr, Shape{0}));
  const T* const added = bias.defined() ? biases.data() : nullptr;
  const Index outputs = plan.outputs();

  ConvMaxima<T> maxima{Array<T>::empty({pooled.images, outputs, pooled.height, pooled.width}),
                       {{}, pooled.lanes, relu}};
  const ConvImage<T> y = image_at(maxima.values.data(), {1, pooled.height, pooled.width}, outputs);
  const Index in_block = plan.places_in_block() * pooled.lanes;
  if (with_places) {
    maxima.places.taps = Buffer<std::uint8_t>(pooled.blocks * in_block);
  }
  const AbreastProduct<T> product(plan.conv, false, weights.data(), 2 * pooled.width);
  parallel_for(pooled.blocks, 1, [&](Index begin, Index end) {
    const Buffer<T> turned(source.block());
    const Buffer<T> lines(outputs * 2 * plan.line());
    const Buffer<T> found(pooled.block());
    for (Index block = begin; block < end; ++block) {
      const kernels::LaneBlocks blocks{pooled.width, pooled.images_of(block), relu};
      turn_in(source, image, block, block + 1, turned.data());
      for (Index h = 0; h < pooled.height; ++h) {
        product.run(turned.data(), 2 * h, 2, added, lines.data(), plan.line(), 2 * plan.line());
        for (Index o = 0; o < outputs; ++o) {
          const T* const upper = lines.data() + 2 * o * plan.line();
          const Index place = plan.place(o, h);
          kernels::lane_maxima(
              blocks, upper, upper + plan.line(), found.data() + place * pooled.lanes,
              with_places ? maxima.places.taps.data() + block * in_block + place * pooled.lanes
                          : nullptr);
        }
      }
      turn_out(pooled, found.data(), block, block + 1, y);
    }
  });
  return maxima;
}

template <class T>
void conv_maxima_backward(const View<T>& dy, const View<T>& x, const View<T>& weight,
                          const ConvMaximaPlaces& places, const Conv2dOptions& options,
                          const MutView<T>& dx, const MutView<T>& dweight,
                          const MutView<T>& dbias) {
  const ConvPlan conv_plan = make_conv_plan(x.shape(), weight.shape(), options, kName);
  const ConvShape& shape = conv_plan.problem;
  if (places.lanes != lanes_of<T>()) {
    const Array<T> spread = spread_plainly(shape, dy, places);
    if (dx.defined()) conv2d_backward_input_into<T>(spread, weight, dx, options);
    if (dweight.defined()) conv2d_backward_weight_into<T>(spread, x, dweight, options);
    if (dbias.defined()) conv_backward_bias_into<T>(spread, dbias);
    return;
  }
  const lamina::detail::Packed<T> gradient(dy);
  const lamina::detail::Packed<T> weights(weight);
  const Backward<T> backward(shape, View<T>(gradient.data(), dy.shape()), conv_plan.image(x),
                             View<T>(weights.data(), weight.shape()), places, dx,
                             dweight.defined());
  const Index lanes = places.lanes;
  const Index outputs = shape.out_channels;
  const Index weights_size = dweight.defined() ? backward.rows() * outputs : 0;
  const Index parts = abreast_gradient_parts<T>(shape);
  const Buffer<T> dweights(parts * weights_size);
  std::vector<double> dbiases(static_cast<std::size_t>(parts * outputs));
  parallel_for(parts, 1, [&](Index begin, Index end) {
    // Lanes are added up where their sums are, in the caches of one core.
    const Buffer<T> sums(weights_size * lanes);
    std::vector<double> bias_sums(static_cast<std::size_t>(outputs));
    for (Index part = begin; part < end; ++part) {
      std::fill(bias_sums.begin(), bias_sums.end(), 0.0);
      backward.run(backward.blocks() * part / parts, backward.blocks() * (part + 1) / parts,
                   sums.data(), bias_sums.data());
      std::copy(bias_sums.begin(), bias_sums.end(), dbiases.begin() + part * outputs);
      if (dweight.defined()) {
        finish_line_sums(sums.data(), 1, backward.rows(), outputs, lanes,
                         dweights.data() + part * weights_size);
      }
    }
  });
  if (dweight.defined()) sum_parts(dweights.data(), parts, weights_size, dweight.data());
  for (Index o = 0; dbias.defined() && o < outputs; ++o) {
    double sum = 0;
    for (Index part = 0; part < parts; ++part) {
      sum += dbiases[static_cast<std::size_t>(part * outputs + o)];
    }
    dbias.data()[o] = static_cast<T>(sum);
  }
}

#define LAMINA_INSTANTIATE(T)                                                        \
  template bool conv_maxima_pay(const View<T>&, const View<T>&, const View<T>&,      \
                                const Conv2dOptions&);                               \
  template ConvMaxima<T> conv_maxima(const View<T>&, const View<T>&, const View<T>&, \
                                     const Conv2dOptions&, bool, bool);              \
  template void conv_maxima_backward(const View<T>&, const View<T>&, const View<T>&, \
                                     const ConvMaximaPlaces&, const Conv2dOptions&,  \
                                     const MutView<T>&, const MutView<T>&, const MutView<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn::detail
