"""What the tracer's tests share: the tracer on programs in mid-life.

A test program is a list of functions `case_*(box)`, as in tests/e2e; main()
gives each a fresh Box (state directory, region, config) and skips all (77)
with the reason where the tracer cannot work. Typical:

    from live import *

    def case_requests(box):
        with Client(box, 'requests') as c:
            c.send(request())                   # before anybody looks
            with Tracer(box, pid=c.pid) as t:
                c.send(request(test='in=10;out=5'))
                rows = t.rows(1)                # from --json
        eq(box.rows()[0]['input_tokens'], 10, 'tokens in the ledger')

    main(globals())
"""
import decimal
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)),
                                'e2e'))

import harness  # noqa: E402
from harness import (  # noqa: E402,F401
    ANTHROPIC, BUILD, CLI, EMBEDDINGS, NODE, OPENAI, PLAIN, PY, PYTHON_CLIENTS,
    RESPONSES, SCALE, SHARED, TOP, WAIT, Box, Failed, Skip, chat_body, eq,
    have_client, ok, read, request, short, until)

TRACE = os.path.join(BUILD, 'llmguard-trace')
STATIC_NODE = '/usr/bin/node'


def refused():
    """Why nothing can be traced here, or None."""
    if not os.path.exists(TRACE):
        return 'llmguard-trace is not built'
    if os.geteuid():
        return 'not root'
    p = subprocess.run([TRACE, '--check'], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=60 * SCALE)
    if p.returncode:
        said = p.stderr.strip().splitlines() or ['no reason given']
        return said[0]
    return None


class Lines:
    """A pipe's lines, read as they come."""

    def __init__(self, f):
        self.f, self.all, self.q = f, [], queue.Queue()
        self.cond = threading.Condition()
        self.open = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for line in self.f:
            with self.cond:
                self.all.append(line.rstrip('\n'))
                self.cond.notify_all()
        with self.cond:
            self.open = False
            self.cond.notify_all()

    def wait(self, test, timeout):
        """Until test(list of lines) is true; what it returned."""
        end = time.time() + timeout
        with self.cond:
            while True:
                got = test(self.all)
                left = end - time.time()
                if got or left <= 0 or not self.open:
                    return got
                self.cond.wait(left)


class Tracer:
    """llmguard-trace with the box's config, state folder and region.

    Entering waits until it is ready, and until pid (one, or a list) is under
    trace. Leaving stops it with SIGINT and wants exit status 0.
    """

    def __init__(self, box, *options, pid=(), output='--json', code=0,
                 ready=True, own=True, env=None):
        self.box, self.code, self.ready = box, code, ready
        self.pids = [pid] if isinstance(pid, int) else list(pid)
        argv = [TRACE, '--verbose'] + ([output] if output else [])
        if own:
            argv += ['--config', box.config_path, '--state-dir', box.state,
                     '--region', box.region]
        for p in self.pids:
            argv += ['--pid', str(p)]
        e = box.env(guard=False)
        e.update(env or {})
        self.argv = argv + list(options)
        self.proc = subprocess.Popen(
            self.argv, env=e, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors='replace')
        self.out = Lines(self.proc.stdout)
        self.err = Lines(self.proc.stderr)
        box.witnesses.append(self.testify)

    def testify(self):
        return '\n'.join(['tracer %d said:' % self.pid] + self.err.all +
                         ['and printed:'] + self.out.all)

    @property
    def pid(self):
        return self.proc.pid

    def said(self):
        return '\n'.join(self.err.all)

    def wait_ready(self, timeout=WAIT):
        """The kernel side is loaded, the first look at /proc is over."""
        if not self.err.wait(lambda a: any(': ready' in x for x in a),
                             timeout * SCALE):
            raise Failed('the tracer is not ready: ' + self.said())

    def wait_traced(self, pid, timeout=WAIT):
        """This process is under trace."""
        mark = 'pid %d ' % pid
        if not self.err.wait(lambda a: any(
                mark in x and ': traced' in x for x in a), timeout * SCALE):
            raise Failed('pid %d is not traced: %s' % (pid, self.said()))

    def wait_said(self, text, timeout=WAIT):
        """A line with this text came on standard error."""
        if not self.err.wait(lambda a: any(text in x for x in a),
                             timeout * SCALE):
            raise Failed('never said %r: %s' % (text, self.said()))

    def records(self):
        return [json.loads(x, parse_float=decimal.Decimal)
                for x in list(self.out.all) if x.startswith('{')]

    def rows(self, n=0, timeout=WAIT):
        """Calls that --json printed, waiting for n of them."""
        def enough(a):
            return sum('"kind":"call"' in x for x in a) >= n
        if n and not self.out.wait(enough, timeout * SCALE):
            raise Failed('%d calls of %d: %s' % (
                len(self.rows()), n, self.said()))
        return [r for r in self.records() if r['kind'] == 'call']

    def summary(self):
        """The last record of --summary --json, after the end."""
        for r in reversed(self.records()):
            if r.get('kind') == 'summary':
                return r
        raise Failed('no summary: ' + self.said())

    def stop(self, sig=signal.SIGINT, timeout=WAIT):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        try:
            code = self.proc.wait(timeout * SCALE)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise Failed('the tracer did not end: ' + self.said())
        self.out.thread.join(5)
        self.err.thread.join(5)
        return code

    def __enter__(self):
        try:
            if self.ready:
                self.wait_ready()
                for p in self.pids:
                    self.wait_traced(p)
        except BaseException:
            self.proc.kill()
            self.proc.wait()
            raise
        return self

    def __exit__(self, kind, *_):
        code = self.stop()
        if kind is None and self.code is not None:
            eq(code, self.code, 'exit status; it said ' + short(self.said()))


class Client:
    """A program in mid-life: asks when it is told to, over one session.

    kind: one of PYTHON_CLIENTS, `curl` (libcurl through pycurl), `https` or
    `fetch` (Debian's Node), `static-https`, `static-fetch` (a Node with an
    OpenSSL of its own).
    """

    def __init__(self, box, kind='requests', guard=False, argv=None, **env):
        self.box, self.kind = box, kind
        argv = argv or self.command(kind)
        self.errors = open(os.path.join(box.dir, 'client-%d.err' % id(self)),
                           'w+')
        self.proc = subprocess.Popen(
            argv, env=box.env(guard, **env), cwd=box.dir, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.out, self.n, self.was = Lines(self.proc.stdout), 0, ''
        box.witnesses.append(self.testify)
        if not self.out.wait(lambda a: a, WAIT * SCALE):
            raise Failed('%s did not start: %s' % (kind, self.trouble()))
        if self.out.all[0] != 'ready':
            raise Skip(self.out.all[0])

    @staticmethod
    def command(kind):
        node = kind.rpartition('-')[2]
        if node in ('https', 'fetch'):
            exe = STATIC_NODE if kind.startswith('static') else NODE
            if not os.path.exists(exe):
                raise Skip('no %s here' % exe)
            return [exe, '--require', os.path.join(
                TOP, 'tests/e2e/redirect/node.cjs'),
                os.path.join(TOP, 'tests/e2e/clients.cjs'), node, 'lines']
        if kind != 'curl' and not have_client(kind):
            raise Skip('no %s here' % kind)
        return [PY, os.path.join(HERE, 'client.py'), kind]

    @property
    def pid(self):
        return self.proc.pid

    def trouble(self):
        self.errors.flush()
        with open(self.errors.name) as f:
            return f.read()[-2000:]

    def testify(self):
        return 'client %d (%s): %s, %d answers of %d' % (
            self.pid, self.kind, self.was, len(self.out.all) - 1, self.n)

    def start(self, *reqs, parallel=False):
        """Tell it to send; collect() has the answers."""
        self.proc.stdin.write(json.dumps(
            {'requests': reqs, 'parallel': parallel}) + '\n')
        self.proc.stdin.flush()
        self.n += len(reqs)

    def collect(self, timeout=WAIT):
        """All answers so far; Failed when one is missing."""
        if not self.out.wait(lambda a: len(a) > self.n, timeout * SCALE):
            raise Failed('%s: %d answers of %d: %s' % (
                self.kind, len(self.out.all) - 1, self.n, self.trouble()))
        return [json.loads(x) for x in self.out.all[1:]]

    def send(self, *reqs, parallel=False, timeout=WAIT):
        """Send and wait: the answers to these."""
        self.start(*reqs, parallel=parallel)
        return self.collect(timeout)[-len(reqs):]

    def is_stopped(self):
        with open('/proc/%d/stat' % self.pid) as f:
            return f.read().rpartition(') ')[2][0] in 'tT'

    def close(self):
        if self.proc.poll() is None:
            try:
                self.proc.stdin.close()
                self.proc.send_signal(signal.SIGCONT)
                self.proc.wait(5 * SCALE)
            except (subprocess.TimeoutExpired, OSError):
                self.proc.kill()
        code = self.proc.wait()
        self.errors.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind and self.proc.poll() is None:
            self.was = read('/proc/%d/stat' % self.pid).split(') ')[-1][:1] + \
                ' in ' + read('/proc/%d/wchan' % self.pid)
        self.close()


def main(scope, limit=280):
    reason = refused()
    if reason:
        print(reason)
        sys.exit(77)
    harness.main(scope, needs_guard=False, limit=limit)
