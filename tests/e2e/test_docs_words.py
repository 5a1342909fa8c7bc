#!/usr/bin/python3
"""The documents beside the program: links lead somewhere, every setting,
variable, command and option is explained, and whatever the documents name
exists."""
import glob
import os
import re
import subprocess
import sys

import yaml

from harness import CLI, TOP

DOCS = sorted(glob.glob(TOP + '/docs/*.md')) + [
    TOP + '/README.md', TOP + '/tests/README.md']
# Variables of the tests, of the build, and names of the C API.
OWN = {'LLMGUARD_UNDER_RUN'}
HEADERS = {'x-llmguard-' + x for x in
           'project user tags conversation phase'.split()}
VALUES = {'llmguard', 'global', 'true', 'false', 'conf', 'throttle'}
failed = []


def read(path):
    with open(path) as f:
        return f.read()


def fail(path, what):
    failed.append('%s: %s' % (os.path.relpath(path, TOP), what))


def prose(text):
    """Without fenced blocks."""
    return re.sub(r'^```.*?^```$', '', text, flags=re.M | re.S)


def anchors(path):
    """GitHub's names of a document's headings."""
    out = set()
    for title in re.findall(r'^#+ +(.*?) *$', prose(read(path)), re.M):
        title = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', title)
        name = re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-')
        while name in out:
            name += '-1'
        out.add(name)
    return out


def check_links():
    known, n = {}, 0
    for path in DOCS:
        for link in re.findall(r'\]\(([^)\s]+)\)', prose(read(path))):
            if re.match(r'[a-z]+:', link):
                continue
            n += 1
            name, _, anchor = link.partition('#')
            to = os.path.normpath(os.path.join(os.path.dirname(path), name)) \
                if name else path
            if not os.path.exists(to):
                fail(path, 'link to %s: not there' % link)
            elif anchor and anchor not in known.setdefault(to, anchors(to)):
                fail(path, 'link to %s: no such heading' % link)
    listed = read(TOP + '/docs/README.md')
    for path in glob.glob(TOP + '/docs/*.md'):
        if '(%s)' % os.path.basename(path) not in listed + '(README.md)':
            fail(path, 'is not listed in docs/README.md')
    return n


def cli(*args):
    return subprocess.run([CLI, *args], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL).stdout


def commands():
    """{command: its long options}"""
    out = {}
    for line in cli('help').splitlines():
        m = re.match(r'  ([a-z-]+(?: [a-z-]+)?)  ', line)
        if m:
            name = m.group(1)
            text = cli(*name.split(), '--help')
            options = set(re.findall(r'^  (?:-\w, )? *(--[a-z0-9-]+)', text,
                                     re.M))
            out[name] = options | {'--help', '--version'}
            for choice in re.findall(r'--[a-z-]+ (\S+\|\S+)', text):
                VALUES.update(choice.split('|'))
    return out


def config_keys():
    """Keys of conf/llmguard.yaml, also those that stand in comments."""
    text = read(TOP + '/conf/llmguard.yaml')
    out = set()

    def walk(v):
        if isinstance(v, dict):
            for k, x in v.items():
                out.add(k)
                walk(x)
        elif isinstance(v, list):
            for x in v:
                walk(x)
    walk(yaml.safe_load(text))
    for line in text.splitlines():
        m = re.match(r' *#? *([a-z][a-z0-9_]+): ?', line)
        if m and line.lstrip(' #').startswith(m.group(1)):
            out.add(m.group(1))
        m = re.match(r'# {3,6}([a-z][a-z0-9_]+) {2,}\S', line)
        if m:
            out.add(m.group(1))
        out.update(re.findall(r'[{,] *([a-z][a-z0-9_]+): ', line))
        out.update(re.findall(r'\b([a-z0-9]+_[a-z0-9_]+): ', line))
    return out


def code_keys():
    """Keys that the reader of llmguard.yaml knows."""
    out = set()
    for name in ('settings', 'budgets', 'actions', 'programs', 'plain',
                 'conf'):
        path = '%s/shim/config/%s.c' % (TOP, name)
        if os.path.exists(path):
            out.update(re.findall(r'(?:KEY\w*\(|^\t\{)"([a-z][a-z0-9_]+)",',
                                  read(path), re.M))
    return out


def variables():
    """Environment variables that the sources read, and those of the page."""
    out = set()
    for folder in ('shim', 'tools', 'bpf'):
        for path in glob.glob('%s/%s/**/*.[ch]' % (TOP, folder),
                              recursive=True):
            if os.sep + 'client' + os.sep not in path:
                out.update(re.findall(r'"(LLMGUARD_[A-Z][A-Z_]*[A-Z])[="]',
                                      read(path)))
    return out - OWN


def row_keys():
    return set(re.findall(r'`([a-z_0-9]+)`', '\n'.join(
        x.split('|')[1] for x in read(TOP + '/docs/ledger.md').splitlines()
        if x.startswith('| `'))))


def check_explained(cmds):
    text = '\n'.join(read(p) for p in DOCS)
    words = set(re.findall(r'[a-z][a-z0-9_]+', text))
    conf = config_keys()
    for key in sorted(conf - words):
        fail('conf/llmguard.yaml', 'key %s is in no document' % key)
    for key in sorted(code_keys() - conf - {'op', 'ts', 'by', 'reason'}):
        fail('conf/llmguard.yaml', 'key %s is missing' % key)
    page = read(TOP + '/docs/man/llmguard.1').replace('\\', '')
    for name in sorted(variables()):
        if name not in page + read(TOP + '/docs/man/llmguard-run.1'):
            fail('docs/man', 'variable %s is on no page' % name)
        if name not in text:
            fail('docs', 'variable %s is in no document' % name)
    for name, options in sorted(cmds.items()):
        if not re.search(r'`%s\b|llmguard %s\b' % (name, name), text):
            fail('docs', 'command %s is in no document' % name)
        man = TOP + '/docs/man/llmguard-%s.1' % name.replace(' ', '-')
        if not os.path.exists(man):
            fail(man, 'no manual page')
            continue
        page = read(man).replace('\\', '')
        for option in sorted(options - {'--help', '--version'}):
            if option not in page:
                fail(man, 'option %s is missing' % option)


def shown(text):
    """Commands of llmguard that a document shows, as lists of words."""
    spans = re.findall(r'`([^`\n]+)`', prose(text))
    for block in re.findall(r'^```(?:sh|console|bash)?\n(.*?)^```$', text,
                            re.M | re.S):
        spans += block.replace('\\\n', ' ').splitlines()
    for span in spans:
        for part in re.split(r'&&|\|\||[|;()]', re.sub(r'(^|\s)#.*', '',
                                                       span)):
            m = re.search(r'^(?:.*[\s"])?(llmguard(?:-trace)?)\s+(\S.*)', part)
            if m and not re.match(r'\d{3} ', part) and not re.match(r'\$?[A-Z]|\d', m.group(2)):
                yield (['trace'] if m.group(1).endswith('-trace') else []) + \
                    m.group(2).split()


def check_shown(cmds):
    """A command that is shown exists, and so do its options."""
    n, groups = 0, {x.split()[0] for x in cmds if ' ' in x}
    for path in DOCS:
        for words in shown(read(path)):
            name = words[0].strip('`"\'.,')
            if name in groups and len(words) > 1 and \
                    name + ' ' + words[1] in cmds:
                name += ' ' + words[1]
            if name.startswith('-'):
                name = 'status'
            if name in groups and name not in cmds:
                continue
            if name not in cmds:
                if re.match(r'[a-z][a-z-]+$', name):
                    fail(path, 'llmguard %s: no such command' % name)
                continue
            n += 1
            for option in words[1:]:
                if option == '--':
                    break
                m = re.match(r'(--[a-z][a-z0-9-]+)', option)
                if m and m.group(1) not in cmds[name]:
                    fail(path, 'llmguard %s %s: no such option' % (
                        name, m.group(1)))
    return n


def check_variables_shown():
    known = variables()
    api = set(re.findall(r'LLMGUARD_\w+',
                         read(TOP + '/tools/client/llmguard.h')))
    made = set(re.findall(r'LLMGUARD_\w+', '\n'.join(
        read(p) for p in glob.glob(TOP + '/shim/**/*.c', recursive=True) +
        glob.glob(TOP + '/tools/*.c') + [TOP + '/conf/llmguard-trace.service'])))
    for path in DOCS:
        for name in set(re.findall(r'LLMGUARD_[A-Z][A-Z_]*[A-Z]', read(path))):
            if name not in known | api | made and not name.startswith(
                    'LLMGUARD_PRICE'):
                fail(path, 'variable %s: nothing reads it' % name)


def rates():
    buckets = re.findall(r'`([a-z_0-9]+)`', read(TOP + '/docs/pricing.md'))
    return {b + unit for b in buckets for unit in (
        '_per_1m', '_per_1k', '_per_token', '_per_1')}


def check_migration(cmds):
    """Each name on the right of the tables of docs/migration.md exists."""
    path, n = TOP + '/docs/migration.md', 0
    ours = config_keys() | row_keys() | rates() | variables()
    for name in ('config.md', 'index.md', 'export.md', 'events.md',
                 'pricing.md', 'ledger.md'):
        for span in re.findall(r'`([^`]+)`',
                               prose(read(TOP + '/docs/' + name))):
            ours.update(re.findall(r'[\w.-]+', span))
    ours |= HEADERS | VALUES | {'llmguard.' + x for x in row_keys()}
    ours |= {o for x in cmds.values() for o in x} | {'remaining_usd'}
    for name in cmds:
        ours.update(name.split())
    table = False
    for line in read(path).splitlines():
        if not line.startswith('|'):
            table = False
            continue
        cells = [x.strip() for x in line.strip('|').split('|')]
        if cells == ['theirs', 'ours']:
            table = True
            continue
        if not table or cells[1].startswith('---'):
            continue
        if len(cells) != 2 or not cells[1]:
            fail(path, 'not two cells: ' + line)
            continue
        for span in re.findall(r'`([^`]+)`', cells[1]):
            for word in re.findall(r'--[a-z-]+|x-llmguard-[a-z]+|'
                                   r'LLMGUARD_[A-Z_]+|[a-z][a-z0-9_.]+',
                                   re.sub(r'"[^"]*"', '', span)):
                n += 1
                if word not in ours:
                    fail(path, '%s: %s is no name of ours' % (cells[0], word))
    return n


def main():
    if not os.path.exists(CLI):
        print('llmguard is not built')
        sys.exit(77)
    cmds = commands()
    links = check_links()
    check_explained(cmds)
    calls = check_shown(cmds)
    check_variables_shown()
    names = check_migration(cmds)
    print('%d links, %d commands shown, %d names of the migration tables, '
          '%d commands, %d options, %d keys, %d variables' % (
              links, calls, names, len(cmds), sum(map(len, cmds.values())),
              len(config_keys()), len(variables())))
    for line in failed:
        print('FAILED ' + line)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
