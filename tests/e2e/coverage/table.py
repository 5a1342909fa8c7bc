"""docs/coverage.md: read, compared, written."""
import os

from harness import TOP

PATH = os.path.join(TOP, 'docs/coverage.md')
KEYS = ('name', 'version', 'tls', 'reach', 'seen', 'metered', 'refused')
GOOD = {'seen': 'yes', 'metered': 'exact', 'refused': 'clean'}


def cells(line):
    return [x.strip() for x in line.strip().strip('|').split('|')]


def read():
    """Rows by name."""
    rows = {}
    try:
        with open(PATH) as f:
            lines = f.readlines()
    except FileNotFoundError:
        return rows
    for line in lines:
        c = cells(line)
        if line.startswith('| ') and len(c) > 6 and c[0] != 'client' and \
                not c[0].startswith('-'):
            rows[c[0]] = dict(zip(KEYS + ('why',), c))
    return rows


def worse(old, new, look=True):
    """What got worse, or ''."""
    if old is None or 'absent' in new:
        return ''
    out = []
    for key in ('seen', 'metered', 'refused'):
        if old[key] != new[key] and old[key] not in ('no', 'not clean',
                                                     'wrong'):
            out.append('%s was %s, is %s.' % (key, old[key], new[key]))
    if look and old['seen'] == 'yes' and old['reach'] != new['reach']:
        out.append('reach was %s, is %s.' % (old['reach'], new['reach']))
    return ' '.join(out)
