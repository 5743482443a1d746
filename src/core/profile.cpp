#include <relweave/core/profile.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include <relweave/core/error.hpp>

namespace relweave {

namespace {

struct Totals {
  std::int64_t calls = 0;
  std::int64_t nanoseconds = 0;
};

/// What the running profile has collected.
struct Collected {
  std::mutex mutex;
  std::thread::id owner;
  std::map<std::pair<std::string_view, bool>, Totals> totals;
};

Collected& collected() {
  static auto* const state = new Collected;  // threads may outlive static destruction
  return *state;
}

thread_local ProfileScope* innermost = nullptr;

std::int64_t now() {
  auto const time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

}  // namespace

std::atomic<bool> ProfileScope::running_ = false;

void ProfileScope::enter() noexcept {
  outer_ = std::exchange(innermost, this);
  begin_ = now();
}

void ProfileScope::leave() noexcept {
  std::int64_t const elapsed = now() - begin_;
  innermost = outer_;
  if (outer_ != nullptr) {
    outer_->inside_ += elapsed;
  }
  Collected& state = collected();
  std::scoped_lock const lock(state.mutex);
  if (!running_.load(std::memory_order_relaxed)) {
    return;
  }
  Totals& totals = state.totals[{name_, std::this_thread::get_id() != state.owner}];
  ++totals.calls;
  totals.nanoseconds += elapsed - inside_;
}

void start_profile() {
  Collected& state = collected();
  std::scoped_lock const lock(state.mutex);
  if (ProfileScope::running_) {
    raise<ConfigError>("start_profile", "profile", "one that runs", "one at a time");
  }
  state.owner = std::this_thread::get_id();
  state.totals.clear();
  ProfileScope::running_ = true;
}

std::vector<ProfileEntry> stop_profile() {
  Collected& state = collected();
  std::scoped_lock const lock(state.mutex);
  if (!ProfileScope::running_) {
    raise<ConfigError>("stop_profile", "profile", "none that runs", "start_profile before");
  }
  ProfileScope::running_ = false;
  std::vector<ProfileEntry> entries;
  for (auto const& [key, totals] : state.totals) {
    entries.push_back({.name = std::string(key.first),
                       .beside = key.second,
                       .calls = totals.calls,
                       .seconds = static_cast<double>(totals.nanoseconds) * 1e-9});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](auto const& a, auto const& b) { return a.seconds > b.seconds; });
  return entries;
}

}  // namespace relweave
