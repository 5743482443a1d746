#include "emulation/runtime_state.hpp"

namespace emulation {

State& state() {
  static State all;
  return all;
}

int& current_device() {
  constinit thread_local static int device = 0;
  return device;
}

cudaError_t& last_error() {
  constinit thread_local static cudaError_t error = cudaSuccess;
  return error;
}

cudaError_t report(cudaError_t error) {
  if (error != cudaSuccess) {
    last_error() = error;
  }
  return error;
}

cudaError_t begin_call(State& state) {
  if (state.failure != cudaSuccess && state.failure_skips-- == 0) {
    return std::exchange(state.failure, cudaSuccess);
  }
  return state.settings.devices > 0 ? cudaSuccess : cudaErrorNoDevice;
}

CUstream_st* find_stream(State& state, cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy || handle == cudaStreamPerThread) {
    int const device = current_device();
    CUstream_st& stream = state.default_streams[device];
    stream.device = device;
    stream.is_default = true;
    return &stream;
  }
  return state.streams.contains(handle) ? handle : nullptr;
}

cudaError_t check_stream(State& state, CUstream_st& stream) {
  if (stream.is_default) {
    ++state.counters.default_stream_uses;
    for (auto const& capture : state.captures) {
      if (!(capture->origin->flags & cudaStreamNonBlocking)) {
        capture->invalidated = true;
        return cudaErrorStreamCaptureImplicit;
      }
    }
  }
  if (stream.capture && stream.capture->invalidated) {
    return cudaErrorStreamCaptureInvalidated;
  }
  return cudaSuccess;
}

cudaError_t forbid_while_capturing(State& state) {
  cudaError_t error = cudaSuccess;
  for (auto const& capture : state.captures) {
    bool const concerns_caller = capture->mode == cudaStreamCaptureModeGlobal ||
                                 (capture->mode == cudaStreamCaptureModeThreadLocal &&
                                  capture->owner == std::this_thread::get_id());
    if (concerns_caller) {
      capture->invalidated = true;
      error = cudaErrorStreamCaptureUnsupported;
    }
  }
  return error;
}

}  // namespace emulation
