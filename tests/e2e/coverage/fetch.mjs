// An ordinary program for Bun, Deno and Node, used as client.go is.
import fs from 'node:fs';
import process from 'node:process';

for (const f of process.argv.slice(3)) {
  const r = await fetch(process.argv[2], { method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: fs.readFileSync(f) });
  console.log(r.status, (await r.arrayBuffer()).byteLength);
}
