#!/usr/bin/python3
"""Price files: a running program takes them up, versions can be pinned."""
import decimal
import json
import os
import subprocess
import time

from harness import (ANTHROPIC, CLI, OPENAI, PY, chat_body, eq, main, ok,
                     request, send)

D = decimal.Decimal

# Keeps one connection and asks once for each line that it reads.
ASKER = '''
import http.client, json, ssl, sys
c = http.client.HTTPSConnection('api.openai.com',
                                context=ssl.create_default_context())
for line in sys.stdin:
    c.request('POST', '/v1/chat/completions', line.strip(), {
        'content-type': 'application/json', 'authorization': 'Bearer sk-test',
        'x-test': 'in=1000;out=100'})
    r = c.getresponse()
    r.read()
    print(r.status, flush=True)
'''


def look_again():
    """A running program looks at its files at most once a second."""
    time.sleep(1.1)


class Asker:
    def __init__(self, box, **env):
        self.proc = subprocess.Popen(
            [PY, '-c', ASKER], env=box.env(**env), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    def ask(self, model='mine'):
        self.proc.stdin.write(json.dumps(chat_body(model)) + '\n')
        self.proc.stdin.flush()
        return self.proc.stdout.readline().strip()

    def close(self):
        self.proc.stdin.close()
        self.proc.wait()
        self.proc.stdout.close()


def entry(usd, model='mine', **more):
    more = ''.join(', %s: %s' % kv for kv in more.items())
    return '  - {model: %s, input_per_1m: %s, output_per_1m: 0%s}\n' % (
        model, usd, more)


def put(path, *entries, rename=True):
    """A new file in the old one's place, as the commands write them."""
    text = 'catalog: 1\nprovider: openai\nprices:\n' + ''.join(entries)
    tmp = path + '.tmp' if rename else path
    with open(tmp, 'w') as f:
        f.write(text)
    if rename:
        os.rename(tmp, path)


def costs(box):
    return [D(r['cost_usd']) for r in box.rows()]


def set_up(box, more=''):
    path = os.path.join(box.dir, 'mine.yaml')
    put(path, entry(1))
    box.config('pricing: {files: [mine.yaml]%s}\n' % more)
    return path


def case_a_running_program_takes_them_up(box):
    path = set_up(box)
    a = Asker(box)
    eq(a.ask(), '200', 'first')
    for usd in (2, 3, 4):
        put(path, entry(usd))
        look_again()
        eq(a.ask(), '200', 'after a change')
    # an append to the file, in place
    put(path, entry(4), entry(5, effective_at='2020-01-01'), rename=False)
    look_again()
    eq(a.ask(), '200', 'after an append')
    a.close()
    eq(costs(box), [D(n) / 1000 for n in (1, 2, 3, 4, 5)], 'costs')


def case_a_folder_of_files(box):
    folder = os.path.join(box.dir, 'more')
    os.mkdir(folder)
    a = Asker(box, LLMGUARD_PRICING_DIR=folder)
    eq(a.ask(), '200', 'unknown')
    put(os.path.join(folder, 'a.yaml'), entry(7))
    look_again()
    eq(a.ask(), '200', 'a new file')
    put(os.path.join(folder, 'b.yaml'),
        entry(9, effective_at='2021-01-01'))
    look_again()
    eq(a.ask(), '200', 'another')
    os.unlink(os.path.join(folder, 'b.yaml'))
    look_again()
    eq(a.ask(), '200', 'one is gone')
    a.close()
    eq(costs(box)[1:], [D('0.007'), D('0.009'), D('0.007')], 'costs')
    eq(box.rows()[0]['price_state'], 'unknown', 'before')


def case_a_command_counts_at_once(box):
    """pricing set: the very next request of a running program."""
    a = Asker(box)
    eq(a.ask(), '200', 'unknown')
    for usd in (3, 8):
        box.cli('pricing', 'set', '-y', '-p', 'openai', '--effective-at',
                'now', '--input-per-1m', str(usd), '--output-per-1m', '0',
                'mine')
        eq(a.ask(), '200', 'after set')
    a.close()
    eq(costs(box)[1:], [D('0.003'), D('0.008')], 'costs')
    eq([r['kind'] for r in box.rows('audit')], ['audit'] * 2, 'audit rows')


def case_a_broken_file_changes_nothing(box):
    path = set_up(box)
    log = os.path.join(box.dir, 'log')
    a = Asker(box, LLMGUARD_LOG=log)
    eq(a.ask(), '200', 'first')
    put(path, '  - {model: mine, input_per_1m: minus}\n')
    look_again()
    eq(a.ask(), '200', 'broken')
    with open(log) as f:
        text = f.read()
    ok('mine.yaml:4' in text and 'input_per_1m' in text and 'minus' in text,
       text)
    put(path, entry(6))
    look_again()
    eq(a.ask(), '200', 'repaired')
    a.close()
    eq(costs(box), [D('0.001'), D('0.001'), D('0.006')], 'costs')


def case_versions(box):
    put(os.path.join(box.dir, 'mine.yaml'),
        entry(1, price_version='"2026-01"', effective_at='2020-01-01'),
        entry(2, price_version='"2026-05"', effective_at='2020-02-01'),
        entry(3, price_version='"2026-08-21"', effective_at='2020-03-01'))

    def ask(pin, *args, **env):
        box.config('pricing: {files: [mine.yaml]%s}\n' % pin)
        box.stamp = getattr(box, 'stamp', time.time()) + 2
        os.utime(box.config_path, (box.stamp, box.stamp))
        body = chat_body('mine')
        reqs = [request(OPENAI, body, 'in=1000;out=100')]
        if not args:
            out, _ = send(box, 'http.client', reqs, **env)
            eq(out[0]['status'], 200, 'status')
        else:
            here = os.path.dirname(os.path.abspath(__file__))
            p = box.run([CLI, 'run', '-q', *args, '--', PY,
                         os.path.join(here, 'clients.py'), 'http.client'],
                        stdin=json.dumps({'requests': reqs,
                                          'parallel': False}),
                        preload='', LD_PRELOAD=None, **env)
            eq(p.returncode, 0, p.stderr)
        row = box.rows()[-1]
        return D(row['cost_usd']) * 1000, row['price_version']

    eq(ask(''), (3, '2026-08-21'), 'in force')
    eq(ask(', version: latest'), (3, '2026-08-21'), 'latest')
    eq(ask(', version: "2026-01"'), (1, '2026-01'), 'pinned')
    eq(ask(', version: "2026-08"'), (3, '2026-08-21'), 'a prefix')
    eq(ask(', version: "2026-06"'), (2, '2026-05'), 'the newest older one')
    eq(ask('', LLMGUARD_PRICE_VERSION='2026-05'), (2, '2026-05'),
       'environment')
    eq(ask(', version: "2026-01"', LLMGUARD_PRICE_VERSION='2026-05'),
       (2, '2026-05'), 'environment before the config')
    eq(ask(', version: "2026-01"', LLMGUARD_PRICE_VERSION='latest'),
       (3, '2026-08-21'), 'latest again')
    eq(ask('', '--price-version', '2026-01'), (1, '2026-01'), 'run')


def case_places(box):
    """inference_geo us costs a tenth more, and rows show it exactly."""
    body = chat_body('claude-opus-4-6', inference_geo='us')
    plain = chat_body('claude-opus-4-6')
    send(box, 'http.client', [request(ANTHROPIC, b, 'in=1001;out=101')
                              for b in (plain, body)])
    one, other = costs(box)
    eq(one, D('0.00753'), 'global')
    eq(other, one * D('1.1'), 'us')


if __name__ == '__main__':
    main(globals())
