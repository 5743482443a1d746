#include <relweave/core/cuda.hpp>

#include <algorithm>
#include <cstring>

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda/check.cuh>
#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>

namespace relweave {

namespace {

constexpr std::int64_t scratch_alignment = 256;

std::string bytes_text(std::size_t bytes) {
  return std::to_string(bytes) + " bytes";
}

/// For destructors: an error that nobody is told must not be the one that the next launch finds.
void forget(cudaError_t status) {
  if (status != cudaSuccess) {
    cudaGetLastError();
  }
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

void SpaceAllocator<Space::device>::release(void* p, std::size_t) noexcept {
  if (p != nullptr) {
    forget(cudaFree(p));
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

void detail::zero_rows(CudaContext const& ctx, void* data, std::int64_t stride,
                       std::int64_t row_bytes, std::int64_t rows) {
  expect_cuda("set_zero", ctx);
  if (rows == 0 || row_bytes == 0) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  auto const size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  cuda::check(
      "set_zero", "cudaMemsetAsync",
      rows == 1 || stride == row_bytes
          ? cudaMemsetAsync(data, 0, size(rows * row_bytes), ctx.stream)
          : cudaMemset2DAsync(data, size(stride), 0, size(row_bytes), size(rows), ctx.stream));
}

DeviceWorkspace::~DeviceWorkspace() {
  for (Block const& block : blocks_) {
    detail::SpaceAllocator<Space::device>::release(block.data,
                                                   static_cast<std::size_t>(block.capacity));
  }
}

std::int64_t DeviceWorkspace::capacity() const {
  std::int64_t total = 0;
  for (Block const& block : blocks_) {
    total += block.capacity;
  }
  return total;
}

void DeviceWorkspace::reserve(std::int64_t bytes) {
  constexpr std::string_view here = "DeviceWorkspace.reserve";
  if (block_ > 0 || used_ > 0) {
    raise<ConfigError>(here, "workspace", "one that an op uses", "one that is not in use");
  }
  if (bytes == 0 || (!blocks_.empty() && bytes <= blocks_.front().capacity)) {
    return;
  }
  auto* const grown =
      static_cast<std::byte*>(allocate_on_device(here, static_cast<std::size_t>(bytes)));
  for (Block const& block : blocks_) {
    detail::SpaceAllocator<Space::device>::release(block.data,
                                                   static_cast<std::size_t>(block.capacity));
  }
  blocks_.assign(1, {grown, bytes});
}

void* DeviceWorkspace::Scope::take(std::int64_t bytes) {
  std::int64_t const rounded =
      (bytes + scratch_alignment - 1) / scratch_alignment * scratch_alignment;
  if (rounded == 0) {
    return nullptr;
  }
  auto const fits = [&] {
    return workspace_->block_ < workspace_->blocks_.size() &&
           workspace_->used_ + rounded <= workspace_->blocks_[workspace_->block_].capacity;
  };
  if (workspace_ == nullptr || (workspace_->growth_ == Growth::none && !fits())) {
    std::int64_t const used = workspace_ == nullptr ? 0 : workspace_->used_;
    std::int64_t const capacity = workspace_ == nullptr ? 0 : workspace_->capacity();
    raise<ConfigError>(function_, "workspace", std::to_string(capacity) + " bytes",
                       "at least " + std::to_string(used + rounded) + " bytes",
                       "Give the context a DeviceWorkspace, and reserve that much first.");
  }
  while (!fits()) {
    if (workspace_->block_ + 1 < workspace_->blocks_.size()) {
      ++workspace_->block_;
      workspace_->used_ = 0;
      continue;
    }
    // Doubling keeps the number of blocks logarithmic; 4 MiB serve small layers at once.
    std::int64_t const size = std::max({rounded, workspace_->capacity(), std::int64_t{4} << 20});
    workspace_->blocks_.push_back(
        {static_cast<std::byte*>(allocate_on_device(function_, static_cast<std::size_t>(size))),
         size});
    workspace_->block_ = workspace_->blocks_.size() - 1;
    workspace_->used_ = 0;
  }
  std::byte* const result = workspace_->blocks_[workspace_->block_].data + workspace_->used_;
  workspace_->used_ += rounded;
  return result;
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
    forget(cudaSetDevice(previous_));
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
    forget(cudaStreamDestroy(stream_));
  }
}

namespace {

cudaEvent_t new_event(std::string_view function) {
  cudaEvent_t event = nullptr;
  cuda::check(function, "cudaEventCreateWithFlags",
              cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return event;
}

void* allocate_pinned(std::string_view function, std::int64_t bytes) {
  void* p = nullptr;
  cuda::check(function, "cudaMallocHost", cudaMallocHost(&p, static_cast<std::size_t>(bytes)));
  return p;
}

}  // namespace

/// Of a copy to pinned memory: one thread copies slower than a GPU reads.
constexpr std::int64_t bytes_per_task = std::int64_t{1} << 19;

StagedUpload::~StagedUpload() {
  if (sent_ != nullptr) {
    forget(cudaEventSynchronize(sent_));
    forget(cudaEventDestroy(sent_));
  }
  for (Block const& block : blocks_) {
    forget(cudaFreeHost(block.data));
  }
}

void StagedUpload::begin() {
  if (sent_ != nullptr) {
    cuda::check("StagedUpload.begin", "cudaEventSynchronize", cudaEventSynchronize(sent_));
  }
  block_ = 0;
  used_ = 0;
}

void StagedUpload::send_bytes(CudaContext const& ctx, void const* from, void* to,
                              std::int64_t bytes) {
  constexpr std::string_view here = "StagedUpload.send";
  if (bytes > largest_piece) {
    detail::copy_rows(ctx, to, bytes, from, bytes, bytes, 1, detail::CopyKind::to_device);
    return;
  }
  expect_cuda(here, ctx);
  if (bytes == 0) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  while (block_ == blocks_.size() || used_ + bytes > blocks_[block_].capacity) {
    if (block_ < blocks_.size()) {
      ++block_;
      used_ = 0;
      continue;
    }
    // Doubling keeps the number of blocks logarithmic.
    std::int64_t capacity = std::max(bytes, std::int64_t{64} << 10);
    for (Block const& block : blocks_) {
      capacity = std::max(capacity, 2 * block.capacity);
    }
    blocks_.push_back({static_cast<std::byte*>(allocate_pinned(here, capacity)), capacity});
  }
  std::byte* const staged = blocks_[block_].data + used_;
  used_ += (bytes + scratch_alignment - 1) / scratch_alignment * scratch_alignment;
  parallel_for_blocks(ctx.host, bytes, bytes_per_task, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(staged + begin, static_cast<std::byte const*>(from) + begin,
                static_cast<std::size_t>(end - begin));
  });
  cuda::check(here, "cudaMemcpyAsync",
              cudaMemcpyAsync(to, staged, static_cast<std::size_t>(bytes), cudaMemcpyHostToDevice,
                              ctx.stream));
}

void StagedUpload::end(CudaContext const& ctx) {
  constexpr std::string_view here = "StagedUpload.end";
  expect_cuda(here, ctx);
  DeviceGuard const guard(ctx.device);
  if (sent_ == nullptr) {
    sent_ = new_event(here);
  }
  cuda::check(here, "cudaEventRecord", cudaEventRecord(sent_, ctx.stream));
}

DeviceReadings::~DeviceReadings() {
  for (Slot const& s : slots_) {
    if (s.sent != nullptr) {
      forget(cudaEventSynchronize(s.sent));
      forget(cudaEventDestroy(s.sent));
    }
    if (s.host != nullptr) {
      forget(cudaFreeHost(s.host));
    }
  }
}

VectorView<double, Space::device> DeviceReadings::next(CudaContext const& ctx) {
  if (device_.empty()) {
    DeviceGuard const guard(ctx.device);
    device_ = Buffer<double, Space::device>(depth + 1);
  }
  return device_.view().slice(pushed_ % (depth + 1), 1);
}

void DeviceReadings::push(CudaContext const& ctx) {
  constexpr std::string_view here = "DeviceReadings.push";
  expect_cuda(here, ctx);
  DeviceGuard const guard(ctx.device);
  wait_until(pushed_ - depth);
  Slot& s = slot(pushed_);
  if (s.sent == nullptr) {
    s.host = static_cast<double*>(allocate_pinned(here, sizeof(double)));
    s.sent = new_event(here);
  }
  cuda::check(
      here, "cudaMemcpyAsync",
      cudaMemcpyAsync(s.host, next(ctx).data, sizeof(double), cudaMemcpyDeviceToHost, ctx.stream));
  cuda::check(here, "cudaEventRecord", cudaEventRecord(s.sent, ctx.stream));
  ++pushed_;
}

void DeviceReadings::wait_until(std::int64_t count) {
  for (; arrived_ < count; ++arrived_) {
    Slot const& s = slot(arrived_);
    cuda::check("DeviceReadings", "cudaEventSynchronize", cudaEventSynchronize(s.sent));
    numbers_.push_back(*s.host);
  }
}

std::vector<double> DeviceReadings::take() {
  return std::exchange(numbers_, {});
}

void DeviceReadings::finish() {
  wait_until(pushed_);
}

void synchronize(CudaContext const& ctx) {
  expect_cuda("synchronize", ctx);
  cuda::check("synchronize", "cudaStreamSynchronize", cudaStreamSynchronize(ctx.stream));
}

}  // namespace relweave
