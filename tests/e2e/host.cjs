// A Node program that is its own TLS server and client, to see whether it
// behaves under the guard as without: node host.cjs HOW [ARG], prints a line.
const https = require('https');
const cp = require('child_process');
const crypto = require('crypto');
const wt = require('worker_threads');
const { once } = require('events');

const HOST = process.env.TEST_SNI || 'localhost';
const { TEST_KEY: key, TEST_CERT: cert } = process.env;
const sha = (b) => crypto.createHash('sha256').update(b).digest('hex');

// The answer is made of the request, so both ways show in its hash.
function serve(req, res) {
  const h = crypto.createHash('sha256');
  let n = 0;
  req.on('data', (b) => { h.update(b); n += b.length; });
  req.on('end', () => {
    const size = Number(req.headers['x-size'] || 0);
    const seed = h.digest();
    res.setHeader('x-got', `${n}-${seed.toString('hex')}`);
    const out = Buffer.alloc(size, seed);
    if (req.headers['x-hold']) return; // never answered
    res.setHeader('content-type', 'application/json');
    if (!req.headers['x-pieces']) return res.end(out);
    for (let at = 0; at < size; at += 7001) res.write(out.subarray(at, at + 7001));
    res.end();
  });
}

async function start() {
  const s = https.createServer({ key: require('fs').readFileSync(key),
    cert: require('fs').readFileSync(cert) }, serve);
  s.listen(0, '127.0.0.1');
  await once(s, 'listening');
  return s;
}

function ask(port, body, headers = {}, agent = undefined, path = '/') {
  return new Promise((done, no) => {
    const r = https.request({ host: '127.0.0.1', port, servername: HOST, path,
      method: 'POST', agent, rejectUnauthorized: false,
      headers: { host: HOST, 'content-type': 'application/json',
        'content-length': body.length, ...headers } }, (a) => {
      const parts = [];
      a.on('data', (b) => parts.push(b));
      a.on('end', () => done(`${a.statusCode} ${a.headers['x-got']} ` +
        sha(Buffer.concat(parts))));
      a.on('error', no);
    });
    r.on('error', no);
    for (let at = 0; at < body.length; at += 50021) {
      r.write(body.subarray(at, at + 50021));
    }
    r.end();
  });
}

function chat(n) {
  return Buffer.from(JSON.stringify({ model: 'gpt-4o-mini', max_tokens: 9,
    messages: [{ role: 'user', content: 'x'.repeat(n) }] }));
}

const how = {
  // bytes of all sizes, both ways, over one connection and over several
  async bytes(port) {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 3 });
    const out = [];
    for (const n of [0, 1, 16383, 16384, 16385, 1 << 20, 6 << 20]) {
      const one = [ask(port, Buffer.alloc(n, 'ab'), { 'x-size': n }, agent),
        ask(port, Buffer.alloc(n, 'c'), { 'x-size': n + 1, 'x-pieces': 1 }),
        ask(port, chat(n), { 'x-size': n }, agent, '/v1/chat/completions')];
      out.push(...await Promise.all(one));
    }
    agent.destroy();
    return sha(out.join('\n')) + ' ' + out.length;
  },
  // requests while processes are forked, executed and threads come and go
  async storm(port) {
    const jobs = [];
    for (let i = 0; i < 40; i++) {
      jobs.push(ask(port, Buffer.alloc(i * 1000, 'z'), { 'x-size': 5000 }));
      jobs.push(new Promise((done) => cp.execFile('/bin/true', (e) =>
        done(String(e)))));
      if (i % 5 === 0) {
        const c = cp.spawnSync('/bin/sh', ['-c', 'cat; exit 3'], { input: 'q' });
        jobs.push(`${c.status}${c.stdout}`);
      }
      if (i % 10 === 0) {
        jobs.push(new Promise((done) => {
          const w = new wt.Worker(__filename, { argv: ['once', port],
            stdout: true });
          w.on('message', done);
          w.on('error', (e) => done(String(e)));
        }));
      }
    }
    return sha((await Promise.all(jobs)).join('\n')) + ' ' + jobs.length;
  },
  async once(port) {
    return ask(port, Buffer.alloc(100, 'o'), { 'x-size': 100 });
  },
  // ends in the middle of a request that is never answered
  async exit(port) { how.held(port); setTimeout(() => process.exit(7), 200); },
  async throw(port) {
    how.held(port);
    setTimeout(() => { throw new Error('not caught'); }, 200);
  },
  async term(port) {
    how.held(port);
    setTimeout(() => process.kill(process.pid, 'SIGTERM'), 200);
  },
  async kill(port) {
    how.held(port);
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 200);
  },
  held(port) {
    ask(port, chat(20), { 'x-hold': 1 }, undefined, '/v1/chat/completions')
      .catch(() => {});
  },
  // exits while half of a body has left the program and is held back
  async half(port) {
    const r = https.request({ host: '127.0.0.1', port, servername: HOST,
      path: '/v1/chat/completions', method: 'POST', rejectUnauthorized: false,
      headers: { host: HOST, 'content-type': 'application/json',
        'content-length': 1000 } });
    r.on('error', () => {});
    r.write('{"model": "gpt-4o-mini", "max_tokens": 9');
    setTimeout(() => process.exit(8), 300);
  },
  async inspect(port) {
    const inspector = require('inspector');
    const s = new inspector.Session();
    s.connect();
    const post = (m, p) => new Promise((done, no) => s.post(m, p, (e, r) =>
      e ? no(e) : done(r)));
    await post('Profiler.enable');
    await post('Profiler.start');
    const all = await Promise.all(Array.from({ length: 20 }, () =>
      how.once(port)));
    const { profile } = await post('Profiler.stop');
    await post('HeapProfiler.collectGarbage');
    s.disconnect();
    return sha(all.join()) + ' ' + (profile.nodes.length > 1);
  },
  // many requests: RSS at a quarter of the time and at the end, in MB
  async soak(port, seconds) {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 4 });
    const end = Date.now() + 1000 * seconds, begin = Date.now();
    let n = 0, early = 0;
    const rss = () => { global.gc?.(); return process.memoryUsage().rss / 2 ** 20; };
    while (Date.now() < end) {
      await Promise.all(Array.from({ length: 4 }, (_, i) => ask(port,
        chat(100 * i), { 'x-size': 300 }, n % 3 ? agent : undefined,
        '/v1/chat/completions')));
      n += 4;
      if (!early && Date.now() - begin > 250 * seconds) early = rss();
    }
    agent.destroy();
    return `${n} ${early.toFixed(0)} ${rss().toFixed(0)}`;
  },
};

(async () => {
  const [, , what, arg] = process.argv;
  if (!wt.isMainThread) {
    wt.parentPort.postMessage(await how.once(Number(arg)));
    return;
  }
  const s = await start();
  const said = await how[what](s.address().port, Number(arg || 0));
  if (said === undefined) return;
  console.log(said);
  s.closeAllConnections();
  s.close();
})();
