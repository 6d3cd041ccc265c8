# shellcheck shell=bash disable=SC2034
# For the other scripts to source from the repository's root: sets the array `launcher` to the CMake argument that
# puts ccache before the compiler, where there is a ccache. Paths count from the root, so that a clone in another
# folder finds what an earlier one compiled.
launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1
fi
