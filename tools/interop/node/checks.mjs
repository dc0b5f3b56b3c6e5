// Owns what the suites share: the scene that python/scene.py made, and how one check becomes one line.

import { readFileSync } from 'node:fs';

export const scene = JSON.parse(readFileSync(process.env.SCENE, 'utf8'));

export async function check(name, body) {
  try {
    await body();
    console.log(`ok    ${name}`);
  } catch (error) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    console.log(`FAIL  ${name}: ${error.name}: ${error.message}${cause}`.replaceAll('\n', ' ').slice(0, 1000));
  }
}

export function skip(name, why) {
  console.log(`skip  ${name}: ${why}`);
}

/** A token for an API of the scene, asked for with nothing but fetch. */
export async function goodToken(appId) {
  const { id, secret } = scene.client;
  const answer = await fetch(scene.tokenEndpoint, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`${id}:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', audience: appId, scope: 'read write' }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(JSON.stringify(body));
  return body.access_token;
}
