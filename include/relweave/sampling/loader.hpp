#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <semaphore>
#include <span>
#include <thread>
#include <utility>

#include <relweave/core/profile.hpp>

namespace relweave::sampling {

/// Makes the batches of an epoch in order, ahead of who takes them: while the step runs on one, the
/// next are sampled on a thread of their own. With a single slot there is no thread: next() makes
/// the batch.
/// Determinism: any_thread_count, where `make` is a function of its position.
template <typename Batch>
class Loader {
 public:
  /// Fills a slot with the batch at a position in [0, count). On the loader's thread with several
  /// slots, so it must not touch what the step changes; parallel_for runs there without helpers
  /// while the step uses them.
  using Make = std::function<void(std::int64_t position, Batch& out)>;

  /// Slots keep their buffers for the next loader, and must outlive this one. At least one.
  Loader(std::span<Batch> slots, std::int64_t count, Make make)
      : slots_(slots), count_(count), make_(std::move(make)), empty_(std::ssize(slots)) {
    if (slots_.size() > 1) {
      thread_ = std::thread([this] { run(); });
    }
  }
  Loader(Loader const&) = delete;
  Loader& operator=(Loader const&) = delete;
  ~Loader() {
    if (thread_.joinable()) {
      stop_ = true;
      empty_.release();
      thread_.join();
    }
  }

  /// The next batch, `count` times; it stays until the following call. Rethrows what `make` threw.
  Batch& next() {
    Batch& batch = slots_[slot(next_)];
    if (!thread_.joinable()) {
      make_(next_, batch);
    } else {
      ProfileScope const profile("wait_for_batch");
      if (next_ > 0) {
        empty_.release();
      }
      ready_.acquire();
      if (error_ != nullptr) {
        ready_.release();  // whoever asks again hears it again
        std::rethrow_exception(error_);
      }
    }
    ++next_;
    return batch;
  }

 private:
  std::size_t slot(std::int64_t position) const {
    return static_cast<std::size_t>(position) % slots_.size();
  }

  void run() {
    for (std::int64_t position = 0; position < count_; ++position) {
      empty_.acquire();
      if (stop_) {
        return;
      }
      try {
        make_(position, slots_[slot(position)]);
      } catch (...) {
        error_ = std::current_exception();
      }
      ready_.release();
      if (error_ != nullptr) {
        return;
      }
    }
  }

  std::span<Batch> slots_;
  std::int64_t count_;
  Make make_;
  std::int64_t next_ = 0;
  std::exception_ptr error_;  // written before ready_ is released
  std::atomic<bool> stop_ = false;
  std::counting_semaphore<> empty_;
  std::counting_semaphore<> ready_{0};
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace relweave::sampling
