#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <string_view>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/io/safetensors.hpp>
#include <relweave/io/vocabulary.hpp>

namespace relweave::io {

/// Version of the files' layout. A reader refuses a newer one.
inline constexpr int checkpoint_schema_version = 1;

/// A checkpoint is a directory: manifest.json (schema version, size and SHA-256 of the other
/// files), config.json and tensors.safetensors. It is written beside its place and renamed when it
/// is whole: a crash leaves the old checkpoint or none, never half of one.
class RELWEAVE_API CheckpointWriter {
 public:
  /// Views that are added must live until commit().
  SafetensorsWriter& tensors() { return tensors_; }
  /// Adds a copy of the ids as "<name>.ids" (int64), or "<name>.bytes" and "<name>.offsets" (UTF-8
  /// strings).
  void add_vocabulary(std::string const& name, Vocabulary const& vocabulary);
  void set_config(std::string json) { config_ = std::move(json); }

  /// Writes to `directory`, whose parents are made when missing. An older checkpoint is replaced; a
  /// directory that holds anything else, also beside a checkpoint, or a file, is refused. Throws
  /// IoError and leaves no trace: an older checkpoint stays as it is.
  void commit(std::filesystem::path const& directory) const;

  /// Throws IoError where commit() would for what is there already or for missing rights, so that
  /// it shows before a long training. Writes nothing.
  static void expect_place(std::filesystem::path const& directory);

 private:
  void replace(std::filesystem::path const& place) const;

  SafetensorsWriter tensors_;
  std::string config_ = "{}";
  // Copies of vocabularies; a deque does not move what views point to.
  std::deque<Buffer<std::uint8_t>> bytes_;
  std::deque<Buffer<std::int64_t>> integers_;
};

/// Opens a checkpoint after checking its manifest: schema version, sizes and hashes of all files.
class RELWEAVE_API CheckpointReader {
 public:
  /// Throws IoError for a directory that is missing, foreign, damaged or from a newer version.
  explicit CheckpointReader(std::filesystem::path const& directory);

  std::string const& config() const { return config_; }
  SafetensorsReader const& tensors() const { return tensors_; }
  Vocabulary vocabulary(std::string const& name) const;

 private:
  std::string config_;
  SafetensorsReader tensors_;
};

}  // namespace relweave::io
