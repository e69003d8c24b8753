// A chain of layers run forward and backward on one block of sixteen samples at a time, so that all
// activations of a block stay in the second-level cache.
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
      : network_(network), scratch_(scratch_size(network)), transposed_(DUAL ? 2 * network.parameters : network.parameters),
        gradient_a_(largest(network)), gradient_b_(largest(network)), carry_(carry_size(network)) {
    for (const Layer& l : network.layers) {
      outputs_.emplace_back(size(l.out));
      kept_.emplace_back(kept_size(l));
    }
    inputs_ = std::make_unique<Aligned<B>>(size(network.layers.front().in));
  }

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

  // Forward on `count` samples; the outputs lie in `result()`.
  void forward(const T* w, const T* direction, const Samples& samples, const int64_t* index, int count) {
    gather(samples, index, count);
    const typename N::Weights weights = make(w, direction);
    const B* x = inputs_->data;
    for (size_t k = 0; k < network_.layers.size(); k++) {
      const Layer& l = network_.layers[k];
      B* y = outputs_[k].data;
      const auto bias = weights + (l.bias < 0 ? 0 : l.bias);
      const auto* b = l.bias < 0 ? nullptr : &bias;
      switch (l.kind) {
        case CONVOLUTION:
          convolution_forward<N>(convolution_of(l), padded(l, x, kept_[k].data), weights + l.weight, b, y);
          break;
        case LINEAR:
          linear_forward<N>(x, (int)size(l.in), weights + l.weight, b, y, (int)l.out[0]);
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
          recurrent_forward<N>(recurrent_of(l), x, weights + l.weight, kept_[k].data, y);
          break;
      }
      x = y;
    }
  }

  const B* result() const { return outputs_.back().data; }

  // A copy of the outputs, where the loss writes their gradient and `backward` starts.
  B* seed() {
    const ptrdiff_t outputs = size(network_.layers.back().out);
    for (ptrdiff_t i = 0; i < outputs; i++) gradient_a_.data[i] = result()[i];
    return gradient_a_.data;
  }

  // From the gradient in `seed()` back to the weights; adds to g.
  void backward(const T* w, const T* direction, T* g) {
    const typename N::Weights weights = make(w, direction), back = make(transposed_.data, transposed_.data + network_.parameters);
    B* dy = gradient_a_.data;
    for (size_t k = network_.layers.size(); k-- > 0;) {
      const Layer& l = network_.layers[k];
      const B* x = k ? outputs_[k - 1].data : inputs_->data;
      const B* y = outputs_[k].data;
      B* dx = k ? (dy == gradient_a_.data ? gradient_b_.data : gradient_a_.data) : nullptr;
      T* db = l.bias < 0 ? nullptr : g + l.bias;
      switch (l.kind) {
        case CONVOLUTION: {
          const Convolution s = convolution_of(l);
          const bool pads = l.pad[0] || l.pad[1];
          convolution_weight_gradient<N>(s, pads ? kept_[k].data : x, dy, g + l.weight, db);
          if (dx) {
            convolution_input_gradient<N>(s, dy, weights + l.weight, pads ? kept_[k].data : dx);
            if (pads) crop(l, kept_[k].data, dx);
          }
          break;
        }
        case LINEAR:
          linear_gradient<T, DUAL>(x, (int)size(l.in), dy, (int)l.out[0], scratch_.data, g + l.weight, db);
          if (dx) linear_forward<N>(dy, (int)l.out[0], back + l.weight, nullptr, dx, (int)size(l.in));
          break;
        case MAX_POOL:
          if (dx) max_pool_backward<N>(pooling_of(l), x, y, dy, dx);
          break;
        case AVERAGE_POOL:
          if (dx) average_pool_backward<N>(pooling_of(l), dy, dx);
          break;
        case ACTIVATION:
          if (dx) activation_backward<N>((int)l.activation, x, y, dy, size(l.out));
          dx = dx ? dy : nullptr;  // in place
          break;
        case RECURRENT:
          recurrent_backward<T, DUAL>(recurrent_of(l), x, kept_[k].data, back + l.weight, dy,
                                      carry_.data + 2 * l.hidden, carry_.data, dx, scratch_.data, g + l.weight);
          break;
      }
      dy = dx;
    }
  }

 private:
  static ptrdiff_t size(const int64_t* shape) { return (ptrdiff_t)(shape[0] * shape[1] * shape[2]); }

  static ptrdiff_t kept_size(const Layer& l) {
    if (l.kind == CONVOLUTION && (l.pad[0] || l.pad[1]))
      return l.in[0] * (l.in[1] + 2 * l.pad[0]) * (l.in[2] + 2 * l.pad[1]);
    if (l.kind == RECURRENT) return l.layers * l.in[0] * l.in[1] * l.hidden;
    return 0;
  }
  static ptrdiff_t largest(const Network& network) {
    ptrdiff_t most = size(network.layers.front().in);
    for (const Layer& l : network.layers) most = std::max(most, size(l.out));
    return most;
  }
  static ptrdiff_t carry_size(const Network& network) {
    ptrdiff_t most = 0;
    for (const Layer& l : network.layers)
      if (l.kind == RECURRENT) most = std::max<ptrdiff_t>(most, (2 + l.in[0] * l.in[1]) * l.hidden);
    return most;
  }
  static ptrdiff_t scratch_size(const Network& network) {
    ptrdiff_t most = 0;
    for (const Layer& l : network.layers) most = std::max<ptrdiff_t>(most, std::max<ptrdiff_t>(size(l.in), l.hidden));
    return 2 * LANES * (most + WIDTH<T>);
  }
  static typename N::Weights make(const T* w, const T* direction) {
    if constexpr (DUAL) return {w, direction};
    else return {w};
  }

  void gather(const Samples& samples, const int64_t* index, int count) {
    const ptrdiff_t inputs = size(network_.layers.front().in);
    T* to = (T*)inputs_->data;
    constexpr int W = WIDTH<T>, PLANES = DUAL ? 2 : 1;
    for (int lane = 0; lane < LANES; lane++) {
      // A lane without a sample repeats the first; its gradient is zeroed by the loss.
      const int64_t sample = index[lane < count ? lane : 0];
      T* column = to + (lane / W) * W * PLANES + lane % W;
      if (samples.is_uint8) {
        const uint8_t* from = (const uint8_t*)samples.inputs + sample * inputs;
        const T scale = (T)samples.scale, offset = (T)samples.offset;
        for (ptrdiff_t i = 0; i < inputs; i++) column[i * LANES * PLANES] = (T)from[i] * scale + offset;
      } else {
        const T* from = (const T*)samples.inputs + sample * inputs;
        for (ptrdiff_t i = 0; i < inputs; i++) column[i * LANES * PLANES] = from[i];
      }
      if constexpr (DUAL)
        for (ptrdiff_t i = 0; i < inputs; i++) column[i * LANES * PLANES + W] = 0;
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
  Aligned<T> scratch_, transposed_;
  Aligned<B> gradient_a_, gradient_b_, carry_;
  std::vector<Aligned<B>> outputs_, kept_;
  std::unique_ptr<Aligned<B>> inputs_;
};

}  // namespace TW_VARIANT
