#!/usr/bin/python3
"""What may happen to a guarded program and its region, each with a real
client: another boot, a truncated, foreign, old or deleted region, clocks that
jump, zones that change, limits of memory, a thousand processes, containers.

Elsewhere: kill -9, stop, unlink, noise in the region (test_money.py), chroot,
seccomp, RLIMIT_FSIZE, a full disk, closed descriptors (test_hosts.py), fork
and exec in the middle of a request (test_edges.py).
"""
import decimal
import os
import shutil
import signal
import struct
import subprocess
import time

from harness import BUILD, Skip, eq, main, ok, sanitizer
from test_money import (DIME, argv, balance, config, exactly, folded, start,
                        statuses, strict)

D = decimal.Decimal
SLOW = 'out=10000;delay=900'


def poke(box, offset, data):
    with open(box.region, 'r+b') as f:
        f.seek(offset)
        f.write(data)


# -- the region's file --------------------------------------------------------

def truncating(box, size):
    """Cut off between two requests and in the middle of one."""
    p = start(box, argv(box, '-t', 8, '-n', 4, test='out=10000;delay=600'))
    for _ in range(2):
        time.sleep(0.85)
        if os.path.exists(box.region):
            os.truncate(box.region, size)
    eq(statuses([p]), [200] * 32, 'statuses at %d' % size)


def case_region_truncated(box):
    """No SIGBUS; each call has its row; region = ledger."""
    config(box, strict('cap', 100000))
    n = 0
    for size in (0, 4096, 2000000, 4190208 - 4096):
        truncating(box, size)
        n += 32
        rows, b = balance(box)
        eq((len(rows), D(b['spent_usd'])), (n, n * DIME), 'at %d' % size)


def case_region_truncated_limit_holds(box):
    """What was spent before counts in the region that takes its place."""
    config(box, strict('cap', 1))
    p = start(box, argv(box, '-n', 30, test='out=10000;delay=100'))
    time.sleep(0.7)
    os.truncate(box.region, 0)
    got = statuses([p])
    eq((got.count(200), got.count(429)), (10, 20), 'statuses')


def case_region_deleted(box):
    """A logout removes it while a program runs (RemoveIPC)."""
    config(box, strict('cap', 1))
    p = start(box, argv(box, '-n', 30, test='out=10000;delay=60'))
    time.sleep(0.5)
    os.unlink(box.region)
    got = statuses([p])
    eq((got.count(200), got.count(429)), (10, 20), 'statuses')
    exactly(box, 10, got, 30)


def case_reboot(box):
    """Holds of another boot are dead, whatever their pid is now."""
    config(box, strict('cap', 5))
    p = start(box, argv(box, '-t', 4, test='out=10000;delay=3000'))
    time.sleep(0.6)
    p.send_signal(signal.SIGSTOP)       # alive, as the pid of another may be
    eq(D(box.budget_status()['held_usd']), 4 * DIME, 'held')
    with open(box.region, 'rb') as f:
        b = bytearray(f.read())
    for slot in range(1024):
        at = 450560 + slot * 448
        lo, hi = struct.unpack_from('<QQ', b, at)
        if lo >> 14 & 0x3fffff:
            boot = (hi >> 22 & 1023) % 1023 + 1
            struct.pack_into('<Q', b, at + 8,
                             hi & ~(1023 << 22) | boot << 22)
    b[128 + 40:128 + 44] = b'abcd'
    poke(box, 0, bytes(b))
    box.cli('status')
    p.kill()
    p.wait()
    rows, b = balance(box)
    eq([('abandoned' in r['flags'], D(r['cost_usd'])) for r in rows],
       [(True, DIME)] * 4, 'rows')


def case_pid_reused(box):
    """Another program has the pid of a dead one: another start time."""
    config(box, strict('cap', 5))
    p = start(box, argv(box, '-t', 2, test='out=10000;delay=3000'))
    time.sleep(0.5)
    p.send_signal(signal.SIGSTOP)
    for slot in range(1024):
        with open(box.region, 'rb') as f:
            f.seek(450560 + slot * 448)
            lo, hi = struct.unpack('<QQ', f.read(16))
        if lo >> 14 & 0x3fffff == p.pid:
            poke(box, 450560 + slot * 448 + 8,
                 struct.pack('<Q', (hi ^ 1 << 40) & (1 << 64) - 1))
    box.cli('status')
    p.kill()
    p.wait()
    eq(len(balance(box)[0]), 2, 'rows')


def case_older_region(box):
    """Another major version is not touched: its name is another, too."""
    config(box, strict('cap', 1))
    eq(statuses([start(box, argv(box))]), [200], 'before')
    poke(box, 8, struct.pack('<H', 99))
    for fail, want in (('closed', 429), ('open', 200)):
        eq(statuses([start(box, argv(box), LLMGUARD_FAIL=fail)]), [want], fail)
    with open(box.region, 'rb') as f:
        f.seek(8)
        eq(f.read(2), struct.pack('<H', 99), 'it was left as it was')
    p = box.cli('status', check=False)
    ok(box.region.encode() in p.stdout + p.stderr, 'status names it')
    os.unlink(box.region)
    box.cli('status')
    eq(D(box.budget_status()['spent_usd']), sum(
        D(r['cost_usd']) for r in folded(box)), 'from the ledger')


def case_older_minor(box):
    """Minor version 0, whose reserved bytes are zeroes: goes on as it is."""
    config(box, strict('cap', 1))
    eq(statuses([start(box, argv(box, '-n', 3))]), [200] * 3, 'before')
    poke(box, 10, struct.pack('<H', 0))
    poke(box, 909312, bytes(946176 - 909312))
    got = statuses([start(box, argv(box, '-n', 9))])
    exactly(box, 10, [200] * 3 + got, 12)


# -- clocks -------------------------------------------------------------------

CLOCK = '''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <stdio.h>
#include <time.h>
/* Real time is moved by the seconds in the file $CLOCK_FILE. */
static long shift(void)
{
	static long last; static int age; char b[32] = ""; FILE *f;
	if (age++ % 2) return last;
	f = fopen(getenv("CLOCK_FILE"), "r");
	if (f) { if (fgets(b, sizeof(b), f)) last = atol(b); fclose(f); }
	return last;
}
int clock_gettime(clockid_t c, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	int r;
	if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
	r = real(c, t);
	if (c == CLOCK_REALTIME || c == CLOCK_REALTIME_COARSE)
		t->tv_sec += shift();
	return r;
}
'''


class Clock:
    def __init__(self, box):
        self.file, self.lib = box.dir + '/shift', box.dir + '/clock.so'
        src = box.dir + '/clock.c'
        with open(src, 'w') as f:
            f.write(CLOCK)
        if sanitizer() or subprocess.run(
                ['gcc', '-shared', '-fPIC', '-o', self.lib, src, '-ldl'],
                stderr=subprocess.PIPE).returncode:
            raise Skip('no library that moves the clock')
        self.set(0)

    def set(self, seconds):
        with open(self.file, 'w') as f:
            f.write('%d\n' % seconds)

    def env(self, box):
        return dict(LD_PRELOAD='%s %s' % (
            self.lib, os.path.join(BUILD, 'libllmguard.so')),
            CLOCK_FILE=self.file)


def case_clock_jumps(box):
    """Hours and days ahead and back: a hold is settled once, none is left."""
    clock = Clock(box)
    config(box, strict('cap', 100000), strict('day', 100000, period='daily'))
    p = start(box, argv(box, '-t', 4, '-n', 20, test='out=10000;delay=120'),
              **clock.env(box))
    for jump in (3600, -3600, 86400, -86400, 40 * 86400, 0):
        time.sleep(0.35)
        clock.set(jump)
    eq(statuses([p]), [200] * 80, 'statuses')
    s = box.status()
    eq((s['holds'], s['dead_holds'], s['staged_rows']), (0, 0, 0), 'slots')
    rows = folded(box)
    eq((len(rows), sum(r['cost_usd'] for r in rows)), (80, 80 * DIME), 'rows')
    eq(D(box.budget_status()['spent_usd']), 80 * DIME, 'total = ledger')


def case_clock_back_keeps_limit(box):
    """A wrong clock's day is another day; back in ours its limit stands."""
    clock = Clock(box)
    config(box, strict('cap', 1, period='daily'))
    eq(statuses([start(box, argv(box, '-n', 12), **clock.env(box))]),
       [200] * 10 + [429] * 2, 'today')
    clock.set(2 * 86400)
    eq(statuses([start(box, argv(box, '-n', 5), **clock.env(box))]),
       [200] * 5, 'a day after tomorrow')
    clock.set(0)
    eq(statuses([start(box, argv(box, '-n', 5), **clock.env(box))]),
       [429] * 5, 'today again')


def case_month_end(box):
    """A hold taken in one month and settled in the next."""
    clock = Clock(box)
    now = time.gmtime()
    year, month = (now.tm_year + (now.tm_mon == 12), now.tm_mon % 12 + 1)
    end = time.mktime((year, month, 1, 0, 0, 0, 0, 0, 0)) - time.timezone
    config(box, strict('cap', 1, period='monthly'),
           more='timezone: UTC\n')
    clock.set(int(end - time.time()) - 1)
    p = start(box, argv(box, '-t', 8, '-n', 2, test='out=10000;delay=2500'),
              **clock.env(box))
    eq(statuses([p]), [200] * 16, 'statuses')
    eq(len(folded(box)), 16, 'rows')
    names = sorted(os.listdir(os.path.join(box.state, 'ledger')))
    ok(1 <= len(names) <= 2, 'files %s' % names)


def case_zone_changes(box):
    """TZ and the zone of the config: another cell, the ledger's money."""
    rows = 0
    for zone in ('UTC', 'Asia/Tokyo', 'America/Los_Angeles', 'Asia/Kathmandu'):
        config(box, strict('cap', 1000, period='total'),
               more='timezone: %s\n' % zone)
        eq(statuses([start(box, argv(box, '-n', 3), TZ=zone)]), [200] * 3,
           zone)
        rows += 3
        # a cell for each zone; status shows the one that counts, with it all
        eq([D(b['spent_usd']) for b in box.status()['budgets']],
           [rows * DIME], zone)


# -- limits of the process ----------------------------------------------------

def case_address_space(box):
    """RLIMIT_AS: no room for the guard's own memory is no end."""
    config(box, strict('cap', 100000))
    for more in (1 << 20, 4 << 20, 64 << 20):
        p = start(box, argv(box, '-n', 4, '-w', 2, '-a', more))
        got = statuses([p])
        eq(got, [200] * 4, 'with %d more' % more)
    rows, b = balance(box)
    eq(len(rows), 12, 'rows')


def case_read_only_state(box):
    """EROFS: rows wait in the region, and are written later."""
    mount = os.path.join(box.dir, 'ro')
    os.mkdir(mount)
    if subprocess.run(['mount', '-t', 'tmpfs', 'none', mount],
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip('no right to mount')
    try:
        box.state = os.path.join(mount, 'state')
        config(box, strict('cap', 1))
        eq(statuses([start(box, argv(box, '-n', 2))]), [200] * 2, 'before')
        subprocess.run(['mount', '-o', 'remount,ro', mount], check=True)
        got = statuses([start(box, argv(box, '-n', 10))])
        eq((got.count(200), got.count(429)), (8, 2), 'the limit stands')
        subprocess.run(['mount', '-o', 'remount,rw', mount], check=True)
        box.status()
        rows = folded(box)
        eq(sum(r['cost_usd'] for r in rows), 10 * DIME, 'rows')
        eq(D(box.budget_status()['spent_usd']), 10 * DIME, 'region')
    finally:
        subprocess.run(['umount', '-l', mount])


def case_thousand_processes(box):
    """One call each, 50 at a time: exactly what fits passes."""
    config(box, strict('cap', 5))
    script = 'i=0; while [ $i -lt 1000 ]; do "$@" & i=$((i+1)); ' \
        '[ $((i % 50)) = 0 ] && wait; done; wait'
    n = 1000 if (os.cpu_count() or 1) > 3 else 400
    p = box.run(['sh', '-c', script.replace('1000', str(n)), 'sh',
                 *argv(box)], timeout=200)
    eq(p.stderr, b'', 'stderr')
    got = [int(x) for x in p.stdout.split()]
    exactly(box, 50, got, n)


# -- containers ---------------------------------------------------------------

def unshare(*what):
    if os.geteuid() or not shutil.which('unshare') or subprocess.run(
            ['unshare', *what, 'true'],
            stderr=subprocess.DEVNULL).returncode:
        raise Skip('no right to make namespaces')
    return ['unshare', *what]


def case_foreign_pid_namespace(box):
    """Two pid namespaces, one region: nobody judges the other's holds."""
    pre = unshare('--pid', '--fork', '--mount-proc')
    config(box, strict('cap', 1))
    a = start(box, pre + argv(box, '-t', 4, test=SLOW))
    b = start(box, pre + argv(box, '-t', 4, test=SLOW))
    time.sleep(0.6)
    eq(D(box.budget_status()['held_usd']), 8 * DIME, 'held')
    c = start(box, argv(box, '-t', 4))
    eq(sorted(statuses([a, b, c])), [200] * 10 + [429] * 2, 'statuses')
    s = box.budget_status()
    eq((D(s['spent_usd']), D(s['held_usd'])), (10 * DIME, 0), 'spent')
    eq(sum(r['cost_usd'] for r in folded(box)), 10 * DIME, 'rows')


def case_two_containers(box):
    """Each with a /dev/shm of its own, over one ledger: one at a time."""
    pre = unshare('--mount', '--pid', '--fork', '--mount-proc', 'sh', '-c',
                  'mount -t tmpfs none /dev/shm && exec "$@"', 'sh')
    config(box, strict('cap', 1))
    a = start(box, pre + argv(box, '-n', 2, test=SLOW))
    time.sleep(0.7)
    log = os.path.join(box.dir, 'log')
    for fail, want in (('closed', 429), ('open', 200)):
        eq(statuses([start(box, pre + argv(box), LLMGUARD_FAIL=fail,
                           LLMGUARD_LOG=log)]), [want], fail)
    with open(log) as f:
        ok('region_unavailable' in f.read(), 'the log tells')
    p = box.cli('status', check=False)
    ok(b'LLMGUARD_REGION' in p.stdout + p.stderr, 'status tells')
    eq(statuses([a]), [200] * 2, 'the first')
    got = statuses([start(box, pre + argv(box, '-n', 12))])
    eq((got.count(200), got.count(429)), (7, 5), 'the next one')
    # the host's own region, older than the one that was used since
    eq(D(box.budget_status()['spent_usd']), 10 * DIME, 'in the end')


def case_containers_in_turn(box):
    """A region that was not the ledger's for a while is built anew."""
    pre = unshare('--mount', 'sh', '-c',
                  'mount -t tmpfs none /dev/shm && exec "$@"', 'sh')
    config(box, strict('cap', 1))
    eq(statuses([start(box, argv(box, '-n', 2))]), [200] * 2, 'here')
    time.sleep(1.1)
    eq(statuses([start(box, pre + argv(box, '-n', 3))]), [200] * 3, 'there')
    time.sleep(1.1)
    got = statuses([start(box, argv(box, '-n', 8))])
    eq((got.count(200), got.count(429)), (5, 3), 'here again')
    exactly(box, 10, [200] * 5 + got, 13)


def case_two_configs(box):
    """The lower limit of two files counts for both."""
    config(box, strict('cap', 1))
    other = os.path.join(box.dir, 'other.yaml')
    with open(box.config_path) as f, open(other, 'w') as g:
        g.write(f.read().replace('limit_usd: 1', 'limit_usd: 0.5'))
    eq(statuses([start(box, argv(box), LLMGUARD_CONFIG=other)]), [200],
       'the low one')
    got = statuses([start(box, argv(box, '-n', 8)),
                    start(box, argv(box, '-n', 8), LLMGUARD_CONFIG=other)])
    eq(got.count(200), 4, 'both together')


if __name__ == '__main__':
    main(globals())
