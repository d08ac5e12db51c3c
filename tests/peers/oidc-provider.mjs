// A certified OpenID provider (the npm package oidc-provider) at the addresses that Google's have: PKCE with S256 is
// required, redirect addresses are compared letter by letter, refresh tokens rotate, and one that is used twice ends its
// whole grant. Whoever comes to sign in is signed in, and says yes to everything.
//
//   node oidc-provider.mjs <client id> <client secret> <seconds an access token lives>
//
// On standard output, one JSON line per fact:
//   {"event":"listening","port":…}
// Orders on standard input, one JSON line each; each is answered by a fact:
//   {"order":"client","redirect_uri":…}   the one client there is      → {"event":"ready"}
//   {"order":"report"}                    what it was asked so far     → {"event":"report","refreshed":…,"refused":…,"revoked":…}
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider, { interactionPolicy } from 'oidc-provider';

const [clientId, clientSecret, lifetime] = process.argv.slice(2);
const say = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);
const counts = { refreshed: 0, refused: 0, revoked: 0 };
const scopes = ['openid', 'email', 'profile', 'https://www.googleapis.com/auth/gmail.send'];
let provider;

const server = createServer((request, response) => {
  if (request.url.startsWith('/interaction/')) {
    consent(request, response).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  } else {
    provider.callback()(request, response);
  }
});

async function consent(request, response) {
  const { params, grantId } = await provider.interactionDetails(request, response);
  const accountId = 'satis';
  const known = grantId ? await provider.Grant.find(grantId) : undefined;
  const grant = known ?? new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consented = { grantId: await grant.save() };
  await provider.interactionFinished(
    request,
    response,
    { login: { accountId }, select_account: {}, consent: consented },
    { mergeWithLastSubmission: true },
  );
}

function start(redirectUri) {
  const policy = interactionPolicy.base();
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);
  provider = new Provider(`http://127.0.0.1:${server.address().port}`, {
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
    }],
    routes: {
      authorization: '/o/oauth2/v2/auth',
      token: '/token',
      revocation: '/revoke',
      userinfo: '/v1/userinfo',
    },
    scopes,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
    pkce: { methods: ['S256'], required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    cookies: { keys: ['a key of the tests'] },
    ttl: { AccessToken: Number(lifetime), RefreshToken: 86_400, Grant: 86_400, Session: 86_400, Interaction: 600, IdToken: 600 },
    interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, accountId) => ({
      accountId,
      claims: () => ({
        sub: accountId,
        email: `${accountId}@firma.example`,
        email_verified: true,
        name: 'Firma Satış',
      }),
    }),
  });
  provider.on('grant.success', (ctx) => {
    if (ctx.oidc.params.grant_type === 'refresh_token') counts.refreshed += 1;
  });
  provider.on('grant.error', () => { counts.refused += 1; });
  provider.on('grant.revoked', () => { counts.revoked += 1; });
  provider.on('server_error', (_, error) => console.error(error));
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const order = JSON.parse(line);
  if (order.order === 'client') {
    start(order.redirect_uri);
    say({ event: 'ready' });
  } else {
    say({ event: 'report', ...counts });
  }
});
lines.on('close', () => process.exit(0));

server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: server.address().port }));
