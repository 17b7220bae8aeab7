-- Request limits and failed logins. The tables are unlogged: a crash forgets them, and that is fine.

-- name: take_token(bucket, per_minute)^
-- One token of a bucket that holds `per_minute` and refills evenly. Always answers one row.
WITH rule AS (
    SELECT interval '1 minute' / :per_minute AS pause, interval '1 minute' AS depth
), taken AS (
    INSERT INTO rate_limits AS r (bucket, full_at)
    SELECT :bucket, clock_timestamp() + pause FROM rule
    ON CONFLICT (bucket) DO UPDATE
        SET full_at = greatest(r.full_at, clock_timestamp()) + (SELECT pause FROM rule)
        -- A hair of slack, so that rounding never costs the last token.
        WHERE greatest(r.full_at, clock_timestamp()) + (SELECT pause FROM rule)
              <= clock_timestamp() + (SELECT depth FROM rule) + interval '1 millisecond'
    RETURNING full_at
)
SELECT taken.full_at IS NOT NULL AS allowed,
       extract(epoch FROM (clock_timestamp() + depth - coalesce(taken.full_at, clock_timestamp() + depth)))
           / extract(epoch FROM pause) AS remaining,
       extract(epoch FROM coalesce((SELECT full_at FROM rate_limits WHERE bucket = :bucket), clock_timestamp())
           + pause - depth - clock_timestamp()) AS wait_seconds
FROM rule LEFT JOIN taken ON true;

-- name: count_login_attempt(bucket, window_minutes)^
-- Counted before the password is looked at, so that parallel guesses cannot pass together.
INSERT INTO login_attempts AS a (bucket, attempts, window_ends_at)
VALUES (:bucket, 1, clock_timestamp() + make_interval(mins => :window_minutes))
ON CONFLICT (bucket) DO UPDATE SET
    attempts = CASE WHEN a.window_ends_at <= clock_timestamp() THEN 1 ELSE a.attempts + 1 END,
    window_ends_at = CASE WHEN a.window_ends_at <= clock_timestamp()
                          THEN excluded.window_ends_at ELSE a.window_ends_at END
RETURNING attempts, extract(epoch FROM window_ends_at - clock_timestamp()) AS seconds_left;

-- name: forget_login_attempts(bucket)!
DELETE FROM login_attempts WHERE bucket = :bucket;

-- name: purge_limits()!
-- Full buckets and past windows say nothing any more.
WITH buckets AS (
    DELETE FROM rate_limits WHERE full_at < now() - interval '1 minute'
)
DELETE FROM login_attempts WHERE window_ends_at < now();
