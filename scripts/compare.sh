#!/usr/bin/env bash
# Times lamina beside oneDNN, OpenBLAS, BLIS, Eigen, PyTorch and ONNX Runtime on the same arrays, and leaves a table
# (compare.md, compare.csv), a chart (compare.svg) and the rows below their goal (goals.md) in out/compare. Installs what
# is missing. A library that cannot be had is left out, and the table says so.
#
# compare.sh [--no-install] [--quick] [OPTIONS OF bench/compare, such as --rows gemm,softmax --types f32 --threads 1]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

install=true
options=()
while (($# > 0)); do
  case $1 in
    --no-install) install=false ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) options+=("$1") ;;
  esac
  shift
done

if $install; then
  scripts/install-deps.sh --bench --compare
  # ONNX Runtime comes as a package for Node.js, of which only its shared library is used.
  if [[ ! -e build/onnxruntime/libonnxruntime.so.1 ]] && command -v npm >/dev/null; then
    mkdir -p build/onnxruntime/package
    if (cd build/onnxruntime/package && npm install --prefix . --ignore-scripts --no-audit --no-fund onnxruntime-node >/dev/null); then
      case $(uname -m) in
        x86_64) machine=x64 ;;
        *) machine=arm64 ;;
      esac
      find build/onnxruntime/package -path "*/linux/$machine/libonnxruntime.so.1" -exec cp {} build/onnxruntime/ \;
    else
      echo "compare.sh: npm cannot fetch onnxruntime-node; going on without ONNX Runtime" >&2
    fi
  fi
fi
source scripts/ccache.sh

cmake --preset release "${launcher[@]}"
cmake --build --preset release --parallel "$(nproc)" --target compare

# Questions have an answer, but leave no table.
for option in "${options[@]}"; do
  case $option in --list | --machine | --help) exec build/release/bench/compare/compare "${options[@]}" ;; esac
done
mkdir -p out/compare
build/release/bench/compare/compare --out out/compare/compare "${options[@]}"
python3 bench/compare/chart.py out/compare/compare.csv out/compare/compare.svg
python3 bench/compare/goals.py out/compare/compare.csv >out/compare/goals.md
head -1 out/compare/goals.md
echo "compare.sh: out/compare/compare.md, .csv and .svg, goals.md"
