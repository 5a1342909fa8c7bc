#!/usr/bin/python3
"""llmguard estimate: figures, budgets, batches, files that are none."""
import csv
import json
import os
import pty
import select
import shutil
import subprocess
import time
from decimal import Decimal as D

import harness
from harness import CLI, OPENAI, TOP, Skip, chat_body, eq, main, ok

VOCAB = os.path.join(TOP, 'tests/golden/tokens/vocab.cjs')
MODULES = os.path.join(TOP, 'build/npm/node_modules')
NODE = shutil.which('node') or (harness.NODE if os.path.exists(harness.NODE)
                                else None)
# USD a token
GPT4O_IN, GPT4O_OUT = D('0.0000025'), D('0.00001')
MINI_IN, MINI_OUT = D('0.00000015'), D('0.0000006')


def put(box, name, text):
    path = os.path.join(box.dir, name)
    with open(path, 'wb') as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def estimate(box, *args, code=0, stdin=None):
    """What it prints as JSON; stdin: bytes."""
    p = subprocess.run([CLI, 'estimate', '--json', *args],
                       env=box.env(LD_PRELOAD=None), input=stdin or b'',
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=60)
    eq(p.returncode, code, '%s: %s' % (args, p.stderr.decode()))
    return json.loads(p.stdout, parse_float=D) if p.stdout else \
        p.stderr.decode()


def vocabularies(box):
    """The published files, from the npm package."""
    if not NODE or \
            not os.path.isdir(os.path.join(MODULES, 'tiktoken')):
        raise Skip('no npm package tiktoken')
    folder = os.path.join(box.dir, 'vocab')
    os.mkdir(folder)
    subprocess.run([NODE, VOCAB, 'write', folder], check=True,
                   env=dict(os.environ, NODE_PATH=MODULES))
    return folder


def words(n):
    return 'word ' * n


def case_prompt(box):
    f = put(box, 'p.txt', words(400))
    e = estimate(box, '--model', 'gpt-4o', '--prompt-file', f,
                 '--max-tokens', '500')
    eq((e['requests'], e['input_tokens'], e['input_state']),
       (1, 575, 'assumed'), 'input')
    eq((e['input_low'], e['output_tokens'], e['output_state']),
       (None, 500, 'declared'), 'no bound; output')
    eq(e['expected_usd'], 575 * GPT4O_IN + 500 * GPT4O_OUT, 'expected')
    ok(e['worst_usd'] > e['expected_usd'], 'worst')
    eq((e['budgets'], e['over_budget']), ([], False), 'no budget')
    eq(box.rows(), [], 'nothing is recorded')
    # the same from stdin, and with an output of one's own
    e = estimate(box, '-m', 'gpt-4o', '-f', '-', '-x', '500', '-o', '100',
                 stdin=words(400).encode())
    eq(e['expected_usd'], 575 * GPT4O_IN + 100 * GPT4O_OUT, 'given output')
    # a system prompt, and other providers' bodies
    g = put(box, 's.txt', words(400))
    for model in ('claude-sonnet-4-5', 'gemini-2.5-flash', 'gpt-4o',
                  'deepseek-chat'):
        e = estimate(box, '-m', model, '-f', f, '--system-file', g, '-x', '9')
        eq((e['input_tokens'], e['output_tokens']), (1150, 9), model)
    e = estimate(box, '-m', 'text-embedding-3-small', '-f', f)
    eq((e['input_tokens'], e['output_tokens'], e['worst_usd'] is None),
       (575, 0, False), 'embedding')


def case_requests(box):
    """A body, an HTTP request, curl as arguments and as a file."""
    body = json.dumps(chat_body('gpt-4o', text=words(400), max_tokens=500))
    want = 575 * GPT4O_IN + 500 * GPT4O_OUT
    http = ('POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n'
            'Content-Type: application/json\r\n\r\n') + body
    curl = ("curl -sS -X POST https://api.openai.com/v1/chat/completions \\\n"
            "  -H 'Content-Type: application/json' \\\n"
            '  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n'
            "  -d '%s' | jq .\n" % body)
    for name, text in (('body.json', body), ('http.txt', http),
                       ('curl.txt', curl), ('pasted.txt', '$ ' + curl),
                       ('dos.txt', curl.replace('\n', '\r\n'))):
        e = estimate(box, put(box, name, text))
        eq((e['requests'], e['expected_usd']), (1, want), name)
        eq(e['models'][0]['url'], OPENAI, name)
    for args in (['-d', body], ['--data-raw=' + body], ['--json', body],
                 ['-d@' + put(box, 'b', body)],
                 ['--data-binary', '@' + put(box, 'b', body)]):
        e = estimate(box, 'curl', '-s', OPENAI, '-HContent-Type: application/'
                     'json', *args)
        eq(e['expected_usd'], want, args)
    eq(estimate(box, stdin=body.encode())['expected_usd'], want, 'stdin')
    eq(estimate(box, '--tier', 'batch', stdin=body.encode())['expected_usd'],
       want / 2, 'tier')
    eq(estimate(box, 'curl', 'https://api.openai.com/v1/models')['free'], 1,
       'free')
    for args in (['--noproxy', '*'], ['--max-filesize', '1000'],
                 ['--proxy-user', 'a:b']):
        e = estimate(box, 'curl', OPENAI, *args, '-d', body)
        eq((e['free'], e['expected_usd']), (0, want), args)
    for url in ('https://api.openai.com/v1/nope', 'https://b.example/x'):
        e = estimate(box, 'curl', url, '-d', body, code=1)
        eq((e['free'], e['unknown_price'], e['worst_usd']), (0, 1, None), url)
    # what is shown to people
    out = box.cli('estimate', put(box, 'body.json', body)).stdout.decode()
    for text in ('https://api.openai.com/v1/chat/completions',
                 'openai/gpt-4o', 'about 575 tokens', '$0.006438 expected'):
        ok(text in out, '%s in %s' % (text, out))


def case_budgets(box):
    """The words of it, who counts it, and the exit status."""
    box.config('''budgets:
  - {name: month, scope: global, period: monthly, limit_usd: 20, hard: true}
  - {name: support, scope: "project:support", period: daily, limit_usd: 13,
     hard: true}
  - {name: warned, scope: "model:gpt-4o*", period: monthly, limit_usd: 100}
  - {name: strict, scope: "user:tight", period: daily, limit_usd: 0.05,
     hard: true, mode: strict}
  - {name: each, scope: "conversation:*", each: true, period: daily,
     limit_usd: 5, hard: true}
''')
    box.cli('record', '--model', 'gpt-4o', '--output-tokens', '1287000',
            '--cache-hit', 'none', '--conversation', 'a')
    body = put(box, 'b.json', json.dumps(chat_body('gpt-4o', max_tokens=78000,
                                                   text='x')))
    out = box.cli('estimate', body).stdout.decode()
    ok('spent $12.87 of $20.00, after this $13.65, 68 %' in
       out.replace('$13.650003', '$13.65').replace('$13.650006', '$13.65'),
       out)
    e = estimate(box, body)
    got = {b['name']: b for b in e['budgets']}
    eq(sorted(got), ['month', 'warned'], 'who counts it')
    b = got['month']
    eq((b['spent_usd'], b['limit_usd'], b['over'], b['hard']),
       (D('12.87'), 20, False, True), 'month')
    eq(b['after_usd'], D('12.87') + e['expected_usd'], 'after')
    # by project, and by the header of a pasted request
    e = estimate(box, '--project', 'support', body)
    eq([b['name'] for b in e['budgets']], ['month', 'support', 'warned'],
       'project')
    e = estimate(box, 'curl', OPENAI, '-H', 'x-llmguard-project: support',
                 '-H', 'content-type: application/json', '-d', '@' + body)
    eq([b['name'] for b in e['budgets']], ['month', 'support', 'warned'],
       'header')
    # a counter of each value: that of a has spent, that of b is new
    e = estimate(box, '--conversation', 'a', body, code=3)
    b = e['budgets'][-1] if e['budgets'][-1]['name'] == 'each' else \
        [b for b in e['budgets'] if b['name'] == 'each'][0]
    eq((b['spent_usd'], b['over'], b['scope']), (D('12.87'), True, 'a'), 'a')
    e = estimate(box, '--conversation', 'b', body)
    b = [b for b in e['budgets'] if b['name'] == 'each'][0]
    eq((b['spent_usd'], b['over']), (0, False), 'b')
    # over; over with the buffer alone; a soft limit counts as well
    estimate(box, body, '--buffer', '800%', code=0)
    e = estimate(box, body, '--buffer', '1000%', code=3)
    eq(e['buffered_usd'], e['expected_usd'] * 11, 'buffer')
    eq(e['over_budget'], True, 'over')
    # strict: the worst case does not fit
    small = put(box, 's.json', json.dumps(chat_body('gpt-4o', max_tokens=None,
                                                    text='x')))
    e = estimate(box, '--user', 'tight', small, code=3)
    b = [b for b in e['budgets'] if b['name'] == 'strict'][0]
    eq((b['over'], b['refused'], b['mode']), (False, True, 'strict'), 'strict')
    out = box.cli('estimate', '--user', 'tight', small, check=False)
    ok(b'would be refused' in out.stdout, out.stdout)
    for args in (['--buffer', 'x'], ['--buffer', '-1%'], ['--buffer', '1e9'],
                 [body, '-f', body], [body, body], ['--nonsense'],
                 ['--max-tokens', 'x', body]):
        estimate(box, *args, code=2)
    eq(len(box.rows()), 1, 'rows')
    eq(box.budget_status('month')['held_usd'], 0, 'held')


def case_batches(box):
    def line(i):
        return chat_body('gpt-4o', text=words(400), max_tokens=100 + i)
    one = [575 * GPT4O_IN + (100 + i) * GPT4O_OUT for i in range(5)]
    plain = [json.dumps(line(i)) for i in range(5)]
    wrapped = [json.dumps({'custom_id': str(i), 'method': 'POST',
                           'url': '/v1/chat/completions', 'body': line(i)})
               for i in range(5)]
    e = estimate(box, put(box, 'plain.jsonl', '\n\n'.join(plain) + '\n'))
    eq((e['requests'], e['expected_usd']), (5, sum(one)), 'lines')
    eq(estimate(box, stdin='\n'.join(plain).encode())['expected_usd'],
       sum(one), 'stdin')
    eq(estimate(box, stdin=('[%s]' % ','.join(plain)).encode())['requests'],
       5, 'a list')
    e = estimate(box, put(box, 'openai.jsonl', '\n'.join(wrapped)))
    eq((e['requests'], e['expected_usd'], e['form']),
       (5, sum(one) / 2, 'OpenAI batch'), 'half price')
    claude = [{'custom_id': str(i), 'params': chat_body(
        'claude-sonnet-4-5', text=words(400), max_tokens=100)}
        for i in range(3)]
    want = 3 * (575 * D('0.000003') + 100 * D('0.000015')) / 2
    e = estimate(box, put(box, 'a.json', json.dumps({'requests': claude})))
    eq((e['requests'], e['expected_usd']), (3, want), 'Anthropic')
    e = estimate(box, put(box, 'a.jsonl', '\n'.join(map(json.dumps, claude))))
    eq((e['requests'], e['expected_usd']), (3, want), 'Anthropic, lines')
    gemini = json.dumps({'key': 'k', 'request': {'contents': [
        {'parts': [{'text': words(400)}]}],
        'generationConfig': {'maxOutputTokens': 10}}})
    e = estimate(box, '-m', 'gemini-2.5-flash', put(box, 'g.jsonl', gemini))
    eq((e['input_tokens'], e['output_tokens'], e['form']),
       (575, 10, 'Gemini batch'), 'Gemini')
    bedrock = json.dumps({'recordId': 'r', 'modelInput': {
        'anthropic_version': 'bedrock-2023-05-31', 'max_tokens': 7,
        'messages': [{'role': 'user', 'content': words(400)}]}})
    e = estimate(box, '-m', 'anthropic.claude-sonnet-4-5-20250929-v1:0',
                 put(box, 'r.jsonl', bedrock))
    eq((e['input_tokens'], e['output_tokens']), (575, 7), 'Bedrock')
    # models are told apart; a model for those that name none
    mixed = plain + [json.dumps(chat_body('gpt-4o-mini', max_tokens=100,
                                          text=words(400))),
                     json.dumps({'messages': [{'role': 'user',
                                               'content': words(400)}],
                                 'max_tokens': 100})]
    e = estimate(box, '-m', 'gpt-4o-mini', put(box, 'm.jsonl',
                                               '\n'.join(mixed)))
    eq([(m['model'], m['requests']) for m in e['models']],
       [('openai/gpt-4o', 5), ('openai/gpt-4o-mini', 2)], 'models')
    eq(e['expected_usd'],
       sum(one) + 2 * (575 * MINI_IN + 100 * MINI_OUT), 'mixed')


def case_csv(box):
    path = os.path.join(box.dir, 't.csv')
    with open(path, 'w', newline='') as f:
        w = csv.writer(f)
        w.writerow(['id', 'Prompt', 'model', 'max_tokens'])
        w.writerow(['1', words(400), '', '10'])
        w.writerow(['2', 'a "quoted"\nline, ' + words(50000), 'gpt-4o', ''])
    e = estimate(box, '-m', 'gpt-4o-mini', '-x', '20', path)
    eq([(m['model'], m['output_tokens']) for m in e['models']],
       [('openai/gpt-4o-mini', 10), ('openai/gpt-4o', 20)], 'rows')
    eq(e['models'][0]['input_tokens'], 575, 'input')
    put(box, 'u.csv', 'q;n\n%s;1\n' % words(400))
    u = os.path.join(box.dir, 'u.csv')
    eq(estimate(box, '-m', 'gpt-4o', '-c', 'q', u)['input_tokens'], 575, 'q')
    ok('--column' in estimate(box, '-m', 'gpt-4o', u, code=1), 'which column')
    ok('no column' in estimate(box, '-m', 'gpt-4o', '-c', 'x', u, code=1), 'x')
    ok('--model' in estimate(box, '-c', 'q', u, code=1), 'which model')
    ok('t2.csv:2' in estimate(
        box, '-m', 'gpt-4o', put(box, 't2.csv', 'prompt\n"a\n'), code=1),
       'open quote')
    ok('max_tokens' in estimate(
        box, '-m', 'gpt-4o',
        put(box, 't3.csv', 'prompt,max_tokens\na,many\n'), code=1), 'many')


def case_compare(box):
    body = put(box, 'b.json', json.dumps(chat_body(
        'gpt-4o', text=words(400), max_tokens=100)))
    e = estimate(box, body, '--compare', 'gpt-4o-mini, claude-sonnet-4-5',
                 '--compare', 'google/gemini-2.5-flash')
    got = {m['model']: m for m in e['compare']}
    eq(sorted(got), ['anthropic/claude-sonnet-4-5', 'google/gemini-2.5-flash',
                     'openai/gpt-4o-mini'], 'models')
    eq(got['openai/gpt-4o-mini']['expected_usd'],
       575 * MINI_IN + 100 * MINI_OUT, 'mini')
    eq(got['anthropic/claude-sonnet-4-5']['expected_usd'],
       575 * D('0.000003') + 100 * D('0.000015'), 'claude')
    out = box.cli('estimate', body, '--compare', 'gpt-4o-mini').stdout
    ok(b'INSTEAD' in out and b'6.0 %' in out, out)
    ok('no price' in estimate(box, body, '--compare', 'no-such', code=1), '?')


def case_exact(box):
    """With the published vocabularies the counts are the published ones."""
    folder = vocabularies(box)
    box.config('tokenizer: [vocab/cl100k_base.tiktoken, '
               '%s/o200k_base.tiktoken]\n' % folder)
    with open(os.path.join(TOP, 'tests/golden/tokens/strings.json')) as f:
        golden = json.load(f)
    for case in golden['requests']:
        for model, want in case['tokens'].items():
            body = put(box, 'g.json', json.dumps(dict(
                case['body'], model=model, max_tokens=10)))
            e = estimate(box, body)
            eq((e['input_tokens'], e['input_state'], e['input_low']),
               (want, 'exact', want), '%s %s' % (case['name'], model))
    e = estimate(box, body, '--compare', 'gpt-4,claude-sonnet-4-5')
    eq([(m['input_tokens'], m['input_state']) for m in e['compare']][0],
       (105, 'exact'), 'the other encoding')
    eq(e['compare'][1]['input_state'], 'assumed', 'none is published')
    e = estimate(box, body, '--tokenizer', 'none')
    eq(e['input_state'], 'assumed', 'without')
    # what is not published is said
    e = estimate(box, stdin=json.dumps(
        {'model': 'gpt-4o', 'input': 'tiktoken is great!'}).encode())
    eq((e['input_state'], e['input_tokens']), ('nearly exact', 13), 'responses')
    e = estimate(box, '-m', 'text-embedding-3-small', '-f',
                 put(box, 'p', 'tiktoken is great!'))
    eq((e['input_state'], e['input_tokens']), ('exact', 6), 'embedding')
    # a megabyte of one letter
    since = time.monotonic()
    e = estimate(box, '-m', 'gpt-4o', '-f', put(box, 'a', 'a' * 1000000))
    eq(e['input_state'], 'exact', 'a')
    ok(time.monotonic() - since < 20, 'it takes its time')
    # cut off, changed, not one at all
    good = open(os.path.join(folder, 'o200k_base.tiktoken'), 'rb').read()
    for name, text, want in (
            ('cut', good[:1000003], 'middle of a line'),
            ('short', good[:good.rindex(b'\n', 0, 2000000) + 1], 'SHA-256'),
            ('swapped', good.replace(b'IQ== 0\n', b'Ig== 0\n', 1).replace(
                b'Ig== 1\n', b'IQ== 1\n', 1), 'SHA-256'),
            ('page', b'<html>404</html>\n', 'no base64'),
            ('empty', b'', 'single byte'),
            ('zero', bytes(4096), 'middle of a line')):
        why = estimate(box, '--tokenizer', put(box, name, text), body, code=1)
        ok(name in why and want in why, why)
    ok('nowhere' in estimate(box, '--tokenizer', 'nowhere', body, code=1), '')


def case_config(box):
    for text, want in (('tokenizer: {a: b}\n', 1), ('tokenizer: [a, b]\n', 0),
                       ('tokenizer: ""\n', None), ('tokenizer: x\n', 0),
                       ('tokenizer: [[a]]\n', 1)):
        box.config(text)
        p = box.cli('config', 'check', check=False)
        ok(want is None or p.returncode == want, '%s: %s' % (text, p.stderr))


def case_learned(box):
    """By what was seen, with its bound."""
    harness.send(box, 'http.client', [harness.request(
        OPENAI, chat_body('gpt-4o', text=words(380 + i % 10 * 4),
                          max_tokens=1000),
        'in=500;out=%d' % (80 + i % 5 * 10)) for i in range(30)])
    e = estimate(box, '-m', 'gpt-4o', '-f', put(box, 'p', words(400)), '-x',
                 '1000')
    eq((e['input_state'], e['output_state']), ('learned', 'learned'), 'states')
    ok(90 <= e['output_tokens'] <= 112, e['output_tokens'])
    ok(460 <= e['input_tokens'] <= 540, e['input_tokens'])
    ok(e['input_low'] <= e['input_tokens'] <= e['input_high'], 'bound')
    ok(e['input_low'] < e['input_high'] < 600, 'bound')
    ok(e['low_usd'] <= e['expected_usd'] <= e['high_usd'], 'money')
    m = e['models'][0]
    eq((m['prompts'], m['answers']), (30, 30), 'samples')
    out = box.cli('estimate', '-m', 'gpt-4o', '-f', os.path.join(box.dir, 'p'))
    ok(b'for 9 of 10 prompts' in out.stdout and
       b'average of 30 answers' in out.stdout, out.stdout)


def case_terminal(box):
    """The question stands on a terminal alone."""
    box.config('budgets:\n  - {name: b, scope: global, period: daily, '
               'limit_usd: 0.001, hard: true}\n')
    small = put(box, 's', 'x')

    def on_terminal(answer, *args):
        pid, fd = pty.fork()
        if not pid:
            os.execve(CLI, [CLI, 'estimate', '-m', 'gpt-4o', '-f', small,
                            *args], box.env(LD_PRELOAD=None))
        out = b''
        while True:
            if not select.select([fd], [], [], 20)[0]:
                break
            try:
                got = os.read(fd, 4096)
            except OSError:
                break
            if not got:
                break
            out += got
            if b'(y/n)' in got:
                os.write(fd, answer)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(fd)
        return code, out

    for answer, args, want in ((b'y\n', ['-x', '9'], 0), (b'n\n', ['-x', '9'], 1),
                               (b'\n', ['-x', '9'], 1), (b'\x04', ['-x', '9'], 1),
                               (b'n\n', ['-x', '9000'], 3),
                               (b'y\n', ['-x', '9000'], 0)):
        code, out = on_terminal(answer, *args)
        eq(code, want, '%s %s' % (answer, out))
        ok(b'Proceed? (y/n)' in out, out)
    for args, want in ((['-x', '9', '--yes'], 0), (['-x', '9000', '-y'], 3),
                       (['-x', '9', '--json'], 0)):
        code, out = on_terminal(b'', *args)
        eq((code, b'Proceed' in out), (want, False), out)
    box.config('tracking: {expensive_threshold: 0.001}\n')
    for n, told in ('9', False), ('900', True):
        code, out = on_terminal(b'n\n', '-x', n)
        eq((code, b'1 of 1 may cost more than $0.001 each' in out),
           (1, told), out)
    p = box.cli('estimate', '-m', 'gpt-4o', '-f', small, '-x', '9')
    ok(b'Proceed' not in p.stdout + p.stderr, 'not asked')


def case_bad_files(box):
    for text, want in ((b'', ':1: '), (b'nonsense', ':1: '),
                       (b'{', ':1: '), (b'[]', 'no request'), (b'[1]', 'object'),
                       (b'{"a":1}', ''), (b'[' * 5000, ''),
                       (b'\xff\xfe{}', ''), (b'"x"', ''),
                       (b'curl', ''), (b'curl "x', 'quote'),
                       (b"curl https://x -d '{", 'quote'),
                       (b'curl -d', 'needs a value'), (b'curl -s', 'no URL'),
                       (b'curl https://x.example/ -F a=b', 'forms'),
                       (b'{"model":"gpt-4o","messages":[]}\n{"model":', ':2: ')):
        path = put(box, 'bad', text)
        p = box.cli('estimate', path, check=False)
        if want:
            eq(p.returncode, 1, '%s %s' % (text[:40], p.stderr))
            ok(want.encode() in p.stderr, '%s: %s' % (text[:40], p.stderr))
        ok(p.returncode in (0, 1), '%s: %d' % (text[:40], p.returncode))
    for name in ('none.jsonl', 'none.csv', 'none.json'):
        ok('No such file' in estimate(box, '-m', 'x', name, code=1), name)
    body = json.dumps(chat_body('gpt-4o')).encode()
    for i in range(0, len(body), 17):
        p = box.cli('estimate', put(box, 'cut', body[:i]), check=False)
        eq(p.returncode, 1, 'cut at %d' % i)


if __name__ == '__main__':
    main(globals(), needs_guard=False)
