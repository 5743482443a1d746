# Options that every target of this project shares, and helpers for sources compiled per instruction set.

add_library(relweave_options INTERFACE)
target_compile_features(relweave_options INTERFACE cxx_std_20)
set(relweave_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Wno-missing-field-initializers)  # designated initialisers leave defaults out on purpose
set(relweave_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
  -Wno-maybe-uninitialized)  # false positives of g++ under sanitizers
target_compile_options(relweave_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${relweave_warnings}>"
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>  # false positives of g++ 12 on std::string's operator+
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${RELWEAVE_WERROR}>>:-Werror>
  "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${RELWEAVE_SANITIZE}>>:${relweave_sanitizers}>"
  # CMake 3.25 knows no CUDA_STANDARD 20.
  "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--expt-relaxed-constexpr;-Xcompiler=-Wall,-Wextra,-Wno-restrict>"
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${RELWEAVE_WERROR}>>:-Werror=all-warnings>)
target_link_options(relweave_options INTERFACE $<$<BOOL:${RELWEAVE_SANITIZE}>:-fsanitize=address,undefined>)

set(RELWEAVE_ISAS baseline)
set(RELWEAVE_ISA_FLAGS_baseline "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND RELWEAVE_ISAS avx2 avx512)
  set(RELWEAVE_ISA_FLAGS_avx2 -mavx2 -mfma)
  set(RELWEAVE_ISA_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
endif()

# relweave_isa_sources(<file>...): compiles each file once per instruction set into the library. The file sees
# RELWEAVE_ISA_NAMESPACE (baseline, avx2, avx512) and puts its code there. Eigen's namespace is renamed too, so
# that the linker cannot merge its weak symbols across instruction sets. Keep other templates out of such files.
function(relweave_isa_sources)
  foreach(isa IN LISTS RELWEAVE_ISAS)
    if(NOT TARGET relweave_isa_${isa})
      add_library(relweave_isa_${isa} OBJECT)
      target_link_libraries(relweave_isa_${isa} PRIVATE relweave_options Eigen3::Eigen)
      target_include_directories(relweave_isa_${isa} PRIVATE ${PROJECT_SOURCE_DIR}/include)
      # No kernel reads errno, and with it square roots do not vectorise; 64-byte vectors never cross a call.
      target_compile_options(relweave_isa_${isa} PRIVATE ${RELWEAVE_ISA_FLAGS_${isa}} -fno-math-errno -Wno-psabi
        $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # g++ 12 warns inside its own intrinsics
      target_compile_definitions(relweave_isa_${isa} PRIVATE RELWEAVE_ISA_NAMESPACE=${isa} Eigen=Eigen_${isa}
        EIGEN_DONT_PARALLELIZE $<$<NOT:$<BOOL:${BUILD_SHARED_LIBS}>>:RELWEAVE_STATIC>)
      set_target_properties(relweave_isa_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON
        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
      target_sources(relweave PRIVATE $<TARGET_OBJECTS:relweave_isa_${isa}>)
    endif()
    foreach(file IN LISTS ARGN)
      target_sources(relweave_isa_${isa} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    endforeach()
  endforeach()
endfunction()
