// Owns the checks of JavaScript OAuth clients: discovery, a token in each way of authenticating, its use, and refusals.

import assert from 'node:assert/strict';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import simpleOauth2 from 'simple-oauth2';

import { check, scene } from './checks.mjs';

const issuer = new URL(scene.issuer);
const insecure = { [oauth.allowInsecureRequests]: true };
// The admin API takes grantd's own tokens: a resource server that is there already.
const protectedUrl = new URL(`${scene.adminApi}/resources/cid/Api`);

const viaOpenidClient = (algorithm, method) => async (client, form) => {
  const options = { algorithm, execute: [openid.allowInsecureRequests] };
  const config = await openid.discovery(issuer, client.id, undefined, openid[method](client.secret), options);
  const token = await openid.clientCredentialsGrant(config, form);
  assert.ok(token.expiresIn() > token.expires_in - 10);
  return { token, use: (url, verb) => openid.fetchProtectedResource(config, token.access_token, url, verb) };
};

const viaOauth4webapi = (algorithm, method) => async (client, form) => {
  const discovered = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
  const as = await oauth.processDiscoveryResponse(issuer, discovered);
  const who = { client_id: client.id };
  const parameters = new URLSearchParams(form);
  const answer = await oauth.clientCredentialsGrantRequest(as, who, oauth[method](client.secret), parameters, insecure);
  const token = await oauth.processClientCredentialsResponse(as, who, answer);
  const use = (url, verb) => oauth.protectedResourceRequest(token.access_token, verb, url, undefined, undefined, insecure);
  return { token, use };
};

const viaSimpleOauth2 = (options) => async (client, form) => {
  const { origin: tokenHost, pathname: tokenPath } = new URL(scene.tokenEndpoint);
  const flow = new simpleOauth2.ClientCredentials({ client, auth: { tokenHost, tokenPath }, options });
  const { token, ...rest } = await flow.getToken({ ...form, scope: form.scope.split(' ') });
  assert.ok(token.expires_at > new Date(), `expired: ${JSON.stringify(rest)}`);
  const headers = { Authorization: `${token.token_type} ${token.access_token}` };
  return { token, use: (url, method) => fetch(url, { method, headers }) };
};

const clients = {};
for (const algorithm of ['oidc', 'oauth2']) {
  for (const method of ['ClientSecretPost', 'ClientSecretBasic']) {
    clients[`openid-client, discovery ${algorithm}, ${method}`] = viaOpenidClient(algorithm, method);
    clients[`oauth4webapi, discovery ${algorithm}, ${method}`] = viaOauth4webapi(algorithm, method);
  }
}
clients['simple-oauth2, Basic, strict encoding'] = viaSimpleOauth2({ authorizationMethod: 'header' });
clients['simple-oauth2, Basic, loose encoding'] =
  viaSimpleOauth2({ authorizationMethod: 'header', credentialsEncodingMode: 'loose' });
clients['simple-oauth2, secret in the body'] = viaSimpleOauth2({ authorizationMethod: 'body' });

async function gets(via, client, alg, form) {
  const { token } = await via(client, { scope: 'read write', ...form });
  assert.equal(token.token_type, 'bearer');
  assert.equal(token.scope, 'read write');
  assert.ok(token.expires_in > 3590);
  assert.equal(token.refresh_token, undefined);
  assert.equal(decodeProtectedHeader(token.access_token).alg, alg);
  const claims = decodeJwt(token.access_token);
  assert.equal(claims.client_id, client.id);
  assert.equal(claims.aud, scene.algs[alg].audience);
}

for (const [name, via] of Object.entries(clients)) {
  for (const [alg, api] of Object.entries(scene.algs)) {
    await check(`${name}, ${alg}, by resource`, () => gets(via, scene.client, alg, { resource: api.audience }));
  }
  const { appId } = scene.algs.RS256;
  await check(`${name}, awkward secret, by audience`, () => gets(via, scene.awkwardClient, 'RS256', { audience: appId }));
  await check(`${name}: the token opens an API, and no more than its scope`, async () => {
    const { use } = await via(scene.client, { audience: 'grantd', scope: 'read' });
    assert.equal((await use(protectedUrl, 'GET')).status, 200);
    const refused = await use(protectedUrl, 'POST').catch((error) => error); // a challenge is thrown
    assert.equal(refused.status, 403);
  });
}

const target = { audience: scene.algs.RS256.appId };
const wrong = { id: scene.client.id, secret: 'gsec_wrong' };

await check('openid-client reads invalid_client of a secret in the body', async () => {
  const via = viaOpenidClient('oidc', 'ClientSecretPost');
  await assert.rejects(via(wrong, { ...target, scope: 'read' }), (error) => (error.error ?? error.cause?.error) === 'invalid_client' || assertChallenge(error));
});
await check('openid-client reads the challenge of a wrong secret by Basic', async () => {
  const via = viaOpenidClient('oidc', 'ClientSecretBasic');
  await assert.rejects(via(wrong, { ...target, scope: 'read' }), assertChallenge);
});
await check('openid-client reads invalid_scope', async () => {
  const via = viaOpenidClient('oauth2', 'ClientSecretPost');
  await assert.rejects(via(scene.client, { ...target, scope: 'admin' }), { error: 'invalid_scope', status: 400 });
});
await check('simple-oauth2 reads invalid_client', async () => {
  const via = viaSimpleOauth2({ authorizationMethod: 'body' });
  await assert.rejects(via(wrong, { ...target, scope: 'read' }), (error) => error.data.payload.error === 'invalid_client');
});

function assertChallenge(error) {
  assert.equal(error.code, 'OAUTH_WWW_AUTHENTICATE_CHALLENGE');
  assert.equal(error.cause[0].scheme, 'basic');
  return true;
}
