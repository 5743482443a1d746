#include <cstdint>
#include <string>
#include <type_traits>

#include <relweave/core/cuda/grid.cuh>
#include <relweave/core/cuda/row_shapes.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/arg.hpp>
#include <relweave/ops/relation_aggregate/cuda_backward.cuh>

namespace relweave::ops {

namespace {

using cuda::aligned;
using cuda::with_shape;

template <typename T>
using DeviceMatrix = MatrixView<T, Space::device>;

void expect_uploaded(std::string_view here, DeviceCsr const& csr) {
  if (csr.fingerprint() == 0) {
    raise<ConfigError>(here, "csr", "nothing uploaded", "the graph of the pass",
                       "Call DeviceCsr.upload first.");
  }
}

std::int64_t arg_bytes(DeviceCsr const& csr, std::int64_t d) {
  return csr.view().n_dst * csr.view().relations * d * detail::arg_width_of(csr.largest_degree());
}

void expect_cache(std::string_view here, RelationAggregateDeviceCache const& cache,
                  DeviceCsr const& csr, std::int64_t d, RelationAggregateParams const& params) {
  constexpr std::string_view remedy =
      "Call RelationAggregateDeviceCache.reserve with the arguments of the pass.";
  if (params.reduce == Reduce::max && cache.arg.size() < arg_bytes(csr, d)) {
    raise<ConfigError>(here, "cache.arg", std::to_string(cache.arg.size()) + " bytes",
                       std::to_string(arg_bytes(csr, d)) + " bytes", remedy);
  }
  if (params.l2_normalize && cache.norm.size() < csr.view().n_dst) {
    raise<ConfigError>(here, "cache.norm", std::to_string(cache.norm.size()) + " elements",
                       std::to_string(csr.view().n_dst) + " elements", remedy);
  }
}

template <bool max, typename T>
void launch_forward(CudaContext const& ctx, std::string_view here,
                    cuda::ForwardArguments<T> const& a, bool whole) {
  with_shape<T>(a.d, whole, [&](auto shape) {
    using Shape = decltype(shape);
    if (a.work.chunks > 0) {
      RELWEAVE_LAUNCH((cuda::reduce_hub_chunks<max, Shape, T>),
                      cuda::grid_of(here, ctx, a.work.chunks, Shape::lanes), cuda::block_threads, 0,
                      ctx.stream, a);
      cuda::check_launch(here);
    }
    RELWEAVE_LAUNCH((cuda::aggregate_rows<max, Shape, T>),
                    cuda::grid_of(here, ctx, a.n_dst, Shape::lanes), cuda::block_threads, 0,
                    ctx.stream, a);
    cuda::check_launch(here);
  });
}

/// Calls f with a number of the type that holds slots of `width` bytes.
template <typename F>
void with_slot_type(int width, F&& f) {
  if (width == 1) {
    f(std::uint8_t{});
  } else if (width == 2) {
    f(std::uint16_t{});
  } else {
    f(std::uint32_t{});
  }
}

template <typename Arg, bool whole>
void launch_mark(CudaContext const& ctx, std::string_view here, cuda::MaskArguments const& a) {
  if (a.work.chunks > 0) {
    RELWEAVE_LAUNCH((cuda::mark_hub_winners<Arg, whole>),
                    cuda::grid_of(here, ctx, a.work.chunks, cuda::warp_lanes), cuda::block_threads,
                    0, ctx.stream, a);
    cuda::check_launch(here);
  }
  RELWEAVE_LAUNCH((cuda::mark_winners<Arg, whole>),
                  cuda::grid_of(here, ctx, a.n_dst, cuda::warp_lanes), cuda::block_threads, 0,
                  ctx.stream, a);
  cuda::check_launch(here);
}

template <typename Arg, typename T>
void launch_backward(CudaContext const& ctx, std::string_view here,
                     cuda::BackwardArguments<T> const& a, bool whole) {
  with_shape<T>(a.d, whole, [&](auto shape) {
    using Shape = decltype(shape);
    if (a.work.chunks > 0) {
      RELWEAVE_LAUNCH((cuda::gather_hub_chunks<Arg, Shape, T>),
                      cuda::grid_of(here, ctx, a.work.chunks, Shape::lanes), cuda::block_threads, 0,
                      ctx.stream, a);
      cuda::check_launch(here);
    }
    RELWEAVE_LAUNCH((cuda::gather_messages<Arg, Shape, T>),
                    cuda::grid_of(here, ctx, a.message_rows, Shape::lanes), cuda::block_threads, 0,
                    ctx.stream, a);
    cuda::check_launch(here);
  });
}

}  // namespace

void RelationAggregateDeviceCache::reserve(CudaContext const& ctx, DeviceCsr const& csr,
                                           std::int64_t d, RelationAggregateParams const& p) {
  constexpr std::string_view here = "RelationAggregateDeviceCache.reserve";
  expect_cuda(here, ctx);
  expect_uploaded(here, csr);
  DeviceGuard const guard(ctx.device);
  if (p.reduce == Reduce::max) {
    arg.reset(arg_bytes(csr, d));
  }
  if (p.l2_normalize) {
    norm.reset(csr.view().n_dst);
  }
}

std::int64_t relation_aggregate_workspace(DeviceCsr const& csr, std::int64_t d) {
  constexpr std::int64_t alignment = 256;
  std::int64_t const chunks = std::max(csr.rows_work().chunks, csr.messages_work().chunks);
  auto const rounded = [](std::int64_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment;
  };
  std::int64_t const words =
      csr.options().max_backward == MaxBackward::win_mask ? cuda::mask_words(d) : 0;
  return 2 * rounded(chunks * d * 4) + rounded(csr.view().cols.size * words * 4);
}

template <DeviceScalar T>
void relation_aggregate(CudaContext const& ctx, DeviceCsr const& csr,
                        In<MatrixView<T const, Space::device>> messages,
                        In<MatrixView<T const, Space::device>> self,
                        RelationAggregateParams const& params, MatrixView<T, Space::device> out,
                        RelationAggregateDeviceCache* cache) {
  constexpr std::string_view here = "relation_aggregate";
  expect_cuda(here, ctx);
  expect_uploaded(here, csr);
  auto const& view = csr.view();
  std::int64_t const d = out.cols;
  expect_shape(here, "out", out, view.n_dst, d);
  if (view.message_rows > 0 || messages.rows > 0) {
    expect_shape(here, "messages", messages, view.message_rows, d);
  }
  if (!self.empty()) {
    expect_shape(here, "self", self, view.n_dst, d);
  }
  if (cache != nullptr) {
    expect_cache(here, *cache, csr, d, params);
    cache->arg_width = detail::arg_width_of(csr.largest_degree());
    cache->csr_fingerprint = csr.fingerprint();
    cache->params = params;
  }
  if (view.n_dst == 0 || d == 0) {
    return;
  }
  bool const is_max = params.reduce == Reduce::max;
  DeviceGuard const guard(ctx.device);
  DeviceWorkspace::Scope scratch(ctx.workspace, here);
  auto const& work = csr.rows_work();
  std::int64_t const partials = work.chunks * d;
  cuda::ForwardArguments<T> const a{
      .row_offsets = view.row_offsets.data,
      .cols = view.cols.data,
      .work = work,
      .hub_degree = csr.options().hub_degree,
      .hub_chunk = csr.options().hub_chunk,
      .n_dst = view.n_dst,
      .relations = view.relations,
      .d = d,
      .messages = messages.data,
      .messages_stride = messages.stride,
      .self = self.empty() ? nullptr : self.data,
      .self_stride = self.stride,
      .out = out.data,
      .out_stride = out.stride,
      .relu = params.activation == Activation::relu,
      .l2_normalize = params.l2_normalize,
      .mean = params.reduce == Reduce::mean,
      .arg = cache != nullptr && is_max ? cache->arg.data() : nullptr,
      .arg_width = detail::arg_width_of(csr.largest_degree()),
      .norm = cache != nullptr && params.l2_normalize ? cache->norm.data() : nullptr,
      .partial_values = scratch.vector<float>(partials).data,
      .partial_slots = scratch.vector<std::int32_t>(is_max ? partials : 0).data};
  bool const whole = aligned(messages) && aligned(out) && (self.empty() || aligned(self));
  if (is_max) {
    launch_forward<true>(ctx, here, a, whole);
  } else {
    launch_forward<false>(ctx, here, a, whole);
  }
}

template <DeviceScalar T>
void relation_aggregate_backward(CudaContext const& ctx, DeviceCsr const& csr,
                                 In<MatrixView<T const, Space::device>> out,
                                 RelationAggregateDeviceCache const& cache,
                                 In<MatrixView<T const, Space::device>> grad_out,
                                 RelationAggregateParams const& params,
                                 MatrixView<T, Space::device> grad_messages,
                                 MatrixView<T, Space::device> grad_self) {
  constexpr std::string_view here = "relation_aggregate_backward";
  expect_cuda(here, ctx);
  expect_uploaded(here, csr);
  auto const& view = csr.view();
  std::int64_t const d = grad_out.cols;
  expect_shape(here, "grad_out", grad_out, view.n_dst, d);
  expect_shape(here, "out", out, view.n_dst, d);
  if (view.message_rows > 0 || grad_messages.rows > 0) {
    expect_shape(here, "grad_messages", grad_messages, view.message_rows, d);
  }
  if (!csr.options().transpose) {
    raise<ConfigError>(here, "csr", "one without transpose", "one with it",
                       "Upload it with options.transpose.");
  }
  if (cache.csr_fingerprint == 0) {
    raise<ConfigError>(here, "cache", "no forward pass", "that of a forward pass");
  }
  if (!(cache.params == params)) {
    raise<ConfigError>(here, "params", "others than the forward pass", "those of the cache");
  }
  if (cache.csr_fingerprint != csr.fingerprint()) {
    raise<GraphError>(here, "cache", "that of another csr", "that of this csr",
                      "Pass the cache of the forward pass with the same csr.");
  }
  expect_cache(here, cache, csr, d, params);
  bool const passes = params.activation == Activation::identity && !params.l2_normalize;
  if (!grad_self.empty() || !passes) {
    expect_shape(here, "grad_self", grad_self, view.n_dst, d);
  }
  if (d == 0) {
    return;
  }
  DeviceGuard const guard(ctx.device);
  DeviceMatrix<T const> g = grad_out;
  if (!grad_self.empty()) {
    g = grad_self;
    cuda::PreActivationArguments<T> const before{.n_dst = view.n_dst,
                                                 .d = d,
                                                 .out = out.data,
                                                 .out_stride = out.stride,
                                                 .grad_out = grad_out.data,
                                                 .grad_out_stride = grad_out.stride,
                                                 .relu = params.activation == Activation::relu,
                                                 .l2_normalize = params.l2_normalize,
                                                 .norm = cache.norm.data(),
                                                 .g = grad_self.data,
                                                 .g_stride = grad_self.stride};
    if (view.n_dst > 0) {
      RELWEAVE_LAUNCH((cuda::pre_activation<T>),
                      cuda::grid_of(here, ctx, view.n_dst, cuda::warp_lanes), cuda::block_threads,
                      0, ctx.stream, before);
      cuda::check_launch(here);
    }
  }
  if (view.message_rows == 0) {
    return;
  }
  DeviceWorkspace::Scope scratch(ctx.workspace, here);
  auto const& work = csr.messages_work();
  bool const whole = aligned(g) && aligned(grad_messages);
  bool const is_max = params.reduce == Reduce::max;
  bool const by_mask = is_max && csr.options().max_backward == MaxBackward::win_mask;
  int const words = by_mask ? cuda::mask_words(d) : 0;
  cuda::BackwardArguments<T> const a{.transpose = csr.transpose(),
                                     .row_offsets = view.row_offsets.data,
                                     .work = work,
                                     .hub_degree = csr.options().hub_degree,
                                     .hub_chunk = csr.options().hub_chunk,
                                     .message_rows = view.message_rows,
                                     .relations = view.relations,
                                     .d = d,
                                     .mean = params.reduce == Reduce::mean,
                                     .arg = cache.arg.data(),
                                     .masks = scratch.vector<unsigned>(view.cols.size * words).data,
                                     .mask_words = words,
                                     .g = g.data,
                                     .g_stride = g.stride,
                                     .grad_messages = grad_messages.data,
                                     .grad_messages_stride = grad_messages.stride,
                                     .partial_values = scratch.vector<float>(work.chunks * d).data};
  if (!is_max) {
    return launch_backward<void>(ctx, here, a, whole);
  }
  with_slot_type(cache.arg_width, [&](auto slot) {
    using Arg = decltype(slot);
    if (!by_mask) {
      return launch_backward<Arg>(ctx, here, a, whole);
    }
    cuda::MaskArguments const marks{.row_offsets = view.row_offsets.data,
                                    .positions = csr.transpose().positions.data,
                                    .work = csr.rows_work(),
                                    .hub_degree = csr.options().hub_degree,
                                    .hub_chunk = csr.options().hub_chunk,
                                    .n_dst = view.n_dst,
                                    .relations = view.relations,
                                    .d = d,
                                    .arg = cache.arg.data(),
                                    .masks = a.masks,
                                    .mask_words = words};
    if (view.n_dst > 0) {
      d % 32 == 0 ? launch_mark<Arg, true>(ctx, here, marks)
                  : launch_mark<Arg, false>(ctx, here, marks);
    }
    launch_backward<cuda::WinMask>(ctx, here, a, whole);
  });
}

#define RELWEAVE_INSTANTIATE(T)                                                                    \
  template void relation_aggregate<T>(CudaContext const&, DeviceCsr const&, DeviceMatrix<T const>, \
                                      DeviceMatrix<T const>, RelationAggregateParams const&,       \
                                      DeviceMatrix<T>, RelationAggregateDeviceCache*);             \
  template void relation_aggregate_backward<T>(                                                    \
      CudaContext const&, DeviceCsr const&, DeviceMatrix<T const>,                                 \
      RelationAggregateDeviceCache const&, DeviceMatrix<T const>, RelationAggregateParams const&,  \
      DeviceMatrix<T>, DeviceMatrix<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(bfloat16);

}  // namespace relweave::ops
