#pragma once

#include <type_traits>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda.hpp>
#include <relweave/nn/parameter.hpp>
#include <relweave/ops/gather_rows/device_indices.hpp>

// Host data where a model's step can read it: itself on the host, a copy on a device. So the same
// step runs on both.

namespace relweave::model {

template <typename T>
VectorView<T const> view_of(std::vector<T> const& v) {
  return {v.data(), std::ssize(v)};
}

/// A list of numbers that the host makes anew for each step.
template <typename T, Space S>
class Uploaded;

template <typename T>
class Uploaded<T, Space::host> {
 public:
  /// `values` must live as long as the view is used.
  void set(HostContext const&, VectorView<T const> values) { view_ = values; }
  VectorView<T const> view() const { return view_; }

 private:
  VectorView<T const> view_;
};

template <typename T>
class Uploaded<T, Space::device> {
 public:
  void set(CudaContext const& ctx, VectorView<T const> values) {
    DeviceGuard const guard(ctx.device);
    device_.reset(values.size);
    staged_.begin();
    staged_.send(ctx, values, device_.view());
    staged_.end(ctx);
  }
  VectorView<T const, Space::device> view() const { return device_.view(); }

 private:
  StagedUpload staged_;
  Buffer<T, Space::device> device_;
};

/// Rows that a step reads and whose gradients it adds up.
template <Space S>
class IndexList;

template <>
class IndexList<Space::host> {
 public:
  /// `indices`, into a table of `rows` rows, must live as long as the views are used.
  void set(HostContext const&, VectorView<NodeId const> indices, std::int64_t) { view_ = indices; }
  VectorView<NodeId const> view() const { return view_; }
  /// For ops that add to the rows.
  VectorView<NodeId const> list() const { return view_; }

 private:
  VectorView<NodeId const> view_;
};

template <>
class IndexList<Space::device> {
 public:
  void set(CudaContext const& ctx, VectorView<NodeId const> indices, std::int64_t rows) {
    indices_.upload(ctx, indices, rows);
  }
  VectorView<NodeId const, Space::device> view() const { return indices_.view(); }
  ops::DeviceIndices const& list() const { return indices_; }

 private:
  ops::DeviceIndices indices_;
};

/// A host matrix that stays where it is, or its copy on a device.
template <typename T, Space S>
class Resident;

template <typename T>
class Resident<T, Space::host> {
 public:
  Resident(HostContext const&, MatrixView<T const> host) : view_(host) {}
  MatrixView<T const> view() const { return view_; }

 private:
  MatrixView<T const> view_;
};

template <typename T>
class Resident<T, Space::device> {
 public:
  Resident(CudaContext const& ctx, MatrixView<T const> host) {
    DeviceGuard const guard(ctx.device);
    device_ = Matrix<T, Space::device>(host.rows, host.cols);
    copy(ctx, host, device_.view());
  }
  MatrixView<T const, Space::device> view() const { return device_.view(); }

 private:
  Matrix<T, Space::device> device_;
};

/// A host's parameters where a pass reads them.
template <Space S>
class Placed;

template <>
class Placed<Space::host> {
 public:
  Placed(HostContext const&, nn::ParameterSet<float> const& host) : host_(host) {}
  nn::ParameterSet<float> const& get() const { return host_; }

 private:
  nn::ParameterSet<float> const& host_;
};

template <>
class Placed<Space::device> {
 public:
  Placed(CudaContext const& ctx, nn::ParameterSet<float> const& host) : device_(ctx, host) {}
  nn::ParameterSet<float, Space::device> const& get() const { return device_; }

 private:
  nn::ParameterSet<float, Space::device> device_;
};

/// A result that is made in a space and read on the host.
template <typename T, Space S>
Matrix<T> to_host(Context<S> const& ctx, MatrixView<T const, S> from) {
  Matrix<T> to(from.rows, from.cols);
  copy(ctx, from, to.view());
  if constexpr (S == Space::device) {
    synchronize(ctx);
  }
  return to;
}

/// The context with a workspace that grows on demand, where it has none.
template <Space S>
class WithWorkspace {
 public:
  explicit WithWorkspace(Context<S> const& ctx) : ctx_(ctx) {
    if constexpr (S == Space::device) {
      if (ctx_.workspace == nullptr) {
        ctx_.workspace = &own_;
      }
    }
  }
  Context<S> const& ctx() const { return ctx_; }
  /// Waits for work that uses what is about to go.
  void finish() const {
    if constexpr (S == Space::device) {
      synchronize(ctx_);
    }
  }

 private:
  struct Nothing {};
  std::conditional_t<S == Space::device, DeviceWorkspace, Nothing> own_ = make();
  Context<S> ctx_;

  static auto make() {
    if constexpr (S == Space::device) {
      return DeviceWorkspace(Growth::on_demand);
    } else {
      return Nothing{};
    }
  }
};

}  // namespace relweave::model
