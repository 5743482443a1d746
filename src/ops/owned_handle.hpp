#pragma once

namespace relweave::ops {

/// Owner of a handle or descriptor of a CUDA library.
template <typename Handle, auto destroy>
class OwnedHandle {
 public:
  OwnedHandle() = default;
  ~OwnedHandle() { release(); }
  OwnedHandle(OwnedHandle const&) = delete;
  OwnedHandle& operator=(OwnedHandle const&) = delete;

  /// Where the library writes a new one.
  Handle* out() {
    release();
    return &handle_;
  }
  Handle get() const { return handle_; }

 private:
  void release() {
    if (handle_ != nullptr) {
      destroy(handle_);
      handle_ = nullptr;
    }
  }

  Handle handle_ = nullptr;
};

}  // namespace relweave::ops
