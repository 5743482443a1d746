#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <relweave/core/config.hpp>

namespace relweave {

/// Where the time of host work went while a profile ran: the ops, and what trainings do besides.
struct ProfileEntry {
  std::string name;
  bool beside = false;     ///< on another thread than the one that started the profile
  std::int64_t calls = 0;  ///< of threads that call, not of those that help
  double seconds = 0;      ///< without what is listed under another name
};

/// Starts to collect, for all threads of the process, until stop_profile(). Work that does not end
/// in between is not counted. Throws ConfigError while another profile runs.
RELWEAVE_API void start_profile();

/// What was collected, longest first. Throws ConfigError when no profile runs.
RELWEAVE_API std::vector<ProfileEntry> stop_profile();

/// Counts its lifetime under a name, a string literal, in a running profile; otherwise it costs the
/// look at a flag.
class RELWEAVE_API ProfileScope {
 public:
  explicit ProfileScope(char const* name)
      : name_(running_.load(std::memory_order_relaxed) ? name : nullptr) {
    if (name_ != nullptr) {
      enter();
    }
  }
  ~ProfileScope() {
    if (name_ != nullptr) {
      leave();
    }
  }
  ProfileScope(ProfileScope const&) = delete;
  ProfileScope& operator=(ProfileScope const&) = delete;

 private:
  friend void start_profile();
  friend std::vector<ProfileEntry> stop_profile();

  void enter() noexcept;
  void leave() noexcept;

  static std::atomic<bool> running_;

  char const* name_;
  ProfileScope* outer_ = nullptr;
  std::int64_t begin_ = 0;   // nanoseconds
  std::int64_t inside_ = 0;  // of scopes within
};

}  // namespace relweave
