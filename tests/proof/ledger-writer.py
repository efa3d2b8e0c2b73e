"""
ledger-writer.py DATABASE JOURNAL_MODE SYNCHRONOUS FILES FSYNC ACKNOWLEDGED

Writes row n, commits it, then writes file n by a temporary name and a rename, then row n + 1, at full speed until it is
killed. With synchronous FULL the files are synced before the rename, else nothing is. FSYNC is `native` or
`suppressed`. Files and rows have a content that follows from n; the newest 64 rows are kept, and the newest 32 files,
in four directories.
"""

import os
import sqlite3
import sys

from acknowledged import Acknowledged, fsync_is_suppressed

ROWS_KEPT = 64
FILES_KEPT = 32


def content_of(n):
    return n.to_bytes(8, "big") * (1 + n * 7919 % 3000)


def path_of(files, n):
    return os.path.join(files, str(n % 4), str(n))


def write_file(files, n, is_synced):
    temporary = os.path.join(files, "temporary")
    with open(temporary, "wb") as file:
        file.write(content_of(n))
        if is_synced:
            file.flush()
            os.fsync(file.fileno())
    os.rename(temporary, path_of(files, n))
    if n > FILES_KEPT:
        os.unlink(path_of(files, n - FILES_KEPT))


def main(path, journal_mode, synchronous, files, fsync, acknowledged_path):
    assert fsync_is_suppressed() == (fsync == "suppressed"), f"fsync is not {fsync}"
    acknowledged = Acknowledged(acknowledged_path)
    database = sqlite3.connect(path, isolation_level=None)
    assert database.execute(f"PRAGMA journal_mode={journal_mode}").fetchone() == (journal_mode,)
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute("PRAGMA wal_autocheckpoint=60")
    database.execute("CREATE TABLE entry(n INTEGER PRIMARY KEY, content BLOB)")
    for part in range(4):
        os.makedirs(os.path.join(files, str(part)))
    n = 0
    while True:
        n += 1
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO entry VALUES (?, ?)", (n, content_of(n)[:400]))
        database.execute("DELETE FROM entry WHERE n <= ?", (n - ROWS_KEPT,))
        database.execute("COMMIT")
        acknowledged.set(n)
        write_file(files, n, synchronous == "FULL")


main(*sys.argv[1:])
