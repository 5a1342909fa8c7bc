#!/usr/bin/python3
"""A program over some libcurl, whichever TLS library that one is made with.

  curl_lib.py libcurl-gnutls.so.4 < requests.json

Speaks as clients.py does. All requests go over one handle, to the test's
server in place of the host. CURL_HTTP is 1 or 2 (default: libcurl's own).
"""
import ctypes
import json
import os
import sys

SINK = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
                        ctypes.c_size_t, ctypes.c_void_p)
URL, ERROR, FIELDS, HEADER, METHOD = 10002, 10010, 10015, 10023, 10036
CAINFO, CONNECT_TO, WRITE, ON_HEADER = 10065, 10243, 20011, 20079
SIZE, TIMEOUT, VERSION, ENCODING, GET = 60, 13, 84, 10102, 80
RESPONSE_CODE = 0x200002


class Handle:
    def __init__(self, name):
        self.lib = ctypes.CDLL(name)
        for f in ('curl_easy_init', 'curl_slist_append'):
            getattr(self.lib, f).restype = ctypes.c_void_p
        self.lib.curl_slist_append.argtypes = [ctypes.c_void_p,
                                               ctypes.c_char_p]
        self.lib.curl_global_init(ctypes.c_long(3))
        self.h = ctypes.c_void_p(self.lib.curl_easy_init())
        self.error = ctypes.create_string_buffer(256)
        self.got, self.fields = b'', []
        self.keep = [SINK(self.on_body), SINK(self.on_header)]

    def on_body(self, p, size, n, _):
        self.got += ctypes.string_at(p, size * n)
        return size * n

    def on_header(self, p, size, n, _):
        line = ctypes.string_at(p, size * n).decode('latin1').rstrip('\r\n')
        if line.startswith('HTTP/'):
            self.fields = []
        elif line:
            self.fields.append(line.partition(': ')[::2])
        return size * n

    def set(self, option, value):
        if isinstance(value, int):
            value = ctypes.c_long(value)
        if self.lib.curl_easy_setopt(self.h, option, value):
            sys.exit('option %d is refused' % option)

    def slist(self, lines):
        p = None
        for x in lines:
            p = self.lib.curl_slist_append(p, x.encode('latin1'))
        return ctypes.c_void_p(p)

    def perform(self, r):
        body = r['body'].encode('latin1') if r.get('body') is not None else None
        self.lib.curl_easy_reset(self.h)
        self.set(URL, r['url'].encode())
        self.set(ERROR, self.error)
        self.set(WRITE, self.keep[0])
        self.set(ON_HEADER, self.keep[1])
        self.set(CAINFO, os.environ['SSL_CERT_FILE'].encode())
        self.set(CONNECT_TO, self.slist(
            ['::127.0.0.1:' + os.environ['TEST_PORT']]))
        self.set(TIMEOUT, 30)
        self.set(HEADER, self.slist(
            '%s: %s' % kv for kv in r['headers'].items()))
        if os.environ.get('CURL_HTTP'):
            self.set(VERSION, {'1': 2, '2': 4}[os.environ['CURL_HTTP']])
        if body is not None:
            self.set(SIZE, len(body))
            self.set(FIELDS, body)
        else:
            self.set(GET, 1)
        self.set(METHOD, r['method'].encode())
        self.got = b''
        e = self.lib.curl_easy_perform(self.h)
        if e:
            return {'status': 0, 'error': '%d %s' % (
                e, self.error.value.decode())}
        code = ctypes.c_long()
        self.lib.curl_easy_getinfo(self.h, RESPONSE_CODE, ctypes.byref(code))
        return {'status': code.value, 'body': self.got.decode('latin1'),
                'headers': {k.lower(): v for k, v in self.fields}}


def main():
    handle, todo = Handle(sys.argv[1]), json.load(sys.stdin)
    for r in todo['requests']:
        print(json.dumps(handle.perform(r)))


if __name__ == '__main__':
    main()
