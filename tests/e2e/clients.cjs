// An ordinary Node program: sends requests, prints what came back.
//   node clients.cjs KIND < requests.json     (same form as clients.py)
//   node clients.cjs KIND lines               (a program in mid-life: prints "ready", then each line of its
//                                              input is such a list, answered before the next is read)
// KIND: https, fetch, axios, undici, openai, anthropic, bedrock, google. The SDKs take {stream, ...} bodies
// and report {status, name, body, error} of what they returned or threw.
// Node 18 has it, but not as a global: the OpenAI client wants it for uploads.
globalThis.File = globalThis.File || require('node:buffer').File;
const https = require('https');
const kind = process.argv[2];
const http = require('http');
const plain = new http.Agent({ keepAlive: true, maxSockets: 1 });
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });

function viaHttps(r, alone) {
  return new Promise((resolve) => {
    const tls = r.url.startsWith('https');
    const q = (tls ? https : http).request(r.url, { method: r.method,
      headers: r.headers, agent: alone ? undefined : tls ? agent : plain,
      timeout: 30000 }, (a) => {
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

async function viaAxios(r) {
  const a = await require('axios').request({ url: r.url, method: r.method,
    headers: r.headers, data: r.body, responseType: 'arraybuffer',
    httpsAgent: agent, validateStatus: () => true, timeout: 30000 });
  return { status: a.status, headers: Object.fromEntries(
    Object.entries(a.headers)), body: Buffer.from(a.data).toString('latin1') };
}

async function viaUndici(r) {
  const a = await require('undici').request(r.url, { method: r.method,
    headers: r.headers, body: r.body, headersTimeout: 30000 });
  const b = Buffer.from(await a.body.arrayBuffer()).toString('latin1');
  return { status: a.statusCode, headers: a.headers, body: b };
}

async function collect(stream, text) {
  let body = '';
  for await (const e of stream) body += text(e) || '';
  return { status: 200, body };
}

// Any method by its name: {call: "images.edit", base, files: {image: base64}}.
async function callOpenai(r) {
  const { OpenAI, toFile } = require('openai');
  const client = new OpenAI({ apiKey: 'sk-test', timeout: 30000,
    baseURL: r.base, httpAgent: agent });
  const args = JSON.parse(r.body);
  for (const [k, v] of Object.entries(r.files || {}))
    args[k] = await toFile(Buffer.from(v, 'base64'), k + '.bin');
  const path = r.call.split('.');
  const last = path.pop();
  const at = path.reduce((o, k) => o[k], client);
  const a = await at[last](args, { headers: r.headers });
  if (a.arrayBuffer)
    return { status: 200, body: Buffer.from(await a.arrayBuffer())
      .toString('base64') };
  return args.stream ? collect(a, (e) => JSON.stringify(e))
    : { status: 200, body: JSON.stringify(a) };
}

let openai, anthropic;
async function viaOpenai(r) {
  if (r.call) return callOpenai(r);
  const { OpenAI } = require('openai');
  openai = openai || new OpenAI({ apiKey: 'sk-test', timeout: 30000 });
  const b = JSON.parse(r.body);
  const o = { headers: r.headers };
  if (r.url.endsWith('/embeddings')) {
    const a = await openai.embeddings.create(b, o);
    return { status: 200, body: JSON.stringify(a.data) };
  }
  if (r.url.endsWith('/responses')) {
    const a = await openai.responses.create(b, o);
    return b.stream ? collect(a, (e) => e.delta)
      : { status: 200, body: a.output_text };
  }
  const a = await openai.chat.completions.create(b, o);
  return b.stream ? collect(a, (e) => e.choices[0] && e.choices[0].delta.content)
    : { status: 200, body: a.choices[0].message.content };
}

async function viaAnthropic(r) {
  const { Anthropic } = require('@anthropic-ai/sdk');
  anthropic = anthropic ||
    new Anthropic({ apiKey: 'sk-ant-test', timeout: 30000 });
  const b = JSON.parse(r.body);
  const a = await anthropic.messages.create(b, { headers: r.headers });
  if (r.raw)
    return b.stream ? collect(a, (e) => JSON.stringify(e))
      : { status: 200, body: JSON.stringify(a) };
  return b.stream ? collect(a, (e) => e.delta && e.delta.text)
    : { status: 200, body: a.content[0].text };
}

let bedrock;
async function viaBedrock(r) {
  const aws = require('@aws-sdk/client-bedrock-runtime');
  const { NodeHttpHandler } = require('@smithy/node-http-handler');
  bedrock = bedrock || new aws.BedrockRuntimeClient({ region: 'us-east-1',
    requestHandler: new NodeHttpHandler(),
    credentials: { accessKeyId: 'AKIATEST', secretAccessKey: 'test' } });
  const [, modelId, verb] =
    decodeURIComponent(r.url).match(/\/model\/(.+)\/([\w-]+)$/);
  const name = { converse: 'ConverseCommand', invoke: 'InvokeModelCommand',
    'converse-stream': 'ConverseStreamCommand',
    'invoke-with-response-stream': 'InvokeModelWithResponseStreamCommand',
  }[verb];
  const input = verb.startsWith('invoke') ? { body: r.body } :
    JSON.parse(r.body);
  const command = new aws[name]({ modelId, ...input });
  command.middlewareStack.add((next) => (args) => {
    Object.assign(args.request.headers, r.headers);
    return next(args);
  }, { step: 'build' });
  const a = await bedrock.send(command);
  const chunk = (e) => JSON.parse(Buffer.from(e.chunk.bytes)).delta;
  if (verb === 'converse-stream')
    return collect(a.stream, (e) => e.contentBlockDelta &&
      e.contentBlockDelta.delta.text);
  if (verb === 'invoke-with-response-stream')
    return collect(a.body, (e) => chunk(e) && chunk(e).text);
  return { status: 200, body: verb === 'invoke' ?
    JSON.parse(Buffer.from(a.body)).content[0].text : a.output.message.content[0].text };
}

let google;
async function viaGoogle(r) {
  const { GoogleGenAI } = require('@google/genai');
  google = google || new GoogleGenAI({ apiKey: 'AIzaTest' });
  const [, model, verb] = r.url.match(/models\/(.+):(\w+)/);
  const b = JSON.parse(r.body);
  const call = { model, contents: b.contents,
    config: { ...b.generationConfig, httpOptions: { headers: r.headers } } };
  const text = (a) => JSON.stringify([a.text, a.usageMetadata]);
  if (verb === 'generateContent')
    return { status: 200, body: text(await google.models.generateContent(call)) };
  return collect(await google.models.generateContentStream(call), text);
}

const via = { https: viaHttps, fetch: viaFetch, axios: viaAxios,
  undici: viaUndici, openai: viaOpenai,
  anthropic: viaAnthropic, bedrock: viaBedrock, google: viaGoogle }[kind];
async function one(r, alone) {
  try {
    return await via(r, alone);
  } catch (e) {
    if (e.$metadata)
      return { status: e.$metadata.httpStatusCode, name: e.name,
        error: String(e.message), attempts: e.$metadata.attempts,
        body: JSON.stringify({ message: e.message }),
        headers: e.$response ? e.$response.headers : {} };
    return { status: e.status || 0, name: e.constructor.name,
      error: String(e.message), body: JSON.stringify(e.error || null),
      headers: e.headers ? Object.fromEntries(e.headers) : {} };
  }
}
async function all(spec, lines, print) {
  if (spec.parallel)
    print(await Promise.all(spec.requests.map((r) => one(r, lines))));
  else for (const r of spec.requests) print([await one(r)]);
}
const print = (out) => out.forEach((r) => console.log(JSON.stringify(r)));
(async () => {
  if (process.argv[3] === 'lines') {
    console.log('ready');
    const lines = require('readline').createInterface({ input: process.stdin });
    for await (const line of lines) await all(JSON.parse(line), true, print);
  } else {
    const out = [];    // at the end: prints between would be a client's own work
    await all(JSON.parse(require('fs').readFileSync(0, 'utf8')), false,
      (a) => out.push(...a));
    print(out);
  }
  agent.destroy();
  plain.destroy();
})();
