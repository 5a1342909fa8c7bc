#!/usr/bin/python3
"""Money under attack: many threads, many processes, kill -9, a region that
vanishes, limits that change. Nothing is lost, nothing is charged twice."""
import decimal
import json
import os
import random
import signal
import subprocess
import threading
import time

from harness import BUILD, HERE, OPENAI, PY, eq, main, ok

D = decimal.Decimal
CLIENT = os.path.join(BUILD, 'tests/e2e/cclient')
CHAT = ('api.openai.com', '/v1/chat/completions')
DIME = D('0.1')
# Exactly $0.10: 10,000 tokens of output, nothing else costs anything.
PRICES = ('catalog: 1\nprovider: openai\nprice_version: "test"\n'
          'source: test\nprices:\n'
          '  - {model: dime, context_window: 100000, max_output_tokens: 10000,'
          ' input_per_1m: 0, output_per_1m: 10}\n')
BODY = {'model': 'dime', 'max_tokens': 10000, 'messages': []}


def config(box, *budgets, more=''):
    with open(os.path.join(box.dir, 'dime.yaml'), 'w') as f:
        f.write(PRICES)
    text = 'pricing: {files: [dime.yaml]}\n' + more
    if budgets:
        text += 'budgets:\n' + ''.join('  - {%s}\n' % b for b in budgets)
    box.config(text)


def strict(name, usd, scope='global', period='total', more=''):
    return 'name: %s, scope: "%s", period: %s, limit_usd: %s, hard: true, ' \
        'mode: strict%s' % (name, scope, period, usd, more)


def body_file(box, body=None):
    text = json.dumps(body or BODY)
    path = os.path.join(box.dir, 'body-%d.json' % hash(text))
    if not os.path.exists(path): # others may be reading it
        with open(path, 'w') as f:
            f.write(text)
    return path


def argv(box, *opts, test='out=10000', body=None):
    return [CLIENT, *map(str, opts), '-u', '%p', '-x', 'x-test: ' + test,
            *CHAT, body_file(box, body)]


def start(box, args, **env):
    return subprocess.Popen(args, env=box.env(**env), cwd=box.dir,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def statuses(procs):
    out = []
    for p in procs:
        text, err = p.communicate(timeout=100)
        eq((p.returncode, err), (0, b''), 'exit status, stderr')
        out += [int(x) for x in text.split()]
    return out


class Observer(threading.Thread):
    """Looks at the budgets all the time: never more than the limit."""

    def __init__(self, box):
        super().__init__()
        self.box, self.over, self.looks, self.on = box, [], 0, True
        self.start()

    def run(self):
        while self.on:
            p = self.box.cli('status', '--json', check=False)
            if p.returncode:
                continue
            self.looks += 1
            for b in json.loads(p.stdout, parse_float=D)['budgets']:
                used = D(b['spent_usd']) + D(b['held_usd'])
                if used > D(b['limit_usd']):
                    self.over.append((b['name'], used))
            time.sleep(0.05)

    def done(self):
        self.on = False
        self.join()
        eq(self.over, [], 'over the limit')
        ok(self.looks > 0, 'nobody looked')


def folded(box):
    """The ledger's calls, each id once."""
    seen = {}
    for r in box.rows():
        seen.setdefault(r['id'], r)
    return list(seen.values())


def balance(box, name='cap'):
    """No holds; rows = region = server, to the picodollar. Rows, budget."""
    b = box.budget_status(name)
    s = box.status()
    eq((s['holds'], s['dead_holds'], s['staged_rows']), (0, 0, 0), 'slots')
    rows = folded(box)
    eq(D(b['held_usd']), 0, 'held')
    eq(sum(r['cost_usd'] for r in rows), D(b['spent_usd']), 'rows = region')
    by_name = {r['conversation']: r for r in rows}
    eq(len(by_name), len(rows), 'one row for each request')
    came = {e['headers']['x-test-id'] for e in box.arrived(('request',))}
    for name_ in came:
        r = by_name.get(name_)
        ok(r is not None, 'no row for %s' % name_)
        eq(r['cost_usd'], DIME, 'cost of %s' % r)
    for r in rows:
        if r['conversation'] in came:
            continue
        # It never came whole: refused, not sent, or died while it was sent.
        ok(r['verdict'] == 'block' or 'abandoned' in r.get('flags', []) or
           r['cost_usd'] == 0, 'charged without a call: %s' % r)
    return rows, b


def exactly(box, n, got, calls, name='cap'):
    eq(len(got), calls, 'calls')
    eq((got.count(200), got.count(429)), (n, calls - n), 'passed, refused')
    eq(len(box.arrived()), n, 'requests that arrived')
    rows, b = balance(box, name)
    eq(len(rows), calls, 'rows')
    eq(D(b['spent_usd']), n * DIME, 'spent')


def case_thousand_threads(box):
    config(box, strict('cap', 5))
    look = Observer(box)
    got = statuses([start(box, argv(box, '-t', 1000, '-k', 128,
                                    test='out=10000;delay=300'))])
    look.done()
    exactly(box, 50, got, 1000)


def case_eight_by_64(box):
    config(box, strict('cap', 5))
    look = Observer(box)
    procs = [start(box, argv(box, '-t', 64, '-n', 2,
                             test='out=10000;delay=20')) for _ in range(8)]
    got = statuses(procs)
    look.done()
    exactly(box, 50, got, 1024)


def case_all_at_once(box):
    """The very first calls of libssl, by all threads: none slips by."""
    config(box, strict('cap', 0))
    for _ in range(6):
        got = statuses([start(box, argv(box, '-t', 32, '-b'))
                        for _ in range(3)])
        eq(got, [429] * 96, 'statuses')
    eq(len(box.arrived()), 0, 'requests that arrived')


def case_two_budgets(box):
    """The wide one refuses nothing and keeps no money of refused calls."""
    config(box, strict('wide', 1000), strict('cap', 5, 'model:dim*', 'daily'))
    got = statuses([start(box, argv(box, '-t', 64, '-n', 2,
                                    test='out=10000;delay=20'))
                    for _ in range(4)])
    exactly(box, 50, got, 512)
    w = box.budget_status('wide')
    eq((D(w['spent_usd']), D(w['held_usd']), w['blocked']), (5, 0, 0), 'wide')


def case_eight_programs(box):
    """LLMGUARD_MAX_USD=5 bash -c '...': one budget for eight programs."""
    config(box)
    code = os.path.join(box.dir, 'ask.py')
    with open(code, 'w') as f:
        f.write(ASK % json.dumps(BODY))
    curl = box.curl_argv(OPENAI, json.dumps(BODY), {
        'Content-Type': 'application/json', 'x-test': 'out=10000;delay=20'},
        ['-o', '/dev/null', '-w', '%{http_code}\\n'])
    with open(os.path.join(box.dir, 'curl.sh'), 'w') as f:
        f.write('for i in $(seq 10); do %s; done\n' % ' '.join(
            "'%s'" % a for a in curl))
    script = 'for i in 1 2 3; do %s %s & done; for i in 1 2 3; do sh %s & ' \
        'done; for i in 1 2; do %s | tr " " "\\n" & done; wait' % (
            PY, code, 'curl.sh', ' '.join("'%s'" % a for a in argv(
                box, '-t', 16, '-n', 2, test='out=10000;delay=20')))
    p = box.run(['bash', '-c', script], LLMGUARD_MAX_USD='5')
    eq((p.returncode, p.stderr), (0, b''), 'exit status, stderr')
    got = [int(x) for x in p.stdout.split()]
    eq(len(got), 3 * 20 + 3 * 10 + 2 * 32, 'calls')
    eq((got.count(200), got.count(429)), (50, len(got) - 50), 'answers')
    rows = folded(box)
    eq(sum(r['cost_usd'] for r in rows), 5, 'spent')
    eq(len(box.arrived()), 50, 'requests that arrived')
    eq(len({r['run_id'] for r in rows}), 1, 'runs')


ASK = '''import http.client, sys
for i in range(20):
    c = http.client.HTTPSConnection("api.openai.com")
    c.request("POST", "/v1/chat/completions", %r,
              {"Content-Type": "application/json",
               "x-test": "out=10000;delay=20"})
    r = c.getresponse(); r.read(); print(r.status, flush=True); c.close()
'''


def killing(box, seconds, *more):
    """Clients that are killed at random for some time."""
    end, live = time.time() + seconds, []
    rnd = random.Random(7)
    while time.time() < end:
        live.append(start(box, argv(box, '-t', rnd.choice((1, 4, 16)), '-n',
                                    50, *more, test='out=10000;delay=%d' %
                                    rnd.choice((0, 2, 30)))))
        time.sleep(rnd.random() * 0.1)
        if len(live) >= 6:
            live.pop(rnd.randrange(len(live))).send_signal(signal.SIGKILL)
    for p in live:
        p.send_signal(signal.SIGKILL)
    time.sleep(0.3)


def case_kill_at_random(box):
    config(box, strict('cap', 100000), strict('other', 100000, 'model:dime'))
    killing(box, float(os.environ.get('KILL_SECONDS', '4')))
    box.cli('status')
    rows, b = balance(box)
    eq(D(box.budget_status('other')['spent_usd']), D(b['spent_usd']), 'other')
    ok(len(rows) > 50, 'only %d rows' % len(rows))
    ok(any('abandoned' in r.get('flags', []) for r in rows), 'none died')


def case_kill_at_the_limit(box):
    config(box, strict('cap', 5))
    look = Observer(box)
    killing(box, float(os.environ.get('KILL_SECONDS', '3')))
    look.done()
    box.cli('status')
    rows, b = balance(box)
    ok(D('4.5') <= D(b['spent_usd']) <= 5, 'spent %s' % b['spent_usd'])
    ok(len([r for r in box.arrived(('request',))]) <= 50, 'arrived')


def raw(box, *writes):
    p = box.run([PY, os.path.join(HERE, 'raw_tls.py')], stdin=json.dumps(
        {'host': 'api.openai.com', 'writes': writes, 'turns': 1,
         'responses': len(writes)}))
    return p.stdout


def text(line='POST /v1/chat/completions HTTP/1.1', field='x-a: b', body=None,
         length='Content-Length: %d'):
    body = json.dumps(BODY) if body is None else body
    return '\r\n'.join([line, 'Host: api.openai.com', field,
                        'Content-Type: application/json',
                        'x-test: out=10000', length % len(body), '', body])


ODD_HEADS = {
    'a name with a space': text(field='x-a : b'),
    'no colon': text(field='no colon'),
    'a NUL': text(field='x-a: \0'),
    'two lengths': text(field='Content-Length: 1'),
    'a folded length': text(length='Content-Length:\r\n %d'),
    'a length with a sign': text(length='Content-Length: +%d'),
    'an endless head': text(field='x-a: ' + 'b' * 70000),
    'a small method': text('post /v1/chat/completions HTTP/1.1'),
    'an absolute target': text(
        'POST https://api.openai.com/v1/chat/completions HTTP/1.1'),
    'an encoded path': text('POST //v1/x/..//chat%2fcompletion%73?a HTTP/1.1'),
    'HTTP/1.0': text('POST /v1/chat/completions HTTP/1.0'),
}


def case_odd_heads(box):
    """What a lenient server may understand does not pass a full budget."""
    config(box, 'name: cap, scope: global, period: total, limit_usd: 0, '
           'hard: true')
    for what, req in ODD_HEADS.items():
        ok(b'429' in raw(box, req), what + ' was not refused')
    eq(len(box.arrived()), 0, 'requests that arrived')
    eq([r['verdict'] for r in box.rows()], ['block'] * len(ODD_HEADS), 'rows')


def case_after_an_odd_head(box):
    """Within the budget it passes as it is; the next one is seen again."""
    config(box, 'name: cap, scope: global, period: total, limit_usd: 5, '
           'hard: true')
    much = text(body=json.dumps(dict(BODY, n=100)))
    out = raw(box, ODD_HEADS['no colon'], much)
    eq((out.count(b'200 OK'), out.count(b' 429 ')), (1, 1), 'answers')
    eq(len(box.arrived()), 1, 'requests that arrived')
    rows = box.rows()
    eq([(r['verdict'], r['cost_usd'], r['usage_state']) for r in rows][0],
       ('allow', DIME, 'exact'), 'row of the odd one')
    eq(box.budget_status()['spent_usd'], DIME, 'spent')


BLIND = {
    'cut off': '{"model": "dime", "max_tokens": 1',
    'two values': '{"model": "dime", "max_tokens": 1}{"max_tokens": 9000}',
    'nested too deep': '{"x": %s%s, "model": "dime", "n": 50}' % (
        '[' * 2000, ']' * 2000),
    'with a mark': '\xef\xbb\xbf' + json.dumps(BODY),
    'many choices': '{"model": "dime", "max_tokens": 10000, "n": 1000000000}',
    'nothing allowed': '{"model": "dime", "max_tokens": 0, "n": 60}',
}


def case_strict_sees_all(box):
    """A body that we read otherwise than a server might is not bounded."""
    config(box, strict('cap', 5))
    for what, body in BLIND.items():
        ok(b'429' in raw(box, text(body=body)), what + ' was not refused')
    eq(len(box.arrived()), 0, 'requests that arrived')


def under_way(box, seconds, harm, every=0.3):
    """Clients come and go while `harm` happens again and again."""
    end, procs = time.time() + seconds, []
    while time.time() < end:
        live = [p for p in procs if p.poll() is None]
        if len(live) < 4:
            procs.append(start(box, argv(box, '-t', 4, '-n', 60,
                                         test='out=10000;delay=5')))
        time.sleep(every)
        harm()
    got = statuses(procs)
    eq(got, [200] * len(got), 'statuses')
    return len(got)


def case_region_removed(box):
    """Rows, region and server agree, also in a region built anew."""
    config(box, strict('cap', 100000))

    def harm():
        if os.path.exists(box.region):
            os.unlink(box.region)
    n = under_way(box, 2.5, harm)
    for _ in range(2):
        rows, b = balance(box)
        eq((len(rows), D(b['spent_usd'])), (n, n * DIME), 'rows, spent')
        harm()


def case_region_written_over(box):
    """In place, by noise or zeros: every row is there all the same."""
    config(box, strict('cap', 100000))
    noise = [os.urandom, bytes]

    def harm():
        noise.reverse()
        if os.path.exists(box.region):
            with open(box.region, 'r+b') as f:
                f.write(noise[0](os.path.getsize(box.region)))
    n = under_way(box, 1.5, harm)
    if os.path.exists(box.region):
        os.unlink(box.region)
    rows, b = balance(box)
    eq((len(rows), D(b['spent_usd'])), (n, n * DIME), 'rows, spent')


def case_usage_without_sense(box):
    """An empty usage is no zero, an absurd one does not end the month."""
    config(box, 'name: cap, scope: global, period: total, limit_usd: 5, '
           'hard: true')
    for bad in ('nofigures', 'absurd'):
        raw(box, text().replace('out=10000', 'bad=' + bad))
    rows = box.rows()
    eq([r['usage_state'] for r in rows], ['estimated'] * 2, 'usage_state')
    ok(all(0 < r['cost_usd'] < DIME for r in rows), 'cost %s' % rows)
    eq(D(box.budget_status()['spent_usd']), sum(r['cost_usd'] for r in rows),
       'spent')


ASKED = '''import http.client, sys
for line in sys.stdin:
    c = http.client.HTTPSConnection("api.openai.com")
    c.request("POST", "/v1/chat/completions", %r,
              {"Content-Type": "application/json", "x-test": "out=10000"})
    r = c.getresponse(); r.read(); print(r.status, flush=True); c.close()
'''


def case_limits_change(box):
    """The very next request of every program knows of it."""
    config(box, strict('cap', 2))
    code = ASKED % json.dumps(BODY)
    procs = [subprocess.Popen([PY, '-c', code], env=box.env(), cwd=box.dir,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
             for _ in range(3)]

    def ask(want, what):
        for p in procs:
            p.stdin.write(b'\n')
            p.stdin.flush()
            eq(int(p.stdout.readline()), want, what)
    ask(200, 'at first')
    for words, want in ((('set', 'cap', '--limit', '0.3'), 429),
                        (('set', 'cap', '--limit', '5'), 200),
                        (('set', 'more', '--scope', 'model:dime', '--period',
                          'total', '--limit', '0.1', '--hard'), 429),
                        (('rm', 'more'), 200),
                        (('set', 'cap', '--limit', '0'), 429),
                        (('rm', 'cap'), 200)):
        box.cli('budget', *words)
        ask(want, ' '.join(words))
    soon = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 2))
    box.cli('budget', 'set', 'cap', '--limit', '0', '--until', soon)
    ask(429, 'until then')
    time.sleep(3.5)
    ask(200, 'after it')
    for p in procs:
        p.stdin.close()
        p.wait()
    spent = sum(r['cost_usd'] for r in folded(box))
    eq(D(box.budget_status()['spent_usd']), spent, 'spent')
    eq(len(box.rows('audit')), 7, 'audit rows')


def case_stopped_and_killed(box):
    """A stopped program keeps its holds; a zombie, never reaped, does not."""
    config(box, strict('cap', 5))
    p = start(box, argv(box, '-t', 4, test='out=10000;delay=700'))
    time.sleep(0.35)
    p.send_signal(signal.SIGSTOP)
    time.sleep(0.8)
    b = box.budget_status()
    eq((D(b['spent_usd']), D(b['held_usd'])), (0, 4 * DIME), 'stopped')
    p.send_signal(signal.SIGCONT)
    eq(statuses([p]), [200] * 4, 'statuses')
    p = start(box, argv(box, '-t', 4, test='out=10000;delay=3000'))
    time.sleep(0.4)
    p.send_signal(signal.SIGKILL)
    time.sleep(0.2)
    box.cli('status')
    rows, b = balance(box)
    p.wait()
    eq(D(b['spent_usd']), 8 * DIME, 'spent')


def case_closed_without_a_place(box):
    """A guard that can keep nothing refuses under fail: closed."""
    config(box)
    for name in ('LLMGUARD_STATE_DIR', 'LLMGUARD_REGION', 'LLMGUARD_CONFIG'):
        for fail, want in (('closed', 429), ('open', 200)):
            env = {name: '/tmp/' + 'x' * 700, 'LLMGUARD_FAIL': fail}
            eq(statuses([start(box, argv(box), **env)]), [want], name + fail)


def case_odd_names(box):
    """Whose name is no UTF-8 or too long stays known to a region built anew."""
    config(box, 'name: cap, scope: "user:*", each: true, period: daily, '
           'limit_usd: 0.15, hard: true')
    names = ['\xe9', '\xff\x80 "x"', 'y' + '\xc3\xa9' * 95]
    for round_ in range(2):
        for name in names:
            out = raw(box, text(field='x-llmguard-user: ' + name))
            ok((b'429' if round_ else b' 200 ') in out, ascii(name))
        if not round_:
            os.unlink(box.region)


if __name__ == '__main__':
    main(globals())
