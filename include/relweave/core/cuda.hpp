#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <relweave/core/config.hpp>
#include <relweave/core/views.hpp>

// The host's side of CUDA. Compiles without the toolkit; in a build without CUDA every function
// that needs a device throws NotCompiledError.

struct CUstream_st;

namespace relweave {

/// cudaStream_t, without its header.
using CudaStream = CUstream_st*;

enum class Determinism {
  run_to_run,  ///< the same bits for the same device, build and input
  none,        ///< float atomics where they are faster
};

/// Scratch memory of ops on one device: one allocation, handed out and taken back like a stack. Ops
/// never allocate: one that needs more than is left throws ConfigError with the bytes to reserve.
/// Calls that share a workspace must be on one stream.
class RELWEAVE_API DeviceWorkspace {
 public:
  DeviceWorkspace() = default;
  /// `bytes` on the current device; see reserve.
  explicit DeviceWorkspace(std::int64_t bytes) { reserve(bytes); }
  DeviceWorkspace(DeviceWorkspace const&) = delete;
  DeviceWorkspace& operator=(DeviceWorkspace const&) = delete;
  ~DeviceWorkspace();

  /// Makes at least `bytes` available, on the current device. Allocates only to grow; not while an
  /// op runs that uses this workspace. Throws CudaError when the device has no room.
  void reserve(std::int64_t bytes);
  std::int64_t capacity() const { return capacity_; }

  /// Hands out scratch until it is destroyed; `function` is who asks, for messages.
  class Scope {
   public:
    Scope(DeviceWorkspace* workspace, std::string_view function)
        : workspace_(workspace),
          function_(function),
          used_(workspace == nullptr ? 0 : workspace->used_) {}
    ~Scope() {
      if (workspace_ != nullptr) {
        workspace_->used_ = used_;
      }
    }
    Scope(Scope const&) = delete;
    Scope& operator=(Scope const&) = delete;

    /// Uninitialised, aligned to 256 bytes.
    template <typename T>
    VectorView<T, Space::device> vector(std::int64_t size) {
      return {static_cast<T*>(take(size * static_cast<std::int64_t>(sizeof(T)))), size};
    }
    template <typename T>
    MatrixView<T, Space::device> matrix(std::int64_t rows, std::int64_t cols) {
      return {vector<T>(rows * cols).data, rows, cols};
    }

   private:
    RELWEAVE_API void* take(std::int64_t bytes);

    DeviceWorkspace* workspace_;
    std::string_view function_;
    std::int64_t used_;
  };

 private:
  std::byte* data_ = nullptr;
  std::int64_t capacity_ = 0;
  std::int64_t used_ = 0;
};

/// How device work runs; the first argument of every op on device views. A plain struct: copy it,
/// change a field. Ops put their work on the stream and return: they neither allocate nor wait.
struct CudaContext {
  int device = 0;
  /// Not null: the default stream waits for all others.
  CudaStream stream = nullptr;
  /// Null serves ops that need no scratch.
  DeviceWorkspace* workspace = nullptr;
  Determinism determinism = Determinism::run_to_run;
};

/// Whether the library was built with CUDA.
RELWEAVE_API bool cuda_compiled();

/// Devices this process may use; 0 without a driver or in a build without CUDA.
RELWEAVE_API int cuda_device_count();

struct CudaDeviceInfo {
  std::string name;
  int compute_capability = 0;  ///< 90 is 9.0
  int multiprocessors = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t free_bytes = 0;
};

/// Throws NotCompiledError, or DeviceError when there is no such device.
RELWEAVE_API CudaDeviceInfo cuda_device_info(int device);

/// Throws unless ops can run with `ctx`: NotCompiledError in a build without CUDA, DeviceError when
/// there is no such device or the stream is null.
RELWEAVE_API void expect_cuda(std::string_view function, CudaContext const& ctx);

/// Makes a device current until it is destroyed.
class RELWEAVE_API DeviceGuard {
 public:
  explicit DeviceGuard(int device);
  ~DeviceGuard();
  DeviceGuard(DeviceGuard const&) = delete;
  DeviceGuard& operator=(DeviceGuard const&) = delete;

 private:
  int previous_;
};

/// Owner of a stream that does not wait for the default stream.
class RELWEAVE_API OwnedStream {
 public:
  explicit OwnedStream(int device = 0);
  OwnedStream(OwnedStream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  OwnedStream& operator=(OwnedStream&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }
  OwnedStream(OwnedStream const&) = delete;
  OwnedStream& operator=(OwnedStream const&) = delete;
  ~OwnedStream();

  CudaStream get() const { return stream_; }

 private:
  CudaStream stream_ = nullptr;
};

/// Waits until all work on the stream is done. Throws CudaError if any of it failed.
RELWEAVE_API void synchronize(CudaContext const& ctx);

namespace detail {

enum class CopyKind { to_device, to_host, on_device };

/// Rows of `row_bytes`, `to_stride` and `from_stride` bytes apart.
RELWEAVE_API void copy_rows(CudaContext const& ctx, void* to, std::int64_t to_stride,
                            void const* from, std::int64_t from_stride, std::int64_t row_bytes,
                            std::int64_t rows, CopyKind kind);
RELWEAVE_API void expect_copy_sizes(std::int64_t from_rows, std::int64_t from_cols,
                                    std::int64_t to_rows, std::int64_t to_cols);

template <typename U, typename T, Space From, Space To>
concept Copyable = std::is_same_v<std::remove_const_t<U>, T> &&
    (From == Space::device || To == Space::device);

template <Space From, Space To>
inline constexpr CopyKind copy_kind = From == Space::host ? CopyKind::to_device
                                      : To == Space::host ? CopyKind::to_host
                                                          : CopyKind::on_device;

}  // namespace detail

/// Copies on the stream; at least one side is on the device. Host memory that is not pinned must
/// not change before the stream is done. Throws ShapeError when shapes differ.
template <typename U, typename T, Space From, Space To>
requires detail::Copyable<U, T, From, To>
void copy(CudaContext const& ctx, MatrixView<U, From> from, MatrixView<T, To> to) {
  detail::expect_copy_sizes(from.rows, from.cols, to.rows, to.cols);
  constexpr auto bytes = static_cast<std::int64_t>(sizeof(T));
  detail::copy_rows(ctx, to.data, to.stride * bytes, from.data, from.stride * bytes,
                    from.cols * bytes, from.rows, detail::copy_kind<From, To>);
}

template <typename U, typename T, Space From, Space To>
requires detail::Copyable<U, T, From, To>
void copy(CudaContext const& ctx, VectorView<U, From> from, VectorView<T, To> to) {
  copy(ctx, MatrixView<U, From>(from.data, 1, from.size), MatrixView<T, To>(to.data, 1, to.size));
}

}  // namespace relweave
