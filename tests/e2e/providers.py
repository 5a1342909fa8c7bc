"""What the three providers answer: bodies and events, with chosen usage."""
import base64
import json
import re
import struct
import zlib


def words(n):
    return ('lorem ipsum dolor sit amet ' * (n // 27 + 1))[:n]


def number(opts, key, default):
    v = opts.get(key)
    return default if v is None or not v.isdigit() else int(v)


def prompt_tokens(body):
    return max(1, len(json.dumps(body.get('messages') or body.get('input') or
                                 body.get('contents') or '')) // 4)


class Call:
    """One request, understood: which dialect answers, with which numbers."""

    def __init__(self, method, path, headers, raw, seq):
        self.method = method
        self.path, _, self.query = path.partition('?')
        self.headers = headers
        try:
            self.body = json.loads(raw) if raw else {}
        except (ValueError, RecursionError):
            self.body = {}
        if not isinstance(self.body, dict):
            self.body = {}
        meta = self.body.get('metadata')
        text = headers.get('x-test') or (
            meta.get('x-test', '') if isinstance(meta, dict) else '')
        self.opts = dict(kv.strip().partition('=')[::2]
                         for kv in text.split(';') if kv.strip())
        self.stream = bool(self.body.get('stream'))
        self.seq = number(self.opts, 'seq', seq)
        self.model = self.opts.get('model') or str(self.body.get('model', ''))
        b = self.body
        cap = b.get('max_tokens') or b.get('max_completion_tokens') or \
            b.get('max_output_tokens')
        cap = cap if isinstance(cap, int) and cap > 0 else 20
        self.tin = number(self.opts, 'in', prompt_tokens(b))
        cap = b.get('generationConfig', {}).get('maxOutputTokens', cap) \
            if isinstance(b.get('generationConfig'), dict) else cap
        self.tout = cap if self.opts.get('out') == 'cap' else \
            number(self.opts, 'out', min(20, cap))
        self.cached = number(self.opts, 'cached', 0)
        self.reason = number(self.opts, 'reason', 0)
        self.text = words(number(self.opts, 'text', 40))
        n = max(1, number(self.opts, 'events', 4))
        step = -(-len(self.text) // n) if self.text else 1
        self.deltas = [self.text[i:i + step]
                       for i in range(0, len(self.text), step)]
        self.usage_wanted = self.opts.get('nousage') != '1'

    def pad(self, obj):
        n = number(self.opts, 'extra', 0)
        return {**{'x_%d' % i: [i, {'deep': 'v' * 20}] for i in range(n)},
                **obj}


def error_of(path, status):
    if path.startswith('/v1/messages'):
        kind = {429: 'rate_limit_error', 529: 'overloaded_error',
                400: 'invalid_request_error'}.get(status, 'api_error')
        return {'type': 'error', 'error': {'type': kind, 'message': 'test'}}
    if path.startswith('/v1beta'):
        return {'error': {'code': status, 'message': 'test',
                          'status': 'RESOURCE_EXHAUSTED'}}
    return {'error': {'message': 'test', 'type': 'server_error',
                      'param': None, 'code': None}}


def chat_usage(c):
    return {'prompt_tokens': c.tin, 'completion_tokens': c.tout,
            'total_tokens': c.tin + c.tout,
            'prompt_tokens_details': {'cached_tokens': c.cached,
                                      'audio_tokens': 0},
            'completion_tokens_details': {'reasoning_tokens': c.reason,
                                          'audio_tokens': 0}}


def chat(c):
    head = {'id': 'chatcmpl-%d' % c.seq, 'created': 1760000000,
            'model': c.model, 'service_tier': 'default',
            'system_fingerprint': 'fp_test'}
    n = c.body.get('n')
    n = n if isinstance(n, int) and 0 < n < 100 else 1
    if not c.stream:
        out = dict(head, object='chat.completion', choices=[
            {'index': i, 'message': {'role': 'assistant', 'content': c.text,
                                     'refusal': None},
             'logprobs': None, 'finish_reason': 'stop'} for i in range(n)])
        if c.usage_wanted:
            out['usage'] = chat_usage(c)
        return c.pad(out)
    head['object'] = 'chat.completion.chunk'
    asked = (c.body.get('stream_options') or {}).get('include_usage')

    def chunk(delta, end=None):
        d = dict(head, choices=[{'index': 0, 'delta': delta,
                                 'finish_reason': end}])
        if asked:
            d['usage'] = None
        return d
    events = [chunk({'role': 'assistant', 'content': ''})]
    events += [chunk({'content': t}) for t in c.deltas]
    events.append(chunk({}, 'stop'))
    if asked and c.usage_wanted:
        events.append(dict(head, choices=[], usage=chat_usage(c)))
    return [(None, e) for e in events] + [(None, '[DONE]')]


def responses(c):
    item = {'id': 'msg_%d' % c.seq, 'type': 'message', 'role': 'assistant',
            'status': 'completed', 'content': [
                {'type': 'output_text', 'text': c.text, 'annotations': []}]}
    done = {'id': 'resp_%d' % c.seq, 'object': 'response',
            'created_at': 1760000000, 'status': 'completed', 'error': None,
            'model': c.model, 'output': [item], 'service_tier': 'default',
            'usage': {'input_tokens': c.tin, 'output_tokens': c.tout,
                      'input_tokens_details': {'cached_tokens': c.cached},
                      'output_tokens_details': {'reasoning_tokens': c.reason},
                      'total_tokens': c.tin + c.tout}}
    if not c.usage_wanted:
        done['usage'] = None
    if not c.stream:
        return c.pad(done)
    begun = dict(done, status='in_progress', output=[], usage=None)
    events = [('response.created', {'response': begun})]
    events += [('response.output_text.delta',
                {'item_id': item['id'], 'output_index': 0, 'content_index': 0,
                 'delta': t}) for t in c.deltas]
    events.append(('response.completed', {'response': done}))
    return [(n, dict(d, type=n, sequence_number=i))
            for i, (n, d) in enumerate(events)]


def embeddings(c):
    given = c.body.get('input')
    n = len(given) if isinstance(given, list) else 1
    return c.pad({'object': 'list', 'model': c.model, 'data': [
        {'object': 'embedding', 'index': i, 'embedding': [0.25, -0.5, 0.125]}
        for i in range(n)],
        'usage': {'prompt_tokens': c.tin, 'total_tokens': c.tin}})


def messages(c):
    usage = {'input_tokens': c.tin, 'output_tokens': c.tout,
             'cache_read_input_tokens': c.cached,
             'cache_creation_input_tokens': number(c.opts, 'cw', 0) +
             number(c.opts, 'cw1h', 0),
             'cache_creation': {
                 'ephemeral_5m_input_tokens': number(c.opts, 'cw', 0),
                 'ephemeral_1h_input_tokens': number(c.opts, 'cw1h', 0)},
             'service_tier': 'standard'}
    msg = {'id': 'msg_%d' % c.seq, 'type': 'message', 'role': 'assistant',
           'model': c.model, 'content': [{'type': 'text', 'text': c.text}],
           'stop_reason': 'end_turn', 'stop_sequence': None, 'usage': usage}
    if not c.usage_wanted:
        del msg['usage']
    if not c.stream:
        return c.pad(msg)
    first = dict(msg, content=[], stop_reason=None)
    if c.usage_wanted:
        first['usage'] = dict(usage, output_tokens=1)
    events = [('message_start', {'message': first}),
              ('content_block_start', {'index': 0, 'content_block':
                                       {'type': 'text', 'text': ''}}),
              ('ping', {})]
    events += [('content_block_delta', {'index': 0, 'delta':
                {'type': 'text_delta', 'text': t}}) for t in c.deltas]
    last = {'delta': {'stop_reason': 'end_turn', 'stop_sequence': None}}
    if c.usage_wanted:
        last['usage'] = {'output_tokens': c.tout}
    events += [('content_block_stop', {'index': 0}), ('message_delta', last),
               ('message_stop', {})]
    return [(n, dict({'type': n}, **d)) for n, d in events]


def gemini(c):
    m = re.fullmatch(r'/v1(?:beta)?/models/([^:]+):(\w+)', c.path)
    c.model = c.opts.get('model') or m.group(1)
    if m.group(2) == 'countTokens':
        return {'totalTokens': c.tin}
    cap = (c.body.get('generationConfig') or {}).get('maxOutputTokens') or 20
    c.tout = number(c.opts, 'out', min(20, int(cap)))

    def usage():
        u = {'promptTokenCount': c.tin,
             'candidatesTokenCount': c.tout,
             'totalTokenCount': c.tin + c.tout + c.reason}
        if c.cached:
            u['cachedContentTokenCount'] = c.cached
        if c.reason:
            u['thoughtsTokenCount'] = c.reason
        return u

    def part(text, end):
        d = {'candidates': [{'content': {'role': 'model', 'parts':
                                         [{'text': text}]}, 'index': 0}],
             'modelVersion': c.model, 'responseId': 'gem-%d' % c.seq}
        if end:
            d['candidates'][0]['finishReason'] = 'STOP'
        if c.usage_wanted:
            d['usageMetadata'] = usage()
        return d
    c.stream = m.group(2) == 'streamGenerateContent'
    if not c.stream:
        return c.pad(part(c.text, True))
    parts = [part(t, i == len(c.deltas) - 1) for i, t in enumerate(c.deltas)]
    if 'alt=sse' not in c.query:
        c.stream = False
        return parts
    return [(None, p) for p in parts]


def frame(name, data):
    """One message of AWS's event-stream: all its headers are strings."""
    heads = b''.join(
        bytes([len(k)]) + k + b'\x07' + struct.pack('>H', len(v)) + v
        for k, v in ((b':event-type', name), (b':message-type', b'event'),
                     (b':content-type', b'application/json')))
    body = json.dumps(data).encode()
    top = struct.pack('>II', 16 + len(heads) + len(body), len(heads))
    top += struct.pack('>I', zlib.crc32(top)) + heads + body
    return top + struct.pack('>I', zlib.crc32(top))


def bedrock(c):
    name, verb = re.fullmatch(r'/model/(.+)/([\w-]+)', c.path).groups()
    c.model = c.opts.get('model') or name
    cap = (c.body.get('inferenceConfig') or {}).get('maxTokens') or \
        c.body.get('max_tokens') or 20
    c.tout = number(c.opts, 'out', min(20, int(cap)))
    c.stream = verb.endswith('stream')
    usage = {'inputTokens': c.tin, 'outputTokens': c.tout,
             'cacheReadInputTokens': c.cached,
             'cacheWriteInputTokens': number(c.opts, 'cw', 0)}
    usage['totalTokens'] = sum(usage.values())
    if verb == 'converse':
        return {'output': {'message': {'role': 'assistant', 'content': [
            {'text': c.text}]}}, 'stopReason': 'end_turn', 'usage': usage,
            'metrics': {'latencyMs': 5}}
    if verb == 'converse-stream':
        events = [('messageStart', {'role': 'assistant'})]
        events += [('contentBlockDelta', {'contentBlockIndex': 0, 'delta':
                    {'text': t}}) for t in c.deltas]
        events += [('contentBlockStop', {'contentBlockIndex': 0}),
                   ('messageStop', {'stopReason': 'end_turn'}),
                   ('metadata', {'usage': usage, 'metrics':
                                 {'latencyMs': 5}})]
        return [frame(n.encode(), d) for n, d in events]
    msgs = messages(c)
    if verb == 'invoke':
        return msgs
    return [frame(b'chunk', {'bytes': base64.b64encode(
        json.dumps(d).encode()).decode()}) for _, d in msgs]


def answer_of(c):
    """(status, content type, body object, bytes, or list of SSE events)."""
    status = number(c.opts, 'status', 200)
    if status != 200:
        c.stream = False
        return status, error_of(c.path, status)
    m = re.fullmatch(r'/bytes/(\d+)', c.path)
    if m:
        c.stream = False
        return 200, b'x' * int(m.group(1))
    if re.fullmatch(r'/v1(?:beta)?/models/[^:/]+:\w+', c.path):
        return 200, gemini(c)
    if re.fullmatch(r'/model/.+/(converse|invoke)[\w-]*', c.path):
        return 200, bedrock(c)
    if c.method == 'GET' and c.path.endswith('/models'):
        return 200, {'object': 'list', 'data': []}
    for suffix, fn in (('/chat/completions', chat), ('/responses', responses),
                       ('/embeddings', embeddings), ('/messages', messages)):
        if c.path.endswith(suffix):
            return 200, fn(c)
    if c.path.endswith('/messages/count_tokens'):
        return 200, {'input_tokens': c.tin}
    c.stream = False
    if c.path == '/echo':
        return 200, c.body
    return 404, error_of(c.path, 404)


def broken(body, *headers, head=b'HTTP/1.1 200 OK'):
    return b'\r\n'.join([head, b'Content-Type: application/json', *headers,
                         b'', body])


def sized(body):
    return broken(body, b'Content-Length: %d' % len(body))


def said(usage):
    return b'{"model":"gpt-4o-mini","choices":[{"message":{"content":"' + \
        b'word ' * 200 + b'"}}],"usage":' + usage + b'}'


BROKEN = {
    'json': lambda: sized(b'{"model": "x", "usage": {"prompt_tok'),
    'chunk': lambda: broken(b'fffffffffffffffff1\r\n{}\r\n0\r\n\r\n',
                            b'Transfer-Encoding: chunked'),
    'status': lambda: b'HTTP/1.1 abc what\r\n\r\n',
    'lengths': lambda: broken(b'{}', b'Content-Length: 2',
                              b'Content-Length: 5'),
    'nolength': lambda: broken(json.dumps({
        'model': 'gpt-4o-mini', 'usage': {
            'prompt_tokens': 9, 'completion_tokens': 1,
            'total_tokens': 10}}).encode()),
    'gzip': lambda: broken(b'this is not gzip', b'Content-Encoding: gzip',
                           b'Content-Length: 16'),
    'deep': lambda: sized(b'{"a":' + b'[' * 15000 + b']' * 15000 +
                          b',"model":"gpt-4o-mini","usage":'
                          b'{"prompt_tokens":1,"completion_tokens":1,'
                          b'"total_tokens":2}}'),
    'nofigures': lambda: sized(said(b'{}')),
    'absurd': lambda: sized(said(b'{"prompt_tokens":1,"completion_tokens":'
                                 b'1099511627776}')),
    'empty': lambda: b'',
    'header': lambda: broken(b'{}', b'x-pad: ' + b'h' * 60000,
                             b'Content-Length: 2'),
    'bighead': lambda: broken(b'{}', b'x-pad: ' + b'h' * 10000000,
                              b'Content-Length: 2'),
}
