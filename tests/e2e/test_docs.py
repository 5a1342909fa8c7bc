#!/usr/bin/python3
"""The commands that docs/*.md show, run as they stand there.

A line <!-- run --> before a fenced block of sh or console says that it is run,
<!-- run status=3 --> that its last command ends so, <!-- run needs=jq -->
that it is left out where a program is missing, <!-- run guarded --> that
calls cross the wire in it, <!-- not run: why --> that it cannot be run here.
In DOCUMENTS every such block says one of them, elsewhere what says nothing is
left alone.

A block of yaml with the mark is given to `llmguard config check`.

A document's blocks are run in their order, in one folder, by one user with a
ledger of their own. What a console block shows has to come: each line in its
order, every number any number, any space any space, "..." anything.
"""
import calendar
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import ledger
from harness import (BUILD, CLI, HERE, SHIM, TOP, Failed, TestServer,
                     sanitizer)

DOCUMENTS = ('docs/user-guide.md', 'docs/playbook.md', 'docs/migration.md')
PY = '/usr/bin/python3'
BLOCK = re.compile(r'(?:^<!-- ([^\n]*?) -->\n)?^```(\w*)\n(.*?)^```$',
                   re.M | re.S)
AGENT = '''#!/usr/bin/python3
import json, sys, urllib.error, urllib.request
for i in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
    try:
        urllib.request.urlopen(urllib.request.Request(
            'https://api.openai.com/v1/chat/completions',
            json.dumps({'model': 'gpt-4o', 'max_tokens': 200, 'messages': [
                {'role': 'user', 'content': 'Say hello.'}]}).encode(),
            {'Content-Type': 'application/json',
             'Authorization': 'Bearer sk-test',
             'x-test': 'in=1000;out=200'})).read()
    except urllib.error.HTTPError as e:
        print(e.code, json.load(e)['error']['message'])
        sys.exit(1)
'''
DAY = 86400


def blocks(path):
    """(line, what its comment says, language, text) of each fenced block."""
    with open(os.path.join(TOP, path)) as f:
        text = f.read()
    return [(text[:m.start()].count('\n') + 1, m.group(1) or '', m.group(2),
             m.group(3)) for m in BLOCK.finditer(text)]


def batch(n):
    return ''.join(json.dumps({'custom_id': str(i), 'method': 'POST', 'url':
                               '/v1/chat/completions', 'body': {
                                   'model': 'gpt-4o-mini', 'max_tokens': 300,
                                   'messages': [{'role': 'user', 'content':
                                                 'Summarize page %d.' % i}]}})
                   + '\n' for i in range(n))


def bill(path):
    """What OpenAI's costs would be for the ledger's UTC days of 2026-05: one
    day of one model differs."""
    days, calls = {}, {}
    with open(path, 'rb') as f:
        rows, _ = ledger.sound(f.read())
    for r in rows:
        if r.get('provider') == 'openai' and r['ts'][:7] == '2026-05':
            calls[r['id']] = r
    for r in rows:
        base = calls.get(r.get('ref') or r['id'])
        if base is not None and (r['id'] not in days):
            key = (base['ts'][:10], r['model'] or base['model'] or '')
            days[r['id']] = (key, r['cost_usd'])
    sums = {}
    for key, usd in days.values():
        sums[key] = sums.get(key, 0) + usd
    sums = {k: v for k, v in sums.items() if k[1] and v}
    first = min(sums)
    sums[first] *= 2
    epoch = calendar.timegm(time.strptime('2026-05-01', '%Y-%m-%d'))
    return ledger.dump({
        'object': 'page', 'has_more': False, 'next_page': None, 'data': [
            {'object': 'bucket', 'start_time': epoch + i * DAY, 'end_time':
             epoch + (i + 1) * DAY, 'results': [
                 {'object': 'organization.costs.result', 'amount': {
                     'value': v, 'currency': 'usd'}, 'line_item': m,
                  'project_id': None} for (d, m), v in sorted(sums.items())
                 if int(d[8:]) == i + 1]} for i in range(31)]})


class Place:
    """One user: a home, a ledger, programs, and the test server behind every
    https connection."""

    def __init__(self, server):
        self.server = server
        self.dir = tempfile.mkdtemp(prefix='llmguard-docs-')
        self.home = os.path.join(self.dir, 'home')
        self.state = os.path.join(self.home, '.local/state/llmguard')
        self.regions = set()
        os.makedirs(self.state + '/ledger', mode=0o700)
        os.makedirs(self.home + '/.config/llmguard')
        self.put('.config/llmguard/llmguard.yaml',
                 'version: 1\ntimezone: Europe/Berlin\n')
        today = time.strftime('%Y-%m-%d', time.gmtime(time.time() - 59 * DAY))
        self.rows('2500', '2026-03-01', '92', '7')
        self.rows('1500', today, '60', '8')
        self.put('batch.jsonl', batch(40))
        self.put('prompt.txt', 'Say in one sentence what a budget is.\n')
        self.put('agent.py', AGENT, 0o755)
        self.put('limits.json', json.dumps(
            {'global': {'daily': 20, 'monthly': 200, 'hard_limit': True},
             'projects': {'search': {'monthly': 60, 'alert_at': [0.5, 0.9]}},
             'models': {'gpt-4o*': {'weekly': 40}}}))
        self.put('model_prices.json', json.dumps(
            {'my-tuned-model': {'litellm_provider': 'openai', 'mode': 'chat',
                                'input_cost_per_token': 2e-06,
                                'output_cost_per_token': 8e-06}}))
        self.put('costs.json', bill(self.state + '/ledger/2026-05.jsonl'))
        self.put('bin/llmguard', '#!/bin/sh\nexec %s "$@"\n' % CLI, 0o755)

    def rows(self, n, first, days, seed):
        subprocess.run([os.path.join(BUILD, 'tests/e2e/make_ledger'),
                        self.state + '/ledger', n, first, days, seed],
                       check=True)

    def put(self, name, text, mode=0o600):
        path = os.path.join(self.home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, mode)

    def env(self):
        e = {k: v for k, v in os.environ.items()
             if not k.startswith(('LLMGUARD_', 'XDG_', 'PYTHON', 'MAKE'))
             and k != 'LD_PRELOAD'}
        e.update(HOME=self.home, LANG='C.UTF-8', COLUMNS='100', NO_COLOR='1',
                 PATH='%s/bin:%s' % (self.home, e.get('PATH', '')),
                 LLMGUARD_STATE_DIR=self.state,
                 XDG_CONFIG_HOME=self.home + '/.config',
                 SSL_CERT_FILE=self.server.ca, LLMGUARD_LIB=SHIM,
                 TEST_PORT=str(self.server.port),
                 PYTHONPATH=os.path.join(HERE, 'redirect'))
        return e

    def sh(self, script):
        p = subprocess.run(['bash', '-u', '-o', 'pipefail', '-c', script],
                           cwd=self.home, env=self.env(), text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60)
        return p.returncode, p.stdout

    def close(self):
        for state in (self.state, self.home + '/llmguard-state'):
            if os.path.isdir(state):
                _, text = self.sh('LLMGUARD_STATE_DIR=%s llmguard status '
                                  '--json 2>/dev/null' % state)
                try:
                    region = json.loads(text)['region']
                except (ValueError, KeyError):
                    continue
                for name in os.listdir('/dev/shm'):
                    if name.startswith(os.path.basename(region)):
                        os.unlink('/dev/shm/' + name)
        shutil.rmtree(self.dir, ignore_errors=True)


def split(text):
    """A console block: [command, lines that it prints]."""
    out = []
    more = False
    for line in text.splitlines():
        if more:
            out[-1][0] += '\n' + line
        elif line.startswith('$ '):
            out.append([line[2:], []])
        elif out:
            out[-1][1].append(line)
        else:
            raise Failed('a console block begins with "$ "')
        more = (more or line.startswith('$ ')) and line.endswith('\\')
    return out


def pattern(line):
    """The shown line as an expression: numbers, spaces and bars are loose."""
    out = []
    for part in re.split(r'(\.\.\.|\d+(?:[.,:]\d+)*|[ \t]+|[▏▎▍▌▋▊▉█]+)',
                         line.strip()):
        out.append('.*' if part == '...' else r'\d+(?:[.,:]\d+)*'
                   if part[:1].isdigit() else r'\s+' if part.isspace() else
                   '[▏▎▍▌▋▊▉█ ]*' if part[:1] in tuple('▏▎▍▌▋▊▉█') else
                   re.escape(part))
    return re.compile(r'\s*' + ''.join(out) + r'\s*$')


def compare(want, got):
    """Each shown line stands in what was printed, in order."""
    have, at = got.splitlines(), 0
    for line in want:
        if line.strip() in ('', '...'):
            continue
        rx = pattern(line)
        while at < len(have) and not rx.match(have[at]):
            at += 1
        if at == len(have):
            raise Failed('not printed: %s\nprinted:\n%s' % (line, got))
        at += 1


def run_console(place, text, status):
    commands = split(text)
    for i, (command, want) in enumerate(commands):
        code, got = place.sh(command)
        expected = status if i + 1 == len(commands) else 0
        if code != expected:
            raise Failed('%s\nends with %d, not %d:\n%s' % (
                command, code, expected, got))
        compare(want, got)


def run_block(place, what, lang, text):
    words = what.split()
    options = dict(x.split('=') for x in words if '=' in x)
    status = int(options.get('status', 0))
    for program in options.get('needs', '').split(','):
        if program and not shutil.which(program):
            return 'no ' + program
    if 'guarded' in words and sanitizer():
        return 'a sanitizer\'s runtime cannot be preloaded here'
    if lang == 'yaml':
        place.put('shown.yaml', ('' if 'version:' in text else 'version: 1\n')
                  + text)
        text = 'llmguard config check shown.yaml\n'
    if lang == 'console':
        run_console(place, text, status)
        return ''
    code, got = place.sh('set -e\n' + text)
    if code != status:
        raise Failed('ends with %d, not %d:\n%s' % (code, status, got))
    return ''


def document(server, path):
    """Runs one document: (blocks run, left out, failed)."""
    place, done, left, bad = Place(server), 0, 0, 0
    try:
        for line, what, lang, text in blocks(path):
            if lang not in ('sh', 'console') and not what.startswith('run'):
                continue
            where = '%s:%d' % (path, line)
            try:
                if re.match(r'run\b', what):
                    why = run_block(place, what, lang, text)
                    done, left = done + (not why), left + bool(why)
                    if why:
                        print('%s left out: %s' % (where, why))
                elif re.match(r'not run: \S', what) or \
                        path not in DOCUMENTS:
                    left += 1
                else:
                    raise Failed('says neither <!-- run --> nor <!-- not '
                                 'run: why -->')
            except (Failed, subprocess.TimeoutExpired) as e:
                print('FAILED %s: %s' % (where, e), flush=True)
                bad += 1
    finally:
        place.close()
    return done, left, bad


def others():
    """More documents with a block that is run."""
    all_ = ['README.md'] + ['docs/' + x for x in
                            sorted(os.listdir(os.path.join(TOP, 'docs')))
                            if x.endswith('.md')]
    return tuple(x for x in all_ if x not in DOCUMENTS and
                 any(re.match(r'run\b', b[1]) for b in blocks(x)))


def main():
    if not os.path.exists(SHIM) or 'thread' in os.path.basename(BUILD):
        print('needs the library, built without ThreadSanitizer')
        sys.exit(77)
    wanted, failed = sys.argv[1:], 0
    server = TestServer()
    try:
        for path in DOCUMENTS + others():
            if wanted and not any(w in path for w in wanted):
                continue
            start = time.time()
            done, left, bad = document(server, path)
            print('%-26s %3d run, %3d not, %d failed %6.2f s' % (
                path, done, left, bad, time.time() - start), flush=True)
            failed += bad
    finally:
        server.close()
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
