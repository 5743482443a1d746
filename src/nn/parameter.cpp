#include <relweave/nn/parameter.hpp>

#include <algorithm>
#include <utility>

#include <relweave/core/error.hpp>

namespace relweave::nn {

namespace {

// Tensors start on a cache line, so that vector loads never straddle two of them.
constexpr std::int64_t alignment = 64;

template <typename T>
std::int64_t aligned(std::int64_t size) {
  constexpr auto step = alignment / static_cast<std::int64_t>(sizeof(T));
  return (size + step - 1) / step * step;
}

}  // namespace

template <Scalar T, Space S>
ParameterId ParameterSet<T, S>::add(std::string name, std::int64_t rows, std::int64_t cols,
                                    bool vector) {
  constexpr std::string_view here = "ParameterSet.add";
  if (!values_.empty()) {
    raise<ConfigError>(here, "name", "'" + name + "' after allocate()",
                       "all tensors registered before allocate()");
  }
  if (rows < 0 || cols < 0) {
    raise<ShapeError>(here, name, "shape " + shape_string(rows, cols), "no negative size");
  }
  for (ParameterInfo const& info : infos_) {
    if (info.name == name) {
      raise<ConfigError>(here, "name", "'" + name + "' twice", "different names");
    }
  }
  infos_.push_back(
      {.name = std::move(name), .rows = rows, .cols = cols, .vector = vector, .offset = size_});
  size_ += aligned<T>(rows * cols);
  return static_cast<ParameterId>(infos_.size() - 1);
}

template <Scalar T, Space S>
ParameterId ParameterSet<T, S>::add_matrix(std::string name, std::int64_t rows,
                                           std::int64_t cols) requires(S == Space::host) {
  return add(std::move(name), rows, cols, false);
}

template <Scalar T, Space S>
ParameterId ParameterSet<T, S>::add_vector(std::string name,
                                           std::int64_t size) requires(S == Space::host) {
  return add(std::move(name), 1, size, true);
}

template <Scalar T, Space S>
void ParameterSet<T, S>::allocate() requires(S == Space::host) {
  values_ = Buffer<T>::zeros(size_);
  gradients_ = Buffer<T>::zeros(size_);
}

template <Scalar T, Space S>
ParameterSet<T, S>::ParameterSet(CudaContext const& ctx,
                                 ParameterSet<T> const& host) requires(S == Space::device)
    : infos_(host.infos()), size_(host.size()) {
  DeviceGuard const guard(ctx.device);
  values_ = Buffer<T, S>(size_);
  gradients_ = Buffer<T, S>(size_);
  copy(ctx, host.values(), values_.view());
  set_zero<T, S>(ctx, gradients_.view());
}

template <Scalar T, Space S>
ParameterId ParameterSet<T, S>::find(std::string_view name) const {
  std::string names;
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    if (infos_[i].name == name) {
      return static_cast<ParameterId>(i);
    }
    names.append(names.empty() ? "" : ", ").append(infos_[i].name);
  }
  raise<ConfigError>("ParameterSet.find", "name", "'" + std::string(name) + "'", "one of " + names);
}

template <Scalar T, Space S>
ParameterInfo const& ParameterSet<T, S>::info(ParameterId id) const {
  return infos_.at(static_cast<std::size_t>(index(id)));
}

template <Scalar T, Space S>
MatrixView<T, S> ParameterSet<T, S>::matrix(ParameterId id) {
  ParameterInfo const& i = info(id);
  return {values_.data() + i.offset, i.rows, i.cols};
}

template <Scalar T, Space S>
MatrixView<T const, S> ParameterSet<T, S>::matrix(ParameterId id) const {
  ParameterInfo const& i = info(id);
  return {values_.data() + i.offset, i.rows, i.cols};
}

template <Scalar T, Space S>
VectorView<T, S> ParameterSet<T, S>::vector(ParameterId id) {
  ParameterInfo const& i = info(id);
  return {values_.data() + i.offset, i.cols};
}

template <Scalar T, Space S>
VectorView<T const, S> ParameterSet<T, S>::vector(ParameterId id) const {
  ParameterInfo const& i = info(id);
  return {values_.data() + i.offset, i.cols};
}

template <Scalar T, Space S>
MatrixView<T, S> ParameterSet<T, S>::matrix_gradient(ParameterId id) {
  ParameterInfo const& i = info(id);
  return {gradients_.data() + i.offset, i.rows, i.cols};
}

template <Scalar T, Space S>
VectorView<T, S> ParameterSet<T, S>::vector_gradient(ParameterId id) {
  ParameterInfo const& i = info(id);
  return {gradients_.data() + i.offset, i.cols};
}

template class ParameterSet<float>;
template class ParameterSet<double>;
template class ParameterSet<float, Space::device>;

}  // namespace relweave::nn
