# Sourced by bin/quickstart: workspaces that run, on one box with a second host. Needs examples/story/ground.sh.

api=127.0.0.1:7480
apps=127.0.0.1:7481
# How long the second host's leases run: what a crash of it costs before others may go on.
lease_ms=6000

is_ready() { [ -s "$HOLDFAST_HOME/server.json" ] && hold ls; }
host_of() { hold inspect "$1" -o json | field hostId; }
id_of_host() { hold hosts -o json | run_node -e '
  const hosts = JSON.parse(require("node:fs").readFileSync(0, "utf8"))
  console.log(hosts.find(({ name }) => name === process.argv[1])?.id ?? "")' "$1"; }
knows_second_host() { [ -n "$(id_of_host second)" ]; }
# What the program in the workspace has committed.
rows_of() { hold exec "$1" -- cat acknowledged | tr -d ' \n'; }

# write_again: a service that writes the ledger, and has begun to.
write_again() {
  hold services add demo ledger -- node --disable-warning=ExperimentalWarning ledger-writer.mjs ledger acknowledged ||
    fail 'services'
  within 20 'the program does not write' rows_of demo
}

# check_workspace NAME: ends the writer and sets rows; fails unless database and files agree.
check_workspace() {
  hold services rm "$1" ledger || fail 'services rm'
  report=$(hold exec "$1" -- node --disable-warning=ExperimentalWarning ledger-check.mjs ledger) ||
    fail "database and receipts of $1 do not agree: $report"
  rows=$(echo "$report" | field rows)
  echo "$rows rows, $(echo "$report" | field receipts) receipts, every row has its receipt"
}

step 'One command: API, leases, a host, a gateway'
up_at=$(milliseconds)
bin/hold up --api "$api" --apps "$apps" >"$work/up.log" 2>&1 &
server=$!
within 60 'the server is not ready within a minute' is_ready
cat "$work/up.log"
proven 'one command to a server' "$(($(milliseconds) - up_at)) ms"

step 'A workspace: a computer that stays'
created_at=$(milliseconds)
hold create demo -- python3 -c 'print("Python runs as", __import__("getpass").getuser(), "in /workspace")' ||
  fail 'create'
proven 'a workspace and its first command' "$(($(milliseconds) - created_at)) ms, start of the command included"
hold exec demo -- node -e 'console.log("Node", process.version, "runs too")' || fail 'node'
hold exec demo -- sh -c 'ls / ; cat /etc/hostname; (ping -c 1 192.0.2.1 || echo "no network") 2>&1 | tail -n 1'

step 'It serves an app'
hold exec demo -- sh -c 'mkdir -p site && echo "<h1>Served from a workspace</h1>" >site/index.html'
url=$(hold deploy demo --service 'python3 -m http.server 8000 --bind 127.0.0.1 --directory site' --port 8000 -q) ||
  fail 'deploy'
fetch() { curl -fsS --max-time 5 -H "Host: ${url#http://}" "http://$apps/"; }
url=${url%/}
within 20 "$url does not answer" fetch
echo "$url: $(fetch)"
proven 'an app at a URL' "$(curl -fsS -o /dev/null -w '%{time_total}' -H "Host: ${url#http://}" "http://$apps/") s a request"

step 'A checkpoint, then an accident, then back'
whole=$(hold checkpoint demo -m 'before the accident' -q) || fail 'checkpoint'
hold exec demo -- sh -c 'rm -rf site && echo oops >oops' || fail 'exec'
hold diff demo || fail diff
rolled_at=$(milliseconds)
hold rollback demo "$whole" || fail 'rollback'
proven 'rollback of a running workspace' "$(($(milliseconds) - rolled_at)) ms, start of the command included"
[ "$(hold exec demo -- ls)" = site ] || fail 'the rollback did not bring the site back'
within 20 'the app did not come back' fetch
echo "The app answers again: $(fetch)"

step 'Three forks at once'
forked_at=$(milliseconds)
forks=$(hold fork demo --count 3 -q) || fail 'fork'
proven 'three forks that run' "$(($(milliseconds) - forked_at)) ms, start of the command included"
for fork_name in $forks; do
  hold exec "$fork_name" -- sh -c 'echo "$(hostname) has $(cat site/index.html)"; echo mine >mine' || fail 'a fork does not run'
done
[ "$(hold exec demo -- ls)" = site ] || fail 'a fork reached into its parent'
hold lineage demo || fail 'lineage'
for fork_name in $forks; do hold rm --force "$fork_name" || fail 'rm'; done

step 'A second host, and a program that writes all the time'
cat >"$work/second.json" <<JSON
{ "role": "host", "name": "second", "state": "$work/second", "listen": "unix:$work/second.sock",
  "clusterKeyFile": "$HOLDFAST_HOME/server/cluster.key",
  "control": "unix:$HOLDFAST_HOME/server/run/control.sock", "lease": "unix:$HOLDFAST_HOME/server/run/lease.sock",
  "store": "$HOLDFAST_HOME/server/store", "storeKeyFile": null, "runtimes": ["runc"], "volume": "auto",
  "leaseTtlMs": $lease_ms, "graceMs": 30000 }
JSON
bin/hold server "$work/second.json" >"$work/second.log" 2>&1 &
second_host=$!
within 60 'the second host does not join' knows_second_host
hold hosts || fail 'hosts'
hold cp examples/ledger-writer.mjs demo:/workspace/ledger-writer.mjs || fail 'cp'
hold cp examples/ledger-check.mjs demo:/workspace/ledger-check.mjs || fail 'cp'
write_again
sleep 2

step 'It moves to the other host while the program writes'
promised=$(rows_of demo)
handed=$(hold handoff demo --to second -o json) || fail 'handoff'
[ "$(host_of demo)" = "$(id_of_host second)" ] || fail 'it is still where it was'
proven 'handoff under load' "$(echo "$handed" | field pauseMs) ms of pause, $promised rows were written before it"
check_workspace demo
[ "$rows" -ge "$promised" ] || fail "$promised rows before the handoff, $rows after it"

step 'The host is killed with -9'
write_again
sleep 2
promised=$(rows_of demo)
hold exec demo -- hold sync || fail 'sync from inside'
kill -9 "$second_host"
wait "$second_host" 2>/dev/null
killed_at=$(milliseconds)
second_host=
recovered() { [ "$(host_of demo)" != "$(id_of_host second)" ] && hold exec demo -- true; }
within 90 'nobody recovered the workspace' recovered
proven 'recovery on another host' "$(($(milliseconds) - killed_at)) ms after kill -9, of which the lease ran $lease_ms at most"
check_workspace demo
[ "$rows" -ge "$promised" ] || fail "sync promised $promised rows, $rows came back"
proven 'nothing that sync promised is lost' "$promised promised, $rows back and more by now"
hold history demo --limit 5 || fail 'history'

step 'The server ends, with a last generation of what runs'
kill "$server"
wait "$server"
server=
