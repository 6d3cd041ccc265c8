#include "lamina/nn/loss_binary.hpp"

namespace lamina::nn {

namespace {

Loss kl_kind(const KlDivOptions& options) {
  if (options.log_target) {
    return options.log_prediction ? Loss::KlDivLogBoth : Loss::KlDivLogTarget;
  }
  return options.log_prediction ? Loss::KlDivLogPrediction : Loss::KlDiv;
}

bool by_batch(ReductionMode mode, const KlDivOptions& options) {
  return mode == ReductionMode::Mean && options.batch_mean;
}
/// 1 / extent of axis 0; 0 of an empty batch.
template <class T>
T batch_share(const View<T>& y_true) {
  check(y_true.rank() >= 1, ErrorKind::DimensionMismatch, "kl_div_loss",
        "batch_mean needs rank 1 or more, got shape ", y_true.shape());
  return y_true.extent(0) == 0 ? T{0} : T{1} / static_cast<T>(y_true.extent(0));
}

/// dy of the batch mean as dy of the sum.
template <class T>
Array<T> scaled(const View<T>& dy, const View<T>& y_true) {
  const T share = batch_share(y_true);
  check(dy.defined() && dy.rank() == 0, ErrorKind::DimensionMismatch, "kl_div_loss",
        "dy must have the shape of the loss, (), got ", dy.shape());
  return Array<T>::scalar(dy.item() * share);
}

}  // namespace

template <class T>
Array<T> kl_div_loss(const View<T>& y_true, ViewArg<T> y_pred, ReductionMode mode,
                     const KlDivOptions& options) {
  const LossOptions<T> parameters{.a = options.epsilon};
  if (!by_batch(mode, options)) {
    return elementwise_loss(kl_kind(options), y_true, y_pred, mode, parameters);
  }
  const T share = batch_share(y_true);
  Array<T> sum = elementwise_loss(kl_kind(options), y_true, y_pred, ReductionMode::Sum, parameters);
  *sum.data() *= share;
  return sum;
}

template <class T>
Array<T> kl_div_loss_backward(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
                              ReductionMode mode, const KlDivOptions& options) {
  const LossOptions<T> parameters{.a = options.epsilon};
  if (!by_batch(mode, options)) {
    return elementwise_loss_backward(kl_kind(options), dy, y_true, y_pred, mode, parameters);
  }
  return elementwise_loss_backward(kl_kind(options), scaled<T>(dy, y_true), y_true, y_pred,
                                   ReductionMode::Sum, parameters);
}

template <class T>
Array<T> kl_div_loss_backward_true(const View<T>& dy, ViewArg<T> y_true, ViewArg<T> y_pred,
                                   ReductionMode mode, const KlDivOptions& options) {
  const LossOptions<T> parameters{.a = options.epsilon};
  if (!by_batch(mode, options)) {
    return elementwise_loss_backward_true(kl_kind(options), dy, y_true, y_pred, mode, parameters);
  }
  return elementwise_loss_backward_true(kl_kind(options), scaled<T>(dy, y_true), y_true, y_pred,
                                        ReductionMode::Sum, parameters);
}

#define LAMINA_INSTANTIATE(T)                                                                     \
  template LAMINA_EXPORT Array<T> kl_div_loss<T>(const View<T>&, ViewArg<T>, ReductionMode,       \
                                                 const KlDivOptions&);                            \
  template LAMINA_EXPORT Array<T> kl_div_loss_backward<T>(const View<T>&, ViewArg<T>, ViewArg<T>, \
                                                          ReductionMode, const KlDivOptions&);    \
  template LAMINA_EXPORT Array<T> kl_div_loss_backward_true<T>(                                   \
      const View<T>&, ViewArg<T>, ViewArg<T>, ReductionMode, const KlDivOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

}  // namespace lamina::nn
