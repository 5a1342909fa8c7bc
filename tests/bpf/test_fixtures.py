#!/usr/bin/python3
"""Recorded exchanges of all dialects through clients below the tracer: each
has its row, with the expected tokens. Needs ../shared, as test_replay.py."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from live import PY, WAIT, Failed, Tracer, eq, main, ok, refused  # noqa: E402
import test_replay as replay  # noqa: E402


def run(box, client, **options):
    """The driver starts below a shell that is under trace already, and whose
    first child was: with --pid its children's probes are put when it has one,
    which takes longer than curl needs to its first call."""
    out = os.path.join(box.dir, 'out.jsonl')
    argv = [PY, replay.REPLAY + '/replay_client.py', '--ready',
            replay.scratch['dir'] + '/ready.json', '--client', client,
            '--out', out]
    for o, v in options.items():
        argv += ['--' + o.replace('_', '-'), str(v)]
    p = subprocess.Popen(
        ['sh', '-c', 'read x; sh -c :; read x; exec "$@"', 'sh', *argv],
        env=box.env(False, PYTHONPATH=None), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        with Tracer(box, '--call-max', '67108864', pid=p.pid) as t:
            p.stdin.write(b'\n')
            p.stdin.flush()
            ok(t.err.wait(lambda a: sum('libssl' in x for x in a) > 1, WAIT),
               'no probes for children: ' + t.said())
            said = p.communicate(b'\n', timeout=120)[0].decode()
            if p.returncode:
                raise Failed(said[-1500:])
            with open(out) as f:
                done = [json.loads(x) for x in f]
            t.rows(len(done))
    finally:
        if p.poll() is None:
            p.kill()
    ok(len(done) > 10, 'only %d exchanges' % len(done))
    replay.compare(box.rows(), done, client != 'curl' and
                   options.get('threads', 1) == 1)
    eq([r for r in box.rows() if 'lost' in (r.get('flags') or [])], [],
       'lost')


def case_raw(box):
    run(box, 'raw', mode='chunking=random')


def case_raw_br(box):
    run(box, 'raw', mode='chunking=whole,encoding=br')


def case_requests(box):
    run(box, 'requests', threads=8, mode='encoding=gzip')


def case_aiohttp(box):
    run(box, 'aiohttp')


def case_curl(box):
    run(box, 'curl', limit=40)


if __name__ == '__main__':
    if refused():
        main(globals())
    replay.need()
    try:
        replay.start()
        main(globals())
    finally:
        replay.stop()
