#!/usr/bin/python3
"""A TLS server on 127.0.0.1 that answers like OpenAI, Anthropic and Google.

  server.py --dir DIR [--port N] [--lifetime S]

Any SNI gets a certificate of the CA in DIR/ca.pem. When the server is ready it
writes DIR/ready.json {port, pid, ca}. DIR/server.jsonl gets one line for every
connection (event "open", "close" with the plaintext bytes that arrived), every
whole request ("request") and every one that did not come to its end
("partial"): what is not in there did not arrive.

A request says how it wants to be answered by a header `x-test: k=v;k=v` (or
`metadata: {"x-test": ...}` in its body):
  in=N out=N cached=N reason=N   the usage that is reported
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
  seq=N             number in ids (default: counts up), for equal bytes
"""
import argparse
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

HOSTS = ('api.openai.com', 'api.anthropic.com',
         'generativelanguage.googleapis.com', 'llm.internal.example',
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


# -- what the providers say -------------------------------------------------

def words(n):
    return ('lorem ipsum dolor sit amet ' * (n // 27 + 1))[:n]


def number(opts, key, default):
    v = opts.get(key)
    return default if v is None or not v.isdigit() else int(v)


def prompt_tokens(body):
    return max(1, len(json.dumps(body.get('messages') or body.get('input') or
                                 body.get('contents') or '')) // 4)


class Call:
    """One request, understood: which dialect answers, with which numbers."""

    def __init__(self, method, path, headers, raw, seq):
        self.method = method
        self.path, _, self.query = path.partition('?')
        self.headers = headers
        try:
            self.body = json.loads(raw) if raw else {}
        except (ValueError, RecursionError):
            self.body = {}
        if not isinstance(self.body, dict):
            self.body = {}
        meta = self.body.get('metadata')
        text = headers.get('x-test') or (
            meta.get('x-test', '') if isinstance(meta, dict) else '')
        self.opts = dict(kv.strip().partition('=')[::2]
                         for kv in text.split(';') if kv.strip())
        self.stream = bool(self.body.get('stream'))
        self.seq = number(self.opts, 'seq', seq)
        self.model = self.opts.get('model') or str(self.body.get('model', ''))
        b = self.body
        cap = b.get('max_tokens') or b.get('max_completion_tokens') or \
            b.get('max_output_tokens')
        cap = cap if isinstance(cap, int) and cap > 0 else 20
        self.tin = number(self.opts, 'in', prompt_tokens(b))
        self.tout = number(self.opts, 'out', min(20, cap))
        self.cached = number(self.opts, 'cached', 0)
        self.reason = number(self.opts, 'reason', 0)
        self.text = words(number(self.opts, 'text', 40))
        n = max(1, number(self.opts, 'events', 4))
        step = -(-len(self.text) // n) if self.text else 1
        self.deltas = [self.text[i:i + step]
                       for i in range(0, len(self.text), step)]
        self.usage_wanted = self.opts.get('nousage') != '1'

    def pad(self, obj):
        n = number(self.opts, 'extra', 0)
        return {**{'x_%d' % i: [i, {'deep': 'v' * 20}] for i in range(n)},
                **obj}


def error_of(path, status):
    if path.startswith('/v1/messages'):
        kind = {429: 'rate_limit_error', 529: 'overloaded_error',
                400: 'invalid_request_error'}.get(status, 'api_error')
        return {'type': 'error', 'error': {'type': kind, 'message': 'test'}}
    if path.startswith('/v1beta'):
        return {'error': {'code': status, 'message': 'test',
                          'status': 'RESOURCE_EXHAUSTED'}}
    return {'error': {'message': 'test', 'type': 'server_error',
                      'param': None, 'code': None}}


def chat_usage(c):
    return {'prompt_tokens': c.tin, 'completion_tokens': c.tout,
            'total_tokens': c.tin + c.tout,
            'prompt_tokens_details': {'cached_tokens': c.cached,
                                      'audio_tokens': 0},
            'completion_tokens_details': {'reasoning_tokens': c.reason,
                                          'audio_tokens': 0}}


def chat(c):
    head = {'id': 'chatcmpl-%d' % c.seq, 'created': 1760000000,
            'model': c.model, 'service_tier': 'default',
            'system_fingerprint': 'fp_test'}
    n = c.body.get('n')
    n = n if isinstance(n, int) and 0 < n < 100 else 1
    if not c.stream:
        out = dict(head, object='chat.completion', choices=[
            {'index': i, 'message': {'role': 'assistant', 'content': c.text,
                                     'refusal': None},
             'logprobs': None, 'finish_reason': 'stop'} for i in range(n)])
        if c.usage_wanted:
            out['usage'] = chat_usage(c)
        return c.pad(out)
    head['object'] = 'chat.completion.chunk'
    asked = (c.body.get('stream_options') or {}).get('include_usage')

    def chunk(delta, end=None):
        d = dict(head, choices=[{'index': 0, 'delta': delta,
                                 'finish_reason': end}])
        if asked:
            d['usage'] = None
        return d
    events = [chunk({'role': 'assistant', 'content': ''})]
    events += [chunk({'content': t}) for t in c.deltas]
    events.append(chunk({}, 'stop'))
    if asked and c.usage_wanted:
        events.append(dict(head, choices=[], usage=chat_usage(c)))
    return [(None, e) for e in events] + [(None, '[DONE]')]


def responses(c):
    item = {'id': 'msg_%d' % c.seq, 'type': 'message', 'role': 'assistant',
            'status': 'completed', 'content': [
                {'type': 'output_text', 'text': c.text, 'annotations': []}]}
    done = {'id': 'resp_%d' % c.seq, 'object': 'response',
            'created_at': 1760000000, 'status': 'completed', 'error': None,
            'model': c.model, 'output': [item], 'service_tier': 'default',
            'usage': {'input_tokens': c.tin, 'output_tokens': c.tout,
                      'input_tokens_details': {'cached_tokens': c.cached},
                      'output_tokens_details': {'reasoning_tokens': c.reason},
                      'total_tokens': c.tin + c.tout}}
    if not c.usage_wanted:
        done['usage'] = None
    if not c.stream:
        return c.pad(done)
    begun = dict(done, status='in_progress', output=[], usage=None)
    events = [('response.created', {'response': begun})]
    events += [('response.output_text.delta',
                {'item_id': item['id'], 'output_index': 0, 'content_index': 0,
                 'delta': t}) for t in c.deltas]
    events.append(('response.completed', {'response': done}))
    return [(n, dict(d, type=n, sequence_number=i))
            for i, (n, d) in enumerate(events)]


def embeddings(c):
    given = c.body.get('input')
    n = len(given) if isinstance(given, list) else 1
    return c.pad({'object': 'list', 'model': c.model, 'data': [
        {'object': 'embedding', 'index': i, 'embedding': [0.25, -0.5, 0.125]}
        for i in range(n)],
        'usage': {'prompt_tokens': c.tin, 'total_tokens': c.tin}})


def messages(c):
    usage = {'input_tokens': c.tin, 'output_tokens': c.tout,
             'cache_read_input_tokens': c.cached,
             'cache_creation_input_tokens': number(c.opts, 'cw', 0) +
             number(c.opts, 'cw1h', 0),
             'cache_creation': {
                 'ephemeral_5m_input_tokens': number(c.opts, 'cw', 0),
                 'ephemeral_1h_input_tokens': number(c.opts, 'cw1h', 0)},
             'service_tier': 'standard'}
    msg = {'id': 'msg_%d' % c.seq, 'type': 'message', 'role': 'assistant',
           'model': c.model, 'content': [{'type': 'text', 'text': c.text}],
           'stop_reason': 'end_turn', 'stop_sequence': None, 'usage': usage}
    if not c.usage_wanted:
        del msg['usage']
    if not c.stream:
        return c.pad(msg)
    first = dict(msg, content=[], stop_reason=None)
    if c.usage_wanted:
        first['usage'] = dict(usage, output_tokens=1)
    events = [('message_start', {'message': first}),
              ('content_block_start', {'index': 0, 'content_block':
                                       {'type': 'text', 'text': ''}}),
              ('ping', {})]
    events += [('content_block_delta', {'index': 0, 'delta':
                {'type': 'text_delta', 'text': t}}) for t in c.deltas]
    last = {'delta': {'stop_reason': 'end_turn', 'stop_sequence': None}}
    if c.usage_wanted:
        last['usage'] = {'output_tokens': c.tout}
    events += [('content_block_stop', {'index': 0}), ('message_delta', last),
               ('message_stop', {})]
    return [(n, dict({'type': n}, **d)) for n, d in events]


def gemini(c):
    m = re.fullmatch(r'/v1(?:beta)?/models/([^:]+):(\w+)', c.path)
    c.model = c.opts.get('model') or m.group(1)
    if m.group(2) == 'countTokens':
        return {'totalTokens': c.tin}
    cap = (c.body.get('generationConfig') or {}).get('maxOutputTokens') or 20
    c.tout = number(c.opts, 'out', min(20, int(cap)))

    def usage():
        u = {'promptTokenCount': c.tin,
             'candidatesTokenCount': c.tout,
             'totalTokenCount': c.tin + c.tout + c.reason}
        if c.cached:
            u['cachedContentTokenCount'] = c.cached
        if c.reason:
            u['thoughtsTokenCount'] = c.reason
        return u

    def part(text, end):
        d = {'candidates': [{'content': {'role': 'model', 'parts':
                                         [{'text': text}]}, 'index': 0}],
             'modelVersion': c.model, 'responseId': 'gem-%d' % c.seq}
        if end:
            d['candidates'][0]['finishReason'] = 'STOP'
        if c.usage_wanted:
            d['usageMetadata'] = usage()
        return d
    c.stream = m.group(2) == 'streamGenerateContent'
    if not c.stream:
        return c.pad(part(c.text, True))
    parts = [part(t, i == len(c.deltas) - 1) for i, t in enumerate(c.deltas)]
    if 'alt=sse' not in c.query:
        c.stream = False
        return parts
    return [(None, p) for p in parts]


def answer_of(c):
    """(status, content type, body object, bytes, or list of SSE events)."""
    status = number(c.opts, 'status', 200)
    if status != 200:
        c.stream = False
        return status, error_of(c.path, status)
    m = re.fullmatch(r'/bytes/(\d+)', c.path)
    if m:
        c.stream = False
        return 200, b'x' * int(m.group(1))
    if re.fullmatch(r'/v1(?:beta)?/models/[^:/]+:\w+', c.path):
        return 200, gemini(c)
    if c.method == 'GET' and c.path.endswith('/models'):
        return 200, {'object': 'list', 'data': []}
    for suffix, fn in (('/chat/completions', chat), ('/responses', responses),
                       ('/embeddings', embeddings), ('/messages', messages)):
        if c.path.endswith(suffix):
            return 200, fn(c)
    if c.path.endswith('/messages/count_tokens'):
        return 200, {'input_tokens': c.tin}
    c.stream = False
    if c.path == '/echo':
        return 200, c.body
    return 404, error_of(c.path, 404)


def broken(body, *headers, head=b'HTTP/1.1 200 OK'):
    return b'\r\n'.join([head, b'Content-Type: application/json', *headers,
                         b'', body])


def sized(body):
    return broken(body, b'Content-Length: %d' % len(body))


def said(usage):
    return b'{"model":"gpt-4o-mini","choices":[{"message":{"content":"' + \
        b'word ' * 200 + b'"}}],"usage":' + usage + b'}'


BROKEN = {
    'json': lambda: sized(b'{"model": "x", "usage": {"prompt_tok'),
    'chunk': lambda: broken(b'fffffffffffffffff1\r\n{}\r\n0\r\n\r\n',
                            b'Transfer-Encoding: chunked'),
    'status': lambda: b'HTTP/1.1 abc what\r\n\r\n',
    'lengths': lambda: broken(b'{}', b'Content-Length: 2',
                              b'Content-Length: 5'),
    'nolength': lambda: broken(json.dumps({
        'model': 'gpt-4o-mini', 'usage': {
            'prompt_tokens': 9, 'completion_tokens': 1,
            'total_tokens': 10}}).encode()),
    'gzip': lambda: broken(b'this is not gzip', b'Content-Encoding: gzip',
                           b'Content-Length: 16'),
    'deep': lambda: sized(b'{"a":' + b'[' * 15000 + b']' * 15000 +
                          b',"model":"gpt-4o-mini","usage":'
                          b'{"prompt_tokens":1,"completion_tokens":1,'
                          b'"total_tokens":2}}'),
    'nofigures': lambda: sized(said(b'{}')),
    'absurd': lambda: sized(said(b'{"prompt_tokens":1,"completion_tokens":'
                                 b'1099511627776}')),
    'empty': lambda: b'',
    'header': lambda: broken(b'{}', b'x-pad: ' + b'h' * 60000,
                             b'Content-Length: 2'),
    'bighead': lambda: broken(b'{}', b'x-pad: ' + b'h' * 10000000,
                              b'Content-Length: 2'),
}


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
        method, path, _ = (lines[0] + '  ').split(' ', 2)
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
        self.srv.log.put(event='request', conn=self.n, seq=seq, method=method,
                         path=path, headers=headers, model=call.model,
                         body_len=len(body), head=head.decode('latin1'),
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
        status, what = answer_of(c)
        gap = number(c.opts, 'gap', 0) / 1000
        time.sleep(number(c.opts, 'delay', 0) / 1000)
        enc = self.encoding(c)
        if c.stream:
            pieces = []
            for name, data in what:
                data = data if isinstance(data, str) else \
                    json.dumps(data, separators=(',', ':'))
                pieces.append((('event: %s\n' % name if name else '') +
                               'data: %s\n\n' % data).encode())
            kind = 'text/event-stream; charset=utf-8'
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
                if c is None or not self.answer(c):
                    break
        except EOFError:
            pass
        except Cut as e:
            self.gone = str(e) == 'rst'
        self.srv.log.put(event='close', conn=self.n, bytes=self.total)
        if not self.gone:
            try:
                self.sock.settimeout(2)
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
        self.lsock = socket.socket()
        self.lsock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.lsock.bind(('127.0.0.1', port))
        self.lsock.listen(512)
        self.port = self.lsock.getsockname()[1]

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

    def forever(self):
        n = 0
        while True:
            raw, _ = self.lsock.accept()
            n += 1
            threading.Thread(target=self.serve_one, args=(raw, n),
                             daemon=True).start()


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
        json.dump({'port': srv.port, 'pid': os.getpid(),
                   'ca': srv.certs.ca}, f)
    os.rename(tmp, os.path.join(a.dir, 'ready.json'))
    srv.forever()


if __name__ == '__main__':
    sys.exit(main())
