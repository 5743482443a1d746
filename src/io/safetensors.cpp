#include <relweave/io/safetensors.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include <relweave/core/error.hpp>
#include <relweave/io/files.hpp>

namespace relweave::io {

namespace {

using Json = nlohmann::ordered_json;

struct DTypeName {
  DType dtype;
  std::string_view name;
  std::int64_t bytes;
};
constexpr DTypeName dtype_names[] = {{DType::f32, "F32", 4},
                                     {DType::f64, "F64", 8},
                                     {DType::i32, "I32", 4},
                                     {DType::i64, "I64", 8},
                                     {DType::u8, "U8", 1}};

DTypeName const& describe_dtype(DType dtype) {
  return *std::find_if(std::begin(dtype_names), std::end(dtype_names),
                       [&](DTypeName const& d) { return d.dtype == dtype; });
}

template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) {
    return DType::f32;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return DType::i32;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return DType::i64;
  } else {
    static_assert(std::is_same_v<T, std::uint8_t>);
    return DType::u8;
  }
}

template <typename T>
std::span<std::byte const> bytes_of(T const* data, std::int64_t count) {
  return std::as_bytes(std::span<T const>(data, static_cast<std::size_t>(count)));
}

template <typename T>
TensorInfo vector_tensor(std::string name, VectorView<T const> v) {
  return {std::move(name), dtype_of<T>(), {v.size}, bytes_of(v.data, v.size)};
}

// The reference implementation refuses longer headers.
constexpr std::uint64_t longest_header = 100'000'000;

// No file is longer; keeps sizes of empty tensors, which no byte of data bounds, inside int64.
constexpr std::uint64_t largest_extent = std::uint64_t{1} << 48;

}  // namespace

void SafetensorsWriter::add(std::string name, VectorView<float const> v) {
  add_tensor(vector_tensor(std::move(name), v));
}
void SafetensorsWriter::add(std::string name, VectorView<std::int32_t const> v) {
  add_tensor(vector_tensor(std::move(name), v));
}
void SafetensorsWriter::add(std::string name, VectorView<std::int64_t const> v) {
  add_tensor(vector_tensor(std::move(name), v));
}
void SafetensorsWriter::add(std::string name, VectorView<std::uint8_t const> v) {
  add_tensor(vector_tensor(std::move(name), v));
}
void SafetensorsWriter::add(std::string name, MatrixView<float const> m) {
  if (!m.contiguous()) {
    raise<ShapeError>("SafetensorsWriter.add", name, "rows that do not follow each other",
                      "a contiguous matrix");
  }
  add_tensor({std::move(name), DType::f32, {m.rows, m.cols}, bytes_of(m.data, m.rows * m.cols)});
}

void SafetensorsWriter::add_tensor(TensorInfo tensor) {
  for (TensorInfo const& other : tensors_) {
    if (other.name == tensor.name) {
      raise<ConfigError>("SafetensorsWriter.add", "name", "'" + tensor.name + "' twice",
                         "different names");
    }
  }
  tensors_.push_back(std::move(tensor));
}

void SafetensorsWriter::set_metadata(std::string key, std::string value) {
  metadata_[std::move(key)] = std::move(value);
}

void SafetensorsWriter::write(std::filesystem::path const& path) const {
  // Widest elements first: with a header of a multiple of eight bytes all data is then aligned.
  std::vector<TensorInfo const*> order;
  for (TensorInfo const& t : tensors_) {
    order.push_back(&t);
  }
  std::stable_sort(order.begin(), order.end(), [](TensorInfo const* a, TensorInfo const* b) {
    return describe_dtype(a->dtype).bytes > describe_dtype(b->dtype).bytes;
  });
  Json header = Json::object();
  if (!metadata_.empty()) {
    header["__metadata__"] = metadata_;
  }
  std::uint64_t offset = 0;
  for (TensorInfo const* t : order) {
    header[t->name] = {{"dtype", describe_dtype(t->dtype).name},
                       {"shape", t->shape},
                       {"data_offsets", {offset, offset + t->bytes.size()}}};
    offset += t->bytes.size();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::uint64_t const length = text.size();
  std::vector<std::span<std::byte const>> parts = {
      std::as_bytes(std::span(&length, 1)), std::as_bytes(std::span(text.data(), text.size()))};
  for (TensorInfo const* t : order) {
    parts.push_back(t->bytes);
  }
  write_file(path, parts);
}

SafetensorsReader::SafetensorsReader(std::filesystem::path path)
    : path_(std::move(path)), content_(read_file(path_)) {
  parse();
}

void SafetensorsReader::parse() {
  auto const fail = [&](std::string const& got, std::string const& expected) {
    raise<IoError>("SafetensorsReader", path_.string(), got, expected,
                   "The file is damaged or not a safetensors file.");
  };
  auto const size = static_cast<std::uint64_t>(content_.size());
  std::uint64_t length = 0;
  if (size < sizeof(length)) {
    fail(std::to_string(size) + " bytes", "a header length of 8 bytes");
  }
  std::memcpy(&length, content_.data(), sizeof(length));
  if (length > longest_header || length > size - sizeof(length)) {
    fail("a header of " + std::to_string(length) + " bytes in a file of " + std::to_string(size),
         "a header inside the file");
  }
  auto const* const text = reinterpret_cast<char const*>(content_.data()) + sizeof(length);
  std::vector<std::string> keys;  // nlohmann keeps the last of two equal keys: look ourselves
  bool repeated = false;
  auto const look = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      auto const key = parsed.get<std::string>();
      repeated = repeated || std::find(keys.begin(), keys.end(), key) != keys.end();
      keys.push_back(key);
    }
    return true;
  };
  Json const header = Json::parse(text, text + length, look, /*allow_exceptions=*/false);
  if (!header.is_object() || repeated) {
    fail(repeated ? "a name twice" : "a header that is not a JSON object",
         "an object with a field per tensor");
  }
  std::byte const* const data = content_.data() + sizeof(length) + length;
  std::uint64_t const data_size = size - sizeof(length) - length;

  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (auto const& [name, field] : header.items()) {
    if (name == "__metadata__") {
      if (!field.is_object()) {
        fail("metadata that is not an object", "a map of strings");
      }
      for (auto const& [key, value] : field.items()) {
        if (!value.is_string()) {
          fail("metadata '" + key + "' that is not text", "a map of strings");
        }
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    bool const complete = field.is_object() && field.contains("dtype") &&
                          field["dtype"].is_string() && field.contains("shape") &&
                          field["shape"].is_array() && field.contains("data_offsets") &&
                          field["data_offsets"].is_array() && field["data_offsets"].size() == 2;
    if (!complete) {
      fail("tensor '" + name + "' without dtype, shape or data_offsets", "all three");
    }
    auto const dtype = std::find_if(
        std::begin(dtype_names), std::end(dtype_names),
        [&](DTypeName const& d) { return field["dtype"].get<std::string>() == d.name; });
    if (dtype == std::end(dtype_names)) {
      fail("tensor '" + name + "' of type " + field["dtype"].dump(), "F32, F64, I32, I64 or U8");
    }
    TensorInfo info{.name = name, .dtype = dtype->dtype, .shape = {}, .bytes = {}};
    auto const whole = [](Json const& j) { return j.is_number_unsigned(); };
    if (!std::all_of(field["shape"].begin(), field["shape"].end(), whole) ||
        !std::all_of(field["data_offsets"].begin(), field["data_offsets"].end(), whole)) {
      fail("tensor '" + name + "' with a shape or offset that is not a whole number",
           "numbers of at least 0");
    }
    auto const begin = field["data_offsets"][0].get<std::uint64_t>();
    auto const end = field["data_offsets"][1].get<std::uint64_t>();
    if (begin > end || end > data_size) {
      fail("tensor '" + name + "' in bytes " + std::to_string(begin) + " to " +
               std::to_string(end) + " of " + std::to_string(data_size),
           "a range inside the file");
    }
    std::uint64_t elements = 1;
    for (Json const& extent : field["shape"]) {
      auto const n = extent.get<std::uint64_t>();
      if (n > largest_extent ||
          (n != 0 && elements > std::numeric_limits<std::uint64_t>::max() / 16 / n)) {
        fail("tensor '" + name + "' with shape " + field["shape"].dump(), "a shape that fits");
      }
      elements *= n;
      info.shape.push_back(static_cast<std::int64_t>(n));
    }
    if (elements * static_cast<std::uint64_t>(dtype->bytes) != end - begin) {
      fail("tensor '" + name + "' with shape " + field["shape"].dump() + " in " +
               std::to_string(end - begin) + " bytes",
           "as many bytes as its elements take");
    }
    info.bytes = {data + begin, static_cast<std::size_t>(end - begin)};
    ranges.emplace_back(begin, end);
    tensors_.push_back(std::move(info));
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t covered = 0;
  for (auto const& [begin, end] : ranges) {
    if (begin != covered) {
      fail("tensors that overlap or leave a gap at byte " + std::to_string(covered),
           "data without gap or overlap");
    }
    covered = end;
  }
  if (covered != data_size) {
    fail(std::to_string(data_size) + " bytes of data", std::to_string(covered));
  }
}

bool SafetensorsReader::contains(std::string_view name) const {
  return std::any_of(tensors_.begin(), tensors_.end(),
                     [&](TensorInfo const& t) { return t.name == name; });
}

TensorInfo const& SafetensorsReader::tensor(std::string_view name) const {
  std::string names;
  for (TensorInfo const& t : tensors_) {
    if (t.name == name) {
      return t;
    }
    names.append(names.empty() ? "" : ", ").append(t.name);
  }
  raise<IoError>("SafetensorsReader.tensor", path_.string(),
                 "no tensor '" + std::string(name) + "'", "one of " + names);
}

namespace {

template <typename T>
void expect_kind(TensorInfo const& t, std::size_t dimensions) {
  if (t.dtype != dtype_of<T>()) {
    raise<DTypeError>("SafetensorsReader", t.name, std::string(describe_dtype(t.dtype).name),
                      std::string(describe_dtype(dtype_of<T>()).name));
  }
  if (t.shape.size() != dimensions) {
    raise<ShapeError>("SafetensorsReader", t.name, std::to_string(t.shape.size()) + " dimensions",
                      std::to_string(dimensions));
  }
}

}  // namespace

template <typename T>
Buffer<T> SafetensorsReader::vector(std::string_view name) const {
  TensorInfo const& t = tensor(name);
  expect_kind<T>(t, 1);
  Buffer<T> result(t.shape[0]);
  if (!t.bytes.empty()) {
    std::memcpy(result.data(), t.bytes.data(), t.bytes.size());
  }
  return result;
}

template <typename T>
Matrix<T> SafetensorsReader::matrix(std::string_view name) const {
  TensorInfo const& t = tensor(name);
  expect_kind<T>(t, 2);
  Matrix<T> result(t.shape[0], t.shape[1]);
  if (!t.bytes.empty()) {
    std::memcpy(result.data(), t.bytes.data(), t.bytes.size());
  }
  return result;
}

#define RELWEAVE_INSTANTIATE(T)                                            \
  template Buffer<T> SafetensorsReader::vector<T>(std::string_view) const; \
  template Matrix<T> SafetensorsReader::matrix<T>(std::string_view) const
RELWEAVE_INSTANTIATE(float);
RELWEAVE_INSTANTIATE(std::int32_t);
RELWEAVE_INSTANTIATE(std::int64_t);
RELWEAVE_INSTANTIATE(std::uint8_t);

}  // namespace relweave::io
