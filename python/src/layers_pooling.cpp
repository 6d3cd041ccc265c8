#include "lamina/layers/pooling.hpp"
#include "layers.hpp"
#include "pool_options.hpp"

namespace lamina::python {

namespace {

/// Pooling layers of one rank.
template <int Rank, template <class> class Max, template <class> class Avg,
          template <class> class Lp, template <class> class AdaptiveAvg,
          template <class> class AdaptiveMax>
void def_pooling_layers_of_rank(Module& module) {
  constexpr std::size_t kAxes = Rank;
  const std::string rank = std::to_string(Rank) + "d";
  module.def("MaxPool" + rank + "(kernel, " + kWindow + ", *, dtype=\"float32\") -> Layer",
             "nn.max_pool" + rank + " as a layer. torch.nn.MaxPool" + rank + ".", [](Call& call) {
               const std::array<Index, kAxes> kernel = call.each<kAxes>("kernel");
               const nn::PoolOptions<Rank> options = pool_options<Rank>(call);
               return make(call,
                           [&]<class T>(T) { return std::make_shared<Max<T>>(kernel, options); });
             });
  module.def("AvgPool" + rank + "(kernel, " + kMean + ", *, dtype=\"float32\") -> Layer",
             "nn.avg_pool" + rank + " as a layer. torch.nn.AvgPool" + rank + ".", [](Call& call) {
               const std::array<Index, kAxes> kernel = call.each<kAxes>("kernel");
               const nn::AvgPoolOptions<Rank> options = avg_pool_options<Rank>(call);
               return make(call,
                           [&]<class T>(T) { return std::make_shared<Avg<T>>(kernel, options); });
             });
  module.def("LpPool" + rank + "(p, kernel, " + kWindow + ", *, dtype=\"float32\") -> Layer",
             "nn.lp_pool" + rank + " as a layer. torch.nn.LPPool" + rank + ".", [](Call& call) {
               const double p = call.number("p");
               const std::array<Index, kAxes> kernel = call.each<kAxes>("kernel");
               const nn::PoolOptions<Rank> options = pool_options<Rank>(call);
               return make(call,
                           [&]<class T>(T) { return std::make_shared<Lp<T>>(p, kernel, options); });
             });
  for (const bool max : {false, true}) {
    const std::string name = std::string(max ? "AdaptiveMaxPool" : "AdaptiveAvgPool") + rank;
    module.def(name + "(extents, data_format=\"NCHW\", *, dtype=\"float32\") -> Layer",
               std::string(max ? "nn.adaptive_max_pool" : "nn.adaptive_avg_pool") + rank +
                   " as a layer. torch.nn." + name + ".",
               [max](Call& call) {
                 const std::array<Index, kAxes> extents = call.each<kAxes>("extents");
                 const DataFormat format = call.data_format();
                 return make(call, [&]<class T>(T) -> Held<T> {
                   if (max) {
                     return std::make_shared<AdaptiveMax<T>>(extents, format);
                   }
                   return std::make_shared<AdaptiveAvg<T>>(extents, format);
                 });
               });
  }
}

void def_global_pooling_layers(Module& module) {
  for (const bool max : {false, true}) {
    module.def(std::string(max ? "GlobalMaxPool" : "GlobalAvgPool") +
                   "(keep_dims=False, data_format=\"NCHW\", *, dtype=\"float32\") -> Layer",
               std::string(max ? "nn.global_max_pool" : "nn.global_avg_pool") +
                   " as a layer: (N, C, spatial...) to (N, C).",
               [max](Call& call) {
                 const nn::GlobalPoolOptions options{call.flag("keep_dims"), call.data_format()};
                 return make(call, [&]<class T>(T) -> Held<T> {
                   if (max) {
                     return std::make_shared<layers::GlobalMaxPool<T>>(options);
                   }
                   return std::make_shared<layers::GlobalAvgPool<T>>(options);
                 });
               });
  }
}

}  // namespace

void def_pooling_layers(Module& module) {
  def_pooling_layers_of_rank<1, layers::MaxPool1d, layers::AvgPool1d, layers::LpPool1d,
                             layers::AdaptiveAvgPool1d, layers::AdaptiveMaxPool1d>(module);
  def_pooling_layers_of_rank<2, layers::MaxPool2d, layers::AvgPool2d, layers::LpPool2d,
                             layers::AdaptiveAvgPool2d, layers::AdaptiveMaxPool2d>(module);
  def_pooling_layers_of_rank<3, layers::MaxPool3d, layers::AvgPool3d, layers::LpPool3d,
                             layers::AdaptiveAvgPool3d, layers::AdaptiveMaxPool3d>(module);
  def_global_pooling_layers(module);
}

}  // namespace lamina::python
