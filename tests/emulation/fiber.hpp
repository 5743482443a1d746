#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulation {

/// A stack on which a function runs that can pause in the middle and go on later.
class Fiber {
 public:
  using Entry = void (*)();

  /// `entry` must not throw. `bytes` is a multiple of 16.
  Fiber(std::byte* stack, std::size_t bytes, Entry entry)
      : stack_(stack), stack_bytes_(bytes), entry_(entry) {
    prepare();
  }

  /// Calls entry(), or goes on where it paused. Returns when it pauses or returns. A fiber stays on
  /// the thread that first resumed it until entry() returned.
  void resume();

  /// Called inside entry(): back to the resume() that runs this fiber.
  static void pause();

  /// Forgets what runs here: the next resume() calls entry() anew.
  void prepare();

 private:
#if defined(__x86_64__)
  using Context = void*;  // the stack pointer; all else lies on the stack
#else
  using Context = ucontext_t;
#endif

  static void trampoline();
  static void switch_context(Context& from, Context& to);

  std::byte* stack_;
  std::size_t stack_bytes_;
  Entry entry_;
  Context context_{};
  Context resumer_{};
  void* fake_stack_ = nullptr;  // of this fiber, while another runs (AddressSanitizer)
  void const* resumer_stack_ = nullptr;
  std::size_t resumer_bytes_ = 0;
};

/// Fibers for one block of threads, each with a guard page below its stack.
class FiberPool {
 public:
  explicit FiberPool(Fiber::Entry entry);
  ~FiberPool();
  FiberPool(FiberPool const&) = delete;
  FiberPool& operator=(FiberPool const&) = delete;

  /// The fiber released last, whose stack is still in the cache, or one never used.
  Fiber& acquire();
  void release(Fiber& fiber) { free_.push_back(&fiber); }

  /// Takes back every fiber, whatever it was doing.
  void abandon_all();

 private:
  std::byte* arena_;
  Fiber::Entry entry_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> free_;
};

}  // namespace emulation
