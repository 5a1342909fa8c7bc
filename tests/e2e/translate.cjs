// node translate.cjs URL: every official SDK reads what test_translate.py's
// translator serves at URL, in every scenario, streamed and not. One JSON line
// each: {case, text, calls, stop, model, usage: [in, out]} or {case, error}.
'use strict';
const [, , root] = process.argv;
const OpenAI = require('openai').OpenAI;
const { Anthropic } = require('@anthropic-ai/sdk');
const { GoogleGenAI } = require('@google/genai');
const aws = require('@aws-sdk/client-bedrock-runtime');
const { NodeHttpHandler } = require('@smithy/node-http-handler');

const SCHEMA = { type: 'object', properties: { a: { type: 'integer' } } };
const FN = { name: 'add', description: 'adds', parameters: SCHEMA };
const OLD = '{"a":0}';

const openai = (kind) => new OpenAI({ apiKey: 'k', maxRetries: 0,
  baseURL: `${root}/${kind}/v1` });
const calls = (list) => list.map((c) => [c.name, JSON.parse(c.arguments)]);

async function chat(kind, model, stream) {
  const body = { model, messages: [
    { role: 'developer', content: 'be brief' },
    { role: 'user', content: [{ type: 'text', text: 'hi' }] },
    { role: 'assistant', content: null, tool_calls: [{ id: 'c9',
      type: 'function', function: { name: 'add', arguments: OLD } }] },
    { role: 'tool', tool_call_id: 'c9', content: '0' }],
  tools: [{ type: 'function', function: FN }] };
  const api = openai(kind).chat.completions;
  const a = stream ? await api.stream({ ...body,
    stream_options: { include_usage: true } }).finalChatCompletion()
    : await api.create(body);
  const m = a.choices[0].message;
  return { text: m.content || '', model: a.model,
    calls: calls((m.tool_calls || []).map((c) => c.function)),
    stop: a.choices[0].finish_reason,
    usage: [a.usage.prompt_tokens, a.usage.completion_tokens] };
}

async function responses(kind, model, stream) {
  const body = { model, instructions: 'be brief', input: [
    { role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
    { type: 'function_call', call_id: 'c9', name: 'add', arguments: OLD },
    { type: 'function_call_output', call_id: 'c9', output: '0' }],
  tools: [{ type: 'function', ...FN, strict: false }] };
  const api = openai(kind).responses;
  const a = stream ? await api.stream(body).finalResponse()
    : await api.create(body);
  return { text: a.output_text, model: a.model,
    calls: calls(a.output.filter((i) => i.type === 'function_call')),
    stop: a.incomplete_details ? a.incomplete_details.reason : a.status,
    usage: [a.usage.input_tokens, a.usage.output_tokens] };
}

async function messages(kind, model, stream) {
  const api = new Anthropic({ apiKey: 'k', maxRetries: 0,
    baseURL: `${root}/${kind}` }).messages;
  const body = { model, max_tokens: 50, system: 'be brief', messages: [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'c9', name: 'add',
      input: { a: 0 } }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c9',
      content: '0' }] }],
  tools: [{ name: 'add', description: 'adds', input_schema: SCHEMA }] };
  const a = stream ? await api.stream(body).finalMessage()
    : await api.create(body);
  return { model: a.model, stop: a.stop_reason,
    text: a.content.filter((b) => b.type === 'text').map((b) => b.text).join(''),
    calls: a.content.filter((b) => b.type === 'tool_use')
      .map((b) => [b.name, b.input]),
    usage: [a.usage.input_tokens, a.usage.output_tokens] };
}

async function gemini(kind, model, stream) {
  const api = new GoogleGenAI({ apiKey: 'k', httpOptions: {
    baseUrl: `${root}/${kind}` } }).models;
  const body = { model, contents: [
    { role: 'user', parts: [{ text: 'hi' }] },
    { role: 'model', parts: [{ functionCall: { name: 'add',
      args: { a: 0 } } }] },
    { role: 'user', parts: [{ functionResponse: { name: 'add',
      response: { output: 0 } } }] }],
  config: { systemInstruction: 'be brief', tools: [{ functionDeclarations: [
    { ...FN, parameters: { type: 'OBJECT', properties: {
      a: { type: 'INTEGER' } } } }] }] } };
  const got = { text: '', calls: [] };
  const put = (a) => {
    const c = (a.candidates || [])[0] || {};
    got.text += ((c.content || {}).parts || []).map((p) => p.text || '').join('');
    got.calls.push(...(a.functionCalls || []).map((f) => [f.name, f.args]));
    got.model = a.modelVersion;
    got.stop = c.finishReason || got.stop;
    const u = a.usageMetadata;
    got.usage = u ? [u.promptTokenCount, u.candidatesTokenCount] : got.usage;
  };
  if (stream)
    for await (const a of await api.generateContentStream(body))
      put(a);
  else
    put(await api.generateContent(body));
  return got;
}

async function converse(kind, model, stream) {
  const api = new aws.BedrockRuntimeClient({ region: 'us-east-1',
    endpoint: `${root}/${kind}`, maxAttempts: 1,
    requestHandler: new NodeHttpHandler(),
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' } });
  const body = { modelId: model, system: [{ text: 'be brief' }], messages: [
    { role: 'user', content: [{ text: 'hi' }] },
    { role: 'assistant', content: [{ toolUse: { toolUseId: 'c9', name: 'add',
      input: { a: 0 } } }] },
    { role: 'user', content: [{ toolResult: { toolUseId: 'c9',
      content: [{ text: '0' }] } }] }],
  toolConfig: { tools: [{ toolSpec: { name: 'add', description: 'adds',
    inputSchema: { json: SCHEMA } } }] } };
  if (!stream) {
    const a = await api.send(new aws.ConverseCommand(body));
    const list = a.output.message.content;
    return { stop: a.stopReason, text: list.map((b) => b.text || '').join(''),
      calls: list.filter((b) => b.toolUse)
        .map((b) => [b.toolUse.name, b.toolUse.input]),
      usage: [a.usage.inputTokens, a.usage.outputTokens] };
  }
  const got = { text: '', calls: [] };
  const a = await api.send(new aws.ConverseStreamCommand(body));
  for await (const e of a.stream) {
    const d = e.contentBlockDelta && e.contentBlockDelta.delta;
    if (e.contentBlockStart)
      got.calls.push([e.contentBlockStart.start.toolUse.name, '']);
    else if (d && d.toolUse)
      got.calls[got.calls.length - 1][1] += d.toolUse.input;
    else if (d)
      got.text += d.text;
    else if (e.messageStop)
      got.stop = e.messageStop.stopReason;
    else if (e.metadata)
      got.usage = [e.metadata.usage.inputTokens, e.metadata.usage.outputTokens];
  }
  got.calls = got.calls.map(([n, s]) => [n, JSON.parse(s)]);
  return got;
}

async function main() {
  const apis = { chat, responses, messages, gemini, converse };
  for (const kind of ['openai', 'ollama'])
    for (const name of Object.keys(apis))
      for (const scenario of ['text', 'tools', 'length', 'missing', 'broken'])
        for (const stream of [false, true]) {
          const line = { case: [name, kind, scenario,
            stream ? 'stream' : 'whole'].join(' ') };
          try {
            Object.assign(line, await apis[name](kind, scenario, stream));
          } catch (e) {
            line.error = String(e.message || e);
            line.status = e.status || (e.$metadata || {}).httpStatusCode;
            line.name = e.constructor.name;
          }
          console.log(JSON.stringify(line));
        }
}
main();
