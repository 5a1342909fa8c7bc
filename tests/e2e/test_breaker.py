#!/usr/bin/python3
"""Programs that the guard leaves alone: by the lists of the config, and
because they crashed at their start again and again."""
import json
import os
import shutil
import signal
import subprocess
import time

from harness import CLI, PY, Skip, eq, main, ok, request, sanitizer, send

LIMIT = 'budgets:\n  - {name: cap, scope: global, period: total, ' \
    'limit_usd: 0, hard: true}\n'


def blocked(box, programs):
    box.config(LIMIT + 'programs: {%s}\n' % programs)
    r, _ = send(box, 'http.client', [request()])
    return r[0]['status'] == 429


def case_lists(box):
    exe = os.path.realpath(PY)
    base = os.path.basename(exe)
    for programs, want in (
            ('deny: []', True),
            ('deny: [curl, "ruby*"]', True),
            ('deny: ["%s"]' % base, False),
            ('deny: ["PYTHON*"]', False),
            ('deny: ["%s"]' % exe, False),
            ('deny: ["/usr/bin/*"]', False),
            ('deny: ["/opt/*"]', True),
            ('allow: [curl]', False),
            ('allow: [curl, "python*"]', True),
            ('allow: ["python*"], deny: ["%s"]' % base, False)):
        eq(blocked(box, programs), want, programs)
    n = len(box.rows())
    eq(n, 4, 'rows: of those that are guarded alone')


def case_lists_by_script(box):
    """A script has its own name as its process's."""
    path = os.path.join(box.dir, 'agent.py')
    with open(path, 'w') as f:
        f.write('#!%s\nimport ssl, sys\nprint(open("/proc/self/comm").read()'
                '.strip())\nssl.create_default_context()\n' % PY)
    os.chmod(path, 0o755)
    box.config(LIMIT + 'programs: {deny: ["agent*"]}\n')
    eq(box.run([path]).stdout, b'agent.py\n', 'name')
    p = box.cli('doctor', '--json', path, check=False)
    d = json.loads(p.stdout)
    eq((p.returncode, d['covered'], [c['id'] for c in d['conditions']]),
       (1, 'no', ['denied']), 'doctor')
    p = box.cli('doctor', '--json', PY)
    eq(json.loads(p.stdout)['conditions'], [], 'the others')


def case_lists_tools(box):
    """The command itself works, whatever the lists say."""
    box.config(LIMIT + 'programs: {allow: [nothing]}\n')
    p = subprocess.run([CLI, 'run', '--', 'true'],
                       env=box.env(LD_PRELOAD=None), capture_output=True)
    eq(p.returncode, 0, 'run')
    ok(b'switched off' not in p.stderr, p.stderr)
    eq(box.cli('config', 'check').returncode, 0, 'check')


def case_lists_bad(box):
    for text in ('programs: [curl]', 'programs: {deny: curl}',
                 'programs: {only: [curl]}', 'programs: {deny: [[a]]}'):
        box.config(text + '\n')
        p = box.cli('config', 'check', check=False)
        eq(p.returncode, 1, text)
        ok(b'programs' in p.stderr + p.stdout or b'deny' in p.stderr +
           p.stdout or b'only' in p.stderr + p.stdout, p.stderr)


# -- crashes ------------------------------------------------------------------

def program(box, code):
    path = os.path.join(box.dir, 'prog')
    with open(path, 'w') as f:
        f.write('#!/bin/sh\n' + code)
    os.chmod(path, 0o755)
    return path


def start(box, path):
    p = subprocess.run([CLI, 'run', '-q', '--', path],
                       env=box.env(LD_PRELOAD=None), capture_output=True)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


GUARD_CRASHES = 'case "$LD_PRELOAD" in *llmguard*) kill -SEGV $$;; esac\n' \
    'echo well\n'


def case_crash_loop(box):
    """It crashes with the guard alone: three times, then it runs."""
    box.config(None)
    path = program(box, GUARD_CRASHES)
    for i in range(3):
        code, out, err = start(box, path)
        eq((code, out), (-signal.SIGSEGV, ''), 'crash %d' % i)
    ok('next runs are without the guard' in err, err)
    code, out, err = start(box, path)
    eq((code, out), (0, 'well\n'), 'passive')
    ok('WITHOUT the guard' in err, err)
    p = box.cli('doctor', '--json', path, check=False)
    d = json.loads(p.stdout)
    eq((p.returncode, d['covered']), (1, 'no'), 'doctor')
    ok('crash_loop' in [c['id'] for c in d['conditions']], d['conditions'])
    eq([(x['program'], x['crashes']) for x in box.status()['crash_loops']],
       [(path, 3)], 'status')
    ok(path + ' crashed again' in box.cli('status').stdout.decode(), 'text')
    with open(os.path.join(box.state, 'events.jsonl')) as f:
        ev = [json.loads(x) for x in f]
    eq([(x['event'], x['reason']) for x in ev],
       [('tracking_failure', 'crash_loop')], 'event')
    eq(box.cli('doctor', '--reset', path).returncode, 0, 'reset')
    eq(box.status()['crash_loops'], [], 'status after it')
    code, out, _ = start(box, path)
    eq((code, out), (-signal.SIGSEGV, ''), 'guarded again')


def case_crash_of_its_own(box):
    """It crashes without the guard too: guarded again, for a day."""
    box.config(None)
    path = program(box, 'kill -ABRT $$\n')
    said = [start(box, path)[2] for _ in range(9)]
    ok('next runs are without' in said[2], said[2])
    ok('WITHOUT' in said[3] and 'guarded again' in said[3], said[3])
    eq([x for x in said[4:] if 'guard' in x], [], 'afterwards')
    with open(os.path.join(box.state, 'crashes')) as f:
        eq([x.split()[2] for x in f], ['guarded'] * 3 + ['bare'] +
           ['guarded'] * 5, 'what was noted')


def case_crash_fail_closed(box):
    box.config('fail: closed\n')
    path = program(box, GUARD_CRASHES)
    for _ in range(4):
        code, out, err = start(box, path)
        eq((code, out), (-signal.SIGSEGV, ''), 'never without the guard')
    ok('keeps it guarded' in err, err)


def case_crash_not(box):
    """Other ends are none, nor are deaths of others, nor old ones."""
    box.config(None)
    for code in ('exit 139', 'kill -TERM $$', 'kill -KILL $$', 'exit 3'):
        path = program(box, code + '\n')
        for _ in range(4):
            start(box, path)
    eq(os.path.exists(os.path.join(box.state, 'crashes')), False, 'file')
    path = program(box, GUARD_CRASHES)
    now = int(time.time() * 1000)
    os.makedirs(box.state, exist_ok=True)
    with open(os.path.join(box.state, 'crashes'), 'w') as f:
        f.write('junk\n-1 11 guarded x\n' + '%d 11 guarded /other\n' % now * 9)
        for age in (7200, 7100, 7050, 700, 5, 4):
            f.write('%d 11 guarded %s\n' % (now - age * 1000, path))
    code, out, err = start(box, path)
    eq(out, '', 'guarded')
    ok('next runs are without' in err, 'the third in ten minutes: ' + err)


def case_passive_by_itself(box):
    """The preload too reads what `llmguard run` noted of a program."""
    if sanitizer() or not shutil.which('curl'):
        raise Skip('no curl')
    box.config(LIMIT)
    r = request()
    argv = box.curl_argv(r['url'], r['body'], r['headers'],
                         ['-o', '/dev/null', '-w', '%{http_code}'])
    eq(box.run(argv).stdout, b'429', 'guarded')
    now = int(time.time() * 1000)
    with open(os.path.join(box.state, 'crashes'), 'w') as f:
        for age in (9, 8, 7):
            f.write('%d 11 guarded %s\n' % (
                now - age * 1000, os.path.realpath(shutil.which('curl'))))
    eq(box.run(argv).stdout, b'200', 'let alone')
    box.config(LIMIT + 'fail: closed\n')
    eq(box.run(argv).stdout, b'429', 'fail: closed')


if __name__ == '__main__':
    main(globals())
