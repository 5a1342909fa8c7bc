#!/usr/bin/python3
"""A Python program in mid-life: clients.py of tests/e2e that goes on.

  client.py KIND

Prints "ready"; then each line of its input is {"parallel", "requests"}, and
each request gets one line of output. The session stays from line to line.
KIND: as clients.py, or curl (libcurl through pycurl).
"""
import asyncio
import io
import json
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             '../../e2e'))
import clients  # noqa: E402


class Feed:
    """All requests to come, as if they stood in one list."""

    def __iter__(self):
        for line in sys.stdin:
            yield from json.loads(line)['requests']


class Out(list):
    def append(self, r):
        print(json.dumps(r), flush=True)


def each(reqs, one):
    out = Out()
    for r in reqs:
        try:
            out.append(one(r))
        except Exception as e:
            out.append(clients.failure(e))


async def lines():
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        yield json.loads(line)


async def gather(_, one, parallel):
    real, out = GATHER, Out()
    async for spec in lines():
        for r in await real(spec['requests'], one, spec.get('parallel')):
            out.append(r)


def with_curl(reqs):
    import pycurl
    c = pycurl.Curl()

    def one(r):
        out = io.BytesIO()
        c.reset()
        c.setopt(pycurl.URL, r['url'])
        c.setopt(pycurl.CONNECT_TO, [
            '::127.0.0.1:' + os.environ['TEST_PORT']])
        c.setopt(pycurl.CAINFO, os.environ['SSL_CERT_FILE'])
        c.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        c.setopt(pycurl.HTTPHEADER, [
            '%s: %s' % kv for kv in r['headers'].items()])
        if r.get('body') is not None:
            c.setopt(pycurl.POSTFIELDS, r['body'])
        c.setopt(pycurl.CUSTOMREQUEST, r['method'])
        c.setopt(pycurl.WRITEDATA, out)
        c.setopt(pycurl.TIMEOUT, 30)
        c.perform()
        return clients.result(c.getinfo(pycurl.RESPONSE_CODE), [],
                              out.getvalue())
    each(reqs, one)


GATHER = clients.gather


def main():
    kind = sys.argv[1]
    clients.each, clients.gather = each, gather
    sync = {'http.client': clients.with_http_client,
            'urllib': clients.with_urllib, 'requests': clients.with_requests,
            'httpx': clients.with_httpx, 'curl': with_curl}
    modules = {'httpx-async': 'httpx', 'http.client': 'http.client',
               'urllib': 'urllib.request', 'curl': 'pycurl'}
    try:
        __import__(modules.get(kind, kind))
    except ImportError as e:
        print('no %s here: %s' % (kind, e), flush=True)
        return
    print('ready', flush=True)
    if kind in sync:
        sync[kind](Feed())
    else:
        fn = {'httpx-async': clients.with_httpx_async,
              'aiohttp': clients.with_aiohttp}[kind]
        asyncio.run(fn([], False))


if __name__ == '__main__':
    main()
