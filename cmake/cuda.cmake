# CUDA is optional: RELWEAVE_CUDA=AUTO takes it when nvcc is there, ON insists, OFF builds the functions that throw
# NotCompiledError. Sets RELWEAVE_HAS_CUDA. Device code is nvcc's; everything else stays with the host compiler.

set(RELWEAVE_CUDA AUTO CACHE STRING "Build CUDA kernels: AUTO, ON or OFF")
set_property(CACHE RELWEAVE_CUDA PROPERTY STRINGS AUTO ON OFF)
set(RELWEAVE_CUDA_ARCHS "80-real;90" CACHE STRING "CUDA architectures, as in CUDA_ARCHITECTURES; the last also as PTX")

set(RELWEAVE_HAS_CUDA OFF)
if(NOT RELWEAVE_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "RELWEAVE_CUDA: got '${RELWEAVE_CUDA}', expected AUTO, ON or OFF")
endif()
if(NOT RELWEAVE_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES ${RELWEAVE_CUDA_ARCHS})
    enable_language(CUDA)
    set(RELWEAVE_HAS_CUDA ON)
  elseif(RELWEAVE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "RELWEAVE_CUDA=ON needs nvcc: install the CUDA toolkit 12.4 or newer and put its bin folder in "
      "PATH, set CMAKE_CUDA_COMPILER, or build with RELWEAVE_CUDA=OFF")
  endif()
endif()
message(STATUS "relweave: CUDA ${RELWEAVE_HAS_CUDA} (RELWEAVE_CUDA=${RELWEAVE_CUDA})")

# relweave_cuda_sources(<stem>...): <stem>.cu where there is CUDA, else <stem>_nocuda.cpp, which has the same symbols.
function(relweave_cuda_sources)
  foreach(stem IN LISTS ARGN)
    if(RELWEAVE_HAS_CUDA)
      target_sources(relweave PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${stem}.cu)
    else()
      target_sources(relweave PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${stem}_nocuda.cpp)
    endif()
  endforeach()
endfunction()
