// A network's description is checked before any memory is touched.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include "description.hpp"

inline int64_t size_of(const int64_t* shape) { return shape[0] * shape[1] * shape[2]; }

inline void check_layer(const Layer& l, int64_t parameters) {
  constexpr int64_t MOST = int64_t(1) << 26;  // activations a sample, and any single dimension
  auto need = [](bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
  };
  auto positive = [&](const int64_t* shape) {
    int64_t size = 1;
    for (int i = 0; i < 3; i++) {
      need(shape[i] >= 1 && shape[i] <= MOST, "a dimension is not between 1 and 2^26");
      need(size <= MOST / shape[i], "a layer has more than 2^26 activations a sample");
      size *= shape[i];
    }
  };
  auto within = [&](int64_t offset, int64_t rows, int64_t columns) {
    need(rows <= MOST && columns <= MOST, "a weight matrix is too large");
    need(offset >= 0 && offset <= parameters && rows * columns <= parameters - offset,
         "a parameter lies outside its row");
  };
  positive(l.in);
  positive(l.out);
  switch (l.kind) {
    case CONVOLUTION:
    case MAX_POOL:
    case AVERAGE_POOL:
      for (int i = 0; i < 2; i++) {
        need(l.kernel[i] >= 1 && l.kernel[i] <= MOST && l.stride[i] >= 1 && l.stride[i] <= MOST && l.pad[i] >= 0 &&
                 l.pad[i] <= MOST,
             "a kernel, stride or padding is out of range");
        const int64_t room = l.in[i + 1] + 2 * l.pad[i] - l.kernel[i];
        need(room >= 0 && l.out[i + 1] == room / l.stride[i] + 1, "a window does not fit its input");
      }
      if (l.kind == CONVOLUTION) {
        const int64_t padded[3] = {l.in[0], l.in[1] + 2 * l.pad[0], l.in[2] + 2 * l.pad[1]};
        positive(padded);
        need(l.kernel[0] * l.kernel[1] <= MOST, "a kernel is too large");
        within(l.weight, l.out[0], l.in[0] * l.kernel[0] * l.kernel[1]);
      } else {
        need(l.out[0] == l.in[0], "pooling keeps its channels");
        need(l.pad[0] == 0 && l.pad[1] == 0, "pooling has no padding");
      }
      break;
    case LINEAR:
      need(l.out[1] == 1 && l.out[2] == 1, "a linear layer has a vector for output");
      within(l.weight, l.out[0], size_of(l.in));
      break;
    case ACTIVATION:
      need(size_of(l.in) == size_of(l.out), "an activation keeps its shape");
      break;
    case RECURRENT: {
      need(l.hidden >= 1 && l.hidden <= 65536 && l.layers >= 1 && l.layers <= 1024, "a recurrent layer is out of range");
      need(l.out[0] == l.hidden && l.out[1] == 1 && l.out[2] == 1, "a recurrent layer gives its last state");
      const int64_t first = l.hidden * (l.in[2] + l.hidden + 2), later = (l.layers - 1) * l.hidden * (2 * l.hidden + 2);
      within(l.weight, 1, first + later);
      break;
    }
    default:
      need(false, "a layer is of an unknown kind");
  }
  if (l.kind == ACTIVATION || l.kind == RECURRENT)
    need(l.activation >= 0 && l.activation <= 3, "an activation is unknown");
  if (l.kind == CONVOLUTION || l.kind == LINEAR)
    if (l.bias >= 0) within(l.bias, 1, l.out[0]);
}

// Throws std::invalid_argument with the reason and the layer's number.
inline void check_network(const Network& network) {
  if (network.layers.empty()) throw std::invalid_argument("a network has no layers");
  if (network.parameters < 0 || network.parameters > int64_t(1) << 40)
    throw std::invalid_argument("the number of parameters is out of range");
  if (network.loss < 0 || network.loss > 1) throw std::invalid_argument("the loss is unknown");
  if (!(network.smoothing >= 0 && network.smoothing <= 1))
    throw std::invalid_argument("label smoothing is not between 0 and 1");
  for (size_t k = 0; k < network.layers.size(); k++) {
    try {
      check_layer(network.layers[k], network.parameters);
      if (k && size_of(network.layers[k].in) != size_of(network.layers[k - 1].out))
        throw std::invalid_argument("its input does not fit the output before it");
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument("layer " + std::to_string(k) + ": " + error.what());
    }
  }
}
