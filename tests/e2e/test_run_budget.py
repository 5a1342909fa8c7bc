#!/usr/bin/python3
"""One budget for a whole process tree: LLMGUARD_MAX_USD=5 bash -c '8 programs'
spends at most $5, and `llmguard run` likewise."""
import decimal
import os
import subprocess
import time

from harness import CLI, PY, eq, main, ok

D = decimal.Decimal
# 10,000 output tokens at $10 a million: each call costs $0.10 and a little.
CALL = ('import http.client, json, sys\n'
        'ok = no = 0\n'
        'for i in range(20):\n'
        '    c = http.client.HTTPSConnection("api.openai.com")\n'
        '    c.request("POST", "/v1/chat/completions", json.dumps({"model":'
        '"gpt-4o", "max_tokens": 10000, "messages": [{"role": "user",'
        '"content": "x"}]}), {"Content-Type": "application/json",'
        '"x-test": "in=1;out=10000;delay=5"})\n'
        '    r = c.getresponse(); r.read()\n'
        '    ok += r.status == 200; no += r.status == 429\n'
        '    c.close()\n'
        'sys.stdout.write("%d %d\\n" % (ok, no))\n')


def eight(box, prefix=(), **env):
    code = os.path.join(box.dir, 'call.py')
    with open(code, 'w') as f:
        f.write(CALL)
    script = 'for i in 1 2 3 4 5 6 7 8; do %s %s & done; wait' % (PY, code)
    return box.run([*prefix, 'bash', '-c', script], timeout=200, **env)


def check(box, p, limit):
    lines = [[int(x) for x in ln.split()] for ln in
             p.stdout.decode().splitlines()]
    eq(len(lines), 8, 'programs that ended well')
    passed, refused = (sum(x) for x in zip(*lines))
    eq(passed + refused, 160, 'calls')
    rows = box.rows()
    spent = sum(r['cost_usd'] for r in rows)
    eq(len(box.arrived()), passed, 'requests that the server got')
    eq(len([r for r in rows if r['verdict'] in ('allow', 'warn')]), passed,
       'rows of allowed calls')
    eq(len([r for r in rows if r['verdict'] == 'block']), refused,
       'rows of refused calls')
    one = D('0.0000025') + D('0.1')
    eq(spent, passed * one, 'spent = what the server counted')
    ok(spent <= limit, 'spent %s of %s' % (spent, limit))
    eq(len({r['run_id'] for r in rows}), 1, 'run ids')
    return passed


def case_max_usd_of_a_tree(box):
    """Neither file nor folder is named: only the limit and the preload."""
    os.unlink(box.config_path)
    p = eight(box, LLMGUARD_MAX_USD='5', LLMGUARD_CONFIG=None)
    passed = check(box, p, 5)
    ok(passed >= 45, 'only %d calls passed' % passed)


def case_two_trees_are_two_runs(box):
    box.config(None)
    a = eight(box, LLMGUARD_MAX_USD='0.35')
    b = eight(box, LLMGUARD_MAX_USD='0.35')
    for p in (a, b):
        passed = sum(int(x.split()[0]) for x in p.stdout.decode().splitlines())
        ok(1 <= passed <= 3, '%d passed' % passed)
    eq(len({r['run_id'] for r in box.rows()}), 2, 'run ids')


def case_llmguard_run(box):
    box.config(None)
    p = eight(box, (CLI, 'run', '--max-usd', '1', '--'), LD_PRELOAD=None)
    eq(p.returncode, 3, 'the guard refused: exit status 3')
    check(box, p, 1)


def case_run_exits_as_its_child(box):
    box.config(None)
    for code in (0, 1, 7, 3):
        p = box.run([CLI, 'run', '--max-usd', '1', '--', 'sh', '-c',
                     'exit %d' % code], LD_PRELOAD=None)
        eq(p.returncode, code, 'exit status')
    p = box.run([CLI, 'run', '--max-usd', '1', '--', 'sh', '-c',
                 'kill -TERM $$'], LD_PRELOAD=None)
    ok(p.returncode in (143, -15), 'by a signal: %d' % p.returncode)


def case_monthly_of_the_environment(box):
    box.config(None)
    p = eight(box, LLMGUARD_MONTHLY_USD='0.55')
    passed = sum(int(x.split()[0]) for x in p.stdout.decode().splitlines())
    p = eight(box, LLMGUARD_MONTHLY_USD='0.55')
    passed += sum(int(x.split()[0]) for x in p.stdout.decode().splitlines())
    ok(1 <= passed <= 5, '%d passed in both' % passed)


def case_strict_of_both(box):
    """Two budgets, one tight: the other refuses nothing and has no holds."""
    box.config('budgets:\n'
               '  - {name: wide, scope: global, period: total, limit_usd: 100,'
               ' hard: true, mode: strict}\n'
               '  - {name: tight, scope: "model:gpt-4o*", period: daily,'
               ' limit_usd: 1, hard: true, mode: strict}\n')
    p = eight(box)
    lines = [[int(x) for x in ln.split()] for ln in
             p.stdout.decode().splitlines()]
    passed = sum(x[0] for x in lines)
    ok(8 <= passed <= 10, '%d passed' % passed)
    w, t = box.budget_status('wide'), box.budget_status('tight')
    eq(w['spent_usd'], t['spent_usd'], 'spent')
    eq((w['held_usd'], t['held_usd']), (0, 0), 'held')
    eq(w['blocked'], 0, 'refusals of the wide one')
    eq(t['blocked'], 160 - passed, 'refusals of the tight one')


def case_live_change(box):
    """`budget set` reaches a running program at its next request."""
    box.budget('1')
    code = ('import http.client, json, sys\n'
            'for line in sys.stdin:\n'
            '    c = http.client.HTTPSConnection("api.openai.com")\n'
            '    c.request("POST", "/v1/chat/completions", json.dumps({'
            '"model": "gpt-4o-mini", "max_tokens": 5, "messages": []}),'
            '{"Content-Type": "application/json"})\n'
            '    r = c.getresponse(); r.read(); print(r.status, flush=True)\n')
    p = subprocess.Popen([PY, '-c', code], env=box.env(), cwd=box.dir,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         bufsize=0)

    def ask():
        p.stdin.write(b'\n')
        return p.stdout.readline().strip()
    eq(ask(), b'200', 'before')
    box.cli('budget', 'set', 'cap', '--limit', '0')
    time.sleep(1.2)
    eq(ask(), b'429', 'limit 0')
    box.cli('budget', 'set', 'cap', '--limit', '2')
    time.sleep(1.2)
    eq(ask(), b'200', 'limit 2')
    p.stdin.close()
    p.wait()
    b = box.budget_status()
    eq(b.get('source'), 'live', 'source')


if __name__ == '__main__':
    main(globals())
