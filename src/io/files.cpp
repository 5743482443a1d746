#include <relweave/io/files.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include <relweave/core/error.hpp>

namespace relweave::io {

namespace {

[[noreturn]] void fail(std::string_view function, std::filesystem::path const& path,
                       std::string_view expected, int error) {
  raise<IoError>(function, path.string(), std::strerror(error), expected);
}

/// Closes a descriptor at the end of a scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor const&) = delete;
  Descriptor& operator=(Descriptor const&) = delete;
  int get() const { return fd_; }
  bool close() {
    int const fd = fd_;
    fd_ = -1;
    return fd < 0 || ::close(fd) == 0;
  }

 private:
  int fd_;
};

bool write_all(int fd, std::span<std::byte const> bytes) {
  while (!bytes.empty()) {
    ssize_t const written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      return false;
    }
    bytes = bytes.subspan(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Buffer<std::byte> read_file(std::filesystem::path const& path) {
  constexpr std::string_view expected = "a file that can be read";
  Descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    fail("read_file", path, expected, errno);
  }
  std::error_code error;
  auto const size = static_cast<std::int64_t>(std::filesystem::file_size(path, error));
  if (error) {
    fail("read_file", path, expected, error.value());
  }
  Buffer<std::byte> content(size);
  for (std::int64_t at = 0; at < size;) {
    ssize_t const got =
        ::read(file.get(), content.data() + at, static_cast<std::size_t>(size - at));
    if (got == 0) {
      fail("read_file", path, "a file that does not shrink while it is read", EIO);
    }
    if (got < 0 && errno != EINTR) {
      fail("read_file", path, expected, errno);
    }
    at += got < 0 ? 0 : got;
  }
  return content;
}

void write_file(std::filesystem::path const& path,
                std::span<std::span<std::byte const> const> parts) {
  constexpr std::string_view expected = "a folder with space that can be written to";
  std::filesystem::path temporary = path;
  temporary += ".partial-" + std::to_string(::getpid());
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) {
    fail("write_file", path, expected, errno);
  }
  bool good = true;
  for (auto const part : parts) {
    good = good && write_all(file.get(), part);
  }
  good = good && ::fsync(file.get()) == 0;
  good = file.close() && good;
  good = good && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!good) {
    int const error = errno;
    ::unlink(temporary.c_str());
    fail("write_file", path, expected, error);
  }
}

}  // namespace relweave::io
