#!/usr/bin/python3
"""Token counts against what OpenAI published and against its own tokenizer.

The ranks and the reference are those of the npm package `tiktoken` (the
published Rust code): tests/e2e/setup-node.sh fetches it. The files that come
out of it must have the published checksums, the strings of tokens/strings.json
their published tokens, its requests their published counts, and random texts,
token by token, what the reference says.
"""
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get('B') or 'build')
CALC = os.path.join(BUILD, 'tests/golden/token_calc')
MODULES = os.path.join(TOP, 'build/npm/node_modules')
NODE = shutil.which('node') or (
    os.path.join(TOP, 'build/node18/node') if os.path.exists(
        os.path.join(TOP, 'build/node18/node')) else None)
GOLDEN = os.path.join(TOP, 'tests/golden/tokens')
SEED = int(os.environ.get('SEED', '0')) or int(time.time())
CASES = int(os.environ.get('CASES', '6000'))
ENCODINGS = ['cl100k_base', 'o200k_base']

if not os.path.isdir(os.path.join(MODULES, 'tiktoken')) or \
        not NODE:
    print('no npm package tiktoken (tests/e2e/setup-node.sh fetches it)')
    sys.exit(77)
if not os.path.exists(CALC):
    print('not built: ' + CALC)
    sys.exit(1)

POOLS = ['abcdefghijklmnopqrstuvwxyz', 'ABCDEFXYZ', '0123456789',
         "'sStTrReEvVmMlLdD\u017f", ' ', '  \t\n\r', '\r\n',
         '\u00a0\u0085\u2028\u3000\ufeff\u200b ', '!/\\.,;:-_()[]{}<>|#$%&*',
         '"\'`^~@+=', '\u00e9\u00e0\u00fc\u00df\u00f1\u00c5\u00c9',
         '\u0301\u0308\u093e\u064b\u200d\ufe0f', 'かなカナ漢字한글',
         'русскийТЕКСТ', 'अआகखγδΩ', 'ʰʱªº', '\u01c5\u01c8', '²³½Ⅷ٣४',
         '\U0001f600\U0001f389\U0001f469\u200d\U0001f4bb', '\0\x01\x7f',
         '\U0001d49c\U00010400\U00010428']
WORDS = [' the', 'Hello', ' world', "don't", "I'LL", "we'Ve", 'HTTPServer',
         ' function', 'return', '\n\n', '    ', '\n\t\t', 'https://', '123456',
         ' 日本語', '<|endoftext|>', '<|im_start|>', 'ſ', "'ſ"]


def anything(r):
    while True:
        c = r.randrange(r.choice([0x500, 0x10000, 0x110000]))
        if not 0xd800 <= c <= 0xdfff:
            return chr(c)


def one(r):
    pool = r.choice(POOLS)
    return r.choice([
        lambda: anything(r),
        lambda: r.choice(WORDS),
        lambda: r.choice(pool),
        lambda: ''.join(r.choice(pool) for _ in range(r.randrange(1, 7))),
        lambda: r.choice(pool) * r.randrange(1, 12),
    ])()


def texts():
    r = random.Random(SEED)
    for _ in range(CASES):
        yield ''.join(one(r) for _ in range(r.randrange(1, 40)))
    for pool in POOLS:      # around the length where the method changes
        for n in (90, 95, 96, 97, 98, 130, 600):
            yield ''.join(r.choice(pool) for _ in range(n))
            yield pool[0] * n
    for _ in range(CASES // 4):
        c = anything(r)
        yield 'a' + c + 'A' + c + c + "b'" + c + '1' + c
    for name in ('README.md', 'docs/architecture.md', 'tools/bpe.c',
                 'tests/golden/test_tokens.py', 'conf/llmguard.yaml'):
        with open(os.path.join(TOP, name), encoding='utf-8') as f:
            yield f.read()


def reference(encoding, strings):
    out = subprocess.run(
        [NODE, os.path.join(GOLDEN, 'vocab.cjs'), 'ids', encoding],
        input=json.dumps(strings).encode(), stdout=subprocess.PIPE, check=True,
        env=dict(os.environ, NODE_PATH=MODULES)).stdout.decode()
    return out.split('\n')[:-1]


def ours(encoding, files, strings):
    data = b''.join(struct.pack('=I', len(b)) + b
                    for b in (s.encode() for s in strings))
    out = subprocess.run([CALC, 'ids', encoding] + files, input=data,
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    return out.split('\n')[:-1]


def main():
    folder = tempfile.mkdtemp()
    subprocess.run([NODE, os.path.join(GOLDEN, 'vocab.cjs'), 'write', folder],
                   check=True, env=dict(os.environ, NODE_PATH=MODULES))
    files = [os.path.join(folder, e + '.tiktoken') for e in ENCODINGS]
    with open(os.path.join(GOLDEN, 'strings.json'), encoding='utf-8') as f:
        golden = json.load(f)
    bad = 0
    strings = list(texts())
    for e in ENCODINGS:
        for case in golden['strings']:
            want = ' '.join(str(i) for i in case[e])
            got = ours(e, files, [case['text']])[0]
            if got != want:
                bad += 1
                print('%s: %r: %s, published: %s' % (e, case['text'], got,
                                                     want))
        for s, got, want in zip(strings, ours(e, files, strings),
                                reference(e, strings)):
            if got != want:
                bad += 1
                print('%s: %r (seed %d):\n  %s\n  %s' % (e, s[:200], SEED,
                                                         got[:300],
                                                         want[:300]))
    for case in golden['requests']:
        for model, want in case['tokens'].items():
            got = subprocess.run([CALC, 'request', case['dialect'], model] +
                                 files, input=json.dumps(case['body']),
                                 stdout=subprocess.PIPE, check=True,
                                 text=True).stdout.split()
            if got[:2] != [str(want), 'exact']:
                bad += 1
                print('%s of %s: %s, published: %d' % (case['name'], model,
                                                       got, want))
    shutil.rmtree(folder)
    print('%d texts, each in %d encodings, and %d published counts: %d differ'
          % (len(strings), len(ENCODINGS),
             len(golden['strings']) * 2 +
             sum(len(c['tokens']) for c in golden['requests']), bad))
    return bad > 0


sys.exit(main())
