#!/usr/bin/python3
"""libllmguard-client: from C, from Python, several at once, read-only."""
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from decimal import Decimal as D

from harness import (BUILD, OPENAI, TOP, Skip, chat_body, eq, main, ok, request,
                     sanitizer, send)

EXAMPLES = os.path.join(TOP, 'docs/examples')
LIBRARY = os.path.join(BUILD, 'libllmguard-client.so')
FOLDER = os.path.join(TOP, 'tools/client')
sys.dont_write_bytecode = True
sys.path.insert(0, EXAMPLES)
import llmguard_client as client  # noqa: E402

BUDGETS = '''budgets:
  - {name: month, scope: global, period: monthly, limit_usd: 20, hard: true}
  - {name: users, scope: "user:*", each: true, period: daily, limit_usd: 2}
'''


def guard(box, write=False, **more):
    if sanitizer():
        raise Skip('Python without the sanitizer cannot load it')
    return client.Guard(write, LIBRARY, config=box.config_path,
                        state_dir=box.state, region=box.region, **more)


def fails(what, fn, *args, **more):
    try:
        fn(*args, **more)
    except client.Error as e:
        ok(what in str(e), '%s: %s' % (what, e))
    else:
        ok(False, 'no error: ' + what)


def case_symbols(box):
    """What is exported, declared and versioned is the same; libc alone."""
    with open(os.path.join(FOLDER, 'llmguard.h')) as f:
        declared = set(re.findall(r'\b(llmguard_[a-z_]+)\(', f.read()))
    with open(os.path.join(FOLDER, 'llmguard-client.map')) as f:
        listed = set(re.findall(r'\t(llmguard_[a-z_]+);', f.read()))
    eq(listed, declared, 'map and header')
    out = subprocess.run(['nm', '-D', '--defined-only', LIBRARY], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    names = {x.split()[2] for x in out.splitlines()}
    eq(names - {'LLMGUARD_1'}, {n + '@@LLMGUARD_1' for n in declared} |
       {'LLMGUARD_1@@LLMGUARD_1'} & names, 'exports')
    out = subprocess.run(['readelf', '-dW', LIBRARY], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    ok('[libllmguard-client.so.1]' in out, 'soname')
    if not sanitizer():
        eq(re.findall(r'NEEDED.*\[(.*)\]', out), ['libc.so.6'], 'needed')


def case_null(box):
    """A program that did not look whether the opening failed goes on."""
    code = """import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
for name in sys.argv[2:]:
    f = getattr(lib, name)
    print(name, f(*[ctypes.c_void_p()] * 6), flush=True)
"""
    names = ('open', 'refresh', 'info', 'budgets_read', 'budget_check',
             'budget_set', 'budget_remove', 'totals_read', 'last_call',
             'record_call', 'price_add', 'price_get', 'estimate',
             'phase_set', 'phase_get', 'usd_parse')
    if sanitizer():
        return
    p = subprocess.run([sys.executable, '-c', code, LIBRARY] +
                       ['llmguard_' + n for n in names], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    eq(p.stdout, ''.join('llmguard_%s -5\n' % n for n in names), 'null')


def case_layout(box):
    """A structure's size and members are the ABI."""
    text = '#include "%s/llmguard.h"\n#include <stdio.h>\nint main(void){' % \
        FOLDER
    for name, kind in (('options', client.Options), ('budget', client.Budget),
                       ('totals', client.Totals), ('call', client.Call),
                       ('budget_spec', client.Spec),
                       ('record', client.Record),
                       ('request', client.Request),
                       ('estimate', client.Estimate)):
        text += 'printf("%%zu\\n", sizeof(struct llmguard_%s));' % name
        for field, _ in kind._fields_:
            text += 'printf("%%zu\\n", offsetof(struct llmguard_%s, %s));' % (
                name, field)
    path = os.path.join(box.dir, 'layout')
    subprocess.run(['cc', '-x', 'c', '-', '-o', path], check=True,
                   input=text + 'return 0;}', text=True)
    got = [int(x) for x in subprocess.run(
        [path], check=True, stdout=subprocess.PIPE, text=True).stdout.split()]
    want = []
    for kind in (client.Options, client.Budget, client.Totals, client.Call,
                 client.Spec, client.Record, client.Request,
                 client.Estimate):
        want.append(client.c.sizeof(kind))
        want += [getattr(kind, f).offset for f, _ in kind._fields_]
    eq(got, want, 'C and Python')
    eq((got[0], want[0]), (96, 96), 'options of version 1')
    # it is C99, and C++ as well
    for cc, args in (('cc', ['-x', 'c', '-std=c99', '-pedantic']),
                     ('clang', ['-x', 'c++', '-std=c++11'])):
        if shutil.which(cc):
            subprocess.run([cc, '-Wall', '-Wextra', '-Werror',
                            '-fsyntax-only', *args, '-'], check=True,
                           text=True, input='#include "%s/llmguard.h"\n'
                           % FOLDER)


def case_read(box):
    """What status says, and what was the last call's cost."""
    box.config(BUDGETS)
    send(box, 'http.client', [request(
        OPENAI, chat_body('gpt-4o', max_tokens=1000), 'in=10;out=1000')] * 3,
        LLMGUARD_USER='ann', LLMGUARD_PROJECT='p', LLMGUARD_RUN_ID='r1')
    cost = 10 * D('0.0000025') + 1000 * D('0.00001')
    status = box.status()
    with guard(box) as g:
        got = {(b['name'], b['value']): b for b in g.budgets()}
        eq(sorted(got), [('month', ''), ('users', 'ann')], 'budgets')
        for b in status['budgets']:
            mine = got[b['name'], b.get('value', '')]
            for k in ('limit', 'spent', 'held', 'remaining'):
                eq(mine[k], b[k + '_usd'], b['name'] + ' ' + k)
            for k in ('scope', 'period', 'state', 'source', 'calls'):
                eq(mine[k], b[k], b['name'] + ' ' + k)
        eq(got['month', '']['spent'], 3 * cost, 'spent')
        t = g.totals()
        eq((t.calls, client.usd(t.cost), t.output_tokens),
           (3, 3 * cost, 3000), 'totals')
        eq((t.class_calls[3], client.usd(t.class_cost[3])), (3, 3 * cost),
           'exact')
        eq(g.totals(0, 'r1').calls, 3, 'run')
        eq(g.totals(0, 'other').calls, 0, 'other run')
        call = g.last_call()
        eq((call.model, call.user, call.project, client.usd(call.cost),
            call.verdict, call.usage_state),
           ('gpt-4o', 'ann', 'p', cost, 'allow', 'exact'), 'last call')
        eq(g.last_call(call.pid).id, call.id, 'by pid')
        eq(g.last_call(0, 'r1').id, call.id, 'by run')
        fails('not found', g.last_call, 1)
        fails('not found', g.last_call, 0, 'other')
        # does it fit?
        eq(g.check('month', '1'), (True, 20 - 3 * cost), 'fits')
        eq(g.check('month', 20), (False, 20 - 3 * cost), 'does not')
        eq(g.check('users', 1, 'ann'), (True, 2 - 3 * cost), 'of a value')
        fails('not found', g.check, 'no-such', 1)
        fails('argument', g.check, 'month', -1)
        # one more call is seen by the same handle
        send(box, 'http.client', [request(
            OPENAI, chat_body('gpt-4o', max_tokens=1000), 'in=10;out=1000')])
        eq(g.totals().calls, 4, 'later')
        ok(g.last_call().id != call.id, 'the newest')


def tree(*folders):
    return {(p, n, os.stat(os.path.join(p, n)).st_mtime_ns)
            for top in folders for p, _, names in os.walk(top) for n in names}


def case_readonly(box):
    """Nothing is made, nothing is changed, and it says so."""
    box.config(BUDGETS)
    with guard(box) as g:
        eq(tree(box.state), set(), 'no state')
        eq(os.path.exists(box.region), False, 'no region')
        fails('no shared region', g.budgets)
        eq(g.totals().calls, 0, 'totals')
        fails('not found', g.last_call)
    box.cli('status')
    box.cli('record', '--model', 'gpt-4o', '--output-tokens', '9',
            '--cache-hit', 'none')
    before = tree(box.state)
    with guard(box) as g:
        eq(len(g.budgets()), 2 if len(g.budgets()) == 2 else 1, 'budgets')
        eq(g.totals().calls, 1, 'totals')
        for fn, args in ((g.set_budget, ('b', '5')),
                         (g.record, ('gpt-4o',)),
                         (g.add_price, ('x', 'y', 'input_per_1m=1')),
                         (g.phase, ('r', 'train'))):
            fails('not opened for writing', fn, *args)
        eq(g.phase('r'), 'auto', 'phase')
    eq(tree(box.state), before, 'the state is as it was')


def case_nothing_there(box):
    """Reading makes no folder; a folder that cannot be is an error."""
    state = os.path.join(box.dir, 'x/a/b')
    if sanitizer():
        return
    with client.Guard(False, LIBRARY, config=box.config_path,
                      state_dir=state, region=box.region):
        eq(os.path.exists(os.path.join(box.dir, 'x')), False, 'made')
    try:
        client.Guard(True, LIBRARY, config=box.config_path,
                     state_dir='/proc/nope/x', region=box.region)
        ok(False, 'a folder that cannot be made')
    except client.Error as e:
        ok('state folder' in str(e), e)
    env = box.env(LD_PRELOAD=None, LLMGUARD_REGION=os.path.join(box.dir, 'none'),
               LLMGUARD_STATE_DIR=state, LLMGUARD_CLIENT_LIBRARY=LIBRARY)
    p = subprocess.run([sys.executable, '-B', os.path.join(
        EXAMPLES, 'llmguard_client.py')], env=env, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    eq((p.returncode, 'Traceback' in p.stderr, 'no shared region' in p.stderr),
       (1, False, True), p.stderr)


def case_attribution(box):
    """As the guard reads the same words of a call on the wire."""
    box.config('tracking: {default_tags: [all, x]}\nbudgets:\n'
               '  - {name: y, scope: "tag:y", period: total, limit_usd: 9}\n'
               '  - {name: t, scope: "conversation:ticket-17", period: total,'
               ' limit_usd: 9}\n'
               '  - {name: d, scope: "tag:all", period: total,'
               ' limit_usd: 9}\n')
    with guard(box, True) as g:
        g.record('gpt-4o', input_tokens=1000000, tags='x, y,x',
                 conversation='ticket-17 first answer')
        fails('argument', g.record, 'gpt-4o', phase='bogus')
        fails('not found', g.budget_rm, 'nosuch')
        fails('argument', g.set_budget, 'y', 5, hard=77)
        eq(os.path.exists(os.path.join(box.state, 'budgets.jsonl')), False,
           'no line')
    row = box.rows()[-1]
    eq((row['tags'], row['conversation'], row['label']),
       (['x', 'y', 'all'], 'ticket-17', 'first answer'), 'row')
    for name in 'ytd':
        eq(box.budget_status(name)['spent_usd'], D('2.5'), name)


def case_write(box):
    box.config(BUDGETS)
    with guard(box, True) as g, guard(box) as other:
        g.set_budget('batch', '3.50', scope='project:b', period='daily',
                     hard=1)
        got = {b['name']: b for b in g.budgets()}['batch']
        eq((got['limit'], got['scope'], got['period'], got['source'],
            got['flags'] & 1), (D('3.5'), 'project:b', 'daily', 'live', 1),
           'set')
        eq(box.budget_status('batch')['limit_usd'], D('3.5'), 'as status')
        g.set_budget('batch', 4)
        eq(g.check('batch', 4), (True, 4), 'raised')
        for spec in (dict(name='batch', limit='x'), dict(name='', limit='1'),
                     dict(name='n', limit='-1'), dict(name='n', limit='1'),
                     dict(name='n', limit='1', period='never'),
                     dict(name='n', limit='1', period='daily', scope='a:b')):
            fails('', g.set_budget, **spec)
        eq([b['name'] for b in g.budgets()], ['batch', 'month'], 'nothing new')
        # a paid call, one out of a cache, one without a price
        paid = g.record('gpt-4o', input_tokens=1000, output_tokens=100,
                        project='b', user='ann')
        eq(client.usd(paid.cost), D('0.0035'), 'paid')
        eq(paid.pid, os.getpid(), 'whose')
        free = g.record('gpt-4o', input_tokens=1000, cache_hit='local')
        eq((free.cost, client.usd(free.economic)), (0, D('0.0025')), 'cache')
        r = g.record('no-such-model', output_tokens=5)
        eq(r.price_state, 'unknown', 'unknown')
        ok(client.usd(r.cost) > 5 * D('0.00001'), 'at the ceiling')
        eq(g.check('batch', 0)[1], 4 - D('0.0035'), 'charged')
        eq(g.last_call(os.getpid()).model, 'no-such-model', 'last')
        fails('argument', g.record, '')
        fails('argument', g.record, 'gpt-4o', cache_hit='maybe')
        fails('argument', g.record, 'gpt-4o', type='guess')
        fails('argument', g.record, 'gpt-4o', type='train', output_tokens=1)
        fails('argument', g.record, 'gpt-4o', input_tokens=1, cached_tokens=2)
        eq(len(box.rows()), 3, 'rows')
        # a price of one's own counts at once, for others too
        g.add_price('acme', 'no-such-model', 'input_per_1m=1,output_per_1m=2')
        eq(client.usd(g.record('no-such-model', output_tokens=5).cost),
           D('0.00001'), 'priced')
        eq(box.cli('pricing', 'show', 'no-such-model').returncode, 0, 'shown')
        for args in (('acme', 'x', 'input_per_1m=a'), ('acme', 'x', ''),
                     ('', 'x', 'input_per_1m=1'),
                     ('acme', 'x', 'input_per_1m=1', 'someday'),
                     ('acme', 'x\n', 'input_per_1m=1,output_per_1m=1')):
            fails('', g.add_price, *args)
        eq(g.phase('run1', 'train'), 'train', 'phase')
        eq(other.phase('run1'), 'train', 'seen by others')
        eq(g.phase('run1', 'auto'), 'auto', 'back')
        fails('argument', g.phase, 'run1', 'maybe')
    notes = [r['note'] for r in box.rows('audit')]
    ok(any('budget set batch' in n for n in notes) and
       any('price acme/no-such-model' in n for n in notes) and
       any('phase run1 train' in n for n in notes), notes)


def case_estimate(box):
    """The figures of the command, also where nothing may be made."""
    box.config(BUDGETS[:BUDGETS.index('  - {name: users')])
    box.cli('record', '--model', 'gpt-4o', '--output-tokens', '1990000',
            '--cache-hit', 'none')
    body = json.dumps(chat_body('gpt-4o', max_tokens=5000, text='word ' * 400))
    path = os.path.join(box.dir, 'b.json')
    with open(path, 'w') as f:
        f.write(body)
    want = json.loads(box.cli('estimate', '--json', path).stdout,
                      parse_float=D)
    for write in (False, True):
        with guard(box, write) as g:
            e = g.estimate(body=body)
            eq((client.usd(e.expected), client.usd(e.worst), e.input_tokens,
                e.input_state, e.output_tokens, e.output_state, e.model,
                e.over, e.refused, e.price_known),
               (want['expected_usd'], want['worst_usd'],
                want['input_tokens'], want['input_state'], 5000, 'declared',
                'gpt-4o', 0, 0, 1), 'as the command')
            e = g.estimate(model='gpt-4o', prompt='x', max_tokens=20000)
            eq((e.over, e.refused), (1, 1), 'over')
            e = g.estimate(model='claude-sonnet-4-5', prompt='x',
                           max_tokens=100, output_tokens=10)
            eq((e.provider, e.output_tokens, e.output_state),
               ('anthropic', 10, 'given'), 'a prompt')
            for bad in (dict(body='{'), dict(body='[]'), dict(),
                        dict(body='{"model":"x"}', url='nonsense')):
                fails('argument', g.estimate, **bad)
            eq(g.check('month', 0)[1], D('0.1'), 'nothing is held')


def case_examples(box):
    """docs/examples, as they stand there."""
    box.config(BUDGETS)
    exe = os.path.join(box.dir, 'batch')
    flags = ['-fsanitize=' + sanitizer_names()] if sanitizer() else []
    subprocess.run(['cc', '-Wall', '-Wextra', '-Werror', *flags,
                    os.path.join(EXAMPLES, 'batch.c'), '-I' + FOLDER,
                    '-o', exe, LIBRARY, '-Wl,-rpath,' + BUILD], check=True)
    p = subprocess.run([exe, 'month', 'gpt-4o', '100'],
                       env=box.env(LD_PRELOAD=None), stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True)
    eq(p.returncode, 0, p.stderr)
    ok('100 calls of openai/gpt-4o: $' in p.stdout and 'go on' in p.stdout and
       'month: spent $0 of $20 (ok)' in p.stdout, p.stdout)
    p = subprocess.run([exe, 'month', 'gpt-4o', '100000'],
                       env=box.env(LD_PRELOAD=None), stdout=subprocess.PIPE,
                       text=True)
    ok('too little' in p.stdout, p.stdout)
    p = subprocess.run([exe, 'none', 'gpt-4o', '1'], stdout=subprocess.DEVNULL,
                       env=box.env(LD_PRELOAD=None), stderr=subprocess.PIPE,
                       text=True)
    ok(p.returncode == 1 and 'no such budget' in p.stderr, p.stderr)
    if sanitizer():
        return
    p = subprocess.run([sys.executable,
                        os.path.join(EXAMPLES, 'llmguard_client.py')],
                       env=box.env(LD_PRELOAD=None,
                                   LLMGUARD_CLIENT_LIBRARY=LIBRARY),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True)
    eq(p.returncode, 0, p.stderr)
    ok('this month: 2 calls' in p.stdout and 'last call: gpt-4o' in p.stdout,
       p.stdout)


def sanitizer_names():
    return 'address,undefined' if 'address' in os.path.basename(BUILD) else \
        os.path.basename(BUILD).split('-', 1)[1]


def case_threads(box):
    """A handle a thread: all that they record is there, once."""
    box.config(BUDGETS)
    guard(box, True).close()
    errors = []

    def work(i):
        try:
            with guard(box, True, project='p%d' % i) as g:
                for _ in range(20):
                    g.record('gpt-4o', output_tokens=100)
                    g.budgets()
                eq(g.last_call().model, 'gpt-4o', 'last')
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    eq(errors, [], 'errors')
    with guard(box) as g:
        eq(g.check('month', 0)[1], 20 - 120 * 100 * D('0.00001'), 'spent')
        eq(g.totals().calls, 120, 'calls')
    eq(sorted({r['project'] for r in box.rows()}),
       ['p%d' % i for i in range(6)], 'options are a handle\'s own')


def case_open(box):
    """What cannot be opened."""
    lib = guard(box).lib
    g = client.c.c_void_p(1)
    for fields in (dict(flags=2), dict(flags=1 << 31)):
        o = client.filled(client.Options, **fields)
        eq(lib.llmguard_open(client.c.byref(o), client.c.byref(g)), -5, fields)
        eq(g.value, None, 'no handle')
    o = client.Options()
    eq(lib.llmguard_open(client.c.byref(o), client.c.byref(g)), -5, 'no size')
    for code in range(-12, 4):
        ok(lib.llmguard_strerror(code), code)
    lib.llmguard_close(None)
    # a region that is none of ours
    with open(box.region, 'w') as f:
        f.write('something else')
    with guard(box) as bad:
        fails('region', bad.budgets)
    os.unlink(box.region)


if __name__ == '__main__':
    main(globals(), needs_guard=False)
