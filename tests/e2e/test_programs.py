#!/usr/bin/python3
"""Programs of many makes against one guarded host: what they print within
budget is what they print without the guard; refused, they see a 429 at once.

Each sends three POSTs in one process, as JSON, as a stream and of 1.5 MB, and
prints status and length of each answer. Those that are not installed skip.
"""
import json
import os
import shutil
import time

from harness import NODE, PY, Skip, chat_body, eq, main, ok, sanitizer

PHP_CURL = r'''
$c = curl_init();
foreach (array_slice($argv, 2) as $f) {
  curl_setopt_array($c, [CURLOPT_URL => $argv[1], CURLOPT_POSTFIELDS =>
    file_get_contents($f), CURLOPT_RETURNTRANSFER => true,
    CURLOPT_CAINFO => getenv('SSL_CERT_FILE'),
    CURLOPT_HTTPHEADER => ['Content-Type: application/json']]);
  $b = curl_exec($c);
  echo curl_getinfo($c, CURLINFO_RESPONSE_CODE), ' ', strlen($b), "\n";
  if ($b === false) echo curl_error($c), "\n";
}'''
PHP_STREAM = r'''
foreach (array_slice($argv, 2) as $f) {
  $x = stream_context_create(['http' => ['method' => 'POST', 'header' =>
    "Content-Type: application/json", 'content' => file_get_contents($f),
    'ignore_errors' => true, 'timeout' => 20],
    'ssl' => ['cafile' => getenv('SSL_CERT_FILE')]]);
  $b = file_get_contents($argv[1], false, $x);
  echo explode(' ', $http_response_header[0])[1], ' ', strlen($b), "\n";
}'''
RUBY = r'''
require 'net/http'
u = URI(ARGV.shift)
Net::HTTP.start(u.host, u.port, use_ssl: true) do |h|
  ARGV.each do |f|
    r = h.post(u.path, File.read(f), 'Content-Type' => 'application/json')
    puts "#{r.code} #{r.body.size}"
  end
end'''
LWP = r'''
use LWP::UserAgent;
my $u = shift;
my $a = LWP::UserAgent->new(keep_alive => 2, timeout => 20);
for (@ARGV) {
  open my $f, '<', $_; local $/; my $b = <$f>;
  my $r = $a->post($u, 'Content-Type' => 'application/json', Content => $b);
  print $r->code, ' ', length($r->content), "\n";
}'''
TINY = r'''
use HTTP::Tiny;
my $u = shift;
my $a = HTTP::Tiny->new(timeout => 20, verify_SSL => 1);
for (@ARGV) {
  open my $f, '<', $_; local $/; my $b = <$f>;
  my $r = $a->post($u, {headers => {'Content-Type' => 'application/json'},
    content => $b});
  print $r->{status}, ' ', length($r->{content}), "\n";
}'''
LUA = r'''
local https = require 'ssl.https'
local ltn12 = require 'ltn12'
for i = 2, #arg do
  local f = io.open(arg[i]); local b = f:read('*a'); f:close()
  local out = {}
  local ok, code = https.request{url = arg[1], method = 'POST',
    headers = {['Content-Type'] = 'application/json',
      ['Content-Length'] = #b}, source = ltn12.source.string(b),
    sink = ltn12.sink.table(out), cafile = os.getenv('SSL_CERT_FILE'),
    verify = 'peer'}
  print(code, #table.concat(out))
end'''
TORNADO = r'''
import sys
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop
async def go():
    c = AsyncHTTPClient()
    for f in sys.argv[2:]:
        r = await c.fetch(sys.argv[1], method='POST', raise_error=False,
                          body=open(f, 'rb').read(), headers={
                              'Content-Type': 'application/json'})
        print(r.code, len(r.body))
IOLoop.current().run_sync(go)'''
URLLIB3 = r'''
import os, sys, urllib3
p = urllib3.PoolManager(ca_certs=os.environ['SSL_CERT_FILE'])
for f in sys.argv[2:]:
    r = p.request('POST', sys.argv[1], body=open(f, 'rb').read(), headers={
        'Content-Type': 'application/json'}, timeout=20)
    print(r.status, len(r.data))'''
HTTPLIB2 = r'''
import os, sys, httplib2
h = httplib2.Http(ca_certs=os.environ['SSL_CERT_FILE'], timeout=20)
for f in sys.argv[2:]:
    r, b = h.request(sys.argv[1], 'POST', open(f, 'rb').read(),
                     {'Content-Type': 'application/json'})
    print(r.status, len(b))'''
PYOPENSSL = r'''
import os, socket, sys, urllib.parse
from OpenSSL import SSL
u = urllib.parse.urlsplit(sys.argv[1])
x = SSL.Context(SSL.TLS_CLIENT_METHOD)
x.load_verify_locations(os.environ['SSL_CERT_FILE'])
for f in sys.argv[2:]:
    b = open(f, 'rb').read()
    c = SSL.Connection(x, socket.create_connection((u.hostname, u.port)))
    c.set_tlsext_host_name(u.hostname.encode())
    c.set_connect_state()
    c.do_handshake()
    c.sendall(b'POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n'
              b'Connection: close\r\n\r\n' % (
                  u.path.encode(), u.netloc.encode(), len(b)))
    c.sendall(b)
    got = b''
    try:
        while True:
            got += c.recv(4096)
    except (SSL.ZeroReturnError, SSL.SysCallError):
        pass
    print(got.split()[1].decode(), len(got.partition(b'\r\n\r\n')[2]))'''
HTTPX_H2 = r'''
import sys, httpx
with httpx.Client(http2=True, timeout=20) as c:
    for f in sys.argv[2:]:
        r = c.post(sys.argv[1], content=open(f, 'rb').read(), headers={
            'Content-Type': 'application/json'})
        print(r.status_code, len(r.content), r.http_version)'''
THREADS = r'''
import concurrent.futures, sys, urllib.request, urllib.error
def go(f):
    q = urllib.request.Request(sys.argv[1], open(f, 'rb').read(),
                               {'Content-Type': 'application/json'})
    try:
        r = urllib.request.urlopen(q, timeout=20)
    except urllib.error.HTTPError as e:
        r = e
    return r.status, len(r.read())
with concurrent.futures.ThreadPoolExecutor(3) as ex:
    for s, n in ex.map(go, sys.argv[2:]):
        print(s, n)'''
# the server listens on 127.0.0.1 alone, Node tries ::1 and no other
V4 = '--dns-result-order=ipv4first'
NODE_HTTPS = r'''
const https = require('https'), fs = require('fs');
const agent = new https.Agent({keepAlive: true, maxSockets: 1});
const one = f => new Promise((ok, no) => {
  const q = https.request(process.argv[1], {method: 'POST', agent,
    headers: {'Content-Type': 'application/json'}}, r => {
    let n = 0; r.on('data', d => n += d.length);
    r.on('end', () => { console.log(r.statusCode, n); ok(); }); });
  q.on('error', no); q.end(fs.readFileSync(f)); });
(async () => { for (const f of process.argv.slice(2)) await one(f); })();'''
NODE_FETCH = r'''
const fs = require('fs');
(async () => { for (const f of process.argv.slice(2)) {
  const r = await fetch(process.argv[1], {method: 'POST',
    body: fs.readFileSync(f), headers: {'Content-Type': 'application/json'}});
  console.log(r.status, (await r.arrayBuffer()).byteLength); } })();'''


def curl(*more):
    def argv(url, files):
        out = ['curl', '-sS', '-m', '20']
        for i, f in enumerate(files):
            out += (['--next', '-sS', '-m', '20'] if i else []) + \
                [*more, '--cacert', os.environ.get('CA', ''), '-H',
                 'Content-Type: application/json', '-w',
                 '%{http_code} %{size_download}\\n', '-o', '/dev/null',
                 '--data-binary', '@' + f, url]
        return out
    return argv


def script(*command):
    return lambda url, files: [*command, url, *files]


def py(code, module=None):
    return script(PY, '-c', code), module


# name: argv of (url, files), python module that it needs
PROGRAMS = {
    'curl': (curl(), None),
    'curl11': (curl('--http1.1'), None),
    'curl_chunked': (curl('-H', 'Transfer-Encoding: chunked'), None),
    'curl_upload': (lambda url, files: [
        x if x != '--data-binary' else '-T' for x in
        [y.lstrip('@') for y in curl('-X', 'POST')(url, files)]], None),
    'curl_tls12': (curl('--tls-max', '1.2'), None),
    'php_curl': (script('php', '-r', PHP_CURL, '--'), None),
    'php_stream': (script('php', '-r', PHP_STREAM, '--'), None),
    'ruby': (script('ruby', '-e', RUBY), None),
    'perl_lwp': (script('perl', '-e', LWP), 'perl:LWP::Protocol::https'),
    'perl_tiny': (script('perl', '-e', TINY), 'perl:IO::Socket::SSL'),
    'lua': (script('lua5.3', '@lua', LUA), 'lua'),
    'tornado': py(TORNADO, 'tornado'),
    'urllib3': py(URLLIB3, 'urllib3'),
    'httplib2': py(HTTPLIB2, 'httplib2'),
    'pyopenssl': py(PYOPENSSL, 'OpenSSL'),
    'httpx_h2': py(HTTPX_H2, 'httpx,h2'),
    'threads': py(THREADS),
    'node_https': (script(NODE, V4, '-e', NODE_HTTPS), None),
    'node_fetch': (script(NODE, V4, '-e', NODE_FETCH), None),
}
# PHP opens its extensions so that nothing can be interposed: patched where
# they are, and woken by a request of our own (test_patch.py, docs/coverage.md).
UNSEEN = ('php_curl',)
BASE = 'hosts: {localhost: openai}\nmodels:\n' \
    '  - {match: "*", host: localhost, pricing_id: openai/gpt-4o-mini}\n' \
    'budgets:\n  - {name: cap, scope: global, period: %s, limit_usd: %s, ' \
    'hard: true}\n'


def missing(box, argv, module):
    if not shutil.which(argv[0]):
        return os.path.basename(argv[0])
    test = None
    if module and module.startswith('perl:'):
        test = ['perl', '-M' + module[5:], '-e', '1']
    elif module == 'lua':
        test = ['lua5.3', '-e', 'require "ssl.https"']
    elif module:
        test = [PY, '-c', 'import ' + module]
    if test and box.run(test, guard=False).returncode:
        return module
    return None


def prepare(box, name):
    build, module = PROGRAMS[name]
    files = []
    for i, b in enumerate((
            chat_body(metadata={'x-test': 'seq=1;in=90;out=7'}),
            chat_body(stream=True, metadata={'x-test': 'seq=1;in=90;out=7'}),
            chat_body(text='a "quoted" word\n' * 90000,
                      metadata={'x-test': 'seq=1;in=90;out=7'}))):
        files.append(os.path.join(box.dir, 'q%d.json' % i))
        with open(files[-1], 'w') as f:
            json.dump(b, f)
    os.environ['CA'] = box.server.ca
    url = 'https://localhost:%d/v1/chat/completions' % box.server.port
    argv = build(url, files)
    if '@lua' in argv:
        at = argv.index('@lua')
        path = os.path.join(box.dir, 'client.lua')
        with open(path, 'w') as f:
            f.write(argv[at + 1])
        argv[at:at + 2] = [path]
    if argv[0] == 'php' and sanitizer():
        raise Skip('PHP uses RTLD_DEEPBIND, which sanitizers refuse')
    lacks = missing(box, argv, module)
    if lacks:
        raise Skip('no ' + lacks)
    return argv


def arrived(box, since=0):
    """Perl and Lua shuffle their header fields at every start."""
    return sorted((sorted(e['head'].split('\r\n')), e['sha256'])
                  for e in box.arrived()[since:])


def timed(box, argv, **k):
    start = time.monotonic()
    p = box.run(argv, TEST_PORT=None,
                PERL_LWP_SSL_CA_FILE=box.server.ca, **k)
    return p, time.monotonic() - start


def program(box, name):
    argv = prepare(box, name)
    box.config(BASE % ('total', 100))
    bare, took_bare = timed(box, argv, guard=False)
    eq([x.split()[0] for x in bare.stdout.splitlines()], [b'200'] * 3,
       'bare: %r' % bare.stderr)
    sent = arrived(box)
    got, took = timed(box, argv)
    eq((got.stdout, got.stderr, got.returncode),
       (bare.stdout, bare.stderr, bare.returncode), 'output')
    eq(arrived(box, len(sent)), sent, 'what the server got')
    # who is not woken waits for its own time-out, 20 s; curl may sleep
    # for a second through our 100 Continue
    slack = 10
    ok(took < took_bare + slack, 'took %.2f s, bare %.2f s' % (took, took_bare))
    if name in UNSEEN:
        return
    eq([(r['model'], r['input_tokens'], r['output_tokens'], r['usage_state'],
         str(r['cost_usd'])) for r in box.rows()],
       [('gpt-4o-mini', 90, 7, 'exact', '0.0000177')] * 3, 'rows')
    eq(box.budget_status()['held_usd'], 0, 'held')
    box.config(BASE % ('daily', 0))
    n = len(box.arrived())
    got, took = timed(box, argv)
    eq([x.split()[0] for x in got.stdout.splitlines()], [b'429'] * 3,
       'refused: %r' % got.stderr)
    ok(took < took_bare + slack, 'refused in %.2f s, bare %.2f s' % (
        took, took_bare))
    eq(box.arrived()[n:], [], 'what the server got of it')
    eq([r['verdict'] for r in box.rows()[3:]], ['block'] * 3, 'verdicts')


def make_case(name):
    return lambda box: program(box, name)


for _name in PROGRAMS:
    globals()['case_' + _name] = make_case(_name)

if __name__ == '__main__':
    main(globals())
