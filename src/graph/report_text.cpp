#include <algorithm>
#include <cstdio>

#include <relweave/graph/report.hpp>

namespace relweave::graph {

namespace {

std::string number(double value, int decimals) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return buffer;
}

std::string percent(double share) {
  return number(100 * share, 1) + " %";
}

/// First column left, the others right, each as wide as its widest cell.
std::string table(std::vector<std::vector<std::string>> const& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (auto const& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      widths[c] = std::max(widths[c], row[c].size());
    }
  }
  std::string text;
  for (auto const& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      std::string const space(widths[c] - row[c].size(), ' ');
      text += c == 0 ? row[c] + space : "  " + space + row[c];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

}  // namespace

std::string to_text(GraphReport const& report) {
  std::vector<std::vector<std::string>> types{{"node type", "nodes", "isolated"}};
  for (NodeTypeReport const& t : report.node_types) {
    types.push_back({t.name, std::to_string(t.nodes), percent(t.isolated_share)});
  }
  std::vector<std::vector<std::string>> relations{
      {"relation", "edges", "duplicates", "self loops", "in mean", "in 99 %", "in max",
       "without in", "out mean", "out max", "without out", "reciprocal"}};
  for (RelationReport const& r : report.relations) {
    relations.push_back({r.name, std::to_string(r.edges), std::to_string(r.duplicates),
                         std::to_string(r.self_loops), number(r.in.mean, 2),
                         std::to_string(r.in.quantiles[2]), std::to_string(r.in.max),
                         percent(r.in.isolated_share), number(r.out.mean, 2),
                         std::to_string(r.out.max), percent(r.out.isolated_share),
                         r.reciprocity ? percent(*r.reciprocity) : "-"});
  }
  return std::to_string(report.nodes) + " nodes, " + std::to_string(report.edges) + " edges, " +
         number(static_cast<double>(report.memory_bytes) / 1e6, 1) + " MB\n\n" + table(types) +
         '\n' + table(relations);
}

}  // namespace relweave::graph
