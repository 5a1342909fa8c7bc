#!/usr/bin/python3
"""The tracer as a program: what it prints of programs in mid-life, what it
says of itself, its options, its end.
"""
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from live import (  # noqa: E402
    ANTHROPIC, CLI, HERE, PY, TRACE, Client, Skip, Tracer, chat_body, eq,
    main, ok, read, request, short, until)


def tokens(rows):
    return [(r['input_tokens'], r['output_tokens']) for r in rows]


def ask(*args, env=None):
    return subprocess.run([TRACE, *map(str, args)], capture_output=True,
                          text=True, timeout=60, stdin=subprocess.DEVNULL,
                          env=env)


def case_requests(box):
    """A loop with a keep-alive connection that was there before us."""
    with Client(box, 'requests') as c:
        c.send(request())
        with Tracer(box, '--summary', pid=c.pid) as t:
            c.send(request(test='in=11;out=7'), request(test='in=3;out=2'))
            rows = t.rows(2)
            st = box.status()
            text = box.cli('status').stdout.decode()
        eq(len({e['conn'] for e in box.arrived()}), 1, 'connections')
    eq(tokens(rows), [(11, 7), (3, 2)], 'what --json printed')
    eq(tokens(box.rows()), [(11, 7), (3, 2)], 'the ledger')
    r = rows[0]
    eq((r['pid'], r['comm'], r['provider'], r['verdict'], r['usage_state'],
        r['host']), (c.pid, 'python3', 'openai', 'allow', 'exact',
                     'api.openai.com'), 'row')
    s = t.summary()
    cost = sum(r['cost_usd'] for r in rows)
    eq((s['total']['calls'], s['total']['input_tokens'],
        s['total']['output_tokens'], s['total']['cost_usd'],
        s['lower_bound']), (2, 14, 9, cost, False), 'summary')
    eq([(g['pid'], g['model'], g['calls']) for g in s['groups']],
       [(c.pid, 'gpt-4o-mini', 2)], 'groups')
    tr = st['tracer']
    eq((tr['live'], tr['pids'], tr['programs'], tr['lower_bound']),
       (True, [t.pid], 1, False), 'status while it lives')
    ok('Tracer: pid %d watches 1 program ' % t.pid in text, text)
    tr = box.status()['tracer']
    eq((tr['live'], tr['calls'], tr['cost_usd'], tr['lost_calls']),
       (False, 2, cost, 0), 'status afterwards')
    ok(': 2 calls, ' in box.cli('status').stdout.decode(), 'its calls')


def case_print(box):
    """Lines for people, into a pipe: nothing is cut, no colours."""
    with Client(box, 'requests') as c:
        with Tracer(box, '--print', '--summary', pid=c.pid, output=None) as t:
            c.send(request(test='in=11;out=7'),
                   request(ANTHROPIC, test='in=5;out=6'),
                   request(test='status=500'))
            until(lambda: len(t.out.all) >= 4, 'four lines')
        lines = t.out.all
    ok(re.match(r'TIME +PID +PROGRAM +PROVIDER +MODEL +IN +OUT +COST +VERDICT'
                r' +TOOK', lines[0]), lines[0])
    ok(re.match(r'\d\d:\d\d:\d\d +%d  python3 +openai +gpt-4o-mini +11 +7 +'
                r'\$0\.000006  allow +\d+ ms$' % c.pid, lines[1]), lines[1])
    ok(' anthropic ' in lines[2] and ' claude-sonnet-4-5 ' in lines[2],
       lines[2])
    ok(lines[3].endswith('HTTP 500'), lines[3])
    text = '\n'.join(lines[4:])
    for want in ('Total: 3 calls, 16 tokens in, 13 out, ', 'Lost: nothing',
                 'Coverage: exact 3 '):
        ok(want in text, (want, text))
    ok('\033' not in '\n'.join(lines), 'escapes')


def on_terminal(box, pid, width, act):
    """What the tracer writes to a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ,
                struct.pack('HHHH', 30, width, 0, 0))
    env = {k: v for k, v in box.env(guard=False).items() if k != 'COLUMNS'}
    env['TERM'] = 'xterm'
    p = subprocess.Popen(
        [TRACE, '--config', box.config_path, '--state-dir', box.state,
         '--region', box.region, '--verbose', '--pid', str(pid)], env=env,
        stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE,
        text=True)
    os.close(slave)
    for line in p.stderr:
        if ': ready' in line:
            break
    act()
    time.sleep(0.6)
    p.send_signal(signal.SIGINT)
    out = b''
    while True:
        try:
            d = os.read(master, 65536)
        except OSError:
            break
        if not d:
            break
        out += d
    os.close(master)
    p.stderr.close()
    eq(p.wait(20), 0, 'exit status')
    return out.decode().replace('\r\n', '\n').splitlines()


def case_terminal(box):
    """--print is the default there; lines keep to its width; what the network
    sends cannot steer it."""
    evil = 'gpt-4o-mini\x1b[2J\x9b31m\u202eEVIL' + 'x' * 200
    body = json.dumps(chat_body(evil))
    with Client(box, 'requests') as c:
        for width in (44, 80, 132):
            lines = on_terminal(box, c.pid, width, lambda: c.send(
                request(test='in=1;out=2'), request(body=body)))
            ok(len(lines) == 3, lines)
            for line in lines:
                bare = re.sub(r'\033\[[0-9]*m', '', line)
                ok(len(bare) <= width, (width, len(bare), bare))
                ok(not re.search('[\x00-\x1f\x7f-\x9f\u202a-\u202e]', bare),
                   repr(bare))
            ok('gpt-4o-m' in lines[1], lines)
            ok('gpt-4o-m' in lines[2], lines)
        ok('?[2J' in lines[2] and '??' not in lines[1], lines)


def case_signals(box):
    """Any of these ends it cleanly, and the program goes on."""
    with Client(box, 'http.client') as c:
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            t = Tracer(box, pid=c.pid, code=None)
            with t:
                c.send(request())
                t.rows(1)
                eq(t.stop(sig), 0, sig)
            eq([r['status'] for r in c.send(request())], [200], 'afterwards')


def case_ends(box):
    """--duration; the end of the programs."""
    with Client(box, 'http.client') as c:
        start = time.time()
        with Tracer(box, '--duration', '1', pid=c.pid) as t:
            eq(t.proc.wait(20), 0, '--duration')
        ok(time.time() - start >= 1, 'too early')
        with Tracer(box, pid=c.pid) as t:
            c.send(request())
            c.close()
            eq(t.proc.wait(20), 0, 'the program has ended')
            eq(len(t.rows(1)), 1, 'its last call')


def case_reader_gone(box):
    """As `llmguard-trace --json | head -1` does."""
    with Client(box, 'http.client') as c:
        p = subprocess.Popen(
            ['bash', '-c', 'set -o pipefail; "$0" "$@" 2>err | head -n 1',
             TRACE, '--json', '--config', box.config_path, '--state-dir',
             box.state, '--region', box.region, '--pid', str(c.pid)],
            cwd=box.dir, env=box.env(guard=False), text=True,
            stdout=subprocess.PIPE)
        until(lambda: ': ready' in read(os.path.join(box.dir, 'err')),
              'ready')
        for _ in range(20):
            c.send(request())
            if p.poll() is not None:
                break
            time.sleep(0.1)
        eq(p.wait(20), 0, 'exit status')
        eq(p.stdout.read().count('\n'), 1, 'lines')


def case_two_tracers(box):
    """A process is one tracer's; when that ends, however, the other's."""
    name = 'two-%d' % os.getpid()
    path = os.path.join(box.dir, name)
    os.symlink(os.path.realpath(PY), path)
    argv = [path] + Client.command('http.client')[1:]
    with Client(box, argv=argv) as c, Client(box, argv=argv) as d:
        c.send(request())
        first = Tracer(box, pid=c.pid, code=None)
        with first, Tracer(box, '--verbose', pid=[d.pid],
                           ready=False) as t:
            t.wait_traced(d.pid)
            p = ask('--pid', c.pid, '--config', box.config_path)
            eq(p.returncode, 1, 'exit status')
            ok('llmguard-trace (pid %d) traces it already' % first.pid
               in p.stderr, p.stderr)
            with Tracer(box, '--comm', name) as u:
                c.send(request(test='in=1;out=1'))
                d.send(request(test='in=2;out=2'))
                eq(tokens(first.rows(1) + t.rows(1)), [(1, 1), (2, 2)], 'two')
                first.stop(signal.SIGKILL)
                u.wait_traced(c.pid)
                c.send(request(test='in=3;out=3'))
                eq(tokens(u.rows(1)), [(3, 3)], 'taken over')
        eq(tokens(box.rows()), [(1, 1), (2, 2), (3, 3)], 'each once')


def case_killed(box):
    """kill -9 leaves nothing behind but its note, which says so."""
    with Client(box, 'http.client') as c:
        t = Tracer(box, pid=c.pid, code=None)
        with t:
            c.send(request())
            t.rows(1)
            until(lambda: (box.status()['tracer'] or {}).get('calls') == 1,
                  'its note')
            t.proc.kill()
            t.proc.wait()
        eq([r['status'] for r in c.send(request())], [200], 'goes on')
        eq(box.status()['tracer']['live'], False, 'live')
        ok('was killed about' in box.cli('status').stdout.decode(), 'text')
        with Tracer(box, pid=c.pid) as t:
            c.send(request())
            t.rows(1)
            names = [x for x in os.listdir(box.state)
                     if x.startswith('tracer-')]
            eq(names, ['tracer-%d.json' % t.pid], 'notes')


def case_options(box):
    """What cannot be meant is refused by name, value and what is allowed."""
    for args, code, want in (
            ([], 2, 'what shall be traced? --pid, --comm, --exe, --uid'),
            (['--bogus'], 2, '--bogus: no such option'),
            (['--pid'], 2, '--pid: needs PID'),
            (['--pid', 'x'], 2, "--pid x: not a process's number"),
            (['0'], 2, "--pid 0: not a process's number"),
            (['99999999999'], 2, "--pid 99999999999: not a process's"),
            (['--pid', '4194304'], 1, '--pid 4194304: no such process'),
            (['--all', '--ring-mb', '0'], 2,
             '--ring-mb 0: must be from 1 to 1024'),
            (['--all', '--ring-mb', '1x'], 2,
             '--ring-mb 1x: not a whole number'),
            (['--all', '--call-max', '1'], 2,
             '--call-max 1: must be from 4096 to'),
            (['--all', '--on-hard', 'maim'], 2,
             '--on-hard maim: must be one of warn|deny|reset|stop|kill'),
            (['--all', '--on-hard', 'stop', '--observe'], 2,
             '--on-hard stop: --observe never interferes'),
            (['--uid', 'no-such-user-x'], 2,
             '--uid no-such-user-x: no such user'),
            (['--cgroup', '/no/such/x'], None, '--cgroup /no/such/x: '),
            (['--all', '--config', '/no/such/file'], 1,
             '--config /no/such/file: No such file'),
            (['--all', '--offsets', '/no/such/file'], 1, '/no/such/file'),
            (['--all', '--json=1'], 2, '--json=1: takes no value')):
        p = ask(*args)
        ok(p.returncode == code if code is not None else p.returncode in
           (1, 2), '%s: %d %s' % (args, p.returncode, p.stderr))
        ok(want in p.stderr, '%s: %r' % (args, p.stderr))
        ok(p.stderr.startswith('llmguard-trace: ') and not p.stdout,
           '%s: %r' % (args, p))
    p = ask('--help')
    eq((p.returncode, p.stderr), (0, ''), '--help')
    ok(p.stdout.startswith('llmguard-trace - ') and '--on-hard' in p.stdout,
       p.stdout)
    ok(re.match(r'llmguard-trace \d+\.\d+\.\d+\n$', ask('-V').stdout), '-V')


def case_subcommand(box):
    """`llmguard trace` is the tracer, also by its exit status."""
    p = subprocess.run([CLI, 'trace', '--pid', '4194304', '--json'],
                       capture_output=True, text=True)
    eq((p.returncode, p.stderr),
       (1, 'llmguard-trace: --pid 4194304: no such process\n'), 'trace')
    with Client(box, 'http.client') as c:
        p = subprocess.Popen(
            [CLI, 'trace', '--json', '--summary', '--config', box.config_path,
             '--state-dir', box.state, '--region', box.region, '--duration',
             '2', str(c.pid)], env=box.env(guard=False), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in p.stderr:
            if ': ready' in line:
                break
        c.send(request(test='in=4;out=2'))
        out = [json.loads(x) for x in p.stdout]
        p.stderr.close()
        eq((p.wait(), [x['kind'] for x in out]), (0, ['call', 'summary']),
           'records')
    alone = os.path.join(box.dir, 'alone')
    os.mkdir(alone)
    subprocess.run(['cp', CLI, alone], check=True)
    p = subprocess.run([os.path.join(alone, 'llmguard'), 'trace', '1'],
                       capture_output=True, text=True, env={'PATH': alone})
    eq(p.returncode, 1, 'without it')
    ok('neither beside llmguard nor in PATH' in p.stderr and
       'make install' in p.stderr, p.stderr)


def case_check(box):
    with Client(box, 'http.client') as c:
        c.send(request())
        p = ask('--check', '--json', c.pid)
        eq(p.returncode, 0, p.stderr)
        d = json.loads(p.stdout)
        eq((d['works'], [x['pid'] for x in d['programs']],
            [x['name'] for x in d['rungs']]),
           (True, [c.pid], ['warn', 'deny', 'reset', 'stop', 'kill']), 'check')
        ok(d['programs'][0]['traced'] and
           any('libssl' in f['path'] and f['probes'] >= 4
               for f in d['files']), short(d))
        d = json.loads(subprocess.run(
            [CLI, 'doctor', '--json', str(c.pid)], capture_output=True,
            text=True, env=box.env(LD_PRELOAD=None)).stdout)
        eq((d['tracer']['works'], d['tracer']['traced'],
            [c['reach'] for c in d['copies'] if c['tls'] == 'OpenSSL']),
           (True, True, ['tracer']), 'doctor')
        text = subprocess.run(
            [CLI, 'doctor', str(c.pid)], capture_output=True, text=True,
            env=box.env(LD_PRELOAD=None)).stdout
        ok('could watch it by `llmguard trace %d`' % c.pid in text and
           'rungs    warn' in text, text)
        eq([r['status'] for r in c.send(request())], [200], 'untouched')
    p = ask('--check')
    ok(p.returncode == 0 and p.stdout.startswith('Tracing works here'), p)


def case_why_not(box):
    """A thread of the kernel is there, and runs no program."""
    with open('/proc/2/comm') as f:
        if f.read() != 'kthreadd\n':
            raise Skip('pid 2 is no thread of the kernel here')
    p = ask('--pid', '2')
    ok('thread of the kernel' in p.stderr and
       'no such process' not in p.stderr, p.stderr)


def case_check_in_a_namespace(box):
    """The rungs work with the numbers of a pid namespace, too."""
    here = ask('--check').stdout
    there = subprocess.run(['unshare', '--pid', '--fork', '--mount-proc',
                            TRACE, '--check'], capture_output=True, text=True,
                           timeout=60)
    if 'unshare:' in there.stderr:
        raise Skip('no pid namespace may be made here')
    for rung in ('deny', 'reset', 'stop', 'kill'):
        if '%s: works' % rung in here:
            ok('%s: works' % rung in there.stdout, there.stdout)


def case_no_rights(box):
    """Who may not trace hears why, and what to do."""
    for how, want in (
            (['setpriv', '--reuid', '65534', '--clear-groups'],
             'CAP_BPF is missing'),
            (['setpriv', '--reuid', '65534', '--clear-groups', '--inh-caps',
              '+bpf', '--ambient-caps', '+bpf'], 'CAP_PERFMON is missing'),
            (['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'],
             'right to trace is missing')):
        p = subprocess.run(how + [TRACE, '--all'], capture_output=True,
                           text=True, timeout=30)
        if 'setpriv' in p.stderr:
            raise Skip(p.stderr.strip())
        ok(p.returncode == 1 and want in p.stderr and 'run it as root' in
           p.stderr, '%s: %r' % (how, p))


def case_observe(box):
    """--observe charges, and its rows say that nothing was held back."""
    box.budget(0.0000001)
    with Client(box, 'http.client') as c:
        with Tracer(box, '--observe', pid=c.pid) as t:
            eq([r['status'] for r in c.send(request(), request())],
               [200, 200], 'both pass')
            rows = t.rows(2)
            eq([r['verdict'] in ('allow', 'warn') for r in rows],
               [True, True], 'verdicts')
    ok(all('ignored_budget' in r['flags'] for r in rows),
       [r['flags'] for r in rows])
    eq(box.budget_status()['state'], 'exceeded', 'it was charged')


def case_no_room(box):
    """A ledger that takes no rows: it is said, and nothing is lost."""
    ledger = os.path.join(box.state, 'ledger')
    os.makedirs(ledger, exist_ok=True)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'ro', 'none', ledger],
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip('no right to mount')
    try:
        with Client(box, 'http.client') as c:
            with Tracer(box, '--observe', pid=c.pid) as t:
                c.send(request(), request(), request())
                until(lambda: len(t.records()) >= 3, 'three calls')
                t.wait_said('ledger cannot be written')
            eq(t.said().count('cannot be written'), 1, 'said once')
            eq(box.status()['staged_rows'], 3, 'rows that wait')
    finally:
        subprocess.run(['umount', ledger], check=True)
    box.status()
    eq(len(box.rows()), 3, 'rows, once there is room')


def case_other_user(box):
    """Rows, region and note are the target's user's, made as that user."""
    drop = ['setpriv', '--reuid', '65534', '--regid', '65534',
            '--clear-groups']
    if subprocess.run(drop + ['true'], stderr=subprocess.DEVNULL).returncode:
        raise Skip('no setpriv')
    client = os.path.join(HERE, 'client.py')
    if subprocess.run(drop + ['test', '-r', client]).returncode:
        raise Skip('another user cannot read this checkout')
    home = os.path.join(box.dir, 'home')
    os.mkdir(home)
    os.chown(home, 65534, 65534)
    env = dict(HOME=home, LLMGUARD_STATE_DIR=box.state,
               LLMGUARD_REGION=box.region)
    box.state = env['LLMGUARD_STATE_DIR'] = os.path.join(home, 'state')
    argv = drop + [PY, client, 'http.client']
    with Client(box, argv=argv, **env) as c:
        with Tracer(box, pid=c.pid, own=False) as t:
            c.send(request(test='in=4;out=2'))
            r = t.rows(1)[0]
            note = 'tracer-%d.json' % t.pid
            until(lambda: os.path.exists(os.path.join(box.state, note)),
                  'its note')
            st = subprocess.run(
                drop + [CLI, 'status', '--json'], capture_output=True,
                env=dict(box.env(guard=False), **env)).stdout
    eq((r['uid'], r['input_tokens']), (65534, 4), 'row')
    eq(json.loads(st)['tracer']['pids'], [t.pid], 'status as that user')
    eq(len(box.rows()), 1, 'ledger')
    for folder, _, names in os.walk(box.state):
        for name in names + ['.']:
            at = os.lstat(os.path.join(folder, name))
            eq((at.st_uid, at.st_mode & 0o077), (65534, 0), name)
    eq(os.stat(box.region).st_uid, 65534, 'region')


main(globals())
