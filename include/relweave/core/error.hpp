#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <relweave/core/config.hpp>
#include <relweave/core/views.hpp>

namespace relweave {

/// Base of every error the library throws. `what()` names function, argument, what it got, what it
/// expected, and where it helps, what to do.
class RELWEAVE_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class RELWEAVE_API ShapeError : public Error {
 public:
  using Error::Error;
};
class RELWEAVE_API IndexError : public Error {
 public:
  using Error::Error;
};
class RELWEAVE_API DTypeError : public Error {
 public:
  using Error::Error;
};
class RELWEAVE_API DeviceError : public Error {
 public:
  using Error::Error;
};
class RELWEAVE_API GraphError : public Error {
 public:
  using Error::Error;
};
class RELWEAVE_API CudaError : public Error {
 public:
  using Error::Error;
};
class RELWEAVE_API NotCompiledError : public Error {
 public:
  using Error::Error;
};
class RELWEAVE_API IoError : public Error {
 public:
  using Error::Error;
};
class RELWEAVE_API ConfigError : public Error {
 public:
  using Error::Error;
};
/// A progress callback stopped the call before there was a result.
class RELWEAVE_API StoppedError : public Error {
 public:
  using Error::Error;
};

/// One message for every failed check: "function: argument: got X, expected Y. Remedy".
inline std::string describe(std::string_view function, std::string_view argument,
                            std::string_view got, std::string_view expected,
                            std::string_view remedy = {}) {
  std::string s;
  s.append(function).append(": ").append(argument).append(": got ").append(got);
  s.append(", expected ").append(expected);
  if (!remedy.empty()) {
    s.append(". ").append(remedy);
  }
  return s;
}

/// Throws E with the standard message. Host entry points check once; kernels never do.
template <typename E>
[[noreturn]] void raise(std::string_view function, std::string_view argument, std::string_view got,
                        std::string_view expected, std::string_view remedy = {}) {
  throw E(describe(function, argument, got, expected, remedy));
}

inline std::string shape_string(std::int64_t rows, std::int64_t cols) {
  return "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")";
}

/// Throws ShapeError unless `m` is (rows, cols).
template <typename T, Space S>
void expect_shape(std::string_view function, std::string_view argument, MatrixView<T, S> m,
                  std::int64_t rows, std::int64_t cols) {
  if (m.rows != rows || m.cols != cols) {
    raise<ShapeError>(function, argument, "shape " + shape_string(m.rows, m.cols),
                      "shape " + shape_string(rows, cols));
  }
}

/// Throws ShapeError unless `v` has `size` elements.
template <typename T, Space S>
void expect_size(std::string_view function, std::string_view argument, VectorView<T, S> v,
                 std::int64_t size) {
  if (v.size != size) {
    raise<ShapeError>(function, argument, std::to_string(v.size) + " elements",
                      std::to_string(size) + " elements");
  }
}

/// Throws IndexError unless every element of `indices` is in [0, limit).
template <typename I>
void expect_indices(std::string_view function, std::string_view argument, VectorView<I> indices,
                    std::int64_t limit) {
  for (std::int64_t k = 0; k < indices.size; ++k) {
    if (indices[k] < 0 || indices[k] >= limit) {
      raise<IndexError>(function, argument,
                        std::to_string(indices[k]) + " at position " + std::to_string(k),
                        "values in [0, " + std::to_string(limit) + ")");
    }
  }
}

}  // namespace relweave
