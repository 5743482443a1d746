#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emulation {

/// The machine that tests run on.
struct Settings {
  int devices = 1;
  int multiprocessors = 2;  // few, so that small inputs need several waves of blocks
  std::size_t memory_bytes = std::size_t{4} << 30;  // of each device
  /// Who runs first: 0 the lowest lane, warp and block, 1 the highest; any other number draws
  /// orders.
  std::uint64_t order = 0;
  int threads = 2;  // of the system, each with a block
};

/// What happened since the session began.
struct Counters {
  std::int64_t device_allocations = 0;
  std::int64_t host_allocations = 0;  // pinned
  std::int64_t frees = 0;
  std::int64_t launches = 0;
  std::int64_t copies = 0;            // and fills
  std::int64_t synchronizations = 0;  // by the host: of devices, streams, events, and cudaMemcpy
  std::int64_t default_stream_uses = 0;
};

/// One launch that ran, in the order of the streams' work.
struct LaunchRecord {
  std::string kernel;
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
  int device = 0;
};

/// The machine outside of sessions: the defaults, and what the environment variables
/// RELWEAVE_EMULATION_DEVICES and RELWEAVE_EMULATION_ORDER ask for, so that tests which know
/// nothing of the emulation see several.
Settings default_settings();

/// A machine for the time of a test, with no history. Memory, streams, events and graphs that the
/// test leaves behind count in `live_allocations` and `live_handles` until it frees them.
class Session {
 public:
  explicit Session(Settings const& settings = {});
  ~Session();
  Session(Session const&) = delete;
  Session& operator=(Session const&) = delete;
};

Settings settings();
Counters counters();
std::vector<LaunchRecord> launches();

std::int64_t live_allocations();
std::size_t live_bytes(int device = 0);
std::int64_t live_handles();  // streams, events, graphs

/// After `skip` more calls, one fails with `error`. Calls are those of the runtime, except the ones
/// that ask for errors, and launches, whose error cudaGetLastError tells. A test that raises `skip`
/// until `failure_pending` stays true has seen every failure.
void fail_next(cudaError_t error, int skip = 0);
bool failure_pending();

}  // namespace emulation
