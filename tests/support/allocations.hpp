#pragma once

#include <cstddef>
#include <cstdint>

// The program's allocations from the heap, of all threads, counted and failed on demand. A program
// that uses this links support/allocations.cpp, which replaces operator new.

namespace relweave::test::allocations {

/// Calls of operator new for at least `bytes`, until the next call of this; 0 counts all.
void count_from(std::size_t bytes);
std::int64_t counted();

/// The allocation after `later` others throws std::bad_alloc, once. Of the calling thread alone.
void fail_after(std::int64_t later);
/// Whether it did; none fails any more.
bool end_failures();

}  // namespace relweave::test::allocations
