// The symbols of device_sparse_product.cu in a build without cuSPARSE: DeviceCsr refuses to be
// uploaded for it, so that nothing gets this far.

#include <relweave/core/error.hpp>
#include <relweave/ops/relation_aggregate/device_csr.hpp>

#include "device_sparse_product.hpp"

namespace relweave::ops {

bool cusparse_compiled() {
  return false;
}

struct DeviceSparseMatrix::Plans {};

DeviceSparseMatrix::DeviceSparseMatrix() = default;
DeviceSparseMatrix::~DeviceSparseMatrix() = default;

void DeviceSparseMatrix::assign(DeviceSparsePattern const& pattern) {
  pattern_ = pattern;
}

void DeviceSparseMatrix::multiply(CudaContext const&, std::string_view function,
                                  DeviceSparseProduct const&) {
  raise<NotCompiledError>(function, "sparse product", "a build without cuSPARSE", "one with it");
}

}  // namespace relweave::ops
