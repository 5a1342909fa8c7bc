#!/usr/bin/python3
"""What HTTP/1.1 allows and programs do: early ends, Expect, pipelining,
encodings, chunked requests, fork and exec with a call in flight."""
import base64
import decimal
import json
import os
import time

from harness import (ANTHROPIC, GEMINI, HERE, OPENAI, PY, RESPONSES,
                     chat_body, eq, main, ok, request, send)

D = decimal.Decimal
CURL = 'curl'


def same(box, kind, reqs, rows=None, **k):
    """Guarded and bare give the same answers; the rows."""
    box.budget(100)
    bare, pb = send(box, kind, reqs, guard=False, **k)
    got, p = send(box, kind, reqs, **k)
    eq(got, bare, 'answers')
    eq((p.returncode, p.stderr), (pb.returncode, pb.stderr), 'status, stderr')
    out = box.rows()
    eq(len(out), len(reqs) if rows is None else rows, 'rows')
    return out


def case_framings(box):
    t = 'seq=1;in=50;out=7;'
    reqs = [request(test=t + x) for x in (
        'framing=length', 'framing=chunked', 'framing=close', 'close=1',
        'piece=1', 'framing=chunked;piece=1', 'enc=gzip', 'enc=deflate',
        'enc=gzip;framing=chunked;piece=3', 'enc=deflate;framing=close',
        'extra=200', 'text=200000', 'enc=gzip;text=200000')]
    for kind in (CURL, 'http.client', 'aiohttp'):
        box.config(None)
        n = len(box.rows())
        got, _ = send(box, kind, reqs)
        eq([r['status'] for r in got], [200] * len(reqs), kind + ' statuses')
        rows = box.rows()[n:]
        eq([(r['input_tokens'], r['output_tokens'], r['usage_state'])
            for r in rows], [(50, 7, 'exact')] * len(reqs), kind + ' rows')


def case_streams_compressed(box):
    t = 'seq=1;in=50;out=7;events=9;'
    for url, body in ((OPENAI, chat_body(stream=True)),
                      (ANTHROPIC, chat_body('claude-haiku-4-5', stream=True)),
                      (GEMINI + 'streamGenerateContent?alt=sse', None)):
        for enc in ('enc=gzip', 'enc=deflate;piece=5', 'piece=1',
                    'framing=close', 'framing=length'):
            n = len(box.rows())
            got, _ = send(box, CURL, [request(url, body, t + enc)])
            eq(got[0]['status'], 200, 'status')
            r = box.rows()[n:]
            eq([(x['input_tokens'], x['output_tokens'], x['usage_state'])
                for x in r], [(50, 7, 'exact')], url + ' ' + enc)


def case_stream_without_usage(box):
    """The client did not ask for usage: what was delivered is counted."""
    body = chat_body(stream=True, usage=False)
    r = same(box, CURL, [request(OPENAI, body, 'seq=1;text=4000')])[0]
    eq(r['usage_state'], 'estimated', 'usage_state')
    ok(600 <= r['output_tokens'] <= 4000, 'output %s' % r['output_tokens'])
    ok(r['cost_usd'] > 0, 'cost')


def case_stream_cut(box):
    for url, body in ((OPENAI, chat_body(stream=True)),
                      (RESPONSES, {'model': 'gpt-4o-mini', 'input': 'x',
                                   'stream': True}),
                      (ANTHROPIC, chat_body('claude-haiku-4-5', stream=True)),
                      (GEMINI + 'streamGenerateContent?alt=sse', None)):
        for way in ('close', 'rst'):
            n = len(box.rows())
            send(box, 'http.client', [request(
                url, body, 'cut=5;events=9;text=900;gap=3;cutway=' + way)])
            rows = box.rows()[n:]
            eq(len(rows), 1, 'rows')
            r = rows[0]
            what = '%s %s: ' % (r['dialect'], way)
            ok(r['usage_state'] in ('estimated', 'exact'),
               what + r['usage_state'])
            ok('cut_short' in r.get('flags', []), what + str(r.get('flags')))
            ok(r['cost_usd'] > 0, what + 'cost')
    eq([b['held_usd'] for b in box.status()['budgets']], [], 'no budgets')


def case_client_leaves(box):
    """The program ends in mid-stream: settled by what was delivered."""
    box.budget(100)
    body = chat_body(stream=True)
    argv = box.curl_argv(OPENAI, json.dumps(body), {
        'Content-Type': 'application/json',
        'x-test': 'events=50;text=2000;gap=40'}, ['-m', '0.7', '-N'])
    argv[argv.index('-m') + 1] = '0.7'
    p = box.run(argv)
    eq(p.returncode, 28, 'curl says timeout')
    rows = box.rows()
    if not rows:
        box.cli('status')
        rows = box.rows()
    eq(len(rows), 1, 'rows')
    eq(rows[0]['usage_state'], 'estimated', 'usage_state')
    ok(rows[0]['cost_usd'] > 0, 'cost')
    b = box.budget_status()
    eq((b['held_usd'], b['spent_usd']), (0, rows[0]['cost_usd']), 'budget')


def case_killed(box):
    """kill -9 in mid-answer: the hold is swept at its estimate."""
    import signal
    import subprocess
    box.budget(100)
    argv = box.curl_argv(OPENAI, json.dumps(chat_body(stream=True)), {
        'Content-Type': 'application/json',
        'x-test': 'events=50;text=2000;gap=100'}, ['-N'])
    p = subprocess.Popen(argv, env=box.env(), cwd=box.dir,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    p.stdout.read(10)
    held = box.budget_status()
    ok(held['held_usd'] > 0, 'a hold while it runs')
    p.send_signal(signal.SIGKILL)
    p.wait()
    b = box.budget_status()
    eq(b['held_usd'], 0, 'held after the sweep')
    rows = box.rows()
    eq(len(rows), 1, 'rows')
    ok('abandoned' in rows[0]['flags'], 'flags %s' % rows[0]['flags'])
    eq(rows[0]['cost_usd'], b['spent_usd'], 'row = region')
    ok(b['spent_usd'] > 0, 'never zero')


def case_expect(box):
    """curl -H Expect: no wait of a second, no double answer."""
    box.budget(100)
    body = json.dumps(chat_body(text='long ' * 300000))
    h = {'Content-Type': 'application/json', 'Expect': '100-continue'}
    argv = box.curl_argv(OPENAI, body, h, ['-o', 'out', '-w', '%{http_code}'])
    bare = box.run(argv, guard=False)
    t = time.time()
    p = box.run(argv)
    took = time.time() - t
    eq((p.stdout, p.stderr), (bare.stdout, bare.stderr), 'curl')
    eq(p.stdout, b'200', 'status')
    ok(took < 0.9, 'took %.2f s' % took)
    box.config('budgets:\n  - {name: cap, scope: global, period: daily, '
               'limit_usd: 0, hard: true}\n')
    n = len(box.arrived())
    p = box.run(argv)
    eq(p.stdout, b'429', 'status when blocked')
    eq(len(box.arrived()), n, 'nothing arrived')


def case_chunked_upload(box):
    box.budget(100)
    body = json.dumps(chat_body(text='long ' * 20000))
    h = {'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked'}
    for extra in ([], ['-H', 'Expect:']):
        argv = box.curl_argv(OPENAI, body, h, ['-o', 'out', '-w',
                                               '%{http_code}'] + extra)
        eq(box.run(argv).stdout, b'200', 'status')
    eq([e['body_len'] for e in box.arrived()], [len(body)] * 2, 'bodies')


def case_pipelining(box):
    """Three requests in one write; the second is over the budget."""
    script = os.path.join(HERE, 'raw_tls.py')
    box.budget('0.01')
    reqs = ''
    for i, t in enumerate(('in=1;out=1', 'in=1;out=1', 'in=1;out=1')):
        body = json.dumps(chat_body(max_tokens=20))
        reqs += ('POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com'
                 '\r\nContent-Type: application/json\r\nx-test: %s\r\n'
                 'Content-Length: %d\r\n\r\n%s' % (t, len(body), body))
    spec = json.dumps({'host': 'api.openai.com', 'writes': [reqs],
                       'responses': 3})
    bare = box.run([PY, script], guard=False, stdin=spec)
    p = box.run([PY, script], stdin=spec)
    eq(p.stderr, b'', 'stderr')
    eq(p.stdout.count(b'HTTP/1.1 200'), 3, 'answers')
    eq(len(p.stdout), len(bare.stdout), 'bytes')
    eq(len(box.rows()), 3, 'rows')
    eq([r['input_tokens'] for r in box.rows()], [1] * 3, 'tokens')


def case_one_byte_writes(box):
    script = os.path.join(HERE, 'raw_tls.py')
    box.budget(1)
    body = json.dumps(chat_body())
    req = ('POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n'
           'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s'
           % (len(body), body))
    spec = json.dumps({'host': 'api.openai.com', 'writes': list(req),
                       'responses': 1, 'read_size': 1})
    p = box.run([PY, script], stdin=spec)
    eq((p.stdout[:15], p.stderr), (b'HTTP/1.1 200 OK', b''), 'answer')
    eq(len(box.rows()), 1, 'rows')
    box.config('budgets:\n  - {name: cap, scope: global, period: daily, '
               'limit_usd: 0, hard: true}\n')
    n = len(box.arrived())
    p = box.run([PY, script], stdin=spec)
    eq(p.stdout[:12], b'HTTP/1.1 429', 'blocked')
    eq(len(box.arrived()), n, 'nothing arrived')


def case_errors_cost_nothing(box):
    reqs = [request(test='seq=1;status=%d' % s) for s in (400, 401, 429, 500)]
    rows = same(box, 'http.client', reqs)
    eq([(r['status'], r['cost_usd'], r['usage_state']) for r in rows],
       [(s, 0, 'exact') for s in (400, 401, 429, 500)], 'rows')
    eq(box.budget_status()['spent_usd'], 0, 'spent')


def case_free_endpoints(box):
    box.budget(0)
    got, _ = send(box, CURL, [
        request('https://api.openai.com/v1/models', method='GET'),
        request('https://api.anthropic.com/v1/messages/count_tokens',
                chat_body('claude-haiku-4-5')),
        request(GEMINI + 'countTokens')])
    eq([r['status'] for r in got], [200] * 3, 'statuses')
    eq([r['cost_usd'] for r in box.rows()], [0] * 3, 'costs')


def case_fork(box):
    """The child of a program with a live connection does its own call."""
    box.budget(100)
    code = (
        'import http.client, json, os, sys\n'
        'def call(c, t):\n'
        '    c.request("POST", "/v1/chat/completions", json.dumps({"model":'
        '"gpt-4o-mini","max_tokens":5,"messages":[]}),'
        ' {"Content-Type": "application/json", "x-test": t})\n'
        '    r = c.getresponse(); r.read(); return r.status\n'
        'c = http.client.HTTPSConnection("api.openai.com")\n'
        'assert call(c, "in=10;out=1") == 200\n'
        'kids = []\n'
        'for i in range(4):\n'
        '    pid = os.fork()\n'
        '    if pid == 0:\n'
        '        d = http.client.HTTPSConnection("api.openai.com")\n'
        '        os._exit(0 if call(d, "in=20;out=1") == 200 else 1)\n'
        '    kids.append(pid)\n'
        'bad = sum(os.waitpid(p, 0)[1] != 0 for p in kids)\n'
        'assert call(c, "in=30;out=1") == 200\n'
        'sys.exit(bad)\n')
    p = box.run([PY, '-c', code])
    eq((p.returncode, p.stderr), (0, b''), 'program')
    rows = box.rows()
    eq(sorted(r['input_tokens'] for r in rows), [10, 20, 20, 20, 20, 30],
       'rows')
    eq(len({r['pid'] for r in rows}), 5, 'pids')
    eq(len({r['id'] for r in rows}), 6, 'ids')
    eq(box.budget_status()['held_usd'], 0, 'held')


def case_fork_in_request(box):
    """Parent sends, child reads the answer: one row, nothing held."""
    box.budget(100)
    code = (
        'import http.client, json, os, sys\n'
        'c = http.client.HTTPSConnection("api.openai.com")\n'
        'c.request("POST", "/v1/chat/completions", json.dumps({"model":'
        '"gpt-4o-mini","max_tokens":5,"messages":[]}),'
        ' {"Content-Type": "application/json", "x-test":'
        ' "in=10;out=1;delay=200"})\n'
        'pid = os.fork()\n'
        'if pid == 0:\n'
        '    r = c.getresponse(); r.read(); os._exit(r.status != 200)\n'
        'st = os.waitpid(pid, 0)[1]\n'
        'os._exit(st != 0)\n')
    p = box.run([PY, '-c', code])
    eq((p.returncode, p.stderr), (0, b''), 'program')
    box.cli('status')
    rows = box.rows()
    eq(len(rows), 1, 'rows')
    eq(rows[0]['input_tokens'], 10, 'tokens')
    eq(box.budget_status()['held_usd'], 0, 'held')


def case_exec_with_hold(box):
    """exec keeps pid and start time; the hold of the old image is swept."""
    box.budget(100)
    code = (
        'import http.client, json, os, sys\n'
        'c = http.client.HTTPSConnection("api.openai.com")\n'
        'c.request("POST", "/v1/chat/completions", json.dumps({"model":'
        '"gpt-4o-mini","max_tokens":5,"messages":[]}),'
        ' {"Content-Type": "application/json", "x-test": "delay=300"})\n'
        'os.execvp("sh", ["sh", "-c", "sleep 0.5; exec %s status --json"])\n')
    from harness import CLI
    p = box.run([PY, '-c', code % CLI])
    eq(p.returncode, 0, 'status')
    b = box.budget_status()
    eq(b['held_usd'], 0, 'held')
    rows = box.rows()
    eq(len(rows), 1, 'rows')
    ok('abandoned' in rows[0]['flags'], 'flags %s' % rows[0]['flags'])
    eq(rows[0]['cost_usd'], b['spent_usd'], 'row = region')


def case_kill_switch(box):
    box.budget(0)
    got, _ = send(box, CURL, [request()], LLMGUARD_DISABLE='1')
    eq(got[0]['status'], 200, 'disabled')
    got, _ = send(box, CURL, [request()], LLMGUARD_IGNORE_BUDGET='1')
    eq(got[0]['status'], 200, 'ignored')
    ok('ignored_budget' in box.rows()[-1]['flags'], 'the row says so')


def case_attribution(box):
    """Headers override the environment and are removed before it leaves."""
    box.budget(100)
    r = request()
    r['headers'].update({'x-llmguard-project': 'alpha',
                         'x-llmguard-tags': 'a,b', 'X-LLMGuard-User': 'u1'})
    send(box, 'http.client', [r, request()], LLMGUARD_PROJECT='beta',
         LLMGUARD_USER='u0', LLMGUARD_CONVERSATION='c1 first try')
    rows = box.rows()
    eq([(x['project'], x['user']) for x in rows],
       [('alpha', 'u1'), ('beta', 'u0')], 'project, user')
    eq(rows[0]['tags'], ['a', 'b'], 'tags')
    eq((rows[1]['conversation'], rows[1]['label']), ('c1', 'first try'),
       'conversation')
    heads = [e['head'].lower() for e in box.arrived()]
    ok(not any('x-llmguard' in h for h in heads), 'headers were removed')


def told(box, host, model, **usage):
    """The row of a chat that was answered with this usage."""
    body = dict(id='x', model=model, choices=[{'message': {'content': 'a'}}],
                usage=dict(prompt_tokens=1000, completion_tokens=10,
                           total_tokens=1010, **usage))
    r = request('https://%s/v1/chat/completions' % host, chat_body(model))
    r['headers']['x-answer'] = base64.b64encode(
        json.dumps(body).encode()).decode()
    send(box, 'http.client', [r])
    row = box.rows()[-1]
    return row['cost_usd'], row['price_state']


def case_own_figures(box):
    """Who bills what it says is believed; a relay's decoration is not."""
    fee = {'cost': 0.0001, 'is_byok': True}
    oa, orouter, own = 'api.openai.com', 'openrouter.ai', D('0.0026')
    for host, model, usage, want in (
            (orouter, 'openai/gpt-4o', {'cost': 0}, (0, 'provider')),
            (orouter, 'openai/gpt-4o', {'cost': -5}, (own, 'exact')),
            (orouter, 'openai/gpt-4o', dict(fee, cost_details={
                'upstream_inference_cost': 0.002}), (D('0.0021'), 'provider')),
            (orouter, 'openai/gpt-4o', fee, (D('0.0027'), 'estimated')),
            (orouter, 'openai/gpt-4o', dict(fee, cost_details={
                'upstream_inference_cost': None}), (D('0.0027'), 'estimated')),
            ('api.x.ai', 'grok-4', {'cost_in_usd_ticks': 5000},
             (D('0.0000005'), 'provider')),
            (oa, 'gpt-4o', {'cost': 0, 'cost_in_usd_ticks': 1}, (own, 'exact')),
            (oa, 'gpt-4o', fee, (own, 'exact')),
            (oa, 'nobody-knows', {'cost': 0.5}, (D('0.5'), 'provider')),
            (oa, 'nobody-knows', {'cost': 0}, (D('0.156'), 'unknown'))):
        eq(told(box, host, model, **usage), want, (host, model, usage))


def case_no_secret_in_ledger(box):
    body = chat_body(text='my-secret-prompt-7741')
    send(box, CURL, [request(OPENAI, body, 'text=50')])
    with open(os.path.join(box.state, 'ledger', os.listdir(
            os.path.join(box.state, 'ledger'))[0])) as f:
        text = f.read()
    for secret in ('sk-test-0123456789', 'my-secret-prompt', 'lorem'):
        ok(secret not in text, secret + ' is in the ledger')
    import hashlib
    eq(box.rows()[0]['key'],
       hashlib.sha256(b'sk-test-0123456789').hexdigest()[:12], 'key')


if __name__ == '__main__':
    main(globals())
