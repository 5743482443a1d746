#include <relweave/core/isa.hpp>

#include <cstdlib>
#include <string>

#include <relweave/core/error.hpp>

namespace relweave {

Isa detected_isa() {
#if defined(__x86_64__)
  static Isa const best = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("fma")) {
      return Isa::avx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      return Isa::avx2;
    }
    return Isa::baseline;
  }();
  return best;
#else
  return Isa::baseline;
#endif
}

namespace {

Isa isa_from_environment() {
  char const* const word = std::getenv("RELWEAVE_ISA");
  if (word == nullptr || *word == '\0') {
    return detected_isa();
  }
  for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa_name(isa) == word) {
      return isa;
    }
  }
  raise<ConfigError>("resolve_isa", "RELWEAVE_ISA", "'" + std::string(word) + "'",
                     "baseline, avx2 or avx512");
}

}  // namespace

Isa resolve_isa(Isa requested) {
  Isa const isa = requested == Isa::automatic ? isa_from_environment() : requested;
  if (isa > detected_isa()) {
    raise<ConfigError>("resolve_isa", "isa", std::string(isa_name(isa)),
                       "at most " + std::string(isa_name(detected_isa())),
                       "This machine does not run the instruction set that was asked for.");
  }
  return isa;
}

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::automatic:
      return "automatic";
    case Isa::baseline:
      return "baseline";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "unknown";
}

}  // namespace relweave
