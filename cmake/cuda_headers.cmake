# RELWEAVE_CUDA_INCLUDE: CUDA's headers, of a toolkit or of pip's packages, which a plain C++ compiler can read.
find_program(RELWEAVE_NVCC nvcc HINTS ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
set(relweave_cuda_hints "")
if(RELWEAVE_NVCC)
  file(REAL_PATH ${RELWEAVE_NVCC} relweave_nvcc)
  cmake_path(GET relweave_nvcc PARENT_PATH relweave_nvcc_dir)
  list(APPEND relweave_cuda_hints ${relweave_nvcc_dir}/../include)
endif()
list(APPEND relweave_cuda_hints "$ENV{CUDA_PATH}/include" /usr/local/cuda/include)
foreach(prefix IN LISTS relweave_prefixes)
  list(APPEND relweave_cuda_hints ${prefix}/nvidia/cu13/include)
endforeach()

find_path(RELWEAVE_CUDA_INCLUDE cuda_runtime_api.h HINTS ${relweave_cuda_hints})
find_path(RELWEAVE_CUDA_TARGET_INCLUDE nv/target HINTS ${RELWEAVE_CUDA_INCLUDE}/cccl ${RELWEAVE_CUDA_INCLUDE})
set(relweave_cuda_version 0)
if(RELWEAVE_CUDA_TARGET_INCLUDE AND EXISTS ${RELWEAVE_CUDA_INCLUDE}/crt/host_defines.h)
  file(STRINGS ${RELWEAVE_CUDA_INCLUDE}/cuda_runtime_api.h relweave_cuda_version REGEX "^#define CUDART_VERSION")
  string(REGEX REPLACE "[^0-9]" "" relweave_cuda_version "${relweave_cuda_version}")
endif()
if(relweave_cuda_version LESS 12000)
  message(FATAL_ERROR "The tests run CUDA kernels on the CPU and need CUDA's headers (12.0 or newer), not its toolkit: "
    "pip install 'nvidia-cuda-runtime~=13.0' 'nvidia-cuda-crt~=13.0' 'nvidia-cuda-cccl~=13.0' and add that "
    "environment's site-packages to CMAKE_PREFIX_PATH, or set RELWEAVE_CUDA_INCLUDE. -DRELWEAVE_EMULATION=OFF leaves "
    "these tests out")
endif()
