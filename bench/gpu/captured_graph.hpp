#pragma once

#include <bench.hpp>

namespace relweave::bench {

/// The work that `f` puts on the context's stream, which runs when it is launched.
class CapturedGraph {
 public:
  template <typename F>
  CapturedGraph(CudaContext const& ctx, F&& f) {
    check("cudaStreamBeginCapture",
          cudaStreamBeginCapture(ctx.stream, cudaStreamCaptureModeThreadLocal));
    f();
    check("cudaStreamEndCapture", cudaStreamEndCapture(ctx.stream, &graph_));
    check("cudaGraphInstantiate", cudaGraphInstantiate(&executable_, graph_, 0));
  }
  ~CapturedGraph() {
    cudaGraphExecDestroy(executable_);
    cudaGraphDestroy(graph_);
  }
  CapturedGraph(CapturedGraph const&) = delete;
  CapturedGraph& operator=(CapturedGraph const&) = delete;

  void launch(CudaContext const& ctx) const {
    check("cudaGraphLaunch", cudaGraphLaunch(executable_, ctx.stream));
  }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace relweave::bench
