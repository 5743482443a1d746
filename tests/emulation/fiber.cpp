#include "emulation/fiber.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#include "emulation/limits.hpp"

#if defined(__SANITIZE_ADDRESS__)  // GCC
#define RELWEAVE_EMULATION_ASAN
#elif defined(__has_feature)  // Clang
#if __has_feature(address_sanitizer)
#define RELWEAVE_EMULATION_ASAN
#endif
#endif

#if defined(RELWEAVE_EMULATION_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Saves what the System V ABI lets a function rely on across a call, and swaps stacks.
extern "C" void relweave_emulation_switch(void** save, void* load);
asm(R"(
.text
.p2align 4
.globl relweave_emulation_switch
.hidden relweave_emulation_switch
.type relweave_emulation_switch,@function
relweave_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size relweave_emulation_switch, . - relweave_emulation_switch
)");
#endif

namespace emulation {

namespace {

constinit thread_local Fiber* running = nullptr;

constexpr std::size_t guard_bytes = std::size_t{64} << 10;  // the largest page there is
constexpr std::size_t stack_bytes = std::size_t{128} << 10;
constexpr std::size_t slot_bytes = guard_bytes + stack_bytes;
constexpr std::size_t arena_bytes = slot_bytes * max_block_threads;

// What AddressSanitizer must know about a change of stacks: nothing happens without it.
void announce_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] void const* stack,
                     [[maybe_unused]] std::size_t bytes) {
#if defined(RELWEAVE_EMULATION_ASAN)
  __sanitizer_start_switch_fiber(fake_stack, stack, bytes);
#endif
}

void finish_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] void const** stack,
                   [[maybe_unused]] std::size_t* bytes) {
#if defined(RELWEAVE_EMULATION_ASAN)
  __sanitizer_finish_switch_fiber(fake_stack, stack, bytes);
#endif
}

void forget_poison([[maybe_unused]] std::byte* begin, [[maybe_unused]] std::size_t bytes) {
#if defined(RELWEAVE_EMULATION_ASAN)
  __asan_unpoison_memory_region(begin, bytes);
#endif
}

}  // namespace

void Fiber::switch_context(Context& from, Context& to) {
#if defined(__x86_64__)
  relweave_emulation_switch(&from, to);
#else
  swapcontext(&from, &to);
#endif
}

void Fiber::prepare() {
  forget_poison(stack_, stack_bytes_);
#if defined(__x86_64__)
  auto** top = reinterpret_cast<void**>(stack_ + stack_bytes_);
  *--top = nullptr;  // where trampoline() would return to, which aligns its frame too
  *--top = reinterpret_cast<void*>(&Fiber::trampoline);
  for (int callee_saved = 0; callee_saved < 6; ++callee_saved) {
    *--top = nullptr;
  }
  context_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = stack_bytes_;
  context_.uc_link = nullptr;
  makecontext(&context_, &Fiber::trampoline, 0);
#endif
  fake_stack_ = nullptr;
}

void Fiber::resume() {
  running = this;
  void* fake_stack = nullptr;
  announce_switch(&fake_stack, stack_, stack_bytes_);
  switch_context(resumer_, context_);
  finish_switch(fake_stack, nullptr, nullptr);
  running = nullptr;
}

void Fiber::pause() {
  Fiber& self = *running;
  announce_switch(&self.fake_stack_, self.resumer_stack_, self.resumer_bytes_);
  switch_context(self.context_, self.resumer_);
  finish_switch(self.fake_stack_, &self.resumer_stack_, &self.resumer_bytes_);
}

void Fiber::trampoline() {
  finish_switch(nullptr, &running->resumer_stack_, &running->resumer_bytes_);
  for (;;) {  // the same stack serves the next call without being set up again
    running->entry_();
    pause();
  }
}

FiberPool::FiberPool(Fiber::Entry entry) : entry_(entry) {
  void* const arena = mmap(nullptr, arena_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arena == MAP_FAILED) {
    throw std::bad_alloc();
  }
  arena_ = static_cast<std::byte*>(arena);
}

FiberPool::~FiberPool() {
  forget_poison(arena_, arena_bytes);
  munmap(arena_, arena_bytes);
}

Fiber& FiberPool::acquire() {
  if (free_.empty()) {
    std::byte* const guard = arena_ + fibers_.size() * slot_bytes;
    mprotect(guard, guard_bytes, PROT_NONE);
    fibers_.push_back(std::make_unique<Fiber>(guard + guard_bytes, stack_bytes, entry_));
    return *fibers_.back();
  }
  Fiber& fiber = *free_.back();
  free_.pop_back();
  return fiber;
}

void FiberPool::abandon_all() {
  free_.clear();
  for (auto const& fiber : fibers_) {
    fiber->prepare();
    free_.push_back(fiber.get());
  }
}

}  // namespace emulation
