#!/usr/bin/python3
"""Events: each once a window for all processes, whatever happens to them."""
import datetime
import json
import os
import resource
import signal
import subprocess
import time

from harness import (CLI, OPENAI, PY, chat_body, eq, main, ok, request, send)

# So many calls; ends when stdin does.
CALLS = ('import http.client, json, sys\n'
         'sys.stdin.readline()\n'
         'for i in range(int(sys.argv[1])):\n'
         '    try:\n'
         '        c = http.client.HTTPSConnection("api.openai.com")\n'
         '        c.request("POST", "/v1/chat/completions", json.dumps('
         '{"model": "gpt-4o-mini", "max_tokens": 50, "messages": []}),'
         ' {"Content-Type": "application/json"})\n'
         '        c.getresponse().read()\n'
         '    except OSError:\n'
         '        pass\n')
STATUS = {0.75: 'warning', 0.9: 'warning', 0.95: 'critical', 1: 'exceeded'}


def start(box, n, calls, **k):
    """Processes that begin together."""
    ps = [subprocess.Popen([PY, '-c', CALLS, str(calls)], env=box.env(**k),
                           cwd=box.dir, stdin=subprocess.PIPE)
          for _ in range(n)]
    for p in ps:
        p.stdin.write(b'go\n')
        p.stdin.close()
    return ps


def events(box, kind=None):
    out = []
    for name in ('events.jsonl.1', 'events.jsonl'):
        path = os.path.join(box.state, name)
        if os.path.exists(path):
            with open(path) as f:
                out += [json.loads(x) for x in f]
    return [e for e in out if kind in (None, e['event'])]


def crossed(box):
    return sorted((e['threshold'], e['level'])
                  for e in events(box, 'threshold'))


def soft(box, calls, **more):
    """A budget that so many calls use up."""
    send(box, 'http.client', [request()])
    cost = box.rows()[0]['cost_usd']
    extra = ''.join(', %s: %s' % kv for kv in more.items())
    time.sleep(0.05)
    box.config('budgets:\n  - {name: soft, scope: global, period: total, '
               'limit_usd: %s, warn_at: [0.75, 0.9, 0.95, 1]%s}\n' % (
                   cost * calls, extra))
    return cost


def case_each_crossing_once(box):
    soft(box, 60)
    for p in start(box, 8, 10):
        eq(p.wait(), 0, 'client')
    eq(len(box.rows()), 81, 'calls')
    eq(crossed(box), sorted(STATUS.items()), 'once for 8 processes')
    e = events(box, 'threshold')[0]
    eq((e['v'], e['budget'], e['scope'], e['period'], e['model'],
        e['process']), (1, 'soft', 'global', 'total',
                        'gpt-4o-mini', 'python3'), 'its keys')
    ok(e['spent_usd'] >= e['limit_usd'] * 0.75 and len(e['id']) > 8, e)
    eq(os.stat(os.path.join(box.state, 'events.jsonl')).st_mode & 0o777,
       0o600, 'mode')


def case_region_deleted(box):
    """A new region has forgotten them: the file has not."""
    soft(box, 30)
    for p in start(box, 4, 9):
        p.wait()
    eq(crossed(box), sorted(STATUS.items()), 'before')
    for name in os.listdir('/dev/shm'):
        if name.startswith(os.path.basename(box.region)):
            os.unlink('/dev/shm/' + name)
    for p in start(box, 4, 3):
        p.wait()
    eq(len(box.rows()), 49, 'calls')
    eq(crossed(box), sorted(STATUS.items()), 'not again')


def case_killed(box):
    soft(box, 40)
    ps = start(box, 8, 40)
    for i, p in enumerate(ps[:6]):
        time.sleep(0.02 * i + 0.05)
        p.send_signal(signal.SIGKILL)
    for p in ps:
        p.wait()
    box.cli('alerts')
    got = crossed(box)
    eq(got, sorted(STATUS.items()), 'each once')


def case_full_disk(box):
    """The ring keeps what no file takes, until one does."""
    soft(box, 3)
    box.cli('status')
    lines = len(events(box))
    argv = [PY, '-c', CALLS, '5']

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    p = box.run(argv, stdin='go\n', preexec_fn=no_room)
    eq(p.returncode, 0, p.stderr)
    eq(len(events(box)), lines, 'nothing in the file')
    out = box.cli('alerts', '--json').stdout.decode()
    got = [json.loads(x) for x in out.splitlines()]
    eq(sorted(e['threshold'] for e in got if e['event'] == 'threshold'),
       [0.75, 0.9, 0.95, 1], 'shown from the region')
    ok(any(e['event'] == 'tracking_failure' and e['reason'] == 'row_staged'
           for e in got), got)
    time.sleep(2.5)
    box.cli('alerts')
    eq(crossed(box), sorted(STATUS.items()), 'written by the next who can')
    box.cli('alerts')
    eq(len(events(box)), len(got), 'once')


def case_refusals(box):
    box.budget(0)
    for p in start(box, 4, 5):
        p.wait()
    eq(len([r for r in box.rows() if r['verdict'] == 'block']), 20, 'rows')
    e = events(box, 'blocked')
    eq([(x['budget'], x['level'], x['reason']) for x in e],
       [('cap', 'exceeded', 'over_budget')], 'one event')


def case_unknown_price(box):
    reqs = [request(OPENAI, chat_body(model='nobody-%d' % (i % 2)))
            for i in range(6)]
    send(box, 'http.client', reqs)
    send(box, 'http.client', reqs)
    eq(sorted(e['model'] for e in events(box, 'unknown_price')),
       sorted({r['model'] for r in box.rows()}), 'once a model')


def elapsed(w):
    at = [datetime.datetime.strptime(w[k], '%Y-%m-%dT%H:%M:%S.%fZ')
          for k in ('window_start', 'window_end')]
    now = datetime.datetime.utcnow()
    return (now - at[0]) / (at[1] - at[0])


def case_windows_and_forecast(box):
    """97 % is spent: it will not last, wherever the window is not over."""
    send(box, 'http.client', [request()])
    limit = float(box.rows()[0]['cost_usd']) * 2 / 0.97
    periods = ['hourly', 'daily', 'weekly', 'monthly', 'yearly']
    for p in periods:
        box.cli('budget', 'set', p, '--' + p, '%.12f' % limit, '--soft')
    p = send(box, 'http.client', [request()], LLMGUARD_LOG='stderr')[1]
    eq(sorted(e['budget'] for e in events(box, 'window_start')),
       sorted(periods), 'each window once')
    due = [b['name'] for b in box.status()['budgets']
           if 0.11 < elapsed(b) < 0.96]
    got = {e['budget']: e for e in events(box, 'forecast')}
    ok(due and set(due) <= set(got), '%s of %s' % (got, due))
    for e in got.values():
        ok(e['ts'] < e['exceeds_at'] < e['window_end'] and
           'will exceed' in e['message'], e)
    ok(b'forecast' in p.stderr and b'will exceed' in p.stderr, p.stderr)
    n = len(events(box, 'window_start') + events(box, 'forecast'))
    for p in start(box, 3, 1):
        p.wait()
    eq(len(events(box, 'window_start') + events(box, 'forecast')), n,
       'not again')


def case_command(box):
    soft(box, 3)
    f = subprocess.Popen([CLI, 'alerts', '--follow', '--json'],
                         env=box.env(LD_PRELOAD=None), stdout=subprocess.PIPE)
    time.sleep(0.5)
    send(box, 'http.client', [request()] * 3)
    seen = [json.loads(f.stdout.readline())['threshold'] for _ in range(4)]
    eq(seen, [0.75, 0.9, 0.95, 1], 'as they come')
    f.terminate()
    f.wait()
    out = box.cli('alerts').stdout.decode().splitlines()
    eq(len(out), 4, out)
    ok('exceeded' in out[-1] and 'soft: $' in out[-1], out[-1])
    eq(len(box.cli('alerts', '--level', 'critical').stdout.splitlines()), 2,
       'by level')
    eq(box.cli('alerts', '--event', 'forecast').stdout, b'', 'by name')
    eq(box.cli('alerts', '--since', '2099-01-01').stdout, b'', 'since')
    eq(len(box.cli('alerts', '--since', '2020-01-01').stdout.splitlines()), 4,
       'since then')
    with open(os.path.join(box.state, 'events.jsonl'), 'a') as t:
        t.write('{"v":1,"id":"torn')
    eq(len(box.cli('alerts').stdout.splitlines()), 4, 'a torn line')
    for bad in (['--level', 'x'], ['--since', 'x'], ['x']):
        eq(box.cli('alerts', *bad, check=False).returncode, 2, bad)


if __name__ == '__main__':
    main(globals())
