#!/usr/bin/python3
"""What lies between a program and its provider: TLS versions, hosts that only
their path gives away, proxies, ends and pauses of the connection."""
from harness import PY, eq, main, ok

UNNAMED = 'https://www.example.com/v1/chat/completions'
AIOHTTP = '''
import asyncio, aiohttp, ssl, sys, time
async def main(url, most, n):
    tls = ssl.create_default_context()
    tls.maximum_version = getattr(ssl.TLSVersion, most)
    limit = aiohttp.ClientTimeout(total=5)
    body = {'model': 'gpt-4o-mini', 'max_tokens': 5,
            'messages': [{'role': 'user', 'content': 'x'}]}
    async with aiohttp.ClientSession(timeout=limit) as c:
        for _ in range(int(n)):
            t = time.monotonic()
            try:
                async with c.post(url, json=body, ssl=tls) as r:
                    await r.read()
                    print(r.status, end=' ')
            except Exception as e:
                print(repr(e), end=' ')
            if time.monotonic() - t > 1:
                print('late', end=' ')
asyncio.run(main(*sys.argv[1:]))
'''


def needs(module):
    import importlib.util
    from harness import Skip
    if not importlib.util.find_spec(module):
        raise Skip('no python3-' + module)


def blocked_event_loop(box, most):
    """No ticket of TLS 1.3 comes by chance to wake who waits."""
    needs('aiohttp')
    box.budget(0)
    p = box.run([PY, '-c', AIOHTTP, UNNAMED, most, '5'])
    eq(p.stdout.decode().split(), ['429'] * 5, 'answers')
    eq(p.stderr, b'', 'stderr')
    eq(box.arrived(), [], 'requests that arrived')
    eq(len(box.rows()), 5, 'rows')


def case_blocked_event_loop_tls12(box):
    blocked_event_loop(box, 'TLSv1_2')


def case_blocked_event_loop_tls13(box):
    blocked_event_loop(box, 'TLSv1_3')


if __name__ == '__main__':
    main(globals())
