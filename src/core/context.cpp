#include <relweave/core/context.hpp>

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include <relweave/core/error.hpp>

namespace relweave {

namespace {

int available_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    return std::max(1, CPU_COUNT(&set));
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

Workspace& scratch_of(HostContext const& ctx) {
  thread_local Workspace own;
  return ctx.workspace != nullptr ? *ctx.workspace : own;
}

int default_threads() {
  static int const threads = [] {
    char const* const word = std::getenv("RELWEAVE_NUM_THREADS");
    if (word == nullptr || *word == '\0') {
      return available_processors();
    }
    int value = 0;
    char const* const end = word + std::strlen(word);
    auto const parsed = std::from_chars(word, end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end || value < 1 || value > most_threads) {
      raise<ConfigError>("default_threads", "RELWEAVE_NUM_THREADS", "'" + std::string(word) + "'",
                         "a whole number from 1 to " + std::to_string(most_threads));
    }
    return value;
  }();
  return threads;
}

int threads_of(HostContext const& ctx) {
  if (ctx.threads < 0 || ctx.threads > most_threads) {
    raise<ConfigError>("HostContext", "threads", std::to_string(ctx.threads),
                       "0 (all processors) to " + std::to_string(most_threads));
  }
  return ctx.threads == 0 ? default_threads() : ctx.threads;
}

}  // namespace relweave
