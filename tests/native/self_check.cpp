// The kernels against finite differences, through the C interface and without Python: for processors
// that can only be emulated here. Prints each variant and network; the exit status is the number of
// failures.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "call.hpp"

extern "C" {
void thalweg_variants(char* names, int64_t length);
void* thalweg_network(const int64_t* layers, int64_t count, int64_t parameters, int64_t loss, double smoothing,
                      const char* wanted, char* message, int64_t length);
void thalweg_release(void* handle);
int thalweg_gradient_f32(const void*, const Call<float>*, char*, int64_t);
int thalweg_gradient_f64(const void*, const Call<double>*, char*, int64_t);
int thalweg_product_f64(const void*, const Call<double>*, char*, int64_t);
int thalweg_outputs_f64(const void*, const Call<double>*, char*, int64_t);
}

static const int64_t SAMPLES = 21, LENGTH = 256;

static double noise() {  // uniform on (−1, 1), the same everywhere
  static uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) / (double)(1ull << 52) - 1;
}
static std::vector<double> noises(int64_t count) {
  std::vector<double> values(count);
  for (double& value : values) value = noise();
  return values;
}

static Layer window(int64_t kind, int64_t channels, int64_t height, int64_t width, int64_t outputs, int64_t kernel,
                    int64_t stride, int64_t pad, int64_t& parameters) {
  Layer l = {kind, {channels, height, width}, {outputs, 0, 0}, {kernel, kernel}, {stride, stride}, {pad, pad},
             0, 0, 0, 0, -1};
  for (int i = 1; i < 3; i++) l.out[i] = (l.in[i] + 2 * pad - kernel) / stride + 1;
  if (kind == CONVOLUTION) {
    l.weight = parameters;
    l.bias = parameters += outputs * channels * kernel * kernel;
    parameters += outputs;
  }
  return l;
}
static Layer linear(int64_t inputs, int64_t outputs, int64_t& parameters) {
  Layer l = {LINEAR, {inputs, 1, 1}, {outputs, 1, 1}, {}, {}, {}, 0, 0, 0, parameters, 0};
  l.bias = parameters += inputs * outputs;
  parameters += outputs;
  return l;
}
static Layer activation(int64_t kind, const Layer& before) {
  Layer l = {ACTIVATION, {}, {}, {}, {}, {}, kind, 0, 0, 0, -1};
  std::copy_n(before.out, 3, l.in);
  std::copy_n(before.out, 3, l.out);
  return l;
}
static Layer recurrent(int64_t steps, int64_t features, int64_t hidden, int64_t depth, int64_t& parameters) {
  Layer l = {RECURRENT, {1, steps, features}, {hidden, 1, 1}, {}, {}, {}, 1, hidden, depth, parameters, -1};
  parameters += hidden * (features + hidden + 2) + (depth - 1) * hidden * (2 * hidden + 2);
  return l;
}

template <class T> struct Run {
  std::vector<T> inputs, targets, result;
  std::vector<int64_t> classes, index;
  double loss = 0;
  Call<T> call = {};
  Run(const std::vector<double>& x, const std::vector<double>& y, int64_t outputs, bool real, int64_t parameters)
      : inputs(x.begin(), x.end()), targets(y.begin(), y.end()), result(std::max(parameters, SAMPLES * outputs)) {
    for (int64_t i = 0; i < SAMPLES; i++) {
      classes.push_back(i * 7 % outputs);
      index.push_back(SAMPLES - 1 - i);
    }
    const void* goal = real ? (const void*)targets.data() : (const void*)classes.data();
    call = {nullptr, nullptr, result.data(), 1, parameters, parameters, {inputs.data(), SAMPLES, 0, 1, 0, goal},
            index.data(), 0, SAMPLES, nullptr, &loss, 2};
  }
};

static double distance(const std::vector<double>& a, const double* b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); i++) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += a[i] * a[i];
  }
  return std::sqrt(difference / size);
}

static int check(const char* name, const std::string& variant, const std::vector<Layer>& layers, int64_t parameters,
                 int64_t loss) {
  char message[LENGTH] = "";
  void* network = thalweg_network((const int64_t*)layers.data(), (int64_t)layers.size(), parameters, loss,
                                  loss ? 0 : 0.1, variant.c_str(), message, LENGTH);
  if (!network) {
    std::printf("%s %s: refused: %s\n", variant.c_str(), name, message);
    return 1;
  }
  const Layer &first = layers.front(), &last = layers.back();
  const int64_t outputs = last.out[0] * last.out[1] * last.out[2];
  const auto x = noises(SAMPLES * first.in[0] * first.in[1] * first.in[2]), y = noises(SAMPLES * outputs);
  const auto w = noises(parameters), v = noises(parameters);
  Run<double> run(x, y, outputs, loss == 1, parameters);
  auto gradient = [&](const std::vector<double>& at) {
    run.call.weights = at.data();
    if (thalweg_gradient_f64(network, &run.call, message, LENGTH)) std::printf("failed: %s\n", message);
    return std::vector<double>(run.result.begin(), run.result.begin() + parameters);
  };
  // Central differences of the loss, and of the gradient along v.
  const double h = 1e-6;
  std::vector<double> slopes(parameters), ahead = w, behind = w, curvature(parameters);
  for (int64_t i = 0; i < parameters; i++) {
    auto at = w;
    at[i] = w[i] + h;
    gradient(at);
    const double above = run.loss;
    at[i] = w[i] - h;
    gradient(at);
    slopes[i] = (above - run.loss) / (2 * h);
    ahead[i] += h * v[i];
    behind[i] -= h * v[i];
  }
  const auto above = gradient(ahead), below = gradient(behind), exact = gradient(w);
  for (int64_t i = 0; i < parameters; i++) curvature[i] = (above[i] - below[i]) / (2 * h);
  const double first_error = distance(slopes, exact.data());
  run.call.weights = w.data();
  run.call.direction = v.data();
  thalweg_product_f64(network, &run.call, message, LENGTH);
  const double second_error = distance(curvature, run.result.data());
  Run<float> single(x, y, outputs, loss == 1, parameters);
  const std::vector<float> small(w.begin(), w.end());
  single.call.weights = small.data();
  thalweg_gradient_f32(network, &single.call, message, LENGTH);
  const std::vector<double> rounded(single.result.begin(), single.result.begin() + parameters);
  const double single_error = distance(rounded, exact.data());
  thalweg_outputs_f64(network, &run.call, message, LENGTH);
  thalweg_release(network);
  const bool good = first_error < 1e-7 && second_error < 1e-7 && single_error < 1e-5;
  std::printf("%s %s: gradient %.1e, product %.1e, single precision %.1e%s\n", variant.c_str(), name, first_error,
              second_error, single_error, good ? "" : "  WRONG");
  return !good;
}

int main() {
  int64_t p = 0;
  std::vector<Layer> images = {window(CONVOLUTION, 2, 11, 10, 3, 3, 1, 1, p)};
  images.push_back(activation(1, images.back()));
  images.push_back(window(MAX_POOL, 3, 11, 10, 3, 2, 2, 0, p));
  images.push_back(window(CONVOLUTION, 3, 5, 5, 4, 2, 1, 0, p));
  images.push_back(activation(2, images.back()));
  images.push_back(window(AVERAGE_POOL, 4, 4, 4, 4, 3, 1, 0, p));
  images.push_back(linear(16, 7, p));
  images.push_back(activation(3, images.back()));
  images.push_back(linear(7, 5, p));
  const int64_t image_parameters = p;
  p = 0;
  std::vector<Layer> vectors = {linear(9, 13, p)};
  vectors.push_back(activation(0, vectors.back()));
  vectors.push_back(linear(13, 3, p));
  const int64_t vector_parameters = p;
  p = 0;
  std::vector<Layer> sequences = {recurrent(6, 5, 7, 2, p)};
  sequences.push_back(linear(7, 4, p));
  int failures = 0;
  char names[LENGTH];
  thalweg_variants(names, LENGTH);
  for (char* variant = std::strtok(names, " "); variant; variant = std::strtok(nullptr, " "))
    for (int64_t loss = 0; loss < 2; loss++) {
      failures += check("images", variant, images, image_parameters, loss);
      failures += check("vectors", variant, vectors, vector_parameters, loss);
      failures += check("sequences", variant, sequences, p, loss);
    }
  return failures;
}
