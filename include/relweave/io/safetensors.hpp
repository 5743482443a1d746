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

/// Element types that are written and read. Other types of the format are refused by name.
enum class DType { f32, f64, i32, i64, u8 };

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
  void set_metadata(std::string key, std::string value);

  /// Replaces the file at once: a reader sees the old one or the new one. Throws IoError.
  void write(std::filesystem::path const& path) const;

 private:
  void add_tensor(TensorInfo tensor);

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
