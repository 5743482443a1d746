#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <relweave/core/types.hpp>

#include "neighbor_counts.hpp"
#include "pages.hpp"
#include "spill_file.hpp"

namespace relweave::graph {

/// Counts of a part of the users in a file: for every range of items, where its rows are. A row is
/// the item, the number of words that follow, and for every neighbour its id and the count; a count
/// of one, which is what most are, has no word but the id's highest bit.
struct CountRun {
  struct Extent {
    std::int64_t at;
    std::int64_t bytes;
  };
  std::vector<std::vector<Extent>> ranges;
};

/// Writes the rows of one range of items, ascending.
class RunWriter {
 public:
  RunWriter(SpillFile& file, std::int64_t buffer_bytes, std::vector<CountRun::Extent>& extents);

  void take(NodeId i, NeighborCounts const& counts);
  void finish();

 private:
  void put(std::uint32_t word);

  SpillFile& file_;
  std::vector<CountRun::Extent>& extents_;
  Pages<std::uint32_t> words_;
  std::int64_t size_ = 0;
};

/// Reads the rows of one range of items, ascending, and adds up what several runs have.
class RunReader {
 public:
  RunReader(SpillFile const& file, std::span<CountRun const> runs, std::size_t range,
            std::int64_t buffer_bytes);

  void count(NodeId i, NeighborCounts& counts);

 private:
  /// Where one run is read.
  struct Stream {
    std::span<CountRun::Extent const> extents;
    std::int64_t at = 0;  // in the first of the extents
    Pages<std::uint32_t> words;
    std::int64_t next = 0;
    std::int64_t size = 0;
    NodeId row = -1;  // the one that comes, -1 after the last
  };

  std::uint32_t word(Stream& stream) const;
  void begin_row(Stream& stream) const;
  bool refill(Stream& stream) const;

  SpillFile const& file_;
  std::vector<Stream> streams_;
};

}  // namespace relweave::graph
