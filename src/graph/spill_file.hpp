#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace relweave::graph {

/// Scratch space on a disk. The file loses its name as soon as it is open, so that the system frees
/// it when the descriptor closes, in whatever way the process ends. All members may be called from
/// many threads. Throws IoError that says what to change.
class SpillFile {
 public:
  /// An empty folder is the system's for temporary files.
  explicit SpillFile(std::filesystem::path folder);
  ~SpillFile();
  SpillFile(SpillFile const&) = delete;
  SpillFile& operator=(SpillFile const&) = delete;

  /// Writes at the end; returns where that was.
  std::int64_t append(std::span<std::byte const> bytes);
  void write(std::int64_t at, std::span<std::byte const> bytes);
  /// All bytes must have been written before.
  void read(std::int64_t at, std::span<std::byte> bytes) const;
  std::int64_t size() const { return size_; }

 private:
  std::filesystem::path folder_;
  int descriptor_ = -1;
  std::atomic<std::int64_t> size_{0};
};

}  // namespace relweave::graph
