#!/usr/bin/python3
"""make demo: unmodified curl and python3 under a budget of five cents.

A server on this machine answers like the providers; nothing leaves it and no
key is needed. Shows what a person would type, and what came of it.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import ANTHROPIC, BUILD, CLI, GEMINI, OPENAI, PY, SHIM, Box, \
    TestServer, chat_body

TTY = sys.stdout.isatty() and not os.environ.get('NO_COLOR')


def paint(code, text):
    return '\033[%sm%s\033[0m' % (code, text) if TTY else text


def title(text):
    print('\n' + paint('1;36', text))


def command(text):
    print(paint('1', '$ ' + text))


def verdict(status, say):
    good = status == 200
    print('  %s %s' % (paint('1;32' if good else '1;31', 'HTTP %s' % status),
                       say))


PROGRAM = '''\
import json, urllib.request, urllib.error

def ask(url, body, header):
    req = urllib.request.Request(url, json.dumps(body).encode(), {
        "Content-Type": "application/json", "x-test": header})
    try:
        with urllib.request.urlopen(req) as a:
            text = a.read().decode()
            print(a.status, len(text), "bytes")
    except urllib.error.HTTPError as e:
        print(e.code, e.read().decode())
'''


def curl(box, url, body, test):
    argv = box.curl_argv(url, json.dumps(body), {
        'Content-Type': 'application/json',
        'Authorization': 'Bearer sk-demo', 'x-test': test},
        ['-o', 'answer', '-w', '%{http_code}'])
    p = box.run(argv)
    with open(os.path.join(box.dir, 'answer')) as f:
        text = f.read()
    if p.returncode or p.stderr:
        print('  curl: %s %s' % (p.returncode, p.stderr.decode().strip()))
    return int(p.stdout or 0), text


def python(box, url, body, test):
    code = PROGRAM + 'ask(%r, json.loads(%r), %r)\n' % (
        url, json.dumps(body), test)
    p = box.run([PY, '-c', code])
    out = p.stdout.decode() + p.stderr.decode()
    status, _, rest = out.partition(' ')
    return int(status) if status.isdigit() else 0, rest.strip()


def show_refusal(text):
    try:
        print('\n'.join('    ' + ln for ln in
                        json.dumps(json.loads(text), indent=2).splitlines()))
    except ValueError:
        print('    ' + text)


def scene(box):
    title('1. Two programs within the budget')
    command('curl https://api.openai.com/v1/chat/completions -d '
            '\'{"model": "gpt-4o", ...}\'')
    st, text = curl(box, OPENAI, chat_body('gpt-4o', max_tokens=400),
                    'in=1200;out=400')
    verdict(st, 'the answer, untouched: %d bytes' % len(text))
    command('python3 ask.py      # urllib, Anthropic, a stream of events')
    st, text = python(box, ANTHROPIC, chat_body(
        'claude-sonnet-4-5', stream=True, max_tokens=1500),
        'in=2500;out=1500;events=20;text=600')
    verdict(st, text)
    command('curl https://generativelanguage.googleapis.com/...:'
            'generateContent')
    st, text = curl(box, GEMINI + 'generateContent', {
        'contents': [{'parts': [{'text': 'hello'}]}],
        'generationConfig': {'maxOutputTokens': 2000}}, 'in=3000;out=2000')
    verdict(st, 'the answer, untouched: %d bytes' % len(text))

    title('2. The next call could cost more than what is left')
    n = len(box.arrived())
    command('python3 ask.py      # a large answer from claude-sonnet-4-5')
    st, text = python(box, ANTHROPIC, chat_body(
        'claude-sonnet-4-5', max_tokens=8000), 'in=2500;out=8000')
    verdict(st, 'made by the guard inside the program:')
    show_refusal(text)
    arrived = len(box.arrived()) - n
    print('  What the server got of it: %s.' %
          ('nothing' if not arrived else '%d requests' % arrived))
    return st == 429 and not arrived


LOOP = '''\
import json, sys, urllib.request

for line in sys.stdin:          # a program that runs already
    req = urllib.request.Request(
        "https://api.openai.com/v1/chat/completions", line.encode(),
        {"Content-Type": "application/json", "x-test": "in=1200;out=300"})
    try:
        print(urllib.request.urlopen(req).status, flush=True)
    except Exception as e:
        print(e, flush=True)
'''


def no_tracer(trace):
    """Why there is none to show, or None."""
    if not os.path.exists(trace):
        return 'llmguard-trace is not built (make says what it needs)'
    if os.geteuid():
        return 'it needs root: sudo make demo'
    p = subprocess.run([trace, '--check'], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True)
    return p.stderr.strip() if p.returncode else None


def is_stopped(pid):
    with open('/proc/%d/stat' % pid) as f:
        return f.read().rpartition(') ')[2][0] == 'T'


def wait_for(test, seconds=30):
    end = time.time() + seconds
    while not test() and time.time() < end:
        time.sleep(0.05)
    return test()


def trace_it(box, trace, prog):
    """Two calls of a running program, and the one that is stopped."""
    t = subprocess.Popen(
        [trace, '--print', '--state-dir', box.state, '--region', box.region,
         '--config', box.config_path, str(prog.pid)],
        env=box.env(guard=False), stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    for line in t.stderr:
        if ': ready' in line:
            break

    def ask():
        prog.stdin.write(json.dumps(chat_body('gpt-4o', max_tokens=300)) +
                         '\n')
        prog.stdin.flush()
    good = True
    for _ in range(2):
        ask()
        good = good and prog.stdout.readline() == '200\n'
    time.sleep(0.5)
    n = len(box.arrived())
    ask()
    good = wait_for(lambda: is_stopped(prog.pid)) and good
    good = good and len(box.arrived()) == n
    print('  Its third call does not fit: the process is stopped, and the '
          'server got nothing of it.' if good else '  It was not stopped.')
    command('llmguard budget set cap --limit 1')
    box.cli('budget', 'set', 'cap', '--limit', '1')
    good = good and prog.stdout.readline() == '200\n'
    if good:
        print('  It goes on, and the call completes: HTTP 200')
    t.send_signal(signal.SIGINT)
    t.stderr.read()
    t.wait(20)
    return good


def scene_traced(server):
    trace = os.path.join(BUILD, 'llmguard-trace')
    title('4. A program that runs already, without the preload')
    why = no_tracer(trace)
    if why:
        print('  left out: ' + why)
        return True
    box = Box(server)
    box.budget('0.011')
    prog = subprocess.Popen(
        [PY, '-c', LOOP], env=box.env(guard=False), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    command('llmguard trace %d      # a budget of $0.011 is in its settings' %
            prog.pid)
    sys.stdout.flush()
    try:
        return trace_it(box, trace, prog)
    finally:
        prog.kill()
        prog.wait()
        box.close()


def main():
    if not (os.path.exists(SHIM) and os.path.exists(CLI)):
        sys.exit('run `make` first')
    server = TestServer()
    box = Box(server)
    box.state = tempfile.mkdtemp(prefix='llmguard-demo-')
    env, limit = box.env, {'LLMGUARD_MONTHLY_USD': '0.05'}
    box.config_path = os.path.join(box.dir, 'none.yaml')
    box.env = lambda guard=True, preload='', **k: env(
        guard, preload, **dict(limit, LLMGUARD_CONFIG=None,
                               HOME=box.dir, XDG_CONFIG_HOME=box.dir, **k))
    try:
        title('0. One line puts every program of this shell under a budget')
        command('export LD_PRELOAD=%s LLMGUARD_MONTHLY_USD=0.05' % os.path.join(
            os.path.relpath(BUILD), 'libllmguard.so'))
        print('  (a server on this machine plays the three providers; '
              'no key, no cost)')
        good = scene(box)
        title('3. What was spent')
        command('llmguard status')
        sys.stdout.flush()
        subprocess.run([CLI, 'status'], env=box.env(LD_PRELOAD=None))
        command('llmguard tail')
        sys.stdout.flush()
        subprocess.run([CLI, 'tail'], env=box.env(LD_PRELOAD=None),
                       stdin=subprocess.DEVNULL)
        rows = box.rows()
        if rows:
            print('\n  The ledger is one JSON object a line. Its last row:')
            keys = ('ts', 'comm', 'model', 'verdict', 'reason', 'budgets',
                    'estimate_usd', 'cost_usd')
            print('  ' + json.dumps({k: rows[-1].get(k) for k in keys},
                                    default=float))
        traced = scene_traced(server)
        print()
        if not good:
            sys.exit('demo: the last call was not blocked as it should be')
        if not traced:
            sys.exit('demo: the tracer did not stop the program')
    finally:
        box.close()
        server.close()
        shutil.rmtree(box.state, ignore_errors=True)


if __name__ == '__main__':
    main()
