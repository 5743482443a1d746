#include "emulation/launch.hpp"

#include "emulation/runtime_state.hpp"

namespace emulation {

namespace {

void check(bool good, Grid const& grid, std::string const& what) {
  if (!good) {
    throw Error("launch of kernel " + grid.kernel + ": " + what);
  }
}

std::string describe(char const* what, Extent const& extent) {
  return std::string(what) + " (" + std::to_string(extent.x) + ", " + std::to_string(extent.y) +
         ", " + std::to_string(extent.z) + ")";
}

void check_sizes(Grid const& grid, Extent const& size, Extent const& block) {
  bool const grid_fits = size.x >= 1 && size.y >= 1 && size.z >= 1 && size.x <= max_grid_x &&
                         size.y <= max_grid_yz && size.z <= max_grid_yz;
  check(grid_fits, grid,
        describe("grid", size) + ", expected at least 1 and at most (2147483647, 65535, 65535)");
  bool const block_fits = block.x >= 1 && block.y >= 1 && block.z >= 1 &&
                          block.x <= max_block_threads && block.y <= max_block_threads &&
                          block.z <= max_block_depth &&
                          block.x * block.y * block.z <= max_block_threads;
  check(block_fits, grid,
        describe("block", block) + ", expected at least 1 and at most 1024 threads, 64 in z");
  check(grid.shared_bytes <= block_shared_bytes, grid,
        std::to_string(grid.shared_bytes) + " bytes of dynamic shared memory, expected at most " +
            std::to_string(block_shared_bytes));
}

void check_shared_limit(State& state, Grid const& grid) {
  auto const limit = state.dynamic_shared_limits.find(grid.function);
  bool const opted_in = limit != state.dynamic_shared_limits.end() &&
                        grid.shared_bytes <= static_cast<std::size_t>(limit->second);
  check(grid.shared_bytes <= static_shared_bytes || opted_in, grid,
        std::to_string(grid.shared_bytes) +
            " bytes of dynamic shared memory, more than 49152: set "
            "cudaFuncAttributeMaxDynamicSharedMemorySize first");
}

dim3 to_dim3(Extent const& extent) {
  return {static_cast<unsigned>(extent.x), static_cast<unsigned>(extent.y),
          static_cast<unsigned>(extent.z)};
}

// "(k<float, 4>)" as macros need it, without the parentheses.
std::string without_parentheses(std::string const& name) {
  return name.starts_with('(') && name.ends_with(')') ? name.substr(1, name.size() - 2) : name;
}

void run_and_record(Grid const& grid) {
  {
    State& all = state();
    std::scoped_lock const lock(all.mutex);
    ++all.counters.launches;
    all.launches.push_back({.kernel = grid.kernel,
                            .grid = grid.grid,
                            .block = grid.block,
                            .shared_bytes = grid.shared_bytes,
                            .stream = grid.stream,
                            .device = current_device()});
  }
  run_grid(grid);
}

}  // namespace

void enqueue_grid(Grid grid, Extent const& grid_size, Extent const& block_size) {
  grid.kernel = without_parentheses(grid.kernel);
  check_sizes(grid, grid_size, block_size);
  grid.grid = to_dim3(grid_size);
  grid.block = to_dim3(block_size);
  enqueue(
      grid.stream,
      [&](State& all, CUstream_st const& stream) {
        check_shared_limit(all, grid);
        return stream.device == current_device() ? cudaSuccess : cudaErrorInvalidResourceHandle;
      },
      [grid](cudaStream_t stream) mutable {
        grid.stream = stream;
        run_and_record(grid);
      });
}

}  // namespace emulation
