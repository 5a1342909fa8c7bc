#!/usr/bin/python3
"""The tracer under load: nothing is lost at 2,000 calls a second, and what is
lost in overload is told exactly.
"""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from live import (  # noqa: E402
    BUILD, SCALE, Failed, Lines, Skip, Tracer, eq, main, ok, short, until)

LOAD = os.path.join(BUILD, 'tests/bpf/load')


class Load:
    """A server and a client with open connections, outside of the tracer."""

    def __init__(self, box, conns, rate, seconds, calls=0, end=''):
        if not os.path.exists(LOAD):
            raise Skip('%s is not built' % LOAD)
        cert, key = (os.path.join(box.dir, x) for x in ('cert.pem', 'key.pem'))
        subprocess.run(
            ['openssl', 'req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:P-256', '-keyout', key, '-out', cert, '-days',
             '2', '-subj', '/CN=api.openai.com'], check=True,
            stderr=subprocess.DEVNULL)
        self.server = self.start('serve', cert, key)
        self.port = self.line(self.server)
        self.client = self.start('ask', self.port, str(conns), str(rate),
                                 str(seconds), str(calls), end)
        eq(self.line(self.client), 'ready', 'the client')

    @staticmethod
    def start(*argv):
        p = subprocess.Popen([LOAD, *argv], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
        p.lines = Lines(p.stdout)
        return p

    @staticmethod
    def line(p, i=0, timeout=30):
        got = p.lines.wait(lambda a: len(a) > i and a[i], timeout * SCALE)
        if not got:
            raise Failed('load says nothing more')
        return got

    def go(self):
        """(answered, milliseconds) of the client."""
        self.client.stdin.write('\n')
        self.client.stdin.flush()
        return [int(x) for x in self.line(self.client, 1, 60).split()]

    def close(self):
        """How many whole requests the server got."""
        for p in (self.client, self.server):
            p.stdin.close()
            p.wait(30)
            p.lines.thread.join()
        return int(self.line(self.server, 1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in (self.client, self.server):
            p.kill()
            p.wait()


def case_2000_a_second(box):
    """2 KB each way, 2,000 times a second: all metered, all exact."""
    with Load(box, 8, 2000, 5) as load:
        with Tracer(box, '--observe', '--summary', pid=load.client.pid) as t:
            n, ms = load.go()
            until(lambda: len(t.out.all) >= n, 'all are printed', 20)
        total = load.close()
        s = t.summary()
        print('%d calls, %d a second' % (n, n * 1000 // ms))
        eq((s['total']['calls'], s['lost']['calls'], s['lost']['bytes'],
            s['lower_bound']), (total, 0, 0, False), 'metered, lost: ' +
           short(s['lost']))
        eq(n, total, 'asked')
        eq((s['total']['input_tokens'], s['total']['output_tokens']),
           (10 * n, 5 * n), 'tokens')
        eq(s['coverage']['exact']['calls'], n, 'exact')
        eq(len(box.rows()), n, 'rows')
        if n * 1000 < ms * 1900:
            raise Skip('the machine manages %d calls a second only' %
                       (n * 1000 // ms))


def overload(box, seconds, stop=False, end='', calls=0):
    """end: how the client ends before the tracer does."""
    had = len(box.rows())
    with Load(box, 32, 0, seconds, calls, end) as load:
        with Tracer(box, '--observe', '--summary', '--ring-mb', '1',
                    pid=load.client.pid) as t:
            if stop:
                t.proc.send_signal(signal.SIGSTOP)
            n, ms = load.go()
            if end == 'kill':
                load.client.kill()
            if end and stop:
                total = load.close()
            if stop:
                t.proc.send_signal(signal.SIGCONT)
            if end:
                total = total if stop else load.close()
                eq(t.proc.wait(30), 0, 'it ends with its program')
        total = total if end else load.close()
        s = t.summary()
        print('%d calls, %d a second: %d metered, %d lost' % (
            n, n * 1000 // ms, s['total']['calls'], s['lost']['calls']))
        eq(n, total, 'asked')
        told = s['total']['calls'] + s['lost']['calls']
        eq(told, total, 'metered and lost: ' + short(s))
        eq(s['lower_bound'], s['lost']['calls'] > 0, 'lower bound')
        eq(len(box.rows()) - had, s['total']['calls'], 'rows')
        return s


def case_overload(box):
    """More than a tiny ring takes: metered + lost is what the server had."""
    overload(box, 3)


def case_churn(box):
    """The same, where each connection has three calls alone: the ring has no
    room for their ends either."""
    overload(box, 2, calls=3)
    overload(box, 1, stop=True, calls=3)
    overload(box, 1, stop=True, calls=3, end='kill')


def case_leaves(box):
    """The program ends before the tracer does: its losses count as well,
    whether it frees its connections, is killed, or becomes another one."""
    for end in 'exit', 'kill', 'exec':
        overload(box, 1, end=end)


def case_leaves_unseen(box):
    """It is gone and reaped with its last records still in the ring."""
    for end in 'exit', 'kill', 'exec':
        overload(box, 1, stop=True, end=end)


def case_no_reader(box):
    """The tracer itself is stopped for a while."""
    s = overload(box, 1, stop=True)
    ok(s['lost']['calls'] > 0 and s['lower_bound'], 'nothing was lost')
    ok(s['lost']['reasons']['ring']['records'] > 0, s['lost'])
    st = box.status()['tracer']
    eq((st['live'], st['lost_calls'], st['lower_bound']),
       (False, s['lost']['calls'], True), 'status')
    ok(b'lower bound' in box.cli('status').stdout, 'status says so')


main(globals())
