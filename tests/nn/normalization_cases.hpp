#pragma once

// Every normalization under one name, and naive long double oracles.

#include <cmath>
#include <string>
#include <vector>

#include "lamina/nn/normalization.hpp"
#include "support/numbers.hpp"

namespace lamina::nn::norm_cases {

using test::uniform_numbers;

enum class Kind { Layer, Rms, Batch, Group, Instance };

struct Case {
  Kind kind;
  Shape shape;
  Index detail = 0;  ///< axes of Layer and Rms, groups of Group
  DataFormat format = DataFormat::NCHW;

  [[nodiscard]] int axes() const { return static_cast<int>(detail); }
  [[nodiscard]] int channel_axis() const {
    return format == DataFormat::NHWC || shape.rank() == 2 ? shape.rank() - 1 : 1;
  }
  [[nodiscard]] bool affine() const { return kind != Kind::Instance || shape.rank() > 2; }
  [[nodiscard]] Shape parameters() const {
    if (kind != Kind::Layer && kind != Kind::Rms) {
      return {shape[channel_axis()]};
    }
    IndexList result;
    for (int i = shape.rank() - axes(); i < shape.rank(); ++i) {
      result.push_back(shape[i]);
    }
    return Shape(result);
  }
  [[nodiscard]] std::string name() const {
    const char* names[] = {"layer", "rms", "batch", "group", "instance"};
    return std::string(names[static_cast<int>(kind)]) + " " + to_string(shape) + " " +
           std::to_string(detail) + " " + std::string(to_string(format));
  }
};

/// Shapes around vector widths, in every layout of channels.
inline std::vector<Case> all_cases() {
  constexpr DataFormat kLast = DataFormat::NHWC;
  std::vector<Case> cases;
  for (const Index n : {1, 2, 3, 5, 8, 9, 16, 17, 31, 33, 64, 65, 130, 2049}) {
    cases.push_back({Kind::Layer, {3, n}, 1});
    cases.push_back({Kind::Rms, {3, n}, 1});
    cases.push_back({Kind::Batch, {5, n}});
    cases.push_back({Kind::Batch, {2, 3, n}});
  }
  cases.push_back({Kind::Layer, {2, 70, 3, 5}, 2});
  cases.push_back({Kind::Layer, {7}, 1});
  cases.push_back({Kind::Layer, {2, 3, 4}, 3});
  cases.push_back({Kind::Rms, {2, 3, 4}, 2});
  cases.push_back({Kind::Batch, {9, 1}});
  cases.push_back({Kind::Batch, {200, 19}});
  cases.push_back({Kind::Batch, {3, 4, 5, 7}});
  cases.push_back({Kind::Batch, {3, 5, 7, 4}, 0, kLast});
  cases.push_back({Kind::Batch, {2, 3, 2, 2, 3}});
  cases.push_back({Kind::Batch, {2, 4, 3, 1}, 0, kLast});
  cases.push_back({Kind::Group, {3, 6, 5}, 2});
  cases.push_back({Kind::Group, {3, 6, 5, 3}, 3});
  cases.push_back({Kind::Group, {2, 4, 3, 6}, 2, kLast});
  cases.push_back({Kind::Group, {2, 70, 4}, 1, kLast});
  cases.push_back({Kind::Group, {3, 8}, 4});
  cases.push_back({Kind::Group, {3, 4, 7}, 4});
  cases.push_back({Kind::Group, {3, 7, 4}, 4, kLast});
  cases.push_back({Kind::Instance, {4, 9}});
  cases.push_back({Kind::Instance, {2, 3, 17}});
  cases.push_back({Kind::Instance, {2, 5, 4, 3}, 0, kLast});
  cases.push_back({Kind::Instance, {2, 5, 1}, 0, kLast});
  return cases;
}

template <class T>
void call_into(const Case& c, const View<T>& x, const MutView<T>& out, const View<T>& gamma,
               const View<T>& beta, double eps = 1e-5, const NormStatistics<T>& saved = {}) {
  switch (c.kind) {
    case Kind::Layer:
      return layer_norm_into<T>(x, out, gamma, beta, eps, c.axes(), saved);
    case Kind::Rms:
      return rms_norm_into<T>(x, out, gamma, eps, c.axes(), saved.rstd);
    case Kind::Batch:
      return batch_norm_into<T>(x, out, gamma, beta, eps, c.format, saved);
    case Kind::Group:
      return group_norm_into<T>(x, c.detail, out, gamma, beta, eps, c.format, saved);
    case Kind::Instance:
      return instance_norm_into<T>(x, out, eps, gamma, beta, c.format, saved);
  }
}
template <class T>
Array<T> call(const Case& c, const View<T>& x, const View<T>& gamma, const View<T>& beta,
              double eps = 1e-5) {
  Array<T> out = Array<T>::empty(x.shape());
  call_into<T>(c, x, out, gamma, beta, eps);
  return out;
}
template <class T>
void call_backward_into(const Case& c, const View<T>& dy, const View<T>& x, const View<T>& gamma,
                        const MutView<T>& dx, const MutView<T>& dgamma, const MutView<T>& dbeta,
                        double eps = 1e-5, const NormStatistics<T>& saved = {}) {
  switch (c.kind) {
    case Kind::Layer:
      return layer_norm_backward_into<T>(dy, x, gamma, dx, dgamma, dbeta, eps, c.axes(), saved);
    case Kind::Rms:
      return rms_norm_backward_into<T>(dy, x, gamma, dx, dgamma, eps, c.axes(), saved.rstd);
    case Kind::Batch:
      return batch_norm_backward_into<T>(dy, x, gamma, dx, dgamma, dbeta, eps, c.format, saved);
    case Kind::Group:
      return group_norm_backward_into<T>(dy, x, c.detail, gamma, dx, dgamma, dbeta, eps, c.format,
                                         saved);
    case Kind::Instance:
      return instance_norm_backward_into<T>(dy, x, dx, eps, gamma, dgamma, dbeta, c.format, saved);
  }
}
template <class T>
NormGradients<T> call_backward(const Case& c, const View<T>& dy, const View<T>& x,
                               const View<T>& gamma, double eps = 1e-5) {
  switch (c.kind) {
    case Kind::Layer:
      return layer_norm_backward<T>(dy, x, gamma, eps, c.axes());
    case Kind::Rms:
      return rms_norm_backward<T>(dy, x, gamma, eps, c.axes());
    case Kind::Batch:
      return batch_norm_backward<T>(dy, x, gamma, eps, c.format);
    case Kind::Group:
      return group_norm_backward<T>(dy, x, c.detail, gamma, eps, c.format);
    default:
      return instance_norm_backward<T>(dy, x, eps, gamma, c.format);
  }
}

/// Which group and which gamma each element has, by its position.
struct Membership {
  std::vector<std::size_t> group;
  std::vector<std::size_t> parameter;
  std::size_t groups = 0;
};

inline Membership membership(const Case& c) {
  Membership m;
  const Strides strides = contiguous_strides(c.shape);
  const Index channels = c.shape.rank() > 1 ? c.shape[c.channel_axis()] : 1;
  const Index inner = c.parameters().size();
  for (Index flat = 0; flat < c.shape.size(); ++flat) {
    const Index sample = flat / strides[0];
    Index group = 0;
    Index parameter = 0;
    if (c.kind == Kind::Layer || c.kind == Kind::Rms) {
      group = flat / inner;
      parameter = flat % inner;
    } else {
      const Index channel = flat / strides[c.channel_axis()] % channels;
      parameter = channel;
      if (c.kind == Kind::Batch) {
        group = channel;
      } else if (c.kind == Kind::Group) {
        group = sample * c.detail + channel / (channels / c.detail);
      } else {
        group = c.shape.rank() == 2 ? sample : sample * channels + channel;
      }
    }
    m.group.push_back(static_cast<std::size_t>(group));
    m.parameter.push_back(static_cast<std::size_t>(parameter));
    m.groups = std::max(m.groups, static_cast<std::size_t>(group) + 1);
  }
  return m;
}

using Numbers = std::vector<long double>;

/// The formulas of the header, element by element.
struct Oracle {
  Membership m;
  Numbers xhat;
  Numbers y;
  Numbers mean;
  Numbers rstd;
  Numbers dx;
  Numbers dgamma;
  Numbers dbeta;

  template <class T>
  Oracle(const Case& c, const View<T>& x_view, const View<T>& gamma, const View<T>& beta,
         const View<T>& dy_view, double eps = 1e-5)
      : m(membership(c)) {
    const std::vector<T> x = x_view.to_vector();
    const std::vector<T> dy = dy_view.to_vector();
    const std::vector<T> g = gamma.defined() ? gamma.to_vector() : std::vector<T>();
    const std::vector<T> b = beta.defined() ? beta.to_vector() : std::vector<T>();
    const std::size_t size = x.size();
    const Numbers none(m.groups, 0);
    Numbers count = none, var = none, mean_g = none, mean_gx = none;
    mean = none;
    rstd = none;
    for (std::size_t i = 0; i < size; ++i) {
      ++count[m.group[i]];
      mean[m.group[i]] += x[i];
    }
    for (std::size_t k = 0; k < m.groups; ++k) {
      mean[k] = c.kind == Kind::Rms ? 0 : mean[k] / count[k];
    }
    for (std::size_t i = 0; i < size; ++i) {
      const long double e = x[i] - mean[m.group[i]];
      var[m.group[i]] += e * e;
    }
    for (std::size_t k = 0; k < m.groups; ++k) {
      rstd[k] = 1 / std::sqrt(var[k] / count[k] + static_cast<long double>(eps));
    }
    const auto width = static_cast<std::size_t>(c.parameters().size());
    dgamma.assign(width, 0);
    dbeta.assign(width, 0);
    const auto factor = [&](std::size_t i) { return g.empty() ? 1.0L : g[m.parameter[i]]; };
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t k = m.group[i];
      xhat.push_back((x[i] - mean[k]) * rstd[k]);
      y.push_back(xhat[i] * factor(i) + (b.empty() ? 0.0L : b[m.parameter[i]]));
      if (c.affine()) {
        dgamma[m.parameter[i]] += dy[i] * xhat[i];
        dbeta[m.parameter[i]] += dy[i];
      }
      mean_g[k] += dy[i] * factor(i) / count[k];
      mean_gx[k] += dy[i] * factor(i) * xhat[i] / count[k];
    }
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t k = m.group[i];
      const long double centered = c.kind == Kind::Rms ? 0 : mean_g[k];
      dx.push_back(rstd[k] * (dy[i] * factor(i) - centered - xhat[i] * mean_gx[k]));
    }
  }
};

}  // namespace lamina::nn::norm_cases
