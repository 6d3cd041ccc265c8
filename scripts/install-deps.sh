#!/usr/bin/env bash
# Installs what lamina needs on Debian 12, Ubuntu 24.04 or newer. Installs only what is missing, and asks nothing.
#
# install-deps.sh [--build] [--tests] [--bench] [--compare] [--python] [--cross] [--all] [--dry-run]
#
#   --build    compiler, CMake, Highway, zlib, what the lamina program needs; the default, and part of all others
#   --tests    GoogleTest, RapidCheck, clang-format 14, Python 3 with NumPy, the node tests of ONNX
#   --bench    Google Benchmark
#   --compare  the libraries that scripts/compare.sh times beside lamina
#   --python   what the Python module and its tests need
#   --cross    compilers and emulator for the long tests: clang 19, ARM64
#   --all      --tests --bench --python
#   --dry-run  only say what is missing
set -euo pipefail

build=(g++ make cmake ninja-build pkg-config libhwy-dev zlib1g-dev libcli11-dev libfmt-dev)
tests=(libgtest-dev librapidcheck-dev clang-format-14 python3 python3-numpy binutils libonnx-testdata)
bench=(libbenchmark-dev)
compare=(libdnnl-dev libopenblas0-openmp libblis-openmp-dev libeigen3-dev libtorch-dev npm python3)
python=(python3 python3-dev python3-numpy pybind11-dev python3-setuptools python3-wheel python3-pip python3-venv python3-pytest
  python3-hypothesis python3-scipy python3-torch python3-matplotlib)
cross=(clang-19 libclang-rt-19-dev g++-aarch64-linux-gnu qemu-user-static)

wanted=("${build[@]}")
dry_run=false
for option in "$@"; do
  case $option in
    --build) ;;
    --tests) wanted+=("${tests[@]}") ;;
    --bench) wanted+=("${bench[@]}") ;;
    --compare) wanted+=("${compare[@]}") ;;
    --python) wanted+=("${python[@]}") ;;
    --cross) wanted+=("${cross[@]}") ;;
    --all) wanted+=("${tests[@]}" "${bench[@]}" "${python[@]}") ;;
    --dry-run) dry_run=true ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) echo "install-deps.sh: unknown option $option" >&2; exit 2 ;;
  esac
done

# A program counts as there however it was installed; a library has to be the package.
present() {
  case $1 in
    g++ | make | cmake | clang-format-14 | clang-19 | npm | python3) command -v "$1" >/dev/null && return ;;
    ninja-build) command -v ninja >/dev/null && return ;;
    pkg-config) command -v pkg-config >/dev/null && return ;;
    binutils) command -v nm >/dev/null && return ;;
  esac
  [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]
}

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps.sh knows Debian and Ubuntu. Elsewhere, install what these packages contain: ${wanted[*]}" >&2
  exit 1
fi
missing=()
for package in "${wanted[@]}"; do
  if ! present "$package" && [[ " ${missing[*]} " != *" $package "* ]]; then
    missing+=("$package")
  fi
done
if ((${#missing[@]} == 0)); then
  echo "install-deps: nothing is missing"
elif $dry_run; then
  echo "install-deps: missing: ${missing[*]}"
else
  as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "install-deps: run this as root, or have somebody install: ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  echo "install-deps: installing ${missing[*]}"
  apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
  "${apt[@]}" update </dev/null
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
fi

if command -v cmake >/dev/null; then
  version=$(cmake --version | sed -n '1s/.* //p')
  if [[ $(printf '%s\n' 3.25 "$version" | sort -V | head -n 1) != 3.25 ]]; then
    echo "install-deps: CMake 3.25 or newer is needed, this is $version" >&2
    exit 1
  fi
fi
