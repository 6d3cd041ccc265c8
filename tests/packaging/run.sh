#!/usr/bin/env bash
# Uses lamina from foreign projects in each way that there is.
#
# run.sh KIND SOURCE SCRATCH COMPILER LAUNCHER GENERATOR
#
# KIND is static or shared. The library is compiled once for each kind, by a project that contains it (static:
# add_subdirectory, shared: FetchContent), with the baseline target only, because the ways to use a library do not
# depend on how many kernels are inside; then it is installed from there.
set -euo pipefail

kind=$1 source=$2 scratch=$3 compiler=$4 launcher=$5 generator=$6
here=$source/tests/packaging
version=$(sed -n 's/^project(lamina VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
step() { echo; echo "== $kind: $*"; }
# The consumer's own compile command must show nothing but what a user asked for.
check_flags() {
  local flags
  flags=$(python3 - "$1/compile_commands.json" <<'PY'
import json, sys
command = [c for c in json.load(open(sys.argv[1])) if c["file"].endswith("consumer.cpp")][0]["command"].split()
print(" ".join(word for word in command[1:] if word.startswith(("-W", "-f", "-m", "-D", "-O", "-g", "-std"))))
PY
  )
  echo "consumer's flags: $flags"
  for flag in $flags; do
    case $flag in
      -std=c++20 | -std=gnu++20 | -O0 | -DLAMINA_STATIC_DEFINE) ;;
      *) fail "the flag $flag reaches the consumer" ;;
    esac
  done
}
run_consumer() {
  local output
  output=$("$@") || fail "$1 returns $?: $output"
  echo "$output"
  [[ $output == *"sum 23; caught: "* ]] || fail "$1 prints: $output"
}

rm -rf "$scratch"
mkdir -p "$scratch"
common=(-G "$generator" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS=-O0 -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
  -DCONSUMER_SOURCE="$here/consumer.cpp" ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER="$launcher"})
inside=(-DLAMINA_SCALAR_ONLY=ON -DLAMINA_INSTALL=ON)

if [[ $kind == static ]]; then
  step "add_subdirectory"
  cmake -S "$here/subdirectory" -B "$scratch/build" "${common[@]}" "${inside[@]}" -DLAMINA_SOURCE="$source"
  library_build=$scratch/build/third_party/lamina
else
  step "FetchContent"
  cmake -S "$here/fetchcontent" -B "$scratch/build" "${common[@]}" "${inside[@]}" -DBUILD_SHARED_LIBS=ON \
    -DFETCHCONTENT_FULLY_DISCONNECTED=ON -DFETCHCONTENT_SOURCE_DIR_LAMINA="$source"
  library_build=$scratch/build/_deps/lamina-build
fi
for folder in tests tools examples bench python; do
  [[ ! -e $library_build/$folder ]] || fail "inside another project, $folder is configured as well"
done
cmake --build "$scratch/build" --parallel 2
run_consumer "$scratch/build/consumer"
check_flags "$scratch/build"
! grep -q "/hwy/" < <("$compiler" -std=c++20 -M -I "$source/include" \
  -I "$library_build/generated" "$here/consumer.cpp") || fail "a user's program includes Highway's headers"

step "install, and move the prefix"
cmake --install "$library_build" --prefix "$scratch/first" >"$scratch/install.log"
mv "$scratch/first" "$scratch/moved here"
prefix="$scratch/moved here"
find "$prefix" -type f -o -type l | sed "s|^$prefix/||" | sort
if grep -rlE "$scratch|$source" "$prefix" --include='*.cmake' --include='*.pc' --include='*.hpp'; then
  fail "these installed files name a folder of the build"
fi
for file in include/lamina/lamina.hpp include/lamina/export.hpp share/lamina/digits/digits.csv; do
  [[ -f $prefix/$file ]] || fail "$file is not installed"
done
libdir=$(dirname "$(find "$prefix" -name 'liblamina.*' | head -n 1)")

step "find_package"
cmake -S "$here/installed" -B "$scratch/installed" "${common[@]}" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED_VERSION="${version%.*}"
cmake --build "$scratch/installed"
run_consumer "$scratch/installed/consumer"
check_flags "$scratch/installed"

step "pkg-config"
export PKG_CONFIG_PATH="$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
[[ $(pkg-config --modversion lamina) == "$version" ]] || fail "pkg-config reports $(pkg-config --modversion lamina)"
for option in "" --static; do
  flags=$(pkg-config $option --cflags --libs lamina)
  echo "pkg-config $option: $flags"
  # The prefix has a space, which pkg-config writes with a backslash: eval reads it as a shell user's line does.
  eval "\"$compiler\" -std=c++20 \"$here/consumer.cpp\" -o \"$scratch/by_pkg_config\" $flags"
  LD_LIBRARY_PATH=$libdir run_consumer "$scratch/by_pkg_config"
done
if [[ $kind == shared ]]; then
  [[ $flags != *hwy* ]] || fail "a user of the shared library is asked for Highway"
  step "exported symbols"
  python3 "$here/check_symbols.py" "$libdir/liblamina.so"
  readelf -d "$libdir/liblamina.so" | grep -E "SONAME|NEEDED"
fi
