#!/usr/bin/python3
"""Python's own tests of ssl and HTTP have the same results with the preload."""
import concurrent.futures
import os
import re

from harness import PY, Skip, eq, main, ok

SUITES = ('test_ssl', 'test_httplib', 'test_urllib2_localnet',
          'test_asyncio.test_sslproto')


def results(box, suite, guard):
    name = 'test.' + suite
    p = box.run([PY, '-m', 'unittest', '-v', name], guard=guard, timeout=250,
                cwd=box.dir, PYTHONPATH=None, TEST_PORT=None,
                SSL_CERT_FILE=None, REQUESTS_CA_BUNDLE=None)
    text = p.stderr.decode('utf-8', 'replace')
    found = re.findall(r'^(\w+ \([\w.]+\)|\w+ \(.*?\)\n.*?) \.\.\. '
                       r'.*?\b(ok|FAIL|ERROR|skipped|expected failure)\b',
                       text, re.M | re.S)
    last = text.strip().splitlines()[-1] if text.strip() else ''
    return p.returncode, dict(found), last, text


def same(box, suite):
    if not os.path.exists('/usr/lib/python3.11/test/test_ssl.py'):
        raise Skip("no libpython3.11-testsuite")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = [pool.submit(results, box, suite, g) for g in (False, True)]
        bare, got = (f.result() for f in both)
    ok(len(bare[1]) > 10, 'only %d results' % len(bare[1]))
    diff = {k: (bare[1].get(k), got[1].get(k))
            for k in set(bare[1]) | set(got[1])
            if bare[1].get(k) != got[1].get(k)}
    if diff:
        print(got[3][-3000:])
    eq(diff, {}, 'tests with other results (bare, guarded)')
    eq(got[0], bare[0], 'exit status')
    eq(got[2], bare[2], 'summary')


def make_case(suite):
    return lambda box: same(box, suite)


for _s in SUITES:
    globals()['case_' + _s] = make_case(_s)

if __name__ == '__main__':
    main(globals())
