// The runtime's memory is the host's: one block of malloc for each allocation, so that
// AddressSanitizer sees every access out of bounds. It starts as NaN and -1.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "emulation/runtime_state.hpp"

namespace emulation {

namespace {

constexpr int garbage = 0xFF;
constexpr std::size_t alignment = 256;  // as cudaMalloc promises

std::size_t used_bytes(State const& state, int device) {
  std::size_t bytes = 0;
  for (auto const& [address, allocation] : state.allocations) {
    bool const counts = allocation.type == cudaMemoryTypeDevice && allocation.device == device;
    bytes += counts ? allocation.bytes : 0;
  }
  return bytes;
}

cudaError_t allocate(State& state, void** address, std::size_t bytes, cudaMemoryType type) {
  if (address == nullptr) {
    return cudaErrorInvalidValue;
  }
  if (cudaError_t const error = forbid_while_capturing(state); error != cudaSuccess) {
    return error;
  }
  bool const on_device = type == cudaMemoryTypeDevice;
  ++(on_device ? state.counters.device_allocations : state.counters.host_allocations);
  *address = nullptr;
  if (bytes == 0) {
    return cudaSuccess;
  }
  if (on_device &&
      bytes > state.settings.memory_bytes -
                  std::min(state.settings.memory_bytes, used_bytes(state, current_device()))) {
    return cudaErrorMemoryAllocation;
  }
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes) != 0) {
    return cudaErrorMemoryAllocation;
  }
  std::memset(memory, garbage, bytes);
  state.allocations[static_cast<std::byte*>(memory)] = {bytes, type, current_device()};
  *address = memory;
  return cudaSuccess;
}

cudaError_t release(State& state, void* address, bool on_device) {
  if (address == nullptr) {
    return cudaSuccess;
  }
  auto const found = state.allocations.find(static_cast<std::byte*>(address));
  if (found == state.allocations.end() ||
      (found->second.type == cudaMemoryTypeDevice) != on_device) {
    return cudaErrorInvalidValue;
  }
  if (cudaError_t const error = forbid_while_capturing(state); error != cudaSuccess) {
    return error;
  }
  ++state.counters.frees;
  state.allocations.erase(found);
  std::free(address);
  return cudaSuccess;
}

/// A rectangle of bytes, one row for plain copies.
struct Region {
  std::byte* begin = nullptr;
  std::size_t pitch = 0;
  std::size_t width = 0;
  std::size_t height = 1;

  bool empty() const { return width == 0 || height == 0; }
  std::size_t bytes() const { return empty() ? 0 : pitch * (height - 1) + width; }
};

Region region(void const* begin, std::size_t pitch, std::size_t width, std::size_t height) {
  return {static_cast<std::byte*>(const_cast<void*>(begin)), pitch, width, height};
}

/// The allocation that the address lies in, or null.
std::pair<std::byte const* const, Allocation> const* find(State const& state, void const* address) {
  auto const* const wanted = static_cast<std::byte const*>(address);
  auto after = state.allocations.upper_bound(wanted);
  if (after == state.allocations.begin()) {
    return nullptr;
  }
  auto const& entry = *std::prev(after);
  return wanted < entry.first + entry.second.bytes ? &entry : nullptr;
}

enum class Place { pageable, pinned, device, invalid };

Place place_of(State const& state, Region const& region) {
  if (region.begin == nullptr) {
    return Place::invalid;
  }
  auto const* const entry = find(state, region.begin);
  if (entry == nullptr) {
    return Place::pageable;
  }
  auto const offset = static_cast<std::size_t>(region.begin - entry->first);
  if (region.bytes() > entry->second.bytes - offset) {
    return Place::invalid;
  }
  return entry->second.type == cudaMemoryTypeDevice ? Place::device : Place::pinned;
}

cudaError_t check_copy(State const& state, CUstream_st const& stream, Region const& to,
                       Region const& from, cudaMemcpyKind kind) {
  if (to.width > to.pitch || from.width > from.pitch) {
    return cudaErrorInvalidPitchValue;
  }
  if (to.empty()) {
    return cudaSuccess;
  }
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) {
    return cudaErrorInvalidMemcpyDirection;
  }
  Place const target = place_of(state, to);
  Place const source = place_of(state, from);
  bool const to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  bool const from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (target == Place::invalid || source == Place::invalid ||
      (kind != cudaMemcpyDefault &&
       (to_device != (target == Place::device) || from_device != (source == Place::device)))) {
    return cudaErrorInvalidValue;
  }
  if (stream.capture && (target == Place::pageable || source == Place::pageable)) {
    stream.capture->invalidated = true;
    return cudaErrorStreamCaptureUnsupported;  // such a copy waits for the host
  }
  return cudaSuccess;
}

cudaError_t copy(Region const& to, Region const& from, cudaMemcpyKind kind, cudaStream_t stream) {
  return enqueue(
      stream,
      [&](State& state, CUstream_st const& on) {
        cudaError_t const error = check_copy(state, on, to, from, kind);
        state.counters.copies += error == cudaSuccess ? 1 : 0;
        return error;
      },
      [to, from](cudaStream_t) {
        for (std::size_t row = 0; row < to.height && to.width > 0; ++row) {
          std::memmove(to.begin + row * to.pitch, from.begin + row * from.pitch, to.width);
        }
      });
}

cudaError_t fill(Region const& to, int value, cudaStream_t stream) {
  return enqueue(
      stream,
      [&](State& state, CUstream_st const&) {
        if (to.width > to.pitch) {
          return cudaErrorInvalidPitchValue;
        }
        if (!to.empty() && place_of(state, to) != Place::device) {
          return cudaErrorInvalidValue;
        }
        ++state.counters.copies;
        return cudaSuccess;
      },
      [to, value](cudaStream_t) {
        for (std::size_t row = 0; row < to.height && to.width > 0; ++row) {
          std::memset(to.begin + row * to.pitch, value, to.width);
        }
      });
}

/// A copy or fill that the host waits for: forbidden in a capture.
template <typename Fn>
cudaError_t synchronously(Fn fn) {
  cudaError_t error = cudaSuccess;
  {
    std::scoped_lock const lock(state().mutex);
    error = report(forbid_while_capturing(state()));
    ++state().counters.synchronizations;
  }
  return error != cudaSuccess ? error : fn();
}

}  // namespace

}  // namespace emulation

using namespace emulation;

cudaError_t CUDARTAPI cudaMalloc(void** address, size_t bytes) {
  return runtime_call(
      [=](State& state) { return allocate(state, address, bytes, cudaMemoryTypeDevice); });
}

cudaError_t CUDARTAPI cudaMallocAsync(void** address, size_t bytes, cudaStream_t stream) {
  return runtime_call([=](State& state) {
    CUstream_st* const on = find_stream(state, stream);
    cudaError_t const error =
        on != nullptr ? check_stream(state, *on) : cudaErrorInvalidResourceHandle;
    return error != cudaSuccess ? error : allocate(state, address, bytes, cudaMemoryTypeDevice);
  });
}

cudaError_t CUDARTAPI cudaMallocHost(void** address, size_t bytes) {
  return runtime_call(
      [=](State& state) { return allocate(state, address, bytes, cudaMemoryTypeHost); });
}

cudaError_t CUDARTAPI cudaHostAlloc(void** address, size_t bytes, unsigned) {
  return runtime_call(
      [=](State& state) { return allocate(state, address, bytes, cudaMemoryTypeHost); });
}

cudaError_t CUDARTAPI cudaFree(void* address) {
  return runtime_call([=](State& state) { return release(state, address, true); });
}

cudaError_t CUDARTAPI cudaFreeAsync(void* address, cudaStream_t stream) {
  return runtime_call([=](State& state) {
    CUstream_st* const on = find_stream(state, stream);
    cudaError_t const error =
        on != nullptr ? check_stream(state, *on) : cudaErrorInvalidResourceHandle;
    return error != cudaSuccess ? error : release(state, address, true);
  });
}

cudaError_t CUDARTAPI cudaFreeHost(void* address) {
  return runtime_call([=](State& state) { return release(state, address, false); });
}

cudaError_t CUDARTAPI cudaMemcpyAsync(void* to, void const* from, size_t bytes, cudaMemcpyKind kind,
                                      cudaStream_t stream) {
  return copy(region(to, bytes, bytes, 1), region(from, bytes, bytes, 1), kind, stream);
}

cudaError_t CUDARTAPI cudaMemcpy(void* to, void const* from, size_t bytes, cudaMemcpyKind kind) {
  return synchronously([=] { return cudaMemcpyAsync(to, from, bytes, kind, nullptr); });
}

cudaError_t CUDARTAPI cudaMemcpy2DAsync(void* to, size_t to_pitch, void const* from,
                                        size_t from_pitch, size_t width, size_t height,
                                        cudaMemcpyKind kind, cudaStream_t stream) {
  return copy(region(to, to_pitch, width, height), region(from, from_pitch, width, height), kind,
              stream);
}

cudaError_t CUDARTAPI cudaMemcpy2D(void* to, size_t to_pitch, void const* from, size_t from_pitch,
                                   size_t width, size_t height, cudaMemcpyKind kind) {
  return synchronously([=] {
    return cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, height, kind, nullptr);
  });
}

cudaError_t CUDARTAPI cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return fill(region(to, bytes, bytes, 1), value, stream);
}

cudaError_t CUDARTAPI cudaMemset(void* to, int value, size_t bytes) {
  return cudaMemsetAsync(to, value, bytes, nullptr);
}

cudaError_t CUDARTAPI cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width,
                                        size_t height, cudaStream_t stream) {
  return fill(region(to, pitch, width, height), value, stream);
}

cudaError_t CUDARTAPI cudaMemset2D(void* to, size_t pitch, int value, size_t width, size_t height) {
  return cudaMemset2DAsync(to, pitch, value, width, height, nullptr);
}

cudaError_t CUDARTAPI cudaMemGetInfo(size_t* free, size_t* total) {
  return runtime_call([=](State& state) {
    std::size_t const used = used_bytes(state, current_device());
    *total = state.settings.memory_bytes;
    *free = *total - std::min(*total, used);
    return cudaSuccess;
  });
}

cudaError_t CUDARTAPI cudaPointerGetAttributes(cudaPointerAttributes* attributes,
                                               void const* address) {
  return runtime_call([=](State& state) {
    *attributes = {};
    attributes->type = cudaMemoryTypeUnregistered;
    attributes->device = cudaInvalidDeviceId;
    auto* const pointer = const_cast<void*>(address);
    attributes->hostPointer = pointer;
    if (auto const* const entry = find(state, address); entry != nullptr) {
      bool const on_device = entry->second.type == cudaMemoryTypeDevice;
      attributes->type = entry->second.type;
      attributes->device = entry->second.device;
      attributes->devicePointer = pointer;
      attributes->hostPointer = on_device ? nullptr : pointer;
    }
    return cudaSuccess;
  });
}
