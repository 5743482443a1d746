#!/usr/bin/env bash
# On a machine with an NVIDIA GPU: builds the library with CUDA, tests it, times every operation beside its peers, and
# writes docs/benchmarks/gpu_<card>.json and .md. Needs no network, and what earlier stages left is kept, so that stages
# may run one by one. See docs/benchmarks.md.
# Usage: scripts/gpu_report.sh [option...] [stage...]
#   stages (default all): build tests package sanitizers bench peers report
#   --dry-run          build, then only list what would run; needs no GPU
#   --prepare          on a machine with network: copy header-only dependencies to build/gpu-deps, and do nothing else
#   --out FOLDER       of the report (default: docs/benchmarks)
#   --scale, --dims, --dtypes, --workloads, --filter, --repeats, --seconds VALUE: as relweave_gpu_bench takes them
# A Python with PyTorch is taken from $PYTHON (default: python3); $JOBS compilers run at once (default: all processors).
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

DEPS=$BUILD/gpu-deps
GPU_BUILD=$BUILD/gpu
RESULTS=$BUILD/gpu-report
BENCH=$GPU_BUILD/bench/gpu/relweave_gpu_bench
TESTS=$GPU_BUILD/tests/device/relweave_gpu_tests
PYTHON=${PYTHON:-python3}
# Tests of all operations that take compute-sanitizer seconds: results against references, and hubs.
SANITIZED='*on a device agree*,*on a device splits*,*equal the reference*'
OUT=$ROOT/docs/benchmarks
DRY_RUN=
PREPARE=
BENCH_OPTIONS=()
GRAPH_OPTIONS=()
PEER_OPTIONS=()
STAGES=()
FAILED=0

while [ $# -gt 0 ]; do
  case $1 in
    "--dry-run") DRY_RUN=1 ;;
    "--prepare") PREPARE=1 ;;
    "--out" | "--scale" | "--workloads" | "--dims" | "--dtypes" | "--filter" | "--repeats" | "--seconds")
      [ $# -gt 1 ] || die "$1 needs a value"
      case $1 in
        "--out") OUT=$2 ;;
        "--scale" | "--workloads") BENCH_OPTIONS+=("$1" "$2") GRAPH_OPTIONS+=("$1" "$2") ;;
        "--repeats" | "--seconds") BENCH_OPTIONS+=("$1" "$2") PEER_OPTIONS+=("$1" "$2") ;;
        *) BENCH_OPTIONS+=("$1" "$2") ;;
      esac
      shift
      ;;
    build | tests | package | sanitizers | bench | peers | report) STAGES+=("$1") ;;
    *) die "got '$1', expected an option or a stage: build, tests, package, sanitizers, bench, peers, report" ;;
  esac
  shift
done

# What the build needs and a machine with a GPU may lack: Eigen, nlohmann/json, Catch2, and the headers of cuBLAS and
# cuSPARSE where this machine has them.
prepare() {
  rm -rf "$DEPS"
  mkdir -p "$DEPS/include" "$DEPS/nvidia/cu13/include"
  require catch2 has_header catch2/catch.hpp
  install_missing
  cp -r /usr/include/catch2 "$DEPS/include/" 2>/dev/null || cp -r /usr/local/include/catch2 "$DEPS/include/"
  "$PYTHON" -m pip install -q --target "$DEPS" --no-deps --no-compile 'cmeel-eigen>=3.4,<4' 'nlohmann-json>=3.11' ||
    die "could not install Eigen and nlohmann/json into $DEPS"
  local folder headers
  for folder in "${CUDA_PATH:-/usr/local/cuda}" $(python_prefixes) $(tr ':' ' ' <<<"${CMAKE_PREFIX_PATH:-}"); do
    for headers in "$folder/include" "$folder/nvidia/cu13/include"; do
      cp -n "$headers"/cublas*.h "$headers"/cusparse*.h "$DEPS/nvidia/cu13/include/" 2>/dev/null
    done
  done
  say "$(du -sh "$DEPS" | cut -f1) in ${DEPS#"$ROOT"/}, which must travel with the checkout"
}

# Where pip put CUDA's libraries, as CMake wants to know it.
python_prefixes() { "$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' 2>/dev/null; }

# has_modules NAME...: whether $PYTHON can import them all; does not import them, which takes seconds.
has_modules() {
  "$PYTHON" -c 'import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, sys.argv[1:])))' "$@"
}

has_gpu() { nvidia-smi -L >/dev/null 2>&1; }

# note NAME OUTCOME: what the report's head says of a stage.
note() {
  say "$1: $2"
  [ -z "$DRY_RUN" ] || return 0
  touch "$RESULTS/checks.txt"
  grep -v "^$1: " "$RESULTS/checks.txt" >"$RESULTS/checks.new"
  echo "$1: $2" >>"$RESULTS/checks.new"
  mv "$RESULTS/checks.new" "$RESULTS/checks.txt"
}

build() {
  has_command nvcc || export PATH=$PATH:${CUDA_PATH:-/usr/local/cuda}/bin
  local arch=90 generator=()
  has_gpu && arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
  has_command ninja && generator=(-G Ninja)
  local python=OFF
  has_modules pybind11 && python=ON
  CMAKE_PREFIX_PATH=$DEPS:$(python_prefixes):${CMAKE_PREFIX_PATH:-} \
    cmake -S . -B "$GPU_BUILD" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DRELWEAVE_CUDA=ON \
    -DRELWEAVE_CUDA_ARCHS="$arch" -DRELWEAVE_TESTS=ON -DRELWEAVE_EMULATION=OFF -DRELWEAVE_GPU_BENCH=ON \
    -DRELWEAVE_PYTHON=$python -DPython_EXECUTABLE="$(command -v "$PYTHON")" &&
    cmake --build "$GPU_BUILD" --parallel "${JOBS:-$(nproc)}" \
      --target relweave_gpu_tests relweave_gpu_bench $([ $python = OFF ] || echo _core)
}

tests() {
  if [ -n "$DRY_RUN" ]; then
    "$TESTS" --list-test-names-only || true  # Catch2 exits with their number
    return
  fi
  if "$TESTS" | tee "$RESULTS/tests.log"; then
    note relweave_gpu_tests "$(tail -2 "$RESULTS/tests.log" | tr -d '\n')"
  else
    note relweave_gpu_tests "FAILED, $(tail -2 "$RESULTS/tests.log" | tr -d '\n')"
    return 1
  fi
}

package() {
  if ! has_modules pybind11 pytest narwhals torch cupy; then
    note "Python package" "skipped, $PYTHON lacks one of pybind11, pytest, narwhals, torch, cupy"
    return
  fi
  local log=$RESULTS/python.log options=(-q -p no:cacheprovider)
  [ -z "$DRY_RUN" ] || options+=(--collect-only)
  if PYTHONPATH=$ROOT/python "$PYTHON" -m pytest "${options[@]}" tests/python_gpu | tee "$log"; then
    note "Python package" "$(tail -1 "$log")"
  else
    note "Python package" "FAILED, $(tail -1 "$log")"
    return 1
  fi
}

sanitizers() {
  local tool bad=0
  if ! has_command compute-sanitizer; then
    note compute-sanitizer "skipped, not installed"
    return
  fi
  for tool in memcheck racecheck; do
    if [ -n "$DRY_RUN" ]; then
      echo "compute-sanitizer --tool $tool: tests $SANITIZED"
    elif timeout 280 compute-sanitizer --tool "$tool" --error-exitcode 99 "$TESTS" "$SANITIZED" \
      >"$RESULTS/$tool.log" 2>&1; then
      note "$tool" "no error, $(grep -a 'passed' "$RESULTS/$tool.log" | tail -1)"
    else
      note "$tool" "FAILED with status $?, see ${RESULTS#"$ROOT"/}/$tool.log"
      bad=1
    fi
  done
  return $bad
}

bench() {
  if [ -n "$DRY_RUN" ]; then
    "$BENCH" --list "${BENCH_OPTIONS[@]}"
  else
    "$BENCH" "${BENCH_OPTIONS[@]}" --json "$RESULTS/bench.json"
  fi
}

peers() {
  if ! has_modules numpy torch; then
    note peers "skipped, $PYTHON has no PyTorch"
    [ -n "$DRY_RUN" ] || rm -f "$RESULTS/peers.json"
    return 0
  fi
  if [ -n "$DRY_RUN" ]; then
    "$PYTHON" bench/gpu/peers.py --list
    return
  fi
  "$BENCH" --dump "$RESULTS/data" "${GRAPH_OPTIONS[@]}" &&
    "$PYTHON" bench/gpu/peers.py --ours "$RESULTS/bench.json" --data "$RESULTS/data" --json "$RESULTS/peers.json" \
      "${PEER_OPTIONS[@]}"
  local status=$?
  rm -rf "$RESULTS/data"
  return $status
}

report() {
  if [ -n "$DRY_RUN" ]; then
    echo "would write $OUT/gpu_<card>.json and .md"
    return
  fi
  local commit
  commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
  "$PYTHON" bench/gpu/report.py --bench "$RESULTS/bench.json" --peers "$RESULTS/peers.json" \
    --checks "$RESULTS/checks.txt" --out "$OUT" --commit "$commit" --date "$(date -u +%F)"
}

if [ -n "$PREPARE" ]; then
  prepare
  exit
fi
mkdir -p "$RESULTS"
for stage in build tests package sanitizers bench peers report; do
  if [ ${#STAGES[@]} -gt 0 ] && [[ " ${STAGES[*]} " != *" $stage "* ]]; then
    continue
  fi
  if [ "$stage" != build ] && [ -z "$DRY_RUN" ] && ! has_gpu; then
    die "no NVIDIA GPU here (nvidia-smi -L); --dry-run builds and lists what would run"
  fi
  say "$stage"
  if ! $stage; then
    FAILED=$((FAILED + 1))
    [ "$stage" != build ] || die "the build failed"
    say "$stage FAILED"
  fi
done
[ $FAILED -eq 0 ] || die "$FAILED stages failed"
