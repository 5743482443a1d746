#include <cusparse_peer.hpp>

#include <cusparse.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include <data.hpp>

#include <relweave/core/error.hpp>

namespace relweave::bench {

namespace {

void check_cusparse(std::string_view call, cusparseStatus_t status) {
  if (status == CUSPARSE_STATUS_NOT_SUPPORTED || status == CUSPARSE_STATUS_ARCH_MISMATCH) {
    raise<NotCompiledError>("bench", call, cusparseGetErrorString(status), "support");
  }
  if (status != CUSPARSE_STATUS_SUCCESS) {
    raise<CudaError>("bench", call, cusparseGetErrorString(status), "success");
  }
}

template <typename T>
std::vector<T> download(Bench& bench, VectorView<T const, Space::device> from) {
  std::vector<T> to(static_cast<std::size_t>(from.size));
  copy(bench.context(), from, VectorView<T>{to.data(), from.size});
  synchronize(bench.context());
  return to;
}

/// The graph as a matrix of floats: rows are destinations, or message rows for the way back.
struct HostMatrix {
  std::vector<std::int32_t> offsets{0};
  std::vector<float> values;

  HostMatrix(Bench& bench, ops::DeviceCsr const& csr, Reduce reduce, Pass pass) {
    auto const& view = csr.view();
    auto const row_offsets = download(bench, view.row_offsets);
    auto const degree_of = [&](std::int64_t row) {
      auto const at = static_cast<std::size_t>(row);
      return static_cast<float>(row_offsets[at + 1] - row_offsets[at]);
    };
    if (pass == Pass::forward) {
      for (std::int64_t i = 1; i <= view.n_dst; ++i) {
        add_offset(row_offsets[static_cast<std::size_t>(i * view.relations)]);
      }
      for (std::int64_t row = 0; row < view.n_dst * view.relations; ++row) {
        float const degree = degree_of(row);
        values.insert(values.end(), static_cast<std::size_t>(degree),
                      reduce == Reduce::mean ? 1 / degree : 1.0F);
      }
      return;
    }
    auto const& transpose = csr.transpose();
    auto const col_offsets = download(bench, transpose.col_offsets);
    std::for_each(col_offsets.begin() + 1, col_offsets.end(),
                  [&](EdgeOffset offset) { add_offset(offset); });
    auto const dst = download(bench, transpose.dst);
    auto const relations = download(bench, transpose.relations);
    for (std::size_t k = 0; k < dst.size(); ++k) {
      std::int64_t const row = std::int64_t{dst[k]} * view.relations + relations[k];
      values.push_back(reduce == Reduce::mean ? 1 / degree_of(row) : 1.0F);
    }
  }

 private:
  void add_offset(EdgeOffset offset) {
    if (offset > std::numeric_limits<std::int32_t>::max()) {
      raise<NotCompiledError>("bench", "edges", std::to_string(offset),
                              "fewer than 2^31, so that offsets have 32 bits");
    }
    offsets.push_back(static_cast<std::int32_t>(offset));
  }
};

}  // namespace

struct Spmm::State {
  State() = default;
  State(State const&) = delete;
  State& operator=(State const&) = delete;
  ~State() {
    cusparseDestroySpMat(matrix);
    cusparseDestroyDnMat(dense);
    cusparseDestroyDnMat(product);
    cusparseDestroy(handle);
  }

  cusparseHandle_t handle = nullptr;
  cusparseSpMatDescr_t matrix = nullptr;
  cusparseDnMatDescr_t dense = nullptr;
  cusparseDnMatDescr_t product = nullptr;
  Buffer<std::int32_t, Space::device> offsets;
  Buffer<float, Space::device> values;
  Buffer<bfloat16, Space::device> narrow_values;
  Buffer<std::byte, Space::device> buffer;
  float one = 1;
  float zero = 0;

  template <typename F, typename... More>
  void call(std::string_view name, F f, More... more) {
    check_cusparse(
        name, f(handle, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE, &one,
                matrix, dense, &zero, product, CUDA_R_32F, CUSPARSE_SPMM_CSR_ALG2, more...));
  }
};

std::string spmm_missing() {
  return {};
}

Spmm::Spmm(Bench& bench, ops::DeviceCsr const& csr, Reduce reduce, Pass pass, bool bf16, void* x,
           std::int64_t x_rows, void* out, std::int64_t out_rows, std::int64_t d)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  HostMatrix const host(bench, csr, reduce, pass);
  s.offsets = upload(bench, host.offsets);
  if (bf16) {
    s.narrow_values = upload(bench, std::vector<bfloat16>(host.values.begin(), host.values.end()));
  } else {
    s.values = upload(bench, host.values);
  }
  void* const values = bf16 ? static_cast<void*>(s.narrow_values.data()) : s.values.data();
  NodeId const* const cols =
      pass == Pass::forward ? csr.view().cols.data : csr.transpose().dst.data;
  cudaDataType const type = bf16 ? CUDA_R_16BF : CUDA_R_32F;
  check_cusparse("cusparseCreate", cusparseCreate(&s.handle));
  check_cusparse("cusparseSetStream", cusparseSetStream(s.handle, bench.context().stream));
  cusparseStatus_t const made =
      cusparseCreateCsr(&s.matrix, out_rows, x_rows, std::ssize(host.values), s.offsets.data(),
                        const_cast<NodeId*>(cols), values, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I,
                        CUSPARSE_INDEX_BASE_ZERO, type);
  // Repeated edges may make more entries than a matrix has places, which cuSPARSE refuses.
  check_cusparse("cusparseCreateCsr",
                 made == CUSPARSE_STATUS_INVALID_VALUE ? CUSPARSE_STATUS_NOT_SUPPORTED : made);
  check_cusparse("cusparseCreateDnMat",
                 cusparseCreateDnMat(&s.dense, x_rows, d, d, x, type, CUSPARSE_ORDER_ROW));
  check_cusparse("cusparseCreateDnMat",
                 cusparseCreateDnMat(&s.product, out_rows, d, d, out, type, CUSPARSE_ORDER_ROW));
  std::size_t bytes = 0;
  s.call("cusparseSpMM_bufferSize", cusparseSpMM_bufferSize, &bytes);
  s.buffer.reset(static_cast<std::int64_t>(bytes) + 16);
  s.call("cusparseSpMM_preprocess", cusparseSpMM_preprocess, s.buffer.data());
}

Spmm::~Spmm() = default;

void Spmm::run() const {
  state_->call("cusparseSpMM", cusparseSpMM, state_->buffer.data());
}

}  // namespace relweave::bench
