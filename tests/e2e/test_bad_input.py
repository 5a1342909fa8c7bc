#!/usr/bin/python3
"""Broken configs, regions, requests and answers: a clear error or a flagged
row, never a crash, a hang or lost money."""
import json
import os
import shutil
import subprocess
import time

from harness import (ANTHROPIC, CLI, HERE, OPENAI, PY, SHIM, Skip, chat_body,
                     eq, main, ok, read, request, send)

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


def case_empty_config(box):
    """A file of 0 bytes is a save in progress, not "no budgets"."""
    def empty():
        with open(box.config_path, 'w'):
            pass
    empty()
    p = box.cli('config', 'check', check=False)
    eq(p.returncode, 1, 'config check')
    ok(b'llmguard.yaml: is empty' in p.stderr, p.stderr)
    got, _ = send(box, 'curl', [request()])
    eq(got[0]['status'], 200, 'none before it: fail open')
    box.budget(0)
    got, _ = send(box, 'curl', [request()])
    eq(got[0]['status'], 429, 'good config')
    empty()
    got, _ = send(box, 'curl', [request()])
    eq(got[0]['status'], 429, 'the last good one stays')
    with open(box.config_path, 'w') as f:
        f.write('# nothing\n')
    got, _ = send(box, 'curl', [request()])
    eq(got[0]['status'], 200, 'a comment is a config')


def case_environment_is_checked(box):
    """Each command names variable, value and what is allowed."""
    box.config(None)
    log = os.path.join(box.dir, 'log')
    bad = {'LLMGUARD_MAX_USD': ('abc', '0 to 9000000'),
           'LLMGUARD_WARN_USD': ('-1', '0 to 9000000'),
           'LLMGUARD_MONTHLY_USD': ('1e30', '0 to 9000000'),
           'LLMGUARD_FAIL': ('maybe', 'open, closed'),
           'LLMGUARD_PHASE': ('x\x1b[31m', 'infer, train'),
           'LLMGUARD_LOG_LEVEL': ('loud', 'debug'),
           'LLMGUARD_LOG_FORMAT': ('xml', 'json'),
           'LLMGUARD_PRICING_DIR': ('rel', 'absolute'),
           'LLMGUARD_STATE_DIR': ('rel', 'absolute')}
    for k, (value, allowed) in bad.items():
        p = box.run([CLI, 'status'], LD_PRELOAD=None, **{k: value})
        said = p.stderr.decode()
        ok(p.returncode == 0 and k in said and value[:1] in said and
           allowed in said and '\x1b' not in said, '%s: %r' % (k, said))
        got, p = send(box, 'curl', [request()], LLMGUARD_LOG=log, **{k: value})
        eq((got[0]['status'], p.stderr), (200, b''), k)
        said = read(log)
        ok(k in said and allowed in said, '%s in the log: %r' % (k, said))
        os.unlink(log)
    p = box.run([CLI, 'run', '-q', 'true'], LD_PRELOAD=None,
                LLMGUARD_MAX_USD='abc')
    ok(b'LLMGUARD_MAX_USD' in p.stderr, 'run: %s' % p.stderr)


def case_log_to_a_folder(box):
    box.budget(0)
    got, p = send(box, 'curl', [request()], LLMGUARD_LOG=box.dir)
    eq((got[0]['status'], p.stderr), (429, b''), 'program')
    p = box.run([CLI, 'status'], LD_PRELOAD=None, LLMGUARD_LOG=box.dir)
    ok(b'LLMGUARD_LOG' in p.stderr and b'directory' in p.stderr, p.stderr)


def case_state_folder_is_a_file(box):
    """Nothing is known to be spent; the limit holds, rows wait, and at once."""
    box.config(None)
    box.state = os.path.join(box.dir, 'file')
    write(box.state, b'precious')
    start = time.time()
    got, p = send(box, 'curl', [request()], LLMGUARD_MAX_USD=1)
    eq((got[0]['status'], p.stderr), (200, b''), 'within the budget')
    got, p = send(box, 'curl', [request()], LLMGUARD_MAX_USD=0)
    eq((got[0]['status'], p.stderr), (429, b''), 'limit 0')
    ok(time.time() - start < 1.5, 'no wait')
    p = box.run([CLI, 'run', '--max-usd', '0', '--', *box.curl_argv(
        OPENAI, json.dumps(chat_body()))], LD_PRELOAD=None)
    eq(p.returncode, 3, 'run: refused')
    ok(box.state.encode() in p.stderr and b'wait' in p.stderr, p.stderr)
    s = box.status()
    eq(s['staged_rows'], 3, 'staged')
    with open(box.state, 'rb') as f:
        eq(f.read(), b'precious', 'the file')


def case_state_folder_unreadable(box):
    """Not readable: not counted, told, and without a wait in each program."""
    if os.geteuid():
        raise Skip('only root can become somebody else here')
    box.config(None)
    os.mkdir(box.state, 0o700)
    os.chmod(box.dir, 0o777)
    lib, log = os.path.join(box.dir, 'lib.so'), os.path.join(box.dir, 'log')
    shutil.copy(SHIM, lib)
    os.chmod(lib, 0o755)
    argv = box.curl_argv(OPENAI, json.dumps(chat_body()))
    os.chmod(argv[-2][1:], 0o644)
    start = time.time()
    p = box.run(['setpriv', '--reuid=65534', '--regid=65534',
                 '--clear-groups', 'env', 'LD_PRELOAD=' + lib, *argv],
                LD_PRELOAD=None, LLMGUARD_MAX_USD=0, LLMGUARD_LOG=log)
    eq((p.returncode, p.stderr), (0, b''), 'program')
    ok(time.time() - start < 1.5, 'took %.1f s' % (time.time() - start))
    ok('ledger_not_read' in read(log), 'log: ' + read(log))


def case_no_home(box):
    """HOME unset: the passwd file's; no such user: a message that helps."""
    if os.geteuid():
        raise Skip('only root can become somebody else here')
    cli = os.path.join(box.dir, 'llmguard')
    shutil.copy(CLI, cli)
    os.chmod(cli, 0o755)
    for uid, word in ((65534, b'/nonexistent'), (54321, b'LLMGUARD_STATE_DIR')):
        p = box.run(['setpriv', '--reuid=%d' % uid, '--regid=65534',
                     '--clear-groups', 'env', '-u', 'HOME', cli, 'status'],
                    LD_PRELOAD=None, LLMGUARD_STATE_DIR=None, HOME=None,
                    LLMGUARD_CONFIG=None, XDG_STATE_HOME=None)
        ok(p.returncode in (0, 1) and word in p.stderr,
           '%d: %d %s' % (uid, p.returncode, p.stderr))


def in_mounts(box, setup, argv, **k):
    """Run argv in a mount namespace of its own."""
    if subprocess.run(['unshare', '-m', 'true'],
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip('no mount namespaces')
    return box.run(['env', '-u', 'LD_PRELOAD', 'unshare', '-m', 'sh', '-c',
                    setup + '; export LD_PRELOAD=%s; exec "$@"' % (
                        '' if argv[0] == CLI else SHIM), 'sh', *argv], **k)


def case_places_missing(box):
    """Without /dev/shm, without /proc, with a read-only state folder."""
    box.budget(0)
    box.region = '/dev/shm/llmguard-test-none-%d' % os.getpid()
    os.makedirs(box.state, exist_ok=True)
    argv = box.curl_argv(OPENAI, json.dumps(chat_body()), None,
                         ['-o', '/dev/null', '-w', '%{http_code}'])
    for name, setup, want, word in (
            ('shm', 'mount -t tmpfs -o ro none /dev/shm', b'200',
             b'Read-only file system; without it no call is blocked'),
            ('proc', 'mount -t tmpfs none /proc', b'429', b''),
            ('state', 'mount -t tmpfs -o ro none ' + box.state, b'429',
             b'state folder')):
        p = in_mounts(box, setup, argv)
        eq((p.stdout, p.stderr), (want, b''), name)
        p = in_mounts(box, setup, argv, LLMGUARD_FAIL='closed')
        eq((p.stdout, p.stderr), (b'429', b''), name + ', closed')
        p = in_mounts(box, setup, [CLI, 'status'])
        eq(p.returncode, 0, name + ': status')
        ok(word in p.stderr, '%s: %s' % (name, p.stderr))
        p = in_mounts(box, setup, [CLI, 'run', '-q', *argv])
        eq(p.stdout, want, name + ': run: %s' % p.stderr)


def case_heads_of_10_mb(box):
    """Passed on as without the guard, with a row or without a request."""
    box.budget(5)
    body = json.dumps(chat_body())
    big = 'x-big: ' + 'h' * 10000000 + '\r\n'
    for name, more in (('request', 'x-test: seq=1\r\n' + big),
                       ('answer', 'x-test: seq=1;bad=bighead\r\n')):
        text = ('POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com'
                '\r\n%sConnection: close\r\nContent-Length: %d\r\n\r\n%s' % (
                    more, len(body), body))
        spec = json.dumps({'host': 'api.openai.com', 'writes': [text],
                           'responses': 1})
        argv = [PY, os.path.join(HERE, 'raw_tls.py')]
        bare = box.run(argv, False, stdin=spec)
        p = box.run(argv, stdin=spec)
        eq(p.returncode, bare.returncode, '%s: exit status: %s' % (
            name, p.stderr[-200:]))
        if not bare.returncode:
            ok(p.stdout == bare.stdout or b' 429 ' in p.stdout[:20],
               name + ': other bytes: %r' % p.stdout[:60])
        eq(box.budget_status()['held_usd'], 0, name + ': held')
    rows = box.rows()
    ok(rows and rows[-1]['cost_usd'] > 0, 'the answer counts: %s' % rows)


if __name__ == '__main__':
    main(globals())
