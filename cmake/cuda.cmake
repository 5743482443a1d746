# CUDA is optional: RELWEAVE_CUDA=AUTO takes it when its parts are there, ON insists, OFF builds the functions that throw
# NotCompiledError. The parts are nvcc and cuBLAS, of a toolkit or of pip's packages. Sets RELWEAVE_HAS_CUDA.

set(RELWEAVE_CUDA AUTO CACHE STRING "Build CUDA kernels: AUTO, ON or OFF")
set_property(CACHE RELWEAVE_CUDA PROPERTY STRINGS AUTO ON OFF)
set(RELWEAVE_CUDA_ARCHS "80-real;90" CACHE STRING "CUDA architectures, as in CUDA_ARCHITECTURES; the last also as PTX")

# Where CUDA's libraries and their headers lie: a toolkit, or pip's packages below an entry of CMAKE_PREFIX_PATH.
set(relweave_cuda_roots "$ENV{CUDA_PATH}" /usr/local/cuda)
foreach(prefix IN LISTS relweave_prefixes)
  list(APPEND relweave_cuda_roots ${prefix}/nvidia/cu13)
endforeach()

# Appends to relweave_cuda_missing what is not there; sets CMAKE_CUDA_COMPILER, RELWEAVE_CUBLAS_INCLUDE and
# RELWEAVE_CUBLASLT.
macro(relweave_find_cuda)
  set(relweave_cuda_missing "")
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    list(APPEND relweave_cuda_missing "nvcc (install the CUDA toolkit, put its bin folder in PATH or set CMAKE_CUDA_COMPILER)")
  endif()
  find_path(RELWEAVE_CUBLAS_INCLUDE cublasLt.h HINTS ${relweave_cuda_roots} PATH_SUFFIXES include)
  find_library(RELWEAVE_CUBLASLT NAMES cublasLt libcublasLt.so.13 libcublasLt.so.12 HINTS ${relweave_cuda_roots}
    PATH_SUFFIXES lib64 lib)
  if(NOT RELWEAVE_CUBLAS_INCLUDE OR NOT RELWEAVE_CUBLASLT)
    list(APPEND relweave_cuda_missing "cuBLAS (pip install nvidia-cublas of nvcc's version, and add that environment's site-packages to CMAKE_PREFIX_PATH)")
  endif()
endmacro()

set(RELWEAVE_HAS_CUDA OFF)
if(NOT RELWEAVE_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "RELWEAVE_CUDA: got '${RELWEAVE_CUDA}', expected AUTO, ON or OFF")
endif()
if(NOT RELWEAVE_CUDA STREQUAL "OFF")
  relweave_find_cuda()
  if(NOT relweave_cuda_missing)
    set(CMAKE_CUDA_ARCHITECTURES ${RELWEAVE_CUDA_ARCHS})
    enable_language(CUDA)
    set(RELWEAVE_HAS_CUDA ON)
  elseif(RELWEAVE_CUDA STREQUAL "ON")
    list(JOIN relweave_cuda_missing ", and " relweave_cuda_missing)
    message(FATAL_ERROR "RELWEAVE_CUDA=ON lacks ${relweave_cuda_missing}. RELWEAVE_CUDA=OFF builds for the CPU alone")
  endif()
endif()
message(STATUS "relweave: CUDA ${RELWEAVE_HAS_CUDA} (RELWEAVE_CUDA=${RELWEAVE_CUDA})")

# relweave_cuda_sources(<stem>...): <stem>.cu where there is CUDA, else <stem>_nocuda.cpp, which has the same symbols.
# RELWEAVE_CUDA_FILES lists the former for those who compile them in another way.
function(relweave_cuda_sources)
  foreach(stem IN LISTS ARGN)
    set_property(GLOBAL APPEND PROPERTY RELWEAVE_CUDA_FILES ${CMAKE_CURRENT_SOURCE_DIR}/${stem}.cu)
    if(RELWEAVE_HAS_CUDA)
      target_sources(relweave PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${stem}.cu)
    else()
      target_sources(relweave PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${stem}_nocuda.cpp)
    endif()
  endforeach()
endfunction()

# relweave_cublas_sources(<file.cu>...): files that call cuBLAS, and that nothing needs in a build without CUDA.
function(relweave_cublas_sources)
  if(RELWEAVE_HAS_CUDA)
    target_sources(relweave PRIVATE ${ARGN})
    target_include_directories(relweave PRIVATE ${RELWEAVE_CUBLAS_INCLUDE})
    target_link_libraries(relweave PRIVATE ${RELWEAVE_CUBLASLT})
  endif()
endfunction()
