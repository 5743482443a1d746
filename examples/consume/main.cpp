// What a C++ team needs to check first: the installed library is found, links, and runs on all
// cores.
#include <cstdint>
#include <iostream>

#include <relweave/core/buffer.hpp>
#include <relweave/core/config.hpp>
#include <relweave/core/context.hpp>
#include <relweave/core/parallel.hpp>
#include <relweave/core/random.hpp>

int main() {
  relweave::HostContext const ctx{.threads = 2};
  std::int64_t const n = 1'000'000;
  std::int64_t const block = 10'000;

  auto sums = relweave::Buffer<double>::zeros(n / block);
  auto const view = sums.view();
  relweave::parallel_for(ctx, view.size, [&](std::int64_t b) {
    relweave::RandomStream stream(/*seed=*/0, relweave::Purpose::synthetic,
                                  static_cast<std::uint64_t>(b));
    for (std::int64_t i = 0; i < block; ++i) {
      view[b] += stream.uniform();
    }
  });

  double sum = 0;
  for (double const partial : view) {
    sum += partial;
  }
  double const mean = sum / static_cast<double>(n);
  std::cout << "relweave " << RELWEAVE_VERSION_STRING << ": mean of " << n << " draws " << mean
            << '\n';
  return mean > 0.499 && mean < 0.501 ? 0 : 1;
}
