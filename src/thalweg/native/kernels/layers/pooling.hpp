// Max and average pooling over windows, without padding.
#pragma once
#include "../simd.hpp"

namespace TW_VARIANT {

struct Pooling {
  int channels, height, width, rows, columns;
  int kernel_rows, kernel_columns, stride_rows, stride_columns;
};

template <class N, class F> TW_INLINE void for_windows(const Pooling& s, F f) {
  for (int c = 0; c < s.channels; c++)
    for (int oy = 0; oy < s.rows; oy++)
      for (int ox = 0; ox < s.columns; ox++)
        f(((ptrdiff_t)c * s.rows + oy) * s.columns + ox,
          ((ptrdiff_t)c * s.height + oy * s.stride_rows) * s.width + ox * s.stride_columns);
}

inline bool covers_once(const Pooling& s) {
  return s.kernel_rows == s.stride_rows && s.kernel_columns == s.stride_columns &&
         s.rows * s.stride_rows == s.height && s.columns * s.stride_columns == s.width;
}

template <class N> void clear(const Pooling& s, Block<N>* dx) {
  const ptrdiff_t size = (ptrdiff_t)s.channels * s.height * s.width;
  for (ptrdiff_t i = 0; i < size; i++)
    for (int n = 0; n < VECTORS<typename N::Real>; n++) dx[i].v[n] = N::zero();
}

// SIDE is the kernel where it is square and known at compile time.
template <class N, int SIDE> void max_pool_forward_k(const Pooling s, const Block<N>* x, Block<N>* y) {
  const int kernel_rows = SIDE ? SIDE : s.kernel_rows, kernel_columns = SIDE ? SIDE : s.kernel_columns;
  for_windows<N>(s, [&](ptrdiff_t out, ptrdiff_t corner) {
    for (int n = 0; n < VECTORS<typename N::Real>; n++) {
      auto best = x[corner].v[n];
      for (int ky = 0; ky < kernel_rows; ky++)
        for (int kx = 0; kx < kernel_columns; kx++) {
          const auto& a = x[corner + (ptrdiff_t)ky * s.width + kx].v[n];
          const auto v = N::value(a), b = N::value(best);
          best = N::choose((v > b) | (v != v), a, best);  // as PyTorch: the first maximum, and not-a-number wins
        }
      y[out].v[n] = best;
    }
  });
}

template <class N> void max_pool_forward(const Pooling& s, const Block<N>* x, Block<N>* y) {
  if (s.kernel_rows == 2 && s.kernel_columns == 2) max_pool_forward_k<N, 2>(s, x, y);
  else max_pool_forward_k<N, 0>(s, x, y);
}

template <class N>
void max_pool_backward(const Pooling& s, const Block<N>* x, const Block<N>* y, const Block<N>* dy, Block<N>* dx) {
  const bool tiles = covers_once(s);  // every input lies in exactly one window
  if (!tiles) clear<N>(s, dx);
  for_windows<N>(s, [&](ptrdiff_t out, ptrdiff_t corner) {
    for (int n = 0; n < VECTORS<typename N::Real>; n++) {
      const auto best = N::value(y[out].v[n]);
      auto left = best == best;  // lanes whose maximum has not been met yet
      for (int ky = 0; ky < s.kernel_rows; ky++)
        for (int kx = 0; kx < s.kernel_columns; kx++) {
          const ptrdiff_t i = corner + (ptrdiff_t)ky * s.width + kx;
          const auto hit = (N::value(x[i].v[n]) == best) & left;
          left &= ~hit;
          const auto share = N::choose(hit, dy[out].v[n], N::zero());
          if (tiles) dx[i].v[n] = share;
          else dx[i].v[n] += share;
        }
    }
  });
}

template <class N> void average_pool_forward(const Pooling& s, const Block<N>* x, Block<N>* y) {
  using T = typename N::Real;
  const T share = (T)1 / (T)(s.kernel_rows * s.kernel_columns);
  for_windows<N>(s, [&](ptrdiff_t out, ptrdiff_t corner) {
    for (int n = 0; n < VECTORS<T>; n++) {
      auto total = N::zero();
      for (int ky = 0; ky < s.kernel_rows; ky++)
        for (int kx = 0; kx < s.kernel_columns; kx++) total += x[corner + (ptrdiff_t)ky * s.width + kx].v[n];
      y[out].v[n] = N::scale(total, share);
    }
  });
}

template <class N> void average_pool_backward(const Pooling& s, const Block<N>* dy, Block<N>* dx) {
  using T = typename N::Real;
  const T share = (T)1 / (T)(s.kernel_rows * s.kernel_columns);
  clear<N>(s, dx);
  for_windows<N>(s, [&](ptrdiff_t out, ptrdiff_t corner) {
    for (int n = 0; n < VECTORS<T>; n++) {
      const auto g = N::scale(dy[out].v[n], share);
      for (int ky = 0; ky < s.kernel_rows; ky++)
        for (int kx = 0; kx < s.kernel_columns; kx++) dx[corner + (ptrdiff_t)ky * s.width + kx].v[n] += g;
    }
  });
}

}  // namespace TW_VARIANT
