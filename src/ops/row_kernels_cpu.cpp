// Compiled once per instruction set: plain pointers and explicit vectors only, no std templates,
// whose weak symbols the linker would merge across instruction sets.

#include <relweave/core/simd.hpp>
#include <relweave/ops/detail/row_kernels.hpp>

namespace relweave::ops::detail::RELWEAVE_ISA_NAMESPACE {

namespace {

using simd::IndexVec;
using simd::lanes;
using simd::Vec;

// lanes<T> as an array index.
template <typename T>
constexpr std::size_t width = static_cast<std::size_t>(lanes<T>);

// Rows are fetched this many list positions before they are read: measured best from 8 to 16.
constexpr std::int64_t prefetch_distance = 8;

template <typename T>
Vec<T> load(T const* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}

template <typename T>
void store(T* p, Vec<T> const& v) {
  __builtin_memcpy(p, &v, sizeof(v));
}

template <std::size_t N, typename T>
void prefetch(RowList<T> const& list, std::int64_t e, std::int64_t offset) {
  if (e + prefetch_distance < list.count) {
    T const* const row = list.data + list.rows[e + prefetch_distance] * list.stride + offset;
    for (std::size_t v = 0; v < N; ++v) {
      __builtin_prefetch(row + v * width<T>);
    }
  }
}

template <typename A>
void fill_none(A* arg, std::int64_t d) {
  for (std::int64_t f = 0; f < d; ++f) {
    arg[f] = static_cast<A>(~A{0});
  }
}

/// N vectors of features: values and positions of the maxima stay in registers over all rows.
template <std::size_t N, typename T, typename A>
void max_tile(RowList<T> const& list, std::int64_t offset, T* out, A* arg) {
  Vec<T> best[N];
  IndexVec<T> where[N];
  T const* const first = list.data + list.rows[0] * list.stride + offset;
  for (std::size_t v = 0; v < N; ++v) {
    best[v] = load(first + v * width<T>);
    where[v] = IndexVec<T>{};
  }
  IndexVec<T> position = {};
  for (std::int64_t e = 1; e < list.count; ++e) {
    prefetch<N>(list, e, offset);
    T const* const row = list.data + list.rows[e] * list.stride + offset;
    position += 1;
    for (std::size_t v = 0; v < N; ++v) {
      Vec<T> const value = load(row + v * width<T>);
      auto const greater = value > best[v];
      best[v] = greater ? value : best[v];
      where[v] = greater ? position : where[v];
    }
  }
  for (std::size_t v = 0; v < N; ++v) {
    T* const target = out + offset + v * width<T>;
    store(target, load(target) + best[v]);
    if (arg != nullptr) {
      A* const slots = arg + offset + v * width<T>;
      for (std::size_t l = 0; l < width<T>; ++l) {
        slots[l] = static_cast<A>(where[v][l]);
      }
    }
  }
}

template <typename T, typename A>
void add_max_as(RowList<T> const& list, std::int64_t d, T* out, A* arg) {
  if (list.count == 0) {
    if (arg != nullptr) {
      fill_none(arg, d);
    }
    return;
  }
  std::int64_t f = 0;
  for (; f + 4 * lanes<T> <= d; f += 4 * lanes<T>) {
    max_tile<4>(list, f, out, arg);
  }
  for (; f + lanes<T> <= d; f += lanes<T>) {
    max_tile<1>(list, f, out, arg);
  }
  for (; f < d; ++f) {
    T best = list.data[list.rows[0] * list.stride + f];
    std::int64_t where = 0;
    for (std::int64_t e = 1; e < list.count; ++e) {
      T const value = list.data[list.rows[e] * list.stride + f];
      if (value > best) {
        best = value;
        where = e;
      }
    }
    out[f] += best;
    if (arg != nullptr) {
      arg[f] = static_cast<A>(where);
    }
  }
}

template <typename T>
void add_max(RowList<T> const& list, std::int64_t d, T* out, void* arg, int arg_width) {
  switch (arg_width) {
    case 1:
      return add_max_as(list, d, out, static_cast<unsigned char*>(arg));
    case 2:
      return add_max_as(list, d, out, static_cast<unsigned short*>(arg));
    default:
      return add_max_as(list, d, out, static_cast<unsigned int*>(arg));
  }
}

template <typename T, typename A>
void scatter_max_as(NodeId const* rows, A const* arg, T const* grad_out, std::int64_t d, T* grad,
                    std::int64_t stride) {
  for (std::int64_t f = 0; f < d; ++f) {
    if (arg[f] != static_cast<A>(~A{0})) {
      grad[rows[arg[f]] * stride + f] += grad_out[f];
    }
  }
}

template <typename T>
void scatter_max(NodeId const* rows, void const* arg, int arg_width, T const* grad_out,
                 std::int64_t d, T* grad, std::int64_t stride) {
  switch (arg_width) {
    case 1:
      return scatter_max_as(rows, static_cast<unsigned char const*>(arg), grad_out, d, grad,
                            stride);
    case 2:
      return scatter_max_as(rows, static_cast<unsigned short const*>(arg), grad_out, d, grad,
                            stride);
    default:
      return scatter_max_as(rows, static_cast<unsigned int const*>(arg), grad_out, d, grad, stride);
  }
}

template <std::size_t N, typename T>
void sum_tile(RowList<T> const& list, T const* weights, T scale, std::int64_t offset, T* out) {
  Vec<T> total[N] = {};
  for (std::int64_t e = 0; e < list.count; ++e) {
    prefetch<N>(list, e, offset);
    T const* const row = list.data + list.rows[e] * list.stride + offset;
    T const weight = weights != nullptr ? weights[e] : T{1};
    for (std::size_t v = 0; v < N; ++v) {
      total[v] += weight * load(row + v * width<T>);
    }
  }
  for (std::size_t v = 0; v < N; ++v) {
    T* const target = out + offset + v * width<T>;
    store(target, load(target) + scale * total[v]);
  }
}

template <typename T>
void add_sum(RowList<T> const& list, T const* weights, T scale, std::int64_t d, T* out) {
  if (list.count == 0) {
    return;
  }
  std::int64_t f = 0;
  for (; f + 8 * lanes<T> <= d; f += 8 * lanes<T>) {
    sum_tile<8>(list, weights, scale, f, out);
  }
  for (; f + lanes<T> <= d; f += lanes<T>) {
    sum_tile<1>(list, weights, scale, f, out);
  }
  for (; f < d; ++f) {
    T total = 0;
    for (std::int64_t e = 0; e < list.count; ++e) {
      total += (weights != nullptr ? weights[e] : T{1}) * list.data[list.rows[e] * list.stride + f];
    }
    out[f] += scale * total;
  }
}

template <typename T>
void axpy(T a, T const* x, std::int64_t d, T* y) {
  std::int64_t f = 0;
  for (; f + lanes<T> <= d; f += lanes<T>) {
    store(y + f, load(y + f) + a * load(x + f));
  }
  for (; f < d; ++f) {
    y[f] += a * x[f];
  }
}

template <typename T>
T dot(T const* x, T const* y, std::int64_t d) {
  Vec<T> totals = {};
  std::int64_t f = 0;
  for (; f + lanes<T> <= d; f += lanes<T>) {
    totals += load(x + f) * load(y + f);
  }
  T total = 0;
  for (; f < d; ++f) {
    total += x[f] * y[f];
  }
  for (std::int64_t l = 0; l < lanes<T>; ++l) {
    total += totals[l];
  }
  return total;
}

inline float root(float x) {
  return __builtin_sqrtf(x);
}
inline double root(double x) {
  return __builtin_sqrt(x);
}

template <typename T>
void adam(T* __restrict values, T const* __restrict gradients, T* __restrict mean,
          T* __restrict square, std::int64_t n, T beta1, T beta2, T step, T root_correction,
          T epsilon, T weight_decay) {
  for (std::int64_t i = 0; i < n; ++i) {
    T const g = gradients[i] + weight_decay * values[i];
    mean[i] = beta1 * mean[i] + (1 - beta1) * g;
    square[i] = beta2 * square[i] + (1 - beta2) * g * g;
    values[i] -= step * mean[i] / (root(square[i]) / root_correction + epsilon);
  }
}

template <typename T>
constexpr RowKernels<T> make_table() {
  return {.add_max = add_max<T>,
          .scatter_max = scatter_max<T>,
          .add_sum = add_sum<T>,
          .axpy = axpy<T>,
          .dot = dot<T>,
          .adam = adam<T>};
}

}  // namespace

extern RowKernels<float> const kernels_float;
extern RowKernels<double> const kernels_double;
RowKernels<float> const kernels_float = make_table<float>();
RowKernels<double> const kernels_double = make_table<double>();

}  // namespace relweave::ops::detail::RELWEAVE_ISA_NAMESPACE
