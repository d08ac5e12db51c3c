// Microsoft's published types of Graph (the npm package @microsoft/microsoft-graph-types) as one JSON Schema, in which
// nothing is allowed that the types do not name.
//
//   node graph-schema.mjs
//
// Prints the schema of an object with `draft`, a message; `attachment`, a file with the type annotation that Graph asks
// for; and `session`, the body of createUploadSession.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createGenerator } from 'ts-json-schema-generator';

const types = createRequire(import.meta.url).resolve('@microsoft/microsoft-graph-types/package.json');
const folder = mkdtempSync(join(import.meta.dirname ?? dirname(types), 'schema-'));
try {
  const file = join(folder, 'wanted.ts');
  writeFileSync(file, `
    import type { AttachmentItem, FileAttachment as File, Message } from '${join(dirname(types), 'microsoft-graph')}';
    export interface Wanted {
      draft?: Message;
      attachment?: File & { '@odata.type': '#microsoft.graph.fileAttachment' };
      session?: { AttachmentItem: AttachmentItem };
    }
  `);
  const schema = createGenerator({
    path: file,
    type: 'Wanted',
    additionalProperties: false,
    skipTypeCheck: true,
    strictTuples: true,
  }).createSchema('Wanted');
  process.stdout.write(JSON.stringify(schema));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
