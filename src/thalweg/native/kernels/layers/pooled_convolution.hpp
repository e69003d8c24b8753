// Weight gradient of a convolution whose outputs go into a max pool. Of each window one output alone
// has a gradient, and where a ReLU lets nothing pass none has: the products with the others, at least
// three quarters of a dense gradient, are left out. Which output it is differs between samples, so
// here a vector holds one row of taps of a single sample.
#pragma once
#include <cstring>

#include "../simd.hpp"
#include "by_sample.hpp"
#include "convolution.hpp"
#include "pooling.hpp"

namespace TW_VARIANT {

// An output with a gradient: where its receptive field starts in an input plane, and the gradient.
template <class T, bool DUAL> struct Hit;
template <class T> struct Hit<T, false> {
  int corner;
  T v;
};
template <class T> struct Hit<T, true> {
  int corner;
  T v, d;
};

// Rows of 3 and 5 taps fit 4 and 8 lanes; longer ones and other shapes take the dense gradient.
inline bool gradient_is_sparse(const Convolution& s, const Pooling& p) {
  return s.kernel_rows == s.kernel_columns && (s.kernel_rows == 3 || s.kernel_rows == 5) &&
         p.stride_rows * p.stride_columns >= 4;
}

// Where in an input plane the receptive field of each window's first maximum starts, by window and
// lane. SIDE is the pool's kernel where it is square and known at compile time.
template <class N, int SIDE>
void find_corners(const Convolution s, const Pooling p, const Block<N>* y, const Block<N>* pooled, int* corners) {
  using T = typename N::Real;
  typedef int Corners __attribute__((vector_size(WIDTH<T> * sizeof(int))));
  typedef Corners Stored __attribute__((aligned(sizeof(int))));
  const int kernel_rows = SIDE ? SIDE : p.kernel_rows, kernel_columns = SIDE ? SIDE : p.kernel_columns;
  for (int oy = 0; oy < p.rows; oy++)
    for (int ox = 0; ox < p.columns; ox++, pooled++, corners += LANES) {
      const int top = oy * p.stride_rows, left = ox * p.stride_columns;
      for (int n = 0; n < VECTORS<T>; n++) {
        const auto best = N::value(pooled->v[n]);
        Corners corner = {};
        // Last to first, so that of equal maxima the first stays.
        for (int ky = kernel_rows - 1; ky >= 0; ky--)
          for (int kx = kernel_columns - 1; kx >= 0; kx--) {
            const auto hit = N::value(y[(ptrdiff_t)(top + ky) * s.columns + left + kx].v[n]) == best;
            const int at = (top + ky) * s.stride_rows * s.width + (left + kx) * s.stride_columns;
            corner = __builtin_convertvector(hit, Corners) ? Corners{} + at : corner;
          }
        *(Stored*)(corners + n * WIDTH<T>) = corner;
      }
    }
}

// Whether a number is not zero, without a comparison of floats and its branch for not-a-number.
TW_INLINE bool nonzero(float a) {
  uint32_t bits;
  std::memcpy(&bits, &a, sizeof bits);
  return bits << 1;
}
TW_INLINE bool nonzero(double a) {
  uint64_t bits;
  std::memcpy(&bits, &a, sizeof bits);
  return bits << 1;
}

// The hits of one sample, in order of windows; returns how many.
template <class T, bool DUAL>
TW_INLINE int find_hits(const int* corners, const Block<Numbers<T, DUAL>>* dy, int windows, int lane, Hit<T, DUAL>* hits) {
  constexpr int W = WIDTH<T>, PLANES = DUAL ? 2 : 1;
  const T* values = (const T*)dy + PLANES * (lane / W) * W + lane % W;
  Hit<T, DUAL>* next = hits;
  for (int window = 0; window < windows; window++, values += PLANES * LANES) {
    next->corner = corners[window * LANES + lane];
    next->v = values[0];
    bool some = nonzero(values[0]);
    if constexpr (DUAL) {
      next->d = values[W];
      some |= nonzero(values[W]);
    }
    next += some;
  }
  return (int)(next - hits);
}

// dW[co][ci..ci+CHANNELS][:][:] from one output channel's hits; `x` is sample-major.
template <class T, bool DUAL, int K, int CHANNELS>
TW_INLINE void pooled_weight_tile(const Convolution& s, const BySample<T>& x, int ci, const Hit<T, DUAL>* hits, int windows,
                                  const int* count, T* dw) {
  constexpr int ROW = K <= 4 ? 4 : 8;
  typedef T Taps __attribute__((vector_size(ROW * sizeof(T))));
  typedef T Loaded __attribute__((vector_size(ROW * sizeof(T)), aligned(sizeof(T))));
  const ptrdiff_t plane = (ptrdiff_t)s.height * s.width;
  Taps a[CHANNELS][K] = {};
  for (int lane = 0; lane < LANES; lane++) {
    const T* values = x.values + lane * x.pitch + ci * plane;
    const T* tangents = x.tangents + lane * x.pitch + ci * plane;
    const Hit<T, DUAL>* end = hits + lane * windows + count[lane];
    for (const Hit<T, DUAL>* hit = hits + lane * windows; hit < end; hit++)
#pragma GCC unroll 4
      for (int c = 0; c < CHANNELS; c++)
#pragma GCC unroll 5
        for (int k = 0; k < K; k++) {
          const ptrdiff_t at = hit->corner + c * plane + (ptrdiff_t)k * s.width;
          const Taps row = *(const Loaded*)(values + at);
          if constexpr (DUAL) a[c][k] += hit->v * (Taps)(*(const Loaded*)(tangents + at)) + hit->d * row;
          else a[c][k] += hit->v * row;
        }
  }
  for (int c = 0; c < CHANNELS; c++)
    for (int ky = 0; ky < K; ky++)
      for (int kx = 0; kx < K; kx++) dw[((ci + c) * K + ky) * K + kx] += a[c][ky][kx];
}

template <class T, bool DUAL, int K, int CHANNELS>
void pooled_weight_rows(const Convolution& s, const BySample<T>& x, const Hit<T, DUAL>* hits, int windows,
                        const int* count, T* dw, int first) {
  int ci = first;
  for (; ci + CHANNELS <= s.inputs; ci += CHANNELS)
    pooled_weight_tile<T, DUAL, K, CHANNELS>(s, x, ci, hits, windows, count, dw);
  if constexpr (CHANNELS > 1)
    if (ci < s.inputs) pooled_weight_rows<T, DUAL, K, CHANNELS - 1>(s, x, hits, windows, count, dw, ci);
}

// As convolution_weight_gradient, but from the pool's outputs `pooled` and their gradient `dy`; y are
// the convolution's own outputs. `scratch` holds the inputs by sample, `corners`
// and `hits` 16 values a window.
template <class T, bool DUAL>
void pooled_convolution_weight_gradient(const Convolution& s, const Pooling& p, const Block<Numbers<T, DUAL>>* x,
                                        const Block<Numbers<T, DUAL>>* y, const Block<Numbers<T, DUAL>>* pooled,
                                        const Block<Numbers<T, DUAL>>* dy, T* scratch, int* corners, Hit<T, DUAL>* hits,
                                        T* dw, T* db) {
  const auto by_sample = sample_major<T, DUAL>(x, s.inputs * s.height * s.width, 1, scratch);
  const int windows = p.rows * p.columns;
  const ptrdiff_t filter = (ptrdiff_t)s.inputs * s.kernel_rows * s.kernel_columns;
  for (int co = 0; co < s.outputs; co++) {
    int count[LANES];
    const auto* g = dy + (ptrdiff_t)co * windows;
    const auto *from = y + (ptrdiff_t)co * s.rows * s.columns, *best = pooled + (ptrdiff_t)co * windows;
    if (p.kernel_rows == 2 && p.kernel_columns == 2) find_corners<Numbers<T, DUAL>, 2>(s, p, from, best, corners);
    else find_corners<Numbers<T, DUAL>, 0>(s, p, from, best, corners);
    for (int lane = 0; lane < LANES; lane++)
      count[lane] = find_hits<T, DUAL>(corners, g, windows, lane, hits + lane * windows);
    if (s.kernel_rows == 5) pooled_weight_rows<T, DUAL, 5, 2>(s, by_sample, hits, windows, count, dw + co * filter, 0);
    else pooled_weight_rows<T, DUAL, 3, 4>(s, by_sample, hits, windows, count, dw + co * filter, 0);
    if (db) db[co] += channel_sum<T, DUAL>(g, windows);
  }
}

}  // namespace TW_VARIANT
