#!/usr/bin/python3
"""Programs over GnuTLS and NSS: the same guard as over OpenSSL."""
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import test_local
import test_programs
from harness import (CURL_LIBS, OPENAI, PLAIN, PY, TOP, Skip, chat_body, eq,
                     have_client, main, ok, request, send, until)
from server import Certs
from test_clients import blocked, within_budget

# One program for each of three bodies; all print status and length.
WGET = r'''
url=$1; shift
for f; do
  s=$(wget -S -t 1 -T 20 -O out --content-on-error --ca-certificate="$CA" \
    --header='Content-Type: application/json' --post-file="$f" "$url" 2>&1 |
    sed -n 's/^  HTTP.1.1 \([0-9]*\).*/\1/p' | tail -1)
  echo "$s $(wc -c < out)"
done'''
GNUTLS_CLI = r'''
port=${1#*localhost:}; port=${port%%/*}; shift
for f; do
  { printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n'
    printf 'Content-Type: application/json\r\nConnection: close\r\n'
    printf 'Content-Length: %d\r\n\r\n' "$(wc -c < "$f")"
    cat "$f"; sleep 0.2; } |
  gnutls-cli --logfile=log --x509cafile="$CA" -p "$port" localhost > out 2>&1
  echo "$(sed -n 's/^HTTP.1.1 \([0-9]*\).*/\1/p' out) $(wc -c < out)"
done'''


def shell(text):
    return lambda url, files: ['sh', '-c', text, 'sh', url, *files]


def case_wget(box):
    run_program(box, 'wget', WGET)


def case_gnutls_cli(box):
    run_program(box, 'gnutls-cli', GNUTLS_CLI)


def run_program(box, name, text):
    if not shutil.which(name):
        raise Skip('no ' + name)
    test_programs.PROGRAMS[name] = (shell(text), None)
    test_programs.program(box, name)


def each_lib(box, fn):
    have = [x for x in CURL_LIBS if have_client(x)]
    if not have:
        raise Skip('neither libcurl-gnutls nor libcurl-nss')
    for kind in have:
        fn(box, kind)


def case_within_budget_gnutls(box):
    within_budget(box, 'libcurl-gnutls')


def case_blocked_gnutls(box):
    blocked(box, 'libcurl-gnutls')


def case_within_budget_nss(box):
    within_budget(box, 'libcurl-nss')


def case_blocked_nss(box):
    blocked(box, 'libcurl-nss')


def case_big_body(box):
    """3 MB, held whole; refused at once, with nothing sent of it."""
    def one(box, kind):
        r = request(OPENAI, chat_body(text='big words ' * 300000),
                    test='seq=1;in=90;out=7')
        box.budget(100)
        n = len(box.arrived())
        got, _ = send(box, kind, [r, r])
        eq([x['status'] for x in got], [200, 200], kind)
        eq([e['body_len'] for e in box.arrived()[n:]], [len(r['body'])] * 2,
           kind + ': what arrived')
        box.budget(0)
        n, start = len(box.arrived()), time.monotonic()
        got, _ = send(box, kind, [r])
        eq(got[0]['status'], 429, kind)
        eq(box.arrived()[n:], [], kind + ': what arrived of a refused one')
        ok(time.monotonic() - start < 5, kind + ' waits')
    each_lib(box, one)


def case_http2_is_not_offered(box):
    """libcurl-gnutls offers h2 by itself: to a guarded host it is not."""
    if not have_client('libcurl-gnutls'):
        raise Skip('no libcurl-gnutls here')
    box.budget(100)
    got, _ = send(box, 'libcurl-gnutls', [
        request(OPENAI, test='in=90;out=7')], CURL_HTTP='2')
    eq(got[0]['status'], 200, 'status')
    eq([r['usage_state'] for r in box.rows()], ['exact'], 'rows')


def case_plain_is_the_same(box):
    """A host that nobody guards: the same bytes each way, no rows."""
    def one(box, kind):
        r = [request(PLAIN, method='GET', test='seq=7'),
             request(PLAIN, 'x' * 100000, test='seq=7')]
        n = len(box.arrived())
        bare, _ = send(box, kind, r, guard=False)
        m = len(box.arrived())
        got, _ = send(box, kind, r)
        eq(got, bare, kind)
        e = box.arrived()
        eq([(x['head'], x['sha256']) for x in e[m:]],
           [(x['head'], x['sha256']) for x in e[n:m]], kind)
    box.budget(0)
    each_lib(box, one)
    eq(box.rows(), [], 'rows')


def case_local_nss(box):
    """A local server takes over the connection's descriptor."""
    test_local.local(box, 'libcurl-nss')


def case_local_own_transport(box):
    """libcurl-gnutls moves the bytes itself: it is asked for them."""
    if not have_client('libcurl-gnutls'):
        raise Skip('no libcurl-gnutls here')
    test_local.local(box, 'libcurl-gnutls')


def case_kill(box):
    """kill -9 with an answer under way: the hold is settled by a sweep."""
    def one(box, kind):
        box.budget(100)
        before = len(box.rows())
        r = request(OPENAI, test='in=90;out=7;delay=5000')
        p = subprocess.Popen(
            [PY, os.path.join(TOP, 'tests/e2e/curl_lib.py'), kind + '.so.4'],
            env=box.env(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        n = len(box.arrived())
        p.stdin.write(json.dumps({'requests': [r]}).encode())
        p.stdin.close()
        until(lambda: len(box.arrived()) > n, kind + ' asks')
        p.send_signal(signal.SIGKILL)
        p.wait()
        b = box.budget_status()
        eq(b['held_usd'], 0, kind + ' held')
        rows = box.rows()[before:]
        eq(len(rows), 1, kind + ' rows')
        ok('abandoned' in rows[0]['flags'] and rows[0]['cost_usd'] > 0, rows)
    each_lib(box, one)


def case_fork(box):
    """The parent's connection goes on beside a child's own."""
    if not have_client('libcurl-gnutls'):
        raise Skip('no libcurl-gnutls here')
    code = '''
import json, os, sys
sys.argv = ['x', 'libcurl-gnutls.so.4']
sys.path.insert(0, %r)
import curl_lib
r = json.loads(%r)
a = curl_lib.Handle('libcurl-gnutls.so.4')
out = [a.perform(r)['status']]
pid = os.fork()
if not pid:
    b = curl_lib.Handle('libcurl-gnutls.so.4')
    os._exit(b.perform(r)['status'] - 200)
out.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) + 200)
out.append(a.perform(r)['status'])
print(out)
'''
    box.budget(100)
    r = request(OPENAI, test='seq=1;in=90;out=7')
    p = box.run([PY, '-c', code % (os.path.join(TOP, 'tests/e2e'),
                                   json.dumps(r))])
    eq((p.stdout, p.stderr), (b'[200, 200, 200]\n', b''), 'statuses')
    eq([x['usage_state'] for x in box.rows()], ['exact'] * 3, 'rows')
    eq(box.budget_status()['held_usd'], 0, 'held')
    eq(len({e['conn'] for e in box.arrived()}), 2, 'connections')


class Site:
    """Files below a folder over TLS, as localhost."""

    def __init__(self, folder):
        certs = Certs(folder)
        site = os.path.join(folder, 'site')
        handler = type('H', (http.server.SimpleHTTPRequestHandler,), {
            'log_message': lambda *a: None, '__init__': lambda self, *a:
            http.server.SimpleHTTPRequestHandler.__init__(
                self, *a, directory=site)})
        self.httpd = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        self.httpd.socket = certs.make(['localhost']).wrap_socket(
            self.httpd.socket, server_side=True,
            do_handshake_on_connect=False)
        self.ca = certs.ca
        self.url = 'https://localhost:%d/' % self.httpd.server_port
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()


def git(*argv, cwd):
    subprocess.run(['git', '-c', 'user.name=t', '-c', 'user.email=t@t.test',
                    *argv], cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def download(box, name, argv, url_last):
    """A tool that only fetches: the same files with and without the guard."""
    if not shutil.which(name):
        raise Skip('no ' + name)
    site = os.path.join(box.dir, 'site')
    repo = os.path.join(site, 'repo')
    os.makedirs(repo)
    git('init', '-q', cwd=repo)
    with open(os.path.join(repo, 'big'), 'wb') as f:
        f.write(os.urandom(700000))
    git('add', '.', cwd=repo)
    git('commit', '-qm', 'x', cwd=repo)
    git('update-server-info', cwd=repo)
    s = Site(box.dir)
    box.config(test_programs.BASE % ('daily', 0))
    got = []
    try:
        for guard in (False, True):
            out = os.path.join(box.dir, 'got-%d' % guard)
            os.mkdir(out)
            p = box.run([x.replace('@ca', s.ca) for x in argv] +
                        [s.url + url_last], guard, cwd=out, TEST_PORT=None,
                        GIT_SSL_CAINFO=s.ca, HOME=out)
            what = sorted(os.path.relpath(os.path.join(d, f), out)
                          for d, _, fs in os.walk(out) for f in fs
                          if '.git/' not in d + '/')
            data = p.stdout
            for f in what:
                with open(os.path.join(out, f), 'rb') as g:
                    data += g.read()
            got.append((p.returncode, what, data))
    finally:
        s.close()
    eq(got[1], got[0], name)
    eq(got[0][0], 0, name + ' bare')
    ok(len(got[0][2]) >= 700000, 'fetched')


def case_git(box):
    download(box, 'git', ['git', 'clone', '-q'], 'repo/.git')


def case_aria2(box):
    download(box, 'aria2c', ['aria2c', '-q', '--ca-certificate=@ca', '-o',
                             'big'], 'repo/big')


def case_lynx(box):
    download(box, 'lynx', ['lynx', '-source',
                           '-cfg=' + lynx_config(box)], 'repo/big')


def lynx_config(box):
    path = os.path.join(box.dir, 'lynx.cfg')
    with open(path, 'w') as f:
        f.write('SSL_CERT_FILE:%s\nFORCE_SSL_PROMPT:yes\n' % os.path.join(
            box.dir, 'ca.pem'))
    return path


def case_wget_download(box):
    download(box, 'wget', ['wget', '-q', '--ca-certificate=@ca'], 'repo/big')


if __name__ == '__main__':
    main(globals())
