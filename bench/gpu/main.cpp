// Times every operation that runs on a device, beside cuSPARSE where that computes the same.
// scripts/gpu_report.sh builds it, runs it and makes the report.

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numeric>
#include <set>
#include <sstream>

#include <dump.hpp>
#include <groups.hpp>
#include <nlohmann/json.hpp>

#include <relweave/core/error.hpp>

using namespace relweave;
using namespace relweave::bench;

namespace {

constexpr std::string_view usage = R"(relweave_gpu_bench [option...]
  --list             print the names of all cases, work/by/dtype/workload/d, and run none
  --json FILE        where the results go (default: standard output)
  --filter TEXT      only cases whose name contains it
  --workloads A,B    only these graphs; inputs that are no graph are left out too
  --dims 32,64       numbers of features (default 32,64,128,256)
  --dtypes A,B       float, bfloat16 (default: both)
  --scale X          of all sizes, for small devices and tests (default 1)
  --repeats N        at most, of each case (default 30)
  --seconds S        for the repeats of a case, at least five (default 0.2)
  --dump FOLDER      write the graphs as .npy files for peers, and run nothing
)";

/// Edges of the small graphs on which all results are compared with the host's.
constexpr double checked_edges = 2'000;

struct Options {
  Settings settings;
  std::vector<std::string> workloads;  // empty: all
  std::string json, dump;
  bool list = false;
};

std::vector<std::string> split(std::string const& text) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    parts.push_back(part);
  }
  return parts;
}

template <typename T>
T number(std::string const& option, std::string const& text) {
  T value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value > 0)) {
    raise<ConfigError>("relweave_gpu_bench", option, text, "a number above 0");
  }
  return value;
}

/// Throws unless each of `chosen` is one of `known`.
void expect_known(std::string const& option, std::vector<std::string> const& chosen,
                  std::set<std::string_view> const& known) {
  for (auto const& one : chosen) {
    if (!known.contains(one)) {
      std::string names;
      for (auto const name : known) {
        names.append(names.empty() ? "" : ", ").append(name);
      }
      raise<ConfigError>("relweave_gpu_bench", option, one, names);
    }
  }
}

Options parse(std::vector<std::string> const& words) {
  Options o;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string const& option = words[i];
    if (option == "--list") {
      o.list = true;
      continue;
    }
    if (option == "--help") {
      std::cout << usage;
      std::exit(0);
    }
    if (i + 1 == words.size()) {
      raise<ConfigError>("relweave_gpu_bench", "options", option, "a value after it, or --help");
    }
    std::string const& value = words[++i];
    if (option == "--json") {
      o.json = value;
    } else if (option == "--filter") {
      o.settings.filter = value;
    } else if (option == "--workloads") {
      o.workloads = split(value);
    } else if (option == "--dims") {
      o.settings.dims.clear();
      for (auto const& d : split(value)) {
        o.settings.dims.push_back(number<std::int64_t>(option, d));
      }
    } else if (option == "--dtypes") {
      o.settings.dtypes = split(value);
    } else if (option == "--scale") {
      o.settings.scale = number<double>(option, value);
    } else if (option == "--repeats") {
      o.settings.repeats = number<int>(option, value);
    } else if (option == "--seconds") {
      o.settings.seconds = number<double>(option, value);
    } else if (option == "--dump") {
      o.dump = value;
    } else {
      raise<ConfigError>("relweave_gpu_bench", "options", option, "one of those of --help");
    }
  }
  std::set<std::string_view> graphs;
  for (auto const& w : graph_workloads) {
    graphs.insert(w.name);
  }
  expect_known("--workloads", o.workloads, graphs);
  expect_known("--dtypes", o.settings.dtypes, {"float", "bfloat16"});
  return o;
}

bool chosen(Options const& o, GraphWorkload const& w) {
  return o.workloads.empty() ||
         std::find(o.workloads.begin(), o.workloads.end(), w.name) != o.workloads.end();
}

/// Calls f(group, problem) for everything there is, graph after graph, then other inputs.
template <typename OnGraph, typename OnArray>
void for_problems(Options const& o, GraphWorkload const* graph, OnGraph&& on_graph,
                  OnArray&& on_array) {
  for (auto const& dtype : o.settings.dtypes) {
    if (graph != nullptr) {
      for (std::int64_t const d : o.settings.dims) {
        for (auto const& group : graph_groups()) {
          if (dtype == "float" || group.run_bfloat16) {
            on_graph(group, Problem{std::string(graph->name), d, dtype});
          }
        }
      }
      continue;
    }
    for (auto const& group : array_groups()) {
      for (Sizes const& sizes : group.sizes) {
        for (std::int64_t const d : group.each_d ? o.settings.dims : std::vector<std::int64_t>{0}) {
          on_array(group, sizes, Problem{std::string(sizes.name), d, dtype});
        }
      }
    }
  }
}

std::vector<GraphWorkload const*> inputs_of(Options const& o) {
  std::vector<GraphWorkload const*> inputs;
  for (auto const& w : graph_workloads) {
    if (chosen(o, w)) {
      inputs.push_back(&w);
    }
  }
  if (o.workloads.empty()) {
    inputs.push_back(nullptr);  // those that are no graph
  }
  return inputs;
}

/// The cases that were asked for, none of them run.
std::vector<Row> wanted_rows(Options const& o) {
  std::vector<Row> rows;
  auto const add = [&](std::vector<Case> const& cases, Problem const& problem) {
    for (Case const& c : cases) {
      Row row{.work = std::string(c.work), .by = std::string(c.by), .problem = problem};
      if (row.name().find(o.settings.filter) != std::string::npos) {
        rows.push_back(std::move(row));
      }
    }
  };
  for (GraphWorkload const* const graph : inputs_of(o)) {
    for_problems(
        o, graph, [&](GraphGroup const& group, Problem const& p) { add(group.cases, p); },
        [&](ArrayGroup const& group, Sizes const&, Problem const& p) { add(group.cases, p); });
  }
  return rows;
}

/// Runs a group; whatever keeps it from running becomes a row for each of its cases.
void run_group(Bench& bench, std::vector<Case> const& cases, Problem const& problem,
               std::function<void(bool checks)> const& f) {
  bool const wanted = std::any_of(cases.begin(), cases.end(), [&](Case const& c) {
    return bench.wants(c.work, c.by, problem);
  });
  if (!wanted) {
    return;
  }
  std::string why = "was not measured";
  bool no_room = false;
  try {
    bench.measure(problem, f);
  } catch (Error const& error) {
    why = error.what();
    no_room = why.find("device memory") != std::string::npos;
  }
  for (Case const& c : cases) {
    if (!bench.has(c.work, c.by)) {
      no_room ? bench.skip(c.work, c.by, why) : bench.fail(c.work, c.by, why);
    }
  }
}

/// Calls `save` after each group: who runs out of time keeps what there is.
void run_all(Bench& bench, Options const& o, std::function<void()> const& save) {
  double const scale = o.settings.scale;
  for (GraphWorkload const* const graph : inputs_of(o)) {
    std::unique_ptr<GraphInput> small, large;
    for_problems(
        o, graph,
        [&](GraphGroup const& group, Problem const& p) {
          run_group(bench, group.cases, p, [&](bool checks) {
            auto& input = checks ? small : large;
            if (!input) {
              double const share = checked_edges / static_cast<double>(graph->edges);
              input = std::make_unique<GraphInput>(
                  bench, graph->scaled(checks ? std::min(scale, share) : scale));
            }
            (p.dtype == "float" ? group.run_float : group.run_bfloat16)(bench, *input, p.d);
          });
          save();
        },
        [&](ArrayGroup const& group, Sizes const& sizes, Problem p) {
          Sizes const whole = sizes.scaled(scale, group.checked);
          p.sizes = {whole.a, whole.b, whole.c};
          run_group(bench, group.cases, p, [&](bool checks) {
            (p.dtype == "float" ? group.run_float : group.run_bfloat16)(
                bench, checks ? sizes.scaled(0, group.checked) : whole, p.d);
          });
          save();
        });
  }
}

nlohmann::ordered_json to_json(Row const& row) {
  nlohmann::ordered_json j{{"work", row.work},           {"by", row.by},
                           {"dtype", row.problem.dtype}, {"workload", row.problem.workload},
                           {"d", row.problem.d},         {"sizes", row.problem.sizes}};
  if (!row.skipped.empty()) {
    j["skipped"] = row.skipped;
  }
  if (!row.wrong.empty()) {
    j["wrong"] = row.wrong;
  }
  if (!row.seconds.empty()) {
    std::size_t const n = row.seconds.size();
    j["median_s"] = (row.seconds[(n - 1) / 2] + row.seconds[n / 2]) / 2;
    j["min_s"] = row.seconds.front();
    j["max_s"] = row.seconds.back();
    j["repeats"] = n;
    j["edges"] = row.cost.edges;
    j["bytes"] = row.cost.bytes;
    j["operations"] = row.cost.operations;
  }
  return j;
}

nlohmann::ordered_json device_json(Bench& bench) {
  auto const info = cuda_device_info(bench.context().device);
  int runtime = 0;
  int driver = 0;
  check("cudaRuntimeGetVersion", cudaRuntimeGetVersion(&runtime));
  check("cudaDriverGetVersion", cudaDriverGetVersion(&driver));
  return {{"name", info.name},
          {"compute_capability", info.compute_capability},
          {"multiprocessors", info.multiprocessors},
          {"memory_bytes", info.memory_bytes},
          {"flushed_bytes", bench.flushed_bytes()},
          {"cuda_runtime", runtime},
          {"cuda_driver", driver}};
}

int run(Options const& o) {
  auto const wanted = wanted_rows(o);
  if (o.list) {
    for (Row const& row : wanted) {
      std::cout << row.name() << '\n';
    }
    return 0;
  }
  if (!o.dump.empty()) {
    for (auto const& w : graph_workloads) {
      if (chosen(o, w)) {
        dump(make_graph({}, w.scaled(o.settings.scale)), std::filesystem::path(o.dump) / w.name);
      }
    }
    return 0;
  }
  if (wanted.empty()) {
    raise<ConfigError>("relweave_gpu_bench", "--filter", o.settings.filter, "a part of a name",
                       "--list prints all names.");
  }
  Bench bench(o.settings);
  nlohmann::ordered_json report{{"device", device_json(bench)},
                                {"scale", o.settings.scale},
                                {"copy_bytes_per_s", bench.copy_bandwidth()},
                                {"rows", nlohmann::ordered_json::array()}};
  auto const save = [&] {
    for (std::size_t i = report["rows"].size(); i < bench.rows().size(); ++i) {
      report["rows"].push_back(to_json(bench.rows()[i]));
    }
    if (!o.json.empty()) {
      std::ofstream(o.json) << report.dump(1) << '\n';
    }
  };
  run_all(bench, o, save);
  if (o.json.empty()) {
    std::cout << report.dump(1) << '\n';
  }
  bool const right = std::all_of(bench.rows().begin(), bench.rows().end(),
                                 [](Row const& row) { return row.wrong.empty(); });
  return right && bench.rows().size() == wanted.size() ? 0 : 1;
}

}  // namespace

namespace relweave::bench {

std::vector<GraphGroup> graph_groups() {
  return {aggregate_group(), layer_group()};
}

std::vector<ArrayGroup> array_groups() {
  std::vector<ArrayGroup> groups{linear_group(), top_k_group()};
  for (auto const& more : {row_groups(), training_groups()}) {
    groups.insert(groups.end(), more.begin(), more.end());
  }
  return groups;
}

}  // namespace relweave::bench

int main(int argc, char** argv) {
  try {
    return run(parse({argv + 1, argv + argc}));
  } catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
