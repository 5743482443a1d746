#include "device_sparse_product.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <cusparse.h>

#include <relweave/core/buffer.hpp>
#include <relweave/core/cuda/check.cuh>
#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/device_csr.hpp>

#include "owned_handle.hpp"

namespace relweave::ops {

namespace {

/// The only one for CSR that is documented to give the same bits for each run.
constexpr cusparseSpMMAlg_t algorithm = CUSPARSE_SPMM_CSR_ALG3;

void check(std::string_view function, std::string_view call, cusparseStatus_t status) {
  if (status != CUSPARSE_STATUS_SUCCESS) {
    raise<CudaError>(function, call, cusparseGetErrorName(status), "success");
  }
}

using Handle = OwnedHandle<cusparseHandle_t, cusparseDestroy>;
using SparseDescriptor = OwnedHandle<cusparseConstSpMatDescr_t, cusparseDestroySpMat>;
using DenseDescriptor = OwnedHandle<cusparseDnMatDescr_t, cusparseDestroyDnMat>;

cudaDataType_t data_type(DeviceType type) {
  return type == DeviceType::float32 ? CUDA_R_32F : CUDA_R_16BF;
}

/// The calling thread's handle for the context's device, on the context's stream.
cusparseHandle_t handle_for(CudaContext const& ctx, std::string_view function) {
  thread_local std::map<int, Handle> handles;
  Handle& handle = handles[ctx.device];
  if (handle.get() == nullptr) {
    check(function, "cusparseCreate", cusparseCreate(handle.out()));
  }
  check(function, "cusparseSetStream", cusparseSetStream(handle.get(), ctx.stream));
  return handle.get();
}

/// What cuSPARSE prepared for one kind of product. Its scratch is good for its sparse descriptor
/// alone, and must not change between products.
class Plan {
 public:
  bool ready() const { return ready_; }
  void forget() { ready_ = false; }

  void make(cusparseHandle_t handle, std::string_view function, DeviceSparsePattern const& pattern,
            DeviceSparseProduct const& p) {
    std::int64_t const rows = pattern.row_offsets.size - 1;
    check(function, "cusparseCreateConstCsr",
          cusparseCreateConstCsr(a_.out(), rows, pattern.n_cols, pattern.cols.size,
                                 pattern.row_offsets.data, pattern.cols.data, p.values,
                                 CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO,
                                 data_type(p.type)));
    dense(function, b_, pattern.n_cols, p.n, p.b_stride, const_cast<void*>(p.b), p.type);
    dense(function, c_, rows, p.n, p.c_stride, p.c, p.type);
    std::size_t bytes = 0;
    check(function, "cusparseSpMM_bufferSize",
          cusparseSpMM_bufferSize(handle, normal, normal, &one, a_.get(), b_.get(), &one, c_.get(),
                                  CUDA_R_32F, algorithm, &bytes));
    scratch_.reset(static_cast<std::int64_t>(std::max<std::size_t>(bytes, 1)));
    check(function, "cusparseSpMM_preprocess",
          cusparseSpMM_preprocess(handle, normal, normal, &one, a_.get(), b_.get(), &one, c_.get(),
                                  CUDA_R_32F, algorithm, scratch_.data()));
    ready_ = true;
  }

  void run(cusparseHandle_t handle, std::string_view function, DeviceSparseProduct const& p) {
    check(function, "cusparseDnMatSetValues",
          cusparseDnMatSetValues(b_.get(), const_cast<void*>(p.b)));
    check(function, "cusparseDnMatSetValues", cusparseDnMatSetValues(c_.get(), p.c));
    float const keep = p.accumulate ? 1 : 0;
    check(function, "cusparseSpMM",
          cusparseSpMM(handle, normal, normal, &one, a_.get(), b_.get(), &keep, c_.get(),
                       CUDA_R_32F, algorithm, scratch_.data()));
  }

 private:
  static constexpr cusparseOperation_t normal = CUSPARSE_OPERATION_NON_TRANSPOSE;
  static constexpr float one = 1;

  static void dense(std::string_view function, DenseDescriptor& to, std::int64_t rows,
                    std::int64_t cols, std::int64_t stride, void* values, DeviceType type) {
    check(function, "cusparseCreateDnMat",
          cusparseCreateDnMat(to.out(), rows, cols, stride, values, data_type(type),
                              CUSPARSE_ORDER_ROW));
  }

  SparseDescriptor a_;
  DenseDescriptor b_, c_;
  Buffer<std::byte, Space::device> scratch_;
  bool ready_ = false;
};

/// What a plan depends on: the array of values, width, strides, type, and how well the operands are
/// aligned.
using Key = std::array<std::int64_t, 7>;

Key key_of(DeviceSparseProduct const& p) {
  auto const address = [](void const* data) {
    return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(data));
  };
  constexpr std::int64_t widest_load = 16;
  return {address(p.values),
          p.n,
          p.b_stride,
          p.c_stride,
          p.type == DeviceType::float32,
          address(p.b) % widest_load,
          address(p.c) % widest_load};
}

}  // namespace

bool cusparse_compiled() {
  return true;
}

struct DeviceSparseMatrix::Plans {
  std::map<Key, Plan> by_key;
};

DeviceSparseMatrix::DeviceSparseMatrix() : plans_(std::make_unique<Plans>()) {}
DeviceSparseMatrix::~DeviceSparseMatrix() = default;

void DeviceSparseMatrix::assign(DeviceSparsePattern const& pattern) {
  pattern_ = pattern;
  // Plans that the last matrix had no use for go.
  std::erase_if(plans_->by_key, [](auto const& entry) { return !entry.second.ready(); });
  for (auto& [key, plan] : plans_->by_key) {
    plan.forget();
  }
}

void DeviceSparseMatrix::multiply(CudaContext const& ctx, std::string_view function,
                                  DeviceSparseProduct const& p) {
  cusparseHandle_t const handle = handle_for(ctx, function);
  Plan& plan = plans_->by_key[key_of(p)];
  if (!plan.ready()) {
    plan.make(handle, function, pattern_, p);
  }
  plan.run(handle, function, p);
}

}  // namespace relweave::ops
