#!/usr/bin/python3
"""The clients of docs/coverage.md that are installed: no row got worse.

`make coverage` builds and fetches those that are not packages, measures all
and writes the table.
"""
import os
import signal
import sys

import harness

sys.path.append(os.path.join(harness.HERE, 'coverage'))


def main():
    if harness.sanitizer():
        print('a sanitizer must be the first library of each program')
        sys.exit(77)
    if not os.path.exists(harness.SHIM) or not os.path.exists(harness.CLI):
        print('nothing is built')
        sys.exit(77)
    signal.alarm(280)
    import coverage
    rows, bad = coverage.check(sys.argv[1:], quick=True)
    for b in bad:
        print('FAILED: ' + b)
    print('%d clients, %d worse' % (
        sum('absent' not in r for r in rows.values()), len(bad)))
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
