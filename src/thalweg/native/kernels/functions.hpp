// Elementary functions on vectors. Float versions are polynomials good to a few units in the last
// place; double versions call the C library, lane by lane: they serve tests and curvature.
#pragma once
#include <cmath>
#include <cstring>
#include <type_traits>

#include "simd.hpp"

namespace TW_VARIANT {

template <class T, class F> TW_INLINE Vector<T> by_lane(const Vector<T>& x, F f) {
  Vector<T> y = {};
  for (int i = 0; i < WIDTH<T>; i++) y[i] = f(x[i]);
  return y;
}

// e^x = 2^n · e^r with n = round(x / ln 2), |r| ≤ ln 2 / 2, and e^r by its Taylor series to r^7
// (remainder below 2^-27 relative). Arguments are clamped to where the result is a normal float;
// not-a-number passes through.
TW_INLINE Vector<float> exponential(Vector<float> x) {
  using V = Vector<float>;
  typedef int32_t I __attribute__((vector_size(TW_VECTOR_BYTES)));
  const V low = V{} - 87.0f, high = V{} + 88.0f;
  const V c = x < low ? low : (x > high ? high : x);
  const V magic = V{} + 12582912.0f;  // 1.5 · 2^23: adding it rounds to an integer
  const V n = (c * 1.44269504088896341f + magic) - magic;
  const V r = (c - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts, the first exact
  V p = V{} + 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const I exponent = (__builtin_convertvector(n, I) + 127) << 23;
  V power;
  std::memcpy(&power, &exponent, sizeof power);
  const V y = p * power;
  return x == x ? y : x;
}
TW_INLINE Vector<double> exponential(Vector<double> x) {
  return by_lane<double>(x, [](double a) { return std::exp(a); });
}

// tanh x as x·P(x²)/Q(x²), the minimax fraction of Eigen's ptanh_float (Eigen/src/Core,
// MathFunctionsImpl.h), and ±1 beyond 7.9. Not-a-number passes through.
TW_INLINE Vector<float> hyperbolic_tangent(Vector<float> x) {
  using V = Vector<float>;
  const V zero = {}, one = zero + 1.0f, s = x * x;
  V p = V{} - 2.76076847742355e-16f;
  p = p * s + 2.00018790482477e-13f;
  p = p * s - 8.60467152213735e-11f;
  p = p * s + 5.12229709037114e-08f;
  p = p * s + 1.48572235717979e-05f;
  p = p * s + 6.37261928875436e-04f;
  p = p * s + 4.89352455891786e-03f;
  V q = V{} + 1.19825839466702e-06f;
  q = q * s + 1.18534705686654e-04f;
  q = q * s + 2.26843463243900e-03f;
  q = q * s + 4.89352518554385e-03f;
  const V limit = x < zero ? -one : one;
  // For the smallest arguments the fraction's constant terms would cost a unit in the last place.
  return s < (zero + 1.6e-7f) ? x : (s > (zero + 62.4f) ? limit : x * p / q);
}
TW_INLINE Vector<double> hyperbolic_tangent(Vector<double> x) {
  return by_lane<double>(x, [](double a) { return std::tanh(a); });
}

// 1/(1 + e^−x), by e^−|x| so that small results keep their relative accuracy.
TW_INLINE Vector<float> logistic(Vector<float> x) {
  using V = Vector<float>;
  const V zero = {}, one = zero + 1.0f, q = exponential(x < zero ? x : -x);
  return (x < zero ? q : one) / (one + q);
}
TW_INLINE Vector<double> logistic(Vector<double> x) {
  return by_lane<double>(x, [](double a) { return 1.0 / (1.0 + std::exp(-a)); });
}

// Φ(x), the normal distribution function.
template <class T> TW_INLINE Vector<T> normal_cdf(Vector<T> x) {
  return by_lane<T>(x, [](T a) { return (T)0.5 * std::erfc(-a * (T)0.70710678118654752440); });
}
// φ(x), the normal density; 0 where it is below every normal float.
template <class T> TW_INLINE Vector<T> normal_pdf(Vector<T> x) {
  const Vector<T> zero = {}, s = x * x;
  return s > (T)174 ? zero : (T)0.39894228040143267794 * exponential(s * (T)-0.5);
}

}  // namespace TW_VARIANT
