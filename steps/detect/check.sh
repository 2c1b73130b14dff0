#!/bin/bash
# Holds what `runner init` writes against the plain commands of real projects. Each argument is a folder of a project
# whose dependencies are installed. For each, the plain build and tests run, then those of an untouched runner.yaml,
# and a row of a Markdown table is printed. Logs stay in the folder that LOGS names.
#
#   RUNNER=bin/runner LOGS=/tmp/logs steps/detect/check.sh ~/src/ms ~/src/chi >table.md
#
# It exits with 1 if an exit code or a total differs.
set -u
runner=$(realpath "${RUNNER:-bin/runner}")
logs=${LOGS:-$(mktemp -d)}
mkdir -p "$logs"
export CI=true XDG_STATE_HOME=$logs/state RUNNER_LOG_FORMAT=json RUNNER_TIMEOUT=${RUNNER_TIMEOUT:-20m}
differs=0

# plain prints the command that a maintainer types for the build or the tests.
plain() {
	local manager=npm
	if [ -e pnpm-lock.yaml ]; then manager=pnpm; elif [ -e bun.lock ]; then manager=bun; elif [ -e yarn.lock ]; then manager=yarn; fi
	case $1 in
	build)
		if [ -e package.json ]; then
			for script in build compile; do
				grep -q "\"$script\": *\"" package.json && echo "$manager run $script" && return
			done
		fi
		if [ -e go.mod ]; then echo 'go build ./...'
		elif [ -e CMakeLists.txt ]; then echo 'cmake -S . -B build && cmake --build build'
		elif [ -e Cargo.toml ]; then echo 'cargo build --release'
		elif [ -e pom.xml ]; then echo 'mvn --batch-mode package -DskipTests'
		fi ;;
	test)
		if [ -e package.json ] && grep -q '"test": *"' package.json; then echo "$manager run test"
		elif [ -e go.mod ]; then
			# Go counts no tests unless it is asked for them.
			echo 'for m in $(find . -name go.mod -not -path "*/_*" -exec dirname {} \;); do
				[ -z "$(find "$m" -name "*_test.go" | head -1)" ] || (cd "$m" && go test -json ./...) || s=1
			done; exit ${s:-0}'
		elif [ -e pyproject.toml ] || [ -e setup.py ] || [ -e pytest.ini ]; then echo 'python3 -m pytest'
		elif [ -e CMakeLists.txt ]; then echo 'cmake -S . -B build && cmake --build build && ctest --test-dir build'
		elif [ -e Cargo.toml ]; then echo 'cargo test'
		elif [ -e pom.xml ]; then echo 'mvn --batch-mode test'
		fi ;;
	esac
}

# total prints how many tests a log of a test tool counts, in all and without the skipped ones of most tools.
total() {
	sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
		/^(\. [a-z:]+: )? *Tests  .*\([0-9]+\)/ { match($0, /\([0-9]+\)/); n += substr($0, RSTART + 1, RLENGTH - 2); next }       # vitest
		/^Tests: .* total/ { for (i = 1; i <= NF; i++) if ($i ~ /^total/) n += $(i - 1); next }                    # jest
		/^ *[0-9]+ (passing|failing|pending)/ { n += $1; next }                                                     # mocha
		/^ *[0-9]+ tests? (passed|failed)/ { n += $1; next }                                                        # ava
		/^(# |ℹ )tests [0-9]+/ { n += $3; next }                                                                    # node
		/^# total/ { n += $2; next }                                                                                # tap
		/^ *[0-9]+ pass$/ || /^ *[0-9]+ fail$/ || /^ *[0-9]+ skip$/ { n += $1; next }                                # bun
		/^=+ .*(passed|failed|error|skipped).* in [0-9.]+s/ { for (i = 2; i <= NF; i++)
			if ($i ~ /^(passed|failed|skipped|xfailed|xpassed|errors?),?$/) n += $(i - 1); next }                     # pytest
		/tests failed out of [0-9]+/ { n += $NF; next }                                                             # ctest
		/^test result: / { n += $4 + $6 + $8; next }                                                                # cargo
		/^(\[[A-Z]+\] )?Tests run: / && !/Time elapsed/ { split($0, a, /[:,]/); m = a[2] + 0; next }                 # surefire: last line
		/"Action":"(pass|fail|skip)".*"Test":/ { n++; next }                                                        # go
		END { n += m; if (n > 0) print n + 0; else print "–" }'
}

echo '| project | what init wrote for its tests | report | coverage | builds | build: plain, runner | tests: plain, runner | total: plain, runner |'
echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
for folder; do
	name=$(basename "$folder")
	cd "$folder" || exit 2
	rm -f junit.xml junit-*.xml runner.yaml
	for step in build test; do
		command=$(plain $step)
		if [ -z "$command" ]; then
			echo none >"$logs/$name.$step.code"
			: >"$logs/$name.$step.log"
			continue
		fi
		bash -c "$command" >"$logs/$name.$step.log" 2>&1 </dev/null
		echo $? >"$logs/$name.$step.code"
	done
	"$runner" init >"$logs/$name.init" 2>&1 || { echo "| $name | init failed: see $logs/$name.init |"; differs=1; continue; }
	for step in build test; do
		if grep -q "^  $step:" runner.yaml; then
			"$runner" "$step" >"$logs/$name.runner-$step.log" 2>&1 </dev/null
			echo $? >"$logs/$name.runner-$step.code"
		else
			echo none >"$logs/$name.runner-$step.code"
			: >"$logs/$name.runner-$step.log"
		fi
	done
	# in_test prints a key of the step called test on a line; folders are those of a step's artifacts, with ? for optional.
	in_test() {
		awk -v key="    $1:" '
			/^  [a-z]/ { on = $1 == "test:" }
			/^    [a-z]/ { inside = 0 }
			on && inside && /^      / { sub(/^ +/, ""); text = text " " $0 }
			on && index($0, key) == 1 { inside = 1; text = substr($0, length(key) + 2) }
			END { print text }' runner.yaml
	}
	folders() {
		awk -v step="$1:" '
			/^  [a-z]/ { on = $1 == step }
			on && /^        path: / { all = all " " $2 }
			on && /^        optional: true/ { all = all "?" }
			END { print substr(all, 2) }' runner.yaml
	}
	code() { cat "$logs/$name.$1.code"; }
	own=$(total "$logs/$name.test.log")
	sum=$(sed -n 's/.*"msg":"step [a-z]*".*"tests":\([0-9]*\).*/\1/p' "$logs/$name.runner-test.log" | tail -1)
	mark=
	for step in build test; do [ "$(code $step)" = "$(code runner-$step)" ] || mark=' **differs**'; done
	[ -z "$sum" ] || [ "$sum" = "$own" ] || mark=' **differs**'
	[ -z "$mark" ] || differs=1
	printf '| %s | `%s` | %s | %s | %s | %s, %s | %s, %s | %s, %s%s |\n' "$name" "$(in_test command | sed 's/|/\\|/g')" \
		"$(in_test reports)" "$(folders test)" "$(folders build)" "$(code build)" "$(code runner-build)" \
		"$(code test)" "$(code runner-test)" "$own" "${sum:-none}" "$mark"
	cd - >/dev/null || exit 2
done
exit $differs
