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

out=out/digits
previous=
for argument in "$@"; do
  [[ $previous != --out ]] || out=$argument
  [[ $argument != --out=* ]] || out=${argument#--out=}
  previous=$argument
done
lamina=build/demo/tools/lamina
echo
"$lamina" train digits "$@"
echo
# Reads the model back, and tests it on the images that it was not trained on.
"$lamina" eval "$out/model.safetensors"
echo
echo "model           $out/model.safetensors"
echo "learning curve  $out/curve.svg, $out/history.csv"
