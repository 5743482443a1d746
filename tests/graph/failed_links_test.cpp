#include <catch2/catch.hpp>

#include <new>
#include <optional>
#include <string>

#include <relweave/graph/co_interaction.hpp>

#include <support/allocations.hpp>
#include <support/interaction_log.hpp>

using namespace relweave;
using namespace relweave::test;

TEST_CASE("an item graph that has no room names the limit to set", "[graph][co_interaction]") {
  auto const limit = GENERATE(0, 4 << 20);
  Log const log(random_events(2000, 300, 60), 300, 60);
  graph::CoInteractionConfig const config{.top_neighbors = 4, .memory_limit = limit};
  auto const make = [&] {
    return graph::co_interaction_links({.threads = 1}, log.view(), three_types, config);
  };
  auto const expected = rows_of(make());

  std::int64_t failures = 0;
  for (bool failed = true; failed; failures += failed ? 1 : 0) {
    std::optional<graph::ItemLinks> links;
    std::string message;
    allocations::fail_after(failures);
    try {
      links = make();
    } catch (std::bad_alloc const& error) {
      message = error.what();
    }
    failed = allocations::end_failures();

    CAPTURE(failures);
    REQUIRE(links.has_value() != failed);
    REQUIRE((failed || rows_of(*links) == expected));
    REQUIRE((!failed || message.find("Set memory_limit") != std::string::npos));
  }
  CHECK(failures > 10);
}
