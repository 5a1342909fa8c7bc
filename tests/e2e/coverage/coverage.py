#!/usr/bin/python3
"""Measures the clients of programs.py and compares with docs/coverage.md.

  coverage.py [-v] [-w] [WORD...]

-w writes the table anew. Rows whose client is not here keep what the table
says; a row that got worse than the table is an error. WORDs choose clients.
"""
import argparse
import concurrent.futures
import os
import queue
import sys
import time

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import measure  # noqa: E402
import programs  # noqa: E402
import table  # noqa: E402
from harness import Box, TestServer, sanitizer  # noqa: E402

JOBS = 3


def one(servers, client, look):
    server = servers.get()
    box = Box(server)
    try:
        lacks = client.lacks(box)
        if lacks:
            return {'name': client.name, 'absent': lacks}
        start = time.monotonic()
        row = measure.measure(box, client, look)
        row['took'] = time.monotonic() - start
        return row
    except Exception as e:
        return {'name': client.name, 'problem': '%s: %s' % (
            type(e).__name__, e), 'seen': 'no', 'metered': 'no',
            'refused': 'no', 'reach': '?', 'tls': '?', 'version': '?'}
    finally:
        box.close()
        servers.put(server)


def measure_all(clients, look, told, say):
    """Rows by name. What seems worse is done again, alone."""
    program = 'h2server.py'
    try:
        import h2  # noqa: F401
    except ImportError:
        program = 'server.py'
    servers, rows = queue.Queue(), {}
    for _ in range(JOBS):
        servers.put(TestServer(program))
    try:
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for row in pool.map(lambda c: one(servers, c, look), clients):
                rows[row['name']] = row
        for c in clients:
            row = rows[c.name]
            if 'absent' not in row and (row['problem'] or table.worse(
                    told.get(c.name), row, look)):
                say('again: %s: %s' % (c.name, row['problem']))
                rows[c.name] = one(servers, c, look)
    finally:
        while not servers.empty():
            servers.get().close()
    return rows


def chosen(words):
    return [c for c in programs.clients()
            if not words or any(w in c.name for w in words)]


def check(words=(), look=True, say=print, verbose=False, quick=False):
    """(rows, what is wrong); quick: without those that other tests have."""
    told, bad = table.read(), []
    clients = [c for c in chosen(words) if not (quick and c.slow)]
    rows = measure_all(clients, look, told, say)
    for name, row in rows.items():
        if 'absent' in row:
            say('%-44s skip: no %s' % (name, row['absent']))
            continue
        if verbose:
            say('%-44s %5.1f s %s' % (name, row.get('took', 0), ' | '.join(
                str(row[k]) for k in ('version', 'tls', 'reach', 'seen',
                                      'metered', 'refused'))))
        why = table.worse(told.get(name), row, look)
        if why or (row['problem'] and row['seen'] == 'yes'):
            bad.append('%s: %s %s' % (name, why, row['problem']))
    return rows, bad


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('-v', action='store_true')
    ap.add_argument('-w', action='store_true')
    ap.add_argument('words', nargs='*')
    a = ap.parse_args()
    if sanitizer():
        sys.exit('coverage is measured without a sanitizer')
    start = time.monotonic()
    rows, bad = check(a.words, verbose=a.v)
    if a.w:
        table.write(rows, programs.clients())
    for b in bad:
        print('WORSE: ' + b)
    here = [r for r in rows.values() if 'absent' not in r]
    print('%d clients, %d absent, %d worse, %.0f s' % (
        len(here), len(rows) - len(here), len(bad),
        time.monotonic() - start))
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
