#!/usr/bin/python3
"""Awkward programs: sanitized, with another malloc, sandboxed, with small
stacks, at a file-size limit, on a full disk, without a place for state."""
import json
import os
import resource
import subprocess

from harness import (BUILD, PY, TOP, Skip, chat_body, eq, main, ok, request,
                     sanitizer, send)

CLIENT = os.path.join(BUILD, 'tests/e2e/cclient')
CHAT = ('api.openai.com', '/v1/chat/completions')
DENY = 'budgets:\n  - {name: cap, scope: global, period: daily, ' \
    'limit_usd: 0, hard: true}\n'


def body_file(box, body=None):
    path = os.path.join(box.dir, 'body.json')
    with open(path, 'w') as f:
        f.write(body or json.dumps(chat_body()))
    os.chmod(path, 0o644)
    return path


def cclient(box, *opts, body=None, argv=(CLIENT,), host=CHAT, **k):
    p = box.run([*argv, *map(str, opts), *host, body_file(box, body)], **k)
    eq(p.stderr, b'', 'stderr')
    eq(p.returncode, 0, 'exit status')
    return [int(x) for x in p.stdout.split()]


def staged_then_written(box, calls):
    """Rows that could not be written: status says so, and writes them."""
    before = len(box.rows())
    ok(before < calls, '%d rows were written at once' % before)
    s = box.status()
    rows = box.rows()
    eq(len(rows), calls, 'rows after status')
    eq(sum(r['cost_usd'] for r in rows), box.budget_status()['spent_usd'],
       'ledger = region')
    return s


def case_plain_c_program(box):
    box.budget(1)
    eq(cclient(box, '-n', 3, '-t', 4), [200] * 12, 'statuses')
    eq(len(box.rows()), 12, 'rows')
    box.config(DENY)
    eq(cclient(box, '-n', 3, '-t', 4), [429] * 12, 'statuses when blocked')
    eq(len(box.arrived()), 12, 'requests that arrived')


def case_ssl_dup(box):
    box.budget(1)
    eq(cclient(box, '-n', 2, '-d'), [200, 200], 'statuses')
    eq(len(box.rows()), 2, 'rows')
    box.config(DENY)
    eq(cclient(box, '-n', 2, '-d'), [429, 429], 'statuses when blocked')


def case_small_stacks_deep_json(box):
    """64 KB thread stacks, 100,000 brackets, and an answer as deep."""
    deep = '{"model":"gpt-4o-mini","x":' + '[' * 100000 + ']' * 100000 + \
        ',"max_tokens":5,"messages":[]}'
    box.budget(1)
    eq(cclient(box, '-t', 8, '-k', 64, '-n', 2, body=deep), [200] * 16,
       'statuses')
    eq(cclient(box, '-t', 8, '-k', 64, '-x', 'x-test: bad=deep'), [200] * 8,
       'deep answers')
    box.config(DENY)
    eq(cclient(box, '-t', 8, '-k', 64, body=deep), [429] * 8, 'blocked')


def case_asan_host(box):
    """A program built with ASan, whose runtime must stay the first library."""
    if sanitizer():
        raise Skip('this build is sanitized itself')
    prog = os.path.join(box.dir, 'cclient-asan')
    r = subprocess.run(['gcc', '-std=gnu11', '-D_GNU_SOURCE', '-g',
                        '-fsanitize=address,undefined', '-o', prog,
                        os.path.join(TOP, 'tests/e2e/cclient.c'), '-lssl',
                        '-lcrypto'], stderr=subprocess.PIPE)
    if r.returncode:
        raise Skip('no gcc with ASan')
    lib = subprocess.check_output(['gcc', '-print-file-name=libasan.so'],
                                  text=True).strip()
    for preload, opts in ((lib, ''), ('', 'verify_asan_link_order=0:')):
        box.config(None)
        n = len(box.rows())
        opts += 'detect_leaks=0'
        st = cclient(box, '-n', 2, '-t', 4, argv=(prog,), preload=preload,
                     ASAN_OPTIONS=opts)
        eq(st, [200] * 8, 'statuses')
        eq(len(box.rows()) - n, 8, 'rows')
        box.config(DENY)
        eq(cclient(box, '-t', 4, argv=(prog,), preload=preload,
                   ASAN_OPTIONS=opts), [429] * 4, 'statuses when blocked')


def jemalloc():
    for p in ('/usr/lib/x86_64-linux-gnu/libjemalloc.so.2',
              '/usr/lib/aarch64-linux-gnu/libjemalloc.so.2'):
        if os.path.exists(p):
            return p
    raise Skip('no libjemalloc2')


def case_jemalloc_too(box):
    lib = jemalloc()
    if sanitizer():
        raise Skip('this build is sanitized itself')
    box.budget(1)
    for kind in ('curl', 'requests', 'aiohttp'):
        got, p = send(box, kind, [request(), request()], preload=lib)
        eq([r['status'] for r in got], [200, 200], kind)
        eq(p.stderr, b'', kind + ' stderr')
    eq(cclient(box, '-t', 8, preload=lib), [200] * 8, 'statuses')
    eq(len(box.rows()), 14, 'rows')
    box.config(DENY)
    eq(cclient(box, '-t', 8, preload=lib), [429] * 8, 'blocked')


def case_seccomp(box):
    """After the first context no file may be opened: memory is enough."""
    for how in ('errno', 'kill'):
        box.budget(1)
        n = len(box.rows())
        eq(cclient(box, '-n', 3, '-s', how), [200] * 3, how)
        staged_then_written(box, n + 3)
        box.config(DENY)
        eq(cclient(box, '-n', 2, '-s', how), [429] * 2, how + ' blocked')
        box.status()


def case_seccomp_in_mid_run(box):
    box.budget(1)
    eq(cclient(box, '-n', 4, '-w', 2, '-s', 'kill'), [200] * 4, 'statuses')
    staged_then_written(box, 4)


def case_chroot(box):
    if os.geteuid() != 0:
        raise Skip('chroot needs root')
    root = os.path.join(box.dir, 'empty')
    os.mkdir(root)
    box.budget(1)
    eq(cclient(box, '-n', 3, '-c', root), [200] * 3, 'statuses')
    eq(os.listdir(root), [], 'nothing was made in there')
    staged_then_written(box, 3)


def case_file_size_limit(box):
    """RLIMIT_FSIZE: SIGXFSZ would end the program."""
    box.budget(1)
    eq(cclient(box, '-n', 2), [200] * 2, 'statuses')
    for limit in (0, 100):
        n = len(box.rows())
        eq(cclient(box, '-n', 2, '-f', limit), [200] * 2, 'at %d' % limit)
        staged_then_written(box, n + 2)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    n = len(box.rows())
    p = box.run(box.curl_argv(request()['url'], '{"model":"gpt-4o-mini",'
                              '"max_tokens":5,"messages":[]}',
                              {'Content-Type': 'application/json'}),
                preexec_fn=limit)
    eq(p.returncode, 0, 'curl with a limit from its start')
    staged_then_written(box, n + 1)


def case_full_disk(box):
    mount = os.path.join(box.dir, 'small')
    os.mkdir(mount)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'none',
                       mount], stderr=subprocess.DEVNULL).returncode:
        raise Skip('no right to mount a small tmpfs')
    try:
        box.state = mount
        box.budget(1)
        eq(cclient(box), [200], 'while there is room')
        filler = os.path.join(mount, 'filler')
        with open(filler, 'wb', buffering=0) as f:
            for size in (4096, 256, 1):
                try:
                    while f.write(b'x' * size):
                        pass
                except OSError:
                    pass
        eq(cclient(box, '-n', 20), [200] * 20, 'on the full disk')
        p = box.cli('status')
        ok(b'20 rows wait to be written' in p.stdout,
           'status tells of staged rows: %s' % p.stdout.decode())
        os.unlink(filler)
        box.status()
        rows = box.rows()
        eq(len(rows), 21, 'rows')
        eq(len({r['id'] for r in rows}), 21, 'ids')
        eq(sum(r['cost_usd'] for r in rows),
           box.budget_status()['spent_usd'], 'ledger = region')
    finally:
        subprocess.run(['umount', '-l', mount])


def case_unwritable_state(box):
    """No place for the ledger: the program runs, the user is told."""
    log = os.path.join(box.dir, 'log')
    box.budget(1)
    box.state = os.path.join(box.config_path, 'below-a-file')
    eq(cclient(box, '-n', 2, LLMGUARD_LOG=log), [200] * 2, 'statuses')
    with open(log) as f:
        text = f.read()
    ok('row_staged' in text and 'below-a-file' in text,
       'the log names the folder: ' + text)
    p = box.cli('status', check=False)
    ok(b'below-a-file' in p.stdout + p.stderr, 'status names the folder')


def case_other_user(box):
    """An unprivileged program with a state folder that it may not write."""
    if os.geteuid() != 0:
        raise Skip('needs root to become another user')
    if any(not os.stat(d).st_mode & 1 for d in parents(BUILD)):
        raise Skip('the build folder is not open to other users')
    os.mkdir(box.state, 0o700)
    box.budget(1)
    p = box.run([CLIENT, *CHAT, body_file(box)], preexec_fn=become_nobody)
    eq((p.returncode, p.stdout, p.stderr), (0, b'200 \n', b''), 'program')


def parents(path):
    while True:
        yield path
        if path == '/':
            return
        path = os.path.dirname(path)


def become_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def case_closed_descriptors(box):
    """A program that closes every descriptor it did not open."""
    code = ('import os, http.client, json\n'
            'c = http.client.HTTPSConnection("api.openai.com")\n'
            'c.connect()\n'
            'keep = c.sock.fileno()\n'
            'for fd in range(3, 400):\n'
            '    if fd != keep:\n'
            '        try: os.close(fd)\n'
            '        except OSError: pass\n'
            'for i in range(3):\n'
            '    c.request("POST", "/v1/chat/completions", json.dumps('
            '{"model": "gpt-4o-mini", "max_tokens": 5, "messages": []}),'
            '{"Content-Type": "application/json"})\n'
            '    r = c.getresponse(); r.read()\n'
            '    f = open("own-%d" % i, "w"); f.write("mine")\n'
            '    globals()["f%d" % i] = f\n'
            'print(len(os.listdir("/proc/self/fd")))\n')
    box.budget(1)
    bare = box.run([PY, '-c', code], guard=False)
    p = box.run([PY, '-c', code])
    eq((p.returncode, p.stdout, p.stderr), (0, bare.stdout, b''), 'program')
    eq(len(box.rows()), 3, 'rows')
    for i in range(3):
        with open(os.path.join(box.dir, 'own-%d' % i)) as f:
            eq(f.read(), 'mine', "the program's own file")


def case_programs_without_tls(box):
    """ls, sh, git and a static program: nothing but the preload is there."""
    for argv in (['ls', '/'], ['sh', '-c', 'echo a; exit 3'],
                 ['cat', '/proc/self/maps'], [PY, '-c', 'print(1)']):
        bare = box.run(argv, guard=False)
        p = box.run(argv)
        eq((p.returncode, p.stderr), (bare.returncode, bare.stderr), argv[0])
        if argv[0] == 'cat':
            maps = {ln.split()[-1] for ln in p.stdout.decode().splitlines()
                    if 'llmguard' in ln}
            if not sanitizer():
                eq([m for m in maps if not m.endswith('.so')], [],
                   'mappings of the guard in cat')
        else:
            eq(p.stdout, bare.stdout, argv[0])
    ok(not os.path.exists(box.state), 'no state was made for them')
    ok(not os.path.exists(box.region), 'no region was made for them')


if __name__ == '__main__':
    main(globals())
