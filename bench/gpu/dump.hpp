#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <workloads.hpp>

#include <nlohmann/json.hpp>

#include <relweave/core/error.hpp>

// Graphs for peers in other languages.

namespace relweave::bench {

/// Writes NumPy's format, version 1.0, one dimension.
template <typename T>
void write_npy(std::filesystem::path const& path, std::vector<T> const& values) {
  std::string header = "{'descr': '<i" + std::to_string(sizeof(T)) +
                       "', 'fortran_order': False, 'shape': (" + std::to_string(values.size()) +
                       ",), }";
  header.append(63 - (10 + header.size()) % 64, ' ').append("\n");
  std::ofstream file(path, std::ios::binary);
  file.write("\x93NUMPY\x01\x00", 8);
  file.put(static_cast<char>(header.size() % 256)).put(static_cast<char>(header.size() / 256));
  file << header;
  file.write(reinterpret_cast<char const*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(T)));
  if (!file.flush()) {
    raise<IoError>("dump", path.string(), "an error while writing", "room for the file");
  }
}

/// Writes graph.json, which says what belongs to what, and for every type t the arrays
/// row_offsets_<t>.npy and cols_<t>.npy, and source_rows_<relation>.npy where not all sources of a
/// relation have messages.
inline void dump(WorkloadGraph const& graph, std::filesystem::path const& folder) {
  std::filesystem::create_directories(folder);
  nlohmann::ordered_json about{{"nodes", graph.nodes}, {"destinations", nlohmann::json::array()}};
  for (auto const& destination : graph.destinations) {
    nlohmann::ordered_json relations = nlohmann::json::array();
    for (auto const& relation : destination.relations) {
      relations.push_back({{"id", relation.id},
                           {"source", relation.source},
                           {"message_base", relation.message_base},
                           {"message_rows", relation.message_rows},
                           {"all_sources", relation.all_sources}});
      if (!relation.all_sources) {
        write_npy(folder / ("source_rows_" + std::to_string(relation.id) + ".npy"),
                  relation.source_rows);
      }
    }
    std::string const type = std::to_string(destination.type);
    write_npy(folder / ("row_offsets_" + type + ".npy"), destination.row_offsets);
    write_npy(folder / ("cols_" + type + ".npy"), destination.cols);
    about["destinations"].push_back({{"type", destination.type},
                                     {"n_dst", destination.n_dst},
                                     {"message_rows", destination.message_rows},
                                     {"relations", relations}});
  }
  std::ofstream(folder / "graph.json") << about.dump(1) << '\n';
}

}  // namespace relweave::bench
