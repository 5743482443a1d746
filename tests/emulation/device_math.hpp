#pragma once

// What nvcc knows without an include, continued: memory accesses with hints, atomics, bits, and
// arithmetic. Rounding is the host's, which is to nearest; fast versions are no less exact here.

#include <cuda_bf16.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace emulation {

template <typename T, typename... Us>
concept AnyOf = (std::same_as<T, Us> || ...);

using Word64 = unsigned long long;  // CUDA's, which std::uint64_t need not be

template <typename T>
concept Added = AnyOf<T, int, unsigned, Word64, float, double>;
template <typename T>
concept Compared = AnyOf<T, int, unsigned, long long, Word64>;
template <typename T>
concept Exchanged = AnyOf<T, int, unsigned, Word64, float>;
template <typename T>
concept CompareSwapped = AnyOf<T, int, unsigned, Word64, unsigned short>;
template <typename T>
concept Bits = AnyOf<T, int, unsigned, Word64>;

template <typename T>
using Same = std::type_identity_t<T>;  // a value's type follows that of the address

template <typename T, typename Fn>
T update(T* address, Fn next) {
  std::atomic_ref<T> target(*address);
  T old = target.load();
  while (!target.compare_exchange_weak(old, next(old))) {
  }
  return old;
}

}  // namespace emulation

// ---- memory ----

template <typename T>
T __ldg(T const* address) {
  return *address;
}
template <typename T>
T __ldca(T const* address) {
  return *address;
}
template <typename T>
T __ldcg(T const* address) {
  return *address;
}
template <typename T>
T __ldcs(T const* address) {
  return *address;
}
template <typename T>
T __ldlu(T const* address) {
  return *address;
}
template <typename T>
T __ldcv(T const* address) {
  return *address;
}
template <typename T>
void __stwb(T* address, emulation::Same<T> value) {
  *address = value;
}
template <typename T>
void __stcg(T* address, emulation::Same<T> value) {
  *address = value;
}
template <typename T>
void __stcs(T* address, emulation::Same<T> value) {
  *address = value;
}
template <typename T>
void __stwt(T* address, emulation::Same<T> value) {
  *address = value;
}

// ---- atomics: each returns what was there ----

template <emulation::Added T>
T atomicAdd(T* address, emulation::Same<T> value) {
  return std::atomic_ref<T>(*address).fetch_add(value);
}
template <typename T>
requires emulation::AnyOf<T, int, unsigned> T atomicSub(T* address, emulation::Same<T> value) {
  return std::atomic_ref<T>(*address).fetch_sub(value);
}
template <emulation::Compared T>
T atomicMin(T* address, emulation::Same<T> value) {
  return emulation::update(address, [=](T old) { return value < old ? value : old; });
}
template <emulation::Compared T>
T atomicMax(T* address, emulation::Same<T> value) {
  return emulation::update(address, [=](T old) { return value > old ? value : old; });
}
template <emulation::Exchanged T>
T atomicExch(T* address, emulation::Same<T> value) {
  return std::atomic_ref<T>(*address).exchange(value);
}
template <emulation::CompareSwapped T>
T atomicCAS(T* address, emulation::Same<T> compare, emulation::Same<T> value) {
  std::atomic_ref<T>(*address).compare_exchange_strong(compare, value);
  return compare;
}
template <emulation::Bits T>
T atomicAnd(T* address, emulation::Same<T> value) {
  return std::atomic_ref<T>(*address).fetch_and(value);
}
template <emulation::Bits T>
T atomicOr(T* address, emulation::Same<T> value) {
  return std::atomic_ref<T>(*address).fetch_or(value);
}
template <emulation::Bits T>
T atomicXor(T* address, emulation::Same<T> value) {
  return std::atomic_ref<T>(*address).fetch_xor(value);
}

// ---- bits ----

inline int __popc(unsigned x) {
  return std::popcount(x);
}
inline int __popcll(unsigned long long x) {
  return std::popcount(x);
}
inline int __clz(int x) {
  return std::countl_zero(static_cast<unsigned>(x));
}
inline int __clzll(long long x) {
  return std::countl_zero(static_cast<unsigned long long>(x));
}
inline int __ffs(int x) {
  return __builtin_ffs(x);
}
inline int __ffsll(long long x) {
  return __builtin_ffsll(x);
}
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; ++i) {
    reversed |= ((x >> i) & 1U) << (31 - i);
  }
  return reversed;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * b) >> 32);
}

inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}
inline int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
inline float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
inline long long __double_as_longlong(double x) {
  return std::bit_cast<long long>(x);
}
inline double __longlong_as_double(long long x) {
  return std::bit_cast<double>(x);
}

// ---- arithmetic ----

inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fsub_rn(float a, float b) {
  return a - b;
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline float __fdiv_rn(float a, float b) {
  return a / b;
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float __frcp_rn(float x) {
  return 1.0F / x;
}
inline float __fsqrt_rn(float x) {
  return std::sqrt(x);
}
inline float __frsqrt_rn(float x) {
  return 1.0F / std::sqrt(x);
}
inline float rsqrtf(float x) {
  return 1.0F / std::sqrt(x);
}
inline double rsqrt(double x) {
  return 1.0 / std::sqrt(x);
}
inline float __expf(float x) noexcept {
  return std::exp(x);
}
inline float __logf(float x) noexcept {
  return std::log(x);
}
inline float __saturatef(float x) {
  return x > 0.0F ? (x < 1.0F ? x : 1.0F) : 0.0F;
}

inline int min(int a, int b) {
  return a < b ? a : b;
}
inline unsigned min(unsigned a, unsigned b) {
  return a < b ? a : b;
}
inline long min(long a, long b) {
  return a < b ? a : b;
}
inline unsigned long min(unsigned long a, unsigned long b) {
  return a < b ? a : b;
}
inline long long min(long long a, long long b) {
  return a < b ? a : b;
}
inline unsigned long long min(unsigned long long a, unsigned long long b) {
  return a < b ? a : b;
}
inline float min(float a, float b) {
  return std::fmin(a, b);
}
inline double min(double a, double b) {
  return std::fmin(a, b);
}
inline int max(int a, int b) {
  return a > b ? a : b;
}
inline unsigned max(unsigned a, unsigned b) {
  return a > b ? a : b;
}
inline long max(long a, long b) {
  return a > b ? a : b;
}
inline unsigned long max(unsigned long a, unsigned long b) {
  return a > b ? a : b;
}
inline long long max(long long a, long long b) {
  return a > b ? a : b;
}
inline unsigned long long max(unsigned long long a, unsigned long long b) {
  return a > b ? a : b;
}
inline float max(float a, float b) {
  return std::fmax(a, b);
}
inline double max(double a, double b) {
  return std::fmax(a, b);
}
