#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "lamina/core/array.hpp"
#include "lamina/export.hpp"

namespace lamina {

/// The block function of Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1,
/// 2, 3", SC11): 128 random bits from a counter and a key.
[[nodiscard]] LAMINA_EXPORT std::array<std::uint32_t, 4> philox4x32(
    std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) noexcept;

/// A source of random numbers: a position on an endless tape of 32-bit words, which seed and stream
/// fix. Word k is word k % 4 of philox4x32({k / 4, stream}, seed), both numbers low word first.
///
/// A fill of n values takes the same words as n single draws, and value i depends on seed, stream,
/// offset and i only. So equal seeds give equal numbers on every platform and any number of
/// threads: the transforms below use nothing but exactly defined arithmetic.
///
/// Cheap to copy; a copy continues on its own at the same position. Not to be drawn from by two
/// threads at once: split() it.
class LAMINA_EXPORT Generator {
 public:
  /// Everything there is to know about a generator, e.g. for a checkpoint.
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t stream = 0;
    std::uint64_t offset = 0;  ///< words taken so far
    friend bool operator==(const State&, const State&) = default;
  };
  using result_type = std::uint32_t;

  explicit Generator(std::uint64_t seed = 0, std::uint64_t stream = 0) noexcept
      : state_{seed, stream, 0} {}
  explicit Generator(const State& state) noexcept : state_(state) {}

  [[nodiscard]] const State& state() const noexcept { return state_; }
  void set_state(const State& state) noexcept { state_ = state; }
  /// Skips `words` words.
  void jump(std::uint64_t words) noexcept { state_.offset += words; }
  /// An independent generator, the same one for the same seed, stream and i, wherever this one
  /// stands.
  [[nodiscard]] Generator split(std::uint64_t i) const noexcept;

  /// The next word. With min() and max() this makes a UniformRandomBitGenerator.
  result_type operator()() noexcept { return next_u32(); }
  [[nodiscard]] static constexpr result_type min() noexcept { return 0; }
  [[nodiscard]] static constexpr result_type max() noexcept {
    return std::numeric_limits<result_type>::max();
  }
  std::uint32_t next_u32() noexcept;
  /// Two words, low one first.
  std::uint64_t next_u64() noexcept;

  /// Uniform on [0, 1): the upper 24 bits of a word times 2^-24, or the upper 53 bits of two words
  /// times 2^-53.
  template <class T = double>
  T uniform() noexcept;
  /// low + u * (high - low), never high itself. Error(InvalidOperation) unless low <= high and the
  /// difference is finite.
  template <class T>
  T uniform(T low, T high);
  /// Standard normal: the inverse of the distribution function (Wichura 1988, Algorithm AS 241) at
  /// the middle of the interval that a word (float) or the upper 52 bits of two words (double)
  /// stand for. Reaches 6.3 (float) and 8.2 (double) standard deviations.
  template <class T = double>
  T normal() noexcept;
  template <class T>
  T normal(T mean, T deviation) noexcept {
    return mean + deviation * normal<T>();
  }
  /// Uniform on 0 ... n-1 without bias (Lemire 2019, arXiv:1805.10941); takes two words.
  /// Error(InvalidOperation) unless n > 0.
  std::int64_t below(std::int64_t n);
  /// True with probability p; takes two words. Error(InvalidOperation) unless 0 <= p <= 1.
  bool bernoulli(double p);

 private:
  State state_;
};

/// Uniform on [low, high). Errors as Generator::uniform.
template <class T>
[[nodiscard]] Array<T> random_uniform(const Shape& shape, Generator& generator, T low = T{0},
                                      std::type_identity_t<T> high = T{1});
/// Writes into any view; values follow its row-major order.
template <class T>
void random_uniform_into(Generator& generator, const MutView<T>& out, std::type_identity_t<T> low,
                         std::type_identity_t<T> high);
/// Normal with the given mean and standard deviation. Error(InvalidOperation) if that is negative.
template <class T>
[[nodiscard]] Array<T> random_normal(const Shape& shape, Generator& generator, T mean = T{0},
                                     std::type_identity_t<T> deviation = T{1});
template <class T>
void random_normal_into(Generator& generator, const MutView<T>& out, std::type_identity_t<T> mean,
                        std::type_identity_t<T> deviation);
/// Integers low ... high-1 without bias. Error(InvalidOperation) unless low < high.
[[nodiscard]] LAMINA_EXPORT Array<std::int64_t> random_integers(const Shape& shape,
                                                                Generator& generator,
                                                                std::int64_t low,
                                                                std::int64_t high);
/// True with probability p. Error(InvalidOperation) unless 0 <= p <= 1.
[[nodiscard]] LAMINA_EXPORT Array<bool> random_bernoulli(const Shape& shape, Generator& generator,
                                                         double p);
/// 0 ... n-1 in random order. Error(InvalidOperation) if n < 0.
[[nodiscard]] LAMINA_EXPORT Array<std::int64_t> permutation(Index n, Generator& generator);

/// Puts the elements in random order (Fisher-Yates).
template <class T>
void shuffle(std::vector<T>& values, Generator& generator) {
  for (std::size_t i = values.size(); i > 1; --i) {
    using std::swap;
    swap(values[i - 1],
         values[static_cast<std::size_t>(generator.below(static_cast<std::int64_t>(i)))]);
  }
}
/// Puts the positions of axis 0 in random order. Error(DimensionMismatch) for rank 0.
template <class T>
void shuffle(Array<T>& array, Generator& generator);

}  // namespace lamina
