#!/usr/bin/python3
"""Prices computed a second time, in decimal, from the same price files.

docs/pricing.md is what this follows; it shares no code and no structure with
the library. 10,000 random calls (name, tier, time, place, usage) must have the
same price, found in the same way, to the picodollar.
"""
import datetime
import decimal
import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    print('no python3-yaml')
    sys.exit(77)

decimal.getcontext().prec = 60
decimal.getcontext().rounding = decimal.ROUND_HALF_EVEN
D = decimal.Decimal
TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get('B') or os.path.join(TOP, 'build')
CALC = os.path.join(BUILD if os.path.isabs(BUILD) else
                    os.path.join(TOP, BUILD), 'tests/golden/price_calc')
MOST = 2 ** 63 - 1
CASES = int(os.environ.get('CASES', '10000'))

# rate key: bucket; what a bucket is charged as when it has no rate
RATES = {
    'input': 'input', 'cached_input': 'cache_read',
    'cache_write_5m': 'cache_write_5m', 'cache_write_1h': 'cache_write_1h',
    'output': 'output', 'reasoning': 'reasoning',
    'audio_input': 'audio_input', 'audio_cached_input': 'audio_cache_read',
    'audio_output': 'audio_output', 'image_input': 'image_input',
    'image_cached_input': 'image_cache_read', 'image_output': 'image_output',
    'video_input': 'video_input', 'video_output': 'video_output',
    'citation': 'citation', 'training': 'training',
}
FEES = {
    'request': 'requests', 'web_search': 'web_searches',
    'file_search': 'file_searches', 'code_execution': 'code_executions',
    'grounding': 'grounding', 'image': 'images', 'second': 'seconds',
    'character': 'characters', 'page': 'pages', 'search_unit': 'search_units',
}
CHARGED_AS = {
    'cache_read': ['input'], 'cache_write_5m': ['input'],
    'cache_write_1h': ['cache_write_5m', 'input'], 'audio_input': ['input'],
    'audio_cache_read': ['audio_input', 'cache_read', 'input'],
    'image_input': ['input'],
    'image_cache_read': ['image_input', 'cache_read', 'input'],
    'video_input': ['input'], 'citation': ['input'],
    'reasoning': ['output'], 'audio_output': ['output'],
    'image_output': ['output'], 'video_output': ['output'],
}
OUTPUT = {'output', 'reasoning', 'audio_output', 'image_output',
          'video_output'}
FRESH = {'cache_read': 'input', 'audio_cache_read': 'audio_input',
         'image_cache_read': 'image_input'}
UNIT = {'_per_1m': D(1), '_per_1k': D(1000), '_per_token': D(10) ** 6,
        '_per_1': D(10) ** 6}


def cents(x):
    """Twelve decimals of a dollar per million."""
    return x.quantize(D('1e-12'))


def joined(a, b):
    """Factors that are stacked: six decimals."""
    return (a * b).quantize(D('1e-6'))


def rate_of_key(key, value):
    """(bucket, dollars per million) or None."""
    if key == 'second_per_hour':
        return 'seconds', cents(D(value) * 10 ** 6 / 3600)
    for tail, times in UNIT.items():
        name = key[:-len(tail)]
        if key.endswith(tail) and (name in RATES or name in FEES):
            return RATES.get(name) or FEES[name], cents(D(value) * times)
    return None


def rates_in(m):
    return dict(r for r in (rate_of_key(k, v) for k, v in m.items()
                            if isinstance(v, str)) if r)


def instant(text):
    if len(text) == 10:
        text += 'T00:00:00Z'
    t = datetime.datetime.fromisoformat(text.replace('Z', '+00:00'))
    return int(t.timestamp() * 1000)


def regex_of(glob_text, digits=False):
    out = ''
    for c in glob_text:
        out += ('.*' if c == '*' else '.' if c == '?' else
                '[0-9]' if c == '#' and digits else re.escape(c))
    return re.compile(out, re.I | re.S)


def test_of(op, text):
    low = text.lower()
    return {
        'equals': lambda n: n.lower() == low,
        'starts_with': lambda n: n.lower().startswith(low),
        'ends_with': lambda n: n.lower().endswith(low),
        'contains': lambda n: low in n.lower(),
        'glob': lambda n: bool(regex_of(text).fullmatch(n)),
        'pattern': lambda n: bool(regex_of(text, True).fullmatch(n)),
    }[op]


class Entry:
    """One price list of one model, as it stands or for a service tier."""

    def __init__(self, head, e):
        self.provider = e.get('provider', head.get('provider'))
        self.model = e['model']
        self.variant = e.get('variant', '')
        self.id = e.get('id') or e.get('pricing_id') or (
            '%s/%s%s' % (self.provider, self.model,
                         ':' + self.variant if self.variant else '')).lower()
        self.version = e.get('price_version', head.get('price_version', ''))
        self.tier = e.get('tier', '')
        self.start = instant(e['effective_at']) if 'effective_at' in e \
            else None
        self.end = instant(e['expires_at']) if 'expires_at' in e else None
        t = e.get('time_of_day')
        self.hours = t and (t['from'], t['to'])
        self.rates = rates_in(e)
        self.steps = [(int(s['above_tokens']), rates_in(s))
                      for s in e.get('tiers', [])]
        self.geo = e.get('geo')
        self.estimate = e.get('estimate') == 'true'
        self.unpriced = e.get('unpriced') == 'true'
        self.least = int(e.get('minimum_seconds', 0))
        self.times = None       # a tier that is a multiple of the standard
        self.match = e.get('match', [])
        if not isinstance(self.match, list):
            self.match = [self.match]
        self.service = e.get('service_tiers', {})

    def served(self, tier, how, guessed):
        s = Entry.__new__(Entry)
        s.__dict__.update(self.__dict__)
        s.tier, s.match, s.service = tier, [], {}
        s.estimate = self.estimate or guessed
        fees = {b: r for b, r in self.rates.items() if b in FEES.values()}
        if isinstance(how, str):
            s.times = D(how)
            scale = lambda m: {b: r if b in FEES.values() else
                               cents(r * s.times) for b, r in m.items()}
            s.rates = scale(self.rates)
            s.steps = [(n, scale(m)) for n, m in self.steps]
        else:
            s.times = None
            s.rates = {**fees, **rates_in(how)}
            s.steps = []
        return s

    def holds(self, ms):
        if self.start is not None and ms < self.start or \
                self.end is not None and ms >= self.end:
            return False
        if not self.hours:
            return True
        now = datetime.datetime.fromtimestamp(
            ms / 1000, datetime.timezone.utc).strftime('%H:%M')
        a, b = self.hours
        return a <= now < b if a <= b else now >= a or now < b


class Catalog:
    def __init__(self, files):
        self.rules, self.entries = {}, []
        for path in files:
            with open(path) as f:
                doc = yaml.load(f, yaml.CBaseLoader)
            for p in doc.get('providers', []):
                self.rules.setdefault(
                    p.get('provider', doc.get('provider')), {}).update(p)
            self.entries += [Entry(doc, e) for e in doc.get('prices', [])]
        self.serve()
        self.index()

    def fees_of(self, e):
        fees = {k: v for k, v in rates_in(
            self.rules.get(e.provider, {})).items() if k in FEES.values()}
        if not e.unpriced and any(r > 0 for r in e.rates.values()):
            e.rates = {**fees, **e.rates}

    def serve(self):
        """The entries of each model, the provider's defaults included."""
        self.groups, out = {}, []
        for e in self.entries:
            out.append(e)
            out += [e.served(t, how, False) for t, how in e.service.items()]
        for e in out:
            self.fees_of(e)
            self.groups.setdefault((e.provider, e.model, e.variant),
                                   []).append(e)
        for (provider, _, _), group in self.groups.items():
            rules = self.rules.get(provider, {})
            have = {e.tier for e in group}
            for e in [e for e in group if not e.tier and not e.unpriced]:
                group += [e.served(t, how, True) for t, how in
                          rules.get('service_tiers', {}).items()
                          if t not in have]
            for e in group:
                e.places = e.geo if e.geo is not None else \
                    rules.get('geo', {})

    def index(self):
        self.names, self.tests, self.of = {}, {}, {}
        for key, group in self.groups.items():
            provider, model, variant = key
            self.of.setdefault(provider, []).extend(group)
            if not variant:
                self.names.setdefault((provider + '/' + model).lower(), key)
            self.names.setdefault(group[0].id, key)
        for key, group in self.groups.items():
            for m in [m for e in group for m in e.match]:
                self.add_match(key, m)

    def add_match(self, key, m):
        tests = self.tests.setdefault(key[0], [])
        if isinstance(m, str) and not re.search(r'[*?]', m):
            m = {'equals': m}
        if isinstance(m, str):
            tests.append(([test_of('glob', m)], key))
        elif list(m) == ['equals']:
            self.names.setdefault((key[0] + '/' + m['equals']).lower(), key)
        else:
            tests.append(([test_of(*kv) for kv in m.items()], key))

    # -- finding ------------------------------------------------------------

    def group_of(self, provider, name):
        key = self.names.get((provider + '/' + name).lower())
        if key:
            return key, 'exact'
        for tests, found in self.tests.get(provider, []):
            if all(t(name) for t in tests):
                return found, 'rule'
        return None, None

    def choose(self, group, tier, q):
        def rank(e):
            now = e.holds(q['ms'])
            v = q['version']
            if not v:
                return 1 if now else -1
            if e.version.startswith(v):
                return 3 if now else 2
            return -1 if not now else 1 if e.version < v else 0
        best = None
        for i, e in enumerate(group):
            if e.tier != tier or rank(e) < 0:
                continue
            key = (rank(e), e.start if e.start is not None else -10 ** 18,
                   bool(e.hours), i)
            if best is None or key > best[0]:
                best = (key, e)
        return best and best[1]

    def served(self, group, q):
        """(entry, further factor, estimate) for the tier asked for."""
        e = self.choose(group, q['tier'], q)
        if e or '+' not in q['tier']:
            return (e, D(1), False) if e else None
        parts = [self.choose(group, t, q) for t in q['tier'].split('+')]
        if not all(parts):
            return None
        own = [p for p in parts if p.times is None]
        if len(own) > 1:
            return None
        factor = D(1)
        for p in parts:
            factor = joined(factor, p.times if p.times is not None else D(1))
        base = own[0] if own else self.choose(group, '', q)
        return base and (base, factor, any(p.estimate for p in parts))

    def place_factor(self, places, place):
        if not place or place.lower() == 'not_available':
            return D(1)
        for where, factor in places.items():
            if where == 'regional' and place.lower() != 'global' or \
                    where != 'regional' and regex_of(where).fullmatch(place):
                return D(factor)
        return D(1)

    def named(self, source, name, place, q):
        provider, places, unsure = source
        key, how = self.group_of(provider, name)
        if not key:
            return None
        estimate = False
        if q['variant']:
            other = self.names.get('%s/%s:%s' % (key[0], key[1].lower(),
                                                 q['variant'].lower()))
            if other:
                key = other
            else:
                estimate = 'images' in self.groups[key][0].rates
        group = self.groups[key]
        got = self.served(group, q)
        missing = False
        if not got and q['tier']:
            got = self.served(group, {**q, 'tier': ''})
            missing = bool(got) and not got[0].unpriced
        if not got:
            return None
        e, factor, guessed = got
        factor = joined(factor, self.place_factor(
            e.places if places is None else places, place))
        return {'entry': e, 'factor': factor, 'how': how,
                'estimate': e.estimate or estimate or guessed or unsure,
                'missing': missing, 'rates': e.rates, 'steps': e.steps}

    def fallbacks(self, provider):
        out, queue = [], [provider]
        while queue:
            more = self.rules.get(queue.pop(0), {}).get('fallback', [])
            for f in more if isinstance(more, list) else [more]:
                f = {'provider': f} if isinstance(f, str) else f
                out.append((f['provider'], f.get('geo'),
                            f.get('estimate') == 'true'))
                queue.append(f['provider'])
        return out

    def find(self, provider, model, q):
        sources = [(provider, None, False)] + self.fallbacks(provider)
        for name, place, guess in spellings(model):
            for s in sources:
                got = self.named(s, name, q['geo'] or place, q)
                if got:
                    if guess:
                        got.update(how='rule', estimate=True)
                    return got
        base = re.fullmatch(r'ft:([^:]+):.*', model, re.I | re.S)
        return base and self.tuned(provider, base[1], q)

    def tuned(self, provider, model, q):
        got = self.find(provider, model, {**q, 'variant': 'fine-tuned'})
        if not got:
            return None
        premium = {k[len('fine_tuned_'):]: v for k, v in
                   self.rules.get(provider, {}).items()
                   if k.startswith('fine_tuned_')}
        if got['entry'].variant != 'fine-tuned':
            if not premium:
                return None
            got['rates'] = {**got['rates'], **rates_in(premium)}
            got['steps'] = []
        return {**got, 'how': 'rule'}

    def ceiling(self, provider, q):
        top = {}
        for p in [provider] + [f[0] for f in self.fallbacks(provider)]:
            for e in self.of.get(p, []):
                if e.unpriced or not e.holds(q['ms']) or \
                        e.tier not in ('', q['tier']):
                    continue
                f = self.place_factor(e.places, q['geo'])
                for m in [e.rates] + [s[1] for s in e.steps]:
                    for b, r in m.items():
                        if f != 1 and b not in FEES.values():
                            r = (r * f).quantize(D('1e-12'),
                                                 decimal.ROUND_UP)
                        top[b] = max(r, top.get(b, D(-1)))
        for b, others in CHARGED_AS.items():
            best = max([top.get(x, D(-1)) for x in [b] + others])
            if best >= 0:
                top[b] = best
        return top

    def price(self, q):
        q = {**q, 'tier': q['tier'].lower()}
        if q['tier'] in ('standard', 'default', 'auto', 'on_demand'):
            q['tier'] = ''
        if q['version'] == 'latest':
            q['version'] = ''
        got = self.find(q['provider'], q['model'], q) if q['model'] else None
        if got and not got['entry'].unpriced:
            return got
        top = self.ceiling(q['provider'], q)
        return {'entry': None, 'factor': D(1), 'how': 'ceiling' if top else
                'unknown', 'estimate': False, 'missing': False, 'rates': top,
                'steps': []}


def spellings(model):
    """(name, place that it began with, is it a guess), the surest first."""
    sure, guesses = [(model, '')], []
    for name in [model] + ([model.rpartition('/')[2]]
                           if '/' in model[1:] else []):
        if not name:
            continue
        place = ''
        sure.append((name, place))
        m = re.fullmatch(r'(us|eu|apac|global|jp|us-gov|au|ca|sa)\.(.+)',
                         name, re.I | re.S)
        if m:
            place, name = m.groups()
            sure.append((name, place))
        m = re.fullmatch(r'(.+):[0-9]+', name, re.S)
        if m:
            name = m[1]
            sure.append((name, place))
            m = re.fullmatch(r'(.+)-v[0-9]+', name, re.I | re.S)
            if m:
                name = m[1]
                sure.append((name, place))
        m = re.fullmatch(r'(.+):[^/:]*', name, re.S)
        if m and not name.lower().startswith('ft:'):
            name = m[1]
            guesses.append((name, place))
        m = re.fullmatch(r'(.+)@[^@]*', name, re.S)
        if m:
            name = m[1]
            guesses.append((name, place))
        m = re.fullmatch(r'(..+)-([0-9]{4}-[0-9]{2}-[0-9]{2})', name) or \
            re.fullmatch(r'(.+)-([0-9]{8})', name)
        if m:
            guesses.append((m[1], place))
    return [(n, p, False) for n, p in sure] + [(n, p, True)
                                               for n, p in guesses]


def charge(p, usage):
    """(total, input, economic) picodollars, and whether a rate is missing."""
    inputs = sum(n for b, n in usage.items()
                 if b in CHARGED_AS and b not in OUTPUT or
                 b in ('input', 'training'))
    step = {}
    for above, rates in p['steps']:
        if inputs > above:
            step = rates

    def rate(b):
        for x in [b] + CHARGED_AS.get(b, []):
            if x in step or x in p['rates']:
                return step.get(x, p['rates'].get(x))
        return None

    usage = dict(usage)
    usage.setdefault('requests', 1)
    least = p['entry'].least if p['entry'] else 0
    sums, fresh, missing = {True: D(0), False: D(0)}, D(0), False
    for b, n in usage.items():
        if b == 'seconds' and n:
            n = max(n, least)
        r = rate(b)
        if r is None:
            missing |= bool(n) and b != 'requests'
            continue
        fee = b in FEES.values()
        factor = D(1) if fee else p['factor']
        sums[fee or b in OUTPUT] += n * r * factor
        full = rate(FRESH.get(b, b))
        fresh += n * (r if full is None else full) * factor
    pico = [(x * 10 ** 6).quantize(D(1)) for x in
            (sums[True] + sums[False], sums[False], fresh)]
    return pico, missing


# -- the questions -----------------------------------------------------------

WHEN = ['2024-05-01', '2025-06-09', '2025-06-10', '2026-03-12', '2026-03-13',
        '2026-07-29', '2026-07-30', '2026-08-31', '2026-09-01', '2026-11-22',
        '2027-01-01']
TIERS = ['', '', '', '', 'default', 'batch', 'flex', 'priority', 'fast',
         'batch+fast', 'fast+batch', 'priority+batch', 'on_demand',
         'AUTO', 'ultrafast']
PLACES = ['', '', '', '', 'us', 'eu', 'global', 'us-east5', 'not_available']
VARIANTS = ['', '', '', '', 'low', 'medium', 'high', 'hd/1024x1792',
            'standard/1024x1024', 'hd/9x9']
VERSIONS = [''] * 6 + ['latest', '2026', '2026-08-21', '2026-08', '2025-01']
COUNTS = [0, 1, 2, 7, 99, 1000, 128000, 128001, 199999, 200000, 200001,
          272000, 272001, 512001, 10 ** 6, 123456789]


def example(rng, m):
    """A name that a clause is about."""
    if isinstance(m, dict):
        text = rng.choice(list(m.values()))
        text = text.replace('#', rng.choice('0123456789'))
    else:
        text = m
    return text.replace('*', rng.choice(['', '-x', '-20260101'])).replace(
        '?', '5')


def dress(rng, name):
    form = rng.choice(['%s'] * 8 + [
        'models/%s', 'publishers/x/models/%s', 'us.%s', 'global.%s', '%s-v1:0',
        'arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.%s-v2:0',
        '%s-2026-02-03', '%s-20260203', '%s@20260203', '%s:nitro', '%s-x',
        'ft:%s:org:label:id', '%s/', ':%s', '%s:7'])
    name = form % name
    return name.upper() if rng.random() < 0.1 else name


def question(rng, cat, entries):
    e = rng.choice(entries)
    name = rng.choice([e.model] * 3 + [example(rng, m) for m in e.match])
    usage = {}
    for b in rng.sample(['input', 'output'] * 3 + list(RATES.values()) +
                        list(FEES.values()), rng.randint(1, 6)):
        usage[b] = rng.choice(COUNTS) if rng.random() < 0.6 else \
            rng.randrange(10 ** rng.randint(1, 7))
    ms = instant(rng.choice(WHEN)) + rng.choice([
        -1, 0, 1, 30 * 60000 - 1, 30 * 60000, 16 * 3600000 + 30 * 60000 - 1,
        16 * 3600000 + 30 * 60000, rng.randrange(86400000)])
    return {'provider': e.provider if rng.random() < 0.9 else
            rng.choice(['azure', 'google', 'aws', 'huggingface', 'vercel',
                        'nobody']),
            'model': dress(rng, name)[:250], 'tier': rng.choice(TIERS),
            'geo': rng.choice(PLACES), 'variant': rng.choice(VARIANTS),
            'version': rng.choice(VERSIONS), 'ms': ms, 'usage': usage}


def line_of(q):
    return '\t'.join([q['provider'], q['model'], q['tier'], q['geo'],
                      q['variant'], q['version'], str(q['ms']),
                      ','.join('%s=%d' % x for x in q['usage'].items())])


def ask(questions, files):
    text = '\n'.join(line_of(q) for q in questions) + '\n'
    p = subprocess.run([CALC, *files], input=text, text=True,
                       stdout=subprocess.PIPE, check=True)
    return [x.split('\t') for x in p.stdout.splitlines()]


def compare(cat, files, seed, n):
    rng = random.Random(seed)
    questions = [question(rng, cat, cat.entries) for _ in range(n)]
    answers, bad, ways = ask(questions, files), 0, {}
    assert len(answers) == n, '%d answers' % len(answers)
    for q, got in zip(questions, answers):
        p = cat.price(q)
        (total, inputs, fresh), missing = charge(p, q['usage'])
        total, inputs, fresh = (min(x, MOST) for x in (total, inputs, fresh))
        want = [p['how'], p['entry'].id if p['entry'] else '',
                'e' * p['estimate'] + 't' * p['missing'] + 'r' * missing,
                str(total), str(inputs), str(fresh)]
        ways[p['how']] = ways.get(p['how'], 0) + 1
        if got != want:
            bad += 1
            if bad <= 5:
                print('asked  %r\n  got  %s\n  want %s' % (q, got, want))
    print('%d of %d calls agree (%s; seed %d)' % (
        n - bad, n, ', '.join('%s %d' % x for x in sorted(ways.items())),
        seed))
    return not bad


# -- a catalog that says everything that can be said -------------------------

def money(rng, unit):
    """A literal that is exact to 1e-12 per million in this unit."""
    n = rng.choice([0, 1, 5, 10 ** 12, rng.randrange(10 ** 13)])
    return format(D(n).scaleb(-12) / UNIT[unit], 'f')


def some_rates(rng, names, tokens=True):
    out = {}
    for name in names:
        unit = rng.choice(['_per_1m', '_per_1k',
                           '_per_token' if tokens else '_per_1'])
        out[name + unit] = money(rng, unit)
    return out


def made_entry(rng, i):
    e = {'provider': 'p%d' % rng.randrange(4), 'model': 'Model-%d' % (i // 3)}
    if rng.random() < 0.1:
        return {**e, 'unpriced': 'true'}
    e.update(some_rates(rng, rng.sample(list(RATES), rng.randint(1, 7))))
    if rng.random() < 0.3:
        e.update(some_rates(rng, rng.sample(
            [f for f in FEES if f != 'second'], 2), False))
    if rng.random() < 0.1:
        e.update(second_per_hour='0.111', minimum_seconds='10')
    for key, chance, value in (
            ('variant', 0.2, rng.choice(['low', 'hd/1024x1792',
                                         'fine-tuned'])),
            ('effective_at', 0.5, rng.choice(WHEN)),
            ('expires_at', 0.2, '2027-01-01T00:30:00Z'),
            ('time_of_day', 0.3, rng.choice([
                {'from': '16:30', 'to': '00:30'},
                {'from': '00:30', 'to': '16:30'}])),
            ('price_version', 0.5, rng.choice(VERSIONS[7:])),
            ('tier', 0.15, rng.choice(['batch', 'fast', 'standard'])),
            ('estimate', 0.1, 'true'),
            ('geo', 0.3, rng.choice([{}, {'us': '1.1'}, {
                'us*': '1.25', 'regional': '1.1', 'global': '0.9'}]))):
        if rng.random() < chance:
            e[key] = value
    if e.get('tier') == 'standard':
        del e['tier']
    if rng.random() < 0.3:
        e['tiers'] = [{'above_tokens': str(n), **some_rates(
            rng, rng.sample(list(RATES), 3))} for n in
            sorted(rng.sample(COUNTS, rng.randint(1, 4)))]
    if 'tier' not in e and rng.random() < 0.4:
        e['service_tiers'] = {
            'batch': '0.5', 'fast': rng.choice([
                '1.000001', '6', some_rates(rng, ['input', 'output'])]),
            'priority': some_rates(rng, ['input'])}
    if rng.random() < 0.6:
        e['match'] = rng.choice([
            'alias-%d' % i, 'a%d-*' % i, '*-z%d' % i,
            ['b%d?x*y' % i, {'pattern': 'c%d-##-#*' % i}],
            [{'starts_with': 'd%d' % i, 'ends_with': 'Q'}, {
                'contains': 'mid%d' % i}, {'equals': 'E%d' % i}]])
    return e


def made_catalog(rng):
    return {'catalog': '1', 'price_version': '2026-08-21', 'providers': [
        {'provider': 'p0', 'service_tiers': {'batch': '0.25', 'flex': '0.5'},
         'web_search_per_1k': '10', 'fallback': [
             'p1', {'provider': 'p2', 'geo': {'regional': '1.5'},
                    'estimate': 'true'}]},
        {'provider': 'p1', 'fine_tuned_input_per_1m': '3',
         'fine_tuned_output_per_1k': '0.006', 'geo': {'eu': '1.2'}},
        {'provider': 'p2', 'fallback': 'p3'},
    ], 'prices': [made_entry(rng, i) for i in range(300)]}


def compare_made(seed, n):
    with tempfile.NamedTemporaryFile('w', suffix='.yaml') as f:
        yaml.dump(made_catalog(random.Random(seed)), f, sort_keys=False)
        f.flush()
        return compare(Catalog([f.name]), [f.name], seed, n)


# -- the published list itself ------------------------------------------------

PUBLISHED = os.path.join(TOP, '../shared/prices/genai-prices.json')
KEYS = {
    'input': 'input_mtok', 'cache_read': 'cache_read_mtok',
    'cache_write_5m': 'cache_write_mtok',
    'cache_write_1h': 'cache_write_1h_mtok', 'output': 'output_mtok',
    'reasoning': 'output_reasoning_mtok', 'audio_input': 'input_audio_mtok',
    'audio_output': 'output_audio_mtok', 'image_input': 'input_image_mtok',
    'image_output': 'output_image_mtok', 'citation': 'output_citation_mtok',
}
# models for which the catalog has more than the list
MORE = re.compile('google/.*claude-sonnet-4|'
                  'anthropic/claude-(sonnet-4(@|-2025|-0|$)|4-sonnet)')


def first_match(models, name):
    def fits(m):
        (op, v), = m.items()
        if op in ('or', 'and'):
            return (any if op == 'or' else all)(fits(x) for x in v)
        return bool(re.search(v, name)) if op == 'regex' else \
            test_of(op, v)(name)
    return next((m for m in models if fits(m['match'])), None)


def texts_of(match):
    for op, v in match.items():
        if op in ('or', 'and'):
            for x in v:
                yield from texts_of(x)
        elif op != 'regex':
            yield v


def listed_prices(model, ms):
    if isinstance(model['prices'], dict):
        return model['prices']
    now = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    for one in reversed(model['prices']):
        c = one.get('constraint') or {}
        time = now.strftime('%H:%M:%SZ')
        if not c or c.get('start_date', '') > now.strftime('%Y-%m-%d'):
            continue
        if 'start_date' in c or c['start_time'] <= time < c['end_time']:
            return one['prices']
    return model['prices'][0]['prices']


def listed_cost(prices, usage):
    inputs = sum(n for b, n in usage.items() if b not in OUTPUT)
    total = D(0)
    for b, n in usage.items():
        key = KEYS.get(b)
        price = next((prices[KEYS[x]] for x in [b] + CHARGED_AS.get(b, [])
                      if KEYS[x] in prices), None)
        if price is None:
            return None
        if isinstance(price, dict):
            step = [t['price'] for t in price['tiers']
                    if inputs > t['start']]
            price = step[-1] if step else price['base']
        total += n * cents(D(repr(price)))
    total += D(repr(prices.get('requests_kcount', 0))) * 1000
    return (total * 10 ** 6).quantize(D(1))


def compare_published(seed):
    """Every published model, at times and with usages: their rules."""
    if not os.path.exists(PUBLISHED):
        print('published list: skipped, no ../shared/prices')
        return True
    rng, asked = random.Random(seed), []
    with open(PUBLISHED) as f:
        providers = json.load(f)
    for p in providers:
        for m in p['models']:
            for name in list(texts_of(m['match']))[:3]:
                if first_match(p['models'], name) is not m or \
                        MORE.match(p['id'] + '/' + name):
                    continue
                for _ in range(3):
                    ms = instant(rng.choice(WHEN)) + rng.randrange(86400000)
                    prices = listed_prices(m, ms)
                    have = [b for b, k in KEYS.items() if k in prices]
                    usage = {b: rng.choice(COUNTS) for b in
                             rng.sample(have, min(len(have), 4))}
                    cost = have and listed_cost(prices, usage)
                    if cost is not None and have:
                        asked.append(({
                            'provider': p['id'], 'model': name, 'tier': '',
                            'geo': '', 'variant': '', 'version': '',
                            'ms': ms, 'usage': usage}, str(cost)))
    bad = 0
    for (q, want), got in zip(asked, ask([q for q, _ in asked], [])):
        if got[3] != want:
            bad += 1
            if bad <= 5:
                print('asked  %r\n  got  %s\n  want %s' % (q, got, want))
    print('%d of %d calls cost what the published list says' % (
        len(asked) - bad, len(asked)))
    return not bad


def main():
    if not os.path.exists(CALC):
        print('price_calc is not built')
        sys.exit(77)
    files = sorted(glob.glob(os.path.join(TOP, 'conf/pricing/*.yaml')))
    seed = int(os.environ.get('SEED') or random.randrange(10 ** 6))
    good = compare(Catalog(files), [], seed, CASES)
    good &= compare_published(seed)
    for i in range(4):
        good &= compare_made(seed + i, CASES // 8)
    sys.exit(not good)


main()
