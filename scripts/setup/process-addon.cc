// What Node cannot do to its own process: hold back its error stream for a moment, and share its memory.
//
// Takes:  capture(), then release(); limitArenas().
// Gives:  release() puts the stream back and returns what was written in between. limitArenas() makes all threads that
//         start from now on allocate from one arena; it returns whether the C library can do that.
// Why so: Each of TensorFlow's threads would keep an arena of its own, and what one frees the others cannot use: a training
//         step then holds up to a quarter more memory. And TensorFlow's library writes banners ("oneDNN custom operations are on", "Unable to register cuDNN
//         factory") while the dynamic linker initialises it, before any log level applies, straight to file
//         descriptor 2, which Node cannot redirect. The caller prints everything it does not know to be a banner.
//
// The few Node-API functions used are declared here: they are stable by contract, and so no Node headers are needed.
#include <cstddef>
#include <cstdio>
#include <string>

#include <malloc.h>
#include <unistd.h>

extern "C" {
typedef struct napi_env__* napi_env;
typedef struct napi_value__* napi_value;
typedef struct napi_callback_info__* napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
int napi_create_function(napi_env, const char*, size_t, napi_callback, void*, napi_value*);
int napi_create_string_utf8(napi_env, const char*, size_t, napi_value*);
int napi_get_boolean(napi_env, bool, napi_value*);
int napi_set_named_property(napi_env, napi_value, const char*, napi_value);
}

namespace {

constexpr int kStandardError = 2;
int original = -1;
std::FILE* holding = nullptr;

// Returns whether the stream is now held back; it is not when the temporary file cannot be had.
napi_value Capture(napi_env env, napi_callback_info) {
  bool captured = false;
  if (holding == nullptr && (holding = std::tmpfile()) != nullptr) {
    std::fflush(stderr);
    original = dup(kStandardError);
    captured = original >= 0 && dup2(fileno(holding), kStandardError) >= 0;
    if (!captured) {
      if (original >= 0) close(original);
      std::fclose(holding);
      holding = nullptr;
    }
  }
  napi_value result;
  napi_get_boolean(env, captured, &result);
  return result;
}

napi_value Release(napi_env env, napi_callback_info) {
  std::string text;
  if (holding != nullptr) {
    std::fflush(stderr);
    dup2(original, kStandardError);
    close(original);
    std::rewind(holding);
    char buffer[4096];
    for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, holding)) > 0;) text.append(buffer, n);
    std::fclose(holding);
    holding = nullptr;
  }
  napi_value result;
  napi_create_string_utf8(env, text.data(), text.size(), &result);
  return result;
}

napi_value LimitArenas(napi_env env, napi_callback_info) {
  bool limited = false;
#ifdef M_ARENA_MAX
  limited = mallopt(M_ARENA_MAX, 1) == 1;
#endif
  napi_value result;
  napi_get_boolean(env, limited, &result);
  return result;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "capture", 7, Capture, nullptr, &function);
  napi_set_named_property(env, exports, "capture", function);
  napi_create_function(env, "release", 7, Release, nullptr, &function);
  napi_set_named_property(env, exports, "release", function);
  napi_create_function(env, "limitArenas", 11, LimitArenas, nullptr, &function);
  napi_set_named_property(env, exports, "limitArenas", function);
  return exports;
}
