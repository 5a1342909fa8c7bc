#!/usr/bin/python3
"""Names as they arrive: which recorded exchanges have a price in the catalog.

Where the answer names no model, or one that no list has, the requested one is
asked, as the library does. Skipped without ../shared/fixtures.
"""
import collections
import glob
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get('B') or 'build')
CALC = os.path.join(BUILD, 'tests/golden/price_calc')
FIXTURES = os.path.join(TOP, '../shared/fixtures')

# Nobody's list can have these, or nobody charges for them.
WITHOUT = {
    'ollama': 'own machine', 'other': 'own server or unknown host',
    'azure/openllmetry-testing': 'a deployment: needs a models: rule',
    'aws/amazon.titan-tg1-large': 'an early name, no price was found',
    'openai/': 'no model in the recording',
}


def exchanges():
    for path in sorted(glob.glob(FIXTURES + '/*/*/expected.json')):
        with open(path) as f:
            e = json.load(f)
        if e['billable']:
            yield (e['provider'], e['model_returned'] or '',
                   e['model_requested'] or '')


def ask(pairs):
    """Is there a price for (provider, model)?"""
    text = ''.join('%s\t%s\t\t\t\t\t1795305600000\tinput=1\n' % p
                   for p in pairs)
    p = subprocess.run([CALC], input=text, text=True, check=True,
                       stdout=subprocess.PIPE)
    return [x.split('\t')[0] in ('exact', 'rule')
            for x in p.stdout.splitlines()]


def main():
    rows = list(exchanges())
    if not rows or not os.path.exists(CALC):
        print('skipped: no ../shared/fixtures' if not rows else
              'price_calc is not built')
        sys.exit(77)
    answered = ask([(p, a) for p, a, _ in rows])
    asked = ask([(p, r) for p, _, r in rows])
    n, bad = collections.Counter(), []
    for (provider, a, r), by_answer, by_request in zip(rows, answered, asked):
        name = '%s/%s' % (provider, a or r)
        if a and by_answer:
            n['by the answer'] += 1
        elif by_request:
            n['by the request'] += 1
        elif provider in WITHOUT or name in WITHOUT:
            n['without: ' + WITHOUT.get(name, WITHOUT.get(provider))] += 1
        else:
            bad.append(name)
    for what, count in n.most_common():
        print('%4d %s' % (count, what))
    print('%4d unexpectedly without %s' % (len(bad), ' '.join(bad)))
    sys.exit(bool(bad))


main()
