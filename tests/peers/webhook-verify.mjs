// Verifies webhooks with the official Standard Webhooks library.
//
// Reads JSON lines {"secret":…,"headers":{…},"body":…} from standard input and answers each with
// {"event":"verdict","ok":true,"payload":…} or {"event":"verdict","ok":false,"error":…}.
import { createInterface } from 'node:readline';
import { Webhook } from 'standardwebhooks';

function verdict({ secret, headers, body }) {
  try {
    return { event: 'verdict', ok: true, payload: new Webhook(secret).verify(body, headers) };
  } catch (error) {
    return { event: 'verdict', ok: false, error: error.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(verdict(JSON.parse(line)))}\n`);
}
