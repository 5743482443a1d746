# Library, headers and the files that answer find_package(relweave). In a wheel the prefix is the package's own
# folder (site-packages/relweave), so the same layout lies there; `python -m relweave.build_paths` names it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(relweave_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/relweave)

install(TARGETS relweave relweave_headers EXPORT relweaveTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT relweaveTargets NAMESPACE relweave:: DESTINATION ${relweave_cmake_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/relweaveConfig.cmake.in
  ${PROJECT_BINARY_DIR}/relweaveConfig.cmake INSTALL_DESTINATION ${relweave_cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/relweaveConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/relweaveConfig.cmake ${PROJECT_BINARY_DIR}/relweaveConfigVersion.cmake
  DESTINATION ${relweave_cmake_dir})
