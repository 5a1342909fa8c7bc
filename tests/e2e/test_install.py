#!/usr/bin/python3
"""make install: everything is there, and works from there without the tree."""
import os
import subprocess

from harness import (SHIM, TOP, Skip, eq, main, ok, request, sanitizer)

FILES = ('lib/libllmguard.so', 'bin/llmguard', 'share/llmguard/pricing',
         'share/llmguard/llmguard.yaml.example', 'share/man/man1/llmguard.1',
         'share/bash-completion/completions/llmguard')


def install(box, *args):
    p = subprocess.run(
        ['make', '-C', TOP, 'install', 'B=' + os.path.dirname(SHIM),
         *(['SANITIZE=' + 'address,undefined'] if 'address' in SHIM else []),
         *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=250, env={k: v for k, v in os.environ.items()
                          if not k.startswith('MAKE')})
    eq(p.returncode, 0, 'make install: ' + p.stdout.decode()[-500:])


def case_destdir(box):
    if sanitizer():
        raise Skip('a sanitized build is not installed')
    dest = os.path.join(box.dir, 'dest')
    install(box, 'DESTDIR=' + dest)
    for f in FILES:
        ok(os.path.exists(os.path.join(dest, 'usr/local', f)), f)
    root = os.path.join(dest, 'usr/local')
    p = subprocess.run([os.path.join(root, 'bin/llmguard'), '--version'],
                       stdout=subprocess.PIPE)
    eq(p.returncode, 0, 'llmguard --version')
    argv = box.curl_argv(request()['url'], '{"model":"gpt-4o-mini",'
                         '"max_tokens":5,"messages":[]}',
                         {'Content-Type': 'application/json'},
                         ['-o', 'out', '-w', '%{http_code}'])
    run = [os.path.join(root, 'bin/llmguard'), 'run', '--max-usd']
    p = box.run([*run, '1', '--', *argv], LD_PRELOAD=None)
    eq((p.returncode, p.stdout), (0, b'200'), 'within budget')
    p = box.run([*run, '0', '--', *argv], LD_PRELOAD=None)
    eq((p.returncode, p.stdout), (3, b'429'), 'blocked')
    eq(len(box.rows()), 2, 'rows')


if __name__ == '__main__':
    main(globals())
