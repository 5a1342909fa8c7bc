#!/usr/bin/python3
"""make install: everything is there, and works from there without the tree."""
import os
import shutil
import subprocess

from harness import (SHIM, TOP, Skip, eq, main, ok, request, sanitizer)

FILES = ('lib/libllmguard.so', 'bin/llmguard', 'share/llmguard/pricing',
         'share/llmguard/llmguard.yaml.example', 'share/man/man1/llmguard.1',
         'share/bash-completion/completions/llmguard', 'include/llmguard.h',
         'lib/libllmguard-client.so.1', 'lib/libllmguard-client.so',
         'lib/pkgconfig/llmguard-client.pc',
         'share/man/man3/llmguard-client.3')


def install(box, *args):
    p = subprocess.run(
        ['make', '-C', TOP, 'install', 'B=' + os.path.dirname(SHIM),
         *(['SANITIZE=' + 'address,undefined'] if 'address' in SHIM else []),
         *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=250, env={k: v for k, v in os.environ.items()
                          if not k.startswith('MAKE')})
    eq(p.returncode, 0, 'make install: ' + p.stdout.decode()[-500:])


def check_tracer(box, root):
    """Found beside llmguard; its unit names where it was installed."""
    if not os.path.exists(os.path.join(os.path.dirname(SHIM),
                                       'llmguard-trace')):
        return
    p = subprocess.run([os.path.join(root, 'bin/llmguard'), 'trace',
                        '--ring-mb', '0'], capture_output=True, text=True)
    eq((p.returncode, '--ring-mb 0: must be from' in p.stderr), (2, True),
       'llmguard trace')
    unit = os.path.join(root, 'lib/systemd/system/llmguard-trace.service')
    with open(unit) as f:
        text = f.read()
    ok('ExecStart=/usr/local/bin/llmguard-trace ' in text and
       '@PREFIX@' not in text, text)
    if not shutil.which('systemd-analyze'):
        return
    mine = os.path.join(box.dir, 'llmguard-trace.service')
    with open(mine, 'w') as f:
        f.write(text.replace('/usr/local/bin', os.path.join(root, 'bin')))
    p = subprocess.run(['systemd-analyze', 'verify', '--man=no', mine],
                       capture_output=True, text=True)
    said = [x for x in p.stderr.splitlines() if 'llmguard-trace' in x]
    eq((p.returncode, said), (0, []), 'systemd-analyze verify')


def check_client(box, root):
    """The example builds against what was installed, by pkg-config."""
    pc = os.path.join(root, 'lib/pkgconfig/llmguard-client.pc')
    with open(pc) as f:
        text = f.read()
    ok('prefix=/usr/local\n' in text and '@' not in text, text)
    flags = ['-I' + os.path.join(root, 'include'), '-L' +
             os.path.join(root, 'lib'), '-lllmguard-client']
    if shutil.which('pkg-config'):
        flags = subprocess.run(
            ['pkg-config', '--define-variable=prefix=' + root, '--cflags',
             '--libs', pc], check=True, capture_output=True,
            text=True).stdout.split()
    exe = os.path.join(box.dir, 'batch')
    subprocess.run(['cc', os.path.join(TOP, 'docs/examples/batch.c'), '-o',
                    exe, *flags], check=True)
    box.budget('5')
    p = subprocess.run([exe, 'cap', 'gpt-4o', '2'], capture_output=True,
                       text=True, env=box.env(
                           LD_PRELOAD=None,
                           LLMGUARD_STATE_DIR=os.path.join(box.dir, 'other'),
                           LLMGUARD_REGION=box.region + '-other',
                           LD_LIBRARY_PATH=os.path.join(root, 'lib')))
    eq((p.returncode, 'go on' in p.stdout), (0, True), p.stderr)


def case_destdir(box):
    if sanitizer():
        raise Skip('a sanitized build is not installed')
    dest = os.path.join(box.dir, 'dest')
    install(box, 'DESTDIR=' + dest)
    for f in FILES:
        ok(os.path.exists(os.path.join(dest, 'usr/local', f)), f)
    root = os.path.join(dest, 'usr/local')
    check_tracer(box, root)
    check_client(box, root)
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
