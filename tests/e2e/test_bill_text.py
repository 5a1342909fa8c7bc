#!/usr/bin/python3
"""Names that would like to be more than text: what the bill shows is UTF-8
without a control, a formula or a tag, whoever wrote the ledger."""
import csv
import io
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree
import zipfile

import ledger
from harness import Failed, eq, ok
from test_bill import D, Home

TEXTS = ['\x1b[31mred\x1b]0;x\x07', '=1+1', '+1', '-1+1', '@SUM(A1)',
         '\t=1', '<script>alert(1)</script>', '"><img src=x onerror=a()>',
         'a\x00b', '\x01\x02\x0b\x0c\x1e', '\x7f\x85\x9b31m', '\u202egnp',
         '日本語', '😀', 'a"\'`$(id);\\', 'a\nb\rc', 'a,b;c', 'x' * 10240,
         '\ufeff\ufffe\uffff', ']]>', '&amp;', '\ud800', '{=1}', ' ', '%s%n']
BYTES = (b'\xff\xfe', b'\xc0\x80', b'\xed\xa0\x80', b'\xf4\x90\x80\x80',
         b'\x9b31m', b'\xe6\x97', b'x' * 300 + b'\xe6\x97\xa5' * 200)
FIELDS = ('model', 'project', 'user', 'tags', 'conversation', 'provider',
          'comm')
BY = 'model,project,user,tag,conversation,provider,process'
COMMANDS = (
    ('costs', '--detailed', '--chart', '--top', '0'),
    ('report', '--month', '2026-03', '--chart', '--top', '0', '--by', BY),
    ('by-conversation', '--top', '0'), ('by-tag',),
    ('compare', '--periods', '2026-02,2026-03', '--metric', 'models'),
    ('recommend', '--from', '2026-03'), ('cost-per-million',),
    ('tail', '-n', '1000'), ('export', '--format', 'csv'),
    ('report', '--month', '2026-03', '--format', 'csv', '--by', BY),
)
STEERS = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e'
                    '\u2066-\u2069]')


def raw(body):
    return body + b',"crc":"%08x"}\n' % ledger.crc32c(body)


def fill(home):
    rows = []
    for i, text in enumerate(TEXTS):
        for f in FIELDS:
            more = {f: [text] if f == 'tags' else text}
            model = more.pop('model', 'gpt-4o')
            provider = more.pop('provider', 'openai')
            rows.append(ledger.call('2026-03-%02dT10:00:00.000Z' % (i + 1),
                                    model, provider, '0.000000000001',
                                    **more))
    path = ledger.write(home.state, rows, '2026-03')
    with open(path, 'ab') as f:
        for i, text in enumerate(BYTES):
            for field in FIELDS:
                value = b'"%s"' % text
                f.write(raw(
                    b'{"v":1,"id":"%s","ts":"2026-03-05T00:00:00.000Z",'
                    b'"kind":"call","%s":%s,"cost_usd":0.000000000001' % (
                        ledger.new_id(1772668800000 + i).encode(),
                        field.encode(),
                        b'[%s]' % value if field == 'tags' else value)))
    return len(rows) + len(BYTES) * len(FIELDS)


def check(name, out):
    try:
        text = out.decode()
    except UnicodeDecodeError as e:
        raise Failed('%s: %s' % (name, e))
    bad = STEERS.search(text)
    if bad:
        raise Failed('%s: %r' % (name, text[max(0, bad.start() - 20):
                                            bad.end() + 20]))
    return text


def exports(home, n):
    for kind in ('csv', 'json', 'html', 'xlsx', 'pdf'):
        path = os.path.join(home.dir, 'out.' + kind)
        home.run('report', '--month', '2026-03', '--by', BY, '--top', '0',
                 '--export', path)
        with open(path, 'rb') as f:
            data = f.read()
        if kind == 'xlsx':
            with zipfile.ZipFile(path) as z:
                for part in z.namelist():
                    text = z.read(part)
                    xml.etree.ElementTree.fromstring(text)
                    ok(b'<f>' not in text, part + ': a formula')
        elif kind == 'html':
            text = check('html', data)
            ok('<img' not in text and 'alert(1)</script' not in text, 'html')
        elif kind == 'csv':
            for row in csv.reader(io.StringIO(check('csv', data),
                                              newline='')):
                ok(not row[1] or row[1][0] not in '=+-@\t\r', row[1])
        elif kind == 'json':
            eq(home.json('report', '--month', '2026-03')['total']['calls'],
               n, 'calls')
        elif kind == 'pdf':
            ok(data.startswith(b'%PDF-') and data.rstrip().endswith(b'%%EOF'),
               'pdf')
            if shutil.which('pdftotext'):
                text = subprocess.run(['pdftotext', path, '-'],
                                      stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL).stdout
                ok('\ufffd' in text.decode() or b'?' in text,
                   'a sign for what the fonts have not')
    print('ok   files')


def caches(home):
    """--cache: in every file, the figures of its JSON."""
    args = ('report', '--month', '2026-03', '--cache', '--by', 'provider')
    d = home.json(*args)
    want = [D(g['saved_usd']) for g in d['groups']]
    for kind in ('csv', 'json', 'html', 'xlsx', 'pdf'):
        path = os.path.join(home.dir, 'cache.' + kind)
        home.run(*args, '--export', path)
        with open(path, 'rb') as f:
            data = f.read()
        if kind == 'csv':
            rows = list(csv.DictReader(io.StringIO(data.decode(),
                                                   newline='')))
            eq([D(r['saved_usd']) for r in rows[:-1]], want, 'csv')
            eq(D(rows[-1]['cache_hit_share']),
               d['total']['cache_hit_share'], 'total')
        elif kind == 'html':
            ok(b'<th>From cache</th>' in data, 'html')
        elif kind == 'xlsx':
            with zipfile.ZipFile(path) as z:
                ok(b'Saved USD' in z.read('xl/sharedStrings.xml'), 'xlsx')
        elif kind == 'pdf' and shutil.which('pdftotext'):
            text = subprocess.run(['pdftotext', path, '-'],
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL).stdout
            ok(b'From cache' in text, 'pdf')
    print('ok   caches')


def main():
    home = Home()
    try:
        n = fill(home)
        for args in COMMANDS:
            check(' '.join(args), home.bytes(*args))
        print('ok   commands')
        exports(home, n)
        caches(home)
    finally:
        home.close()


if __name__ == '__main__':
    try:
        main()
    except Failed as e:
        print('FAIL ' + str(e))
        sys.exit(1)
