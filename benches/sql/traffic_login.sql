-- An authorization code is exchanged: an ID token, an access token, a refresh token.
\set application random(1, 200)
BEGIN;
INSERT INTO oauth2_provider_idtoken (jti, expires, scope, created, updated, application_id, user_id)
VALUES (gen_random_uuid(), now() + interval '10 hours', 'openid', now(), now(), :application, 1) RETURNING id AS id_token \gset
INSERT INTO oauth2_provider_accesstoken
  (token, expires, scope, application_id, user_id, created, updated, id_token_id, token_checksum, resource)
SELECT t, now() + interval '10 hours', 'openid', :application, 1, now(), now(), :id_token,
       encode(sha256(convert_to(t, 'UTF8')), 'hex'), '[]'
FROM (SELECT gen_random_uuid()::text AS t) x RETURNING id AS access_token \gset
INSERT INTO oauth2_provider_refreshtoken
  (token, access_token_id, application_id, user_id, created, updated, token_family, token_checksum, resource)
SELECT t, :access_token, :application, 1, now(), now(), gen_random_uuid(), encode(sha256(convert_to(t, 'UTF8')), 'hex'), '[]'
FROM (SELECT gen_random_uuid()::text AS t) x;
COMMIT;
