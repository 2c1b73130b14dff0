#!/bin/sh
# "Deploys" dist/ to a folder: a release for each commit, and a link that is switched to it in one step.
set -eu
target=${DEPLOY_ROOT:-.deploy}/${ENVIRONMENT:?is not set: where to?}
release=releases/${GIT_SHA:-unknown}

test -f dist/server.js || { echo "dist/ holds no build" >&2; exit 1; }
mkdir -p "$target/releases"
rm -rf "$target/$release.new"
cp -R dist "$target/$release.new"
rm -rf "${target:?}/$release"
mv "$target/$release.new" "$target/$release"
ln -sfn "$release" "$target/current.new"
mv -T "$target/current.new" "$target/current" 2>/dev/null || mv -fh "$target/current.new" "$target/current" # GNU, else BSD
echo "$ENVIRONMENT now runs $release"
