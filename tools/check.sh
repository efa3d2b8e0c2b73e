#!/bin/sh
# Runs every static check side by side: format and lint, types, dead code, architecture, tidiness.
# Prints the output of those that fail, and exits 1 if any did. Under 20 s on two cores.
set -u

cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

output=$(mktemp -d) || exit 1
trap 'rm -rf "$output"' EXIT

biome_ci() { biome ci --colors=off --error-on-warnings .; }
types() { tsc -p .; }
dead_code() { knip --no-progress --no-config-hints; }
repository() { node --test --test-reporter=dot tools/*.test.ts; }

# start NAME: runs the function of that name in the background; its exit status ends up in a file.
start() {
  (
    begin=$(date +%s)
    "$1" >"$output/$1.out" 2>&1
    echo "$? $(($(date +%s) - begin))" >"$output/$1.status"
  ) &
}

checks='biome_ci types dead_code repository'
for check in $checks; do start "$check"; done
wait

failed=0
for check in $checks; do
  read -r status seconds <"$output/$check.status" || status=1
  if [ "$status" -eq 0 ]; then
    echo "ok      $check (${seconds} s)"
  else
    failed=1
    cat "$output/$check.out"
    echo "FAILED  $check (${seconds:-?} s)"
  fi
done
exit "$failed"
