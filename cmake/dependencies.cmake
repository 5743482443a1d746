# Packages from pip (cmeel-eigen, nlohmann-json) serve where the system has none, such as in the isolated
# build of a wheel: their files lie below each entry of CMAKE_PREFIX_PATH and of Python's module path.
cmake_path(CONVERT "$ENV{CMAKE_PREFIX_PATH}" TO_CMAKE_PATH_LIST relweave_prefixes)
list(PREPEND relweave_prefixes ${CMAKE_PREFIX_PATH})
foreach(prefix IN LISTS relweave_prefixes)
  list(APPEND CMAKE_PREFIX_PATH "${prefix}/cmeel.prefix")
endforeach()

find_package(Threads REQUIRED)

find_package(Eigen3 3.4 CONFIG QUIET)
if(NOT Eigen3_FOUND)
  message(FATAL_ERROR "relweave needs Eigen 3.4: apt install libeigen3-dev, or pip install cmeel-eigen and add "
    "that environment's site-packages to CMAKE_PREFIX_PATH")
endif()

find_path(RELWEAVE_JSON_INCLUDE nlohmann/json.hpp HINTS ${relweave_prefixes} PATH_SUFFIXES include nlohmann_json/include)
if(NOT RELWEAVE_JSON_INCLUDE)
  message(FATAL_ERROR "relweave needs nlohmann/json.hpp: apt install nlohmann-json3-dev, or pip install "
    "nlohmann-json and add that environment's site-packages to CMAKE_PREFIX_PATH")
endif()
