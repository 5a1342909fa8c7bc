#!/usr/bin/python3
"""A program without a symbol of its TLS: where it is told (--offsets)."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from live import (  # noqa: E402
    BUILD, TRACE, Skip, Tracer, chat_body, eq, main, ok)

STATIC = os.path.join(BUILD, 'tests/e2e/cclient-static')


def out_of(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True,
                              timeout=60).stdout
    except FileNotFoundError:
        raise Skip('no ' + argv[0])


def nameless(box):
    """A static program whose functions no table names; build-id, addresses."""
    if not os.path.exists(STATIC):
        raise Skip('cclient-static is not built')
    m = re.search(r'Build ID: ([0-9a-f]+)', out_of('readelf', '-n', STATIC))
    at = {f[2]: int(f[0], 16) for f in map(
        str.split, out_of('nm', STATIC).splitlines()) if len(f) == 3}
    if not m or 'SSL_write' not in at:
        raise Skip('cclient-static has no build-id, or no symbols')
    with open(STATIC, 'rb') as f:
        b = f.read()
    for at_, size in re.findall(
            r'\.(?:dyn)?str(?:tab)? +STRTAB +[0-9a-f]+ ([0-9a-f]+) '
            r'([0-9a-f]+)', out_of('readelf', '-SW', STATIC)):
        n, end = int(at_, 16), int(at_, 16) + int(size, 16)
        b = b[:n] + b[n:end].replace(b'\0SSL_', b'\0XSL_') + b[end:]
    exe = os.path.join(box.dir, 'nameless-%d' % os.getpid())
    with open(exe, 'wb') as f:
        f.write(b)
    os.chmod(exe, 0o755)
    return exe, m.group(1), at


def run(box, exe, n):
    body = os.path.join(box.dir, 'body.json')
    with open(body, 'w') as f:
        json.dump(chat_body(), f)
    p = subprocess.run(
        [exe, '-n', str(n), '-x', 'x-test: in=5;out=6', 'api.openai.com',
         '/v1/chat/completions', body], env=box.env(guard=False),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    eq(p.stdout.split(), ['200'] * n, 'answers: ' + p.stderr)


def case_offsets(box):
    exe, build_id, at = nameless(box)
    path = os.path.join(box.dir, 'offsets')
    with open(path, 'w') as f:
        f.write('# for the test\nbuild-id %s\n' % build_id)
        for name in ('SSL_write', 'SSL_read', 'SSL_free', 'SSL_ctrl'):
            f.write('%s %#x\n' % (name, at[name]))
    comm = os.path.basename(exe)[:15]
    with Tracer(box, '--comm', comm) as t:
        run(box, exe, 2)
    eq(t.rows(), [], 'without the offsets')
    with Tracer(box, '--comm', comm, '--offsets', path) as t:
        run(box, exe, 40)       # it is found while it runs
        rows = t.rows(30)
    ok(len(rows) >= 30, '%d calls of 40' % len(rows))
    eq({(r['input_tokens'], r['output_tokens'], r['host']) for r in rows[5:]},
       {(5, 6, 'api.openai.com')}, 'calls')


def case_not_code(box):
    """An address that is not in the code of the file is told."""
    exe, build_id, at = nameless(box)
    path = os.path.join(box.dir, 'offsets')
    with open(path, 'w') as f:
        f.write('build-id %s\nSSL_write 0x1\nSSL_read %#x\n' % (
            build_id, at['SSL_read']))
    with Tracer(box, '--comm', os.path.basename(exe)[:15],
                '--offsets', path) as t:
        run(box, exe, 40)
        t.wait_said('SSL_write: 0x1 (line 2 of the offsets) is not in its')


def case_mistakes(box):
    path = os.path.join(box.dir, 'offsets')
    for text, line in (('SSL_write 0x10\n', ':1: SSL_write stands before'),
                       ('build-id 0011223344\nSSL_wirte 1\n',
                        ':2: SSL_wirte: no function'),
                       ('build-id 0011223344\nSSL_read x\n',
                        ':2: SSL_read x: not an address')):
        with open(path, 'w') as f:
            f.write(text)
        p = subprocess.run([TRACE, '--offsets', path, '--pid', '1'],
                           capture_output=True, text=True, timeout=60)
        eq(p.returncode, 1, 'exit status')
        ok(path + line in p.stderr, p.stderr)


if __name__ == '__main__':
    main(globals())
