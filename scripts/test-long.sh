#!/usr/bin/env bash
# The long tests: other sanitizers, instruction sets and compilers. Each is a build of its own, so this takes hours on a
# small machine; scripts/test.sh is what a change has to pass.
#
# test-long.sh [--no-install] [--jobs N] [asan] [ubsan] [tsan] [scalar] [shared] [clang] [arm64] [pip]
#
#   asan, ubsan, tsan   the presets of that name, by clang 19, which compiles them five to ten times as fast as GCC
#   scalar              no SIMD target but the baseline
#   shared              liblamina.so with hidden visibility, as installed
#   clang               clang 19
#   arm64               cross-compiled, under qemu-user: NEON
#   pip                 the Python module as pip installs it, without network
#
# Without a name: all of them. Goes on after a failure and lists at the end what failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

install=true
jobs=$(nproc)
names=()
while (($# > 0)); do
  case $1 in
    --no-install) install=false ;;
    --jobs) jobs=${2:?--jobs needs a number}; shift ;;
    asan | ubsan | tsan | scalar | shared | clang | arm64 | pip) names+=("$1") ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) echo "test-long.sh: unknown test $1" >&2; exit 2 ;;
  esac
  shift
done
if ((${#names[@]} == 0)); then
  names=(asan ubsan tsan scalar shared clang arm64 pip)
fi
if $install; then
  scripts/install-deps.sh --tests --cross --python
fi
source scripts/ccache.sh

step() { echo; echo "== $* ($((SECONDS / 60)) min)"; }
# build FOLDER CMAKE-ARGUMENTS...
build() {
  step "build in $1"
  cmake -B "$1" "${launcher[@]}" "${@:2}" && cmake --build "$1" --parallel "$jobs"
}
# check FOLDER [COMMAND BEFORE CTEST...]
check() {
  step "test in $1"
  "${@:2}" ctest --test-dir "$1" --output-on-failure --parallel "$jobs" --label-regex "unit|long"
}

clang=(-DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19)
failed=()
for name in "${names[@]}"; do
  folder=build/$name
  case $name in
    asan | ubsan) build "$folder" --preset "$name" "${clang[@]}" && check "$folder" ;;
    scalar) build "$folder" --preset scalar && check "$folder" ;;
    tsan)
      # ThreadSanitizer cannot place its shadow memory where the kernel spreads addresses widely.
      fixed=(setarch "$(uname -m)" --addr-no-randomize)
      "${fixed[@]}" true 2>/dev/null || fixed=()
      build "$folder" --preset tsan "${clang[@]}" && check "$folder" "${fixed[@]}"
      ;;
    shared) build "$folder" --preset release -DBUILD_SHARED_LIBS=ON && check "$folder" ;;
    clang) build "$folder" --preset release "${clang[@]}" && check "$folder" ;;
    arm64)
      # Programs that need more than the library's own dependencies are not cross-compiled.
      scripts/arm64-root.sh build/arm64-root &&
        build "$folder" --preset release -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/arm64.cmake" -DLAMINA_BUILD_BENCHMARKS=OFF \
          -DLAMINA_BUILD_TOOLS=OFF -DLAMINA_BUILD_EXAMPLES=OFF && check "$folder"
      ;;
    pip)
      step "pip install"
      /usr/bin/python3 -m venv --system-site-packages "$folder" &&
        CMAKE_BUILD_PARALLEL_LEVEL=$jobs CMAKE_ARGS="${launcher[*]}" "$folder/bin/pip" install --no-build-isolation --no-deps . &&
        (cd "$folder" && bin/python -m pytest -q -p no:cacheprovider ../../python/tests)
      ;;
  esac || failed+=("$name")
done
echo
if ((${#failed[@]} > 0)); then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "passed: ${names[*]}"
