"""Budgets that are used up, and whoever is stopped for that.

A call of DEAR costs $0.0125, so a limit of $0.02 is exhausted by the second.
A program that asks one call after the other has at most one in flight when
its budget is found exhausted: the bound on the overshoot is one call.
"""
import os
import time
from decimal import Decimal

from live import Client, Skip, chat_body, eq, ok, request, until

DEAR = 'in=1000;out=1000'
PRICE = Decimal('0.0125')
OVER = 3    # exit status: something was stopped


def dear(model='gpt-4o', test=DEAR, headers=None, **k):
    r = request(body=chat_body(model, **k), test=test)
    r['headers'].update(headers or {})
    return r


def bodies(box):
    return [e for e in box.arrived() if e['event'] == 'request']


def spend(c, n, **k):
    for a in c.send(*[dear(**k) for _ in range(n)]):
        eq(a['status'], 200, 'a call within the budget')


def stops(c):
    until(c.is_stopped, 'the process is stopped')


def goes_on(c):
    until(lambda: not c.is_stopped(), 'the process goes on')


def stays(c, box, n, seconds=0.5):
    """Nothing more reaches the server."""
    time.sleep(seconds)
    ok(c.is_stopped(), 'it is still stopped')
    eq(len(bodies(box)), n, 'requests that reached the server')


def raise_it(box, usd='5'):
    box.cli('budget', 'set', 'cap', '--limit', usd)


class Group:
    """A control group of its own; what runs in it has ended at the end."""

    def __init__(self):
        with open('/proc/mounts') as f:
            tops = [x.split()[1] for x in f if x.split()[2] == 'cgroup2']
        if not tops:
            raise Skip('no cgroup2 here')
        self.path = os.path.join(tops[0], 'llmguard-test-%d' % os.getpid())

    def client(self, box, kind='requests', **env):
        return Client(box, argv=[
            'sh', '-c', 'echo $$ > "$0" && exec "$@"',
            self.path + '/cgroup.procs'] + Client.command(kind), **env)

    def remove(self):
        try:
            os.rmdir(self.path)
            return True
        except OSError:
            return False

    def __enter__(self):
        try:
            os.mkdir(self.path)
        except OSError as e:
            raise Skip('no control group can be made: %s' % e)
        return self

    def __exit__(self, *_):
        until(self.remove, 'the group is empty')
