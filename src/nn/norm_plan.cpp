#include "nn/norm_plan.hpp"

namespace lamina::nn::detail {

NormPlan plan_axes(const char* name, const Shape& x, const Shape* gamma, const Shape* beta,
                   int axes) {
  check(x.rank() > 0, ErrorKind::DimensionMismatch, name, "x must have an axis, got shape ", x);
  check(axes >= 0 && axes <= x.rank(), ErrorKind::InvalidOperation, name,
        "axes must be from 0 to the rank of x ", x, ", got ", axes);
  if (axes == 0) {
    const Shape* known = gamma != nullptr ? gamma : beta;
    axes = 1;
    if (known != nullptr) {
      axes = known->rank();
      check(axes > 0 && axes <= x.rank(), ErrorKind::DimensionMismatch, name,
            gamma != nullptr ? "gamma " : "beta ", *known, " does not fit the last axes of x ", x);
    }
  }
  NormPlan plan;
  plan.groups = 1;
  for (int i = 0; i < x.rank(); ++i) {
    if (i < x.rank() - axes) {
      plan.groups *= x[i];
      plan.statistics.push_back(x[i]);
    } else {
      plan.n *= x[i];
      plan.parameters.push_back(x[i]);
    }
  }
  plan.group_stride = plan.n;
  plan.steps.element = 1;
  return plan;
}

NormPlan plan_channels(const char* name, const Shape& x, DataFormat format, ChannelGroups kind,
                       Index groups) {
  check(x.rank() >= 2, ErrorKind::DimensionMismatch, name, "x must have rank 2 or more, got shape ",
        x);
  const bool last = format == DataFormat::NHWC || x.rank() == 2;
  const Index samples = x[0];
  const Index channels = x[last ? x.rank() - 1 : 1];
  Index positions = 1;
  for (int i = last ? 1 : 2; i < x.rank() - (last ? 1 : 0); ++i) {
    positions *= x[i];
  }
  NormPlan plan;
  plan.parameters = {channels};
  if (kind == ChannelGroups::Batch) {
    plan.groups = channels;
    plan.statistics = {channels};
    if (channels == 1) {
      plan.n = samples * positions;
    } else if (last) {
      plan.columns = true;
      plan.runs = samples * positions;
      plan.run_stride = channels;
    } else {
      plan.group_stride = positions;
      plan.runs = samples;
      plan.run_stride = channels * positions;
      plan.n = positions;
      plan.steps.group = 1;
    }
    return plan;
  }
  check(groups >= 0 && (groups > 0 ? channels % groups == 0 : true), ErrorKind::InvalidOperation,
        name, "groups must divide the ", channels, " channels of x ", x, ", got ", groups);
  plan.groups = groups == 0 ? channels : groups;
  const Index size = plan.groups == 0 ? 0 : channels / plan.groups;  // channels of a group
  plan.repeats = samples;
  plan.repeat_stride = channels * positions;
  plan.statistics = {samples, plan.groups};
  plan.steps.group = size;
  if (last && size == 1 && channels > 1 && positions > 1) {
    plan.columns = true;
    plan.runs = positions;
    plan.run_stride = channels;
  } else if (last) {
    plan.group_stride = size;
    plan.runs = positions;
    plan.run_stride = channels;
    plan.n = size;
    plan.steps.element = 1;
  } else {
    plan.group_stride = size * positions;
    plan.runs = size;
    plan.run_stride = positions;
    plan.n = positions;
    plan.steps.run = size == 1 ? 0 : 1;
  }
  return plan;
}

NormPlan plan_rows(const Shape& x) {
  NormPlan plan;
  plan.groups = x[0];
  plan.n = x[1];
  plan.group_stride = x[1];
  plan.parameters = {};
  plan.statistics = {x[0]};
  return plan;
}

void add_parts(const double* parts, Index count, Index width, double* total) {
  const Index grain = std::max(Index{64}, kElementGrain / std::max(Index{1}, count));
  parallel_for(width, grain, [&](Index begin, Index end) {
    for (Index part = 0; part < count; ++part) {
      for (Index i = begin; i < end; ++i) {
        total[i] += parts[part * width + i];
      }
    }
  });
}

void check_norm_eps(const char* name, double eps) {
  check(eps >= 0 && std::isfinite(eps), ErrorKind::InvalidOperation, name,
        "eps must be finite and not negative, got ", eps);
}

namespace {

template <class T>
double value_or(const T* values, Index i, double otherwise) {
  return values == nullptr ? otherwise : static_cast<double>(values[i]);
}

/// What the columns of one sample have in common with a normal distribution.
struct ColumnMoments {
  std::vector<double> mean;     ///< less the column's first element, for more digits
  std::vector<double> squares;  ///< sum of (x - mean)^2
};

/// Parts of the rows and columns, joined in order, as in Chan, Golub and LeVeque 1979.
template <class T>
ColumnMoments column_moments(const NormPlan& plan, const T* x) {
  constexpr Index kMostColumns = 512;
  constexpr Index kLeastRows = 64;
  const Index columns = plan.groups;
  const Index rows = plan.runs;
  const Index width = std::min(columns, kMostColumns);
  const Index tiles = ceil_div(columns, width);
  // A part stays in the L2 until its last columns are done.
  const Index height = std::max(kLeastRows, kElementGrain / width);
  const Index parts = ceil_div(rows, height);
  // For each part two numbers a column: the mean, the sum of squares.
  const Buffer<double> found(parts * 2 * columns);
  parallel_for(parts * tiles, 1, [&](Index first, Index last) {
    for (Index task = first; task < last; ++task) {
      const Index part = task / tiles;
      const Index column = task % tiles * width;
      kernels::NormColumnArgs<T> args;
      args.x = x + part * height * plan.run_stride + column;
      args.stride = plan.run_stride;
      args.rows = std::min(height, rows - part * height);
      args.columns = std::min(width, columns - column);
      args.mean = x + column;  // means of equal elements are exact then
      args.sums[0] = found.data() + part * 2 * columns + column;
      args.sums[1] = args.sums[0] + columns;
      kernels::norm_column_moments(args);
    }
  });
  ColumnMoments all{std::vector<double>(found.data(), found.data() + columns),
                    std::vector<double>(found.data() + columns, found.data() + 2 * columns)};
  parallel_for(columns, std::max(Index{64}, kElementGrain / parts), [&](Index begin, Index end) {
    double count = static_cast<double>(std::min(height, rows));
    for (Index part = 1; part < parts; ++part) {
      const double more = static_cast<double>(std::min(height, rows - part * height));
      const double* const mean = found.data() + part * 2 * columns;
      for (Index c = begin; c < end; ++c) {
        const auto k = static_cast<std::size_t>(c);
        const double difference = mean[c] - all.mean[k];
        all.mean[k] += difference * (more / (count + more));
        all.squares[k] +=
            mean[columns + c] + difference * difference * (count * more / (count + more));
      }
      count += more;
    }
  });
  return all;
}

/// Normalizes the columns of one sample.
template <class T>
void norm_columns(const NormPlan& plan, const NormForward<T>& pass) {
  const Index columns = plan.groups;
  const Index rows = plan.runs;
  const double count = static_cast<double>(rows);
  Array<T> mean = Array<T>::empty({columns});
  Array<T> scale = Array<T>::empty({columns});
  Array<T> shift = Array<T>::zeros({columns});
  if (pass.given) {
    for (Index c = 0; c < columns; ++c) {
      mean.data()[c] = pass.mean[c];
      scale.data()[c] =
          static_cast<T>(static_cast<double>(pass.rstd[c]) * value_or(pass.gamma, c, 1));
      shift.data()[c] = pass.beta == nullptr ? T{0} : pass.beta[c];
    }
  } else {
    const ColumnMoments moments = column_moments(plan, pass.x);
    for (Index c = 0; c < columns; ++c) {
      const auto k = static_cast<std::size_t>(c);
      const double origin = static_cast<double>(pass.x[c]);
      mean.data()[c] = static_cast<T>(origin + moments.mean[k]);
      const double rest = origin - static_cast<double>(mean.data()[c]) + moments.mean[k];
      const double var = moments.squares[k] / count;
      const double rstd = 1 / std::sqrt(var + pass.eps);
      const double factor = rstd * value_or(pass.gamma, c, 1);
      scale.data()[c] = static_cast<T>(factor);
      shift.data()[c] = static_cast<T>(value_or(pass.beta, c, 0) - rest * factor);
      if (pass.mean != nullptr) {
        pass.mean[c] = static_cast<T>(static_cast<double>(mean.data()[c]) + rest);
      }
      if (pass.rstd != nullptr) {
        pass.rstd[c] = static_cast<T>(rstd);
      }
      if (pass.var != nullptr) {
        pass.var[c] = static_cast<T>(var);
      }
    }
  }
  if (pass.y == nullptr) {
    return;
  }
  kernels::NormColumnArgs<T> args;
  args.x = pass.x;
  args.y = pass.y;
  args.stride = plan.run_stride;
  args.rows = rows;
  args.columns = columns;
  args.mean = mean.data();
  args.scale = scale.data();
  args.shift = shift.data();
  apply_columns(args, plan.row_grain(), [](const auto& part) { kernels::norm_column_apply(part); });
}

}  // namespace

template <class T>
void run_norm(const NormPlan& plan, const NormForward<T>& pass) {
  if (plan.group_count() == 0 || plan.group_size() == 0) {
    for (T* statistic : {pass.mean, pass.rstd, pass.var}) {
      if (statistic != nullptr && !pass.given) {
        std::fill_n(statistic, plan.group_count(), std::numeric_limits<T>::quiet_NaN());
      }
    }
    return;
  }
  const auto advance = [](T* from, Index by) { return from == nullptr ? nullptr : from + by; };
  if (plan.columns) {
    const Index grain = std::max(Index{1}, kElementGrain / (plan.groups * plan.runs));
    const auto repeats = [&](Index begin, Index end) {
      for (Index repeat = begin; repeat < end; ++repeat) {
        NormForward<T> one = pass;
        one.x = pass.x + repeat * plan.repeat_stride;
        one.y = advance(pass.y, repeat * plan.repeat_stride);
        one.mean = advance(pass.mean, repeat * plan.groups);
        one.rstd = advance(pass.rstd, repeat * plan.groups);
        one.var = advance(pass.var, repeat * plan.groups);
        norm_columns(plan, one);
      }
    };
    if (plan.repeats == 1) {
      repeats(0, 1);
    } else {
      parallel_for(plan.repeats, grain, repeats);
    }
    return;
  }
  kernels::NormArgs<T> shared;
  shared.group_stride = plan.group_stride;
  shared.runs = plan.runs;
  shared.run_stride = plan.run_stride;
  shared.n = plan.n;
  shared.steps = plan.steps;
  shared.eps = pass.eps;
  shared.center = pass.center;
  shared.given = pass.given;
  shared.stream = pass.y != nullptr && is_streamed<T>(plan.group_count() * plan.group_size());
  // Streamed stores are waited for at the end of each part.
  const Index grain = (shared.stream ? 8 : 1) * plan.group_grain();
  parallel_for(plan.group_count(), grain, [&](Index begin, Index end) {
    while (begin < end) {
      const Index group = begin % plan.groups;
      const Index offset = begin / plan.groups * plan.repeat_stride + group * plan.group_stride;
      kernels::NormArgs<T> args = shared;
      args.groups = std::min(end - begin, plan.groups - group);
      args.x = pass.x + offset;
      args.y = advance(pass.y, offset);
      args.gamma = pass.gamma == nullptr ? nullptr : pass.gamma + group * plan.steps.group;
      args.beta = pass.beta == nullptr ? nullptr : pass.beta + group * plan.steps.group;
      args.mean = advance(pass.mean, begin);
      args.rstd = advance(pass.rstd, begin);
      args.var = advance(pass.var, begin);
      kernels::norm_groups(args);
      begin += args.groups;
    }
  });
}

template void run_norm<float>(const NormPlan&, const NormForward<float>&);
template void run_norm<double>(const NormPlan&, const NormForward<double>&);

}  // namespace lamina::nn::detail
