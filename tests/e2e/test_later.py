#!/usr/bin/python3
"""Money that is known only later: background responses, batches and their
results, training jobs. Whoever asks, however often, in whatever process: one
exact cost, in the ledger, in the region, and in a region made anew."""
import base64
import concurrent.futures
import decimal
import json
import os
import signal
import subprocess
import time

from harness import (ANTHROPIC, HERE, NODE, OPENAI, PY, RESPONSES, Skip, eq,
                     have_client, main, ok, request, send)

D = decimal.Decimal
# $1 a million in, $10 a million out; a batch is half of it.
PRICES = ('catalog: 1\nprovider: %s\nprice_version: "test"\nsource: test\n'
          'prices:\n'
          '  - {model: later, context_window: 100000, max_output_tokens: 10000,'
          ' input_per_1m: 1, output_per_1m: 10, cached_input_per_1m: 0.1,'
          ' training_per_1m: 4, service_tiers: {batch: 0.5}}\n')
BUDGETS = ('  - {name: cap, scope: global, period: total, limit_usd: 100,'
           ' hard: true}\n'
           '  - {name: month, scope: "project:p", period: monthly,'
           ' limit_usd: 100}\n'
           '  - {name: training, scope: "phase:train", period: monthly,'
           ' limit_usd: 50}\n')
BATCHES = 'https://api.openai.com/v1/batches'
FILES = 'https://api.openai.com/v1/files'
JOBS = 'https://api.openai.com/v1/fine_tuning/jobs'
CLAUDE = 'https://api.anthropic.com/v1/messages/batches'


def config(box, more=''):
    files = []
    for p in ('openai', 'anthropic', 'google', 'mistral'):
        files.append(p + '.yaml')
        with open(os.path.join(box.dir, files[-1]), 'w') as f:
            f.write(PRICES % p)
    box.config('pricing: {files: [%s]}\n%sbudgets:\n%s' % (
        ', '.join(files), more, BUDGETS))


def answering(url, answer, body=None, method='GET', kind='application/json',
              **headers):
    """A request, and what the server will say to it."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    r = request(url, body=body, method=method, **headers)
    r['headers']['x-answer'] = base64.b64encode(text.encode()).decode()
    r['headers']['x-answer-type'] = kind
    return r


def ask(box, *reqs, client='http.client', want=200, **env):
    env.setdefault('LLMGUARD_PROJECT', 'p')
    out, _ = send(box, client, list(reqs), **env)
    eq([r['status'] for r in out], [want] * len(reqs), 'status')
    return out


def lines(*objects):
    return ''.join(json.dumps(o) + '\n' for o in objects)


def money(box):
    """What the calls cost with all corrections; each row id once."""
    seen = {}
    for r in box.rows() + box.rows('adjust'):
        seen.setdefault(r['id'], r)
    return sum((r['cost_usd'] for r in seen.values()), D(0))


def balance(box, usd, names=('cap', 'month'), month=None):
    """Ledger = region = a region made anew = usd; of it this month's."""
    eq(money(box), D(usd), 'ledger')
    for turn in ('region', 'rebuilt region'):
        s = box.status()
        eq((s['holds'], s['dead_holds'], s['staged_rows']), (0, 0, 0), 'slots')
        eq(D(s['totals']['cost_usd']), D(usd if month is None else month),
           'totals')
        for b in s['budgets']:
            if b['name'] in names:
                eq(D(b['spent_usd']), D(usd), turn + ', ' + b['name'])
        for name in os.listdir('/dev/shm'):
            if name.startswith(os.path.basename(box.region)):
                os.unlink('/dev/shm/' + name)
    return s


def covered(s, **want):
    got = {k: v['calls'] for k, v in s['coverage'].items()}
    for k in ('abandoned', 'unknown', 'estimated', 'exact'):
        if k in want:
            eq(got[k], want[k], 'coverage ' + k)


# -- background responses -----------------------------------------------------

def response(id='resp_a1', status='completed', usage=(1000, 100), **more):
    r = {'id': id, 'object': 'response', 'created_at': int(time.time()),
         'status': status, 'background': True, 'model': 'later', 'output': [],
         'usage': None}
    if usage and status not in ('queued', 'in_progress'):
        r['usage'] = {'input_tokens': usage[0], 'output_tokens': usage[1],
                      'input_tokens_details': {'cached_tokens': 0},
                      'output_tokens_details': {'reasoning_tokens': 40},
                      'total_tokens': sum(usage)}
    r.update(more)
    return r


ASKED = {'model': 'later', 'input': 'Think for long.', 'background': True,
         'max_output_tokens': 5000}
COST = D('0.002')       # 1,000 in, 100 out


def start_response(box, **k):
    ask(box, answering(RESPONSES, response(status='queued'), ASKED, 'POST'),
        **k)
    row, = box.rows()
    eq((row['usage_state'], row['response_id'], 'pending' in row['flags']),
       ('estimated', 'resp_a1', True), 'the first row')
    ok(row['cost_usd'] >= D('0.05'), 'estimate %s' % row['cost_usd'])
    return row


def poll(**k):
    r = response(**k)
    return answering(RESPONSES + '/' + r['id'], r)


def case_background(box):
    config(box)
    first = start_response(box)
    ask(box, poll(status='in_progress'), poll(), poll())
    adj, = box.rows('adjust')
    eq(adj['ref'], first['id'], 'ref')
    eq(adj['cost_usd'] + first['cost_usd'], COST, 'sum')
    eq(adj['input_cost_usd'] + adj['output_cost_usd'], adj['cost_usd'], 'parts')
    eq((adj['input_tokens'], adj['output_tokens'], adj['reasoning_tokens']),
       (1000, 100, 40), 'tokens')
    eq((adj['ts'], adj['project'], adj['usage_state'], adj['price_state']),
       (first['ts'], 'p', 'exact', 'exact'), 'names')
    eq('verdict' in adj, False, 'verdict')
    eq(len(box.rows()), 4, 'rows of calls')
    covered(balance(box, COST), estimated=0, unknown=0, exact=4)


def case_three_processes_poll(box):
    """Each poll has a process of its own; all at once, many times."""
    config(box)
    start_response(box)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: ask(box, poll(), poll()), range(6)))
    eq(len(box.rows('adjust')), 1, 'corrections')
    balance(box, COST)


def case_clients(box):
    """The same with other clients, and over a stream."""
    config(box)
    r = response()
    sse = 'event: response.completed\ndata: %s\n\n' % json.dumps(
        {'type': 'response.completed', 'response': r})
    start_response(box, client='curl')
    ask(box, answering(RESPONSES + '/resp_a1?stream=true', sse,
                       kind='text/event-stream'), client='curl')
    eq(len(box.rows('adjust')), 1, 'corrections')
    for client in ('requests', 'https'):
        if have_client(client):
            ask(box, poll(), client=client)
    eq(len(box.rows('adjust')), 1, 'corrections')
    balance(box, COST)


def case_openai_sdk(box):
    if not have_client('openai'):
        raise Skip('no openai package here')
    config(box)
    start_response(box)
    script = os.path.join(box.dir, 'poll.cjs')
    answer = base64.b64encode(json.dumps(response()).encode()).decode()
    with open(script, 'w') as f:
        f.write("const OpenAI = require('openai');\n"
                "const c = new OpenAI({apiKey: 'sk-test-0123456789'});\n"
                "(async () => { for (let i = 0; i < 3; i++) {\n"
                " const r = await c.responses.retrieve('resp_a1', {},\n"
                "  {headers: {'x-answer': '%s'}});\n"
                " console.log(r.status, r.usage.output_tokens); } })();\n"
                % answer)
    p = box.run([NODE, '--require', os.path.join(HERE, 'redirect/node.cjs'),
                 script], LLMGUARD_PROJECT='p')
    eq(p.stdout.decode(), 'completed 100\n' * 3, 'what the program saw')
    eq(len(box.rows('adjust')), 1, 'corrections')
    balance(box, COST)


def case_failed_and_cancelled(box):
    config(box)
    start_response(box)
    ask(box, poll(status='failed', usage=None))
    adj, = box.rows('adjust')
    eq(adj['usage_state'], 'exact', 'state')
    balance(box, 0)
    held = money(box)
    ask(box, answering(RESPONSES, response('resp_b', 'queued'), ASKED, 'POST'))
    more = money(box) - held
    ask(box, answering(RESPONSES + '/resp_b/cancel',
                       response('resp_b', 'cancelled', None), {}, 'POST'))
    eq(money(box), held + more, 'cancelled without usage: still the estimate')
    ask(box, poll(id='resp_b', status='cancelled', usage=(100, 10)))
    balance(box, '0.0002')


def case_repriced_before_and_after(box):
    """A price that arrives between call and result, and one after it."""
    config(box)
    ask(box, answering(RESPONSES, response(status='queued', model='novel'),
                       dict(ASKED, model='novel'), 'POST'))
    eq(box.rows()[0]['price_state'], 'unknown', 'the ceiling')
    more = '  - {model: novel, context_window: 100000, max_output_tokens: ' \
        '10000, input_per_1m: %s, output_per_1m: 10}\n'
    path = os.path.join(box.dir, 'openai.yaml')
    with open(path, 'a') as f:
        f.write(more % 1)
    box.cli('reprice')
    ask(box, poll(model='novel'))
    balance(box, COST)
    with open(path) as f:
        text = f.read()
    with open(path, 'w') as f:
        f.write(text.replace(more % 1, more % 3))
    box.cli('reprice', '--model', 'novel')
    ask(box, poll(model='novel'), poll(model='novel'))
    covered(balance(box, '0.004'), unknown=0)


def case_stored(box):
    """What was charged exactly is not charged again; nobody's is not at all."""
    config(box)
    plain = response('resp_s', background=False)
    ask(box, answering(RESPONSES, plain, dict(ASKED, background=False),
                       'POST'))
    eq(box.rows()[0]['usage_state'], 'exact', 'state')
    ask(box, answering(RESPONSES + '/resp_s', plain))
    eq(box.rows('adjust'), [], 'corrections')
    ask(box, answering(RESPONSES + '/resp_x', response('resp_x',
                                                       background=False)))
    balance(box, COST)
    for r in box.rows()[1:]:
        eq((r['cost_usd'], r['usage_state'], r['response_id'],
            r['request_type']), (0, 'exact', None, 'other'), 'a look')


def case_cut_stream_is_looked_up(box):
    """A stored stream that was cut: the stored answer knows its usage."""
    config(box)
    made = response('resp_c', 'in_progress', background=False)
    sse = 'event: response.created\ndata: %s\n\n' \
        'event: response.output_text.delta\ndata: %s\n\n' % (
            json.dumps({'type': 'response.created', 'response': made}),
            json.dumps({'type': 'response.output_text.delta',
                        'delta': 'word ' * 20}))
    ask(box, answering(RESPONSES, sse, dict(ASKED, background=False,
                                            stream=True), 'POST',
                       'text/event-stream'))
    eq(box.rows()[0]['usage_state'], 'estimated', 'state')
    ask(box, answering(RESPONSES + '/resp_c', response('resp_c',
                                                       background=False)))
    covered(balance(box, COST), estimated=0, exact=2)


def case_joined_late(box):
    """Background work of before the guard: once, in the window of its start."""
    config(box)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: ask(box, poll(), poll()), range(3)))
    joined = [r for r in box.rows() if r['cost_usd']]
    eq(len(joined), 1, 'charged')
    ok('joined_late' in joined[0]['flags'], 'flag')
    balance(box, COST)
    ask(box, answering(RESPONSES + '/resp_old', response(
        'resp_old', created_at=1700000000)))
    old, = [r for r in box.rows() if r['response_id'] == 'resp_old']
    eq(old['ts'][:10], '2023-11-14', 'its start')
    balance(box, 2 * COST, ('cap',), COST)
    eq(D(box.budget_status('month')['spent_usd']), COST, 'this month')


def case_stream_races_poll(box):
    """Asked for while the call's own stream still runs: charged once."""
    config(box)
    r = request(RESPONSES, dict(ASKED, stream=True), test='events=8;gap=200;'
                'seq=77;in=1000;out=100')
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, box, r)
        time.sleep(0.8)
        ask(box, poll(id='resp_77'))
        first.result()
    own, = [x for x in box.rows() if x['stream']]
    eq(own['response_id'], 'resp_77', 'id')
    late = [x for x in box.rows() if 'joined_late' in x['flags']]
    eq(len(late), 1, 'joined')
    eq((own['cost_usd'], own['output_tokens'], 'duplicate' in own['flags']),
       (0, 0, True), 'own row')
    balance(box, COST)


def case_killed_between(box):
    """kill -9 in its stream: the hold is charged, a poll makes it exact."""
    config(box)
    r = request(RESPONSES, dict(ASKED, stream=True), test='events=50;gap=100;'
                'seq=78;in=1000;out=100')
    p = subprocess.Popen(
        [PY, os.path.join(HERE, 'clients.py'), 'http.client'],
        env=box.env(LLMGUARD_PROJECT='p'), stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    p.stdin.write(json.dumps({'requests': [r]}).encode())
    p.stdin.close()
    time.sleep(1.5)
    p.send_signal(signal.SIGKILL)
    p.wait()
    ask(box, poll(id='resp_78'), poll(id='resp_78'))
    row, = [x for x in box.rows() if 'abandoned' in x['flags']]
    eq(row['response_id'], 'resp_78', 'its id')
    adj, = box.rows('adjust')
    eq(adj['ref'], row['id'], 'ref')
    covered(balance(box, COST), abandoned=1, estimated=0)


def case_killed_pollers(box):
    """kill -9 at any time while results are written."""
    config(box)
    ids = ['resp_k%d' % i for i in range(40)]
    ask(box, *[answering(RESPONSES, response(i, 'queued'), ASKED, 'POST')
               for i in ids])
    reqs = json.dumps({'requests': [poll(id=i) for i in ids]}).encode()
    for turn in range(12):
        p = subprocess.Popen(
            [PY, os.path.join(HERE, 'clients.py'), 'http.client'],
            env=box.env(LLMGUARD_PROJECT='p'), stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        p.stdin.write(reqs)
        p.stdin.close()
        time.sleep(0.12 + 0.015 * turn)
        p.send_signal(signal.SIGKILL)
        p.wait()
    ask(box, *[poll(id=i) for i in ids])
    eq(len({r['id'] for r in box.rows('adjust')}), 40, 'corrections')
    balance(box, 40 * COST)


def case_ledger_unwritable(box):
    """A full ledger: the correction waits in the region, once."""
    if os.geteuid() == 0 and not os.access('/dev/full', os.W_OK):
        raise Skip('nothing to fill')
    config(box)
    start_response(box)
    folder = os.path.join(box.state, 'ledger')
    limit = os.path.getsize(os.path.join(folder, os.listdir(folder)[0])) + 10

    def small():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    send(box, 'http.client', [poll()], preexec_fn=small, LLMGUARD_PROJECT='p')
    eq(box.rows('adjust'), [], 'nothing could be written')
    ask(box, poll(), poll())
    eq(len({r['id'] for r in box.rows('adjust')}), 1, 'corrections')
    balance(box, COST)


# -- batches -------------------------------------------------------------------

def batch(status='completed', usage=(4000, 400), **more):
    b = {'id': 'batch_b1', 'object': 'batch', 'endpoint':
         '/v1/chat/completions', 'model': 'later', 'status': status,
         'input_file_id': 'file-in1', 'created_at': int(time.time()),
         'output_file_id': 'file-out1' if status == 'completed' else None,
         'request_counts': {'total': 4, 'completed': 4, 'failed': 0}}
    if usage:
        done = status == 'completed'
        b['usage'] = {'input_tokens': usage[0] if done else 0,
                      'output_tokens': usage[1] if done else 0,
                      'total_tokens': sum(usage) if done else 0,
                      'input_tokens_details': {'cached_tokens': 0},
                      'output_tokens_details': {'reasoning_tokens': 0}}
    b.update(more)
    return b


def result_line(i, tin=1000, tout=100, **body):
    return {'id': 'batch_req_%d' % i, 'custom_id': 'c%d' % i, 'error': None,
            'response': {'status_code': 200, 'request_id': 'r%d' % i,
                         'body': dict({'id': 'chatcmpl-%d' % i, 'model':
                                       'later', 'choices': [], 'usage':
                                       {'prompt_tokens': tin,
                                        'completion_tokens': tout,
                                        'total_tokens': tin + tout}},
                                      **body)}}


OUTPUT = lines(*map(result_line, range(4)))
WANTED = {'input_file_id': 'file-in1', 'endpoint': '/v1/chat/completions',
          'completion_window': '24h'}
BATCH_COST = D('0.004')     # half of 4 * (1,000 in, 100 out)


def start_batch(box, **more):
    ask(box, answering(BATCHES, batch('validating', **more), WANTED, 'POST'))
    row, = box.rows()
    eq((row['request_type'], row['cost_usd'], row['price_state'],
        row['usage_state'], row['estimate_usd'], row['tier']),
       ('batch', 0, 'unknown', 'missing', None, 'batch'), 'the first row')
    return row


def fetch_output(text=OUTPUT, id='file-out1'):
    return answering(FILES + '/' + id + '/content', text,
                     kind='application/octet-stream')


def case_batch_by_its_object(box):
    config(box)
    start_batch(box)
    ask(box, answering(BATCHES + '/batch_b1', batch('in_progress')),
        answering(BATCHES + '/batch_b1', batch()), fetch_output())
    ask(box, fetch_output(), answering(BATCHES + '/batch_b1', batch()))
    adj, = box.rows('adjust')
    eq((adj['tier'], adj['input_tokens'], adj['output_tokens'], adj['note']),
       ('batch', 4000, 400, 'file-out1'), 'correction')
    covered(balance(box, BATCH_COST), unknown=0, estimated=0)


def case_batch_by_its_lines(box):
    """An older object: no usage. Results fetched twice, by two processes."""
    config(box)
    first = start_batch(box, usage=None)
    old = batch(usage=None, model=None)
    ask(box, answering(BATCHES + '/batch_b1', old), fetch_output())
    ask(box, fetch_output(), answering(BATCHES + '/batch_b1', old))
    adj, = box.rows('adjust')
    eq((adj['ref'], adj['input_tokens'], adj['output_tokens'], adj['flags']),
       (first['id'], 4000, 400, ['parts']), 'correction')
    ask(box, answering(BATCHES + '/batch_b1', batch()))
    eq(len(box.rows('adjust')), 1, 'lines or object, not both')
    covered(balance(box, BATCH_COST), unknown=0)


def case_batch_of_somebody_else(box):
    """No call of ours made it: charged once, by its lines or its object."""
    config(box)
    ask(box, fetch_output(), fetch_output())
    ask(box, answering(BATCHES + '/batch_b1', batch()), fetch_output())
    eq(box.rows('adjust'), [], 'corrections')
    eq(len([r for r in box.rows() if 'joined_late' in r['flags']]), 1, 'rows')
    balance(box, BATCH_COST)


def case_batch_output_cut(box):
    """Half of the file is not the last word; errors cost nothing."""
    config(box)
    start_batch(box, usage=None)
    ask(box, answering(BATCHES + '/batch_b1', batch(usage=None)))
    cut = answering(FILES + '/file-out1/content', OUTPUT[:len(OUTPUT) * 2 // 3],
                    kind='application/octet-stream')
    ask(box, cut)
    eq(box.rows('adjust'), [], 'corrections')
    bad = {'id': 'x', 'custom_id': 'y', 'response': {
        'status_code': 400, 'body': {'error': {'message': 'no'}}},
        'error': None}
    ask(box, fetch_output(OUTPUT + lines(bad)))
    balance(box, BATCH_COST)


def case_files_are_only_files(box):
    config(box)
    text = lines({'custom_id': 'a', 'method': 'POST', 'body': {'model': 'm'}})
    ask(box, fetch_output(text, 'file-x'), fetch_output('\0\1' * 500, 'file-y'),
        fetch_output('', 'file-z'))
    for r in box.rows():
        eq((r['cost_usd'], r['usage_state'], r['flags']), (0, 'exact', []),
           'a file')
    balance(box, 0)


def case_batch_strict(box):
    config(box)
    with open(box.config_path, 'a') as f:
        f.write('  - {name: s, scope: global, period: total, limit_usd: 9,'
                ' hard: true, mode: strict}\n')
    ask(box, answering(BATCHES, batch('validating'), WANTED, 'POST'), want=429)
    eq(box.rows()[0]['reason'], 'unbounded', 'reason')
    eq(box.arrived(), [], 'arrived')


def claude_line(i, kind='succeeded'):
    r = {'type': kind}
    if kind == 'succeeded':
        r['message'] = {'id': 'msg_%d' % i, 'type': 'message', 'model':
                        'later', 'content': [{'type': 'text', 'text': 'x'}],
                        'stop_reason': 'end_turn', 'usage': {
                            'input_tokens': 900, 'cache_read_input_tokens':
                            1000, 'cache_creation_input_tokens': 0,
                            'output_tokens': 100, 'service_tier': 'batch'}}
    return {'custom_id': 'c%d' % i, 'result': r}


CLAUDE_BATCH = {'requests': [{'custom_id': 'c%d' % i, 'params': {
    'model': 'later', 'max_tokens': 1000, 'messages': [
        {'role': 'user', 'content': 'word ' * 100}]}} for i in range(3)]}
CLAUDE_MADE = {'id': 'msgbatch_m1', 'type': 'message_batch',
               'processing_status': 'in_progress', 'request_counts': {
                   'processing': 3, 'succeeded': 0, 'errored': 0},
               'created_at': '2026-11-22T10:00:00.5Z'}


def claude_results(*kinds):
    return answering(CLAUDE + '/msgbatch_m1/results', lines(*[
        claude_line(i, k) for i, k in enumerate(kinds)]),
        kind='application/x-jsonl')


def case_claude_batch(box):
    config(box)
    ask(box, answering(CLAUDE, CLAUDE_MADE, CLAUDE_BATCH, 'POST'))
    row, = box.rows()
    # 3 * 500 bytes of prompt and 3 * 1,000 of output, at half price
    eq((row['usage_state'], row['tier'], 'pending' in row['flags'],
        row['request_type']), ('estimated', 'batch', True, 'batch'), 'row')
    ok(D('0.015') < row['cost_usd'] < D('0.016'), 'estimate of the batch')
    results = claude_results('succeeded', 'errored', 'succeeded')
    ask(box, answering(CLAUDE + '/msgbatch_m1', dict(
        CLAUDE_MADE, processing_status='ended')), results, results)
    ask(box, results)
    adj, = box.rows('adjust')
    eq((adj['input_tokens'], adj['output_tokens'], adj['cache_read_tokens']),
       (3800, 200, 2000), 'tokens')
    balance(box, '0.002')   # half of 1,800 + 200 (cached) + 2,000


def case_claude_batch_all_failed(box):
    config(box)
    ask(box, answering(CLAUDE, CLAUDE_MADE, CLAUDE_BATCH, 'POST'))
    ask(box, claude_results('errored', 'expired', 'canceled'))
    balance(box, 0)


def case_claude_batch_strict(box):
    """Its worst case is known, and fits or does not."""
    config(box)
    with open(box.config_path, 'a') as f:
        f.write('  - {name: s, scope: global, period: total, limit_usd: 0.02,'
                ' hard: true, mode: strict}\n')
    ask(box, answering(CLAUDE, CLAUDE_MADE, CLAUDE_BATCH, 'POST'))
    ask(box, answering(CLAUDE, CLAUDE_MADE, CLAUDE_BATCH, 'POST'), want=429)
    eq(box.rows()[1]['reason'], 'over_budget', 'reason')


GOOGLE = 'https://generativelanguage.googleapis.com/v1beta/'


def gemini_call(i):
    return {'request': {'contents': [{'role': 'user', 'parts': [
        {'text': 'word ' * 100}]}], 'generationConfig': {
            'maxOutputTokens': 1000}}, 'metadata': {'key': 'k%d' % i}}


def gemini_answer(i):
    return {'candidates': [{'content': {'parts': [{'text': 'x'}]},
                            'finishReason': 'STOP'}], 'modelVersion': 'later',
            'responseId': 'r%d' % i, 'usageMetadata': {
                'promptTokenCount': 1000, 'candidatesTokenCount': 60,
                'thoughtsTokenCount': 40, 'totalTokenCount': 1100}}


def operation(done, **response):
    o = {'name': 'batches/g1', 'metadata': {
        'state': 'BATCH_STATE_' + ('SUCCEEDED' if done else 'PENDING'),
        'createTime': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}}
    if done:
        o.update(done=True, response=response)
    return o


def start_gemini(box, config_):
    ask(box, answering(GOOGLE + 'models/later:batchGenerateContent',
                       operation(False), {'batch': {'displayName': 'b',
                                                    'inputConfig': config_}},
                       'POST'))
    return box.rows()[0]


def case_gemini_batch_inline(box):
    config(box)
    row = start_gemini(box, {'requests': {'requests': [
        gemini_call(i) for i in range(3)]}})
    ok(D('0.015') < row['cost_usd'] < D('0.016'), 'estimate of the batch')
    done = operation(True, inlinedResponses={'inlinedResponses': [
        {'response': gemini_answer(0)}, {'error': {'code': 13}},
        {'response': gemini_answer(2)}]})
    url = GOOGLE + 'batches/g1'
    ask(box, answering(url, operation(False)), answering(url, done),
        answering(url, done))
    ask(box, answering(url, done))
    adj, = box.rows('adjust')
    eq((adj['input_tokens'], adj['output_tokens'], adj['reasoning_tokens']),
       (2000, 200, 80), 'tokens')
    balance(box, '0.002')


def case_gemini_batch_file(box):
    config(box)
    row = start_gemini(box, {'fileName': 'files/in'})
    eq((row['cost_usd'], row['price_state']), (0, 'unknown'), 'row')
    url = GOOGLE + 'batches/g1'
    ask(box, answering(url, operation(True, responsesFile='files/out9')))
    get = answering('https://generativelanguage.googleapis.com/download/'
                    'v1beta/files/out9:download?alt=media',
                    lines(*[{'key': 'k%d' % i, 'response': gemini_answer(i)}
                            for i in range(4)]), kind='application/json')
    ask(box, get, get)
    balance(box, '0.004')


def case_mistral_batch(box):
    config(box)
    url = 'https://api.mistral.ai/v1/batch/jobs'
    made = {'id': 'b-77', 'object': 'batch', 'status': 'QUEUED', 'model':
            'later', 'created_at': int(time.time()), 'output_file': None}
    ask(box, answering(url, made, {'input_files': ['f'], 'model': 'later',
                                   'endpoint': '/v1/chat/completions'},
                       'POST'))
    done = dict(made, status='SUCCESS', output_file='out-1',
                total_requests=4, completed_requests=4)
    ask(box, answering(url + '/b-77', dict(made, status='RUNNING')),
        answering(url + '/b-77', done))
    get = answering('https://api.mistral.ai/v1/files/out-1/content', OUTPUT,
                    kind='application/octet-stream')
    ask(box, get, get)
    covered(balance(box, BATCH_COST), unknown=0)


# -- training ------------------------------------------------------------------

def job(status='succeeded', trained=50000, **more):
    return dict({'object': 'fine_tuning.job', 'id': 'ftjob-j1', 'model':
                 'later', 'created_at': int(time.time()), 'status': status,
                 'training_file': 'file-t1', 'trained_tokens':
                 trained if status != 'running' else None,
                 'fine_tuned_model': 'ft:later:o::1'}, **more)


def case_training(box):
    config(box)
    ask(box, answering(JOBS, job('running'), {'model': 'later',
                                              'training_file': 'file-t1'},
                       'POST'))
    first, = box.rows()
    eq((first['request_type'], first['phase'], first['price_state'],
        first['cost_usd']), ('train', 'train', 'unknown', 0), 'row')
    ask(box, answering(JOBS + '/ftjob-j1', job('running')),
        answering(JOBS + '/ftjob-j1', job()),
        answering(JOBS + '/ftjob-j1', job()))
    ask(box, answering(JOBS + '/ftjob-j1', job()))
    adj, = box.rows('adjust')
    eq((adj['phase'], adj['units'], adj['request_type']),
       ('train', {'training_tokens': 50000}, 'train'), 'correction')
    balance(box, '0.2', ('cap', 'month', 'training'))


def case_training_failed(box):
    config(box)
    ask(box, answering(JOBS, job('running'), {'model': 'later',
                                              'training_file': 'f'}, 'POST'))
    ask(box, answering(JOBS + '/ftjob-j1', job('failed', None)))
    covered(balance(box, 0), unknown=0, exact=2)


if __name__ == '__main__':
    main(globals())
