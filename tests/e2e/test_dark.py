#!/usr/bin/python3
"""Dark traffic: connections of guarded programs to LLM hosts that nothing is
seen of are counted; those that somebody sees, or that carry nothing, are not.

The program of such a connection speaks TLS by a copy of libssl of its own
kind (dlopen'ed deep, so that no hook is before it), or in plain.
"""
import json
import os
import shutil
import subprocess
import time

from harness import BUILD, PY, Skip, chat_body, eq, main, ok, sanitizer

CONFIG = 'hosts: {localhost: openai}\n'
# getaddrinfo and connect by libc; how=talk|idle|prefetch|junk|twice|stand
TALK = r'''
import os, socket, sys, time
port, how, n = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
# a ClientHello as it leaves an unknown library: no hook sees it but send()
def hello(name):
    sni = name.encode()
    sni = b'\0' + len(sni).to_bytes(2, 'big') + sni
    sni = len(sni).to_bytes(2, 'big') + sni
    ext = b'\0\0' + len(sni).to_bytes(2, 'big') + sni
    ext += b'\0\x15' + (200).to_bytes(2, 'big') + bytes(200)
    body = b'\3\3' + bytes(32) + b'\0' + b'\0\2\x13\x01' + b'\1\0' + \
        len(ext).to_bytes(2, 'big') + ext
    body = b'\1' + len(body).to_bytes(3, 'big') + body
    return b'\x16\3\1' + len(body).to_bytes(2, 'big') + body
socks = []
for i in range(n):
    a = socket.getaddrinfo(os.environ.get('NAME', 'localhost'), port,
                           socket.AF_INET, socket.SOCK_STREAM)[0]
    if how == 'prefetch':
        continue
    s = socket.socket()
    s.connect(a[4])
    if how == 'talk' or how == 'stand' or (how == 'race' and not i):
        s.sendall(hello(os.environ.get('SNI', 'localhost')))
        s.recv(4096)
    elif how == 'junk':
        s.sendall(b'\0\0\0\x08\x04\xd2\x16\x2f' * 30)
        s.recv(4096)
    elif how == 'http':
        s.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n' %
                  (b'x' * 200))
        s.recv(4096)
    if how == 'stand':
        socks.append(s)
    else:
        s.close()
if how == 'stand':
    print('up', flush=True)
    sys.stdin.read()
    if len(sys.argv) > 4:
        os._exit(0)
'''


class Echo:
    """Answers whatever comes, so that data goes both ways."""

    def __init__(self):
        self.p = subprocess.Popen([PY, '-c', r'''
import socket, threading
s = socket.create_server(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
def serve(c):
    try:
        while c.recv(4096):
            c.sendall(b'\x15\3\3' + b'x' * 300)
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
'''], stdout=subprocess.PIPE)
        self.port = int(self.p.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.p.kill()
        self.p.wait()


def talk(box, echo, how, n=1, **env):
    p = box.run([PY, '-c', TALK, str(echo.port), how, str(n)], **env)
    eq((p.returncode, p.stdout, p.stderr), (0, b'', b''), how)
    return dark(box)


def dark(box):
    d = box.status()
    eq(d['dark_connections'], sum(x['connections'] for x in d['dark']), 'sum')
    return [(x['program'], x['host'], x['connections']) for x in d['dark']]


def exe():
    return os.path.basename(os.path.realpath(PY))


def case_counted(box):
    box.config(CONFIG)
    with Echo() as e:
        eq(talk(box, e, 'talk', 3), [(exe(), 'localhost', 3)], 'dark')
        eq(talk(box, e, 'http'), [(exe(), 'localhost', 4)], 'plain HTTP')
    text = box.cli('status').stdout.decode()
    ok('Dark: 4 connections' in text, text)
    d = json.loads(box.cli('doctor', '--json', PY, check=False).stdout)
    eq([x['connections'] for x in d['dark']], [4], 'doctor')
    d = json.loads(box.cli('doctor', '--json', 'curl', check=False).stdout)
    eq(d['dark'], [], 'doctor of another program')
    with open(os.path.join(box.state, 'events.jsonl')) as f:
        ev = [json.loads(x) for x in f]
    eq([(x['event'], x['reason']) for x in ev],
       [('tracking_failure', 'dark')], 'events: one a day and host')


def case_not_counted(box):
    """Resolved only, connected only, another protocol, another name."""
    box.config(CONFIG)
    with Echo() as e:
        for how in ('prefetch', 'idle', 'junk'):
            eq(talk(box, e, how, 5), [], how)
        eq(talk(box, e, 'talk', 2, SNI='www.example.com'), [], 'other name')
        eq(talk(box, e, 'race', 4), [(exe(), 'localhost', 1)],
           'happy eyeballs: one of four is used')


def case_not_guarded(box):
    box.config(None)
    with Echo() as e:
        eq(talk(box, e, 'talk', 2), [], 'no guarded host')
    box.config(CONFIG + 'guard: off\n')
    with Echo() as e:
        eq(talk(box, e, 'talk', 2), [], 'switched off')


def case_standing(box):
    """Not closed: counted at exit, or after ten seconds of life."""
    box.config(CONFIG)
    with Echo() as e:
        p = subprocess.Popen([PY, '-c', TALK, str(e.port), 'stand', '2'],
                             env=box.env(), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        p.stdout.readline()
        eq(dark(box), [], 'not yet')
        p.communicate(b'')
        eq(p.returncode, 0, 'status')
        eq(dark(box), [(exe(), 'localhost', 2)], 'at exit')


def case_fork(box):
    """A child's copy of a descriptor is not the connection's end."""
    box.config(CONFIG)
    code = TALK.replace("s.close()", "pid = os.fork()\n        if not pid: "
                        "s.close(); sys.exit(0)\n        os.waitpid(pid, 0)"
                        "\n        import subprocess; subprocess.run("
                        "['true'], close_fds=True)\n        s.close()")
    with Echo() as e:
        p = box.run([PY, '-c', code, str(e.port), 'talk', '3'])
        eq((p.returncode, p.stderr), (0, b''), 'end')
        eq(dark(box), [(exe(), 'localhost', 3)], 'each once')


def clean(box, argv, want=0, **k):
    p = box.run(argv, TEST_PORT=None, **k)
    eq(p.returncode, want, 'status: %r' % p.stderr[-300:])
    eq(dark(box), [], 'no alarm')


def case_no_alarm(box):
    """Programs that the guard sees, in their usual ways."""
    box.config(CONFIG)
    body = os.path.join(box.dir, 'b')
    with open(body, 'w') as f:
        json.dump(chat_body(), f)
    port = box.server.port
    url = 'https://localhost:%d/v1/chat/completions' % port
    head = 'Content-Type: application/json'
    if not sanitizer():
        clean(box, ['curl', '-sS', '--cacert', box.server.ca, '-o',
                    '/dev/null', '-H', head, '-d', '@' + body, url, url])
        clean(box, ['curl', '-sS', '-I', '--cacert', box.server.ca, '-o',
                    '/dev/null', url])
        # the handshake fails: seen, although nothing was exchanged
        clean(box, ['curl', '-sS', '--capath', '/nowhere', '--cacert',
                    body, url], want=77)
        clean(box, ['curl', '-sS', '-Z', '--parallel-immediate', '--cacert',
                    box.server.ca, '-H', head, '-d', '@' + body] +
              sum([['-o', '/dev/null', url] for _ in range(8)], []))
    clean(box, [PY, '-c', '''
import sys, urllib.request as u, http.client, ssl, socket
for i in range(3):
    u.urlopen(u.Request(sys.argv[1], open(sys.argv[2], 'rb').read(),
              {'content-type': 'application/json'})).read()
c = http.client.HTTPSConnection('localhost', int(sys.argv[3]))
c.request('GET', '/v1/models'); c.getresponse().read(); c.sock.close()
try:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(socket.create_connection(
        ('localhost', int(sys.argv[3]))), server_hostname='localhost')
except ssl.SSLError:
    pass
''', url, body, str(port)])
    clean(box, [PY, '-c', '''
import asyncio, ssl, sys
async def one():
    r, w = await asyncio.open_connection('localhost', int(sys.argv[1]),
        ssl=ssl.create_default_context(), happy_eyeballs_delay=0.01)
    w.write(b'GET /v1/models HTTP/1.1\\r\\nHost: localhost\\r\\n'
            b'Connection: close\\r\\n\\r\\n')
    await r.read(); w.close()
async def all(): await asyncio.gather(*[one() for _ in range(12)])
asyncio.run(all())
''', str(port)])


def case_no_alarm_other_libraries(box):
    """GnuTLS, plain HTTP, Node with its own OpenSSL: all are seen."""
    if sanitizer():
        raise Skip('these do not load a sanitizer')
    url = 'https://localhost:%d/v1/chat/completions' % box.server.port
    box.config(CONFIG)
    n = 0
    if shutil.which('wget'):
        clean(box, ['wget', '-q', '-O', '/dev/null', '--ca-certificate',
                    box.server.ca, '--post-data', json.dumps(chat_body()),
                    '--header', 'Content-Type: application/json', url])
        n += 1
    node = shutil.which('node')
    if node and os.path.exists(os.path.join(BUILD, 'llmguard-patch.so')):
        clean(box, [node, '--dns-result-order=ipv4first', '-e', '''
const one = () => fetch(process.argv[1], {method: "POST", body:
  JSON.stringify({model: "gpt-4o-mini", messages: []}), headers:
  {"content-type": "application/json"}}).then(r => r.text());
(async () => { await one(); await Promise.all([one(), one(), one()]); })();
''', url])
        n += 1
    with Echo() as e:
        box.config(CONFIG + 'plain_http: [localhost]\n')
        eq(talk(box, e, 'http', 3), [], 'plain HTTP that is guarded')
    ok(n, 'nothing to try')


def case_unseen_libraries(box):
    """Java's own TLS: every connection is counted, and doctor names it."""
    if not shutil.which('java') or sanitizer():
        raise Skip('no java')
    box.config(CONFIG)
    src = os.path.join(box.dir, 'J.java')
    with open(src, 'w') as f:
        f.write('''
public class J { public static void main(String[] a) throws Exception {
  for (int i = 0; i < 2; i++) {
    var s = (javax.net.ssl.SSLSocket) javax.net.ssl.SSLSocketFactory
      .getDefault().createSocket("localhost", Integer.parseInt(a[0]));
    try { s.startHandshake(); } catch (Exception e) { }
    s.close();
  } } }''')
    p = box.run(['java', src, str(box.server.port)], TEST_PORT=None)
    eq(p.returncode, 0, p.stderr)
    eq(dark(box), [('java', 'localhost', 2)], 'dark')


def case_exit_without_exit(box):
    """_exit and SIGKILL: what is not told is not invented either."""
    box.config(CONFIG)
    with Echo() as e:
        p = subprocess.Popen([PY, '-c', TALK, str(e.port), 'stand', '1', 'x'],
                             env=box.env(), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        p.stdout.readline()
        time.sleep(0.1)
        p.communicate(b'')
        eq(p.returncode, 0, 'status')
        eq(dark(box), [], 'nothing')


if __name__ == '__main__':
    main(globals())
