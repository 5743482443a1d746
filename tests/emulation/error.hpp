#pragma once

#include <stdexcept>

namespace emulation {

/// What a launch throws where a device would hang, crash or compute nonsense without a word. The
/// message names kernel, block, warp, lane and line as far as they are known.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A line of device code. As the last parameter of an intrinsic, `Site site = Site::here()` is the
/// line that calls it.
struct Site {
  char const* file = nullptr;
  int line = 0;

  static constexpr Site here(char const* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {.file = file, .line = line};
  }
  bool operator==(Site const&) const = default;
};

}  // namespace emulation
