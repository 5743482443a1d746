#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include <bench.hpp>
#include <graph_input.hpp>

namespace relweave::bench {

/// A case of a group: what is computed, and by whom.
struct Case {
  std::string_view work, by;
};

/// Sizes of inputs that are no graph; what they mean stands beside each group.
struct Sizes {
  std::string_view name;
  std::int64_t a = 0, b = 0, c = 0;

  /// `least` is for inputs that are as small as they get.
  Sizes scaled(double factor, Sizes const& least) const {
    return {.name = name,
            .a = scaled_size(a, factor, least.a),
            .b = scaled_size(b, factor, least.b),
            .c = scaled_size(c, factor, least.c)};
  }
};

/// Cases that share their input; `run_*` calls Bench::run for each of them. `run_bfloat16` may be
/// missing for graphs.
struct GraphGroup {
  std::vector<Case> cases;
  std::function<void(Bench&, GraphInput&, std::int64_t d)> run_float, run_bfloat16;
};
struct ArrayGroup {
  std::vector<Case> cases;
  std::vector<Sizes> sizes;
  Sizes checked;        ///< of the small input, on which results are compared with the host's
  bool each_d = false;  ///< for every number of features; otherwise the sizes tell all
  std::function<void(Bench&, Sizes const&, std::int64_t d)> run_float, run_bfloat16;
};

std::vector<GraphGroup> graph_groups();
GraphGroup aggregate_group();
GraphGroup layer_group();

std::vector<ArrayGroup> array_groups();
ArrayGroup linear_group();
ArrayGroup top_k_group();
std::vector<ArrayGroup> row_groups();
std::vector<ArrayGroup> training_groups();

}  // namespace relweave::bench
