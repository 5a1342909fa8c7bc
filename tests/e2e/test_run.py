#!/usr/bin/python3
"""llmguard run: limits, breaches, experiments, resume, artifacts."""
import decimal
import json
import os
import re
import signal
import subprocess
import time

from ledger import crc32c
from harness import (CLI, HERE, NODE, PY, PYTHON_CLIENTS, TOP, Skip,
                     chat_body, eq, have_client, main, ok, request, until)

D = decimal.Decimal
# argv: calls, pause in ms, output tokens, model. 10,000 tokens of gpt-4o at
# $10 a million: each call costs $0.10 and a little.
CALL = ('import http.client, json, sys, time\n'
        'n, pause, out = (int(x) for x in sys.argv[1:4])\n'
        'model = sys.argv[4] if len(sys.argv) > 4 else "gpt-4o"\n'
        'phase = sys.argv[5] if len(sys.argv) > 5 else ""\n'
        'ok = 0\n'
        'for i in range(n):\n'
        '    c = http.client.HTTPSConnection("api.openai.com")\n'
        '    h = {"Content-Type": "application/json",\n'
        '         "x-test": "in=100;cached=40;out=%d" % out}\n'
        '    if phase:\n'
        '        h["x-llmguard-phase"] = phase\n'
        '    c.request("POST", "/v1/chat/completions", json.dumps({"model":'
        ' model, "max_tokens": out, "messages": []}), h)\n'
        '    r = c.getresponse(); r.read(); c.close()\n'
        '    ok += r.status == 200\n'
        '    print(r.status, flush=True)\n'
        '    time.sleep(pause / 1000)\n'
        'sys.exit(0 if ok == n else 9)\n')


def code(box):
    path = os.path.join(box.dir, 'call.py')
    with open(path, 'w') as f:
        f.write(CALL)
    return path


def call(box, *args):
    return [PY, code(box), *map(str, args)]


def run(box, *argv, **env):
    box.config(None)
    return box.run([CLI, 'run', *argv], LD_PRELOAD=None, **env)


def popen(box, *argv, **env):
    box.config(None)
    return subprocess.Popen(
        [CLI, 'run', *argv], env=box.env(LD_PRELOAD=None, **env), cwd=box.dir,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)


def schema(name):
    try:
        import jsonschema
    except ImportError:
        raise Skip('no python3-jsonschema')
    with open(os.path.join(TOP, 'docs/schema', name)) as f:
        d = json.load(f)
    jsonschema.Draft7Validator.check_schema(d)
    return jsonschema.Draft7Validator(d)


def artifacts(folder):
    """The three files, each by its schema; nothing else stands there."""
    out = {}
    eq(sorted(os.listdir(folder)),
       ['costs.jsonl', 'manifest.json', 'summary.json'], 'files')
    for name in ('manifest', 'summary'):
        with open('%s/%s.json' % (folder, name)) as f:
            text = f.read()
        schema(name + '.json').validate(json.loads(text))
        out[name] = json.loads(text, parse_float=D)
    with open(folder + '/costs.jsonl') as f:
        lines = f.read().splitlines()
    for line in lines:
        schema('costs.json').validate(json.loads(line))
    out['costs'] = [json.loads(x, parse_float=D) for x in lines]
    return out


def sums(a):
    """What must agree between the files."""
    m, s, rows = a['manifest'], a['summary'], a['costs']
    eq(s['total_cost_usd'], sum(r['cost_usd'] for r in rows), 'total')
    eq(m['total_cost_usd'], s['total_cost_usd'], 'manifest total')
    eq(s['train_cost_usd'] + s['infer_cost_usd'], s['total_cost_usd'], 'sum')
    eq(sum(x['cost_usd'] for x in m['models']), s['total_cost_usd'], 'models')
    for p in ('train', 'infer'):
        part = [r for r in rows if r['phase'] == p]
        eq(s[p + '_cost_usd'], sum(r['cost_usd'] for r in part), p)
        eq(s[p + '_prompt_tokens'], sum(r['input_tokens'] or 0 for r in part),
           p + ' input')
        eq(s[p + '_cached_prompt_tokens'],
           sum(r['cache_read_tokens'] or 0 for r in part), p + ' cached')
        eq(s[p + '_completion_tokens'],
           sum(r['output_tokens'] or 0 for r in part), p + ' output')
    eq((m['status'], m['cancel_reason']), (s['status'], s['cancel_reason']),
       'status')


def case_artifacts_of_a_good_run(box):
    d = os.path.join(box.dir, 'a/b c/d')
    p = run(box, '--max-usd', '5', '--artifacts', d, '--calls', '3',
            '--calls-per-example', '3', '--model', 'gpt-4o',
            '--input-tokens', '100', '--cached-tokens', '40',
            '--output-tokens', '1000', '--', *call(box, 3, 0, 1000))
    eq(p.returncode, 0, p.stderr)
    a = artifacts(d)
    sums(a)
    m, s = a['manifest'], a['summary']
    # 60 fresh at 2.5, 40 cached at 1.25, 1000 out at 10 a million
    one = D('0.00015') + D('0.00005') + D('0.01')
    eq(s['infer_cost_usd'], 3 * one, 'cost')
    eq(s['inference_effective_cost_usd'], 3 * (D('0.00025') + D('0.01')),
       'economic')
    eq(s['inference_cost_per_million_calls'], one * 1000000, 'a call')
    eq(s['program_cost_per_million_runs'], 3 * one * 1000000, 'a run')
    eq((s['status'], s['cancel_reason']), ('completed', None), 'status')
    eq((s['cache']['hits'], s['cache']['calls']), (3, 3), 'cache')
    eq(s['cache']['saved_usd'], 3 * D('0.00005'), 'saved')
    eq(m['estimates']['actual_usd'], 3 * one, 'estimate')
    eq(m['estimates']['ratio'], 1, 'estimate against actual')
    eq(m['exit_code'], 0, 'exit')
    eq(m['budget']['max_usd'], 5, 'limit')
    eq([c['name'] for c in m['budget']['cells']], ['run'], 'cells')
    eq(m['budget']['cells'][0]['spent_usd'], 3 * one, 'its cell')
    ok(b'estimate (options): 3 calls' in p.stderr, p.stderr)
    for word in (b'HITS', b'budget run', b'a million calls',
                 b'it came to 100.0 % of'):
        ok(word in p.stderr, '%s in %s' % (word, p.stderr))


def case_json_is_the_last_line(box):
    p = run(box, '--json', '--max-usd', '5', '--', *call(box, 1, 0, 10))
    lines = p.stdout.decode().splitlines()
    eq(lines[0], '200', 'the program')
    schema('manifest.json').validate(json.loads(lines[-1]))
    eq(p.stderr, b'', 'stderr')


def case_failed_and_killed(box):
    for cmd, want in ((['sh', '-c', 'exit 5'], ('failed', None, 5, None)),
                      (['sh', '-c', 'kill -ABRT $$'],
                       ('failed', None, None, 6)),
                      (['sh', '-c', 'kill -TERM $$'],
                       ('cancelled', 'signal SIGTERM', None, 15)),
                      (['no-such-command'], ('failed', None, 127, None))):
        p = run(box, '-q', '--artifacts', 'x', '--', *cmd)
        m = artifacts(os.path.join(box.dir, 'x'))['manifest']
        eq((m['status'], m['cancel_reason'], m['exit_code'],
            m['exit_signal']), want, str(cmd))
        ok(p.returncode, 'not 0')
    eq(m['calls'], 0, 'calls')


def case_breach_blocks(box):
    p = run(box, '--max-usd', '0.25', '--artifacts', 'x', '--',
            *call(box, 5, 0, 10000))
    eq(p.returncode, 3, p.stderr)
    eq(p.stdout.split().count(b'200'), 2, 'calls')
    eq(p.stdout.split().count(b'429'), 3, 'refused')
    a = artifacts(os.path.join(box.dir, 'x'))
    sums(a)
    eq((a['summary']['status'], a['summary']['refused_calls']),
       ('cancelled', 3), 'status')
    ok('budget run' in a['summary']['cancel_reason'],
       a['summary']['cancel_reason'])
    ok(b'--resume ' in p.stderr, p.stderr)


def case_breach_stops(box):
    """The program would go on for a minute; all of its children too."""
    script = '%s & (setsid %s &) ; trap "" TERM; %s; sleep 60' % (
        'sleep 70', 'sleep 71', ' '.join(call(box, 100, 200, 10000)))
    t = time.time()
    p = run(box, '--max-usd', '0.25', '--on-breach', 'stop', '--grace', '1',
            '--artifacts', 'x', '--', 'sh', '-c', script)
    eq(p.returncode, 3, p.stderr)
    ok(time.time() - t < 20, 'took %d s' % (time.time() - t))
    ok(p.stdout.split().count(b'200') == 2, p.stdout)
    a = artifacts(os.path.join(box.dir, 'x'))
    sums(a)
    eq(a['summary']['status'], 'cancelled', 'status')
    ok('budget run' in a['summary']['cancel_reason'], 'reason')
    eq(a['manifest']['exit_signal'], 9, 'it ignored SIGTERM')
    left = subprocess.run(['ps', '-eo', 'args'], stdout=subprocess.PIPE)
    ok(b'sleep 70' not in left.stdout and b'sleep 71' not in left.stdout,
       'somebody goes on')


def case_stop_is_gentle_first(box):
    """A program that ends by SIGTERM keeps its partial results."""
    py = os.path.join(box.dir, 'gentle.py')
    with open(py, 'w') as f:
        f.write('import signal, sys\n'
                'def end(*a):\n'
                '    open("partial", "w").write("kept"); sys.exit(0)\n'
                'signal.signal(signal.SIGTERM, end)\n' + CALL)
    p = run(box, '--max-usd', '0.15', '--on-breach', 'stop', '--', PY, py,
            '50', '200', '10000')
    eq(p.returncode, 3, p.stderr)
    with open(os.path.join(box.dir, 'partial')) as f:
        eq(f.read(), 'kept', 'results')


def case_breach_continues(box):
    p = run(box, '--max-usd', '0.15', '--on-breach', 'continue', '--artifacts',
            'x', '--', *call(box, 4, 150, 10000))
    eq((p.returncode, p.stdout.split()), (0, [b'200'] * 4), p.stderr)
    ok(b'goes on' in p.stderr, p.stderr)
    a = artifacts(os.path.join(box.dir, 'x'))
    eq((a['summary']['status'], a['manifest']['budget']['breached']),
       ('completed', True), 'status')


def case_other_budgets_hold_all_the_same(box):
    box.budget('0.15')
    p = box.run([CLI, 'run', '--max-usd', '0.05', '--on-breach', 'continue',
                 '-q', '--', *call(box, 3, 0, 10000)], LD_PRELOAD=None)
    eq((p.returncode, p.stdout.split().count(b'429')), (3, 2), p.stderr)


def case_ignore(box):
    p = run(box, '--max-usd', '0', '--ignore-budget', '--artifacts', 'x',
            '--', *call(box, 2, 0, 10000))
    eq((p.returncode, p.stdout.split()), (0, [b'200'] * 2), p.stderr)
    a = artifacts(os.path.join(box.dir, 'x'))
    ok(all('ignored_budget' in r['flags'] for r in a['costs']), 'marked')
    eq(a['manifest']['budget']['ignored'], True, 'said')


def case_phases_have_their_limits(box):
    train = ' '.join(call(box, 3, 0, 10000, 'gpt-4o', 'train'))
    infer = ' '.join(call(box, 3, 0, 10000))
    p = run(box, '--max-usd', '5', '--max-train-usd', '0.15',
            '--max-infer-usd', '0.25', '--artifacts', 'x', '--', 'sh', '-c',
            '%s; %s' % (train, infer))
    eq(p.returncode, 3, p.stderr)
    a = artifacts(os.path.join(box.dir, 'x'))
    sums(a)
    one = D('0.0002') + D('0.1')
    eq((a['summary']['train_cost_usd'], a['summary']['infer_cost_usd']),
       (one, 2 * one), 'each phase')
    eq([c['name'] for c in a['manifest']['budget']['cells']],
       ['run', 'run-infer', 'run-train'], 'budgets')


def case_warn(box):
    p = run(box, '--warn-usd', '0.15', '--', *call(box, 3, 150, 10000))
    eq((p.returncode, p.stdout.split()), (0, [b'200'] * 3), p.stderr)
    ok(b'warning: this run has spent' in p.stderr, p.stderr)
    both = '; '.join(' '.join(call(box, 2, 150, 10000, 'gpt-4o', x))
                     for x in ('train', 'infer'))
    p = run(box, '--warn-train-usd', '0.15', '--warn-infer-usd', '0.25',
            '--artifacts', 'x', '--', 'sh', '-c', both)
    ok(b'warning: training has spent' in p.stderr, p.stderr)
    ok(b'warning: inference' not in p.stderr, p.stderr)
    a = artifacts(os.path.join(box.dir, 'x'))
    eq((a['summary']['status'], a['manifest']['budget']['breached']),
       ('completed', False), 'no breach')


def run_id(p):
    err = p.stderr.decode()
    return err[err.index('--resume ') + 9:].split()[0]


def case_resume(box):
    p = run(box, '--max-usd', '0.25', '--project', 'px', '--', *call(
        box, 5, 0, 10000))
    first = run_id(p)
    p = run(box, '--resume', first, '--', *call(box, 5, 0, 10000))
    eq((p.returncode, p.stdout.split()), (3, [b'429'] * 5), 'nothing fits')
    p = run(box, '--resume', first, '--add-usd', '0.2', '--artifacts', 'x',
            '--', *call(box, 3, 0, 10000))
    eq(p.stdout.split(), [b'200', b'200', b'429'], p.stderr)
    eq({(r['run_id'], r['project']) for r in box.rows()}, {(first, 'px')},
       'one run')
    a = artifacts(os.path.join(box.dir, 'x'))
    sums(a)
    eq((a['manifest']['resumed'], a['manifest']['calls']), (True, 4), 'all')
    eq(a['manifest']['budget']['max_usd'], D('0.45'), 'its limit')
    # the region may be lost meanwhile
    os.unlink(box.region)
    p = run(box, '--resume', first, '--', *call(box, 1, 0, 10000))
    eq(p.stdout.split(), [b'429'], 'rebuilt')
    p = run(box, '--resume', first, '--max-usd', '0.1', '--', 'true')
    eq(p.returncode, 3, 'nothing is left')
    ok(b'nothing is left' in p.stderr, p.stderr)
    for args in (['--resume', 'no-such-run', 'true'],
                 ['--add-usd', '1', 'true'],
                 ['--resume', first, '--add-usd', '1', '--max-usd', '1',
                  'true']):
        ok(run(box, *args).returncode in (1, 2), str(args))


def case_old_records(box):
    """What nobody has touched for 180 days goes, but of runs that go on."""
    folder = os.path.join(box.state, 'runs')
    os.makedirs(folder)
    pid = os.getpid()
    with open('/proc/%d/stat' % pid) as f:
        began = int(f.read().rpartition(')')[2].split()[19])
    live = {'run_id': 'live', 'status': 'running', 'pid': pid,
            'pid_start': began}
    for days, name in ((181, 'dead.json'), (181, 'dead.phase'),
                       (181, 'x.json.123'), (179, 'young.json'),
                       (400, 'live.json'), (400, 'live.phase'),
                       (400, 'experiment-e.halt'), (181, 'other.phase')):
        path = os.path.join(folder, name)
        with open(path, 'w') as f:
            f.write(json.dumps(live if name == 'live.json' else {}))
        os.utime(path, (time.time() - days * 86400,) * 2)
    p = run(box, '--max-usd', '1', '--', 'true')
    eq(p.returncode, 0, p.stderr)
    eq(sorted(x for x in os.listdir(folder) if not x.startswith('run-')),
       ['experiment-e.halt', 'live.json', 'live.phase', 'young.json'], 'kept')


def case_resume_of_one_that_goes_on(box):
    p = popen(box, '--max-usd', '1', '--', 'sleep', '30')
    def runs():
        at = os.path.join(box.state, 'runs')
        names = os.listdir(at) if os.path.isdir(at) else []
        return [n for n in names if n.endswith('.json')]
    names = until(runs, 'it is noted')
    time.sleep(0.2)
    q = run(box, '--resume', names[0][:-5], '--', 'true')
    eq(q.returncode, 1, q.stderr)
    ok(b'still going on' in q.stderr, q.stderr)
    p.terminate()
    p.communicate()
    eq(p.returncode, -15, 'as its child')


def case_two_at_once(box):
    one = popen(box, '--max-usd', '0.25', '--artifacts', 'one', '--',
                *call(box, 4, 100, 10000))
    two = popen(box, '--max-usd', '0.35', '--artifacts', 'two', '--',
                *call(box, 5, 100, 10000))
    for p, want in ((one, 2), (two, 3)):
        out, err = p.communicate(timeout=60)
        eq((p.returncode, out.split().count(b'200')), (3, want), err)
    for name, want in (('one', 4), ('two', 5)):
        a = artifacts(os.path.join(box.dir, name))
        sums(a)
        eq((len(a['costs']), len({r['run_id'] for r in a['costs']})),
           (want, 1), 'rows')


def case_experiment_shares(box):
    e = ['--experiment', 'e/1', '--experiment-max-usd', '0.35']
    ps = [popen(box, *e, '--', *call(box, 4, 50, 10000)) for _ in range(3)]
    passed = sum(p.communicate(timeout=60)[0].split().count(b'200')
                 for p in ps)
    eq(passed, 3, 'of all together')
    p = run(box, *e, '--', *call(box, 1, 0, 10000))
    eq((p.returncode, p.stdout.split()), (3, [b'429']), p.stderr)
    p = run(box, '-e', 'other', '--experiment-max-usd', '0.35', '--',
            *call(box, 1, 0, 10000))
    eq(p.stdout.split(), [b'200'], 'another experiment')
    os.unlink(box.region)
    p = run(box, *e, '--', *call(box, 1, 0, 10000))
    eq(p.stdout.split(), [b'429'], 'from the ledger')
    p = run(box, '-e', 'e/1', '--experiment-max-usd', '1', '--',
            *call(box, 1, 0, 10000))
    eq(p.stdout.split(), [b'200'], 'raised')


def case_experiment_halts(box):
    e = ['--experiment', 'x1', '--grace', '1']
    other = popen(box, *e, '--artifacts', 'other', '--', 'sleep', '60')
    apart = popen(box, '-e', 'x2', '--', 'sleep', '3')
    time.sleep(0.5)
    p = run(box, *e, '--max-usd', '0.15', '--halt-experiment', '--on-breach',
            'stop', '--', *call(box, 50, 100, 10000))
    eq(p.returncode, 3, p.stderr)
    out, err = other.communicate(timeout=20)
    eq(other.returncode, 3, err)
    a = artifacts(os.path.join(box.dir, 'other'))
    eq(a['summary']['status'], 'cancelled', 'status')
    ok('halted by run' in a['summary']['cancel_reason'], str(a['summary']))
    p = run(box, *e, '--artifacts', 'late', '--', 'touch', 'started')
    eq(p.returncode, 3, p.stderr)
    ok(not os.path.exists(os.path.join(box.dir, 'started')), 'not started')
    eq(artifacts(os.path.join(box.dir, 'late'))['summary']['status'],
       'cancelled', 'said')
    eq(run(box, *e, '--restart-experiment', '--', 'true').returncode, 0,
       'restarted')
    eq(run(box, *e, '--', 'true').returncode, 0, 'and stays so')
    apart.communicate(timeout=20)
    eq(apart.returncode, 0, 'another experiment')


def case_kill_9_of_the_supervisor(box):
    """The limit holds, the artifacts are whole, the run can be resumed."""
    p = popen(box, '--max-usd', '0.25', '--artifacts', 'x', '--',
              'sh', '-c', '%s > out' % ' '.join(call(box, 8, 200, 10000)))
    time.sleep(0.7)
    p.kill()
    p.communicate()
    out = os.path.join(box.dir, 'out')
    until(lambda: open(out).read().count('\n') == 8, 'all answers')
    text = open(out).read()
    eq((text.count('200'), text.count('429')), (2, 6), 'its limit holds')
    a = artifacts(os.path.join(box.dir, 'x'))
    eq(a['summary']['status'], 'failed', 'status')
    first = box.rows()[0]['run_id']
    p = run(box, '--resume', first, '--add-usd', '0.1', '--artifacts', 'x',
            '--', *call(box, 1, 0, 10000))
    eq(p.stdout.split(), [b'200'], p.stderr)
    sums(artifacts(os.path.join(box.dir, 'x')))


def case_ctrl_c(box):
    """The terminal's INT goes to all; llmguard reports what there is."""
    import pty
    box.config(None)
    pid, fd = pty.fork()
    if not pid:
        os.chdir(box.dir)
        os.execve(CLI, [CLI, 'run', '--artifacts', 'x', '--',
                        *call(box, 100, 100, 100)], box.env(LD_PRELOAD=None))
    time.sleep(1.2)
    os.write(fd, b'\x03')
    out = b''
    while True:
        try:
            d = os.read(fd, 4096)
        except OSError:
            break
        if not d:
            break
        out += d
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    ok(status in (-signal.SIGINT, 130, 1), 'as its child: %d' % status)
    a = artifacts(os.path.join(box.dir, 'x'))
    sums(a)
    eq((a['summary']['status'], a['summary']['cancel_reason']),
       ('cancelled', 'signal SIGINT'), out)
    ok(len(a['costs']) > 1, 'calls')
    ok(b'cancelled: signal SIGINT' in out, out)


def case_signals_are_passed_on(box):
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        p = popen(box, '-q', '--artifacts', 'x', '--', 'sleep', '30')
        time.sleep(0.4)
        p.send_signal(sig)
        p.communicate(timeout=10)
        eq(p.returncode, -sig, 'as its child')
        s = artifacts(os.path.join(box.dir, 'x'))['summary']
        eq((s['status'], s['cancel_reason']),
           ('cancelled', 'signal ' + signal.Signals(sig).name), 'said')


def case_skew_and_record(box):
    p = run(box, '--calls', '10', '--model', 'gpt-4o', '--input-tokens', '100',
            '--output-tokens', '10', '--artifacts', 'x', '--', 'sh', '-c',
            '%s; %s record --model gpt-4o --input-tokens 100 --output-tokens '
            '10 --calls 4 --cache-hit local' % (
                ' '.join(call(box, 3, 0, 10)), CLI))
    eq(p.returncode, 0, p.stderr)
    ok(b'skew: 3 of 10 expected calls' in p.stderr, p.stderr)
    a = artifacts(os.path.join(box.dir, 'x'))
    sums(a)
    eq(a['manifest']['skew'], {'expected_calls': 10, 'wire_calls': 3,
       'recorded_local_hits': 4, 'refused_calls': 0, 'missing_calls': 3},
       'skew')
    eq(a['summary']['cache']['local_hits'], 4, 'hits')
    local = [r for r in a['costs'] if r['cache_hit'] == 'local']
    eq([(r['cost_usd'], r['economic_usd']) for r in local],
       [(0, D('0.00035'))] * 4, 'free, and what it would have cost')
    wire = [r for r in a['costs'] if r['cache_hit'] != 'local']
    eq(a['summary']['inference_cost_per_million_calls'],
       sum(r['cost_usd'] for r in wire) / 3 * 1000000, 'of the wire alone')


def case_record_counts(box):
    box.budget('0.01')
    p = box.cli('record', '--model', 'gpt-4o', '--input-tokens', '1000',
                '--cached-tokens', '400', '--output-tokens', '100',
                '--cache-hit', 'none', '--json', '--project', 'a',
                '--tags', 'x,y')
    want = D('0.0015') + D('0.0005') + D('0.001')
    eq(json.loads(p.stdout, parse_float=D)['cost_usd'], want, 'cost')
    eq(box.budget_status()['spent_usd'], want, 'counted')
    r = box.rows()[0]
    eq((r['cost_usd'], r['input_cost_usd'], r['tags'], r['project'],
        r['budgets'], r['cache_hit']),
       (want, D('0.002'), ['x', 'y'], 'a', ['cap'], 'provider'), 'row')
    box.cli('record', '--model', 'gpt-4o', '--input-tokens', '9')
    eq(box.budget_status()['spent_usd'], want, 'a hit costs nothing')
    for args in ([], ['--model', ''], ['--model', 'x', '--calls', '0'],
                 ['--model', 'x', '--cached-tokens', '1'],
                 ['--model', 'x', '--cache-hit', 'maybe']):
        eq(box.cli('record', *args, check=False).returncode, 2, str(args))


def case_record_belongs(box):
    """A recorded call is everyone's whose a guarded one would be."""
    box.config('tracking: {default_tags: [all]}\nbudgets:\n'
               '  - {name: y, scope: "tag:y", period: total, limit_usd: 9}\n'
               '  - {name: t, scope: "conversation:ticket-17", period: total,'
               ' limit_usd: 9}\n')
    box.cli('record', '-m', 'gpt-4o', '-i', '1000000', '--cache-hit', 'none',
            '--tags', 'x, y, x', '-c', 'ticket-17 an answer', '--phase',
            'train')
    r = box.rows()[-1]
    eq((r['tags'], r['conversation'], r['label'], r['phase']),
       (['x', 'y', 'all'], 'ticket-17', 'an answer', 'train'), 'row')
    eq([box.budget_status(n)['spent_usd'] for n in 'yt'], [D('2.5')] * 2,
       'budgets')
    # a row of somebody who wrote a tag twice is one call
    folder = os.path.join(box.state, 'ledger')
    path = os.path.join(folder, [n for n in os.listdir(folder)
                                 if n.endswith('.jsonl')][0])
    with open(path) as f:
        text = f.read()
    with open(path, 'w') as f:
        body = text.split(',"crc":')[0].replace('["x","y","all"]',
                                                '["x","x","all"]')
        f.write('%s,"crc":"%08x"}\n' % (body, crc32c(body.encode())))
    got = json.loads(box.cli('report', '--by', 'tag', '--json').stdout)
    eq({g['key']: g['calls'] for g in got['groups']}, {'x': 1, 'all': 1},
       'once each')


def case_unreadable(box):
    """No line is lost in silence; a row without a cost is not free."""
    box.cli('record', '-m', 'gpt-4o', '-i', '1000000', '--cache-hit', 'none')
    folder = os.path.join(box.state, 'ledger')
    path = os.path.join(folder, [n for n in os.listdir(folder)
                                 if n.endswith('.jsonl')][0])
    with open(path) as f:
        body = f.read().split(',"crc":')[0]
    body = re.sub(r'"cost_usd":2.5', '"cost_usd":null', body)
    ok(':null' in body and '"cost_usd":2.5' not in body, body)
    with open(path, 'a') as f:
        for n in (1, 2):
            other = re.sub(r'"id":"(.)(.{25})"', lambda m: '"id":"%s%s%d"' % (
                m[1], m[2][:-1], n + 2 * (m[2][-1] in '12')), body)
            f.write('%s,"crc":"%08x"}\n' % (other, crc32c(other.encode())))
        f.write('{"v":1,"broken\n' * 12)
    for command in ('report', 'costs'):
        text = box.cli(command).stdout.decode()
        ok('12 lines of the ledger that cannot be read' in text, text)
    got = json.loads(box.cli('report', '--json').stdout,
                     parse_float=D)['coverage']
    eq((got['exact'], got['unknown'], got['unreadable_lines']),
       (dict(calls=1, usd=D('2.5')), dict(calls=2, usd=0), 12), 'coverage')
    got = json.loads(box.cli('status', '--json').stdout)
    eq(got['coverage']['unknown']['calls'], 2, 'status')


def case_bad_options(box):
    open(os.path.join(box.dir, 'file'), 'w').close()
    for args, want in ((['--experiment', 'a*b'], 2),
                       (['--experiment-max-usd', '1'], 2),
                       (['--halt-experiment'], 2), (['--examples', '3'], 2),
                       (['--calls-per-example', '0'], 2),
                       (['--on-breach', 'x'], 2),
                       (['--input-tokens', '5'], 2),
                       (['--artifacts', 'file/x'], 1),
                       (['--estimate', 'no-such-file'], 1)):
        p = run(box, *args, '--', 'touch', 'started')
        eq(p.returncode, want, '%s: %s' % (args, p.stderr))
        ok(p.stderr.startswith(b'llmguard'), p.stderr)
    ok(not os.path.exists(os.path.join(box.dir, 'started')), 'not started')


def case_artifacts_cannot_be_written(box):
    """The run goes on to its end; stderr says what is missing."""
    if os.geteuid() == 0:
        d = '/proc/self'
        p = run(box, '--artifacts', d, '--', 'true')
        ok(p.returncode in (0, 1) and p.stderr, p.stderr)
    d = os.path.join(box.dir, 'x')
    p = run(box, '--artifacts', d, '--', 'sh', '-c', 'rm -r x; exit 0')
    eq(p.returncode, 0, p.stderr)
    ok(b'costs.jsonl' in p.stderr, p.stderr)


def case_breach_of_the_experiment_stops(box):
    e = ['-e', 'x', '--experiment-max-usd', '0.25', '--on-breach', 'stop']
    p = run(box, *e, '--artifacts', 'x', '--', *call(box, 50, 100, 10000))
    eq((p.returncode, p.stdout.split().count(b'200')), (3, 2), p.stderr)
    s = artifacts(os.path.join(box.dir, 'x'))['summary']
    ok('budget experiment of x' in s['cancel_reason'], s['cancel_reason'])


def case_a_transient_refusal_is_no_breach(box):
    """Two calls hold more than they will cost: the second is refused, and
    passes when it is tried again."""
    py = os.path.join(box.dir, 'hold.py')
    with open(py, 'w') as f:
        f.write('import http.client, json, threading, time\n'
                'def ask(out, delay):\n'
                '    c = http.client.HTTPSConnection("api.openai.com")\n'
                '    c.request("POST", "/v1/chat/completions", json.dumps({'
                '"model": "gpt-4o", "max_tokens": 10000, "messages": []}),'
                ' {"Content-Type": "application/json", "x-test":'
                ' "in=1;out=%d;delay=%d" % (out, delay)})\n'
                '    r = c.getresponse(); r.read()\n'
                '    print(r.status, r.getheader("x-should-retry"),'
                ' flush=True)\n'
                't = threading.Thread(target=ask, args=(10, 900))\n'
                't.start(); time.sleep(0.3)\n'
                'ask(10, 0); t.join(); time.sleep(0.3)\n'
                'ask(9000, 0); time.sleep(0.5); print("end")\n')
    p = run(box, '--max-usd', '0.15', '--on-breach', 'stop', '--', PY, py)
    eq(p.stdout.decode().split('\n')[:4],
       ['429 true', '200 None', '200 None', 'end'], p.stderr)


def case_nested_runs_escape_nothing(box):
    inner = [CLI, 'run', '-q', '--on-breach', 'continue', '--ignore-budget',
             '--max-usd', '9', '--', *call(box, 3, 0, 10000)]
    p = run(box, '--max-usd', '0.15', '--artifacts', 'x', '--', *inner)
    eq((p.returncode, p.stdout.split().count(b'200')), (3, 1), p.stderr)
    sums(artifacts(os.path.join(box.dir, 'x')))


def case_a_declined_resume_adds_nothing(box):
    p = run(box, '--max-usd', '0.15', '--', *call(box, 2, 0, 10000))
    first = run_id(p)
    ask = ['--model', 'gpt-4o', '--input-tokens', '1', '--output-tokens',
           '10000', '--calls', '9']
    for _ in range(3):
        p = run(box, '--resume', first, '--add-usd', '0.1', *ask, '--', 'true')
        eq(p.returncode, 3, p.stderr)
    p = run(box, '--resume', first, '--add-usd', '0.1', '--',
            *call(box, 3, 0, 10000))
    eq(p.stdout.split().count(b'200'), 1, 'added once')


def case_many_processes(box):
    """A tree of 300 ends, also those that have left their session."""
    script = ('for i in $(seq 150); do (setsid sleep 61 & exec sleep 61) & '
              'done; %s; wait' % ' '.join(call(box, 9, 100, 10000)))
    p = run(box, '--max-usd', '0.15', '--on-breach', 'stop', '--', 'sh', '-c',
            script)
    eq(p.returncode, 3, p.stderr)
    left = subprocess.run(['ps', '-eo', 'args'], stdout=subprocess.PIPE)
    ok(b'sleep 61' not in left.stdout, 'somebody goes on')



def case_real_clients(box):
    """The third call of each does not fit; the files say the same of all."""
    reqs = [request(body=chat_body('gpt-4o', max_tokens=10000),
                    test='in=100;out=10000') for _ in range(3)]
    kinds = [k for k in ('requests', 'httpx', 'httpx-async', 'aiohttp',
                         'https', 'fetch') if have_client(k)]
    for kind in kinds:
        argv = [PY, os.path.join(HERE, 'clients.py'), kind] \
            if kind in PYTHON_CLIENTS else \
            [NODE, '--require', os.path.join(HERE, 'redirect/node.cjs'),
             os.path.join(HERE, 'clients.cjs'), kind]
        d = os.path.join(box.dir, kind)
        p = box.run([CLI, 'run', '--max-usd', '0.25', '--artifacts', d, '--',
                     *argv], stdin=json.dumps({'requests': reqs}),
                    LD_PRELOAD=None)
        eq(p.returncode, 3, '%s: %s' % (kind, p.stderr))
        eq([json.loads(x)['status'] for x in p.stdout.decode().splitlines()],
           [200, 200, 429], kind)
        a = artifacts(d)
        sums(a)
        eq((a['manifest']['calls'], a['manifest']['refused_calls']), (2, 1),
           kind)
    one = box.curl_argv(reqs[0]['url'], reqs[0]['body'], reqs[0]['headers'],
                        ['-o', '/dev/null', '-w', '%{http_code} '])
    d = os.path.join(box.dir, 'curl')
    p = box.run([CLI, 'run', '--max-usd', '0.25', '--artifacts', d, '--', 'sh',
                 '-c', 'for i in 1 2 3; do "$@"; done', 'sh', *one],
                LD_PRELOAD=None)
    eq((p.returncode, p.stdout), (3, b'200 200 429 '), p.stderr)
    sums(artifacts(d))


def case_fine_tuned_by_phase(box):
    box.config('models:\n'
               '  - {match: "ft:gpt-4o-mini:a*", phase: train,'
               ' pricing_id: openai/gpt-4o-mini, fine_tuned: true}\n'
               '  - {match: my-tuned, pricing_id: openai/gpt-4o,'
               ' fine_tuned: true}\n')
    script = '; '.join(' '.join(call(box, 1, 0, 1000, m)) for m in (
        'ft:gpt-4o-mini:a::1', 'my-tuned', 'gpt-4o'))
    p = box.run([CLI, 'run', '--artifacts', 'x', '--', 'sh', '-c', script],
                LD_PRELOAD=None)
    eq(p.returncode, 0, p.stderr)
    a = artifacts(os.path.join(box.dir, 'x'))
    sums(a)
    cost = {r['model']: r['cost_usd'] for r in a['costs']}
    eq(a['manifest']['fine_tune'],
       {'training_cost_usd': cost['ft:gpt-4o-mini:a::1'],
        'inference_cost_usd': cost['my-tuned']}, 'fine-tuned')
    eq(a['summary']['train_cost_usd'], cost['ft:gpt-4o-mini:a::1'], 'train')


def case_audit(box):
    p = run(box, '--max-usd', '0.15', '-e', 'ex', '--halt-experiment', '--',
            *call(box, 3, 0, 10000))
    first = run_id(p)
    run(box, '--resume', first, '--add-usd', '0.1', '--', 'true')
    notes = [r['note'] for r in box.rows('audit')]
    eq(notes, ['experiment ex halted', 'experiment ex restarted',
               'run %s resumed add_usd 0.1' % first], 'audit')


if __name__ == '__main__':
    main(globals())
