// Graphs: a capture keeps the work of its streams in order, and a launch runs it again.

#include <cuda_runtime.h>

#include <algorithm>

#include "emulation/runtime_state.hpp"

namespace emulation {

namespace {

cudaError_t begin_capture(State& state, cudaStream_t stream, cudaStreamCaptureMode mode) {
  CUstream_st* const found = find_stream(state, stream);
  if (found == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  if (found->is_default) {
    return cudaErrorStreamCaptureUnsupported;
  }
  if (found->capture) {
    return cudaErrorIllegalState;
  }
  auto capture = std::make_shared<Capture>();
  capture->id = ++state.last_capture;
  capture->mode = mode;
  capture->origin = stream;
  capture->owner = std::this_thread::get_id();
  found->capture = capture;
  found->operations = 0;
  found->joined = 0;
  state.captures.push_back(std::move(capture));
  return cudaSuccess;
}

/// Whether another stream than the first still has work that none waits for.
bool has_unjoined_work(State const& state, Capture const& capture) {
  return std::any_of(state.streams.begin(), state.streams.end(), [&](auto const& entry) {
    CUstream_st const& stream = *entry.second;
    return stream.capture.get() == &capture && entry.first != capture.origin &&
           stream.joined < stream.operations;
  });
}

cudaError_t end_capture(State& state, cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  CUstream_st* const found = find_stream(state, stream);
  if (found == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  auto const capture = found->capture;
  if (!capture) {
    return cudaErrorIllegalState;
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed &&
      capture->owner != std::this_thread::get_id()) {
    return cudaErrorStreamCaptureWrongThread;
  }
  if (capture->origin != stream) {
    capture->invalidated = true;
    return cudaErrorStreamCaptureUnmatched;
  }
  bool const unjoined = has_unjoined_work(state, *capture);
  for (auto const& [handle, other] : state.streams) {
    other->capture = other->capture == capture ? nullptr : other->capture;
  }
  for (auto const& [handle, event] : state.events) {
    bool const captured = event->capture == capture;
    event->capture = captured ? nullptr : event->capture;
    event->recorded = event->recorded && !captured;
  }
  std::erase(state.captures, capture);
  if (capture->invalidated) {
    return cudaErrorStreamCaptureInvalidated;
  }
  if (unjoined) {
    return cudaErrorStreamCaptureUnjoined;
  }
  *graph = state.graphs.create({.nodes = std::move(capture->nodes)});
  return cudaSuccess;
}

cudaStreamCaptureStatus status_of(CUstream_st const& stream) {
  if (!stream.capture) {
    return cudaStreamCaptureStatusNone;
  }
  return stream.capture->invalidated ? cudaStreamCaptureStatusInvalidated
                                     : cudaStreamCaptureStatusActive;
}

cudaError_t capture_info(State& state, cudaStream_t stream, cudaStreamCaptureStatus* status,
                         unsigned long long* id) {
  CUstream_st const* const found = find_stream(state, stream);
  if (found == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  *status = status_of(*found);
  if (id != nullptr) {
    *id = found->capture ? found->capture->id : 0;
  }
  return cudaSuccess;
}

}  // namespace

}  // namespace emulation

using namespace emulation;

cudaError_t CUDARTAPI cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return runtime_call([=](State& state) { return begin_capture(state, stream, mode); });
}

cudaError_t CUDARTAPI cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return runtime_call([=](State& state) { return end_capture(state, stream, graph); });
}

cudaError_t CUDARTAPI cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return runtime_call([=](State& state) { return capture_info(state, stream, status, nullptr); });
}

#if CUDART_VERSION >= 13000
cudaError_t CUDARTAPI cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                               unsigned long long* id, cudaGraph_t*,
                                               cudaGraphNode_t const**, cudaGraphEdgeData const**,
                                               size_t*) {
#else
cudaError_t CUDARTAPI cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                               unsigned long long* id, cudaGraph_t*,
                                               cudaGraphNode_t const**, size_t*) {
#endif
  return runtime_call([=](State& state) { return capture_info(state, stream, status, id); });
}

cudaError_t CUDARTAPI cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return runtime_call([=](State& state) {
    if (!state.graphs.contains(graph) || nodes != nullptr) {  // nodes have no handles here
      return cudaErrorInvalidValue;
    }
    *count = graph->nodes.size();
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaGraphDestroy(cudaGraph_t graph) {
  return runtime_call([=](State& state) {
    if (!state.graphs.contains(graph)) {
      return cudaErrorInvalidValue;
    }
    state.graphs.destroy(graph);
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                           unsigned long long) {
  return runtime_call([=](State& state) {
    if (executable == nullptr || !state.graphs.contains(graph)) {
      return cudaErrorInvalidValue;
    }
    *executable = state.executables.create({.nodes = graph->nodes});
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph,
                                          cudaGraphExecUpdateResultInfo* result) {
  return runtime_call([=](State& state) {
    if (!state.executables.contains(executable) || !state.graphs.contains(graph)) {
      return cudaErrorInvalidValue;
    }
    bool const same = executable->nodes.size() == graph->nodes.size();
    *result = {};
    result->result = same ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateErrorTopologyChanged;
    if (!same) {
      return cudaErrorGraphExecUpdateFailure;
    }
    executable->nodes = graph->nodes;
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return runtime_call([=](State& state) {
    if (!state.executables.contains(executable)) {
      return cudaErrorInvalidValue;
    }
    state.executables.destroy(executable);
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  return runtime_call([=](State& state) {
    return state.executables.contains(executable) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t CUDARTAPI cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  auto const nodes = std::make_shared<std::vector<Work>>();  // a capture keeps them
  return enqueue(
      stream,
      [&](State& state, CUstream_st const&) {
        if (!state.executables.contains(executable)) {
          return cudaErrorInvalidValue;
        }
        *nodes = executable->nodes;
        return cudaSuccess;
      },
      [nodes](cudaStream_t on) {
        for (Work const& node : *nodes) {
          node(on);
        }
      });
}
