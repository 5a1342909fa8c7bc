#!/usr/bin/python3
"""Everything at once, for CHAOS_SECONDS (40; `make chaos`: 600).

Eight programs of up to 64 threads, of four dialects, streamed and plain, some
cut off by the server; meanwhile they are killed, stopped and continued, limits
go up and down, the config file is edited. Two observers look all the time, at
the region (`status`) and at the ledger (its files).

What must hold at every look
- `fixed`, `mine` (strict, limits never change): spent + held <= limit, and the
  ledger's rows <= limit.
- `cap` (strict, its limit moves): spent + held <= the highest limit it ever
  had; from 2 s after it was lowered, never more than both the limit and what
  was there then: nothing is admitted above a limit.

What must hold at the end, after one `llmguard status`
- no hold, no staged row; ledger = region for each budget, to the picodollar;
- every request that the server has seen whole has one row, and no row is
  there twice;
- ledger = server count, to the picodollar, where the server's count of a call
  is: what it answered, for an answer that came to its end here; the hold, for
  a call whose program was killed (`abandoned`: nobody knows what was
  answered, and it may not be less); what the guard estimates, at most the
  hold, for an answer that broke off; nothing, for a call that was refused or
  never sent. So the ledger is at least what the server charged for.
"""
import decimal
import json
import os
import random
import signal
import subprocess
import threading
import time

from harness import BUILD, eq, main, ok
from ledger import sound

D = decimal.Decimal
SECONDS = float(os.environ.get('CHAOS_SECONDS', '40'))
SEED = int(os.environ.get('CHAOS_SEED', time.time_ns() % 2 ** 32))
CLIENT = os.path.join(BUILD, 'tests/e2e/cclient')
PROCS = 8
TOKEN = D('0.00001')        # $10 for 1,000,000 of output
HOLD = 10000 * TOKEN
PROVIDERS = {'openai': 'dime', 'anthropic': 'dime-a', 'google': 'dime-g'}
PRICES = ('catalog: 1\nprovider: %s\nprice_version: "test"\nsource: test\n'
          'prices:\n  - {model: %s, context_window: 100000, '
          'max_output_tokens: 10000, input_per_1m: 0, output_per_1m: 10}\n')
GEMINI = ('generativelanguage.googleapis.com', '/v1beta/models/dime-g:')
CALLS = [       # host, path, body
    ('api.openai.com', '/v1/chat/completions',
     {'model': 'dime', 'max_tokens': 10000, 'messages': []}),
    ('api.openai.com', '/v1/responses',
     {'model': 'dime', 'max_output_tokens': 10000, 'input': 'x'}),
    ('api.anthropic.com', '/v1/messages',
     {'model': 'dime-a', 'max_tokens': 10000, 'messages': []}),
]


def strict(name, usd, scope='global', warn='0.9'):
    return '  - {name: %s, scope: "%s", period: total, limit_usd: %s, ' \
        'hard: true, mode: strict, warn_at: [%s]}\n' % (name, scope, usd, warn)


def write_config(box, warn):
    """In one step, as an editor does."""
    tmp = box.config_path + '.new'
    with open(tmp, 'w') as f:
        f.write('version: 1\npricing: {files: [%s]}\nbudgets:\n' % ', '.join(
            p + '.yaml' for p in PROVIDERS))
        f.write(strict('cap', 20, warn=warn) + strict('all', 10 ** 6) +
                strict('fixed', FIXED, 'model:dime') +
                strict('mine', FIXED, 'provider:anthropic'))
    os.rename(tmp, box.config_path)


FIXED = round(SECONDS * 1.5, 2)


def gemini(stream):
    way = 'streamGenerateContent?alt=sse' if stream else 'generateContent'
    return GEMINI[0], GEMINI[1] + way, {
        'contents': [{'role': 'user', 'parts': [{'text': 'x'}]}],
        'generationConfig': {'maxOutputTokens': 10000}}


class Fleet:
    """The programs, and what each of them asks for."""

    def __init__(self, box, rnd):
        self.box, self.rnd, self.live, self.kills = box, rnd, [], 0
        self.stopped = {}
        self.spec = []      # of program n: (output tokens, is it cut off?)

    def argv(self):
        rnd, stream = self.rnd, self.rnd.random() < 0.5
        host, path, body = rnd.choice(CALLS + [gemini(stream)])
        if stream and 'contents' not in body:
            body = dict(body, stream=True)
            if 'chat' in path:
                body['stream_options'] = {'include_usage': True}
        out, cut = rnd.randrange(1, 10001), rnd.random() < 0.2
        test = 'out=%d;delay=%d' % (out, rnd.choice((0, 2, 20, 100)))
        if cut:
            test += ';cut=%s;cutway=%s' % (
                rnd.randrange(1, 5) if stream else 'bytes:60',
                rnd.choice(('rst', 'close')))
        elif stream:
            test += ';framing=close;gap=2'
        n = len(self.spec)
        self.spec.append((out, cut))
        name = os.path.join(self.box.dir, 'body-%d.json' % n)
        with open(name, 'w') as f:
            json.dump(body, f)
        renew = ['-r'] if stream or cut or rnd.random() < 0.5 else []
        return [
            CLIENT, '-t', str(rnd.choice((4, 16, 64))), '-n',
            str(rnd.choice((5, 20, 60))), '-u', str(n), *renew, '-x',
            'x-test: ' + test, host, path, name]

    def fill(self):
        self.live = [p for p in self.live if p.poll() is None]
        while len(self.live) < PROCS:
            p = subprocess.Popen(
                self.argv(), env=self.box.env(LLMGUARD_FAIL='closed'),
                cwd=self.box.dir, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.live.append(p)

    def kill(self):
        p = self.rnd.choice(self.live)
        p.kill()
        self.kills += 1
        self.stopped.pop(p, None)

    def stop(self):
        p = self.rnd.choice(self.live)
        p.send_signal(signal.SIGSTOP)
        self.stopped[p] = time.time() + self.rnd.random()

    def go_on(self, all_=False):
        for p, until in list(self.stopped.items()):
            if all_ or time.time() > until:
                p.send_signal(signal.SIGCONT)
                del self.stopped[p]

    def end(self):
        self.go_on(True)
        time.sleep(1)
        for p in self.live:
            p.kill()
        self.kills += len(self.live)
        for p in self.live:
            p.wait()


class Limit:
    """The limit of `cap`, as it was changed."""

    def __init__(self, box, rnd):
        self.box, self.rnd, self.now, self.top = box, rnd, 20, 20
        self.since, self.floor = time.time(), None

    def change(self):
        up = self.rnd.random() < 0.7
        new = self.top + self.rnd.randrange(2, 12) if up else \
            self.rnd.randrange(0, self.now + 1)
        if new > self.now:      # before it counts
            self.floor = None
            self.top = max(self.top, new)
        self.box.cli('budget', 'set', 'cap', '--limit', str(new))
        self.now, self.since, self.floor = new, time.time(), None

    def check(self, used, begun):
        """begun: when the look began. What is wrong, or None."""
        since, now, floor = self.since, self.now, self.floor
        if used > self.top:
            return 'cap: %s of %s' % (used, self.top)
        if begun < since + 2:
            return None
        if self.since != since or self.now != now:
            return None
        if floor is not None and used > max(floor, now):
            return 'cap: %s, was %s at limit %s' % (used, floor, now)
        self.floor = used if floor is None else min(floor, used)
        return None


class Look(threading.Thread):
    """The region and the ledger, again and again."""

    def __init__(self, box, limit):
        super().__init__()
        self.box, self.limit, self.on = box, limit, True
        self.wrong, self.looks, self.at = [], 0, {}
        self.seen, self.sums = set(), {}
        self.start()

    def ledger(self):
        folder = os.path.join(self.box.state, 'ledger')
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            with open(os.path.join(folder, name), 'rb') as f:
                f.seek(self.at.get(name, 0))
                text = f.read()
            text = text[:text.rfind(b'\n') + 1]
            self.at[name] = self.at.get(name, 0) + len(text)
            for r in sound(text)[0]:
                self.row(r)

    def row(self, r):
        if r['kind'] != 'call' or r['id'] in self.seen:
            return
        self.seen.add(r['id'])
        for b in ('cap', *(['fixed'] if r['model_requested'] == 'dime' else
                           ['mine'] if r['provider'] == 'anthropic' else [])):
            self.sums[b] = self.sums.get(b, 0) + D(r['cost_usd'])

    def once(self):
        begun = time.time()
        p = self.box.cli('status', '--json', check=False)
        if p.returncode:
            return
        self.looks += 1
        for b in json.loads(p.stdout, parse_float=D)['budgets']:
            used = D(b['spent_usd']) + D(b['held_usd'])
            if b['name'] == 'cap':
                what = self.limit.check(used, begun)
                if what:
                    self.wrong.append(what)
            elif used > D(b['limit_usd']):
                self.wrong.append('%s: %s' % (b['name'], used))
        self.ledger()
        for name, most in (('cap', self.limit.top), ('fixed', FIXED),
                           ('mine', FIXED)):
            if self.sums.get(name, 0) > most:
                self.wrong.append('ledger of %s: %s' % (name, self.sums[name]))

    def run(self):
        while self.on:
            self.once()
            time.sleep(0.05)

    def done(self):
        self.on = False
        self.join()
        eq(self.wrong, [], 'at %d looks' % self.looks)
        ok(self.looks > SECONDS / 4, 'only %d looks' % self.looks)


def check_row(fleet, r, answered, came):
    """The server's count of this call, or Failed."""
    cost, est = D(r['cost_usd']), D(r['estimate_usd'])
    flags, where = r.get('flags', []), r['conversation']
    out, cut = fleet.spec[int(where.split('-')[0])]
    if r['verdict'] == 'block':
        ok(where not in came and cost == 0, 'a refused call: %s' % r)
        return D(0)
    if 'abandoned' in flags:
        eq(cost, HOLD, 'killed in flight: %s' % r)
        return HOLD
    if where not in came:
        ok(0 <= cost <= HOLD, 'not arrived: %s' % r)
        return cost
    if cut or where not in answered:
        ok(0 <= cost <= max(est, HOLD), 'broke off: %s' % r)
        return cost
    if r['usage_state'] != 'exact':     # the program ended while it read
        ok(0 <= cost <= HOLD, 'inexact: %s' % r)
        return cost
    return out * TOKEN


def all_rows(box, kills):
    """A row is torn by a kill alone."""
    rows, torn, folder = [], 0, os.path.join(box.state, 'ledger')
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), 'rb') as f:
            more, bad = sound(f.read())
        rows, torn = rows + more, torn + bad
    ok(torn <= kills, '%d torn rows, %d kills' % (torn, kills))
    return [r for r in rows if r['kind'] == 'call']


def check_end(box, fleet):
    box.cli('status')
    s = box.status()
    eq((s['holds'], s['dead_holds'], s['staged_rows']), (0, 0, 0), 'slots')
    log = box.server.log()[box.mark:]
    ids = {e['seq']: e['headers'].get('x-test-id') for e in log
           if e['event'] == 'request'}
    answered = {ids[e['seq']] for e in log if e['event'] == 'answered'}
    rows = {}
    for r in all_rows(box, fleet.kills):
        rows.setdefault(r['id'], r)
    names = {r['conversation']: r for r in rows.values()}
    eq(len(names), len(rows), 'one row for each request')
    came = set(ids.values())
    missing = [n for n in came if n not in names]
    eq(missing, [], 'requests that arrived and have no row')
    count = {}
    for r in rows.values():
        want = check_row(fleet, r, answered, came)
        eq(D(r['cost_usd']), want, 'cost of %s' % r)
        of = ['all', 'cap'] + (['fixed'] if r['model_requested'] == 'dime'
                               else ['mine'] if r['provider'] == 'anthropic'
                               else [])
        for b in of:
            count[b] = count.get(b, 0) + want
    for b in s['budgets']:
        eq(D(b['held_usd']), 0, 'held of ' + b['name'])
        eq(D(b['spent_usd']), count.get(b['name'], 0), 'ledger = region = '
           'server of ' + b['name'])
    return rows.values(), came


def case_chaos(box):
    rnd = random.Random(SEED)
    print('CHAOS_SEED=%d CHAOS_SECONDS=%g' % (SEED, SECONDS), flush=True)
    for provider, model in PROVIDERS.items():
        with open(os.path.join(box.dir, provider + '.yaml'), 'w') as f:
            f.write(PRICES % (provider, model))
    write_config(box, '0.9')
    fleet, limit = Fleet(box, rnd), Limit(box, rnd)
    look, end = Look(box, limit), time.time() + SECONDS
    harm = [fleet.kill] * 4 + [fleet.stop] * 4 + [limit.change] * 3 + \
        [lambda: write_config(box, '0.%d' % rnd.randrange(5, 9))]
    try:
        while time.time() < end:
            fleet.fill()
            time.sleep(rnd.random() * 0.3)
            fleet.go_on()
            rnd.choice(harm)()
    finally:
        fleet.end()
        time.sleep(0.5)
        look.done()
    rows, came = check_end(box, fleet)
    flags = [r for r in rows if 'abandoned' in r.get('flags', [])]
    refused = sum(r['verdict'] == 'block' for r in rows)
    print('%d programs, %d calls arrived, %d refused, %d died, %d looks' % (
        len(fleet.spec), len(came), refused, len(flags), look.looks),
        flush=True)
    ok(len(came) > 3 * SECONDS, 'only %d calls arrived' % len(came))
    ok(refused and flags, 'nothing was refused, or nobody died')
    unguarded = [r for r in rows if 'unguarded' in r.get('flags', [])]
    eq(unguarded, [], 'unguarded calls')


if __name__ == '__main__':
    main(globals(), limit=int(SECONDS) + 240)
