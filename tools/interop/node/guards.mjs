// Owns the resource servers: HTTP servers on loopback that are started here, one per library, and ask it about each
// request's token. They answer 200 with the claims, or 401.

import { createServer } from 'node:http';
import express from 'express';
import bearer from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import { JwksClient } from 'jwks-rsa';
import * as oauth from 'oauth4webapi';

import { scene } from './checks.mjs';

const { issuer, jwksUri } = scene;
const servers = [];

async function listening(handler) {
  const server = createServer(handler).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${server.address().port}/`;
}

export function stop() {
  for (const server of servers) server.close();
  for (const server of servers) server.closeAllConnections();
}

/** A server around `verify`, which gets a token and gives its claims or throws. */
function guarded(verify) {
  return listening(async (request, response) => {
    try {
      const claims = await verify(request.headers.authorization?.replace(/^Bearer /, ''), request);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(claims));
    } catch (error) {
      response.writeHead(401).end(`${error.name}: ${error.message}`);
    }
  });
}

function joseGuard(alg, audience) {
  const keys = createRemoteJWKSet(new URL(jwksUri));
  const options = { issuer, audience, algorithms: [alg], typ: 'at+jwt', requiredClaims: ['sub', 'jti', 'client_id'] };
  return guarded(async (token) => (await jwtVerify(token, keys, options)).payload);
}

/** Auth0's: finds the keys and the algorithms by discovery from the issuer. `strict` is RFC 9068. */
const expressGuard = (strict) => (_alg, audience) => {
  const app = express();
  app.use(bearer.auth({ issuerBaseURL: issuer, audience, strict }), bearer.requiredScopes('write'));
  app.get('/', (request, response) => response.json(request.auth.payload));
  app.use((error, _request, response, _next) => response.status(error.status ?? 500).send(error.message));
  return listening(app);
};

function jsonwebtokenGuard(alg, audience) {
  const keys = new JwksClient({ jwksUri });
  const key = ({ kid }, done) => keys.getSigningKey(kid, (error, found) => done(error, found?.getPublicKey()));
  const verify = (token) => new Promise((resolve, reject) => {
    const done = (error, claims) => (error ? reject(error) : resolve(claims));
    jsonwebtoken.verify(token, key, { issuer, audience, algorithms: [alg] }, done);
  });
  return guarded(verify);
}

/** The RFC 9068 validator of oauth4webapi, from RFC 8414 metadata. */
async function oauth4webapiGuard(_alg, audience) {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const answer = await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...insecure });
  const as = await oauth.processDiscoveryResponse(new URL(issuer), answer);
  const of = ({ authorization }) => new Request('http://orders.example/', { headers: { authorization } });
  // It forgives 30 seconds unless told otherwise, which is long to wait for.
  const options = { ...insecure, [oauth.clockTolerance]: 5 };
  return guarded((_token, request) => oauth.validateJwtAccessToken(as, of(request.headers), audience, options));
}

// Name, guard, and the algorithms that the library cannot check, with why.
export const guards = [
  ['jose with createRemoteJWKSet', joseGuard, {}],
  ['express-oauth2-jwt-bearer', expressGuard(false), {}],
  ['express-oauth2-jwt-bearer strict', expressGuard(true), {}],
  ['jsonwebtoken with jwks-rsa', jsonwebtokenGuard, { EdDSA: 'jsonwebtoken has no EdDSA' }],
  ['oauth4webapi validateJwtAccessToken', oauth4webapiGuard, {}],
];

/** The answer of the guard at `url` to a request with this token. */
export async function ask(url, token) {
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
  return { status: answer.status, text: await answer.text() };
}
