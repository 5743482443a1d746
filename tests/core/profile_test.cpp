#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <relweave/core/buffer.hpp>
#include <relweave/core/error.hpp>
#include <relweave/core/profile.hpp>
#include <relweave/ops/linear/linear.hpp>

using namespace relweave;

namespace {

void work(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

ProfileEntry const& entry(std::vector<ProfileEntry> const& entries, std::string const& name) {
  auto const at = std::find_if(entries.begin(), entries.end(),
                               [&](ProfileEntry const& e) { return e.name == name; });
  REQUIRE(at != entries.end());
  return *at;
}

}  // namespace

TEST_CASE("a scope counts what no scope within counts", "[core][profile]") {
  start_profile();
  for (int k = 0; k < 3; ++k) {
    ProfileScope const outer("outer");
    work(2);
    {
      ProfileScope const inner("inner");
      work(20);
    }
  }

  auto const entries = stop_profile();

  REQUIRE(entries.size() == 2);
  CHECK(entries[0].name == "inner");  // longest first
  CHECK(entries[0].calls == 3);
  CHECK(entries[0].seconds >= 0.06);
  CHECK(entries[1].calls == 3);
  CHECK(entries[1].seconds >= 0.006);
  CHECK(entries[1].seconds < entries[0].seconds);
}

TEST_CASE("work on another thread is beside", "[core][profile]") {
  start_profile();
  { ProfileScope const here("here"); }
  std::thread([] { ProfileScope const there("there"); }).join();

  auto const entries = stop_profile();

  CHECK_FALSE(entry(entries, "here").beside);
  CHECK(entry(entries, "there").beside);
}

TEST_CASE("what begins before a profile, or ends after it, is not counted", "[core][profile]") {
  std::vector<ProfileEntry> entries;
  {
    ProfileScope const before("before");
    start_profile();
    ProfileScope const after("after");
    entries = stop_profile();
  }

  start_profile();
  auto const next = stop_profile();

  CHECK(entries.empty());
  CHECK(next.empty());
}

TEST_CASE("ops count themselves", "[core][profile]") {
  auto const x = Matrix<float>::zeros(4, 3);
  auto const weight = Matrix<float>::zeros(3, 2);
  Matrix<float> out(4, 2);

  start_profile();
  ops::linear<float>({}, x.view(), weight.view(), {}, {}, out.view());
  auto const entries = stop_profile();
  ops::linear<float>({}, x.view(), weight.view(), {}, {}, out.view());

  CHECK(entry(entries, "linear").calls == 1);
}

TEST_CASE("profiles run one at a time", "[core][profile]") {
  CHECK_THROWS_AS(stop_profile(), ConfigError);
  start_profile();
  CHECK_THROWS_AS(start_profile(), ConfigError);
  stop_profile();
}
