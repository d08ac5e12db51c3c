// Signs calls as SMS vendors do, with the vendors' own libraries: npm twilio, @vonage/server-sdk, @vonage/jwt. Meta has
// none for Node; its rule is one line of Node's own crypto.
//
// Reads JSON lines from standard input and answers each with {"event":"signed","signature":…}:
//   {"vendor":"twilio","token":…,"url":…,"parameters":{…}}
//   {"vendor":"twilio_body","token":…,"url":…,"body":…}          also gives "url", with bodySHA256 in it
//   {"vendor":"vonage","method":…,"secret":…,"parameters":{…}}
//   {"vendor":"vonage_jwt","secret":…,"claims":{…},"body":…}     the library itself verifies what it is given
//   {"vendor":"meta","secret":…,"body":…}
import { createHash, createHmac } from 'node:crypto';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import Vonage from '@vonage/server-sdk';
import { verifySignature } from '@vonage/jwt';
import twilio from 'twilio';

// The one that @vonage/jwt itself signs and verifies with.
const require = createRequire(createRequire(import.meta.url).resolve('@vonage/jwt'));
const jsonwebtoken = require('jsonwebtoken');
const { getExpectedBodyHash, getExpectedTwilioSignature } = twilio;

const signers = {
  twilio: ({ token, url, parameters }) => ({ signature: getExpectedTwilioSignature(token, url, parameters) }),
  twilio_body({ token, url, body }) {
    const signed = `${url}?bodySHA256=${getExpectedBodyHash(body)}`;
    return { url: signed, signature: getExpectedTwilioSignature(token, signed, {}) };
  },
  vonage: ({ method, secret, parameters }) => ({
    signature: Vonage.generateSignature(method, secret, parameters),
  }),
  vonage_jwt({ secret, claims, body }) {
    const payload_hash = createHash('sha256').update(body).digest('hex');
    const signature = jsonwebtoken.sign({ ...claims, payload_hash }, secret, { algorithm: 'HS256' });
    if (!verifySignature(signature, secret)) throw new Error('the library does not accept this token');
    return { signature };
  },
  meta: ({ secret, body }) => ({ signature: `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  process.stdout.write(`${JSON.stringify({ event: 'signed', ...signers[request.vendor](request) })}\n`);
}
