// Fully connected layer: y = W x + b, W of shape (outputs, inputs).
#pragma once
#include <type_traits>

#include "../simd.hpp"

namespace TW_VARIANT {

template <class N, int TILE_SIZE>
TW_INLINE void linear_tile(const Block<N>* x, int inputs, typename N::Weights w, const typename N::Weights* bias,
                           Block<N>* y) {
  constexpr int NV = VECTORS<typename N::Real>;
  typename N::V a[TILE_SIZE][NV];
  for (int c = 0; c < TILE_SIZE; c++)
    for (int n = 0; n < NV; n++) a[c][n] = bias ? N::broadcast((*bias)[c]) : N::zero();
  for (int i = 0; i < inputs; i++)
    for (int c = 0; c < TILE_SIZE; c++) {
      const auto weight = w[(ptrdiff_t)c * inputs + i];
      for (int n = 0; n < NV; n++) a[c][n] += weight * x[i].v[n];
    }
  for (int c = 0; c < TILE_SIZE; c++)
    for (int n = 0; n < NV; n++) y[c].v[n] = a[c][n];
}

template <class N, int TILE_SIZE = TILE<N>>
void linear_forward(const Block<N>* x, int inputs, typename N::Weights w, const typename N::Weights* bias,
                    Block<N>* y, int outputs) {
  int o = 0;
  for (; o + TILE_SIZE <= outputs; o += TILE_SIZE) {
    if (bias) {
      const auto b = *bias + o;
      linear_tile<N, TILE_SIZE>(x, inputs, w + (ptrdiff_t)o * inputs, &b, y + o);
    } else {
      linear_tile<N, TILE_SIZE>(x, inputs, w + (ptrdiff_t)o * inputs, nullptr, y + o);
    }
  }
  if constexpr (TILE_SIZE > 1) {
    if (o < outputs) {
      if (bias) {
        const auto b = *bias + o;
        linear_forward<N, TILE_SIZE - 1>(x, inputs, w + (ptrdiff_t)o * inputs, &b, y + o, outputs - o);
      } else {
        linear_forward<N, TILE_SIZE - 1>(x, inputs, w + (ptrdiff_t)o * inputs, nullptr, y + o, outputs - o);
      }
    }
  }
}

// dW[o][i] += Σ_samples dy[o]·x[i];  db[o] += Σ_samples dy[o].
template <class T, bool DUAL>
void linear_gradient(const Block<Numbers<T, DUAL>>* x, int inputs, const Block<Numbers<T, DUAL>>* dy, int outputs,
                     T* scratch, T* dw, T* db) {
  using N = Numbers<T, DUAL>;
  constexpr int NV = VECTORS<T>, W = WIDTH<T>;
  const ptrdiff_t padded = (inputs + W - 1) / W * W;
  T* values = scratch;                          // [16][padded]
  T* tangents = scratch + LANES * padded;       // only for duals
  for (int i = 0; i < inputs; i += W) {
    const int rest = inputs - i < W ? inputs - i : W;
    for (int n = 0; n < NV; n++) {
      Vector<T> tile[W] = {};
      for (int k = 0; k < rest; k++) {
        if constexpr (DUAL) tile[k] = x[i + k].v[n].v;
        else tile[k] = x[i + k].v[n];
      }
      transpose_tile<T>(tile);
      for (int lane = 0; lane < W; lane++) *(Unaligned<T>*)(values + (n * W + lane) * padded + i) = tile[lane];
      if constexpr (DUAL) {
        for (int k = 0; k < W; k++) tile[k] = k < rest ? x[i + k].v[n].d : Vector<T>{};
        transpose_tile<T>(tile);
        for (int lane = 0; lane < W; lane++) *(Unaligned<T>*)(tangents + (n * W + lane) * padded + i) = tile[lane];
      }
    }
  }
  auto product = [&](int o, int sample, ptrdiff_t i) -> Vector<T> {
    const auto& g = dy[o].v[sample / W];
    const Vector<T> xv = *(const Vector<T>*)(values + sample * padded + i);
    if constexpr (DUAL) {
      const Vector<T> xd = *(const Vector<T>*)(tangents + sample * padded + i);
      return g.v[sample % W] * xd + g.d[sample % W] * xv;
    } else {
      return g[sample % W] * xv;
    }
  };
  constexpr int OT = DUAL ? 4 : 6;
  int o = 0;
  auto rows = [&](auto tile) {
    constexpr int R = decltype(tile)::value;
    ptrdiff_t i = 0;
    for (; i + 2 * W <= inputs; i += 2 * W) {
      Vector<T> a[R][2] = {};
      for (int s = 0; s < LANES; s++)
        for (int r = 0; r < R; r++) {
          a[r][0] += product(o + r, s, i);
          a[r][1] += product(o + r, s, i + W);
        }
      for (int r = 0; r < R; r++)
        for (int k = 0; k < 2; k++) *(Unaligned<T>*)(dw + (o + r) * (ptrdiff_t)inputs + i + k * W) += a[r][k];
    }
    for (; i < inputs; i += W) {
      const int rest = inputs - i < W ? (int)(inputs - i) : W;
      for (int r = 0; r < R; r++) {
        Vector<T> a = {};
        for (int s = 0; s < LANES; s++) a += product(o + r, s, i);
        for (int k = 0; k < rest; k++) dw[(o + r) * (ptrdiff_t)inputs + i + k] += a[k];
      }
    }
  };
  for (; o + OT <= outputs; o += OT) rows(std::integral_constant<int, OT>{});
  for (; o < outputs; o++) rows(std::integral_constant<int, 1>{});
  if (db)
    for (int k = 0; k < outputs; k++) {
      Vector<T> total = {};
      for (int n = 0; n < NV; n++) total += N::gradient(dy[k].v[n]);
      db[k] += sum<T>(total);
    }
}

}  // namespace TW_VARIANT
