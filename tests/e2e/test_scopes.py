#!/usr/bin/python3
"""Whom a budget counts, end to end: each scope by a real client, headers that
override and never leave, hostile values, thousands of users."""
import decimal
import json
import os
import socket
import ssl
import subprocess
import time

from harness import (ANTHROPIC, EMBEDDINGS, OPENAI, PY, chat_body, eq, main,
                     ok, request, send)

D = decimal.Decimal
FULL = 'limit_usd: 0, hard: true'
HEAD = ('POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n'
        'Authorization: Bearer sk-test-0123456789\r\n'
        'Content-Type: application/json\r\n%sContent-Length: %d\r\n\r\n')

# Raw requests of stdin (JSON list), each over a connection of its own.
RAW = '''
import json, os, socket, ssl, sys
ctx = ssl.create_default_context()
for text in json.load(sys.stdin):
    s = socket.create_connection(("127.0.0.1", int(os.environ["TEST_PORT"])))
    s = ctx.wrap_socket(s, server_hostname="api.openai.com")
    s.sendall(text.encode("latin1"))
    got = b""
    while b"\\r\\n" not in got:
        more = s.recv(65536)
        if not more:
            break
        got += more
    print(got.split(b"\\r\\n")[0].decode("latin1"), flush=True)
    s.close()
'''


def raw(box, fields, **env):
    """Statuses of one call for each block of header fields."""
    body = json.dumps(chat_body())
    p = box.run([PY, '-c', RAW], stdin=json.dumps(
        [HEAD % (f, len(body)) + body for f in fields]), **env)
    out = [int(x.split()[1]) if x.strip() else 0
           for x in p.stdout.decode('latin1').splitlines()]
    eq(len(out), len(fields), 'answers; %s' % p.stderr.decode())
    return out


def budget(box, scope, more=FULL, period='daily'):
    box.config('budgets:\n  - {name: cap, scope: "%s", period: %s, %s}\n' % (
        scope, period, more))


def is_blocked(box, scope, client='http.client', url=OPENAI, body=None,
               headers=None, **env):
    budget(box, scope)
    r = request(url, body)
    r['headers'].update(headers or {})
    got, _ = send(box, client, [r], **env)
    ok(got[0]['status'] in (200, 429), 'status %s' % got[0]['status'])
    return got[0]['status'] == 429


def check(box, scope, yes, **k):
    eq(is_blocked(box, scope, **k), yes, '%s %s' % (scope, k))


def case_each_scope(box):
    key = '4cf34c2b3c6e'
    import hashlib
    key = hashlib.sha256(b'sk-test-0123456789').hexdigest()[:12]
    for scope, yes, k in (
            ('global', True, {}),
            ('project:shop', True, {'LLMGUARD_PROJECT': 'shop'}),
            ('project:sh?p', True, {'LLMGUARD_PROJECT': 'shop'}),
            ('project:shop', False, {'LLMGUARD_PROJECT': 'shopping'}),
            ('project:shop', False, {}),
            ('user:ann', True, {'LLMGUARD_USER': 'ann'}),
            ('key:' + key, True, {}),
            ('key:000000000000', False, {}),
            ('model:gpt-4o*', True, {}),
            ('model:claude*', False, {}),
            ('provider:openai', True, {}),
            ('provider:anthropic', True, {'url': ANTHROPIC}),
            ('endpoint:/v1/chat/*', True, {}),
            ('endpoint:/v1/embeddings', True, {'url': EMBEDDINGS}),
            ('endpoint:/v1/embeddings', False, {}),
            ('tag:night', True, {'LLMGUARD_TAGS': 'day,night'}),
            ('tag:night', False, {'LLMGUARD_TAGS': 'midnight'}),
            ('phase:train', True, {'LLMGUARD_PHASE': 'train'}),
            ('phase:train', False, {}),
            ('phase:infer', True, {}),
            ('run:r-*', True, {'LLMGUARD_RUN_ID': 'r-17'}),
            ('run:r-*', False, {'LLMGUARD_RUN_ID': 's-17'}),
            ('conversation:c7', True, {'LLMGUARD_CONVERSATION': 'c7 a label'}),
            ('uid:%d' % os.getuid(), True, {}),
            ('uid:4242', False, {}),
            ('process:python3*', True, {}),
            ('process:curl', False, {}),
            ('process:/usr/bin/*', True, {}),
            ('project:shop & model:gpt-4o*', True,
             {'LLMGUARD_PROJECT': 'shop'}),
            ('project:shop & model:claude*', False,
             {'LLMGUARD_PROJECT': 'shop'}),
            ('project:shop & user:ann & tag:x', True,
             {'LLMGUARD_PROJECT': 'shop', 'LLMGUARD_USER': 'ann',
              'LLMGUARD_TAGS': 'x'})):
        check(box, scope, yes, **k)


def case_body_fields(box):
    check(box, 'user:of-the-body', True, body=chat_body(user='of-the-body'))
    check(box, 'user:of-the-body', False, body=chat_body(user='of-the-body'),
          LLMGUARD_USER='mine')


def case_headers_override(box):
    env = dict(LLMGUARD_PROJECT='e', LLMGUARD_USER='e', LLMGUARD_TAGS='e',
               LLMGUARD_CONVERSATION='e', LLMGUARD_PHASE='infer')
    for name, scope, value in (('project', 'project', 'h'),
                               ('user', 'user', 'h'), ('tags', 'tag', 'h'),
                               ('conversation', 'conversation', 'h'),
                               ('phase', 'phase', 'train')):
        for client in ('http.client', 'requests'):
            check(box, scope + ':' + value, True, client=client,
                  headers={'X-LLMGuard-' + name.title(): value}, **env)
        check(box, scope + ':' + value, False, **env)
    for e in box.arrived():
        ok('llmguard' not in e['head'].lower(), e['head'])
    ok(len(box.arrived()) >= 5, 'some were let go')


def case_hostile(box):
    """Whatever stands in the headers: the call is decided, nothing leaves."""
    names = ('project', 'user', 'tags', 'conversation', 'phase')
    values = ['', ' ', '\t', 'x' * 10240, '\xff\xfe\x80', 'a\x01\x1f\x7fb',
              '\x1f\x1f', '"\\{}\'`$(id)', 'a,,,b,' + ',' * 500, '*', '?',
              '%00%0a', '\xe2\x80\xae', ','.join('t%d' % i for i in
                                                 range(2000))]
    budget(box, 'user:*', 'each: true, limit_usd: 5, hard: true')
    fields = ['X-LLMGuard-%s: %s\r\n' % (n, v) for n in names for v in values]
    fields += ['x-llmguard-user: a\r\nx-llmguard-user: b\r\n',
               'x-llmguard-user:a\r\nX-LLMGUARD-USER:   b  \r\n' * 40,
               'x-llmguard-unheard-of: 1\r\n', 'x-llmguard-: 1\r\n']
    eq(raw(box, fields), [200] * len(fields), 'all pass')
    rows = box.rows()
    eq(len(rows), len(fields), 'rows')
    for e in box.arrived():
        ok('llmguard' not in e['head'].lower(), e['head'][:300])
        ok('authorization' in e['head'].lower(), 'the rest stays')
    eq(len(box.arrived()), len(fields), 'arrived')
    ok(all(len(r['user'] or '') < 96 for r in rows), 'cut')
    eq([r['user'] for r in rows[-4:-2]], ['a', 'a'], 'the first counts')
    shown = box.cli('status').stdout
    ok(not any(c < 32 and c != 10 for c in shown), 'nothing steers a terminal')
    json.loads(box.cli('status', '--json').stdout)


def case_hostile_blocked(box):
    """A refusal names what it was about and is sound JSON all the same."""
    budget(box, 'user:*', 'each: true, limit_usd: 0, hard: true')
    for v in ('x' * 10240, '\xff\x80', 'a"b\\c', '</script>'):
        r = request()
        r['headers']['x-llmguard-user'] = v
        got, _ = send(box, 'http.client', [r])
        eq(got[0]['status'], 429, v[:20])
        ok(json.loads(got[0]['body'])['error'], 'an error object')
    eq(len(box.arrived()), 0, 'nothing left')


def case_phases(box):
    box.config('budgets:\n'
               '  - {name: train, scope: "phase:train", period: run, '
               'limit_usd: 0, hard: true}\n'
               '  - {name: infer, scope: "phase:infer", period: run, '
               'limit_usd: 1, hard: true}\n')
    for phase, want in (('train', 429), ('infer', 200), (None, 200)):
        got, _ = send(box, 'http.client', [request()], LLMGUARD_PHASE=phase,
                      LLMGUARD_RUN_ID='r1')
        eq(got[0]['status'], want, 'phase %s' % phase)
    got, _ = send(box, 'http.client', [request()], LLMGUARD_RUN_ID='r2',
                  LLMGUARD_MAX_TRAIN_USD='0', LLMGUARD_PHASE='train')
    eq(got[0]['status'], 429, 'of the environment')


def case_process_tree(box):
    """A program and all that it starts are one run."""
    budget(box, 'run:*', 'each: true, limit_usd: 0.00006, hard: true', 'total')
    body = json.dumps(chat_body(max_tokens=50))
    text = json.dumps([HEAD % ('x-test: in=100;out=50\r\n', len(body)) + body])
    sh = 'for i in 1 2 3; do sh -c "%s -c \\"\\$RAW\\" < in" ; done' % PY
    with open(os.path.join(box.dir, 'in'), 'w') as f:
        f.write(text)
    out = [box.run(['sh', '-c', sh], RAW=RAW, LLMGUARD_RUN_ID=run).stdout
           for run in ('tree1', 'tree2')]
    eq(out[0].decode().split()[1::3][0], '200', 'the first')
    ok(b' 429 ' in out[0] and b' 429 ' in out[1], 'one budget: %s' % out)
    eq(out[0], out[1], 'another run begins anew')
    rows = box.rows()
    eq({r['run_id'] for r in rows}, {'tree1', 'tree2'}, 'run ids')
    ok(len({r['pid'] for r in rows}) == 6, 'six processes')


def case_more_than_a_call_can_charge(box):
    """24 counters a call. No number of tags pushes a hard budget out; where
    the hard ones alone are more, the call is refused, not passed uncounted."""
    box.config('budgets:\n'
               '  - {name: a, scope: "tag:*", each: true, period: daily, '
               'limit_usd: 1, hard: true}\n' + ''.join(
                   '  - {name: b%02d, scope: global, period: daily, '
                   'limit_usd: 1}\n' % i for i in range(30)) +
               '  - {name: z, scope: global, period: monthly, '
               'limit_usd: 0.0003, hard: true}\n')
    tags = 'x-llmguard-tags: %s\r\nx-test: in=500;out=500\r\n' % ','.join(
        't%d' % i for i in range(40))
    eq(raw(box, [tags, tags]), [200, 429], 'the cap holds')
    rows = box.rows()
    eq([r.get('flags') for r in rows], [['unguarded', 'overshoot'], []],
       'and what was not counted is said')
    eq(rows[1]['reason'], 'over_budget', 'reason')
    eq(box.budget_status('z')['spent_usd'], rows[0]['cost_usd'], 'counted')
    box.config('budgets:\n' + ''.join(
        '  - {name: b%02d, scope: global, period: daily, limit_usd: 1, hard: '
        'true}\n' % i for i in range(25)))
    eq(raw(box, ['']), [429], 'refused')
    row = box.rows()[-1]
    eq((row['reason'], row['cost_usd']), ('too_many_budgets', 0), 'row')


def case_many_budgets(box):
    """More budgets than the region has room for names: none is lost."""
    n = 300
    box.config('budgets:\n' + ''.join(
        '  - {name: b%d, scope: "project:p%d", period: daily, limit_usd: '
        '0.00004, hard: true}\n' % (i, i) for i in range(n)))
    each = ['x-test: in=50;out=20\r\nx-llmguard-project: p%d\r\n' % i
            for i in range(0, n, 3)]
    again = ['x-llmguard-project: p%d\r\n' % i for i in (0, 150, 297)]
    eq(raw(box, each + again), [200] * len(each) + [429] * 3, 'each has its own')
    s = box.status()['budgets']
    eq({b['name'] for b in s}, {'b%d' % i for i in range(n)}, 'all are shown')
    eq(sum(b['spent_usd'] for b in s),
       sum(r['cost_usd'] for r in box.rows()), 'with what was spent')


def case_thousands(box):
    """More users than counters: the rest share one, and it is said once."""
    budget(box, 'user:*', 'each: true, max_keys: 20, limit_usd: 0.0005, '
           'hard: true')
    log = os.path.join(box.dir, 'log')
    got = raw(box, ['x-test: in=100;out=50\r\nx-llmguard-user: u%d\r\n' % i
                    for i in range(60)], LLMGUARD_LOG=log)
    eq(got[:20], [200] * 20, 'those with a counter')
    ok(200 in got[20:] and got[-1] == 429, 'the rest have one limit')
    again = raw(box, ['x-llmguard-user: u%d\r\n' % i for i in range(20)],
                LLMGUARD_LOG=log)
    eq(again, [200] * 20, 'those with a counter go on')
    s = [b for b in box.status()['budgets'] if b['name'] == 'cap']
    eq(len(s), 21, 'counters')
    shared = [b for b in s if b['value'] == '*other*']
    eq(len(shared), 1, 'the shared one')
    ok('max_keys' in shared[0]['note'], shared[0])
    eq(sum(b['spent_usd'] for b in s),
       sum(r['cost_usd'] for r in box.rows()), 'no cent is lost')
    with open(log) as f:
        text = f.read()
    eq(text.count('budget_keys_full'), 1, 'said once')
    r = request()
    r['headers']['x-llmguard-user'] = 'u59'
    out, _ = send(box, 'http.client', [r])
    ok('*other*' in out[0]['body'], 'the refusal says so: ' + out[0]['body'])


if __name__ == '__main__':
    main(globals())
