#!/usr/bin/python3
"""The live view: in a terminal of tmux, and without one."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
import unicodedata

from harness import (CLI, OPENAI, WAIT, Failed, Skip, chat_body, eq, main, ok,
                     request, send)
from test_control import Talk

BUDGETS = ('budgets:\n'
           '  - {name: month, scope: global, period: monthly, limit_usd: 0.01,'
           ' hard: true}\n'
           '  - {name: day, scope: global, period: daily, limit_usd: 5}\n'
           '  - {name: all, scope: global, period: total, limit_usd: 100}\n')
STYLE = re.compile(r'\x1b\[[0-9;]*m')
COLOUR = re.compile(r'\x1b\[(?:[0-9]+;)*3[0-7](?:;[0-9]+)*m')


class Term:
    """llmguard top in a terminal of its own."""
    count = 0

    def __init__(self, box, cols, rows, *args, term='xterm-256color', **env):
        if not shutil.which('tmux'):
            raise Skip('no tmux here')
        if not os.path.exists(CLI):
            raise Skip('no llmguard to show')
        Term.count += 1
        self.sock = os.path.join(box.dir, 'tmux%d' % Term.count)
        self.env = box.env(LD_PRELOAD=None, **env)
        self.env['TERM'] = term
        conf = os.path.join(box.dir, 'tmux.conf')
        with open(conf, 'w') as f:
            f.write('set -g default-terminal %s\nset -g status off\n'
                    'set -g remain-on-exit on\nset -s escape-time 0\n' % (
                        'screen-256color' if term.startswith('xterm')
                        else term))
        run = ' '.join("'%s'" % x for x in [CLI, 'top', *args])
        self.tmux('-f', conf, 'new-session', '-d', '-s', 't', '-x', str(cols),
                  '-y', str(rows), run)
        self.pid = int(self.tmux('display', '-p', '-t', 't', '#{pane_pid}'))

    def tmux(self, *args):
        p = subprocess.run(['tmux', '-u', '-S', self.sock, *args],
                           env=self.env, capture_output=True, timeout=20)
        if p.returncode:
            raise Failed('tmux %s: %s' % (args, p.stderr.decode()))
        return p.stdout.decode()

    def screen(self, raw=False):
        return self.tmux('capture-pane', '-p', '-t', 't',
                         *(['-e'] if raw else []))

    def keys(self, *keys):
        self.tmux('send-keys', '-t', 't', *keys)

    def wait(self, word, seconds=WAIT, gone=False):
        end = time.time() + seconds
        while True:
            s = self.screen()
            if (word in s) != gone:
                return s
            if time.time() > end:
                raise Failed('%r is %s:\n%s' % (
                    word, 'still there' if gone else 'not there', s))
            time.sleep(0.05)

    def wait_end(self, seconds=WAIT):
        """Until it has ended, by itself and well."""
        end = time.time() + seconds
        while True:
            dead, status, sig = self.tmux(
                'display', '-p', '-t', 't', '#{pane_dead}/#{pane_dead_status}/'
                '#{pane_dead_signal}').strip().split('/')
            if dead == '1' and (status or sig):
                return eq((status, sig), ('0', ''), 'its end')
            if dead == '1':
                end = min(end, time.time() + 3)
            if time.time() > end:
                break
            time.sleep(0.05)
        # tmux may miss the status of a program that it knows to be gone
        ok(dead == '1', 'it runs on:\n' + self.screen())

    def size(self, cols, rows):
        self.tmux('resize-window', '-t', 't', '-x', str(cols), '-y', str(rows))

    def close(self):
        subprocess.run(['tmux', '-S', self.sock, 'kill-server'], env=self.env,
                       capture_output=True, timeout=20)


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1
               for c in line)


def some_calls(box, n=3):
    one = request(OPENAI, chat_body())
    eq([r['status'] for r in send(box, 'requests', [one] * n)[0]], [200] * n,
       'calls')


def look(t):
    """For who runs this by hand: LOOK=1 prints the screens."""
    if os.environ.get('LOOK'):
        print(t.screen(raw=True))
    return t.screen()


def case_plain(box):
    box.config(BUDGETS)
    some_calls(box)
    p = box.cli('top', '--once')
    out = p.stdout.decode()
    if os.environ.get('LOOK'):
        print(out)
    for word in ('1 Budgets (3)', '2 Processes (1)', '4 Calls (3)', 'month',
                 'gpt-4o-mini', '3 calls', '0 blocked', '░'):
        ok(word in out, '%s in %s' % (word, out))
    ok('\x1b' not in out, 'plain')
    ok(max(map(width, out.splitlines())) <= 80, 'fits 80 columns')
    out = box.cli('top', '--once', '--ascii').stdout.decode()
    ok(out.isascii() and '....' in out, 'ascii')
    d = json.loads(box.cli('top', '--json').stdout)
    eq((d['today']['calls'], d['today']['blocked'], d['region']),
       (3, 0, True), 'today')
    eq([b['name'] for b in d['budgets']], ['all', 'day', 'month'], 'budgets')
    eq(d['processes'][0]['calls'], 3, 'the process')
    eq(d['models'][0]['cost_usd'], d['today']['cost_usd'], 'the model')
    eq(len(d['calls']), 3, 'calls')
    ok(d['usd_per_hour'] > 0, 'rate')
    p = box.cli('top', check=False)
    eq((p.returncode, p.stdout), (1, b''), 'no terminal')
    ok(b'needs a terminal' in p.stderr, p.stderr)
    for args in (['--interval', '0'], ['--section', 'x'], ['x']):
        eq(box.cli('top', *args, check=False).returncode, 2, args)


def case_control(box):
    """Pause, resume and raise, with a program that runs."""
    box.config(BUDGETS)
    t = Talk(box)
    eq(t.ask(), 200, 'a call')
    s = Term(box, 80, 24)
    try:
        s.wait('month')
        look(s)
        s.keys('2')
        s.wait('>2 Processes')
        line = [x for x in s.wait(t.pid).splitlines() if t.pid in x][0]
        ok('preload' in line and 'runs' in line, line)
        s.keys('p')
        s.wait('Refuse new calls of pid %s (python3)? y/n' % t.pid)
        s.keys('n')
        s.wait('nothing was changed')
        eq(t.ask(), 200, 'not paused')
        s.keys('p', 'y')
        s.wait('refused from now on')
        s.wait('paused')
        look(s)
        eq(t.ask(), 429, 'paused')
        s.wait('1 blocked')
        s.keys('r')
        s.wait('goes on')
        eq(t.ask(), 200, 'goes on')
        box.cli('budget', 'set', 'month', '--limit', '0')
        eq(t.ask(), 429, 'no budget')
        s.keys('1')
        s.wait('refusing')
        s.keys('+', '2', '.', '5', 'Enter')
        s.wait('Raise month by $2.50 until it resets')
        look(s)
        s.keys('y')
        s.wait('month: $2.50')
        eq(t.ask(), 200, 'raised')
        s.keys('/', 'a', 'l', 'l', 'Enter')
        s.wait('1 of 3')
        s.keys('+', '5', '0', 'Enter')
        s.wait('Raise all by $50.00 to $150.00, for good?')
        s.keys('y')
        s.wait('all: $150.00')
        s.keys('+', 'x', 'Enter')
        s.wait('not an amount')
        s.keys('Escape')
        s.wait('1 of 3', gone=True)
        s.keys('5')
        s.wait('>5 Blocked')
        look(s)
        s.keys('q')
        s.wait_end()
    finally:
        s.close()
        t.close()
    notes = [r['note'] for r in box.rows('audit')]
    for word in ('pause pid', 'resume pid', 'budget raise month',
                 'budget set all'):
        ok(any(n.startswith(word) for n in notes), (word, notes))


def case_sizes(box):
    """All sections at all sizes, also while it runs; nothing overflows."""
    box.config(BUDGETS)
    some_calls(box, 4)
    s = Term(box, 200, 50)
    try:
        s.wait('month')
        out = look(s)
        for n, word in enumerate(('Budgets', 'Processes', 'Models', 'Calls',
                                  'Blocked', 'Holds')):
            ok('%d %s' % (n + 1, word) in out, out)
        for cols, rows in ((60, 15), (300, 100), (20, 5), (80, 24), (133, 37)):
            s.size(cols, rows)
            s.wait('too small' if rows == 5 else 'month')
            if rows > 5:
                s.wait('quit')
            out = s.screen()
            ok(all(width(x) <= cols for x in out.splitlines()), out)
            for key in '1234561' if rows in (15, 24) else '':
                s.keys(key)
                s.wait('>' + key)
        s.keys('h')
        s.wait('any key goes back')
        s.keys('x')
        s.keys('Tab')
        s.wait('>2')
        s.keys('BTab')
        s.wait('>1')
        s.keys('>')
        s.wait('by SPENT')
        s.keys('<', '<', 's')
        s.wait('reversed')
    finally:
        s.close()


def case_colour(box):
    box.config(BUDGETS)
    some_calls(box)
    for args, env, want in (([], {}, True), (['--no-color'], {}, False),
                            ([], {'NO_COLOR': '1'}, False)):
        s = Term(box, 80, 24, *args, **env)
        try:
            s.wait('month')
            eq(bool(COLOUR.search(s.screen(raw=True))), want, (args, env))
        finally:
            s.close()
    p = subprocess.run(['script', '-qec', CLI + ' top', '/dev/null'],
                       env=dict(box.env(LD_PRELOAD=None), TERM='dumb'),
                       capture_output=True, timeout=20,
                       stdin=subprocess.DEVNULL)
    eq(p.returncode, 1, 'a dumb terminal')
    ok(b'cursor cannot be moved' in p.stdout, p.stdout)


def case_hostile(box):
    """Names with escapes, wide and combining characters, in a row's place."""
    box.config(BUDGETS)
    evil = '\x1b[2J\x1b]0;owned\x07\u202eabc\u0301日本語モデル\x9b31m'
    send(box, 'requests', [request(OPENAI, chat_body(evil))])
    out = box.cli('top', '--once').stdout.decode()
    ok(not re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u0301]', out),
       repr(out))
    ok('日本' in out or '?' in out, out)
    ok(max(map(width, out.splitlines())) <= 80, out)
    s = Term(box, 80, 24)
    try:
        s.wait('month')
        s.keys('4')
        out = s.wait('>4')
        look(s)
        ok(all(width(x) <= 80 for x in out.splitlines()), out)
    finally:
        s.close()


def ticks(pid):
    with open('/proc/%d/stat' % pid) as f:
        f = f.read().rpartition(')')[2].split()
    return int(f[11]) + int(f[12])


def case_survives(box):
    """The region goes, comes back, the config changes; and it is cheap."""
    box.config(BUDGETS)
    some_calls(box)
    s = Term(box, 100, 30)
    try:
        s.wait('month')
        os.unlink(box.region)
        s.wait('region is gone')
        ok('Traceback' not in s.screen(), 'lives')
        some_calls(box)
        s.wait('6 calls')
        s.wait('region is gone', gone=True)
        s.wait('month')
        box.config('budgets:\n  - {name: other, scope: global, period: daily,'
                   ' limit_usd: 7}\n')
        some_calls(box, 1)
        s.wait('other')
        s.wait('1 Budgets (1)')
        shutil.rmtree(os.path.join(box.state, 'ledger'))
        time.sleep(1.2)
        s.wait('other')
        with open('/proc/%d/maps' % s.pid) as f:
            maps = [x for x in f if os.path.basename(box.region) in x]
        ok(maps and all(' r--s ' in x for x in maps), maps)
        before, start = ticks(s.pid), time.time()
        time.sleep(5)
        used = (ticks(s.pid) - before) / os.sysconf('SC_CLK_TCK')
        share = 100 * used / (time.time() - start)
        print('    CPU %.2f %%' % share)
        ok(share < 3, 'CPU %.2f %%' % share)
        os.kill(s.pid, 15)
        s.wait_end()
    finally:
        s.close()


if __name__ == '__main__':
    sys.exit(main(globals()))
