// Elementwise activations, and their derivative times the incoming gradient.
#pragma once
#include "../functions.hpp"
#include "../simd.hpp"

namespace TW_VARIANT {

enum Activation { RELU = 0, TANH = 1, SIGMOID = 2, GELU = 3 };

// f(v + ε·d) = f(v) + ε·f'(v)·d.
template <class T> TW_INLINE Vector<T> lift(const Vector<T>&, const Vector<T>& f, const Vector<T>&) { return f; }
template <class T> TW_INLINE DualVector<T> lift(const DualVector<T>& x, const Vector<T>& f, const Vector<T>& slope) {
  return {f, slope * x.d};
}

template <class N> TW_INLINE typename N::V activate(int kind, const typename N::V& x) {
  using T = typename N::Real;
  const Vector<T> v = N::value(x), zero = {};
  switch (kind) {
    case RELU:
      return N::choose(v <= zero, N::zero(), x);  // not-a-number is kept
    case TANH: {
      const Vector<T> y = hyperbolic_tangent(v);
      return lift<T>(x, y, 1 - y * y);
    }
    case SIGMOID: {
      const Vector<T> y = logistic(v);
      return lift<T>(x, y, y * (1 - y));
    }
    default: {
      const Vector<T> cdf = normal_cdf<T>(v);
      return lift<T>(x, v * cdf, cdf + v * normal_pdf<T>(v));
    }
  }
}

// dy·f'(x), from the input x and the output y.
template <class N>
TW_INLINE typename N::V activation_gradient(int kind, const typename N::V& x, const typename N::V& y,
                                            const typename N::V& dy) {
  using T = typename N::Real;
  const Vector<T> v = N::value(x), w = N::value(y), zero = {};
  switch (kind) {
    case RELU:
      return N::choose(w > zero, dy, N::zero());
    case TANH:
      return lift<T>(y, 1 - w * w, -2 * w) * dy;
    case SIGMOID:
      return lift<T>(y, w * (1 - w), 1 - 2 * w) * dy;
    default: {
      const Vector<T> pdf = normal_pdf<T>(v);
      return lift<T>(x, normal_cdf<T>(v) + v * pdf, pdf * (2 - v * v)) * dy;
    }
  }
}

template <class N> void activation_forward(int kind, const Block<N>* x, Block<N>* y, ptrdiff_t size) {
  for (ptrdiff_t i = 0; i < size; i++)
    for (int n = 0; n < VECTORS<typename N::Real>; n++) y[i].v[n] = activate<N>(kind, x[i].v[n]);
}

// In place on dy.
template <class N>
void activation_backward(int kind, const Block<N>* x, const Block<N>* y, Block<N>* dy, ptrdiff_t size) {
  for (ptrdiff_t i = 0; i < size; i++)
    for (int n = 0; n < VECTORS<typename N::Real>; n++)
      dy[i].v[n] = activation_gradient<N>(kind, x[i].v[n], y[i].v[n], dy[i].v[n]);
}

}  // namespace TW_VARIANT
