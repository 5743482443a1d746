#include "spill_file.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include <relweave/core/error.hpp>

namespace relweave::graph {

namespace {

[[noreturn]] void fail(std::filesystem::path const& folder, int error, std::string_view expected,
                       std::string_view remedy) {
  raise<IoError>("co_interaction_links", "temp_folder",
                 std::string(std::strerror(error)) + " in '" + folder.string() + "'", expected,
                 remedy);
}

std::filesystem::path system_folder() {
  std::error_code error;
  auto folder = std::filesystem::temp_directory_path(error);
  if (error) {
    raise<IoError>("co_interaction_links", "temp_folder",
                   "no folder for temporary files (" + error.message() + ")",
                   "a folder that can be written to", "Set TMPDIR, or temp_folder.");
  }
  return folder;
}

}  // namespace

SpillFile::SpillFile(std::filesystem::path folder)
    : folder_(folder.empty() ? system_folder() : std::move(folder)) {
#if defined(O_TMPFILE)
  descriptor_ = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor_ >= 0) {
    return;
  }
#endif
  // Not every file system makes files without a name; they have one for a moment there.
  std::string name = (folder_ / "relweave-XXXXXX").string();
  descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0) {
    fail(folder_, errno, "a folder that can be written to",
         "Set temp_folder to one, or raise memory_limit so that nothing is written.");
  }
  ::unlink(name.c_str());
}

SpillFile::~SpillFile() {
  ::close(descriptor_);
}

std::int64_t SpillFile::append(std::span<std::byte const> bytes) {
  std::int64_t const at = size_.fetch_add(std::ssize(bytes));
  write(at, bytes);
  return at;
}

void SpillFile::write(std::int64_t at, std::span<std::byte const> bytes) {
  while (!bytes.empty()) {
    ssize_t const written = ::pwrite(descriptor_, bytes.data(), bytes.size(), at);
    if (written < 0 && errno != EINTR) {
      fail(folder_, errno,
           "room for more than the " + std::to_string(at) + " bytes that are written",
           "Set temp_folder to a folder on a larger disk, or raise memory_limit so that less is "
           "written.");
    }
    auto const done = written < 0 ? 0 : static_cast<std::size_t>(written);
    bytes = bytes.subspan(done);
    at += static_cast<std::int64_t>(done);
  }
}

void SpillFile::read(std::int64_t at, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    ssize_t const got = ::pread(descriptor_, bytes.data(), bytes.size(), at);
    if (got == 0 || (got < 0 && errno != EINTR)) {
      fail(folder_, got == 0 ? EIO : errno, "a disk that gives back what was written",
           "Set temp_folder to a folder on another disk.");
    }
    auto const done = got < 0 ? 0 : static_cast<std::size_t>(got);
    bytes = bytes.subspan(done);
    at += static_cast<std::int64_t>(done);
  }
}

}  // namespace relweave::graph
