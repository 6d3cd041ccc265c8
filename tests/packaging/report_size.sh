#!/usr/bin/env bash
# Reports how large the library is. report_size.sh LIBRARY COMPILER SCRATCH
#
# An archive is linked into a shared library first, with everything in it: that is the size a user ships.
set -euo pipefail

library=$1 compiler=$2 scratch=$3
mkdir -p "$scratch"
if [[ $library == *.a ]]; then
  "$compiler" -shared -o "$scratch/liblamina.so" -Wl,--whole-archive "$library" -Wl,--no-whole-archive \
    -Wl,--unresolved-symbols=ignore-all
  library=$scratch/liblamina.so
fi
strip -o "$scratch/stripped.so" "$library"
size "$scratch/stripped.so"
echo "liblamina.so, stripped: $(($(stat -c %s "$scratch/stripped.so") / 1024)) KiB; budget 6144 KiB"
