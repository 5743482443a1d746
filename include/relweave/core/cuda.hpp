#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/error.hpp>
#include <relweave/core/views.hpp>
#include <relweave/core/workspace.hpp>

// The host's side of CUDA. Compiles without the toolkit; in a build without CUDA every function
// that needs a device throws NotCompiledError.

struct CUstream_st;
struct CUevent_st;

namespace relweave {

/// cudaStream_t, without its header.
using CudaStream = CUstream_st*;

enum class Determinism {
  run_to_run,  ///< the same bits for the same device, build and input
  none,        ///< float atomics where they are faster
};

/// Whether a DeviceWorkspace may allocate while ops run.
enum class Growth {
  none,       ///< an op that needs more than is left throws ConfigError with the bytes to reserve
  on_demand,  ///< up to the most that was ever needed, so that a loop comes to rest
};

/// Scratch memory of ops on one device, handed out and taken back like a stack. Calls that share a
/// workspace must be on one stream.
class RELWEAVE_API DeviceWorkspace {
 public:
  explicit DeviceWorkspace(Growth growth = Growth::none) : growth_(growth) {}
  /// `bytes` on the current device; see reserve.
  explicit DeviceWorkspace(std::int64_t bytes) { reserve(bytes); }
  DeviceWorkspace(DeviceWorkspace const&) = delete;
  DeviceWorkspace& operator=(DeviceWorkspace const&) = delete;
  ~DeviceWorkspace();

  /// Makes at least `bytes` available in one piece, on the current device. Allocates only to grow;
  /// not while an op runs that uses this workspace. Throws CudaError when the device has no room.
  void reserve(std::int64_t bytes);
  std::int64_t capacity() const;

  /// Hands out scratch until it is destroyed; `function` is who asks, for messages.
  class Scope {
   public:
    Scope(DeviceWorkspace* workspace, std::string_view function)
        : workspace_(workspace),
          function_(function),
          block_(workspace == nullptr ? 0 : workspace->block_),
          used_(workspace == nullptr ? 0 : workspace->used_) {}
    ~Scope() {
      if (workspace_ != nullptr) {
        workspace_->block_ = block_;
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
    std::size_t block_;
    std::int64_t used_;
  };

 private:
  struct Block {
    std::byte* data;
    std::int64_t capacity;
  };

  Growth growth_ = Growth::none;
  std::vector<Block> blocks_;  // one unless it grew on demand
  std::size_t block_ = 0;      // in use, with those before
  std::int64_t used_ = 0;      // bytes of it
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
  /// Of the work beside it: sampling, checks, numbering of edges.
  HostContext host = {};
};

namespace detail {

template <Space S>
struct ContextOf;
template <>
struct ContextOf<Space::host> {
  using Type = HostContext;
};
template <>
struct ContextOf<Space::device> {
  using Type = CudaContext;
};

}  // namespace detail

/// How work on memory of a space runs: code that is the same for both takes this.
template <Space S>
using Context = typename detail::ContextOf<S>::Type;

/// For functions that run where their context says.
template <typename C>
concept AnyContext = std::is_same_v<C, HostContext> || std::is_same_v<C, CudaContext>;
template <AnyContext C>
inline constexpr Space space_of = std::is_same_v<C, CudaContext> ? Space::device : Space::host;

inline HostContext const& host_of(HostContext const& ctx) {
  return ctx;
}
inline HostContext const& host_of(CudaContext const& ctx) {
  return ctx.host;
}

/// A scope of the context's workspace.
inline Workspace::Scope scratch_scope(HostContext const& ctx, std::string_view) {
  return Workspace::Scope(scratch_of(ctx));
}
inline DeviceWorkspace::Scope scratch_scope(CudaContext const& ctx, std::string_view function) {
  return {ctx.workspace, function};
}

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

/// The same where a function runs on either; the host always can.
inline void expect_context(std::string_view function, CudaContext const& ctx) {
  expect_cuda(function, ctx);
}
inline void expect_context(std::string_view, HostContext const&) {}

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

/// Makes the context's device current, where it has one, for the life of the result.
struct HostGuard {};
inline HostGuard make_current(HostContext const&) {
  return {};
}
inline DeviceGuard make_current(CudaContext const& ctx) {
  return DeviceGuard(ctx.device);
}

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

/// Sends host data to a device by copies that the host does not wait for: it lies in pinned memory
/// of this object meanwhile. Pieces above `largest_piece` bytes go straight from where they are,
/// and are waited for.
class RELWEAVE_API StagedUpload {
 public:
  static constexpr std::int64_t largest_piece = std::int64_t{16} << 20;

  StagedUpload() = default;
  StagedUpload(StagedUpload&& other) noexcept { swap(other); }
  StagedUpload& operator=(StagedUpload&& other) noexcept {
    swap(other);
    return *this;
  }
  StagedUpload(StagedUpload const&) = delete;
  StagedUpload& operator=(StagedUpload const&) = delete;
  ~StagedUpload();

  /// Starts a round of sends, once those of the last are done: their memory is used again.
  void begin();
  /// `from` may change when this returns.
  template <typename T>
  void send(CudaContext const& ctx, VectorView<T const> from, VectorView<T, Space::device> to) {
    expect_size("StagedUpload.send", "to", to, from.size);
    send_bytes(ctx, from.data, to.data, from.size * static_cast<std::int64_t>(sizeof(T)));
  }
  void end(CudaContext const& ctx);

 private:
  struct Block {
    std::byte* data;
    std::int64_t capacity;
  };

  void swap(StagedUpload& other) noexcept {
    std::swap(blocks_, other.blocks_);
    std::swap(block_, other.block_);
    std::swap(used_, other.used_);
    std::swap(sent_, other.sent_);
  }
  void send_bytes(CudaContext const& ctx, void const* from, void* to, std::int64_t bytes);

  std::vector<Block> blocks_;
  std::size_t block_ = 0;
  std::int64_t used_ = 0;
  CUevent_st* sent_ = nullptr;
};

/// Numbers that work on the device leaves one by one, read by the host a few later, so that it
/// prepares the next steps meanwhile and never runs far ahead.
class RELWEAVE_API DeviceReadings {
 public:
  DeviceReadings() = default;
  DeviceReadings(DeviceReadings const&) = delete;
  DeviceReadings& operator=(DeviceReadings const&) = delete;
  ~DeviceReadings();

  /// Where work on the stream leaves the next number (1).
  VectorView<double, Space::device> next(CudaContext const& ctx);
  /// Sends it to the host. Waits until all but the last `depth` are there.
  void push(CudaContext const& ctx);
  /// Those that are there and were not taken, oldest first.
  std::vector<double> take();
  /// Waits for the rest, for the next take.
  void finish();

 private:
  static constexpr std::int64_t depth = 2;
  struct Slot {
    double* host = nullptr;
    CUevent_st* sent = nullptr;
  };
  Slot& slot(std::int64_t number) { return slots_[number % (depth + 1)]; }
  void wait_until(std::int64_t count);

  Buffer<double, Space::device> device_;
  Slot slots_[depth + 1];
  std::int64_t pushed_ = 0;
  std::int64_t arrived_ = 0;
  std::vector<double> numbers_;
};

/// Waits until all work on the stream is done. Throws CudaError if any of it failed.
RELWEAVE_API void synchronize(CudaContext const& ctx);

namespace detail {

enum class CopyKind { to_device, to_host, on_device };

/// Rows of `row_bytes`, `to_stride` and `from_stride` bytes apart.
RELWEAVE_API void copy_rows(CudaContext const& ctx, void* to, std::int64_t to_stride,
                            void const* from, std::int64_t from_stride, std::int64_t row_bytes,
                            std::int64_t rows, CopyKind kind);
template <typename U, typename T, Space From, Space To>
concept Copyable = std::is_same_v<std::remove_const_t<U>, T> &&
    (From == Space::device || To == Space::device);

RELWEAVE_API void zero_rows(CudaContext const& ctx, void* data, std::int64_t stride,
                            std::int64_t row_bytes, std::int64_t rows);

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
  expect_shape("copy", "to", to, from.rows, from.cols);
  constexpr auto bytes = static_cast<std::int64_t>(sizeof(T));
  detail::copy_rows(ctx, to.data, to.stride * bytes, from.data, from.stride * bytes,
                    from.cols * bytes, from.rows, detail::copy_kind<From, To>);
}

template <typename U, typename T, Space From, Space To>
requires detail::Copyable<U, T, From, To>
void copy(CudaContext const& ctx, VectorView<U, From> from, VectorView<T, To> to) {
  copy(ctx, MatrixView<U, From>(from.data, 1, from.size), MatrixView<T, To>(to.data, 1, to.size));
}

/// The same on the host.
template <typename U, typename T>
requires std::is_same_v<std::remove_const_t<U>, T>
void copy(HostContext const&, MatrixView<U> from, MatrixView<T> to) {
  expect_shape("copy", "to", to, from.rows, from.cols);
  for (std::int64_t r = 0; r < from.rows; ++r) {
    std::copy_n(from.row_data(r), from.cols, to.row_data(r));
  }
}

/// Sets all elements to zero, on a device by the stream.
template <typename T>
void set_zero(CudaContext const& ctx, MatrixView<T, Space::device> to) {
  constexpr auto bytes = static_cast<std::int64_t>(sizeof(T));
  detail::zero_rows(ctx, to.data, to.stride * bytes, to.cols * bytes, to.rows);
}
template <typename T>
void set_zero(HostContext const&, MatrixView<T> to) {
  for (std::int64_t r = 0; r < to.rows; ++r) {
    std::fill_n(to.row_data(r), to.cols, T{0});
  }
}
template <typename T, Space S>
void set_zero(Context<S> const& ctx, VectorView<T, S> to) {
  set_zero(ctx, MatrixView<T, S>(to.data, 1, to.size));
}

}  // namespace relweave
