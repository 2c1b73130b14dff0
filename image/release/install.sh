#!/bin/sh
# Installs the runner: downloads one binary, checks it, and puts it into a folder.
#
#   curl -fsSL https://github.com/carlin-cicd/runner/releases/latest/download/install.sh | sh
#
# Options, after `| sh -s --`:
#   --to FOLDER    where to: by default /usr/local/bin if it can be written to, else ~/.local/bin
#   --version vX   another release than this script's own; its checksum then comes from its SHA256SUMS
#   --from URL     where releases are: by default https://github.com/carlin-cicd/runner/releases/download
#   --provenance   also require GitHub's signed statement that the release workflow built the binary (needs gh, logged in)
set -eu

own=v@VERSION@
checksums='@LINUX_AMD64@  runner-linux-amd64
@LINUX_ARM64@  runner-linux-arm64
@DARWIN_AMD64@  runner-darwin-amd64
@DARWIN_ARM64@  runner-darwin-arm64'

fail() {
	echo "install.sh: $*" >&2
	exit 1
}

fetch() { # URL FILE
	if command -v curl >/dev/null; then
		# An address with https does not lead to one without.
		case $1 in https:*) only='=https' ;; *) only='=https,http,file' ;; esac
		curl --fail --silent --show-error --location --proto "$only" --retry 3 --max-time 300 --output "$2" "$1"
	elif command -v wget >/dev/null; then
		wget -q -T 60 -O "$2" "$1"
	else
		fail "neither curl nor wget is installed: install one of them"
	fi || fail "$1 cannot be downloaded: check the version and the network"
}

digest() { # FILE
	if command -v sha256sum >/dev/null; then
		sha256sum "$1" | cut -d ' ' -f 1
	elif command -v shasum >/dev/null; then
		shasum -a 256 "$1" | cut -d ' ' -f 1
	elif command -v openssl >/dev/null; then
		openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
	else
		fail "no program computes SHA-256 here: install sha256sum, shasum or openssl"
	fi
}

platform() {
	system=$(uname -s) machine=$(uname -m)
	case $system in
	Linux) system=linux ;;
	Darwin) system=darwin ;;
	*) fail "there is no binary for $system: Linux and macOS have one" ;;
	esac
	case $machine in
	x86_64 | amd64) machine=amd64 ;;
	arm64 | aarch64) machine=arm64 ;;
	*) fail "there is no binary for $machine: x86_64 and arm64 have one" ;;
	esac
	echo "runner-$system-$machine"
}

# All of it is read before anything runs, so that half a download of this script does nothing.
main() {
	to='' version=$own from=https://github.com/carlin-cicd/runner/releases/download provenance=
	while [ $# -gt 0 ]; do
		case $1 in
		--provenance) provenance=yes && shift && continue ;;
		--to | --version | --from) [ $# -gt 1 ] || fail "$1 has no value" ;;
		*) fail "there is no option $1: --to, --version, --from and --provenance are known" ;;
		esac
		case $1 in
		--to) to=$2 ;;
		--version) version=v${2#v} ;;
		--from) from=${2%/} ;;
		esac
		shift 2
	done
	if [ -z "$to" ]; then
		if [ -w /usr/local/bin ]; then to=/usr/local/bin; else to=$HOME/.local/bin; fi
	fi

	file=$(platform)
	mkdir -p "$to"
	folder=$(mktemp -d "$to/.runner-install.XXXXXX") || fail "$to cannot be written to: choose another folder with --to"
	trap 'rm -rf "$folder"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	if [ "$version" != "$own" ]; then
		fetch "$from/$version/SHA256SUMS" "$folder/SHA256SUMS"
		checksums=$(cat "$folder/SHA256SUMS")
	fi
	want=$(printf '%s\n' "$checksums" | awk -v file="$file" '$2 == file { print $1 }')
	[ -n "$want" ] || fail "the checksums of $version do not name $file: the release has no such binary"
	fetch "$from/$version/$file" "$folder/$file"
	got=$(digest "$folder/$file")
	[ "$got" = "$want" ] || fail "$file of $version has the SHA-256 $got, not $want: nothing was installed. Try again; if it stays, report it"
	if [ -n "$provenance" ]; then
		command -v gh >/dev/null || fail "--provenance needs GitHub's gh: install it, or leave the option out"
		gh attestation verify "$folder/$file" --repo carlin-cicd/runner --signer-workflow carlin-cicd/runner/.github/workflows/release.yml ||
			fail "the provenance of $file cannot be verified: nothing was installed"
	fi
	chmod 755 "$folder/$file"
	mv -f "$folder/$file" "$to/runner"
	echo "runner $version is in $to/runner, its SHA-256 is $got"
	case ":$PATH:" in
	*":$to:"*) ;;
	*) echo "$to is not on your PATH: add it in your shell's profile" ;;
	esac
}

main "$@"
