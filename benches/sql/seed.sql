-- The tokens of a server that nobody ever cleaned, the same for the same number of sessions. To be filled in:
-- sessions, users, dead (the share of every dead class that stays dead; 1: a backlog, 0.04: what a night leaves), now.
--
-- A session is a refresh token and what belongs to it; its class is a hash of its number, so that classes are mixed
-- over the tables:
--
--   E  55 %  access token expired 18 to 198 days ago: both go
--   R  20 %  revoked 15 to 165 days ago, mostly the source of the session that follows
--   G   3 %  revoked within the grace period
--   O   2 %  neither revoked nor with an access token: goes
--   A   8 %  live
--   D  12 %  access token expired, refresh token not
--
-- and for every hundred sessions ten expired and three live access tokens of client credentials. Foreign keys are
-- checked at the end.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET work_mem = '256MB';
SET TimeZone = 'UTC';

CREATE FUNCTION pg_temp.part(n bigint, salt int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT (hashint8extended(n, salt) & 2147483647)::float8 / 2147483648 $$;
CREATE FUNCTION pg_temp.days(n float8) RETURNS interval LANGUAGE sql IMMUTABLE AS
$$ SELECT make_interval(secs => floor(n * 86400)) $$;
CREATE FUNCTION pg_temp.digest(kind text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT encode(sha256(convert_to(kind || n, 'UTF8')), 'hex') $$;

INSERT INTO auth_user
  (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
SELECT u, '!', false, 'user' || u, '', '', '', false, true, $now$ - interval '400 days'
FROM generate_series(1, $users$) u;

INSERT INTO oauth2_provider_application
  (id, client_id, redirect_uris, client_type, authorization_grant_type, client_secret, name, skip_authorization,
   created, updated, algorithm, post_logout_redirect_uris, hash_client_secret, allowed_origins, registration_source)
SELECT p, 'client-' || p, 'https://' || p || '.example.com/cb', 'confidential', 'authorization-code', '', 'Client ' || p,
       false, $now$ - interval '390 days', $now$ - interval '390 days', '', '', true, '', 'manual'
FROM generate_series(1, 200) p;

CREATE TEMP TABLE session AS
SELECT n, user_id, application_id, at,
       CASE WHEN c < 0.55 * $dead$ THEN 'E' WHEN c < 0.75 * $dead$ THEN 'R' WHEN c < 0.78 * $dead$ THEN 'G'
            WHEN c < 0.80 * $dead$ THEN 'O' WHEN c < 0.80 * $dead$ + (1 - 0.80 * $dead$) * 0.4 THEN 'A' ELSE 'D' END AS class
FROM (SELECT n, pg_temp.part(n, 1) AS c, pg_temp.part(n, 2) AS at,
             1 + floor(pg_temp.part(n, 3) * $users$)::int AS user_id,
             1 + floor(pg_temp.part(n, 4) ^ 2 * 200)::bigint AS application_id
      FROM generate_series(1::bigint, $sessions$) n) s;

-- Even keys: access tokens of sessions. Odd ones: those of client credentials, spread over the same range.
CREATE TEMP TABLE access AS
SELECT 2 * n AS id, n, user_id, application_id,
       CASE class WHEN 'E' THEN $now$ - pg_temp.days(18 + 180 * at) WHEN 'D' THEN $now$ - pg_temp.days(4.5 + 5 * at)
                  ELSE $now$ + pg_temp.days(5 + 25 * at) END AS expires,
       pg_temp.part(n, 5) < 0.56 AS has_id_token
FROM session WHERE class IN ('E', 'A', 'D')
UNION ALL
SELECT 2 * (j * 100 / 13) + 1, NULL, NULL, 1 + floor(pg_temp.part(j, 6) * 200)::bigint,
       CASE WHEN j % 13 < 10 AND pg_temp.part(j, 7) < $dead$ THEN $now$ - pg_temp.days(5 + 180 * pg_temp.part(j, 8))
            ELSE $now$ + pg_temp.days(5 + 25 * pg_temp.part(j, 8)) END,
       false
FROM generate_series(1::bigint, $sessions$ * 13 / 100) j;

INSERT INTO oauth2_provider_idtoken (id, jti, expires, scope, created, updated, application_id, user_id)
SELECT id, md5('id' || id)::uuid, expires, 'openid read', expires - interval '10 hours', expires - interval '10 hours',
       application_id, user_id
FROM (SELECT id, expires, application_id, user_id FROM access WHERE has_id_token
      UNION ALL
      -- Their access token is gone.
      SELECT 2 * n, CASE WHEN pg_temp.part(n, 9) < 0.9 THEN $now$ - pg_temp.days(5 + 180 * at)
                         ELSE $now$ + pg_temp.days(5 + 25 * at) END, application_id, user_id
      FROM session WHERE class IN ('R', 'G', 'O') AND pg_temp.part(n, 10) < 0.5) i
ORDER BY id;

INSERT INTO oauth2_provider_refreshtoken
  (id, token, access_token_id, application_id, user_id, created, updated, revoked, token_family, token_checksum, resource)
SELECT s.n, left(pg_temp.digest('r', s.n), 30), a.id, s.application_id, s.user_id, $now$ - interval '200 days',
       $now$ - interval '200 days',
       CASE class WHEN 'R' THEN $now$ - pg_temp.days(15 + 150 * at) WHEN 'G' THEN $now$ - pg_temp.days(4.5 + at) END,
       md5('family' || s.n)::uuid, pg_temp.digest('r', s.n), '[]'
FROM session s LEFT JOIN access a ON a.n = s.n ORDER BY s.n;

INSERT INTO oauth2_provider_accesstoken
  (id, token, expires, scope, application_id, user_id, created, updated, source_refresh_token_id, id_token_id,
   token_checksum, resource)
SELECT a.id, left(pg_temp.digest('a', a.id), 30), a.expires, 'read write', a.application_id, a.user_id,
       a.expires - interval '10 hours', a.expires - interval '10 hours', source.n, CASE WHEN has_id_token THEN a.id END,
       pg_temp.digest('a', a.id), '[]'
FROM access a LEFT JOIN session source ON source.n = a.n - 1 AND source.class IN ('R', 'G') ORDER BY a.id;

INSERT INTO oauth2_provider_grant
  (id, code, expires, redirect_uri, scope, application_id, user_id, created, updated, code_challenge,
   code_challenge_method, nonce, claims, resource)
SELECT g, left(pg_temp.digest('g', g), 30),
       CASE WHEN pg_temp.part(g, 11) < 0.9 * $dead$ THEN $now$ - pg_temp.days(5 + 180 * pg_temp.part(g, 12))
            ELSE $now$ + pg_temp.days(5) END,
       'https://1.example.com/cb', 'openid', 1, 1, $now$, $now$, '', '', '', '{}', '[]'
FROM generate_series(1::bigint, $sessions$ / 20) g;

SELECT setval(pg_get_serial_sequence(t, 'id'), $sessions$ * 2 + 1)
FROM unnest(ARRAY['auth_user', 'oauth2_provider_application', 'oauth2_provider_refreshtoken',
                  'oauth2_provider_accesstoken', 'oauth2_provider_idtoken', 'oauth2_provider_grant']) t;

DO $check$
BEGIN
  IF EXISTS (SELECT FROM oauth2_provider_accesstoken a WHERE NOT EXISTS
               (SELECT FROM oauth2_provider_idtoken i WHERE i.id = a.id_token_id) AND a.id_token_id IS NOT NULL)
     OR EXISTS (SELECT FROM oauth2_provider_accesstoken a WHERE NOT EXISTS
               (SELECT FROM oauth2_provider_refreshtoken r WHERE r.id = a.source_refresh_token_id)
               AND a.source_refresh_token_id IS NOT NULL)
     OR EXISTS (SELECT FROM oauth2_provider_refreshtoken r WHERE NOT EXISTS
               (SELECT FROM oauth2_provider_accesstoken a WHERE a.id = r.access_token_id)
               AND r.access_token_id IS NOT NULL) THEN
    RAISE 'the seed has dangling references';
  END IF;
END $check$;
