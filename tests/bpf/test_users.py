#!/usr/bin/python3
"""One tracer, several users: none holds the others up, and none makes it
write where he may not. What is set up wrongly is told.
"""
import fcntl
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from breach import OVER, dear, goes_on, spend, stops  # noqa: E402
from live import (  # noqa: E402
    TRACE, Client, Skip, Tracer, eq, main, ok, until)

NOBODY, OTHER = 65534, 65533
CAP = """\
version: 1
budgets:
  - {name: cap, scope: global, period: total, limit_usd: %s, hard: true}
"""


def drop(uid):
    argv = ['setpriv', '--reuid', str(uid), '--regid', str(uid),
            '--clear-groups']
    if subprocess.run(argv + ['true'], stderr=subprocess.DEVNULL).returncode:
        raise Skip('no setpriv')
    return argv


def files(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder)
                  for name in names)


def case_lock_is_held(box):
    """Who keeps the lock of his own folder is stopped all the same, and the
    limits of others hold; when he lets it go the note is made."""
    state = os.path.join(box.dir, 'his')
    os.mkdir(state)
    box.budget('0.02')
    other = os.path.join(box.dir, 'his.yaml')
    shutil.copy(box.config_path, other)
    his = dict(LLMGUARD_CONFIG=other, LLMGUARD_STATE_DIR=state,
               LLMGUARD_REGION=os.path.join(box.dir, 'his-region'))
    mine = dict(LLMGUARD_CONFIG=box.config_path, LLMGUARD_STATE_DIR=box.state,
                LLMGUARD_REGION=box.region)
    with Client(box, 'requests', **his) as a, \
            Client(box, 'requests', **mine) as b:
        with Tracer(box, pid=[a.pid, b.pid], own=False, code=OVER):
            spend(a, 2)
            spend(b, 2)
            lock = os.open(state, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            a.start(dear())
            stops(a)
            n = len(box.arrived())
            b.start(dear())
            stops(b)
            eq(len(box.arrived()), n, 'requests that arrived')
            order = os.path.join(state, 'control')
            ok(not os.path.exists(order), 'an order below a held lock')
            box.budget('5')
            goes_on(b)
            eq(b.collect()[-1]['status'], 200, 'the other completes')
            os.close(lock)
            until(lambda: os.path.exists(order), 'the order is noted')


def case_set_uid(box):
    """A set-uid program has its caller's environment: it names no folder."""
    argv = drop(NOBODY)
    folders = []
    for name, uid in (('caller', NOBODY), ('owner', OTHER)):
        folders.append(os.path.join(box.dir, name))
        os.mkdir(folders[-1])
        os.chown(folders[-1], uid, uid)
    program = os.path.join(box.dir, 'sleep')
    shutil.copy('/usr/bin/sleep', program)
    os.chown(program, OTHER, OTHER)
    os.chmod(program, 0o4755)
    for folder in folders:
        p = subprocess.Popen(argv + [
            'env', '-i', 'HOME=' + folder,
            'LLMGUARD_STATE_DIR=' + os.path.join(folder, 'state'),
            'LLMGUARD_REGION=' + os.path.join(folder, 'region'),
            'LLMGUARD_MAX_USD=1', program, '60'])
        try:
            until(lambda: open('/proc/%d/comm' % p.pid).read() == 'sleep\n',
                  'it runs')
            if os.stat('/proc/%d' % p.pid).st_uid == NOBODY:
                raise Skip('no set-uid programs here')
            with Tracer(box, pid=p.pid, own=False) as t:
                t.wait_said('ready')
                time.sleep(1.5)  # notes are written each second
        finally:
            p.kill()
            p.wait()
    eq([files(f) + os.listdir(f) for f in folders], [[], []], 'files')


def case_config_is_told(box):
    """A config that is not in force limits nothing: that must be heard."""
    box.config('budgets: [')
    with Client(box, 'requests', LLMGUARD_CONFIG=box.config_path,
                LLMGUARD_STATE_DIR=box.state, LLMGUARD_REGION=box.region,
                LLMGUARD_MAX_USD='abc') as c:
        with Tracer(box, pid=c.pid, own=False) as t:
            t.wait_said(box.config_path)
            t.wait_said('LLMGUARD_MAX_USD: value "abc"')
        with Tracer(box, pid=c.pid, ready=False, code=1) as t:
            t.wait_said(box.config_path)
            t.proc.wait(60)
        box.config(CAP % '1')
        with Tracer(box, pid=c.pid, own=False) as t:
            box.config('budgets: [')
            spend(c, 1)
            t.wait_said(box.config_path)


def case_empty_words(box):
    for option in ('comm', 'exe', 'uid', 'cgroup', 'config', 'state-dir'):
        p = subprocess.run([TRACE, '--' + option, ''], text=True,
                           capture_output=True, timeout=60)
        eq(p.returncode, 2, option)
        ok("--%s ''" % option in p.stderr, p.stderr)


def case_state_dir(box):
    """A folder that cannot be made ends it; a relative one is where we are."""
    p = subprocess.run([TRACE, '--state-dir', '/proc/nope', '--all'],
                       text=True, capture_output=True, timeout=60)
    eq(p.returncode, 1, p.stderr)
    ok('--state-dir /proc/nope: ' in p.stderr, p.stderr)
    with Client(box, 'requests') as c:
        p = subprocess.run([TRACE, '--state-dir', 'here', '--duration', '2',
                            '--pid', str(c.pid)], cwd=box.dir, text=True,
                           capture_output=True, timeout=60,
                           env=box.env(guard=False))
    eq(p.returncode, 0, p.stderr)
    notes = files(os.path.join(box.dir, 'here'))
    ok(any('tracer-' in n for n in notes), notes)


def case_closed_stdio(box):
    """What is printed never goes into a file of the tracer's own."""
    with Client(box, 'requests') as c:
        argv = [TRACE, '--summary', '--json', '--duration', '2',
                '--config', box.config_path, '--state-dir', box.state,
                '--region', box.region, '--pid', str(c.pid)]
        p = subprocess.run(['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh'] + argv,
                           timeout=60)
        ok(p.returncode != 0, 'exit status of a tracer that prints nowhere')
    lock = '/run/llmguard-trace.lock'
    eq(os.path.exists(lock) and os.path.getsize(lock), 0, 'size of ' + lock)


main(globals())
