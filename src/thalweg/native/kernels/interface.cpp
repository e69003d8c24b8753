// The plain C interface. Nothing throws across it: a call returns 0, or 1 with a message.
#include <atomic>
#include <cstring>
#include <exception>
#include <memory>
#include <string>

#include "call.hpp"
#include "validation.hpp"

#define TW_DECLARE(name) namespace name { extern const Variant variant; }
// On 64-bit Arm the portable width is NEON's, on x86 SSE2's.
TW_DECLARE(portable)
#ifdef TW_X86
TW_DECLARE(avx2)
TW_DECLARE(avx512)
#endif

static const Variant* const ALL[] = {
#ifdef TW_X86
    &avx512::variant, &avx2::variant,
#endif
    &portable::variant};

static const Variant* choose(const char* wanted) {
  for (const Variant* v : ALL)
    if (v->supported() && (!wanted || !*wanted || !std::strcmp(wanted, v->name))) return v;
  return nullptr;
}

struct Handle {
  Network network;
  const Variant* variant;
};

template <class F> static int guarded(char* message, int64_t length, F work) {
  std::string text;
  try {
    work();
    return 0;
  } catch (const std::exception& error) {
    text = error.what();
  } catch (...) {
    text = "unknown error";
  }
  std::strncpy(message, text.c_str(), length - 1);
  message[length - 1] = 0;
  return 1;
}

#ifdef _WIN32
#define TW_EXPORT __declspec(dllexport)
#else
#define TW_EXPORT __attribute__((visibility("default")))
#endif

extern "C" {

// Names of the variants this processor can run, best first, separated by spaces.
TW_EXPORT void thalweg_variants(char* names, int64_t length) {
  std::string text;
  for (const Variant* v : ALL)
    if (v->supported()) text += (text.empty() ? "" : " ") + std::string(v->name);
  std::strncpy(names, text.c_str(), length - 1);
  names[length - 1] = 0;
}

// `layers` holds `count` layers as in description.hpp; `wanted` names a variant, or is empty for the
// best. Null, with a message, if the description is refused or the variant cannot be had.
TW_EXPORT void* thalweg_network(const int64_t* layers, int64_t count, int64_t parameters, int64_t loss, double smoothing,
                      const char* wanted, char* message, int64_t length) {
  static std::atomic<uint64_t> last{0};
  Handle* made = nullptr;
  guarded(message, length, [&] {
    auto handle = std::make_unique<Handle>();
    handle->variant = choose(wanted);
    if (!handle->variant) throw std::invalid_argument("this processor cannot run the kernels asked for");
    const Layer* first = reinterpret_cast<const Layer*>(layers);
    handle->network = {{first, first + count}, parameters, loss, smoothing, ++last};
    check_network(handle->network);
    made = handle.release();
  });
  return made;
}

TW_EXPORT void thalweg_release(void* handle) { delete static_cast<Handle*>(handle); }

TW_EXPORT const char* thalweg_variant(const void* handle) { return static_cast<const Handle*>(handle)->variant->name; }

#define TW_ENTRY(name, member, T)                                                                    \
  TW_EXPORT int name(const void* handle, const Call<T>* call, char* message, int64_t length) {                 \
    const Handle* h = static_cast<const Handle*>(handle);                                            \
    return guarded(message, length, [&] { h->variant->member(h->network, *call); });                 \
  }
TW_ENTRY(thalweg_gradient_f32, gradient_f32, float)
TW_ENTRY(thalweg_gradient_f64, gradient_f64, double)
TW_ENTRY(thalweg_product_f32, product_f32, float)
TW_ENTRY(thalweg_product_f64, product_f64, double)
TW_ENTRY(thalweg_outputs_f32, outputs_f32, float)
TW_ENTRY(thalweg_outputs_f64, outputs_f64, double)
}
