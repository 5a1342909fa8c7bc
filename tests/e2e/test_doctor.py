#!/usr/bin/python3
"""doctor over real programs, over files that are none, and over processes:
what it says of each, and that what it says is so.
"""
import glob
import json
import os
import random
import shutil
import struct
import subprocess
import time

from harness import BUILD, CLI, NODE, PY, SHIM, Skip, eq, main, ok, \
    sanitizer


def ask(box, *what, **env):
    p = subprocess.run([CLI, 'doctor', '--json', *map(str, what)],
                       env=box.env(LD_PRELOAD=None, **env),
                       capture_output=True, timeout=60)
    out = [json.loads(x) for x in p.stdout.decode().splitlines()]
    if len(out) != 1:
        return None, p.returncode
    d = out[0]
    eq(p.returncode, 1 if d['covered'] == 'no' else 0, 'exit status')
    for c in d['copies']:
        eq(set(c), {'tls', 'version', 'path', 'form', 'reach', 'why',
                    'remedy'}, 'keys')
        ok(c['why'], 'no reason: %r' % c)
    if d['covered'] in ('no', 'partly'):
        ok(d['why'] and d['remedy'], 'no reason or remedy: %r' % d)
    return d, p.returncode


def ids(d):
    return [c['id'] for c in d['conditions']]


def hooks():
    out = subprocess.check_output(['nm', '-D', '--defined-only', SHIM],
                                  text=True)
    return {x.split()[-1] for x in out.splitlines()}


def case_openssl(box):
    """Each with the very libssl that the loader maps."""
    n = 0
    for name in ('curl', 'openssl', 'ruby', 'perl', 'php', 'socat', PY):
        path = shutil.which(name)
        if not path:
            continue
        d, code = ask(box, name)
        copy = [c for c in d['copies'] if c['tls'] == 'OpenSSL']
        eq((d['covered'], d['tls'], len(copy), copy and copy[0]['reach'],
            copy and copy[0]['form']),
           ('yes', 'OpenSSL', 1, 'interposed', 'shared'), name)
        ok(copy[0]['version'].startswith(('3.', '1.1')), copy[0])
        ok(os.path.exists(copy[0]['path']), copy[0])
        n += 1
    ok(n > 2, 'too few programs here')
    real = subprocess.check_output(['openssl', 'version'], text=True)
    eq(ask(box, 'openssl')[0]['copies'][0]['version'], real.split()[1],
       'version')


def case_gnutls(box):
    want = ('yes', 'gnutls') if 'gnutls_record_send' in hooks() else \
        ('no', 'none')
    for name in ('wget', 'git', 'gnutls-cli'):
        if not shutil.which(name):
            continue
        d, _ = ask(box, name)
        c = [c for c in d['copies'] if c['tls'] == 'GnuTLS'][0]
        eq((d['covered'], c['reach'], c['form']), want + ('shared',), name)
        ok(c['version'][:1] == '3', c)


def case_node(box):
    patch = os.path.exists(os.path.join(BUILD, 'llmguard-patch.so'))
    path = shutil.which('node')
    if path:
        d, _ = ask(box, path)
        c = d['copies'][0]
        if c['form'] == 'exported':
            eq((d['covered'], c['reach']), ('yes', 'patched') if patch else
               ('no', 'tracer'), 'static node')
            d, _ = ask(box, path, LLMGUARD_PATCH='off')
            eq((d['covered'], d['copies'][0]['reach'],
                'patch_off' in ids(d)), ('no', 'tracer', True), 'off')
    if os.path.exists(NODE):
        # a starter, where Debian's packages were unpacked beside it
        there = os.path.join(os.path.dirname(NODE), 'usr')
        libs = glob.glob(there + '/lib/*-linux-gnu*')
        real = os.path.join(there, 'bin/node')
        d, _ = ask(box, real if libs else NODE,
                   LD_LIBRARY_PATH=libs[0] if libs else None)
        eq(d['covered'] in ('yes', 'partly'), True, 'shared node')
    if not path and not os.path.exists(NODE):
        raise Skip('no node')


def case_java(box):
    if not shutil.which('java'):
        raise Skip('no java')
    d, _ = ask(box, 'java')
    eq((d['covered'], d['tls'], d['copies'][0]['form']),
       ('no', 'Java', 'runtime'), 'java')


def case_go(box):
    if not shutil.which('go'):
        raise Skip('no go')
    src = os.path.join(box.dir, 'm.go')
    with open(src, 'w') as f:
        f.write('package main\nimport "fmt"\nfunc main() '
                '{ fmt.Println("x") }\n')
    out = os.path.join(box.dir, 'gobin')
    env = dict(os.environ, CGO_ENABLED='0', GO111MODULE='off',
               GOCACHE=os.path.join(box.dir, 'cache'), HOME=box.dir)
    p = subprocess.run(['go', 'build', '-o', out, src], env=env,
                       capture_output=True)
    if p.returncode:
        raise Skip('go cannot build: %r' % p.stderr[-200:])
    d, _ = ask(box, out)
    eq((d['covered'], d['tls'], 'static' in ids(d)), ('no', 'Go', True), 'go')
    v = subprocess.check_output(['go', 'version'], env=env, text=True)
    eq(d['copies'][0]['version'], v.split()[2], 'version')


def case_rust(box):
    raise Skip('no Rust toolchain among the packages')


def build(box, name, code, cc='gcc', *flags):
    if not shutil.which(cc):
        raise Skip('no ' + cc)
    src, out = os.path.join(box.dir, name + '.c'), os.path.join(box.dir, name)
    with open(src, 'w') as f:
        f.write(code)
    p = subprocess.run([cc, '-o', out, src, *flags], capture_output=True)
    if p.returncode:
        raise Skip('%s: %r' % (cc, p.stderr[-200:]))
    return out


MAIN = 'int main(void) { return 0; }\n'
SSL = 'int SSL_write(void *s, const void *p, int n) ' \
    '{ return s && p ? n : 0; }\n' + MAIN


def case_forms(box):
    """A library inside the program: exported, in the symbol table, or
    stripped, when its text of the version alone is left."""
    text = 'const char v[] = "OpenSSL 3.0.99 1 Jan 2030";\n' \
        'const char *volatile p = v;\n'
    out = build(box, 'exported', text + SSL, 'gcc', '-rdynamic')
    c = ask(box, out)[0]['copies']
    eq([(x['tls'], x['form'], x['version']) for x in c],
       [('OpenSSL', 'exported', '3.0.99')], 'exported')
    out = build(box, 'symbols', text + SSL, 'gcc')
    d, _ = ask(box, out)
    eq([(x['form'], x['reach']) for x in d['copies']],
       [('symbols', 'tracer')], 'symbols')
    out = build(box, 'stripped', text + SSL, 'gcc', '-s')
    d, _ = ask(box, out)
    eq([(x['tls'], x['form'], x['reach'], x['version'])
        for x in d['copies']], [('OpenSSL', 'stripped', 'none', '3.0.99')],
       'stripped')
    for words, name in (('rustls-0.21.7/src/x.rs', 'rustls'),
                        ('built with BoringSSL', 'BoringSSL')):
        out = build(box, 'text', 'const char v[] = "%s";\nconst char '
                    '*volatile p = v;\n' % words + MAIN, 'gcc', '-s')
        d, _ = ask(box, out)
        eq([(x['tls'], x['form']) for x in d['copies']],
           [(name, 'stripped')], words)
    out = build(box, 'plain', 'const char *volatile p = "see OpenSSL 3.0 or '
                'BORINGSSL";\n' + MAIN, 'gcc', '-s')
    eq(ask(box, out)[0]['copies'], [], 'a program that speaks of it')


def case_paths(box):
    """RPATH, RUNPATH and $ORIGIN decide which copy is meant, as for ld.so."""
    d = os.path.join(box.dir, 'deep/lib')
    os.makedirs(d)
    lib = build(box, 'libssl.so.3', SSL.replace(MAIN, ''), 'gcc', '-shared',
                '-fPIC', '-Wl,-soname,libssl.so.3')
    shutil.copy(lib, d + '/libssl.so.3')
    code = 'int SSL_write(void *, const void *, int);\nint main(void) ' \
        '{ return SSL_write(0, 0, 0); }\n'
    for kind in ('--enable-new-dtags', '--disable-new-dtags'):
        for rpath in ('$ORIGIN/deep/lib', '${ORIGIN}/nowhere:' + d):
            out = build(box, 'user', code, 'gcc', lib, '-Wl,' + kind,
                        '-Wl,-rpath,' + rpath)
            got = ask(box, out)[0]['copies']
            eq([os.path.realpath(c['path']) for c in got],
               [d + '/libssl.so.3'], kind + ' ' + rpath)
            listed = subprocess.run(['ldd', out], capture_output=True,
                                    text=True).stdout
            ok(d in listed or 'deep/lib' in listed, 'ldd: ' + listed)
    out = build(box, 'user', code, 'gcc', lib)
    env = {'LD_LIBRARY_PATH': d}
    eq([c['path'] for c in ask(box, out, **env)[0]['copies']],
       [d + '/libssl.so.3'], 'LD_LIBRARY_PATH')
    os.unlink(d + '/libssl.so.3')
    out = build(box, 'user', 'int none(void);\nint main(void) '
                '{ return none(); }\n', 'gcc', build(
                    box, 'libnone.so', 'int none(void) { return 0; }', 'gcc',
                    '-shared', '-fPIC', '-Wl,-soname,libnone.so'))
    eq('library_missing' in ids(ask(box, out)[0]), True, 'not found')


def case_static(box):
    for flags, name in ((['-static'], 'static'),
                        (['-static-pie'], 'static-pie')):
        d, _ = ask(box, build(box, name, MAIN, 'gcc', *flags))
        eq((d['covered'], ids(d)[0]), ('no', 'static'), name)
    if shutil.which('busybox'):
        eq(ids(ask(box, 'busybox')[0])[0], 'static', 'busybox')


def case_musl(box):
    d, _ = ask(box, build(box, 'm', MAIN, 'musl-gcc'))
    eq((d['covered'], ids(d)), ('no', ['musl']), 'musl')


def case_rights(box):
    if os.getuid():
        raise Skip('not root')
    out = build(box, 's', MAIN)
    os.chown(out, 65534, 65534)
    for mode, want in ((0o4755, 'setuid'), (0o2755, 'setgid')):
        os.chmod(out, mode)
        d, _ = ask(box, out)
        eq((d['covered'], ids(d)[0]), ('no', want), oct(mode))


def case_other_machines(box):
    """Hand-made headers of 32 bits, other machines, other byte order."""
    head = bytearray(64)
    head[:7] = b'\x7fELF\x01\x01\x01'
    struct.pack_into('<HH', head, 16, 2, 3)
    path = os.path.join(box.dir, 'elf')

    def put(b):
        with open(path, 'wb') as f:
            f.write(b)
        os.chmod(path, 0o755)
        return ask(box, path)
    d, _ = put(head)
    eq((d['covered'], ids(d)), ('no', ['bits32']), 'i386')
    ok('i386' in d['why'], d['why'])
    for machine, word in ((40, 'arm'), (243, 'risc-v'), (22, 's390x')):
        head[4] = 2
        struct.pack_into('<H', head, 18, machine)
        d, _ = put(head)
        eq((d['covered'], ids(d)), ('no', ['machine']), word)
        ok(word in d['why'], d['why'])
    eq(put(b'\x7fELF\x02')[1], 1, 'too short')
    eq(put(b'MZ' + bytes(100))[1], 1, 'another format')


def case_junk(box):
    """Real files cut and changed at random: an answer, or exit 1; the parser
    is fuzzed by tests/fuzz/fuzz_elf.c and tests/unit/test_elffile.c."""
    rnd = random.Random(7)
    path = os.path.join(box.dir, 'junk')
    with open(os.path.realpath('/bin/true'), 'rb') as f:
        real = f.read()
    for i in range(120):
        b = bytearray(real)
        if i % 3 == 0:
            del b[rnd.randrange(len(b)):]
        for _ in range(rnd.randrange(1, 30)):
            if b:
                b[rnd.randrange(min(len(b), 4000))] = rnd.randrange(256)
        with open(path, 'wb') as f:
            f.write(b)
        p = subprocess.run([CLI, 'doctor', path], env=box.env(
            LD_PRELOAD=None), capture_output=True, timeout=20)
        ok(p.returncode in (0, 1), 'ended by %d' % p.returncode)


def case_scripts(box):
    """#! lines, env, what env runs, circles."""
    def script(name, first):
        path = os.path.join(box.dir, name)
        with open(path, 'w') as f:
            f.write(first + '\n')
        os.chmod(path, 0o755)
        return path
    a = script('a', '#!/usr/bin/env -S X=1 curl -s')
    eq(os.path.basename(ask(box, a)[0]['program']), 'curl', 'env -S')
    b = script('b', '#!' + a)
    d, _ = ask(box, b)
    eq((os.path.basename(d['program']), d['script']), ('curl', b), 'two deep')
    d, _ = ask(box, 'env', 'A=1', '-u', 'B', 'curl', 'http://x')
    eq(os.path.basename(d['program']), 'curl', 'behind env')
    c = script('c', '#!' + os.path.join(box.dir, 'c'))
    eq(ask(box, c)[1], 1, 'a circle')
    eq(ask(box, script('e', '#!/no/such'))[1], 1, 'no interpreter')
    eq(ask(box, script('t', 'just text'))[1], 1, 'text')
    eq(ask(box, 'no-such-command')[1], 1, 'none')
    d, _ = ask(box, 'sh', '-c', 'curl x')
    eq(('shell' in ids(d), d['covered']), (True, 'maybe'), 'a shell')


# -- processes ----------------------------------------------------------------

class Running:
    def __init__(self, box, argv, guard=True, **env):
        self.p = subprocess.Popen(argv, env=box.env(guard, **env),
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        self.p.stdout.readline()

    def __enter__(self):
        return self.p.pid

    def __exit__(self, *a):
        self.p.kill()
        self.p.communicate()


WAIT = 'import ssl, sys; ssl.create_default_context(); ' \
    'print(1, flush=True); sys.stdin.read()'


def case_pid(box):
    with Running(box, [PY, '-c', WAIT]) as pid:
        d, _ = ask(box, pid)
        eq((d['covered'], d['preloaded'], d['tls'], d['comm'],
            d['copies'][0]['reach'], ids(d)),
           ('yes', True, 'OpenSSL', 'python3', 'interposed', []), 'guarded')
        eq(os.path.realpath(d['program']), os.path.realpath(PY), 'program')
    with Running(box, [PY, '-c', WAIT], guard=False) as pid:
        d, _ = ask(box, pid)
        eq((d['covered'], d['preloaded'], ids(d)[0]),
           ('no', False, 'preload_missing'), 'bare')
    eq(ask(box, 4194304)[1], 1, 'no such process')


def case_pid_environment(box):
    for env, want in (
            ({'LLMGUARD_DISABLE': '1'}, ('no', True, 'disabled')),
            ({'LLMGUARD_IGNORE_BUDGET': '1'}, ('yes', True,
                                               'ignore_budget'))):
        with Running(box, [PY, '-c', WAIT], **env) as pid:
            d, _ = ask(box, pid)
            eq((d['covered'], d['preloaded'], ids(d)[0]), want, str(env))
    with Running(box, [PY, '-c', WAIT], LD_PRELOAD='',
                 LLMGUARD_UNDER_RUN='1') as pid:
        eq(ids(ask(box, pid)[0])[0], 'preload_cleared', 'cleared')
    with Running(box, [PY, '-c', WAIT], LD_PRELOAD='/nowhere/'
                 'libllmguard.so') as pid:
        eq(ids(ask(box, pid)[0])[0], 'preload_refused', 'refused')
    lib = build(box, 'other.so', 'int other_thing;', 'gcc', '-shared',
                '-fPIC')
    if not sanitizer():
        with Running(box, [PY, '-c', WAIT], preload=lib) as pid:
            d, _ = ask(box, pid)
            eq((d['covered'], ids(d)), ('yes', ['preload_other']), 'others')


def case_pid_sandbox(box):
    code = 'import ctypes; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0); ' + WAIT
    with Running(box, [PY, '-c', code]) as pid:
        ok('no_new_privs' in ids(ask(box, pid)[0]), 'no_new_privs')
    if not os.getuid():
        p = subprocess.Popen(['setpriv', '--reuid', '65534', 'sleep', '30'])
        try:
            time.sleep(0.2)
            d, _ = ask(box, p.pid)
            eq((d['uid'], 'other_user' in ids(d)), (65534, True), 'user')
        finally:
            p.kill()
            p.wait()


def case_pid_replaced(box):
    """An upgraded library is still told by what is mapped."""
    d = os.path.join(box.dir, 'up')
    os.makedirs(d)
    real = subprocess.check_output(['ldd', shutil.which('openssl')],
                                   text=True)
    lib = [x.split()[2] for x in real.splitlines() if 'libssl' in x][0]
    shutil.copy(lib, d + '/libssl.so.3')
    with Running(box, [PY, '-c', WAIT], LD_LIBRARY_PATH=d) as pid:
        os.unlink(d + '/libssl.so.3')
        got, _ = ask(box, pid)
        if os.getuid():
            raise Skip('map_files is for root')
        eq((got['covered'], got['copies'][0]['reach']),
           ('yes', 'interposed'), 'deleted')


def case_all(box):
    with Running(box, [PY, '-c', WAIT]) as pid:
        p = box.cli('doctor', '--all', '--json')
        got = {d['pid']: d for d in map(json.loads,
                                        p.stdout.decode().splitlines())}
        eq(got[pid]['covered'], 'yes', 'the guarded one')
        eq(got[os.getpid()]['preloaded'], False, 'this one')
        text = box.cli('doctor', '--all').stdout.decode()
        ok('PRELOAD' in text.splitlines()[0], text[:200])
        ok(any(x.split()[:1] == [str(pid)] for x in text.splitlines()),
           'its line')
    eq(box.cli('doctor', '--all', 'x', check=False).returncode, 2, 'usage')
    eq(box.cli('doctor', check=False).returncode, 2, 'usage')


def case_guard_trouble(box):
    """What is wrong with settings and region is said of every program."""
    box.config('budgets: 7\n')
    d, _ = ask(box, 'curl')
    ok('config_error' in ids(d), ids(d))
    box.config('guard: off\n')
    d, _ = ask(box, 'curl')
    eq((d['covered'], ids(d)), ('no', ['switched_off']), 'off')
    box.config(None)
    region = os.path.join(box.dir, 'foreign')
    with open(region, 'w') as f:
        f.write('this is not a region' * 99)
    d, _ = ask(box, 'curl', LLMGUARD_REGION=region)
    ok('no_region' in ids(d), ids(d))
    p = box.cli('doctor', 'curl')
    ok('covered  yes' in p.stdout.decode(), p.stdout)


if __name__ == '__main__':
    main(globals())
