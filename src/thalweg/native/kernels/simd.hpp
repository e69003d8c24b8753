// Sixteen samples lie innermost in every activation: [channel][row][column][16]. A multiply is then
// one weight, broadcast, times whole vectors, whatever the number of channels.
//
// Written once for plain numbers and for dual numbers v + ε·d. Running the reverse pass on duals whose
// tangents are the direction gives, in the tangent of the gradient, the Hessian times the direction
// (forward over reverse).
#pragma once
#include <cstddef>
#include <cstdint>

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

// Sum over lanes in a fixed order, so that results do not depend on how work was spread.
template <class T> TW_INLINE T sum(Vector<T> a) {
  T total = 0;
  for (int i = 0; i < WIDTH<T>; i++) total += a[i];
  return total;
}

}  // namespace TW_VARIANT
