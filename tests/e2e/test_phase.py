#!/usr/bin/python3
"""Of what phase a call is: header, `llmguard phase`, environment, rule."""
import json
import subprocess

from harness import PY, eq, main, ok

# A call for each line of stdin: model, x-llmguard-phase.
ASK = ('import http.client, json, sys\n'
       'for line in sys.stdin:\n'
       '    model, _, phase = line.rstrip("\\n").partition(" ")\n'
       '    h = {"Content-Type": "application/json"}\n'
       '    if phase:\n'
       '        h["x-llmguard-phase"] = phase\n'
       '    c = http.client.HTTPSConnection("api.openai.com")\n'
       '    c.request("POST", "/v1/chat/completions", json.dumps({"model":'
       ' model, "max_tokens": 5, "messages": []}), h)\n'
       '    r = c.getresponse(); r.read(); print(r.status, flush=True)\n')


class Talk:
    def __init__(self, box, **env):
        self.box = box
        self.p = subprocess.Popen(
            [PY, '-c', ASK], env=box.env(**env), cwd=box.dir, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, model='gpt-4o-mini', header=''):
        self.p.stdin.write(('%s %s\n' % (model, header)).encode())
        status = int(self.p.stdout.readline())
        return status, self.box.rows()[-1]['phase']

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def case_switch_while_it_runs(box):
    t = Talk(box, LLMGUARD_RUN_ID='r-1', LLMGUARD_PHASE='infer')
    eq(t.ask(), (200, 'infer'), 'of the environment')
    box.cli('phase', 'r-1', 'train')
    eq(t.ask(), (200, 'train'), 'at the next request')
    eq(t.ask(header='infer'), (200, 'infer'), 'the header wins')
    eq(t.ask(header='x'), (200, 'train'), 'not a phase')
    p = box.cli('phase', 'r-1', '--json')
    eq(json.loads(p.stdout), {'run_id': 'r-1', 'phase': 'train'}, 'told')
    box.cli('phase', 'r-1', 'auto')
    eq(t.ask(), (200, 'infer'), 'taken back')
    t.close()
    ok(not any('x-llmguard-phase' in json.dumps(e).lower()
               for e in box.arrived()), 'the header stays here')
    eq([r['note'] for r in box.rows('audit')],
       ['phase r-1 train', 'phase r-1 auto'], 'audit')


def case_other_runs_keep_theirs(box):
    a = Talk(box, LLMGUARD_RUN_ID='a')
    b = Talk(box, LLMGUARD_RUN_ID='../../x y')
    box.cli('phase', '../../x y', 'train')
    eq(a.ask(), (200, 'infer'), 'a')
    eq(b.ask(), (200, 'train'), 'an id that is no file name')
    a.close()
    b.close()


def case_limits_follow(box):
    t = Talk(box, LLMGUARD_RUN_ID='r', LLMGUARD_MAX_TRAIN_USD='0')
    eq(t.ask(), (200, 'infer'), 'infer has no limit')
    box.cli('phase', 'r', 'train')
    eq(t.ask()[0], 429, 'train may spend nothing')
    eq(t.ask(header='infer')[0], 200, 'a header leaves it')
    t.close()


def case_model_rule(box):
    box.config('models:\n'
               '  - {match: "ft:*", phase: train}\n'
               '  - {match: "ft:free*", free: true}\n')
    t = Talk(box)
    eq(t.ask(), (200, 'infer'), 'not matched')
    eq(t.ask('ft:gpt-4o-mini:org::1'), (200, 'train'), 'by the rule')
    priced = box.rows()[-1]
    ok(priced['cost_usd'] > 0, 'a rule of phase alone prices nothing')
    eq(t.ask('ft:free-one'), (200, 'train'), 'priced by the second')
    eq(box.rows()[-1]['cost_usd'], 0, 'free')
    t.close()
    t = Talk(box, LLMGUARD_PHASE='infer')
    eq(t.ask('ft:gpt-4o-mini:org::1'), (200, 'infer'), 'environment first')
    t.close()


def case_usage(box):
    for args in (['phase'], ['phase', 'r', 'x'], ['phase', ''],
                 ['phase', '.', 'train'], ['phase', 'a', 'train', 'b']):
        p = box.cli(*args, check=False)
        eq((p.returncode, p.stdout), (2, b''), str(args))
    box.config('models:\n  - {match: a, phase: learn}\n')
    p = box.cli('config', 'check', check=False)
    ok(p.returncode == 1 and b'infer' in p.stdout + p.stderr, p.stderr)


if __name__ == '__main__':
    main(globals())
