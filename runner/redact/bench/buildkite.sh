#!/usr/bin/env bash
# Compares the redactor with buildkite-agent's in one run: buildkite.sh [CHECKOUT]
# CHECKOUT is a checkout of github.com/buildkite/agent; without it, the tag below is cloned. It is not changed: the peer is
# built in a copy, for its packages are internal to it.
set -euo pipefail

tag=v4.0.0-beta.15
parts="internal/redact internal/replacer logger env version" # what is measured, and what that needs
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

checkout=${1-}
if [ -z "$checkout" ]; then
  checkout=$work/checkout
  git -c advice.detachedHead=false clone --quiet --depth 1 --branch "$tag" https://github.com/buildkite/agent "$checkout"
fi
# The agent's other packages need modules that cannot be had everywhere, so they and their requirements stay out. The versions
# of the rest are the agent's.
mkdir "$work/agent" "$work/input"
(cd "$checkout" && tar -cf - --exclude='*_test.go' $parts) | tar -C "$work/agent" -xf -
module=$(sed -n 's/^module //p' "$checkout/go.mod")
imports=$(cd "$work/agent" && grep -rhoE --include='*.go' '"[a-z0-9.-]+\.[a-z]+/[^"]+"' . | tr -d '"' | sort -u | tr '\n' ' ')
awk -v imports="$imports" '
  /^(module|go|toolchain) / { print }
  $2 ~ /^v[0-9]/ && index(imports, $1) { print "require " $1 " " $2 }
' "$checkout/go.mod" >"$work/agent/go.mod"
cp "$checkout/go.sum" "$work/agent"
mkdir "$work/agent/redactbench"
sed "s|github.com/buildkite/agent/v[0-9]*/|$module/|" "$here/testdata/buildkite.go" >"$work/agent/redactbench/main.go"

export CGO_ENABLED=0
(cd "$work/agent" && go mod tidy && go build -o "$work/peer" ./redactbench)
(cd "$here" && go build -o "$work/bench" .)

"$work/bench" input "$work/input"
echo "buildkite/agent $(cat "$work/agent/version/VERSION"), $(go env GOVERSION), $(nproc) processors, load $(cut -d ' ' -f 1 /proc/loadavg)"
"$work/bench" compare "$work/peer" "$work/input"
