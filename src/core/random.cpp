#include "lamina/core/random.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "lamina/core/error.hpp"
#include "lamina/core/parallel.hpp"

namespace lamina {

namespace {

// Multipliers and key increments of Philox4x32 (Salmon et al. 2011, section 4.3).
constexpr std::uint64_t kMultiply0 = 0xD2511F53U;
constexpr std::uint64_t kMultiply1 = 0xCD9E8D57U;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
constexpr int kRounds = 10;
// Keeps the keys of split() apart from those of the words themselves.
constexpr std::uint64_t kSplitKey = 0x5851F42D4C957F2DU;

constexpr std::uint32_t low_word(std::uint64_t x) {
  return static_cast<std::uint32_t>(x);
}
constexpr std::uint32_t high_word(std::uint64_t x) {
  return static_cast<std::uint32_t>(x >> 32);
}

constexpr int kLanes = 16;

/// The words of kLanes consecutive blocks. The loops over lanes are what the compiler vectorizes.
void blocks_at(const Generator::State& state, std::uint64_t first_block,
               std::array<std::uint32_t, 4 * kLanes>& words) {
  std::array<std::uint32_t, kLanes> c0;
  std::array<std::uint32_t, kLanes> c1;
  std::array<std::uint32_t, kLanes> c2;
  std::array<std::uint32_t, kLanes> c3;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const std::uint64_t block = first_block + i;
    c0[i] = low_word(block);
    c1[i] = high_word(block);
    c2[i] = low_word(state.stream);
    c3[i] = high_word(state.stream);
  }
  std::uint32_t key0 = low_word(state.seed);
  std::uint32_t key1 = high_word(state.seed);
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::uint64_t product0 = kMultiply0 * c0[i];
      const std::uint64_t product1 = kMultiply1 * c2[i];
      c0[i] = high_word(product1) ^ c1[i] ^ key0;
      c1[i] = low_word(product1);
      c2[i] = high_word(product0) ^ c3[i] ^ key1;
      c3[i] = low_word(product0);
    }
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    words[4 * i] = c0[i];
    words[4 * i + 1] = c1[i];
    words[4 * i + 2] = c2[i];
    words[4 * i + 3] = c3[i];
  }
}

std::uint32_t word_at(const Generator::State& state, std::uint64_t position) {
  const std::uint64_t block = position / 4;
  return philox4x32(
      {low_word(block), high_word(block), low_word(state.stream), high_word(state.stream)},
      {low_word(state.seed), high_word(state.seed)})[position % 4];
}

template <std::size_t N>
double polynomial(const std::array<double, N>& coefficients, double x) {
  double y = coefficients[N - 1];
  for (std::size_t i = N - 1; i > 0; --i) {
    y = y * x + coefficients[i - 1];
  }
  return y;
}

/// Natural logarithm of a normal positive number. std::log is not the same to the last bit
/// everywhere; this is: log(2^k m) = k log 2 + 2 atanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt
/// 2).
double exact_log(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double m =
      std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFU) | 0x3FF0000000000000U);  // in [1, 2)
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double s2 = s * s;
  static constexpr std::array<double, 12> coefficients{0.0,      1.0 / 3,  1.0 / 5,  1.0 / 7,
                                                       1.0 / 9,  1.0 / 11, 1.0 / 13, 1.0 / 15,
                                                       1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23};
  const double series = polynomial(coefficients, s2);
  return static_cast<double>(exponent) * 0.69314718055994530942 + 2.0 * (s + s * series);
}

/// The standard normal quantile at 0 < p < 1; relative error about 1e-16.
/// Coefficients: Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988).
double normal_quantile(double p) {
  static constexpr std::array<double, 8> a{3.3871328727963666080e0,  1.3314166789178437745e+2,
                                           1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                           4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                           3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr std::array<double, 8> b{1.0,
                                           4.2313330701600911252e+1,
                                           6.8718700749205790830e+2,
                                           5.3941960214247511077e+3,
                                           2.1213794301586595867e+4,
                                           3.9307895800092710610e+4,
                                           2.8729085735721942674e+4,
                                           5.2264952788528545610e+3};
  static constexpr std::array<double, 8> c{1.42343711074968357734e0,  4.63033784615654529590e0,
                                           5.76949722146069140550e0,  3.64784832476320460504e0,
                                           1.27045825245236838258e0,  2.41780725177450611770e-1,
                                           2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr std::array<double, 8> d{1.0,
                                           2.05319162663775882187e0,
                                           1.67638483018380384940e0,
                                           6.89767334985100004550e-1,
                                           1.48103976427480074590e-1,
                                           1.51986665636164571966e-2,
                                           5.47593808499534494600e-4,
                                           1.05075007164441684324e-9};
  static constexpr std::array<double, 8> e{6.65790464350110377720e0,  5.46378491116411436990e0,
                                           1.78482653991729133580e0,  2.96560571828504891230e-1,
                                           2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                           2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr std::array<double, 8> f{1.0,
                                           5.99832206555887937690e-1,
                                           1.36929880922735805310e-1,
                                           1.48753612908506148525e-2,
                                           7.86869131145613259100e-4,
                                           1.84631831751005468180e-5,
                                           1.42151175831644588870e-7,
                                           2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(a, r) / polynomial(b, r);
  }
  double r = std::sqrt(-exact_log(q < 0.0 ? p : 1.0 - p));
  if (r <= 5.0) {
    r -= 1.6;
    r = polynomial(c, r) / polynomial(d, r);
  } else {
    r -= 5.0;
    r = polynomial(e, r) / polynomial(f, r);
  }
  return q < 0.0 ? -r : r;
}

// How many words a value takes, and what it makes of them.
template <class T>
constexpr std::size_t kWords = sizeof(T) / 4;

std::uint64_t join(const std::uint32_t* words) {
  return (std::uint64_t{words[1]} << 32) | words[0];
}
template <class T>
T uniform_from(const std::uint32_t* words) {
  if constexpr (std::is_same_v<T, float>) {
    return static_cast<float>(static_cast<std::int32_t>(words[0] >> 8)) * 0x1p-24F;
  } else {
    return static_cast<double>(static_cast<std::int64_t>(join(words) >> 11)) * 0x1p-53;
  }
}
template <class T>
T normal_from(const std::uint32_t* words) {
  if constexpr (std::is_same_v<T, float>) {
    return static_cast<float>(normal_quantile((static_cast<double>(words[0]) + 0.5) * 0x1p-32));
  } else {
    return normal_quantile(
        (static_cast<double>(static_cast<std::int64_t>(join(words) >> 12)) + 0.5) * 0x1p-52);
  }
}
/// The greatest number that uniform(low, high) gives; rounding alone may reach high.
template <class T>
T last_below(T low, T high) {
  return low == high ? high : std::nextafter(high, low);
}
template <class T>
T scale(T unit, T low, T high, T last) {
  return std::min(low + unit * (high - low), last);
}

/// out[i] = make(words of value i, position of its first word), for consecutive values of
/// `words_each` words, on threads.
template <class T, class Make>
void fill(Generator& generator, T* out, Index n, std::size_t words_each, const Make& make) {
  const Generator::State state = generator.state();
  parallel_for(n, 4096, [&](Index begin, Index end) {
    std::array<std::uint32_t, 4 * kLanes> words;
    for (Index i = begin; i < end;) {
      const std::uint64_t first = state.offset + static_cast<std::uint64_t>(i) * words_each;
      blocks_at(state, first / 4, words);
      // The first value may begin within its block, and the last not fit behind the others.
      const std::size_t skip = first % 4;
      const auto fit = static_cast<Index>((words.size() - skip) / words_each);
      const Index count = std::min(end - i, fit);
      for (Index k = 0; k < count; ++k) {
        const std::size_t at = static_cast<std::size_t>(k) * words_each;
        out[i + k] = make(words.data() + skip + at, first + at);
      }
      i += count;
    }
  });
  generator.jump(static_cast<std::uint64_t>(n) * words_each);
}

/// `bits` uniform on 64 bits to 0 ... n-1 by multiplication; false if it must be drawn anew.
/// 64 x 64 -> 128 bits from 32-bit halves.
bool multiply_below(std::uint64_t bits, std::uint64_t n, std::uint64_t& result) {
  const std::uint64_t low_low = std::uint64_t{low_word(bits)} * low_word(n);
  const std::uint64_t low_high = std::uint64_t{low_word(bits)} * high_word(n);
  const std::uint64_t high_low = std::uint64_t{high_word(bits)} * low_word(n);
  const std::uint64_t middle = (low_low >> 32) + low_word(low_high) + low_word(high_low);
  result = std::uint64_t{high_word(bits)} * high_word(n) + high_word(low_high) +
           high_word(high_low) + high_word(middle);
  const std::uint64_t remainder = bits * n;
  return remainder >= n || remainder >= (0 - n) % n;
}

/// 0 ... n-1 from the two words at `position`. A rejected draw goes on with words of a generator of
/// its own, so that the position of every other value stays where it is.
std::uint64_t below_at(const Generator::State& state, std::uint64_t position, std::uint64_t bits,
                       std::uint64_t n) {
  std::uint64_t result = 0;
  if (!multiply_below(bits, n, result)) [[unlikely]] {
    Generator again = Generator(state).split(position);
    while (!multiply_below(again.next_u64(), n, result)) {
    }
  }
  return result;
}

void check_probability(double p, std::string_view operation) {
  check(p >= 0.0 && p <= 1.0, ErrorKind::InvalidOperation, operation,
        "p must be between 0 and 1, got ", p);
}
template <class T>
void check_interval(T low, T high, std::string_view operation) {
  check(low <= high && std::isfinite(high - low), ErrorKind::InvalidOperation, operation,
        "low must not exceed high, both finite, got ", low, " and ", high);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiply0 * counter[0];
    const std::uint64_t product1 = kMultiply1 * counter[2];
    counter = {high_word(product1) ^ counter[1] ^ key[0], low_word(product1),
               high_word(product0) ^ counter[3] ^ key[1], low_word(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

Generator Generator::split(std::uint64_t i) const noexcept {
  const std::uint64_t key = state_.seed ^ kSplitKey;
  const auto words =
      philox4x32({low_word(i), high_word(i), low_word(state_.stream), high_word(state_.stream)},
                 {low_word(key), high_word(key)});
  return Generator(join(words.data()), join(words.data() + 2));
}

std::uint32_t Generator::next_u32() noexcept {
  return word_at(state_, state_.offset++);
}

std::uint64_t Generator::next_u64() noexcept {
  const std::uint32_t low = next_u32();
  return (std::uint64_t{next_u32()} << 32) | low;
}

template <class T>
T Generator::uniform() noexcept {
  std::array<std::uint32_t, kWords<T>> words;
  std::generate(words.begin(), words.end(), [&] { return next_u32(); });
  return uniform_from<T>(words.data());
}

template <class T>
T Generator::uniform(T low, T high) {
  check_interval(low, high, "uniform");
  return scale(uniform<T>(), low, high, last_below(low, high));
}

template <class T>
T Generator::normal() noexcept {
  std::array<std::uint32_t, kWords<T>> words;
  std::generate(words.begin(), words.end(), [&] { return next_u32(); });
  return normal_from<T>(words.data());
}

std::int64_t Generator::below(std::int64_t n) {
  check(n > 0, ErrorKind::InvalidOperation, "below", "n must be positive, got ", n);
  const State before = state_;
  const std::uint64_t bits = next_u64();
  return static_cast<std::int64_t>(
      below_at(before, before.offset, bits, static_cast<std::uint64_t>(n)));
}

bool Generator::bernoulli(double p) {
  check_probability(p, "bernoulli");
  return uniform<double>() < p;
}

template <class T>
void random_uniform_into(Generator& generator, const MutView<T>& out, std::type_identity_t<T> low,
                         std::type_identity_t<T> high) {
  check_interval(low, high, "random_uniform");
  if (!out.is_contiguous()) {
    out.assign(random_uniform<T>(out.shape(), generator, low, high));
    return;
  }
  const T last = last_below<T>(low, high);
  fill(generator, out.data(), out.size(), kWords<T>,
       [=](const std::uint32_t* words, std::uint64_t) {
         return scale<T>(uniform_from<T>(words), low, high, last);
       });
}

template <class T>
Array<T> random_uniform(const Shape& shape, Generator& generator, T low,
                        std::type_identity_t<T> high) {
  check_interval(low, high, "random_uniform");
  Array<T> result = Array<T>::empty(shape);
  random_uniform_into<T>(generator, result, low, high);
  return result;
}

template <class T>
void random_normal_into(Generator& generator, const MutView<T>& out, std::type_identity_t<T> mean,
                        std::type_identity_t<T> deviation) {
  check(!(deviation < T{0}), ErrorKind::InvalidOperation, "random_normal",
        "the deviation must not be negative, got ", deviation);
  if (!out.is_contiguous()) {
    out.assign(random_normal<T>(out.shape(), generator, mean, deviation));
    return;
  }
  fill(generator, out.data(), out.size(), kWords<T>,
       [=](const std::uint32_t* words, std::uint64_t) {
         return mean + deviation * normal_from<T>(words);
       });
}

template <class T>
Array<T> random_normal(const Shape& shape, Generator& generator, T mean,
                       std::type_identity_t<T> deviation) {
  check(!(deviation < T{0}), ErrorKind::InvalidOperation, "random_normal",
        "the deviation must not be negative, got ", deviation);
  Array<T> result = Array<T>::empty(shape);
  random_normal_into<T>(generator, result, mean, deviation);
  return result;
}

Array<std::int64_t> random_integers(const Shape& shape, Generator& generator, std::int64_t low,
                                    std::int64_t high) {
  check(low < high, ErrorKind::InvalidOperation, "random_integers",
        "low must be less than high, got ", low, " and ", high);
  Array<std::int64_t> result = Array<std::int64_t>::empty(shape);
  // Unsigned, because high - low may exceed the signed range.
  const std::uint64_t n = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  const Generator::State state = generator.state();
  fill(generator, result.data(), result.size(), 2,
       [=](const std::uint32_t* words, std::uint64_t position) {
         return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) +
                                          below_at(state, position, join(words), n));
       });
  return result;
}

Array<bool> random_bernoulli(const Shape& shape, Generator& generator, double p) {
  check_probability(p, "random_bernoulli");
  Array<bool> result = Array<bool>::empty(shape);
  fill(generator, result.data(), result.size(), 2,
       [=](const std::uint32_t* words, std::uint64_t) { return uniform_from<double>(words) < p; });
  return result;
}

namespace {
/// The order that shuffle() gives to 0 ... n-1.
std::vector<std::int64_t> random_order(Index n, Generator& generator) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = static_cast<std::int64_t>(i);
  }
  shuffle(order, generator);
  return order;
}
}  // namespace

Array<std::int64_t> permutation(Index n, Generator& generator) {
  check(n >= 0, ErrorKind::InvalidOperation, "permutation", "n must not be negative, got ", n);
  return Array<std::int64_t>::from_shape_vec(Shape{n}, random_order(n, generator));
}

template <class T>
void shuffle(Array<T>& array, Generator& generator) {
  check(array.rank() >= 1, ErrorKind::DimensionMismatch, "shuffle",
        "a single number has no axis to shuffle");
  const std::vector<std::int64_t> order = random_order(array.extent(0), generator);
  Array<T> result = Array<T>::empty(array.shape());
  const Index row = array.empty() ? 0 : array.size() / array.extent(0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::copy_n(array.data() + order[i] * row, row, result.data() + static_cast<Index>(i) * row);
  }
  array = std::move(result);
}

#define LAMINA_INSTANTIATE(T)                                                              \
  template LAMINA_EXPORT T Generator::uniform<T>() noexcept;                               \
  template LAMINA_EXPORT T Generator::uniform<T>(T, T);                                    \
  template LAMINA_EXPORT T Generator::normal<T>() noexcept;                                \
  template LAMINA_EXPORT void random_uniform_into<T>(Generator&, const MutView<T>&, T, T); \
  template LAMINA_EXPORT Array<T> random_uniform<T>(const Shape&, Generator&, T, T);       \
  template LAMINA_EXPORT void random_normal_into<T>(Generator&, const MutView<T>&, T, T);  \
  template LAMINA_EXPORT Array<T> random_normal<T>(const Shape&, Generator&, T, T);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)

#define LAMINA_INSTANTIATE_SHUFFLE(T) template LAMINA_EXPORT void shuffle<T>(Array<T>&, Generator&);
LAMINA_INSTANTIATE_SHUFFLE(float)
LAMINA_INSTANTIATE_SHUFFLE(double)
LAMINA_INSTANTIATE_SHUFFLE(std::int64_t)
LAMINA_INSTANTIATE_SHUFFLE(std::int32_t)
LAMINA_INSTANTIATE_SHUFFLE(std::uint8_t)
LAMINA_INSTANTIATE_SHUFFLE(bool)

}  // namespace lamina
