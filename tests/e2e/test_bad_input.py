#!/usr/bin/python3
"""Broken configs, regions, requests and answers: a clear error or a flagged
row, never a crash, a hang or lost money."""
import json
import os

from harness import (ANTHROPIC, OPENAI, chat_body, eq, main, ok, request,
                     send)

BAD_CONFIGS = {
    'not yaml': ('budgets: [}\n', ''),
    'unknown key': ('budgts: []\n', 'budgts'),
    'unknown key of a budget': (
        'budgets:\n  - {name: a, limt_usd: 5, period: daily}\n', 'limt_usd'),
    'negative limit': ('budgets:\n  - {name: a, scope: global, '
                       'period: daily, limit_usd: -1}\n', '-1'),
    'huge limit': ('budgets:\n  - {name: a, scope: global, '
                   'period: daily, limit_usd: 1e30}\n', '1e30'),
    'limit over the top': ('budgets:\n  - {name: a, scope: global, period: '
                           'daily, limit_usd: 9000001}\n', '9000001'),
    'unknown period': ('budgets:\n  - {name: a, scope: global, '
                       'period: fortnightly, limit_usd: 1}\n', 'fortnightly'),
    'unknown zone': ('timezone: Mars/Olympus\n', 'Mars/Olympus'),
    'unknown scope': ('budgets:\n  - {name: a, scope: "planet:x", period: '
                      'daily, limit_usd: 1}\n', 'planet'),
    'bomb of aliases': ('a: &a [x, x]\n' + ''.join(
        '%s: &%s [*%s, *%s]\n' % (y, y, x, x)
        for x, y in zip('abcdefghijklmnop', 'bcdefghijklmnopq')), ''),
}


def case_configs(box):
    for name, (text, word) in BAD_CONFIGS.items():
        box.config(text)
        p = box.cli('config', 'check', check=False)
        said = (p.stdout + p.stderr).decode()
        eq(p.returncode, 1, name + ': exit status of config check')
        ok('llmguard.yaml' in said, name + ': names the file: ' + said)
        ok(word in said, name + ': names the value: ' + said)
        ok(any(ch.isdigit() for ch in said), name + ': names a line')
        got, p = send(box, 'curl', [request()])
        eq((got[0]['status'], p.stderr), (200, b''), name + ': fail open')
        got, p = send(box, 'curl', [request()], LLMGUARD_FAIL='closed')
        eq(got[0]['status'], 429, name + ': fail closed')


def case_config_breaks_later(box):
    """A broken edit leaves the last good config in force."""
    box.budget(0)
    got, _ = send(box, 'curl', [request()])
    eq(got[0]['status'], 429, 'good config')
    box.config('budgets: [}\n')
    got, _ = send(box, 'curl', [request()])
    eq(got[0]['status'], 429, 'last good one in force')


def case_env_limits(box):
    box.config(None)
    for bad in ('abc', '-1', '1e30', '', '0x10', '5 USD', 'nan', '9' * 400):
        log = os.path.join(box.dir, 'log')
        got, p = send(box, 'curl', [request()], LLMGUARD_MAX_USD=bad,
                      LLMGUARD_LOG=log)
        eq((got[0]['status'], p.stderr), (200, b''), 'open: %r' % bad)
        if bad:
            with open(log) as f:
                ok('LLMGUARD_MAX_USD' in f.read(), 'the log names it')
            os.unlink(log)
            got, p = send(box, 'curl', [request()], LLMGUARD_MAX_USD=bad,
                          LLMGUARD_FAIL='closed')
            eq(got[0]['status'], 429, 'closed: %r' % bad)
    for good in ('5', '5.00', '0.5', '.5', '5e0'):
        got, _ = send(box, 'curl', [request()], LLMGUARD_MAX_USD=good)
        eq(got[0]['status'], 200, good)
    got, _ = send(box, 'curl', [request()], LLMGUARD_MAX_USD='0')
    eq(got[0]['status'], 429, 'zero blocks all')


def region_of(box, make):
    make(box.region)
    got, p = send(box, 'curl', [request()])
    eq((got[0]['status'], p.stderr), (200, b''), 'program')
    p = box.cli('status', check=False)
    ok(p.returncode in (0, 1), 'status ends with %d' % p.returncode)


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)
    os.chmod(path, 0o600)


def case_foreign_region(box):
    box.budget(5)
    for data in (b'', b'x', b'\0' * 100, b'hello\n' * 100000, b'\0' * (4 << 20),
                 os.urandom(4 << 20)):
        region_of(box, lambda p: write(p, data))
        os.path.exists(box.region) and os.unlink(box.region)


def case_region_symlink_and_modes(box):
    box.budget(5)
    victim = os.path.join(box.dir, 'victim')
    write(victim, b'precious')
    os.symlink(victim, box.region)
    got, p = send(box, 'curl', [request()])
    eq((got[0]['status'], p.stderr), (200, b''), 'symlink')
    with open(victim, 'rb') as f:
        eq(f.read(), b'precious', 'the file behind the link')
    os.unlink(box.region)
    os.mkdir(box.region)
    got, p = send(box, 'curl', [request()])
    eq((got[0]['status'], p.stderr), (200, b''), 'folder')
    os.rmdir(box.region)
    os.mkfifo(box.region)
    got, p = send(box, 'curl', [request()])
    eq((got[0]['status'], p.stderr), (200, b''), 'fifo')


def case_damaged_region(box):
    """A region cut short or overwritten in its head: rebuilt or refused."""
    box.budget(5)
    got, _ = send(box, 'curl', [request(test='in=1000;out=10')])
    good = open(box.region, 'rb').read()
    for i, data in enumerate((good[:4096], good[:len(good) // 2],
                              b'\xff' * 4096 + good[4096:],
                              good[:64] + b'\xff' * 512 + good[576:])):
        os.unlink(box.region)
        write(box.region, data)
        got, p = send(box, 'curl', [request(test='in=1000;out=10')])
        eq((got[0]['status'], p.stderr), (200, b''), 'damage %d' % i)


def case_region_lost(box):
    """rm of the region: what the ledger knows counts again."""
    box.budget('1')
    send(box, 'curl', [request(test='in=1000;out=1000000')])
    spent = box.budget_status()['spent_usd']
    ok(spent > 0.5, 'spent %s' % spent)
    os.unlink(box.region)
    eq(box.budget_status()['spent_usd'], spent, 'after the rebuild')
    os.unlink(box.region)
    got, _ = send(box, 'curl', [request(test='in=1000;out=1000000')])
    got, _ = send(box, 'curl', [request()])
    eq(got[0]['status'], 429, 'the budget is exceeded')


def case_garbage_requests(box):
    """What we cannot read passes, and leaves a row."""
    box.budget(5)
    bodies = ['{"model": ', 'not json', '[]', '{}', '"x"', '{"model":1}',
              '\x00\x01\x02', '{"model":"a","model":"b"}',
              '{"model":"gpt-4o-mini","max_tokens":1e400,"messages":[]}',
              '{"model":"gpt-4o-mini","max_tokens":-5,"messages":[]}',
              '{"model":"gpt-4o-mini","n":1e18,"messages":[]}',
              '{"model":"\\ud800","messages":[]}', '{' * 5000]
    for i, b in enumerate(bodies):
        got, p = send(box, 'curl', [request(OPENAI, b)])
        ok(got[0]['status'] in (200, 429), '%r: %s' % (b[:40],
                                                       got[0]['status']))
        eq(p.returncode, 0, 'curl')
        eq(len(box.rows()), i + 1, 'rows after %r' % b[:40])
    eq(box.budget_status()['held_usd'], 0, 'held')


def case_model_names(box):
    """Control characters and odd text in a model's name stay harmless."""
    for name in ('a\x00b', 'a\nb"\\', '\x1b[31mred\x1b[0m', 'x' * 5000,
                 '\u202egnp', '{{model}}', '%s%n', '\x7f\x9b'):
        n = len(box.rows())
        send(box, 'curl', [request(OPENAI, chat_body(name),
                                   'in=10;out=2;model=')])
        rows = box.rows()[n:]
        eq(len(rows), 1, 'rows for %r' % name[:20])
        p = box.cli('tail')
        text = p.stdout.decode()
        ok('\x1b[31m' not in text and '\x9b' not in text,
           'tail prints control characters')


def case_bad_answers(box):
    box.budget(1000)
    for bad in ('json', 'chunk', 'status', 'lengths', 'nolength', 'gzip',
                'deep', 'empty', 'header'):
        bare, _ = send(box, 'http.client', [request(test='seq=1;bad=' + bad)],
                       guard=False)
        n = len(box.rows())
        got, p = send(box, 'http.client', [request(test='seq=1;bad=' + bad)])
        eq(got, bare, bad)
        eq((p.returncode, p.stderr), (0, b''), bad)
        rows = box.rows()[n:]
        eq(len(rows), 1, 'rows for ' + bad)
        ok(rows[0]['cost_usd'] > 0 or rows[0]['usage_state'] != 'exact' or
           bad in ('nolength', 'header'), bad + ': not a silent zero')
    eq(box.budget_status()['held_usd'], 0, 'held')


def case_huge_sse_line(box):
    """One event of 100 MB: delivered as it is, memory stays bounded."""
    t = 'in=10;out=5;events=1;text=100000000'
    argv = box.curl_argv(OPENAI, json.dumps(chat_body(stream=True)),
                         {'Content-Type': 'application/json', 'x-test': t},
                         ['-o', '/dev/null', '-w', '%{size_download}'])
    bare = box.run(argv, guard=False)
    p = box.run(['sh', '-c', 'ulimit -v 400000; exec "$@"', 'sh', *argv]
                if 'build-' not in os.environ.get('B', '') else argv)
    eq((p.stdout, p.stderr), (bare.stdout, bare.stderr), 'curl')
    rows = box.rows()
    eq(len(rows), 1, 'rows')
    eq((rows[0]['output_tokens'], rows[0]['usage_state']), (5, 'exact'),
       'usage after the long event')


def case_huge_request_header(box):
    box.budget(5)
    r = request()
    r['headers']['x-big'] = 'h' * 90000
    got, p = send(box, 'http.client', [r])
    ok(got[0]['status'] in (200, 429), 'status %s' % got)
    eq(len(box.rows()), 1, 'rows')


def case_usage_lies(box):
    """Absurd token counts saturate; nothing wraps round to a small sum."""
    box.budget(9000000)
    for test in ('in=18446744073709551615;out=18446744073709551615',
                 'in=9999999999999999999999;out=1',
                 'in=5;cached=900;out=3', 'in=0;out=0'):
        got, p = send(box, 'curl', [request(test=test), request(
            ANTHROPIC, chat_body('claude-haiku-4-5'), test)])
        ok(all(r['status'] in (200, 429) for r in got), test)
    ok(all(r['cost_usd'] >= 0 for r in box.rows()), 'no negative cost')
    ok(box.budget_status()['spent_usd'] >= 0, 'no negative spent')


if __name__ == '__main__':
    main(globals())
