#!/usr/bin/python3
"""Recorded exchanges through guarded clients: the client gets the recorded
bytes, the server gets the client's, the ledger has the expected tokens.

Needs the recordings and the replay driver in ../shared; skips without them.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from harness import (NO_CURL, PY, SHARED, Failed, Skip, eq, main, ok,
                     sanitizer, until)

# A host that only its path gives away must show a whole head in one write.
NAMED = "'//localhost' not in endpoint and '//0.0.0.0' not in endpoint and " \
    "'//127.0.0.1' not in endpoint"
# What costs nothing is never refused.
PAID = "kind != 'count' and not api.startswith('ollama')"
REPLAY = os.path.join(SHARED, 'replay')
scratch = {}


def need():
    if not os.path.exists(os.path.join(REPLAY, 'replay_client.py')):
        print('no recordings in ../shared')
        sys.exit(77)
    lacking = [m for m in ('h2', 'brotli', 'zstandard', 'urllib3')
               if subprocess.run([PY, '-c', 'import ' + m],
                                 stderr=subprocess.DEVNULL).returncode]
    if lacking:
        print('the replay driver needs python3-' + ' python3-'.join(lacking))
        sys.exit(77)


def start():
    d = scratch['dir'] = tempfile.mkdtemp(prefix='llmguard-replay-')
    subprocess.run([PY, REPLAY + '/store.py', 'pack', d + '/store',
                    '--fixtures', SHARED + '/fixtures'], check=True,
                   stdout=subprocess.DEVNULL)
    scratch['server'] = subprocess.Popen(
        [PY, REPLAY + '/replay_server.py', '--store', d + '/store', '--log',
         d + '/log', '--ready', d + '/ready.json', '--ca-dir', d + '/ca',
         '--lifetime', '900'],
        stdout=subprocess.DEVNULL, stderr=open(d + '/err', 'w'))
    until(lambda: os.path.exists(d + '/ready.json'), 'the replay server')
    sys.path.insert(0, REPLAY)
    from store import Store
    scratch['store'] = Store(d + '/store')


def stop():
    if 'server' in scratch:
        scratch['server'].terminate()
        scratch['server'].wait()
    shutil.rmtree(scratch.get('dir', ''), ignore_errors=True)


def drive(box, client, expect='allowed', **k):
    out = os.path.join(box.dir, 'out.jsonl')
    argv = [PY, REPLAY + '/replay_client.py', '--ready',
            scratch['dir'] + '/ready.json', '--client', client,
            '--expect', expect, '--out', out]
    where = ([NAMED] if k.get('write_split') else []) + \
        ([PAID] if expect != 'allowed' else [])
    if where:
        argv += ['--where', ' and '.join(where)]
    for o, v in k.items():
        argv += ['--' + o.replace('_', '-'), str(v)]
    guard = box.env()
    for v in ('LD_PRELOAD', 'LLMGUARD_CONFIG', 'LLMGUARD_STATE_DIR',
              'LLMGUARD_REGION', 'ASAN_OPTIONS'):
        if v in guard:
            argv += ['--env', '%s=%s' % (v, guard[v])]
    p = subprocess.run(argv, env=box.env(False, PYTHONPATH=None),
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=250)
    if p.returncode:
        raise Failed(p.stdout.decode('utf-8', 'replace')[-2500:])
    with open(out) as f:
        return [json.loads(x) for x in f]


def want_of(x):
    e = scratch['store'][x].expected
    return {'dialect': e['api'], 'status': e['http_status'],
            'stream': bool(e['stream']),
            'model_requested': e['model_requested'],
            'model': e['model_returned'],
            'input_tokens': e['input_tokens'] or 0,
            'cache_read_tokens': e['cached_input_tokens'] or 0,
            'cache_write': e['cache_write_tokens'] or 0,
            'output_tokens': e['output_tokens'] or 0,
            'reasoning_tokens': e['reasoning_tokens'] or 0}, e


def unknown_of(e):
    """What the recording does not say; it does not look into forms. To count
    a prompt's tokens is free and no dialect, its body is not looked at."""
    form = '/audio/transcriptions' in e['endpoint']
    return (() if e['usage_present'] else TOKENS) + \
        (() if e['model_returned'] else ('model',)) + \
        (('model_requested', 'stream') if form else ()) + \
        (('dialect', 'model_requested') if e['kind'] == 'count' else ())


def got_of(row):
    g = {k: row.get(k) or 0 for k in (
        'input_tokens', 'cache_read_tokens', 'output_tokens',
        'reasoning_tokens')}
    g['cache_write'] = (row.get('cache_write_5m_tokens') or 0) + \
        (row.get('cache_write_1h_tokens') or 0)
    g.update({k: row.get(k) for k in ('dialect', 'status', 'model',
                                      'model_requested')})
    g['stream'] = bool(row.get('stream'))
    return g


TOKENS = ('input_tokens', 'cache_read_tokens', 'cache_write',
          'output_tokens', 'reasoning_tokens')


def differences(row, done):
    want, e = want_of(done['id'])
    got = got_of(row)
    for k in unknown_of(e):
        want.pop(k)
    diff = {k: (got[k], v) for k, v in want.items() if got[k] != v}
    state = row['usage_state']
    if e['usage_present'] and state != 'exact':
        diff['usage_state'] = (state, 'exact')
    # pictures are billed as they were counted
    if not e['usage_present'] and e['billable'] and state == 'exact' and \
            e['kind'] != 'image':
        diff['usage_state'] = (state, 'estimated or missing')
    return diff


def matched(rows, done):
    """A largest matching of exchanges with rows that agree with them, by
    augmenting paths: which of two agreeing rows an exchange takes must not
    leave another one without. What has no partner is paired as it is left."""
    agree = [[i for i, r in enumerate(rows) if not differences(r, d)]
             for d in done]
    owner = {}

    def take(x, seen):
        for i in agree[x]:
            if i not in seen:
                seen.add(i)
                if i not in owner or take(owner[i], seen):
                    owner[i] = x
                    return True
        return False

    lost = [x for x in range(len(done)) if not take(x, set())]
    free = [i for i in range(len(rows)) if i not in owner]
    owner.update(zip(free, lost))
    return [(rows[i], done[x]) for i, x in owner.items()]


def paired(rows, done, in_order):
    """Rows beside their exchanges; a client with threads has an order of
    its own."""
    return list(zip(rows, done)) if in_order else matched(rows, done)


def cover(covered):
    for api, (good, n) in sorted(covered.items()):
        print('    %-24s %3d of %3d' % (api, good, n))


def compare(rows, done, in_order):
    bad, covered = [], {}
    eq(len(rows), len(done), 'rows')
    for row, d in paired(rows, done, in_order):
        diff = differences(row, d)
        api = scratch['store'][d['id']].expected['api']
        good, n = covered.get(api, (0, 0))
        covered[api] = good + (not diff), n + 1
        if diff:
            src = scratch['store'][d['id']].expected.get('source') or {}
            bad.append('%s %s: (got, want) %s' % (
                d['id'], str(src.get('path', src))[-60:], diff))
    if 'covered' not in scratch:
        scratch['covered'] = covered
        cover(covered)
    ok(not bad, '%d of %d rows differ:\n   ' % (len(bad), len(rows)) +
       '\n   '.join(bad[:40]))


def allowed(box, client, **k):
    box.budget(1000)
    done = drive(box, client, **k)
    ok(len(done) > 10, 'only %d exchanges' % len(done))
    compare(box.rows(), done, client != 'curl' and
            k.get('threads', 1) == k.get('pipeline', 1) == 1)
    eq(box.budget_status()['held_usd'], 0, 'held')


def refused(box, client, **k):
    box.budget(0)
    done = drive(box, client, expect='blocked-strict', **k)
    rows = box.rows()
    eq({r['verdict'] for r in rows}, {'block'}, 'verdicts')
    eq(len(rows), len(done), 'rows')
    eq(sum(r['cost_usd'] for r in rows), 0, 'cost')


def make_case(fn, client, k):
    def case(box):
        if client == 'curl' and sanitizer():
            raise Skip(NO_CURL)
        fn(box, client, **k)
    return case


RUNS = [('raw', {}), ('raw', {'mode': 'chunking=whole'}),
        ('raw', {'mode': 'chunking=random', 'write_split': 'random'}),
        ('raw', {'mode': 'chunking=dribble', 'max_bytes': 6000}),
        ('raw', {'write_split': 'dribble', 'max_bytes': 3000}),
        ('raw', {'read_size': 1, 'max_bytes': 6000}),
        ('raw', {'pipeline': 4, 'mode': 'chunking=random'}),
        ('raw', {'mode': 'chunking=random,encoding=gzip'}),
        ('raw', {'mode': 'chunking=random,encoding=deflate'}),
        ('raw', {'mode': 'chunking=random,encoding=br'}),
        ('raw', {'mode': 'chunking=random,encoding=zstd'}),
        ('raw', {'mode': 'chunking=dribble,encoding=br', 'max_bytes': 6000}),
        ('raw', {'mode': 'chunking=dribble,encoding=zstd',
                 'max_bytes': 6000}),
        ('httplib', {}), ('requests', {'mode': 'encoding=gzip'}),
        ('httpx', {}), ('httpx-async', {'mode': 'encoding=deflate'}),
        ('aiohttp', {}), ('curl', {}), ('pyssl-bio', {}),
        ('requests', {'mode': 'encoding=br'}),
        ('httpx', {'mode': 'chunking=random,encoding=br'}),
        ('curl', {'mode': 'chunking=random,encoding=zstd'}),
        ('httpx-async', {'threads': 8, 'mode': 'chunking=random'}),
        ('requests', {'threads': 8})]
for _c, _k in RUNS:
    globals()['case_%s %s' % (_c, ' '.join('%s=%s' % x for x in
                                           _k.items()))] = \
        make_case(allowed, _c, _k)
for _c in ('raw', 'httplib', 'requests', 'httpx', 'httpx-async', 'aiohttp',
           'curl', 'pyssl-bio'):
    globals()['case_%s blocked' % _c] = make_case(refused, _c, {})

if __name__ == '__main__':
    need()
    try:
        start()
        main(globals())
    finally:
        stop()
