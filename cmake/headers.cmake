# The public headers as a file set: what is installed is what `all_verify_interface_header_sets` compiles, each
# header on its own (with -DCMAKE_VERIFY_INTERFACE_HEADER_SETS=ON). Only headers are globbed, never sources.
file(GLOB_RECURSE relweave_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/relweave/*.hpp)
target_sources(relweave PUBLIC
  FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${relweave_headers})

# relweave::headers serves those who instantiate the header-only parts (views, references, backends) in their own
# sources and link no library of ours.
add_library(relweave_headers INTERFACE)
add_library(relweave::headers ALIAS relweave_headers)
set_target_properties(relweave_headers PROPERTIES EXPORT_NAME headers)
target_compile_features(relweave_headers INTERFACE cxx_std_20)
target_compile_definitions(relweave_headers INTERFACE RELWEAVE_STATIC)
target_link_libraries(relweave_headers INTERFACE Threads::Threads)
target_include_directories(relweave_headers INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
