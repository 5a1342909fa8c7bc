// A Node program in mid-life: prints "ready"; each line of its input is
// {parallel, requests}, each request gets one line of output.
//   node client.cjs https|fetch
const https = require('https');
const kind = process.argv[2];
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });

function viaHttps(r, parallel) {
  return new Promise((resolve) => {
    const q = https.request(r.url, { method: r.method, headers: r.headers,
      agent: parallel ? undefined : agent, timeout: 30000 }, (a) => {
      const got = [];
      a.on('data', (d) => got.push(d));
      a.on('error', (e) => resolve({ status: 0, error: String(e) }));
      a.on('end', () => resolve({ status: a.statusCode, headers: a.headers,
        body: Buffer.concat(got).toString('latin1') }));
    });
    q.on('timeout', () => q.destroy(new Error('timeout')));
    q.on('error', (e) => resolve({ status: 0, error: String(e) }));
    if (r.body !== undefined && r.body !== null)
      q.write(Buffer.from(r.body, 'latin1'));
    q.end();
  });
}

async function viaFetch(r) {
  const a = await fetch(r.url, { method: r.method, headers: r.headers,
    body: r.body === undefined ? undefined : r.body,
    signal: AbortSignal.timeout(30000) });
  const b = Buffer.from(await a.arrayBuffer()).toString('latin1');
  return { status: a.status, headers: Object.fromEntries(a.headers), body: b };
}

const one = async (r, parallel) => {
  try {
    return await (kind === 'https' ? viaHttps : viaFetch)(r, parallel);
  } catch (e) {
    return { status: 0, error: String(e.cause || e) };
  }
};

async function main() {
  console.log('ready');
  const lines = require('readline').createInterface({ input: process.stdin });
  for await (const line of lines) {
    const spec = JSON.parse(line);
    if (spec.parallel) {
      for (const r of await Promise.all(
        spec.requests.map((x) => one(x, true))))
        console.log(JSON.stringify(r));
    } else {
      for (const r of spec.requests)
        console.log(JSON.stringify(await one(r, false)));
    }
  }
  process.exit(0);
}
main();
