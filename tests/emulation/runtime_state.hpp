#pragma once

#include <cuda_runtime.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "emulation/control.hpp"

namespace emulation {

/// Work of a stream: runs on the stream that it is given, which for a graph is known late.
using Work = std::function<void(cudaStream_t)>;

/// What streams record instead of running it.
struct Capture {
  unsigned long long id = 0;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  cudaStream_t origin = nullptr;
  std::thread::id owner;
  bool invalidated = false;
  std::vector<Work> nodes;
};

struct Allocation {
  std::size_t bytes = 0;
  cudaMemoryType type = cudaMemoryTypeDevice;
  int device = 0;
};

}  // namespace emulation

// CUDA's headers declare these and leave the rest to the runtime.
struct CUstream_st {
  int device = 0;
  unsigned flags = 0;
  bool is_default = false;
  std::shared_ptr<emulation::Capture> capture;
  std::int64_t operations = 0;  // captured
  std::int64_t joined = 0;      // of these, how many another stream waits for
};

struct CUevent_st {
  int device = 0;
  unsigned flags = 0;
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
  std::shared_ptr<emulation::Capture> capture;  // when recorded in one that goes on
  cudaStream_t stream = nullptr;                // then the stream,
  std::int64_t operation = 0;                   // and its place there
};

struct CUgraph_st {
  std::vector<emulation::Work> nodes;
};

struct CUgraphExec_st {
  std::vector<emulation::Work> nodes;
};

namespace emulation {

/// The runtime's objects that handles name.
template <typename Object>
class Handles {
 public:
  Object* create(Object object) {
    auto owner = std::make_unique<Object>(std::move(object));
    Object* const handle = owner.get();
    objects_.emplace(handle, std::move(owner));
    return handle;
  }
  bool contains(Object* handle) const { return objects_.contains(handle); }
  void destroy(Object* handle) { objects_.erase(handle); }
  std::int64_t size() const { return std::ssize(objects_); }
  auto begin() const { return objects_.begin(); }
  auto end() const { return objects_.end(); }

 private:
  std::map<Object*, std::unique_ptr<Object>> objects_;
};

/// All that the runtime knows, behind one mutex.
struct State {
  std::mutex mutex;
  Settings settings = default_settings();
  Counters counters;
  std::vector<LaunchRecord> launches;
  std::map<std::byte const*, Allocation> allocations;
  std::map<int, CUstream_st> default_streams;
  Handles<CUstream_st> streams;
  Handles<CUevent_st> events;
  Handles<CUgraph_st> graphs;
  Handles<CUgraphExec_st> executables;
  std::vector<std::shared_ptr<Capture>> captures;  // that have begun and not ended
  unsigned long long last_capture = 0;
  std::map<void const*, int> dynamic_shared_limits;  // by kernel
  cudaError_t failure = cudaSuccess;                 // that comes after `failure_skips` calls
  int failure_skips = 0;
};

State& state();

// Of the thread that asks.
int& current_device();
cudaError_t& last_error();

/// Notes the error where cudaGetLastError finds it, and returns it.
cudaError_t report(cudaError_t error);

/// The error of a call before it looks at its arguments: a planned one, or that there is no device.
cudaError_t begin_call(State& state);

/// A call of the runtime: fn(state), with the state locked.
template <typename Fn>
cudaError_t runtime_call(Fn fn) {
  State& all = state();
  std::scoped_lock const lock(all.mutex);
  cudaError_t const error = begin_call(all);
  return report(error != cudaSuccess ? error : fn(all));
}

/// The stream that a handle names, or null.
CUstream_st* find_stream(State& state, cudaStream_t handle);

/// Whether the stream may take work: counts uses of the default stream, which ends a capture by a
/// stream that synchronizes with it.
cudaError_t check_stream(State& state, CUstream_st& stream);

/// A call that waits or allocates, which a capture forbids: the error, and the capture is spoiled.
cudaError_t forbid_while_capturing(State& state);

/// Gives work to a stream: it runs before this returns, or is captured. `check(state, stream)`
/// comes first. An exception of the work leaves.
template <typename Check>
cudaError_t enqueue(cudaStream_t handle, Check check, Work work) {
  cudaError_t const error = [&] {
    State& all = state();
    std::scoped_lock const lock(all.mutex);
    if (cudaError_t const failed = begin_call(all); failed != cudaSuccess) {
      return failed;
    }
    CUstream_st* const stream = find_stream(all, handle);
    if (stream == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    if (cudaError_t const failed = check_stream(all, *stream); failed != cudaSuccess) {
      return failed;
    }
    if (cudaError_t const failed = check(all, *stream); failed != cudaSuccess) {
      return failed;
    }
    if (stream->capture) {
      stream->capture->nodes.push_back(std::exchange(work, nullptr));
      ++stream->operations;
    }
    return cudaSuccess;
  }();
  if (error == cudaSuccess && work) {
    work(handle);
  }
  return report(error);
}

}  // namespace emulation
