-- A refresh with rotation: the refresh token is locked and revoked, its access token goes, and a new pair refers to it.
\set n random(1, :live)
BEGIN;
SELECT refresh_id FROM live WHERE n = :n FOR UPDATE \gset
SELECT coalesce(access_token_id, 0) AS access_id, application_id, user_id, token_family
  FROM oauth2_provider_refreshtoken WHERE id = :refresh_id FOR UPDATE \gset
SELECT id FROM oauth2_provider_accesstoken WHERE source_refresh_token_id = :refresh_id FOR UPDATE;
UPDATE oauth2_provider_refreshtoken SET access_token_id = NULL WHERE access_token_id = :access_id;
DELETE FROM oauth2_provider_accesstoken WHERE id = :access_id;
UPDATE oauth2_provider_refreshtoken SET access_token_id = NULL, revoked = clock_timestamp(), updated = now()
 WHERE id = :refresh_id;
INSERT INTO oauth2_provider_accesstoken
  (token, expires, scope, application_id, user_id, created, updated, source_refresh_token_id, token_checksum, resource)
SELECT t, now() + interval '10 hours', 'openid', :application_id, :user_id, now(), now(), :refresh_id,
       encode(sha256(convert_to(t, 'UTF8')), 'hex'), '[]'
FROM (SELECT gen_random_uuid()::text AS t) x RETURNING id AS new_access \gset
INSERT INTO oauth2_provider_refreshtoken
  (token, access_token_id, application_id, user_id, created, updated, token_family, token_checksum, resource)
SELECT t, :new_access, :application_id, :user_id, now(), now(), ':token_family', encode(sha256(convert_to(t, 'UTF8')), 'hex'), '[]'
FROM (SELECT gen_random_uuid()::text AS t) x RETURNING id AS new_refresh \gset
UPDATE live SET refresh_id = :new_refresh WHERE n = :n;
COMMIT;
