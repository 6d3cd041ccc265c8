#!/usr/bin/env bash
# Unpacks the ARM64 packages that lamina needs into a folder, for cmake/arm64.cmake. The system's own package lists
# and packages stay as they are.
#
# arm64-root.sh FOLDER
set -euo pipefail

mkdir -p "$1"
root=$(cd "$1" && pwd)
if [[ -e $root/complete ]]; then
  exit 0
fi
mkdir -p "$root"/apt/{lists,cache,state}/partial "$root/apt/cache/archives/partial"
touch "$root/apt/status"
apt=(apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root -o APT::Architecture=arm64 -o APT::Architectures=arm64
  -o Dir::State="$root/apt/state" -o Dir::State::Lists="$root/apt/lists" -o Dir::State::status="$root/apt/status"
  -o Dir::Cache="$root/apt/cache")
"${apt[@]}" update
cd "$root/apt"
"${apt[@]}" download libhwy1 libhwy-dev libgtest-dev librapidcheck-dev
for package in *.deb; do
  dpkg-deb -x "$package" "$root"
done
touch "$root/complete"
