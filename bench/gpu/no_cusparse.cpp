// The build has no cuSPARSE.

#include <cusparse_peer.hpp>

#include <relweave/core/error.hpp>

namespace relweave::bench {

struct Spmm::State {};

std::string spmm_missing() {
  return "built without cuSPARSE";
}

Spmm::Spmm(Bench&, ops::DeviceCsr const&, Reduce, Pass, bool, void*, std::int64_t, void*,
           std::int64_t, std::int64_t) {
  raise<NotCompiledError>("bench", "cuSPARSE", "a build without it", "a build with it");
}
Spmm::~Spmm() = default;
void Spmm::run() const {}

}  // namespace relweave::bench
