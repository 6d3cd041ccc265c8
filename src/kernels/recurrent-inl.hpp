// The element-wise part of recurrent cells and its gradient.

#if defined(LAMINA_KERNELS_RECURRENT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_RECURRENT_INL
#undef LAMINA_KERNELS_RECURRENT_INL
#else
#define LAMINA_KERNELS_RECURRENT_INL
#endif

#include "hwy/highway.h"
#include "kernels/math-inl.hpp"
#include "kernels/recurrent.hpp"
#include "kernels/tail-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Reads and writes a vector, or the part of one at the end of a row.
template <class D>
struct LanesOf {
  using T = hn::TFromD<D>;
  D d;
  Index count;

  HWY_INLINE hn::Vec<D> Load(const T* from) const {
    return count == static_cast<Index>(hn::Lanes(d)) ? hn::LoadU(d, from)
                                                     : LoadTail(d, from, count);
  }
  HWY_INLINE void Store(hn::Vec<D> v, T* to) const {
    if (count == static_cast<Index>(hn::Lanes(d))) {
      hn::StoreU(v, d, to);
    } else {
      StoreTail(d, v, to, count);
    }
  }
};

/// body(row, first unit, lanes) for every vector of the active rows, idle(row) for the others.
template <class T, class Step, class Body, class Idle>
HWY_INLINE void ForEachVector(const Step& a, const Body& body, const Idle& idle) {
  const hn::ScalableTag<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index row = 0; row < a.rows; ++row) {
    if (a.active != nullptr && !a.active[row]) {
      idle(row);
      continue;
    }
    for (Index j = 0; j < a.units; j += lanes) {
      body(row, j, LanesOf<decltype(d)>{d, HWY_MIN(lanes, a.units - j)});
    }
  }
}

template <class T>
void StepForward(RecurrentCell cell, const RecurrentStep<T>& a) {
  const bool lstm = cell == RecurrentCell::Lstm;
  const auto idle = [&](Index row) {
    const Index at = row * a.state_stride;
    for (Index j = 0; j < a.units; ++j) {
      a.h[at + j] = a.h_before[at + j];
    }
    for (Index j = 0; lstm && j < a.units; ++j) {
      a.c[at + j] = a.c_before[at + j];
    }
    for (Index j = 0; j < a.units; ++j) {
      a.y[row * a.y_stride + j] = T(0);
    }
  };
  const auto run = [&](const auto& formula) HWY_ATTR {
    ForEachVector<T>(
        a,
        [&](Index row, Index j, const auto& lanes) HWY_ATTR {
          const Index at = row * a.state_stride + j;
          const auto h = formula(lanes, a.gates + row * a.gates_stride + j, at, j);
          lanes.Store(h, a.h + at);
          lanes.Store(h, a.y + row * a.y_stride + j);
        },
        idle);
  };
  switch (cell) {
    case RecurrentCell::RnnTanh:
      run([&](const auto& lanes, T* gate, Index, Index) HWY_ATTR {
        const auto h = Tanh(lanes.d, lanes.Load(gate));
        lanes.Store(h, gate);
        return h;
      });
      break;
    case RecurrentCell::RnnRelu:
      run([&](const auto& lanes, T* gate, Index, Index) HWY_ATTR {
        const auto h = AtLeast(lanes.d, lanes.Load(gate), hn::Zero(lanes.d));
        lanes.Store(h, gate);
        return h;
      });
      break;
    case RecurrentCell::Lstm:
      if (a.peephole != nullptr) {
        run([&](const auto& lanes, T* gate, Index at, Index j) HWY_ATTR {
          const auto d = lanes.d;
          const T* const peephole = a.peephole + j;
          const auto before = lanes.Load(a.c_before + at);
          const auto i = Sigmoid(d, hn::MulAdd(lanes.Load(peephole), before, lanes.Load(gate)));
          const auto f = Sigmoid(
              d, hn::MulAdd(lanes.Load(peephole + a.slot), before, lanes.Load(gate + a.slot)));
          const auto g = Tanh(d, lanes.Load(gate + 2 * a.slot));
          const auto c = hn::MulAdd(f, before, hn::Mul(i, g));
          const auto o = Sigmoid(
              d, hn::MulAdd(lanes.Load(peephole + 2 * a.slot), c, lanes.Load(gate + 3 * a.slot)));
          lanes.Store(i, gate);
          lanes.Store(f, gate + a.slot);
          lanes.Store(g, gate + 2 * a.slot);
          lanes.Store(o, gate + 3 * a.slot);
          lanes.Store(c, a.c + at);
          return hn::Mul(o, Tanh(d, c));
        });
        break;
      }
      run([&](const auto& lanes, T* gate, Index at, Index) HWY_ATTR {
        const auto d = lanes.d;
        const auto i = Sigmoid(d, lanes.Load(gate));
        const auto f = Sigmoid(d, lanes.Load(gate + a.slot));
        const auto g = Tanh(d, lanes.Load(gate + 2 * a.slot));
        const auto o = Sigmoid(d, lanes.Load(gate + 3 * a.slot));
        lanes.Store(i, gate);
        lanes.Store(f, gate + a.slot);
        lanes.Store(g, gate + 2 * a.slot);
        lanes.Store(o, gate + 3 * a.slot);
        const auto c = hn::MulAdd(f, lanes.Load(a.c_before + at), hn::Mul(i, g));
        lanes.Store(c, a.c + at);
        return hn::Mul(o, Tanh(d, c));
      });
      break;
    case RecurrentCell::GruResetAfter:
      run([&](const auto& lanes, T* gate, Index at, Index) HWY_ATTR {
        const auto d = lanes.d;
        const auto r = Sigmoid(d, lanes.Load(gate));
        const auto z = Sigmoid(d, lanes.Load(gate + a.slot));
        const auto sum =
            hn::MulAdd(r, lanes.Load(gate + 3 * a.slot), lanes.Load(gate + 2 * a.slot));
        const auto n = Tanh(d, sum);
        lanes.Store(r, gate);
        lanes.Store(z, gate + a.slot);
        lanes.Store(n, gate + 2 * a.slot);
        return hn::MulAdd(z, hn::Sub(lanes.Load(a.h_before + at), n), n);
      });
      break;
    case RecurrentCell::GruResetBefore:
      run([&](const auto& lanes, T* gate, Index at, Index) HWY_ATTR {
        const auto n = Tanh(lanes.d, lanes.Load(gate + 2 * a.slot));
        lanes.Store(n, gate + 2 * a.slot);
        const auto z = lanes.Load(gate + a.slot);
        return hn::MulAdd(z, hn::Sub(lanes.Load(a.h_before + at), n), n);
      });
      break;
  }
}

template <class T>
void StepReset(const RecurrentStep<T>& a) {
  ForEachVector<T>(
      a,
      [&](Index row, Index j, const auto& lanes) HWY_ATTR {
        T* gate = a.gates + row * a.gates_stride + j;
        const auto r = Sigmoid(lanes.d, lanes.Load(gate));
        lanes.Store(r, gate);
        lanes.Store(Sigmoid(lanes.d, lanes.Load(gate + a.slot)), gate + a.slot);
        lanes.Store(hn::Mul(r, lanes.Load(a.h_before + row * a.state_stride + j)),
                    gate + 3 * a.slot);
      },
      [&](Index row) {
        T* rh = a.gates + row * a.gates_stride + 3 * a.slot;
        for (Index j = 0; j < a.units; ++j) {
          rh[j] = T(0);
        }
      });
}

/// x (1 - x) g
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SigmoidSlope(D, V x, V g) {
  return hn::Mul(hn::NegMulAdd(x, x, x), g);
}
/// (1 - x^2) g
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TanhSlope(D d, V x, V g) {
  return hn::Mul(hn::NegMulAdd(x, x, hn::Set(d, hn::TFromD<D>(1))), g);
}

template <class T>
void StepBackward(RecurrentCell cell, const RecurrentGradientStep<T>& a) {
  const Index slots = cell == RecurrentCell::RnnTanh || cell == RecurrentCell::RnnRelu ? 1 : 4;
  const auto idle = [&](Index row) {
    for (Index s = 0; s < slots; ++s) {
      for (Index j = 0; j < a.units; ++j) {
        a.dgates[row * a.dgates_stride + s * a.slot + j] = T(0);
      }
    }
  };
  const auto run = [&](const auto& formula) HWY_ATTR {
    ForEachVector<T>(
        a,
        [&](Index row, Index j, const auto& lanes) HWY_ATTR {
          T* const dh = a.dh + row * a.dstate_stride + j;
          auto sum = lanes.Load(dh);
          if (a.dy != nullptr) {
            sum = hn::Add(sum, lanes.Load(a.dy + row * a.dy_stride + j));
          }
          lanes.Store(formula(lanes, sum, a.gates + row * a.gates_stride + j,
                              a.dgates + row * a.dgates_stride + j, row * a.state_stride + j,
                              row * a.dstate_stride + j, j),
                      dh);
        },
        idle);
  };
  switch (cell) {
    case RecurrentCell::RnnTanh:
      run([&](const auto& lanes, auto dh, const T* gate, T* dgate, Index, Index, Index) HWY_ATTR {
        lanes.Store(TanhSlope(lanes.d, lanes.Load(gate), dh), dgate);
        return hn::Zero(lanes.d);
      });
      break;
    case RecurrentCell::RnnRelu:
      run([&](const auto& lanes, auto dh, const T* gate, T* dgate, Index, Index, Index) HWY_ATTR {
        const auto h = lanes.Load(gate);
        lanes.Store(KeepNaN(h, hn::IfThenElseZero(hn::Gt(h, hn::Zero(lanes.d)), dh)), dgate);
        return hn::Zero(lanes.d);
      });
      break;
    case RecurrentCell::Lstm:
      if (a.peephole != nullptr) {
        run([&](const auto& lanes, auto dh, const T* gate, T* dgate, Index at, Index dat,
                Index j) HWY_ATTR {
          const auto d = lanes.d;
          const T* const peephole = a.peephole + j;
          const auto i = lanes.Load(gate);
          const auto f = lanes.Load(gate + a.slot);
          const auto g = lanes.Load(gate + 2 * a.slot);
          const auto o = lanes.Load(gate + 3 * a.slot);
          const auto squashed = Tanh(d, lanes.Load(a.c + at));
          const auto dsum_o = SigmoidSlope(d, o, hn::Mul(dh, squashed));
          const auto through_h =
              hn::Add(lanes.Load(a.dc + dat), TanhSlope(d, squashed, hn::Mul(dh, o)));
          const auto dc = hn::MulAdd(lanes.Load(peephole + 2 * a.slot), dsum_o, through_h);
          const auto dsum_i = SigmoidSlope(d, i, hn::Mul(dc, g));
          const auto dsum_f = SigmoidSlope(d, f, hn::Mul(dc, lanes.Load(a.c_before + at)));
          lanes.Store(dsum_i, dgate);
          lanes.Store(dsum_f, dgate + a.slot);
          lanes.Store(TanhSlope(d, g, hn::Mul(dc, i)), dgate + 2 * a.slot);
          lanes.Store(dsum_o, dgate + 3 * a.slot);
          const auto through_f = hn::MulAdd(lanes.Load(peephole + a.slot), dsum_f, hn::Mul(dc, f));
          lanes.Store(hn::MulAdd(lanes.Load(peephole), dsum_i, through_f), a.dc + dat);
          return hn::Zero(d);
        });
        break;
      }
      run([&](const auto& lanes, auto dh, const T* gate, T* dgate, Index at, Index dat,
              Index) HWY_ATTR {
        const auto d = lanes.d;
        const auto i = lanes.Load(gate);
        const auto f = lanes.Load(gate + a.slot);
        const auto g = lanes.Load(gate + 2 * a.slot);
        const auto o = lanes.Load(gate + 3 * a.slot);
        const auto squashed = Tanh(d, lanes.Load(a.c + at));
        const auto dc = hn::Add(lanes.Load(a.dc + dat), TanhSlope(d, squashed, hn::Mul(dh, o)));
        lanes.Store(SigmoidSlope(d, i, hn::Mul(dc, g)), dgate);
        lanes.Store(SigmoidSlope(d, f, hn::Mul(dc, lanes.Load(a.c_before + at))), dgate + a.slot);
        lanes.Store(TanhSlope(d, g, hn::Mul(dc, i)), dgate + 2 * a.slot);
        lanes.Store(SigmoidSlope(d, o, hn::Mul(dh, squashed)), dgate + 3 * a.slot);
        lanes.Store(hn::Mul(dc, f), a.dc + dat);
        return hn::Zero(d);
      });
      break;
    case RecurrentCell::GruResetAfter:
    case RecurrentCell::GruResetBefore:
      run([&](const auto& lanes, auto dh, const T* gate, T* dgate, Index at, Index, Index)
              HWY_ATTR {
                const auto d = lanes.d;
                const auto r = lanes.Load(gate);
                const auto z = lanes.Load(gate + a.slot);
                const auto n = lanes.Load(gate + 2 * a.slot);
                const auto dn = TanhSlope(d, n, hn::NegMulAdd(z, dh, dh));
                const auto dz = hn::Mul(dh, hn::Sub(lanes.Load(a.h_before + at), n));
                lanes.Store(SigmoidSlope(d, z, dz), dgate + a.slot);
                lanes.Store(dn, dgate + 2 * a.slot);
                if (cell == RecurrentCell::GruResetAfter) {
                  const auto dr = hn::Mul(dn, lanes.Load(gate + 3 * a.slot));
                  lanes.Store(SigmoidSlope(d, r, dr), dgate);
                  lanes.Store(hn::Mul(dn, r), dgate + 3 * a.slot);
                }
                return hn::Mul(dh, z);
              });
      break;
  }
}

template <class T>
void StepResetBackward(const RecurrentGradientStep<T>& a) {
  ForEachVector<T>(
      a,
      [&](Index row, Index j, const auto& lanes) HWY_ATTR {
        T* const dgate = a.dgates + row * a.dgates_stride + j;
        const auto drh = lanes.Load(dgate + 3 * a.slot);
        const auto r = lanes.Load(a.gates + row * a.gates_stride + j);
        const auto dr = hn::Mul(drh, lanes.Load(a.h_before + row * a.state_stride + j));
        lanes.Store(SigmoidSlope(lanes.d, r, dr), dgate);
        T* const dh = a.dh + row * a.dstate_stride + j;
        lanes.Store(hn::MulAdd(drh, r, lanes.Load(dh)), dh);
      },
      [](Index) {});
}

}  // namespace HWY_NAMESPACE
}  // namespace lamina::kernels
HWY_AFTER_NAMESPACE();

#endif
