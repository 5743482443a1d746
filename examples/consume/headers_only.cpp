// relweave::headers: views and owners without linking the library.
#include <iostream>

#include <relweave/core/buffer.hpp>
#include <relweave/core/views.hpp>

int main() {
  auto const m = relweave::Matrix<float>::from_rows({{1, 2, 3}, {4, 5, 6}});
  relweave::VectorView<float const> const second = m.view().row(1);
  std::cout << "second row: " << second[0] << ' ' << second[1] << ' ' << second[2] << '\n';
  return second[2] == 6.0F ? 0 : 1;
}
