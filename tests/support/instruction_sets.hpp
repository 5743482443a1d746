#pragma once

#include <vector>

#include <relweave/core/isa.hpp>

namespace relweave::test {

/// Every instruction set that this machine runs and kernels are compiled for.
inline std::vector<Isa> instruction_sets() {
  std::vector<Isa> sets;
  for (Isa const isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (isa <= detected_isa()) {
      sets.push_back(isa);
    }
  }
  return sets;
}

}  // namespace relweave::test
