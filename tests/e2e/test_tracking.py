#!/usr/bin/python3
"""tracking: enabled, default_tags, tag_required, expensive_threshold."""
import json
import os

from harness import (ANTHROPIC, OPENAI, chat_body, eq, main, ok, request, send)


def call(box, n=1, url=OPENAI, tokens=1000, headers=None, **env):
    model = 'gpt-4o' if url == OPENAI else 'claude-sonnet-4-5'
    got, _ = send(box, 'http.client', [
        request(url, chat_body(model, max_tokens=tokens),
                'in=1;out=10', **(headers or {}))] * n, **env)
    return [(r['status'], r['body']) for r in got]


def events(box):
    path = os.path.join(box.state, 'events.jsonl')
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [json.loads(x) for x in f]


def case_default_tags(box):
    """On every call, behind its own, once; budgets of tags count them."""
    box.config('tracking: {default_tags: [team-a, "cost center 7"]}\n'
               'budgets:\n  - {name: a, scope: "tag:team-a", period: daily, '
               'limit_usd: 1}\n')
    call(box)
    call(box, LLMGUARD_TAGS='x,team-a')
    call(box, headers={'x_llmguard_tags': 'y'})
    eq([r['tags'] for r in box.rows()],
       [['team-a', 'cost center 7'], ['x', 'team-a', 'cost center 7'],
        ['y', 'team-a', 'cost center 7']], 'tags')
    eq(box.budget_status('a')['calls'], 3, 'counted')
    e = json.loads(box.cli('estimate', '--json', '-m', 'gpt-4o', '-f',
                           box.config_path).stdout)
    eq([b['name'] for b in e['budgets']], ['a'], 'estimate')


def case_required(box):
    box.config('tracking: {tag_required: true}\n')
    for url in (OPENAI, ANTHROPIC):
        status, body = call(box, url=url)[0]
        eq(status, 429, 'refused')
        ok('tag_required' in body and 'LLMGUARD_TAGS' in body, body)
    eq(box.arrived(), [], 'nothing was sent')
    eq([(r['verdict'], r['reason'], r['cost_usd']) for r in box.rows()],
       [('block', 'tag_required', 0)] * 2, 'rows')
    eq(call(box, LLMGUARD_TAGS='a')[0][0], 200, 'environment')
    eq(call(box, headers={'x_llmguard_tags': 'b'})[0][0], 200, 'header')
    eq(call(box, LLMGUARD_IGNORE_BUDGET='1')[0][0], 200, 'observe only')
    p = box.cli('estimate', '-m', 'gpt-4o', '-f', box.config_path, check=False)
    eq((p.returncode, b'no tag' in p.stdout), (3, True), p.stdout)
    # default tags are tags
    box.config('tracking: {tag_required: true, default_tags: [d]}\n')
    eq(call(box)[0][0], 200, 'default')
    # a request that costs nothing passes
    got, _ = send(box, 'http.client', [request(
        'https://api.openai.com/v1/models', method='GET')])
    ok(got[0]['status'] != 429, got)


def case_warned(box):
    box.config('tracking: {tag_required: warn}\n')
    eq([s for s, _ in call(box, 3)], [200] * 3, 'let go')
    call(box, LLMGUARD_TAGS='a')
    got = [e for e in events(box) if e.get('reason') == 'untagged']
    eq(len(got), 1, 'told once')
    eq((got[0]['event'], got[0]['level'], got[0]['model']),
       ('tracking_failure', 'warning', 'gpt-4o'), 'event')
    ok(b'no tag' in box.cli('alerts').stdout, 'alerts')


def case_expensive(box):
    box.config('tracking: {expensive_threshold: 0.01}\n')
    eq([s for s, _ in call(box, 2, tokens=900)], [200] * 2, 'cheap')
    eq([e for e in events(box) if e['event'] == 'expensive_call'], [], 'none')
    eq([s for s, _ in call(box, 3, tokens=2000)], [200] * 3, 'dear')
    got = [e for e in events(box) if e['event'] == 'expensive_call']
    eq(len(got), 1, 'once an hour and model')
    ok('may cost $0.02' in got[0]['message'] and
       'more than $0.01' in got[0]['message'], got)
    ok(b'expensive_threshold' in box.cli(
        'alerts', '--event', 'expensive_call').stdout, 'alerts')
    p = box.cli('estimate', '-m', 'gpt-4o', '-f', box.config_path, '-x',
                '2000')
    ok(b'expensive_threshold' in p.stdout, p.stdout)
    for n, told in ('1000', False), ('1001', True):
        p = box.cli('record', '-m', 'gpt-4o', '-o', n, '--cache-hit', 'none')
        eq(b'$0.01 (expensive_threshold)' in p.stderr, told, p.stderr)


def case_enabled(box):
    box.config('tracking: {enabled: false}\nbudgets:\n  - {name: a, scope: '
               'global, period: daily, limit_usd: 0, hard: true}\n')
    eq(call(box)[0][0], 200, 'passes')
    eq(box.rows(), [], 'unrecorded')
    box.config('tracking: {enabled: false}\nguard: on\n')
    call(box)
    eq(box.rows(), [], 'one of both is enough')
    box.config('tracking: {enabled: true}\n')
    call(box)
    eq(len(box.rows()), 1, 'recorded')


def case_config(box):
    """What is wrong is named; what is right is shown."""
    for text, want in (
            ('{enabled: 1}', 'enabled'), ('{default_tags: a}', 'list'),
            ('{default_tags: ["a,b"]}', 'comma'),
            ('{default_tags: ["%s"]}' % ('x' * 160), 'default_tags'),
            ('{default_tags: [%s]}' % ','.join('tag%03d' % i
                                               for i in range(40)), '159'),
            ('{default_tags: [""]}', 'default_tags'),
            ('{tag_required: maybe}', 'warn'),
            ('{expensive_threshold: -1}', 'expensive_threshold'),
            ('{expensive_threshold: x}', 'expensive_threshold'),
            ('{tags: []}', 'default_tags')):
        box.config('tracking: %s\n' % text)
        p = box.cli('config', 'check', check=False)
        eq(p.returncode, 1, text)
        ok(want.encode() in p.stderr, '%s: %s' % (text, p.stderr))
    box.config('tracking: {default_tags: [a, b], tag_required: warn, '
               'expensive_threshold: 1.5}\n')
    got = json.loads(box.cli('config', 'show', '--json').stdout)
    eq(got['tracking'], {'enabled': True, 'default_tags': ['a', 'b'],
                         'tag_required': 'warn', 'expensive_threshold': 1.5},
       'shown')


if __name__ == '__main__':
    main(globals())
