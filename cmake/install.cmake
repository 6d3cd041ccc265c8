# Install rules: library, headers, CMake package, pkg-config file, data. All paths are relative to the prefix, so an
# installed tree can be moved.

include(CMakePackageConfigHelpers)

install(TARGETS lamina EXPORT laminaTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/lamina DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN *.hpp)
install(FILES ${PROJECT_BINARY_DIR}/generated/lamina/export.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lamina)

set(lamina_cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/lamina)
install(EXPORT laminaTargets NAMESPACE lamina:: DESTINATION ${lamina_cmake_folder})
get_target_property(lamina_type lamina TYPE)
set(lamina_has_zlib OFF)
if(LAMINA_WITH_ZLIB AND TARGET ZLIB::ZLIB)
  set(lamina_has_zlib ON)
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/laminaConfig.cmake.in
  ${PROJECT_BINARY_DIR}/generated/laminaConfig.cmake
  INSTALL_DESTINATION ${lamina_cmake_folder}
  NO_SET_AND_CHECK_MACRO)
# While the major version is 0, a new minor version may break its users.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/laminaConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/generated/laminaConfig.cmake
  ${PROJECT_BINARY_DIR}/generated/laminaConfigVersion.cmake
  DESTINATION ${lamina_cmake_folder})

# pkg-config: from the folder of the .pc file to the prefix, whatever the prefix is.
set(lamina_pc_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(IS_ABSOLUTE CMAKE_INSTALL_LIBDIR lamina_libdir_is_absolute)
if(lamina_libdir_is_absolute)
  set(lamina_pc_prefix ${CMAKE_INSTALL_PREFIX})
  set(lamina_pc_libdir ${CMAKE_INSTALL_LIBDIR})
else()
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${lamina_pc_folder}
    OUTPUT_VARIABLE lamina_pc_prefix)
  string(PREPEND lamina_pc_prefix "\${pcfiledir}/")
  set(lamina_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
cmake_path(IS_ABSOLUTE CMAKE_INSTALL_INCLUDEDIR lamina_includedir_is_absolute)
if(lamina_includedir_is_absolute)
  set(lamina_pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
else()
  set(lamina_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
# Whoever links liblamina.a needs what liblamina.so brings along by itself. A prefix holds one of the two, so the
# archive's needs are no private matter that `pkg-config --libs` without --static would hide.
set(lamina_pc_requires "")
set(lamina_pc_libs "")
set(lamina_pc_cflags "")
if(lamina_type STREQUAL "STATIC_LIBRARY")
  set(lamina_pc_requires "Requires: libhwy >= 1.0.3\n")
  if(lamina_has_zlib)
    set(lamina_pc_requires "Requires: libhwy >= 1.0.3, zlib\n")
  endif()
  set(lamina_pc_cflags " -DLAMINA_STATIC_DEFINE")
  if(CMAKE_THREAD_LIBS_INIT)
    set(lamina_pc_libs " ${CMAKE_THREAD_LIBS_INIT}")
  endif()
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/lamina.pc.in ${PROJECT_BINARY_DIR}/generated/lamina.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/lamina.pc DESTINATION ${lamina_pc_folder})

install(DIRECTORY ${PROJECT_SOURCE_DIR}/data/digits DESTINATION ${CMAKE_INSTALL_DATADIR}/lamina)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
