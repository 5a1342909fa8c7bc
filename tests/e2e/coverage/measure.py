"""One client under the guard: what is seen of it, counted and refused."""
import glob
import json
import os
import re
import signal
import subprocess
import time
from decimal import Decimal

import programs
from harness import CLI, chat_body, request
from test_programs import BASE

DELAY_MS = 500          # the first answer waits, for doctor to look
LIMIT_S = 25            # who takes longer hangs
SLACK_S = 2             # a refusal may take so much longer than an answer
USAGE = ((90, 7), (91, 8))


def tests(delay):
    return ['in=%d;out=%d;seq=%d%s' % (
        *u, i + 1, '' if i or not delay else ';delay=%d' % delay)
        for i, u in enumerate(USAGE)]


class Run:
    """One start of a client: its answers, its time, what doctor said."""

    def __init__(self, box, client, delay, look):
        self.box, self.client, self.doctor = box, client, None
        url, files = self.address(), self.files(delay)
        if client.kind == 'get':
            url = url.replace('chat/completions', 'models')
        argv = client.argv(url, files)
        self.stdin = json.dumps({'requests': self.requests(url, delay)}) \
            if client.kind in ('json', 'sdk') else ''
        for i, x in enumerate(argv[:-1]):
            if x == '--cacert':
                argv[i + 1] = box.server.ca
        if '@lua' in argv:
            at = argv.index('@lua')
            argv[at:at + 2] = [self.write('client.lua', argv[at + 1])]
        self.start = time.monotonic()
        self.proc = subprocess.Popen(
            argv, env=self.environment(), cwd=box.dir,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        self.proc.stdin.write(self.stdin.encode('latin1'))
        self.proc.stdin.close()
        self.proc.stdin = None
        if look:
            self.look()
        self.end()

    def address(self):
        s = self.box.server
        return 'http://127.0.0.1:%d/v1/chat/completions' % s.plain \
            if self.client.plain else \
            'https://localhost:%d/v1/chat/completions' % s.port

    def write(self, name, text):
        path = os.path.join(self.box.dir, name)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def files(self, delay):
        return [self.write('q%d.json' % i, json.dumps(chat_body(
            stream=i == 1, metadata={'x-test': t})))
            for i, t in enumerate(tests(delay))]

    def requests(self, url, delay):
        t = tests(delay)
        if self.client.sdk:
            return programs.sdk_requests(self.client.sdk, t)
        return [request(url, chat_body(stream=i == 1), x)
                for i, x in enumerate(t)]

    def environment(self):
        c, ca = self.client, self.box.server.ca
        port = str(self.box.server.port)
        return self.box.env(TEST_PORT=port if c.sdk or
                         'libcurl' in c.name else None, CA=ca,
                         HOME=self.box.dir, PERL_LWP_SSL_CA_FILE=ca,
                         DENO_CERT=ca, **c.env)

    def look(self):
        """Ask doctor for the process that talks to the server."""
        while self.doctor is None and self.proc.poll() is None and \
                time.monotonic() - self.start < LIMIT_S:
            pid = self.talking()
            if pid:
                self.ask(pid)
            time.sleep(0.02)
        if self.doctor is None:     # it was too quick
            self.ask(self.client.needs[0] if self.client.needs
                     else self.proc.args[0])

    def ask(self, what):
        p = subprocess.run([CLI, 'doctor', '--json', str(what)],
                           env=self.box.env(LD_PRELOAD=None),
                           capture_output=True)
        try:
            self.doctor = json.loads(p.stdout)
        except ValueError:
            pass

    def talking(self):
        inodes, ports = set(), {self.box.server.port, self.box.server.plain}
        for name in ('tcp', 'tcp6'):
            try:
                with open('/proc/net/' + name) as f:
                    lines = [x.split() for x in f.readlines()[1:]]
            except FileNotFoundError:
                continue
            inodes |= {'socket:[%s]' % x[9] for x in lines if x[3] == '01' and
                       int(x[2].rpartition(':')[2], 16) in ports}
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                if os.getpgid(int(pid)) != self.proc.pid:
                    continue
                for fd in glob.glob('/proc/%s/fd/*' % pid):
                    if os.readlink(fd) in inodes:
                        return int(pid)
            except OSError:
                continue
        return None

    def end(self):
        self.hung = False
        try:
            left = LIMIT_S - (time.monotonic() - self.start)
            out, err = self.proc.communicate(timeout=max(left, 0.1))
        except subprocess.TimeoutExpired:
            os.killpg(self.proc.pid, signal.SIGKILL)
            out, err = self.proc.communicate()
            self.hung = True
        self.took = time.monotonic() - self.start
        self.err = err.decode('latin1')
        out = out.decode('latin1').splitlines()
        if self.client.kind in ('json', 'sdk'):
            self.codes = [json.loads(x).get('status') for x in out
                          if x.startswith('{')]
        else:
            self.codes = [int(x.split()[0]) if re.match(r'\d+\s', x) else 0
                          for x in out]

    def say(self):
        return 'answers %s, %.2f s%s %s' % (
            self.codes, self.took, ' HANGS' if self.hung else '',
            self.err[-300:].strip())


def settings(box, client, usd, period):
    text = client.conf
    if client.plain:
        text += 'plain_http: ["127.0.0.1:%d"]\n' % box.server.plain
    base = BASE % (period, usd)
    if client.plain:
        base = base.replace('hosts: {localhost: openai}\n', '').replace(
            'localhost', '127.0.0.1')
    box.config(text + base)


def cost(client, usage):
    price = programs.PRICES[client.sdk]
    return Decimal(sum(n * p for n, p in zip(usage, price))) / 10**12


def metered(box, client, run):
    """'exact', or what is not."""
    rows = box.rows()
    got = [(r['input_tokens'], r['output_tokens'], r['usage_state'],
            r['cost_usd']) for r in rows]
    want = [(*u, 'exact', cost(client, u)) for u in USAGE]
    b = box.budget_status()
    if got != want:
        return 'rows %s' % got
    if b['held_usd'] or b['spent_usd'] != sum(w[3] for w in want):
        return 'spent %s, held %s' % (b['spent_usd'], b['held_usd'])
    return 'exact'


def refused(box, client, before, bare_s):
    """'clean', or what is not."""
    run = Run(box, client, 0, False)
    rows = box.rows()[before:]
    # Amazon's SDK repeats each 429 twice, with pauses of its own.
    tries = 3 if client.sdk == 'bedrock' else 1
    if run.codes != [429] * 2:
        return run.say()
    if [r['verdict'] for r in rows] != ['block'] * 2 * tries:
        return 'verdicts %s' % [r['verdict'] for r in rows]
    if run.took > bare_s + SLACK_S * tries:
        return 'took %.1f s' % run.took
    return 'clean'


def is_wakeup(events):
    """What goes out instead where no descriptor can be found."""
    return {(e.get('method'), e.get('path'), e.get('body_len'),
             len(e.get('headers') or ())) for e in events} == {
                 ('HEAD', '/', 0, 0)}


def copy_of(client, doctor):
    """Of the copies that doctor found, the one that the client uses."""
    for c in doctor['copies']:
        if c['tls'] == client.tls or not client.tls and \
                c['path'] == doctor['library']:
            return c
    return doctor['copies'][0] if doctor['copies'] else None


def reason(client, doctor):
    """Its words, without the places of one machine."""
    c = copy_of(client, doctor)
    texts = [x['text'] for x in doctor['conditions']
             if x['id'] in ('static', 'musl', 'setuid')]
    return '; '.join(dict.fromkeys(
        x for x in [c and c['why']] + texts if x)) or \
        re.sub(r'(\S*/)?(\S+)', r'\2', doctor['why'])


def tls_of(client, doctor):
    c = copy_of(client, doctor) if doctor else None
    return ('%s %s' % (c['tls'], c['version'])).strip() if c else '?'


def dark(box):
    return 'yes' if box.status().get('dark') else 'no'


def version(box, client):
    p = subprocess.run(client.version, env=box.env(
        guard=False, **client.env), capture_output=True, cwd=box.dir)
    m = re.search(r'\d+(\.\d+)+', (p.stdout + p.stderr).decode('latin1'))
    return m.group(0) if m else '?'


def measure(box, client, look=True):
    """A row as a dict; `problem` says what is not as it should be."""
    settings(box, client, 100, 'total')
    run = Run(box, client, DELAY_MS if look else 0, look)
    row = {'name': client.name, 'version': version(box, client),
           'plain': client.plain, 'problem': '', 'doctor': run.doctor,
           'tls': 'none' if client.plain else tls_of(client, run.doctor)}
    reach = copy_of(client, run.doctor)['reach'] if run.doctor and \
        run.doctor['copies'] else '?'
    row['reach'] = 'plain_http' if client.plain else reach
    arrived = box.arrived()
    rows = box.rows()
    row['seen'] = 'yes' if rows else 'no'
    n = 1 if client.kind == 'get' else 2
    if client.kind != 'get' and run.codes != [200] * 2 or run.hung or \
            not arrived:
        row['problem'] = run.say()
    if not rows:
        row.update(metered='no', refused='no', dark=dark(box),
                   why=reason(client, run.doctor) if run.doctor else '')
        if client.plain:
            row['reach'] = 'none'
        return row
    if client.kind == 'get':
        row['metered'] = 'free' if len(rows) >= n and not sum(
            r['cost_usd'] for r in rows) else 'wrong'
        row['refused'] = 'never'
        return row
    row['metered'] = metered(box, client, run)
    settings(box, client, 0, 'daily')
    before, box.mark = len(rows), len(box.server.log())
    row['refused'] = refused(box, client, before, run.took)
    if row['refused'] == 'clean' and box.arrived():
        row['refused'] = 'clean, by HEAD /' if is_wakeup(box.arrived()) \
            else 'the server got %s' % box.arrived()
    for k in ('metered', 'refused'):
        if row[k] not in ('exact', 'clean', 'clean, by HEAD /'):
            row['problem'] += '%s: %s ' % (k, row[k])
            row[k] = 'wrong' if k == 'metered' else 'not clean'
    return row
