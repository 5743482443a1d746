// Compiled once per instruction set. No std templates here: the linker would merge their weak
// symbols across instruction sets.

#include "row_kernels.hpp"

#include <relweave/core/simd.hpp>

#include "vector_math.hpp"

namespace relweave::loss {

namespace {

using simd::lanes;
using simd::load;
using simd::Pack;
using simd::store;

template <typename To, std::int64_t L, typename V>
[[gnu::always_inline]] inline Pack<To, L> converted(V const& v) {
  return __builtin_convertvector(v, Pack<To, L>);
}

/// A sum in double of packs of any length.
class Sum {
 public:
  template <typename T, std::int64_t L>
  [[gnu::always_inline]] void add(Pack<T, L> const& v) {
    T elements[sizeof(v) / sizeof(T)];
    store(elements, v);
    if constexpr (L % lanes<double> == 0) {
      for (std::int64_t l = 0; l < L; l += lanes<double>) {
        packs_ += converted<double, lanes<double>>(load<lanes<double>>(elements + l));
      }
    } else {
      for (T const element : elements) {
        rest_ += static_cast<double>(element);
      }
    }
  }

  double total() const {
    simd::Vec<double> sums = packs_;
    for (std::int64_t half = lanes<double> / 2; half > 0; half /= 2) {
      for (std::int64_t l = 0; l < half; ++l) {
        sums[l] += sums[l + half];
      }
    }
    return sums[0] + rest_;
  }

 private:
  simd::Vec<double> packs_ = {};
  double rest_ = 0;
};

/// The largest of x and `least`. NaN is passed over, but as `least`.
template <typename T>
T largest_of(T const* x, std::int64_t n, T least) {
  simd::Vec<T> packs = least - simd::Vec<T>{};
  std::int64_t c = 0;
  for (; c + lanes<T> <= n; c += lanes<T>) {
    auto const v = load<lanes<T>>(x + c);
    packs = v > packs ? v : packs;
  }
  T largest = packs[0];
  for (std::int64_t l = 1; l < lanes<T>; ++l) {
    largest = packs[l] > largest ? packs[l] : largest;
  }
  for (; c < n; ++c) {
    largest = x[c] > largest ? x[c] : largest;
  }
  return largest;
}

template <typename T, typename C = Compute<T>>
double softmax(T const* scores, C const* offset, std::int64_t n, NodeId target, C target_logit,
               C inverse_temperature, double share, C* logits, T* grad) {
  simd::for_pieces<T, 1>(0, n, [&]<std::int64_t L, std::int64_t N>(std::int64_t c) {
    store(logits + c, load<L>(scores + c) * inverse_temperature + load<L>(offset + c));
  });
  logits[target] = target_logit;
  C const largest = largest_of(logits, n, target_logit);
  Sum exponentials;
  simd::for_pieces<T, 1>(0, n, [&]<std::int64_t L, std::int64_t N>(std::int64_t c) {
    auto const e = exp_of_negative<C, L>(load<L>(logits + c) - largest);
    store(logits + c, e);
    exponentials.add<C, L>(e);
  });
  double const sum = exponentials.total();
  double const pull = static_cast<double>(logits[target]) - sum;
  C const scale = static_cast<C>(share / sum) * inverse_temperature;
  simd::for_pieces<T, 1>(0, n, [&]<std::int64_t L, std::int64_t N>(std::int64_t c) {
    store(grad + c, load<L>(logits + c) * scale);
  });
  grad[target] = static_cast<T>(static_cast<C>(share / sum * pull) * inverse_temperature);
  return share * (__builtin_log(sum) - static_cast<double>(target_logit - largest));
}

template <typename T, typename C = Compute<T>>
double dot_product(T const* scores, C const* weights, std::int64_t n, NodeId target, double scale,
                   double share, T* grad) {
  auto const positive = static_cast<double>(static_cast<C>(scores[target]));
  Sum negatives;
  auto const weigh = [&]<std::int64_t L, std::int64_t N>(std::int64_t c) {
    auto const w = converted<double, L>(load<L>(weights + c)) * scale;
    negatives.add<double, L>(w * converted<double, L>(load<L>(scores + c)));
    store(grad + c, converted<C, L>(share * w));
  };
  simd::for_pieces<double, 1>(0, target, weigh);
  simd::for_pieces<double, 1>(target + 1, n, weigh);
  grad[target] = static_cast<T>(static_cast<C>(-share));
  return negatives.total() - positive;
}

/// Arithmetic in A. f writes a pack's losses and slopes, given its differences.
template <typename A, typename T, typename F>
[[gnu::always_inline]] inline PairSums pairs(Compute<T> positive, T const* negative, std::int64_t n,
                                             double share, T* grad, F const& f) {
  Sum losses, slopes;
  auto const anchor = static_cast<A>(positive);
  auto const factor = static_cast<A>(share);
  simd::for_pieces<A, 1>(0, n, [&]<std::int64_t L, std::int64_t N>(std::int64_t c) {
    Pack<A, L> loss, slope;
    f.template operator()<L>(converted<A, L>(load<L>(negative + c)) - anchor, loss, slope);
    slope *= factor;
    losses.add<A, L>(loss);
    slopes.add<A, L>(slope);
    store(grad + c, converted<Compute<T>, L>(slope));
  });
  return {losses.total(), slopes.total()};
}

template <typename T>
PairSums margin(Compute<T> positive, T const* negative, std::int64_t n, double margin, double share,
                T* grad) {
  return pairs<double, T>(positive, negative, n, share, grad,
                          [margin]<std::int64_t L>(Pack<double, L> const& d, Pack<double, L>& loss,
                                                   Pack<double, L>& slope) {
                            Pack<double, L> const zero = {};
                            Pack<double, L> const excess = d + margin;
                            loss = excess <= 0 ? zero : excess;  // NaN stays NaN
                            slope = excess > 0 ? zero + 1 : zero;
                          });
}

template <typename T, typename C = Compute<T>>
PairSums bpr(C positive, T const* negative, std::int64_t n, double share, T* grad) {
  return pairs<C, T>(positive, negative, n, share, grad,
                     []<std::int64_t L>(Pack<C, L> const& d, Pack<C, L>& loss, Pack<C, L>& slope) {
                       Pack<C, L> const zero = {};
                       Pack<C, L> const e = exp_of_negative<C, L>(d > 0 ? -d : d);
                       loss = (d > 0 ? d : zero) + log1p_of_fraction<C, L>(e);
                       slope = (d > 0 ? zero + 1 : e) / (1 + e);
                     });
}

template <typename T>
constexpr RowKernels<T> table{
    .softmax = softmax<T>, .dot_product = dot_product<T>, .margin = margin<T>, .bpr = bpr<T>};

}  // namespace

template <>
RowKernels<float> const& row_kernels<Isa::RELWEAVE_ISA_NAMESPACE, float>() {
  return table<float>;
}

template <>
RowKernels<double> const& row_kernels<Isa::RELWEAVE_ISA_NAMESPACE, double>() {
  return table<double>;
}

template <>
RowKernels<bfloat16> const& row_kernels<Isa::RELWEAVE_ISA_NAMESPACE, bfloat16>() {
  return table<bfloat16>;
}

}  // namespace relweave::loss
