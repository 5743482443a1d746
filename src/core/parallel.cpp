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

struct Job {
  TaskFunction function;
  void* closure;
  std::int64_t count;
  int helpers;  // workers with a lower index than this take part
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // written by whoever sets `failed` first

  void work() {
    for (std::int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      if (failed.load(std::memory_order_relaxed)) {
        return;
      }
      try {
        function(closure, task);
      } catch (...) {
        if (!failed.exchange(true)) {
          error = std::current_exception();
        }
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
    work_here(job);
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
    job.work();
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
      job.work();
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
