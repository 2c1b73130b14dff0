#!/usr/bin/env bash
# Compares the redactor with buildkite-agent's in one run: buildkite.sh [CHECKOUT]
# CHECKOUT is a checkout of github.com/buildkite/agent; without it, the tag below is cloned. It is not changed: the peer is
# built in a copy, for its packages are internal to it.
set -euo pipefail

tag=v3.137.0
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/agent" "$work/input"
if [ $# -gt 0 ]; then
  tar -C "$1" --exclude=.git -cf - . | tar -C "$work/agent" -xf -
else
  git -c advice.detachedHead=false clone --quiet --depth 1 --branch "$tag" https://github.com/buildkite/agent "$work/agent"
fi
mkdir "$work/agent/redactbench"
cp "$here/testdata/buildkite.go" "$work/agent/redactbench/main.go"

export CGO_ENABLED=0
(cd "$work/agent" && go build -o "$work/peer" ./redactbench)
(cd "$here" && go build -o "$work/bench" .)

"$work/bench" input "$work/input"
echo "buildkite/agent $(cat "$work/agent/version/VERSION"), $(go env GOVERSION), $(nproc) processors"
"$work/bench" compare "$work/peer" "$work/input"
