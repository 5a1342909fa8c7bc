"""The clients of docs/coverage.md: how each is started, what says its version.

A client posts the files that follow the URL and prints a line `STATUS LENGTH`
for each answer, or reads requests as clients.py does (`json`).
"""
import glob
import os
import shutil
import subprocess

import test_programs
from harness import (ANTHROPIC, BEDROCK, CURL_LIBS, GEMINI, HERE, NODE,
                     OPENAI, PY, TOP, request)
from test_gnutls import GNUTLS_CLI, WGET
from test_patch import STATIC_NODE
from test_programs import PROGRAMS, V4

BUILT = os.path.join(TOP, 'build/coverage')
NPM = os.path.join(TOP, 'build/npm/node_modules')
BUN = os.path.join(BUILT, 'node_modules/@oven/bun-linux-x64/bin/bun')
DENO = os.path.join(BUILT, 'node_modules/@deno/linux-x64-glibc/deno')
FETCH = os.path.join(HERE, 'coverage/fetch.mjs')
SONNET = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
QUIET = {'NODE_NO_WARNINGS': '1'}

# Piped: a head, the file, and then what the tool shows of the answer.
PIPED = r'''
hp=${1#*://}; hp=${hp%%%%/*}; shift
for f; do
  { printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n'
    printf 'Content-Type: application/json\r\nConnection: close\r\n'
    printf 'Content-Length: %%d\r\n\r\n' "$(wc -c < "$f")"
    cat "$f"; } | %s > out 2>/dev/null
  echo "$(sed -n 's/^HTTP.1.1 \([0-9]*\).*/\1/p' out) $(wc -c < out)"
done'''
S_CLIENT = PIPED % 'openssl s_client -quiet -connect "$hp" -CAfile "$CA"'
SOCAT = PIPED % 'socat -t 9 - "OPENSSL:$hp,cafile=$CA"'
NCAT = PIPED % 'ncat --ssl --ssl-verify --ssl-trustfile "$CA" ' \
    '"${hp%:*}" "${hp#*:}"'
WGET2 = WGET.replace('wget', 'wget2').replace('s/^  HTTP', 's/^HTTP')
TCL = r'''
package require http
package require tls
http::register https 443 [list ::tls::socket -autoservername 1 -require 1 \
  -cafile $env(SSL_CERT_FILE)]
foreach f [lrange $argv 1 end] {
  set in [open $f rb]; set b [read $in]; close $in
  set t [http::geturl [lindex $argv 0] -type application/json -query $b]
  puts "[http::ncode $t] [string length [http::data $t]]"
}'''
PYCURL = r'''
import io, os, pycurl, sys
c = pycurl.Curl()
for f in sys.argv[2:]:
    got = io.BytesIO()
    c.setopt(c.URL, sys.argv[1])
    c.setopt(c.CAINFO, os.environ['SSL_CERT_FILE'])
    c.setopt(c.HTTPHEADER, ['Content-Type: application/json'])
    c.setopt(c.POSTFIELDS, open(f, 'rb').read())
    c.setopt(c.WRITEDATA, got)
    c.perform()
    print(c.getinfo(c.RESPONSE_CODE), len(got.getvalue()))'''
# Fetching is all these can do; nothing that they ask costs money.
LYNX = r'''
printf 'SSL_CERT_FILE:%s\nFORCE_SSL_PROMPT:yes\n' "$CA" > lynx.cfg
lynx -cfg=lynx.cfg -source -mime_header "$1" > out 2>/dev/null
echo "$(sed -n 's/^HTTP.1.1 \([0-9]*\).*/\1/p' out) $(wc -c < out)"'''
ARIA = r'''
# It names no server to one without a dot: the name is made known to it alone.
port=${1#*localhost:}
echo '127.0.0.1 api.openai.com' > hosts
unshare -rm sh -c 'mount --bind hosts /etc/hosts && exec "$@"' sh aria2c -q \
  --async-dns=false --ca-certificate="$CA" --allow-overwrite=true -o out \
  "https://api.openai.com:$port"
echo "$(test -s out && echo 200) $(wc -c < out)"'''
GIT = r'''
GIT_SSL_CAINFO=$CA GIT_CURL_VERBOSE=1 git ls-remote "${1%/models}" 2> out
echo "$(sed -n 's/^.*< HTTP.1.1 \([0-9]*\).*/\1/p' out) $(wc -c < out)"'''


class Client:
    """One row. `version` is a command, the first number in what it prints
    counts; `needs` are files or programs, `module` a Python module or as in
    test_programs; `kind` is files, json, sdk or get; `tls` is what it uses
    where several libraries are loaded."""

    def __init__(self, name, argv, version, needs=(), module=None,
                 kind='files', conf='', env=None, plain=False, sdk=None, tls=''):
        self.name, self.argv, self.version = name, argv, version
        self.needs, self.module, self.kind = needs, module, kind
        self.conf, self.env, self.plain = conf, env or {}, plain
        self.sdk, self.tls = sdk, tls
        self.slow = False

    def lacks(self, box):
        """What is not here, or None."""
        for path in self.needs:
            if not shutil.which(path) and not os.path.exists(path):
                return os.path.basename(path)
        if self.module == 'unshare':
            p = subprocess.run(['unshare', '-rm', 'true'],
                               stderr=subprocess.DEVNULL)
            return 'user namespaces' if p.returncode else None
        argv = self.argv('', [])
        return test_programs.missing(
            box, [shutil.which(argv[0]) or argv[0]], self.module)


def shell(text):
    return lambda url, files: ['sh', '-c', text, 'sh', url, *files]


def program(key):
    return PROGRAMS[key][0]


def py(key, module=None):
    return 'print(__import__("%s").%s)' % (
        module or key, {'pycurl': 'version', 'tornado': 'version'}.get(
            module or key, '__version__'))


def of_python(name, argv, module=None, version=None, **k):
    show = [PY, '-V'] if not version else [PY, '-c', py(version)]
    return Client('python3 ' + name, argv, show, module=module, **k)


def by_stdin(*argv):
    return lambda url, files: list(argv)


def python_json(name, module=None):
    return of_python(name, by_stdin(PY, os.path.join(HERE, 'clients.py'),
                                    name), module, module, kind='json')


def node_argv(node, kind):
    return by_stdin(node or 'node', '--require',
                    os.path.join(HERE, 'redirect/node.cjs'),
                    os.path.join(HERE, 'clients.cjs'), kind)


def sdk_requests(kind, test):
    """The plain and the streamed call that an SDK makes."""
    anthropic = {'model': 'claude-haiku-4-5', 'max_tokens': 50,
                 'messages': [{'role': 'user', 'content': 'hello'}]}
    converse = {'messages': [{'role': 'user', 'content': [{'text': 'hi'}]}],
                'inferenceConfig': {'maxTokens': 50}}
    chat = {'model': 'gpt-4o-mini', 'max_tokens': 50, 'messages': [
        {'role': 'user', 'content': 'hello'}]}
    usage = {'stream': True, 'stream_options': {'include_usage': True}}
    url = {'anthropic': [ANTHROPIC] * 2, 'openai': [OPENAI] * 2,
           'google': [GEMINI + 'generateContent',
                      GEMINI + 'streamGenerateContent?alt=sse'],
           'bedrock': [BEDROCK % SONNET + 'converse',
                       BEDROCK % SONNET + 'converse-stream']}[kind]
    body = {'anthropic': [anthropic, dict(anthropic, stream=True)],
            'openai': [chat, dict(chat, **usage)],
            'google': [None, None], 'bedrock': [converse] * 2}[kind]
    return [request(u, b, t) for u, b, t in zip(url, body, test)]


# Picodollars a token in and out, of the model that the SDK asks.
PRICES = {None: (150000, 600000), 'openai': (150000, 600000),
          'anthropic': (1000000, 5000000), 'google': (300000, 2500000),
          'bedrock': (3300000, 16500000)}
PACKAGES = {'openai': 'openai', 'anthropic': '@anthropic-ai/sdk',
            'google': '@google/genai',
            'bedrock': '@aws-sdk/client-bedrock-runtime'}


def npm_version(node, package):
    return [node or 'node', '-p', 'JSON.parse(require("fs").readFileSync('
            '"%s/%s/package.json")).version' % (NPM, package)]


def node_sdk(title, node, kind):
    package = PACKAGES[kind]
    return Client('%s %s' % (title, package), node_argv(node, kind),
                  npm_version(node, package),
                  needs=(node or 'node', os.path.join(NPM, package)),
                  kind='sdk', env=QUIET, sdk=kind)


def node_lib(title, node, kind):
    package = os.path.join(NPM, kind)
    return Client('%s %s' % (title, kind), node_argv(node, kind),
                  npm_version(node, kind), needs=(node or 'node', package),
                  kind='json', env=QUIET)


def nodes():
    out = []
    for title, node in (('Node, shared OpenSSL:', NODE),
                        ('Node, static OpenSSL:', STATIC_NODE)):
        need = (node or 'node with a static OpenSSL',)
        base = node or 'node'
        out += [
            Client(title + ' https', lambda url, files, n=base: [
                n, V4, '-e', test_programs.NODE_HTTPS, url, *files],
                [base, '--version'], needs=need),
            Client(title + ' fetch', lambda url, files, n=base: [
                n, V4, '-e', test_programs.NODE_FETCH, url, *files],
                [base, '--version'], needs=need),
        ]
        out += [node_lib(title, node, x) for x in ('axios', 'undici')]
        out += [node_sdk(title, node, x) for x in PACKAGES]
    for c in out:
        # test_sdk.py and test_patch.py have them in make check
        c.slow = c.kind in ('json', 'sdk') and (
            'shared' in c.name or 'anthropic' not in c.name)
        if STATIC_NODE is None and 'static' in c.name:
            c.needs = ('node with a static OpenSSL',)
    return out


def built(name, file, version, plain=False, argv=None, **k):
    path = os.path.join(BUILT, file)
    return Client(name, argv or (lambda url, files: [path, url, *files]),
                  version, needs=(path,), plain=plain, **k)


def java(url, files):
    return ['java', '-cp', BUILT, 'Client', url, *files]


def deno(url, files):
    return [DENO, 'run', '-A', '-q', '--no-config', FETCH, url, *files]


def bun(url, files):
    return [BUN, FETCH, url, *files]


GO = ['go', 'version']
JAVA = ['java', '-version']


def crate(name):
    found = glob.glob('/usr/share/cargo/registry/%s-[0-9]*' % name)
    return ['echo', os.path.basename(found[0]) if found else '?']


# By https:// none of them is seen; by http:// most are.
def strangers(plain):
    title = '%s, http://' if plain else '%s'
    return [
        built(title % 'Go net/http, cgo', 'client-go', GO, plain),
        built(title % 'Go net/http, static', 'client-go-static', GO, plain),
        built(title % 'Java HttpClient', 'Client.class', JAVA, plain,
              java),
        built(title % 'Rust ureq (rustls)', 'client-ureq', crate('ureq'),
              plain),
        Client(title % 'Bun fetch', bun, [BUN, '--version'], needs=(BUN,),
               plain=plain),
        Client(title % 'Deno fetch', deno, [DENO, '--version'],
               needs=(DENO,), plain=plain, env={'DENO_NO_UPDATE_CHECK': '1'}),
    ]


def over_plain():
    """Clients of a server of one's own, by http://."""
    out = [
        Client('curl, http://', program('curl'), ['curl', '--version']),
        Client('wget, http://', shell(WGET), ['wget', '--version']),
        of_python('urllib3, http://', program('urllib3'), 'urllib3',
                  'urllib3'),
        of_python('aiohttp, http://', by_stdin(
            PY, os.path.join(HERE, 'clients.py'), 'aiohttp'), 'aiohttp',
            'aiohttp', kind='json'),
        Client('Ruby net/http, http://', shell(
            'exec ruby -e "$RUBY" "$@"'), ['ruby', '--version'],
            needs=('ruby',), env={'RUBY': test_programs.RUBY.replace(
                'use_ssl: true', 'use_ssl: u.scheme == "https"')}),
    ]
    if STATIC_NODE:
        out.append(Client('Node fetch, http://', lambda url, files: [
            STATIC_NODE, V4, '-e', test_programs.NODE_FETCH, url, *files],
            [STATIC_NODE, '--version']))
    for c in out:
        c.plain = True
    return out


def clients():
    curl_v = ['curl', '--version']
    out = [
        Client('curl, HTTP/1.1', program('curl11'), curl_v, tls='OpenSSL'),
        Client('curl, HTTP/2 offered', program('curl'), curl_v,
               tls='OpenSSL'),
        Client('curl, HTTP/2', program('curl'), curl_v,
               conf='http2: native\n', tls='OpenSSL'),
        Client('wget', shell(WGET), ['wget', '--version'], needs=('wget',)),
        Client('wget2', shell(WGET2), ['wget2', '--version'],
               needs=('wget2',)),
        Client('git', shell(GIT), ['git', '--version'], needs=('git',),
               kind='get'),
        Client('lynx', shell(LYNX), ['lynx', '--version'], needs=('lynx',),
               kind='get'),
        Client('aria2', shell(ARIA), ['aria2c', '--version'],
               needs=('aria2c',), module='unshare', kind='get'),
        Client('openssl s_client', shell(S_CLIENT), ['openssl', 'version'],
               needs=('openssl',)),
        Client('socat', shell(SOCAT), ['socat', '-V'], needs=('socat',)),
        Client('ncat', shell(NCAT), ['ncat', '--version'],
               needs=('ncat',)),
        Client('gnutls-cli', shell(GNUTLS_CLI.replace('sleep 0.2',
                                                      'sleep 1.2')),
               ['gnutls-cli', '--version'], needs=('gnutls-cli',)),
        *[Client('a C program over ' + x, by_stdin(
            PY, os.path.join(HERE, 'curl_lib.py'), x + '.so.4'),
            [PY, '-c', 'import ctypes; f = ctypes.CDLL("%s.so.4").'
             'curl_version; f.restype = ctypes.c_char_p; print(f())' % x],
            kind='json', tls='NSS' if 'nss' in x else 'GnuTLS')
            for x in CURL_LIBS],
        python_json('http.client'), python_json('urllib'),
        of_python('urllib3', program('urllib3'), 'urllib3', 'urllib3'),
        python_json('requests', 'requests'),
        python_json('httpx', 'httpx'), python_json('httpx-async', 'httpx'),
        of_python('httpx, HTTP/2', program('httpx_h2'), 'httpx,h2', 'httpx',
                  conf='http2: native\n'),
        python_json('aiohttp', 'aiohttp'),
        of_python('tornado', program('tornado'), 'tornado', 'tornado'),
        of_python('httplib2', program('httplib2'), 'httplib2', 'httplib2'),
        of_python('pyOpenSSL', program('pyopenssl'), 'OpenSSL', 'OpenSSL'),
        of_python('pycurl', lambda url, files: [PY, '-c', PYCURL, url,
                                                *files], 'pycurl', 'pycurl'),
        *nodes(),
        Client('Ruby net/http', program('ruby'), ['ruby', '--version']),
        Client('Perl LWP', program('perl_lwp'), [
            'perl', '-MLWP', '-e', 'print $LWP::VERSION'],
            module='perl:LWP::Protocol::https'),
        Client('Perl HTTP::Tiny', program('perl_tiny'), [
            'perl', '-MHTTP::Tiny', '-e', 'print $HTTP::Tiny::VERSION'],
            module='perl:IO::Socket::SSL'),
        Client('PHP streams', program('php_stream'), ['php', '--version'],
               needs=('php',), tls='OpenSSL'),
        Client('PHP curl', program('php_curl'), ['php', '--version'],
               needs=('php',), tls='OpenSSL'),
        Client('Lua luasec', program('lua'), [
            'lua5.3', '-e', 'print(require("ssl")._VERSION)'],
            module='lua'),
        Client('Tcl tls', shell(
            'printf %s "$TCL" > client.tcl; exec tclsh client.tcl "$@"'), [
            'sh', '-c', 'echo puts [package require tls] | tclsh'],
            needs=('tclsh',), env={'TCL': TCL}),
        built('Rust reqwest (native-tls)', 'client-reqwest',
              crate('reqwest')),
    ]
    return out + strangers(False) + over_plain() + strangers(True)
