// Owns the check that tokens end: one that was good when it was issued is refused after its lifetime.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { check, scene, skip } from './checks.mjs';
import { ask, guards, stop } from './guards.mjs';

await sleep(Math.max(0, scene.expiredAt * 1000 - Date.now()));
for (const [alg, api] of Object.entries(scene.algs)) {
  for (const [name, makeGuard, cannot] of guards) {
    if (cannot[alg]) {
      skip(`${name}, ${alg}`, cannot[alg]);
      continue;
    }
    await check(`${name}, ${alg}: an expired token is refused`, async () => {
      const url = await makeGuard(alg, api.audience);
      const { status, text } = await ask(url, api.expiring);
      assert.equal(status, 401, text);
      assert.match(text, /exp/i);
    });
  }
}
stop();
