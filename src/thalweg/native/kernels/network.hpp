// A chain of layers run forward and backward on a few blocks of sixteen samples at a time: as many as
// keep their activations in the second-level cache.
#pragma once
#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "description.hpp"
#include "layers/activation.hpp"
#include "layers/convolution.hpp"
#include "layers/linear.hpp"
#include "layers/loss.hpp"
#include "layers/pooled_convolution.hpp"
#include "layers/pooling.hpp"
#include "layers/recurrent.hpp"
#include "simd.hpp"

namespace TW_VARIANT {

template <class T> struct Aligned {
  T* data = nullptr;
  explicit Aligned(size_t count) {
    data = static_cast<T*>(::operator new(count * sizeof(T) + 64, std::align_val_t(64)));
  }
  Aligned(Aligned&& other) : data(other.data) { other.data = nullptr; }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  ~Aligned() { ::operator delete(data, std::align_val_t(64)); }
};

constexpr ptrdiff_t CACHE_BYTES = 512 << 10, MOST_BLOCKS = 8;

inline Convolution convolution_of(const Layer& l) {
  return {(int)l.in[0], (int)(l.in[1] + 2 * l.pad[0]), (int)(l.in[2] + 2 * l.pad[1]), (int)l.out[0], (int)l.out[1],
          (int)l.out[2], (int)l.kernel[0], (int)l.kernel[1], (int)l.stride[0], (int)l.stride[1]};
}
inline Pooling pooling_of(const Layer& l) {
  return {(int)l.in[0], (int)l.in[1], (int)l.in[2], (int)l.out[1], (int)l.out[2],
          (int)l.kernel[0], (int)l.kernel[1], (int)l.stride[0], (int)l.stride[1]};
}
inline Recurrent recurrent_of(const Layer& l) {
  return {(int)l.in[1] * (int)l.in[0], (int)l.in[2], (int)l.hidden, (int)l.layers, (int)l.activation};
}

// Working memory of one thread, and the passes over it.
template <class T, bool DUAL> class Pass {
  using N = Numbers<T, DUAL>;
  using B = Block<N>;

 public:
  explicit Pass(const Network& network)
      : network_(network), most_blocks_(most_blocks(network)), scratch_(scratch_size(network, most_blocks_)),
        transposed_(DUAL ? 2 * network.parameters : network.parameters), inputs_(most_blocks_ * size(network.layers.front().in)),
        gradient_a_(most_blocks_ * largest(network)), gradient_b_(most_blocks_ * largest(network)),
        through_time_(through_time_size(network)), corners_(hits_size(network)), hits_(hits_size(network)) {
    for (const Layer& l : network.layers) {
      outputs_.emplace_back(most_blocks_ * size(l.out));
      kept_.emplace_back(most_blocks_ * kept_size(l));
    }
  }

  // Samples that one pass takes at most. It depends on the network alone, since it decides in which
  // order a gradient is summed.
  int64_t most_samples() const { return most_blocks_ * LANES; }

  // Transposes of the weights that the backward pass reads along their outputs; once a row.
  void prepare(const T* w, const T* direction) {
    for (size_t k = 0; k < network_.layers.size(); k++) {
      const Layer& l = network_.layers[k];
      if (l.kind == LINEAR && k > 0) transpose(w, direction, l.weight, l.out[0], size(l.in));
      if (l.kind == RECURRENT) {
        const Recurrent s = recurrent_of(l);
        for (int layer = 0; layer < s.layers; layer++) {
          const auto at = recurrent_offsets(s, layer);
          transpose(w, direction, l.weight + at.input, s.hidden, layer ? s.hidden : s.features);
          transpose(w, direction, l.weight + at.recurrent, s.hidden, s.hidden);
        }
      }
    }
  }

  // Forward on `count` samples; the outputs of block b lie in `result(b)`.
  void forward(const T* w, const T* direction, const Samples& samples, const int64_t* index, int count) {
    blocks_ = (count + LANES - 1) / LANES;
    for (int b = 0; b < blocks_; b++) {
      B* to = inputs_.data + b * size(network_.layers.front().in);
      const int here = std::min(LANES, count - b * LANES);
      if (samples.is_uint8)
        gather((const uint8_t*)samples.inputs, (T)samples.scale, (T)samples.offset, index + b * LANES, here, to);
      else
        gather((const T*)samples.inputs, (T)1, (T)0, index + b * LANES, here, to);
    }
    const typename N::Weights weights = make(w, direction);
    for (size_t k = 0; k < network_.layers.size(); k++) {
      const Layer& l = network_.layers[k];
      const auto bias = weights + (l.bias < 0 ? 0 : l.bias);
      const auto* add = l.bias < 0 ? nullptr : &bias;
      if (l.kind == LINEAR)
        linear_forward<N>(input(k, 0), (int)size(l.in), weights + l.weight, add, output(k, 0), (int)l.out[0], blocks_);
      else
        for (int b = 0; b < blocks_; b++) forward(k, weights, add, b);
    }
  }

  const B* result(int block) const { return output(network_.layers.size() - 1, block); }

  // A copy of a block's outputs, where the loss writes their gradient and `backward` starts.
  B* seed(int block) {
    const ptrdiff_t outputs = size(network_.layers.back().out);
    return std::copy_n(result(block), outputs, gradient_a_.data + block * outputs) - outputs;
  }

  // From the gradients in `seed` back to the weights; adds to g.
  void backward(const T* w, const T* direction, T* g) {
    const typename N::Weights weights = make(w, direction), back = make(transposed_.data, transposed_.data + network_.parameters);
    B *dy = gradient_a_.data, *above = nullptr;  // `above` is the gradient one layer up
    for (size_t k = network_.layers.size(); k-- > 0;) {
      const Layer& l = network_.layers[k];
      B* dx = k ? (dy == gradient_a_.data ? gradient_b_.data : gradient_a_.data) : nullptr;
      if (l.kind == ACTIVATION) {
        if (k) activation_backward<N>((int)l.activation, input(k, 0), output(k, 0), dy, blocks_ * size(l.out));
        dx = k ? dy : nullptr;  // in place
      } else if (l.kind == LINEAR) {
        linear_gradient<T, DUAL>(input(k, 0), (int)size(l.in), dy, (int)l.out[0], blocks_, scratch_.data, g + l.weight,
                                 l.bias < 0 ? nullptr : g + l.bias);
        if (dx) linear_forward<N>(dy, (int)l.out[0], back + l.weight, nullptr, dx, (int)size(l.in), blocks_);
      } else {
        // All blocks' weights before any block's inputs: dx lies where `above` lay.
        if (l.kind == CONVOLUTION)
          for (int b = 0; b < blocks_; b++) weight_gradient(k, b, above, dy + b * size(l.out), g);
        for (int b = 0; b < blocks_; b++)
          backward(k, weights, back, b, dy + b * size(l.out), dx ? dx + b * size(l.in) : nullptr, g);
      }
      above = dy;
      dy = dx;
    }
  }

 private:
  // One block through one layer.
  void forward(size_t k, typename N::Weights weights, const typename N::Weights* bias, int b) {
    const Layer& l = network_.layers[k];
    const B* x = input(k, b);
    B* y = output(k, b);
    switch (l.kind) {
      case CONVOLUTION:
        convolution_forward<N>(convolution_of(l), padded(l, x, kept(k, b)), weights + l.weight, bias, y);
        break;
      case MAX_POOL:
        max_pool_forward<N>(pooling_of(l), x, y);
        break;
      case AVERAGE_POOL:
        average_pool_forward<N>(pooling_of(l), x, y);
        break;
      case ACTIVATION:
        activation_forward<N>((int)l.activation, x, y, size(l.out));
        break;
      case RECURRENT:
        recurrent_forward<N>(recurrent_of(l), x, weights + l.weight, kept(k, b), y);
        break;
    }
  }

  // One block's share of the gradient of a convolution's weights; `above` holds all blocks' gradients of
  // the outputs of the layer above.
  void weight_gradient(size_t k, int b, const B* above, const B* dy, T* g) {
    const Layer& l = network_.layers[k];
    const Convolution s = convolution_of(l);
    const B* x = l.pad[0] || l.pad[1] ? kept(k, b) : input(k, b);
    T *dw = g + l.weight, *db = l.bias < 0 ? nullptr : g + l.bias;
    if (under_pool(network_, k)) {
      const Layer& pool = network_.layers[k + 1];
      pooled_convolution_weight_gradient<T, DUAL>(s, pooling_of(pool), x, output(k, b), output(k + 1, b),
                                                  above + b * size(pool.out), scratch_.data, corners_.data, hits_.data, dw,
                                                  db);
    } else {
      convolution_weight_gradient<T, DUAL>(s, x, dy, dw, db);
    }
  }

  // One block back through one layer: dx from dy, and the gradient of a recurrent layer's weights.
  void backward(size_t k, typename N::Weights weights, typename N::Weights back, int b, const B* dy, B* dx, T* g) {
    const Layer& l = network_.layers[k];
    const B *x = input(k, b), *y = output(k, b);
    switch (l.kind) {
      case CONVOLUTION:
        if (!dx) break;
        if (l.pad[0] || l.pad[1]) {
          convolution_input_gradient<N>(convolution_of(l), dy, weights + l.weight, kept(k, b));
          crop(l, kept(k, b), dx);
        } else {
          convolution_input_gradient<N>(convolution_of(l), dy, weights + l.weight, dx);
        }
        break;
      case MAX_POOL:
        // Nobody reads the gradient between the first layer, a convolution, and its pool.
        if (dx && !(k == 1 && under_pool(network_, 0))) max_pool_backward<N>(pooling_of(l), x, y, dy, dx);
        break;
      case AVERAGE_POOL:
        if (dx) average_pool_backward<N>(pooling_of(l), dy, dx);
        break;
      case RECURRENT: {
        B* dz = through_time_.data;
        B *below = dz + l.in[0] * l.in[1] * l.hidden, *carry = below + l.in[0] * l.in[1] * l.hidden;
        recurrent_backward<T, DUAL>(recurrent_of(l), x, kept(k, b), back + l.weight, dy, dz, below, carry, dx, scratch_.data,
                                    g + l.weight);
        break;
      }
    }
  }

  const B* input(size_t k, int b) const {
    return k ? output(k - 1, b) : inputs_.data + b * size(network_.layers.front().in);
  }
  B* output(size_t k, int b) const { return outputs_[k].data + b * size(network_.layers[k].out); }
  B* kept(size_t k, int b) const { return kept_[k].data + b * kept_size(network_.layers[k]); }
  static ptrdiff_t size(const int64_t* shape) { return (ptrdiff_t)(shape[0] * shape[1] * shape[2]); }

  static ptrdiff_t kept_size(const Layer& l) {
    if (l.kind == CONVOLUTION && (l.pad[0] || l.pad[1]))
      return l.in[0] * (l.in[1] + 2 * l.pad[0]) * (l.in[2] + 2 * l.pad[1]);
    if (l.kind == RECURRENT) return l.layers * l.in[0] * l.in[1] * l.hidden;
    return 0;
  }
  // The largest gradient between two layers.
  static ptrdiff_t largest(const Network& network) {
    ptrdiff_t most = 0;
    for (const Layer& l : network.layers) most = std::max(most, size(l.out));
    return most;
  }
  static ptrdiff_t through_time_size(const Network& network) {
    ptrdiff_t most = 0;
    for (const Layer& l : network.layers)
      if (l.kind == RECURRENT) most = std::max<ptrdiff_t>(most, (2 * l.in[0] * l.in[1] + 1) * l.hidden);
    return most;
  }
  // As many blocks as keep all activations in about half a megabyte, at most MOST_BLOCKS.
  static int most_blocks(const Network& network) {
    ptrdiff_t activations = size(network.layers.front().in) + 2 * largest(network) + through_time_size(network);
    for (const Layer& l : network.layers) activations += size(l.out) + kept_size(l);
    const ptrdiff_t fitting = CACHE_BYTES / (activations * (ptrdiff_t)sizeof(B));
    return (int)std::max<ptrdiff_t>(1, std::min(MOST_BLOCKS, fitting));
  }
  static ptrdiff_t scratch_size(const Network& network, int blocks) {
    ptrdiff_t most = 0;
    for (const Layer& l : network.layers) {
      const int together = l.kind == LINEAR ? blocks : l.kind == RECURRENT ? STEPS_TOGETHER : 1;
      const ptrdiff_t count = l.kind == RECURRENT ? std::max(l.hidden, l.in[2]) : std::max(size(l.in), kept_size(l));
      most = std::max(most, sample_major_size<T>(count, together));
    }
    return most;
  }
  // Whether layer k is a convolution whose gradient comes through a max pool right above it.
  static bool under_pool(const Network& network, size_t k) {
    const auto& layers = network.layers;
    return layers[k].kind == CONVOLUTION && k + 1 < layers.size() && layers[k + 1].kind == MAX_POOL &&
           gradient_is_sparse(convolution_of(layers[k]), pooling_of(layers[k + 1]));
  }
  static ptrdiff_t hits_size(const Network& network) {
    ptrdiff_t most = 0;
    for (size_t k = 0; k < network.layers.size(); k++)
      if (under_pool(network, k)) most = std::max<ptrdiff_t>(most, network.layers[k + 1].out[1] * network.layers[k + 1].out[2]);
    return LANES * most;
  }
  static typename N::Weights make(const T* w, const T* direction) {
    if constexpr (DUAL) return {w, direction};
    else return {w};
  }

  // The first layer's inputs: of each sample a vector of values at a time, transposed.
  template <class Stored> void gather(const Stored* from, T scale, T offset, const int64_t* index, int count, B* to) {
    typedef Stored Loaded __attribute__((vector_size(WIDTH<T> * sizeof(Stored)), aligned(sizeof(Stored))));
    constexpr int W = WIDTH<T>;
    const ptrdiff_t inputs = size(network_.layers.front().in);
    for (int n = 0; n < VECTORS<T>; n++) {
      const Stored* sample[W];
      // A lane without a sample repeats the first; its gradient is zeroed by the loss.
      for (int k = 0; k < W; k++) sample[k] = from + index[n * W + k < count ? n * W + k : 0] * inputs;
      for (ptrdiff_t i = 0; i < inputs; i += W) {
        Vector<T> tile[W];
        const int rest = inputs - i < W ? (int)(inputs - i) : W;
        for (int k = 0; k < W; k++) {
          Loaded values = {};
          if (rest == W) values = *(const Loaded*)(sample[k] + i);
          else
            for (int j = 0; j < rest; j++) values[j] = sample[k][i + j];
          tile[k] = __builtin_convertvector(values, Vector<T>) * scale + offset;
        }
        transpose_tile<T>(tile);
        for (int k = 0; k < rest; k++) {
          if constexpr (DUAL) to[i + k].v[n] = {tile[k], Vector<T>{}};
          else to[i + k].v[n] = tile[k];
        }
      }
    }
  }

  static const B* padded(const Layer& l, const B* x, B* to) {
    if (!l.pad[0] && !l.pad[1]) return x;
    const ptrdiff_t height = l.in[1] + 2 * l.pad[0], width = l.in[2] + 2 * l.pad[1];
    for (ptrdiff_t c = 0; c < l.in[0]; c++)
      for (ptrdiff_t y = 0; y < height; y++)
        for (ptrdiff_t z = 0; z < width; z++) {
          const ptrdiff_t iy = y - l.pad[0], iz = z - l.pad[1];
          const bool inside = iy >= 0 && iy < l.in[1] && iz >= 0 && iz < l.in[2];
          B& block = to[(c * height + y) * width + z];
          for (int n = 0; n < VECTORS<T>; n++)
            block.v[n] = inside ? x[(c * l.in[1] + iy) * l.in[2] + iz].v[n] : N::zero();
        }
    return to;
  }

  static void crop(const Layer& l, const B* from, B* dx) {
    const ptrdiff_t height = l.in[1] + 2 * l.pad[0], width = l.in[2] + 2 * l.pad[1];
    for (ptrdiff_t c = 0; c < l.in[0]; c++)
      for (ptrdiff_t y = 0; y < l.in[1]; y++)
        for (ptrdiff_t z = 0; z < l.in[2]; z++)
          dx[(c * l.in[1] + y) * l.in[2] + z] = from[(c * height + y + l.pad[0]) * width + z + l.pad[1]];
  }

  void transpose(const T* w, const T* direction, ptrdiff_t at, ptrdiff_t rows, ptrdiff_t columns) {
    for (int plane = 0; plane < (DUAL ? 2 : 1); plane++) {
      const T* from = (plane ? direction : w) + at;
      T* to = transposed_.data + plane * network_.parameters + at;
      constexpr ptrdiff_t TILE_ROWS = 16;
      for (ptrdiff_t r = 0; r < rows; r += TILE_ROWS)
        for (ptrdiff_t c = 0; c < columns; c++)
          for (ptrdiff_t k = r; k < std::min(r + TILE_ROWS, rows); k++) to[c * rows + k] = from[k * columns + c];
    }
  }

  const Network network_;
  const ptrdiff_t most_blocks_;
  int blocks_ = 0;  // of the pass under way
  Aligned<T> scratch_, transposed_;
  Aligned<B> inputs_, gradient_a_, gradient_b_, through_time_;
  Aligned<int> corners_;
  Aligned<Hit<T, DUAL>> hits_;
  std::vector<Aligned<B>> outputs_, kept_;
};

}  // namespace TW_VARIANT
