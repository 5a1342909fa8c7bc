"""Adaptive budgets hold by what the models' answers were like."""
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal as D

import harness
from harness import PY, eq, ok, until

# USD a token of gpt-4o
IN, OUT = D('0.0000025'), D('0.00001')

CALLS = '''
import http.client, json, sys
many, most, told, more = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], \
    json.loads(sys.argv[4])
c = http.client.HTTPSConnection("api.openai.com")
for _ in range(many):
    body = {"model": "gpt-4o", "max_tokens": most,
            "messages": [{"role": "user", "content": "word " * 400}]}
    body.update(more)
    c.request("POST", "/v1/chat/completions", json.dumps(body),
              {"Content-Type": "application/json", "x-test": told})
    a = c.getresponse()
    a.read()
    print(a.status)
'''


def calls(box, n, most=4000, told='in=500;out=100', more=None):
    p = box.run([PY, '-c', CALLS, str(n), str(most), told,
                 json.dumps(more or {})])
    eq(p.stdout.split(), [b'200'] * n, 'answers: %s' % p.stderr)
    return [r['estimate_usd'] for r in box.rows()[-n:]]


def models(box):
    got = json.loads(box.cli('status', '--models', '--json').stdout,
                     parse_float=D)['models']
    return {m['model']: m for m in got}


def case_hold_follows_p99(box):
    """30 calls of one program; what each held is in its row."""
    box.budget('100')
    held = calls(box, 30)
    first = 4000 * OUT + 575 * IN
    eq(held[:20], [first] * 20, 'before enough was seen')
    ok(all(100 * OUT + 500 * IN <= h <= 130 * OUT + 700 * IN
           for h in held[20:]), 'then: %s' % held[20:])
    m = models(box)['openai/gpt-4o']
    eq((m['samples'], m['answers'], m['cut_off'], m['prompts']),
       (30, 30, 0, 30), 'samples')
    ok(100 <= m['output_p99'] <= 112 and 88 <= m['output_p50'] <= 112, m)
    ok(D('3.6') <= m['bytes_per_token'] <= D('4.4'), m)
    text = box.cli('status', '--models').stdout.decode()
    ok('openai/gpt-4o' in text and 'BYTES/TOKEN' in text, text)
    # another program knows it from its first call on; what it spends is exact
    ok(calls(box, 1)[0] < first / 5, 'another process')
    eq(box.budget_status()['spent_usd'], 31 * (500 * IN + 100 * OUT), 'spent')
    eq(box.budget_status()['held_usd'], 0, 'held')


def case_streams_teach(box):
    box.budget('100')
    calls(box, 30, told='in=500;out=100;stream=1',
          more={'stream': True, 'stream_options': {'include_usage': True}})
    m = models(box)['openai/gpt-4o']
    eq((m['samples'], m['prompts']), (30, 30), 'samples')


def case_strict_is_unmoved(box):
    box.budget('100', mode='strict')
    held = calls(box, 40)
    eq(len(set(held)), 1, 'holds %s' % set(held))
    ok(held[0] >= 4000 * OUT + 2000 * IN, held[0])
    ok(models(box)['openai/gpt-4o']['output_p99'] >= 100, 'learned all the same')
    eq(box.budget_status()['overshoot_bound_usd'], 0, 'bound')


def case_bound_holds(box):
    """A long answer after short ones: the limit is passed by the bound at
    most, and the bound was said while the call was under way."""
    box.budget('100')
    calls(box, 30)
    spent = box.budget_status()['spent_usd']
    limit = spent + D('0.004')
    box.budget(str(limit))
    p = subprocess.Popen(
        [PY, '-c', CALLS, '1', '4000', 'in=500;out=4000;delay=3000', '{}'],
        env=box.env(), cwd=box.dir, stdout=subprocess.PIPE)
    try:
        def bounded():
            b = box.budget_status()
            return b if b['overshoot_bound_usd'] else None
        b = until(bounded, 'a bound')
        bound = b['overshoot_bound_usd']
        ok(b['held_usd'] <= D('0.004'), 'held %s' % b['held_usd'])
        ok(4000 * OUT - b['held_usd'] <= bound <= 4000 * OUT + 2100 * IN,
           'bound %s' % bound)
        eq(p.communicate()[0], b'200\n', 'let go')
    finally:
        p.kill()
        p.wait()
    b = box.budget_status()
    ok(limit < b['spent_usd'] <= limit + bound, 'spent %s' % b['spent_usd'])
    eq(b['overshoot_bound_usd'], 0, 'nothing is under way')
    text = box.cli('status').stdout.decode()
    ok('overshoot' not in text, text)


def case_programs_share_it(box):
    """Six programs at once, one killed: the figures are those of all."""
    box.budget('1000')
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: box.run(
            [PY, '-c', CALLS, '20', '4000', 'in=500;out=100', '{}']),
            range(6)))
    p = subprocess.Popen([PY, '-c', CALLS, '500', '4000', 'in=500;out=100',
                          '{}'], env=box.env(), cwd=box.dir,
                         stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    p.kill()
    p.wait()
    m = models(box)['openai/gpt-4o']
    ok(m['samples'] >= 120, m)
    ok(100 <= m['output_p99'] <= 112, m)


def case_region_is_lost(box):
    box.budget('100')
    first = calls(box, 30)[0]
    os.unlink(box.region)
    eq(calls(box, 1)[0], first, 'begins anew')
    eq(models(box)['openai/gpt-4o']['samples'], 1, 'samples')


if __name__ == '__main__':
    sys.exit(harness.main(globals()))
