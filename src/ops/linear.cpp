#include <relweave/ops/linear/linear.hpp>

#include <algorithm>
#include <concepts>

#include <relweave/core/error.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/ops/detail/dense_product.hpp>
#include <relweave/ops/detail/row_kernels.hpp>

namespace relweave::ops {

namespace detail {

#define RELWEAVE_DECLARE_DENSE_PRODUCT(isa)               \
  namespace isa {                                         \
  void dense_product_float(DenseProduct<float> const&);   \
  void dense_product_double(DenseProduct<double> const&); \
  }

RELWEAVE_DECLARE_DENSE_PRODUCT(baseline)
#if defined(__x86_64__)
RELWEAVE_DECLARE_DENSE_PRODUCT(avx2)
RELWEAVE_DECLARE_DENSE_PRODUCT(avx512)
#endif

}  // namespace detail

namespace {

using detail::DenseProduct;

// Below this many multiply-adds a product takes about as long as handing it to another thread.
constexpr std::int64_t parallel_work = 1 << 18;

// Rows of one task: enough for Eigen's packing of b to pay, few enough that two threads share a
// batch of a few hundred rows evenly.
constexpr std::int64_t task_rows = 128;

constexpr std::int64_t elementwise_rows = 64;

template <typename T>
detail::DenseProductFunction<T> dense_product(HostContext const& ctx) {
  auto const pick = [](auto const f, auto const d) {
    if constexpr (std::same_as<T, float>) {
      return f;
    } else {
      return d;
    }
  };
  switch (resolve_isa(ctx.isa)) {
#if defined(__x86_64__)
    case Isa::avx512:
      return pick(detail::avx512::dense_product_float, detail::avx512::dense_product_double);
    case Isa::avx2:
      return pick(detail::avx2::dense_product_float, detail::avx2::dense_product_double);
#endif
    default:
      return pick(detail::baseline::dense_product_float, detail::baseline::dense_product_double);
  }
}

/// Runs a product in blocks of output rows, whose shape depends on the product alone.
template <typename T>
void run(HostContext const& ctx, DenseProduct<T> const& whole) {
  if (whole.m == 0 || whole.n == 0) {
    return;
  }
  auto const function = dense_product<T>(ctx);
  if (whole.m * whole.n * whole.k < parallel_work) {
    function(whole);
    return;
  }
  // At least two blocks, a multiple of the widest kernel's rows.
  std::int64_t const half = ((whole.m + 1) / 2 + 7) / 8 * 8;
  parallel_for_blocks(ctx, whole.m, std::min(task_rows, half),
                      [&](std::int64_t begin, std::int64_t end) {
                        DenseProduct<T> part = whole;
                        part.a += whole.a_transposed ? begin : begin * whole.a_stride;
                        part.c += begin * whole.c_stride;
                        part.m = end - begin;
                        function(part);
                      });
}

}  // namespace

template <Scalar T>
void matmul(HostContext const& ctx, In<MatrixView<T const>> a, In<MatrixView<T const>> b,
            MatmulParams const& params, MatrixView<T> out) {
  ProfileScope const profile("matmul");
  bool const at = params.a == Transpose::yes;
  bool const bt = params.b == Transpose::yes;
  std::int64_t const m = at ? a.cols : a.rows;
  std::int64_t const k = at ? a.rows : a.cols;
  std::int64_t const n = bt ? b.rows : b.cols;
  expect_shape("matmul", "b", b, bt ? n : k, bt ? k : n);
  expect_shape("matmul", "out", out, m, n);
  run<T>(ctx, {.a = a.data,
               .a_stride = a.stride,
               .a_transposed = at,
               .b = b.data,
               .b_stride = b.stride,
               .b_transposed = bt,
               .c = out.data,
               .c_stride = out.stride,
               .m = m,
               .n = n,
               .k = k,
               .accumulate = params.accumulate,
               .bias = nullptr,
               .relu = false});
}

template <Scalar T>
void linear(HostContext const& ctx, In<MatrixView<T const>> x, In<MatrixView<T const>> weight,
            In<VectorView<T const>> bias, LinearParams const& params, MatrixView<T> out) {
  ProfileScope const profile("linear");
  expect_shape("linear", "weight", weight, x.cols, weight.cols);
  expect_shape("linear", "out", out, x.rows, weight.cols);
  if (!bias.empty()) {
    expect_size("linear", "bias", bias, weight.cols);
  }
  run<T>(ctx, {.a = x.data,
               .a_stride = x.stride,
               .a_transposed = false,
               .b = weight.data,
               .b_stride = weight.stride,
               .b_transposed = false,
               .c = out.data,
               .c_stride = out.stride,
               .m = x.rows,
               .n = weight.cols,
               .k = x.cols,
               .accumulate = params.accumulate,
               .bias = bias.empty() ? nullptr : bias.data,
               .relu = params.activation == Activation::relu});
}

template <Scalar T>
void linear_backward(HostContext const& ctx, In<MatrixView<T const>> x,
                     In<MatrixView<T const>> weight, In<MatrixView<T const>> out,
                     In<MatrixView<T const>> grad_out, LinearParams const& params,
                     LinearGradients<T> const& gradients) {
  ProfileScope const profile("linear_backward");
  constexpr std::string_view here = "linear_backward";
  std::int64_t const m = x.rows;
  std::int64_t const n = weight.cols;
  expect_shape(here, "weight", weight, x.cols, n);
  expect_shape(here, "grad_out", grad_out, m, n);
  if (!gradients.x.empty()) {
    expect_shape(here, "gradients.x", gradients.x, m, x.cols);
  }
  if (!gradients.weight.empty()) {
    expect_shape(here, "gradients.weight", gradients.weight, x.cols, n);
  }
  if (!gradients.bias.empty()) {
    expect_size(here, "gradients.bias", gradients.bias, n);
  }
  if (!gradients.sum.empty()) {
    expect_shape(here, "gradients.sum", gradients.sum, m, n);
  }
  Workspace::Scope scratch(scratch_of(ctx));
  MatrixView<T const> grad = grad_out;
  bool const relu = params.activation == Activation::relu;
  if (relu) {
    expect_shape(here, "out", out, m, n);
  }
  if (relu || !gradients.sum.empty()) {
    auto const masked = gradients.sum.empty() ? scratch.matrix<T>(m, n) : gradients.sum;
    parallel_for_blocks(ctx, m, elementwise_rows, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        T const* const g = grad_out.row_data(r);
        T* const to = masked.row_data(r);
        if (!relu) {
          std::copy_n(g, n, to);
          continue;
        }
        T const* const y = out.row_data(r);
        for (std::int64_t c = 0; c < n; ++c) {
          T const passed = g[c];  // read whatever y is: no branch, and the loop is vectorized
          to[c] = y[c] > 0 ? passed : T{0};
        }
      }
    });
    grad = masked;
  }
  if (!gradients.x.empty()) {
    matmul<T>(ctx, grad, weight, {.b = Transpose::yes, .accumulate = gradients.accumulate_x},
              gradients.x);
  }
  if (!gradients.weight.empty()) {
    matmul<T>(ctx, x, grad, {.a = Transpose::yes, .accumulate = true}, gradients.weight);
  }
  if (!gradients.bias.empty()) {
    auto const& kernels = detail::row_kernels<T>(ctx);
    for (std::int64_t r = 0; r < m; ++r) {
      kernels.add(grad.row_data(r), n, gradients.bias.data);
    }
  }
}

#define RELWEAVE_INSTANTIATE(T)                                                                   \
  template void matmul<T>(HostContext const&, MatrixView<T const>, MatrixView<T const>,           \
                          MatmulParams const&, MatrixView<T>);                                    \
  template void linear<T>(HostContext const&, MatrixView<T const>, MatrixView<T const>,           \
                          VectorView<T const>, LinearParams const&, MatrixView<T>);               \
  template void linear_backward<T>(HostContext const&, MatrixView<T const>, MatrixView<T const>,  \
                                   MatrixView<T const>, MatrixView<T const>, LinearParams const&, \
                                   LinearGradients<T> const&)
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(double);

}  // namespace relweave::ops
