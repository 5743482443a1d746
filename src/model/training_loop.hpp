#pragma once

#include <cstdint>
#include <optional>

#include <relweave/core/cuda.hpp>
#include <relweave/nn/parameter.hpp>
#include <relweave/optim/adam.hpp>

namespace relweave::model {

/// The mean loss of an epoch. On a device the last few steps may be missing before finish().
template <Space S>
class LossMeter {
 public:
  void clear() { total_ = weight_ = 0; }

  /// `loss` runs a loss op, whose last argument it is given: nothing on the host, where it returns
  /// the loss; where to leave it on a device.
  template <typename F>
  void add(Context<S> const& ctx, double weight, F&& loss) {
    if constexpr (S == Space::host) {
      count(loss(), weight);
    } else {
      loss(readings_.next(ctx));
      readings_.push(ctx);
      pending_.push_back(weight);
      take();
    }
  }

  void finish() {
    if constexpr (S == Space::device) {
      readings_.finish();
      take();
    }
  }

  double mean() const { return weight_ > 0 ? total_ / weight_ : 0; }

 private:
  struct Nothing {};

  void count(double loss, double weight) {
    total_ += loss * weight;
    weight_ += weight;
  }
  void take() {
    for (double const loss : readings_.take()) {
      count(loss, pending_.front());
      pending_.erase(pending_.begin());
    }
  }

  double total_ = 0;
  double weight_ = 0;
  [[no_unique_address]] std::conditional_t<S == Space::device, DeviceReadings, Nothing> readings_;
  std::vector<double> pending_;  // weights of losses on their way
};

/// Whether the batches of a step are made ahead, on a thread beside the step's.
inline bool prefetches(HostContext const& ctx) {
  return threads_of(ctx) > 1;
}
inline bool prefetches(CudaContext const&) {
  return true;
}

/// For making batches: scratch is the thread's own, and on the host the threads are the step's.
inline HostContext loader_context(HostContext const& ctx) {
  return {.threads = prefetches(ctx) ? 1 : ctx.threads, .isa = ctx.isa};
}
inline HostContext loader_context(CudaContext const& ctx) {
  return {.threads = ctx.host.threads, .isa = ctx.host.isa};
}

/// A model's parameters while they are trained, with their optimiser.
template <Space S>
class Trained;

template <>
class Trained<Space::host> {
 public:
  Trained(HostContext const&, nn::ParameterSet<float>& host)
      : host_(host), optimizer_({}, host.size()) {}

  nn::ParameterSet<float>& parameters() { return host_; }
  void step(HostContext const& ctx, double rate) {
    optimizer_.step(ctx, host_.values(), host_.gradients(), rate);
  }
  /// Brings the host's values up to date.
  void read(HostContext const&) {}

 private:
  nn::ParameterSet<float>& host_;
  optim::Adam<float> optimizer_;
};

template <>
class Trained<Space::device> {
 public:
  Trained(CudaContext const& ctx, nn::ParameterSet<float>& host)
      : host_(host), device_(ctx, host), optimizer_(ctx, {}, host.size(), 0) {}

  nn::ParameterSet<float, Space::device>& parameters() { return device_; }
  void step(CudaContext const& ctx, double rate) {
    if (rate != rate_) {
      optimizer_.set_learning_rate(ctx, rate);
      rate_ = rate;
    }
    optimizer_.step(ctx, device_.values(), std::as_const(device_).gradients());
  }
  void read(CudaContext const& ctx) {
    copy(ctx, std::as_const(device_).values(), host_.values());
    synchronize(ctx);
  }

 private:
  nn::ParameterSet<float>& host_;
  nn::ParameterSet<float, Space::device> device_;
  optim::DeviceAdam optimizer_;
  double rate_ = 0;
};

}  // namespace relweave::model
