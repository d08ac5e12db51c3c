// Posts events with the official CloudEvents SDK.
//
//   node cloudevents-post.mjs <url> <key> <structured|binary|batch>   with a JSON list of events on standard input
//
// Prints one JSON line per request: {"event":"answer","status":…,"body":…}.
import { CloudEvent, HTTP } from 'cloudevents';

const [url, key, mode] = process.argv.slice(2);

async function post(message) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...message.headers, authorization: `Bearer ${key}` },
    body: message.body,
  });
  const body = await answer.text();
  process.stdout.write(`${JSON.stringify({ event: 'answer', status: answer.status, body })}\n`);
}

let input = '';
for await (const chunk of process.stdin) input += chunk;
const events = JSON.parse(input).map((event) => new CloudEvent(event));

if (mode === 'batch') {
  // The SDK reads batches but has no writer for them; each member is still its own structured form.
  const members = events.map((event) => HTTP.structured(event).body);
  await post({
    headers: { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' },
    body: `[${members.join(',')}]`,
  });
} else {
  const write = mode === 'binary' ? HTTP.binary : HTTP.structured;
  for (const event of events) await post(write(event));
}
