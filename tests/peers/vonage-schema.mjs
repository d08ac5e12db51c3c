// Vonage's published types of an SMS (the npm package @vonage/sms) as one JSON Schema of the form that is posted, in
// which nothing is allowed that the types do not name. The names are those that the vendor's own client makes of them.
//
//   node vonage-schema.mjs
//
// Prints the schema of an object with the fields of a message.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createGenerator } from 'ts-json-schema-generator';

const require = createRequire(import.meta.url);
const sms = dirname(require.resolve('@vonage/sms'));
// The client is the package's own dependency, not ours.
const { Client } = createRequire(require.resolve('@vonage/sms'))('@vonage/server-client');
const types = join(sms.replace(/dist.*$/, 'dist'), 'esm', 'types');
const folder = mkdtempSync(join(import.meta.dirname ?? sms, 'schema-'));
try {
  const file = join(folder, 'wanted.ts');
  writeFileSync(file, `
    import type { SMSParams } from '${join(types, 'SMSParams.mjs')}';
    export type Wanted = SMSParams;
  `);
  const schema = createGenerator({
    path: file,
    type: 'Wanted',
    additionalProperties: false,
    skipTypeCheck: true,
  }).createSchema('Wanted');
  const message = schema.definitions.SMSParams ?? schema.definitions.Wanted;
  const posted = (names) => Object.keys(Client.transformers.kebabCaseObjectKeys(names));
  const keys = Object.keys(message.properties);
  const kebab = posted(message.properties);
  message.properties = Object.fromEntries(keys.map((key, at) => [kebab[at], message.properties[key]]));
  message.required = posted(Object.fromEntries(message.required.map((key) => [key, null])));
  process.stdout.write(JSON.stringify(schema));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
