// One call across the C interface, and the table of functions that every variant provides.
#pragma once
#include "description.hpp"

// Rows of W (and of the direction and the result) lie `stride` apart. `index` holds `batch` sample
// numbers, one list a row `index_stride` apart, or a single one if that is 0. `shares` holds each
// sample's weight in the loss, or is null for 1/batch.
template <class T> struct Call {
  const T *weights, *direction;
  T* result;
  int64_t rows, stride, result_stride;
  Samples samples;
  const int64_t* index;
  int64_t index_stride, batch;
  const T* shares;
  double* losses;
  int threads;
};

struct Variant {
  const char* name;
  bool (*supported)();
  void (*gradient_f32)(const Network&, const Call<float>&);
  void (*gradient_f64)(const Network&, const Call<double>&);
  void (*product_f32)(const Network&, const Call<float>&);
  void (*product_f64)(const Network&, const Call<double>&);
  void (*outputs_f32)(const Network&, const Call<float>&);
  void (*outputs_f64)(const Network&, const Call<double>&);
};
