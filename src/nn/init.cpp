#include "lamina/nn/init.hpp"

#include <algorithm>
#include <cmath>

#include "lamina/core/error.hpp"

namespace lamina::nn {

namespace {

/// Uniform on [-a, a] with the given standard deviation: a = sqrt(3) deviation.
template <class T>
Array<T> uniform_of_deviation(const Shape& shape, Generator& generator, double deviation) {
  const T bound = static_cast<T>(std::sqrt(3.0) * deviation);
  return random_uniform<T>(shape, generator, -bound, bound);
}
template <class T>
Array<T> normal_of_deviation(const Shape& shape, Generator& generator, double deviation) {
  return random_normal<T>(shape, generator, T{0}, static_cast<T>(deviation));
}

// A weight without elements has fan 0; any finite scale will do for it.
double at_least_one(Index fan) {
  return static_cast<double>(std::max<Index>(fan, 1));
}
double xavier_deviation(const Shape& shape, double gain) {
  const Fan fan = fan_of(shape);
  return gain * std::sqrt(2.0 / at_least_one(fan.in + fan.out));
}
double kaiming_deviation(const Shape& shape, const KaimingOptions& options) {
  const Fan fan = fan_of(shape);
  const double slope = options.negative_slope;
  return std::sqrt(2.0 / (1.0 + slope * slope)) /
         std::sqrt(at_least_one(options.mode == FanMode::In ? fan.in : fan.out));
}
double lecun_deviation(const Shape& shape) {
  return 1.0 / std::sqrt(at_least_one(fan_of(shape).in));
}

}  // namespace

Fan fan_of(const Shape& weight) {
  check(weight.rank() >= 2, ErrorKind::DimensionMismatch, "fan_of",
        "a weight must have rank 2 or more (out, in, kernel...), got shape ", weight);
  Index kernel = 1;
  for (int axis = 2; axis < weight.rank(); ++axis) {
    kernel *= weight[axis];
  }
  return {weight[1] * kernel, weight[0] * kernel};
}

template <class T>
Array<T> xavier_uniform(const Shape& shape, Generator& generator, double gain) {
  return uniform_of_deviation<T>(shape, generator, xavier_deviation(shape, gain));
}
template <class T>
Array<T> xavier_normal(const Shape& shape, Generator& generator, double gain) {
  return normal_of_deviation<T>(shape, generator, xavier_deviation(shape, gain));
}
template <class T>
Array<T> kaiming_uniform(const Shape& shape, Generator& generator, const KaimingOptions& options) {
  return uniform_of_deviation<T>(shape, generator, kaiming_deviation(shape, options));
}
template <class T>
Array<T> kaiming_normal(const Shape& shape, Generator& generator, const KaimingOptions& options) {
  return normal_of_deviation<T>(shape, generator, kaiming_deviation(shape, options));
}
template <class T>
Array<T> lecun_uniform(const Shape& shape, Generator& generator) {
  return uniform_of_deviation<T>(shape, generator, lecun_deviation(shape));
}
template <class T>
Array<T> lecun_normal(const Shape& shape, Generator& generator) {
  return normal_of_deviation<T>(shape, generator, lecun_deviation(shape));
}

#define LAMINA_INSTANTIATE(T)                                                          \
  template LAMINA_EXPORT Array<T> xavier_uniform<T>(const Shape&, Generator&, double); \
  template LAMINA_EXPORT Array<T> xavier_normal<T>(const Shape&, Generator&, double);  \
  template LAMINA_EXPORT Array<T> kaiming_uniform<T>(const Shape&, Generator&,         \
                                                     const KaimingOptions&);           \
  template LAMINA_EXPORT Array<T> kaiming_normal<T>(const Shape&, Generator&,          \
                                                    const KaimingOptions&);            \
  template LAMINA_EXPORT Array<T> lecun_uniform<T>(const Shape&, Generator&);          \
  template LAMINA_EXPORT Array<T> lecun_normal<T>(const Shape&, Generator&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
