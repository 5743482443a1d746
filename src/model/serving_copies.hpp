#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include <relweave/core/cuda.hpp>
#include <relweave/retrieval/device_exact_index.hpp>

#include "uploaded.hpp"

namespace relweave::model {

/// What serving reads on a device.
struct ServingCopy {
  Resident<float, Space::device> general_vectors;
  std::optional<retrieval::DeviceExactIndex> index;  // none before the towers are trained
  std::optional<retrieval::DeviceExactIndex> general_index;

  ServingCopy(CudaContext const& ctx, MatrixView<float const> vectors,
              retrieval::ExactIndex const* items, retrieval::ExactIndex const* general)
      : general_vectors(ctx, vectors) {
    if (items != nullptr) {
      index.emplace(ctx, *items);
    }
    if (general != nullptr) {
      general_index.emplace(ctx, *general);
    }
    synchronize(ctx);
  }
};

/// Copies of a model for serving, one per device, made when they are first asked for. Replaced as a
/// whole when the model changes; those in use live on.
class ServingCopies {
 public:
  template <typename Make>
  std::shared_ptr<ServingCopy const> on(int device, Make&& make) {
    std::lock_guard const lock(mutex_);
    auto& copy = copies_[device];
    if (copy == nullptr) {
      copy = make();
    }
    return copy;
  }

 private:
  std::mutex mutex_;
  std::map<int, std::shared_ptr<ServingCopy const>> copies_;
};

}  // namespace relweave::model
