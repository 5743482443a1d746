# The version stands in one place, include/relweave/core/config.hpp; pyproject.toml reads it there too.
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../include/relweave/core/config.hpp relweave_version_line
  REGEX "^#define RELWEAVE_VERSION_STRING ")
string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" RELWEAVE_VERSION "${relweave_version_line}")
