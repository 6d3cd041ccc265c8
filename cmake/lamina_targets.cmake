# Build settings that lamina's own targets share; nothing here reaches a consumer.

add_library(lamina_build_settings INTERFACE)
target_compile_features(lamina_build_settings INTERFACE cxx_std_20)
target_compile_options(lamina_build_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  $<$<BOOL:${LAMINA_WERROR}>:-Werror>
  # Results must not depend on whether the compiler fuses a multiply and an add.
  -ffp-contract=off
  -fno-math-errno)
# NaN and infinities are values to this library, whatever the surrounding project compiles with.
get_directory_property(lamina_inherited_options COMPILE_OPTIONS)
string(TOUPPER "CMAKE_CXX_FLAGS_${CMAKE_BUILD_TYPE}" lamina_config_flags)
if("${CMAKE_CXX_FLAGS} ${${lamina_config_flags}} ${lamina_inherited_options}" MATCHES
   "-Ofast|-ffast-math|-ffinite-math-only|-funsafe-math")
  target_compile_options(lamina_build_settings BEFORE INTERFACE
    -fno-fast-math -fno-finite-math-only -fno-unsafe-math-optimizations)
endif()
if(LAMINA_SANITIZE)
  target_compile_options(lamina_build_settings INTERFACE
    -fsanitize=${LAMINA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(lamina_build_settings INTERFACE -fsanitize=${LAMINA_SANITIZE})
  if(LAMINA_SANITIZE MATCHES address)
    target_compile_definitions(lamina_build_settings INTERFACE LAMINA_ASAN=1)
  endif()
endif()

# lamina_settings(target): compile a target of this project.
function(lamina_settings target)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:lamina_build_settings>)
endfunction()
