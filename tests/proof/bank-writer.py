"""
bank-writer.py DATABASE JOURNAL_MODE SYNCHRONOUS MMAP_BYTES FSYNC ACKNOWLEDGED

A bank that runs at full speed until it is killed. FSYNC is `native` or `suppressed`: what the process must find.
Transaction n moves money between two tables, so that the sum of all balances stays 0; every eighth one touches every
account, which is more pages than the cache holds. It adds entry n, whose content follows from n, removes entry n - 16
and sets the counter to n: at any instant the bank holds exactly the entries n - 15 to n.
"""

import random
import sqlite3
import sys

from acknowledged import Acknowledged, fsync_is_suppressed

ACCOUNTS = 150
ENTRIES_KEPT = 16


def content_of(n):
    return n.to_bytes(8, "big") * (10 + n * 7919 % 1500)


def make(database):
    database.execute("BEGIN IMMEDIATE")
    for table in ("left", "right"):
        database.execute(f'CREATE TABLE "{table}"(id INTEGER PRIMARY KEY, balance INTEGER, padding BLOB)')
        rows = [(i, 0, bytes(200)) for i in range(ACCOUNTS)]
        database.executemany(f'INSERT INTO "{table}" VALUES (?, ?, ?)', rows)
        database.execute(f'CREATE INDEX "{table}_by_balance" ON "{table}"(balance)')
    database.execute("CREATE TABLE counter(n INTEGER)")
    database.execute("CREATE TABLE entry(n INTEGER PRIMARY KEY, content BLOB)")
    database.execute("INSERT INTO counter VALUES (0)")
    database.execute("COMMIT")


def transact(database, n, numbers):
    database.execute("BEGIN IMMEDIATE")
    if n % 8 == 0:
        database.execute('UPDATE "left" SET balance = balance - 3')
        database.execute("INSERT INTO entry VALUES (?, ?)", (n, content_of(n)))
        database.execute('UPDATE "right" SET balance = balance + 3')
    else:
        amount, payer, payee = numbers.randrange(1000), numbers.randrange(ACCOUNTS), numbers.randrange(ACCOUNTS)
        database.execute('UPDATE "left" SET balance = balance - ? WHERE id = ?', (amount, payer))
        database.execute("INSERT INTO entry VALUES (?, ?)", (n, content_of(n)))
        database.execute('UPDATE "right" SET balance = balance + ? WHERE id = ?', (amount, payee))
    database.execute("DELETE FROM entry WHERE n <= ?", (n - ENTRIES_KEPT,))
    database.execute("UPDATE counter SET n = ?", (n,))
    database.execute("COMMIT")


def main(path, journal_mode, synchronous, mmap_bytes, fsync, acknowledged_path):
    assert fsync_is_suppressed() == (fsync == "suppressed"), f"fsync is not {fsync}"
    acknowledged = Acknowledged(acknowledged_path)
    database = sqlite3.connect(path, isolation_level=None)
    assert database.execute(f"PRAGMA journal_mode={journal_mode}").fetchone() == (journal_mode,)
    assert database.execute(f"PRAGMA mmap_size={mmap_bytes}").fetchone() == (int(mmap_bytes),)
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute("PRAGMA cache_size=8")
    database.execute("PRAGMA wal_autocheckpoint=60")
    make(database)
    numbers = random.Random(7)
    n = 0
    while True:
        n += 1
        transact(database, n, numbers)
        acknowledged.set(n)


main(*sys.argv[1:])
