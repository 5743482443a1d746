#pragma once

#include <relweave/core/isa.hpp>
#include <relweave/core/workspace.hpp>

namespace relweave {

/// How host work runs; the first argument of every op. A plain struct: copy it, change a field.
struct HostContext {
  /// Threads to use, the caller's included; 0 takes default_threads(). Never changes a result.
  int threads = 0;
  /// Instruction set of the kernels; automatic takes the best the machine runs.
  Isa isa = Isa::automatic;
  /// Scratch memory; null takes one that belongs to the calling thread.
  Workspace* workspace = nullptr;
};

/// The workspace that `ctx` names, or the calling thread's own.
RELWEAVE_API Workspace& scratch_of(HostContext const& ctx);

/// RELWEAVE_NUM_THREADS, read once when the library starts, otherwise the number of processors
/// this process may run on.
RELWEAVE_API int default_threads();

/// More threads than any machine runs well are taken for a mistake.
inline constexpr int most_threads = 4096;

/// The number of threads `ctx` asks for. Throws ConfigError unless it is in [0, most_threads].
RELWEAVE_API int threads_of(HostContext const& ctx);

}  // namespace relweave
