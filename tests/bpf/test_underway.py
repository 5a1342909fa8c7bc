#!/usr/bin/python3
"""Calls that are under way when somebody dies: the tracer, or the program.

What was sent is charged, what may go unseen is charged by estimate and
flagged, and what never went costs nothing.
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from breach import (  # noqa: E402
    OVER, bodies, dear, goes_on, spend, stops)
from live import (  # noqa: E402
    PY, Client, Tracer, chat_body, eq, have_client, main, ok, request, until)

# Answers that come in parts, and one that takes its time.
SLOW = {'stream': ';events=40;gap=100', 'delayed': ';delay=5000'}


def under_way(box, c, how):
    """A call that the server has, and that is not over."""
    n = len(bodies(box))
    c.start(request(body=chat_body(stream=how == 'stream'),
                    test='in=1000;out=500' + SLOW[how]))
    until(lambda: len(bodies(box)) > n, 'the server has the request')


def state(box):
    return box.cli('holds').stdout.decode()


def killed(t):
    t.code = None
    t.stop(signal.SIGKILL)


def row_of(box, n=1):
    """The last row, once there are n of them."""
    def enough():
        box.status()
        return len(box.rows()) >= n
    until(enough, '%d rows' % n)
    eq(len(box.rows()), n, 'rows')
    return box.rows()[-1]


def forsaken(row, flag='abandoned'):
    ok(row['cost_usd'] > 0, 'it is charged: %s' % row)
    ok(flag in row['flags'], 'flags %s' % row['flags'])
    ok('cut_short' not in row['flags'], 'nobody saw an end')
    ok(row['usage_state'] != 'exact', 'nobody told its usage')


# -- the tracer is killed -----------------------------------------------------


def sent_then_killed(box, kind, how):
    box.budget('10')
    with Client(box, kind) as c:
        with Tracer(box, pid=c.pid) as t:
            under_way(box, c, how)
            until(lambda: ' sent' in state(box), 'the hold says sent')
            ok('not sent' not in state(box), 'it is on its way')
            killed(t)
        row = row_of(box)
        forsaken(row)
        eq(box.budget_status()['spent_usd'], row['cost_usd'], 'spent')
        eq(box.budget_status()['held_usd'], 0, 'held')


def case_killed_stream(box):
    """kill -9 in the midst of a stream: charged at what was held."""
    sent_then_killed(box, 'requests', 'stream')


def case_killed_delayed(box):
    """The same before the answer."""
    sent_then_killed(box, 'httpx' if have_client('httpx') else 'requests',
                     'delayed')


def waits(box, c, big=None):
    """It is stopped at a request of which nothing has left."""
    spend(c, 2)
    c.start(big or dear())
    stops(c)
    time.sleep(0.5)


def resumed(box, c, n):
    """What waited goes; nobody looks."""
    if c.is_stopped():
        os.kill(c.pid, signal.SIGCONT)
    goes_on(c)
    c.collect()
    eq(len(bodies(box)), n, 'requests that reached the server')


def case_killed_then_resumed(box):
    """kill -9 while a whole request waits, then kill -CONT: charged."""
    box.budget('0.02')
    with Client(box, 'curl') as c:
        with Tracer(box, pid=c.pid) as t:
            waits(box, c)
            ok('stopped' in state(box), 'it waits: ' + state(box))
            killed(t)
        resumed(box, c, 3)
        row = row_of(box, 3)
        forsaken(row)
        eq(row['verdict'], 'stop', 'verdict')


# -- the tracer ends ----------------------------------------------------------


def ended(box, kind, sig, fail='open'):
    box.config('fail: %s\nbudgets:\n  - {name: cap, scope: global, period: '
               'total, limit_usd: 0.02, hard: true}\n' % fail)
    with Client(box, kind) as c:
        with Tracer(box, pid=c.pid, code=OVER) as t:
            waits(box, c)
            eq(t.stop(sig), OVER, 'exit status')
        eq(c.is_stopped(), fail == 'closed', 'it stays stopped')
        resumed(box, c, 3)
        row = row_of(box, 3)
        forsaken(row)
        eq((row['verdict'], row['model_requested']), ('stop', 'gpt-4o'),
           'verdict, and the model its calls were of')
        ok(row['cost_usd'] < 1, 'no more than such calls cost')
        eq(box.budget_status()['spent_usd'],
           sum(r['cost_usd'] for r in box.rows()), 'spent')


def case_ended_head(box):
    """^C while a head waits whose body is to come: it goes, and is charged."""
    ended(box, 'requests', signal.SIGINT)


def case_ended_whole(box):
    """The same of a request in one write, by SIGTERM."""
    ended(box, 'curl', signal.SIGTERM)


def case_ended_closed(box):
    """fail: closed: it stays stopped, and may go any time."""
    ended(box, 'requests', signal.SIGINT, 'closed')


def case_ended_stream(box):
    """^C in the midst of a stream: its end goes unseen."""
    box.budget('10')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid):
            under_way(box, c, 'stream')
            time.sleep(0.5)
        forsaken(row_of(box))


def case_killed_while_it_waits(box):
    """The program dies at its write before the tracer ends: it cost nothing."""
    box.budget('0.02')
    with Client(box, 'requests') as c:
        with Tracer(box, pid=c.pid, code=OVER):
            waits(box, c)
            c.proc.kill()
            c.proc.wait()
            row = row_of(box, 3)
        eq((row['cost_usd'], row['verdict']), (0, 'stop'), 'it never went')
        ok('abandoned' not in row['flags'], 'that is certain')


# -- many at once -------------------------------------------------------------

CROWD = r'''
import http.client, json, ssl, sys, threading, time
BODY = json.dumps({'model': 'gpt-4o-mini', 'max_tokens': 500, 'messages': [
    {'role': 'user', 'content': 'x' * 2000}]})
HEAD = {'content-type': 'application/json', 'x-test': 'in=1000;out=500'}
def calls():
    while True:
        c = http.client.HTTPSConnection('api.openai.com', timeout=30)
        for i in range(4):
            c.request('POST', '/v1/chat/completions', BODY, HEAD)
            c.getresponse().read()
        c.close()
print('ready', flush=True)
sys.stdin.readline()
for i in range(8):
    threading.Thread(target=calls, daemon=True).start()
time.sleep(60)
'''


def case_crowd(box):
    """Threads that their process's stop has caught at their write cost 0."""
    box.budget('0.02')
    all = [Client(box, argv=[PY, '-c', CROWD]) for _ in range(3)]
    try:
        with Tracer(box, pid=[c.pid for c in all], code=OVER):
            for c in all:
                c.proc.stdin.write('\n')
                c.proc.stdin.flush()
            for c in all:
                stops(c)
            time.sleep(1)
            served = len(bodies(box))
            for c in all:
                c.proc.kill()
                c.proc.wait()
            time.sleep(1)
    finally:
        for c in all:
            c.close()
    rows = box.rows()
    charged = [r for r in rows if r['cost_usd']]
    eq(len(charged), served, 'calls that are charged, of %d rows; %s' % (
        len(rows), [(r['verdict'], r['usage_state'], r['flags'])
                    for r in charged if r['usage_state'] != 'exact']))


# -- records that come after the end ------------------------------------------


def case_gone_before_it_is_read(box):
    """A program has ended and its last records are not read yet: one row."""
    with Client(box, 'requests') as c, Client(box, 'requests') as other:
        with Tracer(box, '--ring-mb', '64', pid=[c.pid, other.pid]) as t:
            c.start(request(test='in=10;out=5;delay=3000'))
            until(lambda: bodies(box), 'it is under way')
            time.sleep(0.5)
            t.proc.send_signal(signal.SIGSTOP)
            try:
                # more of them than are read at once
                other.send(request(test='in=10;out=5;text=12000;piece=1;enc=none'),
                           timeout=60)
                c.collect()
                c.close()
            finally:
                t.proc.send_signal(signal.SIGCONT)
            t.rows(2)
            time.sleep(1.5)
    rows = box.rows()
    eq([(r['usage_state'], r['flags']) for r in rows],
       [('exact', [])] * 2, 'rows')


main(globals())
