"""docs/coverage.md: read, compared, written."""
import os
import platform

from harness import TOP

PATH = os.path.join(TOP, 'docs/coverage.md')
KEYS = ('name', 'version', 'tls', 'reach', 'seen', 'metered', 'refused')
HEAD = ('client', 'version', 'TLS', 'reached', 'seen', 'metered', 'refused')
WORST = ('no', 'not clean', 'wrong')
TEXT = '''# Coverage

What the guard sees of real clients, made by `make coverage` on %s with
the versions below. `make check` runs those that are installed and fails where a row got worse.

Each client posts a JSON call and a streamed one to a TLS server on this machine, under a budget that has room and under one
of 0. The server answers with usage of its own choice.

| column | |
|---|---|
| TLS, reached | what `llmguard doctor` says of the running process: the library, and by what it is reached ([doctor.md](doctor.md)) |
| seen | each call left a row in the ledger |
| metered | `exact`: tokens and cost of each row are what the server answered, streamed or not, and the budget has spent their sum and holds nothing. `free`: only fetches, and no such request costs money |
| refused | `clean`: the client sees status 429 at once, and nothing of the request reached the server. `clean, by HEAD /`: its descriptor is not to be found, so a `HEAD /` without any field goes out to wake it. `never`: it asks nothing that costs |

Amazon's SDK sends each refused call three times, as it does with any 429; the others send it once. "HTTP/2 offered" is the
default, `http2: auto`: HTTP/1.1 is spoken; "HTTP/2" is `http2: native`.

## Over TLS

%s
## Over plain HTTP

To a server of one's own that `plain_http:` names.

%s
## Not covered

Why is what `llmguard doctor` says. Their connections to LLM hosts are counted as dark traffic where the column says so; `llmguard
status` shows them. By http:// most of them are covered: see above. Go is not, since it makes its system calls itself. Those with
`tracer` are seen by [`llmguard-trace`](tracer.md) from outside; for the others what is left is a limit at the provider.

%s
Claude Code is a Bun program, and codex a static Rust one: neither is covered.
'''


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
        if line.startswith('| ') and len(c) >= len(KEYS) and c[0] != HEAD[0]:
            rows[c[0]] = dict(zip(KEYS + ('why', 'dark'), c))
    return rows


def worse(old, new, look=True):
    """What got worse, or ''."""
    if old is None or 'absent' in new:
        return ''
    out = ['%s was %s, is %s.' % (k, old[k], new[k])
           for k in ('seen', 'metered', 'refused')
           if old[k] != new[k] and old[k] not in WORST]
    if look and old['seen'] == 'yes' and old['reach'] != new['reach']:
        out.append('reached was %s, is %s.' % (old['reach'], new['reach']))
    return ' '.join(out)


def system():
    try:
        name = platform.freedesktop_os_release()['PRETTY_NAME']
    except OSError:
        name = platform.system()
    return '%s, %s, glibc %s' % (name, platform.machine(),
                                 platform.libc_ver()[1])


def rows_of(rows, head, keys):
    lines = [head, ('---',) * len(head)]
    lines += [[str(r.get(k, '')) for k in keys] for r in rows]
    return ''.join('| %s |\n' % ' | '.join(x) if x[0] != '---' else
                   '|%s|\n' % '|'.join(x) for x in lines)


def write(rows, clients):
    """The table anew; of those that are not here the old row stands."""
    old, shown = read(), []
    for c in clients:
        r = rows.get(c.name)
        if r is None or 'absent' in r:
            r = old.get(c.name)
        if r:
            shown.append(dict(r, plain=c.plain))
    seen = [r for r in shown if r['seen'] == 'yes']
    text = TEXT % (
        system(),
        rows_of([r for r in seen if not r['plain']], HEAD, KEYS),
        rows_of([r for r in seen if r['plain']], HEAD, KEYS),
        rows_of([r for r in shown if r['seen'] != 'yes'],
                HEAD + ('why', 'dark'), KEYS + ('why', 'dark')))
    with open(PATH, 'w') as f:
        f.write(text)
