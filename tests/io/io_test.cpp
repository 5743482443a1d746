#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/io/checkpoint.hpp>
#include <relweave/io/files.hpp>
#include <relweave/io/safetensors.hpp>
#include <relweave/io/sha256.hpp>

using namespace relweave;
using namespace relweave::io;
namespace fs = std::filesystem;

namespace {

struct Scratch {
  fs::path path = fs::temp_directory_path() / ("relweave-io-" + std::to_string(::getpid()));
  Scratch() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Scratch() { fs::remove_all(path); }
};

std::string hash(std::string const& text) {
  return sha256(std::as_bytes(std::span(text.data(), text.size())));
}

void write_raw(fs::path const& path, std::string const& header, std::string const& data) {
  std::uint64_t const length = header.size();
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<char const*>(&length), sizeof(length));
  out << header << data;
}

std::vector<std::string> listing(fs::path const& directory) {
  std::vector<std::string> names;
  for (auto const& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void save(fs::path const& directory, float value) {
  Matrix<float> const m = Matrix<float>::from_rows({{value, 2}, {3, 4}});
  CheckpointWriter writer;
  writer.tensors().add("m", m.view());
  writer.add_vocabulary("items", Vocabulary(Vocabulary::Strings{"a", "", "tête-à-tête"}));
  writer.add_vocabulary("users", Vocabulary(Vocabulary::Integers{7, -3}));
  writer.set_config("{\"answer\": 42}");
  writer.commit(directory);
}

}  // namespace

TEST_CASE("SHA-256 gives the standard's known answers", "[io][sha256]") {
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hash(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("tensors come back as they were written, aligned", "[io][safetensors]") {
  Scratch const scratch;
  auto const path = scratch.path / "t.safetensors";
  auto const matrix = Matrix<float>::from_rows({{1, 2, 3}, {4, 5, 6}});
  std::vector<std::uint8_t> const bytes{1, 2, 3};
  std::vector<std::int64_t> const longs{1LL << 40, -1};
  std::vector<std::int32_t> const none;
  SafetensorsWriter writer;
  writer.add("bytes", {bytes.data(), 3});
  writer.add("matrix", matrix.view());
  writer.add("longs", {longs.data(), 2});
  writer.add("none", {none.data(), 0});
  writer.set_metadata("format", "relweave");

  writer.write(path);
  SafetensorsReader const reader(path);

  CHECK(reader.metadata().at("format") == "relweave");
  auto const m = reader.matrix<float>("matrix");
  CHECK(std::equal(matrix.data(), matrix.data() + 6, m.data()));
  CHECK(reader.vector<std::int64_t>("longs").view()[0] == (1LL << 40));
  CHECK(reader.vector<std::uint8_t>("bytes").view()[2] == 3);
  CHECK(reader.vector<std::int32_t>("none").size() == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(reader.tensor("longs").bytes.data()) % 8 == 0);
  CHECK_THROWS_AS(reader.matrix<float>("longs"), DTypeError);
  CHECK_THROWS_AS(reader.vector<float>("matrix"), ShapeError);
  CHECK_THROWS_WITH(reader.tensor("missing"), Catch::Contains("longs"));
  CHECK(listing(scratch.path) == std::vector<std::string>{"t.safetensors"});
}

TEST_CASE("a defective safetensors file is refused", "[io][safetensors]") {
  Scratch const scratch;
  auto const path = scratch.path / "t.safetensors";
  std::string const good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  std::string const eight(8, '\0');
  auto const refuse = [&](std::string const& header, std::string const& data) {
    write_raw(path, header, data);
    CHECK_THROWS_AS(SafetensorsReader(path), IoError);
  };

  write_raw(path, good, eight);
  CHECK_NOTHROW(SafetensorsReader(path));
  refuse(good, eight.substr(1));  // truncated
  refuse(good, eight + "x");      // more data than tensors
  refuse("[]", "");               // no object
  refuse("{", "");                // no JSON
  refuse(R"({"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", eight);
  refuse(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", eight);
  refuse(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", eight);
  refuse(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", eight);
  refuse(R"({"a":{"dtype":"F32","shape":[2]}})", eight);
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
         R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
         eight);                                                               // overlap
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight);  // gap
  refuse(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296,16],"data_offsets":[0,8]}})",
         eight);  // the product overflows
  refuse(R"({"a":{"dtype":"U8","shape":[0,9223372036854775808],"data_offsets":[0,0]}})", "");
  refuse(R"({"a":{"dtype":"U8","shape":[0,1099511627776,1099511627776],"data_offsets":[0,0]}})",
         "");
  refuse(R"({"__metadata__":"text"})", "");
  refuse(R"({"__metadata__":{"k":1}})", "");
  refuse(good.substr(0, good.size() - 1) + R"(,"a":{"dtype":"F32","shape":[2],)"
                                           R"("data_offsets":[0,8]}})",
         eight);  // a name twice
  std::ofstream(path, std::ios::binary) << "abc";
  CHECK_THROWS_AS(SafetensorsReader(path), IoError);
  CHECK_THROWS_AS(SafetensorsReader(scratch.path / "nothing"), IoError);
}

TEST_CASE("tensors of any type and shape come back", "[io][safetensors]") {
  Scratch const scratch;
  auto const path = scratch.path / "t.safetensors";
  std::vector<std::byte> const bytes(24, std::byte{1});
  SafetensorsWriter writer;
  for (std::string const name : {"BOOL", "U8", "I8", "U16", "I16", "F16", "BF16", "U32", "I32",
                                 "F32", "U64", "I64", "F64"}) {
    DType const dtype = dtype_of_name(name);
    CHECK(dtype_name(dtype) == name);
    auto const width = name == "BOOL" ? 8 : std::stoi(name.substr(name.find_first_of("1368")));
    writer.add(TensorInfo{name, dtype, {1, 24 * 8 / width, 1}, bytes});
  }
  std::vector<std::byte> const one(4);
  writer.add(TensorInfo{"scalar", DType::f32, {}, one});

  writer.write(path);
  SafetensorsReader const reader(path);

  CHECK(reader.tensors().size() == 14);
  CHECK(reader.tensor("BF16").shape == std::vector<std::int64_t>{1, 12, 1});
  CHECK(reader.tensor("scalar").shape.empty());
  for (TensorInfo const& t : reader.tensors()) {
    CHECK((t.name == "scalar" || std::equal(bytes.begin(), bytes.end(), t.bytes.begin())));
  }
}

TEST_CASE("the writer refuses what no reader takes", "[io][safetensors]") {
  Scratch const scratch;
  auto const path = scratch.path / "t.safetensors";
  std::vector<std::byte> const bytes(8);
  SafetensorsWriter writer;
  writer.add(TensorInfo{"a", DType::f32, {2}, bytes});

  CHECK_THROWS_AS(writer.add(TensorInfo{"a", DType::f32, {2}, bytes}), ConfigError);
  CHECK_THROWS_AS(writer.add(TensorInfo{"__metadata__", DType::f32, {2}, bytes}), ConfigError);
  CHECK_THROWS_AS(writer.add(TensorInfo{"b", DType::f32, {3}, bytes}), ShapeError);
  CHECK_THROWS_AS(writer.add(TensorInfo{"b", DType::u8, {-8}, bytes}), ShapeError);
  CHECK_THROWS_WITH(dtype_of_name("F8_E4M3"), Catch::Contains("BF16"));
  writer.set_metadata("key", "\xff");
  CHECK_THROWS_AS(writer.write(path), ConfigError);
  CHECK(listing(scratch.path).empty());
}

TEST_CASE("a checkpoint comes back, and a newer one replaces it", "[io][checkpoint]") {
  Scratch const scratch;
  auto const path = scratch.path / "deep" / "model";

  save(path, 1);
  save(path, 9);
  CheckpointReader const reader(path);

  CHECK(reader.tensors().matrix<float>("m").view()(0, 0) == 9);
  CHECK(reader.vocabulary("items").strings() == Vocabulary::Strings{"a", "", "tête-à-tête"});
  CHECK(reader.vocabulary("users").integers() == Vocabulary::Integers{7, -3});
  CHECK(reader.config().find("42") != std::string::npos);
  CHECK(listing(path.parent_path()) == std::vector<std::string>{"model"});
}

TEST_CASE("checkpoints that are missing, foreign, damaged or newer are refused",
          "[io][checkpoint]") {
  Scratch const scratch;
  auto const path = scratch.path / "model";
  save(path, 1);
  fs::create_directory(scratch.path / "foreign");
  std::ofstream(scratch.path / "foreign" / "notes.txt") << "mine";
  std::ofstream(scratch.path / "file") << "mine";

  CHECK_THROWS_AS(CheckpointReader(scratch.path / "nothing"), IoError);
  CHECK_THROWS_AS(CheckpointReader(scratch.path / "file"), IoError);
  CHECK_THROWS_AS(CheckpointReader(scratch.path / "foreign"), IoError);
  for (fs::path const wrong : {"foreign", "file", "file/below", "file/far/below/"}) {
    CHECK_THROWS_AS(save(scratch.path / wrong, 1), IoError);
    CHECK_THROWS_AS(CheckpointWriter::expect_place(scratch.path / wrong), IoError);
  }
  for (fs::path const good : {"model", "model/", "new", "new/and/far/below"}) {
    CHECK_NOTHROW(CheckpointWriter::expect_place(scratch.path / good));
  }
  CHECK(fs::exists(scratch.path / "foreign" / "notes.txt"));
  CHECK(listing(scratch.path) == std::vector<std::string>{"file", "foreign", "model"});

  auto const config = path / "config.json";
  auto const manifest = path / "manifest.json";
  std::string const part = "{\"answer\": 43}\n";  // as long as before, other content
  std::ofstream(config) << part;
  CHECK_THROWS_WITH(CheckpointReader(path), Catch::Contains("config.json"));
  save(path, 1);
  fs::resize_file(path / "tensors.safetensors", 20);
  CHECK_THROWS_WITH(CheckpointReader(path), Catch::Contains("truncated"));
  save(path, 1);
  std::string text(static_cast<std::size_t>(fs::file_size(manifest)), ' ');
  std::ifstream(manifest).read(text.data(), static_cast<std::streamsize>(text.size()));
  text.replace(text.find("\"schema_version\": 1"), 19, "\"schema_version\": 9");
  std::ofstream(manifest) << text;
  CHECK_THROWS_WITH(CheckpointReader(path), Catch::Contains("newer"));
}

TEST_CASE("vocabularies find, append and refuse duplicates", "[io][vocabulary]") {
  Vocabulary words(Vocabulary::Strings{"x", "y"});

  words.append(Vocabulary(Vocabulary::Strings{"z"}));

  CHECK(words.find("z") == 2);
  CHECK_FALSE(words.find("w").has_value());
  CHECK_FALSE(words.find(std::int64_t{0}).has_value());
  CHECK_THROWS_AS(words.append(Vocabulary(Vocabulary::Strings{"x"})), ConfigError);
  CHECK_THROWS_AS(words.append(Vocabulary(Vocabulary::Integers{1})), ConfigError);
  CHECK(words.size() == 3);
  CHECK_THROWS_AS(Vocabulary(Vocabulary::Integers{4, 5, 4}), ConfigError);
}
