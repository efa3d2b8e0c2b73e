# Sourced by bin/quickstart: a directory with a history, without a server. Needs examples/story/ground.sh.

project=$work/project
fork=$work/fork

# check DIR: sets rows and receipts; fails unless database and files of DIR are of one instant.
check() {
  report=$(run_node examples/ledger-check.mjs "$1") || fail "database and receipts of $1 do not agree: $report"
  rows=$(echo "$report" | field rows)
  receipts=$(echo "$report" | field receipts)
  echo "$rows rows, $receipts receipts, every row has its receipt, integrity_check $(echo "$report" | field integrity)"
}

# generations: how many the project has.
generations() { hold dir history "$project" --limit 1000 -q | wc -l; }

step 'A directory with a history'
hold dir init "$project" || fail 'init'

step 'A program writes it: a SQLite database and a receipt file for each row'
bin/hold dir watch "$project" --every 500ms -- \
  "$node" --disable-warning=ExperimentalWarning examples/ledger-writer.mjs "$project" "$work/acknowledged" \
  2>"$work/watch.log" &
watcher=$!
tries=0
while [ "$(generations)" -lt 4 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || fail 'the watch made no generations within a minute'
  kill -0 "$watcher" 2>/dev/null || fail 'the watch ended'
  sleep 1
done
hold dir history "$project" || fail 'history'
status=$(hold dir status "$project" -o json) || fail 'status'
writer=$(echo "$status" | field watch.commandPid)
proven 'a cut of databases and files' "writers stood still $(echo "$status" | field watch.frozenMs) ms for the last one"

step 'Everything written so far is durable when sync returns'
promised=$(cat "$work/acknowledged")
synced=$(hold dir sync "$project" -o json) || fail 'sync'
hold dir sync "$project" || fail 'sync'
proven 'sync' "$(echo "$synced" | field elapsedMs) ms, $promised rows were written before it"

step 'A checkpoint to come back to'
hold dir commit "$project" -m 'before the crash' || fail 'checkpoint'
sleep 2

step 'The watch and the program are killed with -9, and the directory is deleted'
kill -9 "$watcher" "$writer"
wait "$watcher" 2>/dev/null
last=$(cat "$work/acknowledged")
rm -rf "$project"
watcher=
writer=
[ ! -e "$project" ] || fail 'the directory is still there'
echo "The program had written $last rows. ls $project: $(ls "$project" 2>&1)"

step 'It comes back'
restored=$(hold dir restore "$project" -o json) || fail 'restore'
proven 'restore' "$(echo "$restored" | field files) files in $(echo "$restored" | field elapsedMs) ms"
check "$project"
[ "$rows" -ge "$promised" ] || fail "sync promised $promised rows, $rows came back"
[ "$rows" -le "$last" ] || [ "$rows" -le $((last + 1)) ] || fail "$rows rows came back of $last that were written"
proven 'nothing that sync promised is lost' "$promised promised, $rows back, $((last > rows ? last - rows : 0)) written after the last generation"
proven 'database and files agree' "$rows rows, $receipts receipts, integrity_check ok"

step 'Life goes on: the program runs again for three seconds'
hold dir watch "$project" --every 500ms -- timeout 3 \
  "$node" --disable-warning=ExperimentalWarning examples/ledger-writer.mjs "$project"
[ $? -eq 124 ] || fail 'the program did not run'
check "$project"

step 'A fork of it is broken, and rolled back'
forked_at=$(milliseconds)
hold dir fork "$project" "$fork" || fail 'fork'
proven 'fork' "$(($(milliseconds) - forked_at)) ms, start of the command included"
whole=$(hold dir history "$fork" --limit 1 -o json | field 0.sequence)
check "$fork"
before=$rows
run_node -e '
  const { DatabaseSync } = require("node:sqlite")
  new DatabaseSync(process.argv[1]).exec("DELETE FROM entries WHERE id % 2 = 0; CREATE TABLE oops (x)")' \
  "$fork/ledger.db" || fail 'the fork cannot be written'
rm -rf "$fork/receipts/0000"
if run_node examples/ledger-check.mjs "$fork" >/dev/null; then fail 'the broken fork passes for whole'; fi
hold dir commit "$fork" -m 'broken' || fail 'commit'
hold dir diff "$fork" | grep -v 'receipts/0000/' || fail 'diff'
rolled_at=$(milliseconds)
hold dir rollback "$fork" "$whole" || fail 'rollback'
proven 'rollback' "$(($(milliseconds) - rolled_at)) ms, start of the command included"
check "$fork"
[ "$rows" -eq "$before" ] || fail "$rows rows after the rollback, $before before"
check "$project"
[ "$rows" -eq "$before" ] || fail "the original has $rows rows, not $before: the fork reached into it"
proven 'the original never noticed' "$rows rows as before"

step 'Every byte in the store is checked'
verified=$(hold dir verify "$project" -o json) || fail 'verify'
hold dir verify "$fork" || fail 'verify'
proven 'every byte in the store' "$(echo "$verified" | field bytes) bytes, $(echo "$verified" | field chunks) chunks sound"
