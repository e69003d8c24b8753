// Two-dimensional convolution (cross-correlation) without padding; a padded layer pads its input
// first. Weights of shape (outputs, inputs, kernel rows, kernel columns).
#pragma once
#include <type_traits>

#include "../simd.hpp"
#include "by_sample.hpp"

namespace TW_VARIANT {

struct Convolution {
  int inputs, height, width;     // of the (padded) input
  int outputs, rows, columns;    // of the output
  int kernel_rows, kernel_columns, stride_rows, stride_columns;
};

template <class N, int TILE_SIZE, int KX>
TW_INLINE void convolution_tile(const Convolution& s, const Block<N>* x, typename N::Weights w,
                                const typename N::Weights* bias, Block<N>* y) {
  constexpr int NV = VECTORS<typename N::Real>;
  const int kx = KX ? KX : s.kernel_columns;
  const ptrdiff_t filter = (ptrdiff_t)s.inputs * s.kernel_rows * kx;
  for (int oy = 0; oy < s.rows; oy++)
    for (int ox = 0; ox < s.columns; ox++) {
      typename N::V a[TILE_SIZE][NV];
      for (int c = 0; c < TILE_SIZE; c++)
        for (int n = 0; n < NV; n++) a[c][n] = bias ? N::broadcast((*bias)[c]) : N::zero();
      for (int ci = 0; ci < s.inputs; ci++)
        for (int ky = 0; ky < s.kernel_rows; ky++) {
          const Block<N>* row =
              x + ((ptrdiff_t)ci * s.height + oy * s.stride_rows + ky) * s.width + ox * s.stride_columns;
          const auto taps = w + ((ptrdiff_t)ci * s.kernel_rows + ky) * kx;
#pragma GCC unroll 8
          for (int k = 0; k < kx; k++)
#pragma GCC unroll 12
            for (int c = 0; c < TILE_SIZE; c++) {
              const auto weight = taps[c * filter + k];
              for (int n = 0; n < NV; n++) a[c][n] += weight * row[k].v[n];
            }
        }
      for (int c = 0; c < TILE_SIZE; c++)
        for (int n = 0; n < NV; n++) y[((ptrdiff_t)c * s.rows + oy) * s.columns + ox].v[n] = a[c][n];
    }
}

template <class N, int KX, int TILE_SIZE = TILE<N>>
void convolution_forward_k(const Convolution& s, const Block<N>* x, typename N::Weights w,
                           const typename N::Weights* bias, Block<N>* y, int first) {
  const ptrdiff_t filter = (ptrdiff_t)s.inputs * s.kernel_rows * s.kernel_columns;
  int o = first;
  for (; o + TILE_SIZE <= s.outputs; o += TILE_SIZE) {
    const auto b = bias ? *bias + o : w;
    convolution_tile<N, TILE_SIZE, KX>(s, x, w + o * filter, bias ? &b : nullptr,
                                       y + (ptrdiff_t)o * s.rows * s.columns);
  }
  if constexpr (TILE_SIZE > 1)
    if (o < s.outputs) convolution_forward_k<N, KX, TILE_SIZE - 1>(s, x, w, bias, y, o);
}

template <class N>
void convolution_forward(const Convolution& s, const Block<N>* x, typename N::Weights w,
                         const typename N::Weights* bias, Block<N>* y) {
  if (s.kernel_columns == 5) convolution_forward_k<N, 5>(s, x, w, bias, y, 0);
  else if (s.kernel_columns == 3) convolution_forward_k<N, 3>(s, x, w, bias, y, 0);
  else convolution_forward_k<N, 0>(s, x, w, bias, y, 0);
}

// The smallest tap k ≥ 0 that meets an output at input position i: k ≡ i modulo the stride, and the
// output (i − k)/stride lies below the last one.
TW_INLINE int first_tap(int i, int outputs, int stride) {
  const int least = i - (outputs - 1) * stride;
  return least > 0 ? least : i % stride;
}

// dx = the transposed convolution of dy; every input position is written.
template <class N, int TILE_SIZE>
TW_INLINE void convolution_input_tile(const Convolution& s, const Block<N>* dy, typename N::Weights w, Block<N>* dx) {
  constexpr int NV = VECTORS<typename N::Real>;
  const ptrdiff_t taps = (ptrdiff_t)s.kernel_rows * s.kernel_columns;
  for (int iy = 0; iy < s.height; iy++)
    for (int ix = 0; ix < s.width; ix++) {
      typename N::V a[TILE_SIZE][NV];
      for (int c = 0; c < TILE_SIZE; c++)
        for (int n = 0; n < NV; n++) a[c][n] = N::zero();
      // The taps that meet an output: iy = oy·stride + ky with 0 ≤ oy < rows.
      const int ky0 = first_tap(iy, s.rows, s.stride_rows), ky1 = iy < s.kernel_rows ? iy : s.kernel_rows - 1;
      const int kx0 = first_tap(ix, s.columns, s.stride_columns), kx1 = ix < s.kernel_columns ? ix : s.kernel_columns - 1;
      for (int ky = ky0; ky <= ky1; ky += s.stride_rows) {
        const Block<N>* row = dy + (ptrdiff_t)((iy - ky) / s.stride_rows) * s.columns;
        int ox = (ix - kx0) / s.stride_columns;
        for (int kx = kx0; kx <= kx1; kx += s.stride_columns, ox--) {
          const Block<N>* g = row + ox;
          const auto tap = w + (ptrdiff_t)ky * s.kernel_columns + kx;
          for (int co = 0; co < s.outputs; co++) {
            const Block<N>& from = g[(ptrdiff_t)co * s.rows * s.columns];
            const auto filters = tap + (ptrdiff_t)co * s.inputs * taps;
#pragma GCC unroll 12
            for (int c = 0; c < TILE_SIZE; c++) {
              const auto weight = filters[c * taps];
              for (int n = 0; n < NV; n++) a[c][n] += weight * from.v[n];
            }
          }
        }
      }
      for (int c = 0; c < TILE_SIZE; c++)
        for (int n = 0; n < NV; n++) dx[((ptrdiff_t)c * s.height + iy) * s.width + ix].v[n] = a[c][n];
    }
}

template <class N, int TILE_SIZE = TILE<N>>
void convolution_input_gradient(const Convolution& s, const Block<N>* dy, typename N::Weights w, Block<N>* dx,
                                int first = 0) {
  const ptrdiff_t taps = (ptrdiff_t)s.kernel_rows * s.kernel_columns;
  int c = first;
  for (; c + TILE_SIZE <= s.inputs; c += TILE_SIZE)
    convolution_input_tile<N, TILE_SIZE>(s, dy, w + c * taps, dx + (ptrdiff_t)c * s.height * s.width);
  if constexpr (TILE_SIZE > 1)
    if (c < s.inputs) convolution_input_gradient<N, TILE_SIZE - 1>(s, dy, w, dx, c);
}

// dW[co][ci][ky][kx] += Σ dy·x over positions and samples; sums stay in registers over positions.
template <class N, int CHANNELS, int TAPS>
TW_INLINE void convolution_weight_tile(const Convolution& s, const Block<N>* x, const Block<N>* dy, int co, int ci,
                                       int ky, int k0, typename N::Real* dw) {
  using T = typename N::Real;
  constexpr int NV = VECTORS<T>;
  const ptrdiff_t plane = (ptrdiff_t)s.rows * s.columns;
  Vector<T> a[CHANNELS][TAPS] = {};
  for (int oy = 0; oy < s.rows; oy++) {
    const Block<N>* row = x + ((ptrdiff_t)ci * s.height + oy * s.stride_rows + ky) * s.width + k0;
    const Block<N>* g = dy + co * plane + (ptrdiff_t)oy * s.columns;
    for (int n = 0; n < NV; n++)
      for (int ox = 0; ox < s.columns; ox++)
#pragma GCC unroll 8
        for (int c = 0; c < CHANNELS; c++) {
          const auto& from = g[c * plane + ox].v[n];
#pragma GCC unroll 8
          for (int k = 0; k < TAPS; k++) a[c][k] += N::gradient(from, row[(ptrdiff_t)ox * s.stride_columns + k].v[n]);
        }
  }
  for (int c = 0; c < CHANNELS; c++)
    for (int k = 0; k < TAPS; k++)
      dw[(((ptrdiff_t)(co + c) * s.inputs + ci) * s.kernel_rows + ky) * s.kernel_columns + k0 + k] += sum<T>(a[c][k]);
}

template <class N, int CHANNELS>
void convolution_weight_rows(const Convolution& s, const Block<N>* x, const Block<N>* dy, int co,
                             typename N::Real* dw) {
  for (int ci = 0; ci < s.inputs; ci++)
    for (int ky = 0; ky < s.kernel_rows; ky++) {
      int k = 0;
      for (; k + 5 <= s.kernel_columns; k += 5) convolution_weight_tile<N, CHANNELS, 5>(s, x, dy, co, ci, ky, k, dw);
      for (; k + 3 <= s.kernel_columns; k += 3) convolution_weight_tile<N, CHANNELS, 3>(s, x, dy, co, ci, ky, k, dw);
      for (; k < s.kernel_columns; k++) convolution_weight_tile<N, CHANNELS, 1>(s, x, dy, co, ci, ky, k, dw);
    }
}

template <class T, bool DUAL>
void convolution_weight_gradient(const Convolution& s, const Block<Numbers<T, DUAL>>* x,
                                 const Block<Numbers<T, DUAL>>* dy, T* dw, T* db) {
  using N = Numbers<T, DUAL>;
  int co = 0;
  for (; co + 2 <= s.outputs; co += 2) convolution_weight_rows<N, 2>(s, x, dy, co, dw);
  for (; co < s.outputs; co++) convolution_weight_rows<N, 1>(s, x, dy, co, dw);
  const ptrdiff_t plane = (ptrdiff_t)s.rows * s.columns;
  if (db)
    for (int c = 0; c < s.outputs; c++) db[c] += channel_sum<T, DUAL>(dy + c * plane, plane);
}

}  // namespace TW_VARIANT
