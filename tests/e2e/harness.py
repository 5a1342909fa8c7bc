"""What the end-to-end tests share: a server, a guarded box, clients.

A test program is a list of functions `case_*(box)`; main() gives each a fresh
Box (state directory, region, config) over one server and reports. Exit status:
0 all passed, 77 all skipped, 1 otherwise.
"""
import decimal
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, os.environ.get('B', 'build'))
SHIM = os.path.join(BUILD, 'libllmguard.so')
CLI = os.path.join(BUILD, 'llmguard')
PY = '/usr/bin/python3'
NODE = os.path.join(TOP, 'build/node18/node')
SHARED = os.path.join(os.path.dirname(TOP), 'shared')
WAIT = 30       # seconds, for what comes at once where nobody else computes
SCALE = 4 if 'build-' in BUILD else 1   # a sanitizer's time
PYTHON_CLIENTS = ('http.client', 'urllib', 'requests', 'httpx', 'httpx-async',
                  'aiohttp')
NODE_CLIENTS = ('https', 'fetch')
CURL_LIBS = ('libcurl-gnutls', 'libcurl-nss')

OPENAI = 'https://api.openai.com/v1/chat/completions'
RESPONSES = 'https://api.openai.com/v1/responses'
EMBEDDINGS = 'https://api.openai.com/v1/embeddings'
ANTHROPIC = 'https://api.anthropic.com/v1/messages'
GEMINI = 'https://generativelanguage.googleapis.com/v1beta/models/' \
    'gemini-2.5-flash:'
BEDROCK = 'https://bedrock-runtime.us-east-1.amazonaws.com/model/%s/'
PLAIN = 'https://www.example.com/bytes/1000'


class Skip(Exception):
    pass


class Failed(Exception):
    pass


def eq(got, want, what):
    if got != want:
        raise Failed('%s: got %s, want %s' % (what, short(got), short(want)))


def ok(cond, what):
    if not cond:
        raise Failed(what)


def until(test, what, timeout=WAIT):
    """Wait until test() is true; its result. The bound is for a slow machine:
    another one only where it is itself what is tested."""
    end = time.time() + timeout * SCALE
    while True:
        got = test()
        if got:
            return got
        if time.time() > end:
            raise Failed('not within %d s: %s' % (timeout * SCALE, what))
        time.sleep(0.02)


def short(x):
    s = repr(x)
    return s if len(s) < 500 else s[:300] + ' ... ' + s[-150:]


NO_CURL = 'curl hangs in setlocale below a sanitizer\'s runtime'


def sanitizer():
    """The runtime that has to be loaded before a sanitized library."""
    san = os.path.basename(BUILD).partition('build-')[2]
    for word, lib in (('address', 'libasan.so'), ('thread', 'libtsan.so')):
        if word in san:
            return subprocess.check_output(
                ['gcc', '-print-file-name=' + lib], text=True).strip()
    return ''


class TestServer:
    def __init__(self, program='server.py'):
        self.dir = tempfile.mkdtemp(prefix='llmguard-server-')
        os.chmod(self.dir, 0o755)
        self.proc = subprocess.Popen(
            [PY, os.path.join(HERE, program), '--dir', self.dir,
             '--lifetime', '3600'],
            stdout=open(os.path.join(self.dir, 'out'), 'w'),
            stderr=subprocess.STDOUT)
        ready = os.path.join(self.dir, 'ready.json')
        until(lambda: os.path.exists(ready) or self.proc.poll() is not None,
              'the test server starts')
        with open(ready) as f:
            d = json.load(f)
        self.port, self.ca, self.plain = d['port'], d['ca'], d['plain']

    def log(self):
        with open(os.path.join(self.dir, 'server.jsonl')) as f:
            return [json.loads(x) for x in f]

    def close(self):
        self.proc.terminate()
        self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Box:
    """One user's guard: state, region, config, and what ran under it."""

    count, lock = 0, threading.Lock()

    def __init__(self, server):
        with Box.lock:
            Box.count += 1
            number = Box.count
        self.server = server
        self.dir = tempfile.mkdtemp(prefix='llmguard-box-')
        os.chmod(self.dir, 0o755)
        self.state = os.path.join(self.dir, 'state')
        self.region = '/dev/shm/llmguard-test-%d-%d' % (os.getpid(), number)
        self.config_path = os.path.join(self.dir, 'llmguard.yaml')
        self.config(None)
        self.mark = len(server.log())
        self.witnesses = []     # functions: what a failure's reader wants

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        for name in os.listdir('/dev/shm'):
            if name.startswith(os.path.basename(self.region)):
                os.unlink('/dev/shm/' + name)

    def config(self, text):
        """YAML of the budgets and settings, None: no limit at all."""
        with open(self.config_path, 'w') as f:
            f.write('version: 1\n' + (text or ''))

    def budget(self, usd, **k):
        more = ''.join(', %s: %s' % kv for kv in k.items())
        self.config('budgets:\n  - {name: cap, scope: global, period: total, '
                    'limit_usd: %s, hard: true%s}\n' % (usd, more))

    def env(self, guard=True, preload='', **more):
        e = {k: v for k, v in os.environ.items()
             if not k.startswith(('LLMGUARD_', 'PYTHON', 'NODE_')) and
             k != 'LD_PRELOAD'}
        e.update(LANG='C.UTF-8', SSL_CERT_FILE=self.server.ca,
                 REQUESTS_CA_BUNDLE=self.server.ca,
                 NODE_EXTRA_CA_CERTS=self.server.ca,
                 TEST_PORT=str(self.server.port),
                 NODE_PATH=os.path.join(TOP, 'build/npm/node_modules'),
                 PYTHONPATH=os.path.join(HERE, 'redirect'))
        if guard:
            e.update(LLMGUARD_CONFIG=self.config_path,
                     LLMGUARD_STATE_DIR=self.state,
                     LLMGUARD_REGION=self.region)
            libs = [x for x in (sanitizer(), preload, SHIM) if x]
            e['LD_PRELOAD'] = ' '.join(libs)
            if sanitizer():
                e['ASAN_OPTIONS'] = 'detect_leaks=0:verify_asan_link_order=0'
        elif preload:
            e['LD_PRELOAD'] = preload
        e.update({k: str(v) for k, v in more.items() if v is not None})
        for k in [k for k, v in more.items() if v is None]:
            e.pop(k, None)
        return e

    def run(self, argv, guard=True, stdin='', timeout=60, preload='',
            preexec_fn=None, cwd=None, **env):
        """Run a program to its end: CompletedProcess with text output."""
        if guard and argv[0] == 'curl' and sanitizer():
            raise Skip(NO_CURL)
        return subprocess.run(
            argv, env=self.env(guard, preload, **env), input=stdin.encode(
                'latin1'), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=timeout, preexec_fn=preexec_fn, cwd=cwd or self.dir)

    def curl_argv(self, url, body=None, headers=None, extra=()):
        if sanitizer():
            raise Skip(NO_CURL)
        argv = ['curl', '-sS', '--http1.1', '-m', '30', '--cacert',
                self.server.ca]
        if url.startswith('https'):
            argv += ['--connect-to', '::127.0.0.1:%d' % self.server.port]
        for k, v in (headers or {}).items():
            argv += ['-H', '%s: %s' % (k, v)]
        if body is not None:
            path = os.path.join(self.dir, 'body-%d' % hash(body))
            with open(path, 'w') as f:
                f.write(body)
            argv += ['--data-binary', '@' + path]
        return argv + list(extra) + [url]

    def cli(self, *args, check=True):
        if not os.path.exists(CLI):
            raise Skip('no llmguard to ask')
        p = subprocess.run([CLI, *args], env=self.env(LD_PRELOAD=None),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           stdin=subprocess.DEVNULL, timeout=60)
        if check and p.returncode:
            raise Failed('llmguard %s: %d %s' % (' '.join(args), p.returncode,
                                                p.stderr.decode()))
        return p

    def status(self):
        return json.loads(self.cli('status', '--json').stdout,
                          parse_float=decimal.Decimal)

    def budget_status(self, name='cap'):
        for b in self.status()['budgets']:
            if b['name'] == name:
                return b
        raise Failed('status shows no budget ' + name)

    def rows(self, kind='call'):
        """The ledger's rows, money as Decimal; a bad line fails the test."""
        out, folder = [], os.path.join(self.state, 'ledger')
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            with open(os.path.join(folder, name)) as f:
                out += [json.loads(x, parse_float=decimal.Decimal) for x in f]
        return [r for r in out if r.get('kind', 'call') == kind]

    def arrived(self, events=('request', 'partial')):
        """What the server got since this box began."""
        return [e for e in self.server.log()[self.mark:]
                if e['event'] in events]


def chat_body(model='gpt-4o-mini', stream=False, usage=True, max_tokens=50,
              text='Say hello to the test.', **more):
    b = dict(model=model, messages=[{'role': 'user', 'content': text}],
             **more)
    if max_tokens is not None:
        b['max_tokens'] = max_tokens
    if stream:
        b['stream'] = True
        if usage:
            b['stream_options'] = {'include_usage': True}
    return b


def request(url=OPENAI, body=None, test='', method='POST', **headers):
    """A request for any client. body: object (JSON), str or None."""
    if body is None and method == 'POST':
        body = chat_body() if url == OPENAI else {
            RESPONSES: {'model': 'gpt-4o-mini', 'input': 'Say hello.',
                        'max_output_tokens': 50},
            EMBEDDINGS: {'model': 'text-embedding-3-small',
                         'input': 'embed this text'},
            ANTHROPIC: chat_body('claude-sonnet-4-5'),
        }.get(url, {'contents': [{'role': 'user', 'parts': [
            {'text': 'Say hello.'}]}],
            'generationConfig': {'maxOutputTokens': 50}})
    h = {'Content-Type': 'application/json',
         'Authorization': 'Bearer sk-test-0123456789'}
    if url.startswith('https://api.anthropic'):
        h = {'Content-Type': 'application/json', 'x-api-key': 'sk-ant-test',
             'anthropic-version': '2023-06-01'}
    if test:
        h['x-test'] = test
    h.update({k.replace('_', '-'): v for k, v in headers.items()})
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
    return {'url': url, 'method': method, 'headers': h, 'body': body}


def have_client(kind):
    mods = {'requests': 'requests', 'httpx': 'httpx', 'httpx-async': 'httpx',
            'aiohttp': 'aiohttp'}
    if kind in mods:
        return subprocess.run([PY, '-c', 'import ' + mods[kind]],
                              stderr=subprocess.DEVNULL).returncode == 0
    if kind in ('https', 'fetch'):
        return os.path.exists(NODE)
    if kind in CURL_LIBS:
        return subprocess.run([PY, '-c', 'import ctypes; ctypes.CDLL("%s.so.4")'
                               % kind], stderr=subprocess.DEVNULL
                              ).returncode == 0
    packages = {'openai': 'openai', 'anthropic': '@anthropic-ai',
                'bedrock': '@aws-sdk', 'google': '@google',
                'axios': 'axios', 'undici': 'undici'}
    if kind in packages:
        name = packages[kind]
        return os.path.exists(os.path.join(
            TOP, 'build/npm/node_modules', name)) and os.path.exists(NODE)
    return True


def send(box, kind, reqs, guard=True, parallel=False, **k):
    """Send by one client process: (results, CompletedProcess)."""
    if not have_client(kind):
        raise Skip('no %s here' % kind)
    if kind == 'curl' and sanitizer():    # see Box.run; bare too, to compare
        kind = 'http.client'
    if kind == 'curl':
        return send_curl(box, reqs, guard, **k)
    argv = [PY, os.path.join(HERE, 'clients.py'), kind] \
        if kind in PYTHON_CLIENTS else \
        [PY, os.path.join(HERE, 'curl_lib.py'), kind + '.so.4'] \
        if kind in CURL_LIBS else \
        [NODE, '--require', os.path.join(HERE, 'redirect/node.cjs'),
         os.path.join(HERE, 'clients.cjs'), kind]
    p = box.run(argv, guard, stdin=json.dumps(
        {'requests': reqs, 'parallel': parallel}), **k)
    out = [json.loads(x) for x in p.stdout.decode().split('\n') if x]
    if len(out) != len(reqs):
        raise Failed('%s ended with %s and %d of %d results: %s' % (
            kind, p.returncode, len(out), len(reqs), short(p.stderr)))
    return out, p


def send_curl(box, reqs, guard=True, extra=(), **k):
    """All requests by one curl (--next), so over one connection."""
    argv = ['curl']
    for i, r in enumerate(reqs):
        one = box.curl_argv(r['url'], r['body'], r['headers'],
                            ['-X', r['method'], '-o', 'out%d' % i, '-D',
                             'head%d' % i, *extra])[1:]
        argv += (['--next'] if i else []) + one
    p = box.run(argv, guard, **k)
    out = []
    for i in range(len(reqs)):
        head = read(os.path.join(box.dir, 'head%d' % i)).replace('\r', '')
        blocks = [b for b in head.split('\n\n') if b.strip()]
        lines = blocks[-1].split('\n') if blocks else ['HTTP/1.1 0']
        out.append({'status': int(lines[0].split()[1]),
                    'headers': {a.lower(): b for a, _, b in
                                (x.partition(': ') for x in lines[1:])},
                    'body': read(os.path.join(box.dir, 'out%d' % i))})
    return out, p


def read(path):
    try:
        with open(path, encoding='latin1', newline='') as f:
            return f.read()
    except FileNotFoundError:
        return ''


def main(scope, needs_guard=True, limit=280, program='server.py'):
    """Run the case_* functions of a module (or those named in argv)."""
    if needs_guard and not os.path.exists(SHIM):
        print('%s is not built' % os.path.basename(SHIM))
        sys.exit(77)
    if 'thread' in os.path.basename(BUILD):
        print('ThreadSanitizer cannot be preloaded into an ordinary program')
        sys.exit(77)
    signal.alarm(880 if sanitizer() else limit)
    wanted = sys.argv[1:]
    cases = [(n[5:], f) for n, f in scope.items() if n.startswith('case_') and
             (not wanted or any(w in n for w in wanted))]
    server, bad, skipped = TestServer(program), 0, 0
    try:
        for name, fn in cases:
            box, start = Box(server), time.time()
            try:
                fn(box)
                word = 'ok'
            except Skip as e:
                word, skipped = 'skip: %s' % e, skipped + 1
            except Exception as e:
                word, bad = 'FAILED: %s' % e, bad + 1
                if not isinstance(e, Failed):
                    traceback.print_exc(file=sys.stdout)
                for tell in box.witnesses:
                    print(tell())
                for x in box.arrived(('request', 'partial', 'closed')):
                    print('server: ' + short(x))
            print('%-40s %5.2f s %s' % (name, time.time() - start, word),
                  flush=True)
            box.close()
    finally:
        server.close()
    if bad:
        sys.exit(1)
    if skipped and skipped == len(cases):
        sys.exit(77)
