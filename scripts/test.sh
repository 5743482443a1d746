#!/usr/bin/env bash
# Sets up and runs every check of the project: formatting, types, C++ and Python tests, consumers, documentation.
# Usage: scripts/test.sh [stage...]     (default: all; a stage's name is what the summary prints)
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

CPP_BUILD=$BUILD/test
PREFIX=$BUILD/test/prefix
ONLY=("$@")
SUMMARY=()
FAILED=0

# stage NAME FUNCTION: runs the function in a subshell that stops at its first error, and notes time and outcome.
stage() {
  local name=$1 begin=$SECONDS outcome=passed
  if [ ${#ONLY[@]} -gt 0 ] && [[ " ${ONLY[*]} " != *" $name "* ]]; then
    return
  fi
  say "$name"
  (
    set -e
    "$2"
  )
  if [ $? -ne 0 ]; then
    outcome=FAILED
    FAILED=$((FAILED + 1))
  fi
  SUMMARY+=("$(printf '%-12s %-7s %5d s' "$name" "$outcome" $((SECONDS - begin)))")
}

summarize() {
  say "summary"
  printf '%s\n' "${SUMMARY[@]}" "$(printf '%-12s %7s %5d s' total '' "$SECONDS")"
  if [ "$FAILED" -gt 0 ]; then
    die "$FAILED of ${#SUMMARY[@]} stages failed"
  fi
}

# The tests compare with PyTorch. This version comes first, so that nothing below asks for another build of it.
install_package() {
  pip install -q torch==2.13.0
  pip install -q '.[dev]'
  python -c 'import relweave; print("relweave", relweave.__version__, "from", relweave.__file__)'
}

check_format() {
  git ls-files -z '*.hpp' '*.cpp' '*.cuh' '*.cu' | xargs -0 clang-format --dry-run --Werror
  ruff check .
  ruff format --check .
}

build_cpp() {
  cmake -S . -B "$CPP_BUILD" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$PREFIX" \
    -DRELWEAVE_TESTS=ON -DRELWEAVE_EXAMPLES=ON -DRELWEAVE_BENCH=ON -DRELWEAVE_GPU_BENCH=ON \
    -DRELWEAVE_EMULATED_PYTHON=ON -DRELWEAVE_WERROR=ON -DRELWEAVE_CUDA=OFF -DCMAKE_VERIFY_INTERFACE_HEADER_SETS=ON
  cmake --build "$CPP_BUILD"
}

check_headers() { cmake --build "$CPP_BUILD" --target all_verify_interface_header_sets; }

check_kernels() {
  setup_nvcc
  python scripts/check_kernels.py --nvcc "$NVCC" --include "$CUDA_LIBRARIES_INCLUDE"
}

test_cpp() { ctest --test-dir "$CPP_BUILD" --output-on-failure --no-tests=error -j 2; }

# consume NAME SOURCE [CMAKE_OPTION]: builds and runs the programs of examples/consume against the library, obtained in
# one of the ways there are.
consume() {
  cmake -S "$2" -B "$BUILD/consume-$1" -G Ninja -DCMAKE_BUILD_TYPE=Release "${@:3}" >/dev/null
  cmake --build "$BUILD/consume-$1"
  "$BUILD/consume-$1/consumer"
  "$BUILD/consume-$1/consumer_of_headers"
}

test_consumers() {
  cmake --install "$CPP_BUILD" >/dev/null
  consume prefix examples/consume -DCMAKE_PREFIX_PATH="$PREFIX"
  consume wheel examples/consume -Drelweave_DIR="$(python -m relweave.build_paths)"
  consume subdirectory tests/install -DRELWEAVE_CUDA=OFF
}

test_python() { RELWEAVE_CPP_EXAMPLES=$CPP_BUILD/examples/cpp pytest -q --durations=10; }

test_docstrings() { pytest -q --doctest-modules --pyargs relweave; }

test_docs() { python tests/docs/run_snippets.py; }

setup_python
setup_cpp
stage package install_package
[ "$FAILED" -eq 0 ] || summarize
stage format check_format
stage types mypy
stage build build_cpp
stage headers check_headers
stage kernels check_kernels
stage ctest test_cpp
stage consumers test_consumers
stage pytest test_python
stage doctest test_docstrings
stage docs test_docs
summarize
