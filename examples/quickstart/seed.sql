-- A Django OAuth Toolkit database (the tables of 3.4.1) that nobody has looked after: nine applications, most of them
-- not what oauth.toml says, and some 300,000 token rows, nine tenths of them useless. Every value follows from a row
-- number, every instant from now(), so two runs give the same rows at another time.
--
-- Sessions (refresh tokens) by class:
--   E  55 %  not used for 18 to 198 days: idle for longer than the 14 days of oauth.toml
--   R  22 %  rotated away; the successor's access token still points back
--   O   3 %  orphaned: neither revoked nor with an access token
--   A   8 %  live access token
--   D  12 %  access token expired 4 to 9 days ago, can still be refreshed
-- Beside them client credentials tokens (most expired), ID tokens and authorization codes.

BEGIN;
-- The references below hold by construction; checking each with a trigger would take most of the time.
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;

-- Evenly spread over [0, 1), the same for the same number.
CREATE FUNCTION pg_temp.spread(n bigint) RETURNS double precision LANGUAGE sql IMMUTABLE
    AS $$ SELECT ((n * 2654435761) % 4294967296) / 4294967296.0 $$;
-- Thirty characters, as the server's own tokens.
CREATE FUNCTION pg_temp.token(kind text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT left(md5(kind || n::text), 30) $$;
CREATE FUNCTION pg_temp.checksum(token text) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT encode(sha256(token::bytea), 'hex') $$;
CREATE FUNCTION pg_temp.days(n double precision) RETURNS interval LANGUAGE sql IMMUTABLE
    AS $$ SELECT make_interval(secs => round(n * 86400)) $$;

INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
                       date_joined)
SELECT n, '!', false, CASE n WHEN 1 THEN 'ops' ELSE 'customer' || n END, '', '', 'customer' || n || '@example.com',
       false, true, now() - interval '400 days'
FROM generate_series(1, 3000) n;

-- The hashes are of "quickstart-partner-api" (partner-api), and of words that nobody needs to know.
INSERT INTO oauth2_provider_application (id, client_id, name, client_type, authorization_grant_type, redirect_uris,
                                         post_logout_redirect_uris, algorithm, skip_authorization, user_id,
                                         registration_source, client_secret, hash_client_secret, allowed_origins,
                                         created, updated)
SELECT a.*, true, '', now() - interval '390 days', now() - interval '90 days'
FROM (VALUES
    -- Somebody tried something from a laptop, and the staging server is missing.
    (1, 'storefront', 'Shop', 'confidential', 'authorization-code',
     'https://shop.example.com/oauth/callback https://shop.example.com/oauth/silent http://localhost:3000/callback',
     'https://shop.example.com/goodbye', 'RS256', false, NULL, 'manual',
     'pbkdf2_sha256$1500000$QuickstartStorefront22$leevK6oF32kxx4Ku9aJW8BXc8OPNiyQnafjBt+4GK7E='),
    -- Asks nobody for consent.
    (2, 'mobile-app', 'Mobile app', 'public', 'authorization-code', 'com.example.shop:/callback',
     '', 'RS256', true, NULL, 'manual', ''),
    -- As declared.
    (3, 'partner-api', 'Partner API', 'confidential', 'client-credentials', '', '', '', false, 1, 'manual',
     'pbkdf2_sha256$1500000$QuickstartPartnerApi22$0PVGugByew9kDA3/DGIwt7LmPXZxUr95IhMjOnTPD0k='),
    -- To be renamed.
    (4, 'reporting', 'Reports', 'confidential', 'client-credentials', '', '', '', false, 1, 'manual',
     'pbkdf2_sha256$1500000$QuickstartReporting022$Ow17LPimetk+7GmPthQWBJXXnkYaGEpiEfSzdKw9Jc0='),
    -- Still has the secret from before the last rotation.
    (5, 'billing', 'Billing', 'confidential', 'authorization-code', 'https://billing.example.com/login/callback',
     '', '', false, NULL, 'manual',
     'pbkdf2_sha256$1500000$QuickstartBillingOld22$4tEhXp15897l3hdYZPndQtIx+9Eo2IAwpDGDVmG4a7I='),
    -- To be removed, though its tokens are still used.
    (6, 'legacy-cron', 'Nightly export', 'confidential', 'client-credentials', '', '', '', false, 1, 'manual',
     'pbkdf2_sha256$1500000$QuickstartLegacyCron22$Rk43QF0jv67MeopiLUCUzMX0RX5Q5mIqMmkl3Q+F9hk='),
    -- Made by hand in the admin; oauth.toml does not speak of it.
    (7, 'grafana', 'Grafana', 'confidential', 'authorization-code', 'https://grafana.example.com/login/generic_oauth',
     '', '', false, NULL, 'manual',
     'pbkdf2_sha256$1500000$QuickstartGrafana00022$95dcE9y2XzHcypfgZEehwKW5CIkHZZHK2gpnbb4Ukzs='),
    -- Registered themselves (RFC 7591); never anybody's to prune.
    (8, 'tV0xTkWn3sYq', 'Notes for desktops', 'public', 'authorization-code', 'http://127.0.0.1/callback',
     '', '', false, NULL, 'dcr', ''),
    (9, 'gM7bRz2LhPdE', 'A spreadsheet add-on', 'public', 'authorization-code', 'https://sheets.example.net/oauth',
     '', '', false, NULL, 'dcr', '')
) a;

CREATE TEMP TABLE session ON COMMIT DROP AS
SELECT n, class, 1 + (spread * 2999)::int AS user_id,
       CASE WHEN spread < 0.52 THEN 1 WHEN spread < 0.88 THEN 2 WHEN spread < 0.95 THEN 5 WHEN spread < 0.98 THEN 7
            ELSE 8 END AS application_id,
       CASE class WHEN 'E' THEN now() - pg_temp.days(18 + 180 * age) WHEN 'D' THEN now() - pg_temp.days(4 + 5 * age)
                  WHEN 'A' THEN now() + pg_temp.days(5 + 25 * age) END AS expires,
       class IN ('E', 'A', 'D') AND n * 53 % 100 < 56 AS has_id_token
FROM (SELECT n, pg_temp.spread(n) AS spread, pg_temp.spread(n + 500009) AS age,
             CASE WHEN n * 37 % 100 < 55 THEN 'E' WHEN n * 37 % 100 < 77 THEN 'R' WHEN n * 37 % 100 < 80 THEN 'O'
                  WHEN n * 37 % 100 < 88 THEN 'A' ELSE 'D' END AS class
      FROM generate_series(1::bigint, 120000) n) numbers;
-- Tokens live ten hours and more, and none was made in the future.
ALTER TABLE session ADD made timestamptz;
UPDATE session SET made = least(expires - interval '10 hours', now() - pg_temp.days(pg_temp.spread(n + 7)))
WHERE expires IS NOT NULL;
CREATE UNIQUE INDEX ON session (n);
ANALYZE session;

INSERT INTO oauth2_provider_idtoken (id, jti, expires, scope, created, updated, application_id, user_id)
SELECT n, md5('jti' || n)::uuid, expires, 'openid read', made, made, application_id, user_id
FROM session WHERE has_id_token
UNION ALL -- left over from sessions whose access token is gone
SELECT n, md5('jti' || n)::uuid, t, 'openid read', t - interval '10 hours', t - interval '10 hours', application_id,
       user_id
FROM (SELECT *, now() - pg_temp.days(5 + 180 * pg_temp.spread(n)) AS t FROM session
      WHERE class IN ('R', 'O') AND n % 2 = 0) leftover;

-- With these shares the session after a rotated one is always an expired or a refreshable one: its successor.
INSERT INTO oauth2_provider_accesstoken (id, token, expires, scope, application_id, user_id, created, updated,
                                         source_refresh_token_id, id_token_id, token_checksum, resource)
SELECT s.n, t, s.expires, CASE WHEN s.has_id_token THEN 'openid read' ELSE 'read' END, s.application_id, s.user_id,
       s.made, s.made, predecessor.n,
       CASE WHEN s.has_id_token THEN s.n END, pg_temp.checksum(t), '[]'::jsonb
FROM session s
CROSS JOIN LATERAL pg_temp.token('access', s.n) t
LEFT JOIN session predecessor ON predecessor.n = s.n - 1 AND predecessor.class = 'R'
WHERE s.class IN ('E', 'A', 'D')
UNION ALL -- client credentials: no user, no refresh token
SELECT n, t, expires, 'read', CASE WHEN n % 100 < 60 THEN 3 WHEN n % 100 < 85 THEN 4 ELSE 6 END, NULL,
       made, made, NULL, NULL, pg_temp.checksum(t), '[]'::jsonb
FROM (SELECT n, CASE WHEN n * 7 % 30 < 29 THEN now() - pg_temp.days(1 + 180 * pg_temp.spread(n))
                     ELSE now() + pg_temp.days(5 + 25 * pg_temp.spread(n)) END AS expires
      FROM generate_series(200001::bigint, 215000) n) machine
CROSS JOIN LATERAL (SELECT least(expires - interval '10 hours', now() - pg_temp.days(pg_temp.spread(n)))) m(made)
CROSS JOIN LATERAL pg_temp.token('access', n) t;

INSERT INTO oauth2_provider_refreshtoken (id, token, access_token_id, application_id, user_id, created, updated,
                                          revoked, token_family, token_checksum, resource)
SELECT s.n, t, CASE WHEN s.class IN ('E', 'A', 'D') THEN s.n END, s.application_id, s.user_id, c.made,
       coalesce(gone, c.made), gone, md5('family' || CASE WHEN s.class = 'R' THEN s.n + 1 ELSE s.n END)::uuid,
       pg_temp.checksum(t), '[]'::jsonb
FROM session s
LEFT JOIN session successor ON successor.n = s.n + 1
CROSS JOIN LATERAL pg_temp.token('refresh', s.n) t
-- Rotated at the moment at which the successor's access token was made.
CROSS JOIN LATERAL (SELECT CASE WHEN s.class = 'R'
                           THEN coalesce(successor.expires, now() - interval '20 days') - interval '10 hours' END) r(gone)
CROSS JOIN LATERAL (SELECT coalesce(s.made, gone - interval '3 days',
                                    now() - pg_temp.days(16 + 150 * pg_temp.spread(s.n)))) c(made);

INSERT INTO oauth2_provider_grant (id, code, expires, redirect_uri, scope, application_id, user_id, created, updated,
                                   code_challenge, code_challenge_method, nonce, claims, resource)
SELECT n, pg_temp.token('code', n), expires, 'https://shop.example.com/oauth/callback', 'openid read', 1,
       1 + (pg_temp.spread(n) * 2999)::int, expires - interval '1 minute', expires - interval '1 minute',
       left(pg_temp.checksum('challenge' || n::text), 43), 'S256', '', '', '[]'::jsonb
FROM (SELECT n, now() - pg_temp.days(1 + 180 * pg_temp.spread(n)) AS expires
      FROM generate_series(1::bigint, 8000) n) codes;

SELECT setval(pg_get_serial_sequence('auth_user', 'id'), 3000),
       setval(pg_get_serial_sequence('oauth2_provider_application', 'id'), 9),
       setval(pg_get_serial_sequence('oauth2_provider_idtoken', 'id'), 300000),
       setval(pg_get_serial_sequence('oauth2_provider_accesstoken', 'id'), 300000),
       setval(pg_get_serial_sequence('oauth2_provider_refreshtoken', 'id'), 300000),
       setval(pg_get_serial_sequence('oauth2_provider_grant', 'id'), 300000);
COMMIT;
ANALYZE;
