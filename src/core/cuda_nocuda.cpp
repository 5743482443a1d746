// The symbols of cuda.cu in a build without CUDA.

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/core/error.hpp>

namespace relweave {

namespace {

[[noreturn]] void not_compiled(std::string_view function) {
  raise<NotCompiledError>(function, "device", "a build without CUDA", "one with CUDA",
                          "Build with -DRELWEAVE_CUDA=ON, or use the CPU.");
}

}  // namespace

namespace detail {

void* SpaceAllocator<Space::device>::allocate(std::size_t bytes) {
  if (bytes == 0) {
    return nullptr;
  }
  not_compiled("Buffer");
}

void SpaceAllocator<Space::device>::release(void*) noexcept {}

void expect_copy_sizes(std::int64_t, std::int64_t, std::int64_t, std::int64_t) {
  not_compiled("copy");
}

void copy_rows(CudaContext const&, void*, std::int64_t, void const*, std::int64_t, std::int64_t,
               std::int64_t, CopyKind) {
  not_compiled("copy");
}

}  // namespace detail

DeviceWorkspace::~DeviceWorkspace() = default;

void DeviceWorkspace::reserve(std::int64_t bytes) {
  if (bytes > capacity_) {
    not_compiled("DeviceWorkspace.reserve");
  }
}

void* DeviceWorkspace::Scope::take(std::int64_t) {
  not_compiled(function_);
}

bool cuda_compiled() {
  return false;
}

int cuda_device_count() {
  return 0;
}

CudaDeviceInfo cuda_device_info(int) {
  not_compiled("cuda_device_info");
}

void expect_cuda(std::string_view function, CudaContext const&) {
  not_compiled(function);
}

DeviceGuard::DeviceGuard(int) : previous_(-1) {
  not_compiled("DeviceGuard");
}

DeviceGuard::~DeviceGuard() = default;

OwnedStream::OwnedStream(int) {
  not_compiled("OwnedStream");
}

OwnedStream::~OwnedStream() = default;

void synchronize(CudaContext const&) {
  not_compiled("synchronize");
}

}  // namespace relweave
