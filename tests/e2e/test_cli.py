#!/usr/bin/python3
"""The command line: what it prints, where, and how it exits."""
import decimal
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from harness import (BUILD, CLI, HERE, OPENAI, PY, TOP, Skip, chat_body, eq,
                     main, ok, request, send, until)

D = decimal.Decimal
STATUS_KEYS = {'name', 'scope', 'period', 'window_start', 'window_end',
               'limit_usd', 'spent_usd', 'held_usd', 'remaining_usd', 'ratio',
               'state', 'hard', 'mode', 'calls', 'blocked',
               'overshoot_bound_usd', 'source', 'refusing'}


def lines(p):
    return [json.loads(x, parse_float=D) for x in
            p.stdout.decode().splitlines()]


def call(box, tokens=1000, n=1, **env):
    """n calls of gpt-4o, $10 a million output tokens."""
    got, _ = send(box, 'http.client', [
        request(OPENAI, chat_body('gpt-4o', max_tokens=tokens),
                'in=1;out=%d' % tokens)] * n, **env)
    return [r['status'] for r in got]


def case_usage_errors(box):
    """Exit 2, a message on stderr, nothing on stdout."""
    for args in (['nonsense'], ['budget'], ['budget', 'nonsense'], ['status', '-x'],
                 ['status', '--nonsense'], ['status', 'word'],
                 ['status', '--json=1'], ['tail', '-n', 'x'],
                 ['tail', '-n', '-1'], ['tail', '--lines'],
                 ['tail', '-n', '99999999'], ['run'],
                 ['run', '--max-usd', 'x', 'true'],
                 ['run', '--max-usd', '-1', 'true'],
                 ['run', '--max-usd', '1e30', 'true'],
                 ['run', '--phase', 'x', 'true'], ['budget', 'set'],
                 ['budget', 'set', 'a', '--period', 'x'],
                 ['budget', 'set', 'a', '--hard', '--soft'],
                 ['budget', 'set', 'a', 'b'], ['completion', 'tcsh'],
                 ['help', 'nonsense'], ['doctor']):
        p = box.cli(*args, check=False)
        eq((p.returncode, p.stdout), (2, b''), ' '.join(args))
        ok(p.stderr.startswith(b'llmguard'), 'message of %s' % args)


def case_help(box):
    for args in (['help'], ['--help'], ['-h'], ['--version'], ['-V'],
                 ['completion', 'bash']):
        p = box.cli(*args)
        ok(p.stdout and not p.stderr, ' '.join(args))
    names = [x.split('  ')[1] for x in
             box.cli('help').stdout.decode().splitlines()
             if x.startswith('  ')]
    ok(len(names) >= 15, 'commands')
    for name in names:
        text = box.cli(*name.split(), '--help').stdout
        ok(b'usage: llmguard ' + name.encode() in text, name)
        eq(box.cli('help', *name.split()).stdout, text, 'help ' + name)
    script = box.cli('completion', 'bash').stdout
    p = subprocess.run(
        ['bash', '-c', 'source /dev/stdin; COMP_WORDS=(llmguard budget set --pe)'
         '; COMP_CWORD=3; _llmguard; echo ${COMPREPLY[@]}; '
         'COMP_WORDS=(llmguard bud); COMP_CWORD=1; _llmguard; '
         'echo ${COMPREPLY[@]}; COMP_WORDS=(llmguard budget ""); COMP_CWORD=2; '
         '_llmguard; echo ${COMPREPLY[@]}; COMP_WORDS=(llmguard budget set x '
         '--mode ""); COMP_CWORD=5; _llmguard; echo ${COMPREPLY[@]}'],
        input=script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eq(p.stdout.decode().splitlines(),
       ['--period', 'budget', 'set raise import status list rm', 'strict adaptive'], 'completion')


def lists_of_words(box):
    """(command, option, words) of every option that has a list of them."""
    out = []
    for line in box.cli('help').stdout.decode().splitlines():
        if not line.startswith('  '):
            continue
        name = line.split('  ')[1]
        for o in re.finditer(r'^ +(?:-\w, )?--([a-z-]+)[ =](\S*\|\S*)',
                             box.cli(*name.split(), '--help').stdout.decode(),
                             re.M):
            out.append((name, o[1], o[2].split('|')))
    return out


def case_completion_of_values(box):
    """Every value is its own command's, in each shell."""
    want = lists_of_words(box)
    ok(len(want) > 15 and ('report', 'format', ['table', 'json', 'csv'])
       in want, want)
    script = box.cli('completion', 'bash').stdout.decode()
    ask = ''.join('COMP_WORDS=(llmguard %s --%s ""); COMP_CWORD=%d; '
                  '_llmguard; echo ${COMPREPLY[@]}\n' %
                  (name, o, len(name.split()) + 2) for name, o, _ in want)
    ask += ('COMP_WORDS=(llmguard report --by model,ta); COMP_CWORD=3; '
            '_llmguard; echo ${COMPREPLY[@]}\n')
    p = subprocess.run(['bash'], input=(script + ask).encode(),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eq(p.stdout.decode().splitlines(),
       [' '.join(w) for _, _, w in want] + ['model,tag'], p.stderr)
    fish = box.cli('completion', 'fish').stdout.decode().splitlines()
    zsh = box.cli('completion', 'zsh').stdout.decode().splitlines()
    for name, o, words in want:
        words = ' '.join(words)
        seen = '; and '.join('__fish_seen_subcommand_from ' + w
                             for w in name.split())
        line = [x for x in fish if "-n '%s' -l %s " % (seen, o) in x]
        ok(len(line) == 1 and line[0].replace('(__fish_append , ', '').replace(
            ")' -d", "' -d").count("-f -a '%s'" % words), line)
        line = [x for x in zsh if x.startswith("    '%s '*)" % name)]
        ok(len(line) == 1 and re.search(
            r"'--%s=\[[^']*:value:(\(%s\)| _values -s , value %s)'" %
            (o, re.escape(words), re.escape(words)),
            line[0].replace("'\\''", '')), (name, o, line))


def case_manual_is_current(box):
    """docs/man and conf/completions are what the option tables say."""
    for shell, name in (('bash', 'llmguard.bash'), ('zsh', '_llmguard'),
                        ('fish', 'llmguard.fish')):
        eq(open(os.path.join(TOP, 'conf/completions', name), 'rb').read(),
           box.cli('completion', shell).stdout,
           'completion: run `make man`')
        if shutil.which(shell):
            subprocess.run([shell, '-n', os.path.join(
                TOP, 'conf/completions', name)], check=True)
    pages = glob.glob(os.path.join(TOP, 'docs/man/*.1'))
    ok(len(pages) >= 15, 'pages')
    names = {x.split('  ')[1].replace(' ', '-'): x.split('  ')[1] for x in
             box.cli('help').stdout.decode().splitlines()
             if x.startswith('  ')}
    for path in pages:
        name = os.path.basename(path)[9:-2]
        words = names[name].split() if name else []
        with open(path, 'rb') as f:
            eq(f.read(), box.cli('help', '--man', *words).stdout,
               os.path.basename(path) + ': run `make man`')


def case_status(box):
    """Keys and figures; state ok, warn, exceeded; --check."""
    box.config('budgets:\n'
               '  - {name: cap, scope: global, period: monthly, '
               'limit_usd: 0.05, hard: true}\n'
               '  - {name: soft, scope: "model:gpt-4o*", period: daily, '
               'limit_usd: 0.01}\n'
               '  - {name: tight, scope: "project:x", period: total, '
               'limit_usd: 7, mode: strict, hard: true}\n')
    s = box.status()
    eq([b['name'] for b in s['budgets']], ['cap', 'soft', 'tight'], 'before')
    eq({b['state'] for b in s['budgets']}, {'ok'}, 'state before')
    eq(call(box, 1000, 4), [200] * 4, 'calls')
    s = box.status()
    for b in s['budgets']:
        ok(STATUS_KEYS <= set(b), 'keys: %s' % (STATUS_KEYS - set(b)))
    cap, soft, tight = s['budgets']
    cost = 4 * (D('0.0000025') + D('0.01'))
    eq((cap['spent_usd'], cap['held_usd'], cap['calls']), (cost, 0, 4), 'cap')
    eq(cap['remaining_usd'], D('0.05') - cost, 'remaining')
    eq(cap['ratio'], (cost / D('0.05')).quantize(D('1e-6'), 'ROUND_DOWN'),
       'ratio')
    eq((cap['state'], cap['source'], cap['hard']), ('warn', 'config', True),
       'cap is near')
    eq((soft['state'], soft['hard'], soft['overshoot_bound_usd']),
       ('exceeded', False, None), 'soft')
    eq((tight['mode'], tight['overshoot_bound_usd'], tight['spent_usd']),
       ('strict', 0, 0), 'tight')
    eq(s['coverage']['exact'], {'calls': 4, 'usd': cost}, 'coverage')
    eq((s['totals']['calls'], s['totals']['cost_usd']), (4, cost), 'totals')
    eq((s['fail'], s['staged_rows'], s['disabled']), ('open', 0, False),
       'guard')
    eq(box.cli('status', '--check').returncode, 0, 'check')
    eq(call(box, 2000), [429], 'refused')
    cap = box.budget_status()
    eq((cap['state'], cap['refusing'], cap['blocked']), ('exceeded', True, 1),
       'refusing')
    p = box.cli('status', '--check', check=False)
    eq((p.returncode, p.stderr), (3, b''), 'check, exceeded')
    text = box.cli().stdout.decode()
    ok('cap' in text and 'refusing' in text and '1 refused' in text, text)
    eq(box.cli('--json').stdout[:1], b'{', 'llmguard --json is status --json')


def case_status_read_only_places(box):
    """Nowhere to write: a message, no crash."""
    box.config('budgets:\n  - {name: cap, scope: global, period: total, '
               'limit_usd: 1}\n')
    if os.geteuid() == 0:
        box.state = '/proc/self/nowhere'
    else:
        box.state = '/nowhere'
    box.region = '/proc/nowhere'
    p = box.cli('status', check=False)
    ok(p.returncode in (0, 1) and p.stderr, 'status: %d' % p.returncode)
    p = box.cli('budget', 'set', 'cap', '--limit', '2', check=False)
    eq(p.returncode, 1, 'budget set')


def case_budget_set_list_rm(box):
    box.budget('1')
    p = box.cli('budget', 'set', 'cap', '--limit', '2.50', '--json')
    eq((lines(p)[0]['limit_usd'], lines(p)[0]['source']), (D('2.5'), 'live'),
       'set')
    eq(box.budget_status()['limit_usd'], D('2.5'), 'status')
    # a new one needs limit and period, a good scope, a good date
    for args in (['new', '--limit', '1'], ['new', '--period', 'daily'],
                 ['new', '--limit', '1', '--period', 'daily', '--scope', 'x'],
                 ['new', '--limit', '1', '--period', 'daily', '--until', 'x'],
                 ['new', '--limit', '1', '--period', 'daily', '--warn-at', 'x'],
                 ['a\nb', '--limit', '1', '--period', 'daily']):
        p = box.cli('budget', 'set', *args, check=False)
        ok(p.returncode in (1, 2) and p.stderr and not p.stdout,
           'refused: %s: %d' % (args, p.returncode))
    eq([b['name'] for b in lines(box.cli('budget', 'list', '--json'))],
       ['cap'], 'nothing of it stayed')
    box.cli('budget', 'set', 'new', '--limit', '1', '--period', 'daily',
            '--scope', 'user:a & model:gpt-4o*', '--hard', '--mode', 'strict',
            '--warn-at', '0.5,0.9', '--until', '2099-12-31')
    new = [b for b in lines(box.cli('budget', 'list', '--json'))
           if b['name'] == 'new'][0]
    eq((new['mode'], new['hard'], new['period'], new['warn_at'],
        new['until'][:4]),
       ('strict', True, 'daily', [D('0.5'), D('0.9')], '2099'), 'new')
    eq(box.cli('budget', 'rm', 'nix', check=False).returncode, 1, 'rm nix')
    box.cli('budget', 'rm', 'cap')
    box.cli('budget', 'rm', 'new')
    eq(box.cli('budget', 'rm', 'cap', check=False).returncode, 1, 'rm again')
    b = lines(box.cli('budget', 'list', '--json'))
    eq([(x['name'], x['limit_usd'], x['source']) for x in b],
       [('cap', 1, 'config')], 'as the file has it')
    eq([x['name'] for x in box.status()['budgets']], ['cap'], 'status')
    notes = [r['note'] for r in box.rows('audit')]
    eq(len(notes), 4, 'audit rows: %s' % notes)
    ok(notes[0] == 'budget set cap limit_usd: 1 -> 2.5' and
       notes[2] == 'budget rm cap limit_usd: 2.5 -> 1', notes)
    ok(not any('verdict' in r for r in box.rows('audit')), 'no verdict')


def case_remedies(box):
    """A budget of the environment is raised there, others by a command."""
    for limit, word in (({'LLMGUARD_MAX_USD': 0}, 'llmguard run --max-usd'),
                        ({'LLMGUARD_MONTHLY_USD': 0}, 'LLMGUARD_MONTHLY_USD'),
                        ({'LLMGUARD_MAX_INFER_USD': 0}, '--max-infer-usd'),
                        ({}, 'llmguard budget set NAME')):
        box.config(None)
        if not limit:
            box.budget(0)
        got, _ = send(box, 'http.client', [request()], **limit)
        said = json.loads(got[0]['body'])['error']['llmguard']['remedies']
        raise_it = [x for x in said if x.startswith('Raise it')]
        ok(len(raise_it) == 1 and word in raise_it[0], said)


def case_budget_set_after_a_torn_line(box):
    box.budget('1')
    box.cli('budget', 'set', 'cap', '--limit', '2')
    with open(os.path.join(box.state, 'budgets.jsonl'), 'a') as f:
        f.write('{"op":"set","na')
    box.cli('budget', 'set', 'cap', '--limit', '3')
    eq(box.budget_status()['limit_usd'], 3, 'limit')


def case_enable_disable(box):
    box.budget('0')
    eq(call(box), [429], 'on')
    eq(lines(box.cli('disable', '--json'))[0]['disabled'], True, 'disable')
    ok(box.status()['disabled'], 'status')
    eq(call(box), [200], 'off')
    box.cli('enable')
    ok(not box.status()['disabled'], 'status')
    eq(call(box), [429], 'on again')
    eq([r['note'] for r in box.rows('audit')], ['disable all calls: on -> off', 'enable all calls: off -> on'], 'audit')


def case_log_lines(box):
    """Each call and each refusal, as JSON and as text; no key, no prompt."""
    log = os.path.join(box.dir, 'log')
    env = dict(LLMGUARD_LOG=log, LLMGUARD_LOG_LEVEL='info')
    box.budget('0.02')
    eq(call(box, 1000, 2, LLMGUARD_LOG_FORMAT='json', LLMGUARD_PHASE='train',
            **env), [200, 429], 'calls')
    with open(log) as f:
        rows = [json.loads(x) for x in f]
    done = [r for r in rows if r['event'] == 'request_settled']
    eq([(r['level'], r['model'], r['phase'], r['fine_tuned'], r['cache'],
         r['usage'], r['price'], r['cost_usd'], r['output_tokens'])
        for r in done],
       [('info', 'gpt-4o', 'train', 'false', 'none', 'exact', 'exact',
         '0.0100025', 1000)], 'settled')
    eq([r['budget'] for r in rows if r['event'] == 'request_blocked'],
       ['cap'], 'refused')
    text = open(log).read()
    ok('sk-test' not in text and 'Say hello' not in text, 'secrets')
    call(box, 10, **env)
    ok(' info request_settled verdict=' in open(log).read(), 'text')
    os.unlink(log)
    call(box, 10, LLMGUARD_LOG=log)
    ok(not os.path.exists(log) or 'request_settled' not in open(log).read(),
       'only what needs somebody by default')


def case_tail(box):
    box.config(None)
    call(box, 10, 15, LLMGUARD_PROJECT='p\x1b[31m')
    eq(len(box.cli('tail').stdout.splitlines()), 10, 'ten rows')
    rows = lines(box.cli('tail', '-n', '3', '--json'))
    eq([r['id'] for r in rows], [r['id'] for r in box.rows()][-3:], 'last 3')
    eq(len(lines(box.cli('tail', '-n100', '--json'))), 15, 'all')
    eq(box.cli('tail', '-n0').stdout, b'', 'none')
    ok(b'\x1b' not in box.cli('tail').stdout, 'no escape codes')
    p = subprocess.Popen([CLI, 'tail', '-n', '1', '-f', '--json'],
                         env=box.env(LD_PRELOAD=None), stdout=subprocess.PIPE)
    try:
        eq(json.loads(p.stdout.readline())['id'], box.rows()[-1]['id'], 'last')
        call(box, 10)
        eq(json.loads(p.stdout.readline())['id'], box.rows()[-1]['id'], 'new')
    finally:
        p.kill()
        p.wait()


def case_staged_rows_are_written(box):
    """The ledger cannot be written: the row waits, status tells, then writes."""
    box.budget('1')
    folder = os.path.join(box.state, 'ledger')
    eq(call(box, 10), [200], 'first')
    month = glob.glob(folder + '/*.jsonl')[0]
    os.rename(month, month + '.aside')
    os.mkdir(month)
    try:
        eq(call(box, 10), [200], 'second')
        s = box.status()
        eq(s['staged_rows'], 1, 'staged')
        ok('1 rows wait' in box.cli('status').stdout.decode(), 'text')
        eq([h['state'] for h in lines(box.cli('holds', '--json'))],
           ['row waits'], 'holds')
    finally:
        os.rmdir(month)
        os.rename(month + '.aside', month)
    s = box.status()
    eq((s['staged_rows'], len(box.rows())), (0, 2), 'written')
    eq(s['totals']['calls'], 2, 'totals')


def case_checkpoint_and_rebuild(box):
    """A lost region knows what was spent, from the checkpoint and the rows
    after it, also when a row came late into a month that was left behind."""
    box.config('budgets:\n  - {name: cap, scope: global, period: total, '
               'limit_usd: 1, hard: true}\n')
    call(box, 1000, 3)
    eq(lines(box.cli('checkpoint', '--json'))[0]['rows'], 3, 'rows')
    call(box, 1000, 2)
    one = D('0.0000025') + D('0.01')

    def lose():
        for name in glob.glob(box.region + '*'):
            os.unlink(name)
    lose()
    eq(box.budget_status()['spent_usd'], 5 * one, 'rebuilt')
    month = glob.glob(os.path.join(box.state, 'ledger/*.jsonl'))[0]
    with open(month) as f:
        rows = f.readlines()
    old = os.path.join(os.path.dirname(month), '2020-01.jsonl')
    with open(old, 'w') as f:
        f.writelines(rows[:1])
    with open(month, 'w') as f:
        f.writelines(rows[1:])
    lose()
    eq(box.budget_status()['spent_usd'], 5 * one, 'a row moved')
    os.unlink(os.path.join(box.state, 'checkpoint.bin'))
    lose()
    eq(box.budget_status()['spent_usd'], 5 * one, 'without a checkpoint')
    with open(os.path.join(box.state, 'checkpoint.bin'), 'wb') as f:
        f.write(b'LLMGCKP\0' + os.urandom(300))
    lose()
    eq(box.budget_status()['spent_usd'], 5 * one, 'with a damaged one')


def case_watch(box):
    p = subprocess.Popen([CLI, 'status', '--watch', '-i', '1', '--json'],
                         env=box.env(LD_PRELOAD=None), stdout=subprocess.PIPE)
    try:
        for _ in range(2):
            ok('budgets' in json.loads(p.stdout.readline()), 'a line')
    finally:
        p.kill()
        p.wait()


def case_holds(box):
    """A call under way, then its program is killed."""
    box.budget('1')
    code = ('import http.client, json\n'
            'c = http.client.HTTPSConnection("api.openai.com")\n'
            'c.request("POST", "/v1/chat/completions", json.dumps({"model":'
            '"gpt-4o", "max_tokens": 1000, "messages": []}), {"Content-Type":'
            '"application/json", "x-test": "in=1;out=5;delay=20000"})\n'
            'c.getresponse()\n')
    p = subprocess.Popen([PY, '-c', code], env=box.env(), cwd=box.dir)
    try:
        def sent():
            h = lines(box.cli('holds', '--json'))
            return h if h and h[0]['dispatched'] else None
        h = until(sent, 'a hold')
        eq(len(h), 1, 'holds')
        eq((h[0]['pid'], h[0]['alive'], h[0]['dispatched'], h[0]['model']),
           (p.pid, True, True, 'gpt-4o'), 'hold')
        b = box.budget_status()
        eq(b['held_usd'], h[0]['held_usd'], 'held')
        ok(b['held_usd'] >= D('0.01') and b['overshoot_bound_usd'] is not None,
           'bound %s' % b['overshoot_bound_usd'])
        ok(str(p.pid) in box.cli('holds').stdout.decode(), 'text')
    finally:
        p.kill()
        p.wait()
    b = box.budget_status()
    eq((b['held_usd'], b['spent_usd']), (0, h[0]['held_usd']), 'swept')
    eq(box.status()['coverage']['abandoned']['calls'], 1, 'abandoned')
    eq(lines(box.cli('holds', '--json')), [], 'none left')


def case_run(box):
    box.config(None)
    env = dict(LD_PRELOAD=None)
    py = ('import http.client, json, os\n'
          'c = http.client.HTTPSConnection("api.openai.com")\n'
          'c.request("POST", "/v1/chat/completions", json.dumps({"model":'
          '"gpt-4o", "max_tokens": 1000, "messages": []}), {"Content-Type":'
          '"application/json", "x-test": "in=1;out=1000"})\n'
          'print(c.getresponse().status)\n')
    p = box.run([CLI, 'run', '--max-usd', '0.05', '--project', 'px', '--tags',
                 'a,b', '--user', 'me', '--conversation', 'c1 title', '--phase',
                 'train', '--experiment', 'e7', PY, '-c', py], **env)
    eq((p.returncode, p.stdout), (0, b'200\n'), 'run: %s' % p.stderr)
    ok(p.stderr.startswith(b'llmguard: 1 call, $0.010003 of $0.05\n'), p.stderr)
    r = box.rows()[0]
    eq([r[k] for k in ('project', 'tags', 'user', 'conversation', 'phase',
                       'experiment')],
       ['px', ['a', 'b'], 'me', 'c1', 'train', 'e7'], 'row')
    eq(r['label'], 'title', 'label')
    p = box.run([CLI, 'run', '-q', '--max-usd', '0.001', '--', PY, '-c', py],
                **env)
    eq((p.returncode, p.stdout, p.stderr), (3, b'429\n', b''), 'refused')
    # inside: part of the outer run, whose limit stays
    p = box.run([CLI, 'run', '--max-usd', '0.001', '--', CLI, 'run',
                 '--max-usd', '5', '--', PY, '-c', py], **env)
    eq((p.returncode, p.stdout), (3, b'429\n'), 'nested')
    ok(b'inside another run' in p.stderr, 'nested: %s' % p.stderr)
    p = box.run([CLI, 'run', '--', 'no-such-command'], **env)
    eq(p.returncode, 127, 'no such command')
    p = box.run([CLI, 'run', '--', '/dev/null'], **env)
    eq(p.returncode, 126, 'not a program')
    p = box.run([CLI, 'run', '-q', '--', 'sh', '-c', 'echo "$1"', '-', '--max-usd'],
                **env)
    eq(p.stdout, b'--max-usd\n', "the command's options are its own")


def case_run_with_a_config(box):
    """A relative name holds wherever the command goes."""
    box.budget(0)
    p = box.run([CLI, 'run', '-q', '--config', 'llmguard.yaml', '--', 'sh',
                 '-c', 'cd /; exec "$@"', 'sh', *box.curl_argv(
                     OPENAI, json.dumps(chat_body()))], LD_PRELOAD=None,
                LLMGUARD_CONFIG=None)
    eq(p.returncode, 3, p.stdout + p.stderr)


def case_run_tells_when_it_is_off(box):
    box.config(None)
    for key in ('LLMGUARD_DISABLE', 'LLMGUARD_IGNORE_BUDGET'):
        p = box.run([CLI, 'run', '-q', 'true'], LD_PRELOAD=None, **{key: 1})
        ok(key.encode() in p.stderr, p.stderr)
        p = box.run([CLI, 'run', '-q', 'true'], LD_PRELOAD=None, **{key: 0})
        eq((p.returncode, p.stderr), (0, b''), key + '=0')
    box.cli('disable')
    p = box.run([CLI, 'run', '-q', 'true'], LD_PRELOAD=None)
    ok(b'llmguard enable' in p.stderr, p.stderr)


def case_run_signals(box):
    box.config(None)
    for sig in (signal.SIGTERM, signal.SIGHUP):
        p = subprocess.Popen([CLI, 'run', '-q', '--', 'sleep', '30'],
                             env=box.env(LD_PRELOAD=None))
        time.sleep(0.3)
        p.send_signal(sig)
        eq(p.wait(10), -sig, 'ended by %s as its child' % sig)


def case_doctor(box):
    p = box.cli('doctor', '--json', 'curl')
    d = lines(p)[0]
    eq((d['tls'], d['covered']), ('OpenSSL', 'yes'), 'curl')
    ok('libssl' in d['library'], d['library'])
    d = lines(box.cli('doctor', '--json', PY))[0]
    ok(d['covered'] in ('yes', 'maybe'), 'python')
    p = box.cli('doctor', 'no-such-command', check=False)
    eq(p.returncode, 1, 'no such command')
    with tempfile.TemporaryDirectory() as tmp:
        src, out = os.path.join(tmp, 'a.c'), os.path.join(tmp, 'a')
        with open(src, 'w') as f:
            f.write('int main(void) { return 0; }\n')
        cc = subprocess.run(['gcc', '-static', '-o', out, src],
                            stderr=subprocess.DEVNULL)
        if not cc.returncode:
            p = box.cli('doctor', '--json', out, check=False)
            eq((p.returncode, lines(p)[0]['covered']), (1, 'no'), 'static')
            ok('static' in lines(p)[0]['why'], 'why')
        script = os.path.join(tmp, 's')
        with open(script, 'w') as f:
            f.write('#!/usr/bin/env -S curl -s\n')
        os.chmod(script, 0o755)
        d = lines(box.cli('doctor', '--json', script))[0]
        eq((d['script'], os.path.basename(d['program']), d['covered']),
           (script, 'curl', 'yes'), 'script')
        for junk in (b'\x7fELF', b'\x7fELF' + b'\xff' * 300, b'', b'#!',
                     open('/bin/true', 'rb').read()[:4000]):
            with open(script, 'wb') as f:
                f.write(junk)
            p = box.cli('doctor', script, check=False)
            ok(p.returncode in (0, 1), 'junk: %d' % p.returncode)
    p = subprocess.Popen([PY, '-c', 'import ssl, sys; '
                          'ssl.create_default_context(); print(1, flush=True); '
                          'sys.stdin.read()'], env=box.env(),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    q = subprocess.Popen(['sleep', '30'])
    try:
        p.stdout.readline()
        d = lines(box.cli('doctor', '--json', str(p.pid)))[0]
        eq((d['covered'], d['preloaded'], d['tls']), ('yes', True, 'OpenSSL'),
           'a guarded process')
        r = box.cli('doctor', '--json', str(q.pid), check=False)
        eq((r.returncode, lines(r)[0]['preloaded']), (1, False), 'unguarded')
    finally:
        p.kill(), p.wait(), q.kill(), q.wait()
    eq(box.cli('doctor', str(q.pid), check=False).returncode, 1, 'gone')


def case_pricing(box):
    d = lines(box.cli('pricing', 'show', 'gpt-4o', '--json'))[0]
    eq((d['provider'], d['rates_per_1m']['output']), ('openai', 10), 'gpt-4o')
    p = box.cli('pricing', 'show', 'no-such-model', check=False)
    eq((p.returncode, p.stdout), (1, b''), 'unknown')
    all_ = lines(box.cli('pricing', 'list', '--json'))
    ok({'openai', 'anthropic', 'google'} <= {x['provider'] for x in all_},
       'providers')
    more = lines(box.cli('pricing', 'list', '--json', '--all'))
    ok(len(more) > len(all_) and
       not any(x['estimate'] and x['tier'] for x in all_), '--all')
    ok(b': --all)' in box.cli('pricing', 'list').stdout, 'told')
    ok(b'each' in box.cli('pricing', 'show', 'gpt-4o').stdout, 'units')
    some = lines(box.cli('pricing', 'list', '--provider', 'anthropic',
                         '--match', 'claude-*', '--json'))
    ok(some and all(x['provider'] == 'anthropic' for x in some), 'filter')


def case_config(box):
    box.config('week_start: sunday\ntimezone: Asia/Tokyo\nfail: closed\n')
    d = lines(box.cli('config', 'show', '--json'))[0]
    eq((d['week_start'], d['timezone'], d['fail'], d['config']),
       ('sunday', 'Asia/Tokyo', 'closed', box.config_path), 'show')
    eq(box.cli('config', 'check').returncode, 0, 'good')
    bad = os.path.join(box.dir, 'bad.yaml')
    with open(bad, 'w') as f:
        f.write('version: 1\nbudgetz: []\n')
    p = box.cli('config', 'check', bad, check=False)
    eq((p.returncode, p.stdout), (1, b''), 'bad')
    ok(b'bad.yaml:2' in p.stderr and b'budgetz' in p.stderr, p.stderr)
    d = lines(box.cli('config', 'check', '--json', bad, check=False))[0]
    eq(d['ok'], False, 'bad, as JSON')
    p = box.cli('config', 'check', '/no/such/file', check=False)
    eq(p.returncode, 1, 'no such file')


def case_config_show(box):
    """Every key that the commented file knows, and no other one."""
    want, section = [], ''
    with open(os.path.join(HERE, '../../conf/llmguard.yaml')) as f:
        for line in f:
            m = re.match(r'#?([a-z0-9_]+):', line)
            sub = re.match(r'  #?([a-z0-9_]+):', line)
            if m:
                section = m[1]
                want.append(section)
            elif sub:
                want.append(section + '.' + sub[1])
    d = lines(box.cli('config', 'show', '--json'))[0]
    got = [k for k in d if k not in ('config', 'state_dir', 'region')]
    got += ['%s.%s' % (k, x) for k, v in d.items() if isinstance(v, dict)
            for x in v]
    have = {k for k in want if '.' in k or not any(
        x.startswith(k + '.') for x in want)}
    eq(sorted(set(got)), sorted(set(want)), 'keys')
    text = box.cli('config', 'show').stdout.decode()
    eq({x.split()[0] for x in text.splitlines()[3:]}, have, 'as text')
    box.config('hosts: {llm.example: openai}\n'
               'plain_http: [localhost:11434, "10.1.0.0/16", "[fd00::1]:80"]\n'
               'programs: {allow: [python*], deny: [git]}\n'
               'models: [{match: "my-*", free: true}]\n'
               'tokenizer: none.tiktoken\n'
               'reports: {formats: [csv], dir: /tmp/r}\n')
    d = lines(box.cli('config', 'show', '--json'))[0]
    eq((d['hosts'], d['plain_http'], d['programs'], d['models'],
        d['tokenizer'], d['reports']['formats'], d['reports']['dir']),
       ({'llm.example': 'openai'},
        ['localhost:11434', '127.0.0.0/8:11434', '[::1]:11434',
         '10.1.0.0/16', '[fd00::1]:80'],
        {'allow': ['python*'], 'deny': ['git']},
        [{'match': 'my-*', 'free': True}], ['none.tiktoken'], ['csv'],
        '/tmp/r'), 'lists')
    text = box.cli('config', 'show').stdout.decode()
    ok('hosts.llm.example' in text and '{"match":"my-*"' in text, text)


BAD_VALUES = (
    ('export --from 2026-05 --to 2026-01', 'after --to 2026-01'),
    ('export --last 7d --month 2026-01', 'more than one stretch'),
    ('reprice --from 2026-05-01 --to 2026-01-01', 'after --to 2026-01-01'),
    ('costs --from 2026-05 --to 2026-01', 'after --to 2026-01'),
    ('report --from 2026-05 --to 2026-01', 'after --to 2026-01'),
    ('pause --scope=', 'global, or key:value'),
    ('resume --scope=', 'global, or key:value'),
    ('compare --periods 2026-10', '--periods: needs two'),
    ('archive --level 20', '--level 20: 1 to 19'),
    ('cost-per-million --calls-per-example 0', 'example 0: from 1'),
    ('cost-per-million --runs 0', '--runs 0: from 1'),
    ('budget set a --daily 1 --until 2020-01-01', '2020-01-01: is over'),
    ('alerts --event nope', '--event nope: must be'),
    ('budget nope', 'budget nope: no such command'),
    ('record --input-tokens 1 --model ' + 'x' * 128, '127 bytes'),
    ('record --model x --input-tokens 1 --cached-tokens 2', 'tokens 2: more'),
    ('record --model x --input-tokens 4294967296', '4294967296: more'),
    ('record --model x --calls 100001', '--calls 100001: 1 to'),
)


def case_bad_values(box):
    """Each names the option, the value and what is allowed; nothing is done."""
    for args, want in BAD_VALUES:
        p = box.cli(*args.split(), check=False)
        eq((p.returncode, p.stdout), (2, b''), args)
        ok(want in p.stderr.decode(), '%s: %s' % (args, p.stderr))
    eq(box.rows(), [], 'no row')


def case_full_output(box):
    """Nobody takes the output: exit 1, no endless loop."""
    if not os.path.exists('/dev/full'):
        raise Skip('no /dev/full')
    with open('/dev/full', 'w') as full:
        for args in (['status'], ['help'], ['pricing', 'list', '--json']):
            p = subprocess.run([CLI, *args], stdout=full, timeout=20,
                               stderr=subprocess.PIPE,
                               env=box.env(LD_PRELOAD=None))
            eq(p.returncode, 1, ' '.join(args))


if __name__ == '__main__':
    main(globals())
