// Elman network over the rows of an image: h_t = f(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh), h_0 = 0,
// several layers deep; the output is the last layer's last state.
#pragma once
#include <algorithm>

#include "../simd.hpp"
#include "activation.hpp"
#include "linear.hpp"

namespace TW_VARIANT {

struct Recurrent {
  int steps, features, hidden, layers, activation;
};

// Parameters of one layer within a row, in the order of nn.RNN.
struct RecurrentOffsets {
  ptrdiff_t input, recurrent, input_bias, recurrent_bias;
};

inline RecurrentOffsets recurrent_offsets(const Recurrent& s, int layer) {
  const ptrdiff_t H = s.hidden, first = H * s.features + H * H + 2 * H, later = 2 * H * H + 2 * H;
  const ptrdiff_t base = layer ? first + (layer - 1) * later : 0, width = layer ? H : s.features;
  return {base, base + H * width, base + H * width + H * H, base + H * width + H * H + H};
}

// z = W_ih x + b_ih + W_hh h + b_hh, one tile of outputs at a time.
template <class N, int TILE_SIZE>
void recurrent_step(const Block<N>* x, int width, const Block<N>* h, int hidden, typename N::Weights w,
                    const RecurrentOffsets& at, Block<N>* z, int first, int activation) {
  constexpr int NV = VECTORS<typename N::Real>;
  int o = first;
  for (; o + TILE_SIZE <= hidden; o += TILE_SIZE) {
    typename N::V a[TILE_SIZE][NV];
    for (int c = 0; c < TILE_SIZE; c++)
      for (int n = 0; n < NV; n++) {
        a[c][n] = N::broadcast(w[at.input_bias + o + c]);
        a[c][n] += N::broadcast(w[at.recurrent_bias + o + c]);
      }
    const auto wi = w + (at.input + (ptrdiff_t)o * width), wh = w + (at.recurrent + (ptrdiff_t)o * hidden);
    for (int i = 0; i < width; i++)
      for (int c = 0; c < TILE_SIZE; c++) {
        const auto weight = wi[(ptrdiff_t)c * width + i];
        for (int n = 0; n < NV; n++) a[c][n] += weight * x[i].v[n];
      }
    if (h)
      for (int i = 0; i < hidden; i++)
        for (int c = 0; c < TILE_SIZE; c++) {
          const auto weight = wh[(ptrdiff_t)c * hidden + i];
          for (int n = 0; n < NV; n++) a[c][n] += weight * h[i].v[n];
        }
    for (int c = 0; c < TILE_SIZE; c++)
      for (int n = 0; n < NV; n++) z[o + c].v[n] = activate<N>(activation, a[c][n]);
  }
  if constexpr (TILE_SIZE > 1)
    if (o < hidden) recurrent_step<N, TILE_SIZE - 1>(x, width, h, hidden, w, at, z, o, activation);
}

// states: [layers][steps][hidden].
template <class N>
void recurrent_forward(const Recurrent& s, const Block<N>* x, typename N::Weights w, Block<N>* states, Block<N>* y) {
  const ptrdiff_t H = s.hidden, T = s.steps;
  for (int layer = 0; layer < s.layers; layer++) {
    const auto at = recurrent_offsets(s, layer);
    Block<N>* h = states + layer * T * H;
    for (int t = 0; t < T; t++) {
      const Block<N>* from = layer ? h - T * H + t * H : x + (ptrdiff_t)t * s.features;
      recurrent_step<N, TILE<N>>(from, layer ? s.hidden : s.features, t ? h + (t - 1) * H : nullptr, s.hidden, w, at,
                                 h + t * H, 0, s.activation);
    }
  }
  const Block<N>* last = states + ((s.layers - 1) * T + T - 1) * H;
  for (int i = 0; i < H; i++) y[i] = last[i];
}

// Time steps whose products with the input are taken together.
constexpr int STEPS_TOGETHER = 4;

// Back through time. transposed holds each layer's W_ih and W_hh transposed, at their offsets.
// dz: [steps][hidden], the gradient before the activation; below: [steps][hidden], the gradient
// reaching a layer's states from above; carry: [hidden], that from the step after.
template <class T, bool DUAL>
void recurrent_backward(const Recurrent& s, const Block<Numbers<T, DUAL>>* x, const Block<Numbers<T, DUAL>>* states,
                        typename Numbers<T, DUAL>::Weights transposed, const Block<Numbers<T, DUAL>>* dy,
                        Block<Numbers<T, DUAL>>* dz, Block<Numbers<T, DUAL>>* below, Block<Numbers<T, DUAL>>* carry,
                        Block<Numbers<T, DUAL>>* dx, T* scratch, T* g) {
  using N = Numbers<T, DUAL>;
  const ptrdiff_t H = s.hidden, steps = s.steps;
  for (int layer = s.layers - 1; layer >= 0; layer--) {
    const auto at = recurrent_offsets(s, layer);
    const int width = layer ? s.hidden : s.features;
    const Block<N>* h = states + layer * steps * H;
    for (int t = s.steps - 1; t >= 0; t--) {
      Block<N>* here = dz + t * H;
      for (int i = 0; i < H; i++)
        for (int n = 0; n < VECTORS<T>; n++) {
          auto total = t + 1 < s.steps ? carry[i].v[n] : N::zero();
          if (layer + 1 < s.layers) total += below[t * H + i].v[n];
          else if (t + 1 == s.steps) total += dy[i].v[n];
          here[i].v[n] = activation_gradient<N>(s.activation, h[t * H + i].v[n], h[t * H + i].v[n], total);
        }
      if (t) linear_forward<N>(here, s.hidden, transposed + at.recurrent, nullptr, carry, s.hidden, 1);
    }
    const Block<N>* from = layer ? h - steps * H : x;
    Block<N>* to = layer ? below : dx;
    for (int t = 0; t < s.steps; t += STEPS_TOGETHER) {
      const int some = std::min(STEPS_TOGETHER, s.steps - t), later = std::min(STEPS_TOGETHER, s.steps - 1 - t);
      linear_gradient<T, DUAL>(from + t * width, width, dz + t * H, s.hidden, some, scratch, g + at.input, g + at.input_bias);
      if (later > 0)
        linear_gradient<T, DUAL>(h + t * H, s.hidden, dz + (t + 1) * H, s.hidden, later, scratch, g + at.recurrent, (T*)nullptr);
      if (to) linear_forward<N>(dz + t * H, s.hidden, transposed + at.input, nullptr, to + t * width, width, some);
    }
    for (int i = 0; i < H; i++) g[at.recurrent_bias + i] = g[at.input_bias + i];
  }
}

}  // namespace TW_VARIANT
