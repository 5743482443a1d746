// What a training step takes beside its layers: losses and optimisers.

#include <groups.hpp>

#include <relweave/loss/bpr.hpp>
#include <relweave/loss/dot_product.hpp>
#include <relweave/loss/margin.hpp>
#include <relweave/loss/sampled_softmax.hpp>
#include <relweave/optim/adam.hpp>
#include <relweave/optim/sgd.hpp>

namespace relweave::bench {

namespace {

double real(std::int64_t n) {
  return static_cast<double>(n);
}

/// Sizes: examples, negatives of each.
template <typename T>
void pairwise(Bench& bench, Sizes const& s, std::int64_t) {
  auto const positive = make_device_matrix<T>(bench, 1, s.a, 2);
  auto const negative = make_device_matrix<T>(bench, s.a, s.b, 3);
  DeviceMatrix<T> grad_positive(1, s.a), grad_negative(s.a, s.b);
  Buffer<double, Space::device> loss(1);
  bench.reserve(8 * s.a + 1024);
  // scores read, gradients written
  Cost const cost{.bytes = 2 * (real(s.a) * real(s.b) + real(s.a)) * size_of<T>};
  Matrix<float> expected_positive(1, s.a);

  bench.run<T>(
      "loss.bpr", "relweave", cost,
      [&] {
        loss::bpr<T>(bench.context(), as_vector(positive), negative.view(),
                     as_vector(grad_positive), grad_negative.view(), loss.view());
      },
      grad_negative.view(),
      [&] {
        Matrix<float> expected(s.a, s.b);
        loss::bpr<float>({}, as_vector(on_host(bench, positive)), on_host(bench, negative).view(),
                         as_vector(expected_positive), expected.view());
        return expected;
      });
  bench.run<T>(
      "loss.margin", "relweave", cost,
      [&] {
        loss::margin<T>(bench.context(), as_vector(positive), negative.view(), {},
                        as_vector(grad_positive), grad_negative.view(), loss.view());
      },
      grad_negative.view(),
      [&] {
        Matrix<float> expected(s.a, s.b);
        loss::margin<float>({}, as_vector(on_host(bench, positive)),
                            on_host(bench, negative).view(), {}, as_vector(expected_positive),
                            expected.view());
        return expected;
      });
}

/// Sizes: rows, columns of the scores.
template <typename T>
void in_batch(Bench& bench, Sizes const& s, std::int64_t) {
  auto const scores = make_device_matrix<T>(bench, s.a, s.b, 2);
  auto const target = make_indices(s.a, s.b, 3);
  std::vector<float> const weights(static_cast<std::size_t>(s.b), 0.5F);
  auto const device_target = upload(bench, target);
  auto const device_weights = upload(bench, weights);
  DeviceMatrix<T> grad(s.a, s.b);
  Buffer<double, Space::device> loss(1);
  bench.reserve(8 * (s.a + s.b) + 4096);
  // scores read from memory once, gradients written
  Cost const cost{.bytes = 2 * real(s.a) * real(s.b) * size_of<T>};

  bench.run<T>(
      "loss.dot_product", "relweave", cost,
      [&] {
        loss::dot_product<T>(bench.context(), scores.view(), device_target.view(),
                             device_weights.view(), grad.view(), loss.view());
      },
      grad.view(),
      [&] {
        Matrix<float> expected(s.a, s.b);
        loss::dot_product<float>({}, on_host(bench, scores).view(), as_vector(target),
                                 as_vector(weights), expected.view());
        return expected;
      });
  bench.run<T>(
      "loss.sampled_softmax", "relweave", cost,
      [&] {
        loss::sampled_softmax<T>(
            bench.context(), scores.view(),
            {.target = device_target.view(), .log_q = device_weights.view(), .count = {}}, {}, {},
            grad.view(), loss.view());
      },
      grad.view(),
      [&] {
        Matrix<float> expected(s.a, s.b);
        loss::sampled_softmax<float>(
            {}, on_host(bench, scores).view(),
            {.target = as_vector(target), .log_q = as_vector(weights), .count = {}}, {}, {},
            expected.view());
        return expected;
      });
}

/// Sizes: rows of a table of 128 features, rows that a step of some rows moves. The type is that of
/// the gradients.
template <typename T>
void optimizers(Bench& bench, Sizes const& s, std::int64_t) {
  constexpr std::int64_t d = 128;
  constexpr double rate = 0.1;
  auto const ctx = bench.context();
  auto const gradients = make_device_matrix<T>(bench, s.a, d, 2);
  std::vector<NodeId> some;  // every one once
  for (std::int64_t i = 0; i < s.b; ++i) {
    some.push_back(static_cast<NodeId>(i * 7919 % s.a));
  }
  auto const rows = upload(bench, some);
  auto const some_gradients = gradients.view().row_slice(0, s.b);
  double const all = real(s.a) * real(d);
  double const moved = real(s.b) * real(d);
  optim::SgdConfig const momentum{.momentum = 0.9};

  // Adam reads and writes value, mean and square; SGD value and velocity. Both read the gradient.
  auto const run = [&](std::string_view work, auto device, auto host, double bytes_each,
                       bool by_row) {
    auto values = make_device_matrix<float>(bench, s.a, d, 3);
    bench.run<float>(
        work, "relweave",
        {.bytes = (by_row ? moved : all) * (bytes_each + size_of<T>)+(by_row ? 4 * real(s.b) : 0)},
        [&] {
          if (by_row) {
            device.step_rows(ctx, values.view(), rows.view(), some_gradients);
          } else {
            device.step(ctx, as_vector(values), as_vector(gradients));
          }
        },
        values.view(),
        [&] {
          auto expected = on_host(bench, make_device_matrix<float>(bench, s.a, d, 3));
          auto const g = on_host(bench, gradients);
          if (by_row) {
            host.step_rows({}, expected.view(), as_vector(some), g.view().row_slice(0, s.b), rate);
          } else {
            host.step({}, as_vector(expected), as_vector(g), rate);
          }
          return expected;
        });
  };
  for (bool const by_row : {false, true}) {
    std::int64_t const size = s.a * d;
    run(by_row ? "adam.step_rows" : "adam.step", optim::DeviceAdam(ctx, {}, size, rate),
        optim::Adam<float>({}, size), 24, by_row);
    run(by_row ? "sgd.step_rows" : "sgd.step", optim::DeviceSgd(ctx, momentum, size, rate),
        optim::Sgd<float>(momentum, size), 16, by_row);
  }
}

}  // namespace

std::vector<ArrayGroup> training_groups() {
  return {{.cases = {{"loss.bpr", "relweave"}, {"loss.margin", "relweave"}},
           .sizes = {{"65536x64", 65'536, 64}},
           .checked = {"small", 41, 13},
           .run_float = pairwise<float>,
           .run_bfloat16 = pairwise<bfloat16>},
          {.cases = {{"loss.dot_product", "relweave"}, {"loss.sampled_softmax", "relweave"}},
           .sizes = {{"8192x8192", 8'192, 8'192}},
           .checked = {"small", 41, 53},
           .run_float = in_batch<float>,
           .run_bfloat16 = in_batch<bfloat16>},
          {.cases = {{"adam.step", "relweave"},
                     {"adam.step_rows", "relweave"},
                     {"sgd.step", "relweave"},
                     {"sgd.step_rows", "relweave"}},
           .sizes = {{"rows_1m_moved_100k", 1'000'000, 100'000}},
           .checked = {"small", 41, 23},
           .run_float = optimizers<float>,
           .run_bfloat16 = optimizers<bfloat16>}};
}

}  // namespace relweave::bench
