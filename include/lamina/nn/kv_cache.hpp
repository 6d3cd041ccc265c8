#pragma once

#include "lamina/core/array.hpp"
#include "lamina/nn/attention.hpp"

namespace lamina::nn {

/// Keys and values of all positions so far, for attention that goes on position by position.
///
/// Room grows to the double when it is full, so that appending n positions one by one costs as much
/// as n copies. Keys and values lie as (..., G, positions, features), positions of a head adjacent.
/// float and double. Copies are deep; not to be changed by two threads at once.
template <class T>
class KvCache {
 public:
  /// Empty; the first append gives the shape. With room for `capacity` positions, so that nothing
  /// is moved up to there. Error(InvalidOperation): capacity < 0.
  explicit KvCache(Index capacity = 0);

  /// Adds positions behind those there are: k (..., G, n, D), v (..., G, n, Dv), of any strides.
  /// Neither may look into the cache itself. Error(DimensionMismatch): ranks below 2, extents other
  /// than before.
  void append(const View<T>& k, ViewArg<T> v);

  /// Positions there are, and for how many there is room.
  [[nodiscard]] Index size() const noexcept { return size_; }
  [[nodiscard]] Index capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  /// (..., G, size, D) and (..., G, size, Dv), valid until the next append or reserve. Not defined
  /// before the first append.
  [[nodiscard]] View<T> keys() const;
  [[nodiscard]] View<T> values() const;

  /// Makes room for `positions` in all. Error(InvalidOperation): positions < 0.
  void reserve(Index positions);
  /// Forgets all but the first `positions`. Error(InvalidOperation) unless 0 <= positions <= size.
  void truncate(Index positions);
  void clear() { truncate(0); }

  /// scaled_dot_product_attention of q (..., H, n, D) with what the cache holds. With
  /// options.causal the queries are its last n positions: causal_offset is set to size - n.
  /// Errors as there; Error(InvalidOperation): the cache is empty, or with causal shorter than q.
  [[nodiscard]] Array<T> attend(const View<T>& q, AttentionOptions<T> options = {}) const;

 private:
  [[nodiscard]] View<T> part(const Array<T>& all) const;

  Index size_ = 0, capacity_ = 0;
  bool shaped_ = false;
  Array<T> keys_, values_;  ///< (..., G, capacity, features)
};

extern template class LAMINA_EXPORT KvCache<float>;
extern template class LAMINA_EXPORT KvCache<double>;

}  // namespace lamina::nn
