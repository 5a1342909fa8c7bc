#!/usr/bin/python3
"""The official SDKs read a local model server's answers as their provider's:
chat completions, responses, messages, generateContent and converse, streamed
and not, from an OpenAI-compatible server and from Ollama. The translator runs
as a filter here; test_local.py has it in its place."""
import http.server
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get('B', 'build')
FILTER = os.path.join(TOP, BUILD, 'tests/e2e/translate')
NODE = os.path.join(TOP, 'build/node18/node')
MODULES = os.path.join(TOP, 'build/npm/node_modules')

TEXT = 'Hëllo "w\u00f6rld" \U0001f600\n'
CALLS = [['now', {}], ['add', {'a': 1, 'b': [2, 'x\n"y"']}]]
USAGE = [11, 7]


def dialect_of(path):
    for end, name in (('/chat/completions', 'openai-chat'),
                      ('/responses', 'openai-responses'),
                      ('/messages', 'anthropic-messages'),
                      ('/converse', 'bedrock-converse'),
                      ('/converse-stream', 'bedrock-converse')):
        if path.split('?')[0].endswith(end):
            return name
    return 'gemini-generate'


def scenario_of(path, body):
    for name in ('text', 'tools', 'length', 'missing', 'broken'):
        if body.get('model') == name or '/%s:' % name in path or \
                '/model/%s/' % name in path:
            return name
    raise ValueError(path)


def openai_chunks(name):
    def chunk(delta, stop=None):
        return {'id': 'x', 'object': 'chat.completion.chunk', 'model': 'local',
                'choices': [{'index': 0, 'delta': delta,
                             'finish_reason': stop}]}
    out = [chunk({'role': 'assistant', 'content': ''}),
           chunk({'reasoning_content': 'hmm'})]
    if name == 'tools':
        for i, (fn, args) in enumerate(CALLS):
            text = json.dumps(args, indent=1)
            out.append(chunk({'tool_calls': [
                {'index': i, 'id': 'call_%d' % i, 'type': 'function',
                 'function': {'name': fn, 'arguments': ''}}]}))
            out += [chunk({'tool_calls': [{'index': i, 'function': {
                'arguments': text[k:k + 3]}}]})
                for k in range(0, len(text), 3)]
    else:
        out += [chunk({'content': c}) for c in TEXT]
    out.append(chunk({}, {'tools': 'tool_calls',
                          'length': 'length'}.get(name, 'stop')))
    out.append({'id': 'x', 'model': 'local', 'choices': [], 'usage': {
        'prompt_tokens': USAGE[0], 'completion_tokens': USAGE[1]}})
    return ['data: %s\n\n' % json.dumps(c) for c in out] + ['data: [DONE]\n\n']


def openai_whole(name):
    m = {'role': 'assistant', 'content': None if name == 'tools' else TEXT,
         'reasoning_content': 'hmm'}
    if name == 'tools':
        m['tool_calls'] = [
            {'id': 'call_%d' % i, 'type': 'function', 'function': {
                'name': fn, 'arguments': json.dumps(args, indent=1)}}
            for i, (fn, args) in enumerate(CALLS)]
    return [json.dumps({'id': 'x', 'model': 'local', 'choices': [
        {'index': 0, 'message': m, 'finish_reason': {
            'tools': 'tool_calls', 'length': 'length'}.get(name, 'stop')}],
        'usage': {'prompt_tokens': USAGE[0], 'completion_tokens': USAGE[1]}})]


def ollama(name, stream):
    calls = [{'function': {'name': fn, 'arguments': args}}
             for fn, args in CALLS]
    pieces = [''] if name == 'tools' else list(TEXT) if stream else [TEXT]
    out = [{'model': 'local', 'created_at': '2026-01-01T00:00:00Z',
            'message': {'role': 'assistant', 'content': p}, 'done': False}
           for p in pieces]
    if name == 'tools':
        out[0]['message']['tool_calls'] = calls
    end = {'done': True, 'prompt_eval_count': USAGE[0],
           'eval_count': USAGE[1],
           'done_reason': 'length' if name == 'length' else 'stop'}
    if stream:
        out.append(dict(out[0], message={'role': 'assistant', 'content': ''},
                        **end))
    else:
        out = [dict(out[0], **end)]
    return [json.dumps(o) + '\n' for o in out]


def run_filter(*args, data=b''):
    return subprocess.run([FILTER, *args], input=data, capture_output=True,
                          timeout=60, check=True).stdout


def local_answer(kind, name, stream):
    """Status, type, body, and how many bytes of it come."""
    if name == 'missing':
        err = {'error': 'model "x" not found'} if kind == 'ollama' else \
            {'error': {'message': 'model "x" not found', 'code': 404}}
        return '404', 'application/json', json.dumps(err).encode(), 5
    if kind == 'ollama':
        parts = ollama(name, stream)
        ctype = 'application/x-ndjson' if stream else 'application/json'
    else:
        parts = openai_chunks(name) if stream else openai_whole(name)
        ctype = 'text/event-stream' if stream else 'application/json'
    whole = ''.join(parts).encode()
    return '200', ctype, whole, -(len(whole) // 2) if name == 'broken' else 5


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    failures = []

    def log_message(self, *args):
        pass

    def do_POST(self):
        try:
            self.answer()
        except Exception as e:      # pylint: disable=broad-except
            self.failures.append('%s: %r' % (self.path, e))
            self.send_error(599)

    def answer(self):
        n = int(self.headers.get('content-length', 0))
        body = self.rfile.read(n)
        _, kind, rest = self.path.split('/', 2)
        rest, dialect = '/' + rest, dialect_of(rest)
        name = scenario_of(rest, json.loads(body))
        args = (dialect, rest, kind, 'local')
        path, _, text = run_filter('ask', *args, data=body).partition(b'\n')
        asked = json.loads(text)
        self.check(kind, path.decode(), asked)
        status, ctype, local, step = local_answer(kind, name, asked['stream'])
        with tempfile.NamedTemporaryFile() as f:
            f.write(body)
            f.flush()
            out = run_filter('answer', *args, f.name, status, ctype, str(step),
                             data=local)
        status, ctype, rest = out.split(b'\n', 2)
        self.send_response(int(status))
        self.send_header('content-type', ctype.decode())
        while not rest.startswith(b'\r\n'):
            line, rest = rest.split(b'\r\n', 1)
            self.send_header(*line.decode().split(': ', 1))
        rest = rest[2:]
        self.send_header('content-length', str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)

    def check(self, kind, path, asked):
        asked.setdefault('stream', False)
        want = '/api/chat' if kind == 'ollama' else '/v1/chat/completions'
        roles = [m['role'] for m in asked['messages']]
        if path != want or asked['model'] != 'local':
            raise ValueError('%s %s' % (path, asked['model']))
        if roles != ['system', 'user', 'assistant', 'tool']:
            raise ValueError('roles %s' % roles)
        sys_, user, calls, tool = asked['messages']
        if (sys_['content'], json.dumps(user['content'])) not in (
                ('be brief', '"hi"'),
                ('be brief', '[{"type": "text", "text": "hi"}]')):
            raise ValueError('texts %s %s' % (sys_, user))
        args = calls['tool_calls'][0]['function']['arguments']
        if (json.loads(args) if isinstance(args, str) else args) != {'a': 0}:
            raise ValueError('arguments %s' % args)
        if tool['content'] not in ('0', '{"output":0}'):
            raise ValueError('result %s' % tool)
        fn = asked['tools'][0]['function']
        if fn['parameters'] != {'type': 'object', 'properties': {
                'a': {'type': 'integer'}}}:
            raise ValueError('tool %s' % fn)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass        # a client that goes away


STOPS = {'chat': ('stop', 'tool_calls', 'length'),
         'responses': ('completed', 'completed', 'max_output_tokens'),
         'messages': ('end_turn', 'tool_use', 'max_tokens'),
         'gemini': ('STOP', 'STOP', 'MAX_TOKENS'),
         'converse': ('end_turn', 'tool_use', 'max_tokens')}


def judge(got):
    """What is wrong with one line of translate.cjs; '' if nothing is."""
    api, kind, name, how = got['case'].split()
    same = api == 'chat' and kind == 'openai'
    if name == 'missing':
        text = json.dumps(got)
        if 'not found' not in text or (got['status'] not in (404, None)):
            return 'error %s' % got
        return ''
    if name == 'broken':
        if same:        # it is cut where the server cut it
            return '' if how == 'stream' or 'error' in got else 'no error'
        if 'error' not in got or ('early' not in got['error'] and
                                  'JSON' not in got['error']):
            return 'error %s' % got
        return ''
    if 'error' in got:
        return 'error %s' % got
    want = {'text': '' if name == 'tools' else TEXT,
            'calls': CALLS if name == 'tools' else [],
            'usage': USAGE,
            'stop': STOPS[api][['text', 'tools', 'length'].index(name)]}
    if api != 'converse':
        want['model'] = 'local'
    return ', '.join('%s %r, not %r' % (k, got.get(k), v)
                     for k, v in want.items() if got.get(k) != v)


def main():
    if not os.path.exists(NODE) or not os.path.isdir(MODULES):
        print('the Node clients are not there (tests/e2e/setup-node.sh)')
        return 77
    server = Server(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = dict(os.environ, NODE_PATH=MODULES, NODE_NO_WARNINGS='1')
    env.pop('LD_PRELOAD', None)
    p = subprocess.run(
        [NODE, os.path.join(HERE, 'translate.cjs'),
         'http://127.0.0.1:%d' % server.server_port],
        env=env, capture_output=True, text=True, timeout=120, check=False)
    server.shutdown()
    bad = list(Handler.failures)
    lines = [json.loads(line) for line in p.stdout.splitlines()]
    for got in lines:
        wrong = judge(got)
        if wrong:
            bad.append('%s: %s' % (got['case'], wrong))
    if p.returncode or len(lines) != 100:
        bad.append('node: %d lines, status %d\n%s' % (
            len(lines), p.returncode, p.stderr[-2000:]))
    for line in bad:
        print('FAILED: %s' % line)
    print('%d answers read by the SDKs, %d wrong' % (len(lines), len(bad)))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
