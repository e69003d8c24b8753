// What a network is and what a call works on; shared by all variants of the kernels.
#pragma once
#include <cstdint>
#include <vector>

enum LayerKind { CONVOLUTION = 0, MAX_POOL = 1, AVERAGE_POOL = 2, LINEAR = 3, ACTIVATION = 4, RECURRENT = 5 };

struct Layer {
  int64_t kind;
  int64_t in[3], out[3];  // channels, rows, columns
  int64_t kernel[2], stride[2], pad[2];
  int64_t activation;      // of ACTIVATION and RECURRENT layers
  int64_t hidden, layers;  // of RECURRENT layers
  int64_t weight, bias;    // offsets within a row of parameters; bias −1 for none
};

struct Network {
  std::vector<Layer> layers;
  int64_t parameters;
  int64_t loss;
  double smoothing;
  uint64_t id;  // differs between any two networks of a process

  int64_t outputs() const {
    const int64_t* shape = layers.back().out;
    return shape[0] * shape[1] * shape[2];
  }
};

// Inputs as they are stored; a uint8 value u enters as u·scale + offset.
struct Samples {
  const void* inputs;
  int64_t count;  // how many there are
  int64_t is_uint8;
  double scale, offset;
  const void* targets;  // int64 classes, or real targets, by the loss
};
