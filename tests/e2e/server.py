#!/usr/bin/python3
"""A TLS server on 127.0.0.1 that answers like OpenAI, Anthropic and Google.

  server.py --dir DIR [--port N] [--lifetime S]

A second port speaks the same in plain HTTP. Any SNI gets a certificate of the CA in DIR/ca.pem. When the server is ready it
writes DIR/ready.json {port, plain, pid, ca}. DIR/server.jsonl gets one line for every
connection (event "open", "close" with the plaintext bytes that arrived), every
whole request ("request"), every answer that was written to its end
("answered") and every one that did not come to its end
("partial"): what is not in there did not arrive.

A request says how it wants to be answered by a header `x-test: k=v;k=v` (or
`metadata: {"x-test": ...}` in its body):
  in=N out=N cached=N reason=N   the usage that is reported (out=cap: as much
                    as the request allows)
  cw=N cw1h=N       Anthropic: tokens written to the cache
  text=N            characters of answer text (default 40)
  events=N          text deltas of a stream (default 4)
  model=NAME        the model that the answer names (default: the requested)
  status=N          an error answer of the dialect
  framing=length|chunked|close   (JSON: length, streams: chunked)
  piece=N           the wire bytes in pieces of N, each a TLS record
  delay=MS          before the first byte; gap=MS between pieces or events
  cut=N             end the connection after N events (cut=bytes:N: bytes of
                    the body); cutway=rst|close (close: with close_notify)
  enc=gzip|deflate|none   (JSON: what Accept-Encoding allows, streams: none)
  nousage=1         leave the usage out; extra=N  unknown members before it
  continue=MS       wait before 100 Continue; continue=no: never send it
  close=1           Connection: close
  bad=json|chunk|status|lengths|nolength|gzip|deep|empty|header|bighead
                    an answer that is broken in that way
  (a header x-answer has the whole body in base64, x-answer-type its type,
  x-answer-field one more field of its head)
  seq=N             number in ids (default: counts up), for equal bytes
"""
import argparse
import base64
import hashlib
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib

from providers import BROKEN, Call, answer_of, number

HOSTS = ('api.openai.com', 'api.anthropic.com',
         'generativelanguage.googleapis.com', 'llm.internal.example',
         'bedrock-runtime.us-east-1.amazonaws.com', 'api.cohere.com',
         'www.example.com', 'localhost')


def sh(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Certs:
    """One key, one CA, a certificate for each name that is asked for."""

    def __init__(self, folder):
        self.dir, self.lock, self.made = folder, threading.Lock(), {}
        self.ca, self.cakey = self.at('ca.pem'), self.at('ca.key')
        self.key = self.at('server.key')
        curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
        if not os.path.exists(self.ca):
            sh('openssl', 'req', '-x509', '-nodes', *curve, '-keyout',
               self.cakey, '-out', self.ca, '-days', '30', '-subj',
               '/CN=llmguard test CA', '-addext',
               'basicConstraints=critical,CA:TRUE', '-addext',
               'keyUsage=critical,keyCertSign,cRLSign')
            sh('openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt',
               'ec_paramgen_curve:P-256', '-out', self.key)

    def at(self, name):
        return os.path.join(self.dir, name)

    def make(self, names):
        base = self.at('cert-' + re.sub(r'[^A-Za-z0-9.-]', '_', names[0]))
        with open(base + '.ext', 'w') as f:
            f.write('subjectAltName=%s\nbasicConstraints=CA:FALSE\n'
                    'extendedKeyUsage=serverAuth\n' % ','.join(
                        ('IP:' if re.fullmatch(r'[0-9.]+', n) else 'DNS:') + n
                        for n in names))
        sh('openssl', 'req', '-new', '-key', self.key, '-out', base + '.csr',
           '-subj', '/CN=' + names[0][:60])
        sh('openssl', 'x509', '-req', '-in', base + '.csr', '-CA', self.ca,
           '-CAkey', self.cakey, '-CAcreateserial', '-days', '30', '-out',
           base + '.pem', '-extfile', base + '.ext')
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(base + '.pem', self.key)
        c.set_alpn_protocols(['http/1.1'])
        return c

    def context(self, name):
        with self.lock:
            if name not in self.made:
                self.made[name] = self.make([name])
            return self.made[name]


class Log:
    def __init__(self, path):
        self.f, self.lock = open(path, 'a', buffering=1), threading.Lock()

    def put(self, **k):
        with self.lock:
            self.f.write(json.dumps(dict(k, t=round(time.time(), 4))) + '\n')


class Cut(Exception):
    """The answer ends here on purpose."""


# -- the connection -----------------------------------------------------------

class Conn:
    def __init__(self, server, sock, number_):
        self.srv, self.sock, self.n = server, sock, number_
        self.buf, self.total, self.gone = b'', 0, False

    def more(self):
        try:
            d = self.sock.recv(65536)
        except (OSError, ssl.SSLError):
            d = b''
        self.total += len(d)
        self.buf += d
        return bool(d)

    def take(self, n):
        while len(self.buf) < n:
            if not self.more():
                raise EOFError
        d, self.buf = self.buf[:n], self.buf[n:]
        return d

    def line(self):
        while b'\r\n' not in self.buf:
            if not self.more():
                raise EOFError
        d, _, self.buf = self.buf.partition(b'\r\n')
        return d

    def read_body(self, headers):
        if 'chunked' in headers.get('transfer-encoding', '').lower():
            out = b''
            while True:
                n = int(self.line().split(b';')[0], 16)
                if n == 0:
                    while self.line():
                        pass
                    return out
                out += self.take(n)
                self.take(2)
        return self.take(int(headers.get('content-length') or 0))

    def request(self):
        """The next request as a Call, or None at the end."""
        while b'\r\n\r\n' not in self.buf:
            if not self.more():
                if self.buf:
                    self.srv.log.put(event='partial', conn=self.n,
                                     got=self.buf[:200].decode('latin1'))
                return None
        head, _, self.buf = self.buf.partition(b'\r\n\r\n')
        lines = head.decode('latin1').split('\r\n')
        method, path, proto = (lines[0] + '  ').split(' ', 2)
        headers = {}
        for ln in lines[1:]:
            k, _, v = ln.partition(':')
            headers[k.strip().lower()] = v.strip()
        opts = dict(kv.partition('=')[::2]
                    for kv in headers.get('x-test', '').split(';'))
        if headers.get('expect', '').lower() == '100-continue' and \
                not self.buf and opts.get('continue') != 'no':
            time.sleep(int(opts.get('continue', 0)) / 1000)
            self.send(b'HTTP/1.1 100 Continue\r\n\r\n')
        try:
            body = self.read_body(headers)
        except (EOFError, ValueError):
            self.srv.log.put(event='partial', conn=self.n, line=lines[0],
                             got=head.decode('latin1')[:400],
                             body_bytes=len(self.buf))
            return None
        seq = self.srv.next_seq()
        call = Call(method, path, headers, body, seq)
        call.last = proto.strip() == 'HTTP/1.0' and 'keep-alive' not in \
            headers.get('connection', '').lower()
        self.srv.log.put(event='request', conn=self.n, seq=seq, method=method,
                         path=path, headers=headers, model=call.model,
                         body_len=len(body), head=head.decode('latin1'),
                         said=body[:600].decode('latin1'),
                         sha256=hashlib.sha256(body).hexdigest())
        return call

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (OSError, ssl.SSLError):
            self.gone = True
            raise EOFError

    def reset(self, way):
        if way == 'rst':
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack('ii', 1, 0))
        raise Cut(way)

    def answer(self, c):
        if c.opts.get('bad') in BROKEN:
            self.send(BROKEN[c.opts['bad']]())
            return False
        if 'x-answer' in c.headers:
            self.write(c, number(c.opts, 'status', 200),
                       c.headers.get('x-answer-type', 'application/json'),
                       self.encoding(c),
                       [base64.b64decode(c.headers['x-answer'])], 0)
            return True
        status, what = answer_of(c)
        gap = number(c.opts, 'gap', 0) / 1000
        time.sleep(number(c.opts, 'delay', 0) / 1000)
        enc = self.encoding(c)
        if c.stream and isinstance(what[0], tuple):
            pieces = []
            for name, data in what:
                data = data if isinstance(data, str) else \
                    json.dumps(data, separators=(',', ':'))
                pieces.append((('event: %s\n' % name if name else '') +
                               'data: %s\n\n' % data).encode())
            kind = 'text/event-stream; charset=utf-8'
        elif c.stream:
            pieces = what
            kind = 'application/vnd.amazon.eventstream'
        else:
            body = what if isinstance(what, bytes) else \
                json.dumps(what).encode()
            pieces = [body]
            kind = 'application/octet-stream' if isinstance(what, bytes) \
                else 'application/json'
        self.write(c, status, kind, enc, pieces, gap)
        return c.opts.get('close') != '1' and \
            c.headers.get('connection', '').lower() != 'close' and \
            c.opts.get('framing') != 'close'

    @staticmethod
    def encoding(c):
        want = c.opts.get('enc')
        if want:
            return None if want == 'none' else want
        if c.stream:
            return None
        ok = c.headers.get('accept-encoding', '')
        return 'gzip' if 'gzip' in ok else \
            'deflate' if 'deflate' in ok else None

    def write(self, c, status, kind, enc, pieces, gap):
        framing = c.opts.get('framing') or (
            'chunked' if c.stream else 'length')
        if enc:
            z = zlib.compressobj(6, zlib.DEFLATED, 31 if enc == 'gzip' else 15)
            pieces = [z.compress(p) + z.flush(zlib.Z_SYNC_FLUSH)
                      for p in pieces]
            pieces[-1] += z.flush()
        reason = {200: 'OK', 404: 'Not Found', 429: 'Too Many Requests'}
        head = ['HTTP/1.1 %d %s' % (status, reason.get(status, 'Error')),
                'Date: Thu, 09 Oct 2025 12:00:00 GMT', 'Content-Type: ' + kind,
                'x-request-id: req_%d' % c.seq]
        if 'x-answer-field' in c.headers:
            head.append(c.headers['x-answer-field'])
        if enc:
            head.append('Content-Encoding: ' + enc)
        if framing == 'length':
            head.append('Content-Length: %d' % sum(map(len, pieces)))
        elif framing == 'chunked':
            head.append('Transfer-Encoding: chunked')
        if framing == 'close' or c.opts.get('close') == '1':
            head.append('Connection: close')
        wire = [('\r\n'.join(head) + '\r\n\r\n').encode()]
        if c.method != 'HEAD':
            wire += [b'%x\r\n%s\r\n' % (len(p), p)
                     if framing == 'chunked' else p for p in pieces if p]
            if framing == 'chunked':
                wire.append(b'0\r\n\r\n')
        self.emit(c, wire, gap)

    def emit(self, c, wire, gap):
        cut, way = c.opts.get('cut'), c.opts.get('cutway', 'close')
        if cut and cut.startswith('bytes:'):
            body = b''.join(wire[1:])[:int(cut[6:])]
            self.send(wire[0] + body)
            self.reset(way)
        if cut:
            wire = wire[:1 + int(cut)]
        size = number(c.opts, 'piece', 0)
        if size:
            flat = b''.join(wire)
            wire = [flat[i:i + size] for i in range(0, len(flat), size)]
        elif not c.stream:
            wire = [b''.join(wire)]
        for piece in wire:
            self.send(piece)
            if gap:
                time.sleep(gap)
        if cut:
            self.reset(way)

    def run(self):
        try:
            while True:
                c = self.request()
                if c is None:
                    break
                more = self.answer(c)
                self.srv.log.put(event='answered', conn=self.n, seq=c.seq)
                if not more or c.last:
                    break
        except EOFError:
            pass
        except Cut as e:
            self.gone = str(e) == 'rst'
        self.srv.log.put(event='close', conn=self.n, bytes=self.total)
        if not self.gone:
            try:
                self.sock.settimeout(2)
                if isinstance(self.sock, ssl.SSLSocket):
                    self.sock.unwrap()
            except (OSError, ValueError):
                pass
        self.sock.close()


class Server:
    def __init__(self, folder, port):
        self.certs = Certs(folder)
        self.log = Log(os.path.join(folder, 'server.jsonl'))
        self.seq, self.lock = 0, threading.Lock()
        self.base = self.certs.make(list(HOSTS) + ['127.0.0.1'])
        self.base.sni_callback = self.on_sni
        self.lsock = self.listen(port)
        self.plain = self.listen(0)
        self.port = self.lsock.getsockname()[1]
        self.conns = 0

    @staticmethod
    def listen(port):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(('127.0.0.1', port))
        s.listen(512)
        return s

    def on_sni(self, sslobj, name, _ctx):
        if name and name not in HOSTS:
            sslobj.context = self.certs.context(name)
        sslobj.sni_name = name

    def next_seq(self):
        with self.lock:
            self.seq += 1
            return self.seq

    def serve_one(self, raw, n):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(120)
        try:
            s = self.base.wrap_socket(raw, server_side=True,
                                      suppress_ragged_eofs=True)
        except (OSError, ssl.SSLError) as e:
            self.log.put(event='handshake-failed', conn=n, why=str(e))
            raw.close()
            return
        self.log.put(event='open', conn=n, sni=getattr(s, 'sni_name', None),
                     alpn=s.selected_alpn_protocol())
        Conn(self, s, n).run()

    def serve_plain(self, raw, n):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(120)
        self.log.put(event='open', conn=n, plain=True)
        Conn(self, raw, n).run()

    def accept(self, lsock, serve):
        while True:
            raw, _ = lsock.accept()
            with self.lock:
                self.conns += 1
                n = self.conns
            threading.Thread(target=serve, args=(raw, n),
                             daemon=True).start()

    def forever(self):
        threading.Thread(target=self.accept, daemon=True,
                         args=(self.plain, self.serve_plain)).start()
        self.accept(self.lsock, self.serve_one)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--dir', required=True)
    ap.add_argument('--port', type=int, default=0)
    ap.add_argument('--lifetime', type=int, default=3600)
    a = ap.parse_args()
    os.makedirs(a.dir, exist_ok=True)
    threading.stack_size(256 * 1024)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.alarm(a.lifetime)
    srv = Server(a.dir, a.port)
    tmp = os.path.join(a.dir, 'ready.tmp')
    with open(tmp, 'w') as f:
        json.dump({'port': srv.port, 'plain': srv.plain.getsockname()[1],
                   'pid': os.getpid(), 'ca': srv.certs.ca}, f)
    os.rename(tmp, os.path.join(a.dir, 'ready.json'))
    srv.forever()


if __name__ == '__main__':
    sys.exit(main())
