"""A model server of one's own, as far as a client sees it: plain HTTP on a
socket of this machine, OpenAI's chat completions and Ollama's api/chat. Runs
in threads of the test; what came in stands in .seen, how it answers in .how.
"""
import json
import os
import socket
import ssl
import struct
import threading
import time


class LocalServer:
    def __init__(self, where=None, tls=None):
        """where: the path of a Unix socket, None: a port of 127.0.0.1; tls:
        its ssl.SSLContext."""
        self.seen, self.how, self.lock = [], {}, threading.Lock()
        self.tls, self.refused = tls, []
        self.sock = socket.socket(socket.AF_UNIX if where else socket.AF_INET)
        self.sock.bind(where or ('127.0.0.1', 0))
        self.sock.listen(256)
        self.where = where
        self.url = 'unix:' + where if where else \
            'http%s://127.0.0.1:%d' % ('s' if tls else '',
                                      self.sock.getsockname()[1])
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        if self.where:
            os.unlink(self.where)

    def serve(self):
        while True:
            try:
                s, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        try:
            if not self.where:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            time.sleep(self.how.get('before', 0))
            if self.tls:
                s = self.tls.wrap_socket(s, server_side=True)
            self.answer(s, *self.read(s))
        except ssl.SSLError as e:
            self.refused.append(e.reason)
        except (OSError, ValueError, EOFError):
            pass
        finally:
            s.close()

    def read(self, s):
        data = b''
        while b'\r\n\r\n' not in data:
            d = s.recv(65536)
            if not d:
                raise EOFError
            data += d
        head, _, body = data.partition(b'\r\n\r\n')
        lines = head.decode('latin1').split('\r\n')
        fields = {k.lower(): v for k, _, v in
                  (x.partition(': ') for x in lines[1:])}
        if 'stall' in self.how:
            time.sleep(self.how['stall'])
        while len(body) < int(fields['content-length']):
            d = s.recv(1 << 20)
            if not d:
                raise EOFError
            body += d
        seen = {'line': lines[0], 'fields': fields, 'raw': head + b'\r\n' +
                body, 'body': json.loads(body), 'after': b''}
        with self.lock:
            self.seen.append(seen)
        return lines[0].split()[1], seen

    def answer(self, s, path, seen):
        how, body = self.how, seen['body']
        time.sleep(how.get('delay', 0))
        if 'raw' in how:
            s.sendall(how['raw'])
            if how.get('reset'):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack('ii', 1, 0))
            return
        if 'status' in how:
            what = json.dumps({'error': {'message': 'out of memory',
                                         'type': 'server_error'}})
            self.put(s, how['status'], how.get('type', 'application/json'),
                     [what.encode()])
            return
        model = body['model']
        parts = self.ollama(model, body) if path.endswith('/api/chat') \
            else self.openai(model, body)
        self.put(s, 200, *parts)
        s.settimeout(0.3)
        try:
            seen['after'] = s.recv(4096)
        except OSError:
            pass

    def put(self, s, status, kind, parts):
        how = self.how
        chunked = len(parts) > 1 or how.get('chunked')
        head = 'HTTP/1.1 %d Whatever\r\nContent-Type: %s\r\nX-Of: it\r\n' % (
            status, kind)
        head += 'Transfer-Encoding: chunked\r\n\r\n' if chunked else \
            'Content-Length: %d\r\n\r\n' % sum(map(len, parts))
        s.sendall(head.encode())
        for i, p in enumerate(parts):
            if i == how.get('die'):
                return
            wire = b'%x\r\n%s\r\n' % (len(p), p) if chunked else p
            if how.get('die') == -1:
                s.sendall(wire[:len(wire) // 2])
                return
            step = how.get('piece', len(wire))
            for k in range(0, len(wire), step):
                s.sendall(wire[k:k + step])
            time.sleep(how.get('gap', 0))
        if chunked:
            s.sendall(b'0\r\n\r\n')

    @staticmethod
    def words(body):
        return ['word%d ' % i for i in range(int(body.get('seed') or 4))]

    def openai(self, model, body):
        words = self.words(body)
        usage = {'prompt_tokens': 11, 'completion_tokens': len(words),
                 'total_tokens': 11 + len(words)}
        base = {'id': 'chatcmpl-local', 'created': 1, 'model': model}
        if not body.get('stream'):
            return 'application/json', [json.dumps(dict(
                base, object='chat.completion', usage=usage, choices=[
                    {'index': 0, 'finish_reason': 'stop', 'message': {
                        'role': 'assistant', 'content': ''.join(words)}}])
            ).encode()]
        events = [dict(base, object='chat.completion.chunk', choices=[
            {'index': 0, 'delta': {'content': w}, 'finish_reason': None}])
            for w in words]
        events.append(dict(base, object='chat.completion.chunk', choices=[
            {'index': 0, 'delta': {}, 'finish_reason': 'stop'}]))
        if (body.get('stream_options') or {}).get('include_usage'):
            events.append(dict(base, object='chat.completion.chunk',
                               choices=[], usage=usage))
        return 'text/event-stream', [
            b'data: %s\n\n' % json.dumps(e).encode() for e in events] + [
            b'data: [DONE]\n\n']

    def ollama(self, model, body):
        words = self.words(body)
        last = {'model': model, 'created_at': '2025-01-01T00:00:00Z',
                'done': True, 'done_reason': 'stop', 'prompt_eval_count': 11,
                'eval_count': len(words), 'total_duration': 5,
                'message': {'role': 'assistant', 'content': ''}}
        if body.get('stream') is False:
            last['message']['content'] = ''.join(words)
            return 'application/json', [json.dumps(last).encode()]
        return 'application/x-ndjson', [json.dumps(
            {'model': model, 'created_at': '2025-01-01T00:00:00Z',
             'done': False, 'message': {'role': 'assistant', 'content': w}}
        ).encode() + b'\n' for w in words] + [
            json.dumps(last).encode() + b'\n']
