// A real SMTP server (the npm package smtp-server) whose behaviour the recipient's local part chooses.
//
//   node smtp-peer.mjs <folder> <user> <password> [starttls|tls|none]
//
// The folder holds cert.pem and key.pem; every message taken is written there as <number>.eml, byte for byte as it
// arrived. On standard output, one JSON line per fact:
//   {"event":"listening","port":…}
//   {"event":"message","file":…,"from":…,"to":[…],"user":…,"secure":…}
//
// Recipients (the part before @, an optional +tag is ignored):
//   unknown              550 5.1.1 at RCPT
//   greylisted           451 4.7.1 at RCPT the first time, taken the second time
//   full                 452 4.2.2 at RCPT
//   refused-content      554 5.7.1 after the final dot
//   busy-content         451 4.3.0 after the final dot
//   drop-at-rcpt         the connection is cut instead of an answer to RCPT
//   drop-in-data         … while the message is on its way
//   drop-after-data      … after the final dot, with the message taken: its outcome is unknown to the sender
//   anything else        250
// Users: drop-at-auth cuts the connection at AUTH; a wrong password is answered 535 5.7.8.
// Senders: drop-at-mail cuts the connection at MAIL FROM.
//
// Orders on standard input, one JSON line each; each is answered by a fact:
//   {"order":"hang-up"}                   closes every connection     → {"event":"hung-up","connections":…}
//   {"order":"password","password":…}     the user has another one    → {"event":"password"}
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SMTPServer } from 'smtp-server';

const [folder, user, firstPassword, security = 'starttls'] = process.argv.slice(2);
let password = firstPassword;
const greeted = new Set();
let messages = 0;

const say = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);
const mailboxKind = (address) => address.split('@')[0].split('+')[0];
const refusal = (responseCode, message) => Object.assign(new Error(message), { responseCode });

function cut(session) {
  for (const connection of server.connections) {
    if (connection.session.id === session.id) connection._socket.destroy();
  }
}

function onAuth(auth, session, answer) {
  if (auth.username === 'drop-at-auth') return cut(session);
  if (auth.username === user && auth.password === password) return answer(null, { user: auth.username });
  answer(refusal(535, '5.7.8 Authentication credentials invalid'));
}

function onMailFrom(address, session, answer) {
  if (mailboxKind(address.address) === 'drop-at-mail') return cut(session);
  answer();
}

function onRcptTo(address, session, answer) {
  switch (mailboxKind(address.address)) {
    case 'unknown':
      return answer(refusal(550, '5.1.1 No such user here'));
    case 'full':
      return answer(refusal(452, '4.2.2 Mailbox full'));
    case 'greylisted':
      if (greeted.has(address.address)) return answer();
      greeted.add(address.address);
      return answer(refusal(451, '4.7.1 Greylisted, try again later'));
    case 'drop-at-rcpt':
      return cut(session);
    default:
      return answer();
  }
}

async function onData(stream, session, answer) {
  const kinds = session.envelope.rcptTo.map(({ address }) => mailboxKind(address));
  if (kinds.includes('drop-in-data')) return cut(session);
  const chunks = [];
  try {
    for await (const chunk of stream) chunks.push(chunk);
  } catch {
    return; // the sender went away in the middle of its message
  }
  if (kinds.includes('refused-content')) return answer(refusal(554, '5.7.1 Message refused'));
  if (kinds.includes('busy-content')) return answer(refusal(451, '4.3.0 Try again later'));
  take(Buffer.concat(chunks), session);
  if (kinds.includes('drop-after-data')) return cut(session);
  answer(null, 'taken');
}

function take(bytes, session) {
  messages += 1;
  const file = join(folder, `${messages}.eml`);
  writeFileSync(file, bytes);
  say({
    event: 'message',
    file,
    from: session.envelope.mailFrom.address,
    to: session.envelope.rcptTo.map(({ address }) => address),
    user: session.user ?? null,
    secure: session.secure,
  });
}

const server = new SMTPServer({
  secure: security === 'tls',
  cert: readFileSync(join(folder, 'cert.pem')),
  key: readFileSync(join(folder, 'key.pem')),
  disabledCommands: security === 'none' ? ['STARTTLS'] : [],
  allowInsecureAuth: security === 'none',
  disableReverseLookup: true,
  onAuth,
  onMailFrom,
  onRcptTo,
  onData,
});

server.on('error', () => {}); // a sender that goes away is part of the game
server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: server.server.address().port }));

function obey(order) {
  if (order.order === 'password') {
    password = order.password;
    return say({ event: 'password' });
  }
  const open = [...server.connections];
  for (const connection of open) connection._socket.destroy();
  say({ event: 'hung-up', connections: open.length });
}

for await (const line of createInterface({ input: process.stdin })) obey(JSON.parse(line));
process.exit(); // the test ended, however it did
