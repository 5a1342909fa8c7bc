"""libllmguard-client by ctypes: budgets, totals and the last call's cost.

    python3 llmguard_client.py

As a module: Guard(write=True).budgets(), .check('month', '0.50') and so on.
Amounts are decimal.Decimal of USD, exact to the picodollar.
"""
import ctypes as c
import decimal
import os
import sys

PUSD = decimal.Decimal(10) ** 12
WRITE, OVER, ENOTFOUND, THIS_MONTH = 1, 1, -6, -1


class Struct(c.Structure):
    """Text is str, amounts stay picodollars."""

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        return value.decode() if isinstance(value, bytes) else value


class Options(Struct):
    _fields_ = [('size', c.c_size_t), ('flags', c.c_uint32),
                ('reserved', c.c_uint32)] + [
        (n, c.c_char_p) for n in ('config', 'state_dir', 'region', 'project',
                                  'user', 'tags', 'conversation', 'run_id',
                                  'experiment', 'phase')]


class Budget(Struct):
    _fields_ = [(n, c.c_char_p) for n in ('name', 'scope', 'period', 'value',
                                          'state', 'source', 'note')] + [
        (n, c.c_int64) for n in ('limit', 'spent', 'held', 'remaining',
                                 'overshoot', 'raised', 'raised_until_ms',
                                 'window_start_ms', 'window_end_ms',
                                 'ratio_ppm')] + [
        ('calls', c.c_uint64), ('blocked', c.c_uint64),
        ('flags', c.c_uint32), ('reserved', c.c_uint32)]


class Totals(Struct):
    _fields_ = [(n, c.c_int64) for n in ('since_ms', 'cost', 'economic',
                                         'refused')] + [
        (n, c.c_uint64) for n in ('calls', 'blocked', 'cut', 'unguarded',
                                  'torn_rows', 'input_tokens',
                                  'output_tokens')] + [
        ('class_calls', c.c_uint64 * 4), ('class_cost', c.c_int64 * 4)]


class Call(Struct):
    _fields_ = [('id', c.c_char * 40), ('provider', c.c_char * 64),
                ('model', c.c_char * 136), ('tier', c.c_char * 24),
                ('project', c.c_char * 104), ('user', c.c_char * 104),
                ('conversation', c.c_char * 104), ('run_id', c.c_char * 104),
                ('verdict', c.c_char * 16), ('usage_state', c.c_char * 16),
                ('price_state', c.c_char * 16)] + [
        (n, c.c_int64) for n in ('ts_ms', 'duration_ms', 'cost',
                                 'economic')] + [
        (n, c.c_uint64) for n in ('input_tokens', 'output_tokens',
                                  'cache_read_tokens')] + [
        ('pid', c.c_int32), ('status', c.c_int32)]


class Spec(Struct):
    _fields_ = [('size', c.c_size_t)] + [
        (n, c.c_char_p) for n in ('name', 'scope', 'period', 'limit_usd',
                                  'mode', 'warn_at', 'until')] + [
        ('hard', c.c_int32), ('each', c.c_int32)]


class Record(Struct):
    _fields_ = [('size', c.c_size_t)] + [
        (n, c.c_char_p) for n in ('provider', 'model', 'tier', 'cache_hit',
                                  'type', 'project', 'user', 'tags',
                                  'conversation', 'run_id', 'experiment',
                                  'phase')] + [
        (n, c.c_uint64) for n in ('input_tokens', 'cached_tokens',
                                  'output_tokens')]


class Request(Struct):
    _fields_ = [('size', c.c_size_t), ('body', c.c_char_p),
                ('body_len', c.c_size_t)] + [
        (n, c.c_char_p) for n in ('url', 'tier', 'provider', 'model',
                                  'prompt')] + [
        ('prompt_len', c.c_size_t), ('max_tokens', c.c_uint64),
        ('output_tokens', c.c_uint64), ('tokenizers', c.c_void_p)]


class Estimate(Struct):
    _fields_ = [('provider', c.c_char * 64), ('model', c.c_char * 136),
                ('input_state', c.c_char * 16),
                ('output_state', c.c_char * 16)] + [
        (n, c.c_uint64) for n in ('input_tokens', 'input_low', 'input_high',
                                  'output_tokens', 'worst_output_tokens')] + [
        (n, c.c_int64) for n in ('expected', 'low', 'high', 'worst')] + [
        (n, c.c_int32) for n in ('ranged', 'over', 'refused', 'price_known')]


class Error(Exception):
    pass


def usd(pusd):
    return decimal.Decimal(pusd) / PUSD


def pusd(amount):
    return int(decimal.Decimal(amount) * PUSD)


def filled(kind, **fields):
    s = kind(size=c.sizeof(kind))
    for name, value in fields.items():
        setattr(s, name, value.encode() if isinstance(value, str) else value)
    return s


class Guard:
    """A handle; one thread at a time."""

    def __init__(self, write=False, library=None, **options):
        self.lib = c.CDLL(library or os.environ.get(
            'LLMGUARD_CLIENT_LIBRARY', 'libllmguard-client.so.1'))
        self.lib.llmguard_message.restype = c.c_char_p
        self.lib.llmguard_strerror.restype = c.c_char_p
        self.lib.llmguard_budgets_count.restype = c.c_size_t
        self.g = c.c_void_p()
        o = filled(Options, flags=WRITE if write else 0, **options)
        err = self.lib.llmguard_open(c.byref(o), c.byref(self.g))
        if err:
            raise Error(self.lib.llmguard_strerror(err).decode())

    def close(self):
        self.lib.llmguard_close(self.g)
        self.g = c.c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def ask(self, function, *args):
        code = getattr(self.lib, 'llmguard_' + function)(self.g, *args)
        if code < 0:
            raise Error('%s: %s' % (
                self.lib.llmguard_strerror(code).decode(),
                self.lib.llmguard_message(self.g).decode()))
        return code

    def budgets(self):
        """[{'name': ..., 'spent': Decimal, ...}]"""
        found, out = c.c_void_p(), []
        self.ask('budgets_read', c.c_uint32(0), c.byref(found))
        for i in range(self.lib.llmguard_budgets_count(found)):
            b = Budget()
            self.lib.llmguard_budgets_get(found, c.c_size_t(i), c.byref(b),
                                          c.c_size_t(c.sizeof(b)))
            one = {n: getattr(b, n) for n, _ in Budget._fields_}
            for n in ('limit', 'spent', 'held', 'remaining'):
                one[n] = usd(one[n])
            out.append(one)
        self.lib.llmguard_budgets_free(found)
        return out

    def check(self, name, amount, value=None):
        """(does it fit, what is left)"""
        left = c.c_int64()
        code = self.ask('budget_check', name.encode(),
                        value.encode() if value else None,
                        c.c_int64(pusd(amount)), c.byref(left))
        return code != OVER, usd(left.value)

    def set_budget(self, name, limit, **more):
        more.setdefault('hard', -1)
        s = filled(Spec, name=name, limit_usd=str(limit), **more)
        self.ask('budget_set', c.byref(s))

    def budget_rm(self, name):
        self.ask('budget_remove', name.encode())

    def totals(self, since_ms=THIS_MONTH, run_id=None):
        t = Totals()
        self.ask('totals_read', c.c_int64(since_ms),
                 run_id.encode() if run_id else None, c.byref(t),
                 c.c_size_t(c.sizeof(t)))
        return t

    def last_call(self, pid=0, run_id=None):
        call = Call()
        self.ask('last_call', c.c_int32(pid),
                 run_id.encode() if run_id else None, c.byref(call),
                 c.c_size_t(c.sizeof(call)))
        return call

    def record(self, model, **more):
        r, call = filled(Record, model=model, **more), Call()
        self.ask('record_call', c.byref(r), c.byref(call),
                 c.c_size_t(c.sizeof(call)))
        return call

    def estimate(self, body=None, prompt=None, **more):
        """What a request would cost: a JSON body, or model and prompt."""
        r, e = filled(Request, **more), Estimate()
        for name, text in (('body', body), ('prompt', prompt)):
            if text is not None:
                data = text.encode()
                setattr(r, name, data)
                setattr(r, name + '_len', len(data))
        self.ask('estimate', c.byref(r), c.byref(e), c.c_size_t(c.sizeof(e)))
        return e

    def add_price(self, provider, model, rates, effective=None):
        self.ask('price_add', provider.encode(), model.encode(),
                 rates.encode(), effective.encode() if effective else None)

    def phase(self, run_id, phase=None):
        if phase:
            self.ask('phase_set', run_id.encode(), phase.encode())
        text = c.create_string_buffer(8)
        self.ask('phase_get', run_id.encode(), text)
        return text.value.decode()


def show():
    with Guard() as guard:
        for b in guard.budgets():
            print('%s: spent $%s of $%s (%s)' % (b['name'], b['spent'],
                                                 b['limit'], b['state']))
        month = guard.totals()
        print('this month: %d calls, $%s' % (month.calls, usd(month.cost)))
        try:
            last = guard.last_call()
            print('last call: %s, $%s' % (last.model, usd(last.cost)))
        except Error:
            print('no call yet')


if __name__ == '__main__':
    try:
        show()
    except (Error, OSError) as e:
        sys.exit('llmguard_client: %s' % e)
