#pragma once

#include <string_view>

#include <relweave/core/config.hpp>

namespace relweave {

/// Instruction sets that hot kernels are compiled for, best last. `automatic` takes the best the
/// machine runs. Results may differ in the last bits between instruction sets (fused multiply-add),
/// never between thread counts of one.
enum class Isa { automatic, baseline, avx2, avx512 };

/// The best instruction set this machine and operating system run.
RELWEAVE_API Isa detected_isa();

/// `requested` if the machine runs it; for `automatic` the environment variable RELWEAVE_ISA
/// (baseline, avx2, avx512) if set, otherwise detected_isa(). Throws ConfigError when the machine
/// does not run what was asked for, or the variable holds another word.
RELWEAVE_API Isa resolve_isa(Isa requested);

RELWEAVE_API std::string_view isa_name(Isa isa);

}  // namespace relweave
