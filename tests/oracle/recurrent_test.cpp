// Recurrent networks against PyTorch in float64 (recurrent.npz, by generate_recurrent.py): results
// and every gradient.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "lamina/io/npz.hpp"
#include "lamina/nn/recurrent.hpp"

namespace lamina {
namespace {

const io::NamedArrays& oracle() {
  static const io::NamedArrays arrays = io::load_npz(LAMINA_TEST_ORACLE);
  return arrays;
}

std::string numbered(const char* prefix, std::size_t i) {
  std::string name = prefix;
  name += std::to_string(i);
  return name;
}

/// One case of the file.
template <class T>
class Case {
 public:
  explicit Case(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] bool has(const std::string& what) const {
    return oracle().find(name_ + "/" + what) != nullptr;
  }
  [[nodiscard]] Array<double> want(const std::string& what) const {
    return oracle().get<double>(name_ + "/" + what);
  }
  [[nodiscard]] Array<T> in(const std::string& what) const {
    return oracle().get<float>(name_ + "/" + what).template astype<T>();
  }
  [[nodiscard]] bool is(std::string_view part) const {
    return name_.find(part) != std::string::npos;
  }

  /// Each side rounds some hundred times; what cancels is bounded by the largest element.
  void expect(const Array<T>& got, const std::string& what) const {
    const Array<double> wanted = want(what);
    ASSERT_EQ(got.shape(), wanted.shape()) << what;
    double scale = 0;
    for (const double v : wanted) {
      scale = std::max(scale, std::abs(v));
    }
    const double tolerance = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (Index i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(got.data()[i]), wanted.data()[i],
                  tolerance * (std::abs(wanted.data()[i]) + 0.1 * scale))
          << what << " at " << i;
    }
  }

  void run() const {
    SCOPED_TRACE(name_);
    std::vector<Array<T>> arrays;
    for (std::size_t i = 0; has(numbered("w", i)); ++i) {
      arrays.push_back(in(numbered("w", i)));
    }
    const std::size_t each = is("no_bias") ? 2 : 4;
    std::vector<nn::RecurrentWeights<T>> weights;
    for (std::size_t i = 0; i < arrays.size(); i += each) {
      weights.push_back({arrays[i], arrays[i + 1]});
      if (each == 4) {
        weights.back().b_ih = arrays[i + 2];
        weights.back().b_hh = arrays[i + 3];
      }
    }
    nn::RecurrentOptions options;
    options.batch_first = is("batch_first");
    options.direction = is("both") || is("lengths") ? nn::RecurrentDirection::Both
                                                    : nn::RecurrentDirection::Forward;
    options.activation = is("relu") ? nn::RnnActivation::Relu : nn::RnnActivation::Tanh;
    Array<std::int64_t> lengths;
    if (has("lengths")) {
      lengths = oracle().get<std::int64_t>(name_ + "/lengths");
      options.lengths = lengths;
    }
    const Array<T> x = in("x");
    const Array<T> h0 = in("h0");
    const Array<T> dy = in("dy");
    const Array<T> dh = in("dh");
    nn::LstmResult<T> result;
    nn::RecurrentGradients<T> d;
    if (is("lstm")) {
      const Array<T> c0 = in("c0");
      result = nn::lstm(x, weights, h0, c0, options);
      d = nn::lstm_backward(dy, dh, in("dc"), x, weights, h0, c0, options);
      expect(result.c, "c");
      expect(d.dc0, "gc0");
    } else {
      auto short_result =
          is("gru") ? nn::gru(x, weights, h0, options) : nn::rnn(x, weights, h0, options);
      result.y = std::move(short_result.y);
      result.h = std::move(short_result.h);
      d = is("gru") ? nn::gru_backward(dy, dh, x, weights, h0, options)
                    : nn::rnn_backward(dy, dh, x, weights, h0, options);
    }
    expect(result.y, "y");
    expect(result.h, "h");
    expect(d.dx, "gx");
    expect(d.dh0, "gh0");
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto key = [&](std::size_t k) { return numbered("gw", each * i + k); };
      expect(d.weights[i].dw_ih, key(0));
      expect(d.weights[i].dw_hh, key(1));
      if (each == 4) {
        expect(d.weights[i].db_ih, key(2));
        expect(d.weights[i].db_hh, key(3));
      }
    }
  }

 private:
  std::string name_;
};

template <class T>
class TorchRecurrent : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(TorchRecurrent, Types);

TYPED_TEST(TorchRecurrent, ResultsAndGradients) {
  int cases = 0;
  for (const io::NamedArray& array : oracle()) {
    if (array.name.ends_with("/y")) {
      Case<TypeParam>(array.name.substr(0, array.name.size() - 2)).run();
      ++cases;
    }
  }
  EXPECT_EQ(cases, 16);
}

}  // namespace
}  // namespace lamina
