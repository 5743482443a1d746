// Streams and events. Work runs when it is given to a stream, so there is never anything to wait
// for.

#include <cuda_runtime.h>

#include "emulation/runtime_state.hpp"

namespace emulation {

namespace {

cudaError_t create_stream(State& state, cudaStream_t* stream, unsigned flags) {
  if (stream == nullptr || flags > cudaStreamNonBlocking) {
    return cudaErrorInvalidValue;
  }
  *stream = state.streams.create({.device = current_device(), .flags = flags});
  return cudaSuccess;
}

/// A wait or query by the host: a capture forbids it.
cudaError_t settle(State& state, cudaStream_t handle) {
  CUstream_st* const stream = find_stream(state, handle);
  if (stream == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  if (stream->capture) {
    stream->capture->invalidated = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  return check_stream(state, *stream);
}

/// The same for an event.
cudaError_t settle(State& state, cudaEvent_t event) {
  if (!state.events.contains(event)) {
    return cudaErrorInvalidResourceHandle;
  }
  return event->capture ? cudaErrorCapturedEvent : cudaSuccess;
}

cudaError_t wait(State& state, CUstream_st& stream, CUevent_st& event) {
  if (event.capture) {
    if (stream.is_default) {
      event.capture->invalidated = true;
      return cudaErrorStreamCaptureImplicit;
    }
    if (stream.capture && stream.capture != event.capture) {
      return cudaErrorStreamCaptureIsolation;
    }
    if (!stream.capture) {  // the stream joins the capture
      stream.capture = event.capture;
      stream.operations = 0;
      stream.joined = 0;
    }
    if (state.streams.contains(event.stream) && event.stream->capture == event.capture) {
      event.stream->joined = std::max(event.stream->joined, event.operation);
    }
    return cudaSuccess;
  }
  if (stream.capture && event.recorded) {
    stream.capture->invalidated = true;
    return cudaErrorStreamCaptureIsolation;
  }
  return cudaSuccess;
}

}  // namespace

}  // namespace emulation

using namespace emulation;

cudaError_t CUDARTAPI cudaStreamCreate(cudaStream_t* stream) {
  return runtime_call(
      [=](State& state) { return create_stream(state, stream, cudaStreamDefault); });
}

cudaError_t CUDARTAPI cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return runtime_call([=](State& state) { return create_stream(state, stream, flags); });
}

cudaError_t CUDARTAPI cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return runtime_call([=](State& state) { return create_stream(state, stream, flags); });
}

cudaError_t CUDARTAPI cudaStreamDestroy(cudaStream_t stream) {
  return runtime_call([=](State& state) {
    if (!state.streams.contains(stream)) {
      return cudaErrorInvalidResourceHandle;
    }
    if (stream->capture) {
      stream->capture->invalidated = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    state.streams.destroy(stream);
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaStreamSynchronize(cudaStream_t stream) {
  return runtime_call([=](State& state) {
    ++state.counters.synchronizations;
    return settle(state, stream);
  });
}

cudaError_t CUDARTAPI cudaStreamQuery(cudaStream_t stream) {
  return runtime_call([=](State& state) { return settle(state, stream); });
}

cudaError_t CUDARTAPI cudaStreamGetFlags(cudaStream_t stream, unsigned* flags) {
  return runtime_call([=](State& state) {
    CUstream_st const* const found = find_stream(state, stream);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    *flags = found->flags;
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return runtime_call([=](State& state) {
    CUstream_st* const found = find_stream(state, stream);
    if (found == nullptr || !state.events.contains(event)) {
      return cudaErrorInvalidResourceHandle;
    }
    cudaError_t const error = check_stream(state, *found);
    return error != cudaSuccess ? error : wait(state, *found, *event);
  });
}

cudaError_t CUDARTAPI cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return runtime_call([=](State& state) {
    if (event == nullptr) {
      return cudaErrorInvalidValue;
    }
    *event = state.events.create({.device = current_device(), .flags = flags});
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t CUDARTAPI cudaEventDestroy(cudaEvent_t event) {
  return runtime_call([=](State& state) {
    if (!state.events.contains(event)) {
      return cudaErrorInvalidResourceHandle;
    }
    state.events.destroy(event);
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return runtime_call([=](State& state) {
    CUstream_st* const found = find_stream(state, stream);
    if (found == nullptr || !state.events.contains(event) || found->device != event->device) {
      return cudaErrorInvalidResourceHandle;
    }
    if (cudaError_t const error = check_stream(state, *found); error != cudaSuccess) {
      return error;
    }
    event->recorded = true;
    event->time = std::chrono::steady_clock::now();
    event->capture = found->capture;
    event->stream = stream;
    event->operation = found->operations;
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaEventSynchronize(cudaEvent_t event) {
  return runtime_call([=](State& state) {
    ++state.counters.synchronizations;
    return settle(state, event);
  });
}

cudaError_t CUDARTAPI cudaEventQuery(cudaEvent_t event) {
  return runtime_call([=](State& state) { return settle(state, event); });
}

cudaError_t CUDARTAPI cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin,
                                           cudaEvent_t end) {
  return runtime_call([=](State& state) {
    for (cudaEvent_t const event : {begin, end}) {
      if (cudaError_t const error = settle(state, event); error != cudaSuccess) {
        return error;
      }
      if (!event->recorded || (event->flags & cudaEventDisableTiming) != 0) {
        return cudaErrorInvalidResourceHandle;
      }
    }
    *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
    return cudaSuccess;
  });
}
