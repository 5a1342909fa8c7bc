#!/usr/bin/python3
"""reports: in the config: each month that is over is written once, by
whichever command reads the ledger next, or by `llmguard report --auto`."""
import datetime
import glob
import json
import os
import subprocess
import sys
import time

from harness import BUILD, CLI, Failed, eq, ok
from test_bill import Home

TODAY = datetime.datetime.now(datetime.timezone.utc).date()


def back(n):
    """The month n months ago, and its first day."""
    m = TODAY.year * 12 + TODAY.month - 1 - n
    return datetime.date(m // 12, m % 12 + 1, 1)


def name(n):
    return back(n).strftime('%Y-%m')


def files(home, at='state/reports'):
    return sorted(os.path.basename(p)
                  for p in glob.glob(os.path.join(home.dir, at, '*')))


def done(home):
    with open(home.state + '/reports.done') as f:
        return f.read().split()[0]


def fill(home):
    subprocess.run([os.path.join(BUILD, 'tests/e2e/make_ledger'),
                    home.state + '/ledger', '400', str(back(3)), '110', '3'],
                   check=True)


def case_off(home):
    for more in ('', 'reports: {}\n', 'reports: {formats: []}\n'):
        home.zone('UTC', more)
        home.run('costs')
        ok(not os.path.exists(home.state + '/reports.done'), more)
    home.run('report', '--auto', status=1)
    ok('reports:' in home.err, home.err)


def case_by_the_way(home):
    """Last month's only, once; the marker's kept month by month."""
    home.zone('UTC', 'reports: {formats: [csv, json, html, xlsx, pdf]}\n')
    plain = home.run('costs', '--json')
    want = ['llmguard-%s.%s' % (name(1), e)
            for e in ('csv', 'html', 'json', 'pdf', 'xlsx')]
    eq(files(home), want, 'files')
    eq(home.err.count('report of ' + name(1)), 5, home.err)
    ok('reports' not in plain, 'stdout is as always')
    eq(done(home), name(1), 'marker')
    with open('%s/reports/%s' % (home.state, want[2])) as f:
        got = json.load(f)
    eq(list(dict.fromkeys(g['by'] for g in got['groups'])),
       ['model', 'project', 'tag', 'day'], 'by')
    want_total = home.json('report', '--month', name(1))['total']
    eq(str(got['total']['calls']), str(want_total['calls']), 'same figures')
    mode = os.stat('%s/reports/%s' % (home.state, want[2])).st_mode & 0o777
    eq(mode, 0o600, 'mode')
    for cmd in ('costs', 'report', 'status', 'forecast'):
        home.run(cmd)
        ok('report of' not in home.err, home.err)
    eq(home.run('report', '--auto'), 'Nothing to write.\n', 'nothing due')


def case_catch_up(home):
    """Months that nobody asked in are made up for, not those before."""
    home.zone('UTC', 'reports: {formats: json, by: [user, flag], dir: out, '
              'name: "bill {month} of {user}", chart: false}\n')
    with open(home.state + '/reports.done', 'w') as f:
        f.write('%s 0\n' % name(3))
    home.run('index')
    user = subprocess.check_output(['id', '-un'], text=True).strip()
    eq(files(home, 'out'), ['bill %s of %s.json' % (name(n), user)
                            for n in (2, 1)], 'files')
    eq(done(home), name(1), 'marker')
    got = json.loads(home.run('report', '--auto', '--month', name(3),
                              '--json'))
    eq([os.path.basename(p) for p in got['files']],
       ['bill %s of %s.json' % (name(3), user)], 'one month again')
    eq(done(home), name(1), 'the marker stays')
    home.run('report', '--auto', '--month', '2026', status=2)
    home.run('report', '--auto', '--by', 'tag', status=2)
    home.run('report', '--auto', '--project', 'etl', status=2)


def case_failure(home):
    """Told, not fatal, tried again in an hour, at once when asked."""
    home.zone('UTC', 'reports: {formats: [csv], dir: /proc/none/x}\n')
    out = home.run('costs')
    ok('/proc/none' in home.err and 'report --auto' in home.err, home.err)
    ok('llmguard' not in out, out)
    home.run('costs')
    eq(home.err, '', 'told once')
    old = time.time() - 3700
    os.utime(home.state + '/reports.lock', (old, old))
    home.run('costs')
    ok('/proc/none' in home.err, 'again')
    home.run('report', '--auto', status=1)
    home.zone('UTC', 'reports: {formats: [csv]}\n')
    home.run('report', '--auto')
    eq(files(home), ['llmguard-%s.csv' % name(1)], 'made')
    home.run('costs')
    eq(home.err, '', 'well again')


def case_marks(home):
    """A damaged marker, one of a clock that was ahead."""
    home.zone('UTC', 'reports: {formats: [csv]}\n')
    for mark in ('', 'x', '2026-13 5\n', '9999-01 253370764800000\n',
                 '%s 253370764800000\n' % name(0)):
        with open(home.state + '/reports.done', 'w') as f:
            f.write(mark)
        home.run('costs')
        eq(done(home), name(1), repr(mark))


def case_refused(home):
    """A config that is refused writes nothing, wherever it points."""
    for bad in ('dir: rel, name: "../esc-{month}"', 'chart: maybe',
                'name: "x{month}"}\nbudgets: {7'):
        home.zone('UTC', 'reports: {formats: [csv], %s}\n' % bad)
        home.run('costs')
        ok('config.yaml' in home.err, home.err)
        for args in ([], ['--month', name(1)]):
            home.run('report', '--auto', *args, status=1)
            ok('refused' in home.err, home.err)
    left = glob.glob(home.dir + '/**/*.csv', recursive=True)
    eq(left, [], 'nothing is written')
    ok(not os.path.exists(home.state + '/reports.done'), 'marked')
    home.zone('UTC', 'reports: {formats: [csv]}\n')
    for month in ('2026-1x', '2026- 1', '+026-01', '2026-13', '2026-1'):
        home.run('report', '--auto', '--month', month, status=2)
    ok(set(files(home)) <= {'llmguard-%s.csv' % name(1)}, files(home))


def case_race(home):
    """Many commands at once: each file is told of by one of them."""
    home.zone('UTC', 'reports: {formats: [csv]}\n')
    home.run('index')
    os.unlink(home.state + '/reports.done')
    env = dict(os.environ, LLMGUARD_STATE_DIR=home.state,
               LLMGUARD_REGION=os.path.join(home.dir, 'region'),
               LLMGUARD_CONFIG=os.path.join(home.dir, 'config.yaml'))
    ps = [subprocess.Popen([CLI, 'costs'], env=env, text=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
          for _ in range(8)]
    errs = [p.communicate()[1] for p in ps]
    eq(sum(e.count('report of') for e in errs), 1, errs)
    eq([p.returncode for p in ps], [0] * 8, errs)


def case_config(home):
    """What cannot be meant is an error; every grouping of --by is known."""
    home.run('report', '--by', 'nosuch', status=2)
    dims = home.err.split('must be of ')[1].split('\n')[0].split()
    ok(len(dims) > 30, dims)
    for d in dims:
        home.zone('UTC', 'reports: {formats: [csv], by: [%s]}\n' % d)
        home.run('config', 'check')
    for bad, word in (('formats: [doc]', 'csv'), ('by: [colour]', 'model'),
                      ('name: same', '{month}'), ('name: "a/{month}"', '/'),
                      ('name: "{month}{day}"', '{user}'),
                      ('chart: maybe', 'true'), ('when: daily', 'formats'),
                      ('by: [%s]' % ', '.join(['model'] * 9), '8')):
        home.zone('UTC', 'reports: {%s}\n' % bad)
        home.run('config', 'check', status=1)
        ok(word in home.err, (bad, home.err))


def main():
    cases = [v for k, v in sorted(globals().items()) if k.startswith('case_')]
    failed = 0
    for case in cases:
        home = Home()
        try:
            fill(home)
            case(home)
            print('ok   ' + case.__name__)
        except Failed as e:
            failed = 1
            print('FAIL %s: %s' % (case.__name__, e))
        finally:
            home.close()
    return failed


if __name__ == '__main__':
    sys.exit(main())
