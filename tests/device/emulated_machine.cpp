// The machine of the device tests: two multiprocessors, so that small inputs take several waves.
// RELWEAVE_EMULATION_ORDER says in which order lanes and blocks run.

#include <cstdlib>

#include <emulation/control.hpp>

namespace {

emulation::Session const session = [] {
  char const* const order = std::getenv("RELWEAVE_EMULATION_ORDER");
  return emulation::Session({.order = order == nullptr ? 0 : std::strtoull(order, nullptr, 10)});
}();

}  // namespace
