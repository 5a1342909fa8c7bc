#!/usr/bin/python3
"""export and archive: the same calls and the same money in every form."""
import csv
import io
import json
import os
import shutil
import subprocess
import time
from decimal import Decimal as D

import ledger
from harness import CLI, OPENAI, chat_body, eq, main, ok, request, send

GPT4O_OUT = D('0.00001')


def export(box, *args):
    return box.cli('export', *args).stdout.decode()


def lines(text):
    return [json.loads(x, parse_float=D) for x in text.splitlines()]


def record(box, n, model='gpt-4o', **more):
    args = ['record', '--model', model, '--output-tokens', str(n),
            '--cache-hit', 'none']
    for k, v in more.items():
        args += ['--' + k.replace('_', '-'), v]
    box.cli(*args)


def three(box):
    record(box, 100, project='a', tags='x,y', user='=ann')
    record(box, 200, project='b', tags='y', conversation='c1')
    record(box, 300, model='claude-sonnet-4-5', project='b',
           conversation='c1')
    return [100 * GPT4O_OUT, 200 * GPT4O_OUT, 300 * D('0.000015')]


def case_forms(box):
    want = three(box)
    rows = lines(export(box))
    eq([r['cost_usd'] for r in rows], want, 'jsonl')
    eq([r['id'] for r in rows], [r['id'] for r in box.rows()], 'ids')
    eq([(r['tags'], r['project']) for r in rows[:2]],
       [(['x', 'y'], 'a'), (['y'], 'b')], 'keys of the ledger')
    table = list(csv.DictReader(io.StringIO(export(box, '--format', 'csv'))))
    eq([D(r['cost_usd']) for r in table], want, 'csv')
    eq((table[0]['tags'], table[0]['user'], table[0]['input_tokens'],
        table[0]['verdict'], table[0]['kind']),
       ('x;y', "'=ann", '0', 'allow', 'call'), 'cells')
    spans = [s for m in lines(export(box, '--format', 'otlp-json'))
             for r in m['resourceSpans'] for c in r['scopeSpans']
             for s in c['spans']]

    def attr(span, name):
        for a in span['attributes']:
            if a['key'] == name:
                (kind, v), = a['value'].items()
                return int(v) if kind == 'intValue' else v
        return None
    eq([attr(s, 'llmguard.cost_usd') for s in spans], want, 'spans')
    eq([(attr(s, 'gen_ai.operation.name'), attr(s, 'gen_ai.provider.name'),
         attr(s, 'gen_ai.request.model'),
         attr(s, 'gen_ai.usage.output_tokens')) for s in spans],
       [('chat', 'openai', 'gpt-4o', 100), ('chat', 'openai', 'gpt-4o', 200),
        ('chat', 'anthropic', 'claude-sonnet-4-5', 300)], 'conventions')
    eq((spans[1]['name'], spans[1]['kind'],
        attr(spans[1], 'gen_ai.conversation.id')), ('chat gpt-4o', 3, 'c1'),
       'span')
    eq(spans[1]['traceId'], spans[2]['traceId'], 'a conversation is a trace')
    ok(spans[0]['traceId'] != spans[1]['traceId'], 'others are not')
    eq(len({s['spanId'] for s in spans}), 3, 'span ids')
    ok(all(len(s['traceId']) == 32 and len(s['spanId']) == 16 and
           int(s['endTimeUnixNano']) >= int(s['startTimeUnixNano']) > 0
           for s in spans), 'ids and times')


def case_wire(box):
    """What went over the wire: status, ids, refusals."""
    box.budget('0.02')
    send(box, 'http.client', [request(
        OPENAI, chat_body('gpt-4o', max_tokens=1000), 'in=5;out=1000')] * 3)
    text = export(box, '--format', 'otlp-json')
    spans = lines(text)[0]['resourceSpans'][0]['scopeSpans'][0]['spans']
    eq([s['status'] for s in spans],
       [{}, {'code': 2}, {'code': 2}] if len(spans) == 3 and
       spans[1]['status'] else [{}, {}, {'code': 2}], 'status')
    ok('"gen_ai.response.id"' in text and '"error.type"' in text and
       'over_budget' in text and '"http.response.status_code"' in text, text)


def case_choice(box):
    three(box)
    for args, want in ((['--project', 'b'], 2), (['--model', 'gpt*'], 2),
                       (['--tag', 'x'], 1), (['--tag', 'y,z'], 2),
                       (['--project', 'a,b'], 3), (['--user', '=ann'], 1),
                       (['--conversation', 'c1', '--model', 'claude*'], 1),
                       (['--provider', 'openai'], 2), (['--phase', 'train'], 0),
                       (['--last', '7d'], 3), (['--period', 'today'], 3),
                       (['--from', '2000-01-01', '--to', '2001'], 0),
                       (['--month', time.strftime('%Y-%m')], 3),
                       (['--to', '2001-01-01'], 0)):
        eq(len(lines(export(box, *args))), want, args)
    for args in (['--format', 'xml'], ['--from', 'x'], ['--month', '13'],
                 ['--last', 'x'], ['--period', 'never'],
                 ['--month', '2026-11', '--last', '7d'],
                 ['--period', 'all', '--from', '2026'],
                 ['--last', '7d', '--to', '2027']):
        p = box.cli('export', *args, check=False)
        eq((p.returncode, p.stdout), (2, b''), args)


def case_filters(box):
    """The same calls as in a report, by every filter, however it is given."""
    ledger.write(box.state, [
        ledger.call('2026-10-0%dT10:00:00.000Z' % (i + 1), model,
                    model_requested=asked, cost='0.5', **more)
        for i, (model, asked, more) in enumerate([
            ('gpt-4o', 'gpt-4o', {'project': 'a', 'tags': ['x', 'y']}),
            ('gpt-4o-2024-08-06', 'mine', {'tags': ['z'], 'phase': 'train'}),
            ('', 'gpt-4o-2024-11-20', {'user': 'ann', 'phase': 'infer',
                                       'verdict': 'block', 'run_id': 'r1'}),
            ('gpt-4o-mini', 'gpt-4o-mini', {
                'key': '0123456789ab', 'request_type': 'embed',
                'experiment': 'e', 'comm': 'py', 'conversation': 'c'}),
        ])], '2026-10')
    time_of = ('--from', '2026-10-01', '--to', '2026-10-31')
    for args, want in (
            (['--model', 'gpt-4o'], 3), (['--model', 'mine'], 1),
            (['--model', 'mine', '--model', 'gpt-4o-mini'], 2),
            (['--model', '-'], 0), (['--project', '-'], 3),
            (['--project', 'a', '--project=-'], 4), (['--user', 'a*'], 1),
            (['--tag', 'x', '--tags', 'z'], 2), (['--tags', '-'], 2),
            (['--tags', 'y', '--tag', 'q'], 1), (['--phase', '-'], 2),
            (['--phase', 'infer,train'], 2), (['--run', 'r?'], 1),
            (['--phase', 'infer', '--phase', 'train'], 2),
            (['--run-id', 'r1', '--run', '-'], 4), (['--verdict', 'block'], 1),
            (['--key', '0123456789ab'], 1), (['--request-type', 'embed'], 1),
            (['--experiment', 'e'], 1), (['--process', 'p*,x'], 4),
            (['--conversation', 'c'], 1), (['--endpoint', '/v1/*'], 4),
            (['--provider', '-'], 0)):
        got = json.loads(box.cli('report', '--json', *time_of, *args).stdout)
        eq(got['total']['calls'], want, ('report', args))
        eq(len(lines(export(box, *time_of, *args))), want, ('export', args))
    for args in (['--projects', 'a,b', '--project', 'z'],
                 ['--models', 'a,b', '--model', 'z']):
        p = box.cli('compare', *args, check=False)
        eq((p.returncode, p.stdout), (2, b''), args)


def case_learned(box):
    """A correction that changes no count: what it says of the call holds."""
    def at(hour):
        return '2026-10-01T%02d:00:00.000Z' % hour
    one = ledger.call(at(10), 'gpt-4o', cost='0.5', output_tokens=7)
    rows = [one]
    for i, (model, tier) in enumerate((('gpt-4o', 'flex'),
                                       ('gpt-4o-mini', 'batch'))):
        rows.append(ledger.call(
            at(10), model, tier=tier, cost='-0.1', kind='adjust',
            ref=one['id'], estimate_usd=0, usage_state='estimated',
            end_ts=at(11 + i)))
    ledger.write(box.state, rows, '2026-10')
    got, = lines(export(box))
    eq((got['model'], got['tier'], got['usage_state'], got['cost_usd'],
        got['output_tokens']),
       ('gpt-4o-mini', 'batch', 'estimated', D('0.3'), 7), 'as it stands')
    for by, want in (('model', 'gpt-4o-mini'), ('tier', 'batch'),
                     ('usage_state', 'estimated')):
        r = json.loads(box.cli('report', '--month', '2026-10', '--by', by,
                               '--json').stdout)
        eq([g['key'] for g in r['groups']], [want], by)


def case_corrected(box):
    """A call that was priced later stands with its new price, once."""
    box.config('unknown_model: allow\n')
    box.cli('record', '--model', 'mine', '--output-tokens', '1000',
            '--cache-hit', 'none', '--provider', 'acme')
    eq(lines(export(box))[0]['price_state'], 'unknown', 'at the ceiling')
    box.cli('pricing', 'set', 'mine', '--provider', 'acme',
            '--input-per-1m', '1', '--output-per-1m', '2',
            '--effective-at', 'always')
    box.cli('reprice')
    rows = lines(export(box))
    eq([(r['cost_usd'], r['price_state']) for r in rows],
       [(D('0.002'), 'exact')], 'repriced')


def case_file(box):
    want = three(box)
    path = os.path.join(box.dir, 'out.csv')
    with open(path, 'w') as f:
        f.write('old')
    p = box.cli('export', '--format', 'csv', '-o', path)
    eq((p.stdout, b'3 rows' in p.stderr), (b'', True), p.stderr)
    with open(path) as f:
        eq([D(r['cost_usd']) for r in csv.DictReader(f)], want, 'file')
    eq(oct(os.stat(path).st_mode & 0o777), '0o600', 'mode')
    p = box.cli('export', '-o', os.path.join(box.dir, 'no/such'), check=False)
    eq(p.returncode, 1, 'no folder')
    eq(sorted(n for n in os.listdir(box.dir) if 'out' in n), ['out.csv'],
       'nothing is left')
    with open('/dev/full', 'w') as full:
        p = subprocess.run([CLI, 'export'], stdout=full,
                           stderr=subprocess.PIPE,
                           env=box.env(LD_PRELOAD=None))
    eq((p.returncode, b'No space' in p.stderr), (1, True), p.stderr)
    eq(export(box, '--project', 'none'), '', 'no rows')


def case_no_file(box):
    """What is no regular file is written into, never replaced."""
    three(box)
    want = export(box)

    def at(name):
        return os.path.join(box.dir, name)
    os.mkfifo(at('fifo'))
    os.symlink('/dev/full', at('full'))
    os.symlink('/dev/null', at('null.csv'))
    os.symlink(at('file'), at('link'))
    for name in ('file', 'link.new', 'file.new'):
        with open(at(name), 'w') as f:
            f.write('mine')
    p = subprocess.Popen([CLI, 'export', '-o', at('fifo')],
                         env=box.env(LD_PRELOAD=None),
                         stderr=subprocess.DEVNULL)
    fd = os.open(at('fifo'), os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(fd, True)
    got = b''
    until = time.monotonic() + 60
    while p.poll() is None and time.monotonic() < until:
        got += os.read(fd, 65536)
        time.sleep(0.01)
    got += os.read(fd, 65536)
    os.close(fd)
    p.kill()
    eq((p.wait(), got.decode()), (0, want), 'a FIFO')
    p = box.cli('export', '-o', at('full'), check=False)
    eq((p.returncode, b'No space' in p.stderr), (1, True), p.stderr)
    ok(os.path.islink(at('full')), 'the link to a device')
    box.cli('report', '--export', at('null.csv'))
    ok(os.path.islink(at('null.csv')), 'likewise')
    for name in ('-', '/dev/stdout', '/dev/fd/1'):
        eq(export(box, '-o', name), want, name)
    eq(os.path.exists('-') or os.path.exists(at('-')), False, 'no file "-"')
    box.cli('export', '-o', at('link'))
    for name, text in (('link', want), ('file', want), ('link.new', 'mine'),
                       ('file.new', 'mine')):
        with open(at(name)) as f:
            eq(f.read(), text, name)
    ok(os.path.islink(at('link')), 'a link stays one')
    os.unlink(at('file'))
    eq(box.cli('export', '-o', at('link'), check=False).returncode, 1,
       'a link to nothing')
    eq(box.cli('export', '-o', box.dir, check=False).returncode, 1, 'a folder')
    eq([n for n in os.listdir(box.dir) if n.startswith('.llmguard')], [],
       'nothing is left')


# -- archive ------------------------------------------------------------------

def old_months(box, months=('2025-01', '2025-02', '2025-03')):
    """Rows of now, moved into files of other months."""
    folder = os.path.join(box.state, 'ledger')
    record(box, 100, project='p')
    name, = os.listdir(folder)
    for m in months:
        record(box, 100, project='p')
        os.rename(os.path.join(folder, name),
                  os.path.join(folder, m + '.jsonl'))
    record(box, 7, project='now')
    return folder, name


def case_archive(box):
    folder, now = old_months(box)
    before, costs = export(box), box.cli('costs', '--json').stdout
    out = box.cli('archive', '--dry-run').stdout.decode()
    ok('2025-01.jsonl' in out and 'WOULD' in out, out)
    eq(len([n for n in os.listdir(folder) if n.endswith('.zst')]), 0, 'dry')
    got = [json.loads(x) for x in
           box.cli('archive', '--json').stdout.splitlines()]
    eq([g['file'] for g in got], ['2025-0%d.jsonl' % i for i in (1, 2, 3)],
       'packed')
    eq(sorted(os.listdir(folder)), sorted(
        ['2025-0%d.jsonl.zst' % i for i in (1, 2, 3)] + [now]), 'files')
    eq(export(box), before, 'read as before')
    eq(box.cli('costs', '--json').stdout, costs, 'costs')
    eq(box.cli('archive').stdout, b'Nothing to pack.\n', 'again')
    record(box, 8)
    eq(len(export(box).splitlines()), len(before.splitlines()) + 1, 'goes on')


def case_archive_choice(box):
    folder, now = old_months(box)
    box.cli('archive', '--before', '2025-02', '--level', '19')
    eq(sorted(n for n in os.listdir(folder) if n.endswith('.zst')),
       ['2025-01.jsonl.zst'], 'before')
    for args in (['--before', 'x'], ['--before', '9999-12'], ['--level', '0'],
                 ['--level', '22'], ['--before', '2025-13']):
        p = box.cli('archive', *args, check=False)
        eq(p.returncode, 2, args)
    eq(os.path.exists(os.path.join(folder, now)), True, 'this month')


def case_archive_killed(box):
    """Killed at any time: every call is read, once."""
    folder, _ = old_months(box)
    first = os.path.join(folder, '2025-01.jsonl')
    with open(first) as f:      # longer, so that a kill can meet it
        row = f.read()
    ids = len({json.loads(x)['id'] for x in row.splitlines()})
    want = sorted(r['id'] for r in lines(export(box)))
    for ms in (1, 2, 4, 8, 16, 32, 64, 128, 256, 400):
        p = subprocess.Popen([CLI, 'archive'], env=box.env(LD_PRELOAD=None),
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(ms / 1000)
        p.kill()
        p.wait()
        eq(sorted(r['id'] for r in lines(export(box))), want,
           'after %d ms' % ms)
    ok(ids, 'rows')
    box.cli('archive')
    eq(sorted(r['id'] for r in lines(export(box))), want, 'in the end')
    eq([n for n in os.listdir(folder) if n.endswith(('.next', '.gone'))], [],
       'nothing is left')


def case_odd_months(box):
    """What is no month's file is not read, nor packed; a damaged month is
    named, and the others are reported."""
    folder, now = old_months(box)

    def total():
        p = box.cli('costs', '--period', 'all', '--json')
        return (json.loads(p.stdout, parse_float=D)['total']['calls'],
                p.stderr.decode())
    eq(total(), (5, ''), 'all')
    text = export(box)
    shutil.copy(os.path.join(folder, '2025-01.jsonl'),
                os.path.join(folder, '2024-13.jsonl'))
    os.mkdir(os.path.join(folder, '2022-01.jsonl'))
    calls, said = total()
    ok(calls == 5 and '2022-01.jsonl: no file' in said, said)
    eq(export(box), text, 'the others')
    box.cli('record', '--model', 'gpt-4o', '--output-tokens', '1')
    box.cli('archive')
    os.rmdir(os.path.join(folder, '2022-01.jsonl'))
    eq(sorted(os.listdir(folder)), ['2024-13.jsonl'] + [
        '2025-0%d.jsonl.zst' % i for i in (1, 2, 3)] + [now], 'packed')
    eq(total(), (6, ''), 'packed')
    path = os.path.join(folder, '2025-02.jsonl.zst')
    with open(path, 'r+b') as f:
        f.seek(os.path.getsize(path) // 2)
        f.write(b'damaged')
    for _ in range(2):
        os.unlink(os.path.join(box.state, 'index.db'))
        calls, said = total()
        ok(calls == 5 and 'ledger/2025-02.jsonl: damaged' in said,
           (calls, said))
    record(box, 3)
    eq(total()[0], 6, 'goes on')
    p = box.cli('export', check=False)
    ok(p.returncode == 1 and b'2025-02.jsonl: damaged' in p.stderr, p.stderr)


def case_archive_refused(box):
    folder, _ = old_months(box)
    os.symlink('/etc/passwd', os.path.join(folder, '2024-01.jsonl'))
    box.cli('archive')
    eq(os.path.islink(os.path.join(folder, '2024-01.jsonl')), True, 'a link')


if __name__ == '__main__':
    main(globals())
