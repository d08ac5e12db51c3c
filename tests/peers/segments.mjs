// Counts the parts of SMS texts with Twilio's own calculator (the npm package sms-segments-calculator).
//
// Reads JSON lines from standard input, each a list of texts, and answers each with
// {"event":"counted","items":[{"encoding":"GSM-7" | "UCS-2","parts":…,"units":…}]}: units are septets or UTF-16 units.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const { SegmentedMessage } = createRequire(import.meta.url)('sms-segments-calculator');

function count(text) {
  const message = new SegmentedMessage(text, 'auto', false);
  const encoding = message.getEncodingName();
  return { encoding, parts: message.segmentsCount, units: message.messageSize / (encoding === 'GSM-7' ? 7 : 16) };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify({ event: 'counted', items: JSON.parse(line).map(count) })}\n`);
}
