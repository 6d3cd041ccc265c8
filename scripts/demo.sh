#!/usr/bin/env bash
# From a bare machine to a trained network: installs what is missing, builds the lamina program, trains it on the
# handwritten digits in data/digits, and leaves model and learning curve in out/digits.
#
# demo.sh [--no-install] [OPTIONS OF `lamina train digits`, such as --epochs 5 --threads 1]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

install=true
case ${1:-} in
  --no-install) install=false; shift ;;
  -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
esac

if $install; then
  scripts/install-deps.sh --build
fi
source scripts/ccache.sh

cmake -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DLAMINA_BUILD_TESTS=OFF -DLAMINA_BUILD_EXAMPLES=OFF "${launcher[@]}"
cmake --build build/demo --parallel "$(nproc)"

lamina=build/demo/tools/lamina
out=out/digits
"$lamina" train digits --seed 1 --out "$out" "$@"
"$lamina" eval "$out/model.safetensors"

echo
echo "Left in $PWD/$out:"
ls -l "$out"
