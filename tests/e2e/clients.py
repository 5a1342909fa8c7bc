#!/usr/bin/python3
"""An ordinary Python program: sends requests, prints what came back.

  clients.py KIND < requests.json

KIND is http.client, urllib, requests, httpx, httpx-async or aiohttp. The
input is {"parallel": bool, "requests": [{url, headers, body, method}]};
the output has one JSON line for each: {status, headers, body, error}. All
requests of one run go over one session (one connection, unless parallel).
"""
import asyncio
import json
import sys
import urllib.parse


def result(status, headers, body):
    return {'status': status, 'body': body.decode('latin1'),
            'headers': {k.lower(): v for k, v in headers}}


def failure(e):
    return {'status': 0, 'error': '%s: %s' % (type(e).__name__, e)}


def each(reqs, one):
    out = []
    for r in reqs:
        try:
            out.append(one(r))
        except Exception as e:      # what a program would see is the result
            out.append(failure(e))
    return out


def payload(r):
    return r['body'].encode('latin1') if r.get('body') is not None else None


def with_http_client(reqs):
    import http.client
    conns = {}

    def one(r):
        u = urllib.parse.urlsplit(r['url'])
        c = conns.get(u.netloc)
        if c is None:
            kind = http.client.HTTPSConnection if u.scheme == 'https' else \
                http.client.HTTPConnection
            c = conns[u.netloc] = kind(u.netloc, timeout=30)
        try:
            c.request(r['method'], u.path + ('?' + u.query if u.query else ''),
                      payload(r), r['headers'])
            a = c.getresponse()
            return result(a.status, a.getheaders(), a.read())
        except Exception:
            c.close()
            raise
    return each(reqs, one)


def with_urllib(reqs):
    import urllib.error
    import urllib.request

    def one(r):
        q = urllib.request.Request(r['url'], payload(r), r['headers'],
                                   method=r['method'])
        try:
            a = urllib.request.urlopen(q, timeout=30)
        except urllib.error.HTTPError as e:
            a = e
        return result(a.status, a.headers.items(), a.read())
    return each(reqs, one)


def with_requests(reqs):
    import requests
    s = requests.Session()

    def one(r):
        a = s.request(r['method'], r['url'], data=payload(r),
                      headers=r['headers'], timeout=30)
        return result(a.status_code, a.headers.items(), a.content)
    return each(reqs, one)


def with_httpx(reqs):
    import httpx
    with httpx.Client(timeout=30) as s:
        def one(r):
            a = s.request(r['method'], r['url'], content=payload(r),
                          headers=r['headers'])
            return result(a.status_code, a.headers.items(), a.content)
        return each(reqs, one)


async def gather(reqs, one, parallel):
    async def safe(r):
        try:
            return await one(r)
        except Exception as e:
            return failure(e)
    if parallel:
        return await asyncio.gather(*(safe(r) for r in reqs))
    return [await safe(r) for r in reqs]


async def with_httpx_async(reqs, parallel):
    import httpx
    async with httpx.AsyncClient(timeout=30) as s:
        async def one(r):
            a = await s.request(r['method'], r['url'], content=payload(r),
                                headers=r['headers'])
            return result(a.status_code, a.headers.items(), a.content)
        return await gather(reqs, one, parallel)


async def with_aiohttp(reqs, parallel):
    import aiohttp
    limit = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=limit) as s:
        async def one(r):
            async with s.request(r['method'], r['url'], data=payload(r),
                                 headers=r['headers']) as a:
                return result(a.status, a.headers.items(), await a.read())
        return await gather(reqs, one, parallel)


def main():
    spec = json.load(sys.stdin)
    reqs, kind = spec['requests'], sys.argv[1]
    sync = {'http.client': with_http_client, 'urllib': with_urllib,
            'requests': with_requests, 'httpx': with_httpx}
    if kind in sync:
        out = sync[kind](reqs)
    else:
        fn = {'httpx-async': with_httpx_async, 'aiohttp': with_aiohttp}[kind]
        out = asyncio.run(fn(reqs, spec.get('parallel')))
    for r in out:
        print(json.dumps(r))


if __name__ == '__main__':
    main()
