#include <relweave/core/cuda.hpp>

#include <algorithm>

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda/check.cuh>
#include <relweave/core/error.hpp>

namespace relweave {

namespace {

constexpr std::int64_t scratch_alignment = 256;

std::string bytes_text(std::size_t bytes) {
  return std::to_string(bytes) + " bytes";
}

void* allocate_on_device(std::string_view function, std::size_t bytes) {
  void* p = nullptr;
  cudaError_t const status = cudaMalloc(&p, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    std::size_t free = 0;
    std::size_t total = 0;
    cuda::check(function, "cudaMemGetInfo", cudaMemGetInfo(&free, &total));
    raise<CudaError>(function, "device memory", bytes_text(free) + " free of " + bytes_text(total),
                     bytes_text(bytes) + " free",
                     "Free device memory, or use smaller batches or bfloat16.");
  }
  cuda::check(function, "cudaMalloc", status);
  return p;
}

/// The number of devices; 0 where there is none, or no driver for any.
int count_devices(std::string_view function) {
  int count = 0;
  cudaError_t const status = cudaGetDeviceCount(&count);
  if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) {
    cudaGetLastError();
    return 0;
  }
  cuda::check(function, "cudaGetDeviceCount", status);
  return count;
}

void expect_device(std::string_view function, int device) {
  int const count = count_devices(function);
  if (count == 0) {
    raise<DeviceError>(function, "device", "no CUDA device on this machine",
                       "a device and its driver",
                       "Use the CPU, or check the driver with nvidia-smi.");
  }
  if (device < 0 || device >= count) {
    raise<DeviceError>(function, "device", std::to_string(device),
                       "0 to " + std::to_string(count - 1));
  }
}

}  // namespace

namespace detail {

void* SpaceAllocator<Space::device>::allocate(std::size_t bytes) {
  return bytes == 0 ? nullptr : allocate_on_device("Buffer", bytes);
}

void SpaceAllocator<Space::device>::release(void* p) noexcept {
  if (p != nullptr) {
    cudaFree(p);
  }
}

void expect_copy_sizes(std::int64_t from_rows, std::int64_t from_cols, std::int64_t to_rows,
                       std::int64_t to_cols) {
  if (from_rows != to_rows || from_cols != to_cols) {
    raise<ShapeError>("copy", "to", "shape " + shape_string(to_rows, to_cols),
                      "shape " + shape_string(from_rows, from_cols));
  }
}

void copy_rows(CudaContext const& ctx, void* to, std::int64_t to_stride, void const* from,
               std::int64_t from_stride, std::int64_t row_bytes, std::int64_t rows, CopyKind kind) {
  expect_cuda("copy", ctx);
  if (rows == 0 || row_bytes == 0) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  auto const direction = kind == CopyKind::to_device ? cudaMemcpyHostToDevice
                         : kind == CopyKind::to_host ? cudaMemcpyDeviceToHost
                                                     : cudaMemcpyDeviceToDevice;
  auto const size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  bool const contiguous = rows == 1 || (to_stride == row_bytes && from_stride == row_bytes);
  cuda::check("copy", "cudaMemcpyAsync",
              contiguous ? cudaMemcpyAsync(to, from, size(rows * row_bytes), direction, ctx.stream)
                         : cudaMemcpy2DAsync(to, size(to_stride), from, size(from_stride),
                                             size(row_bytes), size(rows), direction, ctx.stream));
}

}  // namespace detail

DeviceWorkspace::~DeviceWorkspace() {
  detail::SpaceAllocator<Space::device>::release(data_);
}

void DeviceWorkspace::reserve(std::int64_t bytes) {
  constexpr std::string_view here = "DeviceWorkspace.reserve";
  if (used_ > 0) {
    raise<ConfigError>(here, "workspace", "one that an op uses", "one that is not in use");
  }
  if (bytes <= capacity_) {
    return;
  }
  auto* const grown =
      static_cast<std::byte*>(allocate_on_device(here, static_cast<std::size_t>(bytes)));
  detail::SpaceAllocator<Space::device>::release(data_);
  data_ = grown;
  capacity_ = bytes;
}

void* DeviceWorkspace::Scope::take(std::int64_t bytes) {
  std::int64_t const rounded =
      (bytes + scratch_alignment - 1) / scratch_alignment * scratch_alignment;
  if (rounded == 0) {
    return nullptr;
  }
  std::int64_t const used = workspace_ == nullptr ? 0 : workspace_->used_;
  std::int64_t const capacity = workspace_ == nullptr ? 0 : workspace_->capacity_;
  if (used + rounded > capacity) {
    raise<ConfigError>(function_, "workspace", std::to_string(capacity) + " bytes",
                       "at least " + std::to_string(used + rounded) + " bytes",
                       "Give the context a DeviceWorkspace, and reserve that much first.");
  }
  workspace_->used_ += rounded;
  return workspace_->data_ + used;
}

bool cuda_compiled() {
  return true;
}

int cuda_device_count() {
  return count_devices("cuda_device_count");
}

CudaDeviceInfo cuda_device_info(int device) {
  constexpr std::string_view here = "cuda_device_info";
  expect_device(here, device);
  DeviceGuard const guard(device);
  cudaDeviceProp properties{};
  cuda::check(here, "cudaGetDeviceProperties", cudaGetDeviceProperties(&properties, device));
  std::size_t free = 0;
  std::size_t total = 0;
  cuda::check(here, "cudaMemGetInfo", cudaMemGetInfo(&free, &total));
  return {.name = properties.name,
          .compute_capability = 10 * properties.major + properties.minor,
          .multiprocessors = properties.multiProcessorCount,
          .memory_bytes = static_cast<std::int64_t>(total),
          .free_bytes = static_cast<std::int64_t>(free)};
}

void expect_cuda(std::string_view function, CudaContext const& ctx) {
  expect_device(function, ctx.device);
  if (ctx.stream == nullptr) {
    raise<DeviceError>(function, "ctx.stream", "the default stream", "a stream of your own",
                       "OwnedStream makes one.");
  }
}

DeviceGuard::DeviceGuard(int device) : previous_(device) {
  constexpr std::string_view here = "DeviceGuard";
  cuda::check(here, "cudaGetDevice", cudaGetDevice(&previous_));
  if (previous_ != device) {
    cuda::check(here, "cudaSetDevice", cudaSetDevice(device));
  } else {
    previous_ = -1;
  }
}

DeviceGuard::~DeviceGuard() {
  if (previous_ >= 0) {
    cudaSetDevice(previous_);
  }
}

OwnedStream::OwnedStream(int device) {
  constexpr std::string_view here = "OwnedStream";
  expect_device(here, device);
  DeviceGuard const guard(device);
  cuda::check(here, "cudaStreamCreateWithFlags",
              cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
}

OwnedStream::~OwnedStream() {
  if (stream_ != nullptr) {
    cudaStreamDestroy(stream_);
  }
}

void synchronize(CudaContext const& ctx) {
  expect_cuda("synchronize", ctx);
  cuda::check("synchronize", "cudaStreamSynchronize", cudaStreamSynchronize(ctx.stream));
}

}  // namespace relweave
