#include <relweave/core/parallel.hpp>

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace relweave::detail {

namespace {

/// The next task of a range of them.
struct alignas(64) Counter {
  std::atomic<std::int64_t> next;
};

struct Job {
  TaskFunction function;
  void* closure;
  std::int64_t count;
  int helpers;                  // workers with a lower index than this take part
  Counter* counters = nullptr;  // of each who takes part
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // written by whoever sets `failed` first

  std::int64_t begin(int who) const { return count * who / (helpers + 1); }

  /// Own tasks first: those of like numbers in jobs that follow each other often touch the same
  /// memory. Then what others have left.
  void work(int who) {
    for (int k = 0; k <= helpers; ++k) {
      int const whose = (who + k) % (helpers + 1);
      std::atomic<std::int64_t>& next = counters[whose].next;
      std::int64_t const end = begin(whose + 1);
      for (std::int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < end;) {
        if (failed.load(std::memory_order_relaxed)) {
          return;
        }
        run(task);
      }
    }
  }

  void work_alone() {
    for (std::int64_t task = 0; task < count && !failed.load(std::memory_order_relaxed); ++task) {
      run(task);
    }
  }

 private:
  void run(std::int64_t task) {
    try {
      function(closure, task);
    } catch (...) {
      if (!failed.exchange(true)) {
        error = std::current_exception();
      }
    }
  }
};

thread_local bool inside_task = false;

// Sleeping and waking costs some 40 us on a virtual machine, as much as a whole small op. Ops of a
// training step follow each other closely, so waiting threads look this often before they sleep:
// about 50 us.
constexpr int spins = 2000;

template <typename Condition>
bool spin_until(Condition const& condition) {
  for (int i = 0; i < spins; ++i) {
    if (condition()) {
      return true;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  return false;
}

/// Workers wait for a job, take tasks from its counter, and report when they are done with it.
class Pool {
 public:
  static Pool& instance() {
    static std::once_flag registered;
    std::call_once(registered, [] {
      // Threads do not survive fork(). The child leaks the parent's pool, whose locks may be held
      // by threads that no longer exist, and starts its own on first use.
      pthread_atfork(nullptr, nullptr, [] {
        pool_ = new Pool;
        inside_task = false;
      });
      pool_ = new Pool;  // never destroyed: workers may outlive static destruction
    });
    return *pool_;
  }

  void run(Job& job) {
    std::unique_lock const owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) {  // another thread uses the pool: do not wait, do not oversubscribe
      work_here(job);
      return;
    }
    grow(job.helpers);
    job.helpers = std::min(job.helpers, workers_);
    if (counters_.size() <= static_cast<std::size_t>(job.helpers)) {
      counters_ = std::vector<Counter>(static_cast<std::size_t>(job.helpers) + 1);
    }
    job.counters = counters_.data();
    for (int k = 0; k <= job.helpers; ++k) {
      counters_[static_cast<std::size_t>(k)].next.store(job.begin(k), std::memory_order_relaxed);
    }
    bool asleep = false;
    {
      std::scoped_lock const lock(mutex_);
      job_ = &job;
      ++generation_;
      asleep = sleepers_ > 0;
    }
    if (asleep) {
      wake_.notify_all();
    }
    inside_task = true;
    job.work(0);
    inside_task = false;
    {
      std::scoped_lock const lock(mutex_);
      job_ = nullptr;  // workers that did not wake find nothing; only those at work are awaited
    }
    if (!spin_until([&] { return active_.load(std::memory_order_acquire) == 0; })) {
      std::unique_lock lock(mutex_);
      done_.wait(lock, [&] { return active_.load(std::memory_order_acquire) == 0; });
    }
  }

  static void work_here(Job& job) {
    bool const outer = inside_task;
    inside_task = true;
    job.work_alone();
    inside_task = outer;
  }

 private:
  void grow(int helpers) {
    while (workers_ < helpers) {
      try {
        std::thread([this, index = workers_, seen = generation_.load()] {
          serve(index, seen);
        }).detach();
      } catch (std::system_error const&) {
        return;  // the system gives no more threads: those that are there do the work
      }
      ++workers_;
    }
  }

  void serve(int index, std::uint64_t seen) {
    inside_task = true;
    auto const called = [&] { return generation_.load(std::memory_order_acquire) != seen; };
    for (;;) {
      bool const caught = spin_until(called);
      std::unique_lock lock(mutex_);
      if (!caught) {
        ++sleepers_;
        wake_.wait(lock, called);
        --sleepers_;
      }
      seen = generation_;
      if (job_ == nullptr || index >= job_->helpers) {
        continue;
      }
      Job& job = *job_;
      active_.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      job.work(index + 1);
      lock.lock();
      if (active_.fetch_sub(1, std::memory_order_release) == 1) {
        done_.notify_one();
      }
    }
  }

  static inline Pool* pool_ = nullptr;

  std::mutex owner_;  // held by the thread whose job runs
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::condition_variable done_;
  Job* job_ = nullptr;
  std::vector<Counter> counters_;
  int workers_ = 0;
  int sleepers_ = 0;
  // Changed under the mutex; atomic so that waiting threads can look without it.
  std::atomic<int> active_{0};
  std::atomic<std::uint64_t> generation_{0};
};

}  // namespace

void run_tasks(int threads, std::int64_t count, TaskFunction function, void* closure) {
  int const useful = static_cast<int>(std::min<std::int64_t>(threads, count));
  Job job{.function = function, .closure = closure, .count = count, .helpers = useful - 1};
  if (useful <= 1 || inside_task) {
    Pool::work_here(job);
  } else {
    Pool::instance().run(job);
  }
  if (job.error) {
    std::rethrow_exception(job.error);
  }
}

}  // namespace relweave::detail
