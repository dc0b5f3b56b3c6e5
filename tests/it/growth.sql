-- More of everything that grows: what `given` says, a row for each number of `n` (four for each account of decisions).
INSERT INTO service_account (id, user_name, display_name, active, attributes, revision, created_at_ms, modified_at_ms)
    SELECT printf('zzA%019d', i), printf('filler-%d', i), printf('Filler %d', i), i % 50 <> 0, '{}', 1, now, now FROM n, given;

INSERT INTO machine_to_machine (id, client_id, display_name, service_account_id, active, allowed_auth_methods, attributes,
        revision, created_at_ms, modified_at_ms)
    SELECT printf('zzM%019d', i), printf('filler-%d', i), printf('Client %d', i), printf('zzA%019d', i), 1, '[]', '{}', 1, now, now
    FROM n, given;

INSERT INTO credential (id, machine_to_machine_id, kind, hash_kind, hash, last4, expires_at_ms, created_at_ms)
    SELECT printf('zzC%019d', i), printf('zzM%019d', i), 'secret', 'hmac-sha256', zeroblob(32), 'last', now + i * 1000, now
    FROM n, given;

INSERT INTO access_grant (id, service_account_id, api_id, expires_at_ms, reason, revision, created_at_ms, modified_at_ms)
    SELECT printf('zzG%019d', i), printf('zzA%019d', i), api, now + i * 1000, '', 1, now, now FROM n, given;

INSERT INTO grant_scope (grant_id, api_id, scope) SELECT printf('zzG%019d', i), api, scope FROM n, given;

INSERT INTO audit_commit (id, at_ms, actor_id, actor_name, actor_type, reason, request_id, changes, guard)
    SELECT printf('zzK%018d%d', i, copy.value), now, 'x', 'filler', 'apiToken', 'filled', 'x', json_array(json_object(
        'resourceType', 'Grant', 'id', printf('zzG%019d', i), 'after', json_object('apiId', api))), 1
    FROM n, given, json_each('[1,2]') AS copy;

INSERT INTO audit_subject (resource_id, seq)
    SELECT s.value, t.seq FROM audit_commit AS t, json_each(t.changes) AS c,
        json_each(json_array(c.value ->> '$.id', c.value ->> '$.after.apiId')) AS s
    WHERE t.seq > (SELECT coalesce(max(seq), 0) FROM audit_subject);

INSERT INTO audit_seal (seq, hash)
    SELECT seq, zeroblob(32) FROM audit_commit WHERE seq > (SELECT coalesce(max(seq), 0) FROM audit_seal);

INSERT INTO event_log (id, at_ms, type, display_name, severity, request_id, status, actor_id, actor_name, actor_type)
    SELECT printf('zzE%019d', i), now, 'x', 'x', 'info', 'x', 'success', 'x', 'x', 'x' FROM n, given;

INSERT INTO decision_content (seq, error, service_account_id, api_id, rest)
    SELECT (SELECT coalesce(max(seq), 0) FROM decision) + 1 + i - (SELECT min(i) FROM n), 'x', printf('zzA%019d', i), api, '{}'
    FROM n, given;

INSERT INTO decision (id, at_ms, outcome, client_id, request_id, content)
    SELECT printf('zzD%018d%d', i, copy.value), now, CASE i % 5 WHEN 0 THEN 'refused' WHEN 1 THEN 'failed' ELSE 'issued' END,
        printf('filler-%d', i), 'x', (SELECT max(seq) FROM decision_content) + i - (SELECT max(i) FROM n)
    FROM n, given, json_each('[1,2,3,4]') AS copy;

INSERT INTO service_account_gram (rowid, user_name, display_name)
    SELECT seq, user_name, display_name FROM service_account WHERE seq > (SELECT accounts_indexed FROM generation);

INSERT INTO machine_to_machine_gram (rowid, client_id, display_name)
    SELECT seq, client_id, display_name FROM machine_to_machine WHERE seq > (SELECT clients_indexed FROM generation);

UPDATE generation SET accounts_indexed = (SELECT max(seq) FROM service_account),
    clients_indexed = (SELECT max(seq) FROM machine_to_machine);
