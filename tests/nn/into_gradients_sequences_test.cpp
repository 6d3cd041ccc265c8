#include "lamina/nn/attention.hpp"
#include "lamina/nn/embedding.hpp"
#include "lamina/nn/multi_head_attention.hpp"
#include "lamina/nn/recurrent.hpp"
#include "nn/into_gradients.hpp"

namespace lamina {
namespace {

using test::Freedom;
using test::IntoCases;
using Labels = Array<std::int64_t>;

template <class T>
class IntoGradientsOfSequences : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(IntoGradientsOfSequences, Types);

TYPED_TEST(IntoGradientsOfSequences, Attention) {
  using T = TypeParam;
  using C = IntoCases<T>;
  const std::vector<Shape> inputs{{2, 3, 6}, {2, 3, 4}, {2, 5, 4}, {2, 5, 6}};
  const auto all = [](LAMINA_V) {
    return nn::scaled_dot_product_attention_backward<T>(v[0], v[1], v[2], v[3]);
  };
  const auto write = [](LAMINA_V, MutArg<T> dq, MutArg<T> dk, MutArg<T> dv) {
    nn::scaled_dot_product_attention_backward_into<T>(v[0], v[1], v[2], v[3], dq, dk, dv);
  };
  const char* const name = "scaled_dot_product_attention_backward";
  C::check(
      name, inputs, [=](LAMINA_V) { return all(v).dq; },
      [=](LAMINA_V, LAMINA_OUT) { write(v, out, {}, {}); }, {.optional_out = true});
  C::check(
      name, inputs, [=](LAMINA_V) { return all(v).dk; },
      [=](LAMINA_V, LAMINA_OUT) { write(v, {}, out, {}); }, {.optional_out = true});
  C::check(
      name, inputs, [=](LAMINA_V) { return all(v).dv; },
      [=](LAMINA_V, LAMINA_OUT) { write(v, {}, {}, out); }, {.optional_out = true});
  C::check(
      "scaled_dot_product_attention_backward_bias",
      {{2, 3, 6}, {2, 3, 4}, {2, 5, 4}, {2, 5, 6}, {3, 5}},
      [](LAMINA_V) {
        return nn::scaled_dot_product_attention_backward_bias<T>(v[0], v[1], v[2], v[3],
                                                                 {.bias = v[4]});
      },
      [](LAMINA_V, LAMINA_OUT) {
        nn::scaled_dot_product_attention_backward_bias_into<T>(v[0], v[1], v[2], v[3], out,
                                                               {.bias = v[4]});
      });
  C::check(
      "scaled_dot_product_attention_weights", {{2, 3, 4}, {2, 5, 4}},
      [](LAMINA_V) { return nn::scaled_dot_product_attention_weights<T>(v[0], v[1]); },
      [](LAMINA_V, LAMINA_OUT) {
        nn::scaled_dot_product_attention_weights_into<T>(v[0], v[1], out);
      });
  const std::vector<Shape> self{{2, 3, 6}, {2, 3, 4}, {4, 5}, {4, 5}, {4, 6}};
  C::check(
      "self_attention", {{2, 3, 4}, {4, 5}, {4, 5}, {4, 6}},
      [](LAMINA_V) { return nn::self_attention<T>(v[0], v[1], v[2], v[3]); },
      [](LAMINA_V, LAMINA_OUT) { nn::self_attention_into<T>(v[0], v[1], v[2], v[3], out); });
  const auto self_all = [](LAMINA_V) {
    return nn::self_attention_backward<T>(v[0], v[1], v[2], v[3], v[4]);
  };
  C::check(
      "self_attention_backward", self, [=](LAMINA_V) { return self_all(v).dx; },
      [](LAMINA_V, LAMINA_OUT) {
        nn::self_attention_backward_into<T>(v[0], v[1], v[2], v[3], v[4], out, {}, {}, {});
      },
      {.optional_out = true});
  C::check(
      "self_attention_backward", self, [=](LAMINA_V) { return self_all(v).dw_k; },
      [](LAMINA_V, LAMINA_OUT) {
        nn::self_attention_backward_into<T>(v[0], v[1], v[2], v[3], v[4], {}, {}, out, {});
      },
      {.optional_out = true});
}

TYPED_TEST(IntoGradientsOfSequences, MultiHeadAttention) {
  using T = TypeParam;
  using C = IntoCases<T>;
  using Gradients = nn::MultiHeadAttentionGradients<T>;
  using Targets = nn::MultiHeadAttentionGradientViews<T>;
  const auto weights = [](LAMINA_V, std::size_t i) {
    return nn::MultiHeadAttentionWeights<T>{v[i], v[i + 1], v[i + 2], v[i + 3], v[i + 4]};
  };
  C::check(
      "multi_head_attention",
      {{2, 3, 4}, {2, 5, 4}, {2, 5, 4}, {6, 4}, {6, 4}, {6, 4}, {3, 6}, {6}},
      [=](LAMINA_V) { return nn::multi_head_attention<T>(v[0], v[1], v[2], weights(v, 3), 2); },
      [=](LAMINA_V, LAMINA_OUT) {
        nn::multi_head_attention_into<T>(v[0], v[1], v[2], weights(v, 3), 2, out);
      },
      {.optional = {7}});
  const std::vector<Shape> inputs{{2, 3, 3}, {2, 3, 4}, {2, 5, 4}, {2, 5, 4}, {6, 4},
                                  {6, 4},    {6, 4},    {3, 6},    {6}};
  const auto each = [&](Array<T> Gradients::*member, MutView<T> Targets::*target,
                        std::set<std::size_t> optional) {
    C::check(
        "multi_head_attention_backward", inputs,
        [=](LAMINA_V) {
          return nn::multi_head_attention_backward<T>(v[0], v[1], v[2], v[3], weights(v, 4), 2).*
                 member;
        },
        [=](LAMINA_V, LAMINA_OUT) {
          Targets targets;
          targets.*target = out;
          nn::multi_head_attention_backward_into<T>(v[0], v[1], v[2], v[3], weights(v, 4), 2,
                                                    targets);
        },
        {.optional = std::move(optional), .optional_out = true});
  };
  each(&Gradients::dquery, &Targets::dquery, {8});
  each(&Gradients::dkey, &Targets::dkey, {8});
  each(&Gradients::dw_v, &Targets::dw_v, {8});
  each(&Gradients::dw_o, &Targets::dw_o, {8});
  each(&Gradients::db_q, &Targets::db_q, {});
}

TYPED_TEST(IntoGradientsOfSequences, Bags) {
  using T = TypeParam;
  using C = IntoCases<T>;
  static const Labels bags{{1, 0, 4}, {2, 2, 1}};
  for (const nn::BagMode mode : {nn::BagMode::Sum, nn::BagMode::Mean, nn::BagMode::Max}) {
    C::check(
        "embedding_bag", {{5, 3}}, [=](LAMINA_V) { return nn::embedding_bag<T>(bags, v[0], mode); },
        [=](LAMINA_V, LAMINA_OUT) { nn::embedding_bag_into<T>(bags, v[0], mode, out); },
        {.legal = {"0:0"}});
    C::check(
        "embedding_bag_backward", {{2, 3}, {5, 3}},
        [=](LAMINA_V) { return nn::embedding_bag_backward<T>(v[0], bags, v[1], mode); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::embedding_bag_backward_into<T>(v[0], bags, v[1], mode, out);
        });
  }
  C::check(
      "embedding_bag_backward_weights", {{2, 3}, {5, 3}, {2, 3}},
      [](LAMINA_V) {
        return nn::embedding_bag_backward_weights<T>(v[0], bags, v[1], {.weights = v[2]});
      },
      [](LAMINA_V, LAMINA_OUT) {
        nn::embedding_bag_backward_weights_into<T>(v[0], bags, v[1], out, {.weights = v[2]});
      },
      {.legal = {"1:0"}});
}

TYPED_TEST(IntoGradientsOfSequences, RecurrentCells) {
  using T = TypeParam;
  using C = IntoCases<T>;
  using Targets = nn::RecurrentCellGradientViews<T>;
  using WeightTargets = nn::RecurrentWeightGradientViews<T>;
  const auto weights = [](LAMINA_V, std::size_t first, bool peepholes = false) {
    return nn::RecurrentWeights<T>(v[first], v[first + 1], v[first + 2], v[first + 3],
                                   peepholes ? v[first + 4] : View<T>());
  };
  C::check(
      "rnn_cell", {{2, 3}, {2, 4}, {4, 3}, {4, 4}, {4}, {4}},
      [=](LAMINA_V) { return nn::rnn_cell<T>(v[0], v[1], weights(v, 2)); },
      [=](LAMINA_V, LAMINA_OUT) { nn::rnn_cell_into<T>(v[0], v[1], weights(v, 2), out); },
      {.optional = {1, 4, 5}});
  C::check(
      "gru_cell", {{2, 3}, {2, 4}, {12, 3}, {12, 4}, {12}, {12}},
      [=](LAMINA_V) { return nn::gru_cell<T>(v[0], v[1], weights(v, 2)); },
      [=](LAMINA_V, LAMINA_OUT) { nn::gru_cell_into<T>(v[0], v[1], weights(v, 2), out); },
      {.optional = {1, 4, 5}});
  const std::vector<Shape> lstm{{2, 3}, {2, 4}, {2, 4}, {16, 3}, {16, 4}, {16}, {16}, {3, 4}};
  for (const bool cell : {false, true}) {
    C::check(
        "lstm_cell", lstm,
        [=](LAMINA_V) {
          auto state = nn::lstm_cell<T>(v[0], v[1], v[2], weights(v, 3, true));
          return cell ? state.c : state.h;
        },
        [=](LAMINA_V, LAMINA_OUT) {
          Array<T> other = Array<T>::empty({2, 4});
          nn::lstm_cell_into<T>(v[0], v[1], v[2], weights(v, 3, true),
                                cell ? MutView<T>(other) : out, cell ? out : MutView<T>(other));
        },
        {.optional = {1, 2, 5, 6, 7}});
  }
  std::vector<Shape> backward{{2, 4}, {2, 4}};
  backward.insert(backward.end(), lstm.begin(), lstm.end());
  const auto each = [&](auto pick, auto target, const std::set<std::size_t>& optional) {
    C::check(
        "lstm_cell_backward", backward,
        [=](LAMINA_V) {
          auto d = nn::lstm_cell_backward<T>(v[0], v[1], v[2], v[3], v[4], weights(v, 5, true));
          return pick(d);
        },
        [=](LAMINA_V, LAMINA_OUT) {
          Targets targets;
          target(targets) = out;
          nn::lstm_cell_backward_into<T>(v[0], v[1], v[2], v[3], v[4], weights(v, 5, true),
                                         targets);
        },
        {.optional = optional, .optional_out = true});
  };
  const auto member = [](auto m) {
    return [m](auto& d) -> auto& {
      return d.*m;
    };
  };
  const auto weight = [](auto m) {
    return [m](auto& d) -> auto& {
      return d.weights.*m;
    };
  };
  using Gradients = nn::RecurrentCellGradients<T>;
  using WeightGradients = nn::RecurrentWeightGradients<T>;
  each(member(&Gradients::dx), member(&Targets::dx), {0, 1, 3, 4, 7, 8, 9});
  each(member(&Gradients::dh), member(&Targets::dh), {0, 1, 3, 4, 7, 8, 9});
  each(member(&Gradients::dc), member(&Targets::dc), {0, 1, 3, 4, 7, 8, 9});
  each(weight(&WeightGradients::dw_ih), weight(&WeightTargets::dw_ih), {0, 1, 3, 4, 7, 8, 9});
  each(weight(&WeightGradients::db_hh), weight(&WeightTargets::db_hh), {0, 1, 3, 4, 7, 9});
  each(weight(&WeightGradients::dpeephole), weight(&WeightTargets::dpeephole), {0, 1, 3, 4, 7, 8});
}

TYPED_TEST(IntoGradientsOfSequences, RecurrentSequences) {
  using T = TypeParam;
  using C = IntoCases<T>;
  const auto weights = [](LAMINA_V, std::size_t first) {
    return std::vector<nn::RecurrentWeights<T>>{
        nn::RecurrentWeights<T>(v[first], v[first + 1], v[first + 2], v[first + 3])};
  };
  for (const bool batch_first : {false, true}) {
    const nn::RecurrentOptions options{.batch_first = batch_first};
    const Shape x = batch_first ? Shape{2, 5, 3} : Shape{5, 2, 3};
    const Shape y = batch_first ? Shape{2, 5, 4} : Shape{5, 2, 4};
    const Shape state{1, 2, 4};
    C::check(
        "lstm", {x, state, state, {16, 3}, {16, 4}, {16}, {16}},
        [=](LAMINA_V) { return nn::lstm<T>(v[0], weights(v, 3), v[1], v[2], options).y; },
        [=](LAMINA_V, LAMINA_OUT) {
          Array<T> h = Array<T>::empty(state);
          Array<T> c = Array<T>::empty(state);
          nn::lstm_into<T>(v[0], weights(v, 3), out, h, c, v[1], v[2], options);
        },
        {.optional = {1, 2, 5, 6}});
    C::check(
        "gru", {x, state, {12, 3}, {12, 4}, {12}, {12}},
        [=](LAMINA_V) { return nn::gru<T>(v[0], weights(v, 2), v[1], options).h; },
        [=](LAMINA_V, LAMINA_OUT) {
          Array<T> outputs = Array<T>::empty(
              v[0].rank() == 3 && v[0].size() > 0 ? Shape{v[0].shape()[0], v[0].shape()[1], 4} : y);
          nn::gru_into<T>(v[0], weights(v, 2), outputs, out, v[1], options);
        },
        {.legal = {batch_first ? "0:1" : "0:0"}, .optional = {1, 4, 5}});
    C::check(
        "rnn", {x, state, {4, 3}, {4, 4}, {4}, {4}},
        [=](LAMINA_V) { return nn::rnn<T>(v[0], weights(v, 2), v[1], options).y; },
        [=](LAMINA_V, LAMINA_OUT) {
          Array<T> h = Array<T>::empty(state);
          nn::rnn_into<T>(v[0], weights(v, 2), out, h, v[1], options);
        },
        {.optional = {1, 4, 5}});
    const std::vector<Shape> backward{y, state, x, state, {12, 3}, {12, 4}, {12}, {12}};
    const auto all = [=](LAMINA_V) {
      return nn::gru_backward<T>(v[0], v[1], v[2], weights(v, 4), v[3], options);
    };
    const auto write = [=](LAMINA_V, const nn::RecurrentGradientViews<T>& targets) {
      nn::gru_backward_into<T>(v[0], v[1], v[2], weights(v, 4), targets, v[3], options);
    };
    const std::set<std::size_t> optional{0, 1, 3, 6, 7};
    C::check(
        "gru_backward", backward, [=](LAMINA_V) { return all(v).dx; },
        [=](LAMINA_V, LAMINA_OUT) { write(v, {.dx = out}); },
        {.optional = optional, .optional_out = true});
    C::check(
        "gru_backward", backward, [=](LAMINA_V) { return all(v).dh0; },
        [=](LAMINA_V, LAMINA_OUT) { write(v, {.dh0 = out}); },
        {.optional = optional, .optional_out = true});
    C::check(
        "gru_backward", backward, [=](LAMINA_V) { return std::move(all(v).weights[0].dw_hh); },
        [=](LAMINA_V, LAMINA_OUT) {
          nn::RecurrentGradientViews<T> targets;
          targets.weights.resize(1);
          targets.weights[0].dw_hh = out;
          write(v, targets);
        },
        {.optional = optional, .optional_out = true});
  }
}

}  // namespace
}  // namespace lamina
