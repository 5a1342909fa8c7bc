#!/usr/bin/python3
"""llmguard run's estimate: where it comes from, and what it asks."""
import decimal
import json
import os
import pty
import select
import time

from harness import CLI, PY, chat_body, eq, main, ok

D = decimal.Decimal
TOUCH = ['--', 'touch', 'started']


def run(box, *argv, stdin='', **env):
    box.config(None)
    return box.run([CLI, 'run', *map(str, argv)], stdin=stdin,
                   LD_PRELOAD=None, **env)


def started(box):
    path = os.path.join(box.dir, 'started')
    there = os.path.exists(path)
    if there:
        os.unlink(path)
    return there


def put(box, name, text):
    with open(os.path.join(box.dir, name), 'w') as f:
        f.write(text)
    return name


def estimates(box, *argv, **k):
    """What the manifest says of a run that is started with these."""
    p = run(box, *argv, '--artifacts', 'x', *TOUCH, **k)
    eq((p.returncode, started(box)), (0, True), p.stderr)
    with open(os.path.join(box.dir, 'x/manifest.json')) as f:
        return json.load(f, parse_float=D)['estimates'], p.stderr.decode()


LINES = ('{"model": "gpt-4o", "input_tokens": 1000, "cached_tokens": 400, '
         '"output_tokens": 100, "calls": 5}\n'
         '\n'
         '{"model": "gpt-4o-mini", "prompt_tokens": 1000000, '
         '"completion_tokens": 0, "phase": "train"}\n')
# 600 * 2.5 + 400 * 1.25 + 100 * 10 a million; economic 1000 * 2.5
ONE, ONE_ECONOMIC = D('0.003'), D('0.0035')


def check_lines(e, what):
    eq((e['calls'], e['train_calls']), (5, 1), what)
    eq((e['infer_usd'], e['train_usd']), (5 * ONE, D('0.15')), what)
    eq(e['actual_usd'], 5 * ONE + D('0.15'), what)
    eq(e['economic_usd'], 5 * ONE_ECONOMIC + D('0.15'), what)
    eq(e['source'], 'file', what)


def case_files(box):
    """JSONL, a JSON list, CSV of any separator, stdin: one result."""
    put(box, 'a.jsonl', LINES)
    put(box, 'a.json', '[' + ','.join(LINES.split('\n\n')) + ']')
    csv = ('model;input_tokens;Cached_Tokens;output_tokens;calls;phase;note\n'
           'gpt-4o;1000;400;100;5;;x\n'
           'gpt-4o-mini;1000000;;0;;train;"a;b"\n')
    put(box, 'a.csv', '\ufeff' + csv.replace('\n', '\r\n'))
    for name in ('a.jsonl', 'a.json', 'a.csv'):
        check_lines(estimates(box, '--estimate', name)[0], name)
    check_lines(estimates(box, '--estimate', '-', stdin=LINES)[0], 'stdin')


def case_a_sample_is_scaled(box):
    put(box, 'a.jsonl', LINES)
    e, _ = estimates(box, '--estimate', 'a.jsonl', '--calls', 1000)
    eq((e['infer_usd'], e['train_usd']), (1000 * ONE, D('0.15')), 'calls')
    e, _ = estimates(box, '--estimate', 'a.jsonl', '--examples', 10,
                     '--calls-per-example', 7, '--train-calls', 0)
    eq((e['calls'], e['infer_usd'], e['train_usd']), (70, 70 * ONE, 0),
       'examples')


def case_requests(box):
    """Bodies, and lines of a batch file, are read as the guard reads them."""
    body = chat_body('gpt-4o', max_tokens=1000)
    put(box, 'r.jsonl', json.dumps(body) + '\n' + json.dumps(
        {'custom_id': '1', 'method': 'POST', 'url': '/v1/chat/completions',
         'body': body}) + '\n' + json.dumps(
        {'custom_id': '1', 'params': {'model': 'claude-sonnet-4-5',
         'max_tokens': 1000, 'messages': [{'role': 'user',
                                           'content': 'x'}]}}) + '\n')
    e, _ = estimates(box, '--estimate', 'r.jsonl')
    eq([p['model'] for p in e['profile']],
       ['gpt-4o', 'gpt-4o', 'claude-sonnet-4-5'], 'models')
    eq(e['profile'][0]['cost_usd'], e['profile'][1]['cost_usd'], 'alike')
    ok(D('0.01') < e['profile'][0]['cost_usd'] < D('0.011'), 'output')
    ok(D('0.015') < e['profile'][2]['cost_usd'] < D('0.016'), 'of the other')


def case_bad_files(box):
    for i, (text, want) in enumerate((
            ('', 'no call'), ('{"model": "x"', ''), ('[1]', 'object'),
            ('{"input_tokens": 5}', 'no model'),
            ('{"model": "m", "input_tokens": -1}', 'whole number'),
            ('{"model": "m", "input_tokens": 99999999999999}', 'whole'),
            ('{"model": "m", "input_tokens": 1, "cached_tokens": 2}', 'more'),
            ('{"model": "m", "phase": "x"}', 'phase'),
            ('model,calls\ngpt-4o,x\n', ':2: calls'),
            ('model,calls\n"gpt-4o,1\n', 'CSV'),
            ('{"model":"gpt-4o","calls":1}\n{"model":}\n', 'line 2'),
            ('a' * 100000, ''))):
        name = put(box, 'f%d' % i, text)
        p = run(box, '--estimate', name, *TOUCH)
        eq((p.returncode, started(box)), (1, False), '%r: %s' % (
            text[:50], p.stderr))
        ok(want.encode() in p.stderr, '%r: %s' % (text[:50], p.stderr))


ASK = ['--model', 'gpt-4o', '--input-tokens', '1000', '--cached-tokens', '400',
       '--output-tokens', '100', '--calls', '1000']


def case_no_terminal(box):
    p = run(box, '--max-usd', 2, *ASK, '--artifacts', 'x', *TOUCH)
    eq((p.returncode, started(box)), (3, False), p.stderr)
    for word in ('exceeds', '--yes', '--no-estimate', 'budget run'):
        ok(word in p.stderr.decode(), p.stderr)
    with open(os.path.join(box.dir, 'x/summary.json')) as f:
        s = json.load(f)
    eq(s['status'], 'cancelled', 'status')
    ok('exceeds' in s['cancel_reason'], s['cancel_reason'])
    for more in (['--yes'], ['-y'], ['--no-estimate'], ['--ignore-budget']):
        p = run(box, '--max-usd', 2, *ASK, *more, *TOUCH)
        eq((p.returncode, started(box)), (0, True), '%s %s' % (more, p.stderr))
    p = run(box, '--max-usd', 3, *ASK, *TOUCH)
    eq((p.returncode, started(box)), (0, True), 'exactly fits')
    ok(b'exceeds' not in p.stderr, p.stderr)


def case_each_limit(box):
    for name in ('--max-infer-usd', '--max-usd'):
        p = run(box, name, 2, *ASK, *TOUCH)
        eq((p.returncode, started(box)), (3, False), name)
    p = run(box, '--max-train-usd', 2, *ASK, *TOUCH)
    eq((p.returncode, started(box)), (0, True), 'another phase')
    p = run(box, '--max-train-usd', 2, *ASK, '--train-calls', 1000, *TOUCH)
    eq((p.returncode, started(box)), (3, False), 'train')
    p = run(box, '--warn-usd', 2, *ASK, *TOUCH)
    eq((p.returncode, started(box)), (0, True), 'a warning is no limit')
    p = run(box, '--on-breach', 'continue', '--max-usd', 2, *ASK, *TOUCH)
    eq(p.returncode, 3, 'asked for all the same')


def case_detail(box):
    p = run(box, *ASK, '--estimate-detail', 'none', *TOUCH)
    ok(b'estimate (' not in p.stderr, p.stderr)
    p = run(box, *ASK, *TOUCH)
    ok(b'estimate (options): 1000 calls, actual $3.00, economic $3.50' in
       p.stderr, p.stderr)
    ok(b'PRICE' not in p.stderr, p.stderr)
    p = run(box, *ASK, '--estimate-detail', 'full', *TOUCH)
    ok(b'PRICE' in p.stderr and b'gpt-4o' in p.stderr, p.stderr)


def case_history(box):
    """What calls of this project came to says what one costs."""
    p = run(box, '--calls', 10, '--project', 'px', *TOUCH)
    eq((p.returncode, started(box)), (0, True), p.stderr)
    ok(b'no estimate' in p.stderr, p.stderr)
    box.cli('record', '--model', 'gpt-4o', '--input-tokens', '1000',
            '--output-tokens', '100', '--cached-tokens', '400', '--cache-hit',
            'none', '--project', 'px', '--calls', '4')
    box.cli('record', '--model', 'gpt-4o', '--input-tokens', '900000',
            '--cache-hit', 'none', '--project', 'other')
    e, _ = estimates(box, '--calls', 10, '--project', 'px')
    eq((e['source'], e['calls'], e['actual_usd'], e['economic_usd']),
       ('history', 10, 10 * ONE, 10 * ONE_ECONOMIC), 'of the ledger')
    p = run(box, '--calls', 10, '--project', 'px', '--max-usd', '0.02', *TOUCH)
    eq((p.returncode, started(box)), (3, False), p.stderr)


def case_unknown_price(box):
    put(box, 'a', '{"model": "no-such-model", "input_tokens": 10}')
    e, err = estimates(box, '--estimate', 'a')
    eq(e['profile'][0]['price_known'], False, 'said')
    ok('is not known' in err, err)
    ok(e['actual_usd'] > 0, 'at the ceiling')


def case_resumed(box):
    """It is what is left that must suffice."""
    call = ('%s record --model gpt-4o --input-tokens 1000 --cached-tokens 400 '
            '--output-tokens 100 --cache-hit none --calls 100' % CLI)
    p = run(box, '--max-usd', 1, '--artifacts', 'x', '--', 'sh', '-c', call)
    eq(p.returncode, 0, p.stderr)
    rid = box.rows()[0]['run_id']
    ask = [*ASK[:-1], 300]
    p = run(box, '--resume', rid, *ask, *TOUCH)
    eq((p.returncode, started(box)), (3, False), p.stderr)
    p = run(box, '--resume', rid, '--add-usd', '0.2', *ask, *TOUCH)
    eq((p.returncode, started(box)), (0, True), p.stderr)


def on_terminal(box, argv, answer):
    """Exit status and what the terminal showed."""
    pid, fd = pty.fork()
    if not pid:
        os.chdir(box.dir)
        os.execve(argv[0], argv, box.env(LD_PRELOAD=None))
    out, end, told = b'', time.time() + 20, False
    while time.time() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                d = os.read(fd, 4096)
            except OSError:
                break
            if not d:
                break
            out += d
        if b'[y/N]' in out and not told:
            told = True
            os.write(fd, answer)
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out


def case_asks_on_a_terminal(box):
    box.config(None)
    argv = [CLI, 'run', '--max-usd', '2', *ASK, '--', PY, '-c',
            'open("started", "w")']
    for answer, want in ((b'y\n', (0, True)), (b'n\n', (3, False)),
                         (b'\n', (3, False)), (b'\x04', (3, False))):
        status, out = on_terminal(box, argv, answer)
        eq((status, started(box)), want, '%r: %s' % (answer, out))
        ok(b'[y/N]' in out, out)
    status, out = on_terminal(box, [*argv[:2], '--yes', *argv[2:]], b'')
    eq((status, started(box)), (0, True), out)
    ok(b'[y/N]' not in out, out)


if __name__ == '__main__':
    main(globals())
