#!/usr/bin/python3
"""The action `local` and the names of its server: asked of the DNS servers of
resolv.conf, which in here is a file of our own and a server of this test."""
import os
import shutil
import socket
import struct
import subprocess
import threading
import time

from harness import Skip, eq, main, ok, send
from test_local import ASK, QUIET, hard, nothing_arrived, server

WHERE = '127.0.0.77', '127.0.0.78'


class Names:
    """A DNS server: name -> list of IPv4 addresses, a status, or None (says
    nothing)."""

    def __init__(self, where, known):
        self.known, self.asked = known, []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.sock.bind((where, 53))
        except OSError as e:
            raise Skip('no port 53: %s' % e)
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.sendto(b'', self.sock.getsockname())
        time.sleep(0.05)
        self.sock.close()

    def serve(self):
        while True:
            q, peer = self.sock.recvfrom(2048)
            if not q:
                return
            labels, at = [], 12
            while q[at]:
                labels.append(q[at + 1:at + 1 + q[at]].decode())
                at += 1 + q[at]
            kind = struct.unpack('>H', q[at + 1:at + 3])[0]
            name = '.'.join(labels)
            self.asked.append((name, kind))
            said = self.known.get(name, 3)
            if said is None:
                continue
            code = said if isinstance(said, int) else 0
            found = said if kind == 1 and not code else []
            a = q[:2] + bytes([0x81, 0x80 | code]) + q[4:6] + \
                struct.pack('>HHH', len(found), 0, 0) + q[12:at + 5]
            for ip in found:
                a += struct.pack('>HHHIH', 0xc00c, 1, 1, 60, 4) + \
                    socket.inet_aton(ip)
            # a stranger's answer first: it is left alone
            self.sock.sendto(b'\0\0' + a[2:], peer)
            self.sock.sendto(a, peer)


MOUNT = 'mount --bind "$RESOLV" /etc/resolv.conf && exec "$@"'


def sent(box, kind, conf, reqs=(ASK,)):
    """send() where conf stands in /etc/resolv.conf."""
    if os.getuid() or not shutil.which('unshare'):
        raise Skip('no resolv.conf can be mounted')
    path = os.path.join(box.dir, 'resolv.conf')
    with open(path, 'w') as f:
        f.write(conf)
    p = subprocess.run(['unshare', '-m', 'sh', '-c', MOUNT, 'sh', 'true'],
                       env=dict(os.environ, RESOLV=path),
                       stderr=subprocess.PIPE)
    if p.returncode:
        raise Skip('no resolv.conf can be mounted: %s' % p.stderr)
    run = box.run

    def inside(argv, guard=True, **k):
        env = box.env(**{x: k[x] for x in k if x.isupper()})
        env.update(RESOLV=path)
        shim = 'LD_PRELOAD=' + env.pop('LD_PRELOAD')
        return subprocess.run(
            ['unshare', '-m', 'sh', '-c', MOUNT, 'sh', 'env', shim, *argv],
            env=env, input=k.get('stdin', '').encode('latin1'),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    box.run = inside
    try:
        return send(box, kind, list(reqs), **QUIET)[0]
    finally:
        box.run = run


def named(srv, name):
    return srv.url.replace('127.0.0.1', name)


def case_name(box):
    with server() as srv, Names(WHERE[0], {
            'model.lan.example': ['127.0.0.1']}) as dns:
        hard(box, named(srv, 'model.lan.example'))
        got = sent(box, 'http.client', 'nameserver %s\n' % WHERE[0], [ASK] * 3)
        eq([r['status'] for r in got], [200] * 3, got)
        eq(sorted(dns.asked), [('model.lan.example', 1),
                               ('model.lan.example', 28)], 'asked once')
        eq(srv.seen[0]['fields']['host'], named(
            srv, 'model.lan.example')[7:], 'host')
        nothing_arrived(box)


def case_search(box):
    with server() as srv, Names(WHERE[0], {
            'ollama.svc.example': ['127.0.0.1']}) as dns:
        hard(box, named(srv, 'ollama'))
        got = sent(box, 'httpx-async', '# of the test\ndomain no.example\n'
                   'search x.example svc.example\nnameserver %s\n'
                   'options ndots:3 rotate' % WHERE[0])
        eq(got[0]['status'], 200, got)
        eq([n for n, k in dns.asked if k == 1],
           ['ollama.x.example', 'ollama.svc.example'], 'asked')


def case_second_server(box):
    """The first says nothing, refuses, or is not there."""
    for known in ({'gpu.example': None}, {'gpu.example': 5}, {}):
        with server() as srv, Names(WHERE[1], {
                'gpu.example': ['127.0.0.9', '127.0.0.1']}):
            hard(box, named(srv, 'gpu.example'))
            conf = 'nameserver %s\nnameserver %s\n' % WHERE
            if known:
                with Names(WHERE[0], known):
                    got = sent(box, 'http.client', conf)
            else:
                got = sent(box, 'http.client', conf)
            eq(got[0]['status'], 200, (known, got))


def case_no_such_name(box):
    with Names(WHERE[0], {}) as dns:
        hard(box, 'http://nowhere.example:8000')
        got = sent(box, 'requests', 'nameserver %s\n' % WHERE[0], [ASK] * 3)
        eq([r['status'] for r in got], [429] * 3, got)
        eq(len(dns.asked), 2, 'asked once')
        nothing_arrived(box)


def case_silence(box):
    """No server answers: a second, once."""
    with Names(WHERE[0], {'gpu.example': None}):
        hard(box, 'http://gpu.example:8000')
        begun = time.time()
        got = sent(box, 'httpx-async', 'nameserver %s\n' % WHERE[0], [ASK] * 5)
        eq([r['status'] for r in got], [429] * 5, got)
        ok(1 < time.time() - begun < 4, time.time() - begun)


if __name__ == '__main__':
    main(globals())
