#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <type_traits>

#include <relweave/ops/relation_aggregate/reference.hpp>
#include <relweave/ops/relation_aggregate/relation_aggregate.hpp>

#include <support/device.hpp>
#include <support/gradient_check.hpp>
#include <support/random_graph.hpp>

#include "relation_aggregate_case.hpp"

namespace relweave::test {

inline constexpr double bfloat16_epsilon = 1.0 / 256;

/// What the device computes, on the host; in float whatever T is.
struct DeviceResult {
  Matrix<float> out, grad_messages, grad_self;
  Buffer<std::byte> arg;
  int arg_width;
  Buffer<float> norm;
};

/// The case with numbers that T can hold.
template <typename T>
AggregateCase<float> rounded(AggregateCase<float> c) {
  for (Matrix<float>* m : {&c.messages, &c.self, &c.grad_out}) {
    *m = converted<float>(converted<T>(*m));
  }
  return c;
}

template <typename T>
DeviceResult run_on_device(Device& device, AggregateCase<float> const& c,
                           ops::DeviceCsrOptions const& options = {}) {
  auto const ctx = device.context();
  std::int64_t const d = c.self.cols();
  ops::DeviceCsr const csr(ctx, c.csr.view(), options);
  auto const messages = device.upload<T>(converted<T>(c.messages).view());
  auto const self = device.upload<T>(converted<T>(c.self).view());
  auto const grad_out = device.upload<T>(converted<T>(c.grad_out).view());
  Matrix<T, Space::device> out(self.rows(), d), grad_messages(messages.rows(), d),
      grad_self(self.rows(), d);
  ops::RelationAggregateDeviceCache cache;
  cache.reserve(ctx, csr, d, c.params);

  ops::relation_aggregate<T>(ctx, csr, messages.view(), self.view(), c.params, out.view(), &cache);
  ops::relation_aggregate_backward<T>(ctx, csr, out.view(), cache, grad_out.view(), c.params,
                                      grad_messages.view(), grad_self.view());

  return {.out = converted<float>(device.download<T>(out.view())),
          .grad_messages = converted<float>(device.download<T>(grad_messages.view())),
          .grad_self = converted<float>(device.download<T>(grad_self.view())),
          .arg = device.download(cache.arg),
          .arg_width = cache.arg_width,
          .norm = device.download(cache.norm)};
}

/// Slots of rows with edges; those of empty rows are nobody's.
inline bool same_slots(OwnedCsr const& csr, std::int64_t d, DeviceResult const& got,
                       ops::RelationAggregateCache<float> const& expected) {
  if (got.arg_width != expected.arg_width) {
    return false;
  }
  for (std::int64_t row = 0; row + 1 < std::ssize(csr.row_offsets); ++row) {
    auto const at = static_cast<std::size_t>(row);
    auto const bytes = static_cast<std::size_t>(d * got.arg_width);
    if (csr.row_offsets[at + 1] > csr.row_offsets[at] &&
        std::memcmp(got.arg.data() + at * bytes, expected.arg.data() + at * bytes, bytes) != 0) {
      return false;
    }
  }
  return true;
}

template <typename T>
double device_tolerance(std::int64_t length) {
  // bfloat16 rounds what is stored: out, which the gradient reads, and the gradients themselves.
  return tolerance<float>(length) + (std::is_same_v<T, bfloat16> ? 4 * bfloat16_epsilon : 0.0);
}

template <typename T>
void check_against_reference(Device& device, AggregateCase<float> const& c) {
  auto const got = run_on_device<T>(device, c);
  auto expected = c.run_reference();
  // relu passes gradients where the device's out is positive, which rounding may decide.
  ops::reference::relation_aggregate_backward<float>(
      c.csr.view(), got.out.view(), expected.cache, c.grad_out.view(), c.params,
      expected.grad_messages.view(), expected.grad_self.view());
  std::int64_t longest = c.self.cols() + 30;
  for (std::size_t row = 0; row + 1 < c.csr.row_offsets.size(); ++row) {
    longest = std::max(longest, c.csr.row_offsets[row + 1] - c.csr.row_offsets[row]);
  }
  CHECK(largest_difference(got.out, expected.out) <= device_tolerance<T>(longest));
  CHECK(largest_difference(got.grad_self, expected.grad_self) <= device_tolerance<T>(longest));
  double const largest = [&] {
    double value = 1;
    for (std::int64_t i = 0; i < expected.grad_messages.rows() * c.self.cols(); ++i) {
      value = std::max(value, std::abs(static_cast<double>(expected.grad_messages.data()[i])));
    }
    return value;
  }();
  CHECK(largest_difference(got.grad_messages, expected.grad_messages) <=
        largest * device_tolerance<T>(longest));
  if (c.params.reduce == Reduce::max) {
    CHECK(same_slots(c.csr, c.self.cols(), got, expected.cache));
  }
}

inline bool same(DeviceResult const& a, DeviceResult const& b) {
  return same_bits(a.out, b.out) && same_bits(a.grad_messages, b.grad_messages) &&
         same_bits(a.grad_self, b.grad_self);
}

}  // namespace relweave::test
