#!/usr/bin/python3
"""Go programs: crypto/tls, found by symbols and without them."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from live import (  # noqa: E402
    ANTHROPIC, BUILD, OPENAI, Box, Client, Skip, Tracer, chat_body, eq, main,
    harness, request)

HERE = os.path.dirname(os.path.abspath(__file__))


def build(name, *flags):
    if not shutil.which('go'):
        raise Skip('no go here (Debian: golang-go)')
    out = os.path.join(BUILD, 'tests/bpf/client-' + name)
    src = os.path.join(HERE, 'client.go')
    if os.path.exists(out) and os.path.getmtime(out) > os.path.getmtime(src):
        return out
    os.makedirs(os.path.dirname(out), exist_ok=True)
    env = dict(os.environ, GO111MODULE='off', GOFLAGS='',
               GOCACHE=os.path.abspath(os.path.join(BUILD, 'go-cache')))
    p = subprocess.run(['go', 'build', *flags, '-o', out, src], env=env,
                       capture_output=True, text=True, timeout=200)
    if p.returncode:
        raise Skip('go cannot build: ' + p.stderr.strip()[:200])
    return out


def tokens(rows):
    return [(r['input_tokens'], r['output_tokens']) for r in rows]


def three(n):
    return [request(test='in=%d;out=7' % n),
            request(ANTHROPIC, chat_body('claude-sonnet-4-5', stream=True),
                    test='in=%d;out=5' % (n + 1)),
            request(OPENAI, chat_body(stream=True),
                    test='in=%d;out=9' % (n + 2))], \
        [(n, 7), (n + 1, 5), (n + 2, 9)]


def in_mid_life(box, exe):
    with Client(box, 'go', argv=[exe]) as c:
        for a in c.send(request(), request(ANTHROPIC)):
            eq(a['status'], 200, 'before the tracer')
        with Tracer(box, '--summary', pid=c.pid) as t:
            reqs, want = three(20)
            for a in c.send(*reqs):
                eq(a['status'], 200, 'answer: %s' % a)
            rows = t.rows(3)
        eq(tokens(rows), want, 'tokens')
        eq({r['usage_state'] for r in rows}, {'exact'}, 'usage')
        eq(t.summary()['lower_bound'], False, 'loss')
        # nothing of us is left: it goes on as before
        eq(c.send(request())[0]['status'], 200, 'after the tracer')


def case_symbols(box):
    in_mid_life(box, build('go'))


def case_stripped(box):
    in_mid_life(box, build('go-stripped', '-ldflags=-s -w'))


def case_pie(box):
    in_mid_life(box, build('go-pie', '-buildmode=pie', '-ldflags=-s -w'))


def case_parallel(box):
    """Goroutines change their thread between a read's begin and its end."""
    exe = build('go-stripped', '-ldflags=-s -w')
    with Client(box, 'go', argv=[exe], GOMAXPROCS='4') as c:
        with Tracer(box, '--summary', pid=c.pid) as t:
            want = []
            for r in range(3):
                reqs = [request(test='in=%d;out=%d' % (r * 40 + i + 1, i + 2))
                        for i in range(40)]
                want += [(r * 40 + i + 1, i + 2) for i in range(40)]
                for a in c.send(*reqs, parallel=True):
                    eq(a['status'], 200, 'answer: %s' % a)
            rows = t.rows(120, timeout=20)
        eq(sorted(tokens(rows)), sorted(want), 'tokens')
        s = t.summary()
        eq(s['lower_bound'], False, 'loss: %s' % s)


def with_h2(fn):
    server = harness.TestServer('h2server.py')
    box = Box(server)
    try:
        fn(box)
    finally:
        box.close()
        server.close()


def case_h2(_):
    """Go speaks HTTP/2 where it is offered; seen from the preface on."""
    def run(box):
        exe = build('go-stripped', '-ldflags=-s -w')
        with Client(box, 'go', argv=[exe]) as c:
            with Tracer(box, '--summary', pid=c.pid) as t:
                reqs, want = three(40)
                for a in c.send(*reqs):
                    eq(a['status'], 200, 'answer: %s' % a)
                rows = t.rows(3)
                more = [request(test='in=%d;out=3' % (60 + i))
                        for i in range(20)]
                for a in c.send(*more, parallel=True):
                    eq(a['status'], 200, 'answer: %s' % a)
                t.rows(23)
            eq(tokens(rows), want, 'tokens')
            eq(sorted(tokens(t.rows(23)[3:])),
               [(60 + i, 3) for i in range(20)], 'streams at once')
            eq(t.summary()['lower_bound'], False, 'loss')
    with_h2(run)


def case_h2_late(_):
    """A connection that was there before us: its calls, not their heads."""
    def run(box):
        exe = build('go-stripped', '-ldflags=-s -w')
        with Client(box, 'go', argv=[exe]) as c:
            for a in c.send(request(), request(ANTHROPIC)):
                eq(a['status'], 200, 'before the tracer')
            with Tracer(box, pid=c.pid) as t:
                reqs, want = three(80)
                for a in c.send(*reqs):
                    eq(a['status'], 200, 'answer: %s' % a)
                rows = t.rows(3)
            eq(tokens(rows), want, 'tokens')
    with_h2(run)


if __name__ == '__main__':
    main(globals())
