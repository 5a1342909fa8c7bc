#!/usr/bin/python3
"""Price lists of other forms: taken over whole, given back, refused by line."""
import copy
import glob
import json
import os
import subprocess
from decimal import Decimal

from harness import CLI, TOP, Skip, eq, main, ok

LIST = os.path.join(TOP, '../shared/prices/genai-prices.json')


def load(text):
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def published():
    if not os.path.exists(LIST):
        raise Skip('no ../shared/prices')
    with open(LIST) as f:
        return load(f.read())


class Enc(json.JSONEncoder):
    """Decimals as the numbers they are."""

    def iterencode(self, o, _one_shot=False):
        def put(v):
            if isinstance(v, Decimal):
                return str(v)
            if isinstance(v, dict):
                return '{' + ','.join('\n%s: %s' % (json.dumps(k), put(x))
                                      for k, x in v.items()) + '}'
            if isinstance(v, list):
                return '[' + ','.join('\n' + put(x) for x in v) + ']'
            return json.dumps(v)
        yield put(o)


def save(box, name, value):
    path = os.path.join(box.dir, name)
    with open(path, 'w') as f:
        f.write(value if isinstance(value, str) else
                json.dumps(value, cls=Enc))
    return path


def convert(box, path, *args):
    """A list as a price file, and that as a list again."""
    out = os.path.join(box.dir, 'out.yaml')
    box.cli('pricing', 'import', path, '-o', out, *args)
    return out, load(box.cli('pricing', 'export', '--format', 'genai',
                             out).stdout)


def case_published_is_lossless(box):
    want = published()
    yaml, got = convert(box, LIST, '-v', '2026-08-21', '--source', 'list')
    eq(len(got), len(want), 'providers')
    for a, b in zip(want, got):
        for x, y in zip(a['models'], b['models']):
            eq(y, x, '%s/%s' % (a['id'], x['id']))
        eq(b, a, a['id'])
    # and once more from what was given back
    _, again = convert(box, save(box, 'again.json', got))
    eq(again, want, 'imported again')
    # it is a price file: it compiles, every figure in it
    p = box.cli('pricing', 'check', yaml)
    n = sum(len(m['prices']) if isinstance(m['prices'], list) else 1
            for q in want for m in q['models'])
    ok(b'good, %d prices' % n in p.stdout, p.stdout)


def case_published_split(box):
    want = published()
    d = os.path.join(box.dir, 'split')
    os.mkdir(d)
    box.cli('pricing', 'import', LIST, '--split', d)
    files = sorted(glob.glob(d + '/*.yaml'))
    eq(len(files), len(want), 'one file each')
    got = load(box.cli('pricing', 'export', '-f', 'genai', *files).stdout)
    eq(sorted(got, key=lambda p: p['id']), sorted(want, key=lambda p: p['id']),
       'split')


SMALL = [{
    'id': 'acme', 'name': 'Acme', 'api_pattern': 'https://api\\.acme\\.test',
    'pricing_urls': ['https://acme.test/p'], 'price_comments': 'a "quoted" #x',
    'model_match': {'or': [{'starts_with': 'acme-'}, {'regex': '^a[12]'}]},
    'provider_match': {'contains': 'acme'},
    'fallback_model_providers': ['openai', 'anthropic'],
    'extractors': [{'api_flavor': 'default', 'root': ['usage', {
        'type': 'array-match', 'field': 'kind', 'match': {'equals': 'u'}}],
        'model_path': 'model', 'mappings': [
            {'path': 'in', 'dest': 'input_tokens', 'required': True}]}],
    'models': [
        {'id': 'acme-1', 'name': 'Acme 1', 'description': 'First: the "one"\n',
         'match': {'or': [{'equals': 'acme-1'}, {'starts_with': 'acme-1-'},
                          {'ends_with': '-a1'}, {'contains': 'acme1'},
                          {'regex': '^acme-1\\.0-\\d{4}-\\d{2}$'},
                          {'regex': '^x/acme-1:\\d'},
                          {'and': [{'starts_with': 'b'},
                                   {'contains': 'acme'}]}]},
         'context_window': Decimal(1000000), 'deprecated': True,
         'price_comments': 'x: y', 'prices': [
             {'prices': {'input_mtok': {'base': Decimal('0.1'), 'tiers': [
                 {'start': Decimal(1000), 'price': Decimal('0.2')},
                 {'start': Decimal(2000), 'price': Decimal('0.30')}]},
                 'output_mtok': Decimal('1e-7'),
                 'cache_read_mtok': {'base': Decimal('0.01'), 'tiers': [
                     {'start': Decimal(1500), 'price': Decimal('0.02')}]},
                 'requests_kcount': Decimal(5)}},
             {'constraint': {'start_time': '00:30:00Z',
                             'end_time': '16:30:00Z'},
              'prices': {'input_mtok': Decimal('0.08333333333333334')}},
             {'constraint': {'start_date': '2026-01-31'},
              'prices': {'input_mtok': Decimal('0.2')}},
             {'constraint': {'start_date': '2026-02-28'}, 'prices': {}}]},
        {'id': 'acme-2', 'match': {'equals': 'acme-2'}, 'prices': {}},
        {'id': 'acme-3', 'match': {'or': [{'equals': 'acme-3'}]},
         'prices': {'input_mtok': Decimal(0)}},
        {'id': 'acme/4:free', 'match': {'contains': 'four*?#'},
         'prices': {'web_searches_kcount': Decimal(10)}},
        {'id': 'null', 'match': {'equals': 'Acme Five\u00e9\U0001f600'},
         'prices': {'input_mtok': Decimal('12.50')}},
    ]}]


def case_small_is_lossless(box):
    """Every form that the list knows, some that it does not use yet."""
    yaml, got = convert(box, save(box, 'small.json', SMALL))
    want = copy.deepcopy(SMALL)
    eq(got, want, 'small')
    box.cli('pricing', 'check', yaml)
    _, again = convert(box, save(box, 'again.json', got))
    eq(again, want, 'again')


def places(v, path=()):
    """All places in a list: the path to each value."""
    yield path
    for k, x in (v.items() if isinstance(v, dict) else
                 enumerate(v) if isinstance(v, list) else ()):
        yield from places(x, path + (k,))


def put(value, path, new):
    out = copy.deepcopy(value)
    at = out
    for k in path[:-1]:
        at = at[k]
    if new is KeyError:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return out


def line_of(text, path_value):
    return text.count('\n', 0, text.index(path_value)) + 1


REQUIRED = {'id', 'name', 'api_pattern', 'models', 'match', 'prices', 'root',
            'mappings', 'path', 'dest', 'base', 'tiers', 'start', 'price',
            'start_date', 'start_time', 'end_time', 'type', 'field'}
MARK = 'WRONG-VALUE'


def wrong_values(path, old):
    """What may not stand there, whatever the field."""
    key = [p for p in path if isinstance(p, str)][-1]
    yield None
    if isinstance(old, Decimal):
        yield from (MARK, Decimal(-1), [MARK], True)
    elif isinstance(old, bool):
        yield from (MARK, Decimal(7))
    elif key == 'regex' and 'match' not in path:
        yield Decimal(7)  # of a provider: any text is one
        return
    elif key in ('root', 'path', 'model_path'):
        yield from (Decimal(7), {MARK: Decimal(1)}, True)
        return
    elif isinstance(old, str):
        yield from (Decimal(7), [MARK], {MARK: Decimal(1)}, True)
    else:
        yield MARK
        if not key.endswith('_mtok'):
            yield Decimal(7)
    if key in ('start_date', 'start_time', 'end_time', 'regex'):
        yield from (MARK, '2026-02-30', '25:00:00Z', '^(' + MARK)


def refused(box, text, why):
    path = os.path.join(box.dir, 'bad.json')
    with open(path, 'w') as f:
        f.write(text)
    p = subprocess.run([CLI, 'pricing', 'import', path, '-o', '/dev/null'],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       env=box.env(LD_PRELOAD=None))
    ok(p.returncode == 1, '%s: taken (%d)' % (why, p.returncode))
    message = p.stderr.decode()
    ok(message.startswith('llmguard: %s:' % path), '%s: %s' % (why, message))
    line = message[len('llmguard: %s:' % path):].split(':')[0]
    ok(line.isdigit(), '%s: no line: %s' % (why, message))
    return int(line), message


def case_each_field_wrong(box):
    """Each value of the list wrong in turn: told by file, line, key."""
    n = 0
    for path in places(SMALL):
        if not path or len(path) < 2:
            continue
        old = SMALL
        for k in path:
            old = old[k]
        for new in wrong_values(path, old):
            if new is None and path[-1] not in REQUIRED and \
               not isinstance(path[-1], int):
                continue
            bad = put(SMALL, path, new)
            text = json.dumps(bad, cls=Enc)
            line, message = refused(box, text, '%s = %r' % (path, new))
            # the line is the value's, or that of what it stands in
            last = text.count('\n') + 1
            ok(1 <= line <= last, '%s: line %d of %d' % (path, line, last))
            n += 1
            if isinstance(new, str) and new == MARK and \
               isinstance(path[-1], str):
                eq(line, line_of(text, '"%s"' % MARK),
                   '%s: %s' % (path, message))
                ok(path[-1] in message and MARK in message, message)
        if isinstance(path[-1], str) and path[-1] in REQUIRED and \
           path[-3:-2] + path[-1:] != ('models', 'name'):
            text = json.dumps(put(SMALL, path, KeyError), cls=Enc)
            refused(box, text, '%s missing' % (path,))
            n += 1
    ok(n > 150, '%d mutations' % n)
    # keys that nobody knows, in every map
    for path in places(SMALL):
        at = SMALL
        for k in path:
            at = at[k]
        if isinstance(at, dict) and path:
            line, message = refused(
                box, json.dumps(put(SMALL, path + ('wrong_key',), Decimal(1)),
                                cls=Enc), '%s: unknown key' % (path,))
            ok('wrong_key' in message or 'one test' in message or
               'must be a map with' in message or
               'start_date' in message or 'start_time' in message, message)


def case_malformed_json(box):
    good = json.dumps(SMALL, cls=Enc)
    for at in range(0, len(good) - 1, 37):
        refused(box, good[:at], 'cut at %d' % at)
    for bad in ('', '[', '{}', 'null', '[1]', '[{"id":"a"}]', '[[]]',
                '[{"id":"a","id":"b"}]', '[{"id":"\\ud800"}]',
                '[{"id":"\\u0000"}]', '[01]', '[1.]', '[.5]', '[1e]', '[+1]',
                '[NaN]', '["\t"]', '[' * 100 + ']' * 100, good + 'x',
                good.replace('Acme 1', 'Acme\x01'), '[{"a" 1}]', '[1,]',
                '{"a":1,}', '[nul]'):
        refused(box, bad, repr(bad[:40]))
    path = os.path.join(box.dir, 'latin.json')
    with open(path, 'wb') as f:
        f.write(good.replace('Acme Five', '@').encode().replace(
            b'@', b'\xff\xfe'))
    p = box.cli('pricing', 'import', path, '-o', '/dev/null', check=False)
    eq(p.returncode, 1, 'not UTF-8')


LITELLM = {
    'sample_spec': {'max_tokens': 'set to max', 'litellm_provider': 'one of'},
    'gpt-x': {
        'litellm_provider': 'openai', 'mode': 'chat',
        'max_input_tokens': 128000, 'max_output_tokens': 16384,
        'max_tokens': 16384, 'input_cost_per_token': 2.5e-06,
        'output_cost_per_token': 1e-05,
        'cache_read_input_token_cost': 1.25e-06,
        'input_cost_per_token_batches': 1.25e-06,
        'output_cost_per_token_batches': 5e-06,
        'input_cost_per_token_priority': 4.25e-06,
        'output_cost_per_token_priority': 1.7e-05,
        'input_cost_per_token_flex': 1.25e-06,
        'input_cost_per_audio_token': 4e-05,
        'output_cost_per_audio_token': 8e-05,
        'output_cost_per_reasoning_token': 1.1e-05,
        'search_context_cost_per_query': {
            'search_context_size_low': 0.03,
            'search_context_size_medium': 0.035,
            'search_context_size_high': 0.05},
        'supports_vision': True, 'supports_tool_choice': True},
    'claude-x': {
        'litellm_provider': 'anthropic', 'input_cost_per_token': 3e-06,
        'output_cost_per_token': 1.5e-05,
        'input_cost_per_token_above_200k_tokens': 6e-06,
        'output_cost_per_token_above_200k_tokens': 2.25e-05,
        'cache_creation_input_token_cost': 3.75e-06,
        'cache_creation_input_token_cost_above_1hr': 6e-06,
        'cache_creation_input_token_cost_above_200k_tokens': 7.5e-06},
    'bedrock/us-x': {'litellm_provider': 'bedrock_converse',
                     'input_cost_per_token': 1e-07,
                     'output_cost_per_token': 0.0},
    'vertex_ai/v-x': {'litellm_provider': 'vertex_ai-language-models',
                      'input_cost_per_token': 1e-06,
                      'output_cost_per_token': 1e-06},
    'xai/grok-x': {'litellm_provider': 'xai', 'input_cost_per_token': 2e-06,
                   'output_cost_per_token': 1e-05},
    'together_ai/m/l-x': {'litellm_provider': 'together_ai',
                          'input_cost_per_token': 9e-07,
                          'output_cost_per_token': 9e-07},
    'nothing': {'litellm_provider': 'openai', 'mode': 'image_generation',
                'input_cost_per_pixel': 1.9e-08},
}


def entries(box, *args):
    root = load(box.cli('pricing', 'export', '-f', 'json',
                        os.path.join(box.state, 'pricing/prices.yaml'),
                        *args).stdout)
    return {e['provider'] + '/' + e['model']: e for e in root['prices']}


def case_litellm(box):
    path = save(box, 'litellm.json', json.dumps(LITELLM))
    p = box.cli('pricing', 'import', path, '--json')
    eq(load(p.stdout)['written'], 6, 'models')
    told = p.stderr.decode()
    for word in ('supports_vision 1', 'supports_tool_choice 1',
                 'input_cost_per_pixel 1', 'models without a price 1'):
        ok(word in told, '%s in %s' % (word, told))
    e = entries(box)
    eq(set(e), {'openai/gpt-x', 'anthropic/claude-x', 'aws/us-x',
                'google/v-x', 'x-ai/grok-x', 'together/m/l-x'}, 'names')
    x = e['openai/gpt-x']
    D = Decimal
    eq({k: v for k, v in x.items() if '_per_' in k},
       {'input_per_1m': D('2.5'), 'output_per_1m': D(10),
        'cached_input_per_1m': D('1.25'), 'audio_input_per_1m': D(40),
        'audio_output_per_1m': D(80), 'reasoning_per_1m': D(11),
        'web_search_per_1k': D(35)}, 'gpt-x')
    eq(x['service_tiers']['priority']['input_per_1m'], D('4.25'), 'priority')
    eq(x['service_tiers']['flex']['output_per_1m'], D(10), 'flex as usual')
    eq((x['context_window'], x['max_output_tokens'], x['source']),
       (128000, 16384, 'api'), 'rest')
    c = e['anthropic/claude-x']
    eq(c['tiers'], [{'above_tokens': 200000, 'input_per_1m': 6,
                     'output_per_1m': D('22.5'),
                     'cache_write_5m_per_1m': D('7.5')}], 'steps')
    eq((c['cache_write_5m_per_1m'], c['cache_write_1h_per_1m']),
       (D('3.75'), 6), 'cache writes')
    eq(e['aws/us-x']['output_per_1m'], 0, 'zero is a price')
    show = load(box.cli('pricing', 'show', 'gpt-x', '-t', 'priority',
                        '--json').stdout)
    eq(show['rates_per_1m']['input'], D('4.25'), 'in force')
    again = load(box.cli('pricing', 'import', path, '--json').stdout)
    eq((again['written'], again['unchanged']), (0, 6), 'again')
    # two of theirs are one of ours
    twice = dict(LITELLM, **{'vertex_ai/v-x': dict(
        LITELLM['vertex_ai/v-x'], output_cost_per_token=3e-06),
        'gemini/v-x': dict(LITELLM['vertex_ai/v-x'],
                           litellm_provider='gemini')})
    path2 = save(box, 'twice.json', json.dumps(twice))
    for written in (1, 0):
        p = box.cli('pricing', 'import', path2, '--json')
        eq(load(p.stdout)['written'], written, 'twice')
        ok(b'more than once' in p.stderr, p.stderr)
    p = box.cli('pricing', 'import', path2, '--json', '-m', 'x-ai/grok-x')
    eq(load(p.stdout)['unchanged'], 1, 'one model')
    # and back
    own = os.path.join(box.state, 'pricing/prices.yaml')
    back = load(box.cli('pricing', 'export', '-f', 'litellm', own).stdout)
    eq(back['gpt-x']['input_cost_per_token'], D('0.0000025'), 'back')
    eq(back['gpt-x']['output_cost_per_token_batches'], D('0.000005'), 'batch')
    eq(back['claude-x']['input_cost_per_token_above_200k_tokens'],
       D('0.000006'), 'step')
    eq(back['xai/grok-x']['litellm_provider'], 'xai', 'owner')
    for bad, where in ((('gpt-x', 'input_cost_per_token'), -1),
                       (('gpt-x', 'input_cost_per_token'), 'x'),
                       (('gpt-x', 'max_input_tokens'), 1.5),
                       (('gpt-x', 'litellm_provider'), 7),
                       (('gpt-x',), [])):
        lines = json.dumps(put(LITELLM, bad, where), indent=1)
        _, message = refused(box, lines, '%s' % (bad,))
        ok(bad[-1] in message, message)


def case_openrouter(box):
    data = {'data': [
        {'id': 'a/one', 'context_length': 8192, 'pricing': {
            'prompt': '0.0000025', 'completion': '0.00001', 'request': '0',
            'image': '0.003613', 'web_search': '0.01',
            'input_cache_read': '0.00000125', 'internal_reasoning': '0'},
         'top_provider': {'max_completion_tokens': 4096}},
        {'id': 'b/free:free', 'context_length': None, 'pricing': {
            'prompt': '0', 'completion': '0'},
         'top_provider': {'max_completion_tokens': None}},
        {'id': 'openrouter/auto', 'pricing': {
            'prompt': '-1', 'completion': '-1'}}]}
    path = save(box, 'or.json', json.dumps(data, indent=1))
    p = box.cli('pricing', 'import', path)
    ok(b'image 1' in p.stderr and b'models of variable price 1' in p.stderr,
       p.stderr)
    e = entries(box)
    eq(set(e), {'openrouter/a/one', 'openrouter/b/free:free'}, 'names')
    one = e['openrouter/a/one']
    eq((one['input_per_1m'], one['output_per_1m'], one['cached_input_per_1m'],
        one['web_search_per_1k'], one['context_window'],
        one['max_output_tokens']),
       (Decimal('2.5'), 10, Decimal('1.25'), 10, 8192, 4096), 'one')
    ok('reasoning_per_1m' not in one, 'no price of its own')
    eq(e['openrouter/b/free:free']['input_per_1m'], 0, 'free')
    for key in ('prompt', 'completion'):
        bad = copy.deepcopy(data)
        bad['data'][0]['pricing'][key] = 'x'
        refused(box, json.dumps(bad, indent=1), key)
        del bad['data'][0]['pricing'][key]
        refused(box, json.dumps(bad, indent=1), key)


def case_per1k(box):
    path = save(box, 'pricing.json', json.dumps(
        {'gpt-4o': {'input_cost_per_1k': 0.0026, 'output_cost_per_1k': 0.011,
                    'context_window': 64000},
         'mine': {'input_cost_per_1k': 0.001, 'output_cost_per_1k': 0.002,
                  'provider': 'acme', 'colour': 'red'}}, indent=1))
    p = box.cli('pricing', 'import', path)
    ok(b'colour 1' in p.stderr, p.stderr)
    e = entries(box)
    eq(set(e), {'openai/gpt-4o', 'acme/mine'}, 'owners')
    eq((e['openai/gpt-4o']['input_per_1m'], e['acme/mine']['output_per_1m'],
        e['openai/gpt-4o']['context_window'], e['acme/mine']['source']),
       (Decimal('2.6'), 2, 64000, 'manual'), 'figures')
    # one's own list is entered by hand, too: its later figures count
    box.cli('pricing', 'set', 'mine', '-p', 'acme', '--input-per-1m', '9',
            '--output-per-1m', '9')
    for per_1k, written in ((0.003, 1), (0.003, 0)):
        p = box.cli('pricing', 'import', '--json', save(
            box, 'pricing.json', json.dumps({'mine': {
                'input_cost_per_1k': per_1k, 'output_cost_per_1k': 0.002,
                'provider': 'acme'}})))
        eq((load(p.stdout)['written'], load(p.stdout)['kept']), (written, 0),
           'imported again')
    eq(load(box.cli('pricing', 'show', 'mine', '-p', 'acme', '--json').stdout)
       ['rates_per_1m']['input'], 3, 'in force')
    for bad in ({'a': {'input_cost_per_1k': 1}},
                {'a': {'input_cost_per_1k': 1, 'output_cost_per_1k': 'x',
                       'provider': 'p'}},
                {'nobodys': {'input_cost_per_1k': 1,
                             'output_cost_per_1k': 1}},
                {'a': 5}):
        refused(box, json.dumps(bad, indent=1), bad)
    box.cli('pricing', 'import', save(box, 'x.json', json.dumps(
        {'nobodys': {'input_cost_per_1k': 1, 'output_cost_per_1k': 1}})),
        '--provider', 'acme')


def case_yaml_export_compiles(box):
    """All that is in force, as one price file: the same prices again."""
    if not glob.glob(os.path.join(TOP, 'conf/pricing/*.yaml')):
        raise Skip('no shipped price files')
    a = box.cli('pricing', 'export', '-f', 'yaml').stdout
    path = save(box, 'all.yaml', a.decode())
    box.cli('pricing', 'check', path)
    b = box.cli('pricing', 'export', '-f', 'yaml', path).stdout
    eq(load(box.cli('pricing', 'export', path).stdout)['prices'],
       load(box.cli('pricing', 'export', '--shipped').stdout)['prices'],
       'prices')
    ok(a == b, 'written the same again')


main(globals(), needs_guard=False)
