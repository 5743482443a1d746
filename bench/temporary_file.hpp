#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

namespace relweave::bench {

/// A name in the folder for temporary files, of this process; the file ends with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string const& name)
      : path_(std::filesystem::temp_directory_path() /
              ("relweave_bench_" + std::to_string(getpid()) + "_" + name)) {}
  TemporaryFile(TemporaryFile const&) = delete;
  TemporaryFile& operator=(TemporaryFile const&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  std::filesystem::path const& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace relweave::bench
