// Sends requests over one HTTP/2 connection, all at the same time or one after
// the other; a JSON line for each result, in their order.
// stdin: {requests, parallel, settings}; a request may say cancel: N (bytes of
// the answer after which it is reset).
const http2 = require('http2');
const fs = require('fs');
const net = require('net');
const input = JSON.parse(fs.readFileSync(0, 'utf8'));
const url = new URL(input.requests[0].url);
const session = http2.connect(url.origin, {settings: input.settings || {}});
const results = [];
session.on('error', (e) => { results.push({error: 'session ' + e.code}); });

function one(r) {
  return new Promise((done) => {
    const u = new URL(r.url);
    const h = {':method': r.method, ':path': u.pathname + u.search};
    for (const [k, v] of Object.entries(r.headers)) h[k.toLowerCase()] = v;
    const out = {status: 0, headers: {}, body: '', trailers: null};
    const got = [];
    let s;
    try {
      s = session.request(h, {endStream: r.body === null});
    } catch (e) {
      done(Object.assign(out, {error: e.code}));
      return;
    }
    let n = 0;
    s.on('response', (x) => {
      out.status = x[':status'];
      for (const [k, v] of Object.entries(x)) {
        if (!k.startsWith(':')) out.headers[k] = String(v);
      }
    });
    s.on('trailers', (x) => { out.trailers = Object.assign({}, x); });
    s.on('data', (d) => {
      got.push(d);
      n += d.length;
      if (r.cancel && n >= r.cancel) s.close(http2.constants.NGHTTP2_CANCEL);
    });
    s.on('error', (e) => { out.error = e.code + ' ' + e.message; });
    s.on('close', () => {
      out.rst = s.rstCode;
      out.body = Buffer.concat(got).toString('latin1');
      done(out);
    });
    if (r.body !== null) s.end(Buffer.from(r.body, 'utf8'));
  });
}

(async () => {
  const watch = setTimeout(() => { console.error('late'); process.exit(3); },
    40000);
  if (input.parallel) {
    results.push(...await Promise.all(input.requests.map(one)));
  } else {
    for (const r of input.requests) results.push(await one(r));
  }
  for (const r of results) console.log(JSON.stringify(r));
  clearTimeout(watch);
  session.close();
})();
