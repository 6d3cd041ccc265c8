#include "lamina/layers/normalization.hpp"

#include "lamina/autograd/ops_local_response_norm.hpp"
#include "lamina/autograd/ops_normalization.hpp"

namespace lamina::layers {

namespace {

template <class T>
void start(bool affine, const Shape& shape, Var<T>& weight, Var<T>& bias) {
  if (affine) {
    weight = parameter(Array<T>::ones(shape));
    bias = parameter(Array<T>::zeros(shape));
  }
}

/// Without parameters nothing else would notice another shape.
template <class T>
void check_last_axes(const char* kind, const Var<T>& x, const Shape& shape) {
  bool fits = x.rank() >= shape.rank();
  for (int i = 0; fits && i < shape.rank(); ++i) {
    fits = x.shape()[x.rank() - shape.rank() + i] == shape[i];
  }
  check(fits, ErrorKind::DimensionMismatch, kind, "x ", x.shape(), " does not end with ", shape);
}

template <class T>
void check_channels(const char* kind, const Var<T>& x, DataFormat format, int lowest_rank,
                    Index channels) {
  check(x.rank() >= lowest_rank, ErrorKind::DimensionMismatch, kind, "x must have rank ",
        lowest_rank, " or more, got shape ", x.shape());
  const bool last = format == DataFormat::NHWC || x.rank() == 2;
  const Index got = x.extent(last ? -1 : 1);
  check(got == channels, ErrorKind::DimensionMismatch, kind, "x ", x.shape(), " has ", got,
        " channels, the layer ", channels);
}

void check_shape(const char* kind, const Shape& shape) {
  check(shape.rank() > 0, ErrorKind::InvalidOperation, kind, "the shape has no axis");
}

}  // namespace

template <class T>
LayerNorm<T>::LayerNorm(const Shape& shape, const LayerNormOptions& options)
    : shape_(shape), eps_(options.eps) {
  check_shape("LayerNorm", shape);
  start(options.affine, shape, weight_, bias_);
}
template <class T>
std::string LayerNorm<T>::name() const {
  return std::string("LayerNorm(") + to_string(shape_) +
         (weight_.defined() ? ")" : ", not affine)");
}
template <class T>
Var<T> LayerNorm<T>::forward(const Var<T>& x) {
  check_last_axes("LayerNorm", x, shape_);
  return nn::layer_norm(x, weight_, bias_, eps_, shape_.rank());
}
template <class T>
void LayerNorm<T>::members(Members<T>& list) {
  list.parameter("weight", weight_);
  list.parameter("bias", bias_);
}

template <class T>
RMSNorm<T>::RMSNorm(const Shape& shape, const LayerNormOptions& options)
    : shape_(shape), eps_(options.eps) {
  check_shape("RMSNorm", shape);
  if (options.affine) {
    weight_ = parameter(Array<T>::ones(shape));
  }
}
template <class T>
std::string RMSNorm<T>::name() const {
  return std::string("RMSNorm(") + to_string(shape_) + (weight_.defined() ? ")" : ", not affine)");
}
template <class T>
Var<T> RMSNorm<T>::forward(const Var<T>& x) {
  check_last_axes("RMSNorm", x, shape_);
  return nn::rms_norm(x, weight_, eps_, shape_.rank());
}
template <class T>
void RMSNorm<T>::members(Members<T>& list) {
  list.parameter("weight", weight_);
}

template <class T>
BatchNorm<T>::BatchNorm(const char* kind, int lowest_rank, int highest_rank, Index channels,
                        const BatchNormLayerOptions& options)
    : kind_(kind), lowest_rank_(lowest_rank), highest_rank_(highest_rank), options_(options) {
  check(channels >= 0, ErrorKind::InvalidOperation, kind, "channels must not be negative, got ",
        channels);
  start(options.affine, {channels}, weight_, bias_);
  mean_ = Var<T>(Array<T>::zeros({channels}));
  var_ = Var<T>(Array<T>::ones({channels}));
}
template <class T>
std::string BatchNorm<T>::name() const {
  return std::string(kind_) + "(" + std::to_string(mean_.extent(0)) +
         (weight_.defined() ? ")" : ", not affine)");
}
template <class T>
Var<T> BatchNorm<T>::forward(const Var<T>& x) {
  check(x.rank() <= highest_rank_, ErrorKind::DimensionMismatch, kind_, "x must have rank ",
        highest_rank_, lowest_rank_ == highest_rank_ ? "" : " or less", ", got shape ", x.shape());
  check_channels(kind_, x, options_.format, lowest_rank_, mean_.extent(0));
  if (!this->training()) {
    return nn::batch_norm_inference(x, mean_.value(), var_.value(), weight_, bias_, options_.eps,
                                    options_.format);
  }
  check(x.size() != mean_.size(), ErrorKind::InvalidOperation, kind_,
        "training needs two values a channel, x ", x.shape(), " has one");
  return nn::batch_norm_training(x, mean_.mutable_value(), var_.mutable_value(), weight_, bias_,
                                 {options_.eps, options_.momentum, options_.format});
}
template <class T>
void BatchNorm<T>::members(Members<T>& list) {
  list.parameter("weight", weight_);
  list.parameter("bias", bias_);
  list.buffer("running_mean", mean_);
  list.buffer("running_var", var_);
}

template <class T>
GroupNorm<T>::GroupNorm(Index groups, Index channels, const GroupNormOptions& options)
    : groups_(groups), channels_(channels), options_(options) {
  check(groups >= 1 && channels >= 0 && channels % groups == 0, ErrorKind::InvalidOperation,
        "GroupNorm", "groups must divide channels, got ", groups, " and ", channels);
  start(options.affine, {channels}, weight_, bias_);
}
template <class T>
std::string GroupNorm<T>::name() const {
  return std::string("GroupNorm(") + std::to_string(groups_) + " groups of " +
         std::to_string(channels_) + (weight_.defined() ? ")" : ", not affine)");
}
template <class T>
Var<T> GroupNorm<T>::forward(const Var<T>& x) {
  check_channels("GroupNorm", x, options_.format, 2, channels_);
  return nn::group_norm(x, groups_, weight_, bias_, options_.eps, options_.format);
}
template <class T>
void GroupNorm<T>::members(Members<T>& list) {
  list.parameter("weight", weight_);
  list.parameter("bias", bias_);
}

template <class T>
InstanceNorm<T>::InstanceNorm(Index channels, const InstanceNormOptions& options)
    : channels_(channels), options_(options) {
  check(channels >= 0, ErrorKind::InvalidOperation, "InstanceNorm",
        "channels must not be negative, got ", channels);
  start(options.affine, {channels}, weight_, bias_);
}
template <class T>
std::string InstanceNorm<T>::name() const {
  return std::string("InstanceNorm(") + std::to_string(channels_) +
         (weight_.defined() ? ", affine)" : ")");
}
template <class T>
Var<T> InstanceNorm<T>::forward(const Var<T>& x) {
  check_channels("InstanceNorm", x, options_.format, 3, channels_);
  return nn::instance_norm(x, options_.eps, weight_, bias_, options_.format);
}
template <class T>
void InstanceNorm<T>::members(Members<T>& list) {
  list.parameter("weight", weight_);
  list.parameter("bias", bias_);
}

template <class T>
LocalResponseNorm<T>::LocalResponseNorm(Index size, const nn::LocalResponseOptions& options)
    : size_(size), options_(options) {
  check(size >= 1, ErrorKind::InvalidOperation, "LocalResponseNorm",
        "size must be at least 1, got ", size);
}
template <class T>
std::string LocalResponseNorm<T>::name() const {
  return "LocalResponseNorm(size " + std::to_string(size_) + ")";
}
template <class T>
Var<T> LocalResponseNorm<T>::forward(const Var<T>& x) {
  return nn::local_response_norm(x, size_, options_);
}

#define LAMINA_INSTANTIATE(T)     \
  template class LayerNorm<T>;    \
  template class RMSNorm<T>;      \
  template class BatchNorm<T>;    \
  template class GroupNorm<T>;    \
  template class InstanceNorm<T>; \
  template class LocalResponseNorm<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::layers
