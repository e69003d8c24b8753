// Losses of one block of samples, and their gradient with respect to the network's outputs.
#pragma once
#include <cmath>

#include "../simd.hpp"

namespace TW_VARIANT {

enum Loss { CROSS_ENTROPY = 0, MEAN_SQUARED_ERROR = 1 };

// Softmax cross-entropy with label smoothing s: the target is (1 − s)·onehot + s/C. Lanes from
// `count` on carry no sample. `share[l]` is the weight of lane l in the loss, 1/B by default.
// z becomes share·(softmax(z) − target). Returns Σ share·loss.
template <class T, bool DUAL>
double cross_entropy(Block<Numbers<T, DUAL>>* z, int classes, const int64_t* target, const T* share, int count,
                     T smoothing) {
  constexpr int W = WIDTH<T>;
  double total = 0;
  for (int lane = 0; lane < LANES; lane++) {
    const int n = lane / W, l = lane % W;
    auto value = [&](int c) -> T {
      if constexpr (DUAL) return z[c].v[n].v[l];
      else return z[c].v[n][l];
    };
    if (lane >= count) {
      for (int c = 0; c < classes; c++) {
        if constexpr (DUAL) z[c].v[n].v[l] = z[c].v[n].d[l] = 0;
        else z[c].v[n][l] = 0;
      }
      continue;
    }
    int best = 0;
    for (int c = 1; c < classes; c++) best = value(c) > value(best) ? c : best;
    // Everything is relative to the largest logit, and its probability enters by what is left to 1:
    // where a network is sure, log Σe^z − z_t, p − 1 and dz − Σp·dz would cancel.
    const T top = value(best);
    T tail = 0, tangent = 0, mean = 0, shift = 0;
    if constexpr (DUAL) shift = z[best].v[n].d[l];
    const T certain = smoothing < 1 ? (1 - smoothing) * (top - value((int)target[lane])) : 0;
    for (int c = 0; c < classes; c++) {
      const T v = value(c), e = std::exp(v - top);
      if (smoothing > 0) mean += (top - v) / (T)classes;
      if (c != best) tail += e;
      if constexpr (DUAL) {
        z[c].v[n].d[l] -= shift;
        tangent += e * z[c].v[n].d[l];
        z[c].v[n].v[l] = e;
      } else {
        z[c].v[n][l] = e;
      }
    }
    const T normaliser = value(best) + tail;
    total += (double)share[lane] * (double)(std::log1p(tail) + certain + smoothing * mean);
    for (int c = 0; c < classes; c++) {
      const T e = value(c), others = c == best ? tail : normaliser - e;
      const T p = e / normaliser, uniform = smoothing / (T)classes;
      const T slope = c == target[lane] ? smoothing - uniform - others / normaliser : p - uniform;
      if constexpr (DUAL) {
        // p = e/Σe, dp = p·(dz − Σ p·dz).
        z[c].v[n].d[l] = share[lane] * p * (z[c].v[n].d[l] - tangent / normaliser);
        z[c].v[n].v[l] = share[lane] * slope;
      } else {
        z[c].v[n][l] = share[lane] * slope;
      }
    }
  }
  return total;
}

// Mean over the outputs of the squared error; targets are count × outputs.
template <class T, bool DUAL>
double mean_squared_error(Block<Numbers<T, DUAL>>* z, int outputs, const T* const* target, const T* share, int count) {
  constexpr int W = WIDTH<T>;
  double total = 0;
  for (int lane = 0; lane < LANES; lane++) {
    const int n = lane / W, l = lane % W;
    double squares = 0;
    for (int c = 0; c < outputs; c++) {
      const T factor = lane < count ? 2 * share[lane] / (T)outputs : 0;
      if constexpr (DUAL) {
        const T error = lane < count ? z[c].v[n].v[l] - target[lane][c] : 0;
        squares += (double)error * (double)error;
        z[c].v[n].v[l] = factor * error;
        z[c].v[n].d[l] = lane < count ? factor * z[c].v[n].d[l] : 0;
      } else {
        const T error = lane < count ? z[c].v[n][l] - target[lane][c] : 0;
        squares += (double)error * (double)error;
        z[c].v[n][l] = factor * error;
      }
    }
    if (lane < count) total += (double)share[lane] * squares / outputs;
  }
  return total;
}

}  // namespace TW_VARIANT
