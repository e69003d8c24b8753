// Activations of a block with one sample after the other, where a vector must hold several values of
// one sample: in weight gradients, whose sum runs over samples.
#pragma once
#include "../simd.hpp"

namespace TW_VARIANT {

// `pitch` values a sample; after the last one, READ_BEYOND more may be read.
template <class T> struct BySample {
  const T *values, *tangents;  // tangents only of duals
  ptrdiff_t pitch;
};
constexpr ptrdiff_t READ_BEYOND = 8;

template <class T> constexpr ptrdiff_t sample_pitch(ptrdiff_t count) {
  return (count + WIDTH<T> - 1) / WIDTH<T> * WIDTH<T>;
}
template <class T> constexpr ptrdiff_t sample_major_size(ptrdiff_t count, int blocks) {
  return 2 * blocks * LANES * sample_pitch<T>(count) + READ_BEYOND;
}

// Transposes blocks of `count` activations each into `to`.
template <class T, bool DUAL>
BySample<T> sample_major(const Block<Numbers<T, DUAL>>* x, ptrdiff_t count, int blocks, T* to) {
  constexpr int W = WIDTH<T>;
  const ptrdiff_t pitch = sample_pitch<T>(count);
  T* tangents = to + blocks * LANES * pitch;
  for (int block = 0; block < blocks; block++, x += count)
    for (ptrdiff_t i = 0; i < count; i += W) {
      const int rest = count - i < W ? (int)(count - i) : W;
      for (int n = 0; n < VECTORS<T>; n++)
        for (int plane = 0; plane < (DUAL ? 2 : 1); plane++) {
          Vector<T> tile[W] = {};
          for (int k = 0; k < rest; k++) {
            if constexpr (DUAL) tile[k] = plane ? x[i + k].v[n].d : x[i + k].v[n].v;
            else tile[k] = x[i + k].v[n];
          }
          transpose_tile<T>(tile);
          T* column = (plane ? tangents : to) + (block * LANES + n * W) * pitch + i;
          for (int lane = 0; lane < W; lane++) *(Unaligned<T>*)(column + lane * pitch) = tile[lane];
        }
    }
  return {to, tangents, pitch};
}

// The gradient of a bias: the sum of `count` output gradients over samples.
template <class T, bool DUAL> T channel_sum(const Block<Numbers<T, DUAL>>* dy, ptrdiff_t count) {
  Vector<T> total = {};
  for (ptrdiff_t i = 0; i < count; i++)
    for (int n = 0; n < VECTORS<T>; n++) total += Numbers<T, DUAL>::gradient(dy[i].v[n]);
  return sum<T>(total);
}

}  // namespace TW_VARIANT
