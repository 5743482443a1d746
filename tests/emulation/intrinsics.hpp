#pragma once

// What nvcc knows without an include: device functions, by CUDA's names and overloads.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "emulation/block.hpp"
#include "emulation/device_math.hpp"

namespace emulation {

/// What a shuffle moves: numbers of at least 4 bytes, half precision, and pairs of it.
template <typename T>
concept Shuffled = (std::is_arithmetic_v<T> && sizeof(T) >= 4 && sizeof(T) <= 8) ||
                   AnyOf<T, __half, __half2, __nv_bfloat16, __nv_bfloat162>;

template <typename T>
std::uint64_t pack(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <typename T>
T unpack(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline void check_width(char const* name, int width, Site site) {
  if (width < 1 || width > warp_lanes || !std::has_single_bit(static_cast<unsigned>(width))) {
    Block::current().fail(site, std::string(name) + ": width " + std::to_string(width) +
                                    ", expected a power of two up to 32");
  }
}

template <typename T>
T shuffle(WarpOp op, unsigned mask, T value, int source, Site site) {
  return unpack<T>(Block::current().warp_op(op, mask, pack(value), source, site));
}

inline std::uint64_t vote(WarpOp op, unsigned mask, bool predicate, Site site) {
  return Block::current().warp_op(op, mask, predicate ? 1 : 0, -1, site);
}

inline unsigned reduce(WarpOp op, unsigned mask, unsigned value, Site site) {
  return static_cast<unsigned>(Block::current().warp_op(op, mask, value, -1, site));
}

}  // namespace emulation

// ---- synchronization ----

inline void __syncthreads(emulation::Site site = emulation::Site::here()) {
  emulation::Block::current().barrier("__syncthreads", false, site);
}
inline int __syncthreads_count(int predicate, emulation::Site site = emulation::Site::here()) {
  return emulation::Block::current().barrier("__syncthreads_count", predicate != 0, site);
}
inline int __syncthreads_or(int predicate, emulation::Site site = emulation::Site::here()) {
  return emulation::Block::current().barrier("__syncthreads_or", predicate != 0, site) != 0 ? 1 : 0;
}
inline int __syncthreads_and(int predicate, emulation::Site site = emulation::Site::here()) {
  return emulation::Block::current().barrier("__syncthreads_and", predicate == 0, site) == 0 ? 1
                                                                                             : 0;
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFU,
                       emulation::Site site = emulation::Site::here()) {
  emulation::Block::current().warp_op(emulation::WarpOp::sync, mask, 0, -1, site);
}
inline void __threadfence() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
inline void __threadfence_block() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

// ---- warp operations ----

template <emulation::Shuffled T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              emulation::Site site = emulation::Site::here()) {
  emulation::check_width("__shfl_sync", width, site);
  int const lane = emulation::Block::thread().lane;
  int const from = (lane & ~(width - 1)) | (source & (width - 1));
  return emulation::shuffle(emulation::WarpOp::shuffle, mask, value, from, site);
}
template <emulation::Shuffled T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 emulation::Site site = emulation::Site::here()) {
  emulation::check_width("__shfl_up_sync", width, site);
  int const lane = emulation::Block::thread().lane;
  bool const inside = delta <= static_cast<unsigned>(lane & (width - 1));
  int const from = inside ? lane - static_cast<int>(delta) : lane;
  return emulation::shuffle(emulation::WarpOp::shuffle_up, mask, value, from, site);
}
template <emulation::Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   emulation::Site site = emulation::Site::here()) {
  emulation::check_width("__shfl_down_sync", width, site);
  int const lane = emulation::Block::thread().lane;
  bool const inside = delta < static_cast<unsigned>(width - (lane & (width - 1)));
  int const from = inside ? lane + static_cast<int>(delta) : lane;
  return emulation::shuffle(emulation::WarpOp::shuffle_down, mask, value, from, site);
}
template <emulation::Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  emulation::Site site = emulation::Site::here()) {
  emulation::check_width("__shfl_xor_sync", width, site);
  int const lane = emulation::Block::thread().lane;
  int const partner = lane ^ lane_mask;
  // Lanes below the group may be read, lanes above may not (CUDA C++ Programming Guide).
  bool const inside = partner >= 0 && partner < (lane & ~(width - 1)) + width;
  return emulation::shuffle(emulation::WarpOp::shuffle_xor, mask, value, inside ? partner : lane,
                            site);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              emulation::Site site = emulation::Site::here()) {
  return static_cast<unsigned>(
      emulation::vote(emulation::WarpOp::ballot, mask, predicate != 0, site));
}
inline int __any_sync(unsigned mask, int predicate,
                      emulation::Site site = emulation::Site::here()) {
  return static_cast<int>(emulation::vote(emulation::WarpOp::any, mask, predicate != 0, site));
}
inline int __all_sync(unsigned mask, int predicate,
                      emulation::Site site = emulation::Site::here()) {
  return static_cast<int>(emulation::vote(emulation::WarpOp::all, mask, predicate != 0, site));
}
/// The calling lane alone: CUDA promises no more about who runs together.
inline unsigned __activemask() {
  return emulation::bit(emulation::Block::thread().lane);
}

template <typename T>
requires(std::is_arithmetic_v<T> &&
         sizeof(T) >= 4) unsigned __match_any_sync(unsigned mask, T value,
                                                   emulation::Site site = emulation::Site::here()) {
  return static_cast<unsigned>(emulation::Block::current().warp_op(
      emulation::WarpOp::match_any, mask, emulation::pack(value), -1, site));
}

inline unsigned __reduce_add_sync(unsigned mask, unsigned value,
                                  emulation::Site site = emulation::Site::here()) {
  return emulation::reduce(emulation::WarpOp::reduce_add, mask, value, site);
}
inline int __reduce_add_sync(unsigned mask, int value,
                             emulation::Site site = emulation::Site::here()) {
  return static_cast<int>(
      emulation::reduce(emulation::WarpOp::reduce_add, mask, static_cast<unsigned>(value), site));
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value,
                                  emulation::Site site = emulation::Site::here()) {
  return emulation::reduce(emulation::WarpOp::reduce_min, mask, value, site);
}
inline int __reduce_min_sync(unsigned mask, int value,
                             emulation::Site site = emulation::Site::here()) {
  return static_cast<int>(emulation::reduce(emulation::WarpOp::reduce_min_signed, mask,
                                            static_cast<unsigned>(value), site));
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned value,
                                  emulation::Site site = emulation::Site::here()) {
  return emulation::reduce(emulation::WarpOp::reduce_max, mask, value, site);
}
inline int __reduce_max_sync(unsigned mask, int value,
                             emulation::Site site = emulation::Site::here()) {
  return static_cast<int>(emulation::reduce(emulation::WarpOp::reduce_max_signed, mask,
                                            static_cast<unsigned>(value), site));
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value,
                                  emulation::Site site = emulation::Site::here()) {
  return emulation::reduce(emulation::WarpOp::reduce_and, mask, value, site);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value,
                                 emulation::Site site = emulation::Site::here()) {
  return emulation::reduce(emulation::WarpOp::reduce_or, mask, value, site);
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value,
                                  emulation::Site site = emulation::Site::here()) {
  return emulation::reduce(emulation::WarpOp::reduce_xor, mask, value, site);
}
