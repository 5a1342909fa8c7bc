#!/usr/bin/python3
"""npm's openai on Debian's Node 18, and other clients: pictures, sound, forms,
embeddings, Groq's streams, gateways. What the program gets is what it would
have got; what the ledger says is what the provider bills."""
import base64
import json
from decimal import Decimal as D

from harness import OPENAI, eq, main, ok, request, send

QUIET = {'NODE_NO_WARNINGS': '1'}
WAV = base64.b64encode(b'RIFF' + bytes(range(256)) * 1250).decode()
PNG = base64.b64encode(b'\x89PNG\r\n--x\r\n' * 40).decode()


def usd(s):
    return D(s).normalize()


def call(name, answer, args, files=None, kind='application/json',
         base='https://api.openai.com/v1', test='', field=None):
    """One method of the SDK, and what the server will say to it."""
    if isinstance(answer, list):
        kind = 'text/event-stream'
        answer = ''.join('data: %s\n\n' % (
            e if isinstance(e, str) else json.dumps(e)) for e in answer)
    elif not isinstance(answer, (bytes, str)):
        answer = json.dumps(answer)
    if isinstance(answer, str):
        answer = answer.encode()
    h = {'x-answer': base64.b64encode(answer).decode(), 'x-answer-type': kind}
    if test:
        h['x-test'] = test
    if field:
        h['x-answer-field'] = field
    return {'call': name, 'base': base, 'headers': h, 'files': files or {},
            'body': json.dumps(args)}


def both(box, reqs, budget=1):
    """Send bare and guarded; the answers are equal. The rows."""
    box.budget(budget)
    bare, _ = send(box, 'openai', reqs, guard=False, **QUIET)
    got, p = send(box, 'openai', reqs, **QUIET)
    eq(got, bare, 'answers')
    eq([r.get('error') for r in got if r['status'] != 200], [], 'errors')
    eq(p.stderr, b'', 'stderr')
    rows = box.rows()
    eq(len(rows), len(reqs), 'rows')
    return rows


def is_row(row, dialect, kind, cost, **more):
    want = dict(dialect=dialect, request_type=kind, usage_state='exact',
                **more)
    eq({k: row[k] for k in want}, want, 'row')
    eq(row['cost_usd'].normalize(), usd(cost), 'cost of ' + row['endpoint'])


def pictures(n, **more):
    return dict(created=1, data=[{'b64_json': PNG}] * n, **more)


def case_images(box):
    usage = {'input_tokens': 50, 'output_tokens': 1056, 'total_tokens': 1106,
             'input_tokens_details': {'text_tokens': 10, 'image_tokens': 40}}
    rows = both(box, [
        call('images.generate', pictures(1),
             {'model': 'dall-e-3', 'prompt': 'x', 'quality': 'hd',
              'size': '1024x1792'}),
        call('images.generate', pictures(3),
             {'model': 'dall-e-2', 'prompt': 'x', 'n': 3, 'size': '256x256'}),
        call('images.edit', pictures(2),
             {'model': 'dall-e-2', 'prompt': 'x', 'n': 2, 'size': '512x512'},
             {'image': PNG, 'mask': PNG}),
        call('images.generate', pictures(1, usage=usage, quality='medium'),
             {'model': 'gpt-image-1', 'prompt': 'x'}),
    ])
    is_row(rows[0], 'openai-images', 'image', '0.12', model='dall-e-3',
           price_state='estimated', units={'images': 1})
    is_row(rows[1], 'openai-images', 'image', '0.048', units={'images': 3})
    is_row(rows[2], 'openai-images', 'image', '0.036', units={'images': 2},
           model_requested='dall-e-2')
    # 10 x $5 + 40 x $10 + 1056 x $40 a million
    is_row(rows[3], 'openai-images', 'image', '0.04269', input_tokens=50,
           output_tokens=1056, price_state='exact')


def case_transcriptions(box):
    tokens = {'type': 'tokens', 'input_tokens': 37, 'output_tokens': 12,
              'total_tokens': 49,
              'input_token_details': {'text_tokens': 5, 'audio_tokens': 32}}
    rows = both(box, [
        call('audio.transcriptions.create', {'text': 'hi', 'usage': tokens},
             {'model': 'gpt-4o-transcribe', 'prompt': 'names'},
             {'file': WAV}),
        call('audio.transcriptions.create',
             {'text': 'hi', 'usage': {'type': 'duration', 'seconds': 27}},
             {'model': 'whisper-1'}, {'file': WAV}),
        call('audio.translations.create',
             {'text': 'hi', 'duration': 8.47, 'task': 'translate'},
             {'model': 'whisper-1', 'response_format': 'verbose_json'},
             {'file': WAV}),
        call('audio.transcriptions.create',
             [{'type': 'transcript.text.delta', 'delta': 'hi'},
              {'type': 'transcript.text.done', 'text': 'hi', 'usage': tokens},
              '[DONE]'], {'model': 'gpt-4o-transcribe', 'stream': True},
             {'file': WAV}),
    ])
    # 5 x $2.5 + 32 x $6 + 12 x $10 a million
    is_row(rows[0], 'openai-audio', 'audio', '0.0003245', input_tokens=37,
           audio_input_tokens=32, output_tokens=12,
           model_requested='gpt-4o-transcribe')
    is_row(rows[1], 'openai-audio', 'audio', '0.0027', units={'seconds': 27})
    is_row(rows[2], 'openai-audio', 'audio', '0.0008', units={'seconds': 8})
    is_row(rows[3], 'openai-audio', 'audio', '0.0003245', stream=True)


def case_text_answer(box):
    """Nothing tells how long it was: the upload's size is what is left."""
    row, = both(box, [call(
        'audio.transcriptions.create', 'hello there\n',
        {'model': 'whisper-1', 'response_format': 'text'}, {'file': WAV},
        kind='text/plain')])
    eq(row['usage_state'], 'estimated', 'usage')
    ok(row['units']['seconds'] >= 5 and row['cost_usd'] > 0, 'seconds')


def case_speech(box):
    rows = both(box, [
        call('audio.speech.create', b'\xff\xf3' + bytes(5000),
             {'model': 'tts-1', 'voice': 'alloy', 'input': 'Gr\u00fc\u00dfe ' *
              100}, kind='audio/mpeg'),
        call('audio.speech.create', b'\xff\xf3' + bytes(5000),
             {'model': 'gpt-4o-mini-tts', 'voice': 'alloy',
              'input': 'hello ' * 30}, kind='audio/mpeg'),
    ])
    is_row(rows[0], 'openai-audio', 'audio', '0.009',
           units={'characters': 600})
    eq(rows[1]['usage_state'], 'estimated', 'usage of the second')
    ok(D('0.002') < rows[1]['cost_usd'] < D('0.006'), 'its cost')


def case_embeddings(box):
    answer = {'object': 'list', 'model': 'text-embedding-3-small', 'data': [
        {'object': 'embedding', 'index': 0, 'embedding': [0.5]}],
        'usage': {'prompt_tokens': 1000, 'total_tokens': 1000}}
    row, = both(box, [call('embeddings.create', answer, {
        'model': 'text-embedding-3-small', 'input': 'x',
        'encoding_format': 'float'})])
    is_row(row, 'openai-embeddings', 'embed', '0.00002', input_tokens=1000)


def case_groq_stream(box):
    def chunk(delta, **more):
        return dict(id='c', object='chat.completion.chunk', created=1,
                    model='llama-3.3-70b-versatile',
                    choices=[{'index': 0, 'delta': delta,
                              'finish_reason': more.pop('end', None)}], **more)
    usage = {'prompt_tokens': 1000, 'completion_tokens': 100,
             'total_tokens': 1100}
    row, = both(box, [call('chat.completions.create', [
        chunk({'role': 'assistant'}, x_groq={'id': 'req_1'}),
        chunk({'content': 'hi'}),
        chunk({}, end='stop', x_groq={'id': 'req_1', 'usage': usage}),
        '[DONE]'], {'model': 'llama-3.3-70b-versatile', 'stream': True,
                    'messages': [{'role': 'user', 'content': 'x'}]},
        base='https://api.groq.com/openai/v1')])
    # $0.59 and $0.79 a million
    is_row(row, 'openai-chat', 'generate', '0.000669', provider='groq',
           input_tokens=1000, output_tokens=100, price_state='exact')


def case_gateway_cache(box):
    """From a gateway's cache: nothing is paid, what it was worth is known."""
    box.budget(1)
    r = request(OPENAI, test='in=1000;out=100',
                x_answer_field='cf-aig-cache-status: HIT')
    send(box, 'http.client', [r])
    row, = box.rows()
    eq((row['cache_hit'], row['cost_usd']), ('gateway', 0), 'row')
    eq(row['economic_usd'].normalize(), usd('0.00021'), 'economic')
    eq(box.budget_status()['spent_usd'], 0, 'spent')


def chat(model, usage, **more):
    return dict(id='c', object='chat.completion', created=1, model=model,
                usage=usage, choices=[{
                    'index': 0, 'finish_reason': 'stop',
                    'message': {'role': 'assistant', 'content': 'hi' * 40}}],
                **more)


def raw(url, answer, body, field=None, stream=False):
    """The same by any other client."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    more = {'x_answer_field': field} if field else {}
    r = request(url, body, **more)
    r['headers']['x-answer'] = base64.b64encode(text.encode()).decode()
    r['headers']['x-answer-type'] = 'text/event-stream' if stream else \
        'application/json'
    return r


def case_gateway_that_says_zero(box):
    """OpenRouter counts nothing of what its cache had: worth is estimated."""
    box.budget(1)
    zero = {'prompt_tokens': 0, 'completion_tokens': 0, 'total_tokens': 0,
            'cost': 0}
    url = 'https://openrouter.ai/api/v1/chat/completions'
    body = {'model': 'openai/gpt-4o', 'messages': [
        {'role': 'user', 'content': 'hello ' * 50}]}
    send(box, 'http.client', [
        raw(url, chat('openai/gpt-4o', zero), body,
            'X-OpenRouter-Cache-Status: HIT'),
        raw(url, chat('openai/gpt-4o', zero), body)])
    hit, free = box.rows()
    eq((hit['cache_hit'], hit['cost_usd'], hit['usage_state']),
       ('gateway', 0, 'exact'), 'the cached one')
    ok(hit['economic_usd'] > 0, 'what it was worth')
    eq((free['cache_hit'], free['cost_usd']), ('none', 0), 'the other')


def case_router(box):
    """Hugging Face: whose prices hold stands in path, model or answer."""
    box.budget(100)
    usage = {'prompt_tokens': 1000, 'completion_tokens': 100,
             'total_tokens': 1100}
    name = 'meta-llama/Llama-3.3-70B-Instruct'
    host = 'https://router.huggingface.co'
    answer = chat('llama-3.3-70b-versatile', usage)

    def body(model):
        return {'model': model, 'messages': [
            {'role': 'user', 'content': 'x'}]}
    send(box, 'http.client', [
        raw(host + '/groq/openai/v1/chat/completions', answer, body(name)),
        raw(host + '/v1/chat/completions', answer, body(name + ':groq')),
        raw(host + '/v1/chat/completions', answer, body(name + ':fastest'),
            'x-inference-provider: groq')])
    rows = box.rows()
    eq([r['provider'] for r in rows], ['huggingface_groq'] * 3, 'providers')
    eq([r['cost_usd'].normalize() for r in rows], [usd('0.000669')] * 3,
       'cost')
    eq([r['model_requested'] for r in rows],
       [name, name + ':groq', name + ':fastest'], 'models')


def case_several_models(box):
    """The models behind one answer, each at its price."""
    box.budget(1)
    models = [('meta-llama/llama-4-scout-17b-16e-instruct', 1471, 65),
              ('openai/gpt-oss-120b', 2000, 300)]
    parts = [{'model': m, 'usage': {
        'prompt_tokens': i, 'completion_tokens': o, 'total_tokens': i + o}}
        for m, i, o in models]
    compound = chat('groq/compound', {
        'prompt_tokens': 3471, 'completion_tokens': 365,
        'total_tokens': 3836}, usage_breakdown={'models': parts})
    details = {'image_tokens': 50, 'text_tokens': 16}
    picture = {
        'id': 'resp_1', 'object': 'response', 'status': 'completed',
        'model': 'gpt-5-2025-08-07', 'output': [], 'error': None,
        'tool_usage': {'image_gen': {
            'input_tokens': 66, 'input_tokens_details': details,
            'output_tokens': 1056, 'total_tokens': 1122}},
        'tools': [{'type': 'image_generation', 'model': 'gpt-image-1.5'}],
        'usage': {'input_tokens': 120, 'output_tokens': 80,
                  'total_tokens': 200,
                  'input_tokens_details': {'cached_tokens': 64},
                  'output_tokens_details': {'reasoning_tokens': 50}}}
    events = ''.join('event: %s\ndata: %s\n\n' % (n, json.dumps(d)) for n, d in (
        ('response.created', {'type': 'response.created', 'response': dict(
            picture, status='in_progress', usage=None)}),
        ('response.completed', {'type': 'response.completed',
                                'response': picture})))
    draw = {'model': 'gpt-5', 'input': 'x',
            'tools': [{'type': 'image_generation'}]}
    send(box, 'http.client', [
        raw('https://api.groq.com/openai/v1/chat/completions', compound,
            {'model': 'groq/compound', 'messages': [
                {'role': 'user', 'content': 'x'}]}),
        raw('https://api.openai.com/v1/responses', picture, draw),
        raw('https://api.openai.com/v1/responses', events,
            dict(draw, stream=True), stream=True)])
    rows = box.rows()
    # 1471 x .11 + 65 x .34 + 2000 x .15 + 300 x .6
    eq(rows[0]['cost_usd'].normalize(), usd('0.00066391'), 'compound')
    eq((rows[0]['input_tokens'], rows[0]['output_tokens']), (3471, 365),
       'its tokens')
    # 56 x 1.25 + 64 x .125 + 80 x 10, and 16 x 5 + 50 x 8 + 1056 x 32
    for r in rows[1:]:
        eq(r['cost_usd'].normalize(), usd('0.03515'), 'answer and picture')
        eq((r['model'], r['usage_state']), ('gpt-5-2025-08-07', 'exact'),
           'model, usage')
        eq((r['input_tokens'], r['output_tokens']), (186, 1136), 'tokens')


def case_video(box):
    """A job: held for, then billed once when somebody asks for it."""
    box.budget(10)

    def job(status):
        return dict(id='video_1', object='video', status=status, seconds='8',
                    model='sora-2-pro', size='1024x1792', error=None,
                    created_at=1760000000)
    send(box, 'openai', [call('videos.create', job('queued'), {
        'model': 'sora-2-pro', 'prompt': 'a cat', 'seconds': '8',
        'size': '1024x1792'})], **QUIET)
    row, = box.rows()
    eq((row['dialect'], row['usage_state'], row['flags']),
       ('openai-videos', 'estimated', ['pending']), 'the job')
    eq(row['cost_usd'], 4, 'held')
    for status in ('in_progress', 'completed', 'completed'):
        r = raw('https://api.openai.com/v1/videos/video_1', job(status), None)
        r['method'] = 'GET'
        send(box, 'http.client', [r])
    rows = box.rows() + box.rows('adjust')
    eq(sum(r['cost_usd'] for r in rows), 4, 'all in all')
    eq(box.budget_status()['spent_usd'], 4, 'spent')
    eq(len(box.rows('adjust')), 1, 'corrections')


def case_blocked(box):
    """Forms and sound are refused as all else; nothing of them arrives."""
    box.budget(0)
    reqs = [
        call('images.edit', pictures(1), {'model': 'dall-e-2', 'prompt': 'x'},
             {'image': PNG}),
        call('audio.transcriptions.create', {'text': 'hi'},
             {'model': 'whisper-1'}, {'file': WAV}),
        call('audio.speech.create', b'\xff\xf3', {
            'model': 'tts-1', 'voice': 'alloy', 'input': 'x'}),
        call('images.generate', pictures(1), {'model': 'dall-e-3',
                                              'prompt': 'x'}),
    ]
    got, _ = send(box, 'openai', reqs, **QUIET)
    eq([r['status'] for r in got], [429] * len(reqs), 'status')
    eq({r['name'] for r in got}, {'RateLimitError'}, 'what was thrown')
    eq(box.arrived(), [], 'what arrived')
    eq([r['verdict'] for r in box.rows()], ['block'] * len(reqs), 'verdicts')
    ok(all(r['estimate_usd'] > 0 for r in box.rows()), 'estimates')


def case_strict(box):
    """What is proven to fit passes; what nothing bounds does not."""
    hd = {'model': 'dall-e-3', 'prompt': 'x', 'quality': 'hd',
          'size': '1024x1792'}
    picture = call('images.generate', pictures(1), hd)
    long = {'model': 'tts-1', 'voice': 'alloy', 'input': 'a' * 4000}
    for limit, req, want, reason in (
            ('0.119', picture, 429, 'over_budget'),
            ('0.121', picture, 200, None),
            ('0.059', call('audio.speech.create', b'x', long), 429,
             'over_budget'),
            ('0.061', call('audio.speech.create', b'x', long), 200, None),
            ('9', call('images.generate', pictures(1), {
                'model': 'gpt-image-1', 'prompt': 'x'}), 200, None),
            ('9', call('audio.transcriptions.create', {'text': 'hi'},
                       {'model': 'whisper-1'}, {'file': WAV}), 429,
             'unbounded')):
        # a new budget begins with what its window cost
        before = sum(r['cost_usd'] for r in box.rows())
        box.config('budgets:\n  - {name: "cap %s %s", scope: global, '
                   'period: total, limit_usd: %s, hard: true, mode: strict}\n'
                   % (limit, req['call'], D(limit) + before))
        got, _ = send(box, 'openai', [req], **QUIET)
        eq((got[0]['status'], box.rows()[-1]['reason']), (want, reason),
           '%s within %s' % (req['call'], limit))


def case_large_form(box):
    """A form of some megabytes goes out as it was."""
    wav = base64.b64encode(bytes(range(256)) * 12000).decode()
    row, = both(box, [call(
        'audio.transcriptions.create',
        {'text': 'hi', 'usage': {'type': 'duration', 'seconds': 192}},
        {'model': 'whisper-1'}, {'file': wav})])
    is_row(row, 'openai-audio', 'audio', '0.0192', units={'seconds': 192})
    sizes = [e.get('body_bytes') or len(e.get('body', ''))
             for e in box.arrived(('request',))]
    ok(len(set(sizes)) == 1, 'both were of one size')


if __name__ == '__main__':
    main(globals())
