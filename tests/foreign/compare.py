#!/usr/bin/python3
"""Foreign test suites bare and under the guard: the results have to agree.

  compare.py [-V VARIANT,...] [-k WORD] [--list] [SUITE...]

Every suite runs once bare and once for each variant (guards.py). A test that
ended differently is run again three times both ways, by itself: where the bare
runs do not agree with each other it is named as unsteady, else it is a
difference. Exit status 1: a difference. What cannot be had is left out, with
the reason. FOREIGN_DIR: where sources and builds are kept (build/foreign).
"""
import argparse
import sys
import time

from guards import VARIANTS, Guard
from source import Missing
from suites import GOOD, SKIP, SUITES


def once(suite, variant, tests):
    guard = Guard(variant)
    try:
        return suite.run(guard, tests), guard.rows()
    finally:
        guard.close()


def repeatable(suite, variant, name, whole):
    """Whether a test that ended differently does so again: (bare, guarded)."""
    tests = [name] if name in whole else \
        [t for t in whole if name.startswith(t + ' ')] or [name]
    seen = {'bare': [], variant: []}
    for _ in range(3):
        for v in seen:
            seen[v].append(once(suite, v, tests)[0].get(name, 'not run'))
    return seen['bare'], seen[variant]


def show(name, variant, got, rows, start):
    n = [0, 0, 0]
    for r in got.values():
        word = r.split()[0] if r else ''
        n[0 if word in GOOD else 1 if word in SKIP else 2] += 1
    print('%-12s %-8s %5d results: %5d passed %4d skipped %4d failed%s'
          '  %.0f s' % (name, variant, len(got), *n, '' if variant == 'bare'
                        else ', %d rows' % rows, time.time() - start),
          flush=True)


def compare(name, suite, variants, word):
    suite.get()
    tests = [t for t in suite.tests() if word in t]
    start = time.time()
    bare, _ = once(suite, 'bare', tests)
    show(name, 'bare', bare, 0, start)
    bad = 0
    for v in variants:
        start = time.time()
        try:
            got, rows = once(suite, v, tests)
        except PermissionError as e:
            print('%-12s %-8s left out: %s' % (name, v, e), flush=True)
            continue
        show(name, v, got, rows, start)
        for t in sorted(set(bare) | set(got)):
            if bare.get(t) == got.get(t):
                continue
            a, b = repeatable(suite, v, t, tests)
            same = set(b) <= set(a) | {bare.get(t)}
            bad += not same
            print('    %s %s\n      bare %s, %s\n      %s %s, %s' % (
                'unsteady:' if same else 'DIFFERENT:', t, bare.get(t), a, v,
                got.get(t), b), flush=True)
    return bad


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('-V', default=','.join(VARIANTS))
    ap.add_argument('-k', default='')
    ap.add_argument('--list', action='store_true')
    ap.add_argument('suites', nargs='*', default=list(SUITES))
    a = ap.parse_args()
    bad = 0
    for name in a.suites or SUITES:
        suite = SUITES[name]()
        try:
            if a.list:
                suite.get()
                print('\n'.join(t for t in suite.tests() if a.k in t))
                continue
            bad += compare(name, suite, a.V.split(','), a.k)
        except Missing as e:
            print('%-12s left out: %s' % (name, e), flush=True)
    print('%d differences' % bad)
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
