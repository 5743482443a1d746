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

void SpaceAllocator<Space::device>::release(void*, std::size_t) noexcept {}

void copy_rows(CudaContext const&, void*, std::int64_t, void const*, std::int64_t, std::int64_t,
               std::int64_t, CopyKind) {
  not_compiled("copy");
}

void zero_rows(CudaContext const&, void*, std::int64_t, std::int64_t, std::int64_t) {
  not_compiled("set_zero");
}

}  // namespace detail

DeviceWorkspace::~DeviceWorkspace() = default;

std::int64_t DeviceWorkspace::capacity() const {
  return 0;
}

void DeviceWorkspace::reserve(std::int64_t bytes) {
  if (bytes > 0) {
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

StagedUpload::~StagedUpload() = default;

void StagedUpload::begin() {}

void StagedUpload::send_bytes(CudaContext const&, void const*, void*, std::int64_t) {
  not_compiled("StagedUpload.send");
}

void StagedUpload::end(CudaContext const&) {
  not_compiled("StagedUpload.end");
}

DeviceReadings::~DeviceReadings() = default;

VectorView<double, Space::device> DeviceReadings::next(CudaContext const&) {
  not_compiled("DeviceReadings.next");
}

void DeviceReadings::push(CudaContext const&) {
  not_compiled("DeviceReadings.push");
}

std::vector<double> DeviceReadings::take() {
  return {};
}

void DeviceReadings::finish() {}

void synchronize(CudaContext const&) {
  not_compiled("synchronize");
}

}  // namespace relweave
