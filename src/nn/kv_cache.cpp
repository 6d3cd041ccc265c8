#include "lamina/nn/kv_cache.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace lamina::nn {

namespace {

constexpr std::string_view kName = "KvCache";

/// shape with another extent of its last axis but one.
Shape with_positions(const Shape& shape, Index positions) {
  IndexList result = shape;
  result[result.rank() - 2] = positions;
  return Shape(result);
}

}  // namespace

template <class T>
KvCache<T>::KvCache(Index capacity) : capacity_(capacity) {
  check(capacity >= 0, ErrorKind::InvalidOperation, kName, "capacity must not be negative, got ",
        capacity);
}

template <class T>
void KvCache<T>::append(const View<T>& k, ViewArg<T> v) {
  check(k.defined() && v.defined() && k.rank() >= 2 && v.rank() == k.rank() &&
            k.extent(-2) == v.extent(-2),
        ErrorKind::DimensionMismatch, kName,
        "k and v must be (..., n, features) of one number of positions; k ", k.shape(), ", v ",
        v.shape());
  const Index count = k.extent(-2);
  if (shaped_) {
    const auto same = [&](const View<T>& x, const Array<T>& all, std::string_view name) {
      check(x.rank() == all.rank() && with_positions(x.shape(), capacity_) == all.shape(),
            ErrorKind::DimensionMismatch, kName, name, " has shape ", x.shape(),
            ", the cache holds ", with_positions(all.shape(), size_));
      for (const Array<T>* own : {&keys_, &values_}) {
        check(overlap(x, static_cast<const View<T>&>(*own)) == Overlap::None,
              ErrorKind::InvalidOperation, kName, name, " looks into the cache");
      }
    };
    same(k, keys_, "k");
    same(v, values_, "v");
  } else {
    for (int axis = 0; axis < k.rank() - 2; ++axis) {
      check(k.shape()[axis] == v.shape()[axis], ErrorKind::DimensionMismatch, kName, "axis ", axis,
            " differs; k ", k.shape(), ", v ", v.shape());
    }
    capacity_ = std::max(capacity_, count);
    keys_ = Array<T>::empty(with_positions(k.shape(), capacity_));
    values_ = Array<T>::empty(with_positions(v.shape(), capacity_));
    shaped_ = true;
  }
  if (size_ + count > capacity_) {
    reserve(std::max(size_ + count, 2 * capacity_));
  }
  const auto put = [&](Array<T>& all, const View<T>& x) {
    all.slice(all.rank() - 2, Range{size_, size_ + count}).assign(x);
  };
  put(keys_, k);
  put(values_, v);
  size_ += count;
}

template <class T>
View<T> KvCache<T>::part(const Array<T>& all) const {
  return shaped_ ? all.slice(all.rank() - 2, Range{0, size_}) : View<T>();
}

template <class T>
View<T> KvCache<T>::keys() const {
  return part(keys_);
}

template <class T>
View<T> KvCache<T>::values() const {
  return part(values_);
}

template <class T>
void KvCache<T>::reserve(Index positions) {
  check(positions >= 0, ErrorKind::InvalidOperation, kName, "positions must not be negative, got ",
        positions);
  if (positions <= capacity_) {
    return;
  }
  if (shaped_) {
    const auto grown = [&](const Array<T>& all) {
      Array<T> larger = Array<T>::empty(with_positions(all.shape(), positions));
      larger.slice(larger.rank() - 2, Range{0, size_}).assign(part(all));
      return larger;
    };
    Array<T> keys = grown(keys_);  // both before either is replaced, should there be no memory
    values_ = grown(values_);
    keys_ = std::move(keys);
  }
  capacity_ = positions;
}

template <class T>
void KvCache<T>::truncate(Index positions) {
  check(positions >= 0 && positions <= size_, ErrorKind::InvalidOperation, kName,
        "cannot be cut to ", positions, " positions, it holds ", size_);
  size_ = positions;
}

template <class T>
Array<T> KvCache<T>::attend(const View<T>& q, AttentionOptions<T> options) const {
  check(size_ > 0, ErrorKind::InvalidOperation, kName, "attention to an empty cache");
  if (options.causal && q.defined() && q.rank() >= 2) {
    check(q.extent(-2) <= size_, ErrorKind::InvalidOperation, kName, "the ", q.extent(-2),
          " queries are more than the ", size_, " positions");
    options.causal_offset = size_ - q.extent(-2);
  }
  return scaled_dot_product_attention<T>(q, keys(), values(), options);
}

template class LAMINA_EXPORT KvCache<float>;
template class LAMINA_EXPORT KvCache<double>;

}  // namespace lamina::nn
