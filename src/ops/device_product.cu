#include "device_product.hpp"

#include <array>
#include <map>
#include <memory>
#include <string>

#include <cublasLt.h>

#include <relweave/core/cuda/check.cuh>
#include <relweave/core/error.hpp>

namespace relweave::ops {

namespace {

/// Owner of a handle or descriptor of a CUDA library.
template <typename Handle, auto destroy>
class OwnedHandle {
 public:
  OwnedHandle() = default;
  ~OwnedHandle() { release(); }
  OwnedHandle(OwnedHandle const&) = delete;
  OwnedHandle& operator=(OwnedHandle const&) = delete;

  /// Where the library writes a new one.
  Handle* out() {
    release();
    return &handle_;
  }
  Handle get() const { return handle_; }

 private:
  void release() {
    if (handle_ != nullptr) {
      destroy(handle_);
      handle_ = nullptr;
    }
  }

  Handle handle_ = nullptr;
};

void check(std::string_view function, std::string_view call, cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    raise<CudaError>(function, call, cublasLtGetStatusName(status), "success");
  }
}

cudaDataType_t data_type(DeviceType type) {
  return type == DeviceType::float32 ? CUDA_R_32F : CUDA_R_16BF;
}

/// Everything but the pointers of products that one plan serves. cuBLAS is column-major: its
/// operands are ours transposed, so that c^T = op(b)^T op(a)^T.
class Plan {
 public:
  Plan(cublasLtHandle_t handle, std::string_view function, DeviceProduct const& p) {
    cublasOperation_t const first = p.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasOperation_t const second = p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    check(function, "cublasLtMatmulDescCreate",
          cublasLtMatmulDescCreate(product_.out(), CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(function, CUBLASLT_MATMUL_DESC_TRANSA, first);
    set(function, CUBLASLT_MATMUL_DESC_TRANSB, second);
    cublasLtEpilogue_t const epilogue = p.bias != nullptr && p.relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                                        : p.bias != nullptr         ? CUBLASLT_EPILOGUE_BIAS
                                        : p.relu                    ? CUBLASLT_EPILOGUE_RELU
                                                                    : CUBLASLT_EPILOGUE_DEFAULT;
    set(function, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    set(function, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(p.out));
    layout(function, b_, p.in, p.b_transposed ? p.k : p.n, p.b_transposed ? p.n : p.k, p.b_stride);
    layout(function, a_, p.in, p.a_transposed ? p.m : p.k, p.a_transposed ? p.k : p.m, p.a_stride);
    layout(function, c_, p.out, p.n, p.m, p.c_stride);
    choose(handle, function, p);
  }

  void run(cublasLtHandle_t handle, CudaContext const& ctx, std::string_view function,
           DeviceProduct const& p) {
    if (p.bias != nullptr) {
      set(function, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    }
    DeviceWorkspace::Scope scratch(ctx.workspace, function);
    float const one = 1;
    float const keep = p.accumulate ? 1 : 0;
    check(function, "cublasLtMatmul",
          cublasLtMatmul(handle, product_.get(), &one, p.b, b_.get(), p.a, a_.get(), &keep, p.c,
                         c_.get(), p.c, c_.get(), &algorithm_,
                         scratch.vector<std::byte>(product_scratch_bytes).data,
                         static_cast<std::size_t>(product_scratch_bytes), ctx.stream));
  }

 private:
  using Layout = OwnedHandle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;

  template <typename V>
  void set(std::string_view function, cublasLtMatmulDescAttributes_t attribute, V const& value) {
    check(function, "cublasLtMatmulDescSetAttribute",
          cublasLtMatmulDescSetAttribute(product_.get(), attribute, &value, sizeof(value)));
  }

  static void layout(std::string_view function, Layout& to, DeviceType type, std::int64_t rows,
                     std::int64_t cols, std::int64_t stride) {
    check(function, "cublasLtMatrixLayoutCreate",
          cublasLtMatrixLayoutCreate(to.out(), data_type(type), static_cast<std::uint64_t>(rows),
                                     static_cast<std::uint64_t>(cols), stride));
  }

  void choose(cublasLtHandle_t handle, std::string_view function, DeviceProduct const& p) {
    OwnedHandle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy> preference;
    check(function, "cublasLtMatmulPreferenceCreate",
          cublasLtMatmulPreferenceCreate(preference.out()));
    auto const limit = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      check(
          function, "cublasLtMatmulPreferenceSetAttribute",
          cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof(value)));
    };
    limit(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
          static_cast<std::uint64_t>(product_scratch_bytes));
    // No more than what every view of rows of whole elements has.
    auto const aligned_to = [](void const* data, std::int64_t stride, DeviceType type) {
      std::uint32_t const element = type == DeviceType::float32 ? 4 : 2;
      auto const bits =
          reinterpret_cast<std::uintptr_t>(data) | static_cast<std::uintptr_t>(stride) * element;
      std::uint32_t alignment = 256;
      while (alignment > element && bits % alignment != 0) {
        alignment /= 2;
      }
      return alignment;
    };
    limit(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, aligned_to(p.b, p.b_stride, p.in));
    limit(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, aligned_to(p.a, p.a_stride, p.in));
    limit(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, aligned_to(p.c, p.c_stride, p.out));
    limit(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, aligned_to(p.c, p.c_stride, p.out));
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    check(function, "cublasLtMatmulAlgoGetHeuristic",
          cublasLtMatmulAlgoGetHeuristic(handle, product_.get(), b_.get(), a_.get(), c_.get(),
                                         c_.get(), preference.get(), 1, &best, &found));
    if (found == 0) {
      raise<CudaError>(function, "cuBLAS",
                       "no algorithm for " + std::to_string(p.m) + " x " + std::to_string(p.k) +
                           " x " + std::to_string(p.n),
                       "one");
    }
    algorithm_ = best.algo;
  }

  OwnedHandle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy> product_;
  Layout a_, b_, c_;
  cublasLtMatmulAlgo_t algorithm_{};
};

constexpr std::size_t most_plans = 4096;

/// What a plan depends on: sizes, types, and how well the operands are aligned.
using Key = std::array<std::int64_t, 14>;

Key key_of(DeviceProduct const& p) {
  auto const low_bits = [](void const* data) {
    return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(data) % 256);
  };
  return {p.m,
          p.n,
          p.k,
          p.a_stride,
          p.b_stride,
          p.c_stride,
          static_cast<std::int64_t>(p.in),
          static_cast<std::int64_t>(p.out),
          p.a_transposed + 2 * p.b_transposed + 4 * p.accumulate + 8 * p.relu,
          p.bias != nullptr,
          low_bits(p.a),
          low_bits(p.b),
          low_bits(p.c),
          low_bits(p.bias)};
}

/// A thread's handle for one device, and its plans.
struct Library {
  OwnedHandle<cublasLtHandle_t, cublasLtDestroy> handle;
  std::map<Key, Plan> plans;

  explicit Library(std::string_view function) {
    check(function, "cublasLtCreate", cublasLtCreate(handle.out()));
  }
};

Library& library_of(std::string_view function, int device) {
  thread_local std::map<int, std::unique_ptr<Library>> libraries;
  auto& library = libraries[device];
  if (library == nullptr) {
    library = std::make_unique<Library>(function);
  }
  return *library;
}

}  // namespace

void device_product(CudaContext const& ctx, std::string_view function, DeviceProduct const& p) {
  Library& library = library_of(function, ctx.device);
  cublasLtHandle_t const handle = library.handle.get();
  if (library.plans.size() >= most_plans) {
    library.plans.clear();  // shapes that never come again, as those of sampled blocks
  }
  library.plans.try_emplace(key_of(p), handle, function, p)
      .first->second.run(handle, ctx, function, p);
}

}  // namespace relweave::ops
