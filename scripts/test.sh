#!/usr/bin/env bash
# Builds everything as users get it (Release, every SIMD target) and runs every test. Installs what is missing.
#
# test.sh [--no-install] [--sanitizers] [--jobs N] [-- CTEST ARGUMENTS]
#
#   --no-install   install nothing; fail where something is missing
#   --sanitizers   afterwards the tests of core and nn once more, under AddressSanitizer and UBSan, by clang 19
#   --jobs N       compile and test N things at a time; one for each processor unless told
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

install=true
sanitizers=false
jobs=$(nproc)
while (($# > 0)); do
  case $1 in
    --no-install) install=false ;;
    --sanitizers) sanitizers=true ;;
    --jobs) jobs=${2:?--jobs needs a number}; shift ;;
    --) shift; break ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) echo "test.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done

if $install; then
  wanted=(--tests --bench --python)
  if $sanitizers; then
    wanted+=(--cross)
  fi
  scripts/install-deps.sh "${wanted[@]}"
fi
source scripts/ccache.sh

step() { echo; echo "== $* ($((SECONDS / 60)) min $((SECONDS % 60)) s)"; }

step "configure"
# The Python that the packages above are for, whatever else is first in PATH.
cmake --preset release -DLAMINA_BUILD_PYTHON=ON -DPython3_EXECUTABLE=/usr/bin/python3 "${launcher[@]}"
step "build"
cmake --build --preset release --parallel "$jobs"
step "test"
ctest --preset release --parallel "$jobs" "$@"

if $sanitizers; then
  step "build with sanitizers"
  cmake --preset asan -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 -DLAMINA_BUILD_TOOLS=OFF \
    -DLAMINA_BUILD_EXAMPLES=OFF "${launcher[@]}"
  cmake --build --preset asan --parallel "$jobs"
  step "test with sanitizers"
  ctest --preset asan --parallel "$jobs" --label-regex unit --tests-regex '^(tests_)?(core|kernels|nn)_'
fi
step "done"
