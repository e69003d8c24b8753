// Sixteen samples lie innermost in every activation: [channel][row][column][16]. A multiply is then
// one weight, broadcast, times whole vectors, whatever the number of channels.
//
// Written once for plain numbers and for dual numbers v + ε·d. Running the reverse pass on duals whose
// tangents are the direction gives, in the tangent of the gradient, the Hessian times the direction
// (forward over reverse).
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#ifndef TW_VECTOR_BYTES
#define TW_VECTOR_BYTES 16
#endif
#ifndef TW_VARIANT
#define TW_VARIANT portable
#endif
#define TW_INLINE inline __attribute__((always_inline))

namespace TW_VARIANT {

constexpr int LANES = 16;

template <class T> struct VectorOf { typedef T type __attribute__((vector_size(TW_VECTOR_BYTES))); };
template <class T> using Vector = typename VectorOf<T>::type;
template <class T> constexpr int WIDTH = TW_VECTOR_BYTES / sizeof(T);
template <class T> constexpr int VECTORS = LANES / WIDTH<T>;

template <class T> struct DualScalar { T v, d; };
template <class T> struct DualVector { Vector<T> v, d; };

template <class T> TW_INLINE DualVector<T> operator*(DualScalar<T> a, const DualVector<T>& b) {
  return {a.v * b.v, a.v * b.d + a.d * b.v};
}
template <class T> TW_INLINE DualVector<T> operator*(const DualVector<T>& a, const DualVector<T>& b) {
  return {a.v * b.v, a.v * b.d + a.d * b.v};
}
template <class T> TW_INLINE DualVector<T> operator+(const DualVector<T>& a, const DualVector<T>& b) {
  return {a.v + b.v, a.d + b.d};
}
template <class T> TW_INLINE void operator+=(DualVector<T>& a, const DualVector<T>& b) {
  a.v += b.v;
  a.d += b.d;
}

// The number system a pass computes in.
template <class T, bool DUAL> struct Numbers;

template <class T> struct Numbers<T, false> {
  using Real = T;
  using V = Vector<T>;
  static constexpr int ACCUMULATORS = 12;  // vectors that fit the registers of a tile
  struct Weights {
    const T* w;
    TW_INLINE T operator[](ptrdiff_t i) const { return w[i]; }
    TW_INLINE Weights operator+(ptrdiff_t i) const { return {w + i}; }
  };
  static TW_INLINE V broadcast(T a) { return V{} + a; }
  static TW_INLINE V zero() { return V{}; }
  static TW_INLINE Vector<T> value(const V& a) { return a; }
  static TW_INLINE V choose(decltype(V{} > V{}) mask, const V& a, const V& b) { return mask ? a : b; }
  static TW_INLINE V scale(const V& a, T factor) { return a * factor; }
  // One weight's gradient from one product, and a bias's from one output gradient.
  static TW_INLINE Vector<T> gradient(const V& dy, const V& x) { return dy * x; }
  static TW_INLINE Vector<T> gradient(T dy, const V& x) { return dy * x; }
  static TW_INLINE Vector<T> gradient(const V& dy) { return dy; }
};

template <class T> struct Numbers<T, true> {
  using Real = T;
  using V = DualVector<T>;
  static constexpr int ACCUMULATORS = 6;
  struct Weights {
    const T *w, *direction;
    TW_INLINE DualScalar<T> operator[](ptrdiff_t i) const { return {w[i], direction[i]}; }
    TW_INLINE Weights operator+(ptrdiff_t i) const { return {w + i, direction + i}; }
  };
  static TW_INLINE V broadcast(DualScalar<T> a) { return {Vector<T>{} + a.v, Vector<T>{} + a.d}; }
  static TW_INLINE V zero() { return {Vector<T>{}, Vector<T>{}}; }
  static TW_INLINE Vector<T> value(const V& a) { return a.v; }
  template <class M> static TW_INLINE V choose(M mask, const V& a, const V& b) {
    return {mask ? a.v : b.v, mask ? a.d : b.d};
  }
  static TW_INLINE V scale(const V& a, T factor) { return {a.v * factor, a.d * factor}; }
  static TW_INLINE Vector<T> gradient(const V& dy, const V& x) { return dy.v * x.d + dy.d * x.v; }
  static TW_INLINE Vector<T> gradient(DualScalar<T> dy, const V& x) { return dy.v * x.d + dy.d * x.v; }
  static TW_INLINE Vector<T> gradient(const V& dy) { return dy.d; }
};

// The sixteen samples of one activation.
template <class N> struct alignas(64) Block { typename N::V v[VECTORS<typename N::Real>]; };

template <class N> constexpr int TILE =
    N::ACCUMULATORS / VECTORS<typename N::Real> > 0 ? N::ACCUMULATORS / VECTORS<typename N::Real> : 1;

template <class T> struct UnalignedOf {
  typedef T type __attribute__((vector_size(TW_VECTOR_BYTES), aligned(sizeof(T))));
};
template <class T> using Unaligned = typename UnalignedOf<T>::type;

// Lanes of the lower (upper) halves of a and b, alternating.
template <class T, int... I>
TW_INLINE Vector<T> interleave(const Vector<T>& a, const Vector<T>& b, int half, std::integer_sequence<int, I...>) {
  constexpr int W = WIDTH<T>;
  return half ? __builtin_shufflevector(a, b, (W / 2 + I / 2 + (I % 2) * W)...)
              : __builtin_shufflevector(a, b, (I / 2 + (I % 2) * W)...);
}

// A square of vectors, transposed in place by log2(width) perfect shuffles.
template <class T> TW_INLINE void transpose_tile(Vector<T>* rows) {
  constexpr int W = WIDTH<T>;
  constexpr auto lanes = std::make_integer_sequence<int, W>{};
  for (int round = 1; round < W; round *= 2) {
    Vector<T> next[W];
    for (int i = 0; i < W / 2; i++) {
      next[2 * i] = interleave<T>(rows[i], rows[i + W / 2], 0, lanes);
      next[2 * i + 1] = interleave<T>(rows[i], rows[i + W / 2], 1, lanes);
    }
    for (int i = 0; i < W; i++) rows[i] = next[i];
  }
}

// Sum over lanes in a fixed order, so that results do not depend on how work was spread.
template <class T> TW_INLINE T sum(Vector<T> a) {
  T total = 0;
  for (int i = 0; i < WIDTH<T>; i++) total += a[i];
  return total;
}

}  // namespace TW_VARIANT
