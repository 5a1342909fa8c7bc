#!/usr/bin/python3
"""The kernel side by itself: seen (the loader) over calls (a program that
calls what looks like a TLS library's functions)."""
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import zlib

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
B = os.path.join(TOP, os.environ.get('B', 'build'))
SEEN = os.path.join(B, 'tests/bpf/seen')
CALLS = os.path.join(B, 'tests/bpf/calls')
PIECE = 16384
(WRITE, WROTE, READ, CLOSED, FREE, NAME, FD, EXEC, FORK, EXIT, LOADED,
 STOPPED) = range(1, 13)
NEW, LLM, DROP = range(3)
CUT, FAULT, LATE, REPEAT = 1, 2, 4, 8
NEAR, FOLLOW, SOLO = 2, 1, 4


def enum(name):
    """The values of an enumeration in bpf/probe.h."""
    with open(os.path.join(TOP, 'bpf/probe.h')) as f:
        text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
    body = re.search(r'enum %s \{(.*?)\}' % name, text, re.S).group(1)
    return {w.strip(): i for i, w in enumerate(
        w for w in body.split(',') if w.strip())}


_fn = enum('probe_fn')
FN = dict(tls_write=_fn['PROBE_WRITE'], tls_write_ex=_fn['PROBE_WRITE_EX'],
          tls_read=_fn['PROBE_READ'], tls_read_ex=_fn['PROBE_READ_EX'],
          tls_error=_fn['PROBE_ERROR'], tls_free=_fn['PROBE_FREE'],
          tls_fd=_fn['PROBE_SET_FD'], tls_ctrl=_fn['PROBE_CTRL'],
          tls_name=_fn['PROBE_HOST'], tls_outer=_fn['PROBE_READ'],
          tls_outer_write=_fn['PROBE_WRITE'],
          tls_go_write=_fn['PROBE_GO_WRITE'])
READS = (_fn['PROBE_READ'], _fn['PROBE_READ_EX'])
WRITES = (_fn['PROBE_WRITE'], _fn['PROBE_WRITE_EX'])
ENDS, INNER, RAX = 1, 1, 1


class Failed(Exception):
    pass


def eq(got, want, what):
    if got != want:
        raise Failed('%s: %r, not %r' % (what, got, want))


def ok(cond, what):
    if not cond:
        raise Failed(what)


def pattern(n, post=False):
    b = bytearray(((i * 31 + (i >> 8)) & 255) for i in range(n))
    if post:
        head = b'POST /v1/x HTTP/1.1\r\n'[:n]
        b[:len(head)] = head
    return bytes(b)


class Proc:
    def __init__(self, args, **kw):
        self.p = subprocess.Popen(args, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, **kw)
        self.pid = self.p.pid
        self.q = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.p.stdout:
            self.q.put(line.rstrip('\n'))
        self.q.put(None)

    def line(self, timeout=20):
        try:
            return self.q.get(timeout=timeout)
        except queue.Empty:
            raise Failed('%s is silent' % self.p.args[0])

    def send(self, text):
        self.p.stdin.write(text + '\n')
        self.p.stdin.flush()

    def kill(self):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()


class Calls(Proc):
    def __init__(self, **kw):
        super().__init__([CALLS], **kw)
        self.at = {}
        while True:
            name, value = self.line().split()
            if name == 'pid':
                break
            self.at[name] = int(value)

    def do(self, text, wait=True):
        """Lines that came before its ok."""
        self.send(text)
        said = []
        while wait:
            line = self.line()
            if line in ('ok', None):
                return said
            said.append(line)


class Seen(Proc):
    """probes: a program and what of it; pid 0 is in all processes."""
    def __init__(self, calls, options=(), pid=None, ends='nop',
                 write_ends=True):
        pid = calls.pid if pid is None else pid
        specs = []
        for name, at in calls.at.items():
            fn = FN[name]
            reads, writes = fn in READS, fn in WRITES
            writes = writes and write_ends
            arg = ENDS if writes else 0
            specs.append((at, fn, 0, arg, 0))
            if not (reads or writes):
                continue
            inner = INNER if name == 'tls_read_ex' else 0
            where = {'nop': 7, 'ret': 8, 'return': 0}[ends]
            specs.append((at + where, fn, RAX, inner, ends == 'return'))
        args = [SEEN, *options, ':']
        args += ['%s,%d,%d,%d,%d,%d,%d' % (CALLS, *s, pid) for s in specs]
        super().__init__(args)
        self.seen = []
        ready = json.loads(self.line())
        if 'refused' in ready:
            raise Skip(ready['refused'])
        self.orders = queue.Queue()
        self.order('target %d %d' % (calls.pid,
                                     FOLLOW | (SOLO if pid else 0)))

    def order(self, text):
        """What it says to an order; records that came first are kept."""
        self.send(text)
        said = []
        while True:
            line = self.line()
            if line is None:
                raise Failed('seen is gone')
            o = json.loads(line)
            if 'order' in o:
                return said if o['err'] == 0 else o['err']
            (self.seen if 'kind' in o else said).append(o)

    def losses(self):
        return self.order('losses')[0]

    def take(self, settle=0.05):
        """All records until now."""
        self.order('sleep %d' % (settle * 1000))
        self.order('sleep 0')
        got, self.seen = self.seen, []
        return got


class Skip(Exception):
    pass


def kinds(records):
    return [r['kind'] for r in records]


def pieces(records, data, what, kind=WRITE):
    """One call's records are the bytes, complete and in order."""
    at = 0
    for r in records:
        eq(r['kind'], kind, what + ': kind')
        eq(r['at'], at, what + ': where a piece begins')
        eq(r['len'], len(data), what + ': length of the call')
        eq(r['crc'], zlib.crc32(data[at:at + r['cap']]), what + ': bytes')
        eq(r['call'], records[0]['call'], what + ': call')
        at += r['cap']
    eq(at, len(data), what + ': bytes in all')


def both(fn, **kw):
    calls = Calls()
    try:
        seen = Seen(calls, **kw)
        try:
            fn(calls, seen)
        finally:
            seen.kill()
    finally:
        calls.kill()


def case_sizes():
    """Every size at the edges of classes, pieces and of the limit."""
    limit = 5 * PIECE
    edges = set(range(0, 10)) | {PIECE * 2, PIECE * 3 - 1, limit, limit - 1}
    for size in (64, 128, 256, 512, 1024, 2048, 4096, 8192, PIECE):
        edges |= {size - 1, size, size + 1}

    def run(calls, seen):
        calls.do('name 8 api.example.com')
        calls.do('post 8 30 30')
        first = seen.take()
        eq(kinds(first), [NAME, WRITE], 'name and head')
        eq(bytes.fromhex(first[0]['head']), b'api.example.com', 'host')
        for n in sorted(edges):
            calls.do('write 8 %d %d' % (n, n))
            got = seen.take(0.003 if n < PIECE else 0.02)
            if not n:
                eq(got, [], 'nothing of nothing')
                continue
            pieces(got, pattern(n), 'write of %d' % n)
        for n in sorted(edges):
            calls.do('read 8 %d %d' % (n + 5, n))
            got = seen.take(0.003 if n < PIECE else 0.02)
            if not n:
                eq(kinds(got), [CLOSED], 'a read that says the end')
                continue
            pieces(got, pattern(n), 'read of %d' % n, READ)
        eq(seen.losses()['losses']['limit'], [0, 0, 0], 'nothing cut yet')
        for over in (1, PIECE, 3 * PIECE + 7):
            calls.do('write 8 %d %d' % (limit + over, limit + over))
            got = seen.take(0.05)
            eq(sum(r['cap'] for r in got), limit, 'up to the limit')
            eq([r['at'] for r in got if r['flags'] & CUT],
               [got[-1]['at']], 'the last one says that it is cut')
        eq(seen.losses()['losses']['limit'][1], 1 + PIECE + 3 * PIECE + 7,
           'bytes beyond the limit')
    both(run, options=['-c', str(limit)])


def result(r):
    """A write's entry has no result: there it says where the thread stands."""
    if r['kind'] != WRITE:
        return r['result']
    eq(r['result'] != 0, True, 'a place')
    return 0


def case_ends():
    """Results: at a nop, at the RET, by a return probe; inner and outer."""
    def run(calls, seen):
        calls.do('name 8 a.example')
        calls.do('post 8 100 100')
        calls.do('write 8 1000 400')          # partial
        calls.do('write 8 600 -1')            # try again
        calls.do('write 8 600 600')
        calls.do('write_expost 8 500 500')
        calls.do('write_ex 8 500 0')
        got = [(r['kind'], r['len'], r['cap'], result(r),
                r['flags'] & REPEAT) for r in seen.take()]
        eq(got, [(NAME, 9, 9, 0, 0),
                 (WRITE, 100, 100, 0, 0),
                 (WRITE, 1000, 1000, 0, 0), (WROTE, 1000, 0, 400, 0),
                 (WRITE, 600, 600, 0, 0), (WROTE, 600, 0, -1, 0),
                 (WRITE, 600, 0, 0, REPEAT),
                 (WRITE, 500, 500, 0, 0),
                 (WRITE, 500, 500, 0, 0), (WROTE, 500, 0, -1, 0)],
           'writes and how they ended')
        calls.do('read 8 300 -1')
        calls.do('read_ex 8 300 -1')
        calls.do('read_ex 8 300 299')
        calls.do('read_ex 8 300 0')
        calls.do('read_ex 8 300 0')
        calls.do('read 8 300 0')
        got = [(r['kind'], r['cap'], result(r)) for r in seen.take()]
        eq(got, [(READ, 299, 299), (CLOSED, 0, 0)], 'reads')
    for ends in ('nop', 'ret', 'return'):
        both(run, ends=ends)


def case_nested():
    """A read within a read (TLS in TLS): each its own connection's."""
    def run(calls, seen):
        for ssl in (16, 24):
            calls.do('name %d x.example' % ssl)
            calls.do('post %d 50 50' % ssl)
        seen.take()
        calls.do('outer 16 200 150')
        got = [(r['ssl'], r['cap']) for r in seen.take()]
        eq(got, [(24, 10), (16, 150)], 'inner and outer')
        calls.do('outer_post 16 200 150')
        got = [(r['kind'], r['ssl'], result(r)) for r in seen.take()]
        eq(got, [(WRITE, 16, 0), (WRITE, 24, 0), (WROTE, 24, -1),
                 (WROTE, 16, 150)], 'how each write ended')
        seen.order('state %d 24 %d' % (calls.pid, DROP))
        calls.do('outer_post 16 200 150')
        calls.do('outer_post 16 300 300')
        got = [(r['kind'], r['ssl'], result(r)) for r in seen.take()]
        eq(got, [(WRITE, 16, 0), (WROTE, 16, 150), (WRITE, 16, 0)],
           'and of whom none goes up within')
    for ends in ('nop', 'ret', 'return'):
        both(run, ends=ends)


def case_failed_write():
    """SSL_get_error tells of a failed write, and only of that."""
    def run(calls, seen):
        calls.do('name 8 a.example')
        calls.do('error 8 -1')
        calls.do('post 8 40000 -1')
        calls.do('error 8 -1')
        calls.do('error 8 -1')
        calls.do('post 8 40000 -1')
        calls.do('error 8 -1')
        calls.do('post 8 40000 40000')
        calls.do('error 8 40000')
        calls.do('post 8 100 100')
        got = seen.take()[1:]
        eq([(r['kind'], r['cap'], r['begun']) for r in got],
           [(WRITE, PIECE, 1), (WRITE, PIECE, 1), (WRITE, 40000 - 2 * PIECE, 1),
            (WROTE, 0, 1), (WRITE, 0, 1), (WROTE, 0, 1), (WRITE, 0, 1),
            (WRITE, 100, 2)], 'writes')
        eq([r['seq'] for r in got], list(range(2, 10)), 'no gap in seq')
        calls.do('read 8 100 30')
        calls.do('error 8 -1')
        eq(kinds(seen.take()), [READ], 'no error of a read')
    both(run, write_ends=False)


def case_states():
    """New ones that are none of ours drop themselves; what the tracer says
    counts; names that are known guard from the start."""
    def state(seen, ssl):
        for c in seen.order('conns'):
            if c['ssl'] == ssl:
                return c
        return None

    def run(calls, seen):
        calls.do('name 8 db.example')
        calls.do('write 8 100 100')
        calls.do('write 8 100 100')
        eq(kinds(seen.take()), [NAME], 'no head: dropped at once')
        eq(state(seen, 8)['state'], DROP, 'state')
        for i in range(16):
            calls.do('write 16 100 100')
        eq(len(seen.take()), 16, 'late: some are looked at')
        calls.do('write 16 100 100')
        eq(seen.take(), [], 'and then nothing goes up')
        eq(state(seen, 16)['state'], NEW, 'it may have been a body')
        calls.do('post 16 100 100')
        calls.do('write 16 100 100')
        eq(len(seen.take()), 2, 'until a request does')
        calls.do('write 24 100 100')
        calls.do('post 24 100 100')
        for i in range(40):
            calls.do('write 24 100 100')
        got = seen.take()
        eq(len(got), 42, 'a head in time keeps it')
        ok(all(r['flags'] & LATE for r in got), 'late is said')
        eq(seen.order('state %d 24 %d' % (calls.pid, DROP)), [], 'told')
        calls.do('post 24 100 100')
        eq(seen.take(), [], 'told to drop')
        eq(seen.order('state %d 25 %d' % (calls.pid, DROP)), -2, 'not there')
        seen.order('host api.example.com')
        seen.order('host *.Models.example')
        for name, want in (('api.example.com', LLM), ('API.Example.COM', LLM),
                           ('xapi.example.com', NEW), ('example.com', NEW),
                           ('a.b.models.example', LLM),
                           ('models.example', NEW)):
            calls.do('free 32')
            calls.do('ctrl 32 ' + name)
            eq(state(seen, 32)['state'], want, name)
            eq(state(seen, 32)['host'], name.lower(), 'host')
        calls.do('fd 32 7')
        eq(state(seen, 32)['fd'], 8, 'descriptor')
        first = state(seen, 32)['conn']
        seen.take()
        calls.do('free 32')
        calls.do('post 32 10 10')
        got = seen.take()
        eq(kinds(got), [FREE, WRITE], 'free, then another one')
        ok(got[0]['conn'] == first != got[1]['conn'], 'ids')
    both(run)


def case_crowded():
    """One process cannot take the room of the others' connections."""
    most = 16384

    def run(calls, seen):
        def send(what, ssls):
            calls.p.stdin.write(''.join(what % i + '\n' for i in ssls))
            calls.p.stdin.flush()
            for _ in ssls:
                eq(calls.line(), 'ok', 'a call')

        send('fd %d 3', range(8, 8 + most + 100))
        eq(seen.losses()['losses']['conns'][0], 100, 'beyond')
        send('free %d', range(8, 58))
        send('fd %d 3', range(100000, 100060))
        eq(seen.losses()['losses']['conns'][0], 110, 'room again')
        seen.take()
        other = Calls()
        try:
            seen.order('target %d %d' % (other.pid, FOLLOW))
            other.do('name 8 api.example.com')
            eq(kinds(seen.take()), [NAME], 'another process')
        finally:
            other.kill()
    both(run, pid=0)


def case_overload():
    """Delivered and lost are what was sent, exactly; by connection too."""
    def run(calls, seen):
        calls.do('name 8 a.example')
        calls.do('post 8 100 100')
        seen.take()
        base = seen.losses()
        n, size = 3000, 5000
        os.kill(seen.pid, signal.SIGSTOP)
        calls.do('many 8 %d %d' % (size, n))
        os.kill(seen.pid, signal.SIGCONT)
        time.sleep(0.2)
        now = seen.losses()
        lost = now['losses']['ring']
        ok(lost[0] > 0, 'something is lost')
        eq(now['bytes'] - base['bytes'] + lost[1], n * size, 'bytes')
        eq(now['records'] - base['records'] + lost[0], n, 'records')
        eq(lost[2], lost[0], 'requests that were lost')
        c = [c for c in seen.order('conns') if c['ssl'] == 8][0]
        eq((c['lost'], c['lost_len']), (lost[0], lost[1]), 'its own count')
        eq(c['begun'], n + 1, 'requests that began')
        os.kill(seen.pid, signal.SIGSTOP)
        calls.do('threads 4 2000')
        os.kill(seen.pid, signal.SIGCONT)
        time.sleep(0.2)
        last = seen.losses()
        eq(last['bytes'] - now['bytes'] +
           last['losses']['ring'][1] - lost[1],
           2048 * sum(2000 + i for i in range(4)), 'bytes of threads')
    both(run, options=['-r', str(256 << 10), '-q'])


def case_faults():
    """Pages that are not there: fetched where they can be, else counted."""
    def run(calls, seen):
        calls.do('name 8 a.example')
        calls.do('post 8 100 100')
        seen.take()
        calls.do('cold 8 50000')
        pieces(seen.take(), pattern(50000), 'cold pages')
        eq(seen.losses()['losses']['fault'], [0, 0, 0], 'no fault')
        calls.do('bad 8 40000')
        got = [r for r in seen.take() if r['kind'] == WRITE]
        eq([(r['cap'], r['flags'] & FAULT) for r in got], [(0, FAULT)] * 3,
           'unreadable')
        eq(seen.losses()['losses']['fault'][:2], [3, 40000], 'counted')
    both(run)


def case_processes():
    """Children are targets before their first instruction; exec, exit."""
    def run(calls, seen):
        child = int(calls.do('fork')[0].split()[1])
        got = [(r['kind'], r['tgid']) for r in seen.take()]
        eq(got, [(FORK, child)] + [(WRITE, child)] * 3 + [(EXIT, child)],
           'fork')
        child = int(calls.do('exec')[0].split()[1])
        # a sanitizer has a child of its own when it ends
        got = [(r['kind'], r['tgid']) for r in seen.take()
               if r['tgid'] == child]
        eq(got, [(FORK, child), (EXEC, child)] + [(WRITE, child)] * 2 +
           [(EXIT, child)], 'exec')
        eq([c for c in seen.order('conns') if c['tgid'] == child], [],
           'swept')
        seen.order('drop %d' % calls.pid)
        calls.do('post 8 100 100')
        seen.order('select calls')
        with subprocess.Popen([CALLS, 'quiet']) as p:
            p.wait()
        got = [(r['kind'], r['tgid']) for r in seen.take()
               if r['tgid'] == p.pid]
        eq(got, [(EXEC, p.pid)] + [(WRITE, p.pid)] * 2 + [(EXIT, p.pid)],
           'selected by name')
    both(run, pid=0)


def case_solo():
    """By pid and in all processes: each counts for its own targets only."""
    def run(calls, seen):
        seen.order('target %d 0' % calls.pid)
        calls.do('post 8 100 100')
        eq(seen.take(), [], 'probes by pid, target of the wide ones')
        other = Calls()
        try:
            seen.order('target %d %d' % (other.pid, SOLO))
            other.do('post 8 100 100')
            eq(seen.take(), [], 'another process has no probe')
        finally:
            other.kill()
    both(run)


def state_of(pid):
    with open('/proc/%d/stat' % pid) as f:
        return f.read().rsplit(')', 1)[1].split()[0]


def until(cond, what, seconds=30):
    end = time.time() + seconds
    while not cond():
        if time.time() > end:
            raise Failed(what)
        time.sleep(0.005)


def case_verdicts():
    """Stopped or killed before the bytes leave."""
    def run(calls, seen):
        sent = calls.p.stderr
        calls.do('out')
        seen.order('host a.example')
        calls.do('name 8 a.example')
        calls.do('post 8 64 64')
        eq(len(sent.read(64)), 64, 'before')
        seen.take()
        eq(seen.order('verdict %d 1' % calls.pid), [], 'verdict')
        calls.do('post 8 64 64', wait=False)
        until(lambda: state_of(calls.pid) == 'T', 'it is not stopped')
        os.set_blocking(sent.fileno(), False)
        eq(sent.read(64), None, 'bytes of a stopped write')
        got = seen.take()
        eq([(r['kind'], result(r)) for r in got], [(WRITE, 0), (STOPPED, 1)],
           'its record and its stop')
        seen.order('verdict %d 0' % calls.pid)
        os.kill(calls.pid, signal.SIGCONT)
        eq(calls.line(), 'ok', 'goes on')
        eq(len(sent.read(64)), 64, 'and is sent')
        calls.do('post 16 64 64')
        eq(len(sent.read(64)), 64, 'another connection, not judged yet')
        calls.do('name 24 db.example')
        calls.do('write 24 64 64')
        eq(len(sent.read(64)), 64, 'none of ours')
        seen.order('verdict %d 2' % calls.pid)
        calls.do('write 24 64 64')
        eq(len(sent.read(64)), 64, 'none of ours is not stopped')
        calls.do('post 16 64 64', wait=False)
        until(lambda: state_of(calls.pid) == 'T', 'one that is not judged')
        eq(sent.read(64), None, 'bytes of one that is not judged')
        os.kill(calls.pid, signal.SIGCONT)
        eq(calls.line(), 'ok', 'which goes on')
        eq(len(sent.read(64)), 64, 'and is sent, too')
        calls.do('post 8 64 64', wait=False)
        calls.p.wait(10)
        eq(calls.p.returncode, -signal.SIGKILL, 'killed')
        eq(sent.read(64), b'', 'bytes of a killed write')
        got = seen.take()
        eq(kinds(got)[-2:], [STOPPED, EXIT], 'said, and its end')
    calls = Calls(stderr=subprocess.PIPE)
    calls.p.stderr = os.fdopen(os.dup(calls.p.stderr.fileno()), 'rb', 0)
    try:
        seen = Seen(calls)
        try:
            run(calls, seen)
        finally:
            seen.kill()
    finally:
        calls.kill()


def case_go():
    """Go's registers."""
    def run(calls, seen):
        calls.do('go 48 700')
        got = [r for r in seen.take() if r['kind'] == WRITE]
        pieces(got, pattern(700), 'a write of Go')
        eq(got[0]['ssl'], 48, 'connection')
    both(run)


def programs():
    """Numbers of the programs that the kernel has."""
    p = subprocess.run(['bpftool', '-j', 'prog', 'list'], env=dict(
        os.environ, PATH=os.environ['PATH'] + ':/usr/sbin'),
        capture_output=True, text=True)
    return {e['id'] for e in json.loads(p.stdout or '[]')}


def programs_of(pid):
    """Those that a process holds."""
    held = set()
    for fd in os.listdir('/proc/%d/fdinfo' % pid):
        with open('/proc/%d/fdinfo/%s' % (pid, fd)) as f:
            held |= {int(line.split()[1]) for line in f
                     if line.startswith('prog_id:')}
    return held


def case_killed():
    """kill -9 of the tracer: nothing stays, the program runs on."""
    calls = Calls()
    try:
        seen = Seen(calls)
        held = programs_of(seen.pid)
        ok(held and held <= programs(), 'it is attached')
        calls.do('post 8 100 100')
        eq(kinds(seen.take()), [WRITE], 'and sees')
        with open('/proc/%d/maps' % calls.pid) as f:
            before = [m for m in f.read().splitlines() if 'calls' in m]
        os.kill(seen.pid, signal.SIGKILL)
        seen.p.wait()
        calls.do('many 8 100 100')
        until(lambda: not held & programs(), 'programs that stayed')
        at = [int(m.split('-')[0], 16) for m in before if ' r-xp ' in m][0]
        off = [int(m.split()[2], 16) for m in before if ' r-xp ' in m][0]
        with open('/proc/%d/mem' % calls.pid, 'rb') as f:
            f.seek(at + calls.at['tls_write'] - off)
            eq(f.read(1), b'\x53', 'the instruction is the program\'s own')
        with Leaves(calls) as again:
            calls.do('post 16 100 100')
            eq(kinds(again.take()), [WRITE], 'another tracer')
    finally:
        calls.kill()


class Leaves:
    def __init__(self, calls):
        self.calls = calls

    def __enter__(self):
        self.seen = Seen(self.calls)
        return self.seen

    def __exit__(self, *a):
        self.seen.kill()


def main():
    if os.geteuid():
        print('skipped: not root')
        return 77
    if not os.path.exists(SEEN):
        print('skipped: the tracer is not built')
        return 77
    only = sys.argv[1:]
    bad = 0
    for name, fn in list(globals().items()):
        if not name.startswith('case_') or (only and name[5:] not in only):
            continue
        t = time.time()
        try:
            fn()
        except Skip as e:
            print('skipped: the kernel refuses: %s' % e)
            return 77
        except Failed as e:
            bad = 1
            print('FAIL %s: %s' % (name[5:], e))
        else:
            print('ok   %s %.1f s' % (name[5:], time.time() - t))
    return bad


sys.exit(main())
