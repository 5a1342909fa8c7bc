#!/usr/bin/python3
"""A TLS program that writes exactly what it is told and prints what it reads.

stdin: {"host", "writes": [text, ...], "responses": N, "read_size": N,
"turns": whether each write waits for an answer, "context": {...}}; it ends
after N whole answers with Content-Length or chunked framing, or at the end of
the connection.
"""
import json
import os
import socket
import ssl
import sys


def complete(buf):
    """How many whole answers buf holds."""
    n = 0
    while b'\r\n\r\n' in buf:
        head, _, buf = buf.partition(b'\r\n\r\n')
        low = head.lower()
        if b'content-length:' in low:
            size = int(low.split(b'content-length:')[1].split(b'\r\n')[0])
            if len(buf) < size:
                break
            buf = buf[size:]
        elif b'chunked' in low:
            if b'0\r\n\r\n' not in buf:
                break
            buf = buf.partition(b'0\r\n\r\n')[2]
        n += 1
    return n


def main():
    spec = json.load(sys.stdin)
    s = socket.create_connection(('127.0.0.1', int(os.environ['TEST_PORT'])))
    s.settimeout(20)
    t = ssl.create_default_context().wrap_socket(
        s, server_hostname=spec['host'])
    got, turns = b'', spec.get('turns')
    for i, w in enumerate(spec['writes']):
        t.sendall(w.encode('latin1'))
        last = i + 1 == len(spec['writes'])
        want = spec['responses'] if last else i + 1 if turns else 0
        while complete(got) < want:
            d = t.recv(spec.get('read_size') or 16384)
            if not d:
                break
            got += d
    sys.stdout.buffer.write(got)


if __name__ == '__main__':
    main()
