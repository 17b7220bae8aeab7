-- Idempotency keys: reserved first, answered later.

-- name: reserve(scope, actor, route, key, request_hash)^
-- Takes a key that is new, expired, or left behind by a process that died. Always answers one row:
-- `reserved`, and what is known of the key when it is not.
WITH taken AS (
    INSERT INTO idempotency_keys AS k (scope, actor, route, key, request_hash, locked_until)
    VALUES (:scope, :actor, :route, :key, :request_hash, now() + interval '60 seconds')
    ON CONFLICT (scope, actor, route, key) DO UPDATE SET
        request_hash = excluded.request_hash, state = 'in_progress', status_code = NULL,
        response = NULL, locked_until = excluded.locked_until, created_at = now(),
        expires_at = now() + interval '24 hours'
    WHERE k.expires_at < now() OR (k.state = 'in_progress' AND k.locked_until < now())
    RETURNING true AS reserved
)
SELECT coalesce(taken.reserved, false) AS reserved, k.request_hash, k.state, k.status_code, k.response
FROM (SELECT 1) always
LEFT JOIN taken ON true
LEFT JOIN idempotency_keys k
    ON k.scope = :scope AND k.actor = :actor AND k.route = :route AND k.key = :key;

-- name: store(scope, actor, route, key, status_code, response)!
UPDATE idempotency_keys
SET state = 'done', status_code = :status_code, response = :response::jsonb
WHERE scope = :scope AND actor = :actor AND route = :route AND key = :key;

-- name: release(scope, actor, route, key)!
-- The work failed: the key is free for another try.
DELETE FROM idempotency_keys
WHERE scope = :scope AND actor = :actor AND route = :route AND key = :key AND state = 'in_progress';

-- name: purge_expired()!
DELETE FROM idempotency_keys WHERE expires_at < now();
