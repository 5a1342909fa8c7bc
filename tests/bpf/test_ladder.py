#!/usr/bin/python3
"""Hard limits from outside, by people who lean on them.

Who must never be stopped, whose stop is not ours, what goes on when nobody
reads the tracer's lines, and how many slip through when many write at once.
"""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from breach import (  # noqa: E402
    OVER, PRICE, Group, bodies, dear, goes_on, raise_it, spend, stays, stops)
from live import (  # noqa: E402
    CLI, TOP, TRACE, Client, Skip, Tracer, eq, main, ok, until)


def scoped(box, scope, usd='0.02', more=''):
    box.config('budgets:\n  - {name: cap, scope: "%s", period: total, '
               'limit_usd: %s, hard: true%s}\n' % (scope, usd, more))


# -- what must not stop the tracer --------------------------------------------


def case_reader_is_slow(box):
    """Nobody reads the lines: limits hold all the same."""
    box.budget('0.3')
    with Client(box, 'requests') as c:
        r, w = os.pipe()
        argv = [TRACE, '--json', '--config', box.config_path, '--state-dir',
                box.state, '--region', box.region, '--pid', str(c.pid)]
        err = open(os.path.join(box.dir, 'tracer.err'), 'w+')
        p = subprocess.Popen(argv, stdout=w, stderr=err, env=box.env(False))
        os.set_blocking(w, False)
        try:
            while True:
                os.write(w, b'x' * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(w, True)
        os.close(w)
        try:
            until(lambda: ': ready' in open(err.name).read(), 'ready')
            spend(c, 22)
            c.start(*[dear() for _ in range(10)])
            stops(c)
            ok(len(bodies(box)) <= 25, 'reached: %d' % len(bodies(box)))
            raise_it(box)
            goes_on(c)
            c.collect()
        finally:
            os.close(r)
            p.terminate()
            p.wait(10)
            err.close()


def case_lost_record(box):
    """The ring is full when it is stopped: it goes on nevertheless."""
    scoped(box, 'project:x')
    with Client(box, 'requests', LLMGUARD_PROJECT='x') as c, \
            Client(box, 'requests', LLMGUARD_PROJECT='y') as d:
        with Tracer(box, '--ring-mb', '1', pid=[c.pid, d.pid],
                    code=OVER) as t:
            spend(c, 2)
            time.sleep(0.5)             # its verdict stands
            t.proc.send_signal(signal.SIGSTOP)
            try:
                big = dear(text='x' * 200000)
                for a in d.send(*[big for _ in range(8)]):
                    eq(a['status'], 200, 'nobody limits it')
                c.start(dear())
                stops(c)
            finally:
                t.proc.send_signal(signal.SIGCONT)
            stays(c, box, 10, 1.5)
            t.wait_said('no room in the ring')
            raise_it(box)
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'it completes')


def case_no_region(box):
    """A region that cannot be used is told of: nothing is limited."""
    box.budget('0.02')
    with open(box.region, 'w') as f:
        f.write('none of ours')
    os.chmod(box.region, 0o600)
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid) as t:
            t.wait_said('no budget limits its programs')
            spend(c, 1)


# -- whom it never stops ------------------------------------------------------

PARENT = r'''
import json, os, subprocess, sys
argv = sys.argv[1:]
p = None
sys.path.append(os.path.join(os.environ['TOP'], 'tests/bpf/lib'))
sys.path.append(os.path.join(os.environ['TOP'], 'tests/e2e'))
err = open(os.environ['SAID'], 'w')
tracer = subprocess.Popen(argv + ['--pid', str(os.getpid())], stderr=err,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
sys.argv = ['client.py', 'requests']
import client
client.main()
tracer.terminate()
tracer.wait()
'''


def case_own_parent(box):
    """Who started the tracer is never stopped: its request fails."""
    box.budget('0.02')
    path = os.path.join(box.dir, 'parent.py')
    said = os.path.join(box.dir, 'tracer.err')
    with open(path, 'w') as f:
        f.write(PARENT)
    argv = [sys.executable, path, TRACE, '--config', box.config_path,
            '--state-dir', box.state, '--region', box.region]
    with Client(box, argv=argv, SAID=said, TOP=TOP) as c:
        until(lambda: os.path.exists(said) and
              ': ready' in open(said).read(), 'the tracer is ready')
        spend(c, 2)
        a = c.send(dear())[0]
        ok(a['status'] != 200, 'its request fails: %r' % a)
        ok(not c.is_stopped(), 'it runs')
        eq(len(bodies(box)), 2, 'requests that reached the server')


def case_no_kill(box):
    """Whom it may not continue it does not stop."""
    caps = '+bpf,+perfmon,+sys_ptrace,+checkpoint_restore,+dac_override'
    if not os.path.exists('/usr/bin/setpriv'):
        raise Skip('no setpriv')
    box.budget('0.02')
    for top, dirs, _ in os.walk(box.dir):
        os.chmod(top, 0o777)
    said = open(os.path.join(box.dir, 'said'), 'w+')
    with Client(box, 'requests') as c:
        p = subprocess.Popen(
            ['setpriv', '--reuid', '65534', '--regid', '65534',
             '--clear-groups', '--inh-caps=' + caps, '--ambient-caps=' + caps,
             TRACE, '--config', box.config_path, '--state-dir', box.state,
             '--region', box.region, '--pid', str(c.pid)],
            stdout=subprocess.DEVNULL, stderr=said, env=box.env(False))
        try:
            until(lambda: ': ready' in open(said.name).read(), 'ready')
            for _ in range(5):
                eq(c.send(dear())[0]['status'], 200, 'it goes on')
        finally:
            p.terminate()
            p.wait(10)
            said.close()


# -- a group -------------------------------------------------------------------


def case_group_denied(box):
    """Who is not of the budget connects, though he is of the group."""
    scoped(box, 'project:x')
    with Group() as g, g.client(box, LLMGUARD_PROJECT='x') as a, \
            g.client(box, LLMGUARD_PROJECT='y') as b:
        with Tracer(box, '--cgroup', g.path, '--on-hard', 'deny', code=OVER):
            spend(a, 2)
            for x in a.send(dear(), dear()):
                ok(x['status'] != 200, 'it is denied: %r' % x)
            time.sleep(0.5)
            spend(b, 2)
    eq(len(bodies(box)), 4, 'requests that reached the server')


# -- whose stop it is ----------------------------------------------------------


def case_stopped_by_user(box):
    """A program that its user has stopped is not continued by us."""
    box.budget('0.02')
    with Client(box, 'requests') as a, Client(box, 'requests') as c:
        with Tracer(box, pid=[a.pid, c.pid], code=OVER):
            spend(c, 1)
            os.kill(c.pid, signal.SIGSTOP)
            until(c.is_stopped, 'stopped by hand')
            spend(a, 1)
            a.start(dear())
            stops(a)
            raise_it(box)
            goes_on(a)
            a.collect()
            time.sleep(0.5)
            ok(c.is_stopped(), "the user's stop stands after the raise")
        time.sleep(0.2)
        ok(c.is_stopped(), "the user's stop stands after the tracer")
        os.kill(c.pid, signal.SIGCONT)


def case_forced(box):
    """What was let go by hand is charged: it reaches the server."""
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER) as t:
            spend(c, 2)
            for n in (3, 4):
                c.start(dear())
                stops(c)
                time.sleep(0.5)
                box.cli('resume', str(c.pid), '--force')
                eq(c.collect()[-1]['status'], 200, 'it completes')
                rows = t.rows(n)
                eq(rows[-1]['cost_usd'], PRICE, 'what it cost')
                eq(rows[-1]['status'], 200, 'its answer')
                eq(rows[-1]['verdict'], 'stop', 'it had been stopped')
    eq(sum(r['cost_usd'] for r in box.rows()), PRICE * 4, 'what was charged')


def case_tracer_comes_again(box):
    """What a tracer before it had stopped goes on when it has room."""
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=None) as t:
            spend(c, 2)
            c.start(dear())
            stops(c)
            t.proc.kill()
            t.proc.wait()
        stays(c, box, 2, 0.2)
        with Tracer(box, pid=c.pid, code=None):
            stays(c, box, 2)
            raise_it(box)
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'it completes')
        ok(not box.status()['stopped'], 'nobody is noted as stopped')


# -- many ---------------------------------------------------------------------

THREADS = r'''
import json, os, sys, threading, requests
n = int(sys.argv[1])
print('ready', flush=True)
spec = json.loads(sys.stdin.readline())['requests'][0]
go = threading.Barrier(n)
def one():
    s = requests.Session()
    for i in range(4):
        go.wait()
        r = s.request(spec['method'], spec['url'], headers=spec['headers'],
                      data=spec['body'] if isinstance(spec['body'], str) else json.dumps(spec['body']))
ts = [threading.Thread(target=one) for _ in range(n)]
[t.start() for t in ts]
[t.join() for t in ts]
print(json.dumps({'status': 200}), flush=True)
'''


def case_threads(box):
    """64 threads write at once, four times."""
    box.budget('0.5')    # 40 calls
    path = os.path.join(box.dir, 'threads.py')
    with open(path, 'w') as f:
        f.write(THREADS)
    with Client(box, argv=[sys.executable, path, '64']) as c:
        with Tracer(box, pid=c.pid, code=OVER):
            c.start(dear())
            stops(c)
            time.sleep(1)
            n = len(bodies(box))
            # 40 fit; what all of them had in flight is the bound
            ok(40 <= n <= 40 + 64, 'requests at the server: %d' % n)
            raise_it(box)
            goes_on(c)
            c.collect(60)
    eq(len(bodies(box)), 256, 'all, after it was raised')


# -- scopes -------------------------------------------------------------------


def scope_case(box, scope, other, more='', mine=None, env=None):
    scoped(box, scope, more=more)
    with Client(box, 'requests', **(env or {})) as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 2, headers=mine)
            if other is not None:
                for a in c.send(*[dear(headers=other) for _ in range(1)]):
                    eq(a['status'], 200, 'a call of another')
            c.start(dear(headers=mine))
            stops(c)
            n = 2 + (1 if other is not None else 0)
            stays(c, box, n)
            p = box.cli('resume', str(c.pid), check=False)
            eq(p.returncode, 1, 'resume without room')
            ok('cap' in p.stderr.decode(), 'why: ' + p.stderr.decode())
            stays(c, box, n, 0.3)
            raise_it(box)
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'it completes')


def case_project_header(box):
    scope_case(box, 'project:x', {'x-llmguard-project': 'y'},
               mine={'x-llmguard-project': 'x'})


def case_project_env(box):
    scope_case(box, 'project:x', {'x-llmguard-project': 'y'},
               env={'LLMGUARD_PROJECT': 'x'})


def case_uid(box):
    scope_case(box, 'uid:0', None)


def case_process(box):
    scope_case(box, 'process:python*', None)


def case_each_user(box):
    scope_case(box, 'user:*', {'x-llmguard-user': 'b'}, ', each: true',
               mine={'x-llmguard-user': 'a'})


def case_each_user_late(box):
    """Whose calls they are stands in them, and the tracer has no time."""
    scoped(box, 'user:*', more=', each: true')
    a, b = {'x-llmguard-user': 'a'}, {'x-llmguard-user': 'b'}
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER) as t:
            t.proc.send_signal(signal.SIGSTOP)
            try:
                c.start(*[dear(headers=h) for h in (a, a, b, a)])
                time.sleep(1)
            finally:
                t.proc.send_signal(signal.SIGCONT)
            until(lambda: len(bodies(box)) == 3, 'b is let go')
            stops(c)
            stays(c, box, 3)
            raise_it(box)
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'it completes')


def case_conversation(box):
    scope_case(box, 'conversation:c1', {'x-llmguard-conversation': 'c2'},
               mine={'x-llmguard-conversation': 'c1'})


def case_run_env(box):
    box.config(None)
    with Client(box, 'requests', LLMGUARD_MAX_USD='0.02') as c:
        with Client(box, 'requests') as d:
            with Tracer(box, pid=[c.pid, d.pid], code=OVER):
                spend(c, 2)
                spend(d, 3)
                c.start(dear())
                stops(c)
                stays(c, box, 5)
                spend(d, 1)
                p = box.cli('resume', str(c.pid), check=False)
                eq(p.returncode, 1, 'resume without room')
                box.cli('resume', str(c.pid), '--force')
                goes_on(c)
                eq(c.collect()[-1]['status'], 200, 'it completes')


# -- the ground moves -----------------------------------------------------------


def case_budget_removed(box):
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 2)
            c.start(dear())
            stops(c)
            box.config(None)
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'it completes')


def case_config_broken(box):
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 2)
            c.start(dear())
            stops(c)
            box.config('budgets: [')
            stays(c, box, 2, 2)
            box.budget('5')
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'it completes')


def case_region_removed(box):
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 2)
            c.start(dear())
            stops(c)
            os.unlink(box.region)
            stays(c, box, 2, 2)
            box.cli('status')
            stays(c, box, 2, 1)
            raise_it(box)
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'it completes')


def case_disable_enable(box):
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 2)
            c.start(dear())
            stops(c)
            box.cli('disable', str(c.pid))
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'it completes')
            spend(c, 1)
            box.cli('enable', str(c.pid))
            time.sleep(1)
            c.start(dear())
            stops(c)
            stays(c, box, 4)
            box.cli('disable')
            goes_on(c)
            c.collect()
            box.cli('enable')
            time.sleep(1)
            c.start(dear())
            stops(c)
            raise_it(box)
            goes_on(c)
            c.collect()


def case_disabled_by_environment(box):
    """The preload's switch is not the tracer's."""
    box.budget('0.02')
    with Client(box, 'requests', LLMGUARD_DISABLE='1') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 2)
            c.start(dear())
            stops(c)
            raise_it(box)
            goes_on(c)
            c.collect()


def case_ignore(box):
    box.budget('0.02')
    with Client(box, 'requests', LLMGUARD_IGNORE_BUDGET='1') as c:
        with Tracer(box, pid=c.pid, code=0) as t:
            spend(c, 5)
            rows = t.rows(5)
            ok(all('ignored_budget' in r['flags'] for r in rows),
               'rows say so')


if not os.path.exists(CLI):
    print('llmguard is not built')
    sys.exit(77)
main(globals())
