#!/usr/bin/python3
"""As h2client.cjs, by httpx: argv[1] is sync or async."""
import asyncio
import json
import ssl
import sys

import httpx


def result(r, body):
    return {'status': r.status_code, 'version': r.http_version,
            'headers': dict(r.headers), 'body': body.decode('latin1')}


def failed(e):
    return {'status': 0, 'error': repr(e), 'headers': {}, 'body': ''}


def args(r):
    return dict(method=r['method'], url=r['url'], headers=r['headers'],
                content=r['body'])


def run_sync(reqs):
    with httpx.Client(http2=True, timeout=30) as c:
        for r in reqs:
            try:
                a = c.request(**args(r))
                yield result(a, a.content)
            except httpx.HTTPError as e:
                yield failed(e)


async def run_async(reqs, parallel):
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(http2=True, timeout=30, limits=limits) as c:
        async def one(r):
            try:
                a = await c.request(**args(r))
                return result(a, a.content)
            except httpx.HTTPError as e:
                return failed(e)
        if parallel:
            return await asyncio.gather(*map(one, reqs))
        return [await one(r) for r in reqs]


def main():
    d = json.load(sys.stdin)
    out = run_sync(d['requests']) if sys.argv[1] == 'sync' else \
        asyncio.run(run_async(d['requests'], d.get('parallel')))
    for r in out:
        print(json.dumps(r), flush=True)


main()
