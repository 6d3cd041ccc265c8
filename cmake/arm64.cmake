# Toolchain file: cross-compile for 64-bit ARM with Debian's compiler, run under qemu-user.
# scripts/arm64-root.sh fills LAMINA_ARM64_ROOT with the ARM64 libraries that lamina needs.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(LAMINA_ARM64_ROOT "${CMAKE_CURRENT_LIST_DIR}/../build/arm64-root" CACHE PATH "Unpacked ARM64 packages")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LAMINA_ARM64_ROOT)
file(REAL_PATH "${LAMINA_ARM64_ROOT}" lamina_arm64_root)
set(CMAKE_FIND_ROOT_PATH ${lamina_arm64_root})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L /usr/aarch64-linux-gnu)
