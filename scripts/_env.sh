# Sourced by the scripts beside it: finds what a build needs, keeps an own virtual environment in build/venv, and
# installs system packages only where one is truly missing, saying which.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$ROOT/build
VENV=$BUILD/venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
cd "$ROOT" || exit 1

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

has_command() { command -v "$1" >/dev/null 2>&1; }
has_header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]; }

# require PACKAGE CHECK...: remembers the Debian package if the check fails.
MISSING=()
require() {
  local package=$1
  shift
  "$@" || MISSING+=("$package")
}

# Installs what `require` found missing, or says the one command that does.
install_missing() {
  [ ${#MISSING[@]} -eq 0 ] && return
  local command="apt-get install -y --no-install-recommends ${MISSING[*]}"
  if [ "$(id -u)" = 0 ] && has_command apt-get; then
    say "installing system packages that are missing: ${MISSING[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive $command -qq >/dev/null ||
      die "could not install: ${MISSING[*]}"
  elif has_command apt-get; then
    die "system packages are missing; run: sudo $command"
  else
    die "please install what these Debian packages hold, with your system's tools: ${MISSING[*]}"
  fi
  MISSING=()
}

python_is_new_enough() {
  has_command "$1" && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# The interpreter to build on: $PYTHON, or the first of the usual names that is 3.11 or newer.
find_python() {
  local name
  for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if python_is_new_enough "$name"; then
      command -v "$name"
      return
    fi
  done
}

can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }
has_python_header() {
  "$1" -c 'import os, sys, sysconfig as s; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))'
}

# A compiler, git, and Python with its headers in a virtual environment; the rest of a wheel's build comes by pip.
setup_python() {
  require g++ has_command "${CXX:-g++}"
  require git has_command git
  local python
  python=$(find_python)
  if [ -z "$python" ]; then
    MISSING+=(python3 python3-venv python3-dev)
  else
    require python3-venv can_make_venv "$python"
    require python3-dev has_python_header "$python"
  fi
  install_missing
  python=$(find_python)
  [ -n "$python" ] || die "relweave needs Python 3.11 or newer; set PYTHON to such an interpreter"
  if [ ! -x "$VENV/bin/python" ]; then
    say "virtual environment in ${VENV#"$ROOT"/}"
    "$python" -m venv "$VENV" || die "could not create $VENV"
  fi
  export PATH=$VENV/bin:$PATH VIRTUAL_ENV=$VENV
}

cmake_is_new_enough() {
  has_command cmake && [ "$(printf '%s\n3.25\n' "$(cmake --version | awk 'NR == 1 { print $3 }')" | sort -V | head -1)" = 3.25 ]
}

has_cuda_headers() {
  local root
  for root in "${CUDA_PATH:-}" /usr/local/cuda "$(readlink -f "$(command -v nvcc)" | sed 's|/bin/nvcc$||')"; do
    if [ -e "$root/include/crt/host_defines.h" ]; then
      return
    fi
  done
  return 1
}

# nvcc, as $NVCC, and the headers of cuBLAS, in $CUDA_LIBRARIES_INCLUDE: of the toolkit or from pip. Call after
# setup_python.
setup_nvcc() {
  local headers
  headers=$(python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/nvidia/cu13
  NVCC=$(command -v nvcc || true)
  if [ -z "$NVCC" ]; then
    pip install -q 'nvidia-cuda-nvcc~=13.0.0' 'nvidia-nvvm~=13.0.0' 'nvidia-cuda-crt~=13.0.0' \
      'nvidia-cuda-runtime~=13.0.0' 'nvidia-cuda-cccl~=13.0.0'
    NVCC=$headers/bin/nvcc
  fi
  CUDA_LIBRARIES_INCLUDE=$(dirname "$NVCC")/../include
  if [ ! -e "$CUDA_LIBRARIES_INCLUDE/cublasLt.h" ]; then
    pip install -q --no-deps 'nvidia-cublas~=13.1.0'
    CUDA_LIBRARIES_INCLUDE=$headers/include
  fi
}

# pip_for_cmake PACKAGE...: installs packages that CMake finds in the virtual environment.
pip_for_cmake() {
  pip install -q "$@"
  CMAKE_PREFIX_PATH=$(python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
  export CMAKE_PREFIX_PATH
}

# CMake, Ninja and the libraries of the C++ build. Call after setup_python.
setup_cpp() {
  require catch2 has_header catch2/catch.hpp
  require libbenchmark-dev has_header benchmark/benchmark.h
  install_missing
  if ! has_header eigen3/Eigen/Core || ! has_header nlohmann/json.hpp; then  # pip has these two
    pip_for_cmake 'cmeel-eigen>=3.4,<4' 'nlohmann-json>=3.11'
  fi
  if ! has_cuda_headers; then  # the tests run kernels on the CPU and need no more of the toolkit
    pip_for_cmake 'nvidia-cuda-runtime~=13.0' 'nvidia-cuda-crt~=13.0' 'nvidia-cuda-cccl~=13.0'
  fi
  cmake_is_new_enough || pip install -q 'cmake>=3.25'
  has_command ninja || pip install -q ninja
  if has_command ccache; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache
  fi
}
