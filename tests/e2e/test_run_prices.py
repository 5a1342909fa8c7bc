#!/usr/bin/python3
"""`llmguard run` asks for prices at a terminal, and says so elsewhere."""
import decimal
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

from harness import (CLI, PY, WAIT, Failed, chat_body, eq, main, ok, request)

D = decimal.Decimal
CALL = [PY, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                         'clients.py'), 'http.client']


def terminal(box, argv, answers, timeout=WAIT, **env):
    """Run at a terminal; answers: (what is asked, what is typed)."""
    pid, fd = pty.fork()
    if not pid:
        os.execve(argv[0], argv, box.env(LD_PRELOAD=None, **env))
    out, answers, end = b'', list(answers), time.time() + timeout
    seen = 0
    try:
        while time.time() < end:
            if not select.select([fd], [], [], 0.5)[0]:
                continue
            piece = os.read(fd, 65536)
            if not piece:
                break
            out += piece
            while answers:
                at = out.find(answers[0][0].encode(), seen)
                if at < 0:
                    break
                seen = at + len(answers[0][0])
                os.write(fd, answers.pop(0)[1].encode())
    except OSError:
        pass
    if time.time() >= end:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise Failed('it waits at: %r, for %r' % (out[-300:], answers))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    text = out.decode()
    eq(answers, [], 'was not asked; the terminal shows: ' + text)
    return code, text


def run(*argv):
    return [CLI, 'run', *argv]


def plain(box, *args, **env):
    """Without a terminal: what stderr says."""
    p = subprocess.run(run(*args, '--', 'true'),
                       env=box.env(LD_PRELOAD=None, **env),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=60)
    eq(p.returncode, 0, p.stderr)
    return p.stderr.decode()


def case_asks(box):
    """The price is asked, checked, kept, and in force at the first call."""
    calls = os.path.join(box.dir, 'calls.json')
    with open(calls, 'w') as f:
        json.dump({'requests': [request(body=chat_body('brand-new'), test=
                                        'in=1000;out=100')],
                   'parallel': False}, f)
    argv = run('--', 'sh', '-c', 'echo started; exec "$@" < ' + calls, 'sh',
               *CALL)
    code, out = terminal(box, argv, (
        ('input, USD', 'cheap\n'), ('input, USD', '-1\n'),
        ('input, USD', '\n'), ('input, USD', '2\n'), ('output, USD', '10\n'),
        ('[as other input]', '\n'), ('[unknown]', '1000\n'),
        ('[always]', '\n')), OPENAI_MODEL='brand-new')
    eq(code, 0, out)
    ok('No price is known for openai/brand-new' in out, out)
    ok(out.index('Written to') < out.index('started'), out)
    row = box.rows()[0]
    eq((row['price_state'], D(row['cost_usd'])), ('exact', D('0.003')), 'row')
    code, out = terminal(box, run('--', 'true'), (),
                         OPENAI_MODEL='brand-new')
    ok(code == 0 and 'price' not in out, 'asked again: ' + out)
    ok('brand-new' not in plain(box, OPENAI_MODEL='brand-new'), 'known now')
    ok(any('brand-new' in r['note'] for r in box.rows('audit')), 'audit')


def case_training(box):
    """For a run that trains both prices are asked, apart."""
    code, out = terminal(box, run('--phase', 'train', '--model',
                                  'openai/to-train', '--', 'true'), (
        ('Inference: input', '1\n'), ('Inference: output', '2\n'),
        ('[as other input]', '\n'), ('Training: USD', '25\n'),
        ('[unknown]', '\n'), ('[always]', '\n')))
    eq(code, 0, out)
    p = json.loads(box.cli('pricing', 'show', 'to-train', '--json').stdout,
                   parse_float=D)
    eq(D(p['rates_per_1m']['training']), D(25), p)
    text = plain(box, '--max-train-usd', '1', '--model', 'gpt-4o')
    ok('price is known for' not in text or 'training' in text, text)


def case_cancelled(box):
    """Ctrl-D goes on by unknown_model; Ctrl-C does not start the program."""
    code, out = terminal(box, run('--model', 'openai/x1', '--', 'echo',
                                  'started'), (('input, USD', '\x04'),))
    ok(code == 0 and 'started' in out and 'dearest price' in out, out)
    code, out = terminal(box, run('--model', 'openai/x1', '--', 'echo',
                                  'started'), (('input, USD', '\x03'),))
    ok(code != 0 and 'started' not in out, out)
    code, out = terminal(box, run('--model', 'x2', '--', 'echo', 'started'),
                         (('Provider', 'Not One\n'), ('Provider', 'acme\n'),
                          ('input, USD', '1\n'), ('output, USD', '1\n'),
                          ('[as other input]', '\n'), ('[unknown]', '\n'),
                          ('[always]', '\n')))
    eq(code, 0, out)
    code, out = terminal(box, run('--model', 'acme/x2', '--', 'true'), ())
    ok('No price' not in out, out)


def case_nobody_there(box):
    """Scripts get a line with what will happen and what to do."""
    for policy, does in (('ceiling', 'dearest price'), ('block', 'refused'),
                         ('allow', 'count nothing')):
        box.config('unknown_model: %s\n' % policy)
        text = plain(box, ANTHROPIC_MODEL='claude-next')
        ok('no price is known for anthropic/claude-next' in text and
           does in text and 'unknown_model: ' + policy in text and
           'llmguard pricing set claude-next --provider anthropic' in text,
           text)
    code, out = terminal(box, run('--', 'true'), (), OPENAI_MODEL='x9',
                         LLMGUARD_PRICING_NONINTERACTIVE='1')
    ok(code == 0 and 'no price is known for openai/x9' in out and
       'Inference' not in out, out)


def case_named_where(box):
    box.config('''
hosts: {llm.internal.example: openai}
models:
  - {match: "my-deployment", pricing_id: openai/gpt-4o}
  - {match: "my-other", pricing_id: openai/no-such}
  - {match: "own-*", host: llm.internal.example, free: true}
  - {match: "a-rule-alone", price_version: "2026-01"}
budgets:
  - {name: a, scope: "model:in-a-scope", period: daily, limit_usd: 1}
  - {name: b, scope: "model:gpt-4o* & project:x", period: daily, limit_usd: 1}
  - {name: c, scope: "model:own-llama", period: daily, limit_usd: 1}
  - {name: d, scope: "model:gpt-4o", period: daily, limit_usd: 1}
  - {name: e, scope: "model:my-deployment", period: daily, limit_usd: 1}
''')
    text = plain(box, '--model', 'given-1, openai/given-2,gpt-4o,in-a-scope',
                 LLMGUARD_MODEL='from-env', GEMINI_MODEL='gemini-2.5-flash',
                 OPENAI_MODEL='', XAI_MODEL='*', GROQ_MODEL='odd\x1b[31m')
    named = [x.split('known for ')[1].split(':')[0]
             for x in text.splitlines() if 'no price is known' in x]
    eq(sorted(named), sorted(['given-1', 'openai/given-2', 'from-env',
                              'openai/no-such', 'a-rule-alone',
                              'in-a-scope']), 'named')
    ok('\x1b' not in text, 'nothing steers the terminal')
    # a run inside a run does not ask again
    p = subprocess.run(run('--', *run('--', 'true')),
                       env=box.env(LD_PRELOAD=None, OPENAI_MODEL='x'),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=60)
    eq(p.stderr.decode().count('no price is known for openai/x'), 1, 'once')


if __name__ == '__main__':
    main(globals())
