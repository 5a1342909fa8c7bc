#!/usr/bin/python3
"""Windows computed a second time, from Python's zoneinfo: random instants of
1970 to 2100 and those around changes of the clock, in 20 zones."""
import datetime
import os
import random
import subprocess
import sys
import zoneinfo

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get('B') or os.path.join(TOP, 'build')
CALC = os.path.join(BUILD if os.path.isabs(BUILD) else
                    os.path.join(TOP, BUILD), 'tests/golden/window_calc')
ZONES = '''UTC Africa/Casablanca Africa/Monrovia America/Havana America/New_York
America/Nuuk America/Sao_Paulo America/St_Johns Antarctica/Troll Asia/Gaza
Asia/Kathmandu Asia/Pyongyang Asia/Tokyo Australia/Lord_Howe Europe/Berlin
Europe/Dublin Europe/London Pacific/Apia Pacific/Kiritimati
Pacific/Kwajalein'''.split()
HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY = range(1, 6)
CASES = int(os.environ.get('CASES', '12'))
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
ONE = datetime.timedelta(1)
END = int((datetime.datetime(2101, 1, 1, tzinfo=datetime.timezone.utc) -
           EPOCH).total_seconds())


def offset(zone, s):
    t = EPOCH + datetime.timedelta(seconds=s)
    return int(t.astimezone(zone).utcoffset().total_seconds())


def changes(zone, lo, hi, out):
    """Instants in (lo, hi] at which the offset differs from the second before;
    two that undo each other within ten days would be missed."""
    step = 10 * 86400
    a = offset(zone, lo)
    for s in range(lo, hi, step):
        b = offset(zone, s + step)
        if b != a:
            x, y = s, s + step
            while y - x > 1:
                m = (x + y) // 2
                x, y = (m, y) if offset(zone, m) == a else (x, m)
            out.append(y)
        a = b
    return out


def begins(zone, day):
    """The first instant at which the local clock shows this day's midnight or
    anything later."""
    local = int((datetime.datetime(day.year, day.month, day.day) -
                 datetime.datetime(1970, 1, 1)).total_seconds())
    known = sorted({offset(zone, local + h * 3600) for h in range(-36, 37)})
    best = []
    for o in known:         # where the clock runs through it
        if offset(zone, local - o) == o:
            best.append(local - o)
    lo = local - 36 * 3600  # where it jumps over it
    for h in range(72):
        a = lo + h * 3600
        if offset(zone, a) == offset(zone, a + 3600):
            continue
        x, y = a, a + 3600
        while y - x > 1:
            m = (x + y) // 2
            x, y = (m, y) if offset(zone, m) == offset(zone, a) else (x, m)
        if x + offset(zone, x) < local <= y + offset(zone, y):
            best.append(y)
    return min(best)


def first_day(period, week_start, day):
    if period == WEEKLY:
        return day - datetime.timedelta((day.weekday() - week_start) % 7)
    if period == MONTHLY:
        return day.replace(day=1)
    return day.replace(month=1, day=1) if period == YEARLY else day


def after(period, day):
    if period == WEEKLY:
        return day + 7 * ONE
    if period == MONTHLY:
        return (day.replace(day=28) + 4 * ONE).replace(day=1)
    return day.replace(year=day.year + 1) if period == YEARLY else day + ONE


def calendar(zone, period, week_start, s):
    day = (EPOCH + datetime.timedelta(seconds=s + offset(zone, s))).date()
    first = first_day(period, week_start, day)
    start, end = begins(zone, first), begins(zone, after(period, first))
    while s >= end:         # the clock was set back over midnight
        first = after(period, first)
        start, end = end, begins(zone, after(period, first))
    return start, end


def hourly(zone, s, turns):
    o = offset(zone, s)
    start = s - (s + o) % 3600
    end = start + 3600
    for t in turns:
        if start < t <= s:
            start = t
        if s < t < end:
            end = t
    return start, end


def main():
    if not os.path.exists(CALC):
        print('no', CALC)
        return 77
    rng = random.Random(int(os.environ.get('SEED', '1')))
    asked, want = [], []
    for name in ZONES:
        try:
            zone = zoneinfo.ZoneInfo(name)
        except zoneinfo.ZoneInfoNotFoundError:
            continue
        turns = changes(zone, 0, END - 86400, [])
        near = [t + d for t in rng.sample(turns, min(CASES, len(turns)))
                for d in (-86400, -3601, -1, 0, 1799, 3600, 90000)]
        for s in near + [rng.randrange(86400, END) for _ in range(CASES)]:
            if s < 86400:
                continue
            for period in range(HOURLY, YEARLY + 1):
                ws = rng.randrange(7)
                asked.append('%s %d %d %d' % (name, period, ws, s * 1000 +
                                              rng.randrange(1000)))
                want.append(hourly(zone, s, turns) if period == HOURLY
                            else calendar(zone, period, ws, s))
    out = subprocess.run([CALC], input='\n'.join(asked), text=True,
                         stdout=subprocess.PIPE, check=True).stdout
    bad = 0
    for q, w, got in zip(asked, want, out.splitlines(), strict=True):
        if got != '-' and got.split()[:2] != [str(x * 1000) for x in w]:
            bad += 1
            if bad < 10:
                print('%s: %s, want %s' % (q, got, [x * 1000 for x in w]))
    print('%d windows, %d differ' % (len(asked), bad))
    return 1 if bad else 0


sys.exit(main())
