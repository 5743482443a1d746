#include <relweave/io/checkpoint.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <relweave/core/error.hpp>
#include <relweave/io/files.hpp>
#include <relweave/io/sha256.hpp>

namespace relweave::io {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr char const* manifest_name = "manifest.json";
constexpr char const* config_name = "config.json";
constexpr char const* tensors_name = "tensors.safetensors";
constexpr char const* format_name = "relweave checkpoint";
constexpr char const* writable = "a folder with space that can be written to";

void write_text(fs::path const& path, std::string const& text) {
  std::span<std::byte const> const part = std::as_bytes(std::span(text.data(), text.size()));
  write_file(path, {&part, 1});
}

std::string text_of(Buffer<std::byte> const& content) {
  return {reinterpret_cast<char const*>(content.data()), static_cast<std::size_t>(content.size())};
}

std::string hash_of(Buffer<std::byte> const& content) {
  return sha256({content.data(), static_cast<std::size_t>(content.size())});
}

/// The manifest, or null when the directory is not a checkpoint.
Json read_manifest(fs::path const& directory) {
  if (!fs::is_regular_file(directory / manifest_name)) {
    return nullptr;
  }
  Json manifest =
      Json::parse(text_of(read_file(directory / manifest_name)), nullptr, /*exceptions=*/false);
  bool const ours = manifest.is_object() && manifest.value("format", Json()) == format_name &&
                    manifest.contains("schema_version") &&
                    manifest["schema_version"].is_number_integer() && manifest.contains("files") &&
                    manifest["files"].is_object();
  return ours ? manifest : Json(nullptr);
}

/// A file in a checkpoint's directory that no checkpoint has, or an empty name.
std::string foreign_file(fs::path const& directory) {
  for (auto const& entry : fs::directory_iterator(directory)) {
    std::string const name = entry.path().filename().string();
    if (name != manifest_name && name != config_name && name != tensors_name) {
      return name;
    }
  }
  return {};
}

[[noreturn]] void fail(fs::path const& directory, std::string const& got,
                       std::string const& expected, std::string const& remedy = {}) {
  raise<IoError>("checkpoint", directory.string(), got, expected, remedy);
}

/// Removes a directory at the end of a scope unless it was renamed away.
struct TemporaryDirectory {
  fs::path path;
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

/// Folders that are made on the way to a place, and removed at the end of a scope unless kept.
struct Parents {
  std::vector<fs::path> made;  // innermost first
  bool keep = false;

  explicit Parents(fs::path const& place) {
    for (fs::path p = place.parent_path(); !p.empty() && !fs::exists(p); p = p.parent_path()) {
      made.push_back(p);
    }
  }
  ~Parents() {
    for (fs::path const& p : made) {
      std::error_code ignored;
      if (!keep) {
        fs::remove(p, ignored);
      }
    }
  }
};

/// Calls fn and turns what std::filesystem throws into an IoError.
template <typename Fn>
auto with_io_errors(fs::path const& directory, std::string const& expected, Fn const& fn) {
  try {
    return fn();
  } catch (fs::filesystem_error const& error) {
    fail(directory, error.code().message(), expected);
  }
}

/// Exchanges two directories at once, so that no moment passes without the one at `place`. False
/// where the file system cannot.
bool exchange(fs::path const& fresh, fs::path const& place) {
  return ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0;
}

/// Checks the manifest of a checkpoint; returns its directory, so that members can follow.
fs::path verify(fs::path const& directory) {
  if (!fs::is_directory(directory)) {
    fail(directory, fs::exists(directory) ? "a file" : "nothing there", "a checkpoint directory");
  }
  Json const manifest = read_manifest(directory);
  if (manifest.is_null()) {
    fail(directory, "a directory without the manifest of a relweave checkpoint",
         "a directory that a model was saved to");
  }
  Json const& version = manifest["schema_version"];
  if (!version.is_number_unsigned() || version.get<std::uint64_t>() < 1) {
    fail(directory, "schema version " + version.dump(), "a number from 1 on",
         "The checkpoint is damaged; copy or save it again.");
  }
  if (version.get<std::uint64_t>() > checkpoint_schema_version) {
    fail(directory, "schema version " + version.dump(),
         "at most " + std::to_string(checkpoint_schema_version),
         "It was written by a newer relweave; upgrade to read it.");
  }
  for (char const* const name : {config_name, tensors_name}) {
    Json const entry = manifest["files"].value(name, Json());
    if (!entry.is_object() || !fs::is_regular_file(directory / name)) {
      fail(directory, std::string("no ") + name, "all files of the manifest",
           "The checkpoint is damaged; copy or save it again.");
    }
    auto const content = read_file(directory / name);
    if (entry.value("bytes", Json()) != content.size() ||
        entry.value("sha256", Json()) != hash_of(content)) {
      fail(directory / name, std::to_string(content.size()) + " bytes with another hash",
           "the bytes that were written, " + entry.value("bytes", Json()).dump(),
           "The file is truncated or changed; copy or save it again.");
    }
  }
  return directory;
}

/// Where to write: links are followed, and "model/" names the same place as "model". Throws IoError
/// where something else is.
fs::path place_of(fs::path const& directory) {
  if (directory.empty()) {
    fail(directory, "an empty path", "the path of a folder");
  }
  if (fs::exists(directory) && (!fs::is_directory(directory) ||
                                (!fs::is_empty(directory) && read_manifest(directory).is_null()))) {
    fail(directory, "something that is not a relweave checkpoint",
         "a new directory, an empty one or an older checkpoint",
         "Choose another place, or remove what is there.");
  }
  if (std::string const name = fs::exists(directory) ? foreign_file(directory) : "";
      !name.empty()) {
    fail(directory, "a checkpoint beside " + name, "a checkpoint alone, since it is replaced whole",
         "Move " + name + " elsewhere, or choose another place.");
  }
  // Links are followed, and "model/" names the same place as "model".
  fs::path const target = fs::weakly_canonical(fs::absolute(directory));
  return target.has_filename() ? target : target.parent_path();
}

/// A name beside a place that no other process or thread takes.
fs::path beside(fs::path const& place, std::string const& what) {
  static std::atomic<int> commits{0};  // threads of one process write side by side
  return place.string() + "." + what + "-" + std::to_string(::getpid()) + "-" +
         std::to_string(commits++);
}

}  // namespace

void CheckpointWriter::add_vocabulary(std::string const& name, Vocabulary const& vocabulary) {
  if (vocabulary.holds_integers()) {
    auto const& ids = integers_.emplace_back(Buffer<std::int64_t>::copy_of(vocabulary.integers()));
    tensors_.add(name + ".ids", ids.view());
    return;
  }
  auto const& ids = vocabulary.strings();
  auto& offsets = integers_.emplace_back(std::ssize(ids) + 1);
  offsets.view()[0] = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    offsets.data()[i + 1] = offsets.data()[i] + std::ssize(ids[i]);
  }
  auto& bytes = bytes_.emplace_back(offsets.data()[ids.size()]);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::copy(ids[i].begin(), ids[i].end(), bytes.data() + offsets.data()[i]);
  }
  tensors_.add(name + ".bytes", std::as_const(bytes).view());
  tensors_.add(name + ".offsets", std::as_const(offsets).view());
}

void CheckpointWriter::expect_place(fs::path const& directory) {
  with_io_errors(directory, writable, [&] {
    fs::path const place = place_of(directory);
    Parents const parents(place);
    TemporaryDirectory const probe{beside(place, "partial")};
    fs::create_directories(probe.path);
  });
}

void CheckpointWriter::commit(fs::path const& directory) const {
  with_io_errors(directory, writable, [&] { replace(place_of(directory)); });
}

void CheckpointWriter::replace(fs::path const& place) const {
  Parents parents(place);
  TemporaryDirectory const fresh{beside(place, "partial")};
  TemporaryDirectory const old{beside(place, "replaced")};
  fs::create_directories(fresh.path);
  write_text(fresh.path / config_name, config_ + "\n");
  tensors_.write(fresh.path / tensors_name);
  Json files = Json::object();
  for (char const* const name : {config_name, tensors_name}) {
    auto const content = read_file(fresh.path / name);
    files[name] = {{"bytes", content.size()}, {"sha256", hash_of(content)}};
  }
  Json const manifest = {{"format", format_name},
                         {"schema_version", checkpoint_schema_version},
                         {"relweave", RELWEAVE_VERSION_STRING},
                         {"files", files}};
  write_text(fresh.path / manifest_name, manifest.dump(2) + "\n");

  bool const replaces = fs::exists(place);
  if (replaces && exchange(fresh.path, place)) {
    return;  // what was there goes with `fresh`
  }
  if (replaces) {
    fs::rename(place, old.path);
  }
  std::error_code error;
  fs::rename(fresh.path, place, error);
  if (error) {
    if (replaces) {
      fs::rename(old.path, place);
    }
    throw fs::filesystem_error("rename", place, error);
  }
  parents.keep = true;
}

CheckpointReader::CheckpointReader(fs::path const& directory)
    : config_(text_of(read_file(with_io_errors(directory, "a checkpoint directory that can be read",
                                               [&] { return verify(directory); }) /
                                config_name))),
      tensors_(directory / tensors_name) {}

Vocabulary CheckpointReader::vocabulary(std::string const& name) const {
  if (tensors_.contains(name + ".ids")) {
    auto const ids = tensors_.vector<std::int64_t>(name + ".ids");
    return Vocabulary(Vocabulary::Integers(ids.data(), ids.data() + ids.size()));
  }
  auto const bytes = tensors_.vector<std::uint8_t>(name + ".bytes");
  auto const offsets = tensors_.vector<std::int64_t>(name + ".offsets");
  bool valid = offsets.size() > 0 && offsets.view()[0] == 0 &&
               offsets.view()[offsets.size() - 1] == bytes.size();
  for (std::int64_t i = 1; i < offsets.size(); ++i) {
    valid = valid && offsets.view()[i] >= offsets.view()[i - 1];
  }
  if (!valid) {
    raise<IoError>("CheckpointReader.vocabulary", name, "offsets that do not fit the bytes",
                   "ascending offsets from 0 to the number of bytes");
  }
  Vocabulary::Strings ids;
  for (std::int64_t i = 0; i + 1 < offsets.size(); ++i) {
    ids.emplace_back(bytes.data() + offsets.view()[i], bytes.data() + offsets.view()[i + 1]);
  }
  return Vocabulary(std::move(ids));
}

}  // namespace relweave::io
