#!/usr/bin/python3
"""Hard limits from outside a process: what the server gets after a breach."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from breach import (  # noqa: E402
    DEAR, OVER, PRICE, Group, bodies, dear, goes_on, raise_it, spend, stays,
    stops)
from live import (  # noqa: E402
    ANTHROPIC, CLI, OPENAI, SCALE, TRACE, WAIT, Client, Skip, Tracer, eq, main,
    ok, request, until)


def event_of(box, word):
    p = box.cli('alerts', '--json', check=False)
    return [x for x in p.stdout.decode().splitlines() if word in x]


def stop_and_raise(box, kind):
    box.budget('0.02')
    with Client(box, kind) as c:
        spend(c, 1)                     # nobody looks yet: not counted
        with Tracer(box, pid=c.pid, code=OVER) as t:
            spend(c, 2)
            c.start(dear())
            stops(c)
            stays(c, box, 3)
            ok('stopped' in box.cli('status').stdout.decode().lower(),
               'status says who is stopped')
            p = box.cli('resume', str(c.pid), check=False)
            eq(p.returncode, 1, 'resume without room')
            ok('cap' in p.stderr.decode() and 'raise' in p.stderr.decode(),
               'resume says why: ' + p.stderr.decode())
            stays(c, box, 3, 0.3)
            raise_it(box)
            goes_on(c)
            a = c.collect()[-1]
            eq(a['status'], 200, 'the stopped request completes')
            ok('chat.completion' in a['body'], 'its answer is intact')
            rows = t.rows(3)
    eq(len(bodies(box)), 4, 'requests that reached the server')
    eq([r['verdict'] for r in rows][-1], 'stop', "the stopped call's verdict")
    eq(sum(r['cost_usd'] for r in box.rows()), PRICE * 3, 'what was charged')
    eq(len(event_of(box, 'was stopped')), 1, 'events of the stop')
    eq(box.status()['stopped'], [], 'nobody is noted as stopped')


def case_stop_requests(box):
    stop_and_raise(box, 'requests')


def case_stop_async(box):
    stop_and_raise(box, 'httpx-async')


def case_stop_node(box):
    stop_and_raise(box, 'https')


def case_stop_static_node(box):
    stop_and_raise(box, 'static-https')


def case_kill(box):
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, '--on-hard', 'kill', pid=c.pid, code=OVER):
            spend(c, 2)
            c.start(dear())
            until(lambda: c.proc.poll() is not None, 'it was killed')
            eq(c.proc.returncode, -signal.SIGKILL, 'how it ended')
    eq(len(bodies(box)), 2, 'requests that reached the server')
    rows = box.rows()
    eq([r['verdict'] for r in rows][-1], 'kill', "the killed call's verdict")
    eq(rows[-1]['cost_usd'], 0, 'what it cost')
    eq(sum(r['cost_usd'] for r in rows), PRICE * 2, 'what was charged')


def needs(rung):
    """Skips where this kernel, or container, has not what the rung needs."""
    p = subprocess.run([TRACE, '--check', '--json'], capture_output=True)
    for r in json.loads(p.stdout)['rungs']:
        if r['name'] == rung and not r['works']:
            raise Skip('no %s here: %s' % (rung, r['why_not']))


def refused(box, rung, kind):
    """The request fails in the program, and so do its next connections."""
    box.budget('0.02')
    with Client(box, kind) as c:
        with Tracer(box, '--on-hard', rung, pid=c.pid, code=OVER):
            spend(c, 2)
            answers = c.send(dear(), dear(), dear())
            ok(not any(a['status'] == 200 for a in answers),
               'none was answered: %r' % answers)
            eq(len(bodies(box)), 2, 'requests that reached the server')
            ok(c.proc.poll() is None and not c.is_stopped(), 'it goes on')
            raise_it(box)
            until(lambda: c.send(dear())[0]['status'] == 200,
                  'it may connect again')
    said = [r['verdict'] for r in box.rows() if r['cost_usd'] == 0]
    ok(said and set(said) <= {rung, 'deny'}, 'rows of %r' % said)
    ok(len(said) <= 4, 'a row a budget, not one a try: %r' % said)
    ok(event_of(box, 'pid %d' % c.pid), 'an event')


def case_deny(box):
    needs('deny')
    refused(box, 'deny', 'requests')


def case_reset(box):
    refused(box, 'reset', 'requests')


def case_reset_node(box):
    refused(box, 'reset', 'static-https')


def case_reset_stream(box):
    """A stream that runs when another process exhausts the budget is cut."""
    box.budget('0.02')
    with Client(box, 'requests') as c, Client(box, 'requests') as other:
        with Tracer(box, '--on-hard', 'reset', pid=[c.pid, other.pid],
                    code=OVER):
            c.start(dear(stream=True, test='in=10;out=10;events=100;gap=100'))
            until(lambda: len(bodies(box)) == 1, 'the stream began')
            spend(other, 2)
            a = c.collect()[-1]
            ok('[DONE]' not in a.get('body', ''), 'the stream was cut')
    rows = [r for r in box.rows() if r['pid'] == c.pid]
    eq([r['verdict'] for r in rows], ['reset'], "the stream's verdict")


def case_other_models(box):
    """A budget of one model stops no call of another."""
    box.config('budgets:\n  - {name: cap, scope: "model:gpt-4o*", period: '
               'total, limit_usd: 0.02, hard: true}\n')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 2)
            for a in c.send(*[request(ANTHROPIC) for _ in range(5)]):
                eq(a['status'], 200, 'a call of another model')
            ok(not c.is_stopped(), 'it is not stopped')
            c.start(dear())
            stops(c)
            stays(c, box, 7)
            raise_it(box)
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'the stopped request completes')
    eq(len(bodies(box)), 8, 'requests that reached the server')


def case_two_processes(box):
    """Both stop, and the overshoot is what was in flight: one call each."""
    box.budget('0.05')
    with Client(box, 'requests') as a, Client(box, 'requests') as b:
        with Tracer(box, pid=[a.pid, b.pid], code=OVER):
            for c in (a, b):
                c.start(*[dear(test=DEAR + ';delay=20') for _ in range(20)])
            stops(a)
            stops(b)
            time.sleep(0.5)
            n = len(bodies(box))
            raise_it(box)
            for c in (a, b):
                goes_on(c)
                c.collect()
    # 4 calls exhaust it; each process may have had one more on its way
    ok(4 <= n <= 4 + 2, 'requests that reached the server: %d' % n)
    eq(len(bodies(box)), 40, 'all, after it was raised')


def case_parallel(box):
    """What is in flight counts: many at once pass the limit by no more than
    one for each that was written before the tracer saw the first."""
    box.budget('0.02')
    reqs = [dear(max_tokens=1000, test=DEAR + ';delay=300')
            for _ in range(40)]
    with Client(box, 'httpx-async') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            c.start(*reqs, parallel=True)
            stops(c)
            time.sleep(0.5)
            n = len(bodies(box))
            ok(n < 20, 'most were not sent: %d' % n)
            raise_it(box)
            goes_on(c)
            for a in c.collect():
                eq(a['status'], 200, 'a call after the raise')
    eq(len(bodies(box)), 40, 'all, after it was raised')


def case_curl_loop(box):
    """Each call is a process of its own: children inherit the verdict."""
    box.budget('0.02')
    argv = box.curl_argv(OPENAI, '{"model":"gpt-4o","messages":[{"role":'
                         '"user","content":"hi"}],"max_tokens":50}',
                         {'Content-Type': 'application/json', 'x-test': DEAR,
                          'Authorization': 'Bearer sk-x'})
    loop = 'read x; for i in 1 2 3 4 5 6; do "$@" >/dev/null 2>&1; done'
    p = subprocess.Popen(['bash', '-c', loop, 'loop'] + argv,
                         env=box.env(guard=False), stdin=subprocess.PIPE)
    try:
        with Tracer(box, pid=p.pid, code=OVER):
            p.stdin.write(b'go\n')
            p.stdin.close()
            until(lambda: box.status()['stopped'], 'a curl is stopped')
            n = len(bodies(box))
            time.sleep(0.3)
            eq(len(bodies(box)), n, 'requests that reached the server')
            ok(n <= 3, 'at most one after the breach: %d' % n)
            raise_it(box)
            eq(p.wait(WAIT * SCALE), 0, 'the loop ends')
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
    eq(len(bodies(box)), 6, 'all, after it was raised')


def case_cgroup(box):
    """A process that enters the group after the breach is stopped, too."""
    box.budget('0.02')
    with Group() as g, g.client(box) as a, Client(box, 'requests') as b:
        with Tracer(box, '--cgroup', g.path, code=OVER):
            spend(a, 2)
            a.start(dear())
            stops(a)
            n = len(bodies(box))
            with g.client(box) as c:
                c.start(dear())
                stops(c)
                eq(len(bodies(box)), n, 'requests that reached the server')
                b.start(dear())     # not in the group
                eq(b.collect()[-1]['status'], 200, 'another process')
                raise_it(box)
                goes_on(a)
                goes_on(c)
                eq(c.collect()[-1]['status'], 200, 'it completes')
                a.collect()


def case_at_attach(box):
    """The budget was exhausted before the tracer came."""
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid):
            spend(c, 2)
        ok(not c.is_stopped(), 'nothing was left behind')
        n = len(bodies(box))
        with Tracer(box, pid=c.pid, code=OVER):
            c.start(dear())
            stops(c)
            stays(c, box, n)
        # fail: open, the tracer went
        goes_on(c)
        eq(c.collect()[-1]['status'], 200, 'it completes')


def case_fail_closed(box):
    """A tracer that ends leaves them stopped where the settings say so."""
    box.config('fail: closed\nbudgets:\n  - {name: cap, scope: global, '
               'period: total, limit_usd: 0.02, hard: true}\n')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 2)
            c.start(dear())
            stops(c)
        stays(c, box, 2)
        raise_it(box)
        box.cli('resume', str(c.pid))
        goes_on(c)
        eq(c.collect()[-1]['status'], 200, 'it completes')


def case_tracer_killed(box):
    """kill -9 of the tracer: what it stopped can be resumed by hand."""
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=None) as t:
            spend(c, 2)
            c.start(dear())
            stops(c)
            t.proc.kill()
            t.proc.wait()
        stays(c, box, 2)
        ok(str(c.pid) in box.cli('status').stdout.decode(),
           'status knows who is stopped')
        p = box.cli('resume', str(c.pid), check=False)
        eq(p.returncode, 1, 'resume without room')
        ok(c.is_stopped(), 'it is still stopped')
        box.cli('resume', str(c.pid), '--force')
        goes_on(c)
        eq(c.collect()[-1]['status'], 200, 'the stopped request completes')
        ok(not box.status()['stopped'], 'nobody is noted as stopped')
        eq(c.send(dear())[-1]['status'], 200, 'nobody guards it now')


def case_pause(box):
    """An order is seen within a second, with no budget at all."""
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 1)
            box.cli('pause', str(c.pid))
            time.sleep(1)
            c.start(dear())
            stops(c)
            stays(c, box, 1, 0.3)
            box.cli('resume', str(c.pid))
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'it completes')
            box.cli('pause', '--all')
            time.sleep(1)
            c.start(dear())
            stops(c)
            box.cli('disable')
            goes_on(c)
            eq(c.collect()[-1]['status'], 200, 'nothing is guarded')


def case_continued_by_hand(box):
    """SIGCONT from a shell lets one request go, not the next one."""
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            spend(c, 2)
            c.start(dear(), dear())
            stops(c)
            os.kill(c.pid, signal.SIGCONT)
            until(lambda: len(bodies(box)) == 3, 'one request went')
            stops(c)
            stays(c, box, 3)


if not os.path.exists(CLI):
    print('llmguard is not built')
    sys.exit(77)
main(globals())
