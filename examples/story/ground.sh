# Sourced by bin/quickstart: what its stories stand on. Expects work, a directory that is theirs, and node, a Node 24.

proofs=$work/proofs
# Processes that end with the story.
watcher=
writer=
server=
second_host=

run_node() { "$node" --disable-warning=ExperimentalWarning "$@"; }
hold() { bin/hold "$@"; }

fail() {
  printf '\nFAILED: %s\n' "$1" >&2
  for log in "$work"/*.log "$work/home"/server/logs/*.log; do
    [ ! -s "$log" ] || tail -n 5 "$log" | cut -c 1-400 | sed "s|^|  ${log##*/}: |" >&2
  done
  exit 1
}

step() { printf '\n== %s\n' "$1"; }
milliseconds() { date +%s%3N; }

# field PATH: the value at a dotted path of the JSON on the standard input.
field() {
  run_node -e '
    const document = JSON.parse(require("node:fs").readFileSync(0, "utf8"))
    const value = process.argv[1].split(".").reduce((at, name) => at?.[name], document)
    console.log(typeof value === "number" ? Math.round(value) : String(value))' "$1"
}

# proven WHAT MEASURED: a line of the table at the end.
proven() { printf '%s|%s\n' "$1" "$2" >>"$proofs"; }

# within SECONDS WHAT COMMAND…: runs the command again and again until it succeeds.
within() {
  tries=$(($1 * 5)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "$what"
    sleep 0.2
  done
}
