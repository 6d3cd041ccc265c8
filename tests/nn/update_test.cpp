// The update rules against their published formulas in long double, on every target.

#include "lamina/nn/update.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "lamina/core/parallel.hpp"
#include "lamina/core/simd.hpp"
#include "support/message.hpp"
#include "support/values.hpp"

namespace lamina {
namespace {

using namespace nn;
using testing::message_of;
using testing::values;
using Real = long double;

/// One element: the parameter and what the rule remembers of it.
struct Element {
  Real p = 0;
  Real m = 0, v = 0, extra = 0;
};

// The formulas as torch.optim documents them, for one element at step t (from 1).

Real coupled(const auto& o, const Element& e, Real g) {
  return (o.maximize ? -g : g) + Real(o.weight_decay) * e.p;
}

void reference(const SgdOptions& o, Element& e, Real g, int t) {
  g = coupled(o, e, g);
  if (o.momentum != 0) {
    e.m = t == 1 ? g : Real(o.momentum) * e.m + (1 - Real(o.dampening)) * g;
    g = o.nesterov ? g + Real(o.momentum) * e.m : e.m;
  }
  e.p -= Real(o.lr) * g;
}

void adam(const auto& o, Element& e, Real g, int t) {
  e.m = Real(o.beta1) * e.m + (1 - Real(o.beta1)) * g;
  e.v = Real(o.beta2) * e.v + (1 - Real(o.beta2)) * g * g;
  const Real c1 = 1 - std::pow(Real(o.beta1), Real(t));
  const Real c2 = 1 - std::pow(Real(o.beta2), Real(t));
  Real second = e.v;
  if (o.amsgrad) {
    e.extra = std::max(e.extra, e.v);
    second = e.extra;
  }
  e.p -= Real(o.lr) * (e.m / c1) / (std::sqrt(second / c2) + Real(o.eps));
}
void reference(const AdamOptions& o, Element& e, Real g, int t) {
  adam(o, e, coupled(o, e, g), t);
}
void reference(const AdamWOptions& o, Element& e, Real g, int t) {
  e.p *= 1 - Real(o.lr) * Real(o.weight_decay);
  adam(o, e, o.maximize ? -g : g, t);
}

void reference(const AdamaxOptions& o, Element& e, Real g, int t) {
  g = coupled(o, e, g);
  e.m = Real(o.beta1) * e.m + (1 - Real(o.beta1)) * g;
  e.v = std::max(Real(o.beta2) * e.v, std::abs(g) + Real(o.eps));
  e.p -= Real(o.lr) / (1 - std::pow(Real(o.beta1), Real(t))) * e.m / e.v;
}

void reference(const RAdamOptions& o, Element& e, Real g, int t) {
  g = coupled(o, e, g);
  e.m = Real(o.beta1) * e.m + (1 - Real(o.beta1)) * g;
  e.v = Real(o.beta2) * e.v + (1 - Real(o.beta2)) * g * g;
  const Real m = e.m / (1 - std::pow(Real(o.beta1), Real(t)));
  const Real power = std::pow(Real(o.beta2), Real(t));
  const Real limit = 2 / (1 - Real(o.beta2)) - 1;
  const Real rho = limit - 2 * t * power / (1 - power);
  if (rho > 5) {
    const Real l = std::sqrt(1 - power) / (std::sqrt(e.v) + Real(o.eps));
    const Real r = std::sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho));
    e.p -= Real(o.lr) * m * r * l;
  } else {
    e.p -= Real(o.lr) * m;
  }
}

void reference(const RmsPropOptions& o, Element& e, Real g, int) {
  g = coupled(o, e, g);
  e.v = Real(o.alpha) * e.v + (1 - Real(o.alpha)) * g * g;
  Real spread = e.v;
  if (o.centered) {
    e.extra = Real(o.alpha) * e.extra + (1 - Real(o.alpha)) * g;
    spread -= e.extra * e.extra;
  }
  Real step = g / (std::sqrt(spread) + Real(o.eps));
  if (o.momentum > 0) {
    e.m = Real(o.momentum) * e.m + step;
    step = e.m;
  }
  e.p -= Real(o.lr) * step;
}

void reference(const AdagradOptions& o, Element& e, Real g, int t) {
  g = coupled(o, e, g);
  e.v = (t == 1 ? Real(o.initial_accumulator_value) : e.v) + g * g;
  e.p -= Real(o.lr) / (1 + (t - 1) * Real(o.lr_decay)) * g / (std::sqrt(e.v) + Real(o.eps));
}

void reference(const AdadeltaOptions& o, Element& e, Real g, int) {
  g = coupled(o, e, g);
  e.v = Real(o.rho) * e.v + (1 - Real(o.rho)) * g * g;
  const Real step = std::sqrt(e.m + Real(o.eps)) / std::sqrt(e.v + Real(o.eps)) * g;
  e.m = Real(o.rho) * e.m + (1 - Real(o.rho)) * step * step;
  e.p -= Real(o.lr) * step;
}

void reference(const LionOptions& o, Element& e, Real g, int) {
  g = o.maximize ? -g : g;
  e.p *= 1 - Real(o.lr) * Real(o.weight_decay);
  const Real c = Real(o.beta1) * e.m + (1 - Real(o.beta1)) * g;
  e.p -= Real(o.lr) * static_cast<Real>((c > 0) - (c < 0));
  e.m = Real(o.beta2) * e.m + (1 - Real(o.beta2)) * g;
}

const std::vector<UpdateOptions>& cases() {
  static const std::vector<UpdateOptions> all{
      SgdOptions{.lr = 0.1},
      SgdOptions{.lr = 0.1, .weight_decay = 0.02, .maximize = true},
      SgdOptions{.lr = 0.1, .momentum = 0.9},
      SgdOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05},
      SgdOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true},
      AdamOptions{.lr = 0.05},
      AdamOptions{.lr = 0.05, .beta1 = 0.7, .beta2 = 0.8, .eps = 1e-3, .weight_decay = 0.1},
      AdamOptions{.lr = 0.05, .beta2 = 0.6, .amsgrad = true, .maximize = true},
      AdamOptions{.lr = 0.05, .beta1 = 0, .beta2 = 0},
      AdamWOptions{.lr = 0.05},
      AdamWOptions{.lr = 0.05, .beta2 = 0.6, .weight_decay = 0.5, .amsgrad = true},
      AdamaxOptions{.lr = 0.05, .beta2 = 0.8, .weight_decay = 0.1},
      RAdamOptions{.lr = 0.05},
      RAdamOptions{.lr = 0.05, .weight_decay = 0.1, .maximize = true},
      RmsPropOptions{.lr = 0.02},
      RmsPropOptions{.lr = 0.02, .alpha = 0.8, .weight_decay = 0.1, .momentum = 0.9},
      RmsPropOptions{.lr = 0.02, .alpha = 0.8, .eps = 1e-2, .centered = true},
      RmsPropOptions{.lr = 0.02, .alpha = 0.8, .eps = 1e-2, .momentum = 0.9, .centered = true},
      AdagradOptions{.lr = 0.1},
      AdagradOptions{
          .lr = 0.1, .lr_decay = 0.2, .weight_decay = 0.1, .initial_accumulator_value = 0.5},
      AdadeltaOptions{.lr = 1.0, .weight_decay = 0.1},
      LionOptions{.lr = 0.01, .weight_decay = 0.3},
  };
  return all;
}

/// A parameter of n elements with its slots.
template <class T>
struct State {
  State(Index n, const UpdateOptions& options) : p(values<T>({n}, 7)) {
    for (const UpdateSlot& slot : update_slots(options)) {
      slots.push_back(Array<T>::full({n}, static_cast<T>(slot.initial_value)));
    }
  }
  void step(const Array<T>& g, const UpdateOptions& options, Index t) {
    std::vector<MutView<T>> views;
    for (Array<T>& slot : slots) {
      views.push_back(slot.view());
    }
    update_inplace(g, p, views, options, t);
  }
  Array<T> p;
  std::vector<Array<T>> slots;
};

std::string label(const UpdateOptions& options) {
  return std::string(update_name(options)) + " #" +
         std::to_string(std::find_if(cases().begin(), cases().end(),
                                     [&](const UpdateOptions& o) { return &o == &options; }) -
                        cases().begin());
}

constexpr int kSteps = 8;

template <class T>
class UpdateTest : public ::testing::Test {
 protected:
  ~UpdateTest() override {
    simd::reset();
    set_num_threads(threads_);
  }

 private:
  int threads_ = num_threads();
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(UpdateTest, Types);

TYPED_TEST(UpdateTest, FollowsTheFormulas) {
  using T = TypeParam;
  constexpr Index n = 37;
  // Each step rounds some ten times; sqrt(spread) of the centered rule loses a few digits more.
  const Real tolerance = 400 * std::numeric_limits<T>::epsilon();
  for (const UpdateOptions& options : cases()) {
    State<T> state(n, options);
    std::vector<Element> elements(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i) {
      elements[static_cast<std::size_t>(i)].p = state.p(i);
    }
    for (int t = 1; t <= kSteps; ++t) {
      const Array<T> g = values<T>({n}, static_cast<std::uint32_t>(100 + t));
      state.step(g, options, t);
      for (Index i = 0; i < n; ++i) {
        Element& e = elements[static_cast<std::size_t>(i)];
        std::visit([&](const auto& o) { reference(o, e, g(i), t); }, options);
        ASSERT_NEAR(static_cast<double>(state.p(i)), static_cast<double>(e.p),
                    static_cast<double>(tolerance * (1 + std::abs(e.p))))
            << label(options) << ", element " << i << ", step " << t;
      }
    }
  }
}

TYPED_TEST(UpdateTest, SameBitsOnEveryTargetAtEveryLength) {
  using T = TypeParam;
  for (const UpdateOptions& options : cases()) {
    for (const Index n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 67}) {
      std::vector<Array<T>> results;
      for (const simd::Target target : simd::supported_targets()) {
        simd::force(target);
        State<T> state(n, options);
        for (int t = 1; t <= 3; ++t) {
          state.step(values<T>({n}, static_cast<std::uint32_t>(t)), options, t);
        }
        results.push_back(state.p);
        EXPECT_EQ(state.p, results.front()) << label(options) << ", n " << n;
      }
    }
  }
}

TYPED_TEST(UpdateTest, SameBitsOnAnyNumberOfThreads) {
  using T = TypeParam;
  constexpr Index n = 100003;
  const Array<T> g = values<T>({n}, 3);
  for (const UpdateOptions& options :
       {UpdateOptions(SgdOptions{.lr = 0.1, .momentum = 0.9}), UpdateOptions(AdamOptions{})}) {
    std::vector<Array<T>> results;
    for (const int threads : {1, 2, 3, 5}) {
      set_num_threads(threads);
      State<T> state(n, options);
      state.step(g, options, 1);
      state.step(g, options, 2);
      results.push_back(state.p);
      EXPECT_EQ(state.p, results.front());
      EXPECT_EQ(sum_of_squares(g), [&] {
        set_num_threads(1);
        return sum_of_squares(g);
      }());
    }
  }
}

TYPED_TEST(UpdateTest, StridedArrays) {
  using T = TypeParam;
  const UpdateOptions options = AdamOptions{.lr = 0.1, .weight_decay = 0.1, .amsgrad = true};
  State<T> straight(35, options);
  Array<T> wide = Array<T>::zeros({7, 10});
  Array<T> slot_memory = Array<T>::zeros({3, 7, 5});
  const MutView<T> p = wide.slice(1, {9, std::nullopt, -2}).t();  // (5, 7)
  p.assign(straight.p.reshape({5, 7}));
  const Array<T> g = values<T>({35}, 5);
  const Array<T> g_transposed = g.reshape({5, 7}).t().copy();
  for (int t = 1; t <= 3; ++t) {
    straight.step(g, options, t);
    update_inplace(
        g_transposed.t(), p,
        {slot_memory.select(0, 0).t(), slot_memory.select(0, 1).t(), slot_memory.select(0, 2).t()},
        options, t);
  }
  EXPECT_EQ(p, straight.p.reshape({5, 7}));
  EXPECT_EQ(slot_memory.select(0, 2).t(), straight.slots[2].reshape({5, 7}));
  for (Index i = 0; i < 7; ++i) {
    EXPECT_EQ(wide(i, 0), T{0});  // between the elements nothing changes
  }
}

TYPED_TEST(UpdateTest, NanStaysWhereItIs) {
  using T = TypeParam;
  constexpr Index n = 19;
  for (const UpdateOptions& options : cases()) {
    for (Index at = 0; at < n; ++at) {
      State<T> state(n, options);
      Array<T> g = values<T>({n}, 1);
      g(at) = std::numeric_limits<T>::quiet_NaN();
      state.step(g, options, 1);
      for (Index i = 0; i < n; ++i) {
        EXPECT_EQ(std::isnan(state.p(i)), i == at) << label(options);
      }
    }
  }
}

TYPED_TEST(UpdateTest, LionLeavesAZeroGradientAlone) {
  using T = TypeParam;
  const UpdateOptions options = LionOptions{.lr = 0.1};
  State<T> state(5, options);
  const Array<T> before = state.p;
  state.step(Array<T>::zeros({5}), options, 1);
  EXPECT_EQ(state.p, before);
}

TYPED_TEST(UpdateTest, AxpyScaleAndSumOfSquares) {
  using T = TypeParam;
  for (const simd::Target target : simd::supported_targets()) {
    simd::force(target);
    for (const Index n : {0, 1, 3, 8, 16, 17, 33, 100}) {
      const Array<T> x = values<T>({n}, 1);
      Array<T> y = values<T>({n}, 2);
      Array<T> scaled = Array<T>::zeros({n});
      const Array<T> before = y;
      axpy_into(x, y, T{0.5});
      scale_into(x, scaled, T{3});
      double squares = 0;
      for (Index i = 0; i < n; ++i) {
        EXPECT_EQ(y(i), before(i) + T{0.5} * x(i));
        EXPECT_EQ(scaled(i), T{3} * x(i));
        squares += static_cast<double>(x(i)) * static_cast<double>(x(i));
      }
      EXPECT_NEAR(sum_of_squares(x), squares, 1e-13 * squares);
    }
  }
  Array<T> z = values<T>({4, 3}, 3);
  const Array<T> before = z;
  axpy_into(z, z);  // in place: doubles
  scale_into(z, z, T{0.5});
  EXPECT_EQ(z, before);
  axpy_into(before.slice(0, {0, 2}), z.slice(0, {3, 1, -1}), T{-1});
  for (Index j = 0; j < 3; ++j) {
    EXPECT_EQ(z(3, j), before(3, j) - before(0, j));
    EXPECT_EQ(z(2, j), before(2, j) - before(1, j));
    EXPECT_EQ(z(1, j), before(1, j));
  }
  const Array<T> triangle{{3, 0}, {1, 4}};
  EXPECT_EQ(sum_of_squares(triangle.t()), 26.0);
}

/// Seven steps of torch.optim 1.13 in float64 from (1, -2, 0.5). RAdam's rho is the small
/// difference of large numbers, the others agree to 2e-15.
TEST(UpdateOracle, TorchEndsAtTheSameNumbers) {
  struct Row {
    UpdateOptions options;
    std::array<double, 3> expected;
  };
  const std::vector<Row> rows{
      {SgdOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05},
       {0.25055943881816817, -2.0022691056952597, 0.7823282537029622}},
      {SgdOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true},
       {-0.22227737092159577, -2.3659196202842665, 1.1286135469655876}},
      {AdamOptions{.lr = 0.05, .weight_decay = 0.1},
       {0.7985462990529505, -1.967844152158565, 0.463286665922627}},
      {AdamOptions{.lr = 0.05, .beta2 = 0.6, .amsgrad = true},
       {0.8494868295955014, -2.0048246665078793, 0.45987381725187804}},
      {AdamWOptions{.lr = 0.05, .weight_decay = 0.5},
       {0.6795041385157239, -1.695364157198219, 0.4015325307028105}},
      {AdamaxOptions{.lr = 0.05, .weight_decay = 0.1},
       {0.8606687225449156, -1.962938234169848, 0.44492547628137263}},
      {RAdamOptions{.lr = 0.05, .weight_decay = 0.1},
       {0.8849624415851801, -1.9571827783191558, 0.5170192224384467}},
      {RmsPropOptions{.lr = 0.02, .alpha = 0.8, .weight_decay = 0.1, .momentum = 0.9},
       {0.6250595760641503, -1.908613259910377, 0.3045658433130191}},
      {RmsPropOptions{.lr = 0.02, .alpha = 0.8, .momentum = 0.9, .centered = true},
       {0.6310371639923984, -1.9592219414247782, 0.29095226733916063}},
      {AdagradOptions{
           .lr = 0.1, .lr_decay = 0.2, .weight_decay = 0.1, .initial_accumulator_value = 0.5},
       {0.8571586587944336, -1.9740133847570738, 0.5088850470871568}},
      {AdadeltaOptions{.lr = 1.0, .weight_decay = 0.1},
       {0.988012076517058, -2.0011588643478553, 0.5008071695151396}},
  };
  const Array<double> gradients{{0.5, -1.0, 0.25},  {-0.25, 2.0, 0.125}, {1.5, -0.75, -2.0},
                                {0.0625, 0.5, 1.0}, {-1.0, 0.375, -0.5}, {0.75, -0.1875, 0.25},
                                {2.0, 1.25, -1.5}};
  for (const Row& row : rows) {
    State<double> state(3, row.options);
    state.p = Array<double>{1.0, -2.0, 0.5};
    for (Index t = 1; t <= gradients.rows(); ++t) {
      state.step(gradients.row(t - 1).copy(), row.options, t);
    }
    for (Index i = 0; i < 3; ++i) {
      EXPECT_NEAR(state.p(i), row.expected[static_cast<std::size_t>(i)], 1e-14)
          << update_name(row.options);
    }
  }
}

TEST(UpdateErrors, Options) {
  const auto message = [](const UpdateOptions& options) {
    return message_of([&] { check_update_options(options); });
  };
  EXPECT_EQ(message(SgdOptions{.lr = -1}), "SGD: lr must be finite and not negative, got -1");
  EXPECT_EQ(message(SgdOptions{.momentum = -0.1}),
            "SGD: momentum must be finite and not negative, got -0.1");
  EXPECT_EQ(message(SgdOptions{.nesterov = true}),
            "SGD: nesterov needs a momentum and no dampening, got momentum 0, dampening 0");
  EXPECT_EQ(message(SgdOptions{.dampening = std::nan("")}),
            "SGD: dampening must be finite, got nan");
  EXPECT_EQ(message(AdamOptions{.beta1 = 1}), "Adam: beta1 must be in [0, 1), got 1");
  EXPECT_EQ(message(AdamWOptions{.beta2 = -0.5}), "AdamW: beta2 must be in [0, 1), got -0.5");
  EXPECT_EQ(message(AdamaxOptions{.eps = -1}),
            "Adamax: eps must be finite and not negative, got -1");
  EXPECT_EQ(message(RAdamOptions{.weight_decay = -1}),
            "RAdam: weight_decay must be finite and not negative, got -1");
  EXPECT_EQ(message(RmsPropOptions{.alpha = 2}), "RMSProp: alpha must be in [0, 1], got 2");
  EXPECT_EQ(message(AdagradOptions{.lr_decay = -1}),
            "Adagrad: lr_decay must be finite and not negative, got -1");
  EXPECT_EQ(message(AdadeltaOptions{.rho = -1}), "Adadelta: rho must be in [0, 1], got -1");
  EXPECT_EQ(message(LionOptions{.beta2 = 1}), "Lion: beta2 must be in [0, 1), got 1");
  for (const UpdateOptions& options : cases()) {
    EXPECT_EQ(message(options), "no error");
  }
}

TEST(UpdateErrors, Arguments) {
  const UpdateOptions options = SgdOptions{.lr = 1, .momentum = 0.5};
  Array<float> p{1, 2, 3};
  Array<float> b{0, 0, 0};
  const Array<float> g{1, 1, 1};
  const Array<float> before = p;
  const auto message = [&](const View<float>& gradient, std::vector<MutView<float>> slots,
                           Index step) {
    return message_of([&] { update_inplace(gradient, p, slots, options, step); });
  };
  EXPECT_EQ(message(g, {}, 1), "SGD: needs 1 slots, got 0");
  EXPECT_EQ(message(g, {b}, 0), "SGD: step counts from 1, got 0");
  EXPECT_EQ(message(g.slice(0, 2), {b}, 1), "SGD: gradient (2,), parameter (3,)");
  EXPECT_EQ(message(p, {b}, 1), "SGD: gradient and parameter overlap");
  EXPECT_EQ(message(g, {p}, 1), "SGD: slot momentum_buffer overlaps another array");
  EXPECT_EQ(message(g, {b.slice(0, 1)}, 1), "SGD: slot momentum_buffer (1,), parameter (3,)");
  EXPECT_EQ(p, before);
  EXPECT_EQ(message_of([&] { axpy_into(g.slice(0, 2), p); }), "axpy: x (2,), y (3,)");
  EXPECT_EQ(message_of([&] { axpy_into(p.slice(0, 2), p.slice(1, 3)); }),
            "axpy: x and y overlap in part");
  EXPECT_EQ(message_of([&] { scale_into(p.slice(0, 2), p.slice(1, 3), 2); }),
            "scale: x and out overlap in part");
  EXPECT_EQ(message_of([&] { (void)sum_of_squares(View<float>()); }),
            "sum_of_squares: x is not defined");
}

TEST(UpdateTable, NamesSlotsAndRates) {
  UpdateOptions options = AdamOptions{.lr = 0.25, .amsgrad = true};
  EXPECT_EQ(update_name(options), "Adam");
  EXPECT_EQ(learning_rate(std::as_const(options)), 0.25);
  learning_rate(options) = 0.5;
  EXPECT_EQ(std::get<AdamOptions>(options).lr, 0.5);
  ASSERT_EQ(update_slots(options).size(), 3u);
  EXPECT_EQ(update_slots(options)[2].name, "max_exp_avg_sq");
  EXPECT_EQ(update_slots(AdagradOptions{.initial_accumulator_value = 2})[0].initial_value, 2);
  EXPECT_TRUE(update_slots(SgdOptions{}).empty());
}

}  // namespace
}  // namespace lamina
