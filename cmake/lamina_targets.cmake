# Build settings that lamina's own targets share; nothing here reaches a consumer.

add_library(lamina_build_settings INTERFACE)
target_compile_features(lamina_build_settings INTERFACE cxx_std_20)
target_compile_options(lamina_build_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  $<$<BOOL:${LAMINA_WERROR}>:-Werror>
  # Results must not depend on whether the compiler fuses a multiply and an add.
  -ffp-contract=off
  -fno-math-errno)
if(LAMINA_SANITIZE)
  target_compile_options(lamina_build_settings INTERFACE
    -fsanitize=${LAMINA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(lamina_build_settings INTERFACE -fsanitize=${LAMINA_SANITIZE})
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
