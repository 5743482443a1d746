#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <relweave/core/error.hpp>
#include <relweave/io/checkpoint.hpp>

using namespace relweave;
using namespace relweave::io;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

struct Saved {
  fs::path place =
      fs::temp_directory_path() / ("relweave-checkpoint-damage-" + std::to_string(::getpid()));
  fs::path model = place / "model";

  Saved() {
    fs::remove_all(place);
    save();
  }
  ~Saved() { fs::remove_all(place); }

  void save() const {
    auto const m = Matrix<float>::from_rows({{1, 2}, {3, 4}});
    CheckpointWriter writer;
    writer.tensors().add("m", m.view());
    writer.add_vocabulary("items", Vocabulary(Vocabulary::Strings{"a", "b"}));
    writer.commit(model);
  }
};

std::string read(fs::path const& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write(fs::path const& path, std::string const& content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

TEST_CASE("a file of a checkpoint that is cut anywhere is refused", "[io][checkpoint]") {
  Saved const saved;
  auto const path = saved.model / GENERATE("manifest.json", "config.json", "tensors.safetensors");
  std::string const whole = read(path);

  for (std::size_t size = 0; size + 2 < whole.size(); ++size) {  // the manifest may lose "\n"
    write(path, whole.substr(0, size));
    CHECK_THROWS_AS(CheckpointReader(saved.model), IoError);
  }
  write(path, whole);
  CHECK_NOTHROW(CheckpointReader(saved.model));
}

TEST_CASE("any changed byte of the data of a checkpoint is refused", "[io][checkpoint]") {
  Saved const saved;
  auto const path = saved.model / GENERATE("config.json", "tensors.safetensors");
  std::string const whole = read(path);

  for (std::size_t place = 0; place < whole.size(); ++place) {
    std::string changed = whole;
    changed[place] = static_cast<char>(changed[place] ^ 4);
    write(path, changed);
    CHECK_THROWS_WITH(CheckpointReader(saved.model), Contains(path.string()));
  }
}

TEST_CASE("missing files and files of other kinds are refused", "[io][checkpoint]") {
  Saved const saved;
  auto const path = saved.model / GENERATE("manifest.json", "config.json", "tensors.safetensors");

  fs::remove(path);
  CHECK_THROWS_AS(CheckpointReader(saved.model), IoError);
  fs::create_directory(path);
  CHECK_THROWS_AS(CheckpointReader(saved.model), IoError);
  fs::remove(path);
  fs::create_symlink(path, path);
  CHECK_THROWS_AS(CheckpointReader(saved.model), IoError);
}

TEST_CASE("a checkpoint is not replaced together with files of others", "[io][checkpoint]") {
  Saved const saved;
  std::string const before = read(saved.model / "manifest.json");
  write(saved.model / "README.md", "mine");

  CHECK_THROWS_WITH(saved.save(), Contains("Move README.md elsewhere"));

  CHECK(read(saved.model / "README.md") == "mine");
  CHECK(read(saved.model / "manifest.json") == before);
  fs::remove(saved.model / "README.md");
  CHECK_NOTHROW(saved.save());
  CHECK(std::distance(fs::directory_iterator(saved.place), {}) == 1);
}

TEST_CASE("asking for a place says what a commit would, and leaves no trace", "[io][checkpoint]") {
  Saved const saved;
  write(saved.place / "file", "mine");
  auto const ask = [](fs::path const& path) { CheckpointWriter::expect_place(path); };

  CHECK_NOTHROW(ask(saved.model));
  CHECK_NOTHROW(ask(saved.place / "deep" / "er" / "new"));
  CHECK_THROWS_AS(ask(saved.place / "file"), IoError);
  CHECK_THROWS_AS(ask(saved.place / "file" / "model"), IoError);
  CHECK_THROWS_AS(ask(saved.place), IoError);
  CHECK_THROWS_AS(ask(""), IoError);

  CHECK(std::distance(fs::directory_iterator(saved.place), {}) == 2);
  CHECK(read(saved.place / "file") == "mine");
  CHECK_NOTHROW(CheckpointReader(saved.model));
}
