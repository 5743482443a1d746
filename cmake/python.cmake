# Python and pybind11 for the folder that includes this: what they import ends there.
set(PYBIND11_FINDPYTHON ON)
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
if(NOT pybind11_DIR AND NOT SKBUILD)  # outside a wheel build, ask the interpreter where its pybind11 lies
  execute_process(COMMAND ${Python_EXECUTABLE} -m pybind11 --cmakedir
    OUTPUT_VARIABLE relweave_pybind11_dir OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  list(APPEND CMAKE_PREFIX_PATH "${relweave_pybind11_dir}")
endif()
find_package(pybind11 2.13 CONFIG REQUIRED)
