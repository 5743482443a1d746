#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/views.hpp>

namespace relweave::io {

/// Element types that are written and read: those of the format with whole bytes, less its 8-bit
/// floats, which are refused by name.
enum class DType { boolean, u8, i8, u16, i16, f16, bf16, u32, i32, f32, u64, i64, f64 };

/// As files spell it, such as "F32".
RELWEAVE_API std::string_view dtype_name(DType dtype);
/// Throws DTypeError that lists the names.
RELWEAVE_API DType dtype_of_name(std::string_view name);

/// One tensor of a file: row-major, little-endian.
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::span<std::byte const> bytes;
};

/// Writes tensors in the safetensors format. Tensors are views: they must live until write().
class RELWEAVE_API SafetensorsWriter {
 public:
  void add(std::string name, VectorView<float const> values);
  void add(std::string name, VectorView<std::int32_t const> values);
  void add(std::string name, VectorView<std::int64_t const> values);
  void add(std::string name, VectorView<std::uint8_t const> values);
  void add(std::string name, MatrixView<float const> values);  ///< contiguous
  /// Any shape and type. Throws ShapeError unless the bytes are those of the shape. All:
  /// ConfigError for a name that is taken.
  void add(TensorInfo tensor);
  void set_metadata(std::string key, std::string value);

  /// Replaces the file at once: a reader sees the old one or the new one. Throws IoError, and
  /// ConfigError for names or metadata that are not UTF-8.
  void write(std::filesystem::path const& path) const;

 private:
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Reads a safetensors file whole and checks it strictly: lengths, offsets without gap or overlap,
/// shapes, types. Every defect is an IoError that names the file.
class RELWEAVE_API SafetensorsReader {
 public:
  explicit SafetensorsReader(std::filesystem::path path);

  std::vector<TensorInfo> const& tensors() const { return tensors_; }
  std::map<std::string, std::string> const& metadata() const { return metadata_; }
  bool contains(std::string_view name) const;
  /// Throws IoError that lists the names that exist.
  TensorInfo const& tensor(std::string_view name) const;

  /// Copies of a one- or two-dimensional tensor. Throw DTypeError or ShapeError for another kind.
  /// T: float, std::int32_t, std::int64_t, std::uint8_t.
  template <typename T>
  Buffer<T> vector(std::string_view name) const;
  template <typename T>
  Matrix<T> matrix(std::string_view name) const;

 private:
  void parse();

  std::filesystem::path path_;
  Buffer<std::byte> content_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace relweave::io
