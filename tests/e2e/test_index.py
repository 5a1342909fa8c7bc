#!/usr/bin/python3
"""The index: what can go wrong with it, and that nothing of it is the truth."""
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import ledger
from harness import BUILD, CLI, Failed, eq, ok
from test_bill import D, Home

SIZE = 12000


def fill(home, rows=SIZE, days=60, seed=3):
    subprocess.run([os.path.join(BUILD, 'tests/e2e/make_ledger'),
                    home.state + '/ledger', str(rows), '2026-03-01',
                    str(days), str(seed)], check=True)


def total(home):
    t = home.json('costs')['all']
    return t['calls'], t['cost_usd']


def db(home):
    return os.path.join(home.state, 'index.db')


def clean(home):
    for end in ('', '-wal', '-shm'):
        if os.path.lexists(db(home) + end):
            os.unlink(db(home) + end)


def case_growing(home):
    """Rows that come are taken in, each once, also to earlier months."""
    eq(total(home), (0, 0), 'empty')
    rows = [ledger.call('2026-04-%02dT10:00:00.000Z' % (1 + i % 28), 'gpt-4o',
                        cost='0.01') for i in range(50)]
    for i, r in enumerate(rows):
        ledger.write(home.state, [r], '2026-04')
        if i % 10 == 0:
            eq(total(home), (i + 1, D('0.01') * (i + 1)), 'row %d' % i)
    ledger.write(home.state, [ledger.call('2026-03-01T00:00:00.000Z', 'o3',
                                          cost='1')], '2026-03')
    ledger.write(home.state, rows[:3], '2026-04')       # written twice
    eq(total(home), (51, D('1.5')), 'late and twice')


def case_torn(home):
    """A row without its end is waited for; half a row is passed over."""
    a, b = (ledger.call('2026-04-01T10:00:00.000Z', 'm', cost='2')
            for _ in range(2))
    path = ledger.write(home.state, [a], '2026-04')
    text = ledger.line(b)
    with open(path, 'a') as f:
        f.write(text[:300])
    eq(total(home), (1, 2), 'half')
    with open(path, 'a') as f:
        f.write(text[300:])
    eq(total(home), (2, 4), 'whole')
    with open(path, 'a') as f:
        f.write(text[:200] + ledger.line(ledger.call(
            '2026-04-01T11:00:00.000Z', 'm', cost='3')))
    eq(total(home), (3, 7), 'torn')
    eq(home.json('index')['torn_rows'], 1, 'told')


def case_corrections(home):
    """A correction before its call, and one after the other."""
    c = ledger.call('2026-04-01T10:00:00.000Z', 'a', cost='5',
                    usage_state='estimated', input_tokens=7)
    def fix(usd, model, ms):
        r = ledger.call('2026-04-01T10:00:00.000Z', 'a', cost=usd,
                        kind='adjust', ref=c['id'], input_tokens=3,
                        end_ts='2026-04-02T00:00:00.%03dZ' % ms)
        r['model'] = model
        del r['verdict']
        return r
    ledger.write(home.state, [fix('-1', 'b', 1)], '2026-04')
    eq(total(home), (0, -1), 'correction alone')
    ledger.write(home.state, [c], '2026-04')
    eq(total(home), (1, 4), 'its call')
    ledger.write(home.state, [fix('0.5', 'd', 2)], '2026-04')
    got = home.json('report', '--from', '2026-01-01', '--by', 'model')
    eq([(g['key'], g['calls'], g['cost_usd'], g['input_tokens'])
        for g in got['groups']], [('d', 1, D('4.5'), 13)], 'where it stands')
    eq(got['coverage']['estimated']['calls'], 0, 'no estimate any more')
    eq(got['coverage']['exact'], {'calls': 1, 'usd': D('4.5')}, 'exact')


def case_damage(home):
    """Damaged anywhere, no database, of another version, shrunk ledger."""
    fill(home)
    want = total(home)
    rng = random.Random(5)
    size = os.path.getsize(db(home))
    for kind in ('text', 'empty', 'cut', 'version', 'noise', 'noise', 'noise'):
        if kind == 'text':
            clean(home)
            with open(db(home), 'w') as f:
                f.write('not a database ' * 1000)
        elif kind == 'empty':
            clean(home)
            open(db(home), 'w').close()
        elif kind == 'cut':
            os.truncate(db(home), size // 2)
        elif kind == 'version':
            with sqlite3.connect(db(home)) as c:
                c.execute('PRAGMA user_version = 77')
        else:
            with open(db(home), 'r+b') as f:
                for _ in range(60):
                    f.seek(rng.randrange(0, size, 8192))
                    f.write(rng.randbytes(200))
        eq(total(home), want, kind)
    home.run('index', '--rebuild')
    eq(total(home), want, 'anew')
    path = home.state + '/ledger/2026-03.jsonl'
    with open(path, 'rb') as f:
        lines = f.readlines()
    with open(path, 'wb') as f:
        f.writelines(lines[:100])
    got = total(home)
    ok('shrunk' in home.err and got[0] < want[0], 'shrunk: ' + home.err)


ALL = ('report', '--from', '2000', '--by',
       'model,project,user,tag,conversation,run,flag,key,day')


def still(home):
    """Everything is in the database's file; its bytes."""
    home.run('index')
    with sqlite3.connect(db(home)) as c:
        c.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    c.close()
    with open(db(home), 'rb') as f:
        return f.read()


def lay(home, data):
    clean(home)
    with open(db(home), 'wb') as f:
        f.write(data)


def case_flips(home):
    """One bit of any row that reports read: never another sum."""
    fill(home, 400, 40)
    want = home.json(*ALL)
    good, rng = still(home), random.Random(11)
    with sqlite3.connect(db(home)) as c:
        facts = c.execute('SELECT max(id) FROM facts').fetchone()[0]
        eq(c.execute('SELECT count(*) FROM calls').fetchone()[0],
           want['total']['calls'], 'calls')
    c.close()
    tables = [('facts', 'id', 'data', i) for i in range(facts - 15, facts + 1)]
    tables += [('facts', 'id', 'data', facts - 9)] * 4
    for table, columns in (('texts', ('text', 'crc')),
                           ('who', ('project', 'user', 'tags')),
                           ('what', ('model', 'coverage', 'verdict')),
                           ('chunks', ('n', 'first_ms', 'last_ms', 'crc')),
                           ('segments', ('offset', 'size', 'sum'))):
        tables += [(table, 'rowid' if table != 'segments' else 'file', c, None)
                   for c in columns]
    for table, key, column, at in tables:
        lay(home, good)
        with sqlite3.connect(db(home)) as c:
            if at is None:
                at = rng.choice(c.execute(
                    'SELECT %s FROM %s WHERE %s IS NOT 0' %
                    (key, table, key)).fetchall())[0]
            v = c.execute('SELECT %s FROM %s WHERE %s = ?' %
                          (column, table, key), (at,)).fetchone()[0]
            if isinstance(v, bytes):
                b = bytearray(v)
                b[rng.choice((0, 5, 13, 21, len(b) - 1,
                              rng.randrange(len(b))))] ^= 1 << rng.randrange(8)
                new = bytes(b)
            elif isinstance(v, int):
                new = v ^ 1 << rng.randrange(20)
            else:
                new = v + 'x'
            c.execute('UPDATE %s SET %s = ? WHERE %s = ?' %
                      (table, column, key), (new, at))
        c.close()
        what = '%s.%s %s' % (table, column, at)
        eq(home.json(*ALL), want, what)
        ok('made anew from the ledger' in home.err or not home.err and
           table in ('segments', 'texts'), what + ': ' + home.err)
        eq(home.json(*ALL), want, what + ' again')
        eq(home.err, '', what + ' again')
    for table in ('facts', 'chunks', 'who', 'what', 'texts'):
        lay(home, good)
        with sqlite3.connect(db(home)) as c:
            c.execute('DELETE FROM %s WHERE rowid = (SELECT max(rowid) FROM '
                      '%s)' % (table, table))
        c.close()
        eq(home.json(*ALL), want, table + ' without its last row')


def case_flips_anywhere(home):
    """One bit of any page of the file."""
    fill(home, 1500, 40)
    want = home.json(*ALL)
    good, rng = still(home), random.Random(12)
    for i in range(25):
        at = rng.randrange(100 if i < 5 else len(good))
        bad = bytearray(good)
        bad[at] ^= 1 << rng.randrange(8)
        lay(home, bad)
        eq(home.json(*ALL), want, 'byte %d' % at)


def case_flips_correction(home):
    """A call that is damaged is not what its correction starts from."""
    c = ledger.call('2026-04-01T10:00:00.000Z', 'a', cost='5')
    ledger.write(home.state, [c], '2026-04')
    eq(total(home), (1, 5), 'call')
    with sqlite3.connect(db(home)) as x:
        x.execute('UPDATE calls SET cost_pusd = cost_pusd + 4096')
    x.close()
    r = ledger.call('2026-04-01T10:00:00.000Z', 'a', cost='-1', kind='adjust',
                    ref=c['id'])
    del r['verdict']
    ledger.write(home.state, [r], '2026-04')
    eq(total(home), (1, 4), 'corrected')
    ok('made anew' in home.err, home.err)


def case_replaced(home):
    """A month that was removed, or replaced by one of the same size."""
    def month(cost, n=3):
        return [ledger.call('2026-04-%02dT10:00:00.000Z' % (1 + i % 28), 'm',
                            cost=cost) for i in range(n)]
    path = ledger.write(home.state, month('1.25', 40), '2026-04')
    ledger.write(home.state, month('2'), '2026-05')
    eq(total(home), (43, 56), 'first')
    with open(path, 'rb') as f:
        first = f.read()
    old = os.stat(path)
    with open(path, 'r+b') as f:        # in its place, at its time
        f.write(''.join(map(ledger.line, month('7.25', 40))).encode())
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    eq((os.stat(path).st_size, os.stat(path).st_ino,
        os.stat(path).st_mtime_ns),
       (old.st_size, old.st_ino, old.st_mtime_ns), 'looks the same')
    eq(total(home), (43, 296), 'in its place')
    ok('2026-04.jsonl of the ledger was replaced' in home.err, home.err)
    with open(path + '.new', 'wb') as f:
        f.write(first)
    os.rename(path + '.new', path)
    eq(total(home), (43, 56), 'by another file')
    ok('was replaced' in home.err, home.err)
    shutil.copy2(path, path + '.new')
    os.rename(path + '.new', path)
    eq(home.json('index')['new_rows'], 0, 'a copy')
    eq((total(home), home.err), ((43, 56), ''), 'a copy')
    ledger.write(home.state, month('3', 1), '2026-04')
    eq((total(home), home.err), ((44, 59), ''), 'grown')
    with open(path, 'wb') as f:         # longer, and another
        f.write(''.join(map(ledger.line, month('4', 50))).encode())
    eq(total(home), (53, 206), 'longer')
    ok('was replaced' in home.err, home.err)
    os.rename(path, home.dir + '/kept')
    eq(total(home), (3, 6), 'removed')
    ok('2026-04.jsonl of the ledger is gone' in home.err, home.err)
    eq((total(home), home.err), ((3, 6), ''), 'told once')
    os.rename(home.dir + '/kept', path)
    eq((total(home), home.err), ((53, 206), ''), 'there again')
    shutil.rmtree(home.state + '/ledger')
    eq(total(home), (0, 0), 'all')
    ok('is gone' in home.err, home.err)


def case_replaced_packed(home):
    """Packing a month changes nothing; another packed month does."""
    if not shutil.which('zstd'):
        return
    rows = [ledger.call('2026-04-01T10:00:00.000Z', 'm', cost=str(i + 1))
            for i in range(4)]
    path = ledger.write(home.state, rows[:2], '2026-04')
    eq(total(home), (2, 3), 'plain')
    home.run('archive')
    ok(not os.path.exists(path), 'packed')
    eq(home.json('index')['new_rows'], 0, 'packed')
    eq((total(home), home.err), ((2, 3), ''), 'packed')
    ledger.write(home.state, rows[2:], '2026-03')
    subprocess.run(['zstd', '-q', home.state + '/ledger/2026-03.jsonl', '-o',
                    path + '.new'], check=True)
    os.unlink(home.state + '/ledger/2026-03.jsonl')
    os.rename(path + '.new', path + '.zst')
    eq(total(home), (2, 7), 'another')
    ok('was replaced' in home.err, home.err)
    os.unlink(path + '.zst')
    eq(total(home), (0, 0), 'gone')
    ok('is gone' in home.err, home.err)


def case_dates(home):
    """A row of a day that there is not is a torn one, wherever it is read."""
    good = [ledger.call('2024-02-29T23:59:59.999Z', 'm', cost='1'),
            ledger.call('2026-02-28T23:59:59.000Z', 'm', cost='2')]
    bad = ('2026-02-29T10', '2026-02-30T10', '2026-04-31T10', '2026-13-01T10',
           '2026-00-10T10', '2026-04-00T10', '2026-04-01T24', '2026-04-32T10')
    rows = []
    for i, day in enumerate(bad):
        r = ledger.call('2026-03-01T10:00:00.000Z', 'm', cost='100')
        r['ts'] = day + ':00:00.000Z'
        rows.append(r)
    path = ledger.write(home.state, good + rows, '2026-03')
    eq(total(home), (2, 3), 'index')
    eq(home.json('index')['torn_rows'], len(bad), 'told')
    ok('8 torn' in home.run('index'), 'told to people')
    days = home.json('report', '--from', '2000', '--by', 'day')['groups']
    eq([(g['key'], g['calls']) for g in days],
       [('2024-02-29', 1), ('2026-02-28', 1)], 'days')
    out = home.run('export')
    eq(out.count(good[0]['id']) + out.count(good[1]['id']), 2, 'export')
    ok(not any(r['id'] in out for r in rows), 'export')
    ok('8 torn' in home.err, 'export: ' + home.err)
    now = time.strftime('%Y-%m-%dT%H:%M:00.000Z', time.gmtime())
    r = ledger.call(now, 'm', cost='100')
    r['ts'] = now[:8] + '32' + now[10:]
    here = ledger.write(home.state, [ledger.call(now, 'm', cost='7'), r],
                        now[:7])
    got = home.json('status')['totals']
    eq((got['calls'], got['cost_usd'], got['torn_rows']), (1, 7, 1), 'status')
    os.unlink(here)
    with open(path, 'rb') as f:
        plain = f.read()
    if shutil.which('zstd'):
        home.run('archive')
        eq(subprocess.run(['zstd', '-dc', path + '.zst'], check=True,
                          stdout=subprocess.PIPE).stdout, plain, 'archive')
        home.run('index', '--rebuild')
        eq(total(home), (2, 3), 'packed')


def case_top(home):
    """The dearest few are those of the whole list, also among equals."""
    rng, rows = random.Random(4), []
    for i in rng.sample(range(1000), 900):
        rows.append(ledger.call('2026-04-01T10:00:00.000Z', 'm',
                                cost='1' if i % 10 else '2',
                                conversation='c%03d' % i))
    ledger.write(home.state, rows, '2026-04')
    every = home.json('by-conversation', '--top', '0')['groups']
    want = [r['conversation'] for r in
            sorted(rows, key=lambda r: (-r['cost_usd'], r['conversation']))]
    eq([g['key'] for g in every], want, 'all')
    for n in (1, 2, 7, 100, 600, 899, 900, 2000):
        eq(home.json('by-conversation', '--top', str(n))['groups'], every[:n],
           'top %d' % n)
    ok('(897 more' in home.run('by-conversation', '--top', '3'), 'told')


def case_huge(home):
    """A sum that does not fit is none, beside others that are exact."""
    rows = [ledger.call('2026-04-01T10:00:00.000Z', 'big', cost='4000000.5')
            for _ in range(3)]
    rows += [ledger.call('2026-04-02T10:00:00.000Z', 'small',
                         cost='0.000000000001') for _ in range(700)]
    ledger.write(home.state, rows, '2026-04')
    got = home.json('report', '--from', '2000', '--by', 'model')
    eq([(g['key'], g['cost_usd']) for g in got['groups']],
       [('big', None), ('small', D('7e-10'))], 'models')


def case_no_place(home):
    """Where it cannot be kept it is built in memory, and that is said."""
    fill(home, 3000)
    want = total(home)
    clean(home)
    os.mkdir(db(home))
    eq(total(home), want, 'in memory')
    ok('in memory' in home.err, home.err)
    os.rmdir(db(home))
    env = dict(os.environ, LLMGUARD_STATE_DIR=home.state,
               LLMGUARD_REGION=home.dir + '/region',
               LLMGUARD_CONFIG=home.dir + '/config.yaml')
    p = subprocess.run([CLI, 'costs', '--json'], env=env,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, preexec_fn=lambda: resource.setrlimit(
                           resource.RLIMIT_FSIZE, (100000, 100000)))
    eq(p.returncode, 0, 'limited: ' + p.stderr)
    ok('in memory' in p.stderr, p.stderr)
    eq(json.loads(p.stdout, parse_float=D)['all']['cost_usd'], want[1],
       'limited')
    eq(total(home), want, 'with room again')


def case_locked(home):
    """Another writer is waited for; readers do not wait."""
    fill(home, 3000)
    want = total(home)
    c = sqlite3.connect(db(home), isolation_level=None,
                        check_same_thread=False)
    c.execute('BEGIN IMMEDIATE')
    start = time.time()
    eq(total(home), want, 'read while it is written')
    ok(time.time() - start < 5, 'did not wait')
    ledger.write(home.state, [ledger.call('2026-04-01T10:00:00.000Z', 'm',
                                          cost='1')], '2026-05')
    timer = threading.Timer(1, lambda: c.execute('ROLLBACK'))
    timer.start()
    eq(total(home), (want[0] + 1, want[1] + 1), 'waited')
    timer.join()
    c.close()


def case_many(home):
    """Many at once, killed at random: the same sums in the end."""
    fill(home, 30000)
    env = dict(os.environ, LLMGUARD_STATE_DIR=home.state,
               LLMGUARD_REGION=home.dir + '/region',
               LLMGUARD_CONFIG=home.dir + '/config.yaml')
    rng = random.Random(2)
    for _ in range(4):
        procs = [subprocess.Popen([CLI, 'index'], env=env,
                                  stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE) for _ in range(3)]
        time.sleep(rng.random() * 0.2)
        for p in procs[:2]:
            p.send_signal(signal.SIGKILL)
        for p in procs:
            p.communicate()
        eq(procs[2].returncode, 0, 'the one that lived')
    got = total(home)
    home.run('index', '--rebuild')
    eq(got, total(home), 'sums')
    with sqlite3.connect(db(home)) as c:
        eq(c.execute('PRAGMA integrity_check').fetchone()[0], 'ok', 'sound')
        eq(c.execute('SELECT count(*), sum(total_cost_pusd) FROM costs')
           .fetchone(), (got[0], int(got[1] * 10**12)), 'the view')


def case_compressed(home):
    """Months that zstd compressed are read; a damaged one is told."""
    if not shutil.which('zstd'):
        return
    fill(home, 4000)
    want, status = total(home), home.json('status')['totals']
    folder = home.state + '/ledger/'
    subprocess.run(['zstd', '-q', '--rm', folder + '2026-03.jsonl'],
                   check=True)
    eq(total(home), want, 'where it stood')
    home.run('index', '--rebuild')
    eq(total(home), want, 'anew')
    eq(home.json('status')['totals'], status, 'status')
    with open(folder + '2026-03.jsonl.zst', 'rb') as f:
        packed = f.read()
    plain = subprocess.run(['zstd', '-dc'], input=packed, check=True,
                           stdout=subprocess.PIPE).stdout
    two = b''.join(subprocess.run(['zstd', '-19'], input=x, check=True,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL).stdout
                   for x in (plain[:5000], plain[5000:]))
    with open(folder + '2026-03.jsonl.zst', 'wb') as f:
        f.write(two)            # two frames that do not say their size
    home.run('index', '--rebuild')
    eq(total(home), want, 'two frames')
    with open(folder + '2026-03.jsonl.zst', 'wb') as f:
        f.write(packed[:len(packed) // 2])
    home.run('index', '--rebuild', status=1)
    ok('2026-03.jsonl: damaged' in home.err, home.err)


def case_hidden(home):
    """A clock set back into a packed month: its rows are never lost, and
    that they do not count is said."""
    if not shutil.which('zstd'):
        return
    fill(home, 2000)
    want = total(home)
    path = home.state + '/ledger/2026-03.jsonl'
    with open(path, 'rb') as f:
        plain = f.read()
    subprocess.run(['zstd', '-q', path], check=True)
    home.run('archive')         # killed in between: the same rows twice
    ok(not os.path.exists(path), 'packed again')
    ledger.write(home.state, [ledger.call('2026-03-09T10:00:00.000Z', 'm',
                                          cost='1')], '2026-03')
    with open(path + '.zst', 'rb') as f:
        packed = f.read()
    total(home)
    ok('2026-03.jsonl.zst are not counted' in home.err, home.err)
    home.run('archive', status=1)
    ok('2026-03.jsonl.zst: has rows' in home.err, home.err)
    with open(path + '.zst', 'rb') as f:
        eq(f.read(), packed, 'untouched')
    with open(path, 'rb') as f:
        late = f.read()
    with open(path, 'wb') as f:
        f.write(plain + late)
    home.run('archive')         # joined, with the packed one left there
    home.run('index', '--rebuild')
    eq(total(home), (want[0] + 1, want[1] + 1), 'joined')


def case_link(home):
    """A symbolic link is not followed: it may name anything."""
    fill(home, 500)
    want = total(home)
    for target, text in (('none', None), ('other', 'mine')):
        clean(home)
        target = os.path.join(home.dir, target)
        if text:
            with sqlite3.connect(target) as c:
                c.execute('CREATE TABLE mine (a)')
            c.close()
        os.symlink(target, db(home))
        eq(total(home), want, 'in memory')
        ok('in memory' in home.err, home.err)
        if not text:
            ok(not os.path.exists(target), 'made')
            continue
        with sqlite3.connect(target) as c:
            eq(c.execute('SELECT name FROM sqlite_master').fetchall(),
               [('mine',)], 'untouched')
        c.close()


def case_progress(home):
    """No bar where stderr is no terminal; the mode of the file."""
    fill(home, 3000)
    home.run('index')
    eq(home.err, '', 'silent')
    eq(os.stat(db(home)).st_mode & 0o777, 0o600, 'mode')


def main():
    failed = 0
    for name, case in sorted(globals().items()):
        if not name.startswith('case_'):
            continue
        home, start = Home(), time.time()
        try:
            case(home)
            print('ok   %-20s %.2f s' % (name, time.time() - start))
        except (Failed, AssertionError) as e:
            failed += 1
            print('FAIL %s: %s' % (name, e))
        finally:
            home.close()
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
