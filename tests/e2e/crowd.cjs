// One request from each of several threads or processes of a Node program:
//   node crowd.cjs worker|fork|spawn|cluster N URL BODY
// prints the statuses in a line. spawn: through a shell.
const [, , how, n, url, body] = process.argv;

async function one() {
  const a = await fetch(url, { method: 'POST', body, headers: {
    'content-type': 'application/json', authorization: 'Bearer sk-x' } });
  await a.text();
  return a.status;
}

function finish(p) {
  p.then((all) => console.log(all.sort().join(' ')));
}

const wt = require('worker_threads');
const cp = require('child_process');
const cluster = require('cluster');
const children = (make) => finish(Promise.all(Array.from({ length: +n }, make)));

if (!wt.isMainThread) {
  one().then((s) => wt.parentPort.postMessage(s));
} else if (how === 'child') {
  one().then((s) => {
    if (process.send) process.send(s, () => process.disconnect());
    else console.log(s);
  });
} else if (how === 'worker') {
  children(() => new Promise((done, no) => {
    const w = new wt.Worker(__filename, { argv: process.argv.slice(2) });
    w.on('message', done);
    w.on('error', no);
  }));
} else if (how === 'fork') {
  children(() => new Promise((done) => cp.fork(__filename,
    ['child', n, url, body]).on('message', done)));
} else if (how === 'spawn') {
  children(() => new Promise((done) => cp.execFile('/bin/sh', ['-c',
    '"$0" --require "$1" "$2" child 1 "$3" "$4"', process.execPath,
    process.execArgv[1], __filename, url, body],
  (e, out) => done(e ? String(e) : out.trim()))));
} else if (cluster.isPrimary) {
  cluster.setupPrimary({ args: ['cluster', n, url, body] });
  children(() => new Promise((done) => cluster.fork().on('message', done)));
} else {
  one().then((s) => process.send(s, () => process.disconnect()));
}
