#pragma once

#include <cuda_runtime_api.h>

#include <catch2/catch.hpp>

#include <relweave/core/cuda.hpp>

namespace relweave::test {

/// The work that `f` puts on the context's stream, which runs when it is launched.
class CapturedGraph {
 public:
  template <typename F>
  CapturedGraph(CudaContext const& ctx, F&& f) {
    REQUIRE(cudaStreamBeginCapture(ctx.stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
    f();
    REQUIRE(cudaStreamEndCapture(ctx.stream, &graph_) == cudaSuccess);
    REQUIRE(cudaGraphInstantiate(&executable_, graph_, 0) == cudaSuccess);
  }
  ~CapturedGraph() {
    cudaGraphExecDestroy(executable_);
    cudaGraphDestroy(graph_);
  }
  CapturedGraph(CapturedGraph const&) = delete;
  CapturedGraph& operator=(CapturedGraph const&) = delete;

  void launch(CudaContext const& ctx) const {
    REQUIRE(cudaGraphLaunch(executable_, ctx.stream) == cudaSuccess);
  }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace relweave::test
