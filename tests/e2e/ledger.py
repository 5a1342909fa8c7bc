"""Rows of the ledger for the tests: written as the guard writes them."""
import decimal
import json
import os
import random

TABLE = []
for _n in range(256):
    _c = _n
    for _ in range(8):
        _c = _c >> 1 ^ (0x82F63B78 if _c & 1 else 0)
    TABLE.append(_c)
ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'


def crc32c(data):
    c = 0xffffffff
    for b in data:
        c = TABLE[(c ^ b) & 255] ^ c >> 8
    return c ^ 0xffffffff


def plain(d):
    s = format(decimal.Decimal(d), 'f')
    return s.rstrip('0').rstrip('.') if '.' in s else s


def dump(o):
    """Compact JSON; Decimals as exact numbers."""
    if isinstance(o, dict):
        return '{' + ','.join('%s:%s' % (json.dumps(k), dump(v))
                              for k, v in o.items()) + '}'
    if isinstance(o, list):
        return '[' + ','.join(map(dump, o)) + ']'
    return plain(o) if isinstance(o, decimal.Decimal) else json.dumps(o)


def line(row):
    """One row's line with its crc."""
    body = dump(row)[:-1]
    return '%s,"crc":"%08x"}\n' % (body, crc32c(body.encode()))


def sound(text):
    """The sound rows of these lines, money as Decimal, and how many lines are
    torn: a program that is killed while it writes leaves the beginning of a
    row, and the next row stands behind it in the same line."""
    out, torn = [], 0
    for x in text.splitlines():
        try:
            out.append(json.loads(x, parse_float=decimal.Decimal))
            continue
        except ValueError:
            torn += 1
        x = x[max(0, x.rfind(b'{"v":')):]
        body, _, crc = x.rpartition(b',"crc":"')
        if crc == b'%08x"}' % crc32c(body):
            out.append(json.loads(x, parse_float=decimal.Decimal))
    return out, torn


def new_id(ms, rng=random):
    v = ms << 80 | rng.getrandbits(80)
    return ''.join(ALPHABET[v >> 5 * i & 31] for i in reversed(range(26)))


def call(ts, model, provider='openai', cost='0', **more):
    """A call's row. ts: 2026-11-20T10:00:00.000Z"""
    import datetime
    at = datetime.datetime.strptime(ts, '%Y-%m-%dT%H:%M:%S.%fZ').replace(
        tzinfo=datetime.timezone.utc)
    cost = decimal.Decimal(cost)
    row = {'v': 1, 'id': new_id(int(at.timestamp() * 1000)), 'ts': ts,
           'end_ts': ts, 'pid': 1, 'ppid': 1, 'uid': os.getuid(),
           'exe': '/bin/x', 'comm': 'x', 'provider': provider,
           'host': 'api.openai.com', 'dialect': 'openai-chat',
           'endpoint': '/v1/chat/completions', 'model_requested': model,
           'model': model, 'tier': '', 'price_version': '',
           'price_state': 'exact', 'stream': False, 'status': 200,
           'verdict': 'allow', 'input_tokens': None, 'output_tokens': None,
           'usage_state': 'exact', 'estimate_usd': cost, 'cost_usd': cost,
           'economic_usd': cost, 'cache_hit': 'none', 'kind': 'call',
           'request_type': 'generate', 'input_cost_usd': decimal.Decimal(0),
           'output_cost_usd': cost}
    row.update(more)
    return row


def write(state, rows, month='2026-11'):
    folder = os.path.join(state, 'ledger')
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, month + '.jsonl')
    with open(path, 'a') as f:
        for r in rows:
            f.write(line(r))
    os.chmod(path, 0o600)
    return path
