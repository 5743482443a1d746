#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <relweave/core/error.hpp>
#include <relweave/loss/bpr.hpp>
#include <relweave/loss/dot_product.hpp>
#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>

#include <support/captured_graph.hpp>
#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

using namespace relweave;
using namespace relweave::test;

namespace {

enum class Kind { margin, bpr, dot_product, sampled_softmax };

/// Scores and all that any of the losses takes beside them.
struct Case {
  Matrix<float> scores;
  Matrix<float> positive;  // (1, rows)
  std::vector<NodeId> target;
  std::vector<float> weights, log_q, count, row_weights;
  loss::SampledSoftmaxParams softmax{.temperature = 0.2, .correction = 0.7};
};

template <typename T>
Case make_case(std::int64_t rows, std::int64_t cols) {
  Case c{.scores = stored_as<T>(random_matrix<float>(rows, cols, 90)),
         .positive = stored_as<T>(random_matrix<float>(1, rows, 91)),
         .target = random_indices(rows, cols, 92)};
  auto const uniform = random_matrix<float>(4, std::max(rows, cols), 93);
  for (std::int64_t n = 0; n < cols; ++n) {
    c.weights.push_back(1 + uniform.view().row(0)[n]);
    c.log_q.push_back(-3 + uniform.view().row(1)[n]);
    c.count.push_back(static_cast<float>(1 + n % 3));
  }
  for (std::int64_t b = 0; b < rows; ++b) {
    c.row_weights.push_back(b % 4 == 1 ? 0.0F : 2 + uniform.view().row(3)[b]);
  }
  return c;
}

struct Result {
  double loss;
  Matrix<float> grad, grad_positive;
};

std::vector<double> widened(std::vector<float> const& from) {
  return {from.begin(), from.end()};
}

/// On the host, in double.
Result expected_of(Kind kind, Case const& c) {
  HostContext const ctx;
  auto const scores = converted<double>(c.scores);
  auto const positive = converted<double>(c.positive);
  auto const weights = widened(c.weights), log_q = widened(c.log_q), count = widened(c.count);
  auto const row_weights = widened(c.row_weights);
  Matrix<double> grad(scores.rows(), scores.cols());
  auto grad_positive = Matrix<double>::zeros(1, scores.rows());
  auto const p = positive.view().row(0);
  auto const gp = grad_positive.view().row(0);
  double const loss =
      kind == Kind::margin ? loss::margin<double>(ctx, p, scores.view(), {}, gp, grad.view())
      : kind == Kind::bpr  ? loss::bpr<double>(ctx, p, scores.view(), gp, grad.view())
      : kind == Kind::dot_product
          ? loss::dot_product<double>(ctx, scores.view(), view_of(c.target), view_of(weights),
                                      grad.view())
          : loss::sampled_softmax<double>(
                ctx, scores.view(),
                {.target = view_of(c.target), .log_q = view_of(log_q), .count = view_of(count)},
                c.softmax, view_of(row_weights), grad.view());
  return {loss, converted<float>(grad), converted<float>(grad_positive)};
}

/// A case on a device; the gradients may lie in wider rows.
template <typename T>
struct Uploaded {
  Uploaded(Device& device, Case const& c, std::int64_t gap = 0)
      : wide(c.scores.rows(), c.scores.cols() + gap),
        wide_grad(c.scores.rows(), c.scores.cols() + gap),
        scores(wide.view().col_slice(gap, c.scores.cols())),
        grad(wide_grad.view().col_slice(gap, c.scores.cols())),
        positive(device.upload<T>(converted<T>(c.positive).view())),
        grad_positive(1, c.scores.rows()),
        target(device.upload<NodeId>(view_of(c.target))),
        weights(device.upload<float>(view_of(c.weights))),
        log_q(device.upload<float>(view_of(c.log_q))),
        count(device.upload<float>(view_of(c.count))),
        row_weights(device.upload<float>(view_of(c.row_weights))),
        softmax(c.softmax),
        loss(1) {
    auto const stored = converted<T>(c.scores);
    copy(device.context(), stored.view(), scores);
    copy(device.context(), converted<T>(Matrix<float>::zeros(1, c.scores.rows())).view(),
         grad_positive.view());
    synchronize(device.context());
  }

  void run(CudaContext const& ctx, Kind kind) {
    auto const p = positive.view().row(0);
    auto const gp = grad_positive.view().row(0);
    if (kind == Kind::margin) {
      loss::margin<T>(ctx, p, scores, {}, gp, grad, loss.view());
    } else if (kind == Kind::bpr) {
      loss::bpr<T>(ctx, p, scores, gp, grad, loss.view());
    } else if (kind == Kind::dot_product) {
      loss::dot_product<T>(ctx, scores, target.view(), weights.view(), grad, loss.view());
    } else {
      loss::sampled_softmax<T>(ctx, scores, candidates(), softmax, row_weights.view(), grad,
                               loss.view());
    }
  }
  loss::DeviceCandidates candidates() const {
    return {.target = target.view(), .log_q = log_q.view(), .count = count.view()};
  }
  Result download(Device& device) const {
    MatrixView<T const, Space::device> const from = grad;
    return {device.download(loss).data()[0], converted<float>(device.download<T>(from)),
            converted<float>(device.download<T>(grad_positive.view()))};
  }

  Matrix<T, Space::device> wide, wide_grad;
  MatrixView<T, Space::device> scores, grad;
  Matrix<T, Space::device> positive, grad_positive;
  Buffer<NodeId, Space::device> target;
  Buffer<float, Space::device> weights, log_q, count, row_weights;
  loss::SampledSoftmaxParams softmax;
  Buffer<double, Space::device> loss;
};

template <typename T>
Result on_device(Device& device, Kind kind, Case const& c) {
  Uploaded<T> on(device, c);
  on.run(device.context(), kind);
  return on.download(device);
}

/// The largest difference over the largest value: gradients are small.
double relative_difference(Matrix<float> const& a, Matrix<float> const& b) {
  double largest = 0;
  double difference = 0;
  for (std::int64_t r = 0; r < b.rows(); ++r) {
    for (std::int64_t c = 0; c < b.cols(); ++c) {
      largest = std::max(largest, std::abs(double{b.view()(r, c)}));
      difference = std::max(difference, std::abs(double{a.view()(r, c)} - b.view()(r, c)));
    }
  }
  return difference == 0 ? 0 : difference / largest;
}

/// Logits, which reach 10, round before the exponential is taken.
constexpr double steps = 40;

template <typename T>
void check_agreement(Result const& got, Result const& expected) {
  CHECK(got.loss == Approx(expected.loss).epsilon(steps * rounding<float>).margin(1e-6));
  CHECK(relative_difference(got.grad, expected.grad) <= rounding<T> + steps * rounding<float>);
  CHECK(relative_difference(got.grad_positive, expected.grad_positive) <=
        rounding<T> + steps * rounding<float>);
}

auto any_kind() {
  return GENERATE(Kind::margin, Kind::bpr, Kind::dot_product, Kind::sampled_softmax);
}

}  // namespace

TEMPLATE_TEST_CASE("losses on a device agree with the host's in double", "[loss][gpu]", float,
                   bfloat16) {
  Device device;
  auto const kind = any_kind();
  auto const shape =
      GENERATE(std::pair{1, 2}, std::pair{41, 1}, std::pair{9, 16}, std::pair{37, 17},
               std::pair{5, 1024}, std::pair{3, 1025}, std::pair{7, 2500});
  auto const c = make_case<TestType>(shape.first, shape.second);

  auto const got = on_device<TestType>(device, kind, c);

  CAPTURE(static_cast<int>(kind), shape.first, shape.second);
  check_agreement<TestType>(got, expected_of(kind, c));
}

TEST_CASE("losses on a device take more rows than a grid has groups", "[loss][gpu]") {
  Device device;
  auto const kind = any_kind();
  auto const shape = GENERATE(std::pair{8300, 3}, std::pair{1100, 18}, std::pair{150, 1030});
  auto const c = make_case<float>(shape.first, shape.second);

  auto const got = on_device<float>(device, kind, c);

  check_agreement<float>(got, expected_of(kind, c));
}

TEMPLATE_TEST_CASE("losses on a device take strided and unaligned rows, and write the scores",
                   "[loss][gpu]", float, bfloat16) {
  Device device;
  auto const kind = any_kind();
  auto const gap = GENERATE(1, 4);
  auto const in_place = GENERATE(false, true);
  auto const cols = GENERATE(5, 70, 1100);
  auto const c = make_case<TestType>(12, cols);
  Uploaded<TestType> on(device, c, gap);
  if (in_place) {
    on.grad = on.scores;
  }

  on.run(device.context(), kind);

  check_agreement<TestType>(on.download(device), expected_of(kind, c));
}

TEST_CASE("the sampled softmax on a device takes no counts and no weights", "[loss][gpu]") {
  Device device;
  auto const ctx = device.context();
  auto c = make_case<float>(11, 30);
  std::fill(c.count.begin(), c.count.end(), 1.0F);
  std::fill(c.row_weights.begin(), c.row_weights.end(), 1.0F);
  Uploaded<float> on(device, c);
  auto candidates = on.candidates();
  candidates.count = {};

  loss::sampled_softmax<float>(ctx, on.scores, candidates, c.softmax, {}, on.grad, on.loss.view());

  check_agreement<float>(on.download(device), expected_of(Kind::sampled_softmax, c));
}

TEST_CASE("losses on a device show NaN scores", "[loss][gpu]") {
  Device device;
  auto const kind = any_kind();
  auto const cols = GENERATE(4, 40, 1050);
  auto c = make_case<float>(3, cols);
  c.scores.view()(1, (c.target[1] + 1) % cols) = std::nanf("");

  CHECK(std::isnan(on_device<float>(device, kind, c).loss));
}

TEST_CASE("losses on a device stay finite for extreme scores", "[loss][gpu]") {
  Device device;
  auto const kind = any_kind();
  auto c = make_case<float>(6, 20);
  c.softmax.temperature = 0.05;
  for (std::int64_t b = 0; b < 6; ++b) {
    c.scores.view()(b, b) = 800;
    c.scores.view()(b, b + 1) = -800;
  }

  auto const got = on_device<float>(device, kind, c);

  auto const expected = expected_of(kind, c);
  // Eq. 5 adds up terms of both signs that are as large as the scores.
  CHECK(got.loss == Approx(expected.loss).epsilon(1e-5).margin(800 * 10 * rounding<float>));
  CHECK(relative_difference(got.grad, expected.grad) <= 1e-5);
}

TEST_CASE("eq. 5 on a device pushes nothing away where there is no negative", "[loss][gpu]") {
  Device device;
  auto const c = make_case<float>(3, 1);

  auto const got = on_device<float>(device, Kind::dot_product, c);

  CHECK(got.grad.view()(2, 0) == Approx(-1.0 / 3));
  CHECK(got.loss == Approx(expected_of(Kind::dot_product, c).loss));
}

TEST_CASE("a captured loss is computed anew each time its graph is launched", "[loss][gpu]") {
  Device device;
  auto const ctx = device.context();
  auto const kind = any_kind();
  auto c = make_case<float>(20, 50);
  Uploaded<float> on(device, c);
  CapturedGraph const graph(ctx, [&] { on.run(ctx, kind); });

  graph.launch(ctx);
  auto const first = on.download(device);
  auto const others = random_matrix<float>(20, 50, 99);
  copy(ctx, others.view(), on.scores);
  graph.launch(ctx);
  auto const second = on.download(device);

  check_agreement<float>(first, expected_of(kind, c));
  c.scores = Matrix<float>::copy_of(others.view());
  check_agreement<float>(second, expected_of(kind, c));
}

TEST_CASE("pairwise losses on a device refuse what does not fit", "[loss][gpu]") {
  Device device;
  auto const kind = GENERATE(Kind::margin, Kind::bpr);
  std::string const name = kind == Kind::margin ? "margin" : "bpr";
  auto const c = make_case<float>(4, 6);
  auto ctx = device.context();
  auto const refused = [&](auto&& change) {
    Uploaded<float> on(device, c);
    change(on);
    on.run(ctx, kind);
  };

  CHECK_THROWS_WITH(refused([](auto& on) { on.scores.rows = 3; }),
                    name + ": negative: got shape (3, 6), expected shape (4, 6)");
  CHECK_THROWS_WITH(refused([](auto& on) { on.grad_positive.reset(1, 3); }),
                    name + ": grad_positive: got 3 elements, expected 4 elements");
  CHECK_THROWS_WITH(refused([](auto& on) { on.grad.cols = 5; }),
                    name + ": grad_negative: got shape (4, 5), expected shape (4, 6)");
  CHECK_THROWS_WITH(refused([](auto& on) { on.loss.reset(2); }),
                    name + ": loss: got 2 elements, expected 1 elements");
  CHECK_THROWS_WITH(refused([](auto& on) { on.scores.cols = on.grad.cols = 0; }),
                    Catch::Contains("at least one example and one negative"));
  ctx.workspace = nullptr;
  CHECK_THROWS_WITH(refused([](auto&) {}), Catch::Contains(name + ": workspace: got 0 bytes"));
  ctx.stream = nullptr;
  CHECK_THROWS_AS(refused([](auto&) {}), DeviceError);
}

TEST_CASE("the margin loss on a device refuses a margin that is not finite", "[loss][gpu]") {
  Device device;
  Uploaded<float> on(device, make_case<float>(4, 6));

  CHECK_THROWS_WITH(loss::margin<float>(device.context(), on.positive.view().row(0), on.scores,
                                        {.margin = HUGE_VAL}, on.grad_positive.view().row(0),
                                        on.grad, on.loss.view()),
                    Catch::Contains("margin: margin: got inf"));
}

TEST_CASE("losses of a batch on a device refuse what does not fit", "[loss][gpu]") {
  Device device;
  auto const kind = GENERATE(Kind::dot_product, Kind::sampled_softmax);
  bool const softmax = kind == Kind::sampled_softmax;
  std::string const name = softmax ? "sampled_softmax" : "dot_product";
  std::string const target = name + (softmax ? ": candidates.target" : ": target");
  std::string const columns = name + (softmax ? ": candidates.log_q" : ": weights");
  auto const c = make_case<float>(4, 6);
  auto ctx = device.context();
  auto const refused = [&](auto&& change) {
    Uploaded<float> on(device, c);
    change(on);
    on.run(ctx, kind);
  };

  CHECK_THROWS_WITH(refused([](auto& on) { on.target.reset(3); }),
                    target + ": got 3 elements, expected 4 elements");
  CHECK_THROWS_WITH(refused([](auto& on) {
                      on.weights.reset(5);
                      on.log_q.reset(5);
                    }),
                    columns + ": got 5 elements, expected 6 elements");
  CHECK_THROWS_WITH(refused([](auto& on) { on.grad.rows = 3; }),
                    name + ": grad: got shape (3, 6), expected shape (4, 6)");
  CHECK_THROWS_WITH(refused([](auto& on) { on.loss.reset(0); }),
                    name + ": loss: got 0 elements, expected 1 elements");
  CHECK_THROWS_WITH(refused([](auto& on) {
                      on.scores.rows = on.grad.rows = 0;
                      on.target.reset(0);
                      on.row_weights.reset(0);
                    }),
                    name + ": scores: got shape (0, 6), expected at least one row and one column");
  ctx.workspace = nullptr;
  CHECK_THROWS_WITH(refused([](auto&) {}), Catch::Contains(name + ": workspace: got 0 bytes"));
  ctx.stream = nullptr;
  CHECK_THROWS_AS(refused([](auto&) {}), DeviceError);
}

TEST_CASE("the sampled softmax on a device refuses its own arguments", "[loss][gpu]") {
  Device device;
  auto const refused = [&](auto&& change) {
    Uploaded<float> on(device, make_case<float>(4, 6));
    change(on);
    on.run(device.context(), Kind::sampled_softmax);
  };

  CHECK_THROWS_WITH(refused([](auto& on) { on.count.reset(2); }),
                    "sampled_softmax: candidates.count: got 2 elements, expected 6 elements");
  CHECK_THROWS_WITH(refused([](auto& on) { on.row_weights.reset(2); }),
                    "sampled_softmax: row_weights: got 2 elements, expected 4 elements");
  CHECK_THROWS_WITH(refused([](auto& on) { on.softmax.temperature = 0; }),
                    Catch::Contains("sampled_softmax: temperature: got 0"));
}

TEMPLATE_TEST_CASE("losses on a device give the same bits again", "[loss][gpu]", float, bfloat16) {
  Device device;
  auto const kind = any_kind();
  auto const cols = GENERATE(7, 300, 1500);
  auto const c = make_case<TestType>(100, cols);

  auto const first = on_device<TestType>(device, kind, c);
  auto const second = on_device<TestType>(device, kind, c);

  CHECK(first.loss == second.loss);
  CHECK(same_bits(first.grad, second.grad));
  CHECK(same_bits(first.grad_positive, second.grad_positive));
}
