#!/usr/bin/python3
"""Runs test suites and counts.

  run.py [-B BUILD] [-j N] [-k WORD] SUITE...

A suite is a folder of tests/. Its tests are the built programs
BUILD/tests/SUITE/test_* (from test_*.c) and the scripts
tests/SUITE/test_*.{sh,py}; `style` is tests/style.sh and `fuzz` runs every
BUILD/tests/fuzz/fuzz_* for FUZZ_SECONDS. A test passes with exit status 0 and
is skipped with 77; the last line that it printed is then the reason. The
last line here is `N passed, N failed, N skipped`.
"""
import argparse
import concurrent.futures
import glob
import os
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ALONE = {'stress', 'model', 'bench'}    # these use every core by themselves
LIMIT_S = 300       # and three times as much below a sanitizer


def fuzz_command(p, build):
    """What is found goes below the build; the seeds are only read."""
    name = os.path.basename(p)
    found = os.path.join(build, 'corpus', name)
    os.makedirs(found, exist_ok=True)
    return [p, '-max_total_time=' + os.environ.get('FUZZ_SECONDS', '10'),
            '-rss_limit_mb=1024', '-verbosity=0', '-print_final_stats=1',
            '-artifact_prefix=%s/' % os.path.dirname(found), found] + \
        glob.glob('tests/fuzz/corpus/' + name)


def tests_of(suite, build):
    if suite == 'style':
        return [['tests/style.sh']]
    if suite == 'fuzz':
        return [fuzz_command(p, build)
                for p in sorted(glob.glob('%s/tests/fuzz/fuzz_*' % build))
                if os.access(p, os.X_OK) and not p.endswith('.d')]
    found = [[p] for p in sorted(glob.glob('%s/tests/%s/test_*' % (build, suite)))
             if os.access(p, os.X_OK) and os.path.isfile(p) and
             os.path.exists('tests/%s/%s.c' % (suite, os.path.basename(p)))]
    for p in sorted(glob.glob('tests/%s/test_*' % suite)):
        if p.endswith('.py'):
            found.append(['/usr/bin/python3', p])
        elif p.endswith('.sh'):
            found.append([p])
    return found


def name_of(suite, cmd):
    path = cmd[1] if cmd[0] == '/usr/bin/python3' else cmd[0]
    return suite + '/' + os.path.basename(path)


def run(suite, cmd, env):
    start = time.time()
    slow = os.path.basename(env['B']).startswith('build-')
    limit = LIMIT_S * (3 if slow else 1)
    proc = subprocess.Popen(cmd, cwd=TOP, env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            start_new_session=True)
    try:
        out, _ = proc.communicate(timeout=limit)
        code = proc.returncode
    except subprocess.TimeoutExpired:
        os.killpg(proc.pid, signal.SIGKILL)
        out, _ = proc.communicate()
        code = 'no end after %d s' % limit
    return suite, name_of(suite, cmd), code, out.decode('utf-8', 'replace'), \
        time.time() - start


def show(result, counts, verbose):
    _, name, code, out, secs = result
    word = {0: 'ok', 77: 'skip'}.get(code, 'FAIL')
    counts[word] += 1
    reason = ''
    if code == 77:
        lines = out.strip().splitlines()
        reason = '  (%s)' % (lines[-1] if lines else 'no reason given')
    print('%-5s %-44s %6.2f s%s' % (word, name, secs, reason), flush=True)
    if word == 'FAIL' or verbose:
        tail = out.strip().splitlines()[-60:]
        print(''.join('      | %s\n' % line for line in tail), end='')
        if word == 'FAIL':
            print('      status %s' % code, flush=True)


def main():
    # A shell starts its background jobs deaf to these; tests send them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    ap = argparse.ArgumentParser()
    ap.add_argument('-B', default='build')
    ap.add_argument('-j', type=int, default=os.cpu_count() or 1)
    ap.add_argument('-k', default='')
    ap.add_argument('-v', action='store_true')
    ap.add_argument('suites', nargs='+')
    a = ap.parse_args()
    os.chdir(TOP)
    env = dict(os.environ, B=a.B, TOP=TOP)
    for k in list(env):
        if k.startswith('LLMGUARD_') or k == 'LD_PRELOAD':
            del env[k]
    counts = {'ok': 0, 'FAIL': 0, 'skip': 0}
    failed = []
    start = time.time()
    for suite in a.suites:
        cmds = [c for c in tests_of(suite, a.B) if a.k in name_of(suite, c)]
        jobs = 1 if suite in ALONE else a.j
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(run, suite, c, env) for c in cmds]
            for f in concurrent.futures.as_completed(futures):
                show(f.result(), counts, a.v)
                if f.result()[2] not in (0, 77):
                    failed.append(f.result()[1])
    for name in failed:
        print('failed: ' + name)
    print('%.0f s' % (time.time() - start))
    print('%(ok)d passed, %(FAIL)d failed, %(skip)d skipped' % counts)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
