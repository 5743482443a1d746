#include <catch2/catch.hpp>

#include <vector>

#include <relweave/core/cuda/launch.cuh>

#include "emulation/control.hpp"
#include "emulation/device_array.hpp"

using emulation::DeviceArray;
using emulation::Session;
using emulation::Stream;

namespace {

__global__ void add(int* out, int const* in, int value) {
  out[threadIdx.x] = in[threadIdx.x] + value;
}

/// A graph for a test, and what runs it.
class Graph {
 public:
  explicit Graph(cudaGraph_t graph) : graph_(graph) {
    emulation::expect(cudaGraphInstantiate(&executable_, graph, 0));
  }
  ~Graph() {
    cudaGraphExecDestroy(executable_);
    cudaGraphDestroy(graph_);
  }
  Graph(Graph const&) = delete;
  Graph& operator=(Graph const&) = delete;

  void launch(cudaStream_t stream) const {
    emulation::expect(cudaGraphLaunch(executable_, stream));
  }
  cudaGraph_t graph() const { return graph_; }
  cudaGraphExec_t executable() const { return executable_; }

 private:
  cudaGraph_t graph_;
  cudaGraphExec_t executable_ = nullptr;
};

cudaGraph_t end_capture(cudaStream_t stream) {
  cudaGraph_t graph = nullptr;
  emulation::expect(cudaStreamEndCapture(stream, &graph));
  return graph;
}

cudaError_t begin_capture(cudaStream_t stream) {
  return cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal);
}

}  // namespace

TEST_CASE("a captured graph runs when it is launched, on new values", "[graph]") {
  Session const session;
  Stream const stream;
  DeviceArray<int> const in(std::vector<int>{1, 2});
  DeviceArray<int> const middle(std::vector<int>{0, 0});
  DeviceArray<int> const out(std::vector<int>{0, 0});

  REQUIRE(begin_capture(stream) == cudaSuccess);
  RELWEAVE_LAUNCH(add, 1, 2, 0, stream, middle.data(), in.data(), 10);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(cudaMemcpyAsync(out.data(), middle.data(), 8, cudaMemcpyDeviceToDevice, stream) ==
        cudaSuccess);
  CHECK(cudaMemsetAsync(middle.data(), 0, 4, stream) == cudaSuccess);
  Graph const graph(end_capture(stream));

  CHECK(out.values() == std::vector<int>{0, 0});
  CHECK(emulation::launches().empty());
  graph.launch(stream);
  CHECK(out.values() == std::vector<int>{11, 12});
  CHECK(middle.values() == std::vector<int>{0, 12});
  RELWEAVE_LAUNCH(add, 1, 2, 0, stream, in.data(), in.data(), 5);
  graph.launch(stream);
  CHECK(out.values() == std::vector<int>{16, 17});
  CHECK(emulation::launches().size() == 3);
  std::size_t nodes = 0;
  CHECK(cudaGraphGetNodes(graph.graph(), nullptr, &nodes) == cudaSuccess);
  CHECK(nodes == 3);
}

TEST_CASE("streams say whether they capture", "[graph]") {
  Session const session;
  Stream const stream;
  auto const status = [&] {
    auto result = cudaStreamCaptureStatusInvalidated;
    CHECK(cudaStreamIsCapturing(stream, &result) == cudaSuccess);
    return result;
  };
  unsigned long long id = 0;
  auto info = cudaStreamCaptureStatusNone;

  CHECK(status() == cudaStreamCaptureStatusNone);
  REQUIRE(begin_capture(stream) == cudaSuccess);
  CHECK(status() == cudaStreamCaptureStatusActive);
  CHECK(cudaStreamGetCaptureInfo(stream, &info, &id) == cudaSuccess);
  CHECK(info == cudaStreamCaptureStatusActive);
  CHECK(id != 0);
  CHECK(begin_capture(stream) == cudaErrorIllegalState);
  CHECK(cudaGraphDestroy(end_capture(stream)) == cudaSuccess);
  CHECK(status() == cudaStreamCaptureStatusNone);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorIllegalState);
  CHECK(begin_capture(nullptr) == cudaErrorStreamCaptureUnsupported);
}

TEST_CASE("what waits or allocates spoils a capture", "[graph]") {
  Session const session;
  Stream const stream;
  DeviceArray<int> const array(1);
  void* address = nullptr;
  int host = 0;
  cudaError_t error = cudaSuccess;
  REQUIRE(begin_capture(stream) == cudaSuccess);

  SECTION("cudaMalloc") {
    error = cudaMalloc(&address, 8);
  }
  SECTION("cudaMallocAsync") {
    error = cudaMallocAsync(&address, 8, stream);
  }
  SECTION("cudaMallocHost") {
    error = cudaMallocHost(&address, 8);
  }
  SECTION("cudaFree") {
    error = cudaFree(array.data());
  }
  SECTION("cudaStreamSynchronize") {
    error = cudaStreamSynchronize(stream);
  }
  SECTION("cudaStreamQuery") {
    error = cudaStreamQuery(stream);
  }
  SECTION("cudaDeviceSynchronize") {
    error = cudaDeviceSynchronize();
  }
  SECTION("cudaMemcpy") {
    error = cudaMemcpy(&host, array.data(), 4, cudaMemcpyDeviceToHost);
  }
  SECTION("a copy from memory that is not pinned") {
    error = cudaMemcpyAsync(array.data(), &host, 4, cudaMemcpyHostToDevice, stream);
  }

  CHECK(error == cudaErrorStreamCaptureUnsupported);
  RELWEAVE_LAUNCH(add, 1, 1, 0, stream, array.data(), array.data(), 1);
  CHECK(cudaGetLastError() == cudaErrorStreamCaptureInvalidated);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(graph == nullptr);
  cudaGetLastError();
}

TEST_CASE("a relaxed capture lets memory be allocated", "[graph]") {
  Session const session;
  Stream const stream;
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaSuccess);

  { DeviceArray<int> const array(1); }

  CHECK(cudaGraphDestroy(end_capture(stream)) == cudaSuccess);
}

TEST_CASE("work on the default stream spoils the capture of a stream that waits for it",
          "[graph]") {
  Session const session;
  DeviceArray<int> const array(1);
  cudaStream_t blocking = nullptr;
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamCreate(&blocking) == cudaSuccess);
  REQUIRE(begin_capture(blocking) == cudaSuccess);

  RELWEAVE_LAUNCH(add, 1, 1, 0, nullptr, array.data(), array.data(), 1);

  CHECK(cudaGetLastError() == cudaErrorStreamCaptureImplicit);
  CHECK(cudaStreamEndCapture(blocking, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaStreamDestroy(blocking) == cudaSuccess);
  cudaGetLastError();
}

TEST_CASE("a second stream joins a capture by events", "[graph]") {
  Session const session;
  Stream const first;
  Stream const second;
  DeviceArray<int> const array(std::vector<int>{0});
  cudaEvent_t forked = nullptr;
  cudaEvent_t joined = nullptr;
  REQUIRE(cudaEventCreateWithFlags(&forked, cudaEventDisableTiming) == cudaSuccess);
  REQUIRE(cudaEventCreateWithFlags(&joined, cudaEventDisableTiming) == cudaSuccess);
  bool const join = GENERATE(true, false);

  REQUIRE(begin_capture(first) == cudaSuccess);
  RELWEAVE_LAUNCH(add, 1, 1, 0, first, array.data(), array.data(), 1);
  CHECK(cudaEventRecord(forked, first) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(second, forked, 0) == cudaSuccess);
  RELWEAVE_LAUNCH(add, 1, 1, 0, second, array.data(), array.data(), 10);
  CHECK(cudaEventRecord(joined, second) == cudaSuccess);
  CHECK(cudaEventSynchronize(joined) == cudaErrorCapturedEvent);
  cudaGetLastError();
  cudaGraph_t graph = nullptr;
  if (join) {
    CHECK(cudaStreamWaitEvent(first, joined, 0) == cudaSuccess);
    Graph const whole(end_capture(first));
    whole.launch(first);
    CHECK(array.values() == std::vector<int>{11});
  } else {
    CHECK(cudaStreamEndCapture(second, &graph) == cudaErrorStreamCaptureUnmatched);
    CHECK(cudaStreamEndCapture(first, &graph) == cudaErrorStreamCaptureInvalidated);
  }

  auto status = cudaStreamCaptureStatusActive;
  CHECK(cudaStreamIsCapturing(second, &status) == cudaSuccess);
  CHECK(status == cudaStreamCaptureStatusNone);
  CHECK(cudaEventDestroy(forked) == cudaSuccess);
  CHECK(cudaEventDestroy(joined) == cudaSuccess);
  cudaGetLastError();
}

TEST_CASE("a capture ends with an error when a stream was not joined", "[graph]") {
  Session const session;
  Stream const first;
  Stream const second;
  DeviceArray<int> const array(std::vector<int>{0});
  cudaEvent_t forked = nullptr;
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaEventCreateWithFlags(&forked, cudaEventDisableTiming) == cudaSuccess);
  REQUIRE(begin_capture(first) == cudaSuccess);

  CHECK(cudaEventRecord(forked, first) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(second, forked, 0) == cudaSuccess);
  RELWEAVE_LAUNCH(add, 1, 1, 0, second, array.data(), array.data(), 10);

  CHECK(cudaStreamEndCapture(first, &graph) == cudaErrorStreamCaptureUnjoined);
  CHECK(cudaEventDestroy(forked) == cudaSuccess);
  cudaGetLastError();
}

TEST_CASE("an event from outside a capture cannot be waited for in it", "[graph]") {
  Session const session;
  Stream const first;
  Stream const second;
  cudaEvent_t event = nullptr;
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
  REQUIRE(cudaEventRecord(event, second) == cudaSuccess);
  REQUIRE(begin_capture(first) == cudaSuccess);

  CHECK(cudaStreamWaitEvent(first, event, 0) == cudaErrorStreamCaptureIsolation);

  CHECK(cudaStreamEndCapture(first, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaEventDestroy(event) == cudaSuccess);
  cudaGetLastError();
}

TEST_CASE("a graph may be captured into another, and replaced in its place", "[graph]") {
  Session const session;
  Stream const stream;
  DeviceArray<int> const array(std::vector<int>{0});
  auto const capture_add = [&](int value) {
    REQUIRE(begin_capture(stream) == cudaSuccess);
    RELWEAVE_LAUNCH(add, 1, 1, 0, stream, array.data(), array.data(), value);
    return end_capture(stream);
  };
  Graph const inner(capture_add(1));
  REQUIRE(begin_capture(stream) == cudaSuccess);
  inner.launch(stream);
  inner.launch(stream);
  Graph const outer(end_capture(stream));
  Graph const replacement(capture_add(100));
  cudaGraphExecUpdateResultInfo result{};

  outer.launch(stream);
  CHECK(array.values() == std::vector<int>{2});
  CHECK(cudaGraphExecUpdate(inner.executable(), replacement.graph(), &result) == cudaSuccess);
  inner.launch(stream);
  CHECK(array.values() == std::vector<int>{102});
  CHECK(cudaGraphExecUpdate(inner.executable(), outer.graph(), &result) ==
        cudaErrorGraphExecUpdateFailure);
  CHECK(result.result == cudaGraphExecUpdateErrorTopologyChanged);
  cudaGetLastError();
}
