#!/usr/bin/python3
"""Copies of OpenSSL that interposition does not reach: Node's own, one linked
into a C program, functions fetched by handle, RTLD_DEEPBIND."""
import glob
import json
import os
import shutil
import subprocess
import time

import harness
import test_cut
import test_sdk
from harness import (BUILD, HERE, OPENAI, PLAIN, PY, SHIM, Skip, chat_body,
                     eq, main, ok, request, send)

STATIC = os.path.join(BUILD, 'tests/e2e/cclient-static')
KINDS = ('https', 'fetch', 'axios', 'undici')
SDKS = ('openai', 'anthropic', 'google')
LOG = {'LLMGUARD_LOG': 'stderr', 'LLMGUARD_LOG_LEVEL': 'info'}
BODY = json.dumps(chat_body())
BIO_CLIENT = r'''
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
	static char buf[65536];
	char to[64];
	size_t n = fread(buf, 1, sizeof(buf), stdin);
	BIO *b = BIO_new_ssl_connect(SSL_CTX_new(TLS_client_method()));
	SSL *s = NULL;
	int r;

	snprintf(to, sizeof(to), "127.0.0.1:%s", getenv("TEST_PORT"));
	BIO_set_conn_hostname(b, to);
	BIO_get_ssl(b, &s);
	SSL_set_tlsext_host_name(s, "api.openai.com");
	if (BIO_write(b, buf, (int)n) != (int)n)
		return 1;
	while ((r = BIO_read(b, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)r, stdout);
	BIO_free_all(b);
	return 0;
}
'''


DLMOPEN = r'''
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define GET(type, name, params) type (*name) params = dlsym(h, #name)
static int ask(void *h, const char *body)
{
	GET(void *, TLS_client_method, (void));
	GET(void *, SSL_CTX_new, (void *));
	GET(void *, SSL_new, (void *));
	GET(int, SSL_set_fd, (void *, int));
	GET(long, SSL_ctrl, (void *, int, long, const char *));
	GET(int, SSL_connect, (void *));
	GET(int, SSL_write, (void *, const void *, int));
	GET(int, SSL_read, (void *, void *, int));
	GET(void, SSL_free, (void *));
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(atoi(getenv("TEST_PORT"))),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), n;
	char buf[4096];
	void *s = SSL_new(SSL_CTX_new(TLS_client_method()));

	if (connect(fd, (void *)&a, sizeof(a)))
		return -1;
	SSL_set_fd(s, fd);
	SSL_ctrl(s, 55, 0, "api.openai.com");
	if (SSL_connect(s) != 1)
		return -2;
	n = snprintf(buf, sizeof(buf), "POST /v1/chat/completions HTTP/1.1\r\n"
		"Host: api.openai.com\r\nContent-Type: application/json\r\n"
		"Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	if (SSL_write(s, buf, n) != n)
		return -3;
	n = SSL_read(s, buf, sizeof(buf) - 1);
	SSL_free(s);
	close(fd);
	return n > 12 ? atoi(buf + 9) : -4;
}
int main(int argc, char **argv)
{
	void *h[2] = {dlmopen(LM_ID_NEWLM, "libssl.so.3", RTLD_NOW),
		      dlopen("libssl.so.3", RTLD_NOW)};
	int i;

	for (i = 0; i < 4; i++)
		printf("%d\n", h[i & 1] ? ask(h[i & 1], argv[1]) : -9);
	/* libcrypto's cleanup in the other world crashes by itself */
	fflush(stdout);
	_exit(argc != 2);
}
'''


def static_node():
    """A node that carries OpenSSL itself and exports it."""
    for path in {shutil.which('node'), '/usr/bin/node'} - {None}:
        p = subprocess.run([path, '-p', 'process.config.variables.'
                            'node_shared_openssl'], capture_output=True)
        if p.stdout.strip() == b'false':
            return path
    return None


STATIC_NODE = static_node()


def node():
    if not STATIC_NODE:
        raise Skip('no node with an OpenSSL of its own')
    harness.NODE = STATIC_NODE
    return STATIC_NODE


def blocked(box, send_one, n=1):
    box.budget(0)
    eq(send_one(), ['429'] * n, 'statuses')
    eq(box.arrived(), [], 'what arrived')
    eq({r['verdict'] for r in box.rows()}, {'block'}, 'verdicts')
    eq(len(box.rows()), n, 'rows')


def metered(box, send_one, n=1):
    box.budget(100)
    eq(send_one(), ['200'] * n, 'statuses')
    rows = box.rows()
    eq(len(rows), n, 'rows')
    eq({r['usage_state'] for r in rows}, {'exact'}, 'usage')
    eq(len(box.arrived(('request',))), n, 'requests that arrived')


# -- Node --------------------------------------------------------------------

def node_plain(box, kind):
    node()
    enc = 'none' if kind in ('https', 'undici') else 'gzip'
    reqs = [request(OPENAI, test='text=60;seq=1'),
            request(OPENAI, chat_body(stream=True), 'text=60;seq=2'),
            request(PLAIN, method='GET', test='seq=4'),
            request(OPENAI, test='text=5000;seq=3;enc=' + enc)]
    box.budget(100)
    bare, _ = send(box, kind, reqs, guard=False)
    got, p = send(box, kind, reqs)
    eq(got, bare, 'answers')
    eq(p.stderr, b'', 'stderr')
    eq([r['usage_state'] for r in box.rows()], ['exact'] * 3, 'usage')
    box.budget(0)
    before = len(box.arrived())
    for many in (False, True):
        got, _ = send(box, kind, [request(OPENAI)] * 4, parallel=many)
        eq([g['status'] for g in got], [429] * 4, 'statuses')
    eq(len(box.arrived()), before, 'what arrived')
    eq(len(box.rows()), 3 + 8, 'rows')


def crowd(box, how):
    argv = [node(), '--require', os.path.join(HERE, 'redirect/node.cjs'),
            os.path.join(HERE, 'crowd.cjs'), how, '3', OPENAI, BODY]

    def run():
        p = box.run(argv)
        eq(p.stderr, b'', 'stderr')
        return p.stdout.decode().split()
    metered(box, run, 3)
    box.budget(0)
    eq(run(), ['429'] * 3, 'statuses')
    eq(len(box.arrived(('request',))), 3, 'what arrived')
    eq(len(box.rows()), 6, 'rows')


def sdk(box, kind):
    node()
    test_sdk.within_budget(box, kind)


def sdk_blocked(box, kind):
    node()
    test_sdk.blocked(box, kind)


def case_cut_https(box):
    node()
    test_cut.plain_clients(box, 'https')


def case_cut_chat(box):
    node()
    test_cut.sdks(box, 'chat')


def case_cut_messages(box):
    node()
    test_cut.sdks(box, 'messages')


def case_off(box):
    """Nothing is patched, Node works, and doctor's reason is in the log."""
    node()
    box.budget(0)
    for env in ({'LLMGUARD_PATCH': 'off'}, {'LLMGUARD_DISABLE': '1'}):
        got, _ = send(box, 'https', [request(OPENAI)], **env)
        eq(got[0]['status'], 200, 'status')
    box.config('patch: off\nbudgets:\n  - {name: cap, scope: global, '
               'period: total, limit_usd: 0, hard: true}\n')
    got, _ = send(box, 'https', [request(OPENAI)])
    eq(got[0]['status'], 200, 'status')
    eq(box.rows(), [], 'rows')
    got, _ = send(box, 'https', [request(OPENAI)], LLMGUARD_PATCH='auto')
    eq(got[0]['status'], 429, 'the environment wins')


def case_let_alone(box):
    """A program on a list, or one that crashed, keeps its own code."""
    exe = os.path.realpath(node())
    limit = 'budgets:\n  - {name: cap, scope: global, period: total, ' \
        'limit_usd: 0, hard: true}\n'
    box.config(limit + 'programs: {deny: [node]}\n')
    for env in ({}, {'LLMGUARD_PATCH': 'auto'}):
        got, p = send(box, 'https', [request(OPENAI)], **env, **LOG)
        eq(got[0]['status'], 200, 'status')
        eq(p.stderr, b'', 'nothing is tried')
    box.config(limit + 'programs: {deny: []}\n')
    now = int(time.time() * 1000)
    with open(os.path.join(box.state, 'crashes'), 'w') as f:
        for age in (9, 8, 7):
            f.write('%d 11 guarded %s\n' % (now - age * 1000, exe))
    got, p = send(box, 'https', [request(OPENAI)], **LOG)
    eq(got[0]['status'], 200, 'status')
    ok(b'tls_library' not in p.stderr, p.stderr)
    os.unlink(os.path.join(box.state, 'crashes'))
    got, p = send(box, 'https', [request(OPENAI)], **LOG)
    eq(got[0]['status'], 429, 'again')
    ok(b'tls_library_patched' in p.stderr, p.stderr)


def case_alone(box):
    """llmguard-patch.so is looked for beside the preload and nowhere else."""
    node()
    box.budget(0)
    lone = os.path.join(box.dir, 'lone')
    os.mkdir(lone)
    shutil.copy(SHIM, lone)
    so = os.path.join(lone, 'libllmguard.so')
    got, p = send(box, 'https', [request(OPENAI)], LD_PRELOAD=so, **LOG)
    eq(got[0]['status'], 200, 'status')
    ok(b'llmguard-patch.so cannot be loaded' in p.stderr, p.stderr)
    shutil.copy(os.path.join(BUILD, 'llmguard-patch.so'), lone)
    for path in ('lone/libllmguard.so', './lone/libllmguard.so'):
        got, p = send(box, 'https', [request(OPENAI)], LD_PRELOAD=path)
        eq(got[0]['status'], 429, 'by ' + path)


# -- linked into a C program ---------------------------------------------------

def static_client(box, *flags, exe=STATIC, **env):
    if not os.path.exists(exe):
        raise Skip('no program with an OpenSSL of its own')
    path = os.path.join(box.dir, 'body')
    with open(path, 'w') as f:
        f.write(BODY)
    p = box.run([exe, *flags, 'api.openai.com', '/v1/chat/completions',
                 path], **env)
    eq(p.returncode, 0, 'status of the program: %s' % p.stderr)
    return p.stdout.decode().split(), p.stderr.decode()


def case_static(box):
    def run():
        return static_client(box, '-n', '3', '-t', '8')[0]
    metered(box, run, 24)
    eq(str(sum(r['cost_usd'] for r in box.rows())), str(
        24 * box.rows()[0]['cost_usd']), 'each is counted once')


def case_static_blocked(box):
    blocked(box, lambda: static_client(box, '-n', '1', '-t', '8', '-b')[0], 8)


def case_static_sandbox(box):
    """Patched long before: seccomp that kills, and SSL_dup."""
    def run():
        out = static_client(box, '-n', '2', '-s', 'kill')[0]
        box.cli('status')    # writes the rows that were staged
        return out
    metered(box, run, 2)
    box.budget(0)
    eq(static_client(box, '-d')[0], ['429'], 'a copied SSL')


def case_static_bio(box):
    """BIO_f_ssl of a static copy: its functions call libssl's inside."""
    if not shutil.which('gcc'):
        raise Skip('no gcc here')
    exe = os.path.join(box.dir, 'b')
    with open(exe + '.c', 'w') as f:
        f.write(BIO_CLIENT)
    p = subprocess.run(['gcc', '-o', exe, exe + '.c', '-Wl,--export-dynamic',
                        '-Wl,-Bstatic', '-lssl', '-lcrypto', '-Wl,-Bdynamic',
                        '-ldl', '-lpthread'], stderr=subprocess.PIPE)
    if p.returncode:
        raise Skip('no static OpenSSL here')
    head = 'POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n' \
        'Content-Type: application/json\r\nContent-Length: %d\r\n' \
        'Connection: close\r\n\r\n' % len(BODY)

    def run():
        p = box.run([exe], stdin=head + BODY)
        return p.stdout.decode().split(' ')[1:2]
    metered(box, run)
    box.budget(0)
    eq(run(), ['429'], 'status')
    eq(len(box.arrived(('request',))), 1, 'what arrived')


def case_debugger(box):
    """A breakpoint at an entry: left alone as a whole, and it works."""
    if not shutil.which('gdb'):
        raise Skip('no gdb here')
    static_client(box)
    box.budget(0)
    env = ['-ex', 'set confirm off', '-ex', 'set debuginfod enabled off']
    p = box.run(['gdb', '-q', '-batch', *env, '-ex', 'set startup-with-shell '
                 'off', '-ex', 'set env LD_PRELOAD ' + SHIM,
                 '-ex', 'starti', '-ex', 'set $at = (long)&SSL_write',
                 '-ex', 'break *$at', '-ex', 'continue', '-ex', 'bt 1',
                 '-ex', 'delete', '-ex', 'continue', '--args', STATIC, 'api.openai.com',
                 '/v1/chat/completions', os.path.join(box.dir, 'body')],
                LD_PRELOAD=None, **LOG)
    out = p.stdout.decode() + p.stderr.decode()
    if 'ptrace' in out and 'not permitted' in out:
        raise Skip('no ptrace here')
    ok('not as in its file' in out, out)
    ok('SSL_write' in out and '\n200' in out, out)


# -- by handle, by RTLD_DEEPBIND -----------------------------------------------

def handles(box, how, libs, *flags, **env):
    p = box.run([PY, os.path.join(HERE, 'handles.py'), how, libs, *flags],
                PYTHONPATH=None, **env)
    if b"No module named 'cffi'" in p.stderr:
        raise Skip('no python3-cffi')
    eq(p.returncode, 0, 'status of the program: %s' % p.stderr)
    return p.stdout.decode().split(), p.stderr.decode()


def libssl():
    found = glob.glob('/usr/lib/*-linux-gnu/libssl.so.3')
    if not found:
        raise Skip('no libssl.so.3 here')
    return found[0]


def two(box):
    """The library twice more, at other paths."""
    paths = [os.path.join(box.dir, x) for x in ('libssl.so.3',
                                                'libssl-81ffa89e.so.3')]
    for p in paths:
        shutil.copy(libssl(), p)
    return ','.join(paths + ['libssl.so.3'])


def by_handle(box, how):
    metered(box, lambda: handles(box, how, 'libssl.so.3')[0])
    box.budget(0)
    eq(handles(box, how, 'libssl.so.3')[0], ['429'], 'blocked')
    eq(len(box.arrived(('request',))), 1, 'what arrived')


def boringssl():
    found = glob.glob('/usr/lib/*-linux-gnu/android/libssl.so.0')
    if not found:
        raise Skip('no android-libboringssl here')
    return found[0]


def case_boringssl(box):
    """By handle: patched; beside OpenSSL: each by its own functions."""
    boring = boringssl()
    metered(box, lambda: handles(box, 'ctypes', boring, **LOG)[0])
    for libs in (boring + ',libssl.so.3', 'libssl.so.3,' + boring):
        eq(handles(box, 'ctypes', libs)[0], ['200'] * 2, libs)
    box.budget(0)
    for libs in (boring + ',libssl.so.3', 'libssl.so.3,' + boring):
        eq(handles(box, 'ctypes', libs)[0], ['429'] * 2, libs)
    eq(len(box.arrived(('request',))), 5, 'what arrived')


def case_boringssl_linked(box):
    """Linked against it: interposed, and doctor says so."""
    lib = os.path.dirname(boringssl())
    exe = os.path.join(box.dir, 'client')
    p = subprocess.run(
        ['gcc', '-D_GNU_SOURCE', '-DSSL_dup(x)=(x)', '-Wno-attributes',
         '-I/usr/include/android', '-o', exe, os.path.join(HERE, 'cclient.c'),
         *['%s/lib%s.so.0' % (lib, x) for x in ('ssl', 'crypto')],
         '-Wl,-rpath,' + lib, '-lpthread'], stderr=subprocess.PIPE)
    if p.returncode:
        raise Skip('no headers of BoringSSL here')

    def run():
        return static_client(box, '-n', '3', '-t', '8', '-b', exe=exe)[0]
    metered(box, run, 24)
    box.budget(0)
    eq(run(), ['429'] * 24, 'blocked')
    eq(len(box.arrived(('request',))), 24, 'what arrived')
    d = json.loads(box.cli('doctor', '--json', exe).stdout)
    eq((d['covered'], d['copies'][0]['reach']), ('yes', 'interposed'), 'doctor')


def case_two_copies(box):
    libs = two(box)
    metered(box, lambda: handles(box, 'ctypes', libs)[0], 3)
    box.budget(0)
    eq(handles(box, 'ctypes', libs)[0], ['429'] * 3, 'blocked')
    eq(len(box.arrived(('request',))), 3, 'what arrived')


def case_closed(box):
    """A patched copy is pinned: closed and opened again it is the same."""
    metered(box, lambda: handles(box, 'ctypes', two(box), 'close')[0], 6)


def case_threads(box):
    """Too late: left alone, the reason is logged, and it works."""
    box.budget(0)
    out, err = handles(box, 'ctypes', 'libssl.so.3', 'threads', **LOG)
    eq(out, ['200'], 'statuses')
    ok('tls_library_not_patched' in err and 'other threads' in err, err)


def case_both_ways(box):
    """One copy, called by handle and by interposition: each counted once."""
    code = '''
import ctypes, os, runpy, sys
ctypes.CDLL("libssl.so.3")
sys.argv = ["clients.py", "http.client"]
runpy.run_path(os.path.join(%r, "clients.py"), run_name="__main__")
''' % HERE
    box.budget(100)
    p = box.run([PY, '-c', code], stdin=json.dumps(
        {'requests': [request(OPENAI, test='text=60')] * 2,
         'parallel': False}), **LOG)
    got = [json.loads(x) for x in p.stdout.decode().splitlines()]
    eq([g['status'] for g in got], [200, 200], 'status %s' % p.stderr)
    ok(b'tls_library_patched' in p.stderr, 'patched')
    eq(len(box.rows()), 2, 'rows')
    eq({r['usage_state'] for r in box.rows()}, {'exact'}, 'usage')


def case_search(box):
    """dlopen of a bare name from a module with a RUNPATH finds what it found."""
    if not shutil.which('gcc'):
        raise Skip('no gcc here')
    d = os.path.join(box.dir, 'own')
    os.mkdir(d)
    shutil.copy(libssl(), os.path.join(d, 'libssl.so.3'))
    with open(os.path.join(box.dir, 'o.c'), 'w') as f:
        f.write('#include <dlfcn.h>\n#include <link.h>\n#include <stdio.h>\n'
                'int main(void) { struct link_map *m = dlopen("libssl.so.3",'
                ' RTLD_NOW); puts(m ? m->l_name : dlerror());'
                ' puts(dlopen("libssl-no.so", RTLD_NOW) ? "" : dlerror());'
                ' return 0; }\n')
    exe = os.path.join(box.dir, 'o')
    subprocess.run(['gcc', '-o', exe, exe + '.c', '-Wl,-rpath,$ORIGIN/own',
                    '-ldl'], check=True)
    bare = box.run([exe], guard=False).stdout
    ok(b'/own/' in bare, 'its own: %s' % bare)
    eq(box.run([exe]).stdout, bare, 'the same')


def case_dlmopen(box):
    """A world of its own passes untouched, beside a copy that is guarded."""
    if not shutil.which('gcc'):
        raise Skip('no gcc here')
    if harness.sanitizer():
        raise Skip('dlmopen does not go with ASan')
    exe = os.path.join(box.dir, 'w')
    with open(exe + '.c', 'w') as f:
        f.write('#define _GNU_SOURCE\n' + DLMOPEN)
    subprocess.run(['gcc', '-w', '-o', exe, exe + '.c', '-ldl'], check=True)

    def run(guard=True):
        p = box.run([exe, BODY], guard)
        eq(p.returncode, 0, 'status of the program')
        return p.stdout.decode().split()
    eq(run(False), ['200'] * 4, 'bare')
    box.budget(100)
    eq(run(), ['200'] * 4, 'within budget')
    eq([r['verdict'] for r in box.rows()], ['allow'] * 2, 'rows')
    box.budget(0)
    eq(run(), ['200', '429'] * 2, 'blocked where it is seen')


def case_php(box):
    if not shutil.which('php'):
        raise Skip('no php here')
    if harness.sanitizer():
        raise Skip('RTLD_DEEPBIND ends a program under ASan')

    def run():
        p = box.run(['php', os.path.join(HERE, 'client.php')])
        eq(p.returncode, 0, 'status of the program: %s' % p.stdout)
        return p.stdout.decode().split()
    if run() == ['no-curl']:
        raise Skip('no php-curl here')
    shutil.rmtree(box.state, ignore_errors=True)
    before = len(box.arrived(('request',)))
    box.budget(100)
    eq(run(), ['200', '200'], 'curl and streams')
    eq([r['usage_state'] for r in box.rows()], ['exact'] * 2, 'usage')
    box.budget(0)
    eq(run(), ['429', '429'], 'blocked')
    eq(len([r for r in box.arrived(('request',))
            if 'chat' in json.dumps(r)]) - before, 2, 'what arrived')


def make():
    def case(fn, *args):
        def run(box):
            fn(box, *args)
        return run
    for kind in KINDS:
        globals()['case_node_' + kind] = case(node_plain, kind)
    for kind in SDKS:
        globals()['case_sdk_' + kind] = case(sdk, kind)
        globals()['case_sdk_blocked_' + kind] = case(sdk_blocked, kind)
    for how in ('worker', 'fork', 'spawn', 'cluster'):
        globals()['case_node_' + how] = case(crowd, how)
    for how in ('ctypes', 'cffi'):
        globals()['case_handle_' + how] = case(by_handle, how)


make()
if __name__ == '__main__':
    main(globals())
