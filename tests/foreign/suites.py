"""The foreign suites: how each is had, what it has, how it is run.

A suite has `get()` (fetch and build; Missing says what is absent), `tests()`
(what run() takes, whole or in part) and `run(guard, tests)`: {test: result}.
A result is any text; only whether it is the same counts, and GOOD is for
the summary.
"""
import concurrent.futures
import fnmatch
import glob
import json
import os
import re
import shutil
import subprocess

from guards import HERE, TOP
from source import Missing, build, fetch

GOOD = ('ok', '0', 'PASS')
SKIP = ('skip', 'SKIP')


def call(argv, guard, cwd, limit, **env):
    """Exit status (or `timeout`) and all output of one program."""
    p = subprocess.Popen(argv, cwd=cwd, env=guard.env(**env),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, start_new_session=True)
    try:
        out, _ = p.communicate(timeout=limit)
        code = str(p.returncode)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, 9)
        out, _ = p.communicate()
        code = 'timeout'
    return code, out.decode('utf-8', 'replace')


def pool(fn, tests, jobs=2):
    with concurrent.futures.ThreadPoolExecutor(jobs) as ex:
        return dict(zip(tests, ex.map(fn, tests)))


def tap(code, out):
    """One program that speaks TAP: what it said and how it ended."""
    n = [len(re.findall(r, out, re.M)) for r in (r'^ *ok\b(?!.*# skip)',
                                                 r'^ *not ok\b',
                                                 r'(?i)^ *ok\b.*# skip')]
    if code == '0' and not n[1]:
        return ('ok %d %d' if n[0] or n[2] else 'skip %d %d') % (n[0], n[2])
    return 'exit %s, ok %d, not ok %d' % (code, n[0], n[1])


class Python:
    """Debian's Python by its own tests."""
    names = ('test_ssl test_asyncio test_httplib test_urllib2_localnet '
             'test_ftplib test_poplib test_imaplib').split()

    def get(self):
        if not os.path.exists('/usr/lib/python3.11/test/test_ssl.py'):
            raise Missing('no libpython3.11-testsuite')

    def tests(self):
        parts = []
        for n in self.names:
            d = '/usr/lib/python3.11/test/' + n
            parts += ['test.%s.%s' % (n, f[:-3]) for f in sorted(os.listdir(d))
                      if f.startswith('test_') and f.endswith('.py')] \
                if os.path.isdir(d) else ['test.' + n]
        return parts

    def run(self, guard, tests):
        def one(names):
            path = os.path.join(guard.dir, '%d.json' % abs(hash(names[0])))
            code, out = call(['/usr/bin/python3',
                              os.path.join(HERE, 'unittests.py'), path] + names,
                             guard, guard.dir, 600)
            try:
                with open(path) as f:
                    return json.load(f)
            except (OSError, ValueError):
                return {names[0]: 'ended with %s: %s' % (code, out[-200:])}
        whole = [t for t in tests if t.count('.') <= 2]
        rest = [t for t in tests if t.count('.') > 2]
        found = {}
        with concurrent.futures.ThreadPoolExecutor(2) as ex:
            for r in ex.map(one, [[t] for t in whole] +
                            ([rest] if rest else [])):
                found.update(r)
        return found


class Perl:
    """Net::SSLeay and IO::Socket::SSL, as Debian installs them."""

    def get(self):
        for module in ('Net::SSLeay', 'IO::Socket::SSL'):
            if subprocess.run(['perl', '-M' + module, '-e1'],
                              stderr=subprocess.DEVNULL).returncode:
                raise Missing('no Perl module ' + module)
        self.dirs = [fetch('libnet-ssleay-perl', '*[nN]et-*[sS][sS][lL]eay*/'),
                     fetch('libio-socket-ssl-perl', '*[iI][oO]-*[sS][sS][lL]*/')]

    def tests(self):
        return [t for d in self.dirs for pat in ('t/local/*.t', 't/*.t')
                for t in sorted(glob.glob(os.path.join(d, pat)))]

    def run(self, guard, tests):
        def one(t):
            d = t[:t.index('/t/')]
            return tap(*call(['perl', '-Iinc', '-It/lib', t], guard, d, 120,
                             NO_NETWORK_TESTING=1))
        return pool(one, tests, 1)      # IO::Socket::SSL writes its certs anew


class Ruby:
    """Ruby's openssl and net libraries."""
    names = 'openssl net/http net/imap net/pop net/smtp open-uri'.split()

    def get(self):
        if not shutil.which('ruby'):
            raise Missing('no ruby')
        self.dir = fetch('ruby3.1', 'ruby-3.1*/')

    def tests(self):
        found = []
        for n in self.names:
            for base in (self.dir, ):
                found += sorted(glob.glob(os.path.join(
                    base, 'test', n, '**/test_*.rb'), recursive=True))
        return found

    def run(self, guard, tests):
        def one(t):
            _, out = call(['ruby', 'tool/test/runner.rb',
                           '--ruby=' + shutil.which('ruby'), '-v', t], guard,
                          self.dir, 300)
            found = dict((n, {'.': 'ok', 'S': 'skip'}.get(r, r)) for n, r in
                         re.findall(r'\] (\S+#\S+) = [\d.]+ s = (\S)', out))
            last = re.findall(r'^\d+ tests, .*', out, re.M)
            return found, re.sub(r'\d+ assertions, ', '', last[-1]) \
                if last else 'no summary: ' + out[-200:]
        found = {}
        for t, (each, last) in pool(one, [t for t in tests
                                          if t.endswith('.rb')]).items():
            found.update({'%s %s' % (t, k): v for k, v in each.items()})
            found[t] = 'ok ' + last
        return found


class Php:
    """PHP's own tests of openssl, curl, streams and the HTTP wrapper."""
    names = ('ext/openssl/tests', 'ext/curl/tests', 'ext/standard/tests/http',
             'ext/standard/tests/streams', 'ext/ftp/tests', 'ext/soap/tests')

    def get(self):
        if not shutil.which('php'):
            raise Missing('no php')
        self.dir = fetch('php8.2', 'php-8.2*/')

    def tests(self):
        return [os.path.relpath(t, self.dir) for n in self.names
                for t in sorted(glob.glob(os.path.join(self.dir, n,
                                                       '*.phpt')))]

    def run(self, guard, tests):
        _, out = call(['php', 'run-tests.php', '-q', '-p', shutil.which('php'),
                       '--offline', '--no-color'] + tests, guard, self.dir,
                      3600, NO_INTERACTION=1)
        return dict((f, w) for w, f in re.findall(
            r'(PASS|FAIL|SKIP|XFAIL|BORK|WARN|LEAK)\b.*?'
            r'\[((?:ext|Zend|tests)/\S+\.phpt)\]', out) if f in set(tests))


class Node:
    """Node's tests of tls, https, http2, http and net, by two builds."""
    names = 'tls https http2 http net'.split()
    node = os.path.join(TOP, 'build/node18/node')

    def get(self):
        if not os.path.exists(self.node):
            raise Missing('no %s (tests/e2e/setup-node.sh)' % self.node)
        self.dir = fetch('nodejs', 'node-v18*/')

    def tests(self):
        return [t for n in self.names for kind in ('parallel', 'sequential')
                for t in sorted(glob.glob(os.path.join(
                    self.dir, 'test', kind, 'test-%s-*.*js' % n)))]

    def run(self, guard, tests):
        def one(t):
            with open(t, errors='replace') as f:
                flags = re.findall(r'^// Flags: (.*)', f.read(), re.M)
            name = re.sub(r'\W', '-', os.path.basename(t))
            return call([self.node] + ' '.join(flags).split() + [t], guard,
                        self.dir, 60, NODE_TEST_DIR=guard.dir,
                        TEST_SERIAL_ID=name, TEST_PARALLEL=1)[0]
        both = [t for t in tests if '/parallel/' in t]
        found = pool(one, both)
        found.update(pool(one, [t for t in tests if t not in both], 1))
        return found


class NodeStatic(Node):
    """The same by the installed Node where it carries its own OpenSSL."""
    names = 'tls https http2'.split()
    node = '/usr/bin/node'


class Curl:
    """curl's tests, all of TLS and a good part of plain HTTP."""
    words = 'HTTPS SSL TLS FTPS IMAPS POP3S SMTPS HTTP/2 HTTP FTP IMAP POP3 ' \
        'SMTP'.split()

    def get(self):
        if not shutil.which('stunnel4') and not shutil.which('stunnel'):
            raise Missing('no stunnel4: curl\'s HTTPS tests need it')
        src = fetch('curl', 'curl-7*/')
        self.dir = build('curl', [
            [src + 'configure', '--with-openssl', '--disable-static',
             '--without-libpsl', '--with-nghttp2'],
            ['make', '-j2'], ['make', '-j2', '-C', 'tests', 'all']])
        self.src = src

    def tests(self):
        found = []
        for t in glob.glob(os.path.join(self.src, 'tests/data/test[0-9]*')):
            with open(t, errors='replace') as f:
                text = f.read()
            words = re.findall(r'<keywords>(.*?)</keywords>', text, re.S)
            server = re.findall(r'<server>(.*?)</server>', text, re.S)
            all_words = set(' '.join(words + server).upper().split())
            if all_words & set(self.words) and 'TORTURE' not in all_words:
                found.append(int(re.sub(r'\D', '', os.path.basename(t))))
        return [str(n) for n in sorted(found)]

    def run(self, guard, tests):
        _, out = call([os.path.join(self.src, 'tests/runtests.pl'), '-n', '-a',
                       '-am'] + tests, guard,
                      os.path.join(self.dir, 'tests'), 7200,
                      srcdir=os.path.join(self.src, 'tests'))
        return {n: w for w, n in re.findall(
            r'^(PASS|FAIL|SKIP): (\d+) ', out, re.M)}


class OpenSSL:
    """OpenSSL's recipes that speak TLS, by its own build."""
    names = ('test_ssl* test_tls* test_bio_* test_d1* test_dtls* test_srp '
             'test_sysdef* test_key_share test_renegotiation test_cipherlist '
             'test_clienthello test_packet test_record* test_recordlen '
             'test_servername test_asyncio test_bad_dtls test_s_* '
             'test_session* test_comp test_extension test_ocsp_tls '
             'test_fatalerr test_gost test_rand_range test_ssl_new').split()

    def get(self):
        src = fetch('openssl', 'openssl-3*/')
        self.dir = build('openssl', [
            [src + 'Configure', 'linux-x86_64', 'shared', 'enable-ktls'],
            ['make', '-j2'], ['make', '-j2', 'build_programs']])
        self.src = src

    def tests(self):
        found = []
        for r in sorted(glob.glob(self.src + 'test/recipes/*.t')):
            name = os.path.basename(r)[3:-2]
            if any(fnmatch.fnmatch(name, n) for n in self.names):
                found.append(name)
        return found

    def run(self, guard, tests):
        _, out = call(['make', 'run_tests', 'TESTS=' + ' '.join(tests), 'V=1',
                       'HARNESS_JOBS=1'], guard, self.dir, 3600)
        found = {}
        for t, text in re.findall(r'^\d\d-(test_\w+)\.t \.+ *\n?(.*?)'
                                  r'(?=^\d\d-test_|^Test Summary|^All tests|\Z)',
                                  out, re.M | re.S):
            n = [len(re.findall(p, text, re.M)) for p in
                 (r'^ *ok\b', r'^ *not ok\b')]
            found[t] = 'ok %d' % n[0] if not n[1] else \
                'ok %d, not ok %d' % tuple(n)
        return found


class Wget:
    """wget's tests against its own Python server, HTTP and HTTPS."""

    def get(self):
        if not shutil.which('wget'):
            raise Missing('no wget')
        self.dir = fetch('wget', 'wget-1*/')

    def tests(self):
        return sorted(glob.glob(os.path.join(self.dir, 'testenv/Test-*.py')))

    def run(self, guard, tests):
        def one(t):
            return call(['/usr/bin/python3', t], guard, self.work(guard), 60,
                        srcdir=os.path.dirname(t), SSL_TESTS=1,
                        PYTHONPATH=os.path.dirname(t),
                        VALGRIND_TESTS='')[0]
        return pool(one, tests, 1)

    def work(self, guard):
        d = os.path.join(guard.dir, 'testenv')
        if not os.path.isdir(d):
            os.makedirs(d)
            os.makedirs(os.path.join(guard.dir, 'src'))
            os.symlink(shutil.which('wget'),
                       os.path.join(guard.dir, 'src/wget'))
        return d


SUITES = {'python': Python, 'perl': Perl, 'ruby': Ruby, 'php': Php,
          'node': Node, 'node-static': NodeStatic, 'curl': Curl,
          'openssl': OpenSSL, 'wget': Wget}
