// Fully connected layer: y = W x + b, W of shape (outputs, inputs). Works on several blocks of samples,
// lying one after the other, so that a weight is fetched, and its gradient written, once for all.
#pragma once
#include <type_traits>

#include "../simd.hpp"
#include "by_sample.hpp"

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
                    Block<N>* y, int outputs, int blocks, int first = 0) {
  int o = first;
  for (; o + TILE_SIZE <= outputs; o += TILE_SIZE) {
    const auto b = bias ? *bias + o : w;
    for (int block = 0; block < blocks; block++)
      linear_tile<N, TILE_SIZE>(x + (ptrdiff_t)block * inputs, inputs, w + (ptrdiff_t)o * inputs, bias ? &b : nullptr,
                                y + (ptrdiff_t)block * outputs + o);
  }
  if constexpr (TILE_SIZE > 1)
    if (o < outputs) linear_forward<N, TILE_SIZE - 1>(x, inputs, w, bias, y, outputs, blocks, o);
}

// dW[o][i] += Σ_samples dy[o]·x[i];  db[o] += Σ_samples dy[o].
template <class T, bool DUAL>
void linear_gradient(const Block<Numbers<T, DUAL>>* x, int inputs, const Block<Numbers<T, DUAL>>* dy, int outputs,
                     int blocks, T* scratch, T* dw, T* db) {
  using N = Numbers<T, DUAL>;
  constexpr int W = WIDTH<T>;
  const auto by_sample = sample_major<T, DUAL>(x, inputs, blocks, scratch);
  auto product = [&](const Block<N>& from, int lane, const T* values, const T* tangents) -> Vector<T> {
    const auto& g = from.v[lane / W];
    if constexpr (DUAL) return g.v[lane % W] * *(const Vector<T>*)tangents + g.d[lane % W] * *(const Vector<T>*)values;
    else return g[lane % W] * *(const Vector<T>*)values;
  };
  auto rows = [&](int o, auto tile) {
    constexpr int R = decltype(tile)::value;
    auto columns = [&](ptrdiff_t i, auto vectors, auto whole) {
      constexpr int C = decltype(vectors)::value;
      Vector<T> a[R][C] = {};
      const T *values = by_sample.values + i, *tangents = by_sample.tangents + i;
      for (int block = 0; block < blocks; block++)
        for (int lane = 0; lane < LANES; lane++, values += by_sample.pitch, tangents += by_sample.pitch)
#pragma GCC unroll 12
          for (int r = 0; r < R; r++)
#pragma GCC unroll 2
            for (int c = 0; c < C; c++)
              a[r][c] += product(dy[(ptrdiff_t)block * outputs + o + r], lane, values + c * W, tangents + c * W);
#pragma GCC unroll 12
      for (int r = 0; r < R; r++)
#pragma GCC unroll 2
        for (int c = 0; c < C; c++) {
          T* to = dw + (o + r) * (ptrdiff_t)inputs + i + c * W;
          if constexpr (decltype(whole)::value) {
            *(Unaligned<T>*)to += a[r][c];
          } else {
            T values[W];
            *(Unaligned<T>*)values = a[r][c];
            for (int k = 0; k < inputs - i; k++) to[k] += values[k];
          }
        }
    };
    ptrdiff_t i = 0;
    for (; i + 2 * W <= inputs; i += 2 * W) columns(i, std::integral_constant<int, 2>{}, std::true_type{});
    for (; i + W <= inputs; i += W) columns(i, std::integral_constant<int, 1>{}, std::true_type{});
    if (i < inputs) columns(i, std::integral_constant<int, 1>{}, std::false_type{});
  };
  constexpr int TILE_ROWS = DUAL ? 4 : 6;
  int o = 0;
  for (; o + TILE_ROWS <= outputs; o += TILE_ROWS) rows(o, std::integral_constant<int, TILE_ROWS>{});
  for (; o < outputs; o++) rows(o, std::integral_constant<int, 1>{});
  if (db)
    for (int k = 0; k < outputs; k++)
      for (int block = 0; block < blocks; block++) db[k] += channel_sum<T, DUAL>(dy + (ptrdiff_t)block * outputs + k, 1);
}

}  // namespace TW_VARIANT
