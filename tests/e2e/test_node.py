#!/usr/bin/python3
"""Node with an OpenSSL of its own behaves under the guard as without: bytes,
threads, processes, its flags, its ends in the middle of a request."""
import json
import os
import re
import signal

import test_patch
from harness import HERE, eq, main, ok
from server import Certs

HOST = os.path.join(HERE, 'host.cjs')
GUARDED = 'api.openai.com'


def node(box, how, *arg, guard=True, flags=(), host=GUARDED):
    if not hasattr(box.server, 'own_key'):
        c = Certs(box.server.dir)
        c.make([GUARDED])
        box.server.own_key = c.key
    p = box.run([test_patch.node(), *flags, HOST, how, *map(str, arg)], guard,
                TEST_SNI=host, TEST_KEY=box.server.own_key,
                TEST_CERT=os.path.join(box.server.dir,
                                       'cert-%s.pem' % GUARDED))
    # traces of an exception name no pids; warnings do
    return p.returncode, p.stdout.decode(), re.sub(r'\(node:\d+\)', '',
                                                   p.stderr.decode())


def same(box, how, **k):
    bare = node(box, how, guard=False, **k)
    eq(node(box, how, **k), bare, how)
    return bare


def case_bytes(box):
    box.budget(1000)
    for host in (GUARDED, 'localhost'):
        eq(same(box, 'bytes', host=host)[0], 0, 'status')
    eq(len(box.rows()), 21 + 7, 'rows: all to the one, chat to the other')


def case_flags(box):
    box.budget(1000)
    for flags in (['--max-old-space-size=40'], ['--use-largepages=silent'],
                  ['--jitless'], ['--secure-heap=65536'],
                  ['--tls-max-v1.2'], ['--single-threaded'],
                  ['--interpreted-frames-native-stack']):
        eq(same(box, 'bytes', flags=flags)[0], 0, str(flags))


def case_storm(box):
    box.budget(100)
    for host in (GUARDED, 'localhost'):
        eq(same(box, 'storm', host=host)[0], 0, 'status')


def case_inspector(box):
    box.budget(100)
    eq(same(box, 'inspect')[0], 0, 'status')


def case_ends(box):
    """Whoever looks next settles what was under way; nothing stays held."""
    box.budget(100)
    ends = {'exit': 7, 'throw': 1, 'term': -signal.SIGTERM,
            'kill': -signal.SIGKILL, 'half': 8}
    for how, status in ends.items():
        eq(node(box, how)[0], status, how)
        eq(node(box, how, guard=False)[0], status, how + ' bare')
    s = box.budget_status()
    eq(s['held_usd'], 0, 'held')
    rows = box.rows()
    eq([r['usage_state'] for r in rows], ['estimated'] * 4,
       'rows: of half a request no byte has left')
    eq(s['spent_usd'], sum(r['cost_usd'] for r in rows), 'spent')


def case_soak(box):
    """Many connections: the process does not grow more than without."""
    box.budget(100)
    n, early, late = map(int, node(box, 'soak', 6, flags=['--expose-gc'])[1]
                         .split())
    ok(n > 200 and late - early < 24, 'RSS of %d to %d MB' % (early, late))
    eq(len(box.rows()), n, 'rows')


def case_npm(box):
    """npm itself, over its own registry code."""
    npm = '/usr/bin/npm'
    test_patch.node()
    if not os.path.exists(npm):
        raise test_patch.Skip('no npm here')
    box.budget(0)
    p = [box.run([npm, 'view', 'left', '--registry',
                  'https://localhost:%d/' % box.server.port, '--fetch-retries',
                  '0', '--json', '--cafile', box.server.ca, '--cache',
                  os.path.join(box.dir, 'npm')], guard, HOME=box.dir)
         for guard in (False, True)]
    say = [(x.returncode, json.loads(x.stdout).get('error', {}).get('code'))
           for x in p]
    eq(say[1], say[0], 'what npm says')


if __name__ == '__main__':
    main(globals())
