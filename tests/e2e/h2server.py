#!/usr/bin/python3
"""The test server in HTTP/2: the same answers, options and log as server.py,
over python3-h2. ALPN offers h2 first and http/1.1 behind it.

Of the options of `x-test` it knows those that do not speak of HTTP/1.1's
framing, and: cut=N resets the stream after N events, trailers=1, pad=N bytes
of padding, early=1 answers when the head has come, goaway=1 ends the
connection behind this answer, hpack=0 shrinks its header table.
"""
import hashlib
import json
import select
import socket
import sys
import threading
import time
import zlib

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

import server
from providers import Call, answer_of, number


class Out:
    """What is left to send of one answer."""

    def __init__(self, call, pieces):
        self.call, self.pieces = call, pieces
        self.gap = number(call.opts, 'gap', 0) / 1000
        self.at = time.monotonic() + number(call.opts, 'delay', 0) / 1000
        self.cut = number(call.opts, 'cut', -1)
        self.pad = number(call.opts, 'pad', 0) or None
        self.head = None


class H2Conn:
    def __init__(self, srv, sock, n):
        self.srv, self.sock, self.n, self.total = srv, sock, n, 0
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding='latin1'))
        self.asked, self.outs, self.last = {}, {}, False

    def on_request(self, e):
        h, crumbs = {}, []
        for k, v in e.headers:
            if k == 'cookie':
                crumbs.append(v)
            h[k] = v
        self.asked[e.stream_id] = [e.headers, h, b'']
        opts = h.get('x-test', '')
        if 'hpack=0' in opts:
            self.h2.update_settings(
                {h2.settings.SettingCodes.HEADER_TABLE_SIZE: 0})
        if e.stream_ended is not None or 'early=1' in opts:
            self.answer(e.stream_id)

    def answer(self, sid):
        if sid not in self.asked:
            return
        fields, h, body = self.asked.pop(sid)
        seq = self.srv.next_seq()
        c = Call(h[':method'], h[':path'], h, body, seq)
        self.srv.log.put(event='request', conn=self.n, seq=seq, stream=sid,
                         method=c.method, path=c.path, headers=h,
                         fields=fields, model=c.model, body_len=len(body),
                         said=body[:600].decode('latin1'),
                         sha256=hashlib.sha256(body).hexdigest())
        status, what = answer_of(c)
        if c.stream and isinstance(what[0], tuple):
            pieces, kind = [], 'text/event-stream; charset=utf-8'
            for name, data in what:
                data = data if isinstance(data, str) else \
                    json.dumps(data, separators=(',', ':'))
                pieces.append((('event: %s\n' % name if name else '') +
                               'data: %s\n\n' % data).encode())
        elif c.stream:
            pieces, kind = what, 'application/vnd.amazon.eventstream'
        elif isinstance(what, bytes):
            pieces, kind = [what], 'application/octet-stream'
        else:
            pieces, kind = [json.dumps(what).encode()], 'application/json'
        out = Out(c, pieces)
        out.head = [(':status', str(status)), ('content-type', kind),
                    ('date', 'Thu, 09 Oct 2025 12:00:00 GMT'),
                    ('x-request-id', 'req_%d' % seq)]
        enc = server.Conn.encoding(c)
        if enc:
            z = zlib.compressobj(6, zlib.DEFLATED, 31 if enc == 'gzip' else 15)
            out.pieces = [z.compress(p) + z.flush(zlib.Z_SYNC_FLUSH)
                          for p in pieces]
            out.pieces[-1] += z.flush()
            out.head.append(('content-encoding', enc))
        if not c.stream:
            out.head.append(('content-length',
                             str(sum(map(len, out.pieces)))))
        self.outs[sid] = out

    def push(self, sid, out):
        """As much as may go now; True when the answer is over."""
        if out.head:
            self.h2.send_headers(sid, out.head)
            out.head = None
        while out.pieces:
            if out.cut == 0:
                self.h2.reset_stream(sid, 2)
                return True
            room = min(self.h2.local_flow_control_window(sid), 16384 -
                       (out.pad + 1 if out.pad else 0))
            if out.pad:
                room -= out.pad + 1
            if room <= 0:
                return False
            p = out.pieces[0]
            self.h2.send_data(sid, p[:room], pad_length=out.pad)
            if len(p) > room:
                out.pieces[0] = p[room:]
                continue
            out.pieces.pop(0)
            out.cut -= 1
            if out.gap and out.pieces:
                out.at = time.monotonic() + out.gap
                return False
        if out.call.opts.get('trailers'):
            self.h2.send_headers(sid, [('x-done', 'yes')], end_stream=True)
        else:
            self.h2.end_stream(sid)
        self.srv.log.put(event='answered', conn=self.n, seq=out.call.seq)
        self.last |= 'goaway' in out.call.opts
        return True

    def push_all(self):
        now, next_at = time.monotonic(), None
        for sid, out in list(self.outs.items()):
            try:
                if out.at <= now and self.push(sid, out):
                    del self.outs[sid]
                    continue
            except h2.exceptions.StreamClosedError:
                del self.outs[sid]
                continue
            if out.at > now:
                next_at = min(next_at or out.at, out.at)
        if self.last:
            self.h2.close_connection()
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)
        if self.last:
            self.sock.unwrap()
        return next_at

    def on(self, e):
        if isinstance(e, h2.events.RequestReceived):
            self.on_request(e)
        elif isinstance(e, h2.events.DataReceived):
            if e.stream_id in self.asked:
                self.asked[e.stream_id][2] += e.data
            self.h2.acknowledge_received_data(e.flow_controlled_length,
                                              e.stream_id)
        elif isinstance(e, h2.events.StreamEnded):
            self.answer(e.stream_id)
        elif isinstance(e, h2.events.StreamReset):
            self.srv.log.put(event='reset', conn=self.n, stream=e.stream_id,
                             code=int(e.error_code))
            if e.stream_id in self.asked:
                self.srv.log.put(event='partial', conn=self.n)
            self.asked.pop(e.stream_id, None)
            self.outs.pop(e.stream_id, None)
        elif isinstance(e, h2.events.ConnectionTerminated):
            self.srv.log.put(event='goaway', conn=self.n,
                             code=int(e.error_code))
        elif isinstance(e, h2.events.PingReceived):
            self.srv.log.put(event='ping', conn=self.n)

    def run(self):
        try:
            self.h2.initiate_connection()
            while True:
                next_at = self.push_all()
                wait = None if next_at is None else \
                    max(0, next_at - time.monotonic())
                if not self.sock.pending() and not select.select(
                        [self.sock], [], [], wait)[0]:
                    continue
                data = self.sock.recv(65536)
                if not data:
                    break
                self.total += len(data)
                for e in self.h2.receive_data(data):
                    self.on(e)
        except h2.exceptions.ProtocolError as e:
            self.srv.log.put(event='protocol-error', conn=self.n, why=repr(e))
            try:
                self.sock.sendall(self.h2.data_to_send())
            except OSError:
                pass
        except (OSError, ValueError) as e:
            self.srv.log.put(event='gone', conn=self.n, why=str(e))
        self.srv.log.put(event='close', conn=self.n, bytes=self.total)
        self.sock.close()


class H2Certs(server.Certs):
    def make(self, names):
        c = super().make(names)
        c.set_alpn_protocols(['h2', 'http/1.1'])
        return c


class H2Server(server.Server):
    def serve_one(self, raw, n):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(120)
        try:
            s = self.base.wrap_socket(raw, server_side=True,
                                      suppress_ragged_eofs=True)
        except OSError as e:
            self.log.put(event='handshake-failed', conn=n, why=str(e))
            raw.close()
            return
        alpn = s.selected_alpn_protocol()
        self.log.put(event='open', conn=n, sni=getattr(s, 'sni_name', None),
                     alpn=alpn)
        (H2Conn if alpn == 'h2' else server.Conn)(self, s, n).run()


if __name__ == '__main__':
    server.Certs, server.Server = H2Certs, H2Server
    threading.stack_size(512 * 1024)
    sys.exit(server.main())
