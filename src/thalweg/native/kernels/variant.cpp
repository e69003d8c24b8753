// The kernels, compiled once for every instruction set: TW_VARIANT names the namespace and
// TW_VECTOR_BYTES the width of a vector.
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "call.hpp"
#include "network.hpp"

namespace TW_VARIANT {

// A row's batch is cut into segments by its size alone, each summed in order into a partial
// gradient, and the partials are added in order: the result is the same for any number of threads
// and whatever other rows there are.
constexpr int64_t SEGMENT_BLOCKS = 8, MOST_SEGMENTS = 8;

inline int64_t segments_of(int64_t batch) {
  const int64_t blocks = (batch + LANES - 1) / LANES;
  return std::max<int64_t>(1, std::min(MOST_SEGMENTS, blocks / SEGMENT_BLOCKS));
}

// Run `work` on up to `threads` threads; each draws task numbers until none is left. What a thread
// throws is thrown here, when all have ended.
template <class F> void spread(int64_t tasks, int threads, F work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  auto loop = [&] {
    try {
      work([&] { return next.fetch_add(1); });
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard);
      failure = std::current_exception();
      next = tasks;
    }
  };
  std::vector<std::thread> pool;
  try {
    for (int64_t i = 1; i < std::min<int64_t>(threads, tasks); i++) pool.emplace_back(loop);
  } catch (const std::exception&) {  // the system has no more threads: those there are do the work
  }
  loop();
  for (auto& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

template <class T, bool DUAL>
double segment(Pass<T, DUAL>& pass, const Network& network, const Call<T>& call, int64_t row, int64_t begin, int64_t end,
               T* g) {
  const T* w = call.weights + row * call.stride;
  const T* direction = DUAL ? call.direction + row * call.stride : nullptr;
  const int64_t* index = call.index + row * call.index_stride;
  const int outputs = (int)network.outputs();
  double loss = 0;
  for (int64_t at = begin; at < end; at += pass.most_samples()) {
    const int together = (int)std::min(pass.most_samples(), end - at);
    pass.forward(w, direction, call.samples, index + at, together);
    for (int first = 0; first < together; first += LANES) {
      const int count = std::min(LANES, together - first);
      const int64_t* samples = index + at + first;
      Block<Numbers<T, DUAL>>* seed = pass.seed(first / LANES);
      T share[LANES];
      for (int lane = 0; lane < count; lane++)
        share[lane] = call.shares ? call.shares[at + first + lane] : (T)1 / (T)call.batch;
      if (network.loss == CROSS_ENTROPY) {
        int64_t target[LANES];
        for (int lane = 0; lane < count; lane++) target[lane] = ((const int64_t*)call.samples.targets)[samples[lane]];
        loss += cross_entropy<T, DUAL>(seed, outputs, target, share, count, (T)network.smoothing);
      } else {
        const T* target[LANES];
        for (int lane = 0; lane < count; lane++) target[lane] = (const T*)call.samples.targets + samples[lane] * outputs;
        loss += mean_squared_error<T, DUAL>(seed, outputs, target, share, count);
      }
    }
    pass.backward(w, direction, g);
  }
  return loss;
}

// The working memory of the calling thread is kept from call to call: allocating it anew costs page
// faults worth a good part of a small step.
template <class T, bool DUAL> Pass<T, DUAL>& pass_of(const Network& network) {
  static thread_local uint64_t owner = 0;
  static thread_local std::unique_ptr<Pass<T, DUAL>> kept;
  if (!kept || owner != network.id) {
    kept = std::make_unique<Pass<T, DUAL>>(network);
    owner = network.id;
  }
  return *kept;
}

template <class T> void check_samples(const Network& network, const Call<T>& call, bool targets) {
  const int64_t outputs = network.outputs(), lists = call.index_stride ? call.rows : 1;
  for (int64_t row = 0; row < lists; row++)
    for (int64_t i = 0; i < call.batch; i++) {
      const int64_t sample = call.index[row * call.index_stride + i];
      if (sample < 0 || sample >= call.samples.count) throw std::out_of_range("a sample's number is out of range");
      if (!targets || network.loss != CROSS_ENTROPY) continue;
      const int64_t target = static_cast<const int64_t*>(call.samples.targets)[sample];
      if (target < 0 || target >= outputs) throw std::out_of_range("a class is out of range");
    }
}

template <class T, bool DUAL> void reverse_pass(const Network& network, const Call<T>& call) {
  check_samples(network, call, true);
  const int64_t D = network.parameters, segments = segments_of(call.batch);
  const int64_t blocks = (call.batch + LANES - 1) / LANES;
  // A row of one segment is summed in place; more need partials, so fewer rows are open at once.
  const int64_t open = segments == 1 ? call.rows : std::max<int64_t>(1, (call.threads + segments - 1) / segments);
  std::vector<T> partial(segments == 1 ? 0 : open * segments * D);
  std::vector<double> losses(open * segments);
  for (int64_t first = 0; first < call.rows; first += open) {
    const int64_t rows = std::min(open, call.rows - first);
    spread(rows * segments, call.threads, [&](auto next) {
      Pass<T, DUAL>& pass = pass_of<T, DUAL>(network);
      int64_t prepared = -1;
      for (int64_t task = next(); task < rows * segments; task = next()) {
        const int64_t row = first + task / segments, s = task % segments;
        if (row != prepared) {
          pass.prepare(call.weights + row * call.stride, DUAL ? call.direction + row * call.stride : nullptr);
          prepared = row;
        }
        T* g = segments == 1 ? call.result + row * call.result_stride : partial.data() + task * D;
        std::fill(g, g + D, (T)0);
        const int64_t begin = s * blocks / segments * LANES, end = (s + 1) * blocks / segments * LANES;
        losses[task] = segment<T, DUAL>(pass, network, call, row, begin, std::min(end, call.batch), g);
      }
    });
    for (int64_t row = 0; row < rows; row++) {
      double loss = 0;
      for (int64_t s = 0; s < segments; s++) loss += losses[row * segments + s];
      call.losses[first + row] = loss;
      if (segments == 1) continue;
      T* g = call.result + (first + row) * call.result_stride;
      std::copy_n(partial.data() + row * segments * D, D, g);
      for (int64_t s = 1; s < segments; s++) {
        const T* from = partial.data() + (row * segments + s) * D;
        for (int64_t i = 0; i < D; i++) g[i] += from[i];
      }
    }
  }
}

// The networks' outputs, (rows, batch, outputs) one after the other in `result`.
template <class T> void outputs_pass(const Network& network, const Call<T>& call) {
  check_samples(network, call, false);
  const int64_t outputs = network.outputs(), blocks = (call.batch + LANES - 1) / LANES;
  constexpr int64_t CHUNK = 16;  // blocks a task
  const int64_t chunks = (blocks + CHUNK - 1) / CHUNK;
  spread(call.rows * chunks, call.threads, [&](auto next) {
    Pass<T, false>& pass = pass_of<T, false>(network);
    for (int64_t task = next(); task < call.rows * chunks; task = next()) {
      const int64_t row = task / chunks, stop = std::min(call.batch, (task % chunks + 1) * CHUNK * LANES);
      const int64_t* index = call.index + row * call.index_stride;
      for (int64_t at = task % chunks * CHUNK * LANES; at < stop; at += LANES) {
        const int count = (int)std::min<int64_t>(LANES, stop - at);
        pass.forward(call.weights + row * call.stride, nullptr, call.samples, index + at, count);
        T* to = call.result + (row * call.batch + at) * outputs;
        for (int lane = 0; lane < count; lane++)
          for (int64_t o = 0; o < outputs; o++)
            to[lane * outputs + o] = pass.result(0)[o].v[lane / WIDTH<T>][lane % WIDTH<T>];
      }
    }
  });
}

// Whether this processor has the instructions this file was compiled for.
bool supported() {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

#define TW_STRING(x) #x
#define TW_NAME(x) TW_STRING(x)
extern const Variant variant;
const Variant variant = {TW_NAME(TW_VARIANT),         supported,
                         reverse_pass<float, false>,  reverse_pass<double, false>,
                         reverse_pass<float, true>,   reverse_pass<double, true>,
                         outputs_pass<float>,         outputs_pass<double>};

}  // namespace TW_VARIANT
