#include "count_runs.hpp"

#include <algorithm>

namespace relweave::graph {

namespace {

constexpr std::uint32_t once = std::uint32_t{1} << 31;
constexpr std::int64_t word_bytes = sizeof(std::uint32_t);

}  // namespace

RunWriter::RunWriter(SpillFile& file, std::int64_t buffer_bytes,
                     std::vector<CountRun::Extent>& extents)
    : file_(file), extents_(extents), words_(buffer_bytes / word_bytes) {}

void RunWriter::take(NodeId i, NeighborCounts const& counts) {
  if (counts.met().empty()) {
    return;
  }
  put(static_cast<std::uint32_t>(i));
  put(static_cast<std::uint32_t>(counts.met().size() + counts.repeated().size()));
  for (NodeId const j : counts.met()) {
    std::int32_t const count = counts.of(j);
    put(static_cast<std::uint32_t>(j) | (count == 1 ? once : 0));
    if (count != 1) {
      put(static_cast<std::uint32_t>(count));
    }
  }
}

void RunWriter::put(std::uint32_t word) {
  if (size_ == words_.size()) {
    finish();
  }
  words_[size_++] = word;
}

void RunWriter::finish() {
  if (size_ > 0) {
    auto const bytes = std::as_bytes(std::span(words_.data(), static_cast<std::size_t>(size_)));
    extents_.push_back({.at = file_.append(bytes), .bytes = std::ssize(bytes)});
    size_ = 0;
  }
}

RunReader::RunReader(SpillFile const& file, std::span<CountRun const> runs, std::size_t range,
                     std::int64_t buffer_bytes)
    : file_(file), streams_(runs.size()) {
  for (std::size_t r = 0; r < runs.size(); ++r) {
    streams_[r].extents = runs[r].ranges[range];
    streams_[r].words = Pages<std::uint32_t>(buffer_bytes / word_bytes);
    begin_row(streams_[r]);
  }
}

void RunReader::count(NodeId i, NeighborCounts& counts) {
  for (Stream& stream : streams_) {
    if (stream.row != i) {
      continue;
    }
    for (auto left = static_cast<std::int64_t>(word(stream)); left > 0; --left) {
      std::uint32_t const j = word(stream);
      std::int32_t times = 1;
      if ((j & once) == 0) {
        times = static_cast<std::int32_t>(word(stream));
        --left;
      }
      counts.add(static_cast<NodeId>(j & ~once), times);
    }
    begin_row(stream);
  }
}

void RunReader::begin_row(Stream& stream) const {
  bool const more = stream.next < stream.size || refill(stream);
  stream.row = more ? static_cast<NodeId>(word(stream)) : -1;
}

std::uint32_t RunReader::word(Stream& stream) const {
  if (stream.next == stream.size) {
    refill(stream);
  }
  return stream.words[stream.next++];
}

bool RunReader::refill(Stream& stream) const {
  if (stream.extents.empty()) {
    return false;
  }
  CountRun::Extent const& extent = stream.extents.front();
  std::int64_t const bytes = std::min(extent.bytes - stream.at, stream.words.size() * word_bytes);
  stream.size = bytes / word_bytes;
  stream.next = 0;
  file_.read(extent.at + stream.at,
             std::as_writable_bytes(
                 std::span(stream.words.data(), static_cast<std::size_t>(stream.size))));
  stream.at += bytes;
  if (stream.at == extent.bytes) {
    stream.extents = stream.extents.subspan(1);
    stream.at = 0;
  }
  return true;
}

}  // namespace relweave::graph
