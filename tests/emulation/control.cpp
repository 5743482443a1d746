#include "emulation/control.hpp"

#include <cstdlib>

#include "emulation/runtime_state.hpp"

namespace emulation {

namespace {

void start_over(Settings const& settings) {
  State& all = state();
  std::scoped_lock const lock(all.mutex);
  all.settings = settings;
  all.counters = {};
  all.launches.clear();
  all.failure = cudaSuccess;
  all.failure_skips = 0;
  current_device() = 0;
  last_error() = cudaSuccess;
}

}  // namespace

Session::Session(Settings const& settings) {
  start_over(settings);
}

Session::~Session() {
  start_over(default_settings());
}

Settings default_settings() {
  Settings result;
  if (char const* const devices = std::getenv("RELWEAVE_EMULATION_DEVICES")) {
    result.devices = std::atoi(devices);
  }
  if (char const* const order = std::getenv("RELWEAVE_EMULATION_ORDER")) {
    result.order = std::strtoull(order, nullptr, 10);
  }
  return result;
}

Settings settings() {
  std::scoped_lock const lock(state().mutex);
  return state().settings;
}

Counters counters() {
  std::scoped_lock const lock(state().mutex);
  return state().counters;
}

std::vector<LaunchRecord> launches() {
  std::scoped_lock const lock(state().mutex);
  return state().launches;
}

std::int64_t live_allocations() {
  std::scoped_lock const lock(state().mutex);
  return std::ssize(state().allocations);
}

std::size_t live_bytes(int device) {
  std::scoped_lock const lock(state().mutex);
  std::size_t bytes = 0;
  for (auto const& [address, allocation] : state().allocations) {
    bool const counts = allocation.type == cudaMemoryTypeDevice && allocation.device == device;
    bytes += counts ? allocation.bytes : 0;
  }
  return bytes;
}

std::int64_t live_handles() {
  std::scoped_lock const lock(state().mutex);
  State const& all = state();
  return all.streams.size() + all.events.size() + all.graphs.size() + all.executables.size();
}

void fail_next(cudaError_t error, int skip) {
  std::scoped_lock const lock(state().mutex);
  state().failure = error;
  state().failure_skips = skip;
}

bool failure_pending() {
  std::scoped_lock const lock(state().mutex);
  return state().failure != cudaSuccess;
}

}  // namespace emulation
