#!/usr/bin/python3
"""What the commands of the bill print, to the byte: tests/golden/bill.

UPDATE=1 writes the files anew: read the difference before it is committed.
"""
import os
import subprocess
import sys

from harness import BUILD, TOP, Failed, ok, sanitizer
from test_bill import Home

GOLDEN = os.path.join(TOP, 'tests/golden/bill')
SPAN = ('--from', '2026-03', '--to', '2026-04')
COMMANDS = {
    'costs': ('costs',) + SPAN,
    'costs-detailed': ('costs', '--detailed', '--chart', '--top', '5') + SPAN,
    'report': ('report', '--month', '2026-03', '--by', 'model,project,tag'),
    'report-cache': ('report', '--cache', '--month', '2026-03'),
    'report-time': ('report', '--week', '2026-W13', '--by',
                    'day,weekday,hour_of_day', '--chart'),
    'report-estimate': ('report', '--by', 'estimate,verdict') + SPAN,
    'by-conversation': ('by-conversation', '--top', '5') + SPAN,
    'by-tag': ('by-tag', '--tags', 'prod,dev') + SPAN,
    'compare': ('compare', '--periods', '2026-03,2026-04', '--metric',
                'models'),
    'compare-projects': ('compare', '--projects', 'etl,search', '--metric',
                         'average') + SPAN,
    'cost-per-million': ('cost-per-million', '--calls-per-example', '3') +
    SPAN,
    'forecast-backtest': ('forecast', '--backtest', '--to', '2026-05'),
}
# These ask what time it is: 2026-05-20 13:00 UTC.
NOW = 1779282000
CLOCK = r'''
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id == CLOCK_REALTIME) {
		ts->tv_sec = %d;
		ts->tv_nsec = 0;
		return 0;
	}
	return (int)syscall(SYS_clock_gettime, id, ts);
}
''' % NOW
DATED = {
    'costs-now': ('costs',),
    'forecast-now': ('forecast',),
    'recommend-now': ('recommend',),
    'report-now': ('report', '--by', 'project', '--include-chart'),
}
NO_JSON = {'forecast-backtest'}
HELP = ('index', 'costs', 'report', 'by-conversation', 'by-tag', 'compare',
        'forecast', 'recommend', 'cost-per-million', 'budget status')
failed = []


def check(name, text):
    path = os.path.join(GOLDEN, name)
    if os.environ.get('UPDATE'):
        os.makedirs(GOLDEN, exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)
        return
    try:
        with open(path) as f:
            want = f.read()
    except OSError:
        want = ''
    if text == want:
        print('ok   ' + name)
        return
    failed.append(name)
    for i, (a, b) in enumerate(zip(text.splitlines(), want.splitlines())):
        if a != b:
            print('FAIL %s, line %d:\n  got  %s\n  want %s' % (name, i + 1, a,
                                                          b))
            return
    print('FAIL %s: of another length' % name)


def at_a_time(home):
    clock = os.path.join(home.dir, 'clock.so')
    subprocess.run(['cc', '-shared', '-fPIC', '-x', 'c', '-', '-o', clock],
                   check=True, input=CLOCK, text=True)
    for name, args in DATED.items():
        check(name + '.txt', home.run(*args, COLUMNS='80', LD_PRELOAD=clock))
        text = home.run(*args, '--json', LD_PRELOAD=clock)
        check(name + '.json', text.replace('},{', '},\n{'))


def main():
    home = Home()
    try:
        subprocess.run([os.path.join(BUILD, 'tests/e2e/make_ledger'),
                        home.state + '/ledger', '1500', '2026-01-20', '130',
                        '9'], check=True)
        home.zone('Europe/Berlin')
        for name, args in COMMANDS.items():
            check(name + '.txt', home.run(*args, COLUMNS='80'))
            if name not in NO_JSON:
                text = home.run(*args, '--json').replace('},{', '},\n{')
                check(name + '.json', text)
        if sanitizer():
            print('skip: a clock of ours comes before no sanitizer')
        else:
            at_a_time(home)
        for name in HELP:
            check('help-%s.txt' % name.replace(' ', '-'),
                  home.run(*name.split(), '--help'))
        wide = home.run(*COMMANDS['report-time'], COLUMNS='200')
        ok(max(map(len, wide.splitlines())) > 100, 'wide')
        for line in home.run(*COMMANDS['costs-detailed'],
                             COLUMNS='80').splitlines():
            ok('\x1b' not in line, 'colour where there is no terminal')
    except Failed as e:
        failed.append(str(e))
        print('FAIL %s' % e)
    finally:
        home.close()
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
