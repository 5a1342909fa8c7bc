#!/usr/bin/python3
"""Requests that are made again: request_hash and max_output_tokens of a row,
retries and repeats in the index, reports and recommend."""
import decimal
import json

from harness import OPENAI, chat_body, eq, main, ok, request, send

D = decimal.Decimal


def call(box, body, plan='in=1000;out=10', **headers):
    return send(box, 'http.client', [request(OPENAI, body, plan, **headers)])


def flags(box):
    got = json.loads(box.cli('report', '--by', 'flag', '--json').stdout)
    return {g['key']: g['calls'] for g in got['groups'] if g['key']}


def case_rows(box):
    box.config('')
    body = chat_body('gpt-4o', max_tokens=77)
    call(box, body)
    call(box, body)
    call(box, chat_body('gpt-4o', max_tokens=78))
    call(box, chat_body('gpt-4o'))
    rows = box.rows()
    h = [r['request_hash'] for r in rows]
    ok(all(len(x) == 14 and int(x, 16) for x in h), h)
    eq((h[0] == h[1], len(set(h))), (True, 3), h)
    eq([r.get('max_output_tokens') for r in rows][:3], [77, 77, 78], 'caps')
    eq(rows[3].get('max_output_tokens'), chat_body('gpt-4o').get('max_tokens'),
       'as it asked')


def case_repeat(box):
    box.config('')
    body = chat_body('gpt-4o', max_tokens=77)
    for _ in range(3):
        call(box, body)
    call(box, chat_body('gpt-4o', max_tokens=5))
    eq(flags(box), {'repeat': 2}, 'two of three')
    # another key's same request is another's
    call(box, body, Authorization='Bearer sk-other')
    eq(flags(box), {'repeat': 2}, 'another key')
    box.cli('index', '--rebuild')
    eq(flags(box), {'repeat': 2}, 'made anew')


def case_list(box):
    """Which requests they are, to the last picodollar, in one's filters."""
    box.config('')
    dear = chat_body('gpt-4o', max_tokens=77)
    send(box, 'http.client',
         [request(OPENAI, dear, 'in=9999;out=10', x_llmguard_project=p)
          for p in ('a', 'a', 'a', 'b', 'b')] +
         [request(OPENAI, chat_body('gpt-4o', max_tokens=7),
                  'in=7;out=1')] * 4)
    got = json.loads(box.cli('report', '--by', 'flag', '--json').stdout,
                     parse_float=D)
    flag = [g for g in got['groups'] if g['key'] == 'repeat'][0]
    again = got['again']
    eq((again['requests'], again['calls'], again['cost_usd']),
       (3, flag['calls'], flag['cost_usd']), 'in all')
    rows = box.rows()
    each = D(str(rows[0]['cost_usd']))
    eq([(r['request_hash'], r['project'], r['calls'], r['cost_usd'])
        for r in again['top']],
       [(rows[0]['request_hash'], 'b', 2, 2 * each),
        (rows[0]['request_hash'], 'a', 2, 2 * each),
        (rows[-1]['request_hash'], '', 3, 3 * D(str(rows[-1]['cost_usd'])))],
       'each')
    eq(again['top'][2]['last'], rows[-1]['ts'], 'last')
    text = box.cli('report', '--detailed').stdout.decode()
    ok('REQUESTS MADE AGAIN' in text and rows[0]['request_hash'][:8] in text,
       text)
    ok('REQUESTS MADE' not in box.cli('report').stdout.decode(), 'not asked')
    got = json.loads(box.cli('report', '--by', 'flag', '--json', '--top', '1',
                             '--project', 'b').stdout, parse_float=D)
    eq((got['again']['calls'], len(got['again']['top'])), (2, 1), 'filtered')
    # made again by a correction: what the calls cost now
    box.cli('pricing', 'set', 'gpt-4o-2024-08-06', '--provider', 'openai',
            '--input-per-1m', '0', '--output-per-1m', '1', '--yes',
            '--effective-at', '2020-01-01')
    box.cli('reprice', '--from', '2020-01-01')
    got = json.loads(box.cli('report', '--by', 'flag', '--json').stdout,
                     parse_float=D)
    flag = [g for g in got['groups'] if g['key'] == 'repeat'][0]
    eq(got['again']['cost_usd'], flag['cost_usd'], 'corrected')


def case_retry(box):
    box.config('')
    body = chat_body('gpt-4o', max_tokens=77)
    call(box, body, 'status=500')
    call(box, body)
    call(box, body)
    eq(flags(box), {'retry': 1, 'repeat': 1}, 'both')


def case_recommend(box):
    """Of a cent and more."""
    box.config('')
    send(box, 'http.client', [
        request(OPENAI, chat_body('gpt-4o', max_tokens=4000 + i % 12),
                'in=10000;out=40') for i in range(24)])
    got = json.loads(box.cli('recommend', '--json').stdout)
    by = {(r['kind'], r['subject'].split('-2024')[0]): r
          for r in got['recommendations']}
    text = by[('max_tokens', 'gpt-4o')]['text']
    ok('24 calls' in text and 'got 40, at most 40' in text and
       'max_tokens 64' in text, text)
    r = by[('retries', 'repeat')]
    eq(r['calls'], 12, r)


if __name__ == '__main__':
    main(globals())
