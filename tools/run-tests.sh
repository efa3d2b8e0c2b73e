#!/bin/sh
# Runs the tests: run-tests.sh [FILE…], by default all of them. A skipped or unfinished test fails the run:
# what is not tested here is promised to nobody. HOLDFAST_LONG=1 makes the randomised tests take longer.
set -u

cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

if [ "$#" -eq 0 ]; then
  set -- 'packages/*/src/**/*.test.ts' 'packages/*/src/**/*.fuzz.ts' 'tests/**/*.test.ts' 'tools/*.test.ts'
fi

tap=$(mktemp) || exit 1
trap 'rm -f "$tap"' EXIT

node --disable-warning=ExperimentalWarning --test --test-concurrency=2 \
  --test-reporter=dot --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$tap" "$@"
status=$?
echo

# total NAME: the number behind `# NAME` in the last lines of the report; nothing if the report was cut off.
total() { sed -n "s/^# $1 \([0-9.]*\)\$/\1/p" "$tap" | tail -n 1; }

tests=$(total tests) skipped=$(total skipped) todo=$(total todo) duration=$(total duration_ms)
echo "${tests:-0} tests, $(total pass) passed, $(total fail) failed, ${skipped:-?} skipped, ${todo:-?} to do," \
  "in $((${duration%%.*} / 1000)) s"

if [ "${tests:-0}" -eq 0 ]; then
  echo 'FAILED: no test ran' >&2
  status=1
fi
if [ "${skipped:-1}" -ne 0 ] || [ "${todo:-1}" -ne 0 ]; then
  grep -iE '# (skip|todo)' "$tap" >&2
  echo 'FAILED: tests were skipped or left to do' >&2
  status=1
fi
exit "$status"
