// Owns the checks of JavaScript resource servers: each takes a good token and refuses every bad one.

import assert from 'node:assert/strict';

import { check, goodToken, scene, skip } from './checks.mjs';
import { ask, guards, stop } from './guards.mjs';

for (const [alg, api] of Object.entries(scene.algs)) {
  const good = await goodToken(api.appId);
  for (const [name, makeGuard, cannot] of guards) {
    if (cannot[alg]) {
      skip(`${name}, ${alg}`, cannot[alg]);
      continue;
    }
    const url = await makeGuard(alg, api.audience);
    await check(`${name}, ${alg}: a good token is taken`, async () => {
      const { status, text } = await ask(url, good);
      assert.equal(status, 200, text);
      const claims = JSON.parse(text);
      const expected = { iss: scene.issuer, aud: api.audience, sub: scene.account, client_id: scene.client.id };
      for (const [claim, value] of Object.entries(expected)) assert.equal(claims[claim], value);
      assert.equal(claims.scope, 'read write');
      assert.deepEqual(claims.scp, ['read', 'write']);
    });
    for (const [what, token] of Object.entries(api.refused)) {
      await check(`${name}, ${alg}: ${what} is refused`, async () => {
        const { status, text } = await ask(url, token);
        assert.equal(status, 401, text);
      });
    }
  }
}
stop();
