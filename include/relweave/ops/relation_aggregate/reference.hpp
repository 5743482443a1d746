#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <relweave/ops/relation_aggregate/arg.hpp>
#include <relweave/ops/relation_aggregate/fingerprint.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

namespace relweave::ops::reference {

namespace detail {

using ops::detail::arg_width_of;
using ops::detail::load_arg;
using ops::detail::no_arg;
using ops::detail::store_arg;

struct Reduced {
  double value = 0;
  std::uint32_t slot = no_arg;
};

/// Reduces feature `f` of the messages of one row.
template <Scalar T>
Reduced reduce_row(RelationCsrView<> const& csr, std::int64_t row, MatrixView<T const> messages,
                   std::int64_t f, Reduce reduce) {
  EdgeOffset const begin = csr.row_offsets[row];
  EdgeOffset const degree = csr.row_offsets[row + 1] - begin;
  Reduced result;
  for (EdgeOffset slot = 0; slot < degree; ++slot) {
    double const value = messages(csr.cols[begin + slot], f);
    if (reduce != Reduce::max) {
      result.value += value;
    } else if (slot == 0 || value > result.value ||
               (std::isnan(value) && !std::isnan(result.value))) {
      result = {value, static_cast<std::uint32_t>(slot)};
    }
  }
  if (reduce == Reduce::mean && degree > 0) {
    result.value /= static_cast<double>(degree);
  }
  return result;
}

inline EdgeOffset largest_degree(RelationCsrView<> const& csr) {
  EdgeOffset largest = 0;
  for (std::int64_t row = 0; row < csr.n_dst * csr.relations; ++row) {
    largest = std::max(largest, csr.row_offsets[row + 1] - csr.row_offsets[row]);
  }
  return largest;
}

}  // namespace detail

/// relation_aggregate on one thread, accumulating in double.
template <Scalar T>
void relation_aggregate(RelationCsrView<> const& csr, In<MatrixView<T const>> messages,
                        In<MatrixView<T const>> self, RelationAggregateParams const& params,
                        MatrixView<T> out, RelationAggregateCache<T>* cache = nullptr) {
  std::int64_t const d = out.cols;
  if (cache != nullptr) {
    std::uint64_t parts = 0;
    for (std::int64_t part = 0; part < ops::detail::fingerprint_parts(csr); ++part) {
      parts += ops::detail::fingerprint_part(csr, part);
    }
    cache->csr_fingerprint = ops::detail::fingerprint_of(csr, parts);
    cache->params = params;
  }
  bool const keep_arg = cache != nullptr && params.reduce == Reduce::max;
  if (keep_arg) {
    cache->arg_width = detail::arg_width_of(detail::largest_degree(csr));
    cache->arg.reset(csr.n_dst * csr.relations * d * cache->arg_width);
  }
  if (cache != nullptr && params.l2_normalize) {
    cache->norm.reset(csr.n_dst);
  }
  std::vector<double> total(static_cast<std::size_t>(d));
  for (std::int64_t i = 0; i < csr.n_dst; ++i) {
    double norm = 0;
    for (std::int64_t f = 0; f < d; ++f) {
      double sum = self.empty() ? 0.0 : self(i, f);
      for (std::int64_t row = i * csr.relations; row < (i + 1) * csr.relations; ++row) {
        auto const reduced = detail::reduce_row<T>(csr, row, messages, f, params.reduce);
        sum += reduced.value;
        if (keep_arg) {
          detail::store_arg(cache->arg.data(), cache->arg_width, row * d + f, reduced.slot);
        }
      }
      if (params.activation == Activation::relu && sum < 0) {
        sum = 0;
      }
      total[static_cast<std::size_t>(f)] = sum;
      norm = std::hypot(norm, sum);
    }
    if (cache != nullptr && params.l2_normalize) {
      cache->norm.data()[i] = static_cast<T>(norm);
    }
    double const divisor = params.l2_normalize && norm != 0 ? norm : 1.0;
    for (std::int64_t f = 0; f < d; ++f) {
      out(i, f) = static_cast<T>(total[static_cast<std::size_t>(f)] / divisor);
    }
  }
}

/// relation_aggregate_backward on one thread, accumulating in double.
template <Scalar T>
void relation_aggregate_backward(RelationCsrView<> const& csr, In<MatrixView<T const>> out,
                                 RelationAggregateCache<T> const& cache,
                                 In<MatrixView<T const>> grad_out,
                                 RelationAggregateParams const& params, MatrixView<T> grad_messages,
                                 MatrixView<T> grad_self) {
  std::int64_t const d = grad_messages.cols;
  std::vector<double> g(static_cast<std::size_t>(d));
  std::vector<double> sums(static_cast<std::size_t>(csr.message_rows * d), 0.0);
  auto const sum_at = [&](std::int64_t j, std::int64_t f) -> double& {
    return sums[static_cast<std::size_t>(j * d + f)];
  };
  for (std::int64_t i = 0; i < csr.n_dst; ++i) {
    double norm = 1;
    double along = 0;  // the part of grad_out that only changes the norm
    if (params.l2_normalize) {
      norm = cache.norm.data()[i];
      for (std::int64_t f = 0; f < d; ++f) {
        along += static_cast<double>(out(i, f)) * static_cast<double>(grad_out(i, f));
      }
    }
    for (std::int64_t f = 0; f < d; ++f) {
      double value = grad_out(i, f);
      if (params.l2_normalize) {
        value = norm == 0 ? 0.0 : (value - along * static_cast<double>(out(i, f))) / norm;
      }
      if (params.activation == Activation::relu && !(out(i, f) > 0)) {
        value = 0;
      }
      g[static_cast<std::size_t>(f)] = value;
      if (!grad_self.empty()) {
        grad_self(i, f) = static_cast<T>(value);
      }
    }
    for (std::int64_t row = i * csr.relations; row < (i + 1) * csr.relations; ++row) {
      EdgeOffset const begin = csr.row_offsets[row];
      EdgeOffset const degree = csr.row_offsets[row + 1] - begin;
      double const share = params.reduce == Reduce::mean ? static_cast<double>(degree) : 1.0;
      for (EdgeOffset slot = 0; slot < degree; ++slot) {
        for (std::int64_t f = 0; f < d; ++f) {
          if (params.reduce != Reduce::max ||
              detail::load_arg(cache.arg.data(), cache.arg_width, row * d + f) == slot) {
            sum_at(csr.cols[begin + slot], f) += g[static_cast<std::size_t>(f)] / share;
          }
        }
      }
    }
  }
  for (std::int64_t j = 0; j < csr.message_rows; ++j) {
    for (std::int64_t f = 0; f < d; ++f) {
      grad_messages(j, f) = static_cast<T>(sum_at(j, f));
    }
  }
}

}  // namespace relweave::ops::reference
