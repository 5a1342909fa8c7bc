#!/usr/bin/python3
"""Live control: programs that run see each change at their next request."""
import datetime
import json
import os
import signal
import subprocess
import time

from harness import OPENAI, PY, chat_body, eq, main, ok, request, send

# A call for each line of stdin, each on a connection of its own.
ASK = ('import http.client, json, sys\n'
       'for line in sys.stdin:\n'
       '    model, _, project = line.rstrip("\\n").partition(" ")\n'
       '    h = {"Content-Type": "application/json"}\n'
       '    if project:\n'
       '        h["x-llmguard-project"] = project\n'
       '    c = http.client.HTTPSConnection("api.openai.com")\n'
       '    c.request("POST", "/v1/chat/completions", json.dumps({"model":'
       ' model, "max_tokens": 50, "messages": []}), h)\n'
       '    r = c.getresponse()\n'
       '    print(json.dumps([r.status, r.read().decode()]), flush=True)\n')


class Talk:
    def __init__(self, box, **env):
        self.p = subprocess.Popen(
            [PY, '-c', ASK], env=box.env(**env), cwd=box.dir, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = str(self.p.pid)

    def send(self, model='gpt-4o-mini', project=''):
        self.p.stdin.write(('%s %s\n' % (model, project)).encode())

    def read(self):
        return json.loads(self.p.stdout.readline())

    def ask(self, *a):
        self.send(*a)
        return self.read()[0]

    def close(self):
        self.p.send_signal(signal.SIGCONT)
        self.p.stdin.close()
        self.p.wait()


def notes(box):
    return [r['note'] for r in box.rows('audit')]


def case_budget_set(box):
    """Every option, in a program that runs."""
    t = Talk(box, LLMGUARD_PROJECT='x')
    eq(t.ask(), 200, 'no budget')
    box.cli('budget', 'set', '--project', 'x', '--daily', '0',
            '--hard-limit')
    eq(t.ask(), 429, 'of the project')
    eq(t.ask('gpt-4o-mini', 'y'), 200, 'of another one')
    box.cli('budget', 'rm', 'project-x-daily')
    eq(t.ask(), 200, 'taken back')
    box.cli('budget', 'set', 'big', '--model', 'gpt-4o', '--monthly', '0',
            '--fallback', 'gpt-4o-mini')
    eq(t.ask('gpt-4o'), 200, 'by the other model')
    eq(json.loads(box.arrived()[-1].get('body', '{}') or '{}').get(
        'model', 'gpt-4o-mini'), 'gpt-4o-mini', 'what was sent')
    r = box.rows()[-1]
    eq((r['model_requested'], r['verdict']), ('gpt-4o', 'fallback'), 'the row')
    t.close()
    p = box.cli('budget', 'set', 'both', '--daily', '1', '--yearly', '9',
                '--user', 'u', '--alert-at', '0.5', '--json')
    got = [json.loads(x) for x in p.stdout.splitlines()]
    eq([(b['name'], b['scope'], b['period'], b['warn_at'], b['hard'])
        for b in got],
       [('both-daily', 'user:u', 'daily', [0.5], False),
        ('both-yearly', 'user:u', 'yearly', [0.5], False)], 'several')
    eq(notes(box)[0], 'budget set project-x-daily limit_usd: none -> 0; '
       'hard: no -> yes; period: none -> daily; scope: none -> proj'[:100],
       'old and new')
    for args in (['--daily', '1', '--limit', '2'], ['--limit', '2'], [],
                 ['a', '--daily', '-1'], ['a', '--daily', '1', '--hard-limit',
                                          '--soft']):
        eq(box.cli('budget', 'set', *args, check=False).returncode, 2, args)


def case_budget_status(box):
    """As `status`, or of one budget; its exit status is of that one."""
    box.config('budgets:\n'
               '  - {name: a, scope: global, period: monthly, limit_usd: 1}\n'
               '  - {name: b, scope: global, period: daily, limit_usd: 0, '
               'hard: true}\n')
    all_ = json.loads(box.cli('budget', 'status', '--json').stdout)
    eq([x['name'] for x in all_['budgets']], ['a', 'b'], 'both')
    one = json.loads(box.cli('budget', 'status', 'a', '--json',
                             '--check').stdout)
    eq([x['name'] for x in one['budgets']], ['a'], 'one')
    eq(set(one), set(all_), 'keys')
    eq(box.cli('budget', 'status', 'b', '--check', check=False).returncode, 3,
       'exceeded')
    p = box.cli('budget', 'status', 'c', check=False)
    eq((p.returncode, p.stdout), (1, b''), 'no such budget')
    for args in (['c'], ['--project', 'nope'], ['--model', 'c', '--json']):
        p = box.cli('budget', 'status', *args, check=False)
        eq((p.returncode, p.stdout), (1, b''), args)
        ok(args[-1 if len(args) < 3 else 1] in p.stderr.decode(), args)
        ok(b'a (global), b (global)' in p.stderr, p.stderr)


def case_events(box):
    """Who switches the guard off is not the only one who hears of it."""
    box.budget(1)
    t = Talk(box)
    eq(t.ask(), 200, 'a call')
    for args in (['disable'], ['enable'], ['disable', t.pid],
                 ['pause', '--all'], ['resume']):
        box.cli(*args)
    t.close()
    got = [json.loads(x) for x in
           box.cli('alerts', '--json').stdout.decode().splitlines()]
    got = [(e['level'], e['message'].partition(' (')[0])
           for e in got if e['event'] == 'control']
    eq(got, [('critical', 'disable all calls: on -> off'),
             ('info', 'enable all calls: off -> on'),
             ('warning', 'disable pid ' + t.pid),
             ('info', 'pause all calls: running -> paused'),
             ('info', 'resume all calls: paused -> running')], 'events')


def case_other_region(box):
    """A second region over one ledger counts nothing, and nobody is silent."""
    box.budget(0)
    one = request(OPENAI, chat_body())
    eq(send(box, 'requests', [one])[0][0]['status'], 429, 'its region')
    for _ in range(2):
        got, _ = send(box, 'requests', [one],
                      LLMGUARD_REGION=box.region + '-b')
        eq(got[0]['status'], 200, 'fail: open')
    eq([r.get('flags') for r in box.rows()[1:]], [['unguarded']] * 2, 'rows')
    eq(box.status()['totals']['unguarded'], 2, 'status')
    ok(b'2 passed that some budget' in box.cli('status').stdout, 'text')
    got = [json.loads(x) for x in
           box.cli('alerts', '--json').stdout.decode().splitlines()]
    told, = [e for e in got if e.get('reason') == 'unguarded']
    ok('another live region' in told['message'], told['message'])
    got, _ = send(box, 'requests', [one], LLMGUARD_REGION=box.region + '-b',
                  LLMGUARD_FAIL='closed')
    eq(got[0]['status'], 429, 'fail: closed')


def case_raise(box):
    box.budget(0)
    time.sleep(0.05)
    t = Talk(box)
    eq(t.ask(), 429, 'nothing left')
    end = datetime.datetime.utcnow() + datetime.timedelta(seconds=4)
    box.cli('budget', 'raise', 'cap', '1', '--until',
            end.strftime('%Y-%m-%dT%H:%M:%SZ'))
    eq(t.ask(), 200, 'raised')
    b = box.budget_status()
    eq((b['limit_usd'], b['raised_usd'], b['source']), (1, 1, 'config'),
       'status')
    time.sleep(max(0, (end - datetime.datetime.utcnow()).total_seconds()) +
               2.2)
    eq(t.ask(), 429, 'it ended by itself')
    b = box.budget_status()
    eq((b['limit_usd'], 'raised_usd' in b), (0, False), 'status')
    t.close()
    for args in (['cap', '1'], ['cap', '1', '--until', '2020-01-01'],
                 ['cap', 'x', '--until', '2099-01-01'],
                 ['cap', '1', '--until', 'soon']):
        eq(box.cli('budget', 'raise', *args, check=False).returncode, 2, args)
    eq(box.cli('budget', 'raise', 'no', '1', '--until', '2099-01-01',
               check=False).returncode, 1, 'no such budget')


def case_pause(box):
    """All, a scope, a process; free models and ignored budgets included."""
    a = Talk(box, LLMGUARD_PROJECT='a')
    b = Talk(box, LLMGUARD_PROJECT='b', LLMGUARD_IGNORE_BUDGET=1)
    eq((a.ask(), b.ask()), (200, 200), 'before')
    box.cli('pause', '--all')
    a.send()
    status, body = a.read()
    err = json.loads(body)['error']
    eq((status, err['llmguard'].get('budget')), (429, None), 'paused')
    ok('paused' in err['message'] and 'llmguard resume' in
       json.dumps(err['llmguard']['remedies']), body)
    eq(b.ask(), 429, 'also where budgets are ignored')
    eq(box.rows()[-1]['reason'], 'paused', 'reason')
    eq(box.status()['paused'], [{'scope': 'global'}], 'status')
    ok(b'Paused: all calls' in box.cli('status').stdout, 'status for people')
    box.cli('resume')
    eq((a.ask(), b.ask()), (200, 200), 'resumed')
    box.cli('pause', '--scope', 'project:a & model:gpt-4o*')
    eq((a.ask(), b.ask()), (429, 200), 'a scope')
    eq(a.ask('gpt-4.1-nano'), 200, 'not of it')
    box.cli('pause', b.pid)
    eq((a.ask(), b.ask()), (429, 429), 'and a process')
    box.cli('resume', b.pid)
    eq((a.ask(), b.ask()), (429, 200), 'the process goes on')
    eq(box.cli('resume', b.pid, check=False).returncode, 1, 'it is running')
    box.cli('resume', '--all')
    eq((a.ask(), b.ask()), (200, 200), 'all go on')
    a.close()
    b.close()
    eq(notes(box)[:2], ['pause all calls: running -> paused',
                        'resume all calls: paused -> running'], 'audit')
    eq(len(notes(box)), 6, 'each change')
    for args in (['pause'], ['pause', '--all', '1'], ['pause', 'x'],
                 ['pause', '--scope', 'nonsense:x'], ['pause', '--stop'],
                 ['disable', 'x']):
        eq(box.cli(*args, check=False).returncode, 2, args)
    eq(box.cli('pause', a.pid, check=False).returncode, 1, 'it is gone')


def case_pause_without_a_region(box):
    """The state folder alone says it, within a second."""
    box.cli('pause', '--all')
    for name in os.listdir('/dev/shm'):
        if name.startswith(os.path.basename(box.region)):
            os.unlink('/dev/shm/' + name)
    t = Talk(box)
    eq(t.ask(), 429, 'a new region')
    os.unlink(os.path.join(box.state, 'control'))
    time.sleep(1.2)
    eq(t.ask(), 200, 'the file is gone')
    t.close()


def case_stop_and_resume(box):
    t = Talk(box)
    eq(t.ask(), 200, 'before')
    box.cli('pause', '--stop', t.pid)
    with open('/proc/%s/stat' % t.pid) as f:
        eq(f.read().rpartition(') ')[2][0], 'T', 'stopped')
    eq(box.status()['stopped'], [{'pid': int(t.pid)}], 'status')
    t.send()
    box.cli('resume', t.pid)
    eq(t.read()[0], 200, 'it goes on')
    eq(box.status()['stopped'], [], 'status')
    t.close()


def case_disable_one(box):
    """A kill switch for one process: it is let alone, and recorded."""
    box.budget(0)
    a, b = Talk(box), Talk(box)
    eq((a.ask(), b.ask()), (429, 429), 'both are guarded')
    box.cli('disable', a.pid)
    eq((a.ask(), b.ask()), (200, 429), 'one is let alone')
    eq(box.status()['let_alone'], [{'pid': int(a.pid)}], 'status')
    ok(box.rows()[-2]['cost_usd'] > 0, 'it is recorded')
    box.cli('enable', a.pid)
    eq((a.ask(), b.ask()), (429, 429), 'both again')
    box.cli('disable')
    eq((a.ask(), b.ask()), (200, 200), 'all off')
    box.cli('enable')
    eq((a.ask(), b.ask()), (429, 429), 'all on')
    a.close()
    box.cli('disable', b.pid)
    b.close()
    eq(box.status()['let_alone'], [], 'a dead process is forgotten')
    eq(notes(box)[0][-9:], 'on -> off', 'audit')


def case_config_edits(box):
    """A good edit counts; a bad one leaves what was, and is told."""
    box.budget(0)
    t = Talk(box)
    eq(t.ask(), 429, 'before')
    time.sleep(1.1)
    box.budget(5)
    time.sleep(1.1)
    eq(t.ask(), 200, 'a good edit')
    box.config('budgets:\n  - {name: cap, scope: global, period: never, '
               'limit_usd: 0, hard: true}\n')
    time.sleep(1.1)
    eq(t.ask(), 200, 'a bad edit')
    s = box.status()
    ok('llmguard.yaml:3' in s['trouble'] and 'never' in s['trouble'],
       s['trouble'])
    eq(s['budgets'][0]['limit_usd'], 5, 'the old one is in force')
    ok(b'never' in box.cli('status').stderr, 'told to people')
    eq([e['reason'] for e in events(box, 'tracking_failure')],
       ['config_error'], 'an event, once')
    box.budget(0)
    time.sleep(1.1)
    eq(t.ask(), 429, 'mended')
    eq(box.status()['trouble'], '', 'no trouble')
    t.close()


def events(box, kind):
    with open(os.path.join(box.state, 'events.jsonl')) as f:
        return [e for e in map(json.loads, f) if e['event'] == kind]


def case_import(box):
    path = os.path.join(box.dir, 'seed.yaml')
    with open(path, 'w') as f:
        f.write('global:\n  daily: 5\n  monthly: $100\n  hard_limit: true\n'
                '  alert_at: [50, 0.9]\n'
                'projects:\n  x:\n    monthly: 20\n    fallback: gpt-4o-mini\n'
                'models:\n  "gpt-4*": {limit_usd: 1, period: weekly}\n'
                'users:\n  ann: 3\n')
    box.cli('budget', 'import', path)
    got = {b['name']: b for b in (json.loads(x) for x in box.cli(
        'budget', 'list', '--json').stdout.splitlines())}
    eq({k: (b['scope'], b['period'], b['limit_usd'], b['hard'])
        for k, b in got.items()},
       {'global-daily': ('global', 'daily', 5, True),
        'global-monthly': ('global', 'monthly', 100, True),
        'project-x-monthly': ('project:x', 'monthly', 20, True),
        'model-gpt-4*-weekly': ('model:gpt-4*', 'weekly', 1, False),
        'user-ann-monthly': ('user:ann', 'monthly', 3, False)}, 'budgets')
    eq(got['global-daily']['warn_at'], [0.5, 0.9], 'percent')
    eq(len(notes(box)), 5, 'audit')
    for bad, word in (('global: {daily: x}', b'daily'),
                      ('globe: {daily: 1}', b'globe'),
                      ('global: {dayly: 1}', b'dayly'),
                      ('projects: {x: {hard_limit: 5}}', b'hard_limit'),
                      ('- a', b'map'), ('a: [', b'expected')):
        with open(path, 'w') as f:
            f.write(bad)
        p = box.cli('budget', 'import', path, check=False)
        eq(p.returncode, 1, bad)
        ok(word in p.stderr and b'seed.yaml' in p.stderr, p.stderr)
    eq(len(box.cli('budget', 'list', '--json').stdout.splitlines()), 5,
       'nothing of a bad file')


if __name__ == '__main__':
    main(globals())
