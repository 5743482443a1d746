#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <algorithm>
#include <cmath>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/ops/detail/row_kernels.hpp>
#include <relweave/ops/relation_aggregate/arg.hpp>

#include "csr_scan.hpp"

namespace relweave::ops {

namespace {

template <typename T>
void finish_row(detail::RowKernels<T> const& kernels, RelationAggregateParams const& params,
                VectorView<T> out, T* norm_out) {
  if (params.activation == Activation::relu) {
    for (T& x : out) {
      x = x < 0 ? T{0} : x;
    }
  }
  if (!params.l2_normalize) {
    return;
  }
  T const norm = std::sqrt(kernels.dot(out.data, out.data, out.size));
  if (norm_out != nullptr) {
    *norm_out = norm;
  }
  if (norm != 0) {
    for (T& x : out) {
      x /= norm;
    }
  }
}

template <typename T>
void check_cache(std::string_view here, RelationCsrView<> const& csr,
                 RelationAggregateCache<T> const& cache, CsrScan const& scan,
                 RelationAggregateParams const& params, std::int64_t d) {
  constexpr std::string_view remedy = "Pass the cache of the forward pass with the same csr.";
  std::int64_t const width = detail::arg_width_of(scan.largest_degree);
  std::int64_t const bytes = csr.n_dst * csr.relations * d * width;
  if (params.reduce == Reduce::max && cache.arg.size() != bytes) {
    raise<ShapeError>(here, "cache.arg", std::to_string(cache.arg.size()) + " bytes",
                      std::to_string(bytes) + " bytes", remedy);
  }
  if (params.reduce == Reduce::max && bytes > 0 && cache.arg_width != width) {
    raise<ShapeError>(here, "cache.arg_width", std::to_string(cache.arg_width),
                      std::to_string(width), remedy);
  }
  if (params.l2_normalize && cache.norm.size() != csr.n_dst) {
    raise<ShapeError>(here, "cache.norm", std::to_string(cache.norm.size()) + " elements",
                      std::to_string(csr.n_dst) + " elements", remedy);
  }
}

}  // namespace

template <Scalar T>
void relation_aggregate(HostContext const& ctx, RelationCsrView<> const& csr,
                        In<MatrixView<T const>> messages, In<MatrixView<T const>> self,
                        RelationAggregateParams const& params, MatrixView<T> out,
                        RelationAggregateCache<T>* cache) {
  constexpr std::string_view here = "relation_aggregate";
  if (csr.message_rows > 0 || messages.rows > 0) {
    expect_shape(here, "messages", messages, csr.message_rows, out.cols);
  }
  expect_shape(here, "out", out, csr.n_dst, out.cols);
  if (!self.empty()) {
    expect_shape(here, "self", self, csr.n_dst, out.cols);
  }
  CsrScan const scan = scan_csr(ctx, here, csr);
  std::int64_t const d = out.cols;
  bool const keep_arg = cache != nullptr && params.reduce == Reduce::max;
  if (keep_arg) {
    cache->arg_width = detail::arg_width_of(scan.largest_degree);
    cache->arg.reset(csr.n_dst * csr.relations * d * cache->arg_width);
  }
  if (cache != nullptr && params.l2_normalize) {
    cache->norm.reset(csr.n_dst);
  }
  auto const& kernels = detail::row_kernels<T>(ctx);
  parallel_for_blocks(ctx, csr.n_dst, 64, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      T* const to = out.row_data(i);
      if (self.empty()) {
        std::fill_n(to, d, T{0});
      } else if (self.row_data(i) != to) {
        std::copy_n(self.row_data(i), d, to);
      }
      for (std::int64_t row = i * csr.relations; row < (i + 1) * csr.relations; ++row) {
        EdgeOffset const begin = csr.row_offsets[row];
        EdgeOffset const degree = csr.row_offsets[row + 1] - begin;
        detail::RowList<T> const list{csr.cols.data + begin, degree, messages.data,
                                      messages.stride};
        if (params.reduce == Reduce::max) {
          kernels.add_max(list, d, to,
                          keep_arg ? cache->arg.data() + row * d * cache->arg_width : nullptr,
                          keep_arg ? cache->arg_width : 1);
        } else {
          T const scale =
              params.reduce == Reduce::mean && degree > 0 ? T{1} / static_cast<T>(degree) : T{1};
          kernels.add_sum(list, nullptr, scale, d, to);
        }
      }
      finish_row(kernels, params, out.row(i),
                 cache != nullptr && params.l2_normalize ? cache->norm.data() + i : nullptr);
    }
  });
}

template <Scalar T>
void relation_aggregate_backward(HostContext const& ctx, RelationCsrView<> const& csr,
                                 In<MatrixView<T const>> out,
                                 RelationAggregateCache<T> const& cache,
                                 In<MatrixView<T const>> grad_out,
                                 RelationAggregateParams const& params, MatrixView<T> grad_messages,
                                 MatrixView<T> grad_self) {
  constexpr std::string_view here = "relation_aggregate_backward";
  std::int64_t const d = grad_out.cols;
  expect_shape(here, "grad_out", grad_out, csr.n_dst, d);
  expect_shape(here, "out", out, csr.n_dst, d);
  expect_shape(here, "grad_messages", grad_messages, csr.message_rows, d);
  if (!grad_self.empty()) {
    expect_shape(here, "grad_self", grad_self, csr.n_dst, d);
  }
  CsrScan const scan = scan_csr(ctx, here, csr);
  check_cache(here, csr, cache, scan, params, d);
  auto const& kernels = detail::row_kernels<T>(ctx);
  Workspace::Scope scratch(scratch_of(ctx));
  MatrixView<T> const g = grad_self.empty() ? scratch.matrix<T>(csr.n_dst, d) : grad_self;
  parallel_for_blocks(ctx, csr.n_dst, 256, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      T const* const from = grad_out.row_data(i);
      T const* const y = out.row_data(i);
      T along = 0;
      T scale = 1;
      if (params.l2_normalize) {
        along = kernels.dot(y, from, d);
        T const norm = cache.norm.data()[i];
        scale = norm > 0 ? 1 / norm : T{0};
      }
      for (std::int64_t f = 0; f < d; ++f) {
        bool const passes = params.activation != Activation::relu || y[f] > 0;
        g(i, f) = passes ? (from[f] - along * y[f]) * scale : T{0};
      }
    }
  });
  constexpr std::int64_t tile = 16;
  parallel_for_blocks(ctx, d, tile, [&](std::int64_t first, std::int64_t last) {
    std::int64_t const width = last - first;
    for (std::int64_t j = 0; j < csr.message_rows; ++j) {
      std::fill_n(grad_messages.row_data(j) + first, width, T{0});
    }
    for (std::int64_t i = 0; i < csr.n_dst; ++i) {
      T const* const from = g.row_data(i) + first;
      for (std::int64_t row = i * csr.relations; row < (i + 1) * csr.relations; ++row) {
        EdgeOffset const begin = csr.row_offsets[row];
        EdgeOffset const end = csr.row_offsets[row + 1];
        if (begin == end) {
          continue;
        }
        if (params.reduce == Reduce::max) {
          kernels.scatter_max(
              csr.cols.data + begin, cache.arg.data() + (row * d + first) * cache.arg_width,
              cache.arg_width, from, width, grad_messages.data + first, grad_messages.stride);
          continue;
        }
        T const scale = params.reduce == Reduce::mean ? T{1} / static_cast<T>(end - begin) : T{1};
        for (EdgeOffset e = begin; e < end; ++e) {
          kernels.axpy(scale, from, width, grad_messages.row_data(csr.cols[e]) + first);
        }
      }
    }
  });
}

#define RELWEAVE_INSTANTIATE(T)                                                               \
  template void relation_aggregate<T>(                                                        \
      HostContext const&, RelationCsrView<> const&, MatrixView<T const>, MatrixView<T const>, \
      RelationAggregateParams const&, MatrixView<T>, RelationAggregateCache<T>*);             \
  template void relation_aggregate_backward<T>(                                               \
      HostContext const&, RelationCsrView<> const&, MatrixView<T const>,                      \
      RelationAggregateCache<T> const&, MatrixView<T const>, RelationAggregateParams const&,  \
      MatrixView<T>, MatrixView<T>)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);

}  // namespace relweave::ops
