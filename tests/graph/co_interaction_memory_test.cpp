#include <catch2/catch.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/graph/co_interaction.hpp>

#include <support/interaction_log.hpp>

using namespace relweave;
using namespace relweave::test;
using graph::CoInteractionConfig;
using graph::CoInteractionReport;
using graph::EdgeWeight;

namespace {

/// A folder of its own for the files of a test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "relweave-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(Folder const&) = delete;
  Folder& operator=(Folder const&) = delete;

  std::filesystem::path const& path() const { return path_; }
  bool empty() const { return std::filesystem::is_empty(path_); }

 private:
  std::filesystem::path path_;
};

std::ptrdiff_t open_files() {
  auto const files = std::filesystem::directory_iterator("/proc/self/fd");
  return std::distance(begin(files), end(files));
}

/// Of this process, in bytes, by its name in /proc/self/status.
std::int64_t memory(std::string const& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) {
      return std::stoll(line.substr(name.size() + 1)) * 1024;
    }
  }
  FAIL("no " << name);
  return 0;
}

/// What AddressSanitizer keeps for itself: its notes, and memory that was given back.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::int64_t of_sanitizer = 16 << 20;
#else
constexpr std::int64_t of_sanitizer = 0;
#endif

/// A log whose histories need many times what the smallest limit allows.
std::vector<Event> const& large() {
  static auto const events = random_events(60'000, 3000, 60);
  return events;
}

std::vector<Row> links_of(std::vector<Event> const& events, CoInteractionConfig const& config,
                          int threads = 1, CoInteractionReport* report = nullptr) {
  Log const log(events, 3000, 60);
  return rows_of(
      graph::co_interaction_links({.threads = threads}, log.view(), three_types, config, report));
}

/// The number that an error says is enough.
std::int64_t told(CoInteractionConfig const& config) {
  try {
    links_of(large(), config);
  } catch (ConfigError const& error) {
    std::cmatch found;
    REQUIRE(std::regex_search(error.what(), found, std::regex("at least ([0-9]+)")));
    CHECK_THAT(error.what(), Catch::Contains("CoInteractionConfig: memory_limit: got " +
                                             std::to_string(config.memory_limit)));
    return std::stoll(found[1]);
  }
  FAIL("the limit was not refused");
  return 0;
}

std::int64_t smallest_limit(CoInteractionConfig config) {
  config.memory_limit = 1;
  return told(config);
}

}  // namespace

TEST_CASE("links under any memory limit equal the plain definition", "[graph][co_interaction]") {
  CoInteractionConfig config;
  std::tie(config.weight, config.top_neighbors, config.max_history, config.window_seconds,
           config.min_count, config.strong_only) =
      GENERATE(table<EdgeWeight, std::int32_t, std::int32_t, std::int64_t, std::int64_t, bool>(
          {{EdgeWeight::cosine, 4, 50, 0, 1, false},
           {EdgeWeight::pmi, 2, 12, 0, 2, true},
           {EdgeWeight::count, 1, 50, 100 * 3600, 1, false},
           {EdgeWeight::cosine, 0, 8, 0, 1, false},
           {EdgeWeight::pmi, 0, 50, 20 * 3600, 3, true},
           {EdgeWeight::cosine, 100, 2, 0, 1, true}}));
  auto events = large();
  bool const by_user = GENERATE(false, true);
  if (by_user) {
    std::stable_sort(events.begin(), events.end(),
                     [](Event const& a, Event const& b) { return a.user < b.user; });
  }
  auto const expected = brute_force(events, three_types, config);
  CoInteractionReport without_limit;
  auto const in_memory = links_of(events, config, 2, &without_limit);
  REQUIRE(in_memory == expected);
  REQUIRE(without_limit.runs == 0);
  REQUIRE(without_limit.spilled_bytes == 0);
  REQUIRE(without_limit.log_passes == 1);

  std::int64_t const smallest = smallest_limit(config);
  for (int const threads : {1, 3}) {
    for (double const factor : {1.0, 1.3, 2.0, 4.0, 8.0, 100.0}) {
      config.memory_limit = static_cast<std::int64_t>(static_cast<double>(smallest) * factor);
      CoInteractionReport report;

      auto const links = links_of(events, config, threads, &report);

      INFO("limit " << config.memory_limit << ", threads " << threads);
      CHECK(links == expected);
      CHECK(report.planned_bytes <= config.memory_limit);
      CHECK((report.runs == 0 || report.spilled_bytes > 0));
      CHECK((factor > 1 || report.runs > 1));
      CHECK((factor < 100 || (report.spilled_bytes == 0 && report.log_passes == 1)));
      auto const counts = [](CoInteractionReport const& r) {
        return std::tuple(r.events, r.strong, r.weak, r.weak_left_out, r.out_of_order,
                          r.repeats_merged, r.over_cap, r.users, r.single_item_users, r.pairs,
                          r.links_found, r.below_min_count, r.beyond_top, r.links,
                          r.links_per_type_pair);
      };
      CHECK(counts(report) == counts(without_limit));
    }
  }
}

TEST_CASE("the memory limit holds for the memory of the process", "[graph][co_interaction]") {
  std::int64_t const limit = GENERATE(8, 16, 40) * (std::int64_t{1} << 20);
  graph::ItemTypes const types{.names = {"a", "b"}, .offsets = {0, 10'000, 30'000}};
  Log const log(random_events(1'500'000, 60'000, 30'000), 60'000, 30'000);
  CoInteractionReport report;
  std::int64_t const before = memory("VmRSS");
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak begins anew

  auto const links = graph::co_interaction_links(
      {.threads = 2}, log.view(), types,
      {.max_history = 20, .min_count = 2, .top_neighbors = 2, .memory_limit = limit}, &report);

  INFO("limit " << limit << ", planned " << report.planned_bytes << ", runs " << report.runs);
  CHECK(links.lower.size() > 40'000);
  CHECK((report.runs > 0) == (limit == 8 << 20));
  CHECK(memory("VmHWM") - before <= limit + limit / 5 + of_sanitizer);
  CHECK(memory("VmHWM") - before > limit / 4);
}

TEST_CASE("runs that do not fit beside each other are merged in turns", "[graph][co_interaction]") {
  CoInteractionConfig config{.max_history = 50, .top_neighbors = 3};
  auto const expected = links_of(large(), config);
  config.memory_limit = smallest_limit(config);
  CoInteractionReport report;
  CoInteractionReport twice;

  auto const links = links_of(large(), config, 2, &report);
  config.memory_limit *= 2;
  links_of(large(), config, 2, &twice);

  CHECK(links == expected);
  CHECK(report.runs > 6);  // 6 buffers of 4 KiB are a tenth of the smallest limit
  CHECK(twice.runs < report.runs);
}

TEST_CASE("a memory limit that is too small says one that is not", "[graph][co_interaction]") {
  CoInteractionConfig config{.window_seconds = 3600 * GENERATE(0, 50), .top_neighbors = 2};
  config.memory_limit = GENERATE(1, 50'000);

  std::int64_t const enough = told(config);

  config.memory_limit = enough;
  CHECK(!links_of(large(), config).empty());
  config.memory_limit = enough - 1;
  CHECK(told(config) == enough);
}

TEST_CASE("a memory limit without room for the links says one with", "[graph][co_interaction]") {
  graph::ItemTypes const types{.names = {"a"}, .offsets = {0, 2000}};
  Log const log(random_events(20'000, 300, 2000), 300, 2000);
  auto const build = [&](std::int64_t limit) {
    return graph::co_interaction_links({}, log.view(), types,
                                       {.top_neighbors = 0, .memory_limit = limit});
  };
  std::int64_t const links = build(0).lower.size();
  REQUIRE(links * 20 > 1'500'000);
  std::int64_t enough = 0;
  try {
    build(1'000'000);
  } catch (ConfigError const& error) {
    std::cmatch found;
    REQUIRE(std::regex_search(error.what(), found,
                              std::regex("at least ([0-9]+) for these links.*min_count")));
    enough = std::stoll(found[1]);
  }

  auto const found = build(enough);

  CHECK(found.lower.size() == links);
  CHECK(enough > links * 20);
}

TEST_CASE("users without events need no memory limit of their own", "[graph][co_interaction]") {
  std::vector<Event> const events{{2999, 0, 1}, {2999, 1, 2}, {0, 0, 5}};
  auto const expected = links_of(events, {});

  CHECK(links_of(events, {.memory_limit = 200'000}) == expected);
  CHECK_THROWS_AS(links_of(events, {.memory_limit = 8}), ConfigError);
  CHECK_THROWS_AS(links_of(events, {.memory_limit = -1}), ConfigError);
}

TEST_CASE("the files of the graph are gone at any end", "[graph][co_interaction]") {
  Folder const folder;
  CoInteractionConfig config{.top_neighbors = 2, .temp_folder = folder.path()};
  config.memory_limit = smallest_limit(config);
  auto const files = open_files();
  Log const log(large(), 3000, 60);
  auto const build = [&](ProgressCallback const& progress) {
    return graph::co_interaction_links({.threads = 1}, log.view(), three_types, config, nullptr,
                                       progress);
  };
  std::int64_t calls = 0;

  SECTION("after success") {
    std::int64_t seen = 0;

    build([&](Progress const&) {
      seen = std::max(seen, open_files() - files);
      return folder.empty();  // no file ever has a name there
    });

    CHECK(seen > 0);
  }
  SECTION("after the callback stopped it, at any of its calls") {
    build([&](Progress const&) { return ++calls > 0; });
    for (std::int64_t last = 1; last <= calls; last += 1 + calls / 12) {
      std::int64_t left = last;

      CHECK_THROWS_AS(build([&](Progress const&) { return --left > 0; }), StoppedError);
    }
  }
  SECTION("after an exception of the callback") {
    auto const fail_half_way = [](Progress const& p) {
      if (2 * p.step > p.steps) {
        throw std::runtime_error("mine");
      }
      return true;
    };

    CHECK_THROWS_WITH(build(fail_half_way), "mine");
  }
  SECTION("after the process died") {
    pid_t const child = ::fork();
    if (child == 0) {
      build([&](Progress const& p) { return 2 * p.step < p.steps || ::raise(SIGKILL) == 0; });
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);

    CHECK(WIFSIGNALED(status));
  }
  SECTION("after the disk was full") {
    rlimit limits{};
    ::getrlimit(RLIMIT_FSIZE, &limits);
    auto* const before = ::signal(SIGXFSZ, SIG_IGN);
    rlimit const small{.rlim_cur = 50'000, .rlim_max = limits.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    std::string message;

    try {
      build({});
    } catch (IoError const& error) {
      message = error.what();
    }

    ::setrlimit(RLIMIT_FSIZE, &limits);
    ::signal(SIGXFSZ, before);
    CHECK_THAT(message, Catch::Contains("co_interaction_links: temp_folder: got") &&
                            Catch::Contains(folder.path().string()) &&
                            Catch::Contains("raise memory_limit"));
  }
  CHECK(folder.empty());
  CHECK(open_files() == files);
}

TEST_CASE("a temp folder that cannot hold files is refused", "[graph][co_interaction]") {
  CoInteractionConfig config{.top_neighbors = 2};
  config.memory_limit = smallest_limit(config);
  auto const [folder, reason] = GENERATE(table<std::string, std::string>(
      {{"/nowhere/at/all", "No such file"}, {"/dev/null", "Not a directory"}, {"/proc/self", ""}}));
  config.temp_folder = folder;

  CHECK_THROWS_AS(links_of(large(), config), IoError);
  CHECK_THROWS_WITH(links_of(large(), config), Catch::Contains(reason) &&
                                                   Catch::Contains("'" + folder + "'") &&
                                                   Catch::Contains("Set temp_folder"));
  config.memory_limit = 0;
  CHECK(!links_of(large(), config).empty());  // without need nothing is opened
}

TEST_CASE("the graph tells its progress on the calling thread", "[graph][co_interaction]") {
  CoInteractionConfig config{.top_neighbors = 2};
  config.memory_limit = GENERATE_COPY(std::int64_t{0}, smallest_limit(config));
  Log const log(large(), 3000, 60);
  std::vector<std::int64_t> steps;
  std::int64_t total = 0;
  auto const watch = [&, here = std::this_thread::get_id()](Progress const& p) {
    REQUIRE(std::this_thread::get_id() == here);
    REQUIRE(p.stage == "graph");
    REQUIRE((p.epoch == 0 && p.epochs == 1 && p.loss == 0));
    steps.push_back(p.step);
    total = p.steps;
    return true;
  };

  graph::co_interaction_links({.threads = 2}, log.view(), three_types, config, nullptr, watch);

  CHECK(std::is_sorted(steps.begin(), steps.end()));
  CHECK(steps.front() == 0);
  CHECK(steps.back() == total);
  CHECK(steps.size() > 4);
}
